//! Floating-point numbers of 64 bits, as Redis reads and writes them.

use std::fmt::{self, Write};
use std::str;

use rustc_apfloat::ieee::Double;
use rustc_apfloat::{Float, Round};

use crate::number::Decimal;

/// Digits that tell every double from its neighbours.
const DIGITS: usize = 17;
/// Whole numbers below this have no more digits than that.
const WHOLE_MAX: f64 = 1e15;

/// What a text that looks like a number is made of; C's `strtod` reads the same.
pub(super) enum Shape<'a> {
    /// `inf` or `infinity`, negative or not.
    Infinite(bool),
    /// Decimal digits; true if all before the exponent are zeros.
    Decimal(&'a str, bool),
    /// A negative or positive number whose digits, behind `0x`, are hexadecimal; true if all are zeros.
    Hexadecimal(bool, &'a str, bool),
}

impl<'a> Shape<'a> {
    /// Reads the whole text, or nothing. `nan` is no number here: nobody could order it.
    pub(super) fn of(bytes: &'a [u8]) -> Option<Self> {
        let text = str::from_utf8(bytes).ok()?;
        let unsigned = text.strip_prefix(['-', '+']).unwrap_or(text);
        let is_negative = text.starts_with('-');
        if unsigned.eq_ignore_ascii_case("inf") || unsigned.eq_ignore_ascii_case("infinity") {
            return Some(Self::Infinite(is_negative));
        }
        let digits = unsigned
            .strip_prefix("0x")
            .or_else(|| unsigned.strip_prefix("0X"));
        match digits {
            Some(digits) => {
                let is_zero = is_number(digits, u8::is_ascii_hexdigit, b'p')?;
                Some(Self::Hexadecimal(is_negative, digits, is_zero))
            }
            None => {
                let is_zero = is_number(unsigned, u8::is_ascii_digit, b'e')?;
                Some(Self::Decimal(
                    text.strip_prefix('+').unwrap_or(text),
                    is_zero,
                ))
            }
        }
    }
}

/// Some if the text is digits with at most one point and perhaps an exponent: true if all digits are zeros.
fn is_number(text: &str, is_digit: fn(&u8) -> bool, exponent: u8) -> Option<bool> {
    let bytes = text.as_bytes();
    let end = bytes
        .iter()
        .position(|byte| byte.to_ascii_lowercase() == exponent)
        .unwrap_or(bytes.len());
    let (digits, rest) = bytes.split_at(end);
    let mut points = 0;
    let mut any = false;
    let mut is_zero = true;
    for byte in digits {
        if *byte == b'.' {
            points += 1;
        } else if is_digit(byte) {
            any = true;
            is_zero &= *byte == b'0';
        } else {
            return None;
        }
    }
    let power = match rest {
        [] => return (any && points <= 1).then_some(is_zero),
        [_, b'-' | b'+', power @ ..] | [_, power @ ..] => power,
    };
    let is_power = !power.is_empty() && power.iter().all(u8::is_ascii_digit);
    (any && points <= 1 && is_power).then_some(is_zero)
}

/// The number that these bytes say, decimal or (behind `0x`) hexadecimal, `inf` and `infinity` in any case. None if they
/// say anything else, `nan`, or a number too large or too small to be told from infinity or zero.
pub(crate) fn double(bytes: &[u8]) -> Option<f64> {
    let (value, is_zero) = match Shape::of(bytes)? {
        Shape::Infinite(true) => return Some(f64::NEG_INFINITY),
        Shape::Infinite(false) => return Some(f64::INFINITY),
        Shape::Decimal(text, is_zero) => (text.parse::<f64>().ok()?, is_zero),
        Shape::Hexadecimal(is_negative, digits, is_zero) => {
            let mut text = format!("0x{digits}");
            if !digits.contains(['p', 'P']) {
                text.push_str("p0");
            }
            let parsed = Double::from_str_r(&text, Round::NearestTiesToEven).ok()?;
            let value = f64::from_bits(parsed.value.to_bits() as u64);
            (if is_negative { -value } else { value }, is_zero)
        }
    };
    (value.is_finite() && (value != 0.0 || is_zero)).then_some(value)
}

/// A double as C's `%.17g` prints it, without an allocation.
#[derive(Debug)]
pub(crate) struct DoubleText {
    text: [u8; 32],
    len: usize,
}

impl DoubleText {
    pub(crate) fn new(value: f64) -> Self {
        let mut text = Self {
            text: [0; 32],
            len: 0,
        };
        text.print(value);
        text
    }

    pub(crate) fn as_bytes(&self) -> &[u8] {
        &self.text[..self.len]
    }

    fn print(&mut self, value: f64) {
        if value.is_sign_negative() && !value.is_nan() {
            self.push(b"-");
        }
        let value = value.abs();
        if value.is_nan() {
            return self.push(b"nan");
        }
        if value.is_infinite() {
            return self.push(b"inf");
        }
        if value < WHOLE_MAX && value.trunc() == value {
            return self.push(Decimal::new(value as i64).as_bytes());
        }
        // One digit, a point, sixteen digits, `e`, the exponent.
        let mut printed = Self {
            text: [0; 32],
            len: 0,
        };
        if write!(printed, "{value:.*e}", DIGITS - 1).is_err() {
            return;
        }
        let printed = printed.as_bytes();
        let mut digits = [0; DIGITS];
        digits[0] = printed[0];
        digits[1..].copy_from_slice(&printed[2..=DIGITS]);
        let power = str::from_utf8(&printed[DIGITS + 2..]).unwrap_or_default();
        let power: i32 = power.parse().unwrap_or_default();
        let trimmed = digits
            .iter()
            .rposition(|&digit| digit != b'0')
            .map_or(1, |last| last + 1);
        if (-4..DIGITS as i32).contains(&power) {
            let whole = usize::try_from(power + 1).unwrap_or_default();
            if whole == 0 {
                self.push(b"0.");
                for _ in power + 1..0 {
                    self.push(b"0");
                }
                return self.push(&digits[..trimmed]);
            }
            self.push(&digits[..whole]);
            if trimmed > whole {
                self.push(b".");
                self.push(&digits[whole..trimmed]);
            }
        } else {
            self.push(&digits[..1]);
            if trimmed > 1 {
                self.push(b".");
                self.push(&digits[1..trimmed]);
            }
            self.push(if power < 0 { b"e-" } else { b"e+" });
            if power.abs() < 10 {
                self.push(b"0");
            }
            self.push(Decimal::new(i64::from(power.abs())).as_bytes());
        }
    }

    fn push(&mut self, bytes: &[u8]) {
        if let Some(place) = self.text.get_mut(self.len..self.len + bytes.len()) {
            place.copy_from_slice(bytes);
            self.len += bytes.len();
        }
    }
}

impl Write for DoubleText {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.push(text.as_bytes());
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(value: f64) -> String {
        String::from_utf8(DoubleText::new(value).as_bytes().to_vec()).unwrap()
    }

    #[test]
    fn doubles_are_read_as_strtod_does() {
        let cases: [(&str, Option<f64>); 34] = [
            ("0", Some(0.0)),
            ("-0", Some(-0.0)),
            ("3.1", Some(3.1)),
            ("+3.1", Some(3.1)),
            ("-3.1e2", Some(-310.0)),
            ("1e+2", Some(100.0)),
            ("1E-2", Some(0.01)),
            (".5", Some(0.5)),
            ("5.", Some(5.0)),
            ("0x10", Some(16.0)),
            ("-0X1.8p1", Some(-3.0)),
            ("0x.8", Some(0.5)),
            ("inf", Some(f64::INFINITY)),
            ("-Inf", Some(f64::NEG_INFINITY)),
            ("+INFINITY", Some(f64::INFINITY)),
            ("4.9e-324", Some(5e-324)),
            ("0e999999999", Some(0.0)),
            ("0.000e-999999999", Some(0.0)),
            ("1e309", None),
            ("-1e309", None),
            ("1e-400", None),
            ("0x1p99999", None),
            ("0x1p-99999", None),
            ("nan", None),
            ("-nan", None),
            ("", None),
            (".", None),
            ("e5", None),
            ("1e", None),
            ("1e+", None),
            (" 1", None),
            ("1 ", None),
            ("1.2.3", None),
            ("0x", None),
        ];
        for (text, value) in cases {
            let read = double(text.as_bytes());
            assert_eq!(
                read.map(f64::to_bits),
                value.map(f64::to_bits),
                "{text:?}: {read:?}"
            );
        }
        assert_eq!(double(b"1\0"), None);
        assert_eq!(double(b"\xff"), None);
    }

    #[test]
    fn doubles_are_printed_as_printf_does() {
        // Made by C's printf("%.17g").
        let cases = [
            (0.0, "0"),
            (-0.0, "-0"),
            (17.0, "17"),
            (-1.5, "-1.5"),
            (3.1, "3.1000000000000001"),
            (0.1, "0.10000000000000001"),
            (1e15, "1000000000000000"),
            (1e16, "10000000000000000"),
            (1e17, "1e+17"),
            (1.5e300, "1.5000000000000001e+300"),
            (0.0001, "0.0001"),
            (0.00012345, "0.00012344999999999999"),
            (0.00001, "1.0000000000000001e-05"),
            (5e-324, "4.9406564584124654e-324"),
            (f64::MAX, "1.7976931348623157e+308"),
            (9007199254740993.0, "9007199254740992"),
            // The eighteenth digit is a 5 and the last: to even.
            (
                f64::from(1 << 30) * f64::from(1 << 20) + 0.25,
                "1125899906842624.2",
            ),
            (
                f64::from(1 << 30) * f64::from(1 << 20) + 0.75,
                "1125899906842624.8",
            ),
            (f64::INFINITY, "inf"),
            (f64::NEG_INFINITY, "-inf"),
            (f64::NAN, "nan"),
        ];
        for (value, expected) in cases {
            assert_eq!(text(value), expected);
        }
    }

    proptest::proptest! {
        #[test]
        fn every_double_is_read_back(bits: u64) {
            let value = f64::from_bits(bits);
            if !value.is_nan() {
                let text = text(value);
                let read = double(text.as_bytes());
                proptest::prop_assert_eq!(read.map(f64::to_bits), Some(bits), "{}", text);
            }
        }
    }
}
