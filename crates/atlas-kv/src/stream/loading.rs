//! Streams that are read from snapshots: pages in any order, until all are there.

use std::collections::BTreeMap;

use crate::codec::{LoadError, Reader};
use crate::slice::ObjectId;
use crate::stream::Stream;
use crate::stream::block::{Block, read_id};
use crate::stream::group::{Consumer, Delivery, Group, PAGE_ROWS, Page};
use crate::stream::id::Id;
use crate::stream::pages::sort;

/// What a stream that is being read must have in the end, and groups of which some pages are there.
#[derive(Debug, Default)]
pub(super) struct Promised {
    pub(super) blocks: u64,
    pub(super) groups: u64,
    partial: BTreeMap<u64, Partial>,
}

#[derive(Debug)]
struct Partial {
    group: Group,
    is_known: bool,
    consumers: u64,
    deliveries: u64,
}

impl Partial {
    fn of(promised: &mut Promised, object: ObjectId, number: u64) -> &mut Self {
        promised.partial.entry(number).or_insert_with(|| Self {
            group: Group::new(object, number, b"", Id::MIN, None, 0),
            is_known: false,
            consumers: 0,
            deliveries: 0,
        })
    }

    fn load_group(&mut self, reader: &mut Reader<'_>) -> Result<(), LoadError> {
        if self.is_known {
            return Err(reader.impossible("a group twice"));
        }
        self.is_known = true;
        self.group.name = reader.bytes("a group's name")?.into();
        self.group.last_id = read_id(reader)?;
        self.group.entries_read = match reader.byte("whether a count is known")? {
            0 => None,
            _ => Some(reader.integer("a count of entries")?),
        };
        self.consumers = reader.integer("a number of consumers")?;
        self.deliveries = reader.integer("a number of deliveries")?;
        Ok(())
    }

    fn load_consumer(&mut self, reader: &mut Reader<'_>) -> Result<(), LoadError> {
        let number = reader.integer("a consumer's number")?;
        let name: Box<[u8]> = reader.bytes("a consumer's name")?.into();
        let consumer = Consumer {
            epoch: 0,
            name: name.clone(),
            seen_ms: reader.signed("a time")?,
            active_ms: reader.signed("a time")?,
            pending: Default::default(),
        };
        let group = &mut self.group;
        group.last_consumer = group.last_consumer.max(number);
        if group.names.insert(name, number).is_some()
            || group.consumers.insert(number, consumer).is_some()
        {
            return Err(reader.impossible("a consumer twice"));
        }
        Ok(())
    }

    fn load_deliveries(&mut self, reader: &mut Reader<'_>) -> Result<(), LoadError> {
        let count = reader.integer("a number of deliveries")?;
        if count == 0 || count > PAGE_ROWS as u64 {
            return Err(reader.impossible("a page of deliveries of no legal size"));
        }
        let mut rows: Vec<Delivery> = Vec::with_capacity(count as usize);
        for _ in 0..count {
            let row = Delivery {
                id: read_id(reader)?,
                time_ms: reader.signed("a time")?,
                count: reader.integer("a count")?,
                consumer: reader.integer("a consumer's number")?,
            };
            if rows.last().is_some_and(|before| before.id >= row.id) {
                return Err(reader.impossible("deliveries in no order"));
            }
            rows.push(row);
        }
        let first = rows[0].id;
        self.group.len += rows.len();
        let page = Box::new(Page { epoch: 0, rows });
        if self.group.pages.insert(first, page).is_some() {
            return Err(reader.impossible("a page of deliveries twice"));
        }
        Ok(())
    }

    /// The group, if all of it is there.
    fn finish(self) -> Option<Group> {
        let mut group = self.group;
        let is_whole = self.is_known
            && group.consumers.len() as u64 == self.consumers
            && group.len as u64 == self.deliveries;
        if !is_whole {
            return None;
        }
        let mut before = None;
        for row in group.pages.values().flat_map(|page| &page.rows) {
            if before.is_some_and(|before| before >= row.id) {
                return None;
            }
            before = Some(row.id);
            group
                .consumers
                .get_mut(&row.consumer)?
                .pending
                .insert(row.id);
        }
        Some(group)
    }
}

impl Stream {
    /// Reads one page.
    pub(super) fn load(&mut self, reader: &mut Reader<'_>) -> Result<(), LoadError> {
        let sort = reader.integer("what a page is of")?;
        if sort == sort::BLOCK {
            return self.load_block(reader);
        }
        let number = reader.integer("a group's number")?;
        let object = self.object;
        let promised = self.loading.get_or_insert_default();
        let partial = Partial::of(promised, object, number);
        match sort {
            sort::GROUP => partial.load_group(reader),
            sort::CONSUMER => partial.load_consumer(reader),
            sort::DELIVERIES => partial.load_deliveries(reader),
            _ => Err(reader.impossible("a page of a stream of no known sort")),
        }
    }

    /// Derives what pages do not hold; false if something is missing.
    pub(super) fn finish(&mut self) -> bool {
        let Some(promised) = self.loading.take() else {
            return true;
        };
        let (blocks, groups) = (promised.blocks, promised.groups);
        for (number, partial) in promised.partial {
            let Some(group) = partial.finish() else {
                return false;
            };
            self.last_group = self.last_group.max(number);
            let name = group.name.clone();
            if self.groups.insert(name, Box::new(group)).is_some() {
                return false;
            }
        }
        self.len = self.blocks.values().map(|block| block.len()).sum();
        // Blocks must not reach into each other.
        let ends = self
            .blocks
            .iter()
            .map(|(&first, block)| (first, block.id_at(first, block.len() - 1)));
        let mut before = None;
        for (first, last) in ends {
            if before.is_some_and(|before| before >= first) || last > self.last_id {
                return false;
            }
            before = Some(last);
        }
        self.blocks.len() as u64 == blocks && self.groups.len() as u64 == groups
    }

    pub(super) fn load_block(&mut self, reader: &mut Reader<'_>) -> Result<(), LoadError> {
        let (first, block) = Block::decode(reader)?;
        if self.blocks.insert(first, Box::new(block)).is_some() {
            return Err(reader.impossible("a block twice"));
        }
        Ok(())
    }
}
