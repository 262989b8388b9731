//! The demo's pieces against each other over real sockets, and against servers that are made to fail.

#![allow(
    clippy::unwrap_used,
    reason = "a test's helper fails by panicking, as a test does"
)]

mod asks;
mod bounds;
mod fencing;
mod house;
mod players;
mod stage;
mod states;
mod verification;
