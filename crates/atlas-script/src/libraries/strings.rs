//! `string`: Lua's own where one call is one pass over a string; ours where one call can be long.

use std::rc::Rc;

use mlua::{Lua, LuaString, MultiValue, Table, Value};

use crate::arguments::{Arguments, raise};
use crate::limits::Fuel;
use crate::sandbox::State;

mod format;
mod pattern;

use pattern::{Capture, Matcher};

/// What makes a text a pattern.
const SPECIALS: &[u8] = b"^$*+?.([%-";

/// Adds our functions to the library.
pub(crate) fn fill(lua: &Lua, state: &Rc<State>, table: &Table) -> mlua::Result<()> {
    let add = |name: &str, work: Work| -> mlua::Result<()> {
        let state = state.clone();
        let function =
            lua.create_function(move |lua, arguments: Arguments| work(lua, &state, &arguments))?;
        table.raw_set(name, function)
    };
    add("find", |lua, state, arguments| {
        search(lua, state, arguments, true)
    })?;
    add("match", |lua, state, arguments| {
        search(lua, state, arguments, false)
    })?;
    add("rep", repeat)?;
    add("upper", |lua, state, arguments| {
        each_byte(lua, state, arguments, <[u8]>::make_ascii_uppercase)
    })?;
    add("lower", |lua, state, arguments| {
        each_byte(lua, state, arguments, <[u8]>::make_ascii_lowercase)
    })?;
    add("reverse", |lua, state, arguments| {
        each_byte(lua, state, arguments, <[u8]>::reverse)
    })?;
    add("format", format::format)
}

/// What the prelude makes `gsub` and `gmatch` from: they call functions of scripts, which they can do without us between.
pub(crate) fn native(lua: &Lua, state: &Rc<State>, table: &Table) -> mlua::Result<()> {
    let add = |name: &str, work: Work| -> mlua::Result<()> {
        let state = state.clone();
        let function =
            lua.create_function(move |lua, arguments: Arguments| work(lua, &state, &arguments))?;
        table.raw_set(name, function)
    };
    add("substitute", substitute)?;
    add("match_from", match_from)
}

type Work = fn(&Lua, &State, &Arguments) -> mlua::Result<MultiValue>;

/// A position that counts from the end where it is negative.
fn relative(position: i64, length: usize) -> i64 {
    let position = if position < 0 {
        position.saturating_add(length as i64 + 1)
    } else {
        position
    };
    position.max(0)
}

/// The pattern as a C string, which ends at its first byte 0.
fn until_zero(pattern: &[u8]) -> &[u8] {
    let end = pattern
        .iter()
        .position(|byte| *byte == 0)
        .unwrap_or(pattern.len());
    &pattern[..end]
}

fn search(lua: &Lua, state: &State, arguments: &Arguments, find: bool) -> mlua::Result<MultiValue> {
    let text = arguments.string(lua, 1)?;
    let pattern = arguments.string(lua, 2)?;
    let (bytes, whole_pattern) = (text.as_bytes(), pattern.as_bytes());
    let start = (relative(arguments.integer_or(lua, 3, 1)?, bytes.len()) - 1)
        .clamp(0, bytes.len() as i64) as usize;
    let pattern = until_zero(&whole_pattern);
    let plain = !matches!(arguments.value(4), Value::Nil | Value::Boolean(false));
    if find && (plain || !pattern.iter().any(|byte| SPECIALS.contains(byte))) {
        state.charge(Fuel::of_bytes(bytes.len() - start))?;
        let found = memchr::memmem::find(&bytes[start..], &whole_pattern);
        return Ok(found.map_or_else(nothing, |place| {
            MultiValue::from_vec(vec![
                Value::Integer((start + place + 1) as i64),
                Value::Integer((start + place + whole_pattern.len()) as i64),
            ])
        }));
    }
    let mut matcher = Matcher::new(lua, state, &bytes, pattern);
    let Some((begin, end)) = matcher.find(start, true)? else {
        matcher.settle()?;
        return Ok(nothing());
    };
    matcher.settle()?;
    let mut values = Vec::new();
    if find {
        values.push(Value::Integer(begin as i64 + 1));
        values.push(Value::Integer(end as i64));
    }
    captures(
        lua,
        &matcher,
        &bytes,
        (!find).then_some((begin, end)),
        &mut values,
    )?;
    Ok(MultiValue::from_vec(values))
}

fn nothing() -> MultiValue {
    MultiValue::from_vec(vec![Value::Nil])
}

/// The captures as values; without captures the whole match, where it is given.
fn captures(
    lua: &Lua,
    matcher: &Matcher<'_>,
    text: &[u8],
    whole: Option<(usize, usize)>,
    values: &mut Vec<Value>,
) -> mlua::Result<()> {
    if let (0, Some((begin, end))) = (matcher.count(), whole) {
        values.push(Value::String(lua.create_string(&text[begin..end])?));
    }
    for place in 0..matcher.count() {
        values.push(match matcher.capture(place)? {
            Capture::Text(begin, end) => Value::String(lua.create_string(&text[begin..end])?),
            Capture::Position(position) => Value::Integer(position as i64 + 1),
        });
    }
    Ok(())
}

/// `(text, pattern, from, anchors)`: the first match at or after an offset as its two offsets and its captures. `nil` where
/// there is none. A `^` stands for the offset where `anchors` is true, and for itself where it is not.
fn match_from(lua: &Lua, state: &State, arguments: &Arguments) -> mlua::Result<MultiValue> {
    let text = arguments.string(lua, 1)?;
    let pattern = arguments.string(lua, 2)?;
    let (text, pattern) = (text.as_bytes(), pattern.as_bytes());
    let from = arguments.integer(lua, 3)? as usize;
    let anchors = matches!(arguments.value(4), Value::Boolean(true));
    let mut matcher = Matcher::new(lua, state, &text, until_zero(&pattern));
    let found = matcher.find(from, anchors)?;
    matcher.settle()?;
    let Some((begin, end)) = found else {
        return Ok(nothing());
    };
    let mut values = vec![Value::Integer(begin as i64), Value::Integer(end as i64)];
    captures(lua, &matcher, &text, Some((begin, end)), &mut values)?;
    Ok(MultiValue::from_vec(values))
}

/// `gsub` with a text as the replacement.
fn substitute(lua: &Lua, state: &State, arguments: &Arguments) -> mlua::Result<MultiValue> {
    let text = arguments.string(lua, 1)?;
    let pattern = arguments.string(lua, 2)?;
    let replacement = arguments.string(lua, 3)?;
    let (text, pattern, replacement) =
        (text.as_bytes(), pattern.as_bytes(), replacement.as_bytes());
    let most = match arguments.absent(4) {
        true => text.len() as i64 + 1,
        false => i64::from(arguments.integer(lua, 4)? as i32),
    };
    let pattern = until_zero(&pattern);
    let mut matcher = Matcher::new(lua, state, &text, pattern);
    let anchored = pattern.first() == Some(&b'^');
    let (mut result, mut at, mut count) = (Vec::new(), 0, 0);
    while count < most {
        let Some((begin, end)) = matcher.find(at, true)? else {
            break;
        };
        count += 1;
        result.extend_from_slice(&text[at..begin]);
        replace(
            lua,
            &matcher,
            &text,
            &replacement,
            (begin, end),
            &mut result,
        )?;
        if result.len() > state.memory_bytes_max() {
            state.check_room(lua, result.len())?;
        }
        at = end;
        if end == begin {
            match text.get(at) {
                Some(byte) => result.push(*byte),
                None => break,
            }
            at += 1;
        }
        if anchored {
            break;
        }
    }
    matcher.settle()?;
    result.extend_from_slice(text.get(at..).unwrap_or_default());
    state.charge(Fuel::of_bytes(result.len()))?;
    Ok(MultiValue::from_vec(vec![
        Value::String(lua.create_string(&result)?),
        Value::Integer(count),
    ]))
}

/// Appends the replacement, with `%1` and the like replaced by captures.
fn replace(
    lua: &Lua,
    matcher: &Matcher<'_>,
    text: &[u8],
    replacement: &[u8],
    (begin, end): (usize, usize),
    result: &mut Vec<u8>,
) -> mlua::Result<()> {
    let mut bytes = replacement.iter();
    while let Some(byte) = bytes.next() {
        if *byte != b'%' {
            result.push(*byte);
            continue;
        }
        match bytes.next() {
            Some(b'0') => result.extend_from_slice(&text[begin..end]),
            Some(digit @ b'1'..=b'9') => {
                let place = usize::from(digit - b'1');
                if place == 0 && matcher.count() == 0 {
                    result.extend_from_slice(&text[begin..end]);
                    continue;
                }
                if place >= matcher.count() {
                    return Err(raise(lua, "invalid capture index"));
                }
                match matcher.capture(place)? {
                    Capture::Text(begin, end) => result.extend_from_slice(&text[begin..end]),
                    Capture::Position(position) => {
                        result.extend_from_slice((position + 1).to_string().as_bytes())
                    }
                }
            }
            Some(other) => result.push(*other),
            None => result.push(0),
        }
    }
    Ok(())
}

/// A function that changes a copy of a string in its place.
fn each_byte(
    lua: &Lua,
    state: &State,
    arguments: &Arguments,
    change: fn(&mut [u8]),
) -> mlua::Result<MultiValue> {
    let mut bytes = arguments.string(lua, 1)?.as_bytes().to_vec();
    state.charge(Fuel::of_bytes(bytes.len() * 4))?;
    change(&mut bytes);
    Ok(MultiValue::from_vec(vec![Value::String(
        lua.create_string(&bytes)?,
    )]))
}

fn repeat(lua: &Lua, state: &State, arguments: &Arguments) -> mlua::Result<MultiValue> {
    let text = arguments.string(lua, 1)?;
    let times = arguments.integer(lua, 2)? as i32;
    let text = text.as_bytes();
    let length = text
        .len()
        .saturating_mul(usize::try_from(times).unwrap_or(0));
    if length > state.memory_bytes_max() {
        return Err(raise(lua, "resulting string too large"));
    }
    state.charge(Fuel::of_bytes(length))?;
    state.check_room(lua, length)?;
    let repeated: LuaString = match length {
        0 => lua.create_string("")?,
        _ => lua.create_string(text.repeat(times as usize))?,
    };
    Ok(MultiValue::from_vec(vec![Value::String(repeated)]))
}
