//! MessagePack to Lua.

use mlua::{Lua, MultiValue, Table, Value};

use crate::arguments::{Arguments, Raised, raise};
use crate::limits::Fuel;
use crate::sandbox::State;

/// Tables in tables that are read; Lua's own stack allows the module about as many.
const DEPTH_MAX: usize = 2600;
/// Values that one call gives; Lua's own stack allows the module about as many.
const VALUES_MAX: usize = 7900;
const TOO_MANY: &str =
    "stack overflow (too many return values at once; use unpack_one or unpack_limit instead.)";

/// A table that is being read.
enum Open {
    Array {
        table: Table,
        next: usize,
        left: usize,
    },
    Map {
        table: Table,
        key: Option<Value>,
        left: usize,
    },
}

/// What the head of a value says.
enum Item {
    Whole(Value),
    Array(usize),
    Map(usize),
}

struct Unpacker<'a> {
    lua: &'a Lua,
    state: &'a State,
    input: &'a [u8],
    at: usize,
    values: usize,
}

pub(super) fn unpack(
    lua: &Lua,
    state: &State,
    arguments: &Arguments,
    limit: i64,
    offset: i64,
) -> mlua::Result<MultiValue> {
    let text = arguments.string(lua, 1)?;
    let input = text.as_bytes();
    if offset < 0 || limit < 0 {
        // The words name the length where they promise the limit; so does the module.
        let message = format!(
            "Invalid request to unpack with offset of {} and limit of {}.",
            offset as i32,
            input.len() as i32
        );
        return Err(raise(lua, message));
    }
    let start = offset as usize;
    if start > input.len() {
        let message = format!(
            "Start offset {} greater than input length {}.",
            offset as i32,
            input.len() as i32
        );
        return Err(raise(lua, message));
    }
    let all = limit == 0 && offset == 0;
    let limit = if all { i64::from(i32::MAX) } else { limit };
    state.charge(Fuel::of_bytes(input.len() - start))?;
    let _roomy = state.roomy(lua);
    let mut unpacker = Unpacker {
        lua,
        state,
        input: &input,
        at: start,
        values: 0,
    };
    let mut values = Vec::new();
    while unpacker.at < input.len() && (values.len() as i64) < limit {
        if values.len() == VALUES_MAX {
            return Err(raise(lua, TOO_MANY));
        }
        values.push(unpacker.value()?);
    }
    if !all {
        let next = if unpacker.at == input.len() {
            -1
        } else {
            unpacker.at as i64
        };
        values.insert(0, Value::Integer(next));
    }
    Ok(MultiValue::from_vec(values))
}

impl Unpacker<'_> {
    /// The next value, all of it.
    fn value(&mut self) -> mlua::Result<Value> {
        let mut open: Vec<Open> = Vec::new();
        loop {
            let mut value = match self.item()? {
                Item::Whole(value) => value,
                Item::Array(0) | Item::Map(0) => Value::Table(self.lua.create_table()?),
                Item::Array(left) => {
                    let table = self.descend(open.len())?;
                    open.push(Open::Array {
                        table,
                        next: 1,
                        left,
                    });
                    continue;
                }
                Item::Map(left) => {
                    let table = self.descend(open.len())?;
                    open.push(Open::Map {
                        table,
                        key: None,
                        left,
                    });
                    continue;
                }
            };
            loop {
                let whole = match open.last_mut() {
                    None => return Ok(value),
                    Some(Open::Array { table, next, left }) => {
                        table.raw_set(*next, value)?;
                        *next += 1;
                        *left -= 1;
                        *left == 0
                    }
                    Some(Open::Map { table, key, left }) => match key.take() {
                        None => {
                            *key = Some(value);
                            false
                        }
                        Some(key) => {
                            set(table, key, value)?;
                            *left -= 1;
                            *left == 0
                        }
                    },
                };
                if !whole {
                    break;
                }
                value = match open.pop() {
                    Some(Open::Array { table, .. } | Open::Map { table, .. }) => {
                        Value::Table(table)
                    }
                    None => Value::Nil,
                };
            }
        }
    }

    fn descend(&self, depth: usize) -> mlua::Result<Table> {
        if depth == DEPTH_MAX {
            return Err(raise(self.lua, TOO_MANY));
        }
        self.lua.create_table()
    }

    fn item(&mut self) -> mlua::Result<Item> {
        self.values += 1;
        if self.values.is_multiple_of(64) {
            self.state.charge(Fuel(64))?;
            self.state.check_memory(self.lua)?;
        }
        let head = self.take::<1>()?[0];
        let whole = |number: f64| Ok(Item::Whole(Value::Number(number)));
        match head {
            0x00..=0x7F => whole(f64::from(head)),
            0x80..=0x8F => Ok(Item::Map(usize::from(head & 0x0F))),
            0x90..=0x9F => Ok(Item::Array(usize::from(head & 0x0F))),
            0xA0..=0xBF => self.text(usize::from(head & 0x1F)),
            0xC0 => Ok(Item::Whole(Value::Nil)),
            0xC2 => Ok(Item::Whole(Value::Boolean(false))),
            0xC3 => Ok(Item::Whole(Value::Boolean(true))),
            0xCA => whole(f64::from(f32::from_be_bytes(self.take()?))),
            0xCB => whole(f64::from_be_bytes(self.take()?)),
            0xCC => whole(f64::from(u8::from_be_bytes(self.take()?))),
            0xCD => whole(f64::from(u16::from_be_bytes(self.take()?))),
            0xCE => whole(f64::from(u32::from_be_bytes(self.take()?))),
            // What passes an i64 turns negative, as in the module.
            0xCF | 0xD3 => whole(i64::from_be_bytes(self.take()?) as f64),
            0xD0 => whole(f64::from(i8::from_be_bytes(self.take()?))),
            0xD1 => whole(f64::from(i16::from_be_bytes(self.take()?))),
            0xD2 => whole(f64::from(i32::from_be_bytes(self.take()?))),
            0xD9 => {
                let length = u8::from_be_bytes(self.take()?);
                self.text(usize::from(length))
            }
            0xDA => {
                let length = u16::from_be_bytes(self.take()?);
                self.text(usize::from(length))
            }
            0xDB => {
                let length = u32::from_be_bytes(self.take()?);
                self.text(length as usize)
            }
            0xDC => Ok(Item::Array(usize::from(u16::from_be_bytes(self.take()?)))),
            0xDD => Ok(Item::Array(u32::from_be_bytes(self.take()?) as usize)),
            0xDE => Ok(Item::Map(usize::from(u16::from_be_bytes(self.take()?)))),
            0xDF => Ok(Item::Map(u32::from_be_bytes(self.take()?) as usize)),
            0xE0..=0xFF => whole(f64::from(head.cast_signed())),
            0xC1 | 0xC4..=0xC9 | 0xD4..=0xD8 => Err(raise(self.lua, "Bad data format in input.")),
        }
    }

    fn take<const N: usize>(&mut self) -> mlua::Result<[u8; N]> {
        let bytes = self.input[self.at..].first_chunk::<N>().copied();
        self.at += N;
        bytes.ok_or_else(|| raise(self.lua, "Missing bytes in input."))
    }

    fn text(&mut self, length: usize) -> mlua::Result<Item> {
        let Some(text) = self.input.get(self.at..self.at + length) else {
            return Err(raise(self.lua, "Missing bytes in input."));
        };
        self.at += length;
        Ok(Item::Whole(Value::String(self.lua.create_string(text)?)))
    }
}

/// Sets a field; keys that Lua has not are complained about in its words, which name no place.
fn set(table: &Table, key: Value, value: Value) -> mlua::Result<()> {
    let refused = match &key {
        Value::Nil => "table index is nil",
        Value::Number(number) if number.is_nan() => "table index is NaN",
        _ => return table.raw_set(key, value),
    };
    Err(mlua::Error::external(Raised {
        message: String::from(refused),
    }))
}
