//! The libraries that scripts know besides Lua's own.

use std::rc::Rc;

use mlua::{Lua, Table};

use crate::sandbox::State;

mod bit;
pub(crate) mod math;
pub(crate) mod strings;

/// What the libraries remember while a script runs.
pub(crate) struct Libraries {}

impl Libraries {
    /// Forgets what earlier scripts set.
    pub(crate) fn reset(&self) {}
}

/// The libraries by their names.
pub(crate) fn build(
    lua: &Lua,
    _state: &Rc<State>,
) -> mlua::Result<(Libraries, Vec<(&'static str, Table)>)> {
    Ok((Libraries {}, vec![("bit", bit::table(lua)?)]))
}
