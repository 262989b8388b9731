//! What is known about a key beside what it holds.

use crate::command::{Command, Flags, Group, Keys};
use crate::digest::Digest;
use crate::entry::Entry;
use crate::keyspace::frequency;
use crate::settings::Access;
use crate::value::ValueRef;
use crate::view::View;
use crate::{Arguments, Error, Reply, number, rdb};

/// The commands of this file.
pub(crate) static COMMANDS: &[Command] = &[Command::service(
    "object",
    -2,
    Group::Generic,
    "2.2.3",
    "Commands about keys.",
)
.flags(Flags::empty())
.subcommands(OBJECT)];

/// The key is behind the subcommand.
const SECOND: Keys = Keys::Positions {
    first: 2,
    last: 2,
    step: 1,
};

const OBJECT: &[Command] = &[
    about(
        "encoding",
        "2.2.3",
        "Names how a key's value is kept.",
        encoding,
    ),
    about(
        "freq",
        "4.0.0",
        "Answers how often a key was used lately.",
        freq,
    ),
    Command::read(
        "help",
        2,
        Group::Generic,
        "6.2.0",
        "Tells about the subcommands.",
        object_help,
    )
    .flags(Flags::LOADING.union(Flags::STALE))
    .keys(Keys::None),
    about(
        "idletime",
        "2.2.3",
        "Answers for how many seconds a key was not used.",
        idletime,
    ),
    about(
        "refcount",
        "2.2.3",
        "Answers how many keys hold the value: one.",
        refcount,
    ),
];

const fn about(
    name: &'static str,
    since: &'static str,
    summary: &'static str,
    handler: fn(&View<'_>, &Arguments<'_>, &mut dyn Reply) -> Result<(), Error>,
) -> Command {
    Command::read(name, 3, Group::Generic, since, summary, handler).keys(SECOND)
}

/// `MEMORY USAGE`.
pub(crate) const MEMORY_USAGE: Command = Command::read(
    "usage",
    -3,
    Group::Server,
    "4.0.0",
    "Answers about how many bytes a key takes.",
    memory_usage,
)
.keys(SECOND);

/// `DEBUG OBJECT`.
pub(crate) const DEBUG_OBJECT: Command = debug(
    "object",
    -3,
    "Tells how a key's value is kept.",
    debug_object,
)
.keys(SECOND);

/// `DEBUG DIGEST`.
pub(crate) const DEBUG_DIGEST: Command =
    debug("digest", 2, "Answers a digest of all keys.", digest);

/// `DEBUG DIGEST-VALUE`.
pub(crate) const DEBUG_DIGEST_VALUE: Command = debug(
    "digest-value",
    -2,
    "Answers digests of what keys hold.",
    digest_value,
)
.keys(Keys::Positions {
    first: 2,
    last: -1,
    step: 1,
});

const fn debug(
    name: &'static str,
    arity: i16,
    summary: &'static str,
    handler: fn(&View<'_>, &Arguments<'_>, &mut dyn Reply) -> Result<(), Error>,
) -> Command {
    Command::read(name, arity, Group::Server, "1.0.0", summary, handler)
        .and(Flags::ADMIN.union(Flags::DANGEROUS))
        .keys(Keys::None)
}

const HELP: [&str; 15] = [
    "OBJECT <subcommand> [<arg> [value] [opt] ...]. Subcommands are:",
    "ENCODING <key>",
    "    Return the kind of internal representation used in order to store the value",
    "    associated with a <key>.",
    "FREQ <key>",
    "    Return the access frequency index of the <key>. The returned integer is",
    "    proportional to the logarithm of the recent access frequency of the key.",
    "IDLETIME <key>",
    "    Return the idle time of the <key>, that is the approximated number of",
    "    seconds elapsed since the last access to the key.",
    "REFCOUNT <key>",
    "    Return the number of references of the value associated with the specified",
    "    <key>.",
    "HELP",
    "    Prints this help.",
];

fn object_help(_: &View<'_>, _: &Arguments<'_>, reply: &mut dyn Reply) -> Result<(), Error> {
    reply.array(HELP.len());
    for line in HELP {
        reply.simple(line);
    }
    Ok(())
}

fn encoding(
    view: &View<'_>,
    arguments: &Arguments<'_>,
    reply: &mut dyn Reply,
) -> Result<(), Error> {
    match view.peek(arguments.at(2)) {
        Some(entry) => reply.bulk(entry.encoding().as_bytes()),
        None => reply.null(),
    }
    Ok(())
}

fn freq(view: &View<'_>, arguments: &Arguments<'_>, reply: &mut dyn Reply) -> Result<(), Error> {
    let access = view.settings().access;
    match view.peek(arguments.at(2)) {
        None => reply.null(),
        Some(_) if access != Access::Frequency => {
            return Err(Error::fixed(
                "ERR An LFU maxmemory policy is not selected, access frequency not tracked. Please note \
                 that when switching between policies at runtime LRU and LFU data will take some time to \
                 adjust.",
            ));
        }
        Some(entry) => {
            let now = access.of_now(view.now_ms);
            reply.integer(i64::from(frequency(entry.access(), now)));
        }
    }
    Ok(())
}

fn idletime(
    view: &View<'_>,
    arguments: &Arguments<'_>,
    reply: &mut dyn Reply,
) -> Result<(), Error> {
    match view.peek(arguments.at(2)) {
        None => reply.null(),
        Some(_) if view.settings().access != Access::Recency => {
            return Err(Error::fixed(
                "ERR An LFU maxmemory policy is selected, idle time not tracked. Please note that when \
                 switching between policies at runtime LRU and LFU data will take some time to adjust.",
            ));
        }
        Some(entry) => reply.integer(i64::from(idle_seconds(entry, view.now_ms))),
    }
    Ok(())
}

fn refcount(
    view: &View<'_>,
    arguments: &Arguments<'_>,
    reply: &mut dyn Reply,
) -> Result<(), Error> {
    match view.peek(arguments.at(2)) {
        Some(_) => reply.integer(1),
        None => reply.null(),
    }
    Ok(())
}

/// For how many seconds an entry was not used; its mark must be one of recency.
fn idle_seconds(entry: &Entry, now_ms: i64) -> u32 {
    let idle = Access::Recency.of_now(now_ms).wrapping_sub(entry.access());
    // A use after `now_ms`: a read does not move the clock of records.
    if idle > u32::MAX / 2 { 0 } else { idle }
}

fn memory_usage(
    view: &View<'_>,
    arguments: &Arguments<'_>,
    reply: &mut dyn Reply,
) -> Result<(), Error> {
    let mut position = 3;
    while position < arguments.len() {
        if !arguments.is(position, "samples") || position + 1 >= arguments.len() {
            return Err(Error::Syntax);
        }
        let samples = number::integer(arguments.at(position + 1)).ok_or(Error::NotInteger)?;
        if samples < 0 {
            return Err(Error::Syntax);
        }
        position += 2;
    }
    // Every collection knows its size: nothing is sampled.
    match view.peek(arguments.at(2)) {
        Some(entry) => reply.integer(entry.memory_bytes() as i64),
        None => reply.null(),
    }
    Ok(())
}

fn debug_object(
    view: &View<'_>,
    arguments: &Arguments<'_>,
    reply: &mut dyn Reply,
) -> Result<(), Error> {
    let entry = view.peek(arguments.at(2)).ok_or(Error::NoSuchKey)?;
    let idle = match view.settings().access {
        Access::Recency => idle_seconds(entry, view.now_ms),
        Access::Frequency => 0,
    };
    // There is no address to tell: it would differ from node to node.
    reply.simple(&format!(
        "Value at:0x0 refcount:1 encoding:{} serializedlength:{} lru:{} lru_seconds_idle:{idle}",
        entry.encoding(),
        rdb::dump(entry.value()).len() - rdb::FOOTER_BYTES - 1,
        entry.access() & 0x00ff_ffff,
    ));
    Ok(())
}

/// The digests of all keys together, whatever their order.
fn digest(view: &View<'_>, _: &Arguments<'_>, reply: &mut dyn Reply) -> Result<(), Error> {
    let mut all = 0;
    for (number, database) in view.keyspace.databases.iter().enumerate() {
        for entry in database.entries() {
            let mut digest = Digest::new();
            digest.integer(number as u64);
            digest.bytes(entry.key());
            all ^= digest_of(digest, Some(entry));
        }
    }
    answer_digest(all, reply);
    Ok(())
}

fn digest_value(
    view: &View<'_>,
    arguments: &Arguments<'_>,
    reply: &mut dyn Reply,
) -> Result<(), Error> {
    let keys = arguments.skip(2);
    reply.array(keys.len());
    for key in keys.iter() {
        answer_digest(
            match view.peek(key) {
                None => 0,
                entry => digest_of(Digest::new(), entry),
            },
            reply,
        );
    }
    Ok(())
}

/// The digest of a value, and of whether it expires.
fn digest_of(mut digest: Digest, entry: Option<&Entry>) -> u128 {
    let value = entry.map_or(ValueRef::Integer(0), Entry::value);
    value.digest(&mut digest);
    digest.integer(u64::from(
        entry.is_some_and(|entry| entry.expire_ms().is_some()),
    ));
    digest.finish()
}

/// As many digits as Redis's digests have.
fn answer_digest(digest: u128, reply: &mut dyn Reply) {
    reply.simple(&format!("{digest:040x}"));
}
