//! How often commands that read found a key, and which they did not find.

use std::cell::{Cell, RefCell};

use crate::effects::{Class, Event};
use crate::keyspace::Keyspace;

/// Counts that belong to this node, not to the state: reading changes them.
#[derive(Debug, Default)]
pub(crate) struct Lookups {
    hits: Cell<u64>,
    misses: Cell<u64>,
    /// Gathered only if somebody wants to hear of them.
    missed: RefCell<Option<Vec<Event>>>,
}

impl Lookups {
    pub(crate) fn hit(&self) {
        self.hits.set(self.hits.get() + 1);
    }

    pub(crate) fn miss(&self, database: u32, key: &[u8]) {
        self.misses.set(self.misses.get() + 1);
        if let Some(missed) = &mut *self.missed.borrow_mut() {
            missed.push(Event {
                class: Class::MISSED,
                name: "keymiss",
                database,
                key: key.into(),
            });
        }
    }
}

impl Keyspace {
    /// How often a command that reads looked for a key and found it, and how often it did not.
    pub fn lookups(&self) -> (u64, u64) {
        (self.lookups.hits.get(), self.lookups.misses.get())
    }

    /// Counts from 0 again (`CONFIG RESETSTAT`).
    pub fn reset_lookups(&mut self) {
        self.lookups.hits.set(0);
        self.lookups.misses.set(0);
    }

    /// Says whether notifications of keys that were not found are gathered. Whoever wants them takes them after every
    /// command: they are not among its [`crate::Effects`], because commands that only read have none.
    pub fn gather_missed(&mut self, is_wanted: bool) {
        let missed = self.lookups.missed.get_mut();
        *missed = is_wanted.then(|| missed.take().unwrap_or_default());
    }

    /// The notifications of keys that were not found since they were last taken, in order.
    pub fn take_missed(&mut self) -> Vec<Event> {
        self.lookups
            .missed
            .get_mut()
            .as_mut()
            .map(std::mem::take)
            .unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use crate::testing::Stage;

    #[test]
    fn reads_count_what_they_find_and_name_what_they_do_not() {
        let mut stage = Stage::new();
        stage.run("set a 1");
        stage.run("get a");
        stage.run("mget a b");
        assert_eq!(stage.keyspace.lookups(), (2, 1));
        assert!(stage.keyspace.take_missed().is_empty());
        stage.keyspace.gather_missed(true);
        stage.run("hget none f");
        // A command that writes does not count.
        stage.run("setnx c 1");
        let missed = stage.keyspace.take_missed();
        let keys: Vec<&[u8]> = missed.iter().map(|event| &*event.key).collect();
        assert_eq!(keys, [b"none"]);
        assert!(stage.keyspace.take_missed().is_empty());
        stage.keyspace.reset_lookups();
        assert_eq!(stage.keyspace.lookups(), (0, 0));
    }
}
