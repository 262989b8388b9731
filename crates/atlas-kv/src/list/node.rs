//! A run of a list's elements in one piece of memory.
//!
//! An element is its length, its bytes, and the length of both together written backwards, so that a walk can go either
//! way. There may be room before the first element and behind the last, so that both ends grow and shrink without moving
//! the others.

use std::cmp::Ordering;

/// Elements shorter than this have a length of one byte on either side.
const SHORT: usize = 127;
/// Room that is made ahead, in bytes: as much as there is already, within these bounds.
const GROWTH_BYTES_MIN: usize = 16;
const GROWTH_BYTES_MAX: usize = 4096;
/// Room beyond this share of what a node holds is given back when it is not expected to grow.
const SPARE_SHARE: usize = 8;

/// How much goes into a node: `list-max-listpack-size` in its two forms.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Fill {
    count_max: u32,
    bytes_max: usize,
}

impl Fill {
    /// Elements a node if positive, -1 to -5 for 4 to 64 KiB a node. Nodes bounded by a count are bounded to 8 KiB too.
    pub(crate) fn of(size: i64) -> Self {
        match u32::try_from(size) {
            Ok(count) => Self {
                count_max: count.clamp(1, i16::MAX as u32),
                bytes_max: 8192,
            },
            Err(_) if size > 0 => Self {
                count_max: i16::MAX as u32,
                bytes_max: 8192,
            },
            Err(_) => Self {
                count_max: u32::MAX,
                bytes_max: 4096 << (size.clamp(-5, -1).unsigned_abs() - 1),
            },
        }
    }
}

#[derive(Debug)]
pub(super) struct Node {
    /// The node's name within its list, in snapshots.
    pub(super) number: u64,
    /// The epoch in which the node was written to a snapshot, or born.
    pub(super) epoch: u32,
    count: u32,
    bytes: Vec<u8>,
    /// Room before the first element.
    start: usize,
}

impl Node {
    pub(super) fn new(number: u64, epoch: u32) -> Self {
        Self {
            number,
            epoch,
            count: 0,
            bytes: Vec::new(),
            start: 0,
        }
    }

    /// The number of elements.
    pub(super) fn len(&self) -> usize {
        self.count as usize
    }

    /// The bytes that its elements take.
    pub(super) fn bytes_len(&self) -> usize {
        self.bytes.len() - self.start
    }

    /// The bytes that it holds from the allocator.
    pub(super) fn memory_bytes(&self) -> usize {
        self.bytes.capacity()
    }

    /// True if an element of so many bytes may come in.
    pub(super) fn admits(&self, element_bytes: usize, fill: Fill) -> bool {
        self.count < fill.count_max
            && self.bytes_len() + packed_bytes(element_bytes) <= fill.bytes_max
    }

    /// True if the elements of both fit into one node.
    pub(super) fn admits_all(&self, other: &Self, fill: Fill) -> bool {
        self.count.saturating_add(other.count) <= fill.count_max
            && self.bytes_len() + other.bytes_len() <= fill.bytes_max
    }

    pub(super) fn elements(&self) -> Elements<'_> {
        Elements {
            left: &self.bytes[self.start..],
        }
    }

    /// The elements from `index` on.
    pub(super) fn elements_from(&self, index: usize) -> Elements<'_> {
        Elements {
            left: &self.bytes[self.offset(index)..],
        }
    }

    pub(super) fn get(&self, index: usize) -> Option<&[u8]> {
        self.elements_from(index).next()
    }

    pub(super) fn push_back(&mut self, element: &[u8]) {
        let packed = packed_bytes(element.len());
        self.reserve_back(packed);
        self.count += 1;
        if element.len() < SHORT {
            self.bytes.push(element.len() as u8);
            self.bytes.extend_from_slice(element);
            self.bytes.push(element.len() as u8 + 1);
        } else {
            let at = self.bytes.len();
            self.bytes.resize(at + packed, 0);
            pack(&mut self.bytes[at..], element);
        }
    }

    pub(super) fn push_front(&mut self, element: &[u8]) {
        let packed = packed_bytes(element.len());
        self.reserve_front(packed);
        self.count += 1;
        let end = self.start;
        self.start -= packed;
        pack(&mut self.bytes[self.start..end], element);
    }

    pub(super) fn insert(&mut self, index: usize, element: &[u8]) {
        let packed = packed_bytes(element.len());
        let offset = self.offset(index);
        let at = self.open(offset, packed);
        self.count += 1;
        pack(&mut self.bytes[at..at + packed], element);
    }

    /// Puts an element in place of the one at `index`; false if the node would become too large for several.
    pub(super) fn set(&mut self, index: usize, element: &[u8], fill: Fill) -> bool {
        let at = self.offset(index);
        let before = self.packed_at(at);
        let now = packed_bytes(element.len());
        if self.count > 1 && self.bytes_len() - before + now > fill.bytes_max {
            return false;
        }
        let at = match now.cmp(&before) {
            Ordering::Greater => self.open(at, now - before),
            Ordering::Less => self.close(at, before - now),
            Ordering::Equal => at,
        };
        pack(&mut self.bytes[at..at + now], element);
        true
    }

    pub(super) fn remove(&mut self, index: usize) {
        let at = self.offset(index);
        self.close(at, self.packed_at(at));
        self.count -= 1;
    }

    /// Removes so many elements at the front, which must be there.
    pub(super) fn drop_front(&mut self, count: usize) {
        self.start = self.offset(count);
        self.count -= count as u32;
    }

    /// Removes so many elements at the back, which must be there.
    pub(super) fn drop_back(&mut self, count: usize) {
        let end = self.offset(self.len() - count);
        self.bytes.truncate(end);
        self.count -= count as u32;
    }

    /// How many elements are equal to this one.
    pub(super) fn count_equal(&self, element: &[u8]) -> usize {
        self.elements().filter(|&other| other == element).count()
    }

    /// Removes elements equal to this one: leaves the first `skip` of them, and removes `take` of those behind.
    pub(super) fn remove_equal(&mut self, element: &[u8], skip: usize, take: usize) {
        let (mut seen, mut removed) = (0, 0);
        let (mut read, mut write) = (self.start, self.start);
        let mut kept_from = read;
        while read < self.bytes.len() && removed < take {
            let packed = self.packed_at(read);
            if self.element_at(read) == element {
                seen += 1;
                if seen > skip {
                    self.bytes.copy_within(kept_from..read, write);
                    write += read - kept_from;
                    kept_from = read + packed;
                    removed += 1;
                }
            }
            read += packed;
        }
        let end = self.bytes.len();
        self.bytes.copy_within(kept_from..end, write);
        self.bytes.truncate(write + end - kept_from);
        self.count -= removed as u32;
    }

    /// Takes the elements from `index` on into a node of their own.
    pub(super) fn split_off(&mut self, index: usize, number: u64, epoch: u32) -> Self {
        let at = self.offset(index);
        let right = Self {
            number,
            epoch,
            count: self.count - index as u32,
            bytes: self.bytes[at..].to_vec(),
            start: 0,
        };
        self.bytes.truncate(at);
        self.count = index as u32;
        right
    }

    /// Appends the elements of another node.
    pub(super) fn append(&mut self, other: &Self) {
        self.reserve_back(other.bytes_len());
        self.bytes.extend_from_slice(&other.bytes[other.start..]);
        self.count += other.count;
    }

    /// A node with the same elements.
    pub(super) fn duplicate(&self, number: u64, epoch: u32) -> Self {
        Self {
            number,
            epoch,
            count: self.count,
            bytes: self.bytes[self.start..].to_vec(),
            start: 0,
        }
    }

    /// Gives room back that is not expected to be needed.
    pub(super) fn shrink(&mut self) {
        let held = self.bytes_len();
        if self.bytes.capacity() - held > held / SPARE_SHARE + GROWTH_BYTES_MIN {
            self.bytes = self.bytes[self.start..].to_vec();
            self.start = 0;
        }
    }

    /// The same after removals in the middle, if little is left.
    pub(super) fn shrink_sparse(&mut self) {
        if self.bytes_len() < self.bytes.capacity() / 2 {
            self.shrink();
        }
    }

    /// Where the element at `index` begins; the end of the last for an index past it.
    fn offset(&self, index: usize) -> usize {
        let mut elements = self.elements();
        if index <= self.len() / 2 {
            for _ in 0..index {
                elements.next();
            }
            self.bytes.len() - elements.left.len()
        } else {
            for _ in index..self.len() {
                elements.next_back();
            }
            self.start + elements.left.len()
        }
    }

    fn element_at(&self, at: usize) -> &[u8] {
        let mut elements = Elements {
            left: &self.bytes[at..],
        };
        elements.next().unwrap_or_default()
    }

    fn packed_at(&self, at: usize) -> usize {
        packed_bytes(self.element_at(at).len())
    }

    /// Opens a gap at a place and tells where it begins then.
    fn open(&mut self, at: usize, gap: usize) -> usize {
        let before = at - self.start;
        if before < self.bytes.len() - at {
            self.reserve_front(gap);
            let start = self.start;
            self.start -= gap;
            self.bytes.copy_within(start..start + before, self.start);
            self.start + before
        } else {
            self.reserve_back(gap);
            let at = self.start + before;
            let end = self.bytes.len();
            self.bytes.resize(end + gap, 0);
            self.bytes.copy_within(at..end, at + gap);
            at
        }
    }

    /// Removes bytes at a place and tells where what was behind them begins then.
    fn close(&mut self, at: usize, gap: usize) -> usize {
        let end = self.bytes.len();
        if at - self.start < end - at - gap {
            self.bytes.copy_within(self.start..at, self.start + gap);
            self.start += gap;
            at + gap
        } else {
            self.bytes.copy_within(at + gap.., at);
            self.bytes.truncate(end - gap);
            at
        }
    }

    /// Makes room behind the last element. Half of the room in front goes there if it is at least as much as what has to be
    /// moved: an end that grows pays for the move, and two ends that grow do not take it from each other each time.
    fn reserve_back(&mut self, more: usize) {
        if self.bytes.capacity() - self.bytes.len() >= more {
            return;
        }
        let held = self.bytes_len();
        let room = self.start / 2;
        if room >= held.max(more) {
            self.bytes.copy_within(self.start.., self.start - room);
            self.bytes.truncate(self.bytes.len() - room);
            self.start -= room;
        } else {
            let mut bytes = Vec::with_capacity(held + growth(held, more));
            bytes.extend_from_slice(&self.bytes[self.start..]);
            self.bytes = bytes;
            self.start = 0;
        }
    }

    /// Makes room before the first element, in the same way.
    fn reserve_front(&mut self, more: usize) {
        if self.start >= more {
            return;
        }
        let held = self.bytes_len();
        let room = (self.bytes.capacity() - self.bytes.len()) / 2;
        if room >= held.max(more) {
            let end = self.bytes.len();
            self.bytes.resize(end + room, 0);
            self.bytes.copy_within(self.start..end, self.start + room);
            self.start += room;
        } else {
            let room = growth(held, more);
            let mut bytes = Vec::with_capacity(room + held);
            bytes.resize(room, 0);
            bytes.extend_from_slice(&self.bytes[self.start..]);
            self.bytes = bytes;
            self.start = room;
        }
    }
}

/// A walk over elements, from either end.
#[derive(Clone, Debug)]
pub(super) struct Elements<'a> {
    left: &'a [u8],
}

impl<'a> Iterator for Elements<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        let length = usize::from(*self.left.first()?);
        if length < SHORT {
            let element = self.left.get(1..1 + length)?;
            self.left = &self.left[length + 2..];
            return Some(element);
        }
        let (length, head) = length_at(self.left);
        let element = self.left.get(head..head + length)?;
        self.left = &self.left[packed_bytes(length)..];
        Some(element)
    }
}

impl DoubleEndedIterator for Elements<'_> {
    fn next_back(&mut self) -> Option<Self::Item> {
        let mut end = self.left.len();
        let (mut together, mut shift) = (0, 0);
        loop {
            end = end.checked_sub(1)?;
            let byte = *self.left.get(end)?;
            together |= usize::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                break;
            }
            shift += 7;
        }
        let (left, packed) = self.left[..end].split_at(end - together);
        self.left = left;
        let (length, head) = length_at(packed);
        packed.get(head..head + length)
    }
}

/// The length that stands at the beginning of an element, and how many bytes it takes itself.
fn length_at(bytes: &[u8]) -> (usize, usize) {
    let (mut length, mut head) = (0, 0);
    for &byte in bytes {
        length |= usize::from(byte & 0x7f) << (7 * head);
        head += 1;
        if byte < 0x80 {
            break;
        }
    }
    (length, head)
}

/// Writes an element over so many bytes as it takes.
fn pack(place: &mut [u8], element: &[u8]) {
    let head = length_bytes(element.len());
    let mut length = element.len();
    for byte in &mut place[..head] {
        *byte = length as u8 | 0x80;
        length >>= 7;
    }
    place[head - 1] &= 0x7f;
    let together = head + element.len();
    place[head..together].copy_from_slice(element);
    let mut length = together;
    for byte in place[together..].iter_mut().rev() {
        *byte = length as u8 | 0x80;
        length >>= 7;
    }
    place[together] &= 0x7f;
}

/// The bytes that an element of a length takes with both of its lengths.
fn packed_bytes(length: usize) -> usize {
    if length < SHORT {
        return length + 2;
    }
    let together = length_bytes(length) + length;
    together + length_bytes(together)
}

/// The bytes that a length takes, seven bits each.
fn length_bytes(length: usize) -> usize {
    let bits = usize::BITS - (length | 1).leading_zeros();
    bits.div_ceil(7) as usize
}

/// The room to make ahead where `more` bytes are needed.
fn growth(held: usize, more: usize) -> usize {
    more.max(held.clamp(GROWTH_BYTES_MIN, GROWTH_BYTES_MAX))
}

#[cfg(test)]
mod tests;
