//! What an element does to a counter, and what a counter's registers say.
//!
//! Flajolet, Fusy, Gandouet, Meunier, "HyperLogLog: the analysis of a near-optimal cardinality estimation algorithm"
//! (2007); counting after Ertl, "New cardinality estimation algorithms for HyperLogLog sketches" (2017). Only additions,
//! multiplications and roots, which are the same on every machine.

use super::REGISTERS;

/// Bits of a hash that choose the register, and those left.
const REGISTER_BITS: u32 = 14;
const RANK_BITS: u32 = 64 - REGISTER_BITS;
/// A register has six bits.
const VALUES: usize = 64;

/// A register and the value that it has at least.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Rank {
    pub(super) register: usize,
    pub(super) value: u8,
}

impl Rank {
    /// What an element does.
    #[inline]
    pub(super) fn of(element: &[u8]) -> Self {
        let hash = hash(element);
        // A one behind all bits, so that there is always a first one.
        let rest = hash >> REGISTER_BITS | 1 << RANK_BITS;
        Self {
            register: hash as usize % REGISTERS,
            value: rest.trailing_zeros() as u8 + 1,
        }
    }
}

/// MurmurHash2 of 64 bits with the seed that Redis uses: counters of both must agree.
#[inline]
fn hash(element: &[u8]) -> u64 {
    const SEED: u64 = 0xadc8_3b19;
    const FACTOR: u64 = 0xc6a4_a793_5bd1_e995;
    const SHIFT: u32 = 47;
    let mut hash = SEED ^ (element.len() as u64).wrapping_mul(FACTOR);
    let (words, rest) = element.as_chunks::<8>();
    for word in words {
        let mut mixed = u64::from_le_bytes(*word).wrapping_mul(FACTOR);
        mixed ^= mixed >> SHIFT;
        hash = (hash ^ mixed.wrapping_mul(FACTOR)).wrapping_mul(FACTOR);
    }
    if !rest.is_empty() {
        let mut word = [0; 8];
        word[..rest.len()].copy_from_slice(rest);
        hash = (hash ^ u64::from_le_bytes(word)).wrapping_mul(FACTOR);
    }
    hash = (hash ^ hash >> SHIFT).wrapping_mul(FACTOR);
    hash ^ hash >> SHIFT
}

/// How many registers have each value.
pub(super) struct Histogram([u32; VALUES]);

impl Default for Histogram {
    fn default() -> Self {
        Self([0; VALUES])
    }
}

impl Histogram {
    #[inline]
    pub(super) fn add(&mut self, value: u8, registers: u32) {
        self.0[usize::from(value) % VALUES] += registers;
    }

    /// About how many different elements there were.
    pub(super) fn count(&self) -> u64 {
        // One half over the logarithm of two.
        const ALPHA: f64 = 0.721_347_520_444_481_7;
        let registers = REGISTERS as f64;
        let [none, ranked @ ..] = &self.0;
        let (ranked, highest) = (&ranked[..RANK_BITS as usize], ranked[RANK_BITS as usize]);
        let mut sum = registers * tau((registers - f64::from(highest)) / registers);
        for &count in ranked.iter().rev() {
            sum = (sum + f64::from(count)) * 0.5;
        }
        sum += registers * sigma(f64::from(*none) / registers);
        let count = (ALPHA * registers * registers / sum).round();
        // Only registers that no element makes lead past this.
        (count as u64).min(i64::MAX as u64)
    }
}

/// The share of the registers that are still empty.
fn sigma(mut x: f64) -> f64 {
    if x == 1.0 {
        return f64::INFINITY;
    }
    let (mut y, mut sum) = (1.0, x);
    loop {
        x *= x;
        let before = sum;
        sum += x * y;
        y += y;
        if sum == before {
            return sum;
        }
    }
}

/// The share of the registers that are full.
fn tau(mut x: f64) -> f64 {
    if x == 0.0 || x == 1.0 {
        return 0.0;
    }
    let (mut y, mut sum) = (1.0, 1.0 - x);
    loop {
        x = x.sqrt();
        let before = sum;
        y *= 0.5;
        sum -= (1.0 - x) * (1.0 - x) * y;
        if sum == before {
            return sum / 3.0;
        }
    }
}
