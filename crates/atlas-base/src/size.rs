//! Sizes in bytes, as a person writes them.

use std::{fmt, str::FromStr};

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::{Error, ids::shortened};

/// A number of bytes. Text: `64KiB`, `1MiB` (powers of 1,024), `64kB` (of 1,000), `100B`, `0`; fractions like `1.5GiB`
/// are read if they make whole bytes.
///
/// Serde writes the text and reads the text or a number of bytes; a configuration refuses the bare number unless the
/// key itself speaks of bytes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ByteSize(pub u64);

const BINARY: [(&str, u64); 5] = [
    ("TiB", 1 << 40),
    ("GiB", 1 << 30),
    ("MiB", 1 << 20),
    ("KiB", 1 << 10),
    ("B", 1),
];
const DECIMAL: [(&str, u64); 4] = [
    ("TB", 1_000_000_000_000),
    ("GB", 1_000_000_000),
    ("MB", 1_000_000),
    ("kB", 1_000),
];

impl ByteSize {
    /// `n` × 1,024 bytes.
    #[must_use]
    pub const fn kib(n: u64) -> Self {
        Self(n << 10)
    }

    /// `n` × 1,024² bytes.
    #[must_use]
    pub const fn mib(n: u64) -> Self {
        Self(n << 20)
    }

    /// `n` × 1,024³ bytes.
    #[must_use]
    pub const fn gib(n: u64) -> Self {
        Self(n << 30)
    }

    /// The number of bytes.
    #[must_use]
    pub const fn as_bytes(self) -> u64 {
        self.0
    }

    /// The number of bytes as an index; the largest index where a machine's is smaller.
    #[must_use]
    pub fn as_usize(self) -> usize {
        usize::try_from(self.0).unwrap_or(usize::MAX)
    }
}

impl fmt::Display for ByteSize {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0 == 0 {
            return f.write_str("0");
        }
        for (unit, bytes) in BINARY {
            if self.0.is_multiple_of(bytes) {
                return write!(f, "{}{unit}", self.0 / bytes);
            }
        }
        unreachable!("every number is a multiple of one byte")
    }
}

impl FromStr for ByteSize {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let text = text.trim();
        let wrong = || Error::Size {
            text: shortened(text),
        };
        let digits = text
            .find(|c: char| !c.is_ascii_digit() && c != '.')
            .unwrap_or(text.len());
        let (number, unit) = (&text[..digits], text[digits..].trim_start());
        if number.is_empty() {
            return Err(wrong());
        }
        if unit.is_empty() {
            return match number {
                "0" => Ok(Self(0)),
                _ => Err(Error::SizeWithoutUnit {
                    text: shortened(number),
                }),
            };
        }
        let (_, bytes) = BINARY
            .iter()
            .chain(&DECIMAL)
            .find(|(name, _)| name.eq_ignore_ascii_case(unit))
            .ok_or_else(wrong)?;
        let total = scaled(number, u128::from(*bytes)).ok_or_else(wrong)?;
        u64::try_from(total).map(Self).map_err(|_| Error::TooLarge {
            text: shortened(text),
        })
    }
}

/// `number` (digits, perhaps with a fraction) × `unit`, exactly; `None` if it is no number or leaves a remainder.
pub(crate) fn scaled(number: &str, unit: u128) -> Option<u128> {
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    if whole.is_empty() || whole.len() > 20 || fraction.len() > 9 || number.ends_with('.') {
        return None;
    }
    let mut total = whole.parse::<u128>().ok()?.checked_mul(unit)?;
    if !fraction.is_empty() {
        let divisor = 10u128.pow(u32::try_from(fraction.len()).ok()?);
        let part = fraction.parse::<u128>().ok()?.checked_mul(unit)?;
        if !part.is_multiple_of(divisor) {
            return None;
        }
        total = total.checked_add(part / divisor)?;
    }
    Some(total)
}

impl Serialize for ByteSize {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for ByteSize {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Size;
        impl de::Visitor<'_> for Size {
            type Value = ByteSize;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a size like \"64KiB\"")
            }
            fn visit_str<E: de::Error>(self, text: &str) -> Result<ByteSize, E> {
                text.parse().map_err(E::custom)
            }
            fn visit_u64<E: de::Error>(self, bytes: u64) -> Result<ByteSize, E> {
                Ok(ByteSize(bytes))
            }
            fn visit_i64<E: de::Error>(self, bytes: i64) -> Result<ByteSize, E> {
                u64::try_from(bytes)
                    .map(ByteSize)
                    .map_err(|_| E::custom("a size is not negative"))
            }
        }
        deserializer.deserialize_any(Size)
    }
}

impl JsonSchema for ByteSize {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "ByteSize".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({"type": ["string", "integer"], "format": "byte-size", "minimum": 0, "examples": ["64KiB", "1MiB"]})
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_and_writes() {
        for (text, bytes, written) in [
            ("0", 0, "0"),
            ("0B", 0, "0"),
            ("1B", 1, "1B"),
            ("64KiB", 65536, "64KiB"),
            ("64 kib", 65536, "64KiB"),
            ("1024KiB", 1 << 20, "1MiB"),
            ("1.5GiB", 3 << 29, "1536MiB"),
            ("2kB", 2000, "2000B"),
            ("3MB", 3_000_000, "3000000B"),
            ("18446744073709551615B", u64::MAX, "18446744073709551615B"),
        ] {
            let size: ByteSize = text.parse().unwrap();
            assert_eq!(size.0, bytes, "{text}");
            assert_eq!(size.to_string(), written);
            assert_eq!(written.parse(), Ok(size));
            assert_eq!(
                serde_json::from_str::<ByteSize>(&serde_json::to_string(&size).unwrap()).unwrap(),
                size
            );
        }
        assert_eq!(
            serde_json::from_str::<ByteSize>("262144").unwrap(),
            ByteSize::kib(256)
        );
        assert_eq!(
            (ByteSize::mib(1).0, ByteSize::gib(1).as_usize()),
            (1 << 20, 1 << 30)
        );
    }

    #[test]
    fn refuses() {
        for text in ["64", "1.5"] {
            assert!(
                matches!(text.parse::<ByteSize>(), Err(Error::SizeWithoutUnit { .. })),
                "{text}"
            );
        }
        for text in [
            "", "KiB", "64K", "64k", "1.5B", "-1KiB", "1.KiB", ".5KiB", "1..5KiB", "64Kibit",
        ] {
            assert!(
                matches!(text.parse::<ByteSize>(), Err(Error::Size { .. })),
                "{text}"
            );
        }
        assert!(matches!(
            "16777216TiB".parse::<ByteSize>(),
            Err(Error::TooLarge { .. })
        ));
        assert!(serde_json::from_str::<ByteSize>("-1").is_err());
    }
}
