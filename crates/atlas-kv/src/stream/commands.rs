//! The commands on streams, and how they get at one.

use crate::command::{Blocking, Command, Flags, Group, Keys};
use crate::context::{Context, Held};
use crate::settings::Settings;
use crate::slice::Slice;
use crate::stream::{Stream, add, claim, groups, info, pending, range, reading};
use crate::value::{Object, ValueRef};
use crate::view::View;
use crate::{Arguments, Error, Reply};

/// Of a subcommand: its key is the second argument.
const SECOND: Keys = Keys::Positions {
    first: 2,
    last: 2,
    step: 1,
};

const WAITS: Blocking = Blocking {
    timeout_ms: reading::timeout_ms,
    is_null_array: true,
    settled: None,
};

/// For what comes from now on.
const WAITS_FROM_NOW: Blocking = Blocking {
    settled: Some(reading::settled),
    ..WAITS
};

const fn read(
    name: &'static str,
    arity: i16,
    since: &'static str,
    summary: &'static str,
    handler: fn(&View<'_>, &Arguments<'_>, &mut dyn Reply) -> Result<(), Error>,
) -> Command {
    Command::read(name, arity, Group::Stream, since, summary, handler)
}

const fn write(
    name: &'static str,
    arity: i16,
    since: &'static str,
    summary: &'static str,
    handler: fn(&mut Context<'_>, &Arguments<'_>, &mut dyn Reply) -> Result<(), Error>,
) -> Command {
    Command::write(name, arity, Group::Stream, since, summary, handler)
}

/// The commands of this family.
pub(crate) static COMMANDS: &[Command] = &[
    write("xadd", -5, "5.0.0", "Adds an entry to a stream.", add::xadd)
        .and(Flags::FAST)
        .would_write(add::xadd_would_write),
    write(
        "xtrim",
        -4,
        "5.0.0",
        "Cuts a stream to so many entries, or to those from an id on.",
        add::xtrim,
    )
    .without(Flags::DENYOOM)
    .would_write(holds_first),
    write(
        "xdel",
        -3,
        "5.0.0",
        "Removes entries of a stream.",
        range::xdel,
    )
    .and(Flags::FAST)
    .without(Flags::DENYOOM)
    .would_write(holds_first),
    write(
        "xsetid",
        -3,
        "5.0.0",
        "Sets a stream's last id, and what it tells about its past.",
        range::xsetid,
    )
    .and(Flags::FAST),
    read(
        "xlen",
        2,
        "5.0.0",
        "Counts a stream's entries.",
        range::xlen,
    )
    .and(Flags::FAST),
    read(
        "xrange",
        -4,
        "5.0.0",
        "Answers entries from one id to another.",
        |view, arguments, reply| range::xrange(view, arguments, reply, false),
    ),
    read(
        "xrevrange",
        -4,
        "5.0.0",
        "Answers entries from one id down to another.",
        |view, arguments, reply| range::xrange(view, arguments, reply, true),
    ),
    read(
        "xread",
        -4,
        "5.0.0",
        "Answers the entries of streams behind ids, or waits for some.",
        reading::xread,
    )
    .and(Flags::MOVABLE_KEYS)
    .keys(Keys::Function(reading::keys))
    .blocking(WAITS_FROM_NOW),
    write(
        "xreadgroup",
        -7,
        "5.0.0",
        "Delivers entries of streams to a consumer of a group, or waits for some.",
        reading::xreadgroup,
    )
    .without(Flags::DENYOOM)
    .and(Flags::MOVABLE_KEYS)
    .keys(Keys::Function(reading::keys))
    .would_write(reading::xreadgroup_would_write)
    .blocking(WAITS),
    write(
        "xack",
        -4,
        "5.0.0",
        "Notes that entries that were delivered have been dealt with.",
        groups::xack,
    )
    .and(Flags::FAST)
    .without(Flags::DENYOOM)
    .would_write(holds_first),
    read(
        "xpending",
        -3,
        "5.0.0",
        "Answers what was delivered to a group's consumers and is not acknowledged.",
        pending::xpending,
    ),
    write(
        "xclaim",
        -6,
        "5.0.0",
        "Delivers entries to another consumer that were delivered before.",
        claim::xclaim,
    )
    .and(Flags::FAST)
    .without(Flags::DENYOOM)
    .would_write(holds_first),
    write(
        "xautoclaim",
        -6,
        "6.2.0",
        "Delivers entries to a consumer that others have left unacknowledged.",
        claim::xautoclaim,
    )
    .and(Flags::FAST)
    .without(Flags::DENYOOM)
    .would_write(claim::xautoclaim_would_write),
    read(
        "xgroup",
        -2,
        "5.0.0",
        "Changes a stream's groups of consumers.",
        groups::help,
    )
    .keys(Keys::None)
    .flags(Flags::empty())
    .subcommands(GROUP),
    read(
        "xinfo",
        -2,
        "5.0.0",
        "Tells about streams, their groups and consumers.",
        info::help,
    )
    .keys(Keys::None)
    .flags(Flags::empty())
    .subcommands(INFO),
];

static GROUP: &[Command] = &[
    write(
        "create",
        -5,
        "5.0.0",
        "Makes a group, and its stream if that is wanted.",
        groups::create,
    )
    .keys(SECOND)
    .would_write(groups::create_would_write),
    write(
        "setid",
        -5,
        "5.0.0",
        "Sets from which entry on a group is given entries.",
        groups::set_id,
    )
    .keys(SECOND)
    .without(Flags::DENYOOM)
    .would_write(holds_second),
    write("destroy", 4, "5.0.0", "Removes a group.", groups::destroy)
        .keys(SECOND)
        .without(Flags::DENYOOM)
        .would_write(holds_second),
    write(
        "createconsumer",
        5,
        "6.2.0",
        "Adds a consumer to a group.",
        groups::create_consumer,
    )
    .keys(SECOND)
    .would_write(holds_second),
    write(
        "delconsumer",
        5,
        "5.0.0",
        "Removes a consumer of a group, and what was delivered to it.",
        groups::delete_consumer,
    )
    .keys(SECOND)
    .without(Flags::DENYOOM)
    .would_write(holds_second),
    read("help", 2, "5.0.0", "Tells the subcommands.", groups::help)
        .keys(Keys::None)
        .flags(Flags::LOADING.union(Flags::STALE)),
];

static INFO: &[Command] = &[
    read("stream", -3, "5.0.0", "Tells about a stream.", info::stream).keys(SECOND),
    read(
        "groups",
        3,
        "5.0.0",
        "Tells about a stream's groups.",
        info::groups,
    )
    .keys(SECOND),
    read(
        "consumers",
        4,
        "5.0.0",
        "Tells about a group's consumers.",
        info::consumers,
    )
    .keys(SECOND),
    read("help", 2, "5.0.0", "Tells the subcommands.", info::help)
        .keys(Keys::None)
        .flags(Flags::LOADING.union(Flags::STALE)),
];

fn holds_first(view: &View<'_>, arguments: &Arguments<'_>) -> bool {
    view.holds(arguments.at(1))
}

fn holds_second(view: &View<'_>, arguments: &Arguments<'_>) -> bool {
    view.holds(arguments.at(2))
}

/// A stream, to be changed, with what its changes need.
pub(super) struct HeldStream<'a> {
    pub(super) stream: &'a mut Stream,
    pub(super) slice: &'a mut Slice,
    pub(super) settings: &'a Settings,
}

impl<'a> TryFrom<Held<'a>> for HeldStream<'a> {
    type Error = Error;

    fn try_from(held: Held<'a>) -> Result<Self, Error> {
        match held.object {
            Object::Stream(stream) => Ok(Self {
                stream,
                slice: held.slice,
                settings: held.settings,
            }),
            _ => Err(Error::WrongType),
        }
    }
}

impl<'a> View<'a> {
    /// The stream at a key; an error if something else is there.
    pub(super) fn stream(&self, key: &[u8]) -> Result<Option<&'a Stream>, Error> {
        match self.entry(key).map(|entry| entry.value()) {
            None => Ok(None),
            Some(ValueRef::Object(Object::Stream(stream))) => Ok(Some(stream)),
            Some(_) => Err(Error::WrongType),
        }
    }

    /// The same, neither used nor counted; nothing if something else is there.
    pub(super) fn peek_stream(&self, key: &[u8]) -> Option<&'a Stream> {
        match self.peek(key).map(|entry| entry.value()) {
            Some(ValueRef::Object(Object::Stream(stream))) => Some(stream),
            _ => None,
        }
    }
}

impl Context<'_> {
    /// The stream at a key, to be changed; an error if something else is there.
    pub(super) fn stream_mut(&mut self, key: &[u8]) -> Result<Option<HeldStream<'_>>, Error> {
        self.held(key)?.map(HeldStream::try_from).transpose()
    }

    /// The same, made if there is nothing.
    pub(super) fn stream_or_new(&mut self, key: &[u8]) -> Result<HeldStream<'_>, Error> {
        self.held_or_new(key, |slice| Object::Stream(Stream::new(slice)))?
            .try_into()
    }

    /// Gives up what was cut off a stream.
    pub(super) fn give_up_stream(&mut self, part: Option<Stream>) {
        if let Some(part) = part {
            self.keyspace
                .discard(Box::new(Object::Stream(part)), self.effects);
        }
    }
}

/// The integer at a position.
pub(super) fn integer(arguments: &Arguments<'_>, position: usize) -> Result<i64, Error> {
    crate::number::integer(arguments.at(position)).ok_or(Error::NotInteger)
}

/// A key or name of a client in an error's line.
pub(super) fn told(bytes: &[u8]) -> String {
    crate::command::shown(bytes, 128)
}
