//! What can go wrong.

use mlua::Value;

/// Why a script did not end well.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The script burnt all its fuel.
    #[error("the script ran out of fuel")]
    OutOfFuel,
    /// The interrupt said stop.
    #[error("the script was killed")]
    Killed,
    /// The script needed more memory than it may have.
    #[error("the script ran out of memory")]
    OutOfMemory,
    /// The text is too long to be compiled.
    #[error("the script has {bytes} bytes, at most {bytes_max} are compiled")]
    TooLong {
        /// How many it has.
        bytes: usize,
        /// How many it may have.
        bytes_max: usize,
    },
    /// The text is not Lua; Lua's own words.
    #[error("{0}")]
    Syntax(String),
    /// The script raised an error.
    #[error("{thrown}")]
    Script {
        /// What it raised, and where.
        thrown: Thrown,
    },
    /// Something that is no fault of the script.
    #[error("lua failed")]
    Lua(#[from] mlua::Error),
}

/// What a script raised.
#[derive(Debug)]
pub struct Thrown {
    /// The value: mostly a string, or a table with a field `err`.
    pub value: Value,
    /// The name of the chunk that raised it, as given when it was compiled (`@user_script`).
    pub source: Option<String>,
    /// The line in that chunk.
    pub line: Option<usize>,
}

impl std::fmt::Display for Thrown {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.value {
            Value::String(text) => write!(formatter, "{}", text.display()),
            Value::Integer(number) => write!(formatter, "{number}"),
            Value::Number(number) => write!(formatter, "{number}"),
            Value::Table(table) => match table.raw_get::<mlua::LuaString>("err") {
                Ok(text) => write!(formatter, "{}", text.display()),
                Err(_) => write!(formatter, "a table was raised"),
            },
            other => write!(formatter, "{}", other.type_name()),
        }
    }
}
