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
use tokio::sync::{mpsc, watch};

use crate::control::Controls;
use crate::discovery::registration::Registrations;
use crate::drain::Drains;
use crate::mail::{Mail, Mailbox};
use crate::metrics::Metrics;
use crate::mirror;
use crate::players::Players;
use crate::servers::{Roster, Server, View, World};
use crate::stream::Stream;
use crate::tap::Tap;

/// What traffic met at a server.
pub(crate) struct Met {
    pub(crate) world: Arc<str>,
    pub(crate) server: ServerId,
    pub(crate) observation: Observation,
}

/// What waits at one worker, as of its last sweep.
#[derive(Default)]
pub(crate) struct Queued {
    /// Bytes for servers.
    pub(crate) inward: AtomicUsize,
    /// Bytes for clients.
    pub(crate) outward: AtomicUsize,
    /// Clients for whom something waits.
    pub(crate) paused: AtomicUsize,
}

/// What all workers of one edge share.
pub(crate) struct Shared {
    /// This node's id.
    pub(crate) node: String,
    /// This node's id as the directory knows it.
    pub(crate) owner: u64,
    /// Who tells of which servers. Locked while a view is made of it, so that views follow one another.
    pub(crate) roster: Mutex<Roster>,
    /// The newest view; workers load it when they are told to, the rest of the process whenever it looks.
    pub(crate) view: ArcSwap<View>,
    /// Counts the views, for those who wait for the next one.
    pub(crate) views: watch::Sender<u64>,
    pub(crate) metrics: Metrics,
    pub(crate) stream: Stream,
    pub(crate) tap: Tap,
    /// Sessions that are to be copied for shadow servers.
    pub(crate) mirrors: mpsc::Sender<mirror::Copy>,
    pub(crate) mailboxes: Vec<Mailbox>,
    /// Connections of each worker.
    pub(crate) loads: Vec<AtomicUsize>,
    /// What waits at each worker.
    pub(crate) queued: Vec<Queued>,
    /// Connections of all workers.
    pub(crate) connections: AtomicUsize,
    pub(crate) connections_max: usize,
    /// The control links to servers.
    pub(crate) controls: Controls,
    /// Servers that are being emptied.
    pub(crate) drains: Drains,
    /// Who is here.
    pub(crate) players: Players,
    /// Servers that registered themselves.
    pub(crate) registrations: Registrations,
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

    /// Changes who is told of, and makes the view of it: either all of it comes about, or, if it cannot stand, nothing.
    /// Gives what `act` gave, the view before and the view now.
    ///
    /// # Errors
    /// Those of `act`, and [`Error::Config`](crate::Error::Config) if what is told cannot stand beside each other.
    pub(crate) fn change<T>(
        &self,
        act: impl FnOnce(&mut Roster) -> Result<T, crate::Error>,
    ) -> Result<(T, Arc<View>, Arc<View>), crate::Error> {
        // What panicked half-way changed a copy.
        let mut roster = self.roster.lock().unwrap_or_else(PoisonError::into_inner);
        let mut next = roster.clone();
        let result = act(&mut next)?;
        let before = self.view.load_full();
        let after = Arc::new(next.view(Some(&before), self.now())?);
        *roster = next;
        if !after.is(&before) {
            self.view.store(Arc::clone(&after));
            for mailbox in &self.mailboxes {
                mailbox.send(Mail::ViewChanged);
            }
        }
        self.views.send_modify(|count| *count += 1);
        Ok((result, before, after))
    }

    /// Who is told of now.
    pub(crate) fn told(&self) -> Roster {
        self.roster
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// Hears of each change from now on.
    pub(crate) fn changes(&self) -> watch::Receiver<u64> {
        self.views.subscribe()
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
        self.view
            .load()
            .edge
            .trusted_proxies
            .iter()
            .any(|network| network.contains(address))
    }

    /// Counts a connection of an address; none if it has too many. What is given back says whether it was counted.
    pub(crate) fn address_enter(&self, address: IpAddr) -> Option<bool> {
        let limit = self.view.load().edge.limits.connections_per_address;
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
