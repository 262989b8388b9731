//! What a session may ask of the world around it, and the ids it names things by.

use std::sync::Arc;

use atlas_base::{Position, TransferId};

/// A server's index in its world's table; never reused while the process lives.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ServerId(pub u32);

/// One dial of one session: counts from 0, given by the machine (the first by whoever begins the session).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LinkId(pub u32);

/// One client message, ready to be sent on a link; opaque here.
pub type Message = Box<[u8]>;

/// A player's state as a server gave it; opaque here.
pub type State = Arc<[u8]>;

/// What a session may ask of the world around it, answered at once from the local view.
pub trait Surroundings {
    /// An id that no transfer had before; randomness comes from outside.
    fn new_transfer(&mut self) -> TransferId;

    /// The server that is the authority for `at`; `None` outside every region, or if regions are not used.
    fn owner(&self, at: Position) -> Option<ServerId>;

    /// How far `at` lies outside `server`'s region, in world units: positive outside, zero on the border, negative
    /// inside (how deep). `None` if the server has no region.
    fn outside_by(&self, server: ServerId, at: Position) -> Option<f64>;

    /// Whether `server` takes players now: healthy, not draining, has a place.
    fn may_enter(&self, server: ServerId) -> bool;

    /// The best server for a session that lost its own, or for a transfer that needs another target, among those
    /// that [`Surroundings::may_enter`] allows and that are not in `exclude`.
    fn choose(&mut self, exclude: &[ServerId], at: Option<Position>) -> Option<ServerId>;

    /// Takes a place at `server`, if it has one. Each place taken, and the one of the session's birth, is given back
    /// by one [`Surroundings::release`].
    fn reserve(&mut self, server: ServerId) -> bool;

    /// Gives a place at `server` back.
    fn release(&mut self, server: ServerId);

    /// Whether one more transfer may begin now; while it may not, transfers wait in `Settled`, not frozen. A failover never
    /// waits.
    fn may_begin(&self) -> bool {
        true
    }

    /// Whether the directory answers now; while it does not, transfers wait in `Settled`, not frozen.
    fn directory_reachable(&self) -> bool {
        true
    }
}
