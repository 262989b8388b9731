//! Why a command was refused.

use std::borrow::Cow;

/// Why a command was refused. The text is the error line of the Redis protocol, code first, as clients know it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The key holds another type.
    #[error("WRONGTYPE Operation against a key holding the wrong kind of value")]
    WrongType,
    /// The arguments do not fit together.
    #[error("ERR syntax error")]
    Syntax,
    /// An argument or value should be a signed 64-bit integer.
    #[error("ERR value is not an integer or out of range")]
    NotInteger,
    /// An argument or value should be a floating-point number.
    #[error("ERR value is not a valid float")]
    NotFloat,
    /// A number is outside what the command allows.
    #[error("ERR value is out of range")]
    OutOfRange,
    /// An index is outside the value.
    #[error("ERR index out of range")]
    IndexOutOfRange,
    /// The key does not exist.
    #[error("ERR no such key")]
    NoSuchKey,
    /// Too few or too many arguments.
    #[error("ERR wrong number of arguments for '{command}' command")]
    Arity {
        /// The command's name in lower case.
        command: String,
    },
    /// A blocking command has nothing to answer with now. Its client is to wait; where nobody can wait (inside a
    /// transaction) the answer is nothing, in the shape that [`crate::Command::blocking`] names.
    #[error("ERR nothing to answer with yet")]
    WouldBlock,
    /// Anything else: a whole line with its code.
    #[error("{0}")]
    Line(Cow<'static, str>),
}

impl Error {
    /// A line that is fixed.
    pub const fn fixed(line: &'static str) -> Self {
        Self::Line(Cow::Borrowed(line))
    }

    /// A line made for this case.
    pub fn line(line: impl Into<String>) -> Self {
        Self::Line(Cow::Owned(line.into()))
    }
}
