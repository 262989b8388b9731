//! Numbers as C writes and reads them, without C: the same digits on every machine.

/// A number as `%.{precision}g` writes it.
pub(crate) fn general(number: f64, precision: usize) -> String {
    general_with(number, precision, false)
}

/// As [`general`]; `keep_zeros` is the flag `#`.
pub(crate) fn general_with(number: f64, precision: usize, keep_zeros: bool) -> String {
    if let Some(word) = not_finite(number) {
        return word.to_owned();
    }
    let precision = precision.max(1);
    // Most numbers in scripts are small integers: their digits need no rounding.
    if !keep_zeros
        && number == number.trunc()
        && number.abs() < 1e15
        && number.abs() < 10_f64.powi(precision as i32)
    {
        let sign = if number == 0.0 && number.is_sign_negative() {
            "-"
        } else {
            ""
        };
        return format!("{sign}{}", number as i64);
    }
    let scientific = format!("{:.*e}", precision - 1, number);
    let (mantissa, exponent) = split_exponent(&scientific);
    let mut text = if exponent < -4 || exponent >= precision as i32 {
        let mut mantissa = mantissa.to_owned();
        if !keep_zeros {
            drop_zeros(&mut mantissa);
        } else if !mantissa.contains('.') {
            mantissa.push('.');
        }
        return with_exponent(&mantissa, exponent);
    } else {
        let decimals = (precision as i32 - 1 - exponent).max(0) as usize;
        format!("{number:.decimals$}")
    };
    if !keep_zeros {
        drop_zeros(&mut text);
    } else if !text.contains('.') {
        text.push('.');
    }
    text
}

/// A number as `%.{precision}e` writes it.
pub(crate) fn exponential(number: f64, precision: usize, keep_point: bool) -> String {
    if let Some(word) = not_finite(number) {
        return word.to_owned();
    }
    let scientific = format!("{number:.precision$e}");
    let (mantissa, exponent) = split_exponent(&scientific);
    if keep_point && !mantissa.contains('.') {
        return with_exponent(&format!("{mantissa}."), exponent);
    }
    with_exponent(mantissa, exponent)
}

/// A number as `%.{precision}f` writes it.
pub(crate) fn fixed(number: f64, precision: usize, keep_point: bool) -> String {
    if let Some(word) = not_finite(number) {
        return word.to_owned();
    }
    let mut text = format!("{number:.precision$}");
    if keep_point && !text.contains('.') {
        text.push('.');
    }
    text
}

/// How C writes what is no finite number.
fn not_finite(number: f64) -> Option<&'static str> {
    match (
        number.is_nan(),
        number.is_infinite(),
        number.is_sign_negative(),
    ) {
        (true, _, false) => Some("nan"),
        (true, _, true) => Some("-nan"),
        (_, true, false) => Some("inf"),
        (_, true, true) => Some("-inf"),
        _ => None,
    }
}

fn split_exponent(scientific: &str) -> (&str, i32) {
    match scientific.split_once('e') {
        Some((mantissa, exponent)) => (mantissa, exponent.parse().unwrap_or(0)),
        None => (scientific, 0),
    }
}

fn with_exponent(mantissa: &str, exponent: i32) -> String {
    let sign = if exponent < 0 { '-' } else { '+' };
    format!("{mantissa}e{sign}{:02}", exponent.abs())
}

fn drop_zeros(text: &mut String) {
    if text.contains('.') {
        let kept = text.trim_end_matches('0').trim_end_matches('.').len();
        text.truncate(kept);
    }
}

/// The number at the beginning of a text and how many bytes it has, as C's `strtod` reads it: decimal, hexadecimal,
/// `inf`, `nan`. `None` where there is none.
pub(crate) fn prefix(text: &[u8]) -> Option<(f64, usize)> {
    let (negative, start) = match text.first()? {
        b'-' => (true, 1),
        b'+' => (false, 1),
        _ => (false, 0),
    };
    let rest = &text[start..];
    let (number, length) = word(rest)
        .or_else(|| hexadecimal(rest))
        .or_else(|| decimal(rest))?;
    Some((if negative { -number } else { number }, start + length))
}

fn word(text: &[u8]) -> Option<(f64, usize)> {
    let begins = |word: &str| {
        text.len() >= word.len() && text[..word.len()].eq_ignore_ascii_case(word.as_bytes())
    };
    if begins("infinity") {
        return Some((f64::INFINITY, 8));
    }
    if begins("inf") {
        return Some((f64::INFINITY, 3));
    }
    if !begins("nan") {
        return None;
    }
    // `nan(...)` with letters, digits and underscores is read whole.
    let inside = text[3..].strip_prefix(b"(").map(|rest| {
        rest.iter()
            .take_while(|byte| byte.is_ascii_alphanumeric() || **byte == b'_')
            .count()
    });
    match inside {
        Some(inside) if text.get(4 + inside) == Some(&b')') => Some((f64::NAN, inside + 5)),
        _ => Some((f64::NAN, 3)),
    }
}

fn hexadecimal(text: &[u8]) -> Option<(f64, usize)> {
    if text.len() < 3 || text[0] != b'0' || text[1] | 0x20 != b'x' {
        return None;
    }
    let mut at = 2;
    let (mut mantissa, mut exponent, mut sticky, mut digits, mut point) =
        (0_u64, 0_i64, false, 0, false);
    while let Some(byte) = text.get(at) {
        match (byte, (*byte as char).to_digit(16)) {
            (b'.', _) if !point => point = true,
            (_, Some(digit)) => {
                digits += 1;
                if mantissa >> 59 == 0 {
                    mantissa = mantissa << 4 | u64::from(digit);
                    exponent -= if point { 4 } else { 0 };
                } else {
                    sticky |= digit != 0;
                    exponent += if point { 0 } else { 4 };
                }
            }
            _ => break,
        }
        at += 1;
    }
    if digits == 0 {
        return None;
    }
    if text[at - 1] == b'.' && digits == 0 {
        at -= 1;
    }
    if text.get(at).is_some_and(|byte| byte | 0x20 == b'p') {
        let sign = usize::from(matches!(text.get(at + 1), Some(b'+' | b'-')));
        let powers = text[at + 1 + sign..]
            .iter()
            .take_while(|byte| byte.is_ascii_digit())
            .count();
        if powers > 0 {
            let power = text[at + 1 + sign..at + 1 + sign + powers]
                .iter()
                .fold(0_i64, |power, digit| {
                    (power * 10 + i64::from(digit - b'0')).min(1 << 40)
                });
            exponent += if text[at + 1] == b'-' { -power } else { power };
            at += 1 + sign + powers;
        }
    }
    Some((scaled(mantissa, sticky, exponent), at))
}

/// `mantissa` × 2^`exponent`, rounded once; `sticky` says that bits below were cut.
fn scaled(mantissa: u64, sticky: bool, exponent: i64) -> f64 {
    if mantissa == 0 {
        return 0.0;
    }
    // Normalised to 64 bits, so that the highest bit stands for 2^(exponent + 63).
    let shift = mantissa.leading_zeros();
    let mantissa = mantissa << shift;
    let top = exponent - i64::from(shift) + 63;
    if top > 1023 {
        return f64::INFINITY;
    }
    // Of a subnormal number fewer bits are kept.
    let kept = if top < -1022 { 53 - (-1022 - top) } else { 53 };
    if kept < 0 {
        return 0.0;
    }
    let cut = (64 - kept) as u32;
    let (high, low, half) = if cut == 64 {
        (0, u128::from(mantissa), 1_u128 << 63)
    } else {
        (
            mantissa >> cut,
            u128::from(mantissa & ((1 << cut) - 1)),
            1_u128 << (cut - 1),
        )
    };
    let up = low > half || (low == half && (sticky || high & 1 == 1));
    let rounded = high + u64::from(up);
    // Both factors are exact and so is their product: what had to be rounded is.
    rounded as f64 * power_of_two(top - kept + 1)
}

fn power_of_two(exponent: i64) -> f64 {
    if exponent >= -1022 {
        f64::from_bits(((exponent + 1023) as u64) << 52)
    } else {
        f64::from_bits(1_u64 << (exponent + 1074).max(0))
    }
}

fn decimal(text: &[u8]) -> Option<(f64, usize)> {
    let count = |text: &[u8]| text.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let whole = count(text);
    let mut at = whole;
    let mut digits = whole;
    if text.get(at) == Some(&b'.') {
        let decimals = count(&text[at + 1..]);
        digits += decimals;
        if digits > 0 {
            at += 1 + decimals;
        }
    }
    if digits == 0 {
        return None;
    }
    if text.get(at).is_some_and(|byte| byte | 0x20 == b'e') {
        let sign = usize::from(matches!(text.get(at + 1), Some(b'+' | b'-')));
        let powers = count(text.get(at + 1 + sign..).unwrap_or_default());
        if powers > 0 {
            at += 1 + sign + powers;
        }
    }
    let number = std::str::from_utf8(&text[..at]).ok()?.parse().ok()?;
    Some((number, at))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn general_is_as_c_writes_it() {
        for (number, precision, text) in [
            (0.1, 14, "0.1"),
            (1e15, 14, "1e+15"),
            (100_000_000_000_000.0, 14, "1e+14"),
            (99_999_999_999_999.0, 14, "99999999999999"),
            (123_456_789.123_456_79, 14, "123456789.12346"),
            (1.0 / 3.0, 14, "0.33333333333333"),
            (1e-5, 14, "1e-05"),
            (0.0001, 14, "0.0001"),
            (-0.0, 14, "-0"),
            (0.0, 14, "0"),
            (5.0, 1, "5"),
            (15.0, 1, "2e+01"),
            (25.0, 1, "2e+01"),
            (1e300, 17, "1.0000000000000001e+300"),
            (f64::INFINITY, 14, "inf"),
            (f64::NEG_INFINITY, 14, "-inf"),
            (0.5, 3, "0.5"),
            (9.9999, 3, "10"),
            (999_999.5, 6, "1e+06"),
        ] {
            assert_eq!(general(number, precision), text, "{number} {precision}");
        }
        assert_eq!(general_with(1.0, 3, true), "1.00");
        assert_eq!(exponential(12345.678, 2, false), "1.23e+04");
        assert_eq!(exponential(0.0, 0, true), "0.e+00");
        assert_eq!(fixed(0.5, 0, false), "0");
        assert_eq!(fixed(1.5, 0, false), "2");
        assert_eq!(fixed(2.5, 0, true), "2.");
    }

    #[test]
    fn numbers_are_read_as_c_reads_them() {
        for (text, expected) in [
            ("12", Some((12.0, 2))),
            ("-1.5e3x", Some((-1500.0, 6))),
            ("1e", Some((1.0, 1))),
            ("1e+", Some((1.0, 1))),
            (".5", Some((0.5, 2))),
            ("5.", Some((5.0, 2))),
            (".", None),
            ("", None),
            ("-", None),
            ("abc", None),
            ("0x1F", Some((31.0, 4))),
            ("0x", Some((0.0, 1))),
            ("0x.8p1", Some((1.0, 6))),
            ("0x1p-1074", Some((5e-324, 9))),
            ("0x1p-1075", Some((0.0, 9))),
            ("0x1.8p-1074", Some((1e-323, 11))),
            ("0x1p1024", Some((f64::INFINITY, 8))),
            ("0x1fffffffffffff8", Some((144_115_188_075_855_870.0, 17))),
            ("inf", Some((f64::INFINITY, 3))),
            ("-Infinity", Some((f64::NEG_INFINITY, 9))),
            ("007", Some((7.0, 3))),
        ] {
            assert_eq!(prefix(text.as_bytes()), expected, "{text}");
        }
        assert!(matches!(prefix(b"nan(12)x"), Some((number, 7)) if number.is_nan()));
        assert!(matches!(prefix(b"nan(12"), Some((number, 3)) if number.is_nan()));
    }
}
