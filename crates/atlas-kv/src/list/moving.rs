//! Commands that move elements from one list to another, or take them from the first of several.

use crate::command::{Command, Flags, Group, Keys};
use crate::context::Context;
use crate::effects::Class;
use crate::list::End;
use crate::list::commands::{HeldList, pop_range, push_event};
use crate::number;
use crate::value::Collection;
use crate::view::View;
use crate::{Arguments, Error, Reply};

/// Commands on several lists, none of which waits.
pub(crate) static COMMANDS: &[Command] = &[
    Command::write(
        "lmove",
        5,
        Group::List,
        "6.2.0",
        "Moves an element from an end of a list to an end of another.",
        lmove,
    )
    .keys(Keys::TWO)
    .would_write(holds_source),
    Command::write(
        "rpoplpush",
        3,
        Group::List,
        "1.2.0",
        "Moves the last element of a list before the first of another.",
        rpoplpush,
    )
    .keys(Keys::TWO)
    .would_write(holds_source),
    Command::write(
        "lmpop",
        -4,
        Group::List,
        "7.0.0",
        "Takes elements from the first of several lists that has some.",
        lmpop,
    )
    .without(Flags::DENYOOM)
    .and(Flags::MOVABLE_KEYS)
    .keys(Keys::COUNTED)
    .would_write(holds_any),
];

/// From which end of a list to which of another.
#[derive(Clone, Copy, Debug)]
pub(super) struct Move {
    pub(super) from: End,
    pub(super) to: End,
}

impl Move {
    /// What `RPOPLPUSH` does.
    pub(super) const RIGHT_LEFT: Self = Self {
        from: End::Right,
        to: End::Left,
    };

    /// Reads the two words of `LMOVE`.
    pub(super) fn parse(arguments: &Arguments<'_>) -> Result<Self, Error> {
        Ok(Self {
            from: end(arguments, 3)?,
            to: end(arguments, 4)?,
        })
    }

    /// Moves an element; false if the source is not there.
    pub(super) fn run(
        self,
        context: &mut Context<'_>,
        source: &[u8],
        destination: &[u8],
        reply: &mut dyn Reply,
    ) -> Result<bool, Error> {
        let Some(held) = context.list_mut(source)? else {
            return Ok(false);
        };
        let element = held.list.peek(self.from).unwrap_or_default().to_vec();
        if source == destination {
            held.list.pop(self.from, held.slice);
            held.list.push(self.to, &element, held.fill, held.slice);
            self.pushed(context, destination);
            context.popped(source, self.from, 1, false);
        } else {
            let held = context.list_or_new(destination)?;
            held.list.push(self.to, &element, held.fill, held.slice);
            self.pushed(context, destination);
            let Some(HeldList { list, slice, .. }) = context.list_mut(source)? else {
                return Err(Error::NoSuchKey);
            };
            list.pop(self.from, slice);
            let is_empty = list.len() == 0;
            context.popped(source, self.from, 1, is_empty);
        }
        reply.bulk(&element);
        Ok(true)
    }

    /// Says what happened at the destination. Both together count as one change, as in Redis.
    fn pushed(self, context: &mut Context<'_>, destination: &[u8]) {
        context.modified(destination);
        context.notify(Class::LIST, push_event(self.to), destination);
    }
}

/// Several lists, the end to take from, and how many elements.
pub(super) struct Pops<'a> {
    pub(super) keys: Arguments<'a>,
    pub(super) end: End,
    pub(super) count: usize,
}

impl<'a> Pops<'a> {
    /// Reads `numkeys key [key ...] LEFT|RIGHT [COUNT count]` from a position on.
    pub(super) fn parse(arguments: &Arguments<'a>, position: usize) -> Result<Self, Error> {
        let positive = |position: usize, line| {
            number::integer(arguments.at(position))
                .filter(|&number| number > 0)
                .and_then(|number| usize::try_from(number).ok())
                .ok_or(Error::fixed(line))
        };
        let keys = positive(position, "ERR numkeys should be greater than 0")?;
        let first = position + 1;
        let behind = first.saturating_add(keys);
        if behind >= arguments.len() {
            return Err(Error::Syntax);
        }
        let end = end(arguments, behind)?;
        let count = match arguments.len() - behind {
            1 => 1,
            2.. if !arguments.is(behind + 1, "count") => return Err(Error::Syntax),
            2 => return Err(Error::Syntax),
            more => {
                let count = positive(behind + 2, "ERR count should be greater than 0")?;
                if more > 3 {
                    return Err(Error::Syntax);
                }
                count
            }
        };
        Ok(Self {
            keys: arguments.part(first..behind),
            end,
            count,
        })
    }

    /// Takes elements from the first list that is there; false if there is none.
    pub(super) fn run(
        &self,
        context: &mut Context<'_>,
        reply: &mut dyn Reply,
    ) -> Result<bool, Error> {
        for key in self.keys.iter() {
            match pop_range(context, key, self.end, self.count, true, reply) {
                Ok(false) => {}
                // Whoever waits hears of lists only.
                Err(Error::WrongType) if context.is_serving => {}
                popped => return popped,
            }
        }
        Ok(false)
    }

    /// True if there is something under one of the keys.
    pub(super) fn holds_any(&self, view: &View<'_>) -> bool {
        self.keys.iter().any(|key| view.holds(key))
    }
}

fn end(arguments: &Arguments<'_>, position: usize) -> Result<End, Error> {
    if arguments.is(position, "left") {
        Ok(End::Left)
    } else if arguments.is(position, "right") {
        Ok(End::Right)
    } else {
        Err(Error::Syntax)
    }
}

fn holds_source(view: &View<'_>, arguments: &Arguments<'_>) -> bool {
    view.holds(arguments.at(1))
}

fn holds_any(view: &View<'_>, arguments: &Arguments<'_>) -> bool {
    Pops::parse(arguments, 1).is_ok_and(|pops| pops.holds_any(view))
}

fn lmove(
    context: &mut Context<'_>,
    arguments: &Arguments<'_>,
    reply: &mut dyn Reply,
) -> Result<(), Error> {
    let (source, destination) = (arguments.at(1), arguments.at(2));
    if !Move::parse(arguments)?.run(context, source, destination, reply)? {
        reply.null();
    }
    Ok(())
}

fn rpoplpush(
    context: &mut Context<'_>,
    arguments: &Arguments<'_>,
    reply: &mut dyn Reply,
) -> Result<(), Error> {
    let (source, destination) = (arguments.at(1), arguments.at(2));
    if !Move::RIGHT_LEFT.run(context, source, destination, reply)? {
        reply.null();
    }
    Ok(())
}

fn lmpop(
    context: &mut Context<'_>,
    arguments: &Arguments<'_>,
    reply: &mut dyn Reply,
) -> Result<(), Error> {
    if !Pops::parse(arguments, 1)?.run(context, reply)? {
        reply.null_array();
    }
    Ok(())
}
