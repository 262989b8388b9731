//! Messages of the one control link between an edge node and a game server.

use atlas_base::SessionId;
use serde::{Deserialize, Serialize};

use super::Unsupported;
use crate::message::{Check, messages};

/// The most bytes of the body of a message between servers.
const BODY_BYTES_MAX: usize = 32 * 1024;
/// The most bytes of an id that a server chose.
const ID_BYTES_MAX: usize = 128;

messages! {
    /// What the edge says on a control link.
    pub enum ControlToServer {
        /// Are you there; answered by `pong`.
        ControlPing = "ping",
        /// The server is being emptied; answered by `draining` or `wait`.
        Drain = "drain",
        /// A message of another server.
        Received = "received",
        /// A message to another server did not reach it.
        Undeliverable = "undeliverable",
        /// The answer to a message whose type the edge does not know.
        Unsupported = "unsupported",
    }
}

messages! {
    /// What a game server says on a control link.
    pub enum ControlFromServer {
        /// To `ping`.
        ControlPong = "pong",
        /// How busy the server is.
        Load = "load",
        /// To `drain`: players may be taken away now.
        Draining = "draining",
        /// To `drain`: a little later, please.
        Wait = "wait",
        /// A message to another server.
        Send = "send",
        /// The answer to a message whose type the server does not know.
        Unsupported = "unsupported",
    }
}

/// Are you there.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ControlPing {
    /// The edge's own clock in milliseconds; comes back in the pong.
    pub at: u64,
}

/// The answer to a ping.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ControlPong {
    /// Of the ping.
    pub at: u64,
}

/// The server is being emptied.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Drain {
    /// When the last player is taken away at the latest, in milliseconds from now.
    pub deadline_ms: u64,
}

/// Players may be taken away now.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Draining {}

/// A little later, please: granted up to the deadline.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Wait {
    /// For how long, in milliseconds from now.
    pub ms: u64,
    /// Why, in the server's words.
    pub reason: String,
}

/// How busy a server is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Load {
    /// How many players it has, of all edges.
    pub sessions: u64,
    /// The share of its processors that it uses, 0 to 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cpu: Option<f64>,
    /// The share of its memory that it uses, 0 to 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memory: Option<f64>,
    /// How long a step of its simulation takes, in milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tick_ms: Option<f64>,
}

/// Whom a message between servers is for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Address {
    /// The server of this name.
    Server(String),
    /// The server that is this session's authority.
    Session(SessionId),
    /// The server whose region has this name.
    Region(String),
}

/// Who sent a message between servers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sender {
    /// The server's name.
    pub server: String,
}

/// A message to another server.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Send {
    /// The message's id, the server's own; comes back in `undeliverable`. At most 128 bytes.
    pub id: String,
    /// Whom it is for.
    pub to: Address,
    /// The message: text, at most 32 KiB.
    pub body: String,
}

/// A message of another server.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Received {
    /// Who sent it.
    pub from: Sender,
    /// Whom it was for, as the sender wrote it.
    pub to: Address,
    /// The message, as it was sent.
    pub body: String,
}

/// A message to another server did not reach it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Undeliverable {
    /// The message's id.
    pub id: String,
    /// Why, in a few words.
    pub reason: String,
}

impl Check for Send {
    fn check(&self) -> Result<(), String> {
        check_length("id", &self.id, ID_BYTES_MAX)?;
        check_length("body", &self.body, BODY_BYTES_MAX)
    }
}

impl Check for Load {
    fn check(&self) -> Result<(), String> {
        for (field, value) in [
            ("cpu", self.cpu),
            ("memory", self.memory),
            ("tick_ms", self.tick_ms),
        ] {
            // A share a little over 1 happens where who measures and who limits disagree; less than none does not.
            if value.is_some_and(|value| value < 0.0) {
                return Err(format!("{field}: negative"));
            }
        }
        Ok(())
    }
}

fn check_length(field: &str, text: &str, bytes_max: usize) -> Result<(), String> {
    if text.len() <= bytes_max {
        Ok(())
    } else {
        Err(format!("{field}: longer than {bytes_max} bytes"))
    }
}

impl Check for ControlPing {}
impl Check for ControlPong {}
impl Check for Drain {}
impl Check for Draining {}
impl Check for Wait {}
impl Check for Received {}
impl Check for Undeliverable {}
