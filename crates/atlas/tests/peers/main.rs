//! The edge among strangers: WebSocket libraries of other languages as they come, game servers written with the
//! TypeScript SDK, and the guides, followed word by word; and the store among programs that keep their jobs in it.
//!
//! What these need (Node with npm, Python with venv) is installed once below the target directory. Where it is missing, a
//! test prints `skipped: REASON` and passes.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "helpers of tests say what they expect by unwrapping, and why they skip by printing"
)]

mod guide;
mod guides;
mod library;
mod programs;
mod sdk;
mod support;
mod workshop;
