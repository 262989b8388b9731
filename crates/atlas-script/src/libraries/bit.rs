//! `bit`: operations on 32 bits.

use mlua::{Lua, Table};

use crate::arguments::{Arguments, as_number};

/// 2^52 + 2^51: what is added to it has its low 32 bits at the end of the double.
const SHIFT: f64 = 6_755_399_441_055_744.0;

/// The table of the library.
pub(super) fn table(lua: &Lua) -> mlua::Result<Table> {
    let table = lua.create_table()?;
    one(lua, &table, "tobit", |bits| bits)?;
    one(lua, &table, "bnot", |bits| !bits)?;
    one(lua, &table, "bswap", u32::swap_bytes)?;
    many(lua, &table, "band", |all, bits| all & bits)?;
    many(lua, &table, "bor", |all, bits| all | bits)?;
    many(lua, &table, "bxor", |all, bits| all ^ bits)?;
    shift(lua, &table, "lshift", |bits, by| bits << by)?;
    shift(lua, &table, "rshift", |bits, by| bits >> by)?;
    shift(lua, &table, "arshift", |bits, by| {
        (bits.cast_signed() >> by).cast_unsigned()
    })?;
    shift(lua, &table, "rol", u32::rotate_left)?;
    shift(lua, &table, "ror", u32::rotate_right)?;
    table.raw_set("tohex", lua.create_function(to_hex)?)?;
    Ok(table)
}

fn bits(lua: &Lua, arguments: &Arguments, position: usize) -> mlua::Result<u32> {
    match as_number(lua, arguments.value(position))? {
        Some(number) => Ok((number + SHIFT).to_bits() as u32),
        None => Err(arguments.mistyped(lua, position, "number")),
    }
}

fn answer(bits: u32) -> f64 {
    f64::from(bits.cast_signed())
}

fn one(lua: &Lua, table: &Table, name: &str, operation: fn(u32) -> u32) -> mlua::Result<()> {
    let function = lua.create_function(move |lua, arguments: Arguments| {
        Ok(answer(operation(bits(lua, &arguments, 1)?)))
    })?;
    table.raw_set(name, function)
}

fn many(lua: &Lua, table: &Table, name: &str, operation: fn(u32, u32) -> u32) -> mlua::Result<()> {
    let function = lua.create_function(move |lua, arguments: Arguments| {
        let mut all = bits(lua, &arguments, 1)?;
        for position in (2..=arguments.count()).rev() {
            all = operation(all, bits(lua, &arguments, position)?);
        }
        Ok(answer(all))
    })?;
    table.raw_set(name, function)
}

fn shift(lua: &Lua, table: &Table, name: &str, operation: fn(u32, u32) -> u32) -> mlua::Result<()> {
    let function = lua.create_function(move |lua, arguments: Arguments| {
        let value = bits(lua, &arguments, 1)?;
        let by = bits(lua, &arguments, 2)? & 31;
        Ok(answer(operation(value, by)))
    })?;
    table.raw_set(name, function)
}

fn to_hex(lua: &Lua, arguments: Arguments) -> mlua::Result<String> {
    let value = bits(lua, &arguments, 1)?;
    let digits = if arguments.count() < 2 {
        8
    } else {
        bits(lua, &arguments, 2)?.cast_signed()
    };
    let wanted = (digits.unsigned_abs() as usize).min(8);
    let text = if digits < 0 {
        format!("{value:08X}")
    } else {
        format!("{value:08x}")
    };
    Ok(text[8 - wanted..].to_owned())
}
