//! Durations, as a person writes them.

use std::{fmt, ops::Deref, str::FromStr, time::Duration};

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::{Error, ids::shortened, size::scaled};

/// A duration of a configuration. Text: `500ms`, `5s`, `10m`, `1h`, `7d`, `1m30s`, `1.5s`; a bare number is refused,
/// because nobody can tell seconds from milliseconds (`0` alone is accepted).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TimeSpan(pub Duration);

/// Units with their nanoseconds, largest first.
const UNITS: [(&str, u128); 7] = [
    ("d", 86_400_000_000_000),
    ("h", 3_600_000_000_000),
    ("m", 60_000_000_000),
    ("s", 1_000_000_000),
    ("ms", 1_000_000),
    ("us", 1_000),
    ("ns", 1),
];

impl TimeSpan {
    /// `millis` milliseconds.
    #[must_use]
    pub const fn from_millis(millis: u64) -> Self {
        Self(Duration::from_millis(millis))
    }

    /// `secs` seconds.
    #[must_use]
    pub const fn from_secs(secs: u64) -> Self {
        Self(Duration::from_secs(secs))
    }

    /// The same as the standard library's duration.
    #[must_use]
    pub const fn as_duration(self) -> Duration {
        self.0
    }
}

impl Deref for TimeSpan {
    type Target = Duration;

    fn deref(&self) -> &Duration {
        &self.0
    }
}

impl From<Duration> for TimeSpan {
    fn from(duration: Duration) -> Self {
        Self(duration)
    }
}

impl From<TimeSpan> for Duration {
    fn from(span: TimeSpan) -> Self {
        span.0
    }
}

impl fmt::Display for TimeSpan {
    /// One unit where that is exact and short (`90s` is `1m30s`, `1500ms` is `1s500ms`).
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut rest = self.0.as_nanos();
        if rest == 0 {
            return f.write_str("0s");
        }
        for (unit, nanos) in UNITS {
            if rest >= nanos {
                write!(f, "{}{unit}", rest / nanos)?;
                rest %= nanos;
            }
        }
        Ok(())
    }
}

impl FromStr for TimeSpan {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let text = text.trim();
        let wrong = || Error::Span {
            text: shortened(text),
        };
        if text == "0" {
            return Ok(Self(Duration::ZERO));
        }
        if !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit() || b == b'.') {
            return Err(Error::SpanWithoutUnit {
                text: shortened(text),
            });
        }
        let mut total: u128 = 0;
        let mut rest = text;
        // Units only shrink from left to right, so that "5s1m" is found to be a slip.
        let mut allowed = &UNITS[..];
        while !rest.is_empty() {
            let digits = rest
                .find(|c: char| !c.is_ascii_digit() && c != '.')
                .ok_or_else(wrong)?;
            let (number, tail) = rest.split_at(digits);
            let tail = tail.trim_start();
            let letters = tail
                .find(|c: char| !c.is_ascii_alphabetic())
                .unwrap_or(tail.len());
            let (unit, tail) = tail.split_at(letters);
            let at = allowed
                .iter()
                .position(|(name, _)| *name == unit)
                .ok_or_else(wrong)?;
            let part = scaled(number, allowed[at].1).ok_or_else(wrong)?;
            total = total.checked_add(part).ok_or_else(wrong)?;
            allowed = &allowed[at + 1..];
            rest = tail.trim_start();
        }
        if text.is_empty() {
            return Err(wrong());
        }
        let too_large = |_| Error::TooLarge {
            text: shortened(text),
        };
        let seconds = u64::try_from(total / 1_000_000_000).map_err(too_large)?;
        let nanos = u32::try_from(total % 1_000_000_000).map_err(too_large)?;
        Ok(Self(Duration::new(seconds, nanos)))
    }
}

impl Serialize for TimeSpan {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for TimeSpan {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Span;
        impl Span {
            fn number<E: de::Error>(number: impl fmt::Display) -> Result<TimeSpan, E> {
                match number.to_string().as_str() {
                    "0" => Ok(TimeSpan(Duration::ZERO)),
                    text => Err(E::custom(Error::SpanWithoutUnit {
                        text: text.to_owned(),
                    })),
                }
            }
        }
        impl de::Visitor<'_> for Span {
            type Value = TimeSpan;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a duration like \"5s\"")
            }
            fn visit_str<E: de::Error>(self, text: &str) -> Result<TimeSpan, E> {
                text.parse().map_err(E::custom)
            }
            fn visit_u64<E: de::Error>(self, number: u64) -> Result<TimeSpan, E> {
                Self::number(number)
            }
            fn visit_i64<E: de::Error>(self, number: i64) -> Result<TimeSpan, E> {
                Self::number(number)
            }
            fn visit_f64<E: de::Error>(self, number: f64) -> Result<TimeSpan, E> {
                Self::number(number)
            }
        }
        deserializer.deserialize_any(Span)
    }
}

impl JsonSchema for TimeSpan {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "TimeSpan".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({"type": "string", "format": "time-span", "examples": ["500ms", "5s", "10m"]})
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_and_writes() {
        for (text, millis, written) in [
            ("0", 0, "0s"),
            ("0s", 0, "0s"),
            ("500ms", 500, "500ms"),
            ("5s", 5000, "5s"),
            ("1.5s", 1500, "1s500ms"),
            ("10m", 600_000, "10m"),
            ("90s", 90_000, "1m30s"),
            ("1m 30s", 90_000, "1m30s"),
            ("24h", 86_400_000, "1d"),
            ("7 d", 604_800_000, "7d"),
            ("2500us", 0, "2ms500us"),
        ] {
            let span: TimeSpan = text.parse().unwrap();
            if millis > 0 {
                assert_eq!(span, TimeSpan::from_millis(millis), "{text}");
            }
            assert_eq!(span.to_string(), written);
            assert_eq!(written.parse(), Ok(span));
            assert_eq!(
                serde_json::from_str::<TimeSpan>(&serde_json::to_string(&span).unwrap()).unwrap(),
                span
            );
        }
        assert_eq!(
            serde_json::from_str::<TimeSpan>("0").unwrap(),
            TimeSpan::default()
        );
    }

    #[test]
    fn refuses() {
        for text in ["5", "1.5", "500"] {
            assert!(
                matches!(text.parse::<TimeSpan>(), Err(Error::SpanWithoutUnit { .. })),
                "{text}"
            );
        }
        for text in [
            "", "s", "5x", "5S", "5M", "-5s", "5s1m", "5s5s", "1.s", "5 s 3", "five", "0.1ns",
        ] {
            assert!(
                matches!(text.parse::<TimeSpan>(), Err(Error::Span { .. })),
                "{text}"
            );
        }
        assert!(matches!(
            "99999999999999999999d".parse::<TimeSpan>(),
            Err(Error::TooLarge { .. })
        ));
        let message = serde_json::from_str::<TimeSpan>("5")
            .unwrap_err()
            .to_string();
        assert!(message.contains("has no unit"), "{message}");
    }
}
