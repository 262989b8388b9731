//! Packs in folders: what is read, what is not followed, and real packs.

#![allow(
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "helpers of tests say why they skip, and fail loudly"
)]

mod folder;
mod real;
