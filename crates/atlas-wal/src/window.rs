//! Reading a file forwards in pieces, at most twice.

use std::io;

use crate::disk::DiskFile;

/// How much is read at once at least.
const PIECE_BYTES: usize = 256 * 1024;

/// A part of a file in memory.
#[derive(Debug, Default)]
pub(crate) struct Window {
    bytes: Vec<u8>,
    start: u64,
}

impl Window {
    /// The bytes of `file` from `offset`, `length` of them or as many as there are before `end`.
    pub(crate) fn get(
        &mut self,
        file: &dyn DiskFile,
        offset: u64,
        length: u64,
        end: u64,
    ) -> io::Result<&[u8]> {
        let length = length.min(end.saturating_sub(offset)) as usize;
        let held =
            self.start <= offset && offset + length as u64 <= self.start + self.bytes.len() as u64;
        if !held {
            let piece = (length.max(PIECE_BYTES) as u64).min(end.saturating_sub(offset)) as usize;
            self.bytes.resize(piece, 0);
            self.start = offset;
            match file.read_full_at(&mut self.bytes, offset) {
                Ok(read) => self.bytes.truncate(read),
                Err(error) => {
                    self.bytes.clear();
                    return Err(error);
                }
            }
        }
        let from = ((offset - self.start) as usize).min(self.bytes.len());
        let to = (from + length).min(self.bytes.len());
        Ok(&self.bytes[from..to])
    }

    /// Forgets what it has, because the file changed or because it has become large.
    pub(crate) fn clear(&mut self) {
        self.bytes = Vec::new();
        self.start = 0;
    }
}
