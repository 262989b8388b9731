//! Dialects: how the edge reads a game's messages, where it reads them at all.
//!
//! A dialect is one file here and one line in [`build`] and [`Name`]. It is asked about single messages, or about the
//! first bytes of them; what it cannot read it does not know, and the message is relayed all the same.

mod atlas;
mod horizon;
mod json;
mod opaque;
mod pointer;
mod read;
mod scan;
#[cfg(test)]
mod tests;

use atlas_base::{Position, Velocity};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use pointer::{BadPointer, Pointer};

/// What the edge asks of a game's messages: those of clients, if nothing else is said. `message` is unmasked; it may be cut anywhere, and then
/// an answer is either what the whole message would give, or none. `text` says which kind of WebSocket message it is.
pub trait Dialect: Send + Sync {
    /// The name in the configuration.
    fn name(&self) -> &'static str;

    /// Whether it reads messages at all; if not, nothing else needs to be asked.
    fn skims(&self) -> bool;

    /// Where the player says to be, and how fast to move if the message says that too; all numbers are finite. None if
    /// the message does not say where. Allocates nothing.
    fn position(&self, message: &[u8], text: bool) -> Option<(Position, Option<Velocity>)>;

    /// Whether the message introduces the player to a server, and so is to be said again to the next one.
    fn is_join(&self, message: &[u8], text: bool) -> bool;

    /// The player's id, if the message names it: 1 to 256 bytes.
    fn player(&self, message: &[u8], text: bool) -> Option<String>;

    /// The message's kind in the game's own words, a client's or a server's: 1 to 64 bytes. For people who watch; nothing is
    /// decided by it.
    fn kind(&self, message: &[u8], text: bool) -> Option<String> {
        let _ = (message, text);
        None
    }

    /// Of a server's message: the key of the state that it brings up to date, if it is such a message. A client that has
    /// not yet got an older message with the same key can do without it. Allocates nothing.
    fn state_key(&self, message: &[u8], text: bool) -> Option<u64> {
        let _ = (message, text);
        None
    }
}

/// Makes the dialect that the configuration describes.
pub fn build(config: &DialectConfig) -> Box<dyn Dialect> {
    match config.name {
        Name::Opaque => Box::new(opaque::Opaque),
        Name::Json => Box::new(json::Json::new(config)),
        Name::Atlas => Box::new(atlas::Atlas::new()),
        Name::Horizon => Box::new(horizon::Horizon::new()),
    }
}

/// Which dialect a game speaks.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Name {
    /// Messages are bytes; nothing is read.
    Opaque,
    /// Messages are JSON; the rules say where things stand in them.
    #[default]
    Json,
    /// Messages are Atlas's envelope: JSON with the fields `message_type`, `player_id`, `data` and `timestamp`.
    Atlas,
    /// Messages are those of Horizon game servers: events in JSON.
    Horizon,
}

/// How the edge reads a game's messages.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct DialectConfig {
    /// `opaque`: messages are not read. `json`: they are JSON, and the rules below say where things stand in them.
    /// `atlas`: Atlas's envelope, and `horizon`: the events of Horizon game servers; both know where things stand, and the
    /// rules below do not count.
    pub name: Name,
    /// JSON pointer of a message's kind. Empty: messages have no kind, and each with a place is a move.
    pub kind: Pointer,
    /// Messages that say where the player is.
    #[serde(rename = "move")]
    pub moves: MoveRule,
    /// Messages that introduce the player; said again to the next server when a plain session is moved.
    pub join: JoinRule,
    /// JSON pointer of the player's id (text or a whole number). Empty: messages do not name the player.
    pub player: Pointer,
}

impl Default for DialectConfig {
    fn default() -> Self {
        Self {
            name: Name::default(),
            kind: Pointer::of("/client"),
            moves: MoveRule::default(),
            join: JoinRule::default(),
            player: Pointer::of("/player_id"),
        }
    }
}

/// Which messages are moves, and where the place stands in them.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct MoveRule {
    /// The kind of a move. Empty: no message is a move.
    pub kind: String,
    /// JSON pointer of the x coordinate.
    pub x: Pointer,
    /// JSON pointer of the y coordinate. Empty: the game has none, and it counts as 0.
    pub y: Pointer,
    /// JSON pointer of the z coordinate. Empty: the game has none, and it counts as 0.
    pub z: Pointer,
}

impl Default for MoveRule {
    fn default() -> Self {
        Self {
            kind: "move".into(),
            x: Pointer::of("/x"),
            y: Pointer::of("/y"),
            z: Pointer::of("/z"),
        }
    }
}

/// Which messages are joins.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct JoinRule {
    /// The kind of a join. Empty: no message is a join, and plain sessions are never moved.
    pub kind: String,
}

impl Default for JoinRule {
    fn default() -> Self {
        Self {
            kind: "join".into(),
        }
    }
}
