//! Seeded simulation: a tick loop of our own, without a runtime, that drives pure decisions through drawn faults.
//!
//! Role: beside the floors. Entry points: [`transfer::run`] runs one seed of the session's machine (`atlas-world`)
//! among simulated clients, servers, links and a directory; [`transfer::sweep`] runs many.
//!
//! Invariants: one `u64` draws everything, the fault rates included, so the same seed and code give the same
//! [`transfer::Outcome::trace_hash`]; no time is read and nothing is kept between runs.

mod random;
mod trace;
pub mod transfer;
