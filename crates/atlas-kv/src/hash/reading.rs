//! Commands that read hashes.

use crate::hash::Hash;
use crate::random::Random;
use crate::sample::Sample;
use crate::scan;
use crate::value::{Collection, Object, ValueRef};
use crate::view::View;
use crate::{Arguments, Error, Reply};

/// A field and its value.
type Field<'a> = (&'a [u8], &'a [u8]);

impl<'a> View<'a> {
    /// The hash at a key.
    pub(crate) fn hash(&self, key: &[u8]) -> Result<Option<&'a Hash>, Error> {
        match self.entry(key).map(|entry| entry.value()) {
            None => Ok(None),
            Some(ValueRef::Object(Object::Hash(hash))) => Ok(Some(hash)),
            Some(_) => Err(Error::WrongType),
        }
    }
}

pub(super) fn hget(
    view: &View<'_>,
    arguments: &Arguments<'_>,
    reply: &mut dyn Reply,
) -> Result<(), Error> {
    let hash = view.hash(arguments.at(1))?;
    answer_value(hash, arguments.at(2), reply);
    Ok(())
}

pub(super) fn hmget(
    view: &View<'_>,
    arguments: &Arguments<'_>,
    reply: &mut dyn Reply,
) -> Result<(), Error> {
    let hash = view.hash(arguments.at(1))?;
    let names = arguments.skip(2);
    reply.array(names.len());
    for name in names.iter() {
        answer_value(hash, name, reply);
    }
    Ok(())
}

fn answer_value(hash: Option<&Hash>, name: &[u8], reply: &mut dyn Reply) {
    match hash.and_then(|hash| hash.get(name)) {
        Some(value) => reply.bulk(value),
        None => reply.null(),
    }
}

pub(super) fn hexists(
    view: &View<'_>,
    arguments: &Arguments<'_>,
    reply: &mut dyn Reply,
) -> Result<(), Error> {
    let hash = view.hash(arguments.at(1))?;
    let is_there = hash.is_some_and(|hash| hash.contains(arguments.at(2)));
    reply.integer(i64::from(is_there));
    Ok(())
}

pub(super) fn hlen(
    view: &View<'_>,
    arguments: &Arguments<'_>,
    reply: &mut dyn Reply,
) -> Result<(), Error> {
    let length = view.hash(arguments.at(1))?.map_or(0, Hash::len);
    reply.integer(length as i64);
    Ok(())
}

pub(super) fn hstrlen(
    view: &View<'_>,
    arguments: &Arguments<'_>,
    reply: &mut dyn Reply,
) -> Result<(), Error> {
    let hash = view.hash(arguments.at(1))?;
    let value = hash.and_then(|hash| hash.get(arguments.at(2)));
    reply.integer(value.map_or(0, <[u8]>::len) as i64);
    Ok(())
}

pub(super) fn hgetall(
    view: &View<'_>,
    arguments: &Arguments<'_>,
    reply: &mut dyn Reply,
) -> Result<(), Error> {
    let hash = view.hash(arguments.at(1))?;
    reply.map(hash.map_or(0, Hash::len));
    if let Some(hash) = hash {
        hash.iter().for_each(|(name, value)| {
            reply.bulk(name);
            reply.bulk(value);
        });
    }
    Ok(())
}

pub(super) fn hkeys(
    view: &View<'_>,
    arguments: &Arguments<'_>,
    reply: &mut dyn Reply,
) -> Result<(), Error> {
    answer_all(view, arguments, reply, |(name, _)| name)
}

pub(super) fn hvals(
    view: &View<'_>,
    arguments: &Arguments<'_>,
    reply: &mut dyn Reply,
) -> Result<(), Error> {
    answer_all(view, arguments, reply, |(_, value)| value)
}

fn answer_all(
    view: &View<'_>,
    arguments: &Arguments<'_>,
    reply: &mut dyn Reply,
    of: impl Fn(Field<'_>) -> &[u8],
) -> Result<(), Error> {
    let hash = view.hash(arguments.at(1))?;
    reply.array(hash.map_or(0, Hash::len));
    if let Some(hash) = hash {
        hash.iter().for_each(|field| reply.bulk(of(field)));
    }
    Ok(())
}

pub(super) fn hrandfield(
    view: &View<'_>,
    arguments: &Arguments<'_>,
    reply: &mut dyn Reply,
) -> Result<(), Error> {
    let mut random = Random::new(view.seed);
    let Some(count) = arguments.get(2) else {
        let hash = view.hash(arguments.at(1))?;
        match hash.and_then(|hash| hash.at(random.below(hash.len()))) {
            Some((name, _)) => reply.bulk(name),
            None => reply.null(),
        }
        return Ok(());
    };
    let mut sample = Sample::parse(count)?;
    let with_values = arguments.len() > 3;
    if arguments.len() > 4 || with_values && !arguments.is(3, "withvalues") {
        return Err(Error::Syntax);
    }
    if with_values {
        sample = sample.of_pairs()?;
    }
    let hash = view.hash(arguments.at(1))?;
    let picks = sample.pick(hash.map_or(0, Hash::len), random)?;
    let is_flat = with_values && !reply.is_resp3();
    reply.array(picks.len() * if is_flat { 2 } else { 1 });
    for position in picks {
        let Some((name, value)) = hash.and_then(|hash| hash.at(position)) else {
            continue;
        };
        if with_values && !is_flat {
            reply.array(2);
        }
        reply.bulk(name);
        if with_values {
            reply.bulk(value);
        }
    }
    Ok(())
}

pub(super) fn hscan(
    view: &View<'_>,
    arguments: &Arguments<'_>,
    reply: &mut dyn Reply,
) -> Result<(), Error> {
    let cursor = scan::cursor(arguments.at(2))?;
    let Some(hash) = view.hash(arguments.at(1))? else {
        // Options of a scan through nothing are not looked at.
        scan::answer(reply, 0, 0);
        return Ok(());
    };
    let mut options = scan::Options::parse(arguments, 3, false)?;
    let mut found = Vec::new();
    let mut next = 0;
    if hash.is_listpack() {
        // Redis answers small hashes whole, whatever the count, and in their order.
        for (name, value) in hash.iter() {
            if options.wants(name)? {
                found.push((name, value));
            }
        }
    } else {
        let range = scan::positions(cursor, hash.len(), options.count);
        next = range.start as u64;
        for (name, value) in range.filter_map(|position| hash.at(position)) {
            if options.wants(name)? {
                found.push((name, value));
            }
        }
    }
    scan::answer(reply, next, found.len() * 2);
    for (name, value) in found {
        reply.bulk(name);
        reply.bulk(value);
    }
    Ok(())
}
