//! Messages of the edge to a game server on a session's link.

use std::net::IpAddr;

use atlas_base::{Epoch, Position, SessionId, TransferId, Velocity};
use serde::{Deserialize, Serialize};

use super::state::Carried;
use super::{Unsupported, check_position, check_velocity};
use crate::message::{Check, messages};

messages! {
    /// What the edge says to a game server about one session.
    pub enum ToServer {
        /// The player is the server's from this epoch on; answered by `attached` or `refused`.
        Attach = "attach",
        /// The player is gone; the link is closed behind it.
        Detach = "detach",
        /// The player may come soon; answered by `preloaded`.
        Preload = "preload",
        /// Stop acting, hand over the state; answered by `frozen` or `refused`.
        Freeze = "freeze",
        /// Hold the player ready, do not act; answered by `adopted` or `refused`.
        Adopt = "adopt",
        /// The server is the authority; answered by `committed`.
        Commit = "commit",
        /// The source acts on; the target forgets.
        Abort = "abort",
        /// A move of this player is planned.
        Leaving = "leaving",
        /// The client's connection is away and may come back.
        Suspended = "suspended",
        /// The client is back.
        Resumed = "resumed",
        /// Renews the lease; answered by `pong`.
        Ping = "ping",
        /// The answer to `transfer-request`.
        TransferResult = "transfer-result",
        /// The answer to a message whose type the edge does not know.
        Unsupported = "unsupported",
    }
}

/// The client, as far as a server is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Client {
    /// Its address, behind trusted proxies.
    pub address: IpAddr,
}

/// Why a player is attached.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum AttachReason {
    /// A new session.
    New,
    /// The server before was lost.
    Failover,
    /// The session came from another edge.
    EdgeMoved,
    /// A reason of a later version.
    #[serde(other)]
    Other,
}

/// The player is the server's from this epoch on; the client's messages follow in order.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Attach {
    /// The session.
    pub session: SessionId,
    /// The epoch under which the server acts from now on.
    pub epoch: Epoch,
    /// Why.
    pub reason: AttachReason,
    /// The player's id, if it is known yet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub player: Option<String>,
    /// The client.
    pub client: Client,
    /// Where the player was last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub position: Option<Position>,
    /// The state to go on with, if there is one.
    #[serde(flatten)]
    pub carried: Carried,
    /// How long the server may act without hearing anything on the link, in milliseconds.
    pub lease_ms: u64,
    /// How long the server keeps what it knows of the session without a link, in milliseconds.
    pub orphan_window_ms: u64,
}

/// Why a player is detached.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum DetachReason {
    /// The client closed.
    Closed,
    /// The client's connection broke or went silent.
    Timeout,
    /// A person, the edge or the server itself threw the client out.
    Kicked,
    /// Another server is the authority now.
    Transferred,
    /// The edge stops.
    Drained,
    /// A reason of a later version.
    #[serde(other)]
    Other,
}

/// The player is gone; the link is closed behind it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Detach {
    /// The session.
    pub session: SessionId,
    /// The newest epoch.
    pub epoch: Epoch,
    /// Why.
    pub reason: DetachReason,
    /// The client's close code, if it sent one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<u16>,
}

/// The player may come soon; may be repeated and may come to nothing.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Preload {
    /// The session.
    pub session: SessionId,
    /// The epoch under which the player's present server acts.
    pub epoch: Epoch,
    /// This notice's own id; an `abort` that names it takes it back.
    pub transfer: TransferId,
    /// The player's id, if it is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub player: Option<String>,
    /// Where the player is.
    pub position: Position,
    /// How fast the player moves, in world units a second.
    pub velocity: Velocity,
    /// When the border is reached if nothing changes, in milliseconds from now.
    pub arrives_in_ms: u64,
}

/// Stop acting for the player, flush what there is for the client, and answer with the state.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Freeze {
    /// The session.
    pub session: SessionId,
    /// The attempt's epoch.
    pub epoch: Epoch,
    /// The transfer.
    pub transfer: TransferId,
}

/// Hold the player ready with this state; do not act yet.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Adopt {
    /// The session.
    pub session: SessionId,
    /// The attempt's epoch.
    pub epoch: Epoch,
    /// The transfer.
    pub transfer: TransferId,
    /// The player's id, if it is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub player: Option<String>,
    /// The player's state.
    #[serde(flatten)]
    pub carried: Carried,
    /// Where the player was last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub position: Option<Position>,
    /// How long the server may act without hearing anything on the link, once it is the authority, in milliseconds.
    pub lease_ms: u64,
    /// How long the server keeps what it knows of the session without a link, in milliseconds.
    pub orphan_window_ms: u64,
}

/// Whether the client is connected.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ClientPresence {
    /// It is.
    Present,
    /// It is not, but may come back.
    Away,
}

/// The server is the authority; held input follows in order.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Commit {
    /// The session.
    pub session: SessionId,
    /// The attempt's epoch.
    pub epoch: Epoch,
    /// The transfer.
    pub transfer: TransferId,
    /// Whether the client is connected.
    pub client: ClientPresence,
}

/// The transfer comes to nothing: the source acts on, the target forgets.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Abort {
    /// The session.
    pub session: SessionId,
    /// The attempt's epoch.
    pub epoch: Epoch,
    /// The transfer, or the notice of a `preload`.
    pub transfer: TransferId,
}

/// Why a player is moved.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum MoveReason {
    /// The player crosses into another server's region.
    Region,
    /// The server has too many players.
    Balance,
    /// The server is being emptied.
    Drain,
    /// The server is given up.
    Failover,
    /// A person asked.
    Admin,
    /// The server asked.
    Requested,
    /// A reason of a later version.
    #[serde(other)]
    Other,
}

/// A move of this player is planned; it may come to nothing.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Leaving {
    /// The session.
    pub session: SessionId,
    /// The epoch under which the server acts.
    pub epoch: Epoch,
    /// Why.
    pub reason: MoveReason,
    /// In how long, in milliseconds from now.
    pub expected_in_ms: u64,
}

/// The client's connection is away and may come back.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Suspended {
    /// The session.
    pub session: SessionId,
    /// The epoch under which the server acts.
    pub epoch: Epoch,
}

/// The client is back.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Resumed {
    /// The session.
    pub session: SessionId,
    /// The epoch under which the server acts.
    pub epoch: Epoch,
    /// Whether the client missed messages and wants the whole picture again.
    #[serde(default)]
    pub resync: bool,
}

/// Renews the lease and asks for a pong.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Ping {
    /// The session.
    pub session: SessionId,
    /// The epoch under which the server acts, or the attempt's.
    pub epoch: Epoch,
    /// The edge's own clock in milliseconds; comes back in the pong.
    pub at: u64,
}

/// How a transfer ended that a server had asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// The player is at the target.
    Done,
    /// It was not begun.
    Refused,
    /// Another transfer was under way.
    Superseded,
    /// It was begun and came to nothing.
    Failed,
}

/// The answer to `transfer-request`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TransferResult {
    /// The session.
    pub session: SessionId,
    /// The newest epoch.
    pub epoch: Epoch,
    /// The request's id.
    pub id: String,
    /// How it ended.
    pub outcome: Outcome,
    /// Why, in a few words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

impl Check for Attach {
    fn check(&self) -> Result<(), String> {
        self.position.as_ref().map_or(Ok(()), check_position)
    }
}

impl Check for Preload {
    fn check(&self) -> Result<(), String> {
        check_position(&self.position).and_then(|()| check_velocity(&self.velocity))
    }
}

impl Check for Adopt {
    fn check(&self) -> Result<(), String> {
        self.carried.check_some()?;
        self.position.as_ref().map_or(Ok(()), check_position)
    }
}

impl Check for Detach {}
impl Check for Freeze {}
impl Check for Commit {}
impl Check for Abort {}
impl Check for Leaving {}
impl Check for Suspended {}
impl Check for Resumed {}
impl Check for Ping {}
impl Check for TransferResult {}
