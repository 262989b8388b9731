//! What all workers of one edge share. Nothing here is on the way of a message.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::net::{IpAddr, Ipv6Addr};
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
    /// Connections by address, where they are limited.
    pub(crate) addresses: Mutex<HashMap<IpAddr, u32>>,
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

    /// Whether an address is a proxy's that is believed.
    pub(crate) fn trusts(&self, address: IpAddr) -> bool {
        self.edge
            .trusted_proxies
            .iter()
            .any(|network| network.contains(address))
    }

    /// Counts a connection of an address; none if it has too many. What is given back says whether it was counted.
    pub(crate) fn address_enter(&self, address: IpAddr) -> Option<bool> {
        let limit = self.edge.limits.connections_per_address;
        if limit == 0 {
            return Some(false);
        }
        let mut addresses = self
            .addresses
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let count = addresses.entry(household(address)).or_default();
        if *count >= limit {
            return None;
        }
        *count += 1;
        Some(true)
    }

    /// Counts a connection of an address out again, if it was counted.
    pub(crate) fn address_leave(&self, counted: bool, address: IpAddr) {
        if counted {
            let mut addresses = self
                .addresses
                .lock()
                .unwrap_or_else(PoisonError::into_inner);
            if let Entry::Occupied(mut count) = addresses.entry(household(address)) {
                *count.get_mut() -= 1;
                if *count.get() == 0 {
                    count.remove();
                }
            }
        }
    }

    fn directory(&self) -> std::sync::MutexGuard<'_, MemoryDirectory> {
        // A map operation that panicked half-way cannot be seen: each is one call into the standard library.
        self.directory
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

/// What counts as one address: an IPv4 address, or the /64 that one IPv6 household has.
fn household(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(address) => address.into(),
        IpAddr::V6(address) => Ipv6Addr::from(u128::from(address) >> 64 << 64).into(),
    }
}
