//! Commands that look up members and ranges.

use crate::context::{Context, Expiry};
use crate::effects::Class;
use crate::sorted_set::range::{By, Range, Span};
use crate::sorted_set::{Made, Row, SortedSet};
use crate::value::{Collection, Object, Value};
use crate::view::View;
use crate::{Arguments, Error, Reply, number};

pub(super) fn zcard(
    view: &View<'_>,
    arguments: &Arguments<'_>,
    reply: &mut dyn Reply,
) -> Result<(), Error> {
    let set = view.sorted_set(arguments.at(1))?;
    reply.integer(set.map_or(0, Collection::len) as i64);
    Ok(())
}

pub(super) fn zscore(
    view: &View<'_>,
    arguments: &Arguments<'_>,
    reply: &mut dyn Reply,
) -> Result<(), Error> {
    let set = view.sorted_set(arguments.at(1))?;
    score(set, arguments.at(2), reply);
    Ok(())
}

pub(super) fn zmscore(
    view: &View<'_>,
    arguments: &Arguments<'_>,
    reply: &mut dyn Reply,
) -> Result<(), Error> {
    let set = view.sorted_set(arguments.at(1))?;
    let members = arguments.skip(2);
    reply.array(members.len());
    for member in members.iter() {
        score(set, member, reply);
    }
    Ok(())
}

fn score(set: Option<&SortedSet>, member: &[u8], reply: &mut dyn Reply) {
    match set.and_then(|set| set.score(member)) {
        Some(score) => reply.double(score),
        None => reply.null(),
    }
}

pub(super) fn zrank(
    view: &View<'_>,
    arguments: &Arguments<'_>,
    reply: &mut dyn Reply,
) -> Result<(), Error> {
    rank(view, arguments, reply, false)
}

pub(super) fn zrevrank(
    view: &View<'_>,
    arguments: &Arguments<'_>,
    reply: &mut dyn Reply,
) -> Result<(), Error> {
    rank(view, arguments, reply, true)
}

fn rank(
    view: &View<'_>,
    arguments: &Arguments<'_>,
    reply: &mut dyn Reply,
    is_reverse: bool,
) -> Result<(), Error> {
    let with_score = match arguments.len() {
        3 => false,
        4 if arguments.is(3, "withscore") => true,
        _ => return Err(Error::Syntax),
    };
    let found = view.sorted_set(arguments.at(1))?.and_then(|set| {
        let (rank, score) = set.rank(arguments.at(2))?;
        let rank = if is_reverse {
            set.len() - 1 - rank
        } else {
            rank
        };
        Some((rank as i64, score))
    });
    match found {
        None if with_score => reply.null_array(),
        None => reply.null(),
        Some((rank, score)) => {
            if with_score {
                reply.array(2);
            }
            reply.integer(rank);
            if with_score {
                reply.double(score);
            }
        }
    }
    Ok(())
}

pub(super) fn zcount(
    view: &View<'_>,
    arguments: &Arguments<'_>,
    reply: &mut dyn Reply,
) -> Result<(), Error> {
    count(view, arguments, reply, By::Score)
}

pub(super) fn zlexcount(
    view: &View<'_>,
    arguments: &Arguments<'_>,
    reply: &mut dyn Reply,
) -> Result<(), Error> {
    count(view, arguments, reply, By::Member)
}

fn count(
    view: &View<'_>,
    arguments: &Arguments<'_>,
    reply: &mut dyn Reply,
    by: By,
) -> Result<(), Error> {
    let range = Range::parse(by, arguments, 2, 3)?;
    let set = view.sorted_set(arguments.at(1))?;
    reply.integer(set.map_or(0, |set| range.span(set, false).count) as i64);
    Ok(())
}

/// What a command of the `ZRANGE` family asks for.
struct Request<'a> {
    key: &'a [u8],
    range: Range<'a>,
    is_reverse: bool,
    with_scores: bool,
    limit: Option<(i64, i64)>,
}

/// What the command's name leaves open.
#[derive(Clone, Copy)]
enum Form {
    /// `ZRANGE`: the options say what is counted, and from which end.
    Free,
    /// `ZRANGESTORE`: the same, and there is nothing to answer scores with.
    Store,
    /// The older commands: the name says it.
    Fixed { by: By, is_reverse: bool },
}

impl<'a> Request<'a> {
    /// Reads the arguments from the key's position on.
    fn parse(arguments: &Arguments<'a>, key_at: usize, form: Form) -> Result<Self, Error> {
        let is_free = !matches!(form, Form::Fixed { .. });
        let (mut by, mut is_reverse) = match form {
            Form::Fixed { by, is_reverse } => (Some(by), is_reverse),
            Form::Free | Form::Store => (None, false),
        };
        let mut may_reverse = is_free;
        let mut with_scores = false;
        let mut limit = None;
        let mut at = key_at + 3;
        while at < arguments.len() {
            if !matches!(form, Form::Store) && arguments.is(at, "withscores") {
                with_scores = true;
            } else if arguments.is(at, "limit") && at + 2 < arguments.len() {
                let integer =
                    |at: usize| number::integer(arguments.at(at)).ok_or(Error::NotInteger);
                limit = Some((integer(at + 1)?, integer(at + 2)?));
                at += 2;
            } else if may_reverse && arguments.is(at, "rev") {
                is_reverse = true;
                may_reverse = false;
            } else if by.is_none() && arguments.is(at, "bylex") {
                by = Some(By::Member);
            } else if by.is_none() && arguments.is(at, "byscore") {
                by = Some(By::Score);
            } else {
                return Err(Error::Syntax);
            }
            at += 1;
        }
        let by = by.unwrap_or(By::Rank);
        if by == By::Rank && limit.is_some_and(|(_, count)| count != -1) {
            return Err(Error::fixed(
                "ERR syntax error, LIMIT is only supported in combination with either BYSCORE or BYLEX",
            ));
        }
        if by == By::Member && with_scores {
            return Err(Error::fixed(
                "ERR syntax error, WITHSCORES not supported in combination with BYLEX",
            ));
        }
        let (lower, upper) = if is_reverse && by != By::Rank {
            (key_at + 2, key_at + 1)
        } else {
            (key_at + 1, key_at + 2)
        };
        Ok(Self {
            key: arguments.at(key_at),
            range: Range::parse(by, arguments, lower, upper)?,
            is_reverse,
            with_scores,
            limit,
        })
    }

    fn span(&self, set: &SortedSet) -> Span {
        let span = self.range.span(set, self.is_reverse);
        match self.limit {
            Some((offset, count)) if !matches!(self.range, Range::Ranks(..)) => {
                span.limited(offset, count)
            }
            _ => span,
        }
    }

    fn answer(&self, view: &View<'_>, reply: &mut dyn Reply) -> Result<(), Error> {
        let Some(set) = view.sorted_set(self.key)? else {
            reply.array(0);
            return Ok(());
        };
        let Span { skip, count } = self.span(set);
        begin_rows(reply, count, self.with_scores);
        set.each(skip, count, self.is_reverse, |row| {
            answer_row(reply, &row.member, row.score, self.with_scores);
        });
        Ok(())
    }
}

/// Announces rows: with scores RESP3 knows pairs, RESP2 only a list of twice as many.
pub(super) fn begin_rows(reply: &mut dyn Reply, count: usize, with_scores: bool) {
    if with_scores && !reply.is_resp3() {
        reply.array(count * 2);
    } else {
        reply.array(count);
    }
}

/// Answers a row that [`begin_rows`] announced.
pub(super) fn answer_row(reply: &mut dyn Reply, member: &[u8], score: f64, with_scores: bool) {
    if with_scores && reply.is_resp3() {
        reply.array(2);
    }
    reply.bulk(member);
    if with_scores {
        reply.double(score);
    }
}

pub(super) fn zrange(
    view: &View<'_>,
    arguments: &Arguments<'_>,
    reply: &mut dyn Reply,
) -> Result<(), Error> {
    Request::parse(arguments, 1, Form::Free)?.answer(view, reply)
}

pub(super) fn zrevrange(
    view: &View<'_>,
    arguments: &Arguments<'_>,
    reply: &mut dyn Reply,
) -> Result<(), Error> {
    answer_fixed(view, arguments, reply, By::Rank, true)
}

pub(super) fn zrangebyscore(
    view: &View<'_>,
    arguments: &Arguments<'_>,
    reply: &mut dyn Reply,
) -> Result<(), Error> {
    answer_fixed(view, arguments, reply, By::Score, false)
}

pub(super) fn zrevrangebyscore(
    view: &View<'_>,
    arguments: &Arguments<'_>,
    reply: &mut dyn Reply,
) -> Result<(), Error> {
    answer_fixed(view, arguments, reply, By::Score, true)
}

pub(super) fn zrangebylex(
    view: &View<'_>,
    arguments: &Arguments<'_>,
    reply: &mut dyn Reply,
) -> Result<(), Error> {
    answer_fixed(view, arguments, reply, By::Member, false)
}

pub(super) fn zrevrangebylex(
    view: &View<'_>,
    arguments: &Arguments<'_>,
    reply: &mut dyn Reply,
) -> Result<(), Error> {
    answer_fixed(view, arguments, reply, By::Member, true)
}

fn answer_fixed(
    view: &View<'_>,
    arguments: &Arguments<'_>,
    reply: &mut dyn Reply,
    by: By,
    is_reverse: bool,
) -> Result<(), Error> {
    Request::parse(arguments, 1, Form::Fixed { by, is_reverse })?.answer(view, reply)
}

pub(super) fn zrangestore(
    context: &mut Context<'_>,
    arguments: &Arguments<'_>,
    reply: &mut dyn Reply,
) -> Result<(), Error> {
    let request = Request::parse(arguments, 2, Form::Store)?;
    let mut rows = Vec::new();
    // A source whose time has come is removed, though it counts as absent anyway.
    context.exists(request.key);
    if let Some(set) = context.view().sorted_set(request.key)? {
        let Span { skip, count } = request.span(set);
        rows.reserve_exact(count);
        set.each(skip, count, request.is_reverse, |row| {
            rows.push(row.clone());
        });
    }
    let entries_max = context.settings().sorted_set_listpack_entries_max;
    let is_whole = matches!(request.range, Range::Ranks(..)) && rows.len() as u64 > entries_max;
    let made = if is_whole {
        Made::Whole
    } else {
        Made::Gradually
    };
    context.store_sorted_set(arguments.at(1), rows, made, "zrangestore", reply);
    Ok(())
}

impl Context<'_> {
    /// Sets a key to the sorted set of some rows, or removes it if there are none, and answers how many there are.
    pub(super) fn store_sorted_set(
        &mut self,
        key: &[u8],
        rows: Vec<Row>,
        made: Made,
        event: &'static str,
        reply: &mut dyn Reply,
    ) {
        let count = rows.len();
        if count > 0 {
            let object = self.keyspace.slice.object(SortedSet::TAG);
            let epoch = self.keyspace.slice.epoch();
            let replaced = self.view().sorted_set(key).ok().flatten();
            let set = SortedSet::of_rows(object, epoch, rows, made, replaced, self.settings());
            let value = Value::Object(Box::new(Object::SortedSet(set)));
            self.set(key, value, Expiry::Never);
            self.changed(key);
            self.notify(Class::SORTED_SET, event, key);
        } else if self.remove(key) {
            self.changed(key);
            self.notify(Class::GENERIC, "del", key);
        }
        reply.integer(count as i64);
    }
}
