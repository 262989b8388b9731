//! Records that go into the log together.

use crate::record::{Kind, Record};
use crate::{Error, LogId};

/// Records in the form of the log, ready to be written as (a part of) one frame. Emptied and used again, it allocates
/// nothing. An engine fills one on its own thread and hands it to the log's.
#[derive(Debug, Clone, Default)]
pub struct Batch {
    /// Each record with its length in front (4 bytes, little-endian).
    pub(crate) bytes: Vec<u8>,
    pub(crate) entries: Vec<BatchEntry>,
}

/// What the log needs to know of a record without reading it again.
#[derive(Debug, Clone, Copy)]
pub(crate) struct BatchEntry {
    pub(crate) group: u64,
    pub(crate) id: LogId,
    pub(crate) kind: Kind,
    /// Of a `skip`, whom it leaves out.
    pub(crate) skipped: Option<u64>,
    /// Where the record's bytes are, without the length.
    pub(crate) start: usize,
    pub(crate) end: usize,
}

impl BatchEntry {
    pub(crate) fn of(record: &Record<'_>, start: usize, end: usize) -> Self {
        Self {
            group: record.group,
            id: LogId {
                term: record.term,
                leader: record.leader,
                index: record.index,
            },
            kind: record.kind,
            skipped: record.skipped_index(),
            start,
            end,
        }
    }
}

impl Batch {
    /// An empty one.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Appends `record`. Nothing is appended if it fails.
    ///
    /// # Errors
    /// [`Error::Record`], as [`Record::encode`].
    pub fn push(&mut self, record: &Record<'_>) -> Result<(), Error> {
        let start = self.bytes.len() + 4;
        self.bytes.extend_from_slice(&[0; 4]);
        if let Err(error) = record.encode(&mut self.bytes) {
            self.bytes.truncate(start - 4);
            return Err(error);
        }
        let end = self.bytes.len();
        // `encode` refuses what is larger than a u32 can say.
        let length = (end - start) as u32;
        self.bytes[start - 4..start].copy_from_slice(&length.to_le_bytes());
        self.entries.push(BatchEntry::of(record, start, end));
        Ok(())
    }

    /// How many records there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// How many bytes they take in a frame.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.bytes.len()
    }

    /// Empties it and keeps its room, up to a MiB.
    pub fn clear(&mut self) {
        const KEPT_BYTES: usize = 1 << 20;
        self.bytes.clear();
        self.bytes.shrink_to(KEPT_BYTES);
        self.entries.clear();
    }
}
