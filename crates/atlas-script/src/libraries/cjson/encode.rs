//! Lua to JSON.

use mlua::{Lua, Table, Value};

use super::super::ordered::{self, Key, Keys};
use super::{DEPTH_MAX, Settings};
use crate::arguments::{Arguments, raise, type_name};
use crate::limits::Fuel;
use crate::number;
use crate::sandbox::State;

/// A table that is being written.
enum Open {
    Array {
        table: Table,
        next: usize,
        length: usize,
    },
    Object {
        table: Table,
        keys: std::vec::IntoIter<Key>,
        first: bool,
    },
}

struct Encoder<'a> {
    lua: &'a Lua,
    state: &'a State,
    settings: &'a Settings,
    json: Vec<u8>,
    open: Vec<Open>,
    charged: usize,
}

pub(super) fn encode(
    lua: &Lua,
    state: &State,
    settings: &Settings,
    arguments: &Arguments,
) -> mlua::Result<Value> {
    if arguments.count() != 1 {
        return Err(arguments.wrong(lua, 1, "expected 1 argument"));
    }
    let _roomy = state.roomy(lua);
    let mut encoder = Encoder {
        lua,
        state,
        settings,
        json: Vec::new(),
        open: Vec::new(),
        charged: 0,
    };
    encoder.value(arguments.value(1).clone())?;
    encoder.finish()?;
    encoder.charge()?;
    Ok(Value::String(lua.create_string(&encoder.json)?))
}

impl Encoder<'_> {
    /// Writes what is open, until nothing is.
    fn finish(&mut self) -> mlua::Result<()> {
        while let Some(open) = self.open.last_mut() {
            let value = match open {
                Open::Array {
                    table,
                    next,
                    length,
                } => {
                    if *next == *length {
                        self.json.push(b']');
                        self.open.pop();
                        continue;
                    }
                    if *next > 0 {
                        self.json.push(b',');
                    }
                    *next += 1;
                    table.raw_get(*next)?
                }
                Open::Object { table, keys, first } => {
                    let Some(key) = keys.next() else {
                        self.json.push(b'}');
                        self.open.pop();
                        continue;
                    };
                    if !std::mem::take(first) {
                        self.json.push(b',');
                    }
                    let value = key.find(self.lua, table)?;
                    match key {
                        Key::Number(number) => {
                            self.json.push(b'"');
                            self.number(number)?;
                            self.json.push(b'"');
                        }
                        Key::Text(text) => self.text(&text),
                        Key::Boolean(_) => {
                            return Err(
                                self.fault("boolean", "table key must be a number or string")
                            );
                        }
                    }
                    self.json.push(b':');
                    value
                }
            };
            self.value(value)?;
            if self.json.len() >= self.charged + 4096 {
                self.charge()?;
            }
        }
        Ok(())
    }

    fn value(&mut self, value: Value) -> mlua::Result<()> {
        match value {
            Value::String(text) => self.text(&text.as_bytes()),
            Value::Integer(number) => self.number(number as f64)?,
            Value::Number(number) => self.number(number)?,
            Value::Boolean(true) => self.json.extend_from_slice(b"true"),
            Value::Boolean(false) => self.json.extend_from_slice(b"false"),
            Value::Nil => self.json.extend_from_slice(b"null"),
            value if value == Value::NULL => self.json.extend_from_slice(b"null"),
            Value::Table(table) => self.table(table)?,
            other => return Err(self.fault(type_name(&other), "type not supported")),
        }
        Ok(())
    }

    fn table(&mut self, table: Table) -> mlua::Result<()> {
        let depth = self.open.len() + 1;
        if depth > DEPTH_MAX || depth as i64 > i64::from(self.settings.encode_depth_max.get()) {
            return Err(raise(
                self.lua,
                format!("Cannot serialise, excessive nesting ({depth})"),
            ));
        }
        let keys = match ordered::keys(&table)? {
            Keys::Unordered(kind) => {
                return Err(self.fault(kind, "table key must be a number or string"));
            }
            Keys::Ordered(keys) => keys,
            Keys::Positive { count: 0, .. } => Vec::new(),
            Keys::Positive { count, largest } => {
                self.state.charge(Fuel(count as u64))?;
                if !self.sparse(count, largest)? {
                    self.json.push(b'[');
                    self.open.push(Open::Array {
                        table,
                        next: 0,
                        length: largest as usize,
                    });
                    return Ok(());
                }
                ordered::positive_keys(&table, count)?
            }
        };
        self.state.charge(Fuel(keys.len() as u64 * 4))?;
        self.json.push(b'{');
        self.open.push(Open::Object {
            table,
            keys: keys.into_iter(),
            first: true,
        });
        Ok(())
    }

    /// Whether an array has so many holes that it is written as an object.
    fn sparse(&self, count: usize, largest: f64) -> mlua::Result<bool> {
        let ratio = f64::from(self.settings.sparse_ratio.get());
        let holey = ratio > 0.0
            && largest > count as f64 * ratio
            && largest > f64::from(self.settings.sparse_safe.get());
        if holey && self.settings.sparse_convert.get() == 0 {
            return Err(self.fault("table", "excessively sparse array"));
        }
        Ok(holey)
    }

    fn number(&mut self, number: f64) -> mlua::Result<()> {
        if number.is_finite() {
            let precision = self.settings.precision.get() as usize;
            self.json
                .extend_from_slice(number::general(number, precision).as_bytes());
            return Ok(());
        }
        match self.settings.encode_invalid.get() {
            0 => return Err(self.fault("number", "must not be NaN or Inf")),
            1 if number.is_nan() => self.json.extend_from_slice(b"nan"),
            1 if number > 0.0 => self.json.extend_from_slice(b"inf"),
            1 => self.json.extend_from_slice(b"-inf"),
            _ => self.json.extend_from_slice(b"null"),
        }
        Ok(())
    }

    fn text(&mut self, text: &[u8]) {
        self.json.push(b'"');
        let mut clean = 0;
        for (place, byte) in text.iter().enumerate() {
            let escape: &[u8] = match byte {
                b'"' => b"\\\"",
                b'\\' => b"\\\\",
                b'/' => b"\\/",
                0x08 => b"\\b",
                b'\t' => b"\\t",
                b'\n' => b"\\n",
                0x0C => b"\\f",
                b'\r' => b"\\r",
                0x00..=0x1F | 0x7F => {
                    const HEX: &[u8; 16] = b"0123456789abcdef";
                    self.json.extend_from_slice(&text[clean..place]);
                    self.json.extend_from_slice(b"\\u00");
                    self.json.push(HEX[usize::from(byte >> 4)]);
                    self.json.push(HEX[usize::from(byte & 15)]);
                    clean = place + 1;
                    continue;
                }
                _ => continue,
            };
            self.json.extend_from_slice(&text[clean..place]);
            self.json.extend_from_slice(escape);
            clean = place + 1;
        }
        self.json.extend_from_slice(&text[clean..]);
        self.json.push(b'"');
    }

    /// Charges for what has been written since the last time, and stops what grows too large.
    fn charge(&mut self) -> mlua::Result<()> {
        self.state
            .charge(Fuel::of_bytes(self.json.len() - self.charged))?;
        self.charged = self.json.len();
        self.state.check_room(self.lua, self.json.len())
    }

    fn fault(&self, kind: &str, reason: &str) -> mlua::Error {
        raise(self.lua, format!("Cannot serialise {kind}: {reason}"))
    }
}
