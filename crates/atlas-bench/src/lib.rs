//! Measurements beside peers: what `cargo xtask bench` runs.
//!
//! Entry points: [`edge::run`] measures the edge beside nginx and HAProxy; [`echo::serve`] is the game server it puts
//! behind each of them; [`load::Fleet`] the players in front. [`store::run`] measures the store beside Redis;
//! [`store::clients::Clients`] are its clients.
//!
//! Invariants: every target of a run gets the same bytes from the same clients and the same server behind it; targets
//! take turns inside a run; a figure is a median over runs and is printed with its spread; what could not be done on
//! this machine is said beside the figures.

#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "progress and tables are what a benchmark is for"
)]

pub mod echo;
pub mod edge;
mod error;
pub mod load;
pub mod machine;
pub mod process;
mod start;
pub mod statistics;
pub mod store;

pub use error::Error;
