//! What a helper could not do, in words that explain a failed test.

use std::path::PathBuf;
use std::time::Duration;

/// The result of a helper.
pub type Result<T> = std::result::Result<T, Error>;

/// Why a helper gave up.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The deadline passed before it happened.
    #[error("{what} did not happen within {within:?}{}", seen_suffix(.seen))]
    Late {
        /// What was awaited.
        what: String,
        /// The whole time given.
        within: Duration,
        /// What was seen instead; empty if there is nothing to tell.
        seen: String,
    },
    /// A child could not be started.
    #[error("cannot start {}", program.display())]
    Start {
        /// The program.
        program: PathBuf,
        /// The cause.
        #[source]
        source: std::io::Error,
    },
    /// A child ended although it was needed.
    #[error("{what} ended ({status}) before {awaited}\n--- its stderr ---\n{stderr}")]
    Ended {
        /// The child.
        what: String,
        /// How it ended.
        status: String,
        /// What was awaited of it.
        awaited: String,
        /// What it had printed to stderr.
        stderr: String,
    },
    /// Reading or writing failed.
    #[error("{what} failed")]
    Io {
        /// What was being done.
        what: String,
        /// The cause.
        #[source]
        source: std::io::Error,
    },
    /// A WebSocket failed.
    #[error("websocket: {what} failed: {source}")]
    WebSocket {
        /// What was being done.
        what: String,
        /// The cause.
        #[source]
        source: Box<tokio_tungstenite::tungstenite::Error>,
    },
    /// Something else came than what the test needs.
    #[error("expected {expected}, got {got}")]
    Unexpected {
        /// What the test needs.
        expected: String,
        /// What came.
        got: String,
    },
}

impl Error {
    pub(crate) fn io(what: impl Into<String>) -> impl FnOnce(std::io::Error) -> Self {
        let what = what.into();
        move |source| Self::Io { what, source }
    }

    pub(crate) fn websocket(
        what: impl Into<String>,
    ) -> impl FnOnce(tokio_tungstenite::tungstenite::Error) -> Self {
        let what = what.into();
        move |source| Self::WebSocket {
            what,
            source: Box::new(source),
        }
    }

    pub(crate) fn unexpected(expected: impl Into<String>, got: impl Into<String>) -> Self {
        Self::Unexpected {
            expected: expected.into(),
            got: got.into(),
        }
    }
}

fn seen_suffix(seen: &str) -> String {
    if seen.is_empty() {
        String::new()
    } else {
        format!("; seen instead: {seen}")
    }
}
