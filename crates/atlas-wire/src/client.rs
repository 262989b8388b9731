//! `atlas.v1`: what a client that knows Atlas and the edge say to each other.
//!
//! `docs/formats/client.md` is the protocol's page. Sessions cannot be resumed yet: `welcome` says so, and the messages
//! of resuming do not exist here.

#[cfg(test)]
mod tests;

use atlas_base::SessionId;
use serde::{Deserialize, Serialize};

use crate::link::MoveReason;
use crate::message::{Check, messages};

pub use crate::link::StateId as StreamId;
pub use crate::message::{CONTROL_BYTES_MAX, Error, Unsupported};

/// An `ack` is due after this many data messages.
pub const ACK_MESSAGES: u64 = 32;
/// An `ack` is due this long after the first data message that was not acknowledged, in milliseconds.
pub const ACK_AFTER_MS: u64 = 1000;

messages! {
    /// What the edge says to a client.
    pub enum ToClient {
        /// The first message of a connection.
        Welcome = "welcome",
        /// How many of the client's data messages came.
        Ack = "ack",
        /// A server was lost, and with it some of what the client did.
        Reset = "reset",
        /// The edge stops: come again elsewhere.
        Drain = "drain",
        /// The answer to a message whose type the edge does not know.
        Unsupported = "unsupported",
    }
}

messages! {
    /// What a client says to the edge.
    pub enum FromClient {
        /// How many of the edge's data messages came.
        Ack = "ack",
        /// The answer to a message whose type the client does not know.
        Unsupported = "unsupported",
    }
}

/// The first message of a connection.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Welcome {
    /// The session.
    pub session: SessionId,
    /// The stream that both sides count from now on.
    pub stream: StreamId,
    /// The key of resuming, base64; empty where the session cannot be resumed.
    pub key: String,
    /// How long after a lost connection the session can be resumed, in seconds.
    pub window_s: u64,
    /// How many bytes the edge keeps of what was not acknowledged.
    pub ring_bytes: u64,
    /// Whether the session can be resumed.
    pub resume: bool,
}

/// How many data messages came since the stream began.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ack {
    /// The count.
    pub received: u64,
}

/// A failover lost something. Counts go on as they were.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reset {
    /// Why the server changed.
    pub reason: MoveReason,
    /// How many of the client's data messages no surviving state contains; they are the last that were sent before it.
    pub lost_input: u64,
    /// How old the state is that the next server goes on with, in milliseconds; 0 if there is none.
    pub state_age_ms: u64,
}

/// The edge stops.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Drain {
    /// When to dial again, in milliseconds from now.
    pub resume_after_ms: u64,
}

impl Check for Welcome {}
impl Check for Ack {}
impl Check for Reset {}
impl Check for Drain {}
