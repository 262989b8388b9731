//! The binary as people and programs meet it: what it says, what it does, how it ends.

#![allow(
    clippy::unwrap_used,
    reason = "helpers of tests say what they expect by unwrapping"
)]

mod config;
mod console;
mod console_store;
mod demo;
mod edge;
mod hostile;
mod openapi;
mod pack;
mod remote;
mod store;
mod store_api;
mod store_files;
mod store_import;
mod store_keys;
mod store_refused;
mod store_tls;
mod support;
mod words;
