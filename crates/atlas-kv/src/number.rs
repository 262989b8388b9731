//! Numbers as the protocol reads and writes them.

mod double;
mod long_double;

pub(crate) use double::{DoubleText, double};
pub(crate) use long_double::LongDouble;

/// The integer whose decimal form these bytes are: no sign but a leading minus, no leading zeros, no spaces, and within
/// 64 bits. Anything else is none.
pub fn integer(bytes: &[u8]) -> Option<i64> {
    let (negative, digits) = match bytes {
        [b'-', digits @ ..] => (true, digits),
        digits => (false, digits),
    };
    if digits.is_empty() || digits.len() > 19 {
        return None;
    }
    if digits[0] == b'0' && (digits.len() > 1 || negative) {
        return None;
    }
    let mut value = 0_i64;
    for &digit in digits {
        if !digit.is_ascii_digit() {
            return None;
        }
        // Counted downwards: the lowest number has no positive counterpart.
        value = value
            .checked_mul(10)?
            .checked_sub(i64::from(digit - b'0'))?;
    }
    if negative {
        Some(value)
    } else {
        value.checked_neg()
    }
}

/// The number of 64 bits that these digits are, one or more, leading zeros allowed. Anything else is none.
pub(crate) fn digits(bytes: &[u8]) -> Option<u64> {
    if bytes.is_empty() {
        return None;
    }
    bytes.iter().try_fold(0_u64, |value, &digit| {
        let digit = digit.is_ascii_digit().then(|| u64::from(digit - b'0'))?;
        value.checked_mul(10)?.checked_add(digit)
    })
}

/// A double as C's `%.17g` prints it: what a script's number is as an argument.
pub fn printed_double(value: f64) -> String {
    // Whole numbers are what there mostly is.
    if value.abs() < 1e15 && value.trunc() == value && (value != 0.0 || value.is_sign_positive()) {
        return (value as i64).to_string();
    }
    String::from_utf8_lossy(DoubleText::new(value).as_bytes()).into_owned()
}

/// An integer's decimal form, without an allocation.
#[derive(Debug)]
pub(crate) struct Decimal {
    text: [u8; 20],
    start: usize,
}

impl Decimal {
    pub(crate) fn new(value: i64) -> Self {
        let mut text = [0; 20];
        let mut start = text.len();
        let mut left = value.unsigned_abs();
        loop {
            start -= 1;
            text[start] = b'0' + (left % 10) as u8;
            left /= 10;
            if left == 0 {
                break;
            }
        }
        if value < 0 {
            start -= 1;
            text[start] = b'-';
        }
        Self { text, start }
    }

    pub(crate) fn as_bytes(&self) -> &[u8] {
        &self.text[self.start..]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn integers_are_strict() {
        let cases: [(&str, Option<i64>); 14] = [
            ("0", Some(0)),
            ("-1", Some(-1)),
            ("9223372036854775807", Some(i64::MAX)),
            ("-9223372036854775808", Some(i64::MIN)),
            ("9223372036854775808", None),
            ("-9223372036854775809", None),
            ("00", None),
            ("-0", None),
            ("01", None),
            ("+1", None),
            (" 1", None),
            ("1 ", None),
            ("", None),
            ("-", None),
        ];
        for (text, value) in cases {
            assert_eq!(integer(text.as_bytes()), value, "{text:?}");
        }
    }

    #[test]
    fn digits_may_begin_with_zeros() {
        let cases: [(&str, Option<u64>); 7] = [
            ("0", Some(0)),
            ("007", Some(7)),
            ("18446744073709551615", Some(u64::MAX)),
            ("18446744073709551616", None),
            ("", None),
            ("-1", None),
            ("1 ", None),
        ];
        for (text, value) in cases {
            assert_eq!(digits(text.as_bytes()), value, "{text:?}");
        }
    }

    #[test]
    fn decimals_are_read_back() {
        for value in [0, 1, -1, 10, 99, i64::MAX, i64::MIN] {
            let decimal = Decimal::new(value);
            assert_eq!(decimal.as_bytes(), value.to_string().as_bytes());
            assert_eq!(integer(decimal.as_bytes()), Some(value));
        }
    }
}
