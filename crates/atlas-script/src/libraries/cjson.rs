//! `cjson`: JSON to Lua and back, as the module of that name in version 2.1.0 does it.
//!
//! Objects are written in the order of [`super::ordered`]: numbers upwards, then strings by their bytes. The module itself
//! writes them in the order of Lua's hash.

use std::cell::Cell;
use std::rc::Rc;

use mlua::{Lua, Table, Value};

use crate::arguments::{Arguments, cut};
use crate::sandbox::State;

mod decode;
mod encode;

/// Tables in tables that are handled, whatever a script asks for: Lua's own stack allows the module about as many.
const DEPTH_MAX: usize = 2600;

/// What a script can set.
pub(super) struct Settings {
    sparse_convert: Cell<i32>,
    sparse_ratio: Cell<i32>,
    sparse_safe: Cell<i32>,
    encode_depth_max: Cell<i32>,
    decode_depth_max: Cell<i32>,
    encode_invalid: Cell<i32>,
    decode_invalid: Cell<i32>,
    keep_buffer: Cell<i32>,
    precision: Cell<i32>,
}

impl Settings {
    fn new() -> Self {
        let settings = Self {
            sparse_convert: Cell::new(0),
            sparse_ratio: Cell::new(0),
            sparse_safe: Cell::new(0),
            encode_depth_max: Cell::new(0),
            decode_depth_max: Cell::new(0),
            encode_invalid: Cell::new(0),
            decode_invalid: Cell::new(0),
            keep_buffer: Cell::new(0),
            precision: Cell::new(0),
        };
        settings.reset();
        settings
    }

    /// As they are when nobody set anything.
    pub(super) fn reset(&self) {
        self.sparse_convert.set(0);
        self.sparse_ratio.set(2);
        self.sparse_safe.set(10);
        self.encode_depth_max.set(1000);
        self.decode_depth_max.set(1000);
        self.encode_invalid.set(0);
        self.decode_invalid.set(1);
        self.keep_buffer.set(1);
        self.precision.set(14);
    }
}

/// The table of the library, and the settings behind it.
pub(super) fn table(lua: &Lua, state: &Rc<State>) -> mlua::Result<(Table, Rc<Settings>)> {
    let settings = Rc::new(Settings::new());
    let table = lua.create_table()?;
    let function = |name: &'static str, work: Work| -> mlua::Result<()> {
        let (state, settings) = (state.clone(), settings.clone());
        let callback = lua.create_function(move |lua, arguments: Arguments| {
            work(lua, &state, &settings, &arguments)
        })?;
        table.raw_set(name, callback)
    };
    function("encode", encode::encode)?;
    function("decode", decode::decode)?;
    function("encode_max_depth", |lua, _, settings, arguments| {
        at_most(lua, arguments, 1)?;
        integer(lua, arguments, 1, &settings.encode_depth_max, 1, i32::MAX)
    })?;
    function("decode_max_depth", |lua, _, settings, arguments| {
        at_most(lua, arguments, 1)?;
        integer(lua, arguments, 1, &settings.decode_depth_max, 1, i32::MAX)
    })?;
    function("encode_number_precision", |lua, _, settings, arguments| {
        at_most(lua, arguments, 1)?;
        integer(lua, arguments, 1, &settings.precision, 1, 14)
    })?;
    function("encode_keep_buffer", |lua, _, settings, arguments| {
        at_most(lua, arguments, 1)?;
        choice(lua, arguments, &settings.keep_buffer, &["off", "on"])
    })?;
    function("encode_invalid_numbers", |lua, _, settings, arguments| {
        at_most(lua, arguments, 1)?;
        choice(
            lua,
            arguments,
            &settings.encode_invalid,
            &["off", "on", "null"],
        )
    })?;
    function("decode_invalid_numbers", |lua, _, settings, arguments| {
        at_most(lua, arguments, 1)?;
        choice(lua, arguments, &settings.decode_invalid, &["off", "on"])
    })?;
    let shared = settings.clone();
    let sparse = lua.create_function(move |lua, arguments: Arguments| {
        at_most(lua, &arguments, 3)?;
        let convert = choice(lua, &arguments, &shared.sparse_convert, &["off", "on"])?;
        let ratio = integer(lua, &arguments, 2, &shared.sparse_ratio, 0, i32::MAX)?;
        let safe = integer(lua, &arguments, 3, &shared.sparse_safe, 0, i32::MAX)?;
        Ok((convert, ratio, safe))
    })?;
    table.raw_set("encode_sparse_array", sparse)?;
    let shared = state.clone();
    let new = lua.create_function(move |lua, ()| {
        // A script may make thousands: each is a dozen functions.
        shared.charge(crate::limits::Fuel(1000))?;
        Ok(self::table(lua, &shared)?.0)
    })?;
    table.raw_set("new", new)?;
    table.raw_set("null", Value::NULL)?;
    table.raw_set("_NAME", "cjson")?;
    table.raw_set("_VERSION", "2.1.0")?;
    Ok((table, settings))
}

type Work = fn(&Lua, &State, &Settings, &Arguments) -> mlua::Result<Value>;

fn at_most(lua: &Lua, arguments: &Arguments, most: usize) -> mlua::Result<()> {
    if arguments.count() > most {
        return Err(arguments.wrong(lua, most + 1, "found too many arguments"));
    }
    Ok(())
}

fn integer(
    lua: &Lua,
    arguments: &Arguments,
    position: usize,
    setting: &Cell<i32>,
    min: i32,
    max: i32,
) -> mlua::Result<Value> {
    if !arguments.absent(position) {
        let value = cut(arguments.number(lua, position)?) as i32;
        if !(min..=max).contains(&value) {
            let why = format!("expected integer between {min} and {max}");
            return Err(arguments.wrong(lua, 1, &why));
        }
        setting.set(value);
    }
    Ok(Value::Integer(i64::from(setting.get())))
}

fn choice(
    lua: &Lua,
    arguments: &Arguments,
    setting: &Cell<i32>,
    options: &[&str],
) -> mlua::Result<Value> {
    match arguments.value(1) {
        Value::Nil => {}
        Value::Boolean(yes) => setting.set(i32::from(*yes)),
        _ => {
            let option = arguments.string(lua, 1)?;
            let place = options
                .iter()
                .position(|name| name.as_bytes() == &*option.as_bytes());
            match place {
                Some(place) => setting.set(place as i32),
                None => {
                    let why = format!("invalid option '{}'", option.display());
                    return Err(arguments.wrong(lua, 1, &why));
                }
            }
        }
    }
    match setting.get() {
        0 => Ok(Value::Boolean(false)),
        1 => Ok(Value::Boolean(true)),
        other => Ok(Value::String(lua.create_string(options[other as usize])?)),
    }
}
