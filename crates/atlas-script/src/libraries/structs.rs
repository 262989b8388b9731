//! `struct`: fixed binary layouts, as the module of that name does it on a little-endian machine of 64 bits.

use std::rc::Rc;

use mlua::{Lua, LuaString, MultiValue, Table, Value};

use crate::arguments::{Arguments, as_number, raise, unsigned};
use crate::limits::Fuel;
use crate::sandbox::State;

/// The largest integer, in bytes.
const INTEGER_BYTES_MAX: usize = 32;
/// The alignment that `!` without a number stands for.
const ALIGN_MAX: usize = 8;
/// Values that one call gives; Lua's own stack allows the module about as many.
const VALUES_MAX: usize = 7900;

/// The table of the library.
pub(super) fn table(lua: &Lua, state: &Rc<State>) -> mlua::Result<Table> {
    let table = lua.create_table()?;
    let shared = state.clone();
    table.raw_set(
        "pack",
        lua.create_function(move |lua, mut arguments: Arguments| {
            // The module marks the end of its arguments with a nil, and complains about that where one is missing.
            if arguments.count() > 0 {
                arguments.push_nil();
            }
            pack(lua, &shared, &arguments)
        })?,
    )?;
    let shared = state.clone();
    table.raw_set(
        "unpack",
        lua.create_function(move |lua, arguments: Arguments| unpack(lua, &shared, &arguments))?,
    )?;
    let shared = state.clone();
    table.raw_set(
        "size",
        lua.create_function(move |lua, arguments: Arguments| size(lua, &shared, &arguments))?,
    )?;
    Ok(table)
}

/// A format, read option by option.
struct Format<'a> {
    lua: &'a Lua,
    arguments: &'a Arguments,
    text: &'a [u8],
    at: usize,
    big_endian: bool,
    align: usize,
}

impl<'a> Format<'a> {
    fn new(lua: &'a Lua, arguments: &'a Arguments, text: &'a [u8]) -> Self {
        // The module takes a C string.
        let end = text
            .iter()
            .position(|byte| *byte == 0)
            .unwrap_or(text.len());
        Self {
            lua,
            arguments,
            text: &text[..end],
            at: 0,
            big_endian: false,
            align: 1,
        }
    }

    /// The next option and its size.
    fn next(&mut self) -> mlua::Result<Option<(u8, usize)>> {
        let Some(option) = self.text.get(self.at).copied() else {
            return Ok(None);
        };
        self.at += 1;
        let size = match option {
            b'B' | b'b' | b'x' => 1,
            b'H' | b'h' => 2,
            b'f' => 4,
            b'L' | b'l' | b'T' | b'd' => 8,
            b'c' => self.digits(1)?,
            b'i' | b'I' => {
                let size = self.digits(4)?;
                if size > INTEGER_BYTES_MAX {
                    let message =
                        format!("integral size {size} is larger than limit of {INTEGER_BYTES_MAX}");
                    return Err(raise(self.lua, message));
                }
                size
            }
            _ => 0,
        };
        Ok(Some((option, size)))
    }

    fn digits(&mut self, absent: usize) -> mlua::Result<usize> {
        if !self.text.get(self.at).is_some_and(u8::is_ascii_digit) {
            return Ok(absent);
        }
        let mut number: i32 = 0;
        while let Some(digit) = self.text.get(self.at).filter(|byte| byte.is_ascii_digit()) {
            number = number
                .checked_mul(10)
                .and_then(|number| number.checked_add(i32::from(digit - b'0')))
                .ok_or_else(|| raise(self.lua, "integral size overflow"))?;
            self.at += 1;
        }
        Ok(number as usize)
    }

    /// How many bytes bring an element of this size to its alignment.
    fn padding(&self, length: usize, option: u8, size: usize) -> usize {
        if size == 0 || option == b'c' {
            return 0;
        }
        let size = size.min(self.align);
        size.wrapping_sub(length & (size - 1)) & (size - 1)
    }

    /// An option that stands for no element.
    fn control(&mut self, option: u8) -> mlua::Result<()> {
        match option {
            b' ' => {}
            b'>' => self.big_endian = true,
            b'<' => self.big_endian = false,
            b'!' => {
                let align = self.digits(ALIGN_MAX)?;
                if !align.is_power_of_two() {
                    return Err(raise(
                        self.lua,
                        format!("alignment {align} is not a power of 2"),
                    ));
                }
                self.align = align;
            }
            other => {
                let why = format!("invalid format option '{}'", other as char);
                return Err(self.arguments.wrong(self.lua, 1, &why));
            }
        }
        Ok(())
    }

    fn ordered<const N: usize>(&self, mut bytes: [u8; N]) -> [u8; N] {
        if self.big_endian {
            bytes.reverse();
        }
        bytes
    }
}

fn pack(lua: &Lua, state: &State, arguments: &Arguments) -> mlua::Result<LuaString> {
    let text = arguments.string(lua, 1)?;
    let text = text.as_bytes();
    let mut format = Format::new(lua, arguments, &text);
    let mut packed = Vec::new();
    let mut position = 2;
    while let Some((option, size)) = format.next()? {
        packed.resize(packed.len() + format.padding(packed.len(), option, size), 0);
        match option {
            b'b' | b'B' | b'h' | b'H' | b'l' | b'L' | b'T' | b'i' | b'I' => {
                let number = arguments.number(lua, position)?;
                position += 1;
                let start = packed.len();
                // What passes eight bytes is zero, also for negative numbers.
                packed.extend_from_slice(&unsigned(number).to_le_bytes()[..size.min(8)]);
                packed.resize(start + size, 0);
                if format.big_endian {
                    packed[start..].reverse();
                }
            }
            b'x' => packed.push(0),
            b'f' => {
                let number = arguments.number(lua, position)? as f32;
                position += 1;
                packed.extend_from_slice(&format.ordered(number.to_le_bytes()));
            }
            b'd' => {
                let number = arguments.number(lua, position)?;
                position += 1;
                packed.extend_from_slice(&format.ordered(number.to_le_bytes()));
            }
            b'c' | b's' => {
                let value = arguments.string(lua, position)?;
                let value = value.as_bytes();
                position += 1;
                let size = if size == 0 { value.len() } else { size };
                let Some(value) = value.get(..size) else {
                    return Err(arguments.wrong(lua, position, "string too short"));
                };
                packed.extend_from_slice(value);
                if option == b's' {
                    packed.push(0);
                }
            }
            other => format.control(other)?,
        }
        if packed.len() > state.memory_bytes_max() {
            state.check_room(lua, packed.len())?;
        }
    }
    state.charge(Fuel(text.len() as u64 / 2 + Fuel::of_bytes(packed.len()).0))?;
    lua.create_string(&packed)
}

fn unpack(lua: &Lua, state: &State, arguments: &Arguments) -> mlua::Result<MultiValue> {
    let text = arguments.string(lua, 1)?;
    let text = text.as_bytes();
    let mut format = Format::new(lua, arguments, &text);
    let data = arguments.string(lua, 2)?;
    let data = data.as_bytes();
    let start = arguments.integer_or(lua, 3, 1)?;
    if start == 0 {
        return Err(arguments.wrong(lua, 3, "offset must be 1 or greater"));
    }
    // A negative one is a large one.
    let mut at = (start - 1) as usize;
    let mut values: Vec<Value> = Vec::new();
    let too_short = || arguments.wrong(lua, 2, "data string too short");
    while let Some((option, size)) = format.next()? {
        at = at.wrapping_add(format.padding(at, option, size));
        if size > data.len() || at > data.len() - size {
            return Err(too_short());
        }
        if values.len() >= VALUES_MAX {
            return Err(raise(lua, "stack overflow (too many results)"));
        }
        let mut size = size;
        match option {
            b'b' | b'B' | b'h' | b'H' | b'l' | b'L' | b'T' | b'i' | b'I' => {
                let bytes = &data[at..at + size];
                values.push(Value::Number(integer(
                    bytes,
                    format.big_endian,
                    option.is_ascii_lowercase(),
                )));
            }
            b'x' => {}
            b'f' => {
                let bytes = data[at..].first_chunk::<4>().copied().unwrap_or_default();
                values.push(Value::Number(f64::from(f32::from_le_bytes(
                    format.ordered(bytes),
                ))));
            }
            b'd' => {
                let bytes = data[at..].first_chunk::<8>().copied().unwrap_or_default();
                values.push(Value::Number(f64::from_le_bytes(format.ordered(bytes))));
            }
            b'c' => {
                if size == 0 {
                    let before = match values.last() {
                        Some(value) => as_number(lua, value)?,
                        None => None,
                    };
                    let Some(number) = before else {
                        return Err(raise(lua, "format 'c0' needs a previous size"));
                    };
                    values.pop();
                    size = unsigned(number) as usize;
                    if size > data.len() || at > data.len() - size {
                        return Err(too_short());
                    }
                }
                values.push(Value::String(lua.create_string(&data[at..at + size])?));
            }
            b's' => {
                let Some(length) = data[at..].iter().position(|byte| *byte == 0) else {
                    return Err(raise(lua, "unfinished string in data"));
                };
                values.push(Value::String(lua.create_string(&data[at..at + length])?));
                size = length + 1;
            }
            other => format.control(other)?,
        }
        at += size;
    }
    state.charge(Fuel(text.len() as u64 / 2))?;
    values.push(Value::Number(at.wrapping_add(1).cast_signed() as f64));
    Ok(MultiValue::from_vec(values))
}

fn size(lua: &Lua, state: &State, arguments: &Arguments) -> mlua::Result<f64> {
    let text = arguments.string(lua, 1)?;
    let text = text.as_bytes();
    state.charge(Fuel(text.len() as u64 / 2))?;
    let mut format = Format::new(lua, arguments, &text);
    let mut at = 0_usize;
    while let Some((option, size)) = format.next()? {
        at = at.wrapping_add(format.padding(at, option, size));
        if option == b's' {
            return Err(arguments.wrong(lua, 1, "option 's' has no fixed size"));
        }
        if option == b'c' && size == 0 {
            return Err(arguments.wrong(lua, 1, "option 'c0' has no fixed size"));
        }
        if !option.is_ascii_alphanumeric() {
            format.control(option)?;
        }
        at = at.wrapping_add(size);
    }
    Ok(at.cast_signed() as f64)
}

fn integer(bytes: &[u8], big_endian: bool, signed: bool) -> f64 {
    let shift = |value: u64, byte: &u8| value << 8 | u64::from(*byte);
    let value = if big_endian {
        bytes.iter().fold(0, shift)
    } else {
        bytes.iter().rev().fold(0, shift)
    };
    if !signed {
        return value as f64;
    }
    // Past eight bytes the module shifts by more than a word has: the processor takes the shift modulo 64.
    let mask = u64::MAX.wrapping_shl((bytes.len() as u32 * 8).wrapping_sub(1));
    let value = if value & mask != 0 {
        value | mask
    } else {
        value
    };
    value.cast_signed() as f64
}
