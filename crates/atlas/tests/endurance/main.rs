//! What must hold over time: players who cross borders, servers that are killed, stalled and drained, reloads without
//! end, stores that are killed under load. Here in their short forms; `cargo xtask chaos`, `cargo xtask soak` and
//! `cargo xtask durability` run the long ones of the optimised binary, and set the variables that
//! [`Extent`](extent::Extent) reads.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "helpers of tests say what they expect by unwrapping, and what was seen by printing"
)]

mod chaos;
mod crossing;
mod extent;
mod faults;
mod kill;
mod ledger;
mod players;
mod power;
mod reload;
mod world;
