//! Commands on hashes.

use crate::command::{Command, Flags, Group};
use crate::context::{Context, Expiry, Held};
use crate::effects::Class;
use crate::hash::Hash;
use crate::value::{Collection, Object, Value, ValueRef};
use crate::view::View;
use crate::{Arguments, Error, Reply};

/// The commands of this family.
pub(crate) static COMMANDS: &[Command] = &[
    Command::write(
        "hset",
        -4,
        Group::Hash,
        "2.0.0",
        "Sets fields of a hash.",
        hset,
    )
    .and(Flags::FAST),
    Command::read(
        "hget",
        3,
        Group::Hash,
        "2.0.0",
        "Answers a field's value.",
        hget,
    )
    .and(Flags::FAST),
    Command::write(
        "hdel",
        -3,
        Group::Hash,
        "2.0.0",
        "Removes fields of a hash.",
        hdel,
    )
    .and(Flags::FAST)
    .without(Flags::DENYOOM),
];

impl View<'_> {
    /// The hash at a key.
    pub(crate) fn hash(&self, key: &[u8]) -> Result<Option<&Hash>, Error> {
        match self.entry(key).map(|entry| entry.value()) {
            None => Ok(None),
            Some(ValueRef::Object(Object::Hash(hash))) => Ok(Some(hash)),
            Some(_) => Err(Error::WrongType),
        }
    }
}

impl Context<'_> {
    /// The hash at a key, to be changed.
    fn hash_mut(&mut self, key: &[u8]) -> Result<Option<HeldHash<'_>>, Error> {
        if !self.exists(key) {
            return Ok(None);
        }
        match self.object_mut(key) {
            Some(Held {
                object: Object::Hash(hash),
                slice,
                settings,
            }) => Ok(Some((hash, slice, settings))),
            _ => Err(Error::WrongType),
        }
    }

    /// The hash at a key, made if there is none.
    fn hash_or_new(&mut self, key: &[u8]) -> Result<HeldHash<'_>, Error> {
        if !self.exists(key) {
            let hash = Hash::new(&mut self.keyspace.slice);
            let value = Value::Object(Box::new(Object::Hash(hash)));
            self.set(key, value, Expiry::Never);
        }
        self.hash_mut(key)?.ok_or(Error::NoSuchKey)
    }
}

type HeldHash<'a> = (
    &'a mut Hash,
    &'a mut crate::slice::Slice,
    &'a crate::settings::Settings,
);

fn hset(
    context: &mut Context<'_>,
    arguments: &Arguments<'_>,
    reply: &mut dyn Reply,
) -> Result<(), Error> {
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
    context.changed(key);
    context.notify(Class::HASH, "hset", key);
    reply.integer(added);
    Ok(())
}

fn hget(view: &View<'_>, arguments: &Arguments<'_>, reply: &mut dyn Reply) -> Result<(), Error> {
    match view
        .hash(arguments.at(1))?
        .and_then(|hash| hash.get(arguments.at(2)))
    {
        Some(value) => reply.bulk(value),
        None => reply.null(),
    }
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
        if hash.len() == 0 {
            // The event of the fields comes before that of the key.
            context.notify(Class::HASH, "hdel", key);
            context.remove_if_empty(key);
            context.changed(key);
        } else if removed > 0 {
            context.notify(Class::HASH, "hdel", key);
            context.changed(key);
        }
    }
    reply.integer(removed);
    Ok(())
}
