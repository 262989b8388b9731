//! What a command did besides answering.

use bitflags::bitflags;

use crate::value::Object;

bitflags! {
    /// Which effects somebody wants to hear of; what nobody wants costs nothing.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
    pub struct Interest: u8 {
        /// Keys that changed: for `WATCH`, tracking and blocked clients.
        const KEYS = 1;
        /// Keyspace notifications.
        const EVENTS = 1 << 1;
    }
}

bitflags! {
    /// Classes of keyspace notifications, by the letters of Redis's `notify-keyspace-events`.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
    pub struct Class: u32 {
        /// `K`: told on `__keyspace@N__:KEY`.
        const KEYSPACE = 1;
        /// `E`: told on `__keyevent@N__:EVENT`.
        const KEYEVENT = 1 << 1;
        /// `g`: commands of no type: `del`, `expire`, `rename`.
        const GENERIC = 1 << 2;
        /// `$`: strings.
        const STRING = 1 << 3;
        /// `l`: lists.
        const LIST = 1 << 4;
        /// `s`: sets.
        const SET = 1 << 5;
        /// `h`: hashes.
        const HASH = 1 << 6;
        /// `z`: sorted sets.
        const SORTED_SET = 1 << 7;
        /// `x`: keys that expired.
        const EXPIRED = 1 << 8;
        /// `e`: keys that were evicted.
        const EVICTED = 1 << 9;
        /// `t`: streams.
        const STREAM = 1 << 10;
        /// `m`: keys that were looked for and not found.
        const MISSED = 1 << 11;
        /// `d`: modules.
        const MODULE = 1 << 12;
        /// `n`: keys that are new.
        const NEW = 1 << 13;
        /// `A`: all of `g$lshzxetd`.
        const ALL = Self::GENERIC.bits() | Self::STRING.bits() | Self::LIST.bits() | Self::SET.bits()
            | Self::HASH.bits() | Self::SORTED_SET.bits() | Self::EXPIRED.bits() | Self::EVICTED.bits()
            | Self::STREAM.bits() | Self::MODULE.bits();
    }
}

/// One keyspace notification.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// Its class: one flag.
    pub class: Class,
    /// What happened: `set`, `expire`, `del`.
    pub name: &'static str,
    /// The database.
    pub database: u32,
    /// The key.
    pub key: Box<[u8]>,
}

/// A change that somebody may wait for or watch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// A key's value or existence changed.
    Key {
        /// The database.
        database: u32,
        /// The key.
        key: Box<[u8]>,
    },
    /// A whole database changed: flushed, or swapped with another.
    Database(u32),
}

/// What a command did besides answering. Dropped on replay.
#[derive(Debug, Default)]
pub struct Effects {
    /// What is gathered in [`Self::changes`] and [`Self::events`].
    pub interest: Interest,
    /// What changed, in order, if [`Interest::KEYS`] is set.
    pub changes: Vec<Change>,
    /// Notifications in order, if [`Interest::EVENTS`] is set.
    pub events: Vec<Event>,
    /// How many changes there were, as Redis counts them for `rdb_changes_since_last_save`.
    pub dirty: u64,
    /// Keys that were removed because their time had come.
    pub expired: u64,
    /// Messages that scripts published.
    pub published: Vec<Message>,
    /// Lines that scripts told to the log.
    pub logs: Vec<Log>,
    /// What is to be counted of the commands that scripts ran.
    pub tallies: Vec<Tally>,
    /// Waiting clients that were answered, by the number of their wait; the others of the record still wait.
    pub served: Vec<u64>,
    /// Users were made, changed or removed.
    pub users: bool,
    /// What was large and is not needed any more: to be dropped where it delays nobody.
    pub garbage: Garbage,
}

/// A message that a script published.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Message {
    /// Where it is sent.
    pub channel: Box<[u8]>,
    /// What is sent.
    pub text: Box<[u8]>,
}

/// A line that a script told to the log.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Log {
    /// How much it matters: 0 to find errors, 1 told in detail, 2 to be noted, 3 a warning.
    pub level: u8,
    /// The line.
    pub line: Vec<u8>,
}

/// What scripts did with one command.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Tally {
    /// The command's number.
    pub command: u16,
    /// How often it was run.
    pub calls: u64,
    /// How often it was refused before it was run.
    pub rejected: u64,
    /// How often it was run and answered with an error.
    pub failed: u64,
}

impl Tally {
    pub(crate) fn of(command: &crate::Command) -> Self {
        Self {
            command: command.number,
            calls: 0,
            rejected: 0,
            failed: 0,
        }
    }
}

/// Values that are not needed any more.
#[derive(Debug, Default)]
pub struct Garbage(pub(crate) Vec<Waste>);

/// One of them.
#[derive(Debug)]
pub(crate) enum Waste {
    /// A collection.
    Object(#[expect(dead_code, reason = "held to be dropped")] Box<Object>),
    /// A whole database.
    Database(#[expect(dead_code, reason = "held to be dropped")] Box<crate::database::Database>),
}

impl Garbage {
    /// True if there is nothing to drop.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The number of values and databases.
    pub fn len(&self) -> usize {
        self.0.len()
    }
}

impl Effects {
    /// Effects of which those in `interest` are gathered.
    pub fn new(interest: Interest) -> Self {
        Self {
            interest,
            ..Self::default()
        }
    }

    /// Forgets what was gathered and keeps the memory.
    pub fn clear(&mut self) {
        self.changes.clear();
        self.events.clear();
        self.dirty = 0;
        self.expired = 0;
        self.served.clear();
        self.users = false;
        self.published.clear();
        self.logs.clear();
        self.tallies.clear();
        self.garbage.0.clear();
    }
}
