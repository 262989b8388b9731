//! Lua 5.1 as Redis scripts know it, in a sandbox that counts.
//!
//! A [`Sandbox`] compiles text to functions ([`Sandbox::load`]) and calls them ([`Sandbox::call`]) with so much
//! [`Fuel`]; what scripts see besides Lua (`redis`, `KEYS`, `ARGV`) its owner sets in [`Sandbox::globals`]. An [`Engine`]
//! is that owner: it runs the scripts of a keyspace.
//!
//! Invariants:
//! - A script ends: everything it does burns fuel, what it does is interrupted once an interval, and once stopped it is
//!   stopped again at whatever it tries, `pcall` or not.
//! - A script is bounded: memory, source text, depth of nesting, steps of a pattern.
//! - A script is deterministic: the same text, arguments, seed and answers give the same result on every machine.
//! - A script leaves nothing behind: what the next one sees is what the first one saw.
//!
//! What is closed and how: `docs/design/lua.md`.

mod arguments;
mod convert;
mod engine;
mod error;
mod functions;
mod libraries;
mod limits;
mod meter;
mod number;
mod power;
mod random;
mod redis;
mod sandbox;

pub use engine::Engine;
pub use error::{Error, Thrown};
pub use limits::{BYTES_PER_FUEL, Fuel, Limits, Verdict};
pub use sandbox::{Sandbox, throw};
