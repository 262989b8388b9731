//! Whole numbers in as few bytes as they need: seven bits a byte, the lowest first, the top bit says "more follows".
//!
//! Each number has one form: a last byte of zero after others is refused.

/// Most bytes of a number.
pub(crate) const BYTES_MAX: usize = 10;

/// Writes `value` at the start of `to` and says how many bytes that took. `to` has [`BYTES_MAX`] bytes at least.
#[inline]
pub(crate) fn write(to: &mut [u8], mut value: u64) -> usize {
    let mut at = 0;
    while value >= 0x80 {
        to[at] = value as u8 | 0x80;
        value >>= 7;
        at += 1;
    }
    to[at] = value as u8;
    at + 1
}

/// How many bytes `value` takes.
#[inline]
pub(crate) const fn length(value: u64) -> usize {
    let bits = 64 - (value | 1).leading_zeros() as usize;
    bits.div_ceil(7)
}

/// Reads a number from the front of `from` and moves past it; `None` if it is cut, too large or not in its one form.
#[inline]
pub(crate) fn read(from: &mut &[u8]) -> Option<u64> {
    let bytes = *from;
    let mut value = 0;
    for (at, &byte) in bytes.iter().take(BYTES_MAX).enumerate() {
        if at == BYTES_MAX - 1 && byte > 1 {
            return None;
        }
        value |= u64::from(byte & 0x7f) << (7 * at);
        if byte < 0x80 {
            if byte == 0 && at > 0 {
                return None;
            }
            *from = &bytes[at + 1..];
            return Some(value);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_round_trip_in_their_shortest_form() {
        for shift in 0..64 {
            for value in [1u64 << shift, (1u64 << shift) - 1, u64::MAX >> shift] {
                let mut bytes = [0; BYTES_MAX];
                let written = write(&mut bytes, value);
                assert_eq!(written, length(value));
                let mut rest = &bytes[..written];
                assert_eq!(read(&mut rest), Some(value));
                assert!(rest.is_empty());
            }
        }
    }

    #[test]
    fn other_forms_are_refused() {
        for wrong in [
            &[][..],
            &[0x80],
            &[0x80, 0x00],
            &[0xff; 10],
            &[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x02],
        ] {
            assert_eq!(read(&mut &wrong[..]), None, "{wrong:x?}");
        }
    }
}
