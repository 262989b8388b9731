//! Commands on one list.

use crate::command::{Command, Flags, Group};
use crate::context::{Context, Held};
use crate::effects::Class;
use crate::list::search::lpos;
use crate::list::{End, Fill, List};
use crate::number;
use crate::slice::Slice;
use crate::value::{Collection, Object, ValueRef};
use crate::view::View;
use crate::{Arguments, Error, Reply};

/// Commands on one list, none of which waits.
pub(crate) static COMMANDS: &[Command] = &[
    Command::write(
        "lpush",
        -3,
        Group::List,
        "1.0.0",
        "Puts elements before the first of a list, one after the other.",
        |context, arguments, reply| push(context, arguments, reply, End::Left),
    )
    .and(Flags::FAST),
    Command::write(
        "rpush",
        -3,
        Group::List,
        "1.0.0",
        "Puts elements behind the last of a list.",
        |context, arguments, reply| push(context, arguments, reply, End::Right),
    )
    .and(Flags::FAST),
    Command::write(
        "lpushx",
        -3,
        Group::List,
        "2.2.0",
        "Puts elements before the first of a list that exists.",
        |context, arguments, reply| push_existing(context, arguments, reply, End::Left),
    )
    .and(Flags::FAST)
    .would_write(holds_first),
    Command::write(
        "rpushx",
        -3,
        Group::List,
        "2.2.0",
        "Puts elements behind the last of a list that exists.",
        |context, arguments, reply| push_existing(context, arguments, reply, End::Right),
    )
    .and(Flags::FAST)
    .would_write(holds_first),
    Command::write(
        "lpop",
        -2,
        Group::List,
        "1.0.0",
        "Takes elements from the beginning of a list.",
        |context, arguments, reply| pop(context, arguments, reply, End::Left),
    )
    .without(Flags::DENYOOM)
    .and(Flags::FAST)
    .would_write(holds_first),
    Command::write(
        "rpop",
        -2,
        Group::List,
        "1.0.0",
        "Takes elements from the end of a list.",
        |context, arguments, reply| pop(context, arguments, reply, End::Right),
    )
    .without(Flags::DENYOOM)
    .and(Flags::FAST)
    .would_write(holds_first),
    Command::read(
        "llen",
        2,
        Group::List,
        "1.0.0",
        "Answers how many elements a list has.",
        llen,
    )
    .and(Flags::FAST),
    Command::read(
        "lrange",
        4,
        Group::List,
        "1.0.0",
        "Answers the elements between two places of a list.",
        lrange,
    ),
    Command::read(
        "lindex",
        3,
        Group::List,
        "1.0.0",
        "Answers the element at a place of a list.",
        lindex,
    ),
    Command::read(
        "lpos",
        -3,
        Group::List,
        "6.0.6",
        "Answers the places of a list at which an element stands.",
        lpos,
    ),
    Command::write(
        "lset",
        4,
        Group::List,
        "1.0.0",
        "Puts another element at a place of a list.",
        lset,
    )
    .would_write(holds_first),
    Command::write(
        "linsert",
        5,
        Group::List,
        "2.2.0",
        "Puts an element before or behind another of a list.",
        linsert,
    )
    .would_write(holds_first),
    Command::write(
        "lrem",
        4,
        Group::List,
        "1.0.0",
        "Removes elements that are equal to one from a list.",
        lrem,
    )
    .without(Flags::DENYOOM)
    .would_write(holds_first),
    Command::write(
        "ltrim",
        4,
        Group::List,
        "1.0.0",
        "Removes what does not lie between two places of a list.",
        ltrim,
    )
    .without(Flags::DENYOOM)
    .would_write(holds_first),
];

impl View<'_> {
    /// The list at a key.
    pub(crate) fn list(&self, key: &[u8]) -> Result<Option<&List>, Error> {
        match self.entry(key).map(|entry| entry.value()) {
            None => Ok(None),
            Some(ValueRef::Object(Object::List(list))) => Ok(Some(list)),
            Some(_) => Err(Error::WrongType),
        }
    }
}

/// A list to be changed, with what its changes need.
pub(super) struct HeldList<'a> {
    pub(super) list: &'a mut List,
    pub(super) slice: &'a mut Slice,
    pub(super) fill: Fill,
}

impl<'a> TryFrom<Held<'a>> for HeldList<'a> {
    type Error = Error;

    fn try_from(held: Held<'a>) -> Result<Self, Error> {
        match held.object {
            Object::List(list) => Ok(Self {
                list,
                slice: held.slice,
                fill: Fill::of(held.settings.list_listpack_size),
            }),
            _ => Err(Error::WrongType),
        }
    }
}

impl Context<'_> {
    /// The list at a key, to be changed.
    pub(super) fn list_mut(&mut self, key: &[u8]) -> Result<Option<HeldList<'_>>, Error> {
        self.held(key)?.map(HeldList::try_from).transpose()
    }

    /// The list at a key, made if there is none: something is put into it at once.
    pub(super) fn list_or_new(&mut self, key: &[u8]) -> Result<HeldList<'_>, Error> {
        self.held_or_new(key, |slice| Object::List(List::new(slice)))?
            .try_into()
    }

    /// Says that so many elements were taken from an end of a list, which goes if none is left.
    pub(super) fn popped(&mut self, key: &[u8], end: End, count: usize, is_empty: bool) {
        self.notify(Class::LIST, pop_event(end), key);
        if is_empty {
            self.remove(key);
            self.notify(Class::GENERIC, "del", key);
        }
        self.changed(key);
        self.changed_more(count as u64 - 1);
    }

    /// Gives up what was cut off a list.
    pub(super) fn give_up(&mut self, part: Option<List>) {
        if let Some(part) = part {
            self.keyspace
                .discard(Box::new(Object::List(part)), self.effects);
        }
    }
}

pub(super) fn push_event(end: End) -> &'static str {
    match end {
        End::Left => "lpush",
        End::Right => "rpush",
    }
}

pub(super) fn pop_event(end: End) -> &'static str {
    match end {
        End::Left => "lpop",
        End::Right => "rpop",
    }
}

fn holds_first(view: &View<'_>, arguments: &Arguments<'_>) -> bool {
    view.holds(arguments.at(1))
}

/// The elements between two places that may be counted from the end, as Redis cuts them to what is there: the first, and
/// how many.
fn range(start: i64, stop: i64, len: usize) -> (usize, usize) {
    let len = len as i64;
    let start = if start < 0 {
        (len + start).max(0)
    } else {
        start
    };
    let stop = if stop < 0 {
        len + stop
    } else {
        stop.min(len - 1)
    };
    if start > stop || start >= len {
        return (0, 0);
    }
    (start as usize, (stop - start + 1) as usize)
}

/// The place that an index means, which may be counted from the end.
fn place(index: i64, len: usize) -> Option<usize> {
    let index = if index < 0 {
        index.checked_add(len as i64)?
    } else {
        index
    };
    usize::try_from(index).ok()
}

pub(super) fn integer(arguments: &Arguments<'_>, position: usize) -> Result<i64, Error> {
    number::integer(arguments.at(position)).ok_or(Error::NotInteger)
}

fn push(
    context: &mut Context<'_>,
    arguments: &Arguments<'_>,
    reply: &mut dyn Reply,
    end: End,
) -> Result<(), Error> {
    let held = context.list_or_new(arguments.at(1))?;
    push_all(held, arguments, reply, end);
    pushed(context, arguments, end);
    Ok(())
}

fn push_existing(
    context: &mut Context<'_>,
    arguments: &Arguments<'_>,
    reply: &mut dyn Reply,
    end: End,
) -> Result<(), Error> {
    match context.list_mut(arguments.at(1))? {
        None => reply.integer(0),
        Some(held) => {
            push_all(held, arguments, reply, end);
            pushed(context, arguments, end);
        }
    }
    Ok(())
}

fn push_all(held: HeldList<'_>, arguments: &Arguments<'_>, reply: &mut dyn Reply, end: End) {
    for element in arguments.skip(2).iter() {
        held.list.push(end, element, held.fill, held.slice);
    }
    reply.integer(held.list.len() as i64);
}

fn pushed(context: &mut Context<'_>, arguments: &Arguments<'_>, end: End) {
    let key = arguments.at(1);
    context.changed(key);
    context.changed_more(arguments.len() as u64 - 3);
    context.notify(Class::LIST, push_event(end), key);
}

fn pop(
    context: &mut Context<'_>,
    arguments: &Arguments<'_>,
    reply: &mut dyn Reply,
    end: End,
) -> Result<(), Error> {
    let count = match arguments.len() {
        2 => None,
        3 => Some(
            number::integer(arguments.at(2))
                .and_then(|count| usize::try_from(count).ok())
                .ok_or(Error::fixed("ERR value is out of range, must be positive"))?,
        ),
        _ => return Err(context.command.arity_error()),
    };
    let key = arguments.at(1);
    if let Some(count) = count {
        if !pop_range(context, key, end, count, false, reply)? {
            reply.null_array();
        }
        return Ok(());
    }
    let Some(HeldList { list, slice, .. }) = context.list_mut(key)? else {
        reply.null();
        return Ok(());
    };
    reply.bulk(list.peek(end).unwrap_or_default());
    list.pop(end, slice);
    let is_empty = list.len() == 0;
    context.popped(key, end, 1, is_empty);
    Ok(())
}

/// Takes up to `count` elements from an end of a list and answers them in the order in which they went, behind the key if
/// `is_named`; false if there is no list.
pub(super) fn pop_range(
    context: &mut Context<'_>,
    key: &[u8],
    end: End,
    count: usize,
    is_named: bool,
    reply: &mut dyn Reply,
) -> Result<bool, Error> {
    let Some(HeldList { list, slice, .. }) = context.list_mut(key)? else {
        return Ok(false);
    };
    let count = count.min(list.len());
    if is_named {
        reply.array(2);
        reply.bulk(key);
    }
    reply.array(count);
    if count == 0 {
        return Ok(true);
    }
    let elements = list.iter();
    match end {
        End::Left => elements.take(count).for_each(|element| reply.bulk(element)),
        End::Right => elements
            .rev()
            .take(count)
            .for_each(|element| reply.bulk(element)),
    }
    let part = list.cut(end, count, slice);
    let is_empty = list.len() == 0;
    context.give_up(part);
    context.popped(key, end, count, is_empty);
    Ok(true)
}

fn llen(view: &View<'_>, arguments: &Arguments<'_>, reply: &mut dyn Reply) -> Result<(), Error> {
    let list = view.list(arguments.at(1))?;
    reply.integer(list.map_or(0, List::len) as i64);
    Ok(())
}

fn lrange(view: &View<'_>, arguments: &Arguments<'_>, reply: &mut dyn Reply) -> Result<(), Error> {
    let (start, stop) = (integer(arguments, 2)?, integer(arguments, 3)?);
    let Some(list) = view.list(arguments.at(1))? else {
        reply.array(0);
        return Ok(());
    };
    let (first, count) = range(start, stop, list.len());
    reply.array(count);
    let elements = list.iter_from(first).take(count);
    elements.for_each(|element| reply.bulk(element));
    Ok(())
}

fn lindex(view: &View<'_>, arguments: &Arguments<'_>, reply: &mut dyn Reply) -> Result<(), Error> {
    let Some(list) = view.list(arguments.at(1))? else {
        reply.null();
        return Ok(());
    };
    let index = place(integer(arguments, 2)?, list.len());
    match index.and_then(|index| list.get(index)) {
        Some(element) => reply.bulk(element),
        None => reply.null(),
    }
    Ok(())
}

fn lset(
    context: &mut Context<'_>,
    arguments: &Arguments<'_>,
    reply: &mut dyn Reply,
) -> Result<(), Error> {
    let key = arguments.at(1);
    let held = context.list_mut(key)?.ok_or(Error::NoSuchKey)?;
    let index = integer(arguments, 2)?;
    let is_set = place(index, held.list.len())
        .is_some_and(|index| held.list.set(index, arguments.at(3), held.fill, held.slice));
    if !is_set {
        return Err(Error::IndexOutOfRange);
    }
    context.changed(key);
    context.notify(Class::LIST, "lset", key);
    reply.ok();
    Ok(())
}

fn linsert(
    context: &mut Context<'_>,
    arguments: &Arguments<'_>,
    reply: &mut dyn Reply,
) -> Result<(), Error> {
    let is_after = arguments.is(2, "after");
    if !is_after && !arguments.is(2, "before") {
        return Err(Error::Syntax);
    }
    let key = arguments.at(1);
    let Some(HeldList { list, slice, fill }) = context.list_mut(key)? else {
        reply.integer(0);
        return Ok(());
    };
    if list.insert(is_after, arguments.at(3), arguments.at(4), fill, slice) {
        reply.integer(list.len() as i64);
        context.changed(key);
        context.notify(Class::LIST, "linsert", key);
    } else {
        reply.integer(-1);
    }
    Ok(())
}

fn lrem(
    context: &mut Context<'_>,
    arguments: &Arguments<'_>,
    reply: &mut dyn Reply,
) -> Result<(), Error> {
    let count = integer(arguments, 2)?;
    let key = arguments.at(1);
    let Some(HeldList { list, slice, fill }) = context.list_mut(key)? else {
        reply.integer(0);
        return Ok(());
    };
    let end = if count < 0 { End::Right } else { End::Left };
    let count_max = match count.unsigned_abs() {
        0 => usize::MAX,
        count => usize::try_from(count).unwrap_or(usize::MAX),
    };
    let removed = list.remove_equal(arguments.at(3), end, count_max, fill, slice);
    let is_empty = list.len() == 0;
    if removed > 0 {
        context.changed(key);
        context.changed_more(removed as u64 - 1);
        context.notify(Class::LIST, "lrem", key);
    }
    if is_empty {
        context.remove(key);
        context.notify(Class::GENERIC, "del", key);
    }
    reply.integer(removed as i64);
    Ok(())
}

fn ltrim(
    context: &mut Context<'_>,
    arguments: &Arguments<'_>,
    reply: &mut dyn Reply,
) -> Result<(), Error> {
    let (start, stop) = (integer(arguments, 2)?, integer(arguments, 3)?);
    let key = arguments.at(1);
    let Some(HeldList { list, slice, .. }) = context.list_mut(key)? else {
        reply.ok();
        return Ok(());
    };
    let (first, count) = range(start, stop, list.len());
    let behind = list.len() - first - count;
    let left = list.cut(End::Left, first, slice);
    let right = list.cut(End::Right, behind, slice);
    context.give_up(left);
    context.give_up(right);
    context.notify(Class::LIST, "ltrim", key);
    if count == 0 {
        context.remove(key);
        context.notify(Class::GENERIC, "del", key);
    }
    // A trim of nothing is told to those who watch, too.
    context.modified(key);
    context.changed_more((first + behind) as u64);
    reply.ok();
    Ok(())
}
