//! The arguments of a built-in function, checked and complained about in Lua's own words.

use mlua::{FromLuaMulti, Lua, LuaString, MultiValue, Result, Value};

use crate::sandbox::PRELUDE;

/// An error that a built-in function raises in the script that called it.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub(crate) struct Raised {
    /// What the script gets to see, position and all.
    pub(crate) message: String,
}

/// An error as C's `luaL_error` makes it: with the position of who called the function that is running now. Where that is
/// the prelude, of who called the prelude.
pub(crate) fn raise(lua: &Lua, message: impl AsRef<str>) -> mlua::Error {
    let mut place = None;
    for level in 1..8 {
        let caller = lua.inspect_stack(level, |caller| {
            let source = caller.source();
            if source.source.as_deref() == Some(PRELUDE) {
                return None;
            }
            let name = source.short_src.as_deref().unwrap_or("?").to_owned();
            Some(caller.current_line().map(|line| format!("{name}:{line}: ")))
        });
        match caller {
            Some(None) => {}
            Some(Some(found)) => {
                place = found;
                break;
            }
            None => break,
        }
    }
    mlua::Error::external(Raised {
        message: format!("{}{}", place.unwrap_or_default(), message.as_ref()),
    })
}

/// What a function was called with.
pub(crate) struct Arguments {
    values: Vec<Value>,
}

impl FromLuaMulti for Arguments {
    fn from_lua_multi(values: MultiValue, _: &Lua) -> Result<Self> {
        Ok(Self {
            values: values.into_vec(),
        })
    }
}

impl Arguments {
    /// How many there are.
    pub(crate) fn count(&self) -> usize {
        self.values.len()
    }

    /// Puts a `nil` behind the last one.
    pub(crate) fn push_nil(&mut self) {
        self.values.push(Value::Nil);
    }

    /// The one at a position that begins with 1, `nil` where there is none.
    pub(crate) fn value(&self, position: usize) -> &Value {
        self.values.get(position - 1).unwrap_or(&Value::Nil)
    }

    /// A complaint about the argument at a position.
    pub(crate) fn wrong(&self, lua: &Lua, position: usize, why: &str) -> mlua::Error {
        let called = lua.inspect_stack(0, |function| {
            let names = function.names();
            (
                names.name.map(|name| name.into_owned()),
                names.name_what == Some("method"),
            )
        });
        let (name, method) = called.unwrap_or_default();
        let name = name.unwrap_or_else(|| String::from("?"));
        let message = match (method, position) {
            (true, 1) => format!("calling '{name}' on bad self ({why})"),
            (true, _) => format!("bad argument #{} to '{name}' ({why})", position - 1),
            (false, _) => format!("bad argument #{position} to '{name}' ({why})"),
        };
        raise(lua, message)
    }

    /// A complaint that the argument is of another type.
    pub(crate) fn mistyped(&self, lua: &Lua, position: usize, expected: &str) -> mlua::Error {
        let got = match self.values.get(position - 1) {
            None => "no value",
            Some(value) => type_name(value),
        };
        self.wrong(lua, position, &format!("{expected} expected, got {got}"))
    }

    /// Whether it is absent or `nil`.
    pub(crate) fn absent(&self, position: usize) -> bool {
        matches!(self.value(position), Value::Nil)
    }

    /// A number, or a string that reads as one.
    pub(crate) fn number(&self, lua: &Lua, position: usize) -> Result<f64> {
        match as_number(lua, self.value(position))? {
            Some(number) => Ok(number),
            None => Err(self.mistyped(lua, position, "number")),
        }
    }

    /// A number, cut to an integer as C does it.
    pub(crate) fn integer(&self, lua: &Lua, position: usize) -> Result<i64> {
        Ok(cut(self.number(lua, position)?))
    }

    /// An integer, or what stands for an absent one.
    pub(crate) fn integer_or(&self, lua: &Lua, position: usize, absent: i64) -> Result<i64> {
        if self.absent(position) {
            Ok(absent)
        } else {
            self.integer(lua, position)
        }
    }

    /// A string, or a number as its text.
    pub(crate) fn string(&self, lua: &Lua, position: usize) -> Result<LuaString> {
        match self.value(position) {
            Value::String(text) => Ok(text.clone()),
            value @ (Value::Integer(_) | Value::Number(_)) => {
                match lua.coerce_string(value.clone())? {
                    Some(text) => Ok(text),
                    None => Err(self.mistyped(lua, position, "string")),
                }
            }
            _ => Err(self.mistyped(lua, position, "string")),
        }
    }
}

/// Lua's name of a value's type.
pub(crate) fn type_name(value: &Value) -> &'static str {
    match value {
        Value::Integer(_) | Value::Number(_) => "number",
        Value::LightUserData(_) | Value::UserData(_) | Value::Error(_) => "userdata",
        other => other.type_name(),
    }
}

/// A number, or a string that reads as one.
pub(crate) fn as_number(lua: &Lua, value: &Value) -> Result<Option<f64>> {
    match value {
        Value::Integer(number) => Ok(Some(*number as f64)),
        Value::Number(number) => Ok(Some(*number)),
        Value::String(_) => lua.coerce_number(value.clone()),
        _ => Ok(None),
    }
}

/// A double as a 64-bit integer, as C on x86-64 converts it: what does not fit is the smallest integer.
pub(crate) fn cut(number: f64) -> i64 {
    if (-9_223_372_036_854_775_808.0..9_223_372_036_854_775_808.0).contains(&number) {
        number as i64
    } else {
        i64::MIN
    }
}

/// A double as C converts it to an unsigned integer of 64 bits: by way of a signed one where it is negative.
pub(crate) fn unsigned(number: f64) -> u64 {
    const HALF: f64 = 9_223_372_036_854_775_808.0;
    if number >= HALF {
        cut(number - HALF).cast_unsigned() ^ (1 << 63)
    } else {
        cut(number).cast_unsigned()
    }
}
