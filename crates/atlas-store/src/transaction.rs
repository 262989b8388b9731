//! Transactions at the door: commands that wait for `EXEC`, and the keys that must not change until then.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use atlas_kv::ArgumentBuffer;
use atlas_kv::acl::User;

use crate::waiting::Key;

/// A transaction that was begun.
#[derive(Debug)]
pub(crate) struct Transaction {
    /// `EXEC`, and the commands so far, as the record will hold them.
    pub(crate) record: ArgumentBuffer,
    /// The commands that are not about keys, by their position.
    pub(crate) services: Vec<(u32, ArgumentBuffer)>,
    pub(crate) commands: u32,
    pub(crate) bytes: usize,
    /// One of them may write.
    pub(crate) may_write: bool,
    /// One of them that is no script may write.
    pub(crate) has_writes: bool,
    /// One of them runs a script.
    pub(crate) has_scripts: bool,
    /// One of them has to wait while writes are paused.
    pub(crate) is_pausable: bool,
    /// One of them needs memory.
    pub(crate) may_take_memory: bool,
    /// One of them picks at random.
    pub(crate) needs_seed: bool,
    /// One of them was refused.
    pub(crate) is_broken: bool,
    /// The database that its next command runs in.
    pub(crate) database: u32,
    /// Whose rights were looked at when it began.
    pub(crate) user: Arc<User>,
}

impl Transaction {
    pub(crate) fn new(database: u32, user: Arc<User>) -> Self {
        Self {
            record: ArgumentBuffer::of([atlas_kv::transaction::NAME]),
            services: Vec::new(),
            commands: 0,
            bytes: 0,
            may_write: false,
            has_writes: false,
            has_scripts: false,
            is_pausable: false,
            may_take_memory: false,
            needs_seed: false,
            is_broken: false,
            database,
            user,
        }
    }
}

/// The keys that a connection watches, and whether each existed when the watch began: if it has expired since, it has
/// changed.
pub(crate) type Watched = HashMap<Key, bool>;

/// Who watches which keys.
#[derive(Debug, Default)]
pub(crate) struct Watches {
    connections: HashMap<Key, Vec<usize>>,
}

impl Watches {
    pub(crate) fn is_empty(&self) -> bool {
        self.connections.is_empty()
    }

    pub(crate) fn add(&mut self, key: Key, connection: usize) {
        self.connections.entry(key).or_default().push(connection);
    }

    pub(crate) fn remove(&mut self, key: &Key, connection: usize) {
        if let Some(connections) = self.connections.get_mut(key) {
            connections.retain(|other| *other != connection);
            if connections.is_empty() {
                self.connections.remove(key);
            }
        }
    }

    /// The connections that watch a key.
    pub(crate) fn of(&self, key: &Key) -> &[usize] {
        self.connections.get(key).map_or(&[], Vec::as_slice)
    }

    /// The connections that watch any key of a database, each once.
    pub(crate) fn of_database(&self, database: u32) -> BTreeSet<usize> {
        let watched = self.connections.iter();
        watched
            .filter(|(key, _)| key.0 == database)
            .flat_map(|(_, connections)| connections.iter().copied())
            .collect()
    }

    /// Counts the keys that are watched.
    pub(crate) fn len(&self) -> usize {
        self.connections.len()
    }
}
