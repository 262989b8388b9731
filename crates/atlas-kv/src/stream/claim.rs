//! `XCLAIM` and `XAUTOCLAIM`: what was delivered to one consumer is delivered to another.

use crate::context::Context;
use crate::effects::Class;
use crate::number;
use crate::slice::Slice;
use crate::stream::Entries;
use crate::stream::commands::{HeldStream, integer, told};
use crate::stream::group::{Delivery, Group, NEVER_MS};
use crate::stream::id::Id;
use crate::stream::reading::answer_entry;
use crate::view::View;
use crate::{Arguments, Error, Reply};

/// Entries that `XAUTOCLAIM` claims unless it is told how many.
const COUNT: u64 = 100;
/// How many deliveries it looks at for each that it may claim.
const LOOKS: u64 = 10;
/// As in Redis, where room is made ahead for so many ids.
const COUNT_MAX: i64 = i64::MAX / 16;

/// What a claim makes of a delivery.
#[derive(Clone, Copy, Debug)]
struct Terms<'a> {
    consumer: &'a [u8],
    idle_ms_min: i64,
    /// When it shall have been delivered.
    time_ms: i64,
    /// How often it shall have been delivered; once more if none.
    count: Option<u64>,
    /// Entries that were not delivered to anybody are, too.
    is_forced: bool,
    is_only_id: bool,
    now_ms: i64,
}

/// What came of a claim.
enum Claimed {
    /// It belongs to the consumer now.
    Yes,
    /// It stays as it is.
    No,
    /// The entry is not there any more, and its delivery is forgotten.
    Gone,
}

/// The consumer who claims, made with the first entry that it gets.
struct Claimer<'a> {
    terms: Terms<'a>,
    number: Option<u64>,
    is_new: bool,
    changes: u64,
}

impl<'a> Claimer<'a> {
    fn new(terms: Terms<'a>) -> Self {
        Self {
            terms,
            number: None,
            is_new: false,
            changes: 0,
        }
    }

    fn claim(
        &mut self,
        id: Id,
        entries: &Entries<'_>,
        group: &mut Group,
        slice: &mut Slice,
    ) -> Claimed {
        let terms = self.terms;
        let before = group.delivery(id).copied();
        if entries.get(id).is_none() {
            if before.is_none() {
                return Claimed::No;
            }
            group.acknowledge(id, slice);
            self.changes += 1;
            return Claimed::Gone;
        }
        let count = match before {
            None if !terms.is_forced => return Claimed::No,
            None => 1,
            Some(before) => {
                let idle_ms = terms.now_ms.saturating_sub(before.time_ms);
                if terms.idle_ms_min > 0 && idle_ms < terms.idle_ms_min {
                    return Claimed::No;
                }
                before.count
            }
        };
        let number = self.number(group, slice);
        group.deliver(
            Delivery {
                id,
                time_ms: terms.time_ms,
                count: match terms.count {
                    Some(count) => count,
                    None => count.wrapping_add(u64::from(!terms.is_only_id)),
                },
                consumer: number,
            },
            slice,
        );
        self.changes += 1;
        Claimed::Yes
    }

    /// The consumer's number.
    fn number(&mut self, group: &mut Group, slice: &mut Slice) -> u64 {
        if let Some(number) = self.number {
            return number;
        }
        let Terms {
            consumer, now_ms, ..
        } = self.terms;
        let number = group.consumer_number(consumer).unwrap_or_else(|| {
            self.is_new = true;
            self.changes += 1;
            group.add_consumer(consumer, now_ms, NEVER_MS, slice)
        });
        group.seen(number, now_ms, true, slice);
        self.number = Some(number);
        number
    }

    /// Says what has changed.
    fn tell(&self, context: &mut Context<'_>, key: &[u8]) {
        context.changed_more(self.changes);
        if self.is_new {
            context.notify(Class::STREAM, "xgroup-createconsumer", key);
        }
    }
}

fn no_group(arguments: &Arguments<'_>) -> Error {
    Error::line(format!(
        "NOGROUP No such key '{}' or consumer group '{}'",
        told(arguments.at(1)),
        told(arguments.at(2))
    ))
}

/// What `XCLAIM` is told behind the ids.
struct Options {
    ids: Vec<Id>,
    time_ms: i64,
    count: Option<u64>,
    last_id: Id,
    is_forced: bool,
    is_only_id: bool,
}

impl Options {
    fn parse(arguments: &Arguments<'_>, now_ms: i64) -> Result<Self, Error> {
        let mut options = Self {
            ids: Vec::new(),
            time_ms: now_ms,
            count: None,
            last_id: Id::MIN,
            is_forced: false,
            is_only_id: false,
        };
        let mut at = 5;
        while let Some(Ok(id)) = arguments.get(at).map(|text| Id::read(text, 0)) {
            options.ids.push(id);
            at += 1;
        }
        let number = |at: usize, name: &str| {
            number::integer(arguments.at(at)).ok_or_else(|| {
                Error::line(format!("ERR Invalid {name} option argument for XCLAIM"))
            })
        };
        while at < arguments.len() {
            let has_more = at + 1 < arguments.len();
            if arguments.is(at, "force") {
                options.is_forced = true;
            } else if arguments.is(at, "justid") {
                options.is_only_id = true;
            } else if arguments.is(at, "idle") && has_more {
                at += 1;
                options.time_ms = now_ms.wrapping_sub(number(at, "IDLE")?);
            } else if arguments.is(at, "time") && has_more {
                at += 1;
                options.time_ms = number(at, "TIME")?;
            } else if arguments.is(at, "retrycount") && has_more {
                at += 1;
                options.count = u64::try_from(number(at, "RETRYCOUNT")?).ok();
            } else if arguments.is(at, "lastid") && has_more {
                at += 1;
                options.last_id = Id::read(arguments.at(at), 0)?;
            } else {
                return Err(Error::line(format!(
                    "ERR Unrecognized XCLAIM option '{}'",
                    told(arguments.at(at))
                )));
            }
            at += 1;
        }
        // A time that cannot be is that of now: clocks of clients differ.
        if !(0..=now_ms).contains(&options.time_ms) {
            options.time_ms = now_ms;
        }
        Ok(options)
    }
}

pub(super) fn xclaim(
    context: &mut Context<'_>,
    arguments: &Arguments<'_>,
    reply: &mut dyn Reply,
) -> Result<(), Error> {
    let (key, name) = (arguments.at(1), arguments.at(2));
    let now_ms = context.now_ms;
    let held = context.stream_mut(key)?;
    let Some(HeldStream { stream, slice, .. }) = held else {
        return Err(no_group(arguments));
    };
    let Some((entries, group)) = stream.split_mut(name) else {
        return Err(no_group(arguments));
    };
    let idle_ms_min = number::integer(arguments.at(4)).ok_or(Error::fixed(
        "ERR Invalid min-idle-time argument for XCLAIM",
    ))?;
    let options = Options::parse(arguments, now_ms)?;
    let mut claimer = Claimer::new(Terms {
        consumer: arguments.at(3),
        idle_ms_min,
        time_ms: options.time_ms,
        count: options.count,
        is_forced: options.is_forced,
        is_only_id: options.is_only_id,
        now_ms,
    });
    let is_moved = options.last_id > group.last_id();
    if is_moved {
        group.set_last_id(options.last_id, group.entries_read(), slice);
    }
    let mut ids = options.ids;
    ids.retain(|&id| matches!(claimer.claim(id, &entries, group, slice), Claimed::Yes));
    if is_moved && claimer.changes == 0 {
        claimer.changes = 1;
    }
    reply.array(ids.len());
    for entry in ids.iter().filter_map(|&id| entries.get(id)) {
        answer_entry(&entry, options.is_only_id, reply);
    }
    claimer.tell(context, key);
    Ok(())
}

/// What `XAUTOCLAIM` is told.
struct Search {
    idle_ms_min: i64,
    start: Id,
    count: u64,
    is_only_id: bool,
}

impl Search {
    fn parse(arguments: &Arguments<'_>) -> Result<Self, Error> {
        let idle_ms_min = number::integer(arguments.at(4)).ok_or(Error::fixed(
            "ERR Invalid min-idle-time argument for XAUTOCLAIM",
        ))?;
        let mut search = Self {
            idle_ms_min,
            start: Id::read_start(arguments.at(5))?,
            count: COUNT,
            is_only_id: false,
        };
        let mut at = 6;
        while at < arguments.len() {
            if arguments.is(at, "count") && at + 1 < arguments.len() {
                at += 1;
                let count = integer(arguments, at)
                    .ok()
                    .filter(|count| (1..=COUNT_MAX).contains(count));
                let count = count.ok_or(Error::fixed("ERR COUNT must be > 0"))?;
                search.count = count.cast_unsigned();
            } else if arguments.is(at, "justid") {
                search.is_only_id = true;
            } else {
                return Err(Error::Syntax);
            }
            at += 1;
        }
        Ok(search)
    }
}

pub(super) fn xautoclaim(
    context: &mut Context<'_>,
    arguments: &Arguments<'_>,
    reply: &mut dyn Reply,
) -> Result<(), Error> {
    let search = Search::parse(arguments)?;
    let (key, name) = (arguments.at(1), arguments.at(2));
    let now_ms = context.now_ms;
    let held = context.stream_mut(key)?;
    let Some(HeldStream { stream, slice, .. }) = held else {
        return Err(no_group(arguments));
    };
    let Some((entries, group)) = stream.split_mut(name) else {
        return Err(no_group(arguments));
    };
    let mut claimer = Claimer::new(Terms {
        consumer: arguments.at(3),
        idle_ms_min: search.idle_ms_min,
        time_ms: now_ms,
        count: None,
        is_forced: false,
        is_only_id: search.is_only_id,
        now_ms,
    });
    let (mut claimed, mut gone) = (Vec::new(), Vec::new());
    let mut looks = search.count.saturating_mul(LOOKS);
    let mut cursor = Some(search.start);
    while let Some(from) = cursor {
        cursor = group.pending_from(from).next().map(|row| row.id);
        let Some(id) = cursor else { break };
        if looks == 0 || (claimed.len() + gone.len()) as u64 >= search.count {
            break;
        }
        looks -= 1;
        match claimer.claim(id, &entries, group, slice) {
            Claimed::Yes => claimed.push(id),
            Claimed::Gone => gone.push(id),
            Claimed::No => {}
        }
        cursor = id.next();
    }
    reply.array(3);
    cursor.unwrap_or(Id::MIN).answer(reply);
    reply.array(claimed.len());
    for entry in claimed.iter().filter_map(|&id| entries.get(id)) {
        answer_entry(&entry, search.is_only_id, reply);
    }
    reply.array(gone.len());
    for id in gone {
        id.answer(reply);
    }
    claimer.tell(context, key);
    Ok(())
}

/// False if nothing is unacknowledged from where it begins on.
pub(super) fn xautoclaim_would_write(view: &View<'_>, arguments: &Arguments<'_>) -> bool {
    let (key, name) = (arguments.at(1), arguments.at(2));
    let Ok(search) = Search::parse(arguments) else {
        return true;
    };
    match view.peek_stream(key).and_then(|stream| stream.group(name)) {
        None => true,
        Some(group) => group.pending_from(search.start).next().is_some(),
    }
}
