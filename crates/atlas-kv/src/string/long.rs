//! Strings too long to lie beside their key.

use std::ops::Range;

use crate::codec::{LoadError, Reader, put_bytes, put_integer};
use crate::digest::Digest;
use crate::slice::{ObjectId, Slice, kind};
use crate::value::Collection;

/// Bytes a piece: what a snapshot writes at once, and what a change may have to write before it.
pub(crate) const PIECE_BYTES: usize = 16 * 1024;
/// A string has no more pieces than that: four gigabytes.
const PIECES_MAX: usize = 1 << 18;
/// A string that grows gets so much room at most beyond what it needs.
const SPARE_BYTES_MAX: usize = 1024 * 1024;

/// A long string: bytes in one place, which snapshots see in pieces.
#[derive(Debug)]
pub(crate) struct LongString {
    object: ObjectId,
    bytes: Vec<u8>,
    /// Of each piece the epoch in which it was written to a snapshot, or born.
    epochs: Vec<u32>,
    /// Pieces that were read from a snapshot, until all are there.
    read: Vec<Box<[u8]>>,
}

impl LongString {
    pub(crate) fn new(bytes: Vec<u8>, slice: &mut Slice) -> Self {
        let mut string = Self::unloaded(slice.object(Self::TAG));
        string.bytes = bytes;
        string.born(slice.epoch());
        string
    }

    pub(crate) fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Hands a part to `change`, made longer with zeros as far as that takes; how long the string is then.
    pub(crate) fn edit(
        &mut self,
        part: Range<usize>,
        slice: &mut Slice,
        change: impl FnOnce(&mut [u8]),
    ) -> usize {
        let before = self.bytes.len();
        let first = part.start.min(before) / PIECE_BYTES;
        let end = part.end.div_ceil(PIECE_BYTES).min(self.epochs.len());
        for piece in first..end {
            self.emit_piece(piece, slice);
        }
        if part.end > before {
            let more = part.end - before;
            if part.end > self.bytes.capacity() {
                self.bytes
                    .reserve_exact(more + part.end.min(SPARE_BYTES_MAX));
            }
            self.bytes.resize(part.end, 0);
            self.born(slice.epoch());
        }
        if let Some(part) = self.bytes.get_mut(part) {
            change(part);
        }
        self.bytes.len()
    }

    /// Hands all bytes to `change`, which may make them more or fewer.
    pub(crate) fn edit_whole(&mut self, slice: &mut Slice, change: impl FnOnce(&mut Vec<u8>)) {
        for piece in 0..self.epochs.len() {
            self.emit_piece(piece, slice);
        }
        change(&mut self.bytes);
        self.born(slice.epoch());
    }

    /// Notes the birth of the pieces that are not known yet.
    fn born(&mut self, epoch: u32) {
        self.epochs
            .resize(self.bytes.len().div_ceil(PIECE_BYTES), epoch);
    }

    /// Writes a piece if the snapshot in the making does not have it yet.
    fn emit_piece(&mut self, piece: usize, slice: &mut Slice) {
        let Some(epoch) = self.epochs.get_mut(piece) else {
            return;
        };
        if *epoch == slice.epoch() {
            return;
        }
        *epoch = slice.epoch();
        if !slice.is_active() {
            return;
        }
        let start = piece * PIECE_BYTES;
        let end = (start + PIECE_BYTES).min(self.bytes.len());
        let bytes = self.bytes.get(start..end).unwrap_or_default();
        let mut payload = Vec::with_capacity(bytes.len() + 16);
        self.object.encode(&mut payload);
        put_integer(&mut payload, piece as u64);
        put_bytes(&mut payload, bytes);
        slice.emit(kind::OBJECT, payload);
    }
}

impl Collection for LongString {
    const TAG: u8 = 0;

    fn len(&self) -> usize {
        self.bytes.len()
    }

    fn encoding(&self) -> &'static str {
        "raw"
    }

    fn memory_bytes(&self) -> usize {
        size_of::<Self>() + self.bytes.capacity() + self.epochs.capacity() * size_of::<u32>()
    }

    fn is_small(&self) -> bool {
        false
    }

    fn encode_small(&mut self, out: &mut Vec<u8>, epoch: u32) {
        self.epochs.fill(epoch);
        put_bytes(out, &self.bytes);
    }

    fn decode_small(reader: &mut Reader<'_>, object: ObjectId) -> Result<Self, LoadError> {
        let mut string = Self::unloaded(object);
        string.bytes = reader.bytes("a string")?.to_vec();
        string.born(1);
        Ok(string)
    }

    fn object(&self) -> ObjectId {
        self.object
    }

    fn encode_head(&self, out: &mut Vec<u8>) {
        put_integer(out, self.bytes.len() as u64);
    }

    fn decode_head(&mut self, reader: &mut Reader<'_>) -> Result<(), LoadError> {
        let len = reader.integer("a string's length")?;
        let read: u64 = self.read.iter().map(|piece| piece.len() as u64).sum();
        if len == read {
            Ok(())
        } else {
            Err(reader.impossible("a string without all its pieces"))
        }
    }

    fn unloaded(object: ObjectId) -> Self {
        Self {
            object,
            bytes: Vec::new(),
            epochs: Vec::new(),
            read: Vec::new(),
        }
    }

    fn emit(&mut self, slice: &mut Slice, page: usize, budget_bytes: usize) -> Option<usize> {
        for piece in page..self.epochs.len() {
            if self.epochs[piece] == slice.epoch() {
                continue;
            }
            if slice.bytes() >= budget_bytes {
                return Some(piece);
            }
            self.emit_piece(piece, slice);
        }
        None
    }

    fn has_unwritten(&self, slice: &Slice) -> bool {
        self.epochs.iter().any(|epoch| *epoch != slice.epoch())
    }

    fn load_page(&mut self, reader: &mut Reader<'_>) -> Result<(), LoadError> {
        let piece = reader.integer("a piece's number")?;
        let bytes = reader.bytes("a piece of a string")?;
        let piece = usize::try_from(piece)
            .ok()
            .filter(|piece| *piece < PIECES_MAX)
            .ok_or_else(|| reader.impossible("a piece too far"))?;
        if bytes.is_empty() || bytes.len() > PIECE_BYTES {
            return Err(reader.impossible("a piece of no legal size"));
        }
        if self.read.len() <= piece {
            self.read.resize_with(piece + 1, Box::default);
        }
        if !self.read[piece].is_empty() {
            return Err(reader.impossible("a piece twice"));
        }
        self.read[piece] = bytes.into();
        Ok(())
    }

    fn finish_loading(&mut self) -> bool {
        let read = std::mem::take(&mut self.read);
        let (last, others) = match read.split_last() {
            Some((last, others)) => (last.len(), others),
            None => (0, &[][..]),
        };
        self.bytes = read.concat();
        self.born(1);
        last > 0 && others.iter().all(|piece| piece.len() == PIECE_BYTES)
    }

    fn digest(&self, digest: &mut Digest) {
        digest.bytes(&self.bytes);
    }

    fn duplicate(&self, slice: &mut Slice) -> Self {
        Self::new(self.bytes.clone(), slice)
    }
}
