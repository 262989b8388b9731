//! Snapshots: the image of a group beside the log, in blocks whose content only the store knows.
//!
//! A snapshot has its name only once it is whole and durable and was read back. Each block is checked before it is
//! handed out; the footer proves that none is missing.

mod choose;
mod format;
mod reader;
mod writer;

pub use choose::{Choice, Found, choose, list, remove};
pub use format::{BLOCK_BYTES_MAX, FORMAT_KINDS};
pub use reader::{Block, SnapshotReader};
pub use writer::SnapshotWriter;

use crate::LogId;

/// What a snapshot is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SnapshotHeader {
    /// The cluster whose data it is.
    pub cluster: u128,
    /// The node that wrote it.
    pub node: u64,
    /// The group.
    pub group: u64,
    /// The last record that it has the effect of.
    pub id: LogId,
    /// The state's clock at that record: milliseconds since 1970.
    pub now_ms: u64,
    /// The rules by which the records were applied.
    pub apply_level: u32,
}

/// A snapshot that is durable and was read back: what a purge needs to see.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verified {
    pub(crate) name: String,
    pub(crate) header: SnapshotHeader,
    pub(crate) blocks: u64,
    pub(crate) bytes: u64,
    pub(crate) content_hash: u128,
}

impl Verified {
    /// Its file's name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What it is of.
    #[must_use]
    pub const fn header(&self) -> &SnapshotHeader {
        &self.header
    }

    /// How many blocks it has.
    #[must_use]
    pub const fn blocks(&self) -> u64 {
        self.blocks
    }

    /// The length of its file.
    #[must_use]
    pub const fn bytes(&self) -> u64 {
        self.bytes
    }

    /// A hash of all blocks' kinds and contents in order, the same on every node that wrote the same blocks: XXH3 with
    /// 128 bits.
    #[must_use]
    pub const fn content_hash(&self) -> u128 {
        self.content_hash
    }
}
