//! Values that go from one key to another, as they are or as a copy.

use crate::command::{Command, Flags, Group, Keys};
use crate::context::{Context, Expiry};
use crate::effects::Class;
use crate::keys::{SAME_OBJECT, database};
use crate::value::Value;
use crate::view::View;
use crate::{Arguments, Error, Reply};

/// The commands of this file.
pub(crate) static COMMANDS: &[Command] = &[
    Command::write(
        "rename",
        3,
        Group::Generic,
        "1.0.0",
        "Gives a value another key, whatever was there.",
        rename,
    )
    .without(Flags::DENYOOM)
    .keys(Keys::TWO)
    .would_write(holds_source),
    Command::write(
        "renamenx",
        3,
        Group::Generic,
        "1.0.0",
        "Gives a value another key unless that exists.",
        renamenx,
    )
    .without(Flags::DENYOOM)
    .and(Flags::FAST)
    .keys(Keys::TWO)
    .would_write(holds_source),
    Command::write(
        "copy",
        -3,
        Group::Generic,
        "6.2.0",
        "Copies a value to another key.",
        copy,
    )
    .keys(Keys::TWO)
    .would_write(holds_source),
    Command::write(
        "move",
        3,
        Group::Generic,
        "1.0.0",
        "Moves a key to another database.",
        move_key,
    )
    .without(Flags::DENYOOM)
    .and(Flags::FAST)
    .would_write(holds_source),
];

fn holds_source(view: &View<'_>, arguments: &Arguments<'_>) -> bool {
    view.holds(arguments.at(1))
}

fn rename(
    context: &mut Context<'_>,
    arguments: &Arguments<'_>,
    reply: &mut dyn Reply,
) -> Result<(), Error> {
    rename_unless(context, arguments, false)?;
    reply.ok();
    Ok(())
}

fn renamenx(
    context: &mut Context<'_>,
    arguments: &Arguments<'_>,
    reply: &mut dyn Reply,
) -> Result<(), Error> {
    let is_renamed = rename_unless(context, arguments, true)?;
    reply.integer(i64::from(is_renamed));
    Ok(())
}

/// Renames a key, unless its new name exists and must not; true if it was renamed.
fn rename_unless(
    context: &mut Context<'_>,
    arguments: &Arguments<'_>,
    is_only_new: bool,
) -> Result<bool, Error> {
    let (source, target) = (arguments.at(1), arguments.at(2));
    if !context.exists(source) {
        return Err(Error::NoSuchKey);
    }
    if source == target {
        return Ok(false);
    }
    let is_there = context.exists(target);
    if is_there && is_only_new {
        return Ok(false);
    }
    let is_raw = is_raw(context, source);
    let Some((value, expire_ms)) = context.take(source) else {
        return Err(Error::NoSuchKey);
    };
    set(context, target, value, expire_ms, is_raw);
    if is_there {
        // The place is kept, so that scans find the key; for listeners it was removed and came anew.
        context.notify(Class::NEW, "new", target);
    }
    context.changed(source);
    context.modified(target);
    context.notify(Class::GENERIC, "rename_from", source);
    context.notify(Class::GENERIC, "rename_to", target);
    Ok(true)
}

fn copy(
    context: &mut Context<'_>,
    arguments: &Arguments<'_>,
    reply: &mut dyn Reply,
) -> Result<(), Error> {
    let (source, target) = (arguments.at(1), arguments.at(2));
    let from = context.database;
    let (mut to, mut is_replacing) = (from, false);
    let mut position = 3;
    while position < arguments.len() {
        if arguments.is(position, "replace") {
            is_replacing = true;
        } else if arguments.is(position, "db") && position + 1 < arguments.len() {
            position += 1;
            to = database(
                arguments.at(position),
                context.keyspace.database_count() as usize,
            )?;
        } else {
            return Err(Error::Syntax);
        }
        position += 1;
    }
    if from == to && source == target {
        return Err(SAME_OBJECT);
    }
    if !context.exists(source) {
        reply.integer(0);
        return Ok(());
    }
    let is_there = context.in_database(to, |context| context.exists(target));
    if is_there && !is_replacing {
        reply.integer(0);
        return Ok(());
    }
    let is_raw = is_raw(context, source);
    let Some((value, expire_ms)) = context.duplicate(source) else {
        return Err(Error::NoSuchKey);
    };
    context.in_database(to, |context| {
        set(context, target, value, expire_ms, is_raw);
        if is_there {
            context.notify(Class::NEW, "new", target);
        }
        context.changed(target);
        context.notify(Class::GENERIC, "copy_to", target);
    });
    reply.integer(1);
    Ok(())
}

fn move_key(
    context: &mut Context<'_>,
    arguments: &Arguments<'_>,
    reply: &mut dyn Reply,
) -> Result<(), Error> {
    let key = arguments.at(1);
    let to = database(arguments.at(2), context.keyspace.database_count() as usize)?;
    if to == context.database {
        return Err(SAME_OBJECT);
    }
    if !context.exists(key) || context.in_database(to, |context| context.exists(key)) {
        reply.integer(0);
        return Ok(());
    }
    let is_raw = is_raw(context, key);
    let Some((value, expire_ms)) = context.take(key) else {
        return Err(Error::NoSuchKey);
    };
    context.in_database(to, |context| {
        set(context, key, value, expire_ms, is_raw);
    });
    context.changed(key);
    context.in_database(to, |context| context.modified(key));
    context.notify(Class::GENERIC, "move_from", key);
    context.in_database(to, |context| {
        context.notify(Class::GENERIC, "move_to", key);
    });
    reply.integer(1);
    Ok(())
}

/// True if the key holds a short string that was changed in place, which `OBJECT ENCODING` tells.
fn is_raw(context: &Context<'_>, key: &[u8]) -> bool {
    let view = context.view();
    let entry = view.peek(key);
    entry.is_some_and(|entry| entry.encoding() == "raw")
}

/// Sets a key to what another held, with how it is told.
fn set(context: &mut Context<'_>, key: &[u8], value: Value, expire_ms: Option<i64>, is_raw: bool) {
    context.set(key, value, Expiry::of(expire_ms));
    if is_raw {
        // Changing nothing in place is what marks it.
        context.edit_string(key, 0..0, |_| {});
    }
}
