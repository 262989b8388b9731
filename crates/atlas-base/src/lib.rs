//! The small words of Atlas: ids, epochs, positions, moments, byte sizes, time spans, redacted secrets.
//!
//! Role: floor 0. Every other crate may import this one; it imports none of them, does no I/O and reads no clock.
//! Entry points: [`SessionId`] and [`TransferId`] (UUID text), [`Epoch`], [`Position`] and [`Velocity`], [`Moment`]
//! (time as pure code sees it), [`TimeSpan`] and [`ByteSize`] (what a person writes in a configuration), [`Secret`].
//!
//! Invariants: every type's text form parses back to an equal value; ids are written in lower case; a [`Secret`]
//! never shows its content through `Debug`, `Display` or serde.

mod epoch;
mod error;
mod ids;
mod moment;
mod position;
mod secret;
mod size;
mod span;

pub use epoch::Epoch;
pub use error::Error;
pub use ids::{RegistrationId, SessionId, TransferId};
pub use moment::Moment;
pub use position::{Position, Velocity};
pub use secret::Secret;
pub use size::ByteSize;
pub use span::TimeSpan;
