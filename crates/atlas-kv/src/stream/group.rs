//! Groups of consumers: what was delivered to whom, and is not acknowledged yet.
//!
//! Deliveries lie in pages of their own, in a B-tree by id. A consumer knows the ids of its own; that is derived.

use std::collections::{BTreeMap, BTreeSet};

use crate::slice::{ObjectId, Slice};
use crate::stream::id::Id;
use crate::stream::pages;

/// In place of a time: a consumer that was given nothing yet.
pub(crate) const NEVER_MS: i64 = -1;
/// Deliveries a page.
pub(super) const PAGE_ROWS: usize = 64;
/// Two neighbours of together so few become one.
const JOINED_ROWS_MAX: usize = PAGE_ROWS / 2;

/// An entry that was delivered, and is not acknowledged yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Delivery {
    pub(crate) id: Id,
    /// When it was delivered last, in milliseconds since 1970.
    pub(crate) time_ms: i64,
    /// How often it was delivered.
    pub(crate) count: u64,
    /// The consumer's number.
    pub(crate) consumer: u64,
}

/// A consumer of a group.
#[derive(Clone, Debug)]
pub(crate) struct Consumer {
    pub(super) epoch: u32,
    pub(crate) name: Box<[u8]>,
    /// When it asked for something last, in milliseconds since 1970.
    pub(crate) seen_ms: i64,
    /// When it was given something last, or [`NEVER_MS`].
    pub(crate) active_ms: i64,
    /// What was delivered to it.
    pub(crate) pending: BTreeSet<Id>,
}

/// A page of deliveries, in the order of their ids.
#[derive(Clone, Debug)]
pub(super) struct Page {
    pub(super) epoch: u32,
    pub(super) rows: Vec<Delivery>,
}

/// Consumers that share a stream's entries out.
#[derive(Debug)]
pub(crate) struct Group {
    pub(super) object: ObjectId,
    /// The group's name inside snapshots: no other of the stream ever had it.
    pub(super) number: u64,
    /// The epoch in which what is known of the group as a whole was written to a snapshot, or born.
    pub(super) epoch: u32,
    pub(crate) name: Box<[u8]>,
    pub(super) last_id: Id,
    pub(super) entries_read: Option<u64>,
    pub(super) consumers: BTreeMap<u64, Consumer>,
    pub(super) names: BTreeMap<Box<[u8]>, u64>,
    pub(super) last_consumer: u64,
    /// Each under an id that is not above that of its first row; none of them is empty.
    pub(super) pages: BTreeMap<Id, Box<Page>>,
    /// The number of deliveries.
    pub(super) len: usize,
}

impl Group {
    pub(super) fn new(
        object: ObjectId,
        number: u64,
        name: &[u8],
        last_id: Id,
        entries_read: Option<u64>,
        epoch: u32,
    ) -> Self {
        Self {
            object,
            number,
            epoch,
            name: name.into(),
            last_id,
            entries_read,
            consumers: BTreeMap::new(),
            names: BTreeMap::new(),
            last_consumer: 0,
            pages: BTreeMap::new(),
            len: 0,
        }
    }

    /// The id of the last entry that was delivered to the group.
    pub(crate) fn last_id(&self) -> Id {
        self.last_id
    }

    /// How many of the stream's entries were delivered to it, if that is known.
    pub(crate) fn entries_read(&self) -> Option<u64> {
        self.entries_read
    }

    /// The number of deliveries.
    pub(crate) fn pending_len(&self) -> usize {
        self.len
    }

    /// Deliveries from an id on.
    pub(crate) fn pending_from(&self, id: Id) -> impl Iterator<Item = &Delivery> {
        let from = self.pages.range(..=id).next_back();
        let from = from.map_or(id, |(&first, _)| first);
        self.pages.range(from..).flat_map(move |(_, page)| {
            let skipped = page.rows.partition_point(|row| row.id < id);
            &page.rows[skipped..]
        })
    }

    /// The first and the last delivery.
    pub(crate) fn pending_ends(&self) -> Option<(Id, Id)> {
        let first = self.pages.first_key_value()?.1.rows.first()?;
        let last = self.pages.last_key_value()?.1.rows.last()?;
        Some((first.id, last.id))
    }

    /// What was delivered under an id.
    pub(crate) fn delivery(&self, id: Id) -> Option<&Delivery> {
        let (_, page) = self.pages.range(..=id).next_back()?;
        let at = page.rows.binary_search_by_key(&id, |row| row.id).ok()?;
        page.rows.get(at)
    }

    /// Consumers with their numbers, in the order of their names.
    pub(crate) fn consumers(&self) -> impl ExactSizeIterator<Item = (u64, &Consumer)> {
        // Every name is that of a consumer.
        self.names
            .values()
            .map(|number| (*number, &self.consumers[number]))
    }

    /// The consumer of a number.
    pub(crate) fn consumer(&self, number: u64) -> Option<&Consumer> {
        self.consumers.get(&number)
    }

    /// The number of the consumer of a name.
    pub(crate) fn consumer_number(&self, name: &[u8]) -> Option<u64> {
        self.names.get(name).copied()
    }

    pub(crate) fn set_last_id(&mut self, id: Id, entries_read: Option<u64>, slice: &mut Slice) {
        self.touch(slice);
        self.last_id = id;
        self.entries_read = entries_read;
    }

    /// Adds a consumer, whose name is not there yet; its number.
    pub(crate) fn add_consumer(
        &mut self,
        name: &[u8],
        seen_ms: i64,
        active_ms: i64,
        slice: &mut Slice,
    ) -> u64 {
        self.touch(slice);
        self.last_consumer += 1;
        let number = self.last_consumer;
        self.names.insert(name.into(), number);
        self.consumers.insert(
            number,
            Consumer {
                epoch: slice.epoch(),
                name: name.into(),
                seen_ms,
                active_ms,
                pending: BTreeSet::new(),
            },
        );
        number
    }

    /// Notes that a consumer asked for something, and whether it was given something.
    pub(crate) fn seen(&mut self, number: u64, now_ms: i64, is_active: bool, slice: &mut Slice) {
        let (object, group) = (self.object, self.number);
        if let Some(consumer) = self.consumers.get_mut(&number) {
            pages::touch_consumer(consumer, number, group, object, slice);
            consumer.seen_ms = now_ms;
            if is_active {
                consumer.active_ms = now_ms;
            }
        }
    }

    /// Removes a consumer with all that was delivered to it, and tells how much that was.
    pub(crate) fn remove_consumer(&mut self, number: u64, slice: &mut Slice) -> usize {
        let (object, group) = (self.object, self.number);
        let Some(consumer) = self.consumers.get_mut(&number) else {
            return 0;
        };
        pages::touch_consumer(consumer, number, group, object, slice);
        let pending = std::mem::take(&mut consumer.pending);
        for &id in &pending {
            self.acknowledge(id, slice);
        }
        self.touch(slice);
        if let Some(consumer) = self.consumers.remove(&number) {
            self.names.remove(&consumer.name);
        }
        pending.len()
    }

    /// Notes a delivery, whatever was noted under its id.
    pub(crate) fn deliver(&mut self, delivery: Delivery, slice: &mut Slice) {
        if let Some(row) = self.row_mut(delivery.id, slice) {
            let before = std::mem::replace(row, delivery);
            if before.consumer == delivery.consumer {
                return;
            }
            if let Some(consumer) = self.consumers.get_mut(&before.consumer) {
                consumer.pending.remove(&delivery.id);
            }
        } else {
            self.touch(slice);
            self.insert(delivery, slice);
        }
        if let Some(consumer) = self.consumers.get_mut(&delivery.consumer) {
            consumer.pending.insert(delivery.id);
        }
    }

    /// Forgets a delivery; false if there was none.
    pub(crate) fn acknowledge(&mut self, id: Id, slice: &mut Slice) -> bool {
        let Some((&first, page)) = self.pages.range(..=id).next_back() else {
            return false;
        };
        let Ok(at) = page.rows.binary_search_by_key(&id, |row| row.id) else {
            return false;
        };
        self.touch(slice);
        let (object, group) = (self.object, self.number);
        let Some(page) = self.pages.get_mut(&first) else {
            return false;
        };
        pages::touch_page(page, group, object, slice);
        let row = page.rows.remove(at);
        self.len -= 1;
        if page.rows.is_empty() {
            self.pages.remove(&first);
        } else if page.rows.len() <= JOINED_ROWS_MAX / 2 {
            page.rows.shrink_to(JOINED_ROWS_MAX);
            self.join(first, slice);
        }
        if let Some(consumer) = self.consumers.get_mut(&row.consumer) {
            consumer.pending.remove(&id);
        }
        true
    }

    /// The delivery of an id, to be changed; not to another consumer.
    pub(crate) fn row_mut(&mut self, id: Id, slice: &mut Slice) -> Option<&mut Delivery> {
        let (object, group) = (self.object, self.number);
        let (_, page) = self.pages.range_mut(..=id).next_back()?;
        let at = page.rows.binary_search_by_key(&id, |row| row.id).ok()?;
        pages::touch_page(page, group, object, slice);
        page.rows.get_mut(at)
    }

    /// Emits what is known of the group as a whole, if the snapshot in the making still needs it.
    fn touch(&mut self, slice: &mut Slice) {
        if self.epoch != slice.epoch() {
            pages::write_group(self, slice);
        }
    }

    /// Adds a row under an id that has none.
    fn insert(&mut self, delivery: Delivery, slice: &mut Slice) {
        self.len += 1;
        let (object, group) = (self.object, self.number);
        let id = delivery.id;
        let Some((&first, page)) = self.pages.range_mut(..=id).next_back() else {
            match self.pages.pop_first() {
                Some((_, mut page)) if page.rows.len() < PAGE_ROWS => {
                    pages::touch_page(&mut page, group, object, slice);
                    page.rows.insert(0, delivery);
                    self.pages.insert(id, page);
                    return;
                }
                Some((first, page)) => {
                    self.pages.insert(first, page);
                }
                None => {}
            }
            self.pages.insert(id, Page::born(delivery, slice));
            return;
        };
        let at = page.rows.partition_point(|row| row.id < id);
        if page.rows.len() < PAGE_ROWS {
            pages::touch_page(page, group, object, slice);
            page.rows.insert(at, delivery);
            return;
        }
        if at == PAGE_ROWS {
            self.pages.insert(id, Page::born(delivery, slice));
            return;
        }
        pages::touch_page(page, group, object, slice);
        let right = page.rows.split_off(PAGE_ROWS / 2);
        let behind = right[0].id;
        let mut right = Page {
            epoch: slice.epoch(),
            rows: right,
        };
        if at <= PAGE_ROWS / 2 {
            page.rows.insert(at, delivery);
        } else {
            right.rows.insert(at - PAGE_ROWS / 2, delivery);
        }
        debug_assert!(first < behind, "a page lies under an id above its own");
        self.pages.insert(behind, Box::new(right));
    }

    /// Makes one page of this, which has been emitted, and the next, if they are small.
    fn join(&mut self, first: Id, slice: &mut Slice) {
        let (object, group) = (self.object, self.number);
        let mut found = self
            .pages
            .range(first..)
            .map(|(&id, page)| (id, page.rows.len()));
        let (Some((_, one)), Some((next, other))) = (found.next(), found.next()) else {
            return;
        };
        if one + other > JOINED_ROWS_MAX {
            return;
        }
        let Some(mut right) = self.pages.remove(&next) else {
            return;
        };
        pages::touch_page(&mut right, group, object, slice);
        if let Some(page) = self.pages.get_mut(&first) {
            page.rows.append(&mut right.rows);
        }
    }

    /// An equal group of another stream.
    pub(super) fn duplicate(&self, object: ObjectId, epoch: u32) -> Self {
        let mut consumers = self.consumers.clone();
        consumers.values_mut().for_each(|one| one.epoch = epoch);
        let mut pages = self.pages.clone();
        pages.values_mut().for_each(|page| page.epoch = epoch);
        Self {
            object,
            epoch,
            consumers,
            pages,
            name: self.name.clone(),
            names: self.names.clone(),
            ..*self
        }
    }

    /// About how many bytes it takes.
    pub(super) fn memory_bytes(&self) -> usize {
        let consumers = self.consumers.values().map(|consumer| {
            let tree = size_of::<Id>() + size_of::<Id>() / 2;
            2 * (size_of::<Consumer>() + consumer.name.len()) + consumer.pending.len() * tree
        });
        let rows = self.pages.values().map(|page| page.rows.capacity());
        size_of::<Self>()
            + 2 * self.name.len()
            + consumers.sum::<usize>()
            + rows.sum::<usize>() * size_of::<Delivery>()
            + self.pages.len() * (size_of::<Page>() + 2 * size_of::<Id>())
    }
}

impl Page {
    fn born(delivery: Delivery, slice: &Slice) -> Box<Self> {
        Box::new(Self {
            epoch: slice.epoch(),
            rows: vec![delivery],
        })
    }
}
