//! Keys whose time is over, and keys that make room: both go by records of their own kind.

use atlas_kv::{Access, ArgumentBuffer};
use atlas_wal::Kind;

use crate::config::EvictionPolicy;
use crate::door::{Proposal, Request};
use crate::engine::{Engine, Stopping};

/// Keys that one record removes at most.
const KEYS_MAX: usize = 256;

/// Keys that one record evicts at most.
const EVICTED_MAX: usize = 64;
/// Keys that are looked at for each that is evicted.
const SAMPLES: usize = 5;

/// What of the sweep is under way.
#[derive(Debug, Default)]
pub(crate) struct Expiry {
    /// A record is between the door and its effect.
    pub(crate) is_in_flight: bool,
    /// The last one was full: there are more.
    has_more: bool,
    /// A record that evicts is between the door and its effect.
    pub(crate) is_evicting: bool,
    /// The database to begin with next.
    next: u32,
}

/// What of a key's uses a policy looks at.
pub(crate) fn access(policy: EvictionPolicy) -> Access {
    policy.of_keys().access()
}

impl Engine {
    /// True if more keys wait to be removed than one record names.
    pub(crate) fn has_more_to_expire(&self) -> bool {
        self.expiry.has_more && !self.expiry.is_in_flight
    }

    /// Proposes to remove keys whose time is over.
    pub(crate) fn sweep(&mut self) {
        let is_wanted = self.live.is_expiring
            && !self.expiry.is_in_flight
            && self.trouble.is_none()
            && self.stopping == Stopping::No
            && !self.pause.holds_writes(self.now);
        if !is_wanted {
            return;
        }
        let count = self.keyspace.database_count();
        self.expiry.has_more = false;
        for step in 0..count {
            let database = (self.expiry.next + step) % count;
            if self.keyspace.key_counts(database).1 == 0 {
                continue;
            }
            let keys = self.keyspace.due(database, self.now_ms, KEYS_MAX);
            if keys.is_empty() {
                continue;
            }
            self.expiry.has_more = true;
            self.expiry.next = (database + 1) % count;
            self.expiry.is_in_flight = true;
            self.remove_keys(Kind::Expire, database, ArgumentBuffer::of(keys), 0);
            return;
        }
    }

    /// Proposes a record that removes keys; the arguments before `first` are none.
    fn remove_keys(&mut self, kind: Kind, database: u32, arguments: ArgumentBuffer, first: usize) {
        let mut places = Vec::new();
        if self.is_log_first() {
            let keys = arguments.arguments();
            let keys = keys.iter().skip(first);
            places.extend(keys.map(|key| self.flights.place(database, key)));
        }
        let proposal = Proposal {
            kind,
            client: None,
            database,
            now_ms: self.now_ms,
            needs_seed: false,
            request: Request {
                bytes: arguments.bytes(),
                ranges: arguments.ranges(),
            },
            waits: Vec::new(),
            services: &[],
            service_bytes: &[],
            scripted: None,
        };
        self.propose(&proposal, &places);
    }

    /// True if nothing that takes memory may be done: the limit is reached, and no key may make room.
    pub(crate) fn is_out_of_memory(&mut self) -> bool {
        if self.live.maxmemory == 0 || self.memory.used() <= self.live.maxmemory {
            return false;
        }
        self.evict();
        // While keys are making room a write may go on: how far it gets past the limit is what a record removes at once.
        !self.expiry.is_evicting && self.memory.used() > self.live.maxmemory
    }

    /// Proposes to remove keys to make room.
    pub(crate) fn evict(&mut self) {
        let is_wanted = self.live.maxmemory > 0
            && self.live.maxmemory_policy != EvictionPolicy::Noeviction
            && !self.expiry.is_evicting
            && self.trouble.is_none()
            && self.stopping == Stopping::No
            && self.memory.used() > self.live.maxmemory;
        if !is_wanted {
            return;
        }
        let policy = self.live.maxmemory_policy.of_keys();
        let seed = self.random();
        let candidates =
            self.keyspace
                .eviction_candidates(policy, EVICTED_MAX, SAMPLES, self.now_ms, seed);
        let Some(first) = candidates.first() else {
            return;
        };
        // A record is of one database.
        let database = first.database;
        let which = if policy.is_volatile_only() {
            "volatile"
        } else {
            "all"
        };
        let mut arguments = ArgumentBuffer::of([which]);
        for candidate in candidates.iter().filter(|one| one.database == database) {
            arguments.push(&candidate.key);
        }
        self.expiry.is_evicting = true;
        self.remove_keys(Kind::Evict, database, arguments, 1);
        self.memory.look_again();
    }
}
