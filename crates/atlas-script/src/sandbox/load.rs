//! Compiling: text only, bounded, and with collection stopped.

use mlua::chunk::ChunkMode;
use mlua::{Function, Lua, Table};

use crate::error::Error;
use crate::limits::Limits;

/// Compiles text that sees `environment` as its globals.
pub(super) fn compile(
    lua: &Lua,
    environment: &Table,
    limits: Limits,
    name: &str,
    source: &[u8],
) -> Result<Function, Error> {
    if source.len() > limits.source_bytes {
        return Err(Error::TooLong {
            bytes: source.len(),
            bytes_max: limits.source_bytes,
        });
    }
    // Bytecode is read as the text that it is not; the binding refuses it with words of its own.
    let text;
    let source = match source.first() {
        Some(0x1B) => {
            text = [b" ", source].concat();
            &text[..]
        }
        _ => source,
    };
    // Lua 5.1's parser holds strings that its collector does not see (CVE-2025-49844).
    lua.gc_stop();
    let chunk = lua
        .load(source)
        .set_name(name)
        .set_mode(ChunkMode::Text)
        .set_environment(environment.clone());
    let compiled = chunk.into_function();
    lua.gc_restart();
    compiled.map_err(|error| match error {
        mlua::Error::SyntaxError { message, .. } => Error::Syntax(message),
        mlua::Error::MemoryError(_) => Error::OutOfMemory,
        other => Error::Lua(other),
    })
}
