//! What can be wrong with something that others wrote.

use crate::document::Place;

/// Why bytes, a path or a hash were refused. Each is the author's to mend; nothing here is worth a retry.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// More bytes than are read.
    #[error("has {bytes} bytes, {bytes_max} at most are read")]
    TooLarge {
        /// How many there are, or how many had been seen when it was given up.
        bytes: u64,
        /// The limit.
        bytes_max: u64,
    },
    /// More keys and values than are read.
    #[error("has more than {values_max} keys and values")]
    TooMany {
        /// The limit.
        values_max: usize,
    },
    /// Bytes that are no UTF-8.
    #[error("is not UTF-8 text")]
    NotText {
        /// Where the first wrong byte is.
        place: Place,
    },
    /// Text that is no TOML.
    #[error("{message}")]
    Toml {
        /// Where.
        place: Place,
        /// What the parser says.
        message: String,
    },
    /// A path that some system would not write, or would write somewhere else.
    #[error("the path {path:?} {wrong}")]
    Path {
        /// The path as it was given.
        path: String,
        /// What is wrong with it, as the rest of a sentence.
        wrong: &'static str,
    },
    /// A hash in a form that its format does not have.
    #[error("{value:?} is no {format} hash: {wrong}")]
    Hash {
        /// What was given.
        value: String,
        /// The format's name.
        format: &'static str,
        /// What would be right.
        wrong: &'static str,
    },
    /// The name of a hash format that nobody knows.
    #[error("the hash format {name:?} is unknown; use sha256, sha512, sha1, md5 or murmur2")]
    HashFormat {
        /// What was given.
        name: String,
    },
    /// A line of an ignore file that is no pattern.
    #[error("{message}")]
    Pattern {
        /// Its line, from 1.
        line: usize,
        /// What is wrong with it.
        message: String,
    },
    /// Configuration files that cannot be merged by key.
    #[error("{which} cannot be merged: {message}")]
    Unmergeable {
        /// Which of the three files.
        which: &'static str,
        /// Why.
        message: String,
    },
    /// Something that cannot be written in a format.
    #[error("cannot be written: {message}")]
    Unwritable {
        /// Why.
        message: String,
    },
    /// An edit of something that is not there, or cannot be edited.
    #[error("cannot change {key}: {wrong}")]
    Edit {
        /// The key, with dots.
        key: String,
        /// Why.
        wrong: &'static str,
    },
}

impl Error {
    /// Where in the file it is, if it is about one place.
    #[must_use]
    pub fn place(&self) -> Option<Place> {
        match self {
            Self::NotText { place } | Self::Toml { place, .. } => Some(*place),
            Self::Pattern { line, .. } => Some(Place {
                line: u32::try_from(*line).unwrap_or(u32::MAX),
                column: 1,
            }),
            _ => None,
        }
    }
}
