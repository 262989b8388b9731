//! `ZREM` and the `ZREMRANGEBY…` commands.

use crate::context::Context;
use crate::effects::Class;
use crate::sorted_set::commands::{Settled, sorted};
use crate::sorted_set::range::{By, Range};
use crate::value::Collection;
use crate::view::View;
use crate::{Arguments, Error, Reply};

/// Up to this many members a `ZREM` is asked first whether it would do anything.
const ASKED_MAX: usize = 8;

pub(super) fn zrem(
    context: &mut Context<'_>,
    arguments: &Arguments<'_>,
    reply: &mut dyn Reply,
) -> Result<(), Error> {
    let key = arguments.at(1);
    let Some(held) = context.held(key)? else {
        reply.integer(0);
        return Ok(());
    };
    let (set, slice, _) = sorted(held)?;
    let mut removed = 0;
    for member in arguments.skip(2).iter() {
        if let Ok(position) = set.look(member) {
            set.remove(position, slice);
            removed += 1;
        }
    }
    let is_empty = set.len() == 0;
    context.tell_removed(key, "zrem", removed, is_empty);
    reply.integer(removed.cast_signed());
    Ok(())
}

/// False if none of a few members is there.
pub(super) fn zrem_would_write(view: &View<'_>, arguments: &Arguments<'_>) -> bool {
    let members = arguments.skip(2);
    match view.settled_sorted_set(arguments.at(1)) {
        Settled::Nothing => false,
        Settled::Unknown => true,
        Settled::Set(set) => {
            members.len() > ASKED_MAX || members.iter().any(|member| set.look(member).is_ok())
        }
    }
}

pub(super) fn zremrangebyrank(
    context: &mut Context<'_>,
    arguments: &Arguments<'_>,
    reply: &mut dyn Reply,
) -> Result<(), Error> {
    remove_range(context, arguments, reply, By::Rank, "zremrangebyrank")
}

pub(super) fn zremrangebyscore(
    context: &mut Context<'_>,
    arguments: &Arguments<'_>,
    reply: &mut dyn Reply,
) -> Result<(), Error> {
    remove_range(context, arguments, reply, By::Score, "zremrangebyscore")
}

pub(super) fn zremrangebylex(
    context: &mut Context<'_>,
    arguments: &Arguments<'_>,
    reply: &mut dyn Reply,
) -> Result<(), Error> {
    remove_range(context, arguments, reply, By::Member, "zremrangebylex")
}

pub(super) fn rank_would_write(view: &View<'_>, arguments: &Arguments<'_>) -> bool {
    range_would_write(view, arguments, By::Rank)
}

pub(super) fn score_would_write(view: &View<'_>, arguments: &Arguments<'_>) -> bool {
    range_would_write(view, arguments, By::Score)
}

pub(super) fn member_would_write(view: &View<'_>, arguments: &Arguments<'_>) -> bool {
    range_would_write(view, arguments, By::Member)
}

/// False if the range is empty.
fn range_would_write(view: &View<'_>, arguments: &Arguments<'_>, by: By) -> bool {
    match view.settled_sorted_set(arguments.at(1)) {
        Settled::Nothing => false,
        Settled::Unknown => true,
        Settled::Set(set) => {
            Range::parse(by, arguments, 2, 3).map_or(true, |range| range.span(set, false).count > 0)
        }
    }
}

fn remove_range(
    context: &mut Context<'_>,
    arguments: &Arguments<'_>,
    reply: &mut dyn Reply,
    by: By,
    event: &'static str,
) -> Result<(), Error> {
    let range = Range::parse(by, arguments, 2, 3)?;
    let key = arguments.at(1);
    let Some(held) = context.held(key)? else {
        reply.integer(0);
        return Ok(());
    };
    let (set, slice, _) = sorted(held)?;
    let span = range.span(set, false);
    // All at once: the sorted set goes with its key, and is dropped where that delays nobody.
    let is_empty = span.count == set.len();
    if !is_empty {
        for _ in 0..span.count {
            if let Some(position) = set.position_at(span.skip) {
                set.remove(position, slice);
            }
        }
    }
    let removed = span.count as u64;
    context.tell_removed(key, event, removed, is_empty);
    reply.integer(removed.cast_signed());
    Ok(())
}

impl Context<'_> {
    /// Says that rows were removed, and removes the key if none are left.
    pub(super) fn tell_removed(
        &mut self,
        key: &[u8],
        event: &'static str,
        removed: u64,
        is_empty: bool,
    ) {
        if removed == 0 {
            return;
        }
        self.notify(Class::SORTED_SET, event, key);
        if is_empty {
            self.remove(key);
            self.notify(Class::GENERIC, "del", key);
        }
        self.changed(key);
        self.changed_more(removed - 1);
    }
}
