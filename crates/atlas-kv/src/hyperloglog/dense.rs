//! Registers of six bits each, the lowest first: four of them in three bytes.

use super::REGISTERS;
use super::estimate::Rank;

/// Bytes of all registers.
pub(super) const BYTES: usize = REGISTERS / 4 * 3;
const MASK: u32 = 0x3f;
const BITS: usize = 6;

fn word(group: &[u8; 3]) -> u32 {
    u32::from(group[0]) | u32::from(group[1]) << 8 | u32::from(group[2]) << 16
}

/// All registers, four by four.
pub(super) fn groups(packed: &[u8; BYTES]) -> impl Iterator<Item = [u8; 4]> {
    let (groups, _) = packed.as_chunks::<3>();
    groups.iter().map(|group| {
        let word = word(group);
        [0, 1, 2, 3].map(|at| (word >> (BITS * at) & MASK) as u8)
    })
}

/// The value of a register.
pub(super) fn value(packed: &[u8], register: usize) -> u8 {
    let (groups, _) = packed.as_chunks::<3>();
    let group = groups.get(register / 4);
    group.map_or(0, |group| {
        (word(group) >> (BITS * (register % 4)) & MASK) as u8
    })
}

/// Raises a register; true if it was lower.
pub(super) fn raise(packed: &mut [u8], rank: Rank) -> bool {
    let (groups, _) = packed.as_chunks_mut::<3>();
    let Some(group) = groups.get_mut(rank.register / 4) else {
        return false;
    };
    let shift = BITS * (rank.register % 4);
    let before = word(group);
    if before >> shift & MASK >= u32::from(rank.value) {
        return false;
    }
    let after = before & !(MASK << shift) | u32::from(rank.value) << shift;
    group.copy_from_slice(&after.to_le_bytes()[..3]);
    true
}
