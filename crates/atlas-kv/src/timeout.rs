//! How long a blocking command is ready to wait.

use crate::{Arguments, Error, number};

/// The longest wait in milliseconds: added to any time of the next two centuries it stays within 63 bits.
const TIMEOUT_MS_MAX: f64 = (i64::MAX - (1 << 43)) as f64;

/// Reads seconds, fractions allowed, as milliseconds; 0 is for ever.
///
/// # Errors
/// If the text is no number, a negative one, or too large.
pub(crate) fn seconds(text: &[u8]) -> Result<u64, Error> {
    let seconds =
        number::double(text).ok_or(Error::fixed("ERR timeout is not a float or out of range"))?;
    // Whatever is above zero waits a millisecond at least: rounded down it would wait for ever.
    let timeout_ms = (seconds * 1000.0).ceil();
    if timeout_ms > TIMEOUT_MS_MAX {
        return Err(Error::fixed("ERR timeout is out of range"));
    }
    if timeout_ms < 0.0 {
        return Err(Error::fixed("ERR timeout is negative"));
    }
    Ok(timeout_ms as u64)
}

/// Reads milliseconds; 0 is for ever.
///
/// # Errors
/// If the text is no integer, a negative one, or too large.
pub(crate) fn milliseconds(text: &[u8]) -> Result<u64, Error> {
    let timeout_ms = number::integer(text).ok_or(Error::fixed(
        "ERR timeout is not an integer or out of range",
    ))?;
    match u64::try_from(timeout_ms) {
        Ok(timeout_ms) if timeout_ms as f64 > TIMEOUT_MS_MAX => {
            Err(Error::fixed("ERR timeout is out of range"))
        }
        Ok(timeout_ms) => Ok(timeout_ms),
        Err(_) => Err(Error::fixed("ERR timeout is negative")),
    }
}

/// The timeout of a command that has it first, in milliseconds: `BLMPOP`, `BZMPOP`.
///
/// # Errors
/// As [`seconds`].
pub(crate) fn first(arguments: &Arguments<'_>) -> Result<Option<u64>, Error> {
    seconds(arguments.at(1)).map(Some)
}

/// The timeout of a command that has it last, in milliseconds: `BLPOP`, `BZPOPMIN`.
///
/// # Errors
/// As [`seconds`].
pub(crate) fn last(arguments: &Arguments<'_>) -> Result<Option<u64>, Error> {
    seconds(arguments.at(arguments.len().saturating_sub(1))).map(Some)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn timeouts_are_seconds_as_redis_reads_them() {
        let cases: [(&str, Result<u64, &str>); 17] = [
            ("0", Ok(0)),
            ("1", Ok(1000)),
            ("0.1", Ok(100)),
            ("0.001", Ok(1)),
            ("0.0001", Ok(1)),
            ("1e1", Ok(10_000)),
            ("0x10", Ok(16_000)),
            ("9000000000000000", Ok(9_000_000_000_000_000_000)),
            // Above minus one millisecond nothing is left of it.
            ("-0.0009", Ok(0)),
            ("-1", Err("ERR timeout is negative")),
            ("-inf", Err("ERR timeout is negative")),
            ("inf", Err("ERR timeout is out of range")),
            ("0x7FFFFFFFFFFFFF", Err("ERR timeout is out of range")),
            ("9223372036854775", Err("ERR timeout is out of range")),
            ("", Err("ERR timeout is not a float or out of range")),
            ("nan", Err("ERR timeout is not a float or out of range")),
            ("1 ", Err("ERR timeout is not a float or out of range")),
        ];
        for (text, expected) in cases {
            let read = seconds(text.as_bytes()).map_err(|error| error.to_string());
            assert_eq!(read, expected.map_err(str::to_owned), "{text:?}");
        }
    }
}
