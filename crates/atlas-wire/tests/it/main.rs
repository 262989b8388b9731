//! The crate from outside: every message against the frozen bytes in `docs/formats/golden`.

#![allow(
    clippy::unwrap_used,
    reason = "tests say what they expect by unwrapping"
)]

mod client;
mod dialects;
mod golden;
mod link;
