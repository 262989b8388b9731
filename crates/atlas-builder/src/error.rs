//! What can go wrong before a pack can be looked at.

use std::io;
use std::path::PathBuf;

/// Why a pack could not be read at all.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The folder holds no pack.
    #[error("{} holds no pack.toml", folder.display())]
    NoPack {
        /// The folder.
        folder: PathBuf,
        /// Folders close by that hold one.
        near: Vec<PathBuf>,
    },
    /// A folder or a file cannot be read.
    #[error("cannot read {}", path.display())]
    Read {
        /// Which.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// More files than a pack may have.
    #[error("{} holds more than {files_max} files", folder.display())]
    TooManyFiles {
        /// The folder.
        folder: PathBuf,
        /// The limit.
        files_max: usize,
    },
}
