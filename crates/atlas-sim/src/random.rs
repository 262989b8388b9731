//! Random numbers that are the same everywhere for the same seed.

/// SplitMix64: one addition and a mix for each number, every seed as good as any other.
#[derive(Debug, Clone)]
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number under `bound`, which is not 0. The bias of the plain remainder is far below what matters here.
    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound
    }

    /// A number from `low` to `high`, both included.
    pub(crate) fn between(&mut self, low: u64, high: u64) -> u64 {
        low + self.below(high - low + 1)
    }

    /// True in `rate` of 10,000 cases.
    pub(crate) fn chance(&mut self, rate: u64) -> bool {
        rate > 0 && self.below(10_000) < rate
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chances_come_about_as_often_as_they_should() {
        let mut random = Random::new(7);
        let hits = (0..100_000).filter(|_| random.chance(2_500)).count();
        assert!((24_000..26_000).contains(&hits), "{hits}");
        assert!((0..1_000).all(|_| (3..=5).contains(&random.between(3, 5))));
        assert!(!(0..1_000).any(|_| random.chance(0)));
    }
}
