//! Categories of commands: what `+@read` and `-@dangerous` speak of.

use bitflags::bitflags;

use crate::Command;
use crate::command::{self, Flags, Group};

bitflags! {
    /// Categories, as sets. Which of them a command belongs to follows from its flags and its group, save for a few
    /// commands that are named in [`Category::of`].
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
    pub struct Category: u32 {
        /// Keys, whatever lies under them.
        const KEYSPACE = 1;
        /// Only reads keys.
        const READ = 1 << 1;
        /// May change keys.
        const WRITE = 1 << 2;
        /// Sets.
        const SET = 1 << 3;
        /// Sorted sets.
        const SORTEDSET = 1 << 4;
        /// Lists.
        const LIST = 1 << 5;
        /// Hashes.
        const HASH = 1 << 6;
        /// Strings.
        const STRING = 1 << 7;
        /// Bits of strings.
        const BITMAP = 1 << 8;
        /// HyperLogLogs.
        const HYPERLOGLOG = 1 << 9;
        /// Positions on the earth.
        const GEO = 1 << 10;
        /// Streams.
        const STREAM = 1 << 11;
        /// Publishing and subscribing.
        const PUBSUB = 1 << 12;
        /// For administrators.
        const ADMIN = 1 << 13;
        /// Takes constant or logarithmic time.
        const FAST = 1 << 14;
        /// May take longer.
        const SLOW = 1 << 15;
        /// May let its client wait.
        const BLOCKING = 1 << 16;
        /// Not for everybody.
        const DANGEROUS = 1 << 17;
        /// About the connection.
        const CONNECTION = 1 << 18;
        /// Transactions.
        const TRANSACTION = 1 << 19;
        /// Scripts and functions.
        const SCRIPTING = 1 << 20;
    }
}

/// Every category with its name, in the order in which Redis tells them.
const NAMES: [(Category, &str); 21] = [
    (Category::KEYSPACE, "keyspace"),
    (Category::READ, "read"),
    (Category::WRITE, "write"),
    (Category::SET, "set"),
    (Category::SORTEDSET, "sortedset"),
    (Category::LIST, "list"),
    (Category::HASH, "hash"),
    (Category::STRING, "string"),
    (Category::BITMAP, "bitmap"),
    (Category::HYPERLOGLOG, "hyperloglog"),
    (Category::GEO, "geo"),
    (Category::STREAM, "stream"),
    (Category::PUBSUB, "pubsub"),
    (Category::ADMIN, "admin"),
    (Category::FAST, "fast"),
    (Category::SLOW, "slow"),
    (Category::BLOCKING, "blocking"),
    (Category::DANGEROUS, "dangerous"),
    (Category::CONNECTION, "connection"),
    (Category::TRANSACTION, "transaction"),
    (Category::SCRIPTING, "scripting"),
];

impl Category {
    /// The category of a name, whatever the case of its letters.
    pub fn named(name: &[u8]) -> Option<Self> {
        let found = NAMES
            .iter()
            .find(|(_, other)| name.eq_ignore_ascii_case(other.as_bytes()));
        found.map(|(category, _)| *category)
    }

    /// The names of those in the set, in Redis's order.
    pub fn names(self) -> impl Iterator<Item = &'static str> {
        let held = NAMES
            .into_iter()
            .filter(move |(one, _)| self.contains(*one));
        held.map(|(_, name)| name)
    }

    /// Those that a command belongs to.
    pub fn of(command: &Command) -> Self {
        super::access::known(command).category
    }

    /// Commands and subcommands of a category, with their whole names, in the order of the table of commands.
    pub fn commands(self) -> impl Iterator<Item = (&'static Command, &'static str)> {
        command::all()
            .flat_map(|command| std::iter::once(command).chain(command.subcommands))
            .map(|command| (command, super::full_name(command)))
            .filter(move |(command, _)| Self::of(command).intersects(self))
    }

    /// Works it out for a command of a whole name.
    pub(super) fn derived(command: &Command, full_name: &str) -> Self {
        let mut category = Self::explicit(command, full_name);
        let flags = command.flags;
        let mut add = |flag: Flags, what: Self| {
            if flags.contains(flag) {
                category |= what;
            }
        };
        add(Flags::WRITE, Self::WRITE);
        add(Flags::ADMIN, Self::ADMIN | Self::DANGEROUS);
        add(Flags::DANGEROUS, Self::DANGEROUS);
        add(Flags::PUBSUB, Self::PUBSUB);
        add(Flags::BLOCKING, Self::BLOCKING);
        if flags.contains(Flags::READONLY) && !category.contains(Self::SCRIPTING) {
            category |= Self::READ;
        }
        category
            | if flags.contains(Flags::FAST) {
                Self::FAST
            } else {
                Self::SLOW
            }
    }

    /// What neither flags nor anything else of a command but its group or its name says.
    fn explicit(command: &Command, full_name: &str) -> Self {
        match full_name {
            "sort" | "sort_ro" => {
                return Self::SET | Self::SORTEDSET | Self::LIST | Self::DANGEROUS;
            }
            "wait" | "waitaof" | "asking" | "readonly" | "readwrite" => return Self::CONNECTION,
            "dbsize" => return Self::KEYSPACE,
            "flushall" | "flushdb" | "swapdb" | "keys" | "migrate" | "restore"
            | "restore-asking" => return Self::KEYSPACE | Self::DANGEROUS,
            "info" => return Self::DANGEROUS,
            "lastsave" | "role" => return Self::ADMIN | Self::DANGEROUS,
            _ => {}
        }
        if full_name == "command" || full_name.starts_with("command|") {
            return Self::CONNECTION;
        }
        // What a container is about its subcommands say.
        if !command.subcommands.is_empty() {
            return Self::empty();
        }
        match command.group {
            Group::Bitmap => Self::BITMAP,
            Group::Connection => Self::CONNECTION,
            Group::Generic => Self::KEYSPACE,
            Group::Hash => Self::HASH,
            Group::HyperLogLog => Self::HYPERLOGLOG,
            Group::List => Self::LIST,
            Group::Set => Self::SET,
            Group::SortedSet => Self::SORTEDSET,
            Group::Stream => Self::STREAM,
            Group::String => Self::STRING,
            Group::Transactions => Self::TRANSACTION,
            Group::Scripting => Self::SCRIPTING,
            Group::PubSub | Group::Server => Self::empty(),
        }
    }
}
