//! The edge in this process, between real sockets.

#![allow(
    clippy::unwrap_used,
    reason = "helpers of tests say what they expect by unwrapping, too"
)]

mod bad_input;
mod control;
mod cooperative;
mod discovery;
mod drain;
mod endings;
mod game;
mod handshake;
mod health;
mod hostile;
mod limits;
mod link_token;
mod metrics;
mod mirror;
mod moves;
mod placement;
mod plain_moves;
mod players;
mod registration;
mod relay;
mod reload;
mod support;
mod tap;
