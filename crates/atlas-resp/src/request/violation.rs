//! How a client can break the protocol.

use crate::encode::Encoder;

/// What a client did wrong. Its connection is of no more use: where the next command begins is unknown.
///
/// The texts are Redis's; `Display` gives them without the `Protocol error: ` that [`reply`](Self::reply) puts before.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Violation {
    /// The count of arguments is no number, or above what any client may send.
    #[error("invalid multibulk length")]
    MultibulkLength,
    /// More arguments than a client may send before it has logged in.
    #[error("unauthenticated multibulk length")]
    UnauthenticatedMultibulkLength,
    /// The line that should hold the count of arguments has no end.
    #[error("too big mbulk count string")]
    MultibulkLine,
    /// Where an argument should begin, something else stands.
    #[error("expected '$', got '{}'", char::from(*got))]
    ExpectedBulk {
        /// What stands there.
        got: u8,
    },
    /// An argument's length is no number, negative, or above what any client may send.
    #[error("invalid bulk length")]
    BulkLength,
    /// A longer argument, or a longer command, than a client may send before it has logged in.
    #[error("unauthenticated bulk length")]
    UnauthenticatedBulkLength,
    /// The line that should hold an argument's length has no end.
    #[error("too big bulk count string")]
    BulkLine,
    /// A line is longer than an inline command may be.
    #[error("too big inline request")]
    InlineLine,
    /// A quote in an inline command is not closed, or something follows right behind it.
    #[error("unbalanced quotes in request")]
    UnbalancedQuotes,
    /// An inline command holds a zero byte. (Redis takes it for the end of all that it has read, and waits for ever.)
    #[error("zero byte in inline request")]
    ZeroByte,
    /// The whole command is longer than any client may send.
    #[error("too big request")]
    Command,
    /// An HTTP request came in on the port. Redis closes such a connection without an answer.
    #[error("http request")]
    Http,
}

impl Violation {
    /// Writes what the client is told before its connection is closed; nothing for an HTTP request.
    pub fn reply(self, encoder: &mut Encoder<'_>) {
        let mut text = b"ERR Protocol error: ".to_vec();
        match self {
            Self::Http => return,
            // The byte as it came, as Redis says it: it need not be a character.
            Self::ExpectedBulk { got } => {
                text.extend_from_slice(b"expected '$', got '");
                text.push(got);
                text.push(b'\'');
            }
            other => text.extend_from_slice(other.to_string().as_bytes()),
        }
        encoder.error(&text);
    }
}
