//! Counting, reading, removing entries by id; a stream's last id.

use crate::context::Context;
use crate::effects::Class;
use crate::stream::Stream;
use crate::stream::commands::{HeldStream, integer};
use crate::stream::id::Id;
use crate::value::Collection;
use crate::view::View;
use crate::{Arguments, Error, Reply};

pub(super) fn xlen(
    view: &View<'_>,
    arguments: &Arguments<'_>,
    reply: &mut dyn Reply,
) -> Result<(), Error> {
    let stream = view.stream(arguments.at(1))?;
    reply.integer(stream.map_or(0, |stream| stream.len() as i64));
    Ok(())
}

pub(super) fn xrange(
    view: &View<'_>,
    arguments: &Arguments<'_>,
    reply: &mut dyn Reply,
    is_reverse: bool,
) -> Result<(), Error> {
    let (start, end) = if is_reverse { (3, 2) } else { (2, 3) };
    let start = Id::read_start(arguments.at(start))?;
    let end = Id::read_end(arguments.at(end))?;
    let mut count = None;
    let mut at = 4;
    while at < arguments.len() {
        if !arguments.is(at, "count") || at + 1 >= arguments.len() {
            return Err(Error::Syntax);
        }
        count = Some(usize::try_from(integer(arguments, at + 1)?).unwrap_or_default());
        at += 2;
    }
    match view.stream(arguments.at(1))? {
        None => reply.array(0),
        Some(_) if count == Some(0) => reply.null_array(),
        Some(stream) => {
            let count_max = count.unwrap_or(usize::MAX);
            answer(stream, start, end, count_max, is_reverse, reply);
        }
    }
    Ok(())
}

/// Answers entries from `start` to `end`, from the last down if `is_reverse`.
pub(super) fn answer(
    stream: &Stream,
    start: Id,
    end: Id,
    count_max: usize,
    is_reverse: bool,
    reply: &mut dyn Reply,
) {
    let count = stream.count(start, end, count_max);
    reply.array(count);
    let entries = stream.range(start, end);
    if is_reverse {
        entries
            .rev()
            .take(count)
            .for_each(|entry| entry.answer(reply));
    } else {
        entries.take(count).for_each(|entry| entry.answer(reply));
    }
}

/// Reads the ids from `position` on.
pub(super) fn ids(arguments: &Arguments<'_>, position: usize) -> Result<Vec<Id>, Error> {
    let ids = arguments.skip(position).iter();
    ids.map(|id| Id::read(id, 0)).collect()
}

pub(super) fn xdel(
    context: &mut Context<'_>,
    arguments: &Arguments<'_>,
    reply: &mut dyn Reply,
) -> Result<(), Error> {
    let key = arguments.at(1);
    let Some(HeldStream { stream, slice, .. }) = context.stream_mut(key)? else {
        reply.integer(0);
        return Ok(());
    };
    let mut deleted = 0;
    for id in ids(arguments, 2)? {
        if stream.delete(id, slice) {
            deleted += 1;
            if id > stream.max_deleted_id() {
                stream.set_max_deleted_id(id);
            }
        }
    }
    if deleted > 0 {
        context.changed(key);
        context.changed_more(deleted - 1);
        context.notify(Class::STREAM, "xdel", key);
    }
    reply.integer(deleted as i64);
    Ok(())
}

pub(super) fn xsetid(
    context: &mut Context<'_>,
    arguments: &Arguments<'_>,
    reply: &mut dyn Reply,
) -> Result<(), Error> {
    let id = Id::read(arguments.at(2), 0)?;
    let mut entries_added = None;
    let mut max_deleted_id = Id::MIN;
    let mut at = 3;
    while at < arguments.len() {
        let has_more = at + 1 < arguments.len();
        if arguments.is(at, "entriesadded") && has_more {
            let count = u64::try_from(integer(arguments, at + 1)?)
                .map_err(|_| Error::fixed("ERR entries_added must be positive"))?;
            entries_added = Some(count);
        } else if arguments.is(at, "maxdeletedid") && has_more {
            max_deleted_id = Id::read(arguments.at(at + 1), 0)?;
            if id < max_deleted_id {
                return Err(Error::fixed(
                    "ERR The ID specified in XSETID is smaller than the provided max_deleted_entry_id",
                ));
            }
        } else {
            return Err(Error::Syntax);
        }
        at += 2;
    }
    let key = arguments.at(1);
    let held = context.stream_mut(key)?.ok_or(Error::NoSuchKey)?;
    let stream = held.stream;
    if let Some(last) = stream.last_entry_id() {
        if id < last {
            return Err(Error::fixed(
                "ERR The ID specified in XSETID is smaller than the target stream top item",
            ));
        }
        if entries_added.is_some_and(|count| count < stream.len() as u64) {
            return Err(Error::fixed(
                "ERR The entries_added specified in XSETID is smaller than the target stream length",
            ));
        }
    }
    stream.set_last_id(id);
    if let Some(count) = entries_added {
        stream.set_entries_added(count);
    }
    if max_deleted_id != Id::MIN {
        stream.set_max_deleted_id(max_deleted_id);
    }
    context.changed(key);
    context.notify(Class::STREAM, "xsetid", key);
    reply.ok();
    Ok(())
}
