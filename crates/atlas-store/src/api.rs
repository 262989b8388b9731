//! What the store's part of the admin API tells: shapes of its answers, which make the OpenAPI document.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Bytes of a key or a value: a string where they are UTF-8, else `{"base64": "…"}`.
#[derive(Clone, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(untagged)]
pub(crate) enum Bytes {
    /// They are UTF-8.
    Text(String),
    /// They are not.
    Encoded(Encoded),
}

/// Bytes that are no text.
#[derive(Clone, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Encoded {
    /// Base64 with padding.
    pub(crate) base64: String,
}

impl Bytes {
    /// As they are written in JSON.
    pub(crate) fn of(bytes: &[u8]) -> Self {
        std::str::from_utf8(bytes).map_or_else(
            |_| {
                Self::Encoded(Encoded {
                    base64: STANDARD.encode(bytes),
                })
            },
            |text| Self::Text(text.to_owned()),
        )
    }

    /// The bytes; none if the base64 is none.
    pub(crate) fn into_bytes(self) -> Option<Vec<u8>> {
        match self {
            Self::Text(text) => Some(text.into_bytes()),
            Self::Encoded(encoded) => STANDARD.decode(encoded.base64).ok(),
        }
    }
}

/// How the store is.
#[derive(Clone, Debug, JsonSchema, PartialEq, Serialize)]
pub(crate) struct StoreView {
    /// The node's clock, in milliseconds since 1970.
    pub(crate) at_ms: i64,
    /// How long it has been serving.
    pub(crate) uptime_ms: u64,
    /// Where its clients connect.
    pub(crate) listen: String,
    /// The most databases that there can be.
    pub(crate) databases_max: u32,
    /// The databases that hold keys.
    pub(crate) databases: Vec<DatabaseView>,
    /// What the process uses.
    pub(crate) memory: MemoryView,
    /// The log.
    pub(crate) log: LogView,
    /// The snapshots.
    pub(crate) snapshot: SnapshotView,
    /// Clients connected.
    pub(crate) clients: u64,
    /// Those of them that wait for keys.
    pub(crate) clients_waiting: u64,
    /// The most clients that may be connected.
    pub(crate) clients_max: u64,
    /// Why writes are refused, in the words that clients get; none while they are not.
    pub(crate) trouble: Option<String>,
    /// What was counted since the start, or since `CONFIG RESETSTAT`.
    pub(crate) totals: TotalsView,
}

/// A database that holds keys.
#[derive(Clone, Debug, JsonSchema, PartialEq, Serialize)]
pub(crate) struct DatabaseView {
    /// Its number.
    pub(crate) number: u32,
    /// How many keys it holds.
    pub(crate) keys: u64,
    /// How many of them expire.
    pub(crate) expiring: u64,
}

/// What the process uses.
#[derive(Clone, Debug, JsonSchema, PartialEq, Serialize)]
pub(crate) struct MemoryView {
    /// Bytes that it has allocated.
    pub(crate) used_bytes: u64,
    /// The most that was seen.
    pub(crate) peak_bytes: u64,
    /// Bytes that the system counts for it.
    pub(crate) resident_bytes: u64,
    /// `maxmemory`; 0 is no limit.
    pub(crate) limit_bytes: u64,
    /// `maxmemory-policy`.
    pub(crate) policy: String,
}

/// The log.
#[derive(Clone, Debug, JsonSchema, PartialEq, Serialize)]
pub(crate) struct LogView {
    /// When what was written is made durable: `every`, `interval`, `none`.
    pub(crate) fsync: String,
    /// Bytes that its files take.
    pub(crate) bytes: u64,
    /// How many files it has.
    pub(crate) segments: u64,
    /// The last record that was made.
    pub(crate) last_index: u64,
    /// The last record that was applied.
    pub(crate) applied_index: u64,
    /// The last record that is surely on the disk.
    pub(crate) durable_index: u64,
    /// Bytes of commands that wait for the disk.
    pub(crate) in_flight_bytes: u64,
    /// How often it was made durable.
    pub(crate) syncs: u64,
    /// How long the last syncs took; none before the first.
    pub(crate) sync: Option<SyncView>,
}

/// How long the last 512 syncs took.
#[derive(Clone, Debug, JsonSchema, PartialEq, Serialize)]
pub(crate) struct SyncView {
    /// Half of them took at most this, in microseconds.
    pub(crate) p50_us: u64,
    /// 99 of 100 took at most this.
    pub(crate) p99_us: u64,
    /// The longest.
    pub(crate) max_us: u64,
}

/// The snapshots.
#[derive(Clone, Debug, JsonSchema, PartialEq, Serialize)]
pub(crate) struct SnapshotView {
    /// One is being written.
    pub(crate) is_running: bool,
    /// How old the last one is; none if there is none.
    pub(crate) age_ms: Option<u64>,
    /// The last record that it covers; 0 if there is none.
    pub(crate) index: u64,
    /// Its size.
    pub(crate) bytes: u64,
    /// Changes since it was begun, or since the start.
    pub(crate) changes_since: u64,
    /// Why the last attempt failed, if it did.
    pub(crate) error: Option<String>,
}

/// What was counted since the start, or since `CONFIG RESETSTAT`.
#[derive(Clone, Debug, JsonSchema, PartialEq, Serialize)]
pub(crate) struct TotalsView {
    /// Commands received.
    pub(crate) commands: u64,
    /// Commands answered with an error.
    pub(crate) errors: u64,
    /// Connections accepted.
    pub(crate) connections: u64,
    /// Connections turned away.
    pub(crate) rejected: u64,
    /// Bytes received.
    pub(crate) bytes_in: u64,
    /// Bytes sent.
    pub(crate) bytes_out: u64,
    /// Records made for the log.
    pub(crate) records: u64,
    /// Keys removed because their time was over.
    pub(crate) expired: u64,
    /// Keys removed to make room.
    pub(crate) evicted: u64,
    /// Keys asked for that were there.
    pub(crate) hits: u64,
    /// Keys asked for that were not.
    pub(crate) misses: u64,
}

/// The commands that were sent since the start, or since `CONFIG RESETSTAT`.
#[derive(Clone, Debug, JsonSchema, PartialEq, Serialize)]
pub(crate) struct CommandsView {
    /// The node's clock, in milliseconds since 1970.
    pub(crate) at_ms: i64,
    /// In the order of their names.
    pub(crate) items: Vec<CommandView>,
}

/// What was counted of one command.
#[derive(Clone, Debug, JsonSchema, PartialEq, Serialize)]
pub(crate) struct CommandView {
    /// Its name; of a subcommand both parts, `client|list`.
    pub(crate) name: String,
    /// How often it was run.
    pub(crate) calls: u64,
    /// The engine's time that it took in all, in microseconds; waiting for the disk is not in it.
    pub(crate) us: u64,
    /// How often it was turned away before it was run.
    pub(crate) rejected: u64,
    /// How often it was answered with an error, turned away or not.
    pub(crate) failed: u64,
}

/// Clients, page by page.
#[derive(Clone, Debug, JsonSchema, PartialEq, Serialize)]
pub(crate) struct ClientsPage {
    /// In the order in which they came.
    pub(crate) items: Vec<ClientView>,
    /// What to ask for as `after` to see more; none at the end.
    pub(crate) next: Option<u64>,
    /// How many there are.
    pub(crate) total: u64,
}

/// One client.
#[derive(Clone, Debug, JsonSchema, PartialEq, Serialize)]
pub(crate) struct ClientView {
    /// Its number.
    pub(crate) id: u64,
    /// Where it connects from.
    pub(crate) address: String,
    /// The name that it gave itself.
    pub(crate) name: String,
    /// The library that it says it is, with its version.
    pub(crate) library: String,
    /// Its database.
    pub(crate) database: u32,
    /// How long it has been connected.
    pub(crate) age_ms: u64,
    /// How long it has sent nothing.
    pub(crate) idle_ms: u64,
    /// The last command that it sent.
    pub(crate) command: String,
    /// What it does: `idle`, `waiting` for a key or something else, `paused`, `listening` to channels, `transaction`.
    pub(crate) state: String,
    /// How many commands it sent.
    pub(crate) commands: u64,
    /// Bytes that it sent.
    pub(crate) bytes_in: u64,
    /// Bytes that it was sent.
    pub(crate) bytes_out: u64,
    /// Bytes of answers that it has not read.
    pub(crate) pending_bytes: u64,
}

/// The commands that took long.
#[derive(Clone, Debug, JsonSchema, PartialEq, Serialize)]
pub(crate) struct SlowLogView {
    /// A command is kept that takes so long; none are if it is negative.
    pub(crate) longer_than_us: i64,
    /// The most that are kept.
    pub(crate) entries_max: u64,
    /// The newest first.
    pub(crate) items: Vec<SlowView>,
}

/// A command that took long.
#[derive(Clone, Debug, JsonSchema, PartialEq, Serialize)]
pub(crate) struct SlowView {
    /// Its number.
    pub(crate) id: i64,
    /// When it was run, in milliseconds since 1970, to the second.
    pub(crate) at_ms: i64,
    /// The engine's time that it took, in microseconds.
    pub(crate) took_us: u64,
    /// Its name and arguments, cut.
    pub(crate) words: Vec<Bytes>,
    /// Its client's address.
    pub(crate) address: String,
    /// Its client's name.
    pub(crate) client: String,
}

/// Bytes that may be cut.
#[derive(Clone, Debug, JsonSchema, PartialEq, Serialize)]
pub(crate) struct Shown {
    /// What is shown of them.
    pub(crate) data: Bytes,
    /// How many there are.
    pub(crate) bytes: u64,
    /// Not all of them are shown.
    pub(crate) is_cut: bool,
}

/// A key.
#[derive(Clone, Debug, JsonSchema, PartialEq, Serialize)]
pub(crate) struct KeyView {
    /// Its name.
    pub(crate) key: Shown,
    /// Its type: `string`, `list`, `set`, `zset`, `hash`, `stream`.
    #[serde(rename = "type")]
    pub(crate) kind: String,
    /// When it expires; none if it does not.
    pub(crate) ttl_ms: Option<u64>,
    /// Bytes of a string, elements of anything else.
    pub(crate) size: u64,
    /// About how much memory it takes.
    pub(crate) memory_bytes: u64,
    /// How it is kept, in Redis's words.
    pub(crate) encoding: String,
}

/// Keys of a database, page by page.
#[derive(Clone, Debug, JsonSchema, PartialEq, Serialize)]
pub(crate) struct KeysPage {
    /// In no order; one that comes, goes or is renamed meanwhile may be missing or come twice.
    pub(crate) items: Vec<KeyView>,
    /// What to ask for as `cursor` to see more, also where nothing was found yet; none at the end.
    pub(crate) next: Option<String>,
    /// About how many keys were looked at for this page.
    pub(crate) looked: u64,
    /// How many keys the database has.
    pub(crate) total: u64,
}

/// What a key holds, page by page.
#[derive(Clone, Debug, JsonSchema, PartialEq, Serialize)]
pub(crate) struct ValuePage {
    /// The key.
    pub(crate) key: KeyView,
    /// Its elements; of a string one piece. Lists by position, sorted sets by score, others in no order.
    pub(crate) items: Vec<ItemView>,
    /// What to ask for as `cursor` to see more; none at the end.
    pub(crate) next: Option<String>,
}

/// One element of a value.
#[derive(Clone, Debug, Default, JsonSchema, PartialEq, Serialize)]
pub(crate) struct ItemView {
    /// Of a list its position, of a string where the piece begins.
    pub(crate) index: Option<u64>,
    /// Of a set or a sorted set the member, of a hash the field.
    pub(crate) name: Option<Shown>,
    /// Of a sorted set: the score, as `ZADD` takes it.
    pub(crate) score: Option<String>,
    /// Of a string, a list or a hash: the value.
    pub(crate) value: Option<Shown>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_come_back_as_they_went() {
        for bytes in [&b""[..], b"text", "grün".as_bytes(), b"\xff\x00", b"{}"] {
            let json = serde_json::to_string(&Bytes::of(bytes)).unwrap();
            let back: Bytes = serde_json::from_str(&json).unwrap();
            assert_eq!(back.into_bytes().as_deref(), Some(bytes), "{json}");
        }
        assert_eq!(
            serde_json::to_string(&Bytes::of(b"\xff")).unwrap(),
            r#"{"base64":"/w=="}"#
        );
        for json in [r#"{"base64":"*"}"#, r#"{"base64":"/w"}"#] {
            let bytes: Bytes = serde_json::from_str(json).unwrap();
            assert_eq!(bytes.into_bytes(), None, "{json}");
        }
        assert!(serde_json::from_str::<Bytes>(r#"{"hex":"ff"}"#).is_err());
    }
}
