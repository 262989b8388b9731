//! Members picked at random.

use crate::context::Context;
use crate::effects::Class;
use crate::number;
use crate::random::Random;
use crate::sample::Sample;
use crate::set::{Set, commands};
use crate::value::Collection;
use crate::view::View;
use crate::{Arguments, Error, Reply};

/// Where so many times fewer members are left than were popped, Redis makes a new set of them.
const REMAKE_FACTOR: usize = 5;

pub(super) fn srandmember(
    view: &View<'_>,
    arguments: &Arguments<'_>,
    reply: &mut dyn Reply,
) -> Result<(), Error> {
    let mut random = Random::new(view.seed);
    if arguments.len() > 3 {
        return Err(Error::Syntax);
    }
    let Some(count) = arguments.get(2) else {
        let set = view.set(arguments.at(1))?;
        match set.and_then(|set| set.at(random.below(set.len()))) {
            Some(member) => member.answer(reply),
            None => reply.null(),
        }
        return Ok(());
    };
    let sample = Sample::parse(count)?;
    let set = view.set(arguments.at(1))?;
    let picks = sample.pick(set.map_or(0, Set::len), random)?;
    reply.array(picks.len());
    for position in picks {
        if let Some(member) = set.and_then(|set| set.at(position)) {
            member.answer(reply);
        }
    }
    Ok(())
}

pub(super) fn spop(
    context: &mut Context<'_>,
    arguments: &Arguments<'_>,
    reply: &mut dyn Reply,
) -> Result<(), Error> {
    if arguments.len() > 3 {
        return Err(Error::Syntax);
    }
    let key = arguments.at(1);
    let count = arguments.get(2).map(pop_count).transpose()?;
    let mut random = context.random.clone();
    let Some((set, slice, settings)) = context.set_mut(key)? else {
        match count {
            None => reply.null(),
            Some(_) => reply.set(0),
        }
        return Ok(());
    };
    let popped = count.unwrap_or(1).min(set.len());
    if count.is_some() {
        reply.set(popped);
    }
    if popped == 0 {
        return Ok(());
    }
    let left = set.len() - popped;
    if left == 0 {
        for member in set.iter() {
            member.answer(reply);
        }
    } else {
        for _ in 0..popped {
            let position = random.below(set.len());
            if let Some(member) = set.remove_at(position, slice) {
                reply.bulk(&member);
            }
        }
        if count.is_some() && left.saturating_mul(REMAKE_FACTOR) <= popped {
            set.remake(settings, slice);
        }
    }
    context.random = random;
    context.set_changed("spop", key, popped);
    if left == 0 {
        context.remove(key);
        context.notify(Class::GENERIC, "del", key);
    }
    Ok(())
}

/// Reads how many members to pop.
fn pop_count(argument: &[u8]) -> Result<usize, Error> {
    number::integer(argument)
        .and_then(|count| usize::try_from(count).ok())
        .ok_or(Error::fixed("ERR value is out of range, must be positive"))
}

pub(super) fn would_spop(view: &View<'_>, arguments: &Arguments<'_>) -> bool {
    let is_asked = arguments
        .get(2)
        .is_none_or(|count| pop_count(count).is_ok_and(|count| count > 0));
    commands::peek(view, arguments.at(1)).map_or_else(|would_write| would_write, |_| is_asked)
}
