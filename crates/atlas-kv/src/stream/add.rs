//! `XADD` and `XTRIM`.

use crate::context::Context;
use crate::effects::Class;
use crate::stream::block::Fields;
use crate::stream::commands::{HeldStream, integer};
use crate::stream::id::{Id, Wanted};
use crate::stream::{Stream, Trim};
use crate::view::View;
use crate::{Arguments, Error, Reply};

/// Fields and values of one entry together, as in Redis.
const ENTRY_BYTES_MAX: usize = 1 << 30;
/// How many blocks go at most if a stream is cut approximately and no limit is said.
const LIMIT_BLOCKS: u64 = 100;
/// The same in entries, where a block's length has no bound, or none to be taken seriously.
const LIMIT_ENTRIES: u64 = 10_000;
const LIMIT_ENTRIES_MAX: u64 = 1_000_000;

/// How a stream is to be cut.
#[derive(Clone, Copy, Debug)]
struct Cut {
    to: Trim,
    is_approximate: bool,
    /// 0 is none.
    limit: u64,
}

/// What stands before an entry's fields, or behind `XTRIM`'s key.
#[derive(Debug)]
struct Options {
    cut: Option<Cut>,
    is_only_existing: bool,
    /// Of `XADD`: the entry's id, and where its fields begin.
    wanted: Wanted,
    fields: usize,
}

/// Fields and values in turn.
struct Pairs<'a>(Arguments<'a>);

impl Fields for Pairs<'_> {
    fn count(&self) -> usize {
        self.0.len() / 2
    }

    fn pair(&self, position: usize) -> (&[u8], &[u8]) {
        (self.0.at(position * 2), self.0.at(position * 2 + 1))
    }
}

impl Options {
    fn parse(
        arguments: &Arguments<'_>,
        is_add: bool,
        block_entries_max: u64,
    ) -> Result<Self, Error> {
        let mut options = Self {
            cut: None,
            is_only_existing: false,
            wanted: Wanted::Any,
            fields: arguments.len(),
        };
        let mut limit = None;
        let mut at = 2;
        while at < arguments.len() {
            let has_more = at + 1 < arguments.len();
            if is_add && arguments.at(at) == b"*" {
                options.fields = at + 1;
                break;
            }
            let is_length = arguments.is(at, "maxlen");
            if (is_length || arguments.is(at, "minid")) && has_more {
                if options.cut.is_some() {
                    return Err(Error::fixed(
                        "ERR syntax error, MAXLEN and MINID options at the same time are not compatible",
                    ));
                }
                let sign = (at + 2 < arguments.len()).then(|| arguments.at(at + 1));
                let is_approximate = sign == Some(b"~");
                at += 1 + usize::from(is_approximate || sign == Some(b"="));
                let to = if is_length {
                    let length = integer(arguments, at)?;
                    let length = u64::try_from(length)
                        .map_err(|_| Error::fixed("ERR The MAXLEN argument must be >= 0."))?;
                    Trim::Length(length)
                } else {
                    Trim::Id(Id::read(arguments.at(at), 0)?)
                };
                options.cut = Some(Cut {
                    to,
                    is_approximate,
                    limit: 0,
                });
            } else if arguments.is(at, "limit") && has_more {
                at += 1;
                let said = u64::try_from(integer(arguments, at)?)
                    .map_err(|_| Error::fixed("ERR The LIMIT argument must be >= 0."))?;
                limit = Some(said);
            } else if is_add && arguments.is(at, "nomkstream") {
                options.is_only_existing = true;
            } else if is_add {
                options.wanted = Wanted::read(arguments.at(at))?;
                options.fields = at + 1;
                break;
            } else {
                return Err(Error::Syntax);
            }
            at += 1;
        }
        let has_limit = limit.is_some_and(|limit| limit > 0);
        if options.cut.is_none() && has_limit {
            return Err(Error::fixed(
                "ERR syntax error, LIMIT cannot be used without specifying a trimming strategy",
            ));
        }
        if options.cut.is_none() && !is_add {
            return Err(Error::fixed(
                "ERR syntax error, XTRIM must be called with a trimming strategy",
            ));
        }
        let is_approximate = options.cut.is_some_and(|cut| cut.is_approximate);
        if limit.is_some() && !is_approximate {
            return Err(Error::fixed(
                "ERR syntax error, LIMIT cannot be used without the special ~ option",
            ));
        }
        if let Some(cut) = &mut options.cut
            && is_approximate
        {
            let blocks = block_entries_max.saturating_mul(LIMIT_BLOCKS);
            cut.limit = limit.unwrap_or(match blocks {
                0 => LIMIT_ENTRIES,
                limit => limit.min(LIMIT_ENTRIES_MAX),
            });
        }
        Ok(options)
    }
}

/// The id of a new entry.
fn id_of(stream: Option<&Stream>, wanted: Wanted, now_ms: i64) -> Result<Id, Error> {
    let last = stream.map_or(Id::MIN, Stream::last_id);
    if last == Id::MAX {
        return Err(Error::fixed(
            "ERR The stream has exhausted the last possible ID, unable to add more items",
        ));
    }
    let too_small = Error::fixed(
        "ERR The ID specified in XADD is equal or smaller than the target stream top item",
    );
    let id = match wanted {
        Wanted::Exactly(id) => id,
        Wanted::At(ms) if ms == last.ms => {
            let seq = last.seq.checked_add(1).ok_or_else(|| too_small.clone())?;
            Id { ms, seq }
        }
        Wanted::At(ms) => Id { ms, seq: 0 },
        Wanted::Any => {
            let now = u64::try_from(now_ms).unwrap_or_default();
            if now > last.ms {
                Id { ms: now, seq: 0 }
            } else {
                last.next().ok_or_else(|| too_small.clone())?
            }
        }
    };
    if id <= last { Err(too_small) } else { Ok(id) }
}

pub(super) fn xadd(
    context: &mut Context<'_>,
    arguments: &Arguments<'_>,
    reply: &mut dyn Reply,
) -> Result<(), Error> {
    let options = Options::parse(arguments, true, context.settings().stream_node_entries_max)?;
    let fields = arguments.skip(options.fields);
    if fields.len() < 2 || !fields.len().is_multiple_of(2) {
        return Err(context.command.arity_error());
    }
    if options.wanted == Wanted::Exactly(Id::MIN) {
        return Err(Error::fixed(
            "ERR The ID specified in XADD must be greater than 0-0",
        ));
    }
    let is_too_large = fields.bytes_len() > ENTRY_BYTES_MAX;
    let key = arguments.at(1);
    let now_ms = context.now_ms;
    let held = if options.is_only_existing || is_too_large {
        match context.stream_mut(key)? {
            Some(held) => held,
            None if options.is_only_existing => {
                reply.null();
                return Ok(());
            }
            None => return Err(TOO_LARGE),
        }
    } else {
        // A stream that is made for this takes any id that has come so far.
        context.stream_or_new(key)?
    };
    let HeldStream {
        stream,
        slice,
        settings,
    } = held;
    let id = id_of(Some(stream), options.wanted, now_ms)?;
    if is_too_large {
        return Err(TOO_LARGE);
    }
    stream.add(id, &Pairs(fields), settings, slice);
    let cut = options
        .cut
        .map(|cut| stream.trim(cut.to, cut.is_approximate, cut.limit, slice));
    id.answer(reply);
    context.changed(key);
    context.notify(Class::STREAM, "xadd", key);
    if let Some((trimmed, part)) = cut
        && trimmed > 0
    {
        context.give_up_stream(part);
        context.notify(Class::STREAM, "xtrim", key);
    }
    Ok(())
}

const TOO_LARGE: Error = Error::fixed("ERR Elements are too large to be stored");

/// False if it adds to existing streams only, and there is none.
pub(super) fn xadd_would_write(view: &View<'_>, arguments: &Arguments<'_>) -> bool {
    arguments.at(2) == b"*"
        || view.holds(arguments.at(1))
        || Options::parse(arguments, true, 0).is_ok_and(|options| !options.is_only_existing)
}

pub(super) fn xtrim(
    context: &mut Context<'_>,
    arguments: &Arguments<'_>,
    reply: &mut dyn Reply,
) -> Result<(), Error> {
    let options = Options::parse(arguments, false, context.settings().stream_node_entries_max)?;
    let key = arguments.at(1);
    let Some(HeldStream { stream, slice, .. }) = context.stream_mut(key)? else {
        reply.integer(0);
        return Ok(());
    };
    let Some(cut) = options.cut else {
        return Err(Error::Syntax);
    };
    let (trimmed, part) = stream.trim(cut.to, cut.is_approximate, cut.limit, slice);
    if trimmed > 0 {
        context.give_up_stream(part);
        context.changed(key);
        context.changed_more(trimmed as u64 - 1);
        context.notify(Class::STREAM, "xtrim", key);
    }
    reply.integer(trimmed as i64);
    Ok(())
}
