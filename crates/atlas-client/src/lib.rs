//! The client of the store, and of every server that speaks its protocol: Redis and Valkey, alone or as a cluster.
//!
//! Role: floor 2. Every other part that keeps state in the store goes through here.
//!
//! Entry points:
//! - [`Client::new`] takes a [`Config`] and whoever makes connections ([`Connect`]: [`Tcp`], or anything that hands out
//!   a byte stream); it is cheap to clone and connects when it is first asked something;
//! - [`Client::call`] sends a [`Command`], [`Client::pipeline`] several at once, [`Client::transaction`] several as one;
//! - [`Client::dedicated`] is a connection of one's own, for commands that block and for `WATCH`;
//! - [`Client::subscriber`] is one for messages.
//!
//! Invariants:
//! - **nothing is done twice**: a command is sent again only if not a byte of it was handed to the system, if the server
//!   refused it (a redirect, `LOADING`, `TRYAGAIN`), or if the caller said that it may be
//!   ([`Command::repeatable`]); otherwise a lost connection is [`Error::OutcomeUnknown`];
//! - everything is bounded by a field of [`Config`]: commands and bytes on their way, connections, redirects, waits,
//!   and the size of replies;
//! - answers keep their order; a caller who no longer waits takes nobody's answer away.

mod address;
mod client;
mod command;
mod config;
mod connect;
mod dedicated;
mod error;
mod handshake;
mod multiplexed;
mod node;
mod slot;
mod subscriber;
mod topology;
mod wire;

pub use address::Address;
pub use atlas_resp::reply::Value;
pub use client::Client;
pub use command::Command;
pub use config::Config;
pub use connect::{Connect, Connecting, Stream, Tcp};
pub use dedicated::Dedicated;
pub use error::{Error, Refusal};
pub use slot::slot;
pub use subscriber::{Event, Subscriber};
