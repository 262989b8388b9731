//! Commands on hashes.

use crate::bytes::Bytes;
use crate::command::{Command, Flags, Group};
use crate::context::{Context, Held};
use crate::effects::Class;
use crate::hash::Hash;
use crate::number::{self, Decimal, LongDouble};
use crate::settings::Settings;
use crate::slice::Slice;
use crate::value::{Collection, Object, ValueRef};
use crate::view::View;
use crate::{Arguments, Error, Reply};

use super::reading;

/// The commands of this family.
pub(crate) static COMMANDS: &[Command] = &[
    writing("hset", -4, "2.0.0", "Sets fields of a hash.", hset),
    writing(
        "hmset",
        -4,
        "2.0.0",
        "Sets fields of a hash; an older form of HSET.",
        hmset,
    ),
    writing(
        "hsetnx",
        4,
        "2.0.0",
        "Sets a field of a hash unless it is there.",
        hsetnx,
    )
    .would_write(would_hsetnx),
    writing(
        "hincrby",
        4,
        "2.0.0",
        "Adds to the integer in a field.",
        hincrby,
    ),
    writing(
        "hincrbyfloat",
        4,
        "2.6.0",
        "Adds to the floating-point number in a field.",
        hincrbyfloat,
    ),
    writing("hdel", -3, "2.0.0", "Removes fields of a hash.", hdel)
        .without(Flags::DENYOOM)
        .would_write(would_hdel),
    fast(
        "hget",
        3,
        "2.0.0",
        "Answers a field's value.",
        reading::hget,
    ),
    fast(
        "hmget",
        -3,
        "2.0.0",
        "Answers the values of fields.",
        reading::hmget,
    ),
    fast(
        "hexists",
        3,
        "2.0.0",
        "Says whether a hash has a field.",
        reading::hexists,
    ),
    fast("hlen", 2, "2.0.0", "Counts a hash's fields.", reading::hlen),
    fast(
        "hstrlen",
        3,
        "3.2.0",
        "Answers the length of a field's value.",
        reading::hstrlen,
    ),
    Command::read(
        "hgetall",
        2,
        Group::Hash,
        "2.0.0",
        "Answers all fields with their values.",
        reading::hgetall,
    ),
    Command::read(
        "hkeys",
        2,
        Group::Hash,
        "2.0.0",
        "Answers all fields.",
        reading::hkeys,
    ),
    Command::read(
        "hvals",
        2,
        Group::Hash,
        "2.0.0",
        "Answers the values of all fields.",
        reading::hvals,
    ),
    Command::read(
        "hrandfield",
        -2,
        Group::Hash,
        "6.2.0",
        "Answers fields picked at random.",
        reading::hrandfield,
    ),
    Command::read(
        "hscan",
        -3,
        Group::Hash,
        "2.8.0",
        "Walks through a hash some fields at a time.",
        reading::hscan,
    ),
];

const fn writing(
    name: &'static str,
    arity: i16,
    since: &'static str,
    summary: &'static str,
    handler: fn(&mut Context<'_>, &Arguments<'_>, &mut dyn Reply) -> Result<(), Error>,
) -> Command {
    Command::write(name, arity, Group::Hash, since, summary, handler).and(Flags::FAST)
}

const fn fast(
    name: &'static str,
    arity: i16,
    since: &'static str,
    summary: &'static str,
    handler: fn(&View<'_>, &Arguments<'_>, &mut dyn Reply) -> Result<(), Error>,
) -> Command {
    Command::read(name, arity, Group::Hash, since, summary, handler).and(Flags::FAST)
}

type HeldHash<'a> = (&'a mut Hash, &'a mut Slice, &'a Settings);

impl Context<'_> {
    /// The hash at a key, to be changed.
    fn hash_mut(&mut self, key: &[u8]) -> Result<Option<HeldHash<'_>>, Error> {
        self.held(key)?.map(of_held).transpose()
    }

    /// The hash at a key, made if there is none. The caller sets a field.
    fn hash_or_new(&mut self, key: &[u8]) -> Result<HeldHash<'_>, Error> {
        of_held(self.held_or_new(key, |slice| Object::Hash(Hash::new(slice)))?)
    }

    /// Says that a hash has changed.
    fn hash_changed(&mut self, event: &'static str, key: &[u8], count: i64) {
        self.changed(key);
        self.changed_more(count.unsigned_abs().saturating_sub(1));
        self.notify(Class::HASH, event, key);
    }
}

fn of_held(held: Held<'_>) -> Result<HeldHash<'_>, Error> {
    match held.object {
        Object::Hash(hash) => Ok((hash, held.slice, held.settings)),
        _ => Err(Error::WrongType),
    }
}

fn hset(
    context: &mut Context<'_>,
    arguments: &Arguments<'_>,
    reply: &mut dyn Reply,
) -> Result<(), Error> {
    let added = set_fields(context, arguments)?;
    reply.integer(added);
    Ok(())
}

fn hmset(
    context: &mut Context<'_>,
    arguments: &Arguments<'_>,
    reply: &mut dyn Reply,
) -> Result<(), Error> {
    set_fields(context, arguments)?;
    reply.ok();
    Ok(())
}

/// Sets the fields behind the key; how many are new.
fn set_fields(context: &mut Context<'_>, arguments: &Arguments<'_>) -> Result<i64, Error> {
    if !arguments.len().is_multiple_of(2) {
        return Err(context.command.arity_error());
    }
    let key = arguments.at(1);
    let (hash, slice, settings) = context.hash_or_new(key)?;
    let mut added = 0;
    let mut position = 2;
    while position + 1 < arguments.len() {
        let (name, value) = (arguments.at(position), arguments.at(position + 1));
        added += i64::from(hash.set(name, value, settings, slice));
        position += 2;
    }
    context.hash_changed("hset", key, (arguments.len() / 2 - 1) as i64);
    Ok(added)
}

fn hsetnx(
    context: &mut Context<'_>,
    arguments: &Arguments<'_>,
    reply: &mut dyn Reply,
) -> Result<(), Error> {
    let key = arguments.at(1);
    let (name, value) = (arguments.at(2), arguments.at(3));
    let (hash, slice, settings) = context.hash_or_new(key)?;
    let is_new = !hash.contains(name);
    if is_new {
        hash.set(name, value, settings, slice);
        context.hash_changed("hset", key, 1);
    }
    reply.integer(i64::from(is_new));
    Ok(())
}

fn would_hsetnx(view: &View<'_>, arguments: &Arguments<'_>) -> bool {
    match view.peek(arguments.at(1)).map(|entry| entry.value()) {
        None => true,
        Some(ValueRef::Object(Object::Hash(hash))) => !hash.contains(arguments.at(2)),
        Some(_) => false,
    }
}

fn hincrby(
    context: &mut Context<'_>,
    arguments: &Arguments<'_>,
    reply: &mut dyn Reply,
) -> Result<(), Error> {
    let key = arguments.at(1);
    let increment = number::integer(arguments.at(3)).ok_or(Error::NotInteger)?;
    let mut value = 0;
    let (hash, slice, settings) = context.hash_or_new(key)?;
    // Adding to nothing cannot fail: a hash that was made for this does not stay empty.
    hash.change(arguments.at(2), settings, slice, |before| {
        let before = before.map_or(Some(0), number::integer);
        value = before
            .ok_or(Error::fixed("ERR hash value is not an integer"))?
            .checked_add(increment)
            .ok_or(Error::fixed("ERR increment or decrement would overflow"))?;
        Ok(Bytes::from(Decimal::new(value).as_bytes()))
    })?;
    context.hash_changed("hincrby", key, 1);
    reply.integer(value);
    Ok(())
}

fn hincrbyfloat(
    context: &mut Context<'_>,
    arguments: &Arguments<'_>,
    reply: &mut dyn Reply,
) -> Result<(), Error> {
    let key = arguments.at(1);
    let increment = LongDouble::read(arguments.at(3)).ok_or(Error::NotFloat)?;
    if increment.sum(LongDouble::ZERO).is_none() {
        return Err(Error::fixed("ERR value is NaN or Infinity"));
    }
    let mut text = String::new();
    let (hash, slice, settings) = context.hash_or_new(key)?;
    // Adding to nothing cannot fail: a hash that was made for this does not stay empty.
    hash.change(arguments.at(2), settings, slice, |before| {
        let before = before.map_or(Some(LongDouble::ZERO), LongDouble::read);
        text = before
            .ok_or(Error::fixed("ERR hash value is not a float"))?
            .sum(increment)
            .ok_or(Error::fixed("ERR increment would produce NaN or Infinity"))?
            .text();
        Ok(Bytes::from(text.as_bytes()))
    })?;
    context.hash_changed("hincrbyfloat", key, 1);
    reply.bulk(text.as_bytes());
    Ok(())
}

fn hdel(
    context: &mut Context<'_>,
    arguments: &Arguments<'_>,
    reply: &mut dyn Reply,
) -> Result<(), Error> {
    let key = arguments.at(1);
    let mut removed = 0;
    if let Some((hash, slice, _)) = context.hash_mut(key)? {
        for name in arguments.skip(2).iter() {
            removed += i64::from(hash.remove(name, slice));
        }
        let is_empty = hash.len() == 0;
        if removed > 0 {
            // The event of the fields comes before that of the key.
            context.hash_changed("hdel", key, removed);
        }
        if is_empty {
            context.remove_if_empty(key);
        }
    }
    reply.integer(removed);
    Ok(())
}

fn would_hdel(view: &View<'_>, arguments: &Arguments<'_>) -> bool {
    let key = arguments.at(1);
    match view.peek(key).map(|entry| entry.value()) {
        None => view.holds(key),
        Some(ValueRef::Object(Object::Hash(hash))) => {
            arguments.skip(2).iter().any(|name| hash.contains(name))
        }
        Some(_) => false,
    }
}
