//! The generator behind `math.random`: 48 bits, linear congruential, as POSIX describes `lrand48`, so that a seed gives the
//! same numbers on every machine, and the same as in Redis.

const MULTIPLIER: u64 = 0x5_DEEC_E66D;
const INCREMENT: u64 = 0xB;
const MASK: u64 = (1 << 48) - 1;

/// The state after seeding.
pub(crate) fn seeded(seed: u32) -> u64 {
    (u64::from(seed) << 16) | 0x330E
}

/// The next state, and the 31 bits it gives.
pub(crate) fn step(state: u64) -> (u64, u32) {
    let next = state.wrapping_mul(MULTIPLIER).wrapping_add(INCREMENT) & MASK;
    (next, (next >> 17) as u32)
}
