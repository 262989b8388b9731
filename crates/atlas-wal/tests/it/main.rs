//! The log and the snapshots from outside: their bytes, damage, failing disks, power cuts.

#![allow(
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "tests say what they expect by unwrapping, and what they measured and replayed by printing"
)]
#![allow(
    clippy::single_range_in_vec_init,
    reason = "a list of ranges may have one"
)]

mod damage;
mod faults;
mod files;
mod frozen;
mod golden;
mod life;
mod measure;
mod simulation;
mod snapshots;
mod support;
