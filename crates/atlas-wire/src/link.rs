//! `atlas.link.v1`: what edge and game server say to each other about players.
//!
//! `docs/formats/link.md` is the protocol's page: every rule stands there. Here are the messages: [`ToServer`] and
//! [`FromServer`] on the links of sessions, [`ControlToServer`] and [`ControlFromServer`] on the control link. A message
//! is read by `decode` (without its tag) and written by `encode` (with it). A state of more than 64 KiB travels in parts
//! in front of the message that names it: [`Carried::new`] cuts, [`StateJoiner`] joins.

mod control;
mod from_server;
mod state;
#[cfg(test)]
mod tests;
mod to_server;

pub use crate::message::{CONTROL_BYTES_MAX, Error, Unsupported};
pub use control::{
    Address, ControlFromServer, ControlPing, ControlPong, ControlToServer, Drain, Draining, Load,
    Received, Send, Sender, Undeliverable, Wait,
};
pub use from_server::{
    Adopted, Attached, Checkpoint, Committed, Destination, FromServer, Frozen, Kick, Pong,
    Preloaded, Refused, Report, TransferRequest,
};
pub use state::{
    Carried, INLINE_STATE_BYTES_MAX, PART_BYTES_MAX, State, StateId, StateJoiner, StatePart,
    parse_state_part,
};
pub use to_server::{
    Abort, Adopt, Attach, AttachReason, Client, ClientPresence, Commit, Detach, DetachReason,
    Freeze, Leaving, MoveReason, Outcome, Ping, Preload, Resumed, Suspended, ToServer,
    TransferResult,
};

use atlas_base::{Position, Velocity};

/// The largest coordinate and speed that is believed; beyond it differences may leave the finite numbers.
const COORDINATE_MAX: f64 = 1e300;

/// Whether a position makes sense; the error names its field.
fn check_position(position: &Position) -> Result<(), String> {
    check_coordinates("position", [position.x, position.y, position.z])
}

/// Whether a velocity makes sense; the error names its field.
fn check_velocity(velocity: &Velocity) -> Result<(), String> {
    check_coordinates("velocity", [velocity.x, velocity.y, velocity.z])
}

fn check_coordinates(field: &str, coordinates: [f64; 3]) -> Result<(), String> {
    if coordinates
        .iter()
        .all(|coordinate| coordinate.abs() <= COORDINATE_MAX)
    {
        Ok(())
    } else {
        Err(format!("{field}: beyond 1e300"))
    }
}
