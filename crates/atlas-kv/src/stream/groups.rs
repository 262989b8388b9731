//! `XGROUP` and `XACK`.

use crate::context::Context;
use crate::effects::Class;
use crate::stream::commands::{HeldStream, integer, told};
use crate::stream::group::NEVER_MS;
use crate::stream::id::Id;
use crate::stream::{Stream, range};
use crate::view::View;
use crate::{Arguments, Error, Reply};

const HELP: [&str; 17] = [
    "XGROUP <subcommand> [<arg> [value] [opt] ...]. Subcommands are:",
    "CREATE <key> <groupname> <id|$> [option]",
    "    Create a new consumer group. Options are:",
    "    * MKSTREAM",
    "      Create the empty stream if it does not exist.",
    "    * ENTRIESREAD entries_read",
    "      Set the group's entries_read counter (internal use).",
    "CREATECONSUMER <key> <groupname> <consumer>",
    "    Create a new consumer in the specified group.",
    "DELCONSUMER <key> <groupname> <consumer>",
    "    Remove the specified consumer.",
    "DESTROY <key> <groupname>",
    "    Remove the specified group.",
    "SETID <key> <groupname> <id|$> [ENTRIESREAD entries_read]",
    "    Set the current group ID and entries_read counter.",
    "HELP",
    "    Prints this help.",
];

pub(super) fn help(
    _: &View<'_>,
    arguments: &Arguments<'_>,
    reply: &mut dyn Reply,
) -> Result<(), Error> {
    super::info::tell(&HELP, arguments, reply)
}

const NO_KEY: Error = Error::fixed(
    "ERR The XGROUP subcommand requires the key to exist. Note that for CREATE you may want to use the MKSTREAM option \
     to create an empty stream automatically.",
);

pub(super) fn no_group(name: &[u8], key: &[u8]) -> Error {
    Error::line(format!(
        "NOGROUP No such consumer group '{}' for key name '{}'",
        told(name),
        told(key)
    ))
}

/// The error for options that a subcommand does not have.
pub(super) fn wrong_arguments(arguments: &Arguments<'_>, container: &str) -> Error {
    Error::line(format!(
        "ERR unknown subcommand or wrong number of arguments for '{}'. Try {container} HELP.",
        told(arguments.at(1))
    ))
}

/// Options behind the id: whether the stream is to be made, and how many entries the group was given.
fn options(arguments: &Arguments<'_>, is_create: bool) -> Result<(bool, Option<u64>), Error> {
    let (mut makes_stream, mut entries_read) = (false, None);
    let mut at = 5;
    while at < arguments.len() {
        if is_create && arguments.is(at, "mkstream") {
            makes_stream = true;
            at += 1;
        } else if arguments.is(at, "entriesread") && at + 1 < arguments.len() {
            let count = integer(arguments, at + 1)?;
            if count < -1 {
                return Err(Error::fixed(
                    "ERR value for ENTRIESREAD must be positive or -1",
                ));
            }
            entries_read = u64::try_from(count).ok();
            at += 2;
        } else {
            return Err(wrong_arguments(arguments, "XGROUP"));
        }
    }
    Ok((makes_stream, entries_read))
}

pub(super) fn create(
    context: &mut Context<'_>,
    arguments: &Arguments<'_>,
    reply: &mut dyn Reply,
) -> Result<(), Error> {
    let (makes_stream, entries_read) = options(arguments, true)?;
    let (key, name, id) = (arguments.at(2), arguments.at(3), arguments.at(4));
    let is_there = context.stream_mut(key)?.is_some();
    if !is_there && !makes_stream {
        return Err(NO_KEY);
    }
    let id = match id {
        b"$" => None,
        id => Some(Id::read(id, 0)?),
    };
    let HeldStream { stream, slice, .. } = context.stream_or_new(key)?;
    let last_id = id.unwrap_or(stream.last_id());
    if stream
        .add_group(name, last_id, entries_read, slice)
        .is_none()
    {
        return Err(Error::fixed("BUSYGROUP Consumer Group name already exists"));
    }
    if !is_there {
        context.modified(key);
    }
    context.changed_more(1);
    context.notify(Class::STREAM, "xgroup-create", key);
    reply.ok();
    Ok(())
}

/// False if there is a group of this name.
pub(super) fn create_would_write(view: &View<'_>, arguments: &Arguments<'_>) -> bool {
    view.peek_stream(arguments.at(2))
        .is_none_or(|stream| stream.group(arguments.at(3)).is_none())
}

pub(super) fn set_id(
    context: &mut Context<'_>,
    arguments: &Arguments<'_>,
    reply: &mut dyn Reply,
) -> Result<(), Error> {
    let (_, entries_read) = options(arguments, false)?;
    let (key, name, id) = (arguments.at(2), arguments.at(3), arguments.at(4));
    let HeldStream { stream, slice, .. } = context.stream_mut(key)?.ok_or(NO_KEY)?;
    let last_id = stream.last_id();
    let group = stream.group_mut(name).ok_or_else(|| no_group(name, key))?;
    let id = match id {
        b"$" => last_id,
        id => Id::read_bound(id, 0)?,
    };
    group.set_last_id(id, entries_read, slice);
    context.changed_more(1);
    context.notify(Class::STREAM, "xgroup-setid", key);
    reply.ok();
    Ok(())
}

pub(super) fn destroy(
    context: &mut Context<'_>,
    arguments: &Arguments<'_>,
    reply: &mut dyn Reply,
) -> Result<(), Error> {
    let (key, name) = (arguments.at(2), arguments.at(3));
    let HeldStream { stream, slice, .. } = context.stream_mut(key)?.ok_or(NO_KEY)?;
    let (is_removed, part) = stream.remove_group(name, slice);
    if is_removed {
        context.give_up_stream(part);
        // Whoever waits for entries hears that there will be none.
        context.changed(key);
        context.notify(Class::STREAM, "xgroup-destroy", key);
    }
    reply.integer(i64::from(is_removed));
    Ok(())
}

pub(super) fn create_consumer(
    context: &mut Context<'_>,
    arguments: &Arguments<'_>,
    reply: &mut dyn Reply,
) -> Result<(), Error> {
    let (key, name, consumer) = (arguments.at(2), arguments.at(3), arguments.at(4));
    let now_ms = context.now_ms;
    let HeldStream { stream, slice, .. } = context.stream_mut(key)?.ok_or(NO_KEY)?;
    let group = stream.group_mut(name).ok_or_else(|| no_group(name, key))?;
    let is_new = group.consumer_number(consumer).is_none();
    if is_new {
        group.add_consumer(consumer, now_ms, NEVER_MS, slice);
        context.changed_more(1);
        context.notify(Class::STREAM, "xgroup-createconsumer", key);
    }
    reply.integer(i64::from(is_new));
    Ok(())
}

pub(super) fn delete_consumer(
    context: &mut Context<'_>,
    arguments: &Arguments<'_>,
    reply: &mut dyn Reply,
) -> Result<(), Error> {
    let (key, name, consumer) = (arguments.at(2), arguments.at(3), arguments.at(4));
    let HeldStream { stream, slice, .. } = context.stream_mut(key)?.ok_or(NO_KEY)?;
    let group = stream.group_mut(name).ok_or_else(|| no_group(name, key))?;
    let mut pending = 0;
    if let Some(number) = group.consumer_number(consumer) {
        pending = group.remove_consumer(number, slice);
        context.changed_more(1);
        context.notify(Class::STREAM, "xgroup-delconsumer", key);
    }
    reply.integer(pending as i64);
    Ok(())
}

pub(super) fn xack(
    context: &mut Context<'_>,
    arguments: &Arguments<'_>,
    reply: &mut dyn Reply,
) -> Result<(), Error> {
    let (key, name) = (arguments.at(1), arguments.at(2));
    let mut acknowledged = 0;
    let held = context.stream_mut(key)?;
    let group = held.and_then(|HeldStream { stream, slice, .. }| {
        let group = Stream::group_mut(stream, name)?;
        Some((group, slice))
    });
    if let Some((group, slice)) = group {
        for id in range::ids(arguments, 3)? {
            acknowledged += u64::from(group.acknowledge(id, slice));
        }
    }
    context.changed_more(acknowledged);
    reply.integer(acknowledged as i64);
    Ok(())
}
