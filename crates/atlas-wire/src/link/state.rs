//! A player's state as it travels: inside a control message, or in parts in front of it.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use atlas_base::TransferId;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::message::Error;
use crate::tag::Tag;

/// A player's state: the game's own bytes, opaque to the edge.
pub type State = Arc<[u8]>;

/// The most bytes of a state that travels inside its control message; longer ones travel in parts.
pub const INLINE_STATE_BYTES_MAX: usize = 64 * 1024;
/// The most bytes of a state in one part.
pub const PART_BYTES_MAX: usize = 64 * 1024;
/// What a joiner takes unless told otherwise.
const STATE_BYTES_MAX: usize = 16 * 1024 * 1024;
/// Tag, id, part, parts.
const PART_HEAD_BYTES: usize = 1 + 16 + 4 + 4;

/// Names a state that travels in parts, UUID text in JSON. Unique among the states under way on one link; a transfer's
/// id will do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct StateId(pub u128);

impl fmt::Display for StateId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        TransferId::from_u128(self.0).fmt(formatter)
    }
}

impl Serialize for StateId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for StateId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let id =
            TransferId::from_str(&text).map_err(|_| de::Error::custom("state_id: not a uuid"))?;
        Ok(Self(id.as_u128()))
    }
}

/// How a control message carries a state: its field `state`, or its field `state_id`, or neither.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(into = "Raw", try_from = "Raw")]
pub enum Carried {
    /// There is no state.
    #[default]
    Nothing,
    /// The bytes, as base64 in `state`.
    Inline(State),
    /// The id of the parts that came before the message, in `state_id`.
    Parts(StateId),
}

impl Carried {
    /// Carries `state`: inside the message if it is short enough, else in parts, each of which is handed to `send` as a
    /// whole tagged message. The control message goes after them, with nothing of another state between.
    pub fn new(state: State, id: StateId, mut send: impl FnMut(&[u8])) -> Self {
        if state.len() <= INLINE_STATE_BYTES_MAX {
            return Self::Inline(state);
        }
        let parts = state.len().div_ceil(PART_BYTES_MAX);
        let mut message = Vec::with_capacity(PART_HEAD_BYTES + PART_BYTES_MAX);
        for (part, bytes) in state.chunks(PART_BYTES_MAX).enumerate() {
            message.clear();
            message.push(Tag::StatePart.byte());
            message.extend_from_slice(&id.0.to_be_bytes());
            // A state in memory has far fewer parts than 2^32.
            message.extend_from_slice(&(part as u32).to_le_bytes());
            message.extend_from_slice(&(parts as u32).to_le_bytes());
            message.extend_from_slice(bytes);
            send(&message);
        }
        Self::Parts(id)
    }

    /// Whether there is a state.
    pub fn is_some(&self) -> bool {
        !matches!(self, Self::Nothing)
    }

    /// The check of messages that must carry a state.
    pub(super) fn check_some(&self) -> Result<(), String> {
        if self.is_some() {
            Ok(())
        } else {
            Err("missing field `state`".into())
        }
    }
}

/// The two fields as they stand in a message.
#[derive(Serialize, Deserialize)]
struct Raw {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    state: Option<Bytes>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    state_id: Option<StateId>,
}

impl From<Carried> for Raw {
    fn from(carried: Carried) -> Self {
        match carried {
            Carried::Nothing => Self {
                state: None,
                state_id: None,
            },
            Carried::Inline(state) => Self {
                state: Some(Bytes(state)),
                state_id: None,
            },
            Carried::Parts(id) => Self {
                state: None,
                state_id: Some(id),
            },
        }
    }
}

impl TryFrom<Raw> for Carried {
    type Error = &'static str;

    fn try_from(raw: Raw) -> Result<Self, Self::Error> {
        match (raw.state, raw.state_id) {
            (None, None) => Ok(Self::Nothing),
            (Some(Bytes(state)), None) => Ok(Self::Inline(state)),
            (None, Some(id)) => Ok(Self::Parts(id)),
            (Some(_), Some(_)) => Err("state: together with state_id"),
        }
    }
}

/// Bytes as base64 (RFC 4648, section 4, with padding).
struct Bytes(State);

impl Serialize for Bytes {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&STANDARD.encode(&self.0))
    }
}

impl<'de> Deserialize<'de> for Bytes {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)
            .map_err(|_| de::Error::custom("state: not a string"))?;
        let bytes = STANDARD
            .decode(text)
            .map_err(|_| de::Error::custom("state: not base64"))?;
        if bytes.len() > INLINE_STATE_BYTES_MAX {
            return Err(de::Error::custom("state: longer than 65536 bytes"));
        }
        Ok(Self(bytes.into()))
    }
}

/// One part of a state.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StatePart<'a> {
    /// Which state.
    pub id: StateId,
    /// Which part, from 0.
    pub part: u32,
    /// How many there are.
    pub parts: u32,
    /// The part's bytes, 1 to [`PART_BYTES_MAX`].
    pub bytes: &'a [u8],
}

/// Reads one part without its tag.
pub fn parse_state_part(body: &[u8]) -> Result<StatePart<'_>, Error> {
    let wrong = |what| Error::State { what };
    let short = || wrong("a part shorter than its head");
    let (id, rest) = body.split_first_chunk::<16>().ok_or_else(short)?;
    let (part, rest) = rest.split_first_chunk::<4>().ok_or_else(short)?;
    let (parts, bytes) = rest.split_first_chunk::<4>().ok_or_else(short)?;
    let (part, parts) = (u32::from_le_bytes(*part), u32::from_le_bytes(*parts));
    if part >= parts {
        return Err(wrong("a part past the last"));
    }
    if bytes.is_empty() || bytes.len() > PART_BYTES_MAX {
        return Err(wrong("a part must have 1 to 65536 bytes"));
    }
    Ok(StatePart {
        id: StateId(u128::from_be_bytes(*id)),
        part,
        parts,
        bytes,
    })
}

/// Joins the parts of one state at a time, those of one direction of one link.
#[derive(Debug)]
pub struct StateJoiner {
    bytes_max: usize,
    begun: Option<Box<Begun>>,
}

#[derive(Debug)]
struct Begun {
    id: StateId,
    parts: u32,
    next: u32,
    bytes: Vec<u8>,
}

impl Default for StateJoiner {
    /// Takes states of up to 16 MiB.
    fn default() -> Self {
        Self::new(STATE_BYTES_MAX)
    }
}

impl StateJoiner {
    /// A joiner of states of up to `bytes_max` bytes. It holds nothing until a part comes.
    pub fn new(bytes_max: usize) -> Self {
        Self {
            bytes_max,
            begun: None,
        }
    }

    /// Takes one part without its tag. Parts come in order; part 0 of another state takes the place of one that was
    /// begun. After an error nothing is held.
    pub fn part(&mut self, body: &[u8]) -> Result<(), Error> {
        let begun = self.begun.take();
        let StatePart {
            id,
            part,
            parts,
            bytes,
        } = parse_state_part(body)?;
        let mut begun = match begun {
            _ if part == 0 => Box::new(Begun {
                id,
                parts,
                next: 0,
                bytes: Vec::new(),
            }),
            Some(begun) if begun.id == id && begun.parts == parts && begun.next == part => begun,
            _ => {
                return Err(Error::State {
                    what: "a part out of order",
                });
            }
        };
        if bytes.len() > self.bytes_max.saturating_sub(begun.bytes.len()) {
            return Err(Error::StateTooLong {
                bytes_max: self.bytes_max,
            });
        }
        begun.bytes.extend_from_slice(bytes);
        begun.next += 1;
        self.begun = Some(begun);
        Ok(())
    }

    /// The state that a control message carries; none if it carries none. A state in parts is handed out once.
    pub fn take(&mut self, carried: Carried) -> Result<Option<State>, Error> {
        match carried {
            Carried::Nothing => Ok(None),
            Carried::Inline(state) => Ok(Some(state)),
            Carried::Parts(id) => match self.begun.take() {
                Some(begun) if begun.id == id && begun.next == begun.parts => {
                    Ok(Some(begun.bytes.into()))
                }
                _ => Err(Error::State {
                    what: "a state whose parts did not all come before it",
                }),
            },
        }
    }
}
