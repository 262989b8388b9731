//! The keys of a table in the order in which everything of ours goes through them: numbers upwards, strings by their bytes,
//! false, true. Lua's own order depends on addresses and on the table's past.

use mlua::{Lua, Table, Value};

/// A key by its value: a reference to a string would take a place on a stack that has 8,000.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Key {
    Number(f64),
    Text(Box<[u8]>),
    Boolean(bool),
}

impl Key {
    /// What it leads to.
    pub(super) fn find(&self, lua: &Lua, table: &Table) -> mlua::Result<Value> {
        match self {
            Self::Number(number) => table.raw_get(*number),
            Self::Text(text) => table.raw_get(lua.create_string(text)?),
            Self::Boolean(yes) => table.raw_get(*yes),
        }
    }

    fn rank(&self) -> u8 {
        match self {
            Self::Number(_) => 0,
            Self::Text(_) => 1,
            Self::Boolean(_) => 2,
        }
    }

    fn order(&self, other: &Self) -> std::cmp::Ordering {
        match (self, other) {
            (Self::Number(left), Self::Number(right)) => left.total_cmp(right),
            (Self::Text(left), Self::Text(right)) => left.cmp(right),
            (Self::Boolean(left), Self::Boolean(right)) => left.cmp(right),
            _ => self.rank().cmp(&other.rank()),
        }
    }
}

/// What a table's keys are like.
pub(super) enum Keys {
    /// Integers from 1 upwards, so many, the largest.
    Positive { count: usize, largest: f64 },
    /// Anything else, in order.
    Ordered(Vec<Key>),
    /// One of them is of a type (its name) that has no order.
    Unordered(&'static str),
}

/// Looks through the keys of a table.
pub(super) fn keys(table: &Table) -> mlua::Result<Keys> {
    let (mut count, mut largest, mut others, mut positive) = (0, 0.0_f64, 0, true);
    let mut unordered = None;
    table.for_each(|key: Value, _: Skipped| {
        match key {
            Value::Integer(number) if number >= 1 => {
                count += 1;
                largest = largest.max(number as f64);
            }
            Value::Number(number) if number >= 1.0 && number.floor() == number => {
                count += 1;
                largest = largest.max(number);
            }
            Value::Integer(_) | Value::Number(_) | Value::String(_) | Value::Boolean(_) => {
                positive = false;
                others += 1;
            }
            other => unordered = Some(crate::arguments::type_name(&other)),
        }
        Ok(())
    })?;
    if let Some(kind) = unordered {
        return Ok(Keys::Unordered(kind));
    }
    if positive {
        return Ok(Keys::Positive { count, largest });
    }
    let mut ordered = Vec::with_capacity(count + others);
    table.for_each(|key: Value, _: Skipped| {
        match key {
            Value::Integer(number) => ordered.push(Key::Number(number as f64)),
            Value::Number(number) => ordered.push(Key::Number(number)),
            Value::String(text) => {
                ordered.push(Key::Text(text.as_bytes().to_vec().into_boxed_slice()))
            }
            Value::Boolean(yes) => ordered.push(Key::Boolean(yes)),
            _ => {}
        }
        Ok(())
    })?;
    ordered.sort_unstable_by(Key::order);
    Ok(Keys::Ordered(ordered))
}

/// The keys of a table that has only positive integers, in order.
pub(super) fn positive_keys(table: &Table, count: usize) -> mlua::Result<Vec<Key>> {
    let mut ordered = Vec::with_capacity(count);
    table.for_each(|key: f64, _: Skipped| {
        ordered.push(Key::Number(key));
        Ok(())
    })?;
    ordered.sort_unstable_by(Key::order);
    Ok(ordered)
}

/// A value that nobody looks at.
struct Skipped;

impl mlua::FromLua for Skipped {
    fn from_lua(_: Value, _: &Lua) -> mlua::Result<Self> {
        Ok(Self)
    }
}
