//! `string`: Lua's own where one call is one pass over a string; ours where one call can be long.

use std::rc::Rc;

use mlua::{Function, Lua, Table, Value};

use crate::limits::Limits;
use crate::sandbox::State;

/// Adds our functions to the library.
pub(crate) fn fill(
    lua: &Lua,
    _state: &Rc<State>,
    _limits: Limits,
    table: &Table,
    _text_of: &Function,
) -> mlua::Result<()> {
    let raw: Table = lua.globals().raw_get("string")?;
    for name in ["find", "format", "gmatch", "gsub", "match", "rep"] {
        table.raw_set(name, raw.raw_get::<Value>(name)?)?;
    }
    table.raw_set("gfind", raw.raw_get::<Value>("gmatch")?)
}
