//! What a command that only reads sees.

use crate::database::Place;
use crate::entry::Entry;
use crate::keyspace::Keyspace;
use crate::settings::Settings;

/// The state as a command sees it that only reads: one database selected, at one moment. What has expired by then is not
/// there, whether or not somebody has removed it.
#[derive(Clone, Copy)]
pub struct View<'a> {
    pub(crate) keyspace: &'a Keyspace,
    pub(crate) database: u32,
    pub(crate) now_ms: i64,
    /// What the entry's last use becomes; none for commands that look without using.
    pub(crate) access: Option<u32>,
    /// For commands that pick at random.
    pub(crate) seed: u64,
    /// A script asks: what has no order of its own is put into one.
    pub(crate) is_scripted: bool,
}

impl<'a> View<'a> {
    /// The number of the selected database.
    pub fn database(&self) -> u32 {
        self.database
    }

    /// The moment, in milliseconds since 1970.
    pub fn now_ms(&self) -> i64 {
        self.now_ms
    }

    /// The settings.
    pub fn settings(&self) -> &'a Settings {
        &self.keyspace.settings
    }

    /// True if the key exists; not a use of it.
    pub fn exists(&self, key: &[u8]) -> bool {
        self.peek(key).is_some()
    }

    /// True if there is an entry under the key, even one that has expired and that nobody has removed yet. What
    /// [`crate::Command::would_write`] asks about keys that its command looks up: looking at such an entry in a command
    /// that writes removes it.
    pub(crate) fn holds(&self, key: &[u8]) -> bool {
        self.keyspace
            .databases
            .get(self.database as usize)
            .is_some_and(|database| database.find(Place::of(key), key).is_some())
    }

    /// The entry of a key, which counts as a use.
    pub(crate) fn entry(&self, key: &[u8]) -> Option<&'a Entry> {
        let entry = self.peek(key);
        if let Some(access) = self.access {
            match entry {
                Some(entry) => {
                    self.keyspace.used(entry, access);
                    self.keyspace.lookups.hit();
                }
                None => self.keyspace.lookups.miss(self.database, key),
            }
        }
        entry
    }

    /// The entry of a key that is asked for without being used (`EXISTS`, `TTL`): counted, its mark stays.
    pub(crate) fn look(&self, key: &[u8]) -> Option<&'a Entry> {
        let entry = self.peek(key);
        if self.access.is_some() {
            match entry {
                Some(_) => self.keyspace.lookups.hit(),
                None => self.keyspace.lookups.miss(self.database, key),
            }
        }
        entry
    }

    /// The entry of a key, neither used nor counted.
    pub(crate) fn peek(&self, key: &[u8]) -> Option<&'a Entry> {
        let database = self.keyspace.databases.get(self.database as usize)?;
        let place = Place::of(key);
        let position = database.find(place, key)?;
        database
            .get(place, position)
            .filter(|entry| !entry.is_expired(self.now_ms))
    }
}
