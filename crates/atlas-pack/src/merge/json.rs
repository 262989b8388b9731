//! JSON files, read with the places of their values; comments, commas at the end, bare keys and single quotes, as mods
//! write them, are read too and stay.

use std::ops::Range;

use super::apply::newline;
use super::{Change, DEPTH_MAX, Leaf, Node, Table};

/// A value with its place.
struct Placed {
    span: Range<usize>,
    /// The members of an object.
    members: Option<Vec<Member>>,
    /// Its text without spaces and comments.
    means: String,
}

struct Member {
    key: String,
    /// From the key to the end of the value.
    span: Range<usize>,
    /// Where the comma behind it is.
    comma: Option<usize>,
    value: Placed,
}

struct Scanner<'a> {
    text: &'a str,
    at: usize,
}

impl Scanner<'_> {
    fn rest(&self) -> &str {
        self.text.get(self.at..).unwrap_or_default()
    }

    fn wrong<T>(&self, what: &str) -> Result<T, String> {
        let place = crate::document::Place::of(self.text.as_bytes(), self.at);
        Err(format!(
            "is no JSON at {}:{}: {what}",
            place.line, place.column
        ))
    }

    fn skip(&mut self) -> Result<(), String> {
        loop {
            let rest = self.rest();
            let spaces = rest.len()
                - rest
                    .trim_start_matches(|it: char| it.is_whitespace() || it == '\u{feff}')
                    .len();
            let rest = &rest[spaces..];
            let comment = if rest.starts_with("//") {
                rest.find('\n').unwrap_or(rest.len())
            } else if rest.starts_with("/*") {
                match rest.find("*/") {
                    Some(end) => end + 2,
                    None => return self.wrong("a comment does not end"),
                }
            } else {
                0
            };
            self.at += spaces + comment;
            if comment == 0 {
                return Ok(());
            }
        }
    }

    fn value(&mut self, depth: usize) -> Result<Placed, String> {
        self.skip()?;
        if depth > DEPTH_MAX {
            return self.wrong("it is too deep");
        }
        let start = self.at;
        match self.rest().chars().next() {
            Some('{') => self.object(depth),
            Some('[') => {
                self.at += 1;
                let mut means = "[".to_owned();
                loop {
                    self.skip()?;
                    if self.rest().starts_with(']') {
                        self.at += 1;
                        break;
                    }
                    means += &self.value(depth + 1)?.means;
                    means.push(',');
                    self.comma(']')?;
                }
                means.push(']');
                Ok(Placed {
                    span: start..self.at,
                    members: None,
                    means,
                })
            }
            Some('"' | '\'') => {
                let means = format!("{:?}", self.string()?);
                Ok(Placed {
                    span: start..self.at,
                    members: None,
                    means,
                })
            }
            _ => {
                let word = self.word();
                if word.is_empty() {
                    return self.wrong("a value is missing");
                }
                Ok(Placed {
                    span: start..self.at,
                    members: None,
                    means: word,
                })
            }
        }
    }

    fn object(&mut self, depth: usize) -> Result<Placed, String> {
        let start = self.at;
        self.at += 1;
        let mut members: Vec<Member> = Vec::new();
        let mut means = "{".to_owned();
        loop {
            self.skip()?;
            if self.rest().starts_with('}') {
                self.at += 1;
                break;
            }
            let begin = self.at;
            let key = match self.rest().chars().next() {
                Some('"' | '\'') => self.string()?,
                _ => self.word(),
            };
            if key.is_empty() && self.at == begin {
                return self.wrong("a key is missing");
            }
            self.skip()?;
            if !self.rest().starts_with(':') {
                return self.wrong("`:` is missing");
            }
            self.at += 1;
            let value = self.value(depth + 1)?;
            means += &format!("{key:?}:{},", value.means);
            let span = begin..self.at;
            let comma = self.comma('}')?;
            members.push(Member {
                key,
                span,
                comma,
                value,
            });
        }
        means.push('}');
        Ok(Placed {
            span: start..self.at,
            members: Some(members),
            means,
        })
    }

    /// The place of the comma, if there is one; otherwise the end must follow.
    fn comma(&mut self, end: char) -> Result<Option<usize>, String> {
        self.skip()?;
        if self.rest().starts_with(',') {
            self.at += 1;
            return Ok(Some(self.at - 1));
        }
        if self.rest().starts_with(end) {
            return Ok(None);
        }
        self.wrong("`,` is missing")
    }

    fn string(&mut self) -> Result<String, String> {
        let rest = self.rest();
        let quote = rest.chars().next().unwrap_or('"');
        let mut escaped = false;
        let mut end = None;
        for (at, character) in rest.char_indices().skip(1) {
            match character {
                _ if escaped => escaped = false,
                '\\' => escaped = true,
                '\n' => break,
                _ if character == quote => {
                    end = Some(at);
                    break;
                }
                _ => {}
            }
        }
        let Some(end) = end else {
            return self.wrong("a text does not end");
        };
        let inner = &rest[1..end];
        // What the escapes mean, where JSON itself knows them; the text as it stands otherwise.
        let text =
            serde_json::from_str(&format!("\"{inner}\"")).unwrap_or_else(|_| inner.to_owned());
        self.at += end + 1;
        Ok(text)
    }

    fn word(&mut self) -> String {
        let rest = self.rest();
        let is_end = |it: char| it.is_whitespace() || "{}[],:/\"'".contains(it);
        let word = rest[..rest.find(is_end).unwrap_or(rest.len())].to_owned();
        self.at += word.len();
        word
    }
}

fn scan(text: &str) -> Result<Placed, String> {
    let mut scanner = Scanner { text, at: 0 };
    let value = scanner.value(0)?;
    scanner.skip()?;
    if scanner.at < text.len() {
        return scanner.wrong("something stands behind the end");
    }
    Ok(value)
}

pub(super) fn read(text: &str) -> Result<Table, String> {
    match node(&scan(text)?, text)? {
        Node::Table(table) => Ok(table),
        Node::Leaf(_) => Err("is no object".to_owned()),
    }
}

fn node(placed: &Placed, text: &str) -> Result<Node, String> {
    let Some(members) = &placed.members else {
        return Ok(Node::Leaf(Leaf {
            means: placed.means.clone(),
            raw: text[placed.span.clone()].to_owned(),
        }));
    };
    let mut table = Table::default();
    for member in members {
        if !table.insert(member.key.clone(), node(&member.value, text)?) {
            return Err(format!("has the key {:?} twice", member.key));
        }
    }
    Ok(Node::Table(table))
}

pub(super) fn apply(text: &str, changes: &[Change]) -> Result<String, String> {
    let root = scan(text)?;
    let changes: Vec<&Change> = changes.iter().collect();
    let result = [
        &text[..root.span.start],
        &rebuilt(text, &root, &changes, 0),
        &text[root.span.end..],
    ]
    .concat();
    // A comment in an odd place could swallow something.
    read(&result)?;
    Ok(result)
}

/// One member as it is put down: the lines before it, itself, what stands before its comma, what stands behind that on the
/// same line.
struct Unit {
    lead: String,
    body: String,
    after: String,
    trail: String,
}

/// An object's text with changes made; members that nothing happens to stay byte for byte, with the comments on their line
/// and above it.
fn rebuilt(text: &str, placed: &Placed, changes: &[&Change], depth: usize) -> String {
    let members = placed.members.as_deref().unwrap_or_default();
    let inner_start = placed.span.start + 1;
    let inner_end = placed.span.end.saturating_sub(1).max(inner_start);
    let line = newline(text);
    // What stands between the members, divided where the line ends.
    let mut gaps = Vec::with_capacity(members.len() + 1);
    let mut start = inner_start;
    for member in members {
        gaps.push(divided(text, start..member.span.start));
        start = member.comma.map_or(member.span.end, |comma| comma + 1);
    }
    let (tail_trail, tail) = divided(text, start..inner_end);
    let mut units = Vec::new();
    for (at, member) in members.iter().enumerate() {
        let of: Vec<&Change> = changes
            .iter()
            .copied()
            .filter(|change| change.path.get(depth) == Some(&member.key))
            .collect();
        let direct = of.iter().find(|change| change.path.len() == depth + 1);
        let value = match direct.map(|change| &change.value) {
            Some(None) => continue,
            Some(Some(node)) => written(node, &indent(text, member.span.start), line),
            None if of.is_empty() => text[member.value.span.clone()].to_owned(),
            None => rebuilt(text, &member.value, &of, depth + 1),
        };
        let comma = member.comma.unwrap_or(member.span.end);
        units.push(Unit {
            lead: gaps[at].1.to_owned(),
            body: text[member.span.start..member.value.span.start].to_owned() + &value,
            after: text[member.span.end..comma].to_owned(),
            trail: gaps.get(at + 1).map_or(tail_trail, |gap| gap.0).to_owned(),
        });
    }
    let on_lines = gaps.iter().any(|gap| gap.1.contains('\n'));
    let own = match members.last() {
        Some(member) => indent(text, member.span.start),
        None => indent(text, placed.span.start) + "  ",
    };
    let mut close = "";
    for change in changes {
        let Some(node) = change
            .value
            .as_ref()
            .filter(|_| change.path.len() == depth + 1)
        else {
            continue;
        };
        let key = &change.path[depth];
        if members.iter().any(|member| member.key == *key) {
            continue;
        }
        if members.is_empty() && !tail.contains('\n') {
            close = line;
        }
        units.push(Unit {
            lead: match on_lines || members.is_empty() {
                true => format!("{line}{own}"),
                false => " ".to_owned(),
            },
            body: format!(
                "{}: {}",
                serde_json::Value::from(key.as_str()),
                written(node, &own, line)
            ),
            after: String::new(),
            trail: String::new(),
        });
    }
    let always_comma = members.last().is_some_and(|member| member.comma.is_some());
    let mut result = "{".to_owned() + gaps.first().map_or(tail_trail, |gap| gap.0);
    let count = units.len();
    for (at, unit) in units.into_iter().enumerate() {
        let comma = if at + 1 < count || always_comma {
            ","
        } else {
            ""
        };
        result += &[&unit.lead, &unit.body, &unit.after, comma, &unit.trail].concat();
    }
    if !close.is_empty() {
        result = result.trim_end_matches(' ').to_owned() + close + &indent(text, placed.span.start);
    }
    result + tail.trim_start_matches(if close.is_empty() { '\0' } else { ' ' }) + "}"
}

/// What stands between two members: what belongs to the line of the first, and the rest.
fn divided(text: &str, range: Range<usize>) -> (&str, &str) {
    let gap = text.get(range).unwrap_or_default();
    match gap.find('\n') {
        Some(at) => {
            let at = at - usize::from(gap[..at].ends_with('\r'));
            gap.split_at(at)
        }
        None => ("", gap),
    }
}

/// The spaces that the line of a place begins with.
fn indent(text: &str, at: usize) -> String {
    let start = text[..at].rfind('\n').map_or(0, |newline| newline + 1);
    let line = &text[start..at];
    line[..line.len() - line.trim_start_matches([' ', '\t']).len()].to_owned()
}

fn written(node: &Node, indent: &str, newline: &str) -> String {
    match node {
        Node::Leaf(leaf) => leaf.raw.clone(),
        Node::Table(table) if table.order.is_empty() => "{}".to_owned(),
        Node::Table(table) => {
            let inner = format!("{indent}  ");
            let members = table.order.iter().map(|key| {
                let name = serde_json::Value::from(key.as_str());
                format!(
                    "{inner}{name}: {}",
                    written(&table.nodes[key], &inner, newline)
                )
            });
            let members: Vec<String> = members.collect();
            format!(
                "{{{newline}{}{newline}{indent}}}",
                members.join(&format!(",{newline}"))
            )
        }
    }
}
