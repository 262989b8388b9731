//! `cmsgpack`: MessagePack, as the module of that name in version 0.4.0 does it.
//!
//! Maps are written in the order of [`super::ordered`].

use std::rc::Rc;

use mlua::{Lua, Table};

use crate::arguments::Arguments;
use crate::sandbox::State;

mod pack;
mod unpack;

/// The table of the library.
pub(super) fn table(lua: &Lua, state: &Rc<State>) -> mlua::Result<Table> {
    let table = lua.create_table()?;
    let shared = state.clone();
    table.raw_set(
        "pack",
        lua.create_function(move |lua, arguments: Arguments| pack::pack(lua, &shared, &arguments))?,
    )?;
    let shared = state.clone();
    table.raw_set(
        "unpack",
        lua.create_function(move |lua, arguments: Arguments| {
            unpack::unpack(lua, &shared, &arguments, 0, 0)
        })?,
    )?;
    let shared = state.clone();
    table.raw_set(
        "unpack_one",
        lua.create_function(move |lua, arguments: Arguments| {
            let offset = arguments.integer_or(lua, 2, 0)?;
            unpack::unpack(lua, &shared, &arguments, 1, offset)
        })?,
    )?;
    let shared = state.clone();
    table.raw_set(
        "unpack_limit",
        lua.create_function(move |lua, arguments: Arguments| {
            let limit = arguments.integer(lua, 2)?;
            let offset = arguments.integer_or(lua, 3, 0)?;
            unpack::unpack(lua, &shared, &arguments, limit, offset)
        })?,
    )?;
    table.raw_set("_NAME", "cmsgpack")?;
    table.raw_set("_VERSION", "lua-cmsgpack 0.4.0")?;
    table.raw_set("_COPYRIGHT", "Copyright (C) 2012, Salvatore Sanfilippo")?;
    table.raw_set("_DESCRIPTION", "MessagePack C implementation for Lua")?;
    Ok(table)
}
