//! Random numbers from a seed, the same on every machine.

use std::collections::HashSet;

use foldhash::fast::FixedState;

/// A stream of random numbers that its seed determines (SplitMix64: Steele, Lea, Flood, "Fast splittable pseudorandom
/// number generators", 2014). A record carries the seed, so that a replay draws the same.
#[derive(Clone, Debug)]
pub(crate) struct Random {
    state: u64,
}

impl Random {
    /// The stream of a seed.
    pub(crate) fn new(seed: u64) -> Self {
        Self { state: seed }
    }

    /// 64 random bits.
    pub(crate) fn bits(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.state;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number below `bound`, each as likely; 0 if the bound is 0.
    pub(crate) fn below(&mut self, bound: usize) -> usize {
        // The bias of a 128-bit product is below 2^-64 times the bound: nothing that a test could see.
        ((u128::from(self.bits()) * bound as u128) >> 64) as usize
    }

    /// Different numbers below `bound`, `count` of them or as many as there are, each choice as likely. Takes no more
    /// memory than what it answers, or what there is to choose from if that is not much more.
    pub(crate) fn distinct(&mut self, count: usize, bound: usize) -> Vec<u32> {
        let count = count.min(bound);
        if count.saturating_mul(3) > bound {
            let mut all: Vec<u32> = (0..bound as u32).collect();
            for place in 0..count {
                all.swap(place, place + self.below(bound - place));
            }
            all.truncate(count);
            return all;
        }
        // Robert Floyd's: each step draws among one more, and takes the newest where the drawn one is chosen already.
        let mut chosen = HashSet::with_capacity_and_hasher(count, FixedState::default());
        let mut picks = Vec::with_capacity(count);
        for newest in bound - count..bound {
            let drawn = self.below(newest + 1) as u32;
            let pick = if chosen.insert(drawn) {
                drawn
            } else {
                chosen.insert(newest as u32);
                newest as u32
            };
            picks.push(pick);
        }
        picks
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_draws_the_same() {
        let draw = |seed| {
            let mut random = Random::new(seed);
            [random.bits(), random.bits(), random.bits()]
        };
        assert_eq!(draw(7), draw(7));
        assert_ne!(draw(7), draw(8));
    }

    #[test]
    fn distinct_numbers_are_uniform() {
        // Both ways of choosing: few of many, and most.
        for (count, bound) in [(2, 10), (7, 10)] {
            let mut random = Random::new(3);
            let mut seen = [0; 10];
            for _ in 0..10_000 {
                let mut picks = random.distinct(count, bound);
                assert_eq!(picks.len(), count);
                picks.sort_unstable();
                picks.dedup();
                assert_eq!(picks.len(), count, "a number twice");
                for pick in picks {
                    seen[pick as usize] += 1;
                }
            }
            let expected = 10_000 * count / bound;
            for times in seen {
                // Five standard deviations are some 230.
                assert!(times > expected - 250 && times < expected + 250, "{seen:?}");
            }
        }
        let mut random = Random::new(1);
        assert_eq!(random.distinct(5, 0), []);
        assert_eq!(random.distinct(usize::MAX, 3).len(), 3);
    }

    #[test]
    fn below_stays_below_and_reaches_all() {
        let mut random = Random::new(1);
        let mut seen = [false; 5];
        for _ in 0..200 {
            seen[random.below(5)] = true;
        }
        assert_eq!(seen, [true; 5]);
        assert_eq!(random.below(0), 0);
    }
}
