//! Keys to look at: found by pattern and type, and what one of them holds, page by page.

use std::time::{Duration, Instant};

use atlas_client::{Client, Command, Value};
use atlas_runtime::admin::{Operation, Problem, Routes};
use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::http::StatusCode;
use axum::routing::get;
use schemars::JsonSchema;
use serde::Deserialize;

use crate::api::{Bytes, Encoded, ItemView, KeyView, KeysPage, Shown, ValuePage};
use crate::handle::Handle;

/// Keys or elements on a page, at most, and where nothing is said.
const LIMIT_MAX: usize = 1000;
const LIMIT: usize = 100;
/// How long a search for one page's keys may go on.
const SEARCH_TIME: Duration = Duration::from_millis(300);
/// Keys that one step of a search looks at, at most: the engine does nothing else meanwhile.
const STEP_MAX: usize = 5000;
/// Keys of which one pipeline asks.
const ASKED_AT_ONCE: usize = 250;
/// Bytes of a key's or an element's name that are shown, of a value in a collection, and of a string.
const NAME_BYTES: usize = 4 << 10;
const VALUE_BYTES: usize = 16 << 10;
const STRING_BYTES: usize = 64 << 10;

pub(super) fn routes() -> Routes<Handle> {
    Routes::new()
        .add(
            Operation::get("/v1/store/keys", "Keys of a database, page by page")
                .query::<KeysParameters>()
                .json::<KeysPage>(200),
            get(keys),
        )
        .add(
            Operation::get("/v1/store/key", "What a key holds, page by page")
                .query::<KeyParameters>()
                .json::<ValuePage>(200),
            get(value),
        )
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct KeysParameters {
    /// The database; 0 if nothing is said.
    database: Option<u32>,
    /// Only those whose names match, in the way of `SCAN`: `user:*`. Without `*`, `?` and `[` it is a whole name.
    pattern: Option<String>,
    /// Only those of this type: `string`, `list`, `set`, `zset`, `hash`.
    #[serde(rename = "type")]
    kind: Option<String>,
    /// Where to go on: `next` of the page before.
    cursor: Option<u64>,
    /// About so many: 1 to 1000, 100 if nothing is said.
    limit: Option<usize>,
}

async fn keys(
    State(store): State<Handle>,
    parameters: Result<Query<KeysParameters>, QueryRejection>,
) -> Result<Json<KeysPage>, Problem> {
    let Query(parameters) = parameters?;
    let limit = parameters.limit.unwrap_or(LIMIT).clamp(1, LIMIT_MAX);
    let client = store.client(parameters.database.unwrap_or(0)).await?;
    let pattern = parameters.pattern.filter(|pattern| !pattern.is_empty());
    let size = store.read(&client, vec![Command::new("DBSIZE")]).await?;
    let mut page = KeysPage {
        items: Vec::new(),
        next: None,
        looked: 0,
        total: integer(size.first()),
    };
    if let Some(name) = pattern
        .as_ref()
        .filter(|text| !text.contains(['*', '?', '[', '\\']))
    {
        // A whole name is looked up, not searched for.
        page.looked = page.total;
        let found = views(&store, &client, vec![name.clone().into_bytes()]).await?;
        let fits = |view: &KeyView| {
            parameters
                .kind
                .as_ref()
                .is_none_or(|kind| *kind == view.kind)
        };
        page.items = found.into_iter().filter(fits).collect();
        return Ok(Json(page));
    }
    let begun = Instant::now();
    let mut cursor = parameters.cursor.unwrap_or(0).to_string();
    let mut found: Vec<Vec<u8>> = Vec::new();
    let mut step = limit;
    loop {
        let mut scan = Command::new("SCAN")
            .arg(&cursor)
            .arg("COUNT")
            .number(step as i64);
        if let Some(pattern) = &pattern {
            scan = scan.arg("MATCH").arg(pattern);
        }
        if let Some(kind) = &parameters.kind {
            scan = scan.arg("TYPE").arg(kind);
        }
        let mut answer = store.read(&client, vec![scan]).await?;
        let (next, names) = scanned(answer.pop())?;
        page.looked += step as u64;
        found.extend(names.into_iter().filter_map(Value::into_bytes));
        cursor = next;
        if cursor == "0" {
            page.looked = page.looked.min(page.total);
            break;
        }
        if found.len() >= limit || begun.elapsed() >= SEARCH_TIME {
            page.next = Some(cursor);
            break;
        }
        step = next_step(step, limit, found.len(), page.looked);
    }
    page.items = views(&store, &client, found).await?;
    Ok(Json(page))
}

/// How many keys the next step looks at: as many as should bring what is missing, going by what was found so far.
fn next_step(step: usize, limit: usize, found: usize, looked: u64) -> usize {
    let missing = limit.saturating_sub(found);
    let wanted = match found {
        0 => step * 4,
        _ => (missing as u64 * looked / found as u64) as usize,
    };
    wanted.clamp(missing.clamp(1, STEP_MAX), STEP_MAX)
}

/// Cursor and elements of an answer of the `SCAN` family.
fn scanned(answer: Option<Value>) -> Result<(String, Vec<Value>), Problem> {
    let mut parts = answer
        .and_then(Value::into_elements)
        .unwrap_or_default()
        .into_iter();
    let cursor = parts.next().and_then(Value::into_bytes);
    let cursor = cursor.and_then(|bytes| String::from_utf8(bytes).ok());
    let elements = parts.next().and_then(Value::into_elements);
    cursor.zip(elements).ok_or_else(not_understood)
}

fn not_understood() -> Problem {
    Problem::new(
        StatusCode::BAD_GATEWAY,
        "the store's answer is not understood",
    )
}

fn integer(value: Option<&Value>) -> u64 {
    let number = value.and_then(Value::as_integer);
    number
        .and_then(|number| u64::try_from(number).ok())
        .unwrap_or(0)
}

/// What there is to say about keys; those that are gone are left out.
pub(super) async fn views(
    store: &Handle,
    client: &Client,
    keys: Vec<Vec<u8>>,
) -> Result<Vec<KeyView>, Problem> {
    let mut views = Vec::with_capacity(keys.len());
    for keys in keys.chunks(ASKED_AT_ONCE) {
        let asked = keys.iter().flat_map(|key| {
            [
                Command::new("TYPE").key(key),
                Command::new("PTTL").key(key),
                Command::new("OBJECT").arg("ENCODING").key(key),
                Command::new("MEMORY").arg("USAGE").key(key),
            ]
        });
        // A key may go between two questions: then some of the answers are refusals or nothing.
        let answers = ask_each(store, client, asked.collect()).await?;
        let mut there = Vec::new();
        for (key, answers) in keys.iter().zip(answers.chunks(4)) {
            let text = |at: usize| {
                let bytes = answers.get(at).and_then(Value::as_bytes);
                String::from_utf8_lossy(bytes.unwrap_or_default()).into_owned()
            };
            let kind = text(0);
            if kind == "none"
                || answers
                    .get(2)
                    .is_none_or(|answer| answer.as_bytes().is_none())
            {
                continue;
            }
            let ttl = answers.get(1).and_then(Value::as_integer);
            there.push((
                key,
                KeyView {
                    key: shown(key, NAME_BYTES),
                    ttl_ms: ttl.and_then(|ttl| u64::try_from(ttl).ok()),
                    encoding: text(2),
                    memory_bytes: integer(answers.get(3)),
                    size: 0,
                    kind,
                },
            ));
        }
        let sizes = there.iter().map(|(key, view)| size_of(&view.kind, key));
        let sizes = ask_each(store, client, sizes.collect()).await?;
        for ((_, mut view), size) in there.into_iter().zip(&sizes) {
            view.size = integer(Some(size));
            views.push(view);
        }
    }
    Ok(views)
}

/// Reads, with nothing in the place of what was refused.
async fn ask_each(
    store: &Handle,
    client: &Client,
    commands: Vec<Command>,
) -> Result<Vec<Value>, Problem> {
    let answers = store.try_read(client, commands).await?;
    Ok(answers
        .into_iter()
        .map(|answer| answer.unwrap_or(Value::Null))
        .collect())
}

/// The command that tells a value's size.
fn size_of(kind: &str, key: &[u8]) -> Command {
    let name = match kind {
        "string" => "STRLEN",
        "list" => "LLEN",
        "set" => "SCARD",
        "zset" => "ZCARD",
        "hash" => "HLEN",
        "stream" => "XLEN",
        _ => "EXISTS",
    };
    Command::new(name).key(key)
}

/// Bytes cut to so many, not within a character if they are text.
pub(super) fn shown(bytes: &[u8], bytes_max: usize) -> Shown {
    let mut cut = &bytes[..bytes.len().min(bytes_max)];
    if cut.len() < bytes.len()
        && let Err(error) = std::str::from_utf8(cut)
        && error.error_len().is_none()
    {
        cut = &cut[..error.valid_up_to()];
    }
    Shown {
        data: Bytes::of(cut),
        bytes: bytes.len() as u64,
        is_cut: cut.len() < bytes.len(),
    }
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct KeyParameters {
    /// The database; 0 if nothing is said.
    pub(super) database: Option<u32>,
    /// The key's name, if it is text.
    key: Option<String>,
    /// The key's name in base64, if it is not.
    key64: Option<String>,
    /// Where to go on: `next` of the page before.
    cursor: Option<u64>,
    /// At most so many elements: 1 to 1000, 100 if nothing is said. Small hashes and sets come whole.
    limit: Option<usize>,
}

impl KeyParameters {
    /// The key's name.
    pub(super) fn key(&self) -> Result<Vec<u8>, Problem> {
        let wrong = |what: &str| Problem::new(StatusCode::UNPROCESSABLE_ENTITY, what);
        match (&self.key, &self.key64) {
            (Some(text), None) => Ok(text.clone().into_bytes()),
            (None, Some(base64)) => {
                let base64 = base64.clone();
                let bytes = Bytes::Encoded(Encoded { base64 }).into_bytes();
                bytes.ok_or_else(|| wrong("`key64` is no base64"))
            }
            _ => Err(wrong("say which key: `key`, or `key64` if it is no text")),
        }
    }
}

pub(super) fn no_such_key() -> Problem {
    Problem::new(StatusCode::NOT_FOUND, "there is no such key any more")
}

async fn value(
    State(store): State<Handle>,
    parameters: Result<Query<KeyParameters>, QueryRejection>,
) -> Result<Json<ValuePage>, Problem> {
    let Query(parameters) = parameters?;
    let key = parameters.key()?;
    let limit = parameters.limit.unwrap_or(LIMIT).clamp(1, LIMIT_MAX);
    let from = parameters.cursor.unwrap_or(0);
    let client = store.client(parameters.database.unwrap_or(0)).await?;
    let view = views(&store, &client, vec![key.clone()]).await?.pop();
    let view = view.ok_or_else(no_such_key)?;
    let Some(command) = page_of(&view.kind, &key, from, limit) else {
        // A type that is not shown yet: the page says what it is.
        return Ok(Json(ValuePage {
            key: view,
            items: Vec::new(),
            next: None,
        }));
    };
    let answer = store.read(&client, vec![command]).await?.pop();
    let (items, next) = items(&view, answer, from)?;
    Ok(Json(ValuePage {
        key: view,
        items,
        next,
    }))
}

/// The command that reads a page of a value.
fn page_of(kind: &str, key: &[u8], from: u64, limit: usize) -> Option<Command> {
    let start = i64::try_from(from).unwrap_or(i64::MAX);
    let last = start.saturating_add(limit as i64 - 1);
    let scan = |name: &str| {
        let scan = Command::new(name).key(key).arg(from.to_string());
        scan.arg("COUNT").number(limit as i64)
    };
    Some(match kind {
        "string" => {
            let last = start.saturating_add(STRING_BYTES as i64 - 1);
            Command::new("GETRANGE").key(key).number(start).number(last)
        }
        "list" => Command::new("LRANGE").key(key).number(start).number(last),
        "zset" => {
            let range = Command::new("ZRANGE").key(key).number(start).number(last);
            range.arg("WITHSCORES")
        }
        "hash" => scan("HSCAN"),
        "set" => scan("SSCAN"),
        _ => return None,
    })
}

/// The elements of a page, and where the next begins.
fn items(
    view: &KeyView,
    answer: Option<Value>,
    from: u64,
) -> Result<(Vec<ItemView>, Option<String>), Problem> {
    let answer = answer.ok_or_else(not_understood)?;
    let by_rank = |count: usize| {
        let next = from + count as u64;
        (count > 0 && next < view.size).then(|| next.to_string())
    };
    if view.kind == "string" {
        let piece = answer.into_bytes().ok_or_else(not_understood)?;
        let is_end = from + piece.len() as u64 >= view.size;
        let mut value = shown(&piece, STRING_BYTES);
        let mut used = piece.len();
        // A piece ends where a character does.
        if !is_end
            && let Err(error) = std::str::from_utf8(&piece)
            && error.error_len().is_none()
        {
            used = error.valid_up_to();
            value.data = Bytes::of(&piece[..used]);
        }
        value.bytes = view.size;
        value.is_cut = from > 0 || !is_end;
        let item = ItemView {
            index: Some(from),
            value: Some(value),
            ..ItemView::default()
        };
        let next = (!is_end).then(|| (from + used as u64).to_string());
        return Ok((vec![item], next));
    }
    if matches!(view.kind.as_str(), "hash" | "set") {
        let (cursor, elements) = scanned(Some(answer))?;
        let next = (cursor != "0").then_some(cursor);
        let mut elements = elements.into_iter().filter_map(Value::into_bytes);
        let mut items = Vec::new();
        while let Some(name) = elements.next() {
            let value = if view.kind == "hash" {
                elements.next().map(|value| shown(&value, VALUE_BYTES))
            } else {
                None
            };
            items.push(ItemView {
                name: Some(shown(&name, NAME_BYTES)),
                value,
                ..ItemView::default()
            });
        }
        return Ok((items, next));
    }
    let elements = answer.into_elements().ok_or_else(not_understood)?;
    let next = by_rank(elements.len());
    let items = elements.into_iter().zip(from..).map(|(element, index)| {
        if view.kind == "list" {
            let value = element.into_bytes();
            return ItemView {
                index: Some(index),
                value: value.map(|value| shown(&value, VALUE_BYTES)),
                ..ItemView::default()
            };
        }
        let mut pair = element.into_elements().unwrap_or_default().into_iter();
        let name = pair.next().and_then(Value::into_bytes);
        ItemView {
            name: name.map(|name| shown(&name, NAME_BYTES)),
            score: pair.next().and_then(|score| score.as_double()).map(score),
            ..ItemView::default()
        }
    });
    Ok((items.collect(), next))
}

/// A score as `ZADD` takes it.
fn score(value: f64) -> String {
    if value.is_infinite() {
        return if value > 0.0 { "inf" } else { "-inf" }.to_owned();
    }
    if value.abs() < 1e17 && (value == 0.0 || value.abs() >= 1e-5) {
        format!("{value}")
    } else {
        format!("{value:e}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_shown_ends_where_a_character_does() {
        assert_eq!(
            shown(b"abc", 3),
            Shown {
                data: Bytes::of(b"abc"),
                bytes: 3,
                is_cut: false
            }
        );
        let cut = shown("aäb".as_bytes(), 2);
        assert_eq!(
            cut,
            Shown {
                data: Bytes::of(b"a"),
                bytes: 4,
                is_cut: true
            }
        );
        let binary = shown(b"\xff\xfe\xfd", 2);
        assert_eq!(
            binary,
            Shown {
                data: Bytes::of(b"\xff\xfe"),
                bytes: 3,
                is_cut: true
            }
        );
    }

    #[test]
    fn steps_grow_until_something_is_found_and_stay_bounded() {
        assert_eq!(next_step(100, 100, 0, 100), 400);
        assert_eq!(next_step(4000, 100, 0, 9000), STEP_MAX);
        // One of ten fits: fifty are missing.
        assert_eq!(next_step(500, 100, 50, 500), 500);
        assert_eq!(next_step(100, 100, 99, 100), 1);
        assert_eq!(next_step(5000, 100, 1, 1_000_000), STEP_MAX);
    }

    #[test]
    fn scores_are_written_as_they_are_read() {
        for (value, text) in [
            (1.5, "1.5"),
            (-0.25, "-0.25"),
            (1e16, "10000000000000000"),
            (1e300, "1e300"),
            (1e-300, "1e-300"),
            (f64::NEG_INFINITY, "-inf"),
        ] {
            assert_eq!(score(value), text);
            assert_eq!(text.parse::<f64>().unwrap(), value);
        }
    }
}
