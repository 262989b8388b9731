//! What a command does with each of its keys, and which channels it names: worked out once for all commands.

use std::sync::LazyLock;

use bitflags::bitflags;

use super::Category;
use crate::command::{self, Flags};
use crate::{Arguments, Command};

bitflags! {
    /// What a command needs of a key: to read what is there, to change it, both, or, to see only whether and how much is
    /// there, nothing beyond that the key may be named.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
    pub struct Access: u8 {
        /// Its value, or what follows from it, is told or copied.
        const READ = 1;
        /// It is made, changed or removed.
        const WRITE = 1 << 1;
    }
}

const NONE: Access = Access::empty();
const READ: Access = Access::READ;
const WRITE: Access = Access::WRITE;
const BOTH: Access = Access::READ.union(Access::WRITE);

/// What commands do with their first key and with the others, where their flags do not say it: one that only reads needs
/// to read all its keys, another to write them.
const EXCEPTIONS: &[(Access, Access, &str)] = &[
    (
        NONE,
        NONE,
        "exists hexists hlen hstrlen llen memory|usage object|encoding object|freq object|idletime object|refcount
            scard sismember strlen touch type watch xlen zcard",
    ),
    (READ, READ, "pfdebug xreadgroup"),
    (
        READ,
        WRITE,
        "copy georadius georadiusbymember sort",
    ),
    (
        WRITE,
        READ,
        "bitop geosearchstore sdiffstore sinterstore sunionstore zdiffstore zinterstore zrangestore zunionstore",
    ),
    (
        BOTH,
        WRITE,
        "blmove brpoplpush lmove rename renamenx rpoplpush smove",
    ),
    (BOTH, READ, "pfmerge"),
    (
        BOTH,
        BOTH,
        "blmpop blpop brpop bzmpop bzpopmax bzpopmin decr decrby eval evalsha fcall getdel getex getset hincrby
            hincrbyfloat incr incrby incrbyfloat lmpop lpop move rpop setbit spop zincrby zmpop zpopmax zpopmin",
    ),
];

/// Which channels a command names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Channels {
    /// None, or only such as it leaves.
    None,
    /// The first argument.
    First,
    /// All arguments.
    All,
    /// All arguments, each a pattern.
    Patterns,
}

/// What is known of a command beside what its declaration says.
pub(super) struct Known {
    full_name: Box<str>,
    pub(super) category: Category,
    first: Access,
    others: Access,
    pub(super) channels: Channels,
}

/// By the numbers of commands.
static KNOWN: LazyLock<Vec<Known>> = LazyLock::new(|| {
    let mut known: Vec<Option<Known>> = Vec::new();
    known.resize_with(command::count(), || None);
    for command in command::all() {
        known[usize::from(command.number)] = Some(Known::of(command, command.name.into()));
        for sub in command.subcommands {
            let full_name = format!("{}|{}", command.name, sub.name);
            known[usize::from(sub.number)] = Some(Known::of(sub, full_name.into()));
        }
    }
    known.into_iter().flatten().collect()
});

impl Known {
    fn of(command: &Command, full_name: Box<str>) -> Self {
        let named = |names: &str| {
            names
                .split_ascii_whitespace()
                .any(|name| name == &*full_name)
        };
        let exception = EXCEPTIONS.iter().find(|(.., names)| named(names));
        let (first, others) = match exception {
            Some((first, others, _)) => (*first, *others),
            None if command.flags.contains(Flags::WRITE) => (WRITE, WRITE),
            None => (READ, READ),
        };
        let channels = match &*full_name {
            "publish" | "spublish" => Channels::First,
            "subscribe" | "ssubscribe" => Channels::All,
            "psubscribe" => Channels::Patterns,
            _ => Channels::None,
        };
        Self {
            category: Category::derived(command, &full_name),
            full_name,
            first,
            others,
            channels,
        }
    }
}

pub(super) fn known(command: &Command) -> &'static Known {
    &KNOWN[usize::from(command.number)]
}

/// A command's whole name: of a subcommand `container|name`.
pub fn full_name(command: &Command) -> &'static str {
    &known(command).full_name
}

impl Access {
    /// What a command does with its keys, given the first of them and then the others.
    pub(super) fn of_keys(command: &Command, arguments: &Arguments<'_>) -> (Self, Self) {
        match command.name {
            // With `GET` it tells what was there.
            "set" if has_word(arguments, 3, "get") => (BOTH, BOTH),
            "bitfield" => {
                let access = bitfield(arguments);
                (access, access)
            }
            _ => {
                let known = known(command);
                (known.first, known.others)
            }
        }
    }
}

fn has_word(arguments: &Arguments<'_>, from: usize, word: &str) -> bool {
    (from..arguments.len()).any(|at| arguments.is(at, word))
}

/// `BITFIELD` only reads if all that it is asked for is `GET`.
fn bitfield(arguments: &Arguments<'_>) -> Access {
    let mut at = 2;
    while at < arguments.len() {
        if arguments.is(at, "get") && at + 2 < arguments.len() {
            at += 3;
        } else if arguments.is(at, "overflow") && at + 1 < arguments.len() {
            at += 2;
        } else {
            return BOTH;
        }
    }
    READ
}

#[cfg(test)]
pub(super) fn exceptions() -> impl Iterator<Item = &'static str> {
    let names = EXCEPTIONS.iter().map(|(.., names)| names);
    names.flat_map(|names| names.split_ascii_whitespace())
}

#[cfg(test)]
pub(super) fn declared(command: &Command) -> (Access, Access) {
    (known(command).first, known(command).others)
}
