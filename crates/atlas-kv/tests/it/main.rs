//! The crate as the store uses it: histories of every command, replayed by other processes.

#![allow(clippy::unwrap_used, reason = "helpers of tests fail loudly")]

mod determinism;
mod golden;
mod grammar;
mod history;
mod transcript;
