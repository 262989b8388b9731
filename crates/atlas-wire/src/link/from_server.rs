//! Messages of a game server to the edge on a session's link.

use atlas_base::{Epoch, Position, SessionId, TransferId, Velocity};
use serde::{Deserialize, Serialize};

use super::state::Carried;
use super::{Unsupported, check_position, check_velocity};
use crate::frame::CloseCode;
use crate::message::{Check, messages};

messages! {
    /// What a game server says to the edge about one session.
    pub enum FromServer {
        /// To `attach`: the player is taken.
        Attached = "attached",
        /// To `attach`, `freeze`, `adopt`: not done.
        Refused = "refused",
        /// To `preload`.
        Preloaded = "preloaded",
        /// To `freeze`: nothing of the game follows.
        Frozen = "frozen",
        /// To `adopt`: the player is held ready.
        Adopted = "adopted",
        /// To `commit`: the server acts.
        Committed = "committed",
        /// To `ping`.
        Pong = "pong",
        /// A state to fall back on; the edge keeps the newest.
        Checkpoint = "checkpoint",
        /// The server asks for its player to be moved.
        TransferRequest = "transfer-request",
        /// The server wants the client gone.
        Kick = "kick",
        /// Where the player really is.
        Report = "position",
        /// The answer to a message whose type the server does not know.
        Unsupported = "unsupported",
    }
}

impl FromServer {
    /// The epoch that the message names; none for `unsupported`.
    pub const fn epoch(&self) -> Option<Epoch> {
        Some(match self {
            Self::Attached(message) => message.epoch,
            Self::Refused(message) => message.epoch,
            Self::Preloaded(message) => message.epoch,
            Self::Frozen(message) => message.epoch,
            Self::Adopted(message) => message.epoch,
            Self::Committed(message) => message.epoch,
            Self::Pong(message) => message.epoch,
            Self::Checkpoint(message) => message.epoch,
            Self::TransferRequest(message) => message.epoch,
            Self::Kick(message) => message.epoch,
            Self::Report(message) => message.epoch,
            Self::Unsupported(_) => return None,
        })
    }

    /// The session that the message names; none for `unsupported`.
    pub const fn session(&self) -> Option<SessionId> {
        Some(match self {
            Self::Attached(message) => message.session,
            Self::Refused(message) => message.session,
            Self::Preloaded(message) => message.session,
            Self::Frozen(message) => message.session,
            Self::Adopted(message) => message.session,
            Self::Committed(message) => message.session,
            Self::Pong(message) => message.session,
            Self::Checkpoint(message) => message.session,
            Self::TransferRequest(message) => message.session,
            Self::Kick(message) => message.session,
            Self::Report(message) => message.session,
            Self::Unsupported(_) => return None,
        })
    }
}

/// The player is taken.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Attached {
    /// The session.
    pub session: SessionId,
    /// Of the `attach`.
    pub epoch: Epoch,
    /// Whether the server has a state of the player, the one just given or one of its own.
    pub has_state: bool,
}

/// Not done.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Refused {
    /// The session.
    pub session: SessionId,
    /// Of the message that is refused.
    pub epoch: Epoch,
    /// Of the `freeze` or `adopt` that is refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub transfer: Option<TransferId>,
    /// Why: `stale`, or the server's own words.
    pub reason: String,
    /// With `stale`: the highest epoch that the server knows of this session.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub newest: Option<Epoch>,
}

/// The notice was understood.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Preloaded {
    /// The session.
    pub session: SessionId,
    /// Of the `preload`.
    pub epoch: Epoch,
    /// Of the `preload`.
    pub transfer: TransferId,
}

/// The server has stopped acting for the player; this is all it knows.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Frozen {
    /// The session.
    pub session: SessionId,
    /// Of the `freeze`.
    pub epoch: Epoch,
    /// Of the `freeze`.
    pub transfer: TransferId,
    /// The player's state.
    #[serde(flatten)]
    pub carried: Carried,
    /// Data messages received on this link since `attach` or `commit`; the state contains them all.
    pub received: u64,
    /// Data messages sent on this link since `attach` or `commit`.
    pub sent: u64,
}

/// The player is held ready, a place is reserved.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Adopted {
    /// The session.
    pub session: SessionId,
    /// Of the `adopt`.
    pub epoch: Epoch,
    /// Of the `adopt`.
    pub transfer: TransferId,
}

/// The server acts from now on.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Committed {
    /// The session.
    pub session: SessionId,
    /// Of the `commit`.
    pub epoch: Epoch,
    /// Of the `commit`.
    pub transfer: TransferId,
}

/// The answer to a ping.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Pong {
    /// The session.
    pub session: SessionId,
    /// Of the ping.
    pub epoch: Epoch,
    /// Of the ping.
    pub at: u64,
}

/// A state to fall back on should the server be lost.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Checkpoint {
    /// The session.
    pub session: SessionId,
    /// The epoch under which the server acts.
    pub epoch: Epoch,
    /// The player's state.
    #[serde(flatten)]
    pub carried: Carried,
    /// How many data messages received on this link since `attach` or `commit` the state contains.
    pub received: u64,
    /// How many data messages had been sent on this link since then.
    pub sent: u64,
}

/// Where a server wants its player moved.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Destination {
    /// To the server of this name.
    Server(String),
    /// To the server of this position.
    Position(Position),
    /// To the server whose region has this name.
    Region(String),
}

/// The server asks for its player to be moved.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TransferRequest {
    /// The session.
    pub session: SessionId,
    /// The epoch under which the server acts.
    pub epoch: Epoch,
    /// The request's id, the server's own; comes back in `transfer-result`. At most 128 bytes.
    pub id: String,
    /// Where to.
    pub to: Destination,
    /// Why, in the server's words.
    pub reason: String,
}

/// The server wants the client gone.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Kick {
    /// The session.
    pub session: SessionId,
    /// The epoch under which the server acts.
    pub epoch: Epoch,
    /// The close code for the client, one that may be sent.
    pub code: u16,
    /// The close reason for the client, at most 123 bytes (more is cut).
    pub reason: String,
}

/// Where the player really is; the client's claims count no more.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Report {
    /// The session.
    pub session: SessionId,
    /// The epoch under which the server acts.
    pub epoch: Epoch,
    /// Where the player is.
    pub position: Position,
    /// How fast the player moves, in world units a second.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub velocity: Option<Velocity>,
}

impl Check for Frozen {
    fn check(&self) -> Result<(), String> {
        self.carried.check_some()
    }
}

impl Check for Checkpoint {
    fn check(&self) -> Result<(), String> {
        self.carried.check_some()
    }
}

impl Check for TransferRequest {
    fn check(&self) -> Result<(), String> {
        if self.id.len() > 128 {
            return Err("id: longer than 128 bytes".into());
        }
        match &self.to {
            Destination::Position(position) => {
                check_position(position).map_err(|what| format!("to.{what}"))
            }
            Destination::Server(_) | Destination::Region(_) => Ok(()),
        }
    }
}

impl Check for Kick {
    fn check(&self) -> Result<(), String> {
        if CloseCode(self.code).is_sendable() {
            Ok(())
        } else {
            Err("code: may not be sent".into())
        }
    }
}

impl Check for Report {
    fn check(&self) -> Result<(), String> {
        check_position(&self.position)?;
        self.velocity.as_ref().map_or(Ok(()), check_velocity)
    }
}

impl Check for Attached {}
impl Check for Refused {}
impl Check for Preloaded {}
impl Check for Adopted {}
impl Check for Committed {}
impl Check for Pong {}
