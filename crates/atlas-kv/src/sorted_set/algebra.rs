//! Unions, intersections and differences of sorted sets; sets count as sorted sets with scores of 1.

use std::ops::Deref;

use hashbrown::HashTable;

use crate::bytes::Bytes;
use crate::context::Context;
use crate::hashing::hash;
use crate::number;
use crate::set::{Member, Set};
use crate::sorted_set::read::{answer_row, begin_rows};
use crate::sorted_set::{Made, Row, SortedSet, by_score};
use crate::value::{Collection, Object, ValueRef};
use crate::view::View;
use crate::{Arguments, Error, Reply};

/// How inputs are put together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Operation {
    Union,
    Intersection,
    Difference,
}

/// What becomes of the scores of a member of several inputs.
#[derive(Clone, Copy, Debug)]
enum Aggregate {
    Sum,
    Min,
    Max,
}

/// What the result is for: that decides which options there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Purpose {
    Answer,
    Store,
    Count,
}

/// An input: what lies at a key, and what its scores count.
#[derive(Clone, Copy)]
struct Input<'a> {
    members: Members<'a>,
    weight: f64,
}

#[derive(Clone, Copy)]
enum Members<'a> {
    None,
    Sorted(&'a SortedSet),
    /// Every score is 1.
    Plain(&'a Set),
}

/// A member of the result.
enum Name<'a> {
    Borrowed(&'a [u8]),
    /// The decimal form of an integer, which lies nowhere.
    Made(Bytes),
}

impl Deref for Name<'_> {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        match self {
            Self::Borrowed(name) => name,
            Self::Made(name) => name,
        }
    }
}

impl<'a> From<Member<'a>> for Name<'a> {
    fn from(member: Member<'a>) -> Self {
        match member {
            Member::Text(name) => Self::Borrowed(name),
            member @ Member::Integer(_) => Self::Made(member.with_bytes(|name| Bytes::from(name))),
        }
    }
}

/// A command's arguments, read.
struct Request<'a> {
    inputs: Vec<Input<'a>>,
    aggregate: Aggregate,
    with_scores: bool,
    limit: usize,
}

impl<'a> Members<'a> {
    fn of(value: Option<ValueRef<'a>>) -> Result<Self, Error> {
        match value {
            None => Ok(Self::None),
            Some(ValueRef::Object(Object::SortedSet(set))) => Ok(Self::Sorted(set)),
            Some(ValueRef::Object(Object::Set(set))) => Ok(Self::Plain(set)),
            Some(_) => Err(Error::WrongType),
        }
    }

    fn len(self) -> usize {
        match self {
            Self::None => 0,
            Self::Sorted(set) => set.len(),
            Self::Plain(set) => set.len(),
        }
    }

    fn score(self, member: &[u8]) -> Option<f64> {
        match self {
            Self::None => None,
            Self::Sorted(set) => set.score(member),
            Self::Plain(set) => set.contains(member).then_some(1.0),
        }
    }

    /// Shows members and scores, until `show` says no.
    fn each(self, mut show: impl FnMut(Name<'a>, f64) -> bool) {
        let _ = match self {
            Self::None => true,
            Self::Sorted(set) => set
                .iter()
                .all(|row| show(Name::Borrowed(&row.member), row.score)),
            Self::Plain(set) => set.iter().all(|member| show(member.into(), 1.0)),
        };
    }
}

impl Aggregate {
    fn of(self, left: f64, right: f64) -> f64 {
        match self {
            // What is infinite in both directions is nothing.
            Self::Sum => number_or_zero(left + right),
            Self::Min if right < left => right,
            Self::Max if right > left => right,
            Self::Min | Self::Max => left,
        }
    }
}

fn number_or_zero(score: f64) -> f64 {
    if score.is_nan() { 0.0 } else { score }
}

impl<'a> Request<'a> {
    fn parse(
        view: &View<'a>,
        arguments: &Arguments<'_>,
        number_at: usize,
        command: &str,
        operation: Operation,
        purpose: Purpose,
    ) -> Result<Self, Error> {
        let number = number::integer(arguments.at(number_at)).ok_or(Error::NotInteger)?;
        if number < 1 {
            return Err(Error::line(format!(
                "ERR at least 1 input key is needed for '{command}' command"
            )));
        }
        let keys = arguments.skip(number_at + 1);
        let number = usize::try_from(number).unwrap_or(usize::MAX);
        if number > keys.len() {
            return Err(Error::Syntax);
        }
        let mut inputs = Vec::with_capacity(number);
        for key in keys.part(0..number).iter() {
            let value = view.entry(key).map(|entry| entry.value());
            inputs.push(Input {
                members: Members::of(value)?,
                weight: 1.0,
            });
        }
        let mut request = Self {
            inputs,
            aggregate: Aggregate::Sum,
            with_scores: false,
            limit: usize::MAX,
        };
        let options = keys.skip(number);
        let has_scores = operation != Operation::Difference && purpose != Purpose::Count;
        let mut at = 0;
        while at < options.len() {
            let left = options.len() - at;
            if has_scores && left > number && options.is(at, "weights") {
                for (input, weight) in request.inputs.iter_mut().zip(options.skip(at + 1).iter()) {
                    input.weight = number::double(weight)
                        .ok_or(Error::fixed("ERR weight value is not a float"))?;
                }
                at += number;
            } else if has_scores && left >= 2 && options.is(at, "aggregate") {
                at += 1;
                request.aggregate = if options.is(at, "sum") {
                    Aggregate::Sum
                } else if options.is(at, "min") {
                    Aggregate::Min
                } else if options.is(at, "max") {
                    Aggregate::Max
                } else {
                    return Err(Error::Syntax);
                };
            } else if purpose == Purpose::Answer && options.is(at, "withscores") {
                request.with_scores = true;
            } else if purpose == Purpose::Count && left >= 2 && options.is(at, "limit") {
                at += 1;
                let limit = number::integer(options.at(at))
                    .and_then(|limit| usize::try_from(limit).ok())
                    .ok_or(Error::fixed("ERR LIMIT can't be negative"))?;
                request.limit = if limit == 0 { usize::MAX } else { limit };
            } else {
                return Err(Error::Syntax);
            }
            at += 1;
        }
        Ok(request)
    }

    /// The members of the result with their scores, in no order that means anything.
    fn result(&mut self, operation: Operation) -> Vec<(Name<'a>, f64)> {
        if operation != Operation::Difference {
            // The smallest first: it decides how long an intersection takes, and it fixes in which order scores are
            // added.
            self.inputs.sort_by_key(|input| input.members.len());
        }
        match operation {
            Operation::Union => self.union(),
            Operation::Intersection => {
                let mut result = Vec::new();
                self.intersect(|member, score| {
                    result.push((member, score));
                    true
                });
                result
            }
            Operation::Difference => self.difference(),
        }
    }

    fn union(&self) -> Vec<(Name<'a>, f64)> {
        let largest = self.inputs.last().map_or(0, |input| input.members.len());
        let mut result: Vec<(Name<'_>, f64)> = Vec::with_capacity(largest);
        let mut index: HashTable<u32> = HashTable::with_capacity(largest);
        for input in &self.inputs {
            input.members.each(|member, score| {
                let score = number_or_zero(score * input.weight);
                let hashed = hash(&member);
                let is_same = |&at: &u32| *result[at as usize].0 == *member;
                if let Some(&at) = index.find(hashed, is_same) {
                    let aggregated = &mut result[at as usize].1;
                    *aggregated = self.aggregate.of(*aggregated, score);
                } else {
                    index.insert_unique(hashed, result.len() as u32, |&at| {
                        hash(&result[at as usize].0)
                    });
                    result.push((member, score));
                }
                true
            });
        }
        result
    }

    /// Shows the members that all inputs have, the smallest of which is the first, until `show` says no.
    fn intersect(&self, mut show: impl FnMut(Name<'a>, f64) -> bool) {
        let Some((first, others)) = self.inputs.split_first() else {
            return;
        };
        first.members.each(|member, score| {
            let mut aggregated = number_or_zero(score * first.weight);
            for other in others {
                let Some(score) = other.members.score(&member) else {
                    return true;
                };
                aggregated = self.aggregate.of(aggregated, score * other.weight);
            }
            show(member, aggregated)
        });
    }

    fn difference(&self) -> Vec<(Name<'a>, f64)> {
        let mut result = Vec::new();
        if let Some((first, others)) = self.inputs.split_first() {
            first.members.each(|member, score| {
                if others
                    .iter()
                    .all(|other| other.members.score(&member).is_none())
                {
                    result.push((member, score));
                }
                true
            });
        }
        result
    }
}

fn answer(
    view: &View<'_>,
    arguments: &Arguments<'_>,
    reply: &mut dyn Reply,
    command: &str,
    operation: Operation,
) -> Result<(), Error> {
    let mut request = Request::parse(view, arguments, 1, command, operation, Purpose::Answer)?;
    let mut result = request.result(operation);
    result.sort_unstable_by(|left, right| by_score((left.1, &left.0), (right.1, &right.0)));
    begin_rows(reply, result.len(), request.with_scores);
    for (member, score) in result {
        answer_row(reply, &member, score, request.with_scores);
    }
    Ok(())
}

fn store(
    context: &mut Context<'_>,
    arguments: &Arguments<'_>,
    reply: &mut dyn Reply,
    command: &'static str,
    operation: Operation,
) -> Result<(), Error> {
    // Sources whose time has come are removed, though they count as absent anyway.
    let mut sources = Vec::new();
    context.command.keys.find(arguments, &mut sources);
    for source in sources.into_iter().skip(1) {
        context.exists(arguments.at(source));
    }
    let view = context.view();
    let mut request = Request::parse(&view, arguments, 2, command, operation, Purpose::Store)?;
    let result = request.result(operation).into_iter();
    let rows = result.map(|(member, score)| Row {
        member: match member {
            Name::Borrowed(member) => member.into(),
            Name::Made(member) => member,
        },
        score,
    });
    let rows = rows.collect();
    context.store_sorted_set(arguments.at(1), rows, Made::Whole, command, reply);
    Ok(())
}

pub(super) fn zunion(
    view: &View<'_>,
    arguments: &Arguments<'_>,
    reply: &mut dyn Reply,
) -> Result<(), Error> {
    answer(view, arguments, reply, "zunion", Operation::Union)
}

pub(super) fn zinter(
    view: &View<'_>,
    arguments: &Arguments<'_>,
    reply: &mut dyn Reply,
) -> Result<(), Error> {
    answer(view, arguments, reply, "zinter", Operation::Intersection)
}

pub(super) fn zdiff(
    view: &View<'_>,
    arguments: &Arguments<'_>,
    reply: &mut dyn Reply,
) -> Result<(), Error> {
    answer(view, arguments, reply, "zdiff", Operation::Difference)
}

pub(super) fn zunionstore(
    context: &mut Context<'_>,
    arguments: &Arguments<'_>,
    reply: &mut dyn Reply,
) -> Result<(), Error> {
    store(context, arguments, reply, "zunionstore", Operation::Union)
}

pub(super) fn zinterstore(
    context: &mut Context<'_>,
    arguments: &Arguments<'_>,
    reply: &mut dyn Reply,
) -> Result<(), Error> {
    let operation = Operation::Intersection;
    store(context, arguments, reply, "zinterstore", operation)
}

pub(super) fn zdiffstore(
    context: &mut Context<'_>,
    arguments: &Arguments<'_>,
    reply: &mut dyn Reply,
) -> Result<(), Error> {
    let operation = Operation::Difference;
    store(context, arguments, reply, "zdiffstore", operation)
}

pub(super) fn zintercard(
    view: &View<'_>,
    arguments: &Arguments<'_>,
    reply: &mut dyn Reply,
) -> Result<(), Error> {
    let operation = Operation::Intersection;
    let purpose = Purpose::Count;
    let mut request = Request::parse(view, arguments, 1, "zintercard", operation, purpose)?;
    request.inputs.sort_by_key(|input| input.members.len());
    let mut count = 0;
    request.intersect(|_, _| {
        count += 1;
        count < request.limit
    });
    reply.integer(count as i64);
    Ok(())
}
