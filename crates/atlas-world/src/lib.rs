//! Regions, motion, the session and its transfer as a state machine.
//!
//! Role: floor 1, pure: no I/O, no clock, no randomness of its own. It decides; the edge (or the simulator) performs.
//!
//! Entry points: [`Session`] is one cooperative player's machine: it takes an [`Event`] and the time, asks its
//! [`Surroundings`], and appends [`Command`]s that are to be performed in order; [`PlainSession`] is that of a player whose
//! server knows nothing of Atlas, in the same vocabulary. [`moves`] says who is moved for balance. [`Regions`] says which server is the
//! authority where. [`Directory`] is the compare-and-set that decides who owns a session; [`MemoryDirectory`] keeps
//! it in this process.
//!
//! Invariants (the simulator in `atlas-sim` checks each after every event):
//! - output of at most one server is accepted at any time, and no output of a newer authority before the last of the
//!   older one;
//! - every client message is delivered to exactly one surviving authority, once, in the order sent, or is counted in
//!   a [`Command::NotifyReset`];
//! - no epoch is used for two attempts, and a server is told to act only after a compare-and-set said so;
//! - each [`Command::Began`] is followed by one [`Command::Ended`]; a transfer never closes the client, save an
//!   outcome unknown for longer than [`Settings::unknown_outcome_max`];
//! - the session holds one place at each server it was given one (by its birth or by [`Surroundings::reserve`]) and
//!   gives each back exactly once ([`Surroundings::release`]).

mod command;
mod crossing;
mod decision;
mod directory;
mod event;
mod held;
mod motion;
pub mod moves;
mod plain;
mod region;
mod session;
mod settings;
#[cfg(test)]
mod story;
mod surroundings;

pub use command::{AttachReason, Command, DetachReason, Order, RequestOutcome, TransferOutcome};
pub use directory::{Directory, MemoryDirectory, Outcome, Record};
pub use event::{Answer, Destination, Event, Reason, Timer};
pub use motion::{Motion, Observed};
pub use plain::PlainSession;
pub use region::{Error, Region, Regions};
pub use session::{Phase, Session};
pub use settings::{PlainOrder, Settings};
pub use surroundings::{LinkId, Message, ServerId, State, Surroundings};
#[cfg(feature = "planted-bugs")]
#[doc(hidden)]
pub use {plain::PlantedPlain, session::Planted};
