//! A dense array in small pages, each of which can be written to a snapshot on its own.

use crate::codec::{LoadError, Reader, put_integer};
use crate::slice::{Owner, Slice, kind};

/// Items a page: some kilobytes with the usual keys and values.
pub(crate) const PAGE_ITEMS: usize = 64;
/// Positions are kept in 32 bits.
const PAGES_MAX: usize = (u32::MAX as usize + 1) / PAGE_ITEMS;

/// What lies in pages.
pub(crate) trait Item: Sized {
    /// Appends the item to a page's payload; `epoch` is that of the snapshot, for what it takes along.
    fn encode(&mut self, out: &mut Vec<u8>, epoch: u32);
    /// Reads it back.
    fn decode(reader: &mut Reader<'_>) -> Result<Self, LoadError>;
}

/// A dense array: positions 0 to `len`, removal moves the last item into the gap. Whoever changes an item goes through
/// its page, so that a snapshot in the making sees what was there before.
#[derive(Debug)]
pub(crate) struct Paged<T> {
    pages: Vec<Page<T>>,
    len: usize,
}

#[derive(Debug)]
struct Page<T> {
    /// The epoch in which the page was written to a snapshot, or born.
    epoch: u32,
    items: Vec<T>,
}

impl<T> Page<T> {
    fn append(&mut self, item: T) {
        if self.items.len() == self.items.capacity() {
            // Doubling would overshoot the page's end.
            let more = self.items.len().clamp(1, PAGE_ITEMS - self.items.len());
            self.items.reserve_exact(more);
        }
        self.items.push(item);
    }
}

impl<T> Default for Paged<T> {
    fn default() -> Self {
        Self {
            pages: Vec::new(),
            len: 0,
        }
    }
}

impl<T> Paged<T> {
    /// Items that no snapshot in the making knows; `epoch` is the present one.
    pub(crate) fn of(items: impl IntoIterator<Item = T>, epoch: u32) -> Self {
        let mut paged = Self::default();
        for item in items {
            paged.append_born(item, epoch);
        }
        paged
    }

    pub(crate) fn len(&self) -> usize {
        self.len
    }

    pub(crate) fn page_count(&self) -> usize {
        self.pages.len()
    }

    pub(crate) fn get(&self, position: usize) -> Option<&T> {
        self.pages
            .get(position / PAGE_ITEMS)?
            .items
            .get(position % PAGE_ITEMS)
    }

    pub(crate) fn iter(&self) -> impl DoubleEndedIterator<Item = &T> {
        self.pages.iter().flat_map(|page| &page.items)
    }

    /// The bytes of the pages themselves, without what items point to.
    pub(crate) fn memory_bytes(&self) -> usize {
        self.pages.capacity() * size_of::<Page<T>>()
            + self
                .pages
                .iter()
                .map(|page| page.items.capacity() * size_of::<T>())
                .sum::<usize>()
    }

    /// True if the snapshot in the making still needs a page.
    pub(crate) fn has_unwritten(&self, slice: &Slice) -> bool {
        self.pages.iter().any(|page| page.epoch != slice.epoch())
    }
}

impl<T: Item> Paged<T> {
    /// The item, to be changed.
    pub(crate) fn get_mut(
        &mut self,
        position: usize,
        owner: Owner,
        slice: &mut Slice,
    ) -> Option<&mut T> {
        if position >= self.len {
            return None;
        }
        self.touch(position / PAGE_ITEMS, owner, slice);
        self.pages
            .get_mut(position / PAGE_ITEMS)?
            .items
            .get_mut(position % PAGE_ITEMS)
    }

    /// Appends an item and returns its position.
    pub(crate) fn push(&mut self, item: T, owner: Owner, slice: &mut Slice) -> usize {
        let position = self.len;
        if position.is_multiple_of(PAGE_ITEMS) {
            self.pages.push(Page {
                epoch: slice.epoch(),
                items: Vec::new(),
            });
        } else {
            self.touch(position / PAGE_ITEMS, owner, slice);
        }
        if let Some(page) = self.pages.last_mut() {
            page.append(item);
        }
        self.len += 1;
        position
    }

    /// Removes the item and moves the last one into its place.
    pub(crate) fn swap_remove(
        &mut self,
        position: usize,
        owner: Owner,
        slice: &mut Slice,
    ) -> Option<T> {
        if position >= self.len {
            return None;
        }
        let last = self.len - 1;
        self.touch(position / PAGE_ITEMS, owner, slice);
        self.touch(last / PAGE_ITEMS, owner, slice);
        let mut removed = self.pages.last_mut()?.items.pop()?;
        self.len = last;
        if last.is_multiple_of(PAGE_ITEMS) {
            self.pages.pop();
            if self.pages.len() * 4 < self.pages.capacity() {
                self.pages.shrink_to(self.pages.len() * 2);
            }
        }
        if position != last {
            let place = self
                .pages
                .get_mut(position / PAGE_ITEMS)?
                .items
                .get_mut(position % PAGE_ITEMS)?;
            std::mem::swap(place, &mut removed);
        }
        Some(removed)
    }

    /// Emits the page if the snapshot in the making still needs it; call before every change.
    fn touch(&mut self, page: usize, owner: Owner, slice: &mut Slice) {
        let Some(held) = self.pages.get(page) else {
            return;
        };
        if held.epoch != slice.epoch() {
            self.emit(page, owner, slice);
        }
    }

    /// Writes the pages from `page` on that the snapshot in the making still needs, until `budget_bytes` wait to be
    /// taken; where to go on, if some are left.
    pub(crate) fn emit_from(
        &mut self,
        page: usize,
        owner: Owner,
        slice: &mut Slice,
        budget_bytes: usize,
    ) -> Option<usize> {
        for number in page..self.pages.len() {
            if self.pages[number].epoch == slice.epoch() {
                continue;
            }
            if slice.bytes() >= budget_bytes {
                return Some(number);
            }
            self.emit(number, owner, slice);
        }
        None
    }

    /// Writes one page if the snapshot in the making does not have it yet.
    pub(crate) fn emit(&mut self, page: usize, owner: Owner, slice: &mut Slice) {
        let Some(held) = self.pages.get_mut(page) else {
            return;
        };
        if held.epoch == slice.epoch() {
            return;
        }
        held.epoch = slice.epoch();
        if !slice.is_active() {
            return;
        }
        let mut payload = Vec::with_capacity(PAGE_ITEMS * 32);
        let kind = match owner {
            Owner::Part { database, part } => {
                put_integer(&mut payload, u64::from(database));
                put_integer(&mut payload, u64::from(part));
                kind::ENTRIES
            }
            Owner::Object(object) => {
                object.encode(&mut payload);
                kind::OBJECT
            }
        };
        put_integer(&mut payload, page as u64);
        put_integer(&mut payload, held.items.len() as u64);
        for item in &mut held.items {
            item.encode(&mut payload, slice.epoch());
        }
        slice.emit(kind, payload);
    }

    /// Writes all items into an entry's own bytes, and marks their pages as written: they are not emitted again.
    pub(crate) fn encode_inline(&mut self, out: &mut Vec<u8>, epoch: u32) {
        put_integer(out, self.len as u64);
        for page in &mut self.pages {
            page.epoch = epoch;
            for item in &mut page.items {
                item.encode(out, epoch);
            }
        }
    }

    /// Reads what [`Self::encode_inline`] wrote.
    pub(crate) fn decode_inline(reader: &mut Reader<'_>) -> Result<Self, LoadError> {
        let mut paged = Self::default();
        for _ in 0..reader.integer("a length")? {
            let item = T::decode(reader)?;
            paged.append_born(item, 0);
        }
        Ok(paged)
    }

    /// Reads a page's items behind its owner's name.
    pub(crate) fn load_page(&mut self, reader: &mut Reader<'_>) -> Result<(), LoadError> {
        self.load_page_with(reader, |reader, _| T::decode(reader))
    }
}

impl<T> Paged<T> {
    /// The item, for a change that snapshots do not see: to what they write apart from this page.
    pub(crate) fn get_mut_unsliced(&mut self, position: usize) -> Option<&mut T> {
        self.pages
            .get_mut(position / PAGE_ITEMS)?
            .items
            .get_mut(position % PAGE_ITEMS)
    }

    /// A page's items, for changes that snapshots do not see.
    pub(crate) fn page_mut_unsliced(&mut self, page: usize) -> impl Iterator<Item = &mut T> {
        self.pages
            .get_mut(page)
            .into_iter()
            .flat_map(|page| &mut page.items)
    }

    /// As [`Self::load_page`], with each item read by `decode`, which is told the item's position.
    pub(crate) fn load_page_with(
        &mut self,
        reader: &mut Reader<'_>,
        mut decode: impl FnMut(&mut Reader<'_>, usize) -> Result<T, LoadError>,
    ) -> Result<(), LoadError> {
        let number = reader.integer("a page's number")?;
        let number = usize::try_from(number).map_err(|_| reader.impossible("a page too far"))?;
        let count = reader.integer("a page's length")?;
        if count == 0 || count > PAGE_ITEMS as u64 || number > PAGES_MAX {
            return Err(reader.impossible("a page of no legal size"));
        }
        // A damaged number must not cost memory: pages of a part or a collection come nearly in order.
        while self.pages.len() <= number {
            self.pages.push(Page {
                epoch: 0,
                items: Vec::new(),
            });
        }
        if !self.pages[number].items.is_empty() {
            return Err(reader.impossible("a page twice"));
        }
        self.pages[number].items.reserve_exact(count as usize);
        for offset in 0..count as usize {
            let item = decode(reader, number * PAGE_ITEMS + offset)?;
            self.pages[number].items.push(item);
        }
        self.len += count as usize;
        Ok(())
    }

    /// True if pages were read without a gap.
    pub(crate) fn is_whole(&self) -> bool {
        self.pages
            .iter()
            .rev()
            .skip(1)
            .all(|page| page.items.len() == PAGE_ITEMS)
            && self.pages.last().is_none_or(|page| !page.items.is_empty())
    }

    /// Lets two items change places; for arrays that no snapshot in the making knows.
    pub(crate) fn swap_unsliced(&mut self, left: usize, right: usize) {
        let [first, second] = [left.min(right), left.max(right)];
        let (first_page, second_page) = (first / PAGE_ITEMS, second / PAGE_ITEMS);
        if second >= self.len || first == second {
            return;
        }
        if first_page == second_page {
            self.pages[first_page]
                .items
                .swap(first % PAGE_ITEMS, second % PAGE_ITEMS);
            return;
        }
        let (before, after) = self.pages.split_at_mut(second_page);
        std::mem::swap(
            &mut before[first_page].items[first % PAGE_ITEMS],
            &mut after[0].items[second % PAGE_ITEMS],
        );
    }

    fn append_born(&mut self, item: T, epoch: u32) {
        if self.len.is_multiple_of(PAGE_ITEMS) {
            self.pages.push(Page {
                epoch,
                items: Vec::new(),
            });
        }
        if let Some(page) = self.pages.last_mut() {
            page.append(item);
        }
        self.len += 1;
    }
}
