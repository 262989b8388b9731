//! What a chore can fail by.

use std::path::PathBuf;

/// A chore's failure; `main` prints it with its causes and exits with 1.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    /// A program could not be started at all.
    #[error("could not start `{program}`")]
    Start {
        /// The program's name as it was called.
        program: String,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// A program ran and said no.
    #[error("`{command}` failed ({status})")]
    Failed {
        /// The command line.
        command: String,
        /// How it ended.
        status: String,
    },
    /// A file could not be read or written.
    #[error("could not {action} {path}")]
    File {
        /// "read", "write", "create".
        action: &'static str,
        /// Which file.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// A program's output was not what it promises.
    #[error("{what} is not readable as JSON")]
    Json {
        /// Whose output.
        what: String,
        /// Where it broke.
        #[source]
        source: serde_json::Error,
    },
    /// Something the chore itself checked is not so; the message says what and what to do.
    #[error("{0}")]
    Check(String),
}

impl Error {
    /// A failed check, from anything that prints.
    pub(crate) fn check(message: impl Into<String>) -> Self {
        Self::Check(message.into())
    }
}
