//! Strings.

mod count;
mod lcs;
mod long;
mod range;
mod set;
mod text;

use crate::command::{Command, Flags, Group, Keys};
use crate::context::Context;
use crate::view::View;
use crate::{Arguments, Error, Reply};

pub(crate) use long::LongString;
pub(crate) use text::Text;

/// Keys and values by turns.
const PAIRS: Keys = Keys::Positions {
    first: 1,
    last: -1,
    step: 2,
};

/// The commands of this family.
pub(crate) static COMMANDS: &[Command] = &[
    read("get", 2, "1.0.0", "Answers a string.", get).and(Flags::FAST),
    read("mget", -2, "1.0.0", "Answers several strings.", mget)
        .and(Flags::FAST)
        .keys(Keys::ALL),
    read(
        "strlen",
        2,
        "2.2.0",
        "Answers how long a string is.",
        strlen,
    )
    .and(Flags::FAST),
    read(
        "getrange",
        4,
        "2.4.0",
        "Answers a part of a string.",
        range::get,
    ),
    read(
        "substr",
        4,
        "1.0.0",
        "Answers a part of a string (the old name of GETRANGE).",
        range::get,
    ),
    read(
        "lcs",
        -3,
        "7.0.0",
        "Answers the longest subsequence that two strings share.",
        lcs::lcs,
    )
    .keys(Keys::TWO),
    write("set", -3, "1.0.0", "Sets a string.", set::set).would_write(set::set_would_write),
    write(
        "setnx",
        3,
        "1.0.0",
        "Sets a string if there is no such key.",
        set::setnx,
    )
    .and(Flags::FAST)
    .would_write(|view, arguments| !view.exists(arguments.at(1))),
    write(
        "setex",
        4,
        "2.0.0",
        "Sets a string that expires after so many seconds.",
        set::setex,
    ),
    write(
        "psetex",
        4,
        "2.6.0",
        "Sets a string that expires after so many milliseconds.",
        set::psetex,
    ),
    write(
        "getset",
        3,
        "1.0.0",
        "Sets a string and answers the one before.",
        set::getset,
    )
    .and(Flags::FAST),
    write(
        "getdel",
        2,
        "6.2.0",
        "Answers a string and removes its key.",
        set::getdel,
    )
    .flags(Flags::WRITE.union(Flags::FAST))
    .would_write(|view, arguments| view.holds(arguments.at(1))),
    write(
        "getex",
        -2,
        "6.2.0",
        "Answers a string and changes when it expires.",
        set::getex,
    )
    .flags(Flags::WRITE.union(Flags::FAST))
    .would_write(set::getex_would_write),
    write("mset", -3, "1.0.1", "Sets several strings.", set::mset).keys(PAIRS),
    write(
        "msetnx",
        -3,
        "1.0.1",
        "Sets several strings if there is none of their keys.",
        set::msetnx,
    )
    .keys(PAIRS)
    .would_write(set::msetnx_would_write),
    write("append", 3, "2.0.0", "Appends to a string.", range::append).and(Flags::FAST),
    write(
        "setrange",
        4,
        "2.2.0",
        "Overwrites a part of a string.",
        range::set,
    )
    .would_write(range::set_would_write),
    write("incr", 2, "1.0.0", "Counts up by one.", count::incr).and(Flags::FAST),
    write("decr", 2, "1.0.0", "Counts down by one.", count::decr).and(Flags::FAST),
    write("incrby", 3, "1.0.0", "Counts up.", count::incrby).and(Flags::FAST),
    write("decrby", 3, "1.0.0", "Counts down.", count::decrby).and(Flags::FAST),
    write(
        "incrbyfloat",
        3,
        "2.6.0",
        "Adds a floating-point number.",
        count::incrbyfloat,
    )
    .and(Flags::FAST),
];

const fn read(
    name: &'static str,
    arity: i16,
    since: &'static str,
    summary: &'static str,
    handler: fn(&View<'_>, &Arguments<'_>, &mut dyn Reply) -> Result<(), Error>,
) -> Command {
    Command::read(name, arity, Group::String, since, summary, handler)
}

const fn write(
    name: &'static str,
    arity: i16,
    since: &'static str,
    summary: &'static str,
    handler: fn(&mut Context<'_>, &Arguments<'_>, &mut dyn Reply) -> Result<(), Error>,
) -> Command {
    Command::write(name, arity, Group::String, since, summary, handler)
}

fn get(view: &View<'_>, arguments: &Arguments<'_>, reply: &mut dyn Reply) -> Result<(), Error> {
    match view.string(arguments.at(1))? {
        Some(bytes) => reply.bulk(&bytes),
        None => reply.null(),
    }
    Ok(())
}

fn mget(view: &View<'_>, arguments: &Arguments<'_>, reply: &mut dyn Reply) -> Result<(), Error> {
    reply.array(arguments.len() - 1);
    for key in arguments.skip(1).iter() {
        match view.entry(key).map(|entry| Text::of(entry.value())) {
            Some(Ok(bytes)) => reply.bulk(&bytes),
            None | Some(Err(_)) => reply.null(),
        }
    }
    Ok(())
}

fn strlen(view: &View<'_>, arguments: &Arguments<'_>, reply: &mut dyn Reply) -> Result<(), Error> {
    let bytes = view.string(arguments.at(1))?;
    reply.integer(bytes.map_or(0, |bytes| bytes.len() as i64));
    Ok(())
}

/// Answers a string, or nothing where there is no key.
fn answer(bytes: Option<Text<'_>>, reply: &mut dyn Reply) {
    match bytes {
        Some(bytes) => reply.bulk(&bytes),
        None => reply.null(),
    }
}

#[cfg(test)]
mod tests;
