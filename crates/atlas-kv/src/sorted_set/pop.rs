//! `ZPOPMIN`, `ZPOPMAX`, `ZMPOP` and their blocking forms.

use crate::context::Context;
use crate::number;
use crate::sorted_set::Row;
use crate::sorted_set::commands::{Settled, sorted};
use crate::timeout;
use crate::value::Collection;
use crate::view::View;
use crate::{Arguments, Error, Reply};

/// Which end is popped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    Lowest,
    Highest,
}

/// How popped rows are answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Shape {
    /// Members and scores in turn.
    Flat,
    /// Pairs of member and score.
    Pairs,
    /// The key, a member, its score.
    KeyFlat,
    /// The key, and pairs of member and score.
    KeyPairs,
}

pub(super) fn zpopmin(
    context: &mut Context<'_>,
    arguments: &Arguments<'_>,
    reply: &mut dyn Reply,
) -> Result<(), Error> {
    pop_one_key(context, arguments, reply, End::Lowest)
}

pub(super) fn zpopmax(
    context: &mut Context<'_>,
    arguments: &Arguments<'_>,
    reply: &mut dyn Reply,
) -> Result<(), Error> {
    pop_one_key(context, arguments, reply, End::Highest)
}

/// False if there is nothing to pop.
pub(super) fn zpop_would_write(view: &View<'_>, arguments: &Arguments<'_>) -> bool {
    !matches!(view.settled_sorted_set(arguments.at(1)), Settled::Nothing)
}

fn pop_one_key(
    context: &mut Context<'_>,
    arguments: &Arguments<'_>,
    reply: &mut dyn Reply,
    end: End,
) -> Result<(), Error> {
    if arguments.len() > 3 {
        return Err(Error::Syntax);
    }
    let (count, shape) = match arguments.get(2) {
        None => (1, Shape::Flat),
        Some(count) => {
            let count = number::integer(count)
                .and_then(|count| usize::try_from(count).ok())
                .ok_or(Error::fixed("ERR value is out of range, must be positive"))?;
            let is_nested = reply.is_resp3();
            (count, if is_nested { Shape::Pairs } else { Shape::Flat })
        }
    };
    if !pop(context, arguments.at(1), end, count, shape, reply)? {
        reply.array(0);
    }
    Ok(())
}

/// Pops up to `count` rows and answers them; false if there is no such key, and then nothing is answered.
fn pop(
    context: &mut Context<'_>,
    key: &[u8],
    end: End,
    count: usize,
    shape: Shape,
    reply: &mut dyn Reply,
) -> Result<bool, Error> {
    let Some(held) = context.held(key)? else {
        return Ok(false);
    };
    let (set, slice, _) = sorted(held)?;
    let count = count.min(set.len());
    match shape {
        Shape::Flat => reply.array(count * 2),
        Shape::Pairs => reply.array(count),
        Shape::KeyFlat => {
            reply.array(1 + count * 2);
            reply.bulk(key);
        }
        Shape::KeyPairs => {
            reply.array(2);
            reply.bulk(key);
            reply.array(count);
        }
    }
    let is_nested = matches!(shape, Shape::Pairs | Shape::KeyPairs);
    let mut answer = |row: &Row| {
        if is_nested {
            reply.array(2);
        }
        reply.bulk(&row.member);
        reply.double(row.score);
    };
    let is_empty = count == set.len();
    if is_empty {
        // All at once: the sorted set goes with its key.
        set.each(0, count, end == End::Highest, answer);
    } else {
        for _ in 0..count {
            let rank = match end {
                End::Lowest => 0,
                End::Highest => set.len() - 1,
            };
            let popped = set
                .position_at(rank)
                .and_then(|position| set.remove(position, slice));
            if let Some(row) = &popped {
                answer(row);
            }
        }
    }
    let event = match end {
        End::Lowest => "zpopmin",
        End::Highest => "zpopmax",
    };
    context.tell_removed(key, event, count as u64, is_empty);
    Ok(true)
}

/// What `ZMPOP` and `BZMPOP` say behind their number of keys.
struct Wanted<'a> {
    keys: Arguments<'a>,
    end: End,
    count: usize,
}

impl<'a> Wanted<'a> {
    fn parse(arguments: &Arguments<'a>, number_at: usize) -> Result<Self, Error> {
        let at_least_one = |text: &[u8], line: &'static str| {
            number::integer(text)
                .and_then(|number| usize::try_from(number).ok())
                .filter(|&number| number > 0)
                .ok_or(Error::fixed(line))
        };
        let keys = at_least_one(
            arguments.at(number_at),
            "ERR numkeys should be greater than 0",
        )?;
        let end_at = keys.saturating_add(number_at + 1);
        let end = if arguments.is(end_at, "min") {
            End::Lowest
        } else if arguments.is(end_at, "max") {
            End::Highest
        } else {
            return Err(Error::Syntax);
        };
        let count = match arguments.skip(end_at + 1).len() {
            0 => 1,
            // More than the count and its word, or a word twice.
            left if left >= 2 && arguments.is(end_at + 1, "count") => {
                let count = at_least_one(
                    arguments.at(end_at + 2),
                    "ERR count should be greater than 0",
                )?;
                if left > 2 {
                    return Err(Error::Syntax);
                }
                count
            }
            _ => return Err(Error::Syntax),
        };
        Ok(Self {
            keys: arguments.part(number_at + 1..end_at),
            end,
            count,
        })
    }
}

pub(super) fn zmpop(
    context: &mut Context<'_>,
    arguments: &Arguments<'_>,
    reply: &mut dyn Reply,
) -> Result<(), Error> {
    let wanted = Wanted::parse(arguments, 1)?;
    if !pop_first(context, &wanted, Shape::KeyPairs, reply)? {
        reply.null_array();
    }
    Ok(())
}

/// False if none of the keys has anything to pop.
pub(super) fn zmpop_would_write(view: &View<'_>, arguments: &Arguments<'_>) -> bool {
    Wanted::parse(arguments, 1).is_ok_and(|wanted| any_held(view, &wanted.keys))
}

pub(super) fn bzpopmin(
    context: &mut Context<'_>,
    arguments: &Arguments<'_>,
    reply: &mut dyn Reply,
) -> Result<(), Error> {
    pop_waiting(context, arguments, reply, End::Lowest)
}

pub(super) fn bzpopmax(
    context: &mut Context<'_>,
    arguments: &Arguments<'_>,
    reply: &mut dyn Reply,
) -> Result<(), Error> {
    pop_waiting(context, arguments, reply, End::Highest)
}

/// True if there is something to pop, or an error to tell; else the client waits.
pub(super) fn bzpop_would_write(view: &View<'_>, arguments: &Arguments<'_>) -> bool {
    let keys = arguments.part(1..arguments.len() - 1);
    timeout::last(arguments).is_err() || any_held(view, &keys)
}

fn pop_waiting(
    context: &mut Context<'_>,
    arguments: &Arguments<'_>,
    reply: &mut dyn Reply,
    end: End,
) -> Result<(), Error> {
    timeout::last(arguments)?;
    let wanted = Wanted {
        keys: arguments.part(1..arguments.len() - 1),
        end,
        count: 1,
    };
    if !pop_first(context, &wanted, Shape::KeyFlat, reply)? {
        return Err(Error::WouldBlock);
    }
    Ok(())
}

pub(super) fn bzmpop(
    context: &mut Context<'_>,
    arguments: &Arguments<'_>,
    reply: &mut dyn Reply,
) -> Result<(), Error> {
    let wanted = Wanted::parse(arguments, 2)?;
    timeout::first(arguments)?;
    if !pop_first(context, &wanted, Shape::KeyPairs, reply)? {
        return Err(Error::WouldBlock);
    }
    Ok(())
}

/// True if there is something to pop, or an error to tell; else the client waits.
pub(super) fn bzmpop_would_write(view: &View<'_>, arguments: &Arguments<'_>) -> bool {
    timeout::first(arguments).is_err()
        || Wanted::parse(arguments, 2).map_or(true, |wanted| any_held(view, &wanted.keys))
}

/// True if one of the keys holds anything, whatever it is.
fn any_held(view: &View<'_>, keys: &Arguments<'_>) -> bool {
    keys.iter().any(|key| view.holds(key))
}

/// Pops from the first key that there is; false if there is none.
fn pop_first(
    context: &mut Context<'_>,
    wanted: &Wanted<'_>,
    shape: Shape,
    reply: &mut dyn Reply,
) -> Result<bool, Error> {
    for key in wanted.keys.iter() {
        match pop(context, key, wanted.end, wanted.count, shape, reply) {
            Ok(false) => {}
            // Who waits for several keys goes on waiting for the others.
            Err(Error::WrongType) if context.is_serving => {}
            done => return done,
        }
    }
    Ok(false)
}
