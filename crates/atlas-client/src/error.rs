//! What can go wrong between a question and its answer.

use std::sync::Arc;
use std::time::Duration;

use atlas_resp::reply::Malformed;

use crate::address::Address;

/// A command that has no answer, or an answer that is a refusal.
#[derive(Debug, Clone, thiserror::Error)]
pub enum Error {
    /// The configuration cannot work.
    #[error("{what}")]
    Config {
        /// What is wrong with it.
        what: String,
    },
    /// The server answered an error: the command was not done.
    #[error("the server refused the command")]
    Refused(#[source] Refusal),
    /// No connection could be made; nothing was sent.
    #[error("cannot connect to {address}")]
    Connect {
        /// Where to.
        address: Address,
        /// Why not.
        #[source]
        source: Arc<std::io::Error>,
    },
    /// The server broke the protocol or answered more than is taken.
    #[error("the answer of {address} is not understood")]
    Malformed {
        /// Whose answer.
        address: Address,
        /// What is wrong with it.
        #[source]
        source: Malformed,
    },
    /// There was no room for the command within the time; nothing was sent.
    #[error("no room for the command within {} ms", waited.as_millis())]
    Busy {
        /// How long it waited.
        waited: Duration,
    },
    /// The command may or may not have been done: it was sent, and the answer did not come.
    #[error("{address} did not answer; the command may or may not have been done")]
    OutcomeUnknown {
        /// Who should have answered.
        address: Address,
        /// What happened to the connection, or a timeout.
        #[source]
        source: Arc<std::io::Error>,
    },
    /// Servers sent the command back and forth.
    #[error("the command was redirected more than {redirects_max} times")]
    Redirects {
        /// The limit.
        redirects_max: u32,
    },
    /// A command, or several together, that are larger than the client sends.
    #[error("a request of {bytes} bytes is larger than {request_bytes_max}")]
    TooLarge {
        /// Its size.
        bytes: usize,
        /// The limit.
        request_bytes_max: usize,
    },
    /// `EXEC` did nothing, because a watched key was changed.
    #[error("a watched key was changed")]
    Aborted,
}

impl Error {
    /// True if the command may have been done although it has no answer. Whoever asked must find out, or ask something
    /// that may be done twice.
    pub fn is_outcome_unknown(&self) -> bool {
        matches!(self, Self::OutcomeUnknown { .. } | Self::Malformed { .. })
    }

    /// What the server said, if it refused.
    pub fn refusal(&self) -> Option<&Refusal> {
        match self {
            Self::Refused(refusal) => Some(refusal),
            _ => None,
        }
    }
}

/// A server's error: a code in capitals and a text.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text}")]
pub struct Refusal {
    text: String,
}

impl Refusal {
    pub(crate) fn new(text: &[u8]) -> Self {
        Self {
            text: String::from_utf8_lossy(text).into_owned(),
        }
    }

    /// The first word: `ERR`, `WRONGTYPE`, `NOAUTH`, `MOVED`.
    pub fn code(&self) -> &str {
        self.text.split(' ').next().unwrap_or_default()
    }

    /// All of it.
    pub fn text(&self) -> &str {
        &self.text
    }
}
