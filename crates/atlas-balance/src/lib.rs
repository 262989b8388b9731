//! Choosing among targets: which game server (or back end) gets the next session, and which ones
//! are fit to get any.
//!
//! Entry points:
//! - [`Chooser::choose`] picks one of a slice of [`Candidate`]s by an [`Algorithm`];
//! - [`Health`] turns probe results and what traffic met into one value and a [`State`];
//! - [`usable`] says which members of a pool may be used, and never answers "none";
//! - [`split()`] says which share of the players somebody belongs to (A/B);
//! - [`Location::nearest`] says which places are the nearest;
//! - [`warmth`] is a target's share of its weight while it starts slowly.
//!
//! Invariants:
//! - everything here is pure: time and randomness come in as arguments, equal input gives equal
//!   output, and nothing waits, logs or allocates beyond the size of the pool;
//! - a candidate that does not accept, is full or has no weight is never chosen;
//! - under `consistent-hash` a change of the pool moves only the keys that it has to move;
//! - ejection never empties a pool.
//!
//! To add an algorithm: a variant in `algorithm.rs` and an arm in `chooser.rs`.

mod algorithm;
mod candidate;
mod chooser;
mod health;
mod location;
mod pool;
mod scatter;
mod split;

pub use algorithm::Algorithm;
pub use candidate::{Candidate, warmth};
pub use chooser::Chooser;
pub use health::{Health, Observation, State, Thresholds};
pub use location::Location;
pub use pool::usable;
pub use scatter::hash_key;
pub use split::split;
