//! A small game server and simulated players: for the demo, for load tests and for tests.
//!
//! Entry points:
//! - [`server::Server`] is the game server, plain or cooperative (`atlas.link.v1`);
//! - [`players::Players`] walk over the demo's world through real WebSockets and check every answer;
//! - [`load::run`] is the load-test client behind `atlas load`.
//!
//! Invariants:
//! - a cooperative server keeps every rule that fences at the server: no effect under an old epoch,
//!   none while frozen, none past the lease;
//! - each numbered message is answered once, and the client's book finds every answer that is lost,
//!   doubled or out of order;
//! - everything is bounded: connections, message and head sizes, remembered sessions, outstanding
//!   messages, and every wait at a stop.

mod error;
mod messages;
mod random;
mod tally;
mod verifier;
mod walk;

mod client;
pub mod load;
pub mod players;
pub mod server;

pub use error::Error;
pub use tally::Percentiles;
pub use walk::{Movement, WORLD_EXTENT, Walker};
