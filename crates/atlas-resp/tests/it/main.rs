//! The crate as others use it: hostile input with a bound on memory, and the same bytes read by a real redis-server.

#![allow(
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "helpers of tests say why they skip, and fail loudly"
)]

mod differential;
mod hostile;
mod oracle;

use atlas_testkit::redis;
