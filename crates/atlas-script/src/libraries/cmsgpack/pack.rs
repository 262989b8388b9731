//! Lua to MessagePack.

use mlua::{Lua, LuaString, Table, Value};

use super::super::ordered::{self, Key, Keys};
use crate::arguments::{Arguments, raise};
use crate::limits::Fuel;
use crate::sandbox::State;

/// Tables in tables deeper than this are written as nil, so that a table that holds itself ends.
const NESTING_MAX: usize = 16;

struct Packer<'a> {
    lua: &'a Lua,
    state: &'a State,
    packed: Vec<u8>,
    charged: usize,
}

pub(super) fn pack(lua: &Lua, state: &State, arguments: &Arguments) -> mlua::Result<LuaString> {
    if arguments.count() == 0 {
        return Err(arguments.wrong(lua, 0, "MessagePack pack needs input."));
    }
    let _roomy = state.roomy(lua);
    let mut packer = Packer {
        lua,
        state,
        packed: Vec::new(),
        charged: 0,
    };
    for position in 1..=arguments.count() {
        packer.value(arguments.value(position).clone(), 0)?;
    }
    packer.charge()?;
    lua.create_string(&packer.packed)
}

impl Packer<'_> {
    /// Writes a value; the depth of the recursion is [`NESTING_MAX`].
    fn value(&mut self, value: Value, level: usize) -> mlua::Result<()> {
        match value {
            Value::String(text) => self.bytes(&text.as_bytes()),
            Value::Boolean(yes) => self.packed.push(if yes { 0xC3 } else { 0xC2 }),
            Value::Integer(number) => self.number(number as f64),
            Value::Number(number) => self.number(number),
            Value::Table(table) if level < NESTING_MAX => self.table(&table, level)?,
            _ => self.packed.push(0xC0),
        }
        if self.packed.len() >= self.charged + 4096 {
            self.charge()?;
        }
        Ok(())
    }

    fn table(&mut self, table: &Table, level: usize) -> mlua::Result<()> {
        let keys = match ordered::keys(table)? {
            Keys::Unordered(kind) => {
                let message =
                    format!("the order of a table with a {kind} as a key is not deterministic");
                return Err(raise(self.lua, message));
            }
            Keys::Ordered(keys) => keys,
            Keys::Positive { count, largest } => {
                self.state.charge(Fuel(count as u64))?;
                if largest as usize == count && count < i32::MAX as usize {
                    self.length(count, 0x90, 0xDC, 0xDD);
                    for place in 1..=count {
                        self.value(table.raw_get(place)?, level + 1)?;
                    }
                    return Ok(());
                }
                ordered::positive_keys(table, count)?
            }
        };
        self.state.charge(Fuel(keys.len() as u64 * 4))?;
        self.length(keys.len(), 0x80, 0xDE, 0xDF);
        for key in keys {
            let value = key.find(self.lua, table)?;
            match key {
                Key::Number(number) => self.number(number),
                Key::Text(text) => self.bytes(&text),
                Key::Boolean(yes) => self.packed.push(if yes { 0xC3 } else { 0xC2 }),
            }
            self.value(value, level + 1)?;
        }
        Ok(())
    }

    /// The head of an array or a map.
    fn length(&mut self, length: usize, fix: u8, short: u8, long: u8) {
        match length {
            0..=15 => self.packed.push(fix | length as u8),
            16..=0xFFFF => self.head(short, &(length as u16).to_be_bytes()),
            _ => self.head(long, &(length as u32).to_be_bytes()),
        }
    }

    fn bytes(&mut self, text: &[u8]) {
        match text.len() {
            length @ 0..32 => self.packed.push(0xA0 | length as u8),
            length @ 32..=0xFF => self.head(0xD9, &[length as u8]),
            length @ 0x100..=0xFFFF => self.head(0xDA, &(length as u16).to_be_bytes()),
            length => self.head(0xDB, &(length as u32).to_be_bytes()),
        }
        self.packed.extend_from_slice(text);
    }

    fn number(&mut self, number: f64) {
        // 2^63 as a double: what is below fits an i64.
        let fits = (-9_223_372_036_854_775_808.0..9_223_372_036_854_775_808.0).contains(&number);
        if fits && number.trunc() == number {
            return self.integer(number as i64);
        }
        let single = number as f32;
        if f64::from(single) == number {
            self.head(0xCA, &single.to_be_bytes());
        } else {
            self.head(0xCB, &number.to_be_bytes());
        }
    }

    fn integer(&mut self, number: i64) {
        match number {
            0..=127 => self.packed.push(number as u8),
            128..=0xFF => self.head(0xCC, &[number as u8]),
            0x100..=0xFFFF => self.head(0xCD, &(number as u16).to_be_bytes()),
            0x1_0000..=0xFFFF_FFFF => self.head(0xCE, &(number as u32).to_be_bytes()),
            0x1_0000_0000.. => self.head(0xCF, &(number as u64).to_be_bytes()),
            -32..0 => self.packed.push(number as u8),
            -128..-32 => self.head(0xD0, &[number as u8]),
            -0x8000..-128 => self.head(0xD1, &(number as i16).to_be_bytes()),
            -0x8000_0000..-0x8000 => self.head(0xD2, &(number as i32).to_be_bytes()),
            _ => self.head(0xD3, &number.to_be_bytes()),
        }
    }

    fn head(&mut self, kind: u8, rest: &[u8]) {
        self.packed.push(kind);
        self.packed.extend_from_slice(rest);
    }

    fn charge(&mut self) -> mlua::Result<()> {
        self.state
            .charge(Fuel::of_bytes(self.packed.len() - self.charged))?;
        self.charged = self.packed.len();
        self.state.check_room(self.lua, self.packed.len())
    }
}
