//! What other threads tell the engine.

use std::sync::{Arc, mpsc};
use std::time::{Duration, Instant};

use mio::Waker;

use crate::log::Trouble;

/// One message to the engine.
#[derive(Debug)]
pub(crate) enum Mail {
    /// Every submission up to this one is durable.
    Durable {
        /// The submission's number.
        number: u64,
        /// How long the sync took.
        took: Duration,
    },
    /// Every submission up to this one is with the system.
    Written {
        /// The submission's number.
        number: u64,
    },
    /// The submissions from this one on were not written, and never will be.
    Failed {
        /// The first of them.
        number: u64,
        /// Why.
        trouble: Trouble,
    },
    /// The submissions from this one on were applied before, could not be written, and will be as soon as that is
    /// possible.
    Delayed {
        /// The first of them.
        number: u64,
        /// Why.
        trouble: Trouble,
    },
    /// What keeps the log from being written has begun, changed or ended.
    Trouble(Option<Trouble>),
    /// How much the log takes.
    LogSize {
        /// Bytes.
        bytes: u64,
        /// Files.
        segments: u64,
    },
    /// A snapshot is whole and durable, or has failed.
    Snapshot(Result<crate::snapshot::Written, String>),
    /// The snapshot's thread has taken blocks.
    SnapshotTaken,
    /// The log was closed.
    Closed,
    /// Somebody asks how it is.
    Asked(crate::asked::Question),
    /// The process ends: no new clients; those that are left are cut at the deadline.
    Stop {
        /// The deadline.
        deadline: Instant,
    },
}

/// The way of messages to the engine; cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct Mailbox {
    sender: mpsc::Sender<Mail>,
    waker: Arc<Waker>,
}

impl Mailbox {
    pub(crate) fn new(waker: Waker) -> (Self, mpsc::Receiver<Mail>) {
        let (sender, receiver) = mpsc::channel();
        let mailbox = Self {
            sender,
            waker: Arc::new(waker),
        };
        (mailbox, receiver)
    }

    /// Sends a message; one to an engine that has ended is lost.
    pub(crate) fn send(&self, mail: Mail) {
        if self.sender.send(mail).is_ok() {
            // A waker that fails leaves the message until the next event, at the latest the next tick.
            let _ = self.waker.wake();
        }
    }
}
