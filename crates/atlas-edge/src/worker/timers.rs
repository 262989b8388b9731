//! A worker's timers: few, precise, cancelled by being ignored when they fire.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use atlas_base::Moment;

/// What a timer is for. Keys name slots; `serial` says which tenant of the slot was meant.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Timer {
    /// A connection has had its time to become a WebSocket.
    Handshake { key: usize, serial: u32 },
    /// A dial has had its time.
    Dial { key: usize, serial: u32 },
    /// A plain session with one side ended has had its time to end the other.
    PlainLinger { key: usize, serial: u32 },
    /// A session has waited long enough for the end of an older one of its player.
    Entering { key: usize, serial: u32 },
    /// A timer of a session's state machine.
    Machine {
        key: usize,
        serial: u32,
        timer: atlas_world::Timer,
    },
}

struct Entry {
    at: Moment,
    order: u64,
    timer: Timer,
}

impl Entry {
    fn rank(&self) -> (Moment, u64) {
        (self.at, self.order)
    }
}

impl PartialEq for Entry {
    fn eq(&self, other: &Self) -> bool {
        self.rank() == other.rank()
    }
}
impl Eq for Entry {}
impl PartialOrd for Entry {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}
impl Ord for Entry {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.rank().cmp(&other.rank())
    }
}

/// Timers in the order they fire; those of the same moment in the order they were set.
#[derive(Default)]
pub(super) struct Timers {
    heap: BinaryHeap<Reverse<Entry>>,
    order: u64,
}

impl Timers {
    pub(super) fn set(&mut self, at: Moment, timer: Timer) {
        self.order += 1;
        self.heap.push(Reverse(Entry {
            at,
            order: self.order,
            timer,
        }));
    }

    /// When the next timer fires.
    pub(super) fn next(&self) -> Option<Moment> {
        self.heap.peek().map(|Reverse(entry)| entry.at)
    }

    /// Takes one timer that is due.
    pub(super) fn due(&mut self, now: Moment) -> Option<Timer> {
        if self.next()? > now {
            return None;
        }
        self.heap.pop().map(|Reverse(entry)| entry.timer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn timers_fire_in_order_and_only_when_due() {
        let at = Moment::from_millis;
        let timer = |key| Timer::Handshake { key, serial: 0 };
        let mut timers = Timers::default();
        for (moment, key) in [(30, 3), (10, 1), (20, 2), (10, 11)] {
            timers.set(at(moment), timer(key));
        }
        assert_eq!(timers.next(), Some(at(10)));
        assert_eq!(timers.due(at(9)), None);
        assert_eq!(timers.due(at(10)), Some(timer(1)));
        assert_eq!(timers.due(at(25)), Some(timer(11)));
        assert_eq!(timers.due(at(25)), Some(timer(2)));
        assert_eq!(timers.due(at(25)), None);
    }
}
