//! What a measurement can fail by.

use std::path::PathBuf;

/// Why a measurement gave no figure.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A system call that has to work did not.
    #[error("could not {action}")]
    System {
        /// What was tried.
        action: String,
        /// What the system said.
        #[source]
        source: std::io::Error,
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
    /// The other side did not behave as the measurement needs it to.
    #[error("{who}: {what}")]
    Peer {
        /// Which program or connection.
        who: String,
        /// What it did.
        what: String,
    },
    /// Something was not reached in time.
    #[error("{what} did not happen within {seconds} s")]
    Late {
        /// What was awaited.
        what: String,
        /// How long.
        seconds: u64,
    },
}

impl Error {
    pub(crate) fn system(action: impl Into<String>) -> impl FnOnce(std::io::Error) -> Self {
        let action = action.into();
        move |source| Self::System { action, source }
    }

    pub(crate) fn peer(who: impl Into<String>, what: impl Into<String>) -> Self {
        Self::Peer {
            who: who.into(),
            what: what.into(),
        }
    }
}
