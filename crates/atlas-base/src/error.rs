//! What can be wrong with the text form of this crate's types.

/// A text that is none of this crate's types; the message says what would be right.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Not 32 hexadecimal digits with hyphens as in `67e55044-10b1-426f-9247-bb680e5fe0c8`.
    #[error("{text:?} is not an id; ids are UUIDs like \"67e55044-10b1-426f-9247-bb680e5fe0c8\"")]
    Id {
        /// The text that was given.
        text: String,
    },
    /// A duration that is a bare number.
    #[error("duration {text:?} has no unit; write for example \"{text}s\" or \"{text}ms\"")]
    SpanWithoutUnit {
        /// The text that was given, a number.
        text: String,
    },
    /// A duration that cannot be read.
    #[error(
        "{text:?} is not a duration; write a number and a unit (ms, s, m, h, d), like \"500ms\", \"5s\" or \"1m30s\""
    )]
    Span {
        /// The text that was given.
        text: String,
    },
    /// A size that is a bare number.
    #[error(
        "size {text:?} has no unit; write for example \"{text}B\", \"{text}KiB\" or \"{text}MiB\""
    )]
    SizeWithoutUnit {
        /// The text that was given, a number.
        text: String,
    },
    /// A size that cannot be read.
    #[error(
        "{text:?} is not a size; write a number and a unit (B, KiB, MiB, GiB, kB, MB, GB), like \"64KiB\""
    )]
    Size {
        /// The text that was given.
        text: String,
    },
    /// A duration or size that exceeds what can be counted.
    #[error("{text:?} is too large")]
    TooLarge {
        /// The text that was given.
        text: String,
    },
}
