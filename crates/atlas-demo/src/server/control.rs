//! The control messages of `atlas.link.v1` as a game server reads and writes them.
//!
//! Written from the protocol's page alone, and on purpose not shared with the edge: if both sides read
//! the page differently, the tests that put them together fail.

use std::borrow::Cow;
use std::time::Duration;

use atlas_base::{Epoch, SessionId, TransferId};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde::Deserialize;
use serde_json::{Value, json};

use super::fence::{Frozen, Refused};
use crate::messages::PlayerState;

/// A control message on a session link.
#[derive(Debug)]
pub(super) struct Order {
    pub(super) session: SessionId,
    pub(super) epoch: Epoch,
    pub(super) what: What,
}

/// What a session link's control message asks for.
#[derive(Debug)]
pub(super) enum What {
    Attach {
        player: Option<String>,
        state: Option<PlayerState>,
        terms: Times,
    },
    Adopt {
        transfer: TransferId,
        state: Option<PlayerState>,
        terms: Times,
    },
    Commit {
        transfer: TransferId,
    },
    Freeze {
        transfer: TransferId,
    },
    Abort {
        transfer: TransferId,
    },
    Detach,
    Preload {
        transfer: Option<TransferId>,
    },
    Ping {
        at: Value,
    },
    /// `leaving`, `suspended`, `resumed`, `transfer-result`: news that this game does nothing with.
    News,
}

/// A control message on a control link.
#[derive(Debug)]
pub(super) enum NodeOrder {
    Ping { at: Value },
    Drain,
}

/// The times that come with an attach or adopt.
#[derive(Clone, Copy, Debug)]
pub(super) struct Times {
    pub(super) lease: Duration,
    pub(super) orphan_window: Duration,
}

/// Why a control message was not understood.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Trouble {
    /// Its type is not known here; it is answered so.
    Unsupported(String),
    /// It breaks the protocol; the link is closed with this reason.
    Malformed(String),
}

#[derive(Deserialize)]
struct Heading<'a> {
    #[serde(borrow, rename = "type")]
    kind: Cow<'a, str>,
}

#[derive(Deserialize)]
struct Fields {
    session: SessionId,
    epoch: Epoch,
    #[serde(default)]
    transfer: Option<TransferId>,
    #[serde(default)]
    player: Option<String>,
    #[serde(default)]
    state: Option<String>,
    #[serde(default)]
    lease_ms: Option<u64>,
    #[serde(default)]
    orphan_window_ms: Option<u64>,
    #[serde(default)]
    at: Value,
}

impl Order {
    /// Reads the JSON of a session link's control message.
    pub(super) fn read(json: &[u8]) -> Result<Self, Trouble> {
        let kind = kind(json)?;
        if !matches!(
            &*kind,
            "attach"
                | "adopt"
                | "commit"
                | "freeze"
                | "abort"
                | "detach"
                | "preload"
                | "ping"
                | "leaving"
                | "suspended"
                | "resumed"
                | "transfer-result"
        ) {
            return Err(Trouble::Unsupported(kind.into_owned()));
        }
        let fields: Fields = read(json, &kind)?;
        let missing = |field: &str| Trouble::Malformed(format!("{kind}: missing field `{field}`"));
        let transfer = || fields.transfer.ok_or_else(|| missing("transfer"));
        let terms = || {
            let lease_ms = fields.lease_ms.ok_or_else(|| missing("lease_ms"))?;
            let window_ms = fields
                .orphan_window_ms
                .ok_or_else(|| missing("orphan_window_ms"))?;
            Ok(Times {
                lease: Duration::from_millis(lease_ms),
                orphan_window: Duration::from_millis(window_ms),
            })
        };
        let state = || {
            fields
                .state
                .as_deref()
                .map(|text| read_state(text, &kind))
                .transpose()
        };
        let what = match &*kind {
            "attach" => What::Attach {
                player: fields.player.clone(),
                state: state()?,
                terms: terms()?,
            },
            "adopt" => What::Adopt {
                transfer: transfer()?,
                state: Some(state()?.ok_or_else(|| missing("state"))?),
                terms: terms()?,
            },
            "commit" => What::Commit {
                transfer: transfer()?,
            },
            "freeze" => What::Freeze {
                transfer: transfer()?,
            },
            "abort" => What::Abort {
                transfer: transfer()?,
            },
            "detach" => What::Detach,
            "preload" => What::Preload {
                transfer: fields.transfer,
            },
            "ping" => What::Ping { at: fields.at },
            _ => What::News,
        };
        Ok(Self {
            session: fields.session,
            epoch: fields.epoch,
            what,
        })
    }
}

impl NodeOrder {
    /// Reads the JSON of a control link's message.
    pub(super) fn read(json: &[u8]) -> Result<Self, Trouble> {
        #[derive(Deserialize)]
        struct At {
            #[serde(default)]
            at: Value,
        }
        let kind = kind(json)?;
        match &*kind {
            "ping" => Ok(Self::Ping {
                at: read::<At>(json, &kind)?.at,
            }),
            "drain" => Ok(Self::Drain),
            _ => Err(Trouble::Unsupported(kind.into_owned())),
        }
    }
}

fn kind(json: &[u8]) -> Result<Cow<'_, str>, Trouble> {
    Ok(read::<Heading<'_>>(json, "control")?.kind)
}

fn read<'a, T: Deserialize<'a>>(json: &'a [u8], kind: &str) -> Result<T, Trouble> {
    serde_json::from_slice(json).map_err(|error| Trouble::Malformed(format!("{kind}: {error}")))
}

/// The edge carries states without looking into them; here they are JSON.
fn read_state(text: &str, kind: &str) -> Result<PlayerState, Trouble> {
    let bytes = BASE64
        .decode(text)
        .map_err(|error| Trouble::Malformed(format!("{kind}: state: {error}")))?;
    if bytes.is_empty() {
        return Ok(PlayerState::default());
    }
    serde_json::from_slice(&bytes)
        .map_err(|error| Trouble::Malformed(format!("{kind}: state: {error}")))
}

fn write_state(state: &PlayerState) -> String {
    // A struct of numbers and a text is always JSON.
    BASE64.encode(serde_json::to_vec(state).unwrap_or_default())
}

/// The answers of a session link, each as the JSON that goes out.
pub(super) fn attached(session: SessionId, epoch: Epoch, has_state: bool) -> Value {
    json!({"type": "attached", "session": session, "epoch": epoch, "has_state": has_state})
}

pub(super) fn refused(order: &Order, refused: Refused) -> Value {
    let mut answer = json!({
        "type": "refused", "session": order.session, "epoch": order.epoch, "reason": refused.reason
    });
    if let Some(newest) = refused.newest {
        answer["newest"] = json!(newest);
    }
    if let What::Adopt { transfer, .. } | What::Commit { transfer } | What::Freeze { transfer } =
        order.what
    {
        answer["transfer"] = json!(transfer);
    }
    answer
}

/// `adopted` and `committed`.
pub(super) fn done(kind: &str, session: SessionId, epoch: Epoch, transfer: TransferId) -> Value {
    json!({"type": kind, "session": session, "epoch": epoch, "transfer": transfer})
}

pub(super) fn frozen(
    session: SessionId,
    epoch: Epoch,
    transfer: TransferId,
    frozen: &Frozen,
) -> Value {
    json!({
        "type": "frozen", "session": session, "epoch": epoch, "transfer": transfer,
        "state": write_state(&frozen.state), "received": frozen.received, "sent": frozen.sent
    })
}

pub(super) fn checkpoint(session: SessionId, epoch: Epoch, held: &Frozen) -> Value {
    json!({
        "type": "checkpoint", "session": session, "epoch": epoch,
        "state": write_state(&held.state), "received": held.received, "sent": held.sent
    })
}

pub(super) fn preloaded(session: SessionId, epoch: Epoch, transfer: Option<TransferId>) -> Value {
    json!({"type": "preloaded", "session": session, "epoch": epoch, "transfer": transfer})
}

pub(super) fn pong(session: SessionId, epoch: Epoch, at: &Value) -> Value {
    json!({"type": "pong", "session": session, "epoch": epoch, "at": at})
}

#[cfg(test)]
mod tests {
    use super::*;

    const SESSION: &str = "00000000-0000-0000-0000-00000000000a";

    #[test]
    fn what_is_wrong_is_named() {
        let table = [
            (
                r#"{"type":"dance"}"#.to_owned(),
                Trouble::Unsupported("dance".to_owned()),
            ),
            (
                format!(r#"{{"type":"freeze","session":"{SESSION}","epoch":1}}"#),
                malformed("freeze: missing field `transfer`"),
            ),
            (
                format!(r#"{{"type":"attach","session":"{SESSION}","epoch":1}}"#),
                malformed("attach: missing field `lease_ms`"),
            ),
        ];
        for (json, expected) in table {
            assert_eq!(
                Order::read(json.as_bytes()).unwrap_err(),
                expected,
                "{json}"
            );
        }
        let texts = [
            ("{}", "type"),
            ("[]", "control"),
            (r#"{"type":"ping","epoch":1}"#, "session"),
            (r#"{"type":"ping","session":"x","epoch":1}"#, "uuid"),
        ];
        for (json, named) in texts {
            let Err(Trouble::Malformed(why)) = Order::read(json.as_bytes()) else {
                panic!("{json} was read")
            };
            assert!(
                why.to_lowercase().contains(named),
                "{why} does not name {named}"
            );
        }
        for state in ["!!!", "bm8gSlNPTg=="] {
            let json = format!(
                r#"{{"type":"attach","session":"{SESSION}","epoch":1,"lease_ms":1,"orphan_window_ms":1,"state":"{state}"}}"#
            );
            let Err(Trouble::Malformed(why)) = Order::read(json.as_bytes()) else {
                panic!("{state} was read")
            };
            assert!(why.contains("state"), "{why}");
        }
    }

    fn malformed(why: &str) -> Trouble {
        Trouble::Malformed(why.to_owned())
    }

    #[test]
    fn unknown_fields_are_passed_over() {
        let json = format!(
            r#"{{"type":"leaving","session":"{SESSION}","epoch":3,"reason":"region","new":{{"a":[1]}}}}"#
        );
        let order = Order::read(json.as_bytes()).unwrap();
        assert_eq!(order.epoch, Epoch(3));
        assert!(matches!(order.what, What::News));
    }
}
