//! TOML files, by way of [`Document`].

use toml_edit::{Item, TableLike, Value};

use super::{BYTES_MAX, Change, DEPTH_MAX, Leaf, Node, Table};
use crate::document::Document;

/// Changes that are made: each reads the file once more.
const CHANGES_MAX: usize = 500;

fn document(text: &str) -> Result<Document, String> {
    Document::read(text.as_bytes(), BYTES_MAX as u64, 40_000).map_err(|error| error.to_string())
}

pub(super) fn read(text: &str) -> Result<Table, String> {
    table(document(text)?.root(), 0)
}

fn table(like: &dyn TableLike, depth: usize) -> Result<Table, String> {
    if depth > DEPTH_MAX {
        return Err("is too deep".to_owned());
    }
    let mut found = Table::default();
    for (key, item) in like.iter() {
        let node = match item {
            Item::None => continue,
            Item::Table(inner) => Node::Table(table(inner, depth + 1)?),
            Item::Value(Value::InlineTable(inner)) => Node::Table(table(inner, depth + 1)?),
            Item::Value(value) => Node::Leaf(leaf(value)),
            Item::ArrayOfTables(tables) => {
                let mut means = String::new();
                for inner in tables {
                    means += &meaning_of_table(inner);
                }
                // Without a text of its own: it is compared, and cannot be put in.
                Node::Leaf(Leaf {
                    means,
                    raw: String::new(),
                })
            }
        };
        found.insert(key.to_owned(), node);
    }
    Ok(found)
}

fn leaf(value: &Value) -> Leaf {
    // Comments in a list are not values, so that its text is made anew.
    let raw = match value {
        Value::Array(array) => {
            let items: Vec<String> = array.iter().map(|value| leaf(value).raw).collect();
            format!("[{}]", items.join(", "))
        }
        Value::InlineTable(table) => {
            let items = table.iter().map(|(key, value)| {
                let key = toml_edit::Key::new(key);
                format!("{} = {}", key.display_repr(), leaf(value).raw)
            });
            format!("{{ {} }}", items.collect::<Vec<_>>().join(", "))
        }
        Value::String(text) => Value::from(text.value().as_str()).to_string(),
        Value::Integer(number) => Value::from(*number.value()).to_string(),
        Value::Float(number) => Value::from(*number.value()).to_string(),
        Value::Boolean(value) => value.value().to_string(),
        Value::Datetime(moment) => moment.value().to_string(),
    };
    Leaf {
        means: raw.clone(),
        raw,
    }
}

fn meaning_of_table(table: &toml_edit::Table) -> String {
    let mut items: Vec<String> = table
        .iter()
        .map(|(key, item)| match item {
            Item::Value(value) => format!("{key:?}={}", leaf(value).means),
            Item::Table(inner) => format!("{key:?}={{{}}}", meaning_of_table(inner)),
            Item::ArrayOfTables(tables) => {
                let inner: Vec<String> = tables.iter().map(meaning_of_table).collect();
                format!("{key:?}=[{}]", inner.join(","))
            }
            Item::None => String::new(),
        })
        .collect();
    items.sort();
    format!("{{{}}}", items.join(","))
}

pub(super) fn apply(text: &str, changes: &[Change]) -> Result<String, String> {
    let mut document = document(text)?;
    let mut count = 0;
    for change in changes {
        let keys: Vec<&str> = change.path.iter().map(String::as_str).collect();
        match &change.value {
            None => document.remove(&keys).map_err(|error| error.to_string())?,
            Some(node) => set(&mut document, &keys, node, &mut count)?,
        }
        count += 1;
        if count > CHANGES_MAX {
            return Err(format!("more than {CHANGES_MAX} keys would change"));
        }
    }
    Ok(document.text().to_owned())
}

fn set(
    document: &mut Document,
    keys: &[&str],
    node: &Node,
    count: &mut usize,
) -> Result<(), String> {
    match node {
        Node::Leaf(leaf) if leaf.raw.is_empty() => Err(format!(
            "{} is a list of tables, which is not merged",
            keys.join(".")
        )),
        Node::Leaf(leaf) => {
            let value: Value = leaf
                .raw
                .parse()
                .map_err(|_| "has an odd value".to_owned())?;
            document.set(keys, value).map_err(|error| error.to_string())
        }
        Node::Table(table) => {
            for key in &table.order {
                *count += 1;
                if *count > CHANGES_MAX {
                    return Err(format!("more than {CHANGES_MAX} keys would change"));
                }
                let keys: Vec<&str> = keys.iter().copied().chain([key.as_str()]).collect();
                set(document, &keys, &table.nodes[key], count)?;
            }
            Ok(())
        }
    }
}
