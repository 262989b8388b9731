//! What is between the door and its effect: records that are not durable yet, and the answers that wait behind them.

use std::collections::VecDeque;
use std::hash::{BuildHasher, Hasher};
use std::ops::Range;

use atlas_kv::Arguments;
use atlas_resp::Protocol;
use atlas_wal::Kind;

use crate::scripts::Scripted;

/// Places of the filter of keys in flight; two keys in one place are taken for the same.
const PLACES: usize = 1 << 14;
/// Flights kept to be filled again.
const SPARE_MAX: usize = 8;
/// A flight that grew past this is given back to the allocator.
const SPARE_BYTES_MAX: usize = 1 << 20;

/// What stands in the queue.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Step {
    /// A record of the log, to be applied.
    Record(Kind),
    /// A command that only reads, at its place behind its connection's records.
    Read,
    /// A transaction that only reads.
    ReadTransaction,
    /// An answer that is known, at its place.
    Answer,
}

/// One step of the queue, of one connection or of the node itself.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    pub(crate) step: Step,
    /// The connection's place and number; number 0 is the node itself.
    pub(crate) connection: usize,
    pub(crate) client: u64,
    pub(crate) protocol: Protocol,
    /// The answer is not wanted.
    pub(crate) is_muted: bool,
    pub(crate) database: u32,
    pub(crate) now_ms: i64,
    pub(crate) seed: u64,
    pub(crate) index: u64,
    /// The arguments, among the flight's; those of waiters follow the record's own.
    pub(crate) arguments: Range<u32>,
    /// Waiters that the record carries, among the flight's.
    pub(crate) waits: Range<u32>,
    /// Of a record with scripts, what it says about them.
    pub(crate) scripted: Option<Scripted>,
}

/// Steps that become possible together: when their records are durable.
#[derive(Debug, Default)]
pub(crate) struct Flight {
    /// The number of the submission that has its records.
    pub(crate) number: u64,
    pub(crate) first_index: u64,
    pub(crate) entries: Vec<Entry>,
    pub(crate) bytes: Vec<u8>,
    pub(crate) ranges: Vec<Range<u32>>,
    /// Of each carried waiter: its number and how many arguments its command has.
    pub(crate) waits: Vec<(u64, u32)>,
    /// Places of keys that its records touch.
    places: Vec<u16>,
    /// Records that touch nobody knows which keys.
    touches_all: u32,
    /// Answers of transactions' commands that are not about keys: by entry and position, the range of bytes.
    pub(crate) service_answers: Vec<(u32, u32, Range<u32>)>,
}

impl Flight {
    /// Copies arguments; where they are among all.
    pub(crate) fn push(&mut self, arguments: &Arguments<'_>) -> Range<u32> {
        let start = self.ranges.len() as u32;
        for argument in arguments.iter() {
            let from = self.bytes.len() as u32;
            self.bytes.extend_from_slice(argument);
            self.ranges.push(from..self.bytes.len() as u32);
        }
        start..self.ranges.len() as u32
    }

    /// The arguments at a range.
    pub(crate) fn arguments(&self, range: &Range<u32>) -> Arguments<'_> {
        let ranges = self.ranges.get(range.start as usize..range.end as usize);
        Arguments::new(&self.bytes, ranges.unwrap_or_default())
    }

    fn clear(&mut self) {
        self.entries.clear();
        self.bytes.clear();
        self.ranges.clear();
        self.waits.clear();
        self.places.clear();
        self.touches_all = 0;
        self.service_answers.clear();
    }
}

/// All flights, in the order of the log.
#[derive(Debug)]
pub(crate) struct Flights {
    queue: VecDeque<Flight>,
    spare: Vec<Flight>,
    /// The last flight may still take records.
    is_open: bool,
    next_number: u64,
    bytes: usize,
    /// How many records in flight touch a key of this place.
    filter: Vec<u16>,
    touches_all: u32,
    hasher: foldhash::fast::RandomState,
}

impl Flights {
    pub(crate) fn new() -> Self {
        Self {
            queue: VecDeque::new(),
            spare: Vec::new(),
            is_open: false,
            next_number: 1,
            bytes: 0,
            filter: vec![0; PLACES],
            touches_all: 0,
            hasher: foldhash::fast::RandomState::default(),
        }
    }

    /// The flight that takes records now, begun with this index if there is none.
    pub(crate) fn open(&mut self, index: u64) -> &mut Flight {
        if !self.is_open {
            let mut flight = self.spare.pop().unwrap_or_default();
            flight.number = self.next_number;
            flight.first_index = index;
            self.next_number += 1;
            self.queue.push_back(flight);
            self.is_open = true;
        }
        let last = self.queue.len() - 1;
        &mut self.queue[last]
    }

    /// The number of the last flight that was begun, open or not; 0 before the first.
    pub(crate) fn last_number(&self) -> u64 {
        self.next_number - 1
    }

    /// Ends the open flight: its records are submitted. Its number, if there was one.
    pub(crate) fn close(&mut self) -> Option<u64> {
        std::mem::take(&mut self.is_open).then(|| self.next_number - 1)
    }

    /// A flight by its number, if it is still in the queue.
    pub(crate) fn get_mut(&mut self, number: u64) -> Option<&mut Flight> {
        let first = self.queue.front()?.number;
        let at = usize::try_from(number.checked_sub(first)?).ok()?;
        self.queue.get_mut(at)
    }

    /// Takes the first flight if it was submitted up to `number`.
    pub(crate) fn take(&mut self, number: u64) -> Option<Flight> {
        let first = self.queue.front()?;
        if first.number > number || (self.is_open && self.queue.len() == 1) {
            return None;
        }
        self.queue.pop_front()
    }

    /// Takes the last flight if its number is at least `number`; of a log that failed.
    pub(crate) fn take_from(&mut self, number: u64) -> Option<Flight> {
        let at = self.queue.partition_point(|flight| flight.number < number);
        self.is_open &= at + 1 < self.queue.len();
        self.queue.remove(at)
    }

    /// Forgets what a flight touched, and keeps its memory.
    pub(crate) fn done(&mut self, mut flight: Flight) {
        self.bytes = self.bytes.saturating_sub(flight.bytes.len());
        for &place in &flight.places {
            if let Some(count) = self.filter.get_mut(usize::from(place)) {
                *count = count.saturating_sub(1);
            }
        }
        self.touches_all -= flight.touches_all;
        if self.spare.len() < SPARE_MAX && flight.bytes.capacity() <= SPARE_BYTES_MAX {
            flight.clear();
            self.spare.push(flight);
        }
    }

    /// Gives back the memory that is kept for the next flights.
    pub(crate) fn shrink(&mut self) {
        self.spare = Vec::new();
    }

    /// Notes that the open flight has grown by so many bytes.
    pub(crate) fn grown(&mut self, bytes: usize) {
        self.bytes += bytes;
    }

    /// Bytes of commands that wait.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.queue.is_empty()
    }

    /// The place of a key in the filter.
    pub(crate) fn place(&self, database: u32, key: &[u8]) -> u16 {
        let mut hasher = self.hasher.build_hasher();
        hasher.write(key);
        (hasher.finish().wrapping_add(u64::from(database)) % PLACES as u64) as u16
    }

    /// True if a record in flight may touch this place.
    pub(crate) fn touches(&self, place: u16) -> bool {
        self.touches_all > 0
            || self
                .filter
                .get(usize::from(place))
                .is_some_and(|&count| count > 0)
    }

    /// True if a record in flight may touch any key.
    pub(crate) fn touches_all(&self) -> bool {
        self.touches_all > 0
    }

    /// Notes that a record of the open flight touches these places; none means that nobody knows which.
    pub(crate) fn touch(&mut self, places: &[u16]) {
        let Some(flight) = self.queue.back_mut() else {
            return;
        };
        if places.is_empty() {
            flight.touches_all += 1;
            self.touches_all += 1;
        }
        for &place in places {
            // A place that so many records touch stays touched until they all are done, or a little longer.
            if let Some(count) = self.filter.get_mut(usize::from(place))
                && let Some(more) = count.checked_add(1)
            {
                *count = more;
                flight.places.push(place);
            }
        }
    }
}
