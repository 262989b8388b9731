//! What scripts see: globals and libraries, all of it read-only.

use std::rc::Rc;

use mlua::chunk::ChunkMode;
use mlua::{Function, Lua, LuaString, MultiValue, Table, Value};

use super::{PRELUDE, State, load, note_place, thrown};
use crate::arguments::{Arguments, raise};
use crate::error::Error;
use crate::libraries;
use crate::limits::{Fuel, Limits};

/// Of Lua's own functions, those that are harmless as they are.
const BASE: &[&str] = &[
    "assert", "error", "ipairs", "rawequal", "select", "tonumber", "type", "_VERSION",
];
const COROUTINE: &[&str] = &["running", "status", "yield"];
const STRING: &[&str] = &["byte", "char", "len", "sub"];
const TABLE: &[&str] = &["getn", "setn"];

pub(super) struct Environment {
    /// The table behind the globals.
    pub(super) globals: Table,
    /// The globals as scripts hold them.
    pub(super) environment: Table,
    pub(super) seal: Function,
    pub(super) run: Function,
    pub(super) missing_global: Function,
    reset: Function,
    libraries: libraries::Libraries,
}

impl Environment {
    /// Forgets what earlier scripts set.
    pub(super) fn reset(&self) -> mlua::Result<()> {
        self.libraries.reset();
        self.reset.call(())
    }
}

pub(super) fn build(lua: &Lua, state: &Rc<State>, limits: Limits) -> Result<Environment, Error> {
    let raw = lua.globals();
    let prelude: Table = lua
        .load(include_str!("prelude.lua"))
        .set_name(PRELUDE)
        .set_mode(ChunkMode::Text)
        .call(native(lua, state)?)?;
    let seal: Function = prelude.raw_get("seal")?;
    let metatables: Table = prelude.raw_get("metatables")?;

    let globals = lua.create_table()?;
    copy(&raw, &globals, BASE)?;
    merge(&prelude.raw_get("base")?, &globals)?;
    let environment: Table = seal.call(&globals)?;
    globals.raw_set("_G", &environment)?;

    let missing = lua.create_table()?;
    missing.raw_set("__index", prelude.raw_get::<Function>("missing_global")?)?;
    metatables.raw_set(&environment, seal.call::<Table>(&missing)?)?;
    globals.set_metatable(Some(missing))?;

    let own = |name: &str, kept: &[&str]| -> mlua::Result<Table> {
        let contents = lua.create_table()?;
        copy(&raw.raw_get::<Table>(name)?, &contents, kept)?;
        if let Some(ours) = prelude.raw_get::<Option<Table>>(name)? {
            merge(&ours, &contents)?;
        }
        Ok(contents)
    };
    let coroutine = own("coroutine", COROUTINE)?;
    let table = own("table", TABLE)?;
    let string = own("string", STRING)?;
    let math = libraries::math::table(lua, state, &raw.raw_get("math")?)?;
    libraries::strings::fill(lua, state, &string)?;
    let (libraries, more) = libraries::build(lua, state)?;

    for (name, contents) in [("coroutine", coroutine), ("table", table), ("math", math)] {
        globals.raw_set(name, seal.call::<Table>(contents)?)?;
    }
    for (name, contents) in more {
        globals.raw_set(name, seal.call::<Table>(contents)?)?;
    }
    let sealed_string: Table = seal.call(&string)?;
    globals.raw_set("string", &sealed_string)?;
    // Methods of strings find the library itself; who asks for the metatable gets one to look at.
    if let Some(of_strings) = lua.type_metatable::<LuaString>() {
        of_strings.raw_set("__index", &string)?;
        let shown = lua.create_table()?;
        shown.raw_set("__index", &sealed_string)?;
        metatables.raw_set("string", seal.call::<Table>(shown)?)?;
    }
    add_load(lua, state, limits, &globals, &environment)?;

    Ok(Environment {
        run: prelude.raw_get("run")?,
        missing_global: prelude.raw_get("missing_global")?,
        reset: prelude.raw_get("reset")?,
        globals,
        environment,
        seal,
        libraries,
    })
}

/// The functions that the prelude is built from.
fn native(lua: &Lua, state: &Rc<State>) -> mlua::Result<Table> {
    let native = lua.create_table()?;
    native.raw_set("interval", state.meter.interval())?;
    // An element takes 16 bytes at least.
    native.raw_set("elements_max", state.memory_bytes_max() / 16)?;
    let shared = state.clone();
    native.raw_set(
        "settle",
        lua.create_function(move |lua, value: Value| thrown::settle(lua, &shared, value))?,
    )?;
    let shared = state.clone();
    native.raw_set(
        "charge",
        lua.create_function(move |_, fuel: f64| shared.charge(Fuel(fuel as u64)))?,
    )?;
    let shared = state.clone();
    native.raw_set(
        "trace",
        lua.create_function(move |lua, value: Value| {
            note_place(lua, &shared);
            Ok(value)
        })?,
    )?;
    native.raw_set(
        "address",
        lua.create_function(|_, (kind, number): (String, u64)| {
            Ok(format!("{kind}: 0x{number:012x}"))
        })?,
    )?;
    libraries::strings::native(lua, state, &native)?;
    Ok(native)
}

/// `load` and `loadstring`: what they cannot compile is `nil` and the reason, as in Lua.
fn add_load(
    lua: &Lua,
    state: &Rc<State>,
    limits: Limits,
    globals: &Table,
    environment: &Table,
) -> mlua::Result<()> {
    let compile = {
        let state = state.clone();
        let environment = environment.clone();
        move |lua: &Lua, name: &[u8], source: &[u8]| -> mlua::Result<MultiValue> {
            // Compiling takes about as long as a dozen instructions a byte.
            state.charge(Fuel(source.len() as u64 * 4))?;
            let name: Vec<u8> = name
                .iter()
                .copied()
                .take_while(|byte| *byte != 0)
                .take(200)
                .collect();
            let name = String::from_utf8_lossy(&name);
            match load::compile(lua, &environment, limits, &name, source) {
                Ok(function) => Ok(MultiValue::from_vec(vec![Value::Function(function)])),
                Err(Error::Lua(error)) => Err(error),
                Err(Error::OutOfMemory) => Err(mlua::Error::external(
                    state.meter.stop(super::Stop::OutOfMemory),
                )),
                Err(error) => Ok(MultiValue::from_vec(vec![
                    Value::Nil,
                    Value::String(lua.create_string(error.to_string())?),
                ])),
            }
        }
    };
    let compile = Rc::new(compile);
    let shared = compile.clone();
    let loadstring = lua.create_function(move |lua, arguments: Arguments| {
        let source = arguments.string(lua, 1)?;
        let source = source.as_bytes();
        if arguments.absent(2) {
            return shared(lua, &source, &source);
        }
        let name = arguments.string(lua, 2)?;
        shared(lua, &name.as_bytes(), &source)
    })?;
    globals.raw_set("loadstring", loadstring)?;
    let load = lua.create_function(move |lua, arguments: Arguments| {
        let Value::Function(reader) = arguments.value(1) else {
            return Err(arguments.mistyped(lua, 1, "function"));
        };
        let mut source = Vec::new();
        loop {
            let piece = match reader.call::<Value>(())? {
                Value::Nil => break,
                piece => match lua.coerce_string(piece)? {
                    Some(piece) => piece,
                    None => return Err(raise(lua, "reader function must return a string")),
                },
            };
            let piece = piece.as_bytes();
            if piece.is_empty() {
                break;
            }
            source.extend_from_slice(&piece);
            if source.len() > limits.source_bytes {
                break;
            }
        }
        if arguments.absent(2) {
            return compile(lua, b"=(load)", &source);
        }
        let name = arguments.string(lua, 2)?;
        compile(lua, &name.as_bytes(), &source)
    })?;
    globals.raw_set("load", load)
}

fn copy(from: &Table, to: &Table, names: &[&str]) -> mlua::Result<()> {
    for name in names {
        to.raw_set(*name, from.raw_get::<Value>(*name)?)?;
    }
    Ok(())
}

fn merge(from: &Table, to: &Table) -> mlua::Result<()> {
    from.for_each(|name: Value, value: Value| to.raw_set(name, value))
}
