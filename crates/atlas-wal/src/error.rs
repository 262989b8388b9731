//! What can go wrong with a log, a snapshot, or the directory they are in.

use std::io;
use std::path::PathBuf;

/// Why the log or a snapshot could not do what was asked. Each names the file, and where there is one the offset.
///
/// Who must act: `Full` ends by itself once there is space; `Refusing` ends with a restart; `Corrupt`,
/// `MissingSegment` and `NoSnapshot` need a person (or, in a group, another node's copy); `Order`, `FrameTooLarge`,
/// `RecordTooLarge` and `Purged` are the caller's.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The disk refused an operation; nothing that was promised is touched.
    #[error("cannot {action} {}{}", file.display(), at(*offset))]
    Io {
        /// What was tried, as a verb: `read`, `write`, `create`.
        action: &'static str,
        /// The file or directory.
        file: PathBuf,
        /// Where in the file; 0 if it is about the file as a whole.
        offset: u64,
        /// What the disk said.
        source: io::Error,
    },
    /// No space is left. Nothing was promised and nothing is lost; the same call works once there is space.
    #[error("the disk is full: no room for {} at offset {offset}", file.display())]
    Full {
        /// The file that was being written.
        file: PathBuf,
        /// How far it came.
        offset: u64,
        /// What the disk said.
        source: io::Error,
    },
    /// A sync or a write failed in a way after which the disk cannot be believed: from now on the log refuses writes.
    #[error("cannot make {} durable past offset {offset}; writes are refused until a restart", file.display())]
    SyncFailed {
        /// The file.
        file: PathBuf,
        /// What lies before was durable; what was written behind it may be or not.
        offset: u64,
        /// What the disk said.
        source: io::Error,
    },
    /// The log refuses to write since an earlier failure.
    #[error("writes are refused until a restart, since {} failed at offset {offset}: {cause}", file.display())]
    Refusing {
        /// The file of the first failure.
        file: PathBuf,
        /// Where in it.
        offset: u64,
        /// What failed first.
        cause: String,
    },
    /// Damage to what had been made durable. Nothing was changed.
    #[error("{} is damaged at offset {offset}: {what}", file.display())]
    Corrupt {
        /// The file.
        file: PathBuf,
        /// The first byte of what is damaged.
        offset: u64,
        /// What was found, and what proves the loss.
        what: String,
    },
    /// A segment is gone whose records nothing covers. Nothing was changed.
    #[error("{} is missing: {what}", file.display())]
    MissingSegment {
        /// The file that should be there.
        file: PathBuf,
        /// What proves that it was there.
        what: String,
    },
    /// Written by a newer Atlas. Nothing was changed.
    #[error(
        "{} has format version {version}; this atlas knows up to {known}, use the one that wrote it", file.display()
    )]
    NewerFormat {
        /// The file.
        file: PathBuf,
        /// Its version.
        version: u32,
        /// The newest that is known here.
        known: u32,
    },
    /// Written under rules of `apply` that are newer than this program's. Nothing was changed.
    #[error("{} has apply level {level}; this atlas knows up to {known}, use the one that wrote it", file.display())]
    NewerApplyLevel {
        /// The file.
        file: PathBuf,
        /// Its level.
        level: u32,
        /// The newest that is known here.
        known: u32,
    },
    /// The files are another node's or another cluster's. Nothing was changed.
    #[error("{} belongs to {theirs}, this is {ours}", file.display())]
    Foreign {
        /// The file.
        file: PathBuf,
        /// Whose it is.
        theirs: String,
        /// Who asked.
        ours: String,
    },
    /// Another process has the directory. Nothing was changed.
    #[error("{} is in use by {}", directory.display(), process(*pid))]
    InUse {
        /// The directory.
        directory: PathBuf,
        /// The process, if it could be read.
        pid: Option<u32>,
    },
    /// The directory is another user's. Nothing was changed.
    #[error(
        "{} belongs to user {owner}, this process runs as user {user}; run as its owner or give it away with chown",
        directory.display()
    )]
    Owner {
        /// The directory.
        directory: PathBuf,
        /// Whose it is.
        owner: u32,
        /// Who asked.
        user: u32,
    },
    /// There is no log, and it was not asked for a new one.
    #[error("{} has no log", directory.display())]
    NoLog {
        /// The directory.
        directory: PathBuf,
    },
    /// There are snapshots but no log: its files were removed, or this is half a backup. Nothing was changed.
    #[error(
        "{} has the snapshot {snapshot} but no log; put the log's files back, or restore a backup",
        directory.display()
    )]
    SnapshotWithoutLog {
        /// The directory.
        directory: PathBuf,
        /// One of the snapshots.
        snapshot: String,
    },
    /// The log begins after what the newest whole snapshot covers, so that records are missing between them.
    #[error(
        "group {group} of {}: the log begins at index {first_index}, and no whole snapshot reaches index {}; {found}",
        directory.display(), first_index - 1
    )]
    NoSnapshot {
        /// The directory.
        directory: PathBuf,
        /// The group.
        group: u64,
        /// The first index in the log.
        first_index: u64,
        /// What snapshots there are, and what is wrong with them.
        found: String,
    },
    /// A record does not follow the one before it in its group; nothing was written.
    #[error("group {group}: index {index} cannot be written, {expected}")]
    Order {
        /// The group.
        group: u64,
        /// The record's index.
        index: u64,
        /// What could be.
        expected: String,
    },
    /// A batch is larger than a frame may be; nothing was written.
    #[error("a frame of {bytes} bytes is larger than the {bytes_max} that are allowed")]
    FrameTooLarge {
        /// Its size.
        bytes: u64,
        /// `Options::frame_bytes_max`.
        bytes_max: u64,
    },
    /// A record cannot be written down: too large, or its ranges lie outside its bytes.
    #[error("a record cannot be encoded: {what}")]
    Record {
        /// What is wrong with it.
        what: &'static str,
    },
    /// A block of a snapshot is larger than 4 MiB, or of a kind that is kept for the format itself.
    #[error("a snapshot block of kind {kind} and {bytes} bytes cannot be written")]
    Block {
        /// Its kind.
        kind: u16,
        /// Its size.
        bytes: usize,
    },
    /// Records were asked for that are no longer in the log, or not yet.
    #[error(
        "group {group}: index {index} is not in the log, which has {first_index} to {last_index}"
    )]
    Outside {
        /// The group.
        group: u64,
        /// What was asked for.
        index: u64,
        /// The first index there is.
        first_index: u64,
        /// The last index there is.
        last_index: u64,
    },
    /// A purge would remove what no verified snapshot covers; nothing was written.
    #[error(
        "group {group}: index {index} cannot be purged, the snapshot covers group {covers_group} up to {covered}"
    )]
    NotCovered {
        /// The group.
        group: u64,
        /// Up to where should have been purged.
        index: u64,
        /// The snapshot's group.
        covers_group: u64,
        /// The snapshot's index.
        covered: u64,
    },
}

impl Error {
    /// The file and the offset that it is about, where it is about damage.
    #[must_use]
    pub fn place(&self) -> Option<(&std::path::Path, u64)> {
        match self {
            Self::Corrupt { file, offset, .. } | Self::Io { file, offset, .. } => {
                Some((file, *offset))
            }
            Self::MissingSegment { file, .. }
            | Self::NewerFormat { file, .. }
            | Self::NewerApplyLevel { file, .. }
            | Self::Foreign { file, .. } => Some((file, 0)),
            _ => None,
        }
    }

    /// Whether this ends by itself once there is space on the disk.
    #[must_use]
    pub fn is_full(&self) -> bool {
        matches!(self, Self::Full { .. })
    }

    /// Whether the log refuses writes from now on, until it is opened anew.
    #[must_use]
    pub fn refuses_writes(&self) -> bool {
        matches!(self, Self::SyncFailed { .. } | Self::Refusing { .. })
    }
}

/// Where in a file, unless it is about the file as a whole.
fn at(offset: u64) -> String {
    match offset {
        0 => String::new(),
        _ => format!(" at offset {offset}"),
    }
}

fn process(pid: Option<u32>) -> String {
    match pid {
        Some(pid) => format!("process {pid}"),
        None => "another process".into(),
    }
}

/// An error of the disk, as ours: a full disk is told apart.
pub(crate) fn io(action: &'static str, file: PathBuf, offset: u64, source: io::Error) -> Error {
    match source.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Error::Full {
            file,
            offset,
            source,
        },
        _ => Error::Io {
            action,
            file,
            offset,
            source,
        },
    }
}
