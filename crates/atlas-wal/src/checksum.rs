//! The one checksum: XXH3 with 64 bits, seeded by what the bytes belong to.
//!
//! 64 bits because it proves identity, not only integrity: a frame of another file, another place or another history
//! is well formed and must be told apart, and one in four thousand million is too often for that. XXH3 needs no
//! instruction of its own to be fast (a few nanoseconds for a small record, several gigabytes a second for large ones).
//! It is no signature: whoever can write the directory can forge it.

use twox_hash::XxHash3_64;

/// The seed of what stands at `offset` of the file `file_id`.
pub(crate) fn seed(file_id: u128, offset: u64) -> u64 {
    let mut place = [0; 24];
    place[..16].copy_from_slice(&file_id.to_le_bytes());
    place[16..].copy_from_slice(&offset.to_le_bytes());
    XxHash3_64::oneshot(&place)
}

/// The checksum of `bytes` under `seed`.
pub(crate) fn sum(seed: u64, bytes: &[u8]) -> u64 {
    XxHash3_64::oneshot_with_seed(seed, bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The library must be the algorithm that the format names: values of the reference implementation.
    #[test]
    fn is_xxh3() {
        assert_eq!(sum(0, b""), 0x2d06_8005_38d3_94c2);
        assert_eq!(sum(0, &[0; 16]), XxHash3_64::oneshot(&[0; 16]));
    }

    #[test]
    fn every_part_of_a_place_counts() {
        let here = seed(1, 2);
        for other in [seed(2, 2), seed(1, 3), seed(1 << 64, 2), seed(0, 0)] {
            assert_ne!(here, other);
        }
    }
}
