//! Streams in snapshots: blocks of entries, groups, consumers and pages of deliveries.
//!
//! Each of them is a page that says where it belongs: a block by its id, the others by their group's number. The head says
//! how many blocks and groups there are, a group how many consumers and deliveries.

use std::collections::BTreeMap;

use crate::codec::{LoadError, Reader, put_bytes, put_integer, put_signed};
use crate::digest::Digest;
use crate::slice::{ObjectId, Slice, kind};
use crate::stream::Stream;
use crate::stream::block::{Block, read_id};
use crate::stream::group::{Consumer, Group, Page};
use crate::stream::id::Id;
use crate::value::Collection;

/// Streams of one block up to so many bytes, and without groups, are written with their entry.
const SMALL_BYTES_MAX: usize = 2048;

/// A group of as many consumers and pages of deliveries is given up at once.
const SMALL_GROUP_PAGES_MAX: usize = 16;

/// What a page is of.
pub(super) mod sort {
    pub(in crate::stream) const BLOCK: u64 = 0;
    pub(in crate::stream) const GROUP: u64 = 1;
    pub(in crate::stream) const CONSUMER: u64 = 2;
    pub(in crate::stream) const DELIVERIES: u64 = 3;
}

/// Where the snapshot's walk goes on: whatever is before has been written or is born since.
#[derive(Debug)]
pub(super) struct Walked {
    /// The snapshot's.
    epoch: u32,
    /// From this block on, as long as there are blocks to be looked at.
    block: Option<Id>,
    /// From this group on, and in it from this consumer and this page of deliveries on.
    group: Box<[u8]>,
    consumer: u64,
    page: Id,
}

/// Emits a block if the snapshot in the making still needs it; called before every change.
pub(super) fn touch(block: &mut Block, first: Id, object: ObjectId, slice: &mut Slice) {
    if block.epoch != slice.epoch() {
        write_block(block, first, object, slice);
    }
}

/// The same for a consumer.
pub(super) fn touch_consumer(
    consumer: &mut Consumer,
    number: u64,
    group: u64,
    object: ObjectId,
    slice: &mut Slice,
) {
    if consumer.epoch != slice.epoch() {
        write_consumer(consumer, number, group, object, slice);
    }
}

/// The same for a page of deliveries.
pub(super) fn touch_page(page: &mut Page, group: u64, object: ObjectId, slice: &mut Slice) {
    if page.epoch != slice.epoch() {
        write_page(page, group, object, slice);
    }
}

#[cold]
fn write_block(block: &mut Block, first: Id, object: ObjectId, slice: &mut Slice) {
    block.epoch = slice.epoch();
    if slice.is_active() {
        let mut payload = begin(object, sort::BLOCK, block.bytes_len() + 64);
        block.encode(first, &mut payload);
        slice.emit(kind::OBJECT, payload);
    }
}

#[cold]
pub(super) fn write_group(group: &mut Group, slice: &mut Slice) {
    group.epoch = slice.epoch();
    if slice.is_active() {
        let mut payload = begin(group.object, sort::GROUP, group.name.len() + 64);
        put_integer(&mut payload, group.number);
        put_bytes(&mut payload, &group.name);
        put_integer(&mut payload, group.last_id.ms);
        put_integer(&mut payload, group.last_id.seq);
        match group.entries_read {
            None => payload.push(0),
            Some(read) => {
                payload.push(1);
                put_integer(&mut payload, read);
            }
        }
        put_integer(&mut payload, group.consumers.len() as u64);
        put_integer(&mut payload, group.len as u64);
        slice.emit(kind::OBJECT, payload);
    }
}

#[cold]
fn write_consumer(
    consumer: &mut Consumer,
    number: u64,
    group: u64,
    object: ObjectId,
    slice: &mut Slice,
) {
    consumer.epoch = slice.epoch();
    if slice.is_active() {
        let mut payload = begin(object, sort::CONSUMER, consumer.name.len() + 64);
        put_integer(&mut payload, group);
        put_integer(&mut payload, number);
        put_bytes(&mut payload, &consumer.name);
        put_signed(&mut payload, consumer.seen_ms);
        put_signed(&mut payload, consumer.active_ms);
        slice.emit(kind::OBJECT, payload);
    }
}

#[cold]
fn write_page(page: &mut Page, group: u64, object: ObjectId, slice: &mut Slice) {
    page.epoch = slice.epoch();
    if slice.is_active() {
        let mut payload = begin(object, sort::DELIVERIES, page.rows.len() * 24 + 32);
        put_integer(&mut payload, group);
        put_integer(&mut payload, page.rows.len() as u64);
        for row in &page.rows {
            put_integer(&mut payload, row.id.ms);
            put_integer(&mut payload, row.id.seq);
            put_signed(&mut payload, row.time_ms);
            put_integer(&mut payload, row.count);
            put_integer(&mut payload, row.consumer);
        }
        slice.emit(kind::OBJECT, payload);
    }
}

fn begin(object: ObjectId, sort: u64, bytes: usize) -> Vec<u8> {
    let mut payload = Vec::with_capacity(bytes);
    object.encode(&mut payload);
    put_integer(&mut payload, sort);
    payload
}

impl Stream {
    /// Writes what the snapshot still needs, until `budget_bytes` wait; false if some is left.
    fn walk(&mut self, walked: &mut Walked, slice: &mut Slice, budget_bytes: usize) -> bool {
        let epoch = slice.epoch();
        if let Some(from) = walked.block {
            for (&first, block) in self.blocks.range_mut(from..) {
                if block.epoch == epoch {
                    continue;
                }
                if slice.bytes() >= budget_bytes {
                    walked.block = Some(first);
                    return false;
                }
                write_block(block, first, self.object, slice);
            }
            walked.block = None;
        }
        let from = std::ops::Bound::Included(&*walked.group);
        let groups = self
            .groups
            .range_mut::<[u8], _>((from, std::ops::Bound::Unbounded));
        for (name, group) in groups {
            let (mut consumer, mut page) = (0, Id::MIN);
            if **name == *walked.group {
                (consumer, page) = (walked.consumer, walked.page);
            }
            if !group.walk(&mut consumer, &mut page, slice, budget_bytes) {
                let group = name.clone();
                *walked = Walked {
                    epoch,
                    block: None,
                    group,
                    consumer,
                    page,
                };
                return false;
            }
        }
        true
    }
}

impl Group {
    fn walk(
        &mut self,
        consumer: &mut u64,
        page: &mut Id,
        slice: &mut Slice,
        budget_bytes: usize,
    ) -> bool {
        let epoch = slice.epoch();
        if self.epoch != epoch {
            if slice.bytes() >= budget_bytes {
                return false;
            }
            write_group(self, slice);
        }
        let (object, group) = (self.object, self.number);
        for (&number, one) in self.consumers.range_mut(*consumer..) {
            if one.epoch == epoch {
                continue;
            }
            *consumer = number;
            if slice.bytes() >= budget_bytes {
                return false;
            }
            write_consumer(one, number, group, object, slice);
        }
        *consumer = u64::MAX;
        for (&first, one) in self.pages.range_mut(*page..) {
            if one.epoch == epoch {
                continue;
            }
            *page = first;
            if slice.bytes() >= budget_bytes {
                return false;
            }
            write_page(one, group, object, slice);
        }
        true
    }

    /// True if it has few pages.
    pub(super) fn is_small(&self) -> bool {
        self.consumers.len() + self.pages.len() <= SMALL_GROUP_PAGES_MAX
    }

    /// Writes what the snapshot in the making still needs.
    pub(super) fn emit(&mut self, slice: &mut Slice) {
        self.walk(&mut 0, &mut { Id::MIN }, slice, usize::MAX);
    }

    fn has_unwritten(&self, epoch: u32) -> bool {
        self.epoch != epoch
            || self.consumers.values().any(|one| one.epoch != epoch)
            || self.pages.values().any(|page| page.epoch != epoch)
    }

    fn digest(&self, digest: &mut Digest) {
        digest.bytes(&self.name);
        digest.integer(self.last_id.ms);
        digest.integer(self.last_id.seq);
        digest.integer(self.entries_read.map_or(u64::MAX, |read| read));
        digest.integer(self.consumers.len() as u64);
        for (_, consumer) in self.consumers() {
            digest.bytes(&consumer.name);
            digest.integer(consumer.seen_ms.cast_unsigned());
            digest.integer(consumer.active_ms.cast_unsigned());
        }
        digest.integer(self.len as u64);
        for row in self.pending_from(Id::MIN) {
            digest.integer(row.id.ms);
            digest.integer(row.id.seq);
            digest.integer(row.time_ms.cast_unsigned());
            digest.integer(row.count);
            digest.bytes(self.consumer(row.consumer).map_or(b"", |one| &one.name));
        }
    }
}

impl Collection for Stream {
    const TAG: u8 = 5;

    fn len(&self) -> usize {
        self.len
    }

    fn encoding(&self) -> &'static str {
        "stream"
    }

    fn memory_bytes(&self) -> usize {
        // A node of the tree is a little more than half full.
        let tree = 2 * (size_of::<Id>() + size_of::<Box<Block>>());
        let blocks = self
            .blocks
            .values()
            .map(|block| block.memory_bytes() + tree);
        let groups = self.groups.values().map(|group| group.memory_bytes());
        size_of::<Self>() + blocks.sum::<usize>() + groups.sum::<usize>()
    }

    fn is_small(&self) -> bool {
        let bytes: usize = self
            .blocks
            .values()
            .take(2)
            .map(|one| one.bytes_len())
            .sum();
        self.groups.is_empty() && self.blocks.len() <= 1 && bytes <= SMALL_BYTES_MAX
    }

    fn encode_small(&mut self, out: &mut Vec<u8>, epoch: u32) {
        self.encode_head(out);
        for (&first, block) in &mut self.blocks {
            block.epoch = epoch;
            block.encode(first, out);
        }
    }

    fn decode_small(reader: &mut Reader<'_>, object: ObjectId) -> Result<Self, LoadError> {
        let mut stream = Self::unloaded(object);
        stream.decode_head(reader)?;
        let promised = stream.loading.get_or_insert_default();
        if promised.blocks > 1 || promised.groups > 0 {
            return Err(reader.impossible("a small stream that is not small"));
        }
        if promised.blocks == 1 {
            stream.load_block(reader)?;
        }
        if !stream.finish_loading() {
            return Err(reader.impossible("a stream that ends before its last entry"));
        }
        Ok(stream)
    }

    fn object(&self) -> ObjectId {
        self.object
    }

    fn encode_head(&self, out: &mut Vec<u8>) {
        for id in [self.last_id, self.max_deleted_id] {
            put_integer(out, id.ms);
            put_integer(out, id.seq);
        }
        put_integer(out, self.entries_added);
        put_integer(out, self.blocks.len() as u64);
        put_integer(out, self.groups.len() as u64);
    }

    fn decode_head(&mut self, reader: &mut Reader<'_>) -> Result<(), LoadError> {
        self.last_id = read_id(reader)?;
        self.max_deleted_id = read_id(reader)?;
        self.entries_added = reader.integer("a count of entries")?;
        let promised = self.loading.get_or_insert_default();
        promised.blocks = reader.integer("a number of blocks")?;
        promised.groups = reader.integer("a number of groups")?;
        Ok(())
    }

    fn unloaded(object: ObjectId) -> Self {
        Self {
            object,
            blocks: BTreeMap::new(),
            len: 0,
            last_id: Id::MIN,
            max_deleted_id: Id::MIN,
            entries_added: 0,
            groups: BTreeMap::new(),
            last_group: 0,
            walked: None,
            loading: None,
        }
    }

    fn emit(&mut self, slice: &mut Slice, _: usize, budget_bytes: usize) -> Option<usize> {
        let begun = self.walked.take();
        let begun = begun.filter(|walked| walked.epoch == slice.epoch());
        let mut walked = begun.unwrap_or_else(|| {
            Box::new(Walked {
                epoch: slice.epoch(),
                block: Some(Id::MIN),
                group: Box::default(),
                consumer: 0,
                page: Id::MIN,
            })
        });
        if self.walk(&mut walked, slice, budget_bytes) {
            return None;
        }
        self.walked = Some(walked);
        // Where to go on is known here.
        Some(0)
    }

    fn has_unwritten(&self, slice: &Slice) -> bool {
        let epoch = slice.epoch();
        self.blocks.values().any(|block| block.epoch != epoch)
            || self.groups.values().any(|group| group.has_unwritten(epoch))
    }

    fn load_page(&mut self, reader: &mut Reader<'_>) -> Result<(), LoadError> {
        self.load(reader)
    }

    fn finish_loading(&mut self) -> bool {
        self.finish()
    }

    fn digest(&self, digest: &mut Digest) {
        for part in [
            self.last_id.ms,
            self.last_id.seq,
            self.max_deleted_id.ms,
            self.max_deleted_id.seq,
            self.entries_added,
            self.blocks.len() as u64,
        ] {
            digest.integer(part);
        }
        for (&first, block) in &self.blocks {
            block.digest(first, digest);
        }
        digest.integer(self.groups.len() as u64);
        for group in self.groups.values() {
            group.digest(digest);
        }
    }

    fn duplicate(&self, slice: &mut Slice) -> Self {
        let mut copy = Self::new(slice);
        let epoch = slice.epoch();
        let blocks = self.blocks.iter();
        copy.blocks = blocks
            .map(|(&first, block)| (first, Box::new(block.duplicate(epoch))))
            .collect();
        let object = copy.object;
        let groups = self.groups.iter();
        copy.groups = groups
            .map(|(name, group)| (name.clone(), Box::new(group.duplicate(object, epoch))))
            .collect();
        copy.len = self.len;
        copy.last_id = self.last_id;
        copy.max_deleted_id = self.max_deleted_id;
        copy.entries_added = self.entries_added;
        copy.last_group = self.last_group;
        copy
    }
}
