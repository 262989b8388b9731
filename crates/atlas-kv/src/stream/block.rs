//! Blocks of a stream: some dozens of entries behind each other, in the order of their ids.
//!
//! A block's first entry names the fields; an entry with the same fields holds its values only. Ids are told by how far
//! they are behind the block's own. Where each entry begins is known, so that an id is found by bisection and a block is
//! walked through from either end. What is removed is gone at once, save that a gap in front is closed only when it is
//! larger than what is left.

use std::ops::Range;

use crate::Reply;
use crate::codec::{LoadError, Reader, put_bytes, put_integer};
use crate::digest::Digest;
use crate::settings::Settings;
use crate::stream::id::Id;

/// Room that is made ahead, in bytes: as much as there is already, within these bounds.
const GROWTH_BYTES_MIN: usize = 32;
const GROWTH_BYTES_MAX: usize = 1024;
/// A block without a bound of its own ends here, as in Redis.
const BYTES_MAX: u64 = 1 << 30;

/// The fields of a new entry, with their values.
pub(crate) trait Fields {
    /// How many there are.
    fn count(&self) -> usize;
    /// The field at a position below, and its value.
    fn pair(&self, position: usize) -> (&[u8], &[u8]);
}

impl<A: AsRef<[u8]>> Fields for [(A, A)] {
    fn count(&self) -> usize {
        self.len()
    }

    fn pair(&self, position: usize) -> (&[u8], &[u8]) {
        let (field, value) = &self[position];
        (field.as_ref(), value.as_ref())
    }
}

/// Entries behind each other. The id under which the block lies is that of the first that it was given.
#[derive(Debug)]
pub(super) struct Block {
    /// The epoch in which it was written to a snapshot, or born.
    pub(super) epoch: u32,
    /// Entries that were removed: they still count for when the block is full.
    deleted: u32,
    /// The fields of the first entry.
    field_count: u32,
    fields: Box<[u8]>,
    /// Where each entry begins.
    starts: Vec<u16>,
    bytes: Vec<u8>,
}

/// An entry, where it lies.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Entry<'a> {
    pub(crate) id: Id,
    /// The number of its fields.
    pub(crate) count: usize,
    /// The names of the block's fields, if it has the same.
    shared: Option<&'a [u8]>,
    bytes: &'a [u8],
}

impl<'a> Entry<'a> {
    /// The fields with their values.
    pub(crate) fn pairs(&self) -> impl Iterator<Item = (&'a [u8], &'a [u8])> + use<'a> {
        let (mut shared, mut bytes) = (self.shared, self.bytes);
        (0..self.count).map(move |_| {
            let field = match &mut shared {
                Some(names) => piece(names),
                None => piece(&mut bytes),
            };
            (field, piece(&mut bytes))
        })
    }

    /// True if its fields are those that its block was begun with.
    pub(crate) fn has_shared_fields(&self) -> bool {
        self.shared.is_some()
    }

    /// Answers the entry: its id, then fields and values.
    pub(super) fn answer(&self, reply: &mut dyn Reply) {
        reply.array(2);
        self.id.answer(reply);
        reply.array(self.count * 2);
        for (field, value) in self.pairs() {
            reply.bulk(field);
            reply.bulk(value);
        }
    }
}

impl Block {
    /// A block for entries with the fields of this one, which is yet to be added.
    pub(super) fn new(fields: &(impl Fields + ?Sized), epoch: u32) -> Self {
        let mut names = Vec::new();
        for position in 0..fields.count() {
            put_bytes(&mut names, fields.pair(position).0);
        }
        Self {
            epoch,
            deleted: 0,
            field_count: fields.count() as u32,
            fields: names.into(),
            starts: Vec::new(),
            bytes: Vec::new(),
        }
    }

    /// The number of entries.
    pub(super) fn len(&self) -> usize {
        self.starts.len()
    }

    /// As if so many entries had been removed.
    pub(super) fn set_deleted(&mut self, deleted: u32) {
        self.deleted = deleted;
    }

    /// The names of the shared fields.
    pub(super) fn fields(&self) -> impl ExactSizeIterator<Item = &[u8]> {
        let mut names = &*self.fields;
        (0..self.field_count as usize).map(move |_| piece(&mut names))
    }

    /// The bytes that its entries take.
    pub(super) fn bytes_len(&self) -> usize {
        self.bytes.len() - self.starts.first().map_or(0, |&start| usize::from(start))
    }

    /// The bytes that it holds from the allocator.
    pub(super) fn memory_bytes(&self) -> usize {
        size_of::<Self>()
            + self.fields.len()
            + self.starts.capacity() * size_of::<u16>()
            + self.bytes.capacity()
    }

    /// True if an entry with so many bytes of fields and values has to go into another block.
    pub(super) fn is_full(&self, more_bytes: usize, settings: &Settings) -> bool {
        let bytes_max = match settings.stream_node_bytes_max {
            0 => BYTES_MAX,
            bytes_max => bytes_max.min(BYTES_MAX),
        };
        let count = self.starts.len() as u64 + u64::from(self.deleted);
        let entries_max = settings.stream_node_entries_max;
        (self.fields.len() + self.bytes_len() + more_bytes) as u64 >= bytes_max
            || (entries_max > 0 && count >= entries_max)
            || !self.has_room()
    }

    /// True if one more entry can begin where a start can say so.
    pub(super) fn has_room(&self) -> bool {
        self.bytes_len() <= usize::from(u16::MAX)
    }

    /// Adds an entry behind the others; `first` is the block's id. It must have room.
    pub(super) fn push(&mut self, first: Id, id: Id, fields: &(impl Fields + ?Sized)) {
        if self.bytes.len() > usize::from(u16::MAX) {
            self.close_gap();
        }
        let is_shared = self.shares(fields);
        let mut more = 32;
        for position in 0..fields.count() {
            let (field, value) = fields.pair(position);
            more += value.len() + 5 + if is_shared { 0 } else { field.len() + 5 };
        }
        let held = self.bytes.len();
        if self.bytes.capacity() - held < more {
            let growth = held.clamp(GROWTH_BYTES_MIN, GROWTH_BYTES_MAX);
            self.bytes.reserve_exact(more.max(growth));
        }
        self.starts.push(held as u16);
        let out = &mut self.bytes;
        put_integer(
            out,
            if is_shared {
                0
            } else {
                fields.count() as u64 + 1
            },
        );
        put_id(out, first, id);
        for position in 0..fields.count() {
            let (field, value) = fields.pair(position);
            if !is_shared {
                put_bytes(out, field);
            }
            put_bytes(out, value);
        }
    }

    /// Removes the entry at an index.
    pub(super) fn remove(&mut self, index: usize) {
        let span = self.span(index);
        self.starts.remove(index);
        self.deleted += 1;
        if index == 0 {
            self.close_large_gap();
            return;
        }
        let taken = (span.end - span.start) as u16;
        for start in &mut self.starts[index..] {
            *start -= taken;
        }
        self.bytes.drain(span);
    }

    /// Removes so many entries in front, and leaves one at least.
    pub(super) fn drop_front(&mut self, count: usize) {
        self.starts.drain(..count);
        self.deleted += count as u32;
        self.close_large_gap();
    }

    /// Gives back the room that was made ahead.
    pub(super) fn shrink(&mut self) {
        self.starts.shrink_to_fit();
        self.bytes.shrink_to_fit();
    }

    /// The id of the entry at an index.
    pub(super) fn id_at(&self, first: Id, index: usize) -> Id {
        let mut bytes = &self.bytes[usize::from(self.starts[index])..];
        integer(&mut bytes);
        take_id(&mut bytes, first)
    }

    /// The entry at an index.
    pub(super) fn get(&self, first: Id, index: usize) -> Entry<'_> {
        let mut bytes = &self.bytes[self.span(index)];
        let own = integer(&mut bytes);
        let id = take_id(&mut bytes, first);
        Entry {
            id,
            count: match own {
                0 => self.field_count as usize,
                own => own as usize - 1,
            },
            shared: (own == 0).then_some(&*self.fields),
            bytes,
        }
    }

    /// The index of the first entry whose id is not below this one.
    pub(super) fn lower_bound(&self, first: Id, id: Id) -> usize {
        if id <= first {
            return 0;
        }
        let (mut low, mut high) = (0, self.starts.len());
        while low < high {
            let middle = low.midpoint(high);
            if self.id_at(first, middle) < id {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        low
    }

    /// The indexes of entries from `start` to `end`.
    pub(super) fn indexes(&self, first: Id, start: Id, end: Id) -> Range<usize> {
        let from = self.lower_bound(first, start);
        let len = self.starts.len();
        let to = match end.next() {
            None => len,
            Some(_) if len > 0 && self.id_at(first, len - 1) <= end => len,
            Some(behind) => self.lower_bound(first, behind),
        };
        from..to.max(from)
    }

    /// The index of an entry.
    pub(super) fn find(&self, first: Id, id: Id) -> Option<usize> {
        let index = self.lower_bound(first, id);
        (index < self.starts.len() && self.id_at(first, index) == id).then_some(index)
    }

    /// Appends the block as snapshots have it.
    pub(super) fn encode(&self, first: Id, out: &mut Vec<u8>) {
        put_integer(out, first.ms);
        put_integer(out, first.seq);
        put_integer(out, u64::from(self.deleted));
        put_integer(out, u64::from(self.field_count));
        out.extend_from_slice(&self.fields);
        put_integer(out, self.starts.len() as u64);
        out.extend_from_slice(self.live());
    }

    /// Reads what [`Self::encode`] wrote, and the id that the block lies under.
    pub(super) fn decode(reader: &mut Reader<'_>) -> Result<(Id, Self), LoadError> {
        let first = read_id(reader)?;
        let count = |reader: &mut Reader<'_>| {
            let count = reader.integer("a count in a stream's block")?;
            u32::try_from(count).map_err(|_| reader.impossible("a stream's block of no legal size"))
        };
        let deleted = count(reader)?;
        let field_count = count(reader)?;
        let mut fields = Vec::new();
        for _ in 0..field_count {
            put_bytes(&mut fields, reader.bytes("a field's name")?);
        }
        let mut block = Self {
            epoch: 0,
            deleted,
            field_count,
            fields: fields.into(),
            starts: Vec::new(),
            bytes: Vec::new(),
        };
        let mut before = None;
        let entries = count(reader)?;
        for _ in 0..entries {
            let id = block.decode_entry(first, reader)?;
            if before.is_some_and(|before| before >= id) {
                return Err(reader.impossible("a stream's entries in no order"));
            }
            before = Some(id);
        }
        if entries == 0 {
            return Err(reader.impossible("a stream's block without entries"));
        }
        block.shrink();
        Ok((first, block))
    }

    fn decode_entry(&mut self, first: Id, reader: &mut Reader<'_>) -> Result<Id, LoadError> {
        let start = u16::try_from(self.bytes.len())
            .map_err(|_| reader.impossible("a stream's block of too many bytes"))?;
        self.starts.push(start);
        let own = reader.integer("an entry's fields")?;
        let ms = reader.integer("an entry's time")?;
        let seq = reader.integer("an entry's number")?;
        let legal = |sum: Option<u64>, reader: &Reader<'_>| {
            sum.ok_or_else(|| reader.impossible("an id of more than 64 bits"))
        };
        let id = Id {
            ms: legal(first.ms.checked_add(ms), reader)?,
            seq: match ms {
                0 => legal(first.seq.checked_add(seq), reader)?,
                _ => seq,
            },
        };
        put_integer(&mut self.bytes, own);
        put_integer(&mut self.bytes, ms);
        put_integer(&mut self.bytes, seq);
        let pieces = match own {
            0 => u64::from(self.field_count),
            own => (own - 1).saturating_mul(2),
        };
        for _ in 0..pieces {
            put_bytes(&mut self.bytes, reader.bytes("an entry's field or value")?);
        }
        Ok(id)
    }

    pub(super) fn digest(&self, first: Id, digest: &mut Digest) {
        for part in [
            first.ms,
            first.seq,
            u64::from(self.deleted),
            self.starts.len() as u64,
        ] {
            digest.integer(part);
        }
        digest.bytes(&self.fields);
        digest.bytes(self.live());
    }

    /// A block with the same entries.
    pub(super) fn duplicate(&self, epoch: u32) -> Self {
        let gap = self.starts.first().copied().unwrap_or_default();
        Self {
            epoch,
            deleted: self.deleted,
            field_count: self.field_count,
            fields: self.fields.clone(),
            starts: self.starts.iter().map(|start| start - gap).collect(),
            bytes: self.live().to_vec(),
        }
    }

    fn shares(&self, fields: &(impl Fields + ?Sized)) -> bool {
        fields.count() == self.field_count as usize
            && self
                .fields()
                .enumerate()
                .all(|(position, name)| fields.pair(position).0 == name)
    }

    fn live(&self) -> &[u8] {
        &self.bytes[self.starts.first().map_or(0, |&start| usize::from(start))..]
    }

    fn span(&self, index: usize) -> Range<usize> {
        let end = self.starts.get(index + 1);
        usize::from(self.starts[index])..end.map_or(self.bytes.len(), |&end| usize::from(end))
    }

    fn close_large_gap(&mut self) {
        let gap = self.starts.first().map_or(0, |&start| usize::from(start));
        if gap > self.bytes.len() / 2 {
            self.close_gap();
        }
    }

    fn close_gap(&mut self) {
        let gap = self.starts.first().copied().unwrap_or_default();
        for start in &mut self.starts {
            *start -= gap;
        }
        self.bytes.drain(..usize::from(gap));
        if self.bytes.len() < self.bytes.capacity() / 4 {
            self.shrink();
        }
    }
}

/// Reads an id as snapshots have it.
pub(super) fn read_id(reader: &mut Reader<'_>) -> Result<Id, LoadError> {
    Ok(Id {
        ms: reader.integer("an id's time")?,
        seq: reader.integer("an id's number")?,
    })
}

/// Appends how far an id is behind the block's: of another time the number as it is.
fn put_id(out: &mut Vec<u8>, first: Id, id: Id) {
    let ms = id.ms - first.ms;
    put_integer(out, ms);
    put_integer(out, if ms == 0 { id.seq - first.seq } else { id.seq });
}

fn take_id(bytes: &mut &[u8], first: Id) -> Id {
    let ms = integer(bytes);
    let seq = integer(bytes);
    Id {
        ms: first.ms + ms,
        seq: if ms == 0 { first.seq + seq } else { seq },
    }
}

/// Takes an integer that [`put_integer`] wrote.
fn integer(bytes: &mut &[u8]) -> u64 {
    let mut value = 0;
    let mut shift = 0;
    while let Some((&byte, left)) = bytes.split_first() {
        *bytes = left;
        value |= u64::from(byte & 0x7f) << shift;
        if byte < 0x80 {
            break;
        }
        shift += 7;
    }
    value
}

/// Takes bytes that [`put_bytes`] wrote.
fn piece<'a>(bytes: &mut &'a [u8]) -> &'a [u8] {
    let length = integer(bytes) as usize;
    let (piece, left) = bytes.split_at(length);
    *bytes = left;
    piece
}
