//! Strings that are numbers: `INCR` and its relatives.

use crate::context::{Context, Expiry};
use crate::effects::Class;
use crate::number::{self, LongDouble};
use crate::value::{Value, ValueRef};
use crate::{Arguments, Error, Reply};

pub(super) fn incr(
    context: &mut Context<'_>,
    arguments: &Arguments<'_>,
    reply: &mut dyn Reply,
) -> Result<(), Error> {
    count(context, arguments, reply, 1)
}

pub(super) fn decr(
    context: &mut Context<'_>,
    arguments: &Arguments<'_>,
    reply: &mut dyn Reply,
) -> Result<(), Error> {
    count(context, arguments, reply, -1)
}

pub(super) fn incrby(
    context: &mut Context<'_>,
    arguments: &Arguments<'_>,
    reply: &mut dyn Reply,
) -> Result<(), Error> {
    let by = number::integer(arguments.at(2)).ok_or(Error::NotInteger)?;
    count(context, arguments, reply, by)
}

pub(super) fn decrby(
    context: &mut Context<'_>,
    arguments: &Arguments<'_>,
    reply: &mut dyn Reply,
) -> Result<(), Error> {
    let by = number::integer(arguments.at(2)).ok_or(Error::NotInteger)?;
    let by = by
        .checked_neg()
        .ok_or(Error::fixed("ERR decrement would overflow"))?;
    count(context, arguments, reply, by)
}

fn count(
    context: &mut Context<'_>,
    arguments: &Arguments<'_>,
    reply: &mut dyn Reply,
    by: i64,
) -> Result<(), Error> {
    let key = arguments.at(1);
    let sought = context.seek(key);
    let before = match context.value_at(sought) {
        None => 0,
        Some(ValueRef::Integer(integer)) => integer,
        Some(ValueRef::String(bytes)) => number::integer(bytes).ok_or(Error::NotInteger)?,
        Some(ValueRef::Object(_)) => return Err(Error::WrongType),
    };
    let after = before
        .checked_add(by)
        .ok_or(Error::fixed("ERR increment or decrement would overflow"))?;
    context.set_at(sought, key, Value::Integer(after), Expiry::Keep);
    context.changed(key);
    context.notify(Class::STRING, "incrby", key);
    reply.integer(after);
    Ok(())
}

pub(super) fn incrbyfloat(
    context: &mut Context<'_>,
    arguments: &Arguments<'_>,
    reply: &mut dyn Reply,
) -> Result<(), Error> {
    let key = arguments.at(1);
    let sought = context.seek(key);
    let before = match context.value_at(sought) {
        None => LongDouble::ZERO,
        Some(ValueRef::Integer(integer)) => LongDouble::of_integer(integer),
        Some(ValueRef::String(bytes)) => LongDouble::read(bytes).ok_or(Error::NotFloat)?,
        Some(ValueRef::Object(_)) => return Err(Error::WrongType),
    };
    let by = LongDouble::read(arguments.at(2)).ok_or(Error::NotFloat)?;
    let after = before
        .sum(by)
        .ok_or(Error::fixed("ERR increment would produce NaN or Infinity"))?;
    let text = after.text();
    reply.bulk(text.as_bytes());
    // Kept as text, as in Redis: `OBJECT ENCODING` tells.
    context.set_at(sought, key, Value::String(text.into_bytes()), Expiry::Keep);
    context.changed(key);
    context.notify(Class::STRING, "incrbyfloat", key);
    Ok(())
}
