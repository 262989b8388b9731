//! Writing a snapshot.

use std::fmt;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use super::format::{self, BLOCK_BYTES_MAX, Content, FOOTER, FORMAT_KINDS};
use super::{SnapshotHeader, SnapshotReader, Verified};
use crate::disk::{Disk, DiskFile};
use crate::error::{self, Error};
use crate::layout;

/// So much is gathered before it is written.
const BUFFER_BYTES: usize = 256 * 1024;
/// What is written before the end is a multiple of this, and of the blocks of any disk: see [`Disk::create_aside`].
const WRITE_BYTES: usize = 4096;
/// So much is written before it is made durable, so that the log's syncs never wait behind a whole snapshot.
const SYNC_BYTES: u64 = 8 << 20;

/// A snapshot that is being written, under a name that nobody reads. Dropped before [`SnapshotWriter::finish`] it
/// leaves nothing behind.
pub struct SnapshotWriter {
    disk: Arc<dyn Disk>,
    file: Option<Box<dyn DiskFile>>,
    name: String,
    header: SnapshotHeader,
    file_id: u128,
    /// What is not written yet; it goes to `written`.
    buffer: Vec<u8>,
    written: u64,
    synced: u64,
    previous: u64,
    content: Content,
    failed: bool,
    renames_before_sync: bool,
    renames_without_directory_sync: bool,
}

impl fmt::Debug for SnapshotWriter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SnapshotWriter")
            .field("name", &self.name)
            .field("header", &self.header)
            .field("written", &self.written)
            .finish_non_exhaustive()
    }
}

impl SnapshotWriter {
    /// Begins a snapshot.
    ///
    /// # Errors
    /// [`Error::Io`], [`Error::Full`].
    pub fn create(disk: Arc<dyn Disk>, header: SnapshotHeader) -> Result<Self, Error> {
        let directory = || PathBuf::from(disk.directory());
        let file_id = disk
            .fresh_id()
            .map_err(|source| error::io("draw a file id for", directory(), 0, source))?;
        let name = layout::unfinished_snapshot(header.group, header.id.index, file_id);
        let file = disk
            .create_aside(&name)
            .map_err(|source| error::io("create", directory().join(&name), 0, source))?;
        let (buffer, previous) = format::encode_header(&header, file_id);
        Ok(Self {
            disk,
            file: Some(file),
            name,
            header,
            file_id,
            buffer,
            written: 0,
            synced: 0,
            previous,
            content: Content::default(),
            failed: false,
            renames_before_sync: false,
            renames_without_directory_sync: false,
        })
    }

    /// Puts a known bug in, for tests of the tests.
    #[cfg(feature = "planted-bugs")]
    #[must_use]
    pub fn plant(mut self, bug: Option<crate::Planted>) -> Self {
        self.renames_before_sync = bug == Some(crate::Planted::SnapshotRenamedBeforeSync);
        self.renames_without_directory_sync =
            bug == Some(crate::Planted::RenameWithoutDirectorySync);
        self
    }

    /// Appends a block.
    ///
    /// # Errors
    /// [`Error::Block`]: larger than [`BLOCK_BYTES_MAX`], or of a kind from [`FORMAT_KINDS`] on. [`Error::Io`],
    /// [`Error::Full`]: the snapshot cannot be finished.
    pub fn block(&mut self, kind: u16, payload: &[u8]) -> Result<(), Error> {
        if payload.len() > BLOCK_BYTES_MAX || kind >= FORMAT_KINDS {
            return Err(Error::Block {
                kind,
                bytes: payload.len(),
            });
        }
        self.content.add(kind, payload);
        self.put(kind, payload)
    }

    /// How many bytes the file has so far.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.written + self.buffer.len() as u64
    }

    /// Writes the footer, makes it all durable, gives it its name, makes that durable, and reads all of it back.
    ///
    /// # Errors
    /// [`Error::Io`], [`Error::Full`], [`Error::SyncFailed`] or [`Error::Corrupt`] of what was read back: the snapshot
    /// does not count, nothing else is touched.
    pub fn finish(mut self) -> Result<Verified, Error> {
        let footer = self.content.footer();
        self.put(FOOTER, &footer.encode())?;
        self.flush(self.buffer.len())?;
        if !self.renames_before_sync {
            self.sync()?;
        }
        let name = layout::snapshot(self.header.group, self.header.id.index);
        let directory = PathBuf::from(self.disk.directory());
        self.disk
            .rename(&self.name, &name)
            .map_err(|source| error::io("rename", directory.join(&self.name), 0, source))?;
        // From here on there is nothing under the old name to be removed.
        let file = self.file.take();
        if !self.renames_without_directory_sync {
            self.disk
                .sync_directory()
                .map_err(|source| Error::SyncFailed {
                    file: directory.clone(),
                    offset: 0,
                    source,
                })?;
        }
        if let Some(file) = file {
            file.drop_cache()
                .map_err(|source| error::io("read", directory.join(&name), 0, source))?;
        }
        SnapshotReader::open_aside(Arc::clone(&self.disk), &name)?.verify()
    }

    fn put(&mut self, kind: u16, payload: &[u8]) -> Result<(), Error> {
        let offset = self.bytes();
        self.previous = format::encode_block(
            &mut self.buffer,
            kind,
            payload,
            self.file_id,
            offset,
            self.previous,
        );
        if self.buffer.len() >= BUFFER_BYTES {
            self.flush(self.buffer.len() / WRITE_BYTES * WRITE_BYTES)?;
        }
        if self.written - self.synced >= SYNC_BYTES {
            self.sync()?;
        }
        Ok(())
    }

    /// Writes the first `count` bytes of what is gathered.
    fn flush(&mut self, count: usize) -> Result<(), Error> {
        self.usable()?;
        let Some(file) = &self.file else {
            return Ok(());
        };
        if let Err((_, source)) = file.write_all_at(&self.buffer[..count], self.written) {
            self.failed = true;
            return Err(error::io("write", self.path(), self.written, source));
        }
        self.written += count as u64;
        self.buffer.drain(..count);
        self.buffer.shrink_to(2 * BUFFER_BYTES);
        Ok(())
    }

    fn sync(&mut self) -> Result<(), Error> {
        self.usable()?;
        if let Some(file) = &self.file
            && let Err(source) = file.sync_data()
        {
            // A second sync would not be believed: this file is given up.
            self.failed = true;
            return Err(match error::io("write", self.path(), self.synced, source) {
                Error::Io {
                    file,
                    offset,
                    source,
                    ..
                } => Error::SyncFailed {
                    file,
                    offset,
                    source,
                },
                full => full,
            });
        }
        self.synced = self.written;
        Ok(())
    }

    fn usable(&self) -> Result<(), Error> {
        if self.failed {
            let source = io::Error::other("an earlier write to it failed");
            return Err(error::io("write", self.path(), self.written, source));
        }
        Ok(())
    }

    fn path(&self) -> PathBuf {
        self.disk.directory().join(&self.name)
    }
}

impl Drop for SnapshotWriter {
    fn drop(&mut self) {
        if self.file.take().is_some() {
            // If this fails the file is removed when the log is opened next.
            let _ = self.disk.remove(&self.name);
        }
    }
}
