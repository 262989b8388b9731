//! What the rest of the process may say to a worker.

use std::net::SocketAddr;
use std::sync::{Arc, mpsc};

use atlas_base::{Moment, SessionId};
use atlas_world::ServerId;
use mio::Waker;
use mio::net::TcpStream;
use tokio::sync::oneshot;

use crate::Error;
use crate::api::{SessionView, TransferView};
use crate::players::Seat;
use crate::worker::Ask;

/// One message to a worker.
pub(crate) enum Mail {
    /// A connection that another worker accepted.
    Connection(TcpStream, SocketAddr),
    /// Health has given a server up. `refused`: nobody listens there any more.
    ServerDown {
        world: Arc<str>,
        server: ServerId,
        refused: bool,
    },
    /// The edge has a newer view of worlds, servers and rules.
    ViewChanged,
    /// A person asks for a transfer.
    Transfer {
        session: SessionId,
        server: String,
        reply: oneshot::Sender<Result<TransferView, Error>>,
    },
    /// A person looks at sessions.
    Sessions {
        query: Arc<SessionsQuery>,
        reply: oneshot::Sender<SessionsFound>,
    },
    /// The player of a session came again: it is to be closed.
    Replace { older: Seat },
    /// The older session of a player is gone.
    PlayerLeft { newer: Seat },
    /// Somebody asks about sessions.
    Ask(Ask),
    /// Stop: nobody new, everybody told; at the deadline whoever is left is cut.
    Stop { deadline: Moment },
}

/// Which sessions are asked for.
#[derive(Debug, Default)]
pub(crate) struct SessionsQuery {
    pub(crate) world: Option<String>,
    pub(crate) server: Option<String>,
    /// Part of a player's id, the start of a session's id or of a client's address.
    pub(crate) search: Option<String>,
    /// Only ids past this one.
    pub(crate) after: Option<SessionId>,
    pub(crate) limit: usize,
}

/// One worker's answer: the first sessions in the order of their ids, and how many there are in all.
pub(crate) struct SessionsFound {
    pub(crate) items: Vec<SessionView>,
    pub(crate) total: usize,
}

/// A worker's mailbox, as others see it. Bounded by what may be asked: connections by the descriptor limit, the rest by
/// the admin listener's own bound on requests.
pub(crate) struct Mailbox {
    sender: mpsc::Sender<Mail>,
    waker: Waker,
}

impl Mailbox {
    pub(crate) fn new(waker: Waker) -> (Self, mpsc::Receiver<Mail>) {
        let (sender, receiver) = mpsc::channel();
        (Self { sender, waker }, receiver)
    }

    /// Sends; a worker that has stopped hears nothing, and whoever waits for its reply sees the channel close.
    pub(crate) fn send(&self, mail: Mail) {
        if self.sender.send(mail).is_ok() {
            // A failed wake costs time only: the worker looks at its mail at the next tick.
            let _ = self.waker.wake();
        }
    }
}
