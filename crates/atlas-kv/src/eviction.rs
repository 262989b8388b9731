//! Which keys have to go when memory is short.
//!
//! Choosing changes nothing: what is chosen becomes a record of kind `evict`, and only that removes keys. Like Redis it
//! looks at a sample, not at every key; which one is up to a seed.

use std::cmp::Reverse;

use crate::database::Database;
use crate::entry::Entry;
use crate::keyspace::{Keyspace, frequency};
use crate::random::Random;
use crate::settings::Access;

/// Redis's `maxmemory-policy`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Policy {
    /// No key goes; writes are refused.
    #[default]
    NoEviction,
    /// The least recently used key.
    AllKeysLru,
    /// The least often used key.
    AllKeysLfu,
    /// Any key.
    AllKeysRandom,
    /// The least recently used key of those that expire.
    VolatileLru,
    /// The least often used key of those that expire.
    VolatileLfu,
    /// Any key of those that expire.
    VolatileRandom,
    /// The key that expires first.
    VolatileTtl,
}

impl Policy {
    /// Every policy.
    pub const ALL: [Self; 8] = [
        Self::NoEviction,
        Self::AllKeysLru,
        Self::AllKeysLfu,
        Self::AllKeysRandom,
        Self::VolatileLru,
        Self::VolatileLfu,
        Self::VolatileRandom,
        Self::VolatileTtl,
    ];

    /// Its name in `CONFIG`.
    pub fn name(self) -> &'static str {
        match self {
            Self::NoEviction => "noeviction",
            Self::AllKeysLru => "allkeys-lru",
            Self::AllKeysLfu => "allkeys-lfu",
            Self::AllKeysRandom => "allkeys-random",
            Self::VolatileLru => "volatile-lru",
            Self::VolatileLfu => "volatile-lfu",
            Self::VolatileRandom => "volatile-random",
            Self::VolatileTtl => "volatile-ttl",
        }
    }

    /// The policy of a name, whatever the case of its letters.
    pub fn of_name(name: &[u8]) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|policy| name.eq_ignore_ascii_case(policy.name().as_bytes()))
    }

    /// True if only keys go that expire anyway.
    pub fn is_volatile_only(self) -> bool {
        matches!(
            self,
            Self::VolatileLru | Self::VolatileLfu | Self::VolatileRandom | Self::VolatileTtl
        )
    }

    /// What has to be kept about uses of keys for this policy ([`crate::Settings::access`]).
    pub fn access(self) -> Access {
        match self {
            Self::AllKeysLfu | Self::VolatileLfu => Access::Frequency,
            _ => Access::Recency,
        }
    }
}

/// A key that may go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Candidate {
    /// Its database.
    pub database: u32,
    /// The key.
    pub key: Vec<u8>,
}

impl Keyspace {
    /// At most `count_max` keys that the policy would have go, the first to go first; fewer where there are fewer, none
    /// if the policy lets none go. `samples` keys are looked at for each that is wanted (Redis's `maxmemory-samples`),
    /// at a time of `now_ms`; `seed` decides which.
    ///
    /// The answer is about the state as it is. Whoever removes the keys later asks [`Self::evict`] to, which looks
    /// again.
    pub fn eviction_candidates(
        &self,
        policy: Policy,
        count_max: usize,
        samples: usize,
        now_ms: i64,
        seed: u64,
    ) -> Vec<Candidate> {
        let eligible = |database: &Database| match policy {
            Policy::NoEviction => 0,
            _ if policy.is_volatile_only() => database.volatile_len(),
            _ => database.len(),
        };
        let total: usize = self.databases.iter().map(eligible).sum();
        if total == 0 || count_max == 0 {
            return Vec::new();
        }
        let wanted = match policy {
            Policy::AllKeysRandom | Policy::VolatileRandom | Policy::VolatileTtl => count_max,
            _ => count_max.saturating_mul(samples.max(1)),
        };
        let mut random = Random::new(seed);
        let mut sampled = Vec::new();
        for (number, database) in self.databases.iter().enumerate() {
            let eligible = eligible(database);
            if eligible == 0 {
                continue;
            }
            // A database's share of the sample is its share of the keys.
            let share = (wanted as u128 * eligible as u128).div_ceil(total as u128);
            let share = usize::try_from(share).unwrap_or(eligible).min(eligible);
            let entries = match policy {
                Policy::VolatileTtl => database.soonest(count_max),
                _ if policy.is_volatile_only() => database.sample_volatile(share, &mut random),
                _ => database.sample(share, &mut random),
            };
            sampled.extend(entries.into_iter().map(|entry| {
                let rank = match policy {
                    Policy::VolatileTtl => -entry.expire_ms().unwrap_or(i64::MAX).max(-i64::MAX),
                    Policy::AllKeysRandom | Policy::VolatileRandom => {
                        (random.bits() >> 1).cast_signed()
                    }
                    _ => self.coldness(entry, now_ms),
                };
                (Reverse(rank), number as u32, entry)
            }));
        }
        // Equals go in the order of their keys: the answer is the seed's alone.
        sampled.sort_unstable_by(|one, other| {
            (one.0, one.1, one.2.key()).cmp(&(other.0, other.1, other.2.key()))
        });
        sampled.dedup_by(|one, other| one.1 == other.1 && one.2.key() == other.2.key());
        sampled
            .into_iter()
            .take(count_max)
            .map(|(_, database, entry)| Candidate {
                database,
                key: entry.key().to_vec(),
            })
            .collect()
    }

    /// How little an entry is used.
    fn coldness(&self, entry: &Entry, now_ms: i64) -> i64 {
        let access = self.settings.access;
        let now = access.of_now(now_ms);
        match access {
            Access::Recency => i64::from(now.wrapping_sub(entry.access()).cast_signed()),
            Access::Frequency => -i64::from(frequency(entry.access(), now)),
        }
    }
}

#[cfg(test)]
mod tests;
