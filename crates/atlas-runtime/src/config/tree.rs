//! The values that were given, each with its place.

use std::{collections::BTreeMap, fmt, ops::Range};

use serde_json::Value as Json;
use toml::de::{DeTable, DeValue};

use super::{Place, Problem};

/// A value and where it was given.
#[derive(Debug, Clone)]
pub(super) struct Node {
    pub(super) place: Place,
    pub(super) value: Value,
}

/// What was given.
#[derive(Debug, Clone)]
pub(super) enum Value {
    Table(BTreeMap<String, Node>),
    List(Vec<Node>),
    /// A text, number or boolean.
    Scalar(Json),
    /// A number that is none: `inf`, `nan`, or beyond 64 bits; as it was written.
    NoNumber(String),
    /// An item that was taken out of its list; the others keep their index.
    Gone,
}

/// One step of a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Step {
    Key(String),
    Index(usize),
}

/// Where in the tree: `world.main.servers[1].region`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Path(pub(super) Vec<Step>);

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, step) in self.0.iter().enumerate() {
            match step {
                Step::Key(key) if index == 0 => f.write_str(key)?,
                Step::Key(key) => write!(f, ".{key}")?,
                Step::Index(at) => write!(f, "[{at}]")?,
            }
        }
        Ok(())
    }
}

impl Path {
    /// Reads `a.b[1].c`; `a.b.1.c` means the same.
    pub(super) fn parse(text: &str) -> Self {
        let parts = text.split(['.', '[', ']']).filter(|part| !part.is_empty());
        Self(
            parts
                .map(|part| {
                    part.parse()
                        .map_or_else(|_| Step::Key(part.to_owned()), Step::Index)
                })
                .collect(),
        )
    }

    pub(super) fn key(&self, key: &str) -> Self {
        self.with(Step::Key(key.to_owned()))
    }

    pub(super) fn index(&self, index: usize) -> Self {
        self.with(Step::Index(index))
    }

    fn with(&self, step: Step) -> Self {
        let mut steps = self.0.clone();
        steps.push(step);
        Self(steps)
    }
}

impl Node {
    /// A tree without values.
    pub(super) fn empty() -> Self {
        Self {
            place: Place::Default,
            value: Value::Table(BTreeMap::new()),
        }
    }

    /// Reads TOML. What is no TOML becomes problems; the rest is read nevertheless.
    pub(super) fn read(text: &str, file: &str, problems: &mut Vec<Problem>) -> Self {
        let source = Source { text, file };
        let (table, errors) = DeTable::parse_recoverable(text);
        for error in errors {
            let place = source.place(error.span().unwrap_or_default());
            // The parser goes on after a slip and may stumble over it again: one message for a line.
            if !problems.iter().any(|problem| problem.place == place) {
                let wrong = format!("this is no TOML: {}", error.message().replace('\n', ", "));
                let right = source.advice(&place).to_owned();
                problems.push(Problem {
                    place,
                    key: String::new(),
                    wrong,
                    right,
                });
            }
        }
        let place = source.place(0..0);
        Self {
            place,
            value: source.table(table.get_ref()),
        }
    }

    /// The value of TOML's inline form (`[1, 2]`, `{ a = 1 }`, `true`), all of it at `place`.
    pub(super) fn inline(text: &str, place: &Place) -> Option<Self> {
        let value = DeValue::parse(text).ok()?;
        let mut node = Self {
            place: place.clone(),
            value: Source { text, file: "" }.value(value.get_ref()),
        };
        node.move_to(place);
        Some(node)
    }

    /// The node at `path`, or the last one on the way to it.
    pub(super) fn nearest(&self, path: &Path) -> &Self {
        let mut node = self;
        for step in &path.0 {
            match node.child(step) {
                Some(child) => node = child,
                None => break,
            }
        }
        node
    }

    pub(super) fn child(&self, step: &Step) -> Option<&Self> {
        match (&self.value, step) {
            (Value::Table(table), Step::Key(key)) => table.get(key),
            (Value::Table(table), Step::Index(index)) => table.get(&index.to_string()),
            (Value::List(list), Step::Index(index)) => list.get(*index),
            _ => None,
        }
    }

    /// Sets the value at `keys`; whatever stood there, or in the way, goes.
    pub(super) fn set(&mut self, keys: &[String], node: Self) {
        let Some((first, rest)) = keys.split_first() else {
            *self = node;
            return;
        };
        if !matches!(self.value, Value::Table(_)) {
            *self = Self {
                place: node.place.clone(),
                ..Self::empty()
            };
        }
        if let Value::Table(table) = &mut self.value {
            let empty = || Self {
                place: node.place.clone(),
                ..Self::empty()
            };
            table
                .entry(first.clone())
                .or_insert_with(empty)
                .set(rest, node);
        }
    }

    /// Takes the value at `path` away; the other items of a list keep their index, so that messages name the right
    /// one. Whether there was a value.
    pub(super) fn remove(&mut self, path: &[Step]) -> bool {
        let Some((first, rest)) = path.split_first() else {
            return false;
        };
        match (&mut self.value, first) {
            (Value::Table(table), Step::Key(key)) if rest.is_empty() => table.remove(key).is_some(),
            (Value::Table(table), Step::Key(key)) => {
                table.get_mut(key).is_some_and(|child| child.remove(rest))
            }
            (Value::List(list), Step::Index(index)) => match list.get_mut(*index) {
                Some(child) if rest.is_empty() => !matches!(
                    std::mem::replace(&mut child.value, Value::Gone),
                    Value::Gone
                ),
                Some(child) => child.remove(rest),
                None => false,
            },
            _ => false,
        }
    }

    /// The path in this tree of what [`Node::to_json`] has at `path`: the items that are gone are counted again.
    pub(super) fn path_of_json(&self, path: impl Iterator<Item = Step>) -> Path {
        let mut node = Some(self);
        let mut steps = Vec::new();
        for step in path {
            let step = match (node.map(|node| &node.value), step) {
                (Some(Value::List(list)), Step::Index(index)) => {
                    let present = list
                        .iter()
                        .enumerate()
                        .filter(|(_, item)| !matches!(item.value, Value::Gone));
                    Step::Index(present.map(|(at, _)| at).nth(index).unwrap_or(index))
                }
                (_, step) => step,
            };
            node = node.and_then(|node| node.child(&step));
            steps.push(step);
        }
        Path(steps)
    }

    /// The values alone.
    pub(super) fn to_json(&self) -> Json {
        match &self.value {
            Value::Table(table) => Json::Object(
                table
                    .iter()
                    .map(|(key, node)| (key.clone(), node.to_json()))
                    .collect(),
            ),
            Value::List(list) => {
                let present = list
                    .iter()
                    .filter(|item| !matches!(item.value, Value::Gone));
                Json::Array(present.map(Self::to_json).collect())
            }
            Value::Scalar(json) => json.clone(),
            Value::NoNumber(text) => Json::String(text.clone()),
            Value::Gone => Json::Null,
        }
    }

    fn move_to(&mut self, place: &Place) {
        self.place = place.clone();
        match &mut self.value {
            Value::Table(table) => table.values_mut().for_each(|node| node.move_to(place)),
            Value::List(list) => list.iter_mut().for_each(|node| node.move_to(place)),
            Value::Scalar(_) | Value::NoNumber(_) | Value::Gone => {}
        }
    }
}

/// A TOML text.
struct Source<'a> {
    text: &'a str,
    file: &'a str,
}

impl Source<'_> {
    fn place(&self, span: Range<usize>) -> Place {
        let before = self.text.as_bytes().iter().take(span.start);
        let line = 1 + before.filter(|&&byte| byte == b'\n').count();
        Place::File {
            file: self.file.to_owned(),
            line,
        }
    }

    /// What would be right on a line that is no TOML, for the two slips that people make.
    fn advice(&self, place: &Place) -> &'static str {
        let Place::File { line, .. } = place else {
            return "";
        };
        let line = self.text.lines().nth(line - 1).unwrap_or_default().trim();
        let word = |text: &str| {
            !text.is_empty()
                && text
                    .chars()
                    .all(|c| c.is_alphanumeric() || "-_. ".contains(c))
        };
        match (line.split_once('='), line.split_once(':')) {
            (Some((key, value)), _)
                if word(key) && value.trim().starts_with(char::is_alphabetic) =>
            {
                "texts stand in quotes"
            }
            (None, Some((key, _))) if word(key) => {
                "write `key = value`; `atlas config convert FILE` translates YAML"
            }
            _ => "",
        }
    }

    fn table(&self, table: &DeTable<'_>) -> Value {
        let nodes = table.iter().map(|(key, value)| {
            // A key's line is where a person looks for it, also if its value is long.
            let node = Node {
                place: self.place(key.span()),
                value: self.value(value.get_ref()),
            };
            (key.get_ref().clone().into_owned(), node)
        });
        Value::Table(nodes.collect())
    }

    fn value(&self, value: &DeValue<'_>) -> Value {
        match value {
            DeValue::String(text) => Value::Scalar(Json::String(text.clone().into_owned())),
            DeValue::Boolean(value) => Value::Scalar(Json::Bool(*value)),
            DeValue::Integer(number) => {
                match i64::from_str_radix(number.as_str(), number.radix()) {
                    Ok(number) => Value::Scalar(number.into()),
                    Err(_) => Value::NoNumber(number.to_string()),
                }
            }
            DeValue::Float(number) => match number
                .as_str()
                .parse::<f64>()
                .ok()
                .and_then(serde_json::Number::from_f64)
            {
                Some(number) => Value::Scalar(Json::Number(number)),
                None => Value::NoNumber(number.to_string()),
            },
            DeValue::Datetime(time) => Value::Scalar(Json::String(time.to_string())),
            DeValue::Array(list) => {
                let items = list.iter().map(|item| Node {
                    place: self.place(item.span()),
                    value: self.value(item.get_ref()),
                });
                Value::List(items.collect())
            }
            DeValue::Table(table) => self.table(table),
        }
    }
}
