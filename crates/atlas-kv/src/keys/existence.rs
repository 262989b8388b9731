//! Which keys there are: removing them, asking for them.

use crate::command::{Command, Flags, Group, Keys};
use crate::context::Context;
use crate::effects::Class;
use crate::random::Random;
use crate::view::View;
use crate::{Arguments, Error, Reply};

/// The commands of this file.
pub(crate) static COMMANDS: &[Command] = &[
    Command::write("del", -2, Group::Generic, "1.0.0", "Removes keys.", del)
        .without(Flags::DENYOOM)
        .keys(Keys::ALL)
        .would_write(holds_any),
    Command::write(
        "unlink",
        -2,
        Group::Generic,
        "4.0.0",
        "Removes keys; what they held is freed in the background.",
        del,
    )
    .without(Flags::DENYOOM)
    .and(Flags::FAST)
    .keys(Keys::ALL)
    .would_write(holds_any),
    Command::read(
        "exists",
        -2,
        Group::Generic,
        "1.0.0",
        "Counts which of the keys exist.",
        exists,
    )
    .and(Flags::FAST)
    .keys(Keys::ALL),
    Command::read(
        "touch",
        -2,
        Group::Generic,
        "3.2.1",
        "Counts which of the keys exist, and notes their use.",
        touch,
    )
    .and(Flags::FAST)
    .keys(Keys::ALL),
    Command::read(
        "type",
        2,
        Group::Generic,
        "1.0.0",
        "Names the type of what a key holds.",
        type_name,
    )
    .and(Flags::FAST),
    Command::read(
        "randomkey",
        1,
        Group::Generic,
        "1.0.0",
        "Answers a key picked at random.",
        randomkey,
    )
    .keys(Keys::None),
];

/// Picks that may turn out to have expired before the rest is searched in order.
const PICKS_MAX: usize = 100;

/// True if a command that looks up all its keys has something to remove.
fn holds_any(view: &View<'_>, arguments: &Arguments<'_>) -> bool {
    arguments.skip(1).iter().any(|key| view.holds(key))
}

fn del(
    context: &mut Context<'_>,
    arguments: &Arguments<'_>,
    reply: &mut dyn Reply,
) -> Result<(), Error> {
    let mut removed = 0;
    for key in arguments.skip(1).iter() {
        if context.remove(key) {
            context.changed(key);
            context.notify(Class::GENERIC, "del", key);
            removed += 1;
        }
    }
    reply.integer(removed);
    Ok(())
}

fn exists(view: &View<'_>, arguments: &Arguments<'_>, reply: &mut dyn Reply) -> Result<(), Error> {
    let keys = arguments.skip(1);
    let count = keys.iter().filter(|key| view.look(key).is_some()).count();
    reply.integer(count as i64);
    Ok(())
}

fn touch(view: &View<'_>, arguments: &Arguments<'_>, reply: &mut dyn Reply) -> Result<(), Error> {
    let keys = arguments.skip(1);
    let count = keys.iter().filter(|key| view.entry(key).is_some()).count();
    reply.integer(count as i64);
    Ok(())
}

fn type_name(
    view: &View<'_>,
    arguments: &Arguments<'_>,
    reply: &mut dyn Reply,
) -> Result<(), Error> {
    let entry = view.look(arguments.at(1));
    reply.simple(entry.map_or("none", |entry| entry.value().type_name()));
    Ok(())
}

fn randomkey(view: &View<'_>, _: &Arguments<'_>, reply: &mut dyn Reply) -> Result<(), Error> {
    let Some(database) = view.keyspace.databases.get(view.database as usize) else {
        reply.null();
        return Ok(());
    };
    let mut random = Random::new(view.seed);
    let picked = (0..PICKS_MAX)
        .map_while(|_| database.at_rank(random.below(database.len())))
        .find(|entry| !entry.is_expired(view.now_ms))
        .or_else(|| {
            database
                .entries()
                .find(|entry| !entry.is_expired(view.now_ms))
        });
    match picked {
        Some(entry) => reply.bulk(entry.key()),
        None => reply.null(),
    }
    Ok(())
}
