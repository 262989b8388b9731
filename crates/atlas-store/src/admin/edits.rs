//! Keys to change: each change looks at the key first, and nothing is done if it is no longer as it was seen.

use atlas_client::{Command, Value};
use atlas_runtime::admin::{Operation, Problem, Routes};
use axum::Json;
use axum::extract::rejection::{JsonRejection, QueryRejection};
use axum::extract::{Query, State};
use axum::http::StatusCode;
use axum::routing::{post, put};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::keys::{KeyParameters, no_such_key, views};
use crate::api::{Bytes, KeyView};
use crate::handle::Handle;

/// Bytes of a key's name that the node's log shows.
const LOGGED_BYTES: usize = 128;

pub(super) fn routes() -> Routes<Handle> {
    Routes::new()
        .add(
            Operation::delete("/v1/store/key", "Deletes a key")
                .query::<KeyParameters>()
                .json::<Edited>(200),
            axum::routing::delete(delete),
        )
        .add(
            Operation::put(
                "/v1/store/key/item",
                "Sets a string, or an element of a list, set, sorted set or hash",
            )
            .body::<ItemOrder>()
            .json::<Edited>(200),
            put(set_item),
        )
        .add(
            Operation::post(
                "/v1/store/key/item/remove",
                "Removes an element of a list, set, sorted set or hash; the last one takes its key along",
            )
            .body::<RemoveOrder>()
            .json::<Edited>(200),
            post(remove_item),
        )
        .add(
            Operation::put("/v1/store/key/ttl", "Changes when a key expires, or that it does")
                .body::<TtlOrder>()
                .json::<Edited>(200),
            put(set_ttl),
        )
        .add(
            Operation::post("/v1/store/key/rename", "Gives a key another name")
                .body::<RenameOrder>()
                .json::<Edited>(200),
            post(rename),
        )
}

/// The types whose elements can be edited.
#[derive(Clone, Copy, Debug, Deserialize, Eq, JsonSchema, PartialEq)]
#[serde(rename_all = "lowercase")]
enum Kind {
    /// Bytes.
    String,
    /// Elements by position.
    List,
    /// Members.
    Set,
    /// Members with scores.
    Zset,
    /// Fields with values.
    Hash,
}

impl Kind {
    const fn name(self) -> &'static str {
        match self {
            Self::String => "string",
            Self::List => "list",
            Self::Set => "set",
            Self::Zset => "zset",
            Self::Hash => "hash",
        }
    }
}

/// What a key or an element is to be.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct ItemOrder {
    /// The database; 0 if nothing is said.
    #[serde(default)]
    database: u32,
    /// The key's name.
    key: Bytes,
    /// The key's type.
    #[serde(rename = "type")]
    kind: Kind,
    /// The key is made; it must not be there. Otherwise it must be there, with this type.
    #[serde(default)]
    create: bool,
    /// Of a list: the element's position; without it the element is added at the end.
    index: Option<u64>,
    /// Of a set or a sorted set the member, of a hash the field.
    name: Option<Bytes>,
    /// Of a sorted set: the score, as `ZADD` takes it.
    score: Option<String>,
    /// Of a string, a list or a hash: the value.
    value: Option<Bytes>,
    /// The value that it is to have now; otherwise nothing is done. Anything if nothing is said.
    was: Option<Bytes>,
}

/// Which element is to go.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct RemoveOrder {
    /// The database; 0 if nothing is said.
    #[serde(default)]
    database: u32,
    /// The key's name.
    key: Bytes,
    /// The key's type.
    #[serde(rename = "type")]
    kind: Kind,
    /// Of a list: the element's position.
    index: Option<u64>,
    /// Of a set or a sorted set the member, of a hash the field.
    name: Option<Bytes>,
    /// The value that it is to have now, of a list or a hash; otherwise nothing is done. A list's has to be said.
    was: Option<Bytes>,
}

/// When a key is to expire.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct TtlOrder {
    /// The database; 0 if nothing is said.
    #[serde(default)]
    database: u32,
    /// The key's name.
    key: Bytes,
    /// In so many milliseconds, at least 1; never, if nothing is said.
    ttl_ms: Option<u64>,
}

/// What a key is to be called.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct RenameOrder {
    /// The database; 0 if nothing is said.
    #[serde(default)]
    database: u32,
    /// The key's name.
    key: Bytes,
    /// Its new name.
    to: Bytes,
    /// A key that has the new name is replaced; otherwise nothing is done.
    #[serde(default)]
    replace: bool,
}

/// A key after a change.
#[derive(JsonSchema, Serialize)]
struct Edited {
    /// The key as it is now; none if it is gone.
    key: Option<KeyView>,
}

fn wrong(what: &str) -> Problem {
    Problem::new(StatusCode::UNPROCESSABLE_ENTITY, what)
}

fn changed() -> Problem {
    Problem::new(
        StatusCode::CONFLICT,
        "it has been changed since it was read, so nothing was done; look at it again",
    )
}

fn bytes(bytes: Bytes) -> Result<Vec<u8>, Problem> {
    bytes
        .into_bytes()
        .ok_or_else(|| wrong("`base64` is no base64"))
}

fn wanted(given: Option<Bytes>, what: &str) -> Result<Vec<u8>, Problem> {
    bytes(given.ok_or_else(|| wrong(&format!("`{what}` is missing")))?)
}

/// True if the key may be edited as one of this type.
fn is_of_type(kind: Kind, create: bool, seen: Option<&Value>) -> Result<(), Problem> {
    let found = seen.and_then(Value::as_bytes).unwrap_or_default();
    if create {
        return match found {
            b"none" => Ok(()),
            _ => Err(Problem::new(
                StatusCode::CONFLICT,
                "there is a key of this name already",
            )),
        };
    }
    if found == b"none" {
        return Err(no_such_key());
    }
    if found == kind.name().as_bytes() {
        return Ok(());
    }
    let found = String::from_utf8_lossy(found);
    let what = format!("the key is now a {found}, so nothing was done; look at it again");
    Err(Problem::new(StatusCode::CONFLICT, what))
}

/// True if the second thing seen is what is to be changed.
fn was_so(was: Option<&Vec<u8>>, seen: &[Value]) -> Result<(), Problem> {
    let Some(was) = was else { return Ok(()) };
    let now = seen.get(1).and_then(Value::as_bytes);
    if now == Some(was.as_slice()) {
        Ok(())
    } else {
        Err(changed())
    }
}

/// Notes a change in the node's log.
fn note(what: &'static str, database: u32, key: &[u8]) {
    let cut = &key[..key.len().min(LOGGED_BYTES)];
    tracing::info!(
        what,
        database,
        key = cut.escape_ascii().to_string(),
        "a key was changed over the admin API"
    );
}

async fn edited(store: &Handle, database: u32, key: Vec<u8>) -> Result<Json<Edited>, Problem> {
    let client = store.client(database).await?;
    let key = views(store, &client, vec![key]).await?.pop();
    Ok(Json(Edited { key }))
}

async fn set_item(
    State(store): State<Handle>,
    order: Result<Json<ItemOrder>, JsonRejection>,
) -> Result<Json<Edited>, Problem> {
    let Json(order) = order?;
    let (database, kind, create) = (order.database, order.kind, order.create);
    let key = bytes(order.key)?;
    let was = order.was.map(bytes).transpose()?;
    let mut look = vec![Command::new("TYPE").key(&key)];
    let edit = match kind {
        Kind::String => {
            look.push(Command::new("GET").key(&key));
            let set = Command::new("SET").key(&key);
            set.arg(wanted(order.value, "value")?).arg("KEEPTTL")
        }
        Kind::List => {
            let value = wanted(order.value, "value")?;
            match order.index {
                Some(index) => {
                    look.push(Command::new("LINDEX").key(&key).arg(index.to_string()));
                    let set = Command::new("LSET").key(&key).arg(index.to_string());
                    set.arg(value)
                }
                None => Command::new("RPUSH").key(&key).arg(value),
            }
        }
        Kind::Set => {
            let name = wanted(order.name, "name")?;
            Command::new("SADD").key(&key).arg(name)
        }
        Kind::Zset => {
            let name = wanted(order.name, "name")?;
            let score = order.score.ok_or_else(|| wrong("`score` is missing"))?;
            Command::new("ZADD").key(&key).arg(score).arg(name)
        }
        Kind::Hash => {
            let name = wanted(order.name, "name")?;
            look.push(Command::new("HGET").key(&key).arg(&name));
            let set = Command::new("HSET").key(&key).arg(name);
            set.arg(wanted(order.value, "value")?)
        }
    };
    // Only what is compared is read: a value may be large.
    if was.is_none() || create {
        look.truncate(1);
    }
    let holds = |seen: &[Value]| {
        is_of_type(kind, create, seen.first())?;
        was_so(was.as_ref().filter(|_| !create), seen)
    };
    store.edit(database, &key, look, holds, vec![edit]).await?;
    note("set", database, &key);
    edited(&store, database, key).await
}

async fn remove_item(
    State(store): State<Handle>,
    order: Result<Json<RemoveOrder>, JsonRejection>,
) -> Result<Json<Edited>, Problem> {
    let Json(order) = order?;
    let (database, kind) = (order.database, order.kind);
    let key = bytes(order.key)?;
    let was = order.was.map(bytes).transpose()?;
    let mut look = vec![Command::new("TYPE").key(&key)];
    let edits = match kind {
        Kind::String => return Err(wrong("a string has no elements; delete the key")),
        Kind::List => {
            let index = order.index.ok_or_else(|| wrong("`index` is missing"))?;
            if was.is_none() {
                return Err(wrong(
                    "`was` is missing: a list's elements have no other name",
                ));
            }
            look.push(Command::new("LINDEX").key(&key).arg(index.to_string()));
            // Redis removes from lists by value only: the element gets one that no other has.
            let mark = mark()?;
            vec![
                Command::new("LSET")
                    .key(&key)
                    .arg(index.to_string())
                    .arg(&mark),
                Command::new("LREM").key(&key).arg("1").arg(&mark),
            ]
        }
        Kind::Set => {
            let name = wanted(order.name, "name")?;
            vec![Command::new("SREM").key(&key).arg(name)]
        }
        Kind::Zset => {
            let name = wanted(order.name, "name")?;
            vec![Command::new("ZREM").key(&key).arg(name)]
        }
        Kind::Hash => {
            let name = wanted(order.name, "name")?;
            if was.is_some() {
                look.push(Command::new("HGET").key(&key).arg(&name));
            }
            vec![Command::new("HDEL").key(&key).arg(name)]
        }
    };
    let was = was.filter(|_| look.len() > 1);
    let holds = |seen: &[Value]| {
        is_of_type(kind, false, seen.first())?;
        was_so(was.as_ref(), seen)
    };
    let done = store.edit(database, &key, look, holds, edits).await?;
    if done.last().and_then(Value::as_integer) == Some(0) {
        let gone = "there is no such element any more";
        return Err(Problem::new(StatusCode::NOT_FOUND, gone));
    }
    note("remove", database, &key);
    edited(&store, database, key).await
}

/// A value that nothing has.
fn mark() -> Result<Vec<u8>, Problem> {
    let mut bits = [0; 16];
    getrandom::fill(&mut bits)
        .map_err(|error| Problem::internal(&crate::Error::Random(std::io::Error::other(error))))?;
    Ok([&b"removed over the admin API "[..], &bits].concat())
}

async fn set_ttl(
    State(store): State<Handle>,
    order: Result<Json<TtlOrder>, JsonRejection>,
) -> Result<Json<Edited>, Problem> {
    let Json(order) = order?;
    let key = bytes(order.key)?;
    let edit = match order.ttl_ms {
        Some(0) => {
            return Err(wrong(
                "`ttl_ms` is 0, which would delete the key; write 1 or more",
            ));
        }
        Some(ttl_ms) => Command::new("PEXPIRE").key(&key).arg(ttl_ms.to_string()),
        None => Command::new("PERSIST").key(&key),
    };
    let look = vec![Command::new("TYPE").key(&key)];
    store
        .edit(order.database, &key, look, is_there, vec![edit])
        .await?;
    note("ttl", order.database, &key);
    edited(&store, order.database, key).await
}

fn is_there(seen: &[Value]) -> Result<(), Problem> {
    match seen.first().and_then(Value::as_bytes) {
        Some(b"none") | None => Err(no_such_key()),
        Some(_) => Ok(()),
    }
}

async fn rename(
    State(store): State<Handle>,
    order: Result<Json<RenameOrder>, JsonRejection>,
) -> Result<Json<Edited>, Problem> {
    let Json(order) = order?;
    let (key, to) = (bytes(order.key)?, bytes(order.to)?);
    let name = if order.replace { "RENAME" } else { "RENAMENX" };
    let edit = Command::new(name).key(&key).key(&to);
    let look = vec![Command::new("TYPE").key(&key)];
    let done = store
        .edit(order.database, &key, look, is_there, vec![edit])
        .await?;
    if done.first().and_then(Value::as_integer) == Some(0) {
        let taken = "there is a key of the new name already; say `replace` to have it replaced";
        return Err(Problem::new(StatusCode::CONFLICT, taken));
    }
    note("rename", order.database, &key);
    edited(&store, order.database, to).await
}

async fn delete(
    State(store): State<Handle>,
    parameters: Result<Query<KeyParameters>, QueryRejection>,
) -> Result<Json<Edited>, Problem> {
    let Query(parameters) = parameters?;
    let key = parameters.key()?;
    let database = parameters.database.unwrap_or(0);
    let look = vec![Command::new("TYPE").key(&key)];
    let edit = vec![Command::new("DEL").key(&key)];
    store.edit(database, &key, look, is_there, edit).await?;
    note("delete", database, &key);
    Ok(Json(Edited { key: None }))
}
