//! Reading a snapshot.

use std::fmt;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use super::format::{self, BLOCK_HEADER_BYTES, Content, FOOTER, Footer, HEADER_BYTES};
use super::{SnapshotHeader, Verified};
use crate::disk::{Disk, DiskFile};
use crate::error::{self, Error};
use crate::segment::BadHeader;
use crate::window::Window;

/// A snapshot that is being read.
pub struct SnapshotReader {
    path: PathBuf,
    name: String,
    file: Box<dyn DiskFile>,
    length: u64,
    header: SnapshotHeader,
    file_id: u128,
    window: Window,
    offset: u64,
    previous: u64,
    content: Content,
    footer: Option<Footer>,
}

/// A block of a snapshot, checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Block<'a> {
    /// What it is, as the store numbers it.
    pub kind: u16,
    /// Its content.
    pub payload: &'a [u8],
}

impl fmt::Debug for SnapshotReader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SnapshotReader")
            .field("path", &self.path)
            .field("header", &self.header)
            .field("offset", &self.offset)
            .finish_non_exhaustive()
    }
}

impl SnapshotReader {
    /// Opens the snapshot with this file name and checks its header.
    ///
    /// # Errors
    /// [`Error::Io`], [`Error::Corrupt`], [`Error::NewerFormat`].
    pub fn open(disk: Arc<dyn Disk>, name: &str) -> Result<Self, Error> {
        let file = disk.open_to_read(name);
        Self::of(&*disk, name, file)
    }

    /// The same while others wait for the disk.
    pub(super) fn open_aside(disk: Arc<dyn Disk>, name: &str) -> Result<Self, Error> {
        let file = disk.open_aside(name);
        Self::of(&*disk, name, file)
    }

    fn of(disk: &dyn Disk, name: &str, file: io::Result<Box<dyn DiskFile>>) -> Result<Self, Error> {
        let path = disk.directory().join(name);
        let failed = |source| error::io("read", path.clone(), 0, source);
        let file = file.map_err(failed)?;
        let length = file.length().map_err(failed)?;
        let mut window = Window::default();
        let head = window
            .get(&*file, 0, HEADER_BYTES, length)
            .map_err(failed)?;
        let (header, file_id, previous) = format::decode_header(head).map_err(|bad| match bad {
            BadHeader::Newer(version) => Error::NewerFormat {
                file: path.clone(),
                version,
                known: format::VERSION,
            },
            damaged => damaged.into_error(path.clone()),
        })?;
        let expected = crate::layout::snapshot(header.group, header.id.index);
        if name != expected {
            return Err(Error::Corrupt {
                file: path,
                offset: 0,
                what: format!("it is {expected} under another name"),
            });
        }
        Ok(Self {
            path,
            name: name.into(),
            file,
            length,
            header,
            file_id,
            window,
            offset: HEADER_BYTES,
            previous,
            content: Content::default(),
            footer: None,
        })
    }

    /// What it is of.
    #[must_use]
    pub const fn header(&self) -> &SnapshotHeader {
        &self.header
    }

    /// The next block; `None` once the footer was read and says that this was all. Who meets an error must throw away
    /// what the blocks before gave.
    ///
    /// # Errors
    /// [`Error::Io`], [`Error::Corrupt`].
    pub fn next_block(&mut self) -> Result<Option<Block<'_>>, Error> {
        if self.footer.is_some() {
            return Ok(None);
        }
        let at = self.offset;
        let path = &self.path;
        let failed = |source| error::io("read", path.clone(), at, source);
        let corrupt = |offset: u64, what: &str| Error::Corrupt {
            file: path.clone(),
            offset,
            what: what.into(),
        };
        let head = self
            .window
            .get(&*self.file, at, BLOCK_HEADER_BYTES, self.length)
            .map_err(failed)?;
        let block = format::decode_block(head, self.file_id, at, self.previous)
            .map_err(|what| corrupt(at, what))?;
        let whole = self
            .window
            .get(&*self.file, at, block.bytes(), self.length)
            .map_err(failed)?;
        let payload = block
            .payload(&whole[BLOCK_HEADER_BYTES as usize..], self.file_id, at)
            .ok_or_else(|| corrupt(at, "the checksum of a block's content does not match"))?;
        self.offset = at + block.bytes();
        self.previous = block.sum;
        if block.kind != FOOTER {
            self.content.add(block.kind, payload);
            return Ok(Some(Block {
                kind: block.kind,
                payload,
            }));
        }
        let footer = Footer::decode(payload)
            .filter(|footer| *footer == self.content.footer())
            .ok_or_else(|| corrupt(at, "the footer does not match the blocks before it"))?;
        if self.offset != self.length {
            return Err(corrupt(self.offset, "there is something behind the footer"));
        }
        self.footer = Some(footer);
        Ok(None)
    }

    /// Reads what is left and says that the whole snapshot is right.
    ///
    /// # Errors
    /// As [`SnapshotReader::next_block`].
    pub fn verify(mut self) -> Result<Verified, Error> {
        while self.next_block()?.is_some() {}
        self.verified().ok_or_else(|| Error::Corrupt {
            file: self.path.clone(),
            offset: self.offset,
            what: "it has no footer".into(),
        })
    }

    /// What a purge needs to see, once [`SnapshotReader::next_block`] returned `None`.
    #[must_use]
    pub fn verified(&self) -> Option<Verified> {
        self.footer.map(|footer| Verified {
            name: self.name.clone(),
            header: self.header,
            blocks: footer.blocks,
            bytes: self.length,
            content_hash: footer.content_hash,
        })
    }
}
