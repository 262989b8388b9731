//! What the owner of a sandbox needs besides: other globals for some code, and to stop a script from within.

use std::rc::Rc;

use mlua::{Function, Table};

use super::{Sandbox, State, load};
use crate::error::Error;
use crate::meter::Stop;

impl Sandbox {
    /// What functions that charge share with the sandbox.
    pub(crate) fn state(&self) -> Rc<State> {
        Rc::clone(&self.state)
    }

    /// The function that raises an error for a global that is not there.
    pub(crate) fn missing_global(&self) -> &Function {
        &self.environment.missing_global
    }

    /// As [`Sandbox::load`], for code that sees other globals: a table that was sealed.
    ///
    /// # Errors
    /// As [`Sandbox::load`].
    pub(crate) fn load_in(
        &self,
        globals: &Table,
        name: &str,
        source: &[u8],
    ) -> Result<Function, Error> {
        load::compile(&self.lua, globals, self.limits, name, source)
    }
}

impl State {
    /// Ends the script: the error for a function to return.
    pub(crate) fn end(&self) -> mlua::Error {
        mlua::Error::external(self.meter.stop(Stop::Killed))
    }
}
