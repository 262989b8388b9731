//! Variables and flags, set over the file's values.

use serde_json::Value as Json;

use super::{
    Flag, Place, Problem, check,
    names::{self, Target},
    shape::{Kind, Shape},
    tree::{Node, Path, Value},
};

const PREFIX: &str = "ATLAS_";

/// Sets `ATLAS_SECTION__KEY` variables over `tree`; `RUST_LOG` stands below them.
pub(super) fn variables(
    tree: &mut Node,
    shape: &Shape,
    variables: &[(String, String)],
    problems: &mut Vec<Problem>,
) {
    let level = [String::from("log"), String::from("level")];
    if let Some((name, value)) = variables
        .iter()
        .find(|(name, value)| name == "RUST_LOG" && !value.is_empty())
        && shape
            .field("log")
            .and_then(|log| log.field("level"))
            .is_some()
    {
        let place = Place::Variable(name.clone());
        tree.set(
            &level,
            Node {
                place,
                value: Value::Scalar(Json::String(value.clone())),
            },
        );
    }
    let mut sorted: Vec<_> = variables.iter().collect();
    // The process gets them in no order; messages and overlapping tables should not depend on it.
    sorted.sort();
    for (name, value) in sorted {
        let place = Place::Variable(name.clone());
        if let Some(foreign) = names::variable(name) {
            let right = names::advice(foreign, "", shape);
            problems.push(Problem {
                place,
                key: String::new(),
                wrong: format!("`{name}` is not read here"),
                right,
            });
            continue;
        }
        // Without `__` it is no override: `ATLAS_HOME` and `ATLAS_CONFIG` are of that kind.
        let Some(rest) = name.strip_prefix(PREFIX).filter(|rest| rest.contains("__")) else {
            continue;
        };
        match keys_of_variable(rest, shape, tree) {
            Ok((keys, target)) => tree.set(&keys, parse(value, target, place)),
            Err((path, table)) => problems.push(check::unknown_key(place, &path, table, shape)),
        }
    }
}

/// Sets flags over `tree`.
pub(super) fn flags(tree: &mut Node, shape: &Shape, flags: &[Flag], problems: &mut Vec<Problem>) {
    for flag in flags {
        let place = Place::Flag(flag.name.clone());
        let keys: Vec<String> = flag.key.split('.').map(str::to_owned).collect();
        let mut target = Target {
            path: Path::default(),
            shape,
        };
        let found = keys.iter().all(|key| match target.shape.field(key) {
            Some(shape) => {
                target = Target {
                    path: target.path.key(key),
                    shape,
                };
                true
            }
            None => {
                let path = target.path.key(key);
                problems.push(check::unknown_key(
                    place.clone(),
                    &path,
                    target.shape,
                    shape,
                ));
                false
            }
        });
        if found {
            tree.set(&keys, parse(&flag.value, target.shape, place));
        }
    }
}

/// The keys that `WORLD__MAIN__BALANCE` means, and what may stand there; else the path up to the unknown key and the
/// table that does not have it.
fn keys_of_variable<'s>(
    rest: &str,
    shape: &'s Shape,
    tree: &Node,
) -> Result<(Vec<String>, &'s Shape), (Path, &'s Shape)> {
    let mut keys = Vec::new();
    let mut at = shape;
    let mut path = Path::default();
    let mut given = Some(tree);
    for part in rest.split("__") {
        let means = |key: &str| key.to_uppercase().replace('-', "_") == part;
        let field = at
            .fields()
            .and_then(|fields| fields.iter().find(|(key, _)| means(key)));
        let (key, next) = match (field, at.map()) {
            (Some((key, next)), _) => (key.clone(), next),
            (None, Some(item)) => {
                // A name that the file has, however it is written; else the usual writing.
                let existing = given.and_then(|node| match &node.value {
                    Value::Table(table) => table.keys().find(|key| means(key)),
                    _ => None,
                });
                (
                    existing
                        .cloned()
                        .unwrap_or_else(|| part.to_lowercase().replace('_', "-")),
                    item,
                )
            }
            (None, None) => return Err((path.key(&part.to_lowercase().replace('_', "-")), at)),
        };
        path = path.key(&key);
        given = given.and_then(|node| node.child(&super::tree::Step::Key(key.clone())));
        keys.push(key);
        at = next;
    }
    Ok((keys, at))
}

/// A text as the kind that is wanted; if it is none of them it stays a text, and the check says what is wrong.
fn parse(text: &str, shape: &Shape, place: Place) -> Node {
    let scalar = |json| Node {
        place: place.clone(),
        value: Value::Scalar(json),
    };
    let trimmed = text.trim();
    for kind in &shape.kinds {
        let node =
            match kind {
                Kind::Boolean => trimmed
                    .parse::<bool>()
                    .ok()
                    .map(|value| scalar(value.into())),
                Kind::Number { .. } => Node::inline(trimmed, &place).filter(is_number),
                // A bare number is told from a text with a unit, so that the check can name the missing unit.
                Kind::Span | Kind::Size if trimmed != "0" => {
                    Node::inline(trimmed, &place).filter(is_number)
                }
                Kind::Table { .. } | Kind::Map(_) => Node::inline(trimmed, &place)
                    .filter(|node| matches!(node.value, Value::Table(_))),
                Kind::List(_) if trimmed.starts_with('[') => Node::inline(trimmed, &place)
                    .filter(|node| matches!(node.value, Value::List(_))),
                Kind::List(item) => {
                    let parts = trimmed
                        .split(',')
                        .map(str::trim)
                        .filter(|part| !part.is_empty());
                    let items = parts.map(|part| parse(part, item, place.clone()));
                    Some(Node {
                        place: place.clone(),
                        value: Value::List(items.collect()),
                    })
                }
                Kind::Any => Node::inline(trimmed, &place),
                Kind::Text(_) | Kind::Span | Kind::Size => None,
            };
        if let Some(node) = node {
            return node;
        }
    }
    scalar(Json::String(text.to_owned()))
}

fn is_number(node: &Node) -> bool {
    matches!(
        node.value,
        Value::Scalar(Json::Number(_)) | Value::NoNumber(_)
    )
}
