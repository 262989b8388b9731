//! Errors on their way through a script.

use mlua::{Lua, LuaString, Value};

use super::{PRELUDE_PREFIX, Raised, State, Stop};

/// A value that a function of ours raises in a script.
#[derive(Debug, thiserror::Error)]
#[error("a script raised a value")]
struct ThrownValue(Value);

/// The error to return from a function so that the script that called it sees this value raised.
pub fn throw(value: Value) -> mlua::Error {
    mlua::Error::external(ThrownValue(value))
}

/// An error as a script may see it: never an object of ours. Where the script is stopped, the stop again.
pub(super) fn settle(lua: &Lua, state: &State, value: Value) -> mlua::Result<Value> {
    if let Some(why) = state.meter.stopped() {
        return Err(mlua::Error::external(why));
    }
    match value {
        Value::String(text) => settle_text(lua, state, text),
        Value::Error(error) => {
            let mut cause: &mlua::Error = &error;
            loop {
                match cause {
                    mlua::Error::CallbackError { cause: inner, .. }
                    | mlua::Error::WithContext { cause: inner, .. }
                    | mlua::Error::BadArgument { cause: inner, .. } => cause = inner,
                    mlua::Error::ExternalError(external) => {
                        if let Some(raised) = external.downcast_ref::<Raised>() {
                            return Ok(Value::String(lua.create_string(&raised.message)?));
                        }
                        if let Some(ThrownValue(value)) = external.downcast_ref() {
                            return Ok(value.clone());
                        }
                        if let Some(why) = external.downcast_ref::<Stop>() {
                            return Err(mlua::Error::external(state.meter.stop(*why)));
                        }
                        return Ok(Value::String(lua.create_string(external.to_string())?));
                    }
                    mlua::Error::MemoryError(_) => {
                        return Err(mlua::Error::external(state.meter.stop(Stop::OutOfMemory)));
                    }
                    mlua::Error::RuntimeError(text) => {
                        // What came through a call of ours from Lua carries a trace below the first line.
                        let text = text.split("\nstack traceback:").next().unwrap_or_default();
                        return settle_text(lua, state, lua.create_string(text)?);
                    }
                    other => return Ok(Value::String(lua.create_string(other.to_string())?)),
                }
            }
        }
        other => Ok(other),
    }
}

fn settle_text(lua: &Lua, state: &State, text: LuaString) -> mlua::Result<Value> {
    let bytes = text.as_bytes();
    if &*bytes == b"not enough memory" {
        return Err(mlua::Error::external(state.meter.stop(Stop::OutOfMemory)));
    }
    let Some(rest) = bytes.strip_prefix(PRELUDE_PREFIX) else {
        drop(bytes);
        return Ok(Value::String(text));
    };
    let after_line = rest
        .iter()
        .position(|byte| *byte == b' ')
        .map_or(0, |place| place + 1);
    Ok(Value::String(lua.create_string(&rest[after_line..])?))
}
