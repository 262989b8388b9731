//! What happened outside: the machine's input.

use std::fmt;

use atlas_base::{Epoch, Position, TransferId, Velocity};

use crate::{LinkId, Message, Outcome, ServerId, State};

/// Why a session is moved.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Reason {
    /// The player crossed into another server's region.
    Region,
    /// Its server has too many.
    Balance,
    /// Its server is being emptied.
    Drain,
    /// Its server is gone.
    Failover,
    /// A person asked.
    Admin,
    /// Its server asked.
    Requested,
}

impl Reason {
    /// The reason as a lower-case word, as it stands on the wire and in metrics.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Region => "region",
            Self::Balance => "balance",
            Self::Drain => "drain",
            Self::Failover => "failover",
            Self::Admin => "admin",
            Self::Requested => "requested",
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What happened outside. Sockets are read before timers fire, also after a pause of the process.
#[derive(Debug, Clone)]
pub enum Event {
    /// A dial succeeded: the server answered 101 and the link is cooperative.
    LinkOpened {
        /// As named by [`Command::Dial`](crate::Command::Dial).
        link: LinkId,
    },
    /// A dial failed.
    DialFailed {
        /// As named by [`Command::Dial`](crate::Command::Dial).
        link: LinkId,
        /// Nobody listens there (connection refused): the server is dead, its lease needs no waiting.
        refused: bool,
    },
    /// An open link ended, by the server's close or by a lost connection. What it still carried was handed in before.
    /// Also for a link on which the server has been silent for too long though the edge reads it: the machine does not
    /// see pongs.
    LinkClosed {
        /// The link.
        link: LinkId,
        /// The server's close code, if it sent one. On plain links it tells a close from a loss: 1005 for a close frame
        /// without a code, none if no close frame came.
        code: Option<u16>,
        /// The server's close reason.
        reason: String,
    },
    /// A plain link ended in the middle of a message of which the client has a part: nothing else can follow it.
    LinkCut {
        /// The link.
        link: LinkId,
    },
    /// The pong to [`Command::Ping`](crate::Command::Ping) came: the plain server has read all that was sent before.
    Pong {
        /// The link.
        link: LinkId,
        /// As named by the ping.
        serial: u32,
    },
    /// After [`Command::HoldInput`](crate::Command::HoldInput): the client stands between two messages now.
    InputHeld,
    /// A control message of a server.
    Answer {
        /// The link it came on.
        link: LinkId,
        /// The epoch it named.
        epoch: Epoch,
        /// What it says.
        answer: Answer,
    },
    /// The directory answered (or gave no answer in time: [`Outcome::Unknown`]).
    Directory {
        /// As named by the command.
        request: u64,
        /// How it ended.
        outcome: Outcome,
    },
    /// A timer set by [`Command::SetTimer`](crate::Command::SetTimer) is due. Stale ones are ignored here, so none
    /// needs cancelling.
    Timer(Timer),
    /// The client's message claims this position. Handed in before the message itself.
    Position {
        /// Where the player says to be.
        at: Position,
        /// How fast, if the message says so.
        velocity: Option<Velocity>,
    },
    /// A client message; only while [`Session::forwards`](crate::Session::forwards) is `None`.
    Input(Message),
    /// The client is gone. No input follows.
    ClientClosed {
        /// Its close code; none if its connection broke.
        code: Option<u16>,
    },
    /// A transfer is asked for by a person, a drain or the balancer.
    Transfer {
        /// The target.
        to: ServerId,
        /// Why.
        reason: Reason,
        /// Comes back in [`Command::Ended`](crate::Command::Ended) or [`Command::Refused`](crate::Command::Refused).
        ticket: u64,
    },
    /// The player is known by now, and this is what the player was when it was here last: the server is to go on with it.
    /// Ignored unless [`Session::takes_state`](crate::Session::takes_state).
    Given {
        /// The player's state.
        state: State,
    },
    /// The health check's verdict: `server` is down. Its links count as lost.
    ServerDown {
        /// The server.
        server: ServerId,
        /// Its dials are refused: nobody is there who could still act, its lease needs no waiting.
        refused: bool,
    },
    /// The client is to be closed by a person or by the edge's own stop (1012).
    Kick {
        /// Close code for the client.
        code: u16,
        /// Close reason for the client.
        reason: String,
    },
}

/// A control message of a server.
#[derive(Debug, Clone)]
pub enum Answer {
    /// To `attach`.
    Attached {
        /// Whether the server now has a state of the player.
        has_state: bool,
    },
    /// To `attach`, `freeze` or `adopt`.
    Refused {
        /// Why; `stale` if the epoch was too low.
        reason: String,
        /// With `stale`: the newest epoch that the server knows.
        newest: Option<Epoch>,
    },
    /// To `freeze`.
    Frozen {
        /// The transfer it belongs to.
        transfer: TransferId,
        /// The player's state.
        state: State,
        /// Client messages of this link since `attach` or `commit` that the state contains.
        received: u64,
        /// Messages to the client on this link since then.
        sent: u64,
    },
    /// To `adopt`.
    Adopted {
        /// The transfer it belongs to.
        transfer: TransferId,
    },
    /// To `commit`.
    Committed {
        /// The transfer it belongs to.
        transfer: TransferId,
    },
    /// To `preload`.
    Preloaded,
    /// A state to fall back on.
    Checkpoint {
        /// The player's state.
        state: State,
        /// Client messages of this link since `attach` or `commit` that the state contains.
        received: u64,
        /// Messages to the client on this link since then.
        sent: u64,
    },
    /// The server asks for a transfer of the player.
    TransferRequest {
        /// Comes back in [`Order::TransferResult`](crate::Order::TransferResult).
        id: Box<str>,
        /// Where to.
        to: Destination,
        /// Why, in the server's words.
        reason: String,
    },
    /// The server wants the client gone.
    Kick {
        /// Close code for the client.
        code: u16,
        /// Close reason for the client.
        reason: String,
    },
    /// The player's true position; from then on the client's claims are ignored.
    Position {
        /// Where the player is.
        at: Position,
        /// How fast, if the server says so.
        velocity: Option<Velocity>,
    },
}

/// Where a server wants its player moved. A region's name is resolved to its server by the edge.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Destination {
    /// To this server.
    Server(ServerId),
    /// To the server of this position.
    Position(Position),
    /// To something that the edge does not know.
    Unknown,
}

/// A timer of a session. Each names the step that set it, so that a late one can be told from the one waited for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Timer {
    /// The current step took too long, or its pause is over.
    Step(u32),
    /// The directory's outcome was unknown for too long.
    Outcome(u32),
    /// The authority's lease may need renewing.
    Lease,
    /// A standby link was not used.
    Standby(u32),
    /// A crossing that had to wait may be tried.
    Recheck,
}
