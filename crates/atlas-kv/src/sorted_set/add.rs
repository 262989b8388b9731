//! `ZADD` and `ZINCRBY`.

use bitflags::bitflags;

use crate::context::Context;
use crate::effects::Class;
use crate::number;
use crate::sorted_set::commands::{Settled, make, sorted};
use crate::view::View;
use crate::{Arguments, Error, Reply};

/// Up to this many members a `ZADD` under conditions is asked first whether it would do anything.
const ASKED_MAX: usize = 8;

bitflags! {
    /// The options of `ZADD`.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    struct Options: u8 {
        const NX = 1;
        const XX = 1 << 1;
        const GT = 1 << 2;
        const LT = 1 << 3;
        const CH = 1 << 4;
        const INCR = 1 << 5;
    }
}

/// What becomes of a member.
enum Step {
    /// The options keep it as it is.
    Kept,
    /// It has this score from now on; it may be the same.
    Scored(f64),
}

impl Options {
    /// The options, the position of the first score, and how many pairs follow.
    fn parse(self, arguments: &Arguments<'_>) -> Result<(Self, usize, usize), Error> {
        const NAMES: [(&str, Options); 6] = [
            ("nx", Options::NX),
            ("xx", Options::XX),
            ("gt", Options::GT),
            ("lt", Options::LT),
            ("ch", Options::CH),
            ("incr", Options::INCR),
        ];
        let mut options = self;
        let mut first = 2;
        while let Some((_, option)) = NAMES.iter().find(|(name, _)| arguments.is(first, name)) {
            options |= *option;
            first += 1;
        }
        let left = arguments.len().saturating_sub(first);
        if left == 0 || !left.is_multiple_of(2) {
            return Err(Error::Syntax);
        }
        if options.contains(Self::NX | Self::XX) {
            return Err(Error::fixed(
                "ERR XX and NX options at the same time are not compatible",
            ));
        }
        let exclusive = [Self::NX, Self::GT, Self::LT];
        let given = exclusive.iter().filter(|option| options.contains(**option));
        if given.count() > 1 {
            return Err(Error::fixed(
                "ERR GT, LT, and/or NX options at the same time are not compatible",
            ));
        }
        let pairs = left / 2;
        if options.contains(Self::INCR) && pairs > 1 {
            return Err(Error::fixed(
                "ERR INCR option supports a single increment-element pair",
            ));
        }
        Ok((options, first, pairs))
    }

    /// What becomes of a member that has a score.
    fn step(self, score: f64, given: f64) -> Result<Step, Error> {
        if self.contains(Self::NX) {
            return Ok(Step::Kept);
        }
        let new = if self.contains(Self::INCR) {
            score + given
        } else {
            given
        };
        if new.is_nan() {
            return Err(Error::fixed("ERR resulting score is not a number (NaN)"));
        }
        let is_kept =
            self.contains(Self::GT) && new <= score || self.contains(Self::LT) && new >= score;
        Ok(if is_kept {
            Step::Kept
        } else {
            Step::Scored(new)
        })
    }
}

pub(super) fn zadd(
    context: &mut Context<'_>,
    arguments: &Arguments<'_>,
    reply: &mut dyn Reply,
) -> Result<(), Error> {
    add(context, arguments, reply, Options::empty())
}

pub(super) fn zincrby(
    context: &mut Context<'_>,
    arguments: &Arguments<'_>,
    reply: &mut dyn Reply,
) -> Result<(), Error> {
    add(context, arguments, reply, Options::INCR)
}

/// False if the conditions of a `ZADD` of a few members keep them all.
pub(super) fn zadd_would_write(view: &View<'_>, arguments: &Arguments<'_>) -> bool {
    let conditional = Options::NX | Options::XX | Options::GT | Options::LT;
    let Ok((options, first, pairs)) = Options::empty().parse(arguments) else {
        return true;
    };
    if !options.intersects(conditional) || pairs > ASKED_MAX {
        return true;
    }
    let set = match view.settled_sorted_set(arguments.at(1)) {
        Settled::Nothing => return !options.contains(Options::XX),
        Settled::Set(set) => set,
        Settled::Unknown => return true,
    };
    (0..pairs).any(|pair| {
        let Some(given) = number::double(arguments.at(first + pair * 2)) else {
            return true;
        };
        match set.score(arguments.at(first + pair * 2 + 1)) {
            None => !options.contains(Options::XX),
            Some(score) => match options.step(score, given) {
                Ok(Step::Kept) => false,
                Ok(Step::Scored(new)) => new != score,
                Err(_) => true,
            },
        }
    })
}

fn add(
    context: &mut Context<'_>,
    arguments: &Arguments<'_>,
    reply: &mut dyn Reply,
    options: Options,
) -> Result<(), Error> {
    let (options, first, pairs) = options.parse(arguments)?;
    let given = |pair: usize| number::double(arguments.at(first + pair * 2));
    // All are read before anything is done; reading them twice costs less than keeping them.
    let mut score = given(0).ok_or(Error::NotFloat)?;
    if (1..pairs).any(|pair| given(pair).is_none()) {
        return Err(Error::NotFloat);
    }
    let is_increment = options.contains(Options::INCR);
    let key = arguments.at(1);
    let held = if options.contains(Options::XX) {
        context.held(key)?
    } else {
        Some(context.held_or_new(key, make)?)
    };
    let Some(held) = held else {
        if is_increment {
            reply.null();
        } else {
            reply.integer(0);
        }
        return Ok(());
    };
    let (set, slice, settings) = sorted(held)?;
    let (mut added, mut updated) = (0, 0);
    let mut answer = None;
    for pair in 0..pairs {
        if pair > 0 {
            score = given(pair).ok_or(Error::NotFloat)?;
        }
        let member = arguments.at(first + pair * 2 + 1);
        match set.look(member) {
            Err(absent) => {
                if !options.contains(Options::XX) {
                    set.insert(absent, member, score, settings, slice);
                    added += 1;
                    answer = Some(score);
                }
            }
            Ok(position) => {
                let Some(old) = set.at(position).map(|row| row.score) else {
                    continue;
                };
                // Refused for an increment only, which stands alone: nothing has been done yet.
                if let Step::Scored(new) = options.step(old, score)? {
                    if new != old {
                        set.set_score(position, new, slice);
                        updated += 1;
                    }
                    answer = Some(new);
                }
            }
        }
    }
    if added + updated > 0 {
        context.changed(key);
        context.changed_more(added + updated - 1);
        let event = if is_increment { "zincr" } else { "zadd" };
        context.notify(Class::SORTED_SET, event, key);
    }
    match answer {
        Some(score) if is_increment => reply.double(score),
        None if is_increment => reply.null(),
        _ if options.contains(Options::CH) => reply.integer((added + updated).cast_signed()),
        _ => reply.integer(added.cast_signed()),
    }
    Ok(())
}
