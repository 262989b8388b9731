//! A file that is written or read once from its beginning to its end while others wait for the same disk.
//!
//! What goes through the system's cache is written back in bulk at some later time, and read ahead in bulk: a sync of
//! the log then waits behind megabytes. Past the cache (`O_DIRECT`) there is never more under way than one piece, and
//! nothing that others have in the cache is pushed out. Where a file system does not know that, all goes through the
//! cache.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

use rustix::fs::Advice;

use super::DiskFile;

/// Offsets, lengths and addresses past the cache are multiples of this: of the blocks of any disk.
pub(super) const ALIGNMENT: usize = 4096;
/// So much is under way at once at most.
const PIECE_BYTES: usize = 256 * 1024;
/// Such a piece, wherever in a block it begins.
const MEMORY_BYTES: usize = PIECE_BYTES + ALIGNMENT;

pub(super) struct DirectFile {
    /// Through the cache: for what is not aligned.
    file: File,
    /// The same file past the cache.
    direct: Option<File>,
    /// The file system has refused.
    is_refused: AtomicBool,
    piece: Mutex<Piece>,
}

impl std::fmt::Debug for DirectFile {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("DirectFile").field(&self.file).finish()
    }
}

/// Memory at an address that is a multiple of the alignment.
struct Piece {
    memory: Vec<u8>,
    start: usize,
}

impl Piece {
    fn new() -> Self {
        let memory = vec![0; MEMORY_BYTES + ALIGNMENT];
        let start = memory.as_ptr().align_offset(ALIGNMENT);
        Self {
            // The offset may be "cannot be known"; then the file system refuses, and the cache is used.
            start: start.min(ALIGNMENT),
            memory,
        }
    }

    fn bytes(&mut self) -> &mut [u8] {
        &mut self.memory[self.start..self.start + MEMORY_BYTES]
    }
}

impl DirectFile {
    /// Takes a file that was opened at `path`.
    pub(super) fn new(file: File, path: &Path, writes: bool) -> Self {
        Self {
            file,
            direct: open_direct(path, writes).ok(),
            is_refused: AtomicBool::new(false),
            piece: Mutex::new(Piece::new()),
        }
    }

    fn direct(&self) -> Option<&File> {
        let direct = self.direct.as_ref();
        direct.filter(|_| !self.is_refused.load(Ordering::Relaxed))
    }

    /// The outcome past the cache; none if the file system does not do that.
    fn tried(&self, outcome: io::Result<usize>) -> Option<io::Result<usize>> {
        match outcome {
            Err(error) if error.kind() == io::ErrorKind::InvalidInput => {
                self.is_refused.store(true, Ordering::Relaxed);
                None
            }
            outcome => Some(outcome),
        }
    }
}

#[cfg(target_os = "linux")]
fn open_direct(path: &Path, writes: bool) -> io::Result<File> {
    use std::os::unix::fs::OpenOptionsExt;

    std::fs::OpenOptions::new()
        .read(true)
        .write(writes)
        .custom_flags(rustix::fs::OFlags::DIRECT.bits().cast_signed())
        .open(path)
}

#[cfg(not(target_os = "linux"))]
fn open_direct(_: &Path, _: bool) -> io::Result<File> {
    Err(io::ErrorKind::Unsupported.into())
}

const fn is_aligned(offset: u64) -> bool {
    offset.is_multiple_of(ALIGNMENT as u64)
}

impl DiskFile for DirectFile {
    fn length(&self) -> io::Result<u64> {
        Ok(self.file.metadata()?.len())
    }

    fn read_at(&self, to: &mut [u8], offset: u64) -> io::Result<usize> {
        if let Some(direct) = self.direct()
            && !to.is_empty()
        {
            let mut piece = self.piece.lock().unwrap_or_else(PoisonError::into_inner);
            let before = (offset % ALIGNMENT as u64) as usize;
            let wanted = (before + to.len()).next_multiple_of(ALIGNMENT);
            let bytes = &mut piece.bytes()[..wanted.min(MEMORY_BYTES)];
            let read = FileExt::read_at(direct, bytes, offset - before as u64);
            if let Some(read) = self.tried(read) {
                let found = bytes[..read?].get(before..).unwrap_or_default();
                let count = found.len().min(to.len());
                to[..count].copy_from_slice(&found[..count]);
                return Ok(count);
            }
        }
        FileExt::read_at(&self.file, to, offset)
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<usize> {
        let whole = bytes.len() / ALIGNMENT * ALIGNMENT;
        if let Some(direct) = self.direct()
            && is_aligned(offset)
            && whole > 0
        {
            let mut piece = self.piece.lock().unwrap_or_else(PoisonError::into_inner);
            let count = whole.min(PIECE_BYTES);
            let aligned = &mut piece.bytes()[..count];
            aligned.copy_from_slice(&bytes[..count]);
            let written = FileExt::write_at(direct, aligned, offset);
            if let Some(written) = self.tried(written) {
                return written;
            }
        }
        FileExt::write_at(&self.file, bytes, offset)
    }

    fn sync_data(&self) -> io::Result<()> {
        // One file, however it was written.
        self.file.sync_data()
    }

    fn drop_cache(&self) -> io::Result<()> {
        // Length 0 means up to the end.
        rustix::fs::fadvise(&self.file, 0, None, Advice::DontNeed).map_err(Into::into)
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Disk, FileDisk};
    use super::*;

    /// Bytes that say where they stand.
    fn content(length: usize) -> Vec<u8> {
        (0..length).map(|at| (at * 7 + at / 4096) as u8).collect()
    }

    #[test]
    fn what_is_written_in_any_pieces_is_read_in_any_pieces() {
        let folder = tempfile::tempdir().unwrap();
        let disk = FileDisk::new(folder.path());
        let content = content(3 * PIECE_BYTES + 1234);
        for (at, sizes) in [
            vec![content.len()],
            vec![4096, 8192, 100, PIECE_BYTES + 4096],
            vec![1, 4095, 4097],
            vec![PIECE_BYTES - 1, 1],
        ]
        .into_iter()
        .enumerate()
        {
            let name = format!("file-{at}");
            let file = disk.create_aside(&name).unwrap();
            let (mut offset, mut sizes) = (0, sizes.iter().cycle());
            while offset < content.len() {
                let size = *sizes.next().unwrap();
                let piece = &content[offset..(offset + size).min(content.len())];
                file.write_all_at(piece, offset as u64).unwrap();
                offset += piece.len();
            }
            file.sync_data().unwrap();
            assert_eq!(file.length().unwrap(), content.len() as u64);
            assert_eq!(std::fs::read(folder.path().join(&name)).unwrap(), content);
            let file = disk.open_aside(&name).unwrap();
            for (offset, length) in [
                (0, content.len()),
                (1, 4096),
                (4096, 4096),
                (4095, PIECE_BYTES + 2),
                (content.len() - 1, 10),
                (content.len(), 10),
                (content.len() + 4096, 10),
            ] {
                let mut found = vec![0; length];
                let count = file.read_full_at(&mut found, offset as u64).unwrap();
                let expected = content.get(offset..).unwrap_or_default();
                let expected = &expected[..length.min(expected.len())];
                assert_eq!(&found[..count], expected, "{offset} {length}");
            }
        }
    }
}
