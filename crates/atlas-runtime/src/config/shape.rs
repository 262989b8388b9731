//! What a configuration may look like, read from its JSON schema.

use schemars::{JsonSchema, generate::SchemaSettings};
use serde_json::{Map, Value as Json};

/// What may stand at one place of a configuration.
#[derive(Debug, Clone, Default)]
pub(super) struct Shape {
    /// The doc comment; paragraphs are separated by empty lines.
    pub(super) description: String,
    /// The default; none for what must be given, and for what is absent by default.
    pub(super) default: Option<Json>,
    /// Values to show where there is no default.
    pub(super) examples: Vec<Json>,
    /// The kinds of values that are taken.
    pub(super) kinds: Vec<Kind>,
}

/// A kind of value.
#[derive(Debug, Clone)]
pub(super) enum Kind {
    /// A table with named keys.
    Table {
        /// The keys in the order of the type.
        fields: Vec<(String, Shape)>,
        /// Keys that must be given.
        required: Vec<String>,
        /// Whether other keys are taken too.
        open: bool,
    },
    /// A table whose keys are names that people choose.
    Map(Box<Shape>),
    /// A list.
    List(Box<Shape>),
    /// A text; one of the choices if there are any.
    Text(Vec<Choice>),
    /// A number.
    Number {
        whole: bool,
        minimum: Option<f64>,
        maximum: Option<f64>,
    },
    /// `true` or `false`.
    Boolean,
    /// A duration.
    Span,
    /// A size in bytes.
    Size,
    /// Anything.
    Any,
}

/// One of the words that a text may be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Choice {
    pub(super) word: String,
    pub(super) description: String,
}

impl Shape {
    /// The shape of `T`.
    pub(super) fn of<T: JsonSchema>() -> Self {
        // Without references, so that a field's own description is where the field is.
        let settings =
            SchemaSettings::draft2020_12().with(|settings| settings.inline_subschemas = true);
        Self::read(
            settings
                .into_generator()
                .into_root_schema_for::<T>()
                .as_value(),
        )
    }

    /// The keys of the table kind, if a table may stand here.
    pub(super) fn fields(&self) -> Option<&[(String, Shape)]> {
        self.kinds.iter().find_map(|kind| match kind {
            Kind::Table { fields, .. } => Some(&fields[..]),
            _ => None,
        })
    }

    /// The shape of each value, if a table with chosen names may stand here.
    pub(super) fn map(&self) -> Option<&Shape> {
        self.kinds.iter().find_map(|kind| match kind {
            Kind::Map(item) => Some(&**item),
            _ => None,
        })
    }

    /// The shape of each item, if a list may stand here.
    pub(super) fn list(&self) -> Option<&Shape> {
        self.kinds.iter().find_map(|kind| match kind {
            Kind::List(item) => Some(&**item),
            _ => None,
        })
    }

    /// The shape at a field, or at a chosen name.
    pub(super) fn field(&self, name: &str) -> Option<&Shape> {
        let fixed = self
            .fields()
            .and_then(|fields| fields.iter().find(|(field, _)| field == name));
        fixed.map(|(_, shape)| shape).or_else(|| self.map())
    }

    /// Whether only a table may stand here, and with named keys.
    pub(super) fn is_table(&self) -> bool {
        !self.kinds.is_empty()
            && self
                .kinds
                .iter()
                .all(|kind| matches!(kind, Kind::Table { .. }))
    }

    fn read(schema: &Json) -> Self {
        let Some(object) = schema.as_object() else {
            return Self {
                kinds: vec![Kind::Any],
                ..Self::default()
            };
        };
        let mut shape = Self {
            description: text(object, "description"),
            default: object
                .get("default")
                .filter(|default| !default.is_null())
                .cloned(),
            examples: object
                .get("examples")
                .and_then(Json::as_array)
                .cloned()
                .unwrap_or_default(),
            kinds: Vec::new(),
        };
        shape.add_kinds(object);
        let count = object
            .get("minItems")
            .and_then(Json::as_u64)
            .unwrap_or_default();
        if let (true, 1..=16, Some(Kind::Number { .. })) = (
            shape.examples.is_empty(),
            count,
            shape.list().and_then(|item| item.kinds.first()),
        ) {
            shape
                .examples
                .push((0..count).map(|_| Json::from(0)).collect());
        }
        if shape.kinds.is_empty() {
            shape.kinds.push(Kind::Any);
        }
        shape
    }

    fn add_kinds(&mut self, schema: &Map<String, Json>) {
        for list in ["anyOf", "oneOf", "allOf"] {
            for part in schema
                .get(list)
                .and_then(Json::as_array)
                .into_iter()
                .flatten()
            {
                match part.as_object() {
                    Some(part) => self.add_kinds(part),
                    None => self.add(Kind::Any),
                }
            }
        }
        if let Some(word) = schema.get("const").and_then(Json::as_str) {
            let choice = Choice {
                word: word.to_owned(),
                description: text(schema, "description"),
            };
            return self.add(Kind::Text(vec![choice]));
        }
        if let Some(words) = schema.get("enum").and_then(Json::as_array) {
            let words = words.iter().filter_map(Json::as_str);
            let choices = words.map(|word| Choice {
                word: word.to_owned(),
                description: String::new(),
            });
            return self.add(Kind::Text(choices.collect()));
        }
        let types = match schema.get("type") {
            Some(Json::String(one)) => vec![one.as_str()],
            Some(Json::Array(several)) => several.iter().filter_map(Json::as_str).collect(),
            _ => Vec::new(),
        };
        // Sizes and spans take several types, which are one kind to a person.
        match schema.get("format").and_then(Json::as_str) {
            Some("time-span") => return self.add(Kind::Span),
            Some("byte-size") => return self.add(Kind::Size),
            _ => {}
        }
        for name in types {
            let number = |whole| Kind::Number {
                whole,
                minimum: schema.get("minimum").and_then(Json::as_f64),
                maximum: schema.get("maximum").and_then(Json::as_f64),
            };
            let kind = match name {
                "object" => table(schema),
                "array" => Kind::List(Box::new(schema.get("items").map_or_else(any, Self::read))),
                "string" => Kind::Text(Vec::new()),
                "integer" => number(true),
                "number" => number(false),
                "boolean" => Kind::Boolean,
                _ => continue,
            };
            self.add(kind);
        }
    }

    /// Adds a kind; those of one sort become one, so that a message names all words and a table all keys.
    fn add(&mut self, kind: Kind) {
        for own in &mut self.kinds {
            match (own, &kind) {
                (Kind::Text(own), Kind::Text(more)) if !own.is_empty() && !more.is_empty() => {
                    own.extend(
                        more.iter()
                            .filter(|choice| !own.contains(choice))
                            .cloned()
                            .collect::<Vec<_>>(),
                    );
                    return;
                }
                (
                    Kind::Table {
                        fields,
                        required,
                        open,
                    },
                    Kind::Table {
                        fields: more,
                        required: also,
                        open: opens,
                    },
                ) => {
                    for (name, shape) in more {
                        match fields.iter_mut().find(|(own, _)| own == name) {
                            Some((_, own)) => {
                                shape.kinds.iter().for_each(|kind| own.add(kind.clone()))
                            }
                            None => fields.push((name.clone(), shape.clone())),
                        }
                    }
                    // A key is required only if each form of the table requires it.
                    required.retain(|name| also.contains(name));
                    *open |= opens;
                    return;
                }
                _ => {}
            }
        }
        self.kinds.push(kind);
    }
}

fn table(schema: &Map<String, Json>) -> Kind {
    let rest = schema.get("additionalProperties");
    let Some(properties) = schema.get("properties").and_then(Json::as_object) else {
        return Kind::Map(Box::new(rest.map_or_else(any, Shape::read)));
    };
    let required = schema
        .get("required")
        .and_then(Json::as_array)
        .into_iter()
        .flatten();
    Kind::Table {
        fields: properties
            .iter()
            .map(|(name, schema)| (name.clone(), Shape::read(schema)))
            .collect(),
        required: required
            .filter_map(Json::as_str)
            .map(str::to_owned)
            .collect(),
        open: rest.and_then(Json::as_bool) != Some(false),
    }
}

fn any() -> Shape {
    Shape {
        kinds: vec![Kind::Any],
        ..Shape::default()
    }
}

fn text(schema: &Map<String, Json>, key: &str) -> String {
    schema
        .get(key)
        .and_then(Json::as_str)
        .unwrap_or_default()
        .trim()
        .to_owned()
}
