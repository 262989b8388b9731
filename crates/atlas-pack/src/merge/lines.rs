//! Files of one key a line: Java's properties, the game's options.

use std::collections::BTreeMap;
use std::ops::Range;

use super::apply::{newline, splice};
use super::{Change, Leaf, Node, Table};

/// How a line is divided.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Style {
    /// `key=value`, `key: value`, `key value`; comments; lines that go on behind a backslash.
    Properties,
    /// `key:value`.
    Options,
}

struct Line {
    key: String,
    /// The line with its end.
    whole: Range<usize>,
    value: Range<usize>,
}

/// The keys with their lines; of a key that is there twice the last counts, as it does for the game.
fn lines(text: &str, style: Style) -> Vec<Line> {
    let mut found: Vec<Line> = Vec::new();
    let mut at = text.len() - text.trim_start_matches('\u{feff}').len();
    while at < text.len() {
        let mut end = at + text[at..].find('\n').map_or(text.len() - at, |end| end + 1);
        let start = at;
        let is_comment = text[start..end].trim_start().starts_with(['#', '!']);
        if style == Style::Properties && !is_comment {
            while goes_on(&text[start..end]) && end < text.len() {
                end += text[end..]
                    .find('\n')
                    .map_or(text.len() - end, |next| next + 1);
            }
        }
        at = end;
        let content = text[start..end].trim_end_matches(['\r', '\n']);
        if content.trim().is_empty() || (style == Style::Properties && is_comment) {
            continue;
        }
        let (key, value) = match style {
            Style::Options => match content.find(':') {
                Some(colon) => (content[..colon].trim().to_owned(), colon + 1),
                None => continue,
            },
            Style::Properties => divided(content),
        };
        found.push(Line {
            key,
            whole: start..end,
            value: start + value..start + content.len(),
        });
    }
    let last: BTreeMap<String, usize> = found
        .iter()
        .enumerate()
        .map(|(at, line)| (line.key.clone(), at))
        .collect();
    let mut at = 0;
    found.retain(|line| {
        at += 1;
        last.get(&line.key) == Some(&(at - 1))
    });
    found
}

/// Whether a line ends with a backslash that nothing escapes.
fn goes_on(line: &str) -> bool {
    let content = line.trim_end_matches(['\r', '\n']);
    content.len() < line.len() && (content.len() - content.trim_end_matches('\\').len()) % 2 == 1
}

/// The key of a property, its escapes resolved, and where its value begins.
fn divided(content: &str) -> (String, usize) {
    let mut key = String::new();
    let begin = content.len() - content.trim_start().len();
    let mut end = content.len();
    let mut escaped = false;
    for (at, character) in content.char_indices().skip_while(|(at, _)| *at < begin) {
        match character {
            _ if escaped => {
                escaped = false;
                key.push(character);
            }
            '\\' => escaped = true,
            '=' | ':' | ' ' | '\t' => {
                end = at;
                break;
            }
            _ => key.push(character),
        }
    }
    let rest = &content[end..];
    let mut value = rest.trim_start_matches([' ', '\t']);
    if let Some(after) = value.strip_prefix(['=', ':']) {
        value = after.trim_start_matches([' ', '\t']);
    }
    (key, content.len() - value.len())
}

pub(super) fn read(text: &str, style: Style) -> Result<Table, String> {
    let mut table = Table::default();
    for line in lines(text, style) {
        let raw = text[line.value].to_owned();
        let means = match style {
            Style::Properties => raw.clone(),
            Style::Options => raw.trim().to_owned(),
        };
        table.insert(line.key, Node::Leaf(Leaf { means, raw }));
    }
    Ok(table)
}

pub(super) fn apply(text: &str, style: Style, changes: &[Change]) -> Result<String, String> {
    let found = lines(text, style);
    let mut edits = Vec::new();
    let mut new = String::new();
    for change in changes {
        let [key] = change.path.as_slice() else {
            return Err(format!("{} has no place in it", change.path.join(".")));
        };
        let line = found.iter().find(|line| line.key == *key);
        match (&change.value, line) {
            (Some(Node::Leaf(leaf)), Some(line)) => {
                edits.push((line.value.clone(), leaf.raw.clone()));
            }
            (Some(Node::Leaf(leaf)), None) => {
                let (key, mark) = match style {
                    Style::Options => (key.clone(), ":"),
                    Style::Properties => (escaped(key), "="),
                };
                new += &format!("{key}{mark}{}{}", leaf.raw, newline(text));
            }
            (Some(Node::Table(_)), _) => return Err(format!("{key} has keys of its own")),
            (None, Some(line)) => edits.push((line.whole.clone(), String::new())),
            (None, None) => {}
        }
    }
    let mut result = splice(text, edits)?;
    if !new.is_empty() {
        if !result.is_empty() && !result.ends_with('\n') {
            result += newline(text);
        }
        result += &new;
    }
    Ok(result)
}

fn escaped(key: &str) -> String {
    let mut text = String::new();
    for (at, character) in key.chars().enumerate() {
        let special = matches!(character, '=' | ':' | ' ' | '\t' | '\\')
            || (at == 0 && matches!(character, '#' | '!'));
        if special {
            text.push('\\');
        }
        text.push(character);
    }
    text
}
