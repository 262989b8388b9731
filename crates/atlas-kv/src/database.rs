//! One of the numbered databases: its entries by part, and which of them expire when.

mod sampling;

use std::collections::BTreeMap;

use crc::{CRC_16_XMODEM, Crc, Table};
use hashbrown::HashTable;

use crate::codec::{LoadError, Reader};
use crate::entry::Entry;
use crate::hashing::hash;
use crate::paged::Paged;
use crate::slice::{ObjectId, Owner, Slice};
use crate::value::Object;

/// Parts a database: sixteen of Redis Cluster's slots each.
pub(crate) const PARTS: usize = 1024;
/// Redis Cluster's slots.
const SLOTS: u16 = 16384;
/// Expiries are gathered by spans of this many milliseconds (a power of two of them).
const SPAN_BITS: u32 = 7;
/// Stale notes of expiries are swept out once there are so many more than volatile keys.
const STALE_MAX: usize = 4096;

static SLOT: Crc<u16, Table<16>> = Crc::<u16, Table<16>>::new(&CRC_16_XMODEM);

/// The slot of a key as Redis Cluster counts it: CRC-16 of the key, or of what stands between its first braces.
pub fn slot(key: &[u8]) -> u16 {
    let tagged = key.iter().position(|&byte| byte == b'{').and_then(|open| {
        let rest = &key[open + 1..];
        let close = rest.iter().position(|&byte| byte == b'}')?;
        (close > 0).then(|| &rest[..close])
    });
    SLOT.checksum(tagged.unwrap_or(key)) % SLOTS
}

/// Where a key lies, or would.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Place {
    pub(crate) part: u32,
    pub(crate) hash: u64,
}

impl Place {
    pub(crate) fn of(key: &[u8]) -> Self {
        Self {
            part: u32::from(slot(key)) * PARTS as u32 / u32::from(SLOTS),
            hash: hash(key),
        }
    }
}

/// The entries of one database.
#[derive(Debug)]
pub(crate) struct Database {
    /// Its number when the snapshot in the making began: swapping databases does not change it.
    pub(crate) sliced_as: u32,
    /// Empty until the first key.
    parts: Vec<Part>,
    keys: usize,
    volatile: usize,
    /// Keys that may expire in a span of time. A note is not removed with its key: whoever reads it looks.
    due: BTreeMap<i64, Vec<Place>>,
    noted: usize,
}

/// A collection of a snapshot whose pages lie in blocks of their own.
#[derive(Debug)]
pub(crate) struct Reference {
    pub(crate) database: u32,
    part: u32,
    position: usize,
    pub(crate) object: ObjectId,
    pub(crate) head: Vec<u8>,
}

#[derive(Debug, Default)]
struct Part {
    entries: Paged<Entry>,
    index: HashTable<u32>,
}

impl Database {
    pub(crate) fn new(sliced_as: u32) -> Self {
        Self {
            sliced_as,
            parts: Vec::new(),
            keys: 0,
            volatile: 0,
            due: BTreeMap::new(),
            noted: 0,
        }
    }

    /// The number of keys, expired ones that nobody has removed yet included.
    pub(crate) fn len(&self) -> usize {
        self.keys
    }

    /// The number of keys with an expiry.
    pub(crate) fn volatile_len(&self) -> usize {
        self.volatile
    }

    /// The number of entries in a part.
    pub(crate) fn part_len(&self, part: usize) -> usize {
        self.parts.get(part).map_or(0, |part| part.entries.len())
    }

    /// The entry at a position of a part.
    pub(crate) fn entry_at(&self, part: usize, position: usize) -> Option<&Entry> {
        self.parts.get(part)?.entries.get(position)
    }

    /// All entries, part by part.
    pub(crate) fn entries(&self) -> impl Iterator<Item = &Entry> {
        self.parts.iter().flat_map(|part| part.entries.iter())
    }

    pub(crate) fn find(&self, place: Place, key: &[u8]) -> Option<u32> {
        let part = self.parts.get(place.part as usize)?;
        part.index
            .find(place.hash, |&position| {
                part.entries
                    .get(position as usize)
                    .is_some_and(|entry| entry.key() == key)
            })
            .copied()
    }

    /// Where a key of this place lies, by its hash alone: almost always right, and nothing but the index is read.
    pub(crate) fn find_likely(&self, place: Place) -> Option<u32> {
        let part = self.parts.get(place.part as usize)?;
        part.index.find(place.hash, |_| true).copied()
    }

    pub(crate) fn get(&self, place: Place, position: u32) -> Option<&Entry> {
        self.parts
            .get(place.part as usize)?
            .entries
            .get(position as usize)
    }

    /// The entry, to be changed; its expiry only through [`Self::change`].
    pub(crate) fn get_mut(
        &mut self,
        place: Place,
        position: u32,
        slice: &mut Slice,
    ) -> Option<&mut Entry> {
        let owner = self.owner(place);
        self.parts
            .get_mut(place.part as usize)?
            .entries
            .get_mut(position as usize, owner, slice)
    }

    /// Adds an entry whose key is not there yet, and tells its position.
    pub(crate) fn insert(&mut self, place: Place, entry: Entry, slice: &mut Slice) -> u32 {
        if self.parts.is_empty() {
            self.parts.resize_with(PARTS, Part::default);
        }
        let owner = self.owner(place);
        self.keys += 1;
        if let Some(expire_ms) = entry.expire_ms() {
            self.volatile += 1;
            self.note(place, expire_ms);
        }
        let Some(part) = self.parts.get_mut(place.part as usize) else {
            return 0;
        };
        let position = part.entries.push(entry, owner, slice) as u32;
        let entries = &part.entries;
        part.index
            .insert_unique(place.hash, position, |&other| hash_at(entries, other));
        position
    }

    /// Lets `change` change an entry, its expiry included.
    pub(crate) fn change<R>(
        &mut self,
        place: Place,
        position: u32,
        slice: &mut Slice,
        change: impl FnOnce(&mut Entry, &mut Slice) -> R,
    ) -> Option<R> {
        let entry = self.get_mut(place, position, slice)?;
        let before = entry.expire_ms();
        let result = change(entry, slice);
        let now = entry.expire_ms();
        if now != before {
            self.volatile -= usize::from(before.is_some());
            self.volatile += usize::from(now.is_some());
            if let Some(now) = now {
                self.note(place, now);
            }
        }
        Some(result)
    }

    pub(crate) fn remove(
        &mut self,
        place: Place,
        position: u32,
        slice: &mut Slice,
    ) -> Option<Entry> {
        let owner = self.owner(place);
        let part = self.parts.get_mut(place.part as usize)?;
        let last = part.entries.len().checked_sub(1)? as u32;
        if let Ok(found) = part
            .index
            .find_entry(place.hash, |&other| other == position)
        {
            found.remove();
        }
        if position != last
            && let Some(moved) = part
                .index
                .find_mut(hash_at(&part.entries, last), |&other| other == last)
        {
            *moved = position;
        }
        let entry = part.entries.swap_remove(position as usize, owner, slice)?;
        self.keys -= 1;
        self.volatile -= usize::from(entry.expire_ms().is_some());
        if part.index.len() * 8 < part.index.capacity() {
            let entries = &part.entries;
            part.index
                .shrink_to(part.index.len() * 2, |&other| hash_at(entries, other));
        }
        Some(entry)
    }

    /// Keys that have expired by `now_ms`, at most `count_max`. They stay, and are told again, until they are removed.
    pub(crate) fn due(&mut self, now_ms: i64, count_max: usize) -> Vec<Vec<u8>> {
        let mut keys = Vec::new();
        let spans: Vec<i64> = self
            .due
            .range(..=now_ms >> SPAN_BITS)
            .map(|(&span, _)| span)
            .collect();
        for span in spans {
            if keys.len() >= count_max {
                break;
            }
            let Some(places) = self.due.get_mut(&span) else {
                continue;
            };
            let before = places.len();
            let parts = &self.parts;
            places.retain(|&place| {
                if keys.len() >= count_max {
                    return true;
                }
                let Some(entry) = noted_at(parts, place, span) else {
                    return false;
                };
                if entry.is_expired(now_ms) {
                    keys.push(entry.key().to_vec());
                }
                true
            });
            self.noted -= before - places.len();
            if places.is_empty() {
                self.due.remove(&span);
            }
        }
        keys
    }

    /// Writes the entries of a page that the snapshot still needs, and names the collections in it that have pages left.
    pub(crate) fn emit_page(
        &mut self,
        part: u32,
        page: usize,
        slice: &mut Slice,
        budget_bytes: usize,
    ) -> Vec<(Vec<u8>, usize)> {
        let owner = Owner::Part {
            database: self.sliced_as,
            part,
        };
        let mut owing = Vec::new();
        if let Some(part) = self.parts.get_mut(part as usize) {
            part.entries.emit(page, owner, slice);
            for entry in part.entries.page_mut_unsliced(page) {
                let left = entry
                    .object_mut()
                    .and_then(|object| object.emit(slice, 0, budget_bytes));
                if let Some(page) = left {
                    owing.push((entry.key().to_vec(), page));
                }
            }
        }
        owing
    }

    /// The number of pages of a part; none past the last part.
    pub(crate) fn page_count(&self, part: u32) -> Option<usize> {
        self.parts
            .get(part as usize)
            .map(|part| part.entries.page_count())
    }

    /// The collection at a key, for the snapshot's walk.
    pub(crate) fn object_unsliced(&mut self, key: &[u8]) -> Option<&mut Object> {
        let place = Place::of(key);
        let position = self.find(place, key)?;
        self.parts
            .get_mut(place.part as usize)?
            .entries
            .get_mut_unsliced(position as usize)?
            .object_mut()
    }

    /// Takes a collection out of a database that nobody can reach any more.
    pub(crate) fn take_object(&mut self, key: &[u8]) -> Option<Box<Object>> {
        let place = Place::of(key);
        let position = self.find(place, key)?;
        self.parts
            .get_mut(place.part as usize)?
            .entries
            .get_mut_unsliced(position as usize)?
            .take_object()
    }

    /// Reads a page of entries behind its part's number; adds the collections in it whose pages lie in other blocks, and
    /// tells `slice` of those that are whole, so that nobody else gets their names.
    pub(crate) fn load_page(
        &mut self,
        reader: &mut Reader<'_>,
        references: &mut Vec<Reference>,
        slice: &mut Slice,
    ) -> Result<(), LoadError> {
        let part = reader.integer("a part's number")?;
        if self.parts.is_empty() {
            self.parts.resize_with(PARTS, Part::default);
        }
        let Some(held) = usize::try_from(part)
            .ok()
            .and_then(|part| self.parts.get_mut(part))
        else {
            return Err(reader.impossible("a part that no database has"));
        };
        held.entries.load_page_with(reader, |reader, position| {
            let mut referred = None;
            let mut entry = Entry::load(reader, &mut referred)?;
            if let Some(object) = entry.object_mut() {
                slice.named(object.object());
            }
            if let Some((object, head)) = referred {
                references.push(Reference {
                    database: self.sliced_as,
                    part: part as u32,
                    position,
                    object,
                    head,
                });
            }
            Ok(entry)
        })
    }

    /// Puts a collection whose pages have been read where it is referred to.
    pub(crate) fn settle(&mut self, reference: &Reference, object: Object) {
        let entry = self
            .parts
            .get_mut(reference.part as usize)
            .and_then(|part| part.entries.get_mut_unsliced(reference.position));
        if let Some(entry) = entry {
            entry.settle(object);
        }
    }

    /// Derives what pages do not hold, once all are read; false if a page is missing or a key is there twice.
    pub(crate) fn finish_loading(&mut self) -> bool {
        let mut volatile = Vec::new();
        let mut is_whole = true;
        self.keys = 0;
        for (number, part) in self.parts.iter_mut().enumerate() {
            is_whole &= part.entries.is_whole();
            self.keys += part.entries.len();
            let entries = &part.entries;
            part.index = HashTable::with_capacity(entries.len());
            for (position, entry) in entries.iter().enumerate() {
                let place = Place {
                    part: number as u32,
                    hash: hash(entry.key()),
                };
                let is_twice = part.index.find(place.hash, |&other| {
                    entries
                        .get(other as usize)
                        .is_some_and(|other| other.key() == entry.key())
                });
                is_whole &= is_twice.is_none();
                part.index
                    .insert_unique(place.hash, position as u32, |&other| {
                        hash_at(entries, other)
                    });
                if let Some(expire_ms) = entry.expire_ms() {
                    volatile.push((place, expire_ms));
                }
            }
        }
        self.volatile = volatile.len();
        for (place, expire_ms) in volatile {
            self.note(place, expire_ms);
        }
        is_whole
    }

    fn note(&mut self, place: Place, expire_ms: i64) {
        self.due
            .entry(expire_ms >> SPAN_BITS)
            .or_default()
            .push(place);
        self.noted += 1;
        if self.noted > self.volatile * 2 + STALE_MAX {
            let parts = &self.parts;
            let mut noted = 0;
            self.due.retain(|&span, places| {
                places.retain(|&place| noted_at(parts, place, span).is_some());
                // A key that expires, is made to stay and expires again may stand there twice.
                places.sort_unstable_by_key(|place| (place.part, place.hash));
                places.dedup_by_key(|place| (place.part, place.hash));
                places.shrink_to_fit();
                noted += places.len();
                !places.is_empty()
            });
            self.noted = noted;
        }
    }

    fn owner(&self, place: Place) -> Owner {
        Owner::Part {
            database: self.sliced_as,
            part: place.part,
        }
    }
}

/// The entry that was noted to expire in `span`, if that is still so.
fn noted_at(parts: &[Part], place: Place, span: i64) -> Option<&Entry> {
    let part = parts.get(place.part as usize)?;
    let position = part.index.find(place.hash, |&position| {
        part.entries
            .get(position as usize)
            .and_then(Entry::expire_ms)
            .is_some_and(|expire_ms| expire_ms >> SPAN_BITS == span)
    })?;
    part.entries.get(*position as usize)
}

fn hash_at(entries: &Paged<Entry>, position: u32) -> u64 {
    entries
        .get(position as usize)
        .map_or(0, |entry| hash(entry.key()))
}
