//! What is to be done outside: the machine's output.

use std::{fmt, time::Duration};

use atlas_base::{Epoch, Moment, Position, TransferId, Velocity};

use crate::{LinkId, Message, Reason, Record, ServerId, State, Timer};

/// What is to be done outside, in the order given.
#[derive(Debug, Clone)]
pub enum Command {
    /// Dial `server`; answered by `LinkOpened` or `DialFailed`, unless `CloseLink` comes first.
    Dial {
        /// The new link's id.
        link: LinkId,
        /// Where to.
        server: ServerId,
    },
    /// Send a control message.
    Send {
        /// On this link.
        link: LinkId,
        /// Under this epoch.
        epoch: Epoch,
        /// The message.
        order: Order,
    },
    /// Send a client's message.
    Deliver {
        /// On this link.
        link: LinkId,
        /// The message.
        message: Message,
    },
    /// Close a link after what is queued on it has left, or give its dial up. Nothing more is heard of it. A plain
    /// link is told so by a close frame, if one can be sent.
    CloseLink {
        /// The link.
        link: LinkId,
    },
    /// Plain links: pass no further message of the client on by yourself; one that was begun goes on to its end, then
    /// `InputHeld` answers (at once if none was). From there messages come as `Input`. Settling or an abort ends it:
    /// `forwards` says so.
    HoldInput,
    /// Plain links: send a ping whose payload names `serial`; answered by `Pong`.
    Ping {
        /// The link.
        link: LinkId,
        /// Comes back in the answer: a pong to an older ping says nothing of what was sent since.
        serial: u32,
    },
    /// Plain links: send a close frame (unless the client's own was passed on already) and go on relaying until the
    /// server's own close; answered by `LinkClosed`.
    EndLink {
        /// The link.
        link: LinkId,
        /// The close frame's code; 1005: none.
        code: u16,
    },
    /// Plain links: send the recorded join messages, as the first on this link.
    Replay {
        /// The link.
        link: LinkId,
    },
    /// This link is the authority's now: its output goes to the client, after all that was accepted before.
    Promote {
        /// The link.
        link: LinkId,
        /// Its server.
        server: ServerId,
    },
    /// Store `record` if `expected` is what the directory has; answered by `Directory`.
    CompareAndSet {
        /// Comes back in the answer.
        request: u64,
        /// What is to be replaced; none: nothing may be stored yet.
        expected: Option<Record>,
        /// What is to be stored.
        record: Record,
    },
    /// Read the session's record; answered by `Directory`.
    Read {
        /// Comes back in the answer.
        request: u64,
    },
    /// Hand `timer` in at `at` or later.
    SetTimer {
        /// The timer.
        timer: Timer,
        /// When.
        at: Moment,
    },
    /// Read no more from the client: the held input is at its bound.
    PauseClient,
    /// Read from the client again.
    ResumeClient,
    /// Close the client. The machine is closed with it.
    CloseClient {
        /// Close code.
        code: u16,
        /// Close reason.
        reason: String,
    },
    /// Tell the client (if it understands) that a failover did not carry everything over.
    NotifyReset {
        /// Why.
        reason: Reason,
        /// How many of the client's messages no surviving state contains.
        lost_input: u64,
        /// How old the state is that the new server goes on with; zero if there is none.
        state_age: Duration,
    },
    /// A transfer began.
    Began {
        /// Its id.
        transfer: TransferId,
        /// The server left.
        from: ServerId,
        /// The server meant.
        to: ServerId,
        /// Why.
        reason: Reason,
    },
    /// A transfer that began ended.
    Ended {
        /// Its id.
        transfer: TransferId,
        /// The server left.
        from: ServerId,
        /// The server meant.
        to: ServerId,
        /// Why it began.
        reason: Reason,
        /// How it ended.
        outcome: TransferOutcome,
        /// What decided the outcome, in a few words.
        why: &'static str,
        /// How long the client's input was held.
        held: Duration,
        /// Of [`Event::Transfer`](crate::Event::Transfer), if that asked for it.
        ticket: Option<u64>,
    },
    /// A transfer that was asked for does not begin.
    Refused {
        /// Of [`Event::Transfer`](crate::Event::Transfer).
        ticket: u64,
        /// Why, in a few words.
        why: &'static str,
    },
}

/// How a transfer ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum TransferOutcome {
    /// The player is at the target.
    Done,
    /// Nothing changed: the player is where it was.
    Aborted,
    /// Neither: the player went, or is going, somewhere else, or the session ended.
    Failed,
}

impl TransferOutcome {
    /// The outcome as a lower-case word, as in metrics.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Aborted => "aborted",
            Self::Failed => "failed",
        }
    }
}

impl fmt::Display for TransferOutcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A control message to a server. What is the same for a whole session or world (player, client's address, lease,
/// orphan window) is added by the edge.
#[derive(Debug, Clone)]
pub enum Order {
    /// The player is yours from this epoch on.
    Attach {
        /// Why.
        reason: AttachReason,
        /// What to go on with.
        state: Option<State>,
        /// Where the player was last.
        position: Option<Position>,
    },
    /// The player is gone from you; the link is closed after it.
    Detach {
        /// Why.
        reason: DetachReason,
        /// The client's close code.
        code: Option<u16>,
    },
    /// The player may come soon.
    Preload {
        /// Of this notice; its `Abort` names it.
        transfer: TransferId,
        /// Where the player is.
        position: Position,
        /// How fast.
        velocity: Velocity,
        /// When the border is reached.
        arrives_in: Duration,
    },
    /// Stop acting and give the state.
    Freeze {
        /// The transfer.
        transfer: TransferId,
    },
    /// Hold the player ready; do not act.
    Adopt {
        /// The transfer.
        transfer: TransferId,
        /// The player's state.
        state: State,
        /// Where the player was last.
        position: Option<Position>,
    },
    /// You are the authority.
    Commit {
        /// The transfer.
        transfer: TransferId,
        /// Whether the client is still there.
        client_present: bool,
    },
    /// Source: act on. Target: forget.
    Abort {
        /// The transfer or the preload notice.
        transfer: TransferId,
    },
    /// A move of this player is planned.
    Leaving {
        /// Why.
        reason: Reason,
        /// In how long.
        expected_in: Duration,
    },
    /// The answer to a server's [`TransferRequest`](crate::Answer::TransferRequest).
    TransferResult {
        /// The request's id.
        id: Box<str>,
        /// How it ended.
        outcome: RequestOutcome,
        /// Why, in a few words.
        why: &'static str,
    },
    /// Renews the lease.
    Ping,
}

/// How a server's request for a transfer ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum RequestOutcome {
    /// The player is at the target.
    Done,
    /// It was not begun.
    Refused,
    /// Another transfer was under way.
    Superseded,
    /// It was begun and did not succeed.
    Failed,
}

impl RequestOutcome {
    /// The outcome as it stands on the wire.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Refused => "refused",
            Self::Superseded => "superseded",
            Self::Failed => "failed",
        }
    }
}

/// Why a player is given to a server by `attach`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum AttachReason {
    /// A new session.
    New,
    /// Its server was lost.
    Failover,
}

impl AttachReason {
    /// The reason as it stands on the wire.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::New => "new",
            Self::Failover => "failover",
        }
    }
}

/// Why a player is taken from a server by `detach`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum DetachReason {
    /// The client closed.
    Closed,
    /// The client's connection broke or went silent.
    Timeout,
    /// A person or the server kicked the client.
    Kicked,
    /// Another server is the authority now.
    Transferred,
    /// The edge stops.
    Drained,
}

impl DetachReason {
    /// The reason as it stands on the wire.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Closed => "closed",
            Self::Timeout => "timeout",
            Self::Kicked => "kicked",
            Self::Transferred => "transferred",
            Self::Drained => "drained",
        }
    }
}
