//! Clients that wait for keys: first come, first served, key by key.

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::time::Instant;

use atlas_kv::acl::Denied;
use atlas_kv::command::Handler;
use atlas_kv::{ArgumentBuffer, Command};

/// A key of a database.
pub(crate) type Key = (u32, Box<[u8]>);

/// Why a wait ends without having been served.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Ending {
    /// Its time is over, or somebody unblocked it: the answer is nothing.
    Timeout,
    /// Somebody unblocked it with an error.
    Error,
    /// Its user may no longer run the command.
    Denied(Denied),
    /// Its client is gone.
    Gone,
}

/// One client that waits.
#[derive(Debug)]
pub(crate) struct Wait {
    pub(crate) connection: usize,
    pub(crate) client: u64,
    pub(crate) database: u32,
    pub(crate) command: &'static Command,
    pub(crate) arguments: ArgumentBuffer,
    keys: Vec<Key>,
    deadline: Option<Instant>,
    /// A record in flight carries it: nothing else may end it before.
    pub(crate) is_in_record: bool,
    /// It is to end this way once the record that carries it was applied, if that does not serve it.
    pub(crate) ending: Option<Ending>,
}

impl Wait {
    /// The key that its command puts something under once it is served, if it does.
    pub(crate) fn fills(&self) -> Option<Key> {
        let moves = matches!(self.command.name, "blmove" | "brpoplpush");
        moves.then(|| (self.database, self.arguments.arguments().at(2).into()))
    }

    /// True if its command only reads: then it takes nothing from others, and no record carries it.
    pub(crate) fn is_reader(&self) -> bool {
        matches!(self.command.handler, Handler::Read(_))
    }
}

/// All who wait.
#[derive(Debug, Default)]
pub(crate) struct Waiting {
    waits: HashMap<u64, Wait>,
    /// Those whose commands may write, in the order in which they came.
    queues: HashMap<Key, VecDeque<u64>>,
    /// Those whose commands only read.
    readers: HashMap<Key, VecDeque<u64>>,
    deadlines: BTreeSet<(Instant, u64)>,
    last: u64,
}

impl Waiting {
    pub(crate) fn is_empty(&self) -> bool {
        self.waits.is_empty()
    }

    pub(crate) fn len(&self) -> usize {
        self.waits.len()
    }

    pub(crate) fn get(&self, wait: u64) -> Option<&Wait> {
        self.waits.get(&wait)
    }

    pub(crate) fn get_mut(&mut self, wait: u64) -> Option<&mut Wait> {
        self.waits.get_mut(&wait)
    }

    /// Adds a client behind those who wait for its keys already; the number of its wait.
    pub(crate) fn add(
        &mut self,
        connection: (usize, u64),
        database: u32,
        command: &'static Command,
        arguments: ArgumentBuffer,
        deadline: Option<Instant>,
    ) -> u64 {
        self.last += 1;
        let wait = self.last;
        let mut positions = Vec::new();
        let borrowed = arguments.arguments();
        command.keys.find(&borrowed, &mut positions);
        let mut keys: Vec<Key> = positions
            .into_iter()
            .map(|position| (database, borrowed.at(position).into()))
            .collect();
        keys.sort_unstable();
        keys.dedup();
        let queues = match command.handler {
            Handler::Read(_) => &mut self.readers,
            _ => &mut self.queues,
        };
        for key in &keys {
            queues.entry(key.clone()).or_default().push_back(wait);
        }
        self.deadlines.extend(deadline.map(|at| (at, wait)));
        self.waits.insert(
            wait,
            Wait {
                connection: connection.0,
                client: connection.1,
                database,
                command,
                arguments,
                keys,
                deadline,
                is_in_record: false,
                ending: None,
            },
        );
        wait
    }

    /// Forgets a wait.
    pub(crate) fn remove(&mut self, wait: u64) -> Option<Wait> {
        let found = self.waits.remove(&wait)?;
        let queues = match found.is_reader() {
            true => &mut self.readers,
            false => &mut self.queues,
        };
        for key in &found.keys {
            if let Some(queue) = queues.get_mut(key) {
                queue.retain(|other| *other != wait);
                if queue.is_empty() {
                    queues.remove(key);
                }
            }
        }
        if let Some(deadline) = found.deadline {
            self.deadlines.remove(&(deadline, wait));
        }
        Some(found)
    }

    /// Those who wait to read a key.
    pub(crate) fn readers(&self, key: &Key) -> Vec<u64> {
        let queue = self.readers.get(key).into_iter().flatten();
        queue.copied().collect()
    }

    /// Those who wait for a key to write it, the first first, and are in no record.
    pub(crate) fn free(&self, key: &Key) -> impl Iterator<Item = u64> + '_ {
        let queue = self.queues.get(key).into_iter().flatten().copied();
        queue.filter(|wait| {
            self.waits
                .get(wait)
                .is_some_and(|wait| !wait.is_in_record && wait.ending.is_none())
        })
    }

    /// The keys of a database that somebody waits for.
    pub(crate) fn keys_of(&self, database: u32) -> Vec<Key> {
        let keys = self.queues.keys().chain(self.readers.keys());
        keys.filter(|key| key.0 == database).cloned().collect()
    }

    /// When the next wait is over.
    pub(crate) fn next_deadline(&self) -> Option<Instant> {
        self.deadlines.first().map(|(at, _)| *at)
    }

    /// A wait whose time is over; it is not told again.
    pub(crate) fn due(&mut self, now: Instant) -> Option<u64> {
        let (at, wait) = *self.deadlines.first()?;
        if at > now {
            return None;
        }
        self.deadlines.pop_first();
        Some(wait)
    }
}
