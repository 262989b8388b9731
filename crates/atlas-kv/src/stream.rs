//! Streams: entries in the order of their ids, and groups of consumers that share them out.
//!
//! Entries lie in blocks (`stream/block.rs`), the blocks in a B-tree by id. Groups know what was delivered to whom and is
//! not acknowledged yet (`stream/group.rs`). Every block, group, consumer and page of deliveries is a page of snapshots;
//! each says by itself where it belongs, so that they may come in any order (`stream/pages.rs`).

mod add;
mod block;
mod claim;
mod commands;
mod group;
mod groups;
mod id;
mod info;
mod loading;
mod pages;
mod pending;
mod range;
mod reading;

use std::collections::BTreeMap;
use std::ops::Range;

use crate::settings::Settings;
use crate::slice::{ObjectId, Slice};
use crate::value::Collection;

use block::Block;
pub(crate) use block::{Entry, Fields};
pub(crate) use commands::COMMANDS;
pub(crate) use group::{Delivery, Group, NEVER_MS};
pub(crate) use id::Id;
use loading::Promised;
use pages::Walked;

/// Parts of more blocks than this are given up where that delays nobody.
const DROPPED_BLOCKS_MAX: usize = 8;

/// Entries in the order of their ids.
#[derive(Debug)]
pub(crate) struct Stream {
    object: ObjectId,
    /// Each under the id of the first entry that it was given; none of them is empty.
    blocks: BTreeMap<Id, Box<Block>>,
    /// The number of entries.
    len: usize,
    /// The highest id that an entry ever had.
    last_id: Id,
    /// The highest id of an entry that was deleted by name.
    max_deleted_id: Id,
    /// How many entries were ever added.
    entries_added: u64,
    groups: BTreeMap<Box<[u8]>, Box<Group>>,
    /// The number of the group that was born last.
    last_group: u64,
    /// Where the snapshot's walk goes on.
    walked: Option<Box<Walked>>,
    loading: Option<Box<Promised>>,
}

/// How far a stream is to be cut in front.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Trim {
    /// To so many entries.
    Length(u64),
    /// To entries from this id on.
    Id(Id),
}

/// What of a stream says how many entries were added before an id.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Facts {
    len: usize,
    first_id: Id,
    last_id: Id,
    max_deleted_id: Id,
    entries_added: u64,
}

impl Stream {
    pub(crate) fn new(slice: &mut Slice) -> Self {
        Self::unloaded(slice.object(Self::TAG))
    }

    /// The highest id that an entry ever had.
    pub(crate) fn last_id(&self) -> Id {
        self.last_id
    }

    /// The highest id of an entry that was deleted by name.
    pub(crate) fn max_deleted_id(&self) -> Id {
        self.max_deleted_id
    }

    /// How many entries were ever added.
    pub(crate) fn entries_added(&self) -> u64 {
        self.entries_added
    }

    pub(crate) fn set_last_id(&mut self, id: Id) {
        self.last_id = id;
    }

    pub(crate) fn set_max_deleted_id(&mut self, id: Id) {
        self.max_deleted_id = id;
    }

    pub(crate) fn set_entries_added(&mut self, count: u64) {
        self.entries_added = count;
    }

    /// The id of the first entry.
    pub(crate) fn first_entry_id(&self) -> Option<Id> {
        let (&first, block) = self.blocks.first_key_value()?;
        Some(block.id_at(first, 0))
    }

    /// The id of the last entry.
    pub(crate) fn last_entry_id(&self) -> Option<Id> {
        let (&first, block) = self.blocks.last_key_value()?;
        Some(block.id_at(first, block.len() - 1))
    }

    pub(crate) fn facts(&self) -> Facts {
        Facts {
            len: self.len,
            first_id: self.first_entry_id().unwrap_or_default(),
            last_id: self.last_id,
            max_deleted_id: self.max_deleted_id,
            entries_added: self.entries_added,
        }
    }

    /// Adds an entry; its id is above [`Self::last_id`].
    pub(crate) fn add(
        &mut self,
        id: Id,
        fields: &(impl Fields + ?Sized),
        settings: &Settings,
        slice: &mut Slice,
    ) {
        let bytes = (0..fields.count())
            .map(|position| fields.pair(position))
            .map(|(field, value)| field.len() + value.len());
        let bytes: usize = bytes.sum();
        self.len += 1;
        self.entries_added += 1;
        self.last_id = id;
        if let Some(mut last) = self.blocks.last_entry() {
            if !last.get().is_full(bytes, settings) {
                let first = *last.key();
                let block = last.get_mut();
                pages::touch(block, first, self.object, slice);
                block.push(first, id, fields);
                return;
            }
            last.get_mut().shrink();
        }
        let mut block = Block::new(fields, slice.epoch());
        block.push(id, id, fields);
        self.blocks.insert(id, Box::new(block));
    }

    /// Adds a block that no snapshot in the making knows, with as many removed entries as is said, under its own id. Its
    /// entries come later, by [`Self::append`].
    pub(crate) fn begin_block(
        &mut self,
        first: Id,
        fields: &(impl Fields + ?Sized),
        deleted: u32,
        slice: &Slice,
    ) {
        let mut block = Block::new(fields, slice.epoch());
        block.set_deleted(deleted);
        self.blocks.insert(first, Box::new(block));
    }

    /// Adds an entry to the block that [`Self::begin_block`] began, or to one behind it if that has no room.
    pub(crate) fn append(&mut self, id: Id, fields: &(impl Fields + ?Sized), slice: &Slice) {
        self.len += 1;
        if let Some(mut last) = self.blocks.last_entry()
            && last.get().has_room()
        {
            let first = *last.key();
            last.get_mut().push(first, id, fields);
            return;
        }
        let mut block = Block::new(fields, slice.epoch());
        block.push(id, id, fields);
        self.blocks.insert(id, Box::new(block));
    }

    /// Ends the block that [`Self::begin_block`] began: it goes if it is empty.
    pub(crate) fn end_block(&mut self) {
        if let Some(mut last) = self.blocks.last_entry() {
            if last.get().len() == 0 {
                last.remove();
            } else {
                last.get_mut().shrink();
            }
        }
    }

    /// Removes an entry; true if it was there.
    pub(crate) fn delete(&mut self, id: Id, slice: &mut Slice) -> bool {
        let Some((&first, block)) = self.blocks.range_mut(..=id).next_back() else {
            return false;
        };
        let Some(index) = block.find(first, id) else {
            return false;
        };
        pages::touch(block, first, self.object, slice);
        if block.len() == 1 {
            self.blocks.remove(&first);
        } else {
            block.remove(index);
        }
        self.len -= 1;
        true
    }

    /// Cuts the stream in front and tells how many entries went. If `is_approximate` only whole blocks go; of those no more
    /// than `limit` entries, unless that is 0. Blocks that are given up whole, if they are many, are returned: whoever
    /// calls hands them to [`crate::Keyspace::discard`].
    #[must_use = "a snapshot may still need what was cut off"]
    pub(crate) fn trim(
        &mut self,
        to: Trim,
        is_approximate: bool,
        limit: u64,
        slice: &mut Slice,
    ) -> (usize, Option<Self>) {
        let (mut whole, mut deleted) = (0, 0);
        // Of the first block that stays.
        let mut partly = 0;
        let mut kept = None;
        for (&first, block) in &self.blocks {
            kept = Some(first);
            let entries = block.len();
            let left = (self.len - deleted) as u64;
            if matches!(to, Trim::Length(length) if left <= length)
                || (limit > 0 && (deleted + entries) as u64 > limit)
            {
                break;
            }
            let going = match to {
                Trim::Length(length) => entries.min((left - length) as usize),
                Trim::Id(id) => block.lower_bound(first, id),
            };
            if going < entries {
                partly = if is_approximate { 0 } else { going };
                break;
            }
            kept = None;
            whole += 1;
            deleted += entries;
        }
        self.len -= deleted;
        let part = self.cut(whole, kept, deleted, slice);
        if partly > 0
            && let Some(mut block) = self.blocks.first_entry()
        {
            let first = *block.key();
            pages::touch(block.get_mut(), first, self.object, slice);
            block.get_mut().drop_front(partly);
            self.len -= partly;
        }
        (deleted + partly, part)
    }

    /// Takes so many blocks off in front, those before `kept`.
    fn cut(
        &mut self,
        whole: usize,
        kept: Option<Id>,
        entries: usize,
        slice: &mut Slice,
    ) -> Option<Self> {
        if whole <= DROPPED_BLOCKS_MAX {
            for _ in 0..whole {
                if let Some((first, mut block)) = self.blocks.pop_first() {
                    pages::touch(&mut block, first, self.object, slice);
                }
            }
            return None;
        }
        let stays = match kept {
            Some(kept) => self.blocks.split_off(&kept),
            None => BTreeMap::new(),
        };
        Some(Self {
            blocks: std::mem::replace(&mut self.blocks, stays),
            len: entries,
            ..Self::unloaded(self.object)
        })
    }

    /// The entry of an id.
    pub(crate) fn get(&self, id: Id) -> Option<Entry<'_>> {
        let (&first, block) = self.blocks.range(..=id).next_back()?;
        let index = block.find(first, id)?;
        Some(block.get(first, index))
    }

    /// How many entries there are from `start` to `end`, counted up to `count_max`.
    pub(crate) fn count(&self, start: Id, end: Id, count_max: usize) -> usize {
        if start == Id::MIN && end == Id::MAX {
            return self.len.min(count_max);
        }
        let mut count = 0;
        for (_, _, indexes) in self.spans(start, end) {
            count += indexes.len();
            if count >= count_max {
                return count_max;
            }
        }
        count
    }

    /// The entries from `start` to `end`.
    pub(crate) fn range(&self, start: Id, end: Id) -> impl DoubleEndedIterator<Item = Entry<'_>> {
        self.spans(start, end)
            .flat_map(|(first, block, indexes)| indexes.map(move |index| block.get(first, index)))
    }

    /// The blocks in which there are entries from `start` to `end`, and where.
    fn spans(
        &self,
        start: Id,
        end: Id,
    ) -> impl DoubleEndedIterator<Item = (Id, &Block, Range<usize>)> {
        spans(&self.blocks, start, end)
    }

    /// All blocks, each with the id that it lies under.
    pub(crate) fn blocks(&self) -> impl ExactSizeIterator<Item = BlockView<'_>> {
        self.blocks
            .iter()
            .map(|(&first, block)| BlockView { first, block })
    }

    pub(crate) fn group(&self, name: &[u8]) -> Option<&Group> {
        self.groups.get(name).map(|group| &**group)
    }

    /// The groups in the order of their names.
    pub(crate) fn groups(&self) -> impl ExactSizeIterator<Item = &Group> {
        self.groups.values().map(|group| &**group)
    }

    /// Adds a group; none if there is one of this name.
    pub(crate) fn add_group(
        &mut self,
        name: &[u8],
        last_id: Id,
        entries_read: Option<u64>,
        slice: &Slice,
    ) -> Option<&mut Group> {
        if self.groups.contains_key(name) {
            return None;
        }
        self.last_group += 1;
        let group = Group::new(
            self.object,
            self.last_group,
            name,
            last_id,
            entries_read,
            slice.epoch(),
        );
        let place = self.groups.entry(name.into());
        Some(&mut **place.or_insert(Box::new(group)))
    }

    /// Removes a group; true if it was there. If it is large it is returned: whoever calls hands it to
    /// [`crate::Keyspace::discard`].
    #[must_use = "a snapshot may still need what was cut off"]
    pub(crate) fn remove_group(&mut self, name: &[u8], slice: &mut Slice) -> (bool, Option<Self>) {
        let Some((name, mut group)) = self.groups.remove_entry(name) else {
            return (false, None);
        };
        if group.is_small() {
            group.emit(slice);
            return (true, None);
        }
        let part = Self {
            groups: BTreeMap::from([(name, group)]),
            ..Self::unloaded(self.object)
        };
        (true, Some(part))
    }

    pub(crate) fn group_mut(&mut self, name: &[u8]) -> Option<&mut Group> {
        self.groups.get_mut(name).map(|group| &mut **group)
    }

    /// A group, to be changed, beside the entries.
    fn split_mut(&mut self, name: &[u8]) -> Option<(Entries<'_>, &mut Group)> {
        let group = self.groups.get_mut(name)?;
        Some((Entries(&self.blocks), &mut **group))
    }
}

/// The entries of a stream, while one of its groups is changed.
struct Entries<'a>(&'a BTreeMap<Id, Box<Block>>);

impl<'a> Entries<'a> {
    fn range(&self, start: Id, end: Id) -> impl DoubleEndedIterator<Item = Entry<'a>> + use<'a> {
        spans(self.0, start, end)
            .flat_map(|(first, block, indexes)| indexes.map(move |index| block.get(first, index)))
    }

    fn get(&self, id: Id) -> Option<Entry<'a>> {
        let (&first, block) = self.0.range(..=id).next_back()?;
        let index = block.find(first, id)?;
        Some(block.get(first, index))
    }
}

/// A block, as whoever writes it elsewhere sees it.
pub(crate) struct BlockView<'a> {
    /// The id that it lies under.
    pub(crate) first: Id,
    block: &'a Block,
}

impl BlockView<'_> {
    /// The names of the fields that entries share.
    pub(crate) fn fields(&self) -> impl ExactSizeIterator<Item = &[u8]> {
        self.block.fields()
    }

    /// The entries in order.
    pub(crate) fn entries(&self) -> impl ExactSizeIterator<Item = Entry<'_>> {
        (0..self.block.len()).map(|index| self.block.get(self.first, index))
    }
}

fn spans(
    blocks: &BTreeMap<Id, Box<Block>>,
    start: Id,
    end: Id,
) -> impl DoubleEndedIterator<Item = (Id, &Block, Range<usize>)> {
    let from = blocks.range(..=start).next_back();
    let from = from.map_or(start, |(&first, _)| first);
    // A range that ends before it begins is empty.
    let found = (start <= end).then(|| blocks.range(from..=end));
    found.into_iter().flatten().map(move |(&first, block)| {
        let indexes = block.indexes(first, start, end);
        (first, &**block, indexes)
    })
}

impl Facts {
    /// True if an entry behind this id may have been deleted by name.
    pub(crate) fn has_gap_from(&self, id: Id) -> bool {
        self.len > 0
            && self.max_deleted_id != Id::MIN
            && self.first_id <= self.max_deleted_id
            && id <= self.max_deleted_id
    }

    /// How many entries were added up to this id, if that can be told.
    pub(crate) fn added_until(&self, id: Id) -> Option<u64> {
        if self.entries_added == 0 {
            return Some(0);
        }
        if (self.len == 0 && id <= self.last_id) || id == self.last_id {
            return Some(self.entries_added);
        }
        if id > self.last_id {
            return None;
        }
        let before = self.entries_added.wrapping_sub(self.len as u64);
        let is_whole = self.max_deleted_id == Id::MIN || self.max_deleted_id < self.first_id;
        match id.cmp(&self.first_id) {
            std::cmp::Ordering::Less if is_whole => Some(before),
            std::cmp::Ordering::Equal if is_whole => Some(before.wrapping_add(1)),
            _ => None,
        }
    }

    /// How many entries a group has not been given yet, if that can be told.
    pub(crate) fn lag(&self, last_id: Id, entries_read: Option<u64>) -> Option<i64> {
        let read = match entries_read {
            _ if self.entries_added == 0 => return Some(0),
            Some(read) if !self.has_gap_from(last_id) => read,
            _ => self.added_until(last_id)?,
        };
        Some(self.entries_added.wrapping_sub(read).cast_signed())
    }
}

#[cfg(test)]
mod tests;
