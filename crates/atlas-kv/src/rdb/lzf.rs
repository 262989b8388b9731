//! Reading what LZF made small (Marc Lehmann's LibLZF, which Redis compresses strings with).

use crate::rdb::{Malformed, Result};

/// The text, which must be exactly `bytes` long. Whoever asks has checked that so many are wanted.
pub(super) fn inflate(mut packed: &[u8], bytes: usize) -> Result<Vec<u8>> {
    let mut out = Vec::with_capacity(bytes);
    while let Some((&control, rest)) = packed.split_first() {
        packed = rest;
        if control < 32 {
            let (run, rest) = packed
                .split_at_checked(usize::from(control) + 1)
                .ok_or(Malformed)?;
            packed = rest;
            if run.len() > bytes - out.len() {
                return Err(Malformed);
            }
            out.extend_from_slice(run);
            continue;
        }
        // A copy of what came before: its length, then how far back it begins.
        let mut length = usize::from(control >> 5) + 2;
        if length == 9 {
            let (&more, rest) = packed.split_first().ok_or(Malformed)?;
            packed = rest;
            length += usize::from(more);
        }
        let (&low, rest) = packed.split_first().ok_or(Malformed)?;
        packed = rest;
        let back = (usize::from(control & 0x1f) << 8 | usize::from(low)) + 1;
        let start = out.len().checked_sub(back).ok_or(Malformed)?;
        if length > bytes - out.len() {
            return Err(Malformed);
        }
        // What is copied may run into the copy itself: as many bytes at a time as are there.
        while length > 0 {
            let end = (start + length).min(out.len());
            let count = end - start;
            out.extend_from_within(start..end);
            length -= count;
        }
    }
    if out.len() == bytes {
        Ok(out)
    } else {
        Err(Malformed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_and_copies() {
        assert_eq!(inflate(&[2, b'a', b'b', b'c'], 3), Ok(b"abc".to_vec()));
        // "ab", then five bytes from two back: the copy runs into itself.
        assert_eq!(
            inflate(&[1, b'a', b'b', 0x60, 1], 7),
            Ok(b"abababa".to_vec())
        );
        // A long copy: 2 + 7 + 255 bytes from one back.
        let long = inflate(&[0, b'x', 0xe0, 255, 0], 265);
        assert_eq!(long, Ok(vec![b'x'; 265]));
        assert_eq!(inflate(&[], 0), Ok(Vec::new()));
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        for (packed, bytes) in [
            (&[2, b'a', b'b'][..], 3),
            (&[0, b'a'], 2),
            (&[1, b'a', b'b'], 1),
            (&[0x20, 0], 3),
            (&[0, b'a', 0x20, 1], 4),
            (&[0, b'a', 0x20, 0], 3),
            (&[0, b'a', 0xe0], 10),
            (&[0, b'a', 0xe0, 0], 10),
            (&[0, b'a', 0x20], 4),
        ] {
            assert_eq!(inflate(packed, bytes), Err(Malformed), "{packed:?}");
        }
    }
}
