//! `KEYS` and `SCAN`.

use crate::command::{Command, Flags, Group, Keys};
use crate::database::PARTS;
use crate::entry::Entry;
use crate::glob::{self, Steps};
use crate::scan::{self, Options};
use crate::view::View;
use crate::{Arguments, Error, Reply};

/// The commands of this file.
pub(crate) static COMMANDS: &[Command] = &[
    Command::read(
        "keys",
        2,
        Group::Generic,
        "1.0.0",
        "Answers all keys that match a pattern.",
        keys,
    )
    .and(Flags::DANGEROUS)
    .keys(Keys::None),
    Command::read(
        "scan",
        -2,
        Group::Generic,
        "2.8.0",
        "Answers the keys piece by piece.",
        scan,
    )
    .keys(Keys::None),
];

fn keys(view: &View<'_>, arguments: &Arguments<'_>, reply: &mut dyn Reply) -> Result<(), Error> {
    let pattern = arguments.at(1);
    let Some(database) = view.keyspace.databases.get(view.database as usize) else {
        reply.array(0);
        return Ok(());
    };
    if glob::is_literal(pattern) {
        let found = view.peek(pattern);
        reply.array(usize::from(found.is_some()));
        if found.is_some() {
            reply.bulk(pattern);
        }
        return Ok(());
    }
    let is_all = pattern == b"*";
    let mut steps = Steps::new();
    let mut found: Vec<&Entry> = Vec::new();
    for entry in database.entries() {
        if (is_all || glob::matches(pattern, entry.key(), &mut steps)?)
            && !entry.is_expired(view.now_ms)
        {
            found.push(entry);
        }
    }
    answer(found, reply);
    Ok(())
}

fn scan(view: &View<'_>, arguments: &Arguments<'_>, reply: &mut dyn Reply) -> Result<(), Error> {
    let cursor = scan::cursor(arguments.at(1))?;
    let mut options = Options::parse(arguments, 2, true)?;
    let Some(database) = view.keyspace.databases.get(view.database as usize) else {
        scan::answer(reply, 0, 0);
        return Ok(());
    };
    let (pieces, next) = scan::pieces(cursor, PARTS, options.count, |part| database.part_len(part));
    let mut found: Vec<&Entry> = Vec::new();
    for (part, positions) in pieces {
        for position in positions {
            let Some(entry) = database.entry_at(part, position) else {
                continue;
            };
            let is_type = options.type_name.is_none_or(|wanted| {
                let name = entry.value().type_name();
                wanted.eq_ignore_ascii_case(name.as_bytes())
            });
            if is_type && !entry.is_expired(view.now_ms) && options.wants(entry.key())? {
                found.push(entry);
            }
        }
    }
    scan::answer(reply, next, found.len());
    for entry in found {
        reply.bulk(entry.key());
    }
    Ok(())
}

fn answer(found: Vec<&Entry>, reply: &mut dyn Reply) {
    reply.array(found.len());
    for entry in found {
        reply.bulk(entry.key());
    }
}
