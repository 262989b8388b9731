//! Few integers in ascending order.

use crate::codec::{LoadError, Reader, put_integer, put_signed};
use crate::slice::{ObjectId, Slice, kind};

/// Stands in a block where a page's number would: no array has so many pages.
const PAGE_MARK: u64 = u64::MAX;

/// Integers in ascending order: one page, whatever their number.
#[derive(Debug, Default)]
pub(super) struct Integers {
    /// The epoch in which they were written to a snapshot, or born.
    epoch: u32,
    sorted: Vec<i64>,
}

/// True if the block that is being read goes on with integers.
pub(super) fn is_next(reader: &Reader<'_>) -> Result<bool, LoadError> {
    let mut ahead = reader.clone();
    Ok(ahead.integer("a page's number")? == PAGE_MARK)
}

impl Integers {
    /// Different integers in any order.
    pub(super) fn of(mut integers: Vec<i64>, epoch: u32) -> Self {
        integers.sort_unstable();
        Self {
            epoch,
            sorted: integers,
        }
    }

    pub(super) fn len(&self) -> usize {
        self.sorted.len()
    }

    pub(super) fn get(&self, position: usize) -> Option<i64> {
        self.sorted.get(position).copied()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = i64> + Clone {
        self.sorted.iter().copied()
    }

    /// Where an integer lies, or would.
    pub(super) fn position(&self, integer: i64) -> Result<usize, usize> {
        self.sorted.binary_search(&integer)
    }

    /// Inserts an integer where [`Self::position`] said it would lie.
    pub(super) fn insert(
        &mut self,
        position: usize,
        integer: i64,
        object: ObjectId,
        slice: &mut Slice,
    ) {
        self.emit(object, slice);
        if self.sorted.len() == self.sorted.capacity() {
            // A quarter more: doubling would give back what this form saves.
            self.sorted.reserve_exact((self.sorted.len() / 4).max(2));
        }
        self.sorted.insert(position, integer);
    }

    pub(super) fn remove(
        &mut self,
        position: usize,
        object: ObjectId,
        slice: &mut Slice,
    ) -> Option<i64> {
        if position >= self.sorted.len() {
            return None;
        }
        self.emit(object, slice);
        let removed = self.sorted.remove(position);
        if self.sorted.len() * 2 < self.sorted.capacity() {
            self.sorted.shrink_to_fit();
        }
        Some(removed)
    }

    pub(super) fn memory_bytes(&self) -> usize {
        self.sorted.capacity() * size_of::<i64>()
    }

    pub(super) fn has_unwritten(&self, slice: &Slice) -> bool {
        self.epoch != slice.epoch()
    }

    /// Writes the integers if the snapshot in the making still needs them; before every change.
    pub(super) fn emit(&mut self, object: ObjectId, slice: &mut Slice) {
        if self.epoch == slice.epoch() {
            return;
        }
        self.epoch = slice.epoch();
        if !slice.is_active() {
            return;
        }
        let mut payload = Vec::with_capacity(16 + self.sorted.len() * 2);
        object.encode(&mut payload);
        put_integer(&mut payload, PAGE_MARK);
        self.encode(&mut payload);
        slice.emit(kind::OBJECT, payload);
    }

    /// Appends the integers for an entry's own bytes, and marks them as written.
    pub(super) fn encode_inline(&mut self, out: &mut Vec<u8>, epoch: u32) {
        self.epoch = epoch;
        self.encode(out);
    }

    /// Their number, the first, and for each other how much more it is than the one before.
    fn encode(&self, out: &mut Vec<u8>) {
        put_integer(out, self.sorted.len() as u64);
        let mut before = None;
        for &integer in &self.sorted {
            match before {
                None => put_signed(out, integer),
                Some(before) => put_integer(out, integer.wrapping_sub(before).cast_unsigned()),
            }
            before = Some(integer);
        }
    }

    pub(super) fn decode(reader: &mut Reader<'_>) -> Result<Self, LoadError> {
        let mut sorted: Vec<i64> = Vec::new();
        for _ in 0..reader.integer("a length")? {
            let integer = match sorted.last() {
                None => reader.signed("an integer")?,
                Some(&before) => {
                    let more = reader.integer("an integer")?;
                    before
                        .checked_add_unsigned(more)
                        .filter(|_| more > 0)
                        .ok_or_else(|| reader.impossible("integers out of order"))?
                }
            };
            sorted.push(integer);
        }
        sorted.shrink_to_fit();
        Ok(Self { epoch: 0, sorted })
    }

    /// Reads the page that [`Self::emit`] wrote, from behind the object's name.
    pub(super) fn load(reader: &mut Reader<'_>) -> Result<Self, LoadError> {
        reader.integer("a page's number")?;
        Self::decode(reader)
    }
}
