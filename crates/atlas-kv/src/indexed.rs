//! A dense array of named items in pages, with an index by name.

use hashbrown::HashTable;

use crate::codec::{LoadError, Reader};
use crate::hashing::hash;
use crate::paged::{Item, Paged};
use crate::slice::{Owner, Slice};

/// Up to this many items are searched one by one.
const UNINDEXED_MAX: usize = 16;

/// An item that is found by its name.
pub(crate) trait Named: Item {
    fn name(&self) -> &[u8];
}

/// Items in the order of their history (removal moves the last into the gap), and where each lies.
#[derive(Debug)]
pub(crate) struct Indexed<T> {
    items: Paged<T>,
    /// Positions by name; none while there are few.
    index: Option<HashTable<u32>>,
}

/// That a name was not found: what an item of it is added with, so that it is not looked for twice.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Absent {
    /// The name's hash if there is an index.
    hash: u64,
}

impl<T> Default for Indexed<T> {
    fn default() -> Self {
        Self {
            items: Paged::default(),
            index: None,
        }
    }
}

impl<T: Named> Indexed<T> {
    /// Items with different names, as if they had been added one by one.
    pub(crate) fn of(items: Paged<T>) -> Self {
        let mut indexed = Self { items, index: None };
        indexed.derive_index();
        indexed
    }

    pub(crate) fn len(&self) -> usize {
        self.items.len()
    }

    pub(crate) fn get(&self, position: usize) -> Option<&T> {
        self.items.get(position)
    }

    pub(crate) fn iter(&self) -> impl DoubleEndedIterator<Item = &T> {
        self.items.iter()
    }

    /// Where the item of a name lies.
    pub(crate) fn look(&self, name: &[u8]) -> Result<usize, Absent> {
        match &self.index {
            None => self
                .items
                .iter()
                .position(|item| item.name() == name)
                .ok_or(Absent { hash: 0 }),
            Some(index) => {
                let hash = hash(name);
                index
                    .find(hash, |&position| {
                        self.items
                            .get(position as usize)
                            .is_some_and(|item| item.name() == name)
                    })
                    .map(|&position| position as usize)
                    .ok_or(Absent { hash })
            }
        }
    }

    pub(crate) fn find(&self, name: &[u8]) -> Option<&T> {
        self.items.get(self.look(name).ok()?)
    }

    pub(crate) fn contains(&self, name: &[u8]) -> bool {
        self.look(name).is_ok()
    }

    /// The item, to be changed; its name stays.
    pub(crate) fn get_mut(
        &mut self,
        position: usize,
        owner: Owner,
        slice: &mut Slice,
    ) -> Option<&mut T> {
        self.items.get_mut(position, owner, slice)
    }

    /// Adds an item whose name was not found just now.
    pub(crate) fn insert(&mut self, item: T, absent: Absent, owner: Owner, slice: &mut Slice) {
        let position = self.items.push(item, owner, slice);
        match &mut self.index {
            Some(index) => {
                let items = &self.items;
                index.insert_unique(absent.hash, position as u32, |&other| hash_at(items, other));
            }
            None if self.items.len() > UNINDEXED_MAX => self.derive_index(),
            None => {}
        }
    }

    /// Takes the item at a position out and moves the last one there.
    pub(crate) fn remove(&mut self, position: usize, owner: Owner, slice: &mut Slice) -> Option<T> {
        let last = self.items.len().checked_sub(1)?;
        let items = &self.items;
        if let Some(index) = &mut self.index {
            let hash = hash_at(items, position as u32);
            if let Ok(found) = index.find_entry(hash, |&other| other as usize == position) {
                found.remove();
            }
            if position != last
                && let Some(moved) =
                    index.find_mut(hash_at(items, last as u32), |&other| other as usize == last)
            {
                *moved = position as u32;
            }
        }
        let removed = self.items.swap_remove(position, owner, slice);
        if let Some(index) = &mut self.index
            && index.len() * 8 < index.capacity()
        {
            let items = &self.items;
            index.shrink_to(index.len() * 2, |&other| hash_at(items, other));
        }
        removed
    }

    /// Brings the items of which `names` tells the names to the front, in that order. Only right after the array was
    /// made: no snapshot may know its pages.
    pub(crate) fn lead_with<'n>(&mut self, names: impl Iterator<Item = &'n [u8]>) {
        let mut settled = 0;
        for name in names {
            let Ok(position) = self.look(name) else {
                continue;
            };
            if position > settled {
                if let Some(index) = &mut self.index {
                    let hashes = [position, settled].map(|at| hash_at(&self.items, at as u32));
                    let [from, to] = [position as u32, settled as u32];
                    // Both are looked for before either is changed: then each number is there once.
                    for (hash, at) in [(hashes[0], from), (hashes[1], to)] {
                        if let Ok(found) = index.find_entry(hash, |&other| other == at) {
                            found.remove();
                        }
                    }
                    self.items.swap_unsliced(position, settled);
                    let items = &self.items;
                    for (hash, at) in [(hashes[0], to), (hashes[1], from)] {
                        index.insert_unique(hash, at, |&other| hash_at(items, other));
                    }
                } else {
                    self.items.swap_unsliced(position, settled);
                }
            }
            settled += 1;
        }
    }

    /// The bytes of array and index, without what items point to.
    pub(crate) fn memory_bytes(&self) -> usize {
        let index = self
            .index
            .as_ref()
            .map_or(0, |index| index.capacity() * 8 / 7 * 5);
        self.items.memory_bytes() + index
    }

    pub(crate) fn encode_inline(&mut self, out: &mut Vec<u8>, epoch: u32) {
        self.items.encode_inline(out, epoch);
    }

    /// Reads what [`Self::encode_inline`] wrote; the index is there after [`Self::finish_loading`].
    pub(crate) fn decode_inline(reader: &mut Reader<'_>) -> Result<Self, LoadError> {
        Ok(Self {
            items: Paged::decode_inline(reader)?,
            index: None,
        })
    }

    pub(crate) fn emit(
        &mut self,
        page: usize,
        owner: Owner,
        slice: &mut Slice,
        budget_bytes: usize,
    ) -> Option<usize> {
        self.items.emit_from(page, owner, slice, budget_bytes)
    }

    pub(crate) fn has_unwritten(&self, slice: &Slice) -> bool {
        self.items.has_unwritten(slice)
    }

    pub(crate) fn load_page(&mut self, reader: &mut Reader<'_>) -> Result<(), LoadError> {
        self.items.load_page(reader)
    }

    /// Derives the index once all pages are read; false if one is missing or a name is there twice.
    pub(crate) fn finish_loading(&mut self) -> bool {
        self.derive_index();
        self.items.is_whole()
            && self
                .items
                .iter()
                .enumerate()
                .all(|(position, item)| self.look(item.name()).is_ok_and(|at| at == position))
    }

    fn derive_index(&mut self) {
        if self.items.len() <= UNINDEXED_MAX {
            self.index = None;
            return;
        }
        let mut index = HashTable::with_capacity(self.items.len());
        for (position, item) in self.items.iter().enumerate() {
            index.insert_unique(hash(item.name()), position as u32, |&other| {
                hash_at(&self.items, other)
            });
        }
        self.index = Some(index);
    }
}

fn hash_at<T: Named>(items: &Paged<T>, position: u32) -> u64 {
    items
        .get(position as usize)
        .map_or(0, |item| hash(item.name()))
}
