//! Doubles as text, in the form that Redis 7.2 gives them.

/// Whole numbers up to here are written with all their digits.
const WHOLE_MAX: f64 = (i64::MAX / 2) as f64;

/// Appends a double as Redis 7.2 writes it: whole numbers as such, others by the fewest digits that read back as the
/// same double, very small and very large ones with an exponent; `inf`, `-inf` and `nan`.
///
/// (Redis 7.0 writes seventeen digits: `3.1000000000000001`.)
pub fn write_double(value: f64, out: &mut Vec<u8>) {
    if value.is_nan() {
        out.extend_from_slice(b"nan");
    } else if value.is_infinite() {
        out.extend_from_slice(if value < 0.0 { b"-inf" } else { b"inf" });
    } else if value == 0.0 {
        out.extend_from_slice(if value.is_sign_negative() {
            b"-0"
        } else {
            b"0"
        });
    } else if value.abs() <= WHOLE_MAX && value.trunc() == value {
        out.extend_from_slice(itoa::Buffer::new().format(value as i64).as_bytes());
    } else {
        if value < 0.0 {
            out.push(b'-');
        }
        let mut printed = zmij::Buffer::new();
        Decimal::read(printed.format_finite(value.abs()).as_bytes()).write(out);
    }
}

/// `digits × 10^exponent`; the digits neither begin nor end with a zero.
struct Decimal {
    digits: [u8; 20],
    count: usize,
    exponent: i32,
}

impl Decimal {
    /// Reads what the printer makes: `1.5`, `0.001`, `2.5e-7`, `1e300`.
    fn read(text: &[u8]) -> Self {
        let mut decimal = Self {
            digits: [0; 20],
            count: 0,
            exponent: 0,
        };
        let mut after_point = false;
        let mut bytes = text.iter();
        while let Some(&byte) = bytes.next() {
            match byte {
                b'.' => after_point = true,
                b'e' => {
                    decimal.exponent += exponent(bytes.as_slice());
                    break;
                }
                digit => {
                    decimal.exponent -= i32::from(after_point);
                    if decimal.count == 0 && digit == b'0' {
                        continue;
                    }
                    if let Some(place) = decimal.digits.get_mut(decimal.count) {
                        *place = digit;
                        decimal.count += 1;
                    } else {
                        // Past what a double's shortest form can hold only zeros come.
                        decimal.exponent += 1;
                    }
                }
            }
        }
        while decimal.count > 1 && decimal.digits[decimal.count - 1] == b'0' {
            decimal.count -= 1;
            decimal.exponent += 1;
        }
        decimal
    }

    fn write(&self, out: &mut Vec<u8>) {
        let digits = self.digits.get(..self.count).unwrap_or_default();
        // The exponent of the first digit.
        let first = self.exponent + self.count as i32 - 1;
        let zeros = |count: i32| std::iter::repeat_n(b'0', count.max(0) as usize);
        if self.exponent >= 0 && first < self.count as i32 + 7 {
            out.extend_from_slice(digits);
            out.extend(zeros(self.exponent));
        } else if self.exponent < 0 && (self.exponent > -7 || first.abs() < 4) {
            let whole = self.count as i32 + self.exponent;
            if whole <= 0 {
                out.extend_from_slice(b"0.");
                out.extend(zeros(-whole));
                out.extend_from_slice(digits);
            } else {
                let (before, after) = digits.split_at(whole as usize);
                out.extend_from_slice(before);
                out.push(b'.');
                out.extend_from_slice(after);
            }
        } else {
            let (before, after) = digits.split_at(1);
            out.extend_from_slice(before);
            if !after.is_empty() {
                out.push(b'.');
                out.extend_from_slice(after);
            }
            out.extend_from_slice(if first < 0 { b"e-" } else { b"e+" });
            out.extend_from_slice(itoa::Buffer::new().format(first.unsigned_abs()).as_bytes());
        }
    }
}

fn exponent(text: &[u8]) -> i32 {
    let (negative, digits) = match text {
        [b'-', digits @ ..] => (true, digits),
        [b'+', digits @ ..] => (false, digits),
        digits => (false, digits),
    };
    let number = digits
        .iter()
        .fold(0, |number, digit| number * 10 + i32::from(digit - b'0'));
    if negative { -number } else { number }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn text(value: f64) -> String {
        let mut out = Vec::new();
        write_double(value, &mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn doubles_look_as_in_redis() {
        for (value, expected) in [
            (0.0, "0"),
            (-0.0, "-0"),
            (1.0, "1"),
            (-17.0, "-17"),
            (3.1, "3.1"),
            (-3.1, "-3.1"),
            (0.1 + 0.2, "0.30000000000000004"),
            (1e10, "10000000000"),
            (1e17, "100000000000000000"),
            (4e18, "4000000000000000000"),
            (5e18, "5e+18"),
            (9_223_372_036_854_775_808.0, "9223372036854776000"),
            (1e20, "1e+20"),
            (1.5e300, "1.5e+300"),
            (-1.5e300, "-1.5e+300"),
            (0.000_001, "0.000001"),
            (0.000_001_5, "1.5e-6"),
            (0.000_000_1, "1e-7"),
            (0.001_234_567_89, "0.00123456789"),
            (1.234_567_89e-5, "1.23456789e-5"),
            (1_234.567_89, "1234.56789"),
            // An exponent where one would not expect it: so does Redis, from seven decimals and 10,000 on.
            (1_234_567.891_234_567, "1.234567891234567e+6"),
            (1_234_567.891_234, "1234567.891234"),
            (1_234.123_456_789, "1234.123456789"),
            (12_345.123_456_7, "1.23451234567e+4"),
            (f64::MAX, "1.7976931348623157e+308"),
            (f64::MIN_POSITIVE, "2.2250738585072014e-308"),
            (5e-324, "5e-324"),
            (f64::INFINITY, "inf"),
            (f64::NEG_INFINITY, "-inf"),
            (f64::NAN, "nan"),
        ] {
            assert_eq!(text(value), expected);
        }
    }

    proptest! {
        #[test]
        fn what_is_written_reads_back(bits: u64) {
            let value = f64::from_bits(bits);
            prop_assume!(value.is_finite());
            let written = text(value);
            prop_assert_eq!(written.parse::<f64>().unwrap().to_bits(), bits, "{}", written);
            prop_assert!(written.len() <= 26, "{}", written);
        }
    }
}
