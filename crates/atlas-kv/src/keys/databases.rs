//! Commands on whole databases.

use crate::command::{Command, Flags, Group, Keys};
use crate::context::Context;
use crate::effects::{Change, Interest};
use crate::keys::NO_DATABASE;
use crate::keys::small_integer;
use crate::view::View;
use crate::{Arguments, Error, Reply};

/// The commands of this file.
pub(crate) static COMMANDS: &[Command] = &[
    Command::read(
        "dbsize",
        1,
        Group::Server,
        "1.0.0",
        "Counts the keys of the database.",
        dbsize,
    )
    .and(Flags::FAST)
    .keys(Keys::None),
    Command::write(
        "swapdb",
        3,
        Group::Server,
        "4.0.0",
        "Exchanges two databases for all clients.",
        swapdb,
    )
    .without(Flags::DENYOOM)
    .and(Flags::FAST)
    .and(Flags::DANGEROUS)
    .keys(Keys::None),
    Command::write(
        "flushdb",
        -1,
        Group::Server,
        "1.0.0",
        "Removes all keys of the database.",
        flushdb,
    )
    .without(Flags::DENYOOM)
    .and(Flags::DANGEROUS)
    .keys(Keys::None)
    .would_write(holds_something),
    Command::write(
        "flushall",
        -1,
        Group::Server,
        "1.0.0",
        "Removes all keys of all databases.",
        flushall,
    )
    .without(Flags::DENYOOM)
    .and(Flags::DANGEROUS)
    .keys(Keys::None)
    .would_write(holds_anything),
];

fn holds_something(view: &View<'_>, _: &Arguments<'_>) -> bool {
    view.keyspace.key_counts(view.database).0 > 0
}

fn holds_anything(view: &View<'_>, _: &Arguments<'_>) -> bool {
    let databases = &view.keyspace.databases;
    databases.iter().any(|database| database.len() > 0)
}

fn dbsize(view: &View<'_>, _: &Arguments<'_>, reply: &mut dyn Reply) -> Result<(), Error> {
    reply.integer(view.keyspace.key_counts(view.database).0 as i64);
    Ok(())
}

fn swapdb(
    context: &mut Context<'_>,
    arguments: &Arguments<'_>,
    reply: &mut dyn Reply,
) -> Result<(), Error> {
    let first =
        small_integer(arguments.at(1)).map_err(|_| Error::fixed("ERR invalid first DB index"))?;
    let second =
        small_integer(arguments.at(2)).map_err(|_| Error::fixed("ERR invalid second DB index"))?;
    let count = context.keyspace.database_count();
    let exists = |number: i32| u32::try_from(number).ok().filter(|&number| number < count);
    let (Some(first), Some(second)) = (exists(first), exists(second)) else {
        return Err(NO_DATABASE);
    };
    context
        .keyspace
        .databases
        .swap(first as usize, second as usize);
    context.changed_more(1);
    if first != second && context.effects.interest.contains(Interest::KEYS) {
        context.effects.changes.push(Change::Database(first));
        context.effects.changes.push(Change::Database(second));
    }
    reply.ok();
    Ok(())
}

fn flushdb(
    context: &mut Context<'_>,
    arguments: &Arguments<'_>,
    reply: &mut dyn Reply,
) -> Result<(), Error> {
    check_flush(arguments)?;
    context.keyspace.flush(context.database, context.effects);
    reply.ok();
    Ok(())
}

fn flushall(
    context: &mut Context<'_>,
    arguments: &Arguments<'_>,
    reply: &mut dyn Reply,
) -> Result<(), Error> {
    check_flush(arguments)?;
    for database in 0..context.keyspace.database_count() {
        context.keyspace.flush(database, context.effects);
    }
    reply.ok();
    Ok(())
}

/// Both ways free memory in the background: nobody waits for it in either.
fn check_flush(arguments: &Arguments<'_>) -> Result<(), Error> {
    match arguments.len() {
        1 => Ok(()),
        2 if arguments.is(1, "async") || arguments.is(1, "sync") => Ok(()),
        _ => Err(Error::Syntax),
    }
}
