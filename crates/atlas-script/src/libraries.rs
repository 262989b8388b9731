//! The libraries that scripts know besides Lua's own.

use std::rc::Rc;

use mlua::{Lua, Table};

use crate::sandbox::State;

mod bit;
mod cjson;
mod cmsgpack;
pub(crate) mod math;
mod ordered;
pub(crate) mod strings;
mod structs;

/// What the libraries remember while a script runs.
pub(crate) struct Libraries {
    cjson: Rc<cjson::Settings>,
}

impl Libraries {
    /// Forgets what earlier scripts set.
    pub(crate) fn reset(&self) {
        self.cjson.reset();
    }
}

/// The libraries by their names.
pub(crate) fn build(
    lua: &Lua,
    state: &Rc<State>,
) -> mlua::Result<(Libraries, Vec<(&'static str, Table)>)> {
    let (json, settings) = cjson::table(lua, state)?;
    let tables = vec![
        ("bit", bit::table(lua)?),
        ("cjson", json),
        ("cmsgpack", cmsgpack::table(lua, state)?),
        ("struct", structs::table(lua, state)?),
    ];
    Ok((Libraries { cjson: settings }, tables))
}
