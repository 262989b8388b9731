//! Masking of payloads.

/// The key as it applies from `offset` bytes into the payload on.
#[inline]
fn rotated(key: [u8; 4], offset: u64) -> [u8; 4] {
    let mut key = key;
    key.rotate_left((offset % 4) as usize);
    key
}

/// The rotated key, twice, as one word in memory order.
#[inline]
fn word(key: [u8; 4]) -> u64 {
    let [a, b, c, d] = key;
    u64::from_ne_bytes([a, b, c, d, a, b, c, d])
}

/// Masks or unmasks (it is the same) a piece of a payload that begins `offset` bytes into it.
#[inline]
pub fn apply_mask(payload: &mut [u8], key: [u8; 4], offset: u64) {
    let key = rotated(key, offset);
    let word = word(key);
    // Words of eight bytes: a multiple of the key's length, and what the compiler turns into vector instructions.
    let (words, rest) = payload.as_chunks_mut::<8>();
    for chunk in words {
        *chunk = (u64::from_ne_bytes(*chunk) ^ word).to_ne_bytes();
    }
    for (byte, key) in rest.iter_mut().zip(key.iter().cycle()) {
        *byte ^= key;
    }
}

/// Unmasks (or masks) as much of `source`, which begins `offset` bytes into its payload, as `target` has room for, and
/// gives that part of `target`. This is how a prefix is looked at without changing what is relayed.
#[inline]
pub fn copy_masked<'a>(
    source: &[u8],
    key: [u8; 4],
    offset: u64,
    target: &'a mut [u8],
) -> &'a mut [u8] {
    let length = source.len().min(target.len());
    let target = &mut target[..length];
    target.copy_from_slice(&source[..length]);
    apply_mask(target, key, offset);
    target
}
