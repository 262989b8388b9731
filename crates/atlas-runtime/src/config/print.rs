//! The example file and the reference, made from the types.

use std::fmt::Write;

use serde_json::Value as Json;

use super::{
    check,
    shape::{Choice, Kind, Shape},
};

/// Columns of a comment in the example.
const WIDTH: usize = 110;
/// The name that the example gives where people choose one.
const NAME: &str = "main";

/// The example of `sections`; of all if there are none.
pub(super) fn example(root: &Shape, sections: &[&str]) -> String {
    let mut out = String::from(
        "# Every value here is the default. Lines with one `#` before a key show what has none.\n",
    );
    for (name, shape) in root.fields().unwrap_or_default() {
        if sections.is_empty() || sections.contains(&name.as_str()) {
            if let (Some(item), None) = (shape.map(), shape.fields()) {
                if !shape.description.is_empty() {
                    out.push('\n');
                }
                comment(&mut out, &shape.description, &[]);
                table(&mut out, &format!("{name}.{NAME}"), item, "");
            } else {
                table(&mut out, name, shape, "");
            }
        }
    }
    out
}

/// A table with its comment, its values, then the tables in it. `mark` is `# ` where all of it is only shown.
fn table(out: &mut String, path: &str, shape: &Shape, mark: &str) {
    out.push('\n');
    comment(out, &shape.description, &[]);
    let _ = writeln!(out, "{mark}[{path}]");
    body(out, path, shape, mark);
}

fn body(out: &mut String, path: &str, shape: &Shape, mark: &str) {
    let fields = shape.fields().unwrap_or_default();
    let (tables, values): (Vec<_>, Vec<_>) = fields
        .iter()
        .partition(|(_, field)| form(field) != Form::Value);
    for (name, field) in values {
        comment(out, &field.description, &choices(field));
        match &field.default {
            Some(default) => {
                let _ = writeln!(out, "{mark}{name} = {}", inline(default));
            }
            None => {
                let _ = writeln!(out, "# {name} = {}", inline(&placeholder(field)));
            }
        }
    }
    for (name, field) in tables {
        let below = format!("{path}.{name}");
        match form(field) {
            // An absent table means something else than one of defaults.
            Form::Table if field.default.is_none() => table(out, &below, field, "# "),
            Form::Table => table(out, &below, field, mark),
            Form::Tables | Form::Value => {
                out.push('\n');
                comment(out, &field.description, &[]);
                let _ = writeln!(out, "# [[{below}]]");
                if let Some(item) = field.list() {
                    body(out, &below, item, "# ");
                }
            }
        }
    }
}

/// How a field is written.
#[derive(PartialEq, Eq)]
enum Form {
    /// `key = value`.
    Value,
    /// `[key]`.
    Table,
    /// `[[key]]`.
    Tables,
}

fn form(shape: &Shape) -> Form {
    let empty = shape
        .default
        .as_ref()
        .is_none_or(|default| default.as_array().is_some_and(Vec::is_empty));
    if shape.is_table() {
        Form::Table
    } else if empty && shape.list().is_some_and(Shape::is_table) {
        Form::Tables
    } else {
        Form::Value
    }
}

/// A text as comment lines, wrapped, then its choices.
fn comment(out: &mut String, text: &str, choices: &[String]) {
    for paragraph in text
        .split("\n\n")
        .filter(|paragraph| !paragraph.trim().is_empty())
    {
        wrapped(out, "", paragraph);
    }
    let one_line = format!("One of: {}.", choices.join(", "));
    match choices {
        [] => {}
        _ if one_line.len() + 3 <= WIDTH => wrapped(out, "", &one_line),
        _ => {
            wrapped(out, "", "One of:");
            choices.iter().for_each(|choice| wrapped(out, "  ", choice));
        }
    }
}

/// Words as comment lines of at most [`WIDTH`] columns; all but the first are indented two more.
fn wrapped(out: &mut String, indent: &str, text: &str) {
    let mut line = String::new();
    let mut margin = indent.to_owned();
    for word in text.split_whitespace() {
        if !line.is_empty() && margin.len() + line.len() + word.len() + 4 > WIDTH {
            let _ = writeln!(out, "## {margin}{line}");
            line.clear();
            margin = indent.repeat(2);
        }
        if !line.is_empty() {
            line.push(' ');
        }
        line.push_str(word);
    }
    let _ = writeln!(out, "## {margin}{line}");
}

/// Each choice with its meaning: `"auto" (pretty on a terminal)`.
fn choices(shape: &Shape) -> Vec<String> {
    let shown = all_choices(shape).map(|choice| match check::first_sentence(&choice.description) {
        text if text.is_empty() => format!("\"{}\"", choice.word),
        text => format!("\"{}\" ({})", choice.word, decapitalised(&text)),
    });
    shown.collect()
}

fn all_choices(shape: &Shape) -> impl Iterator<Item = &Choice> {
    let texts = shape.kinds.iter().filter_map(|kind| match kind {
        Kind::Text(choices) => Some(choices),
        _ => None,
    });
    texts.flatten()
}

/// The first letter in lower case, unless the first word is all capitals.
fn decapitalised(text: &str) -> String {
    let mut letters = text.chars();
    match (letters.next(), letters.clone().next()) {
        (Some(first), Some(second)) if !second.is_uppercase() => {
            first.to_lowercase().chain(letters).collect()
        }
        _ => text.to_owned(),
    }
}

/// Something to show where there is no default.
fn placeholder(shape: &Shape) -> Json {
    if let Some(example) = shape.examples.first() {
        return example.clone();
    }
    match shape.kinds.first() {
        Some(Kind::Boolean) => Json::Bool(false),
        Some(Kind::Number { minimum, .. }) => {
            Json::from(minimum.map_or(0, |minimum| minimum as i64))
        }
        Some(Kind::Span) => "5s".into(),
        Some(Kind::Size) => "1MiB".into(),
        Some(Kind::List(_)) => Json::Array(Vec::new()),
        Some(Kind::Map(_) | Kind::Table { .. }) => Json::Object(serde_json::Map::new()),
        Some(Kind::Text(choices)) => choices.first().map_or("", |choice| &choice.word).into(),
        Some(Kind::Any) | None => "".into(),
    }
}

/// A value in TOML's inline form. Nothing (`null`) has none and is left out of tables and lists.
fn inline(json: &Json) -> String {
    match json {
        Json::Null => "\"\"".to_owned(),
        Json::Array(items) => {
            let items: Vec<_> = items
                .iter()
                .filter(|item| !item.is_null())
                .map(inline)
                .collect();
            format!("[{}]", items.join(", "))
        }
        Json::Object(fields) if fields.is_empty() => "{}".to_owned(),
        Json::Object(fields) => {
            let fields = fields.iter().filter(|(_, value)| !value.is_null());
            let fields: Vec<_> = fields
                .map(|(key, value)| format!("{key} = {}", inline(value)))
                .collect();
            format!("{{ {} }}", fields.join(", "))
        }
        Json::String(text) => toml::Value::String(text.clone()).to_string(),
        // JSON's spelling of booleans and numbers is TOML's.
        other => other.to_string(),
    }
}

/// The reference in Markdown.
pub(super) fn reference(root: &Shape) -> String {
    let mut out = String::new();
    for (name, shape) in root.fields().unwrap_or_default() {
        match shape.map() {
            Some(item) => section(&mut out, &format!("{name}.NAME"), item, &shape.description),
            None => section(&mut out, name, shape, &shape.description),
        }
    }
    out
}

fn section(out: &mut String, path: &str, shape: &Shape, description: &str) {
    let _ = writeln!(out, "## `[{path}]`\n");
    let own = Some(&*shape.description).filter(|own| *own != description);
    for text in [Some(description), own]
        .into_iter()
        .flatten()
        .filter(|text| !text.is_empty())
    {
        let _ = writeln!(out, "{text}\n");
    }
    let fields = shape.fields().unwrap_or_default();
    let (tables, values): (Vec<_>, Vec<_>) = fields
        .iter()
        .partition(|(_, field)| form(field) != Form::Value);
    if !values.is_empty() {
        out.push_str("| key | what | default | meaning |\n|---|---|---|---|\n");
    }
    for (name, field) in values {
        let default = field
            .default
            .as_ref()
            .map_or_else(String::new, |default| format!("`{}`", inline(default)));
        let mut meaning = field
            .description
            .split_whitespace()
            .collect::<Vec<_>>()
            .join(" ");
        let choices = choices(field);
        if !choices.is_empty() {
            meaning = format!("{meaning} One of: {}.", choices.join(", "));
        }
        let _ = writeln!(
            out,
            "| `{name}` | {} | {} | {} |",
            cell(&kind(field)),
            cell(&default),
            cell(&meaning)
        );
    }
    out.push('\n');
    for (name, field) in tables {
        match field.list() {
            Some(item) if form(field) == Form::Tables => {
                section(out, &format!("[{path}.{name}]"), item, &field.description)
            }
            _ => section(out, &format!("{path}.{name}"), field, &field.description),
        }
    }
}

/// What a field takes, in a word or two; its choices stand in the meaning.
fn kind(shape: &Shape) -> String {
    let words = shape.kinds.iter().map(|kind| match kind {
        Kind::Table { .. } | Kind::Map(_) => "table".to_owned(),
        Kind::List(item) => format!("list of {}", self::kind(item)),
        Kind::Text(choices) if choices.is_empty() => "text".to_owned(),
        Kind::Text(_) => "choice".to_owned(),
        Kind::Number { whole: true, .. } => "whole number".to_owned(),
        Kind::Number { whole: false, .. } => "number".to_owned(),
        Kind::Boolean => "boolean".to_owned(),
        Kind::Span => "duration".to_owned(),
        Kind::Size => "size".to_owned(),
        Kind::Any => "any".to_owned(),
    });
    words.collect::<Vec<_>>().join(" or ")
}

fn cell(text: &str) -> String {
    text.replace('|', "\\|")
}
