//! `SORT` and `SORT_RO`.

use std::borrow::Cow;
use std::cmp::Ordering;

use crate::bytes::Bytes;
use crate::command::{Command, Flags, Group, Keys};
use crate::context::{Context, Expiry};
use crate::effects::Class;
use crate::list::{End, Fill, List};
use crate::number::{self, Decimal};
use crate::value::{Object, Value, ValueRef};
use crate::view::View;
use crate::{Arguments, Error, Reply};

/// The commands of this file.
pub(crate) static COMMANDS: &[Command] = &[
    Command::write(
        "sort",
        -2,
        Group::Generic,
        "1.0.0",
        "Sorts the elements of a list, set or sorted set, and may keep them.",
        sort,
    )
    .and(Flags::MOVABLE_KEYS)
    .keys(Keys::Function(|arguments, positions| {
        positions.push(1);
        if let Ok(query) = Query::read(arguments, true) {
            positions.extend(query.store);
        }
    }))
    .would_write(|_, arguments| {
        Query::read(arguments, true).is_ok_and(|query| query.store.is_some())
    }),
    Command::read(
        "sort_ro",
        -2,
        Group::Generic,
        "7.0.0",
        "Sorts the elements of a list, set or sorted set.",
        sort_ro,
    )
    .and(Flags::MOVABLE_KEYS),
];

/// What a command asks for.
#[derive(Debug, Default)]
struct Query<'a> {
    is_descending: bool,
    is_text: bool,
    start: i64,
    /// Negative for all.
    count: i64,
    by: Option<&'a [u8]>,
    get: Vec<&'a [u8]>,
    /// Where the key to keep the elements under stands among the arguments.
    store: Option<usize>,
}

impl<'a> Query<'a> {
    fn read(arguments: &Arguments<'a>, may_store: bool) -> Result<Self, Error> {
        let mut query = Self {
            count: -1,
            ..Self::default()
        };
        let mut position = 2;
        while position < arguments.len() {
            let values = arguments.len() - position - 1;
            let value = arguments.at(position + 1);
            let mut taken = 2;
            if arguments.is(position, "asc") {
                query.is_descending = false;
                taken = 1;
            } else if arguments.is(position, "desc") {
                query.is_descending = true;
                taken = 1;
            } else if arguments.is(position, "alpha") {
                query.is_text = true;
                taken = 1;
            } else if arguments.is(position, "limit") && values >= 2 {
                query.start = number::integer(value).ok_or(Error::NotInteger)?;
                let count = number::integer(arguments.at(position + 2));
                query.count = count.ok_or(Error::NotInteger)?;
                taken = 3;
            } else if may_store && arguments.is(position, "store") && values >= 1 {
                query.store = Some(position + 1);
            } else if arguments.is(position, "by") && values >= 1 {
                query.by = Some(value);
            } else if arguments.is(position, "get") && values >= 1 {
                query.get.push(value);
            } else {
                return Err(Error::Syntax);
            }
            position += taken;
        }
        Ok(query)
    }

    /// Which of `length` elements are wanted.
    fn range(&self, length: usize) -> std::ops::Range<usize> {
        let within = |bound: i64| usize::try_from(bound.max(0)).unwrap_or(length).min(length);
        let start = within(self.start);
        let end = match self.count {
            ..0 => length,
            count => start.saturating_add(within(count)).min(length),
        };
        start..end
    }
}

/// An element, and what it is sorted by.
struct Weighed {
    element: Bytes,
    weight: Weight,
}

enum Weight {
    /// The element itself, as text.
    Element,
    Number(f64),
    /// What lies under another key; nothing comes first.
    Text(Option<Bytes>),
}

impl Weighed {
    fn compare(&self, other: &Self) -> Ordering {
        match (&self.weight, &other.weight) {
            (Weight::Number(one), Weight::Number(two)) => one
                .partial_cmp(two)
                .unwrap_or(Ordering::Equal)
                .then_with(|| self.element[..].cmp(&other.element[..])),
            (Weight::Text(one), Weight::Text(two)) => one.as_deref().cmp(&two.as_deref()),
            _ => self.element[..].cmp(&other.element[..]),
        }
    }
}

/// The elements that a query asks for, in order.
fn elements(view: &View<'_>, key: &[u8], query: &Query<'_>) -> Result<Vec<Bytes>, Error> {
    let object = match view.entry(key).map(|entry| entry.value()) {
        None => return Ok(Vec::new()),
        Some(ValueRef::Object(
            object @ (Object::List(_) | Object::Set(_) | Object::SortedSet(_)),
        )) => object,
        Some(_) => return Err(Error::WrongType),
    };
    let range = query.range(object.len());
    let mut is_sorted_by_text = query.is_text;
    let mut by = query.by;
    if let Some(pattern) = by
        && !pattern.contains(&b'*')
    {
        if !(matches!(object, Object::Set(_)) && (query.store.is_some() || view.is_scripted)) {
            return Ok(in_place(object, range, query.is_descending));
        }
        // What is kept, or a script goes by, must not depend on the order that a set happens to have.
        is_sorted_by_text = true;
        by = None;
    }
    let mut weighed: Vec<Weighed> = in_place(object, 0..object.len(), false)
        .into_iter()
        .map(|element| Weighed {
            element,
            weight: Weight::Element,
        })
        .collect();
    let mut scratch = Vec::new();
    for item in &mut weighed {
        item.weight = match (by, is_sorted_by_text) {
            (None, true) => Weight::Element,
            (None, false) => Weight::Number(weight(&item.element)?),
            (Some(pattern), true) => {
                let text = look_up(view, pattern, &item.element, &mut scratch);
                Weight::Text(text.map(|text| Bytes::from(&*text)))
            }
            (Some(pattern), false) => match look_up(view, pattern, &item.element, &mut scratch) {
                None => Weight::Number(0.0),
                Some(text) => Weight::Number(weight(&text)?),
            },
        };
    }
    let order = |one: &Weighed, other: &Weighed| match query.is_descending {
        false => one.compare(other),
        true => other.compare(one),
    };
    // What is behind the last that is wanted need not be in order. Elements of equal texts stay in the order they were
    // in, so with those all have to be sorted; others are equal only if they are the same.
    let has_equals = by.is_some() && is_sorted_by_text;
    if !has_equals && (1..weighed.len()).contains(&range.end) {
        weighed.select_nth_unstable_by(range.end - 1, order);
        weighed.truncate(range.end);
    }
    weighed.sort_by(order);
    let wanted = weighed.into_iter().take(range.end).skip(range.start);
    Ok(wanted.map(|item| item.element).collect())
}

/// The elements of a range in the order that the collection has; a list's and a sorted set's from the end if
/// `is_reverse`.
fn in_place(object: &Object, range: std::ops::Range<usize>, is_reverse: bool) -> Vec<Bytes> {
    let mut found = Vec::with_capacity(range.len());
    match object {
        Object::List(list) if is_reverse => {
            let elements = list.iter().rev().skip(range.start).take(range.len());
            found.extend(elements.map(Bytes::from));
        }
        Object::List(list) => {
            let elements = list.iter_from(range.start).take(range.len());
            found.extend(elements.map(Bytes::from));
        }
        Object::Set(set) => {
            let members = set.iter().skip(range.start).take(range.len());
            found.extend(members.map(|member| member.with_bytes(|bytes| Bytes::from(bytes))));
        }
        Object::SortedSet(set) => {
            set.each(range.start, range.len(), is_reverse, |row| {
                found.push(row.member.clone());
            });
        }
        // Nothing else is sorted.
        Object::Hash(_) | Object::LongString(_) | Object::Stream(_) => {}
    }
    found
}

/// The number that an element or a weight says, as C's `strtod` reads it: blanks may come first, nothing at all is
/// nought.
fn weight(text: &[u8]) -> Result<f64, Error> {
    if text.is_empty() {
        return Ok(0.0);
    }
    let blanks = text
        .iter()
        .take_while(|byte| matches!(byte, b' ' | b'\t'..=b'\r'))
        .count();
    number::double(&text[blanks..]).ok_or(Error::fixed(
        "ERR One or more scores can't be converted into double",
    ))
}

/// What a pattern of `BY` or `GET` finds for an element: the string at the key that the pattern becomes with the element
/// in place of its first star, or the field of the hash there that stands behind `->`. The key is put together in `key`.
fn look_up<'v>(
    view: &View<'v>,
    pattern: &[u8],
    element: &'v [u8],
    key: &mut Vec<u8>,
) -> Option<Cow<'v, [u8]>> {
    if pattern == b"#" {
        return Some(Cow::Borrowed(element));
    }
    let star = pattern.iter().position(|&byte| byte == b'*')?;
    let (before, after) = (&pattern[..star], &pattern[star + 1..]);
    let arrow = after.windows(2).position(|pair| pair == b"->");
    let (after, field) = match arrow {
        Some(arrow) if arrow + 2 < after.len() => (&after[..arrow], Some(&after[arrow + 2..])),
        _ => (after, None),
    };
    key.clear();
    key.extend_from_slice(before);
    key.extend_from_slice(element);
    key.extend_from_slice(after);
    match (view.entry(key)?.value(), field) {
        (ValueRef::Object(Object::Hash(hash)), Some(field)) => hash.get(field).map(Cow::Borrowed),
        (ValueRef::String(text), None) => Some(Cow::Borrowed(text)),
        (ValueRef::Integer(integer), None) => {
            Some(Cow::Owned(Decimal::new(integer).as_bytes().to_vec()))
        }
        _ => None,
    }
}

fn answer(
    view: &View<'_>,
    key: &[u8],
    query: &Query<'_>,
    reply: &mut dyn Reply,
) -> Result<(), Error> {
    let elements = elements(view, key, query)?;
    reply.array(elements.len() * query.get.len().max(1));
    let mut scratch = Vec::new();
    for element in &elements {
        if query.get.is_empty() {
            reply.bulk(element);
        }
        for pattern in &query.get {
            match look_up(view, pattern, element, &mut scratch) {
                Some(found) => reply.bulk(&found),
                None => reply.null(),
            }
        }
    }
    Ok(())
}

fn sort_ro(view: &View<'_>, arguments: &Arguments<'_>, reply: &mut dyn Reply) -> Result<(), Error> {
    let query = Query::read(arguments, false)?;
    answer(view, arguments.at(1), &query, reply)
}

fn sort(
    context: &mut Context<'_>,
    arguments: &Arguments<'_>,
    reply: &mut dyn Reply,
) -> Result<(), Error> {
    let query = Query::read(arguments, true)?;
    let key = arguments.at(1);
    let Some(store) = query.store else {
        return answer(&context.view(), key, &query, reply);
    };
    let elements = elements(&context.view(), key, &query)?;
    let target = arguments.at(store);
    let count = elements.len() * query.get.len().max(1);
    if count == 0 {
        if context.remove(target) {
            context.changed(target);
            context.notify(Class::GENERIC, "del", target);
        }
        reply.integer(0);
        return Ok(());
    }
    let mut found: Vec<Bytes> = Vec::new();
    if !query.get.is_empty() {
        let view = context.view();
        let mut scratch = Vec::new();
        for element in &elements {
            for pattern in &query.get {
                let text = look_up(&view, pattern, element, &mut scratch).unwrap_or_default();
                found.push(Bytes::from(&*text));
            }
        }
    }
    let kept = if query.get.is_empty() {
        &elements
    } else {
        &found
    };
    let fill = Fill::of(context.settings().list_listpack_size);
    let slice = &mut context.keyspace.slice;
    let mut list = List::new(slice);
    for element in kept {
        list.push(End::Right, element, fill, slice);
    }
    let value = Value::Object(Box::new(Object::List(list)));
    context.set(target, value, Expiry::Never);
    context.changed(target);
    context.changed_more(count as u64 - 1);
    context.notify(Class::LIST, "sortstore", target);
    reply.integer(count as i64);
    Ok(())
}
