//! Writing the next segment ahead.

use std::fmt;
use std::io;
use std::sync::Arc;

use crate::disk::{Disk, DiskFile};
use crate::error::{self, Error};
use crate::layout;
use crate::segment::{HEADER_BYTES, SegmentHeader};

/// A segment that is to be written ahead: zeros over its whole length, durable. That takes as long as the disk needs
/// for so many bytes, so it can be done on another thread: hand what [`Preparation::run`] returns to
/// [`crate::Log::install`].
pub struct Preparation {
    pub(crate) disk: Arc<dyn Disk>,
    pub(crate) header: SegmentHeader,
}

/// A segment that was written ahead and has no name in the log yet.
#[derive(Debug)]
pub struct Prepared {
    pub(crate) file: Box<dyn DiskFile>,
    pub(crate) header: SegmentHeader,
    pub(crate) header_sum: u64,
    pub(crate) name: String,
}

impl fmt::Debug for Preparation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Preparation")
            .field("header", &self.header)
            .finish_non_exhaustive()
    }
}

impl Preparation {
    /// How many bytes it will write.
    #[must_use]
    pub const fn bytes(&self) -> u64 {
        self.header.bytes
    }

    /// Writes it. If that fails, what was written is removed, so that a full disk is not filled to its brim; nothing
    /// that was promised is touched.
    ///
    /// # Errors
    /// [`Error::Full`] if there is no space; [`Error::Io`].
    pub fn run(self) -> Result<Prepared, Error> {
        let name = layout::unfinished_segment(self.header.number, self.header.file_id);
        let path = self.disk.directory().join(&name);
        let file = self
            .disk
            .create(&name)
            .map_err(|source| error::io("create", path.clone(), 0, source))?;
        let (head, header_sum) = self.header.encode();
        let write = || -> Result<(), (u64, io::Error)> {
            file.write_all_at(&head, 0)?;
            file.write_zeros(HEADER_BYTES, self.header.bytes)
                .map_err(|(written, source)| (HEADER_BYTES + written, source))?;
            // The file has no promised byte: if this fails it is thrown away, and never synced again.
            file.sync_data()
                .map_err(|source| (self.header.bytes, source))
        };
        if let Err((offset, source)) = write() {
            drop(file);
            // If this fails too the file is removed when the log is opened next.
            let _ = self.disk.remove(&name);
            return Err(error::io("write", path, offset, source));
        }
        Ok(Prepared {
            file,
            header: self.header,
            header_sum,
            name,
        })
    }
}
