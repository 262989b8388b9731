//! Commands that wait for elements.

use crate::command::{Blocking, Command, Flags, Group, Keys};
use crate::context::Context;
use crate::list::End;
use crate::list::commands::HeldList;
use crate::list::moving::{Move, Pops};
use crate::timeout;
use crate::value::Collection;
use crate::view::View;
use crate::{Arguments, Error, Reply};

/// Every argument but the last, which is the timeout.
const KEYS: Keys = Keys::Positions {
    first: 1,
    last: -2,
    step: 1,
};

/// Commands that wait.
pub(crate) static COMMANDS: &[Command] = &[
    Command::write(
        "blpop",
        -3,
        Group::List,
        "2.0.0",
        "Takes the first element of the first of several lists that has one, or waits for one.",
        |context, arguments, reply| pop(context, arguments, reply, End::Left),
    )
    .without(Flags::DENYOOM)
    .and(Flags::NOSCRIPT)
    .keys(KEYS)
    .would_write(pop_would_write)
    .blocking(Blocking {
        timeout_ms: timeout::last,
        is_null_array: true,
        settled: None,
    }),
    Command::write(
        "brpop",
        -3,
        Group::List,
        "2.0.0",
        "Takes the last element of the first of several lists that has one, or waits for one.",
        |context, arguments, reply| pop(context, arguments, reply, End::Right),
    )
    .without(Flags::DENYOOM)
    .and(Flags::NOSCRIPT)
    .keys(KEYS)
    .would_write(pop_would_write)
    .blocking(Blocking {
        timeout_ms: timeout::last,
        is_null_array: true,
        settled: None,
    }),
    Command::write(
        "blmove",
        6,
        Group::List,
        "6.2.0",
        "Moves an element from an end of a list to an end of another, or waits for one.",
        blmove,
    )
    .and(Flags::NOSCRIPT)
    .keys(Keys::TWO)
    .would_write(|view, arguments| {
        Move::parse(arguments).is_err()
            || timeout::last(arguments).is_err()
            || view.holds(arguments.at(1))
    })
    .blocking(Blocking {
        timeout_ms: timeout::last,
        is_null_array: false,
        settled: None,
    }),
    Command::write(
        "brpoplpush",
        4,
        Group::List,
        "2.2.0",
        "Moves the last element of a list before the first of another, or waits for one.",
        brpoplpush,
    )
    .and(Flags::NOSCRIPT)
    .keys(Keys::TWO)
    .would_write(|view, arguments| timeout::last(arguments).is_err() || view.holds(arguments.at(1)))
    .blocking(Blocking {
        timeout_ms: timeout::last,
        is_null_array: false,
        settled: None,
    }),
    Command::write(
        "blmpop",
        -5,
        Group::List,
        "7.0.0",
        "Takes elements from the first of several lists that has some, or waits for them.",
        blmpop,
    )
    .without(Flags::DENYOOM)
    .and(Flags::MOVABLE_KEYS)
    .keys(Keys::Counted { count: 2, also: 0 })
    .would_write(|view, arguments| {
        timeout::first(arguments).is_err()
            || Pops::parse(arguments, 2).map_or(true, |pops| pops.holds_any(view))
    })
    .blocking(Blocking {
        timeout_ms: timeout::first,
        is_null_array: true,
        settled: None,
    }),
];

/// True if a key holds something, or if the command is refused: then nobody is to wait.
fn pop_would_write(view: &View<'_>, arguments: &Arguments<'_>) -> bool {
    timeout::last(arguments).is_err()
        || arguments
            .part(1..arguments.len() - 1)
            .iter()
            .any(|key| view.holds(key))
}

fn pop(
    context: &mut Context<'_>,
    arguments: &Arguments<'_>,
    reply: &mut dyn Reply,
    end: End,
) -> Result<(), Error> {
    timeout::last(arguments)?;
    for key in arguments.part(1..arguments.len() - 1).iter() {
        let is_serving = context.is_serving;
        match context.list_mut(key) {
            Ok(None) => {}
            // Whoever waits hears of lists only.
            Err(Error::WrongType) if is_serving => {}
            Err(error) => return Err(error),
            Ok(Some(HeldList { list, slice, .. })) => {
                reply.array(2);
                reply.bulk(key);
                reply.bulk(list.peek(end).unwrap_or_default());
                list.pop(end, slice);
                let is_empty = list.len() == 0;
                context.popped(key, end, 1, is_empty);
                return Ok(());
            }
        }
    }
    Err(Error::WouldBlock)
}

fn blmove(
    context: &mut Context<'_>,
    arguments: &Arguments<'_>,
    reply: &mut dyn Reply,
) -> Result<(), Error> {
    let ends = Move::parse(arguments)?;
    move_or_wait(context, arguments, reply, ends)
}

fn brpoplpush(
    context: &mut Context<'_>,
    arguments: &Arguments<'_>,
    reply: &mut dyn Reply,
) -> Result<(), Error> {
    move_or_wait(context, arguments, reply, Move::RIGHT_LEFT)
}

fn move_or_wait(
    context: &mut Context<'_>,
    arguments: &Arguments<'_>,
    reply: &mut dyn Reply,
    ends: Move,
) -> Result<(), Error> {
    timeout::last(arguments)?;
    let (source, destination) = (arguments.at(1), arguments.at(2));
    // A destination of another type ends the wait, a source of another type does not.
    if context.is_serving && matches!(context.list_mut(source), Err(Error::WrongType)) {
        return Err(Error::WouldBlock);
    }
    if ends.run(context, source, destination, reply)? {
        Ok(())
    } else {
        Err(Error::WouldBlock)
    }
}

fn blmpop(
    context: &mut Context<'_>,
    arguments: &Arguments<'_>,
    reply: &mut dyn Reply,
) -> Result<(), Error> {
    let pops = Pops::parse(arguments, 2)?;
    timeout::first(arguments)?;
    if pops.run(context, reply)? {
        Ok(())
    } else {
        Err(Error::WouldBlock)
    }
}
