//! The store as its clients meet it: a store in this process, real sockets, real files.

#![allow(
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "helpers of tests say what they see, and what they expect by unwrapping"
)]

mod acl;
mod blocking;
mod connection;
mod crashes;
mod damage;
mod durability;
mod pipelines;
mod pubsub;
mod replay;
mod scripts;
mod support;
mod tracking;
mod transactions;
mod trouble;
