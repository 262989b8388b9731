//! Packs as a whole, from trees in memory.

#![allow(
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "helpers of tests say why they skip, and fail loudly"
)]

mod findings;
mod hostile;
mod support;
