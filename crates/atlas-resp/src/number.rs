//! Numbers of the protocol's headers.

/// Reads a header's number where it is short: `line` begins with the header's kind, and the number ends with a carriage
/// return that has a byte behind it. Returns the number and where the next line begins.
///
/// None says nothing about the line: it may be partial, long, negative or wrong. This is the way of nearly every
/// header, so it looks at each byte once and at nothing else.
#[inline(always)]
pub(crate) fn short(line: &[u8]) -> Option<(u32, usize)> {
    let mut number = u32::from(line.get(1)?.wrapping_sub(b'0'));
    if number > 9 {
        return None;
    }
    let mut index = 2;
    loop {
        let byte = *line.get(index)?;
        let digit = u32::from(byte.wrapping_sub(b'0'));
        if digit > 9 {
            // The byte behind the carriage return has to be there, and is not looked at: neither does Redis.
            return (byte == b'\r' && index + 1 < line.len()).then_some((number, index + 2));
        }
        // No leading zeros, and no more digits than fit.
        if number == 0 || index > 9 {
            return None;
        }
        number = number * 10 + digit;
        index += 1;
    }
}

/// Reads a whole number as Redis does: digits behind an optional minus, nothing before, between or after them, no
/// leading zero.
pub(crate) fn integer(text: &[u8]) -> Option<i64> {
    let (negative, digits) = match text {
        [b'-', digits @ ..] => (true, digits),
        digits => (false, digits),
    };
    match digits {
        [b'0'] if !negative => return Some(0),
        [b'1'..=b'9', ..] => {}
        _ => return None,
    }
    let mut number: i64 = 0;
    for byte in digits {
        let digit = byte.wrapping_sub(b'0');
        if digit > 9 {
            return None;
        }
        // Counting down reaches i64::MIN as well.
        number = number.checked_mul(10)?.checked_sub(i64::from(digit))?;
    }
    if negative {
        Some(number)
    } else {
        number.checked_neg()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_headers_are_read_at_once() {
        for (line, expected) in [
            (&b"$0\r\n"[..], Some((0, 4))),
            (b"$3\r\nfoo", Some((3, 4))),
            (b"*12\r\n", Some((12, 5))),
            (b"*999999999\r\n", Some((999_999_999, 12))),
            (b"$3\rX", Some((3, 4))),
            (b"$3\r", None),
            (b"$3", None),
            (b"$", None),
            (b"", None),
            (b"$03\r\n", None),
            (b"$00\r\n", None),
            (b"$-1\r\n", None),
            (b"$3 \r\n", None),
            (b"$\r\n", None),
            (b"$99999999999\r\n", None),
        ] {
            assert_eq!(short(line), expected, "{line:?}");
        }
    }

    #[test]
    fn integers_are_read_as_redis_reads_them() {
        for (text, expected) in [
            (&b"0"[..], Some(0)),
            (b"7", Some(7)),
            (b"-7", Some(-7)),
            (b"9223372036854775807", Some(i64::MAX)),
            (b"-9223372036854775808", Some(i64::MIN)),
            (b"9223372036854775808", None),
            (b"-9223372036854775809", None),
            (b"99999999999999999999999", None),
            (b"-0", None),
            (b"00", None),
            (b"01", None),
            (b"+1", None),
            (b" 1", None),
            (b"1 ", None),
            (b"1e9", None),
            (b"-", None),
            (b"", None),
        ] {
            assert_eq!(integer(text), expected, "{text:?}");
        }
    }
}
