/// Spreads a number over all 64 bits (the finisher of splitmix64): near inputs give unrelated outputs.
pub(crate) const fn scatter(value: u64) -> u64 {
    let mut mixed = value.wrapping_add(0x9e37_79b9_7f4a_7c15);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

/// A number in (0, 1) from 64 random bits, both ends excluded.
pub(crate) fn unit(bits: u64) -> f64 {
    // 52 bits and the half step that keeps 0 out fill an f64's mantissa, so that 1 stays out as well.
    #[expect(clippy::cast_precision_loss, reason = "52 bits fit")]
    let whole = (bits >> 12) as f64;
    (whole + 0.5) / 4_503_599_627_370_496.0
}

/// A number below `bound` from 64 random bits, evenly enough for pools (`bound` above 0).
pub(crate) fn below(bits: u64, bound: usize) -> usize {
    let wide = u128::from(bits) * bound as u128;
    // The product's upper half is below `bound`, which is a usize.
    (wide >> 64) as usize
}

/// The stable 64-bit key of a name (a player's id, a server's id): the same on every node and in
/// every version, because players' places depend on it. FNV-1a, then scattered.
#[must_use]
pub fn hash_key(name: &[u8]) -> u64 {
    let mut hash = 0xcbf2_9ce4_8422_2325_u64;
    for &byte in name {
        hash = (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3);
    }
    scatter(hash)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_never_change() {
        // Another value here moves every hashed player of every world at an upgrade.
        assert_eq!(hash_key(b""), scatter(0xcbf2_9ce4_8422_2325));
        assert_eq!(hash_key(b"a"), scatter(0xaf63_dc4c_8601_ec8c));
        assert_eq!(scatter(0), 0xe220_a839_7b1d_cdaf);
    }

    #[test]
    fn bounds_hold() {
        for bits in [0, 1, u64::MAX / 2, u64::MAX] {
            assert!(unit(bits) > 0.0 && unit(bits) < 1.0);
            for bound in [1, 2, 3, 1000] {
                assert!(below(bits, bound) < bound);
            }
        }
    }
}
