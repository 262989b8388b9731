//! Compares what was given with what may be.

use std::str::FromStr;

use atlas_base::{ByteSize, TimeSpan};
use serde_json::Value as Json;

use super::{
    Place, Problem, names,
    shape::{Choice, Kind, Shape},
    tree::{Node, Path, Step, Value},
};

/// Adds a problem for each value that cannot be right, with the path of what is to be left out of the reading.
pub(super) fn node(
    node: &Node,
    path: &Path,
    shape: &Shape,
    root: &Shape,
    found: &mut Vec<(Path, Problem)>,
) {
    if shape.kinds.iter().any(|kind| matches!(kind, Kind::Any)) {
        return;
    }
    match &node.value {
        Value::Table(table) => {
            let fields = shape.kinds.iter().find_map(|kind| match kind {
                Kind::Table { required, open, .. } => Some((required, *open)),
                _ => None,
            });
            if fields.is_none() && shape.map().is_none() {
                return found.push((path.clone(), wrong_kind(node, path, shape, "a table")));
            }
            for (key, child) in table {
                let below = path.key(key);
                match shape.field(key) {
                    Some(shape) => self::node(child, &below, shape, root, found),
                    None if fields.is_some_and(|(_, open)| open) => {}
                    None => found.push((
                        below.clone(),
                        unknown_key(child.place.clone(), &below, shape, root),
                    )),
                }
            }
            for key in fields
                .map(|(required, _)| &required[..])
                .unwrap_or_default()
            {
                if !table.contains_key(key) {
                    let description = shape
                        .field(key)
                        .map(|field| first_sentence(&field.description));
                    let right = description
                        .filter(|text| !text.is_empty())
                        .map(|text| format!("`{key}` is: {text}"));
                    let problem = problem(
                        node,
                        path,
                        format!("`{key}` is missing"),
                        right.unwrap_or_default(),
                    );
                    found.push((path.clone(), problem));
                }
            }
        }
        Value::List(items) => match shape.list() {
            Some(shape) => {
                for (index, item) in items.iter().enumerate() {
                    self::node(item, &path.index(index), shape, root, found);
                }
            }
            None => found.push((path.clone(), wrong_kind(node, path, shape, "a list"))),
        },
        Value::Scalar(json) => {
            if let Some((wrong, right)) = scalar(json, path, shape) {
                found.push((path.clone(), problem(node, path, wrong, right)));
            }
        }
        Value::Gone => {}
        Value::NoNumber(text) => {
            let wrong = format!("{text} is no number that can be used here");
            found.push((
                path.clone(),
                problem(node, path, wrong, format!("write {}", expected(shape))),
            ));
        }
    }
}

/// The problem of a key that `table` does not have.
pub(super) fn unknown_key(place: Place, path: &Path, table: &Shape, root: &Shape) -> Problem {
    let (key, above) = match path.0.split_last() {
        Some((Step::Key(key), above)) => (key.as_str(), Path(above.to_vec())),
        _ => ("", Path::default()),
    };
    let wrong = if above.0.is_empty() {
        "no such section"
    } else {
        "no such key"
    };
    let right = right_key(key, &above.to_string(), table, root);
    Problem {
        place,
        key: path.to_string(),
        wrong: wrong.to_owned(),
        right,
    }
}

/// What to write instead of `key` in the table at `above`.
fn right_key(key: &str, above: &str, table: &Shape, root: &Shape) -> String {
    let own: Vec<&str> = table
        .fields()
        .unwrap_or_default()
        .iter()
        .map(|(name, _)| name.as_str())
        .collect();
    let written = key.to_lowercase().replace('_', "-");
    if own.contains(&written.as_str()) {
        return format!("write `{written}`: keys are in lower case with hyphens");
    }
    if let Some(foreign) = names::find(key) {
        return names::advice(foreign, above, root);
    }
    if let Some(near) = nearest(&written, own.iter().copied()) {
        return format!("did you mean `{near}`?");
    }
    let mut elsewhere = Vec::new();
    places_of(&written, root, &Path::default(), &mut elsewhere);
    match (&elsewhere[..], own.is_empty()) {
        ([], false) => format!("there are: {}", own.join(", ")),
        ([], true) => format!("`{above}` is no table"),
        (places, _) => {
            let places: Vec<_> = places
                .iter()
                .take(3)
                .map(|place| format!("`{place}`"))
                .collect();
            format!("there is {}", places.join(" and "))
        }
    }
}

/// Every place of a key of this name; chosen names are shown as `NAME`.
fn places_of(key: &str, shape: &Shape, path: &Path, found: &mut Vec<String>) {
    for (name, field) in shape.fields().unwrap_or_default() {
        let below = path.key(name);
        if name == key {
            found.push(below.to_string());
        }
        places_of(key, field, &below, found);
        if let Some(item) = field.map() {
            places_of(key, item, &below.key("NAME"), found);
        }
    }
}

/// The word nearest to `word`, if it is near enough to be a slip.
pub(super) fn nearest<'a>(word: &str, words: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let scored = words.map(|other| (strsim::damerau_levenshtein(word, other), other));
    let (distance, near) = scored.min_by_key(|(distance, _)| *distance)?;
    let longer = word.chars().count().max(near.chars().count());
    (distance * 3 <= longer).then_some(near)
}

/// What is wrong with a scalar, and what would be right.
fn scalar(json: &Json, path: &Path, shape: &Shape) -> Option<(String, String)> {
    let mut complaint = None;
    for kind in &shape.kinds {
        match of_kind(json, path, kind) {
            Ok(()) => return None,
            // The first that says more than "another kind" is the one meant.
            Err(Some(more)) => complaint = complaint.or(Some(more)),
            Err(None) => {}
        }
    }
    let plain = || {
        let right = match json {
            Json::String(text) if unquoted(text, shape) => format!("write {text} without quotes"),
            _ => format!("write {}", expected(shape)),
        };
        (format!("{} does not fit", shown(json)), right)
    };
    Some(complaint.unwrap_or_else(plain))
}

/// Whether a text would be right as what it spells.
fn unquoted(text: &str, shape: &Shape) -> bool {
    let Some(Node {
        value: Value::Scalar(json),
        ..
    }) = Node::inline(text, &Place::Default)
    else {
        return false;
    };
    !json.is_string()
        && shape
            .kinds
            .iter()
            .any(|kind| of_kind(&json, &Path::default(), kind).is_ok())
}

fn of_kind(json: &Json, path: &Path, kind: &Kind) -> Result<(), Option<(String, String)>> {
    match (kind, json) {
        (Kind::Any, _) | (Kind::Boolean, Json::Bool(_)) => Ok(()),
        (Kind::Text(choices), Json::String(text)) => choice(text, choices).map_err(Some),
        (
            Kind::Number {
                whole,
                minimum,
                maximum,
            },
            Json::Number(number),
        ) => {
            let value = number.as_f64().unwrap_or_default();
            if *whole && number.is_f64() {
                return Err(Some((
                    format!("{number} is not whole"),
                    "write a whole number".to_owned(),
                )));
            }
            let low = minimum
                .filter(|minimum| value < *minimum)
                .map(|minimum| (" is too small", "least", minimum));
            let high = maximum
                .filter(|maximum| value > *maximum)
                .map(|maximum| (" is too large", "most", maximum));
            match low.or(high) {
                Some((wrong, which, bound)) => Err(Some((
                    format!("{number}{wrong}"),
                    format!("at {which} {bound}"),
                ))),
                None => Ok(()),
            }
        }
        (Kind::Span, Json::Number(number)) if number.as_f64() != Some(0.0) => {
            let wrong = format!("{number} has no unit");
            Err(Some((
                wrong,
                format!("write \"{number}s\" for seconds or \"{number}ms\" for milliseconds"),
            )))
        }
        (Kind::Size, Json::Number(number))
            if number.as_f64() != Some(0.0) && !speaks_of_bytes(path) =>
        {
            let wrong = format!("{number} has no unit");
            Err(Some((
                wrong,
                format!("write \"{number}B\", \"{number}KiB\" or \"{number}MiB\""),
            )))
        }
        (Kind::Size, Json::Number(number)) if !number.is_u64() => Err(Some((
            format!("{number} is no number of bytes"),
            "write a whole number, or a size like \"64KiB\"".to_owned(),
        ))),
        (Kind::Span | Kind::Size, Json::Number(_)) => Ok(()),
        (Kind::Span, Json::String(text)) => TimeSpan::from_str(text)
            .map(drop)
            .map_err(|error| Some(halves(&error))),
        (Kind::Size, Json::String(text)) => ByteSize::from_str(text)
            .map(drop)
            .map_err(|error| Some(halves(&error))),
        _ => Err(None),
    }
}

fn choice(text: &str, choices: &[Choice]) -> Result<(), (String, String)> {
    if choices.is_empty() || choices.iter().any(|choice| choice.word == text) {
        return Ok(());
    }
    let words = || choices.iter().map(|choice| choice.word.as_str());
    let written = text.to_lowercase().replace('_', "-");
    let near = nearest(&written, words()).map(|near| format!("did you mean \"{near}\"?"));
    let right = near.unwrap_or_else(|| format!("write {}", one_of(words())));
    Err((format!("\"{}\" is no choice here", short(text)), right))
}

/// Sizes may be bare numbers where the key itself says bytes.
fn speaks_of_bytes(path: &Path) -> bool {
    let key = path.0.iter().rev().find_map(|step| match step {
        Step::Key(key) => Some(key),
        Step::Index(_) => None,
    });
    key.is_some_and(|key| key.split('-').any(|word| word == "bytes"))
}

/// Messages of our own texts have the form `what is wrong; what would be right`.
fn halves(error: &atlas_base::Error) -> (String, String) {
    let text = error.to_string();
    let (wrong, right) = text.split_once("; ").unwrap_or((&text, ""));
    (wrong.to_owned(), right.to_owned())
}

fn wrong_kind(node: &Node, path: &Path, shape: &Shape, given: &str) -> Problem {
    problem(
        node,
        path,
        format!("{given} does not fit"),
        format!("write {}", expected(shape)),
    )
}

fn problem(node: &Node, path: &Path, wrong: String, right: String) -> Problem {
    Problem {
        place: node.place.clone(),
        key: path.to_string(),
        wrong,
        right,
    }
}

/// What may stand at a place, in words.
pub(super) fn expected(shape: &Shape) -> String {
    let mut kinds: Vec<String> = shape.kinds.iter().map(kind_in_words).collect();
    kinds.dedup();
    kinds.join(" or ")
}

fn kind_in_words(kind: &Kind) -> String {
    match kind {
        Kind::Table { .. } => "a table".to_owned(),
        Kind::Map(_) => "a table of names".to_owned(),
        Kind::List(item) => match &item.kinds[..] {
            [Kind::Text(choices)] if choices.is_empty() => {
                "a list of texts, like [\"a\", \"b\"]".to_owned()
            }
            [Kind::Table { .. }] => "a list of tables".to_owned(),
            _ => format!("a list, each item {}", expected(item)),
        },
        Kind::Text(choices) if choices.is_empty() => "a text in quotes".to_owned(),
        Kind::Text(choices) => one_of(choices.iter().map(|choice| choice.word.as_str())),
        Kind::Number { whole: true, .. } => "a whole number".to_owned(),
        Kind::Number { whole: false, .. } => "a number".to_owned(),
        Kind::Boolean => "true or false".to_owned(),
        Kind::Span => "a duration like \"500ms\" or \"5s\"".to_owned(),
        Kind::Size => "a size like \"64KiB\" or \"1MiB\"".to_owned(),
        Kind::Any => "anything".to_owned(),
    }
}

fn one_of<'a>(words: impl Iterator<Item = &'a str>) -> String {
    let words: Vec<String> = words.map(|word| format!("\"{word}\"")).collect();
    match words.split_last() {
        Some((last, rest)) if !rest.is_empty() => format!("{} or {last}", rest.join(", ")),
        _ => words.concat(),
    }
}

fn shown(json: &Json) -> String {
    match json {
        Json::String(text) => format!("\"{}\"", short(text)),
        other => other.to_string(),
    }
}

/// A message is no place for a long text.
fn short(text: &str) -> String {
    if text.chars().count() <= 60 {
        return text.to_owned();
    }
    text.chars().take(59).chain(['…']).collect()
}

pub(super) fn first_sentence(text: &str) -> String {
    let line = text
        .split("\n\n")
        .next()
        .unwrap_or_default()
        .replace('\n', " ");
    line.split_once(". ")
        .map_or(line.trim_end_matches('.'), |(first, _)| first)
        .to_owned()
}
