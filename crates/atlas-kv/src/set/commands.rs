//! Commands on one set, and the table of all.

use crate::command::{Command, Flags, Group, Keys};
use crate::context::{Context, Held};
use crate::effects::Class;
use crate::scan;
use crate::set::{Set, algebra, picking};
use crate::settings::Settings;
use crate::slice::Slice;
use crate::value::{Collection, Object, ValueRef};
use crate::view::View;
use crate::{Arguments, Error, Reply};

/// The commands of this family.
pub(crate) static COMMANDS: &[Command] = &[
    writing("sadd", -3, "1.0.0", "Adds members to a set.", sadd)
        .and(Flags::FAST)
        .would_write(would_sadd),
    writing("srem", -3, "1.0.0", "Removes members from a set.", srem)
        .and(Flags::FAST)
        .without(Flags::DENYOOM)
        .would_write(would_srem),
    writing(
        "smove",
        4,
        "1.0.0",
        "Moves a member from one set to another.",
        smove,
    )
    .and(Flags::FAST)
    .without(Flags::DENYOOM)
    .keys(Keys::TWO)
    .would_write(would_smove),
    reading(
        "sismember",
        3,
        "1.0.0",
        "Says whether a set has a member.",
        sismember,
    )
    .and(Flags::FAST),
    reading(
        "smismember",
        -3,
        "6.2.0",
        "Says of each given member whether a set has it.",
        smismember,
    )
    .and(Flags::FAST),
    reading("scard", 2, "1.0.0", "Counts a set's members.", scard).and(Flags::FAST),
    reading("smembers", 2, "1.0.0", "Answers all members.", smembers),
    reading(
        "sscan",
        -3,
        "2.8.0",
        "Walks through a set some members at a time.",
        sscan,
    ),
    writing(
        "spop",
        -2,
        "1.0.0",
        "Removes members picked at random, and answers them.",
        picking::spop,
    )
    .and(Flags::FAST)
    .without(Flags::DENYOOM)
    .would_write(picking::would_spop),
    reading(
        "srandmember",
        -2,
        "1.0.0",
        "Answers members picked at random.",
        picking::srandmember,
    ),
    reading(
        "sinter",
        -2,
        "1.0.0",
        "Answers what all sets have in common.",
        algebra::sinter,
    )
    .keys(Keys::ALL),
    reading(
        "sintercard",
        -3,
        "7.0.0",
        "Counts what all sets have in common.",
        algebra::sintercard,
    )
    .and(Flags::MOVABLE_KEYS)
    .keys(Keys::COUNTED),
    writing(
        "sinterstore",
        -3,
        "1.0.0",
        "Keeps what all sets have in common under a key.",
        algebra::sinterstore,
    )
    .keys(Keys::ALL),
    reading(
        "sunion",
        -2,
        "1.0.0",
        "Answers what any of the sets has.",
        algebra::sunion,
    )
    .keys(Keys::ALL),
    writing(
        "sunionstore",
        -3,
        "1.0.0",
        "Keeps what any of the sets has under a key.",
        algebra::sunionstore,
    )
    .keys(Keys::ALL),
    reading(
        "sdiff",
        -2,
        "1.0.0",
        "Answers what the first set has and no other.",
        algebra::sdiff,
    )
    .keys(Keys::ALL),
    writing(
        "sdiffstore",
        -3,
        "1.0.0",
        "Keeps what the first set has and no other under a key.",
        algebra::sdiffstore,
    )
    .keys(Keys::ALL),
];

const fn writing(
    name: &'static str,
    arity: i16,
    since: &'static str,
    summary: &'static str,
    handler: fn(&mut Context<'_>, &Arguments<'_>, &mut dyn Reply) -> Result<(), Error>,
) -> Command {
    Command::write(name, arity, Group::Set, since, summary, handler)
}

const fn reading(
    name: &'static str,
    arity: i16,
    since: &'static str,
    summary: &'static str,
    handler: fn(&View<'_>, &Arguments<'_>, &mut dyn Reply) -> Result<(), Error>,
) -> Command {
    Command::read(name, arity, Group::Set, since, summary, handler)
}

pub(super) type HeldSet<'a> = (&'a mut Set, &'a mut Slice, &'a Settings);

impl<'a> View<'a> {
    /// The set at a key.
    pub(crate) fn set(&self, key: &[u8]) -> Result<Option<&'a Set>, Error> {
        match self.entry(key).map(|entry| entry.value()) {
            None => Ok(None),
            Some(ValueRef::Object(Object::Set(set))) => Ok(Some(set)),
            Some(_) => Err(Error::WrongType),
        }
    }
}

impl Context<'_> {
    /// The set at a key, to be changed.
    pub(super) fn set_mut(&mut self, key: &[u8]) -> Result<Option<HeldSet<'_>>, Error> {
        self.held(key)?.map(of_held).transpose()
    }

    /// The set at a key, made if there is none. The caller adds a member.
    fn set_or_new(&mut self, key: &[u8]) -> Result<HeldSet<'_>, Error> {
        of_held(self.held_or_new(key, |slice| Object::Set(Set::new(slice)))?)
    }

    /// Says that a set has changed.
    pub(super) fn set_changed(&mut self, event: &'static str, key: &[u8], count: usize) {
        self.changed(key);
        self.changed_more((count as u64).saturating_sub(1));
        self.notify(Class::SET, event, key);
    }
}

fn of_held(held: Held<'_>) -> Result<HeldSet<'_>, Error> {
    match held.object {
        Object::Set(set) => Ok((set, held.slice, held.settings)),
        _ => Err(Error::WrongType),
    }
}

/// What `would_write` looks at: the set at a key if the command would find one. Otherwise whether it would write even so,
/// which it does where what has expired still lies there.
pub(super) fn peek<'a>(view: &View<'a>, key: &[u8]) -> Result<&'a Set, bool> {
    match view.peek(key).map(|entry| entry.value()) {
        None => Err(view.holds(key)),
        Some(ValueRef::Object(Object::Set(set))) => Ok(set),
        Some(_) => Err(false),
    }
}

fn sadd(
    context: &mut Context<'_>,
    arguments: &Arguments<'_>,
    reply: &mut dyn Reply,
) -> Result<(), Error> {
    let key = arguments.at(1);
    let (set, slice, settings) = context.set_or_new(key)?;
    let mut added = 0;
    for member in arguments.skip(2).iter() {
        added += usize::from(set.add(member, settings, slice));
    }
    if added > 0 {
        context.set_changed("sadd", key, added);
    }
    reply.integer(added as i64);
    Ok(())
}

fn would_sadd(view: &View<'_>, arguments: &Arguments<'_>) -> bool {
    let key = arguments.at(1);
    match peek(view, key) {
        Ok(set) => arguments.skip(2).iter().any(|member| !set.contains(member)),
        Err(would_write) => would_write || !view.exists(key),
    }
}

fn srem(
    context: &mut Context<'_>,
    arguments: &Arguments<'_>,
    reply: &mut dyn Reply,
) -> Result<(), Error> {
    let key = arguments.at(1);
    let mut removed = 0;
    if let Some((set, slice, _)) = context.set_mut(key)? {
        for member in arguments.skip(2).iter() {
            removed += usize::from(set.remove(member, slice));
        }
        let is_empty = set.len() == 0;
        if removed > 0 {
            // The event of the members comes before that of the key.
            context.set_changed("srem", key, removed);
        }
        if is_empty {
            context.remove_if_empty(key);
        }
    }
    reply.integer(removed as i64);
    Ok(())
}

fn would_srem(view: &View<'_>, arguments: &Arguments<'_>) -> bool {
    peek(view, arguments.at(1)).map_or_else(
        |would_write| would_write,
        |set| arguments.skip(2).iter().any(|member| set.contains(member)),
    )
}

fn smove(
    context: &mut Context<'_>,
    arguments: &Arguments<'_>,
    reply: &mut dyn Reply,
) -> Result<(), Error> {
    let (source, destination, member) = (arguments.at(1), arguments.at(2), arguments.at(3));
    // Both are looked up before anything: what has expired goes away.
    if !context.exists(source) & !context.exists(destination) {
        reply.integer(0);
        return Ok(());
    }
    let view = context.view();
    let Some(set) = view.set(source)? else {
        // Whatever lies at the destination.
        reply.integer(0);
        return Ok(());
    };
    let is_there = set.contains(member);
    view.set(destination)?;
    if !is_there || source == destination {
        reply.integer(i64::from(is_there));
        return Ok(());
    }
    if let Some((set, slice, _)) = context.set_mut(source)? {
        set.remove(member, slice);
        let is_empty = set.len() == 0;
        context.set_changed("srem", source, 1);
        if is_empty {
            context.remove_if_empty(source);
        }
    }
    let (set, slice, settings) = context.set_or_new(destination)?;
    if set.add(member, settings, slice) {
        context.set_changed("sadd", destination, 1);
    }
    reply.integer(1);
    Ok(())
}

fn would_smove(view: &View<'_>, arguments: &Arguments<'_>) -> bool {
    let (source, destination, member) = (arguments.at(1), arguments.at(2), arguments.at(3));
    let is_left_over = view.holds(destination) && !view.exists(destination);
    is_left_over
        || peek(view, source).map_or_else(
            |would_write| would_write,
            |set| source != destination && set.contains(member),
        )
}

fn sismember(
    view: &View<'_>,
    arguments: &Arguments<'_>,
    reply: &mut dyn Reply,
) -> Result<(), Error> {
    let set = view.set(arguments.at(1))?;
    let is_member = set.is_some_and(|set| set.contains(arguments.at(2)));
    reply.integer(i64::from(is_member));
    Ok(())
}

fn smismember(
    view: &View<'_>,
    arguments: &Arguments<'_>,
    reply: &mut dyn Reply,
) -> Result<(), Error> {
    let set = view.set(arguments.at(1))?;
    let members = arguments.skip(2);
    reply.array(members.len());
    for member in members.iter() {
        let is_member = set.is_some_and(|set| set.contains(member));
        reply.integer(i64::from(is_member));
    }
    Ok(())
}

fn scard(view: &View<'_>, arguments: &Arguments<'_>, reply: &mut dyn Reply) -> Result<(), Error> {
    let length = view.set(arguments.at(1))?.map_or(0, Set::len);
    reply.integer(length as i64);
    Ok(())
}

fn smembers(
    view: &View<'_>,
    arguments: &Arguments<'_>,
    reply: &mut dyn Reply,
) -> Result<(), Error> {
    let set = view.set(arguments.at(1))?;
    reply.set(set.map_or(0, Set::len));
    if let Some(set) = set {
        set.iter().for_each(|member| member.answer(reply));
    }
    Ok(())
}

fn sscan(view: &View<'_>, arguments: &Arguments<'_>, reply: &mut dyn Reply) -> Result<(), Error> {
    let cursor = scan::cursor(arguments.at(2))?;
    let Some(set) = view.set(arguments.at(1))? else {
        // Options of a scan through nothing are not looked at.
        scan::answer(reply, 0, 0);
        return Ok(());
    };
    let mut options = scan::Options::parse(arguments, 3, false)?;
    let range = if set.is_scanned_at_once() {
        0..set.len()
    } else {
        scan::positions(cursor, set.len(), options.count)
    };
    let next = range.start as u64;
    let mut found = Vec::new();
    for member in range.filter_map(|position| set.at(position)) {
        if member.with_bytes(|member| options.wants(member))? {
            found.push(member);
        }
    }
    scan::answer(reply, next, found.len());
    for member in found {
        member.answer(reply);
    }
    Ok(())
}
