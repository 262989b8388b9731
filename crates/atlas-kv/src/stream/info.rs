//! `XINFO`.

use crate::stream::commands::integer;
use crate::stream::group::{Consumer, Group, NEVER_MS};
use crate::stream::groups::{no_group, wrong_arguments};
use crate::stream::id::Id;
use crate::stream::{Stream, range};
use crate::value::Collection;
use crate::view::View;
use crate::{Arguments, Error, Reply};

/// Entries and deliveries that `XINFO STREAM FULL` shows unless it is told how many.
const COUNT: usize = 10;

const HELP: [&str; 9] = [
    "XINFO <subcommand> [<arg> [value] [opt] ...]. Subcommands are:",
    "CONSUMERS <key> <groupname>",
    "    Show consumers of <groupname>.",
    "GROUPS <key>",
    "    Show the stream consumer groups.",
    "STREAM <key> [FULL [COUNT <count>]",
    "    Show information about the stream.",
    "HELP",
    "    Prints this help.",
];

pub(super) fn help(
    _: &View<'_>,
    arguments: &Arguments<'_>,
    reply: &mut dyn Reply,
) -> Result<(), Error> {
    tell(&HELP, arguments, reply)
}

/// Answers the lines of a `HELP`.
pub(super) fn tell(lines: &[&str], _: &Arguments<'_>, reply: &mut dyn Reply) -> Result<(), Error> {
    reply.array(lines.len());
    lines.iter().for_each(|line| reply.simple(line));
    Ok(())
}

/// A field's name and a number.
fn number(name: &str, value: i64, reply: &mut dyn Reply) {
    reply.bulk(name.as_bytes());
    reply.integer(value);
}

/// A field's name and an id.
fn id(name: &str, value: Id, reply: &mut dyn Reply) {
    reply.bulk(name.as_bytes());
    value.answer(reply);
}

/// A field's name and a number, if it is known.
fn perhaps(name: &str, value: Option<i64>, reply: &mut dyn Reply) {
    reply.bulk(name.as_bytes());
    match value {
        Some(value) => reply.integer(value),
        None => reply.null(),
    }
}

/// A number that counts something.
fn count(value: usize) -> i64 {
    value as i64
}

pub(super) fn stream(
    view: &View<'_>,
    arguments: &Arguments<'_>,
    reply: &mut dyn Reply,
) -> Result<(), Error> {
    let stream = view.stream(arguments.at(2))?.ok_or(Error::NoSuchKey)?;
    let count_max = match arguments.len() {
        3 => None,
        4 if arguments.is(3, "full") => Some(COUNT),
        6 if arguments.is(3, "full") && arguments.is(4, "count") => {
            match usize::try_from(integer(arguments, 5)?) {
                Ok(0) => Some(usize::MAX),
                Ok(count) => Some(count),
                Err(_) => Some(COUNT),
            }
        }
        _ => return Err(wrong_arguments(arguments, "XINFO")),
    };
    let facts = stream.facts();
    reply.map(if count_max.is_some() { 9 } else { 10 });
    number("length", count(stream.len()), reply);
    let blocks = count(stream.blocks().len());
    number("radix-tree-keys", blocks, reply);
    number("radix-tree-nodes", blocks + 1, reply);
    id("last-generated-id", stream.last_id(), reply);
    id("max-deleted-entry-id", stream.max_deleted_id(), reply);
    let added = stream.entries_added().cast_signed();
    number("entries-added", added, reply);
    id("recorded-first-entry-id", facts.first_id, reply);
    let Some(count_max) = count_max else {
        number("groups", count(stream.groups().len()), reply);
        let ends = [
            ("first-entry", stream.first_entry_id()),
            ("last-entry", stream.last_entry_id()),
        ];
        for (name, id) in ends {
            reply.bulk(name.as_bytes());
            match id.and_then(|id| stream.get(id)) {
                Some(entry) => entry.answer(reply),
                None => reply.null(),
            }
        }
        return Ok(());
    };
    reply.bulk(b"entries");
    range::answer(stream, Id::MIN, Id::MAX, count_max, false, reply);
    reply.bulk(b"groups");
    reply.array(stream.groups().len());
    for group in stream.groups() {
        full_group(stream, group, count_max, reply);
    }
    Ok(())
}

fn full_group(stream: &Stream, group: &Group, count_max: usize, reply: &mut dyn Reply) {
    reply.map(7);
    reply.bulk(b"name");
    reply.bulk(&group.name);
    progress(stream, group, reply);
    number("pel-count", count(group.pending_len()), reply);
    reply.bulk(b"pending");
    reply.array(group.pending_len().min(count_max));
    for row in group.pending_from(Id::MIN).take(count_max) {
        reply.array(4);
        row.id.answer(reply);
        let consumer = group.consumer(row.consumer);
        reply.bulk(consumer.map_or(b"", |consumer| &consumer.name));
        reply.integer(row.time_ms);
        reply.integer(row.count.cast_signed());
    }
    reply.bulk(b"consumers");
    reply.array(group.consumers().len());
    for (_, consumer) in group.consumers() {
        reply.map(5);
        reply.bulk(b"name");
        reply.bulk(&consumer.name);
        number("seen-time", consumer.seen_ms, reply);
        number("active-time", consumer.active_ms, reply);
        number("pel-count", count(consumer.pending.len()), reply);
        reply.bulk(b"pending");
        reply.array(consumer.pending.len().min(count_max));
        let rows = consumer.pending.iter().filter_map(|&id| group.delivery(id));
        for row in rows.take(count_max) {
            reply.array(3);
            row.id.answer(reply);
            reply.integer(row.time_ms);
            reply.integer(row.count.cast_signed());
        }
    }
}

/// What a group was given, and how much is still to come.
fn progress(stream: &Stream, group: &Group, reply: &mut dyn Reply) {
    id("last-delivered-id", group.last_id(), reply);
    let read = group.entries_read();
    perhaps("entries-read", read.map(u64::cast_signed), reply);
    perhaps("lag", stream.facts().lag(group.last_id(), read), reply);
}

pub(super) fn groups(
    view: &View<'_>,
    arguments: &Arguments<'_>,
    reply: &mut dyn Reply,
) -> Result<(), Error> {
    let stream = view.stream(arguments.at(2))?.ok_or(Error::NoSuchKey)?;
    reply.array(stream.groups().len());
    for group in stream.groups() {
        reply.map(6);
        reply.bulk(b"name");
        reply.bulk(&group.name);
        number("consumers", count(group.consumers().len()), reply);
        number("pending", count(group.pending_len()), reply);
        progress(stream, group, reply);
    }
    Ok(())
}

pub(super) fn consumers(
    view: &View<'_>,
    arguments: &Arguments<'_>,
    reply: &mut dyn Reply,
) -> Result<(), Error> {
    let (key, name) = (arguments.at(2), arguments.at(3));
    let stream = view.stream(key)?.ok_or(Error::NoSuchKey)?;
    let group = stream.group(name).ok_or_else(|| no_group(name, key))?;
    let now_ms = view.now_ms();
    let since = |time_ms: i64| now_ms.saturating_sub(time_ms).max(0);
    reply.array(group.consumers().len());
    for (_, consumer) in group.consumers() {
        let Consumer {
            seen_ms, active_ms, ..
        } = *consumer;
        reply.map(4);
        reply.bulk(b"name");
        reply.bulk(&consumer.name);
        number("pending", count(consumer.pending.len()), reply);
        number("idle", since(seen_ms), reply);
        let inactive = if active_ms == NEVER_MS {
            NEVER_MS
        } else {
            since(active_ms)
        };
        number("inactive", inactive, reply);
    }
    Ok(())
}
