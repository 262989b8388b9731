//! What is counted of each command, and how the disk keeps up: kept in arrays, so that counting costs a command two
//! additions.

use std::collections::VecDeque;
use std::time::Duration;

use atlas_kv::{Command, Tally, command};

/// Syncs whose times are kept.
const SYNCS_MAX: usize = 512;
/// Submissions of which it is known that they are not durable yet; with more of them the newest share a place.
const MARKS_MAX: usize = 1024;

/// What is counted of one command.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Counted {
    /// How often it was run.
    pub(crate) calls: u64,
    /// Time of the engine that it took.
    pub(crate) time: Duration,
    /// How often it was turned away before it was run.
    pub(crate) rejected: u64,
    /// How often it was answered with an error, turned away or not.
    pub(crate) failed: u64,
}

/// Counts of every command, by its number.
#[derive(Debug)]
pub(crate) struct Statistics {
    commands: Vec<Counted>,
}

impl Default for Statistics {
    fn default() -> Self {
        Self {
            commands: vec![Counted::default(); command::count()],
        }
    }
}

impl Statistics {
    /// The counts of a command.
    #[inline]
    pub(crate) fn of(&mut self, command: &Command) -> &mut Counted {
        &mut self.commands[usize::from(command.number)]
    }

    /// Counts what scripts did with a command.
    pub(crate) fn tally(&mut self, tally: &Tally) {
        if let Some(counted) = self.commands.get_mut(usize::from(tally.command)) {
            counted.calls += tally.calls;
            counted.rejected += tally.rejected;
            counted.failed += tally.failed + tally.rejected;
        }
    }

    /// The commands that were sent at all, with their whole names, in the order of these.
    pub(crate) fn used(&self) -> Vec<(String, Counted)> {
        let mut used = Vec::new();
        let mut look = |name: String, command: &Command| {
            let counted = self.commands[usize::from(command.number)];
            if counted.calls + counted.rejected > 0 {
                used.push((name, counted));
            }
        };
        for command in command::all() {
            look(command.name.to_owned(), command);
            for sub in command.subcommands {
                look(format!("{}|{}", command.name, sub.name), sub);
            }
        }
        used.sort_unstable_by(|(one, _), (other, _)| one.cmp(other));
        used
    }
}

/// How long the last syncs took.
#[derive(Debug, Default)]
pub(crate) struct SyncTimes(VecDeque<Duration>);

impl SyncTimes {
    pub(crate) fn add(&mut self, took: Duration) {
        if self.0.len() == SYNCS_MAX {
            self.0.pop_front();
        }
        self.0.push_back(took);
    }

    /// What half of them took at most, what 99 of 100 took at most, and the longest; none before the first.
    pub(crate) fn quantiles(&self) -> Option<[Duration; 3]> {
        let mut sorted: Vec<Duration> = self.0.iter().copied().collect();
        sorted.sort_unstable();
        let last = sorted.len().checked_sub(1)?;
        Some([last / 2, last * 99 / 100, last].map(|at| sorted[at]))
    }
}

/// Up to which record the log is durable.
#[derive(Debug, Default)]
pub(crate) struct Durability {
    index: u64,
    /// Submissions that are not durable yet, by their numbers, with their last records.
    marks: VecDeque<(u64, u64)>,
}

impl Durability {
    pub(crate) fn new(index: u64) -> Self {
        Self {
            index,
            marks: VecDeque::new(),
        }
    }

    /// Up to which record.
    pub(crate) fn index(&self) -> u64 {
        self.index
    }

    /// Notes that the records up to `index` were submitted.
    pub(crate) fn submitted(&mut self, number: u64, index: u64) {
        if self.marks.len() >= MARKS_MAX {
            self.marks.pop_back();
        }
        self.marks.push_back((number, index));
    }

    /// Notes that the submissions up to `number` are durable.
    pub(crate) fn reached(&mut self, number: u64) {
        while let Some((_, index)) = self.marks.pop_front_if(|(first, _)| *first <= number) {
            self.index = index;
        }
    }

    /// Forgets the submissions from `number` on: they were not written.
    pub(crate) fn lost(&mut self, number: u64) {
        self.marks.retain(|(one, _)| *one < number);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_index_follows_what_is_durable() {
        let mut durability = Durability::new(7);
        durability.submitted(1, 10);
        durability.submitted(2, 12);
        durability.submitted(3, 15);
        durability.reached(0);
        assert_eq!(durability.index(), 7);
        durability.reached(2);
        assert_eq!(durability.index(), 12);
        durability.lost(3);
        durability.submitted(3, 13);
        durability.reached(3);
        assert_eq!(durability.index(), 13);
    }

    #[test]
    fn marks_are_bounded_and_never_promise_too_much() {
        let mut durability = Durability::new(0);
        for number in 1..=5000 {
            durability.submitted(number, number * 2);
        }
        assert_eq!(durability.marks.len(), MARKS_MAX);
        durability.reached(1500);
        assert!(durability.index() <= 3000, "{}", durability.index());
        durability.reached(5000);
        assert_eq!(durability.index(), 10_000);
    }

    #[test]
    fn quantiles_are_of_the_last_syncs() {
        let mut times = SyncTimes::default();
        assert_eq!(times.quantiles(), None);
        let millis = |number| Duration::from_millis(number);
        times.add(millis(1000));
        (0..512).for_each(|number| times.add(millis(number)));
        assert_eq!(times.quantiles(), Some([255, 505, 511].map(millis)));
    }

    #[test]
    fn commands_are_counted_by_their_whole_names() {
        let mut statistics = Statistics::default();
        let get = command::find(b"GET").unwrap();
        let list = command::find(b"client").unwrap().subcommands;
        let list = list.iter().find(|sub| sub.name == "list").unwrap();
        statistics.of(get).calls += 2;
        statistics.of(list).rejected += 1;
        let names: Vec<String> = statistics
            .used()
            .into_iter()
            .map(|(name, _)| name)
            .collect();
        assert_eq!(names, ["client|list", "get"]);
    }
}
