//! Moments as people write and read them: RFC 3339, in UTC where nothing else is said.

use jiff::Timestamp;

/// Reads a moment: `2026-11-21T20:15:00Z`, with any offset, or milliseconds since 1970.
pub(crate) fn parse(text: &str) -> Result<u64, String> {
    let wrong = || {
        "write a time with its offset, like 2026-11-21T20:15:00Z or 2026-11-21T21:15:00+01:00, or milliseconds since 1970"
            .to_owned()
    };
    if let Ok(millis) = text.parse() {
        return Ok(millis);
    }
    let moment: Timestamp = text.parse().map_err(|_| wrong())?;
    u64::try_from(moment.as_millisecond()).map_err(|_| wrong())
}

/// A moment, given as milliseconds since 1970.
pub(crate) fn text(millis: u64) -> String {
    let moment = i64::try_from(millis)
        .ok()
        .and_then(|millis| Timestamp::from_millisecond(millis).ok());
    moment.map_or_else(|| "now".to_owned(), |moment| format!("{moment:.3}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_read_and_written() {
        for (written, millis) in [
            ("2026-11-21T20:15:00Z", 1_795_292_100_000),
            ("2026-11-21T21:15:00.250+01:00", 1_795_292_100_250),
            ("1795292100000", 1_795_292_100_000),
        ] {
            assert_eq!(parse(written), Ok(millis), "{written}");
        }
        assert_eq!(text(1_795_292_100_250), "2026-11-21T20:15:00.250Z");
        for wrong in [
            "",
            "yesterday",
            "2026-11-21",
            "2026-11-21 20:15",
            "1960-01-01T00:00:00Z",
        ] {
            assert!(parse(wrong).unwrap_err().contains("offset"), "{wrong}");
        }
    }
}
