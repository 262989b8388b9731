//! The store: keys in memory, a log that is written before an answer, the protocol of Redis.
//!
//! Entry points: [`StoreConfig`] → [`Store::build`] (binds, opens the log, brings the state back) → [`Store::start`] →
//! drain; [`Handle`] is the only way in while it serves, besides its clients' sockets; [`Handle::admin_routes`] is its part of
//! the admin API.
//!
//! How it is laid out:
//! - the **engine** (`engine.rs`) is one thread that owns the keyspace and its clients' sockets (`sockets.rs`, `connection.rs`);
//! - the **door** (`door.rs`) decides what becomes of a command: answered at once, a place in the queue (`flight.rs`), or
//!   a wait (`waiting.rs`, `transaction.rs`);
//! - the **log's thread** (`log.rs`) writes and syncs what the door let in; `apply.rs` is what happens then, `serving.rs` what
//!   follows for others;
//! - `snapshot.rs` writes the state of one instant beside the engine's work, `recovery.rs` reads it and the log back;
//! - `access.rs` decides who may do what, `commands/acl.rs` changes that;
//! - `expiry.rs` removes keys by records of their own, `pubsub.rs` carries messages, `tracking.rs` news of what clients have read;
//! - `statistics.rs` counts, `asked.rs` tells it, `admin.rs` is the store's part of the admin API
//!   (`api.rs` has its shapes);
//! - `files.rs` works on a directory beside a store: checks it, prints it, copies it, makes a new one;
//! - `commands/` has the commands that are not about keys, one file a group.
//!
//! Invariants: under `fsync = "every"` nothing is applied, read or answered before it is durable; a connection's answers
//! keep the order of its commands; a record that is read back does what it did the first time; what a client may make
//! the store keep is bounded.

mod access;
mod admin;
mod api;
mod apply;
mod asked;
mod blocking;
mod bugs;
mod busy;
mod commands;
mod config;
mod connection;
mod door;
mod engine;
mod error;
mod expiry;
pub mod files;
mod flight;
mod handle;
mod log;
mod mail;
mod memory;
mod metrics;
mod pubsub;
mod recovery;
mod reload;
mod scripts;
mod service;
mod serving;
mod snapshot;
mod sockets;
mod statistics;
mod stream;
mod tls;
mod tracking;
mod transaction;
mod waiting;

pub use admin::admin_operations;
#[cfg(feature = "planted-bugs")]
pub use bugs::Planted;
pub use config::{AclPubsubDefault, EvictionPolicy, Fsync, StoreConfig};
pub use error::Error;
pub use handle::Handle;
pub use memory::Allocated;
pub use reload::Reloaded;
pub use service::{Store, declare_metrics};
