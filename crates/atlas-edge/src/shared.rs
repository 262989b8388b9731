//! What all workers of one edge share. Nothing here is on the way of a message.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use arc_swap::ArcSwap;
use atlas_balance::Observation;
use atlas_base::{Moment, SessionId};
use atlas_world::{Directory as _, MemoryDirectory, Outcome, Record, ServerId};
use tokio::sync::mpsc;

use crate::config::EdgeConfig;
use crate::mail::Mailbox;
use crate::metrics::Metrics;
use crate::servers::{Server, View, World};
use crate::stream::Stream;

/// What traffic met at a server.
pub(crate) struct Met {
    pub(crate) world: Arc<str>,
    pub(crate) server: ServerId,
    pub(crate) observation: Observation,
}

/// What all workers of one edge share.
pub(crate) struct Shared {
    pub(crate) edge: EdgeConfig,
    /// This node's id.
    pub(crate) node: String,
    /// This node's id as the directory knows it.
    pub(crate) owner: u64,
    pub(crate) view: ArcSwap<View>,
    pub(crate) metrics: Metrics,
    pub(crate) stream: Stream,
    pub(crate) mailboxes: Vec<Mailbox>,
    /// Connections of each worker.
    pub(crate) loads: Vec<AtomicUsize>,
    /// Connections of all workers.
    pub(crate) connections: AtomicUsize,
    pub(crate) connections_max: usize,
    /// To the health checks; bounded, and what does not fit is not needed: the server is failing loudly enough.
    pub(crate) met: mpsc::Sender<Met>,
    pub(crate) directory: Mutex<MemoryDirectory>,
    pub(crate) started: Instant,
}

impl Shared {
    /// The time since the edge was built.
    pub(crate) fn now(&self) -> Moment {
        Moment::from_millis(u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX))
    }

    pub(crate) fn is_full(&self) -> bool {
        self.connections.load(Ordering::Relaxed) >= self.connections_max
    }

    /// Takes note of a failed dial.
    pub(crate) fn observe_dial(
        &self,
        world: &World,
        server: &Server,
        refused: bool,
        timed_out: bool,
    ) {
        let observation = match (refused, timed_out) {
            (true, _) => Observation::DialRefused,
            (_, true) => Observation::DialTimedOut,
            _ => return,
        };
        let _ = self.met.try_send(Met {
            world: world.name.clone(),
            server: server.id,
            observation,
        });
    }

    pub(crate) fn directory_set(
        &self,
        session: SessionId,
        expected: Option<Record>,
        record: Record,
    ) -> Outcome {
        self.directory().compare_and_set(session, expected, record)
    }

    pub(crate) fn directory_read(&self, session: SessionId) -> Outcome {
        self.directory().read(session)
    }

    pub(crate) fn directory_forget(&self, session: SessionId) {
        self.directory().forget(session);
    }

    fn directory(&self) -> std::sync::MutexGuard<'_, MemoryDirectory> {
        // A map operation that panicked half-way cannot be seen: each is one call into the standard library.
        self.directory
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}
