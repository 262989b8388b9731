//! Test helpers for every crate of the workspace: deadlines instead of sleeps, the built binary with its ready file,
//! WebSocket clients and servers, the admin API, and a headless browser.
//!
//! Entry points: [`Deadline`] and [`eventually`], [`Atlas`] (a running `atlas`), [`Process`] (any child), [`Client`]
//! and [`RawClient`] (players), [`GameServer`] (a game), [`Http`] (the admin API) and [`Events`] (its streams),
//! [`Browser`] and [`Page`], [`redis::Redis`], [`history::History`] (what clients of a store were answered).
//!
//! Invariants: nothing here waits without a deadline, everything listens and dials on loopback, and whatever was
//! started ends when its handle is dropped. Failures are values of [`Error`] that name what was awaited and what was
//! seen instead, so that a test's `unwrap` explains itself.

mod atlas;
mod browser;
mod deadline;
mod error;
mod frame;
mod game;
mod http;
mod process;
mod raw;
mod websocket;

pub mod history;
pub mod redis;

pub use atlas::{Atlas, AtlasBuilder, Ready};
pub use browser::{Browser, Page, Scheme, Viewport};
pub use deadline::{Deadline, eventually, eventually_async, eventually_some};
pub use error::{Error, Result};
pub use frame::{RawFrame, opcode};
pub use game::{Answer, GameServer, GameServerBuilder, OnMessage, Seen};
pub use http::{Event, Events, Http, Reply};
pub use process::{Exit, Process};
pub use raw::RawClient;
pub use websocket::{Client, ClientBuilder, Received};

/// Signals that [`Process::signal`] takes.
pub use rustix::process::Signal;
