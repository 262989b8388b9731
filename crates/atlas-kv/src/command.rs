//! What is known of each command: declared once, read by dispatch, `COMMAND`, routing and the documentation.

use std::sync::LazyLock;

use bitflags::bitflags;
use hashbrown::HashTable;

use crate::context::Context;
use crate::view::View;
use crate::{ArgumentBuffer, Arguments, Error, Reply};

/// The longest command name; longer ones are unknown without a look.
const NAME_BYTES_MAX: usize = 32;

bitflags! {
    /// What a command is and may, in the words of `COMMAND INFO`.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub struct Flags: u32 {
        /// May change keys.
        const WRITE = 1;
        /// Only reads keys.
        const READONLY = 1 << 1;
        /// May take memory: refused when `maxmemory` is reached.
        const DENYOOM = 1 << 2;
        /// For administrators.
        const ADMIN = 1 << 3;
        /// Publishes or subscribes.
        const PUBSUB = 1 << 4;
        /// Not from scripts.
        const NOSCRIPT = 1 << 5;
        /// May make its client wait.
        const BLOCKING = 1 << 6;
        /// While a snapshot is being loaded, too.
        const LOADING = 1 << 7;
        /// On a replica with old data, too.
        const STALE = 1 << 8;
        /// Not shown to `MONITOR`.
        const SKIP_MONITOR = 1 << 9;
        /// Not kept by `SLOWLOG`.
        const SKIP_SLOWLOG = 1 << 10;
        /// Takes constant or logarithmic time.
        const FAST = 1 << 11;
        /// Before a password was given, too.
        const NO_AUTH = 1 << 12;
        /// May make replicas differ unless its seed is kept.
        const MAY_REPLICATE = 1 << 13;
        /// Not between `MULTI` and `EXEC`.
        const NO_MULTI = 1 << 14;
        /// Keys depend on the arguments beyond what [`Keys`] says by position.
        const MOVABLE_KEYS = 1 << 15;
        /// Also while pub/sub's RESP2 mode is on.
        const SUBSCRIBED = 1 << 16;
        /// `ACL` calls it dangerous.
        const DANGEROUS = 1 << 17;
    }
}

/// What a command belongs to: `COMMAND DOCS` and ACL categories say so.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names say it")]
pub enum Group {
    Bitmap,
    Connection,
    Generic,
    Hash,
    HyperLogLog,
    List,
    PubSub,
    Scripting,
    Server,
    Set,
    SortedSet,
    Stream,
    String,
    Transactions,
}

/// Where a command's keys stand among its arguments.
#[derive(Clone, Copy, Debug)]
pub enum Keys {
    /// It has none.
    None,
    /// At `first`, and every `step` after it up to `last`; a negative `last` counts from the end (-1 is the last).
    Positions {
        /// The first key's position; the command's name is 0.
        first: u16,
        /// The last key's position.
        last: i16,
        /// From one key to the next.
        step: u16,
    },
    /// The argument at `count` says how many keys follow it; keys at `also` come before them.
    Counted {
        /// The position of the number.
        count: u16,
        /// A key outside the counted ones (a destination), if not 0.
        also: u16,
    },
    /// The function appends the positions.
    Function(fn(&Arguments<'_>, &mut Vec<usize>)),
}

impl Keys {
    /// One key, the first argument.
    pub const FIRST: Self = Self::Positions {
        first: 1,
        last: 1,
        step: 1,
    };
    /// Every argument.
    pub const ALL: Self = Self::Positions {
        first: 1,
        last: -1,
        step: 1,
    };
    /// The first two arguments.
    pub const TWO: Self = Self::Positions {
        first: 1,
        last: 2,
        step: 1,
    };
    /// A number of keys, then the keys.
    pub const COUNTED: Self = Self::Counted { count: 1, also: 0 };

    /// Appends the positions of the keys in `arguments`; none where the arguments are wrong.
    pub fn find(&self, arguments: &Arguments<'_>, positions: &mut Vec<usize>) {
        match *self {
            Self::None => {}
            Self::Positions { first, last, step } => {
                let last = match usize::try_from(last) {
                    Ok(last) => last,
                    Err(_) => arguments
                        .len()
                        .saturating_sub(usize::from(last.unsigned_abs())),
                };
                let last = last.min(arguments.len().saturating_sub(1));
                positions.extend((usize::from(first)..=last).step_by(usize::from(step.max(1))));
            }
            Self::Counted { count, also } => {
                if also != 0 {
                    positions.push(usize::from(also));
                }
                let first = usize::from(count) + 1;
                let number = arguments
                    .get(usize::from(count))
                    .and_then(crate::number::integer);
                if let Some(number) = number.and_then(|number| usize::try_from(number).ok())
                    && number <= arguments.len().saturating_sub(first)
                {
                    positions.extend(first..first + number);
                }
            }
            Self::Function(find) => find(arguments, positions),
        }
    }
}

/// What runs a command. The result is an answer, or an error that becomes one; an error is returned before anything was
/// changed or answered.
#[derive(Clone, Copy)]
pub enum Handler {
    /// Reads the state.
    Read(fn(&View<'_>, &Arguments<'_>, &mut dyn Reply) -> Result<(), Error>),
    /// May change the state.
    Write(fn(&mut Context<'_>, &Arguments<'_>, &mut dyn Reply) -> Result<(), Error>),
    /// Runs a script.
    Script(Invocation),
    /// Is about a connection or the node: whoever owns those runs it.
    Service,
}

/// What the first argument of a command that runs a script is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Invocation {
    /// The script's source.
    Source,
    /// Its SHA-1.
    Sha,
    /// A function's name.
    Function,
}

/// How a blocking command waits.
#[derive(Clone, Copy)]
pub struct Blocking {
    /// Reads how long the client is ready to wait, in milliseconds; 0 is for ever, none is not at all.
    pub timeout_ms: fn(&Arguments<'_>) -> Result<Option<u64>, Error>,
    /// True if the answer is a null array where nobody can wait (inside a transaction), false if it is a null. A wait that
    /// ends in vain is answered by a null array always, as in Redis.
    pub is_null_array: bool,
    /// The command as it is repeated for a client that waits, if that depends on when its wait began.
    pub settled: Option<fn(&View<'_>, &Arguments<'_>) -> ArgumentBuffer>,
}

/// A command, or a subcommand of one.
#[derive(Clone, Copy)]
pub struct Command {
    /// Its number among all commands and subcommands, less than [`count`]: what is counted of each is kept in an array.
    /// Given when the table is made, so of what [`find`], [`resolve`] and [`all`] tell; declarations have 0.
    pub number: u16,
    /// Its name in lower case; of a subcommand only its own part.
    pub name: &'static str,
    /// How many arguments it takes with its name (and its container's): exactly so many, or, if negative, at least.
    pub arity: i16,
    /// What it is and may.
    pub flags: Flags,
    /// What it belongs to.
    pub group: Group,
    /// The version of Redis that brought it.
    pub since: &'static str,
    /// What it does, in half a sentence.
    pub summary: &'static str,
    /// Where its keys stand.
    pub keys: Keys,
    /// What runs it.
    pub handler: Handler,
    /// False if, in the state as it is, a write would change nothing: then it is answered as a read and not logged. None
    /// where that costs as much as the command.
    pub would_write: Option<fn(&View<'_>, &Arguments<'_>) -> bool>,
    /// Of a command flagged [`Flags::BLOCKING`]: how it waits. Its handler returns [`Error::WouldBlock`] instead of
    /// waiting. One that only reads is repeated, for each client, whenever one of its keys has changed.
    pub blocking: Option<Blocking>,
    /// Its subcommands.
    pub subcommands: &'static [Command],
}

impl std::fmt::Debug for Command {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_tuple("Command").field(&self.name).finish()
    }
}

impl Command {
    /// A command that reads, with the fields that most have the same; the rest is set with `..`.
    pub const fn read(
        name: &'static str,
        arity: i16,
        group: Group,
        since: &'static str,
        summary: &'static str,
        handler: fn(&View<'_>, &Arguments<'_>, &mut dyn Reply) -> Result<(), Error>,
    ) -> Self {
        Self {
            number: 0,
            name,
            arity,
            flags: Flags::READONLY,
            group,
            since,
            summary,
            keys: Keys::FIRST,
            handler: Handler::Read(handler),
            would_write: None,
            blocking: None,
            subcommands: &[],
        }
    }

    /// A command that may write, with the fields that most have the same; the rest is set with `..`.
    pub const fn write(
        name: &'static str,
        arity: i16,
        group: Group,
        since: &'static str,
        summary: &'static str,
        handler: fn(&mut Context<'_>, &Arguments<'_>, &mut dyn Reply) -> Result<(), Error>,
    ) -> Self {
        Self {
            number: 0,
            name,
            arity,
            flags: Flags::WRITE.union(Flags::DENYOOM),
            group,
            since,
            summary,
            keys: Keys::FIRST,
            handler: Handler::Write(handler),
            would_write: None,
            blocking: None,
            subcommands: &[],
        }
    }

    /// A command that runs a script, with the fields that all have the same.
    pub const fn script(
        name: &'static str,
        arity: i16,
        group: Group,
        since: &'static str,
        summary: &'static str,
        invocation: Invocation,
    ) -> Self {
        Self {
            number: 0,
            name,
            arity,
            flags: Flags::NOSCRIPT,
            group,
            since,
            summary,
            keys: Keys::None,
            handler: Handler::Script(invocation),
            would_write: None,
            blocking: None,
            subcommands: &[],
        }
    }

    /// A command about connections or the node, with the fields that most have the same.
    pub const fn service(
        name: &'static str,
        arity: i16,
        group: Group,
        since: &'static str,
        summary: &'static str,
    ) -> Self {
        Self {
            number: 0,
            name,
            arity,
            flags: Flags::NOSCRIPT.union(Flags::LOADING).union(Flags::STALE),
            group,
            since,
            summary,
            keys: Keys::None,
            handler: Handler::Service,
            would_write: None,
            blocking: None,
            subcommands: &[],
        }
    }

    /// The same with these flags.
    pub const fn flags(self, flags: Flags) -> Self {
        Self { flags, ..self }
    }

    /// The same with these flags added.
    pub const fn and(self, flags: Flags) -> Self {
        Self {
            flags: self.flags.union(flags),
            ..self
        }
    }

    /// The same without these flags.
    pub const fn without(self, flags: Flags) -> Self {
        Self {
            flags: self.flags.difference(flags),
            ..self
        }
    }

    /// The same with its keys elsewhere.
    pub const fn keys(self, keys: Keys) -> Self {
        Self { keys, ..self }
    }

    /// The same, asked first whether it would change anything.
    pub const fn would_write(self, would_write: fn(&View<'_>, &Arguments<'_>) -> bool) -> Self {
        Self {
            would_write: Some(would_write),
            ..self
        }
    }

    /// The same, waiting.
    pub const fn blocking(self, blocking: Blocking) -> Self {
        Self {
            flags: self.flags.union(Flags::BLOCKING),
            blocking: Some(blocking),
            ..self
        }
    }

    /// The same with subcommands.
    pub const fn subcommands(self, subcommands: &'static [Command]) -> Self {
        Self {
            subcommands,
            ..self
        }
    }

    /// True if so many arguments, the name included, are right.
    pub fn takes(&self, count: usize) -> bool {
        let arity = usize::from(self.arity.unsigned_abs());
        if self.arity < 0 {
            count >= arity
        } else {
            count == arity
        }
    }

    /// The error for a wrong number of arguments.
    pub fn arity_error(&self) -> Error {
        Error::Arity {
            command: self.name.into(),
        }
    }

    /// Answers what it was refused with; where it would have to wait and nobody can, the answer is nothing.
    pub fn answer_error(&self, error: &Error, reply: &mut dyn Reply) {
        match (error, self.blocking) {
            (Error::WouldBlock, Some(blocking)) if blocking.is_null_array => reply.null_array(),
            (Error::WouldBlock, _) => reply.null(),
            (error, _) => reply.error(&error.to_string()),
        }
    }

    /// True if it may change keys.
    pub fn is_write(&self) -> bool {
        self.flags.contains(Flags::WRITE)
    }

    /// The same with its number, and its subcommands with theirs.
    fn numbered(&self, next: &mut u16) -> Self {
        let number = *next;
        *next += 1;
        let subcommands = self.subcommands.iter().map(|sub| sub.numbered(next));
        Self {
            number,
            subcommands: Box::leak(subcommands.collect()),
            ..*self
        }
    }
}

/// The commands of each family; a new family is a line here.
static FAMILIES: &[&[Command]] = &[
    crate::bitmap::COMMANDS,
    crate::hash::COMMANDS,
    crate::hyperloglog::COMMANDS,
    crate::keys::databases::COMMANDS,
    crate::keys::existence::COMMANDS,
    crate::keys::inspection::COMMANDS,
    crate::keys::lifetime::COMMANDS,
    crate::keys::moving::COMMANDS,
    crate::keys::scanning::COMMANDS,
    crate::keys::serialized::COMMANDS,
    crate::keys::sort::COMMANDS,
    crate::list::COMMANDS,
    crate::list::MOVING,
    crate::list::WAITING,
    crate::script::COMMANDS,
    crate::service::COMMANDS,
    crate::set::COMMANDS,
    crate::sorted_set::COMMANDS,
    crate::stream::COMMANDS,
    crate::string::COMMANDS,
];

/// The commands of all families, numbered.
static TABLE: LazyLock<(&'static [Command], usize)> = LazyLock::new(|| {
    let mut count = 0;
    let declared = FAMILIES.iter().copied().flatten();
    let numbered = declared.map(|command| command.numbered(&mut count));
    // Made once and kept as long as the process.
    let table: &'static [Command] = Box::leak(numbered.collect());
    (table, usize::from(count))
});

static BY_NAME: LazyLock<HashTable<&'static Command>> = LazyLock::new(|| {
    let mut table = HashTable::new();
    for command in all() {
        let hash = hash_of_name(command.name.as_bytes());
        table.insert_unique(hash, command, |other| hash_of_name(other.name.as_bytes()));
    }
    table
});

/// A hash that is the same whatever the case of letters. Byte by byte: names are too short for anything wider to pay.
fn hash_of_name(name: &[u8]) -> u64 {
    // FNV-1a. Nobody outside chooses what lies in the table.
    name.iter().fold(0xcbf2_9ce4_8422_2325, |hash, &byte| {
        (hash ^ u64::from(byte | 0x20)).wrapping_mul(0x0100_0000_01b3)
    })
}

/// Every command, family by family.
pub fn all() -> impl Iterator<Item = &'static Command> {
    TABLE.0.iter()
}

/// How many commands and subcommands there are.
pub fn count() -> usize {
    TABLE.1
}

/// The command of a name, whatever the case of its letters.
pub fn find(name: &[u8]) -> Option<&'static Command> {
    if name.len() > NAME_BYTES_MAX {
        return None;
    }
    BY_NAME
        .find(hash_of_name(name), |command| {
            name.eq_ignore_ascii_case(command.name.as_bytes())
        })
        .copied()
}

/// The command of these arguments: for a command with subcommands the one that the second argument names.
///
/// # Errors
/// As Redis tells an unknown command or subcommand, or a wrong number of arguments.
pub fn resolve(arguments: &Arguments<'_>) -> Result<&'static Command, Error> {
    let Some(command) = find(arguments.name()) else {
        return Err(unknown(arguments));
    };
    if command.subcommands.is_empty() || arguments.len() < 2 {
        return if command.takes(arguments.len()) {
            Ok(command)
        } else {
            Err(command.arity_error())
        };
    }
    let wanted = arguments.at(1);
    let found = command
        .subcommands
        .iter()
        .find(|sub| wanted.eq_ignore_ascii_case(sub.name.as_bytes()));
    match found {
        Some(sub) if sub.takes(arguments.len()) => Ok(sub),
        Some(sub) => Err(Error::Arity {
            command: format!("{}|{}", command.name, sub.name),
        }),
        None => Err(Error::line(format!(
            "ERR unknown subcommand '{}'. Try {} HELP.",
            shown(wanted, 128),
            command.name.to_uppercase()
        ))),
    }
}

fn unknown(arguments: &Arguments<'_>) -> Error {
    let mut line = format!(
        "ERR unknown command '{}', with args beginning with: ",
        shown(arguments.name(), 128)
    );
    let mut shown_arguments = String::new();
    for argument in arguments.iter().skip(1) {
        let Some(left) = 128_usize
            .checked_sub(shown_arguments.len())
            .filter(|left| *left > 0)
        else {
            break;
        };
        shown_arguments.push_str(&format!("'{}' ", shown(argument, left)));
    }
    line.push_str(&shown_arguments);
    Error::Line(line.into())
}

/// Bytes of a client in an error line: cut, and without what would end the line.
pub(crate) fn shown(bytes: &[u8], length_max: usize) -> String {
    let cut = &bytes[..bytes.len().min(length_max)];
    String::from_utf8_lossy(cut).replace(['\r', '\n'], " ")
}
