//! The floating-point numbers of 80 bits that `INCRBYFLOAT` and `HINCRBYFLOAT` count in.
//!
//! Redis uses C's `long double`, whose form on x86-64 shows in answers: 17 decimal places of a 64-bit significand print
//! `3.1` as `3.1`, which a double's would not.

use rustc_apfloat::ieee::X87DoubleExtended;
use rustc_apfloat::{Float, Round};

use super::double::Shape;

/// Longer texts are not numbers, as in Redis.
const TEXT_BYTES_MAX: usize = 5 * 1024;
/// What the exponent of the x87 format counts from, for a significand that is a whole number.
const EXPONENT_BIAS: i32 = 16383 + 63;
/// Decimal places that are printed.
const PLACES: u32 = 17;

/// A finite or infinite number of 64 significant bits.
#[derive(Clone, Copy, Debug)]
pub(crate) struct LongDouble(X87DoubleExtended);

impl LongDouble {
    /// Zero, what a missing value counts as.
    pub(crate) const ZERO: Self = Self(X87DoubleExtended::ZERO);

    /// The number that these bytes say; see [`super::double()`].
    pub(crate) fn read(bytes: &[u8]) -> Option<Self> {
        if bytes.len() >= TEXT_BYTES_MAX {
            return None;
        }
        let parse = |text: &str| {
            let parsed = X87DoubleExtended::from_str_r(text, Round::NearestTiesToEven);
            parsed.map(|parsed| parsed.value).ok()
        };
        let (value, is_zero) = match Shape::of(bytes)? {
            Shape::Infinite(true) => return Some(Self(-X87DoubleExtended::INFINITY)),
            Shape::Infinite(false) => return Some(Self(X87DoubleExtended::INFINITY)),
            Shape::Decimal(text, is_zero) => (parse(text)?, is_zero),
            Shape::Hexadecimal(is_negative, digits, is_zero) => {
                let power = if digits.contains(['p', 'P']) {
                    ""
                } else {
                    "p0"
                };
                let value = parse(&format!("0x{digits}{power}"))?;
                (if is_negative { -value } else { value }, is_zero)
            }
        };
        (value.is_finite() && (!value.is_zero() || is_zero)).then_some(Self(value))
    }

    /// An integer, which is exact.
    pub(crate) fn of_integer(value: i64) -> Self {
        Self(X87DoubleExtended::from_i128(i128::from(value)).value)
    }

    /// The sum, unless it is not finite.
    pub(crate) fn sum(self, other: Self) -> Option<Self> {
        let sum = self.0 + other.0;
        sum.value.is_finite().then_some(Self(sum.value))
    }

    /// The decimal form with up to 17 places and without trailing zeros; nothing of a number that is not finite.
    pub(crate) fn text(self) -> String {
        if !self.0.is_finite() {
            return String::new();
        }
        let bits = self.0.to_bits();
        let significand = bits as u64;
        let biased = (bits >> 64) as i32 & 0x7fff;
        // Numbers too small for the bias share the exponent of the smallest that are not.
        let exponent = biased.max(1) - EXPONENT_BIAS;
        let (whole, places) = if exponent >= 0 {
            (shifted(significand, exponent as u32), 0)
        } else {
            let (whole, places) = split(significand, exponent.unsigned_abs());
            (whole.to_string(), places)
        };
        let mut text = whole;
        if places > 0 {
            text.push_str(&format!(".{places:017}"));
            text.truncate(text.trim_end_matches('0').len());
        }
        if self.0.is_negative() && text != "0" {
            text.insert(0, '-');
        }
        text
    }
}

/// `significand / 2^shift` as a whole number and its 17 decimal places, rounded to even.
fn split(significand: u64, shift: u32) -> (u64, u64) {
    let one = 10_u64.pow(PLACES);
    let (whole, fraction) = if shift < 64 {
        (
            significand >> shift,
            significand & (u64::MAX >> (64 - shift)),
        )
    } else {
        (0, significand)
    };
    // Below 2^64 times 10^17 there are 121 bits: past that nothing is left that could round up.
    let scaled = u128::from(fraction) * u128::from(one);
    if shift >= 128 {
        return (whole, 0);
    }
    let mut places = (scaled >> shift) as u64;
    let rest = scaled & ((1 << shift) - 1);
    let half = 1_u128 << (shift - 1);
    if rest > half || (rest == half && places % 2 == 1) {
        places += 1;
    }
    if places == one {
        (whole + 1, 0)
    } else {
        (whole, places)
    }
}

/// The decimal form of `significand * 2^shift`.
fn shifted(significand: u64, shift: u32) -> String {
    const BASE: u64 = 1_000_000_000;
    const STEP: u32 = 30;
    // Nine digits a limb, the lowest first.
    let mut limbs = vec![
        significand % BASE,
        significand / BASE % BASE,
        significand / BASE / BASE,
    ];
    let mut left = shift;
    while left > 0 {
        let step = left.min(STEP);
        left -= step;
        let mut carry = 0;
        for limb in &mut limbs {
            let value = (*limb << step) + carry;
            *limb = value % BASE;
            carry = value / BASE;
        }
        while carry > 0 {
            limbs.push(carry % BASE);
            carry /= BASE;
        }
    }
    let mut text = String::new();
    for limb in limbs.iter().rev() {
        if text.is_empty() {
            if *limb > 0 {
                text = limb.to_string();
            }
        } else {
            text.push_str(&format!("{limb:09}"));
        }
    }
    if text.is_empty() {
        text.push('0');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sum(left: &str, right: &str) -> Option<String> {
        let left = LongDouble::read(left.as_bytes())?;
        let right = LongDouble::read(right.as_bytes())?;
        left.sum(right).map(LongDouble::text)
    }

    #[test]
    fn sums_are_those_of_redis() {
        // Answered by Redis 7.0 on x86-64.
        let cases: &[(&str, &str, Option<&str>)] = &CASES;
        for (left, right, expected) in cases {
            assert_eq!(sum(left, right).as_deref(), *expected, "{left} + {right}");
        }
    }

    const CASES: [(&str, &str, Option<&str>); 60] = [
        ("0", "1", Some("1")),
        ("1", "0.25", Some("1.25")),
        ("1.5", "1.5", Some("3")),
        ("3.0", "1.0000000000000000000000", Some("4")),
        ("17179869184", "1", Some("17179869185")),
        ("3", "1.1", Some("4.1")),
        ("10.5", "0.1", Some("10.6")),
        ("5.0e3", "2.0e2", Some("5200")),
        ("1", "-1.1", Some("-0.1")),
        ("0", "-1.1", Some("-1.1")),
        ("1.23", "4.56", Some("5.79")),
        ("0.1", "0.2", Some("0.3")),
        ("1e16", "1", Some("10000000000000001")),
        ("1e30", "1", Some("1000000000000000000024696061952")),
        ("-0", "0", Some("0")),
        ("-0.0", "-0.0", Some("0")),
        ("1e-18", "0", Some("0")),
        ("5e-18", "0", Some("0")),
        ("6e-18", "0", Some("0.00000000000000001")),
        ("1.000000000000000005", "0", Some("1")),
        ("0x10", "0x.8p1", Some("17")),
        ("inf", "1", None),
        ("inf", "-inf", None),
        ("1e4932", "1e4932", None),
        ("9223372036854775807", "1", Some("9223372036854775808")),
        ("0.99999999999999999999", "0", Some("1")),
        (
            "123456789.123456789",
            "0.000000001",
            Some("123456789.12345678999554366"),
        ),
        ("-5.0e3", "2.0e-2", Some("-4999.97999999999999998")),
        ("1e19", "0.5", Some("10000000000000000000")),
        ("18446744073709551615", "1", Some("18446744073709551616")),
        (
            "-833820.927465761770",
            "730678085937718e-22",
            Some("-833820.92746568870222745"),
        ),
        ("47.33094445", "-9403e-10", Some("47.3309435097")),
        ("6687.23865", "-798936e-21", Some("6687.23864999999999892")),
        (
            "6946905675.135",
            "3e-12",
            Some("6946905675.13499999977648258"),
        ),
        ("296.208550", "986684e-13", Some("296.20855009866840002")),
        ("-2827.435061", "34578e-21", Some("-2827.43506099999999992")),
        (
            "-79050.8604464973",
            "-317e-3",
            Some("-79051.17744649730000361"),
        ),
        (
            "-93471884.193748",
            "-3172699663053394e-22",
            Some("-93471884.1937483172659995"),
        ),
        (
            "-5.2544357069113",
            "-637271636956e-25",
            Some("-5.25443570691136373"),
        ),
        (
            "-2.844054145",
            "577017450424344e-3",
            Some("577017450421.49994581937789917"),
        ),
        (
            "-14502610.7719029809",
            "-55e-20",
            Some("-14502610.77190298090044962"),
        ),
        (
            "537793.4931462696",
            "-319e-5",
            Some("537793.48995626959998617"),
        ),
        ("-817.80", "8575876366e-15", Some("-817.799991424123634")),
        ("76.991715269", "-30e-3", Some("76.961715269")),
        (
            "-87371236.2443249",
            "63e-4",
            Some("-87371236.23802489999798127"),
        ),
        (
            "749.4079353790",
            "-2765e2",
            Some("-275750.59206462099999158"),
        ),
        (
            "-60.41491190739415",
            "959549898140172e-15",
            Some("-59.455362009253978"),
        ),
        (
            "-92454411.525350530911",
            "-6313949079e-16",
            Some("-92454411.52535116230137646"),
        ),
        (
            "8921315.642",
            "-9363545402e6",
            Some("-9363545393078684.3583984375"),
        ),
        (
            "-839686475.931349489",
            "-804e-3",
            Some("-839686476.73534948902670294"),
        ),
        (
            "47635.756418445",
            "-5293567447322619e-4",
            Some("-529356697096.50548157095909119"),
        ),
        (
            "3658547626.73415874",
            "-37244422761e4",
            Some("-372440569062373.265838623046875"),
        ),
        (
            "-695180122.50670417624",
            "-691557462e-3",
            Some("-695871679.96870417625177652"),
        ),
        (
            "-967136.96876710975391",
            "-369180427151e8",
            Some("-36918042715100967136"),
        ),
        (
            "178426492.5931",
            "-2969650282e1",
            Some("-29518076327.40689999982714653"),
        ),
        (
            "6102255305.9752608299",
            "2684741e3",
            Some("8786996305.97526082955300808"),
        ),
        (
            "2957.7380739546",
            "-22245982e-22",
            Some("2957.73807395459999769"),
        ),
        ("40.494", "53e4", Some("530040.49400000000002819")),
        (
            "-1207573.877746395",
            "-5e0",
            Some("-1207578.87774639500003104"),
        ),
        (
            "-1930628.604866128651",
            "-70e-6",
            Some("-1930628.60493612865104751"),
        ),
    ];

    #[test]
    fn what_is_no_number_is_refused() {
        for text in ["", " 1", "1 ", "nan", "1e5000", "1e-5000", "foo", "1\u{e9}"] {
            assert!(LongDouble::read(text.as_bytes()).is_none(), "{text:?}");
        }
        assert!(LongDouble::read(&[b'1'; TEXT_BYTES_MAX]).is_none());
        assert!(LongDouble::read(b"inf").is_some());
    }

    proptest::proptest! {
        #![proptest_config(proptest::prelude::ProptestConfig::with_cases(2000))]

        // Whoever reads numbers must not fall over one, however it looks.
        #[test]
        fn anything_that_looks_like_a_number_is_read_or_refused(
            text in "[+-]?(0x)?[0-9a-f]{0,30}[.]?[0-9a-f]{0,30}([ep][+-]?[0-9]{0,30})?",
        ) {
            let read = LongDouble::read(text.as_bytes());
            let double = crate::number::double(text.as_bytes());
            if let Some(read) = read {
                let again = LongDouble::read(read.text().as_bytes());
                // What is smaller than the seventeen places is printed as nothing.
                proptest::prop_assert!(again.is_some());
                proptest::prop_assert!(read.sum(LongDouble::ZERO).is_some());
            } else {
                proptest::prop_assert!(double.is_none(), "{}", text);
            }
        }
    }

    #[test]
    fn the_largest_and_smallest_have_their_digits() {
        let large = LongDouble::read(b"1e4932").unwrap().text();
        assert_eq!(large.len(), 4933);
        // 2^16383, the largest power: known to begin and end like this.
        let power = LongDouble::read(b"0x1p16383").unwrap().text();
        assert_eq!(power.len(), 4932);
        assert!(power.starts_with("594865747678615882"), "{power}");
        assert!(power.ends_with("513645334982033408"), "{power}");
        assert_eq!(LongDouble::read(b"1e-4940").unwrap().text(), "0");
        assert_eq!(LongDouble::read(b"-1e-4940").unwrap().text(), "0");
        assert_eq!(
            LongDouble::of_integer(i64::MIN).text(),
            i64::MIN.to_string()
        );
        assert_eq!(LongDouble::ZERO.text(), "0");
    }
}
