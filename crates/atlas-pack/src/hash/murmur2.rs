//! MurmurHash2 with 32 bits and seed 1 of bytes without white space: how CurseForge names files.
//!
//! The hash begins with the length of what is left after tabs, line feeds, carriage returns and spaces were taken out,
//! so that what is left is kept until the end.

const MULTIPLIER: u32 = 0x5bd1_e995;
const SHIFT: u32 = 24;
const SEED: u32 = 1;

#[derive(Clone, Default)]
pub(super) struct Murmur2 {
    left: Vec<u8>,
}

impl Murmur2 {
    pub(super) fn update(&mut self, bytes: &[u8]) {
        let kept = bytes
            .iter()
            .filter(|byte| !matches!(byte, 9 | 10 | 13 | 32));
        self.left.extend(kept);
    }

    pub(super) fn finish(self) -> u32 {
        // The length is one of 32 bits, in every tool that computes this hash.
        let length = self.left.len() as u32;
        let mut hash = SEED ^ length;
        let (words, rest) = self.left.as_chunks::<4>();
        for word in words {
            let mut value = u32::from_le_bytes(*word).wrapping_mul(MULTIPLIER);
            value = (value ^ value >> SHIFT).wrapping_mul(MULTIPLIER);
            hash = hash.wrapping_mul(MULTIPLIER) ^ value;
        }
        if !rest.is_empty() {
            let tail = rest
                .iter()
                .rev()
                .fold(0, |tail, byte| tail << 8 | u32::from(*byte));
            hash = (hash ^ tail).wrapping_mul(MULTIPLIER);
        }
        hash = (hash ^ hash >> 13).wrapping_mul(MULTIPLIER);
        hash ^ hash >> 15
    }
}
