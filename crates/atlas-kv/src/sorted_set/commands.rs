//! The commands on sorted sets, and how they get at one.

use crate::command::{Blocking, Command, Flags, Group, Keys};
use crate::context::{Context, Held};
use crate::settings::Settings;
use crate::slice::Slice;
use crate::sorted_set::{SortedSet, add, algebra, pick, pop, read, remove};
use crate::value::{Object, ValueRef};
use crate::view::View;
use crate::{Arguments, Error, Reply, timeout};

/// Every argument but the last, which is a timeout.
const ALL_BUT_LAST: Keys = Keys::Positions {
    first: 1,
    last: -2,
    step: 1,
};

const WAITS_LAST: Blocking = Blocking {
    timeout_ms: timeout::last,
    is_null_array: true,
    settled: None,
};

const WAITS_FIRST: Blocking = Blocking {
    timeout_ms: timeout::first,
    is_null_array: true,
    settled: None,
};

const fn read(
    name: &'static str,
    arity: i16,
    since: &'static str,
    summary: &'static str,
    handler: fn(&View<'_>, &Arguments<'_>, &mut dyn Reply) -> Result<(), Error>,
) -> Command {
    Command::read(name, arity, Group::SortedSet, since, summary, handler)
}

const fn write(
    name: &'static str,
    arity: i16,
    since: &'static str,
    summary: &'static str,
    handler: fn(&mut Context<'_>, &Arguments<'_>, &mut dyn Reply) -> Result<(), Error>,
) -> Command {
    Command::write(name, arity, Group::SortedSet, since, summary, handler)
}

/// The commands of this family.
pub(crate) static COMMANDS: &[Command] = &[
    write(
        "zadd",
        -4,
        "1.2.0",
        "Adds members to a sorted set, or changes their scores.",
        add::zadd,
    )
    .and(Flags::FAST)
    .would_write(add::zadd_would_write),
    write(
        "zincrby",
        4,
        "1.2.0",
        "Adds to a member's score.",
        add::zincrby,
    )
    .and(Flags::FAST),
    write(
        "zrem",
        -3,
        "1.2.0",
        "Removes members of a sorted set.",
        remove::zrem,
    )
    .and(Flags::FAST)
    .without(Flags::DENYOOM)
    .would_write(remove::zrem_would_write),
    write(
        "zremrangebyrank",
        4,
        "2.0.0",
        "Removes the members of a range of ranks.",
        remove::zremrangebyrank,
    )
    .without(Flags::DENYOOM)
    .would_write(remove::rank_would_write),
    write(
        "zremrangebyscore",
        4,
        "1.2.0",
        "Removes the members of a range of scores.",
        remove::zremrangebyscore,
    )
    .without(Flags::DENYOOM)
    .would_write(remove::score_would_write),
    write(
        "zremrangebylex",
        4,
        "2.8.9",
        "Removes the members between two members.",
        remove::zremrangebylex,
    )
    .without(Flags::DENYOOM)
    .would_write(remove::member_would_write),
    read(
        "zcard",
        2,
        "1.2.0",
        "Counts the members of a sorted set.",
        read::zcard,
    )
    .and(Flags::FAST),
    read(
        "zscore",
        3,
        "1.2.0",
        "Answers a member's score.",
        read::zscore,
    )
    .and(Flags::FAST),
    read(
        "zmscore",
        -3,
        "6.2.0",
        "Answers the scores of several members.",
        read::zmscore,
    )
    .and(Flags::FAST),
    read(
        "zrank",
        -3,
        "2.0.0",
        "Answers how many members are before one.",
        read::zrank,
    )
    .and(Flags::FAST),
    read(
        "zrevrank",
        -3,
        "2.0.0",
        "Answers how many members are behind one.",
        read::zrevrank,
    )
    .and(Flags::FAST),
    read(
        "zcount",
        4,
        "2.0.0",
        "Counts the members of a range of scores.",
        read::zcount,
    )
    .and(Flags::FAST),
    read(
        "zlexcount",
        4,
        "2.8.9",
        "Counts the members between two members.",
        read::zlexcount,
    )
    .and(Flags::FAST),
    read(
        "zrange",
        -4,
        "1.2.0",
        "Answers a range by rank, score or member.",
        read::zrange,
    ),
    write(
        "zrangestore",
        -5,
        "6.2.0",
        "Stores a range under another key.",
        read::zrangestore,
    )
    .keys(Keys::TWO),
    read(
        "zrevrange",
        -4,
        "1.2.0",
        "Answers a range of ranks from the highest down.",
        read::zrevrange,
    ),
    read(
        "zrangebyscore",
        -4,
        "1.0.5",
        "Answers a range of scores.",
        read::zrangebyscore,
    ),
    read(
        "zrevrangebyscore",
        -4,
        "2.2.0",
        "Answers a range of scores from the highest down.",
        read::zrevrangebyscore,
    ),
    read(
        "zrangebylex",
        -4,
        "2.8.9",
        "Answers the members between two members.",
        read::zrangebylex,
    ),
    read(
        "zrevrangebylex",
        -4,
        "2.8.9",
        "Answers the members between two members, the last first.",
        read::zrevrangebylex,
    ),
    write(
        "zpopmin",
        -2,
        "5.0.0",
        "Removes and answers the members with the lowest scores.",
        pop::zpopmin,
    )
    .and(Flags::FAST)
    .without(Flags::DENYOOM)
    .would_write(pop::zpop_would_write),
    write(
        "zpopmax",
        -2,
        "5.0.0",
        "Removes and answers the members with the highest scores.",
        pop::zpopmax,
    )
    .and(Flags::FAST)
    .without(Flags::DENYOOM)
    .would_write(pop::zpop_would_write),
    write(
        "zmpop",
        -4,
        "7.0.0",
        "Pops from the first of several sorted sets that exists.",
        pop::zmpop,
    )
    .and(Flags::MOVABLE_KEYS)
    .without(Flags::DENYOOM)
    .keys(Keys::COUNTED)
    .would_write(pop::zmpop_would_write),
    write(
        "bzpopmin",
        -3,
        "5.0.0",
        "Removes and answers a member with the lowest score, or waits for one.",
        pop::bzpopmin,
    )
    .and(Flags::FAST.union(Flags::NOSCRIPT))
    .without(Flags::DENYOOM)
    .keys(ALL_BUT_LAST)
    .would_write(pop::bzpop_would_write)
    .blocking(WAITS_LAST),
    write(
        "bzpopmax",
        -3,
        "5.0.0",
        "Removes and answers a member with the highest score, or waits for one.",
        pop::bzpopmax,
    )
    .and(Flags::FAST.union(Flags::NOSCRIPT))
    .without(Flags::DENYOOM)
    .keys(ALL_BUT_LAST)
    .would_write(pop::bzpop_would_write)
    .blocking(WAITS_LAST),
    write(
        "bzmpop",
        -5,
        "7.0.0",
        "Pops from the first of several sorted sets that exists, or waits for one.",
        pop::bzmpop,
    )
    .and(Flags::MOVABLE_KEYS)
    .without(Flags::DENYOOM)
    .keys(Keys::Counted { count: 2, also: 0 })
    .would_write(pop::bzmpop_would_write)
    .blocking(WAITS_FIRST),
    read(
        "zrandmember",
        -2,
        "6.2.0",
        "Answers members picked at random.",
        pick::zrandmember,
    ),
    read(
        "zscan",
        -3,
        "2.8.0",
        "Walks through the members and scores of a sorted set.",
        pick::zscan,
    ),
    read(
        "zunion",
        -3,
        "6.2.0",
        "Answers the members of any of several sorted sets.",
        algebra::zunion,
    )
    .and(Flags::MOVABLE_KEYS)
    .keys(Keys::COUNTED),
    read(
        "zinter",
        -3,
        "6.2.0",
        "Answers the members that all of several sorted sets have.",
        algebra::zinter,
    )
    .and(Flags::MOVABLE_KEYS)
    .keys(Keys::COUNTED),
    read(
        "zintercard",
        -3,
        "7.0.0",
        "Counts the members that all of several sorted sets have.",
        algebra::zintercard,
    )
    .and(Flags::MOVABLE_KEYS)
    .keys(Keys::COUNTED),
    read(
        "zdiff",
        -3,
        "6.2.0",
        "Answers the members of a sorted set that others do not have.",
        algebra::zdiff,
    )
    .and(Flags::MOVABLE_KEYS)
    .keys(Keys::COUNTED),
    write(
        "zunionstore",
        -4,
        "2.0.0",
        "Stores the members of any of several sorted sets.",
        algebra::zunionstore,
    )
    .and(Flags::MOVABLE_KEYS)
    .keys(Keys::Counted { count: 2, also: 1 }),
    write(
        "zinterstore",
        -4,
        "2.0.0",
        "Stores the members that all of several sorted sets have.",
        algebra::zinterstore,
    )
    .and(Flags::MOVABLE_KEYS)
    .keys(Keys::Counted { count: 2, also: 1 }),
    write(
        "zdiffstore",
        -4,
        "6.2.0",
        "Stores the members of a sorted set that others do not have.",
        algebra::zdiffstore,
    )
    .and(Flags::MOVABLE_KEYS)
    .keys(Keys::Counted { count: 2, also: 1 }),
];

/// What a command that would write finds at a key, as far as that is settled without changing anything.
pub(super) enum Settled<'a> {
    /// No entry.
    Nothing,
    /// A sorted set.
    Set(&'a SortedSet),
    /// An entry that has expired, which looking at it removes; or another type, which is an error.
    Unknown,
}

impl<'a> View<'a> {
    /// The sorted set at a key.
    pub(crate) fn sorted_set(&self, key: &[u8]) -> Result<Option<&'a SortedSet>, Error> {
        match self.entry(key).map(|entry| entry.value()) {
            None => Ok(None),
            Some(ValueRef::Object(Object::SortedSet(set))) => Ok(Some(set)),
            Some(_) => Err(Error::WrongType),
        }
    }

    pub(super) fn settled_sorted_set(&self, key: &[u8]) -> Settled<'a> {
        match self.peek(key).map(|entry| entry.value()) {
            Some(ValueRef::Object(Object::SortedSet(set))) => Settled::Set(set),
            None if !self.holds(key) => Settled::Nothing,
            _ => Settled::Unknown,
        }
    }
}

/// The sorted set that is held, with what its changes need.
pub(super) fn sorted(held: Held<'_>) -> Result<(&mut SortedSet, &mut Slice, &Settings), Error> {
    match held.object {
        Object::SortedSet(set) => Ok((set, held.slice, held.settings)),
        _ => Err(Error::WrongType),
    }
}

/// A sorted set for a key that has none.
pub(super) fn make(slice: &mut Slice) -> Object {
    Object::SortedSet(SortedSet::new(slice))
}
