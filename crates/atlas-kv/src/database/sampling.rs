//! Entries picked by chance.

use std::collections::BTreeMap;

use crate::database::{Database, Place, noted_at};
use crate::entry::Entry;
use crate::random::Random;

/// Entries that are looked at in vain for each that expires, before the index of expiries is asked.
const MISSES_MAX: usize = 8;
/// Spans of expiries that are looked at from a time that was picked, and entries taken from each.
const NEIGHBOURS: usize = 3;

impl Database {
    /// The entry of a rank among all, part by part.
    pub(crate) fn at_rank(&self, rank: usize) -> Option<&Entry> {
        let mut left = rank;
        for part in &self.parts {
            match left.checked_sub(part.entries.len()) {
                Some(past) => left = past,
                None => return part.entries.get(left),
            }
        }
        None
    }

    /// About `count` entries, each as likely as any other; none twice.
    pub(crate) fn sample(&self, count: usize, random: &mut Random) -> Vec<&Entry> {
        if count >= self.keys {
            return self.entries().collect();
        }
        let mut ranks: Vec<usize> = (0..count).map(|_| random.below(self.keys)).collect();
        ranks.sort_unstable();
        ranks.dedup();
        // One walk through the parts finds all of them.
        let mut picked = Vec::with_capacity(ranks.len());
        let mut parts = self.parts.iter();
        let (mut before, mut part) = (0, parts.next());
        for rank in ranks {
            while let Some(held) = part
                && rank - before >= held.entries.len()
            {
                before += held.entries.len();
                part = parts.next();
            }
            picked.extend(part.and_then(|held| held.entries.get(rank - before)));
        }
        picked
    }

    /// About `count` entries that expire. Where few do, those that share a time with few others are likelier.
    pub(crate) fn sample_volatile(&self, count: usize, random: &mut Random) -> Vec<&Entry> {
        if self.volatile == 0 {
            return Vec::new();
        }
        if self.volatile.saturating_mul(MISSES_MAX) >= self.keys {
            let looks = count.saturating_mul(self.keys / self.volatile + 1);
            let mut picked = self.sample(looks, random);
            picked.retain(|entry| entry.expire_ms().is_some());
            if !picked.is_empty() {
                return picked;
            }
        }
        let mut picked = self.sample_noted(count, random);
        picked.sort_unstable_by_key(|entry| entry.key());
        picked.dedup_by_key(|entry| entry.key());
        picked
    }

    /// The entries that expire first, soonest first: at least `count` if there are so many.
    pub(crate) fn soonest(&self, count: usize) -> Vec<&Entry> {
        let mut found = Vec::new();
        for (&span, places) in &self.due {
            if found.len() >= count {
                break;
            }
            let noted = places.iter();
            found.extend(noted.filter_map(|&place| noted_at(&self.parts, place, span)));
        }
        found.sort_unstable_by_key(|entry| (entry.expire_ms(), entry.key()));
        found.dedup_by_key(|entry| entry.key());
        found
    }

    /// Entries from times picked by chance, near ones as often as far ones.
    fn sample_noted(&self, count: usize, random: &mut Random) -> Vec<&Entry> {
        let mut picked = Vec::new();
        for _ in 0..count.saturating_mul(2) {
            if picked.len() >= count {
                break;
            }
            let Some(from) = pick_span(&self.due, random) else {
                break;
            };
            let spans = self.due.range(from..).take(NEIGHBOURS);
            for (&span, places) in spans {
                let skipped = random.below(places.len());
                let places = places.iter().cycle().skip(skipped).take(places.len());
                let entries = places.filter_map(|&place| noted_at(&self.parts, place, span));
                picked.extend(entries.take(NEIGHBOURS));
            }
        }
        if picked.is_empty() {
            // Nothing but stale notes was hit.
            return self.soonest(count);
        }
        picked
    }
}

/// A time between the first expiry and the last, picked by how far it is away: how many bits of it count is drawn first,
/// so that keys that expire within seconds are found beside those of next year.
fn pick_span(due: &BTreeMap<i64, Vec<Place>>, random: &mut Random) -> Option<i64> {
    let (&first, _) = due.first_key_value()?;
    let (&last, _) = due.last_key_value()?;
    let width = last.abs_diff(first);
    let bits = random.below((u64::BITS - width.leading_zeros()) as usize + 1) as u32;
    let mask = 1_u64.checked_shl(bits).map_or(u64::MAX, |bit| bit - 1);
    Some(first.wrapping_add_unsigned((random.bits() & mask).min(width)))
}
