//! `XREAD` and `XREADGROUP`: what is behind an id, or comes.

use std::collections::BTreeMap;

use crate::context::Context;
use crate::effects::Class;
use crate::stream::block::Entry;
use crate::stream::commands::{HeldStream, integer, told};
use crate::stream::group::{Delivery, Group, NEVER_MS};
use crate::stream::id::{Id, Text};
use crate::stream::{Stream, range};
use crate::view::View;
use crate::{ArgumentBuffer, Arguments, Error, Reply, timeout};

/// What stands before the streams, and where they stand.
#[derive(Debug)]
struct Options<'a> {
    /// None is all.
    count_max: Option<usize>,
    timeout_ms: Option<u64>,
    /// Of `XREADGROUP`: the group and the consumer.
    group: Option<(&'a [u8], &'a [u8])>,
    is_acknowledged: bool,
    /// The position of the first key, and how many keys there are.
    first: usize,
    count: usize,
}

impl<'a> Options<'a> {
    fn parse(arguments: &Arguments<'a>, is_group: bool) -> Result<Self, Error> {
        let mut options = Self {
            count_max: None,
            timeout_ms: None,
            group: None,
            is_acknowledged: false,
            first: 0,
            count: 0,
        };
        let mut at = 1;
        while at < arguments.len() {
            let more = arguments.len() - at - 1;
            if arguments.is(at, "block") && more > 0 {
                at += 1;
                options.timeout_ms = Some(timeout::milliseconds(arguments.at(at))?);
            } else if arguments.is(at, "count") && more > 0 {
                at += 1;
                let count = integer(arguments, at)?;
                options.count_max = usize::try_from(count).ok().filter(|&count| count > 0);
            } else if arguments.is(at, "streams") && more > 0 {
                if !more.is_multiple_of(2) {
                    return Err(Error::fixed(
                        "ERR Unbalanced XREAD list of streams: for each stream key an ID or '$' must be specified.",
                    ));
                }
                options.first = at + 1;
                options.count = more / 2;
                break;
            } else if arguments.is(at, "group") && more >= 2 {
                if !is_group {
                    return Err(Error::fixed(
                        "ERR The GROUP option is only supported by XREADGROUP. You called XREAD instead.",
                    ));
                }
                options.group = Some((arguments.at(at + 1), arguments.at(at + 2)));
                at += 2;
            } else if arguments.is(at, "noack") {
                if !is_group {
                    return Err(Error::fixed(
                        "ERR The NOACK option is only supported by XREADGROUP. You called XREAD instead.",
                    ));
                }
                options.is_acknowledged = true;
            } else {
                return Err(Error::Syntax);
            }
            at += 1;
        }
        if options.first == 0 {
            return Err(Error::Syntax);
        }
        if is_group && options.group.is_none() {
            return Err(Error::fixed("ERR Missing GROUP option for XREADGROUP"));
        }
        Ok(options)
    }

    /// The streams' keys, each with what stands for its id.
    fn streams(&self, arguments: &Arguments<'a>) -> impl ExactSizeIterator<Item = Asked<'a>> {
        let keys = arguments.part(self.first..self.first + self.count).iter();
        let ids = arguments.skip(self.first + self.count).iter();
        keys.zip(ids).map(|(key, id)| Asked { key, id })
    }

    fn count_max(&self) -> usize {
        self.count_max.unwrap_or(usize::MAX)
    }
}

#[derive(Clone, Copy)]
struct Asked<'a> {
    key: &'a [u8],
    id: &'a [u8],
}

/// Where the keys of `XREAD` and `XREADGROUP` stand.
pub(super) fn keys(arguments: &Arguments<'_>, positions: &mut Vec<usize>) {
    // A group or a consumer may be called `streams`: that the options fit tells which word is meant.
    let is_group = arguments.name().len() == "xreadgroup".len();
    if let Ok(options) = Options::parse(arguments, is_group) {
        positions.extend(options.first..options.first + options.count);
    }
}

/// How long the client is ready to wait.
pub(super) fn timeout_ms(arguments: &Arguments<'_>) -> Result<Option<u64>, Error> {
    let is_group = arguments.name().len() == "xreadgroup".len();
    Options::parse(arguments, is_group).map(|options| options.timeout_ms)
}

/// The command as it is to be repeated while its client waits: `$` is what the last id is now.
pub(super) fn settled(view: &View<'_>, arguments: &Arguments<'_>) -> ArgumentBuffer {
    let Ok(options) = Options::parse(arguments, false) else {
        return ArgumentBuffer::from(*arguments);
    };
    let ids = options.first + options.count;
    let mut settled = ArgumentBuffer::of(arguments.part(0..ids).iter());
    for asked in options.streams(arguments) {
        if asked.id == b"$" {
            let stream = view.peek_stream(asked.key);
            let last = stream.map_or(Id::MIN, Stream::last_id);
            settled.push(Text::of(last).as_bytes());
        } else {
            settled.push(asked.id);
        }
    }
    settled
}

/// The id behind an id, or the lowest behind the highest.
fn behind(id: Id) -> Id {
    id.next().unwrap_or(Id::MIN)
}

/// Announces so many streams.
fn begin(count: usize, reply: &mut dyn Reply) {
    if reply.is_resp3() {
        reply.map(count);
    } else {
        reply.array(count);
    }
}

/// Announces the entries of a stream.
fn begin_stream(key: &[u8], reply: &mut dyn Reply) {
    if !reply.is_resp3() {
        reply.array(2);
    }
    reply.bulk(key);
}

fn nothing(options: &Options<'_>, reply: &mut dyn Reply) -> Result<(), Error> {
    if options.timeout_ms.is_some() {
        return Err(Error::WouldBlock);
    }
    reply.null_array();
    Ok(())
}

pub(super) fn xread(
    view: &View<'_>,
    arguments: &Arguments<'_>,
    reply: &mut dyn Reply,
) -> Result<(), Error> {
    let options = Options::parse(arguments, false)?;
    let mut found = Vec::new();
    for asked in options.streams(arguments) {
        let stream = view.stream(asked.key)?;
        let after = match asked.id {
            // What is there now is not behind it.
            b"$" => continue,
            b">" => {
                return Err(Error::fixed(
                    "ERR The > ID can be specified only when calling XREADGROUP using the GROUP <group> <consumer> option.",
                ));
            }
            id => Id::read(id, 0)?,
        };
        if let Some(stream) = stream
            && stream.last_entry_id() > Some(after)
        {
            found.push((asked.key, stream, after));
        }
    }
    if found.is_empty() {
        return nothing(&options, reply);
    }
    begin(found.len(), reply);
    for (key, stream, after) in found {
        begin_stream(key, reply);
        let count_max = options.count_max();
        range::answer(stream, behind(after), Id::MAX, count_max, false, reply);
    }
    Ok(())
}

/// What a consumer asks for of one stream.
#[derive(Clone, Copy, Debug)]
enum Wish {
    /// Entries that the group was not given yet.
    New,
    /// Entries behind an id that the consumer was given and has not acknowledged.
    Old(Id),
}

/// The entries that each stream is asked for, once all of them are known to be there, with the group.
fn wishes<'a>(
    view: &View<'_>,
    arguments: &Arguments<'a>,
    options: &Options<'a>,
    is_serving: bool,
) -> Result<Vec<(&'a [u8], Wish)>, Error> {
    let Some((name, _)) = options.group else {
        return Err(Error::Syntax);
    };
    let mut wishes = Vec::with_capacity(options.count);
    for asked in options.streams(arguments) {
        let stream = view.stream(asked.key);
        if is_serving && !matches!(stream, Ok(Some(_))) {
            return Err(Error::fixed("UNBLOCKED the stream key no longer exists"));
        }
        if stream?.is_none_or(|stream| stream.group(name).is_none()) {
            return Err(match is_serving {
                true => Error::fixed(
                    "NOGROUP the consumer group this client was blocked on no longer exists",
                ),
                false => Error::line(format!(
                    "NOGROUP No such key '{}' or consumer group '{}' in XREADGROUP with GROUP option",
                    told(asked.key),
                    told(name)
                )),
            });
        }
        let wish = match asked.id {
            b"$" => {
                return Err(Error::fixed(
                    "ERR The $ ID is meaningless in the context of XREADGROUP: you want to read the history of this \
                     consumer by specifying a proper ID, or use the > ID to get new messages. The $ ID would just \
                     return an empty result set.",
                ));
            }
            b">" => Wish::New,
            id => match Id::read(id, 0)? {
                Id::MAX => Wish::New,
                id => Wish::Old(id),
            },
        };
        wishes.push((asked.key, wish));
    }
    Ok(wishes)
}

/// Leaves those wishes out for which there is no answer.
fn answered<'a>(
    view: &View<'_>,
    options: &Options<'_>,
    wishes: Vec<(&'a [u8], Wish)>,
) -> Vec<(&'a [u8], Wish)> {
    let name = options.group.map_or(&b""[..], |group| group.0);
    // Of streams that are named more than once: the last entry that will have been given by then.
    let mut given: BTreeMap<&[u8], Id> = BTreeMap::new();
    let has_several = wishes.len() > 1;
    let mut answered = Vec::with_capacity(wishes.len());
    for (key, wish) in wishes {
        if matches!(wish, Wish::New) {
            let Some(stream) = view.peek_stream(key) else {
                continue;
            };
            let last = stream.group(name).map_or(Id::MAX, Group::last_id);
            let last = given.get(key).copied().unwrap_or(last);
            if stream.last_entry_id() <= Some(last) {
                continue;
            }
            if has_several {
                let count = options.count_max().saturating_sub(1);
                let mut entries = stream.range(behind(last), Id::MAX);
                let until = match options.count_max {
                    None => stream.last_entry_id(),
                    Some(_) => entries.nth(count).map(|entry| entry.id),
                };
                let until = until.or(stream.last_entry_id());
                given.insert(key, until.unwrap_or(last));
            }
        }
        answered.push((key, wish));
    }
    answered
}

/// False if nothing is there for the consumer: then it gets nothing, or waits.
pub(super) fn xreadgroup_would_write(view: &View<'_>, arguments: &Arguments<'_>) -> bool {
    let Ok(options) = Options::parse(arguments, true) else {
        return true;
    };
    match wishes(view, arguments, &options, false) {
        Err(_) => true,
        Ok(wishes) => {
            // An expired stream that nobody has removed yet is an error by now.
            !answered(view, &options, wishes).is_empty()
        }
    }
}

pub(super) fn xreadgroup(
    context: &mut Context<'_>,
    arguments: &Arguments<'_>,
    reply: &mut dyn Reply,
) -> Result<(), Error> {
    let options = Options::parse(arguments, true)?;
    for asked in options.streams(arguments) {
        // Removed if its time has come.
        context.exists(asked.key);
    }
    let view = context.view();
    let wishes = wishes(&view, arguments, &options, context.is_serving)?;
    let answered = answered(&view, &options, wishes);
    if answered.is_empty() {
        return nothing(&options, reply);
    }
    begin(answered.len(), reply);
    for (key, wish) in answered {
        begin_stream(key, reply);
        deliver(context, &options, key, wish, reply)?;
    }
    Ok(())
}

/// Gives a consumer what it asked for of one stream, and answers it.
fn deliver(
    context: &mut Context<'_>,
    options: &Options<'_>,
    key: &[u8],
    wish: Wish,
    reply: &mut dyn Reply,
) -> Result<(), Error> {
    let Some((name, consumer_name)) = options.group else {
        return Err(Error::Syntax);
    };
    let now_ms = context.now_ms;
    let Some(HeldStream { stream, slice, .. }) = context.stream_mut(key)? else {
        return Err(Error::NoSuchKey);
    };
    let facts = stream.facts();
    let count = match wish {
        Wish::New => {
            let last = stream.group(name).map_or(Id::MAX, Group::last_id);
            stream.count(behind(last), Id::MAX, options.count_max())
        }
        Wish::Old(_) => 0,
    };
    let Some((entries, group)) = stream.split_mut(name) else {
        return Err(Error::NoSuchKey);
    };
    let known = group.consumer_number(consumer_name);
    let number = match known {
        Some(number) => number,
        None => group.add_consumer(consumer_name, now_ms, NEVER_MS, slice),
    };
    match wish {
        Wish::New => {
            group.seen(number, now_ms, count > 0, slice);
            reply.array(count);
            let mut last = (group.last_id(), group.entries_read());
            for entry in entries.range(behind(last.0), Id::MAX).take(count) {
                let read = match last.1 {
                    Some(read) if !facts.has_gap_from(entry.id) => Some(read.wrapping_add(1)),
                    _ => facts.added_until(entry.id),
                };
                last = (entry.id, read);
                entry.answer(reply);
                if !options.is_acknowledged {
                    let delivery = Delivery {
                        id: entry.id,
                        time_ms: now_ms,
                        count: 1,
                        consumer: number,
                    };
                    group.deliver(delivery, slice);
                }
            }
            group.set_last_id(last.0, last.1, slice);
        }
        Wish::Old(after) => {
            let pending = group.consumer(number).map(|consumer| {
                let ids = consumer.pending.range(behind(after)..);
                ids.take(options.count_max()).copied().collect::<Vec<Id>>()
            });
            let pending = pending.unwrap_or_default();
            group.seen(number, now_ms, false, slice);
            reply.array(pending.len());
            for id in pending {
                match entries.get(id) {
                    Some(entry) => {
                        entry.answer(reply);
                        if let Some(row) = group.row_mut(id, slice) {
                            row.time_ms = now_ms;
                            row.count = row.count.wrapping_add(1);
                        }
                    }
                    None => answer_gone(id, reply),
                }
            }
        }
    }
    context.changed_more(1);
    if known.is_none() {
        context.changed_more(1);
        context.notify(Class::STREAM, "xgroup-createconsumer", key);
    }
    Ok(())
}

/// Answers an entry that was delivered and is not there any more.
fn answer_gone(id: Id, reply: &mut dyn Reply) {
    reply.array(2);
    id.answer(reply);
    reply.null_array();
}

/// Answers an entry, or only its id.
pub(super) fn answer_entry(entry: &Entry<'_>, is_only_id: bool, reply: &mut dyn Reply) {
    if is_only_id {
        entry.id.answer(reply);
    } else {
        entry.answer(reply);
    }
}
