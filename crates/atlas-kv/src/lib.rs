//! The keyspace and its commands: one file a data type.
//!
//! Role: floor 1, pure: no I/O, no clock, no randomness of its own. A record of the log comes in, an answer and
//! [`Effects`] go out. The store (`atlas-store`) decides what is logged, when, and for whom.
//!
//! Entry points: [`Keyspace::apply`] runs a command that may write, [`Keyspace::read`] one that only reads;
//! [`command::resolve`] finds what is known of a command: arity, flags, keys, whether it would write. Answers go piece by
//! piece into a [`Reply`]. [`Keyspace::snapshot_begin`] and its neighbours write the state of one instant while commands
//! go on; [`Loading`] reads it back.
//!
//! Invariants:
//! - what `apply` does depends on the state and its arguments only: never on a clock, on chance, on the order of a hash
//!   table or on an address; a replay in another process ends in the same [`Keyspace::state_hash`];
//! - a command that is refused has changed nothing and answered nothing before;
//! - everything that a command changes lies in pages, and is changed through them, so that a snapshot in the making sees
//!   what was there when it began;
//! - an empty collection does not exist: its key is removed with its last element.
//!
//! To add a command: its function and its line in `COMMANDS` of its family's file. To add a family: a file, a line in
//! `FAMILIES` (`command.rs`). To add a type: a file that implements [`value::Collection`], a line in `collections!`
//! (`value.rs`).

pub mod acl;
mod arguments;
mod bitmap;
mod bytes;
pub mod catalogue;
mod codec;
pub mod command;
mod context;
mod database;
mod digest;
mod effects;
mod either;
mod entry;
mod error;
mod eviction;
mod expiry;
pub mod glob;
mod hash;
mod hashing;
mod hyperloglog;
mod indexed;
mod keys;
mod keyspace;
mod list;
mod lookups;
mod number;
mod packed;
mod paged;
mod random;
mod rdb;
mod reply;
mod sample;
mod scan;
pub mod script;
mod service;
mod set;
mod settings;
mod slice;
mod snapshot;
mod sorted_set;
mod stream;
mod string;
#[cfg(test)]
mod testing;
mod timeout;
pub mod transaction;
mod value;
mod view;

pub use arguments::{ArgumentBuffer, Arguments};
pub use codec::LoadError;
pub use command::Command;
pub use context::Context;
pub use database::slot;
pub use effects::{Change, Class, Effects, Event, Garbage, Interest, Log, Message, Tally};
pub use error::Error;
pub use eviction::{Candidate, Policy};
pub use hashing::seed;
pub use keyspace::{Answers, Keyspace, Moment, Waiter};
pub use number::{integer, printed_double};
pub use rdb::file::{Import, ImportError, Imported};
pub use reply::{Answer, Collected, Discard, Reply};
pub use settings::{Access, Settings};
pub use slice::Block;
pub use snapshot::Loading;
pub use view::View;
