//! When keys expire, as commands say it: `EX 10`, `PXAT 1700000000000`, `EXPIRE key 10`.

use crate::{Error, number};

/// How an expiry is told: seconds or milliseconds, from now or since 1970.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    /// `EX`, `EXPIRE`: seconds from now.
    Seconds,
    /// `PX`, `PEXPIRE`: milliseconds from now.
    Milliseconds,
    /// `EXAT`, `EXPIREAT`: seconds since 1970.
    SecondsAt,
    /// `PXAT`, `PEXPIREAT`: milliseconds since 1970.
    MillisecondsAt,
}

impl Form {
    /// The form that the option `word` announces, whatever the case of its letters.
    pub(crate) fn of_option(word: &[u8]) -> Option<Self> {
        const OPTIONS: [(&[u8], Form); 4] = [
            (b"ex", Form::Seconds),
            (b"px", Form::Milliseconds),
            (b"exat", Form::SecondsAt),
            (b"pxat", Form::MillisecondsAt),
        ];
        OPTIONS
            .iter()
            .find(|(name, _)| word.eq_ignore_ascii_case(name))
            .map(|&(_, form)| form)
    }

    /// When `text` says, in milliseconds since 1970, at the moment `now_ms`. May lie in the past, even before 1970.
    ///
    /// # Errors
    /// If the text is no integer, or the time is past what 64 bits can say; `command` is named then.
    pub(crate) fn at_ms(self, text: &[u8], now_ms: i64, command: &str) -> Result<i64, Error> {
        let amount = number::integer(text).ok_or(Error::NotInteger)?;
        let amount_ms = match self {
            Self::Seconds | Self::SecondsAt => amount.checked_mul(1000),
            Self::Milliseconds | Self::MillisecondsAt => Some(amount),
        };
        let base_ms = match self {
            Self::Seconds | Self::Milliseconds => now_ms,
            Self::SecondsAt | Self::MillisecondsAt => 0,
        };
        amount_ms
            .and_then(|amount_ms| amount_ms.checked_add(base_ms))
            .ok_or_else(|| invalid(command))
    }

    /// As [`Self::at_ms`], for commands that refuse amounts of nothing and less (`SET`, `GETEX`).
    ///
    /// # Errors
    /// As [`Self::at_ms`], and if the amount is not positive.
    pub(crate) fn positive_at_ms(
        self,
        text: &[u8],
        now_ms: i64,
        command: &str,
    ) -> Result<i64, Error> {
        let at_ms = self.at_ms(text, now_ms, command)?;
        match number::integer(text) {
            Some(1..) if at_ms > 0 => Ok(at_ms),
            _ => Err(invalid(command)),
        }
    }
}

/// The error for a time that no key can expire at.
pub(crate) fn invalid(command: &str) -> Error {
    Error::line(format!("ERR invalid expire time in '{command}' command"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forms_are_resolved_by_the_moment() {
        let now_ms = 5_000;
        let cases = [
            (Form::Seconds, "2", Ok(7_000)),
            (Form::Milliseconds, "2", Ok(5_002)),
            (Form::SecondsAt, "2", Ok(2_000)),
            (Form::MillisecondsAt, "2", Ok(2)),
            (Form::Seconds, "-10", Ok(-5_000)),
            (Form::Seconds, "x", Err(Error::NotInteger)),
            (Form::Seconds, "9223372036854775", Err(invalid("c"))),
            (
                Form::SecondsAt,
                "9223372036854775",
                Ok(9_223_372_036_854_775_000),
            ),
            (Form::SecondsAt, "9223372036854776", Err(invalid("c"))),
            (Form::SecondsAt, "-9223372036854776", Err(invalid("c"))),
            (Form::Milliseconds, "9223372036854775807", Err(invalid("c"))),
            (Form::MillisecondsAt, "9223372036854775807", Ok(i64::MAX)),
        ];
        for (form, text, expected) in cases {
            assert_eq!(
                form.at_ms(text.as_bytes(), now_ms, "c"),
                expected,
                "{form:?} {text}"
            );
        }
    }

    #[test]
    fn some_want_a_positive_amount() {
        for text in ["0", "-1", "-9223372036854775808"] {
            for form in [
                Form::Seconds,
                Form::Milliseconds,
                Form::SecondsAt,
                Form::MillisecondsAt,
            ] {
                assert_eq!(
                    form.positive_at_ms(text.as_bytes(), 5_000, "set"),
                    Err(Error::fixed("ERR invalid expire time in 'set' command")),
                );
            }
        }
        assert_eq!(Form::Seconds.positive_at_ms(b"1", 5_000, "set"), Ok(6_000));
        assert_eq!(
            Form::Seconds.positive_at_ms(b"1.5", 5_000, "set"),
            Err(Error::NotInteger)
        );
    }

    #[test]
    fn options_are_named_in_any_case() {
        assert_eq!(Form::of_option(b"Ex"), Some(Form::Seconds));
        assert_eq!(Form::of_option(b"PXAT"), Some(Form::MillisecondsAt));
        assert_eq!(Form::of_option(b"exa"), None);
    }
}
