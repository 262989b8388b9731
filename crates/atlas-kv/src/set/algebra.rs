//! What sets have in common, in all, or alone.

use foldhash::fast::FixedState;
use hashbrown::{HashSet, HashTable};

use crate::context::{Context, Expiry};
use crate::effects::Class;
use crate::hashing::hash;
use crate::number;
use crate::set::{Member, Set};
use crate::value::{Collection, Object, Value, ValueRef};
use crate::view::View;
use crate::{Arguments, Error, Reply};

/// Members that an operation found, none twice, where they lie.
#[derive(Debug)]
struct Found<'a> {
    members: Vec<Member<'a>>,
    /// False where Redis, which builds its result step by step, would have had to give up an integer set on the way.
    may_be_intset: bool,
}

/// An operation on the sets at some keys.
type Operation = for<'a> fn(&View<'a>, &Arguments<'_>) -> Result<Found<'a>, Error>;

pub(super) fn sinter(
    view: &View<'_>,
    arguments: &Arguments<'_>,
    reply: &mut dyn Reply,
) -> Result<(), Error> {
    answer(intersection, view, arguments, reply)
}

pub(super) fn sunion(
    view: &View<'_>,
    arguments: &Arguments<'_>,
    reply: &mut dyn Reply,
) -> Result<(), Error> {
    answer(union, view, arguments, reply)
}

pub(super) fn sdiff(
    view: &View<'_>,
    arguments: &Arguments<'_>,
    reply: &mut dyn Reply,
) -> Result<(), Error> {
    answer(difference, view, arguments, reply)
}

pub(super) fn sinterstore(
    context: &mut Context<'_>,
    arguments: &Arguments<'_>,
    reply: &mut dyn Reply,
) -> Result<(), Error> {
    store(intersection, "sinterstore", context, arguments, reply)
}

pub(super) fn sunionstore(
    context: &mut Context<'_>,
    arguments: &Arguments<'_>,
    reply: &mut dyn Reply,
) -> Result<(), Error> {
    store(union, "sunionstore", context, arguments, reply)
}

pub(super) fn sdiffstore(
    context: &mut Context<'_>,
    arguments: &Arguments<'_>,
    reply: &mut dyn Reply,
) -> Result<(), Error> {
    store(difference, "sdiffstore", context, arguments, reply)
}

pub(super) fn sintercard(
    view: &View<'_>,
    arguments: &Arguments<'_>,
    reply: &mut dyn Reply,
) -> Result<(), Error> {
    let number = number::integer(arguments.at(1))
        .and_then(|number| usize::try_from(number).ok())
        .filter(|&number| number > 0)
        .ok_or(Error::fixed("ERR numkeys should be greater than 0"))?;
    let behind = number.saturating_add(2);
    if behind > arguments.len() {
        return Err(Error::fixed(
            "ERR Number of keys can't be greater than number of args",
        ));
    }
    let mut limit = 0;
    let mut position = behind;
    while position < arguments.len() {
        let value = arguments.get(position + 1);
        let Some(value) = value.filter(|_| arguments.is(position, "limit")) else {
            return Err(Error::Syntax);
        };
        limit = number::integer(value)
            .and_then(|limit| usize::try_from(limit).ok())
            .ok_or(Error::fixed("ERR LIMIT can't be negative"))?;
        position += 2;
    }
    let sets = sets(view, &arguments.part(2..behind))?;
    let limit = if limit == 0 { usize::MAX } else { limit };
    let count = common(sets).map_or(0, |common| common.take(limit).count());
    reply.integer(count as i64);
    Ok(())
}

fn answer(
    operation: Operation,
    view: &View<'_>,
    arguments: &Arguments<'_>,
    reply: &mut dyn Reply,
) -> Result<(), Error> {
    let found = operation(view, &arguments.skip(1))?;
    reply.set(found.members.len());
    for member in found.members {
        member.answer(reply);
    }
    Ok(())
}

/// Puts what the operation finds under the first key, whatever was there; nothing found is no key.
fn store(
    operation: Operation,
    event: &'static str,
    context: &mut Context<'_>,
    arguments: &Arguments<'_>,
    reply: &mut dyn Reply,
) -> Result<(), Error> {
    let destination = arguments.at(1);
    let sources = arguments.skip(2);
    for key in sources.iter() {
        // What has expired goes away.
        context.exists(key);
    }
    let slice = &mut context.keyspace.slice;
    let (object, epoch) = (slice.object(Set::TAG), slice.epoch());
    let view = context.view();
    let found = operation(&view, &sources)?;
    let length = found.members.len();
    if length == 0 {
        if context.remove(destination) {
            context.changed(destination);
            context.notify(Class::GENERIC, "del", destination);
        }
        reply.integer(0);
        return Ok(());
    }
    let mut set = Set::of(
        object,
        epoch,
        &found.members,
        found.may_be_intset,
        view.settings(),
    );
    if let Some(ValueRef::Object(Object::Set(replaced))) =
        view.peek(destination).map(|entry| entry.value())
    {
        set.keep_places(replaced);
    }
    let value = Value::Object(Box::new(Object::Set(set)));
    context.set(destination, value, Expiry::Never);
    context.set_changed(event, destination, 1);
    reply.integer(length as i64);
    Ok(())
}

/// The sets at the keys, each of which must be one or missing.
fn sets<'a>(view: &View<'a>, keys: &Arguments<'_>) -> Result<Vec<Option<&'a Set>>, Error> {
    keys.iter().map(|key| view.set(key)).collect()
}

/// Each set once, in order: naming a large one a thousand times must not cost a thousand walks.
fn distinct(mut sets: Vec<&Set>) -> Vec<&Set> {
    match *sets {
        [] | [_] => {}
        [first, second] => sets.truncate(if std::ptr::eq(first, second) { 1 } else { 2 }),
        _ => {
            let mut known = HashSet::with_capacity_and_hasher(sets.len(), FixedState::default());
            sets.retain(|&set| known.insert(std::ptr::from_ref(set)));
        }
    }
    sets
}

fn intersection<'a>(view: &View<'a>, keys: &Arguments<'_>) -> Result<Found<'a>, Error> {
    let common = common(sets(view, keys)?);
    Ok(Found {
        members: common.into_iter().flatten().collect(),
        may_be_intset: true,
    })
}

/// What is in all of the sets: those of the smallest that the others have too, found one by one. None if one is missing.
fn common<'a>(sets: Vec<Option<&'a Set>>) -> Option<impl Iterator<Item = Member<'a>>> {
    let sets: Vec<&Set> = sets.into_iter().collect::<Option<_>>()?;
    let mut sets = distinct(sets);
    sets.sort_by_key(|set| set.len());
    let smallest = *sets.first()?;
    sets.remove(0);
    Some(
        smallest
            .iter()
            .filter(move |&member| sets.iter().all(|set| set.position(member).is_some())),
    )
}

fn union<'a>(view: &View<'a>, keys: &Arguments<'_>) -> Result<Found<'a>, Error> {
    let sets = distinct(sets(view, keys)?.into_iter().flatten().collect());
    let mut members: Vec<Member<'a>> = Vec::new();
    if let [only] = *sets {
        members.extend(only.iter());
    } else {
        let mut index: HashTable<u32> = HashTable::new();
        let hash_of = |member: Member<'_>| member.with_bytes(hash);
        for member in sets.into_iter().flat_map(Set::iter) {
            let hash = hash_of(member);
            let is_known = index
                .find(hash, |&other| same(members[other as usize], member))
                .is_some();
            if !is_known {
                index.insert_unique(hash, members.len() as u32, |&other| {
                    hash_of(members[other as usize])
                });
                members.push(member);
            }
        }
    }
    Ok(Found {
        members,
        may_be_intset: true,
    }
    .in_order(view))
}

fn difference<'a>(view: &View<'a>, keys: &Arguments<'_>) -> Result<Found<'a>, Error> {
    let sets = sets(view, keys)?;
    let nothing = Found {
        members: Vec::new(),
        may_be_intset: true,
    };
    let Some((&Some(first), others)) = sets.split_first() else {
        return Ok(nothing);
    };
    let others: Vec<&Set> = others.iter().copied().flatten().collect();
    if others.iter().any(|other| std::ptr::eq(*other, first)) {
        return Ok(nothing);
    }
    // Either each member is looked for in every other set, or each member of the others in the first. The first way
    // often ends early, so Redis counts it at half.
    let looking_for_each = first.len().saturating_mul(others.len() + 1) / 2;
    let looking_for_others = others
        .iter()
        .fold(first.len(), |sum, set| sum.saturating_add(set.len()));
    let mut others = distinct(others);
    let found = if looking_for_each <= looking_for_others {
        // The largest are the most likely to have it.
        others.sort_by_key(|set| std::cmp::Reverse(set.len()));
        let is_alone =
            |member: &Member<'_>| others.iter().all(|set| set.position(*member).is_none());
        Found {
            members: first.iter().filter(is_alone).collect(),
            may_be_intset: true,
        }
    } else {
        let mut is_removed = vec![false; first.len()];
        for member in others.into_iter().flat_map(Set::iter) {
            if let Some(position) = first.position(member) {
                is_removed[position] = true;
            }
        }
        // Redis takes from a copy of the first set, and what that was called its rest is called.
        let is_few = first.len() as u64 <= view.settings().set_intset_entries_max;
        let may_be_intset = is_few && first.iter().all(|member| member.integer().is_some());
        let kept = first.iter().zip(is_removed).filter(|(_, removed)| !removed);
        Found {
            members: kept.map(|(member, _)| member).collect(),
            may_be_intset,
        }
    };
    Ok(found.in_order(view))
}

impl Found<'_> {
    /// Integers lowest first where Redis would have gathered them in an integer set.
    fn in_order(mut self, view: &View<'_>) -> Self {
        let is_few = self.members.len() as u64 <= view.settings().set_intset_entries_max;
        if self.may_be_intset
            && is_few
            && self.members.iter().all(|member| member.integer().is_some())
        {
            self.members.sort_unstable_by_key(|member| member.integer());
        }
        self
    }
}

fn same(left: Member<'_>, right: Member<'_>) -> bool {
    match (left, right) {
        (Member::Integer(left), Member::Integer(right)) => left == right,
        (Member::Text(left), Member::Text(right)) => left == right,
        (Member::Integer(integer), Member::Text(text))
        | (Member::Text(text), Member::Integer(integer)) => {
            Member::Integer(integer).with_bytes(|bytes| bytes == text)
        }
    }
}
