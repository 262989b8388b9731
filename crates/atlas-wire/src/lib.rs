//! What travels at the edge: WebSocket frames, upgrade heads, the link's and the client's messages, dialects.
//!
//! Entry points, in the order in which a connection meets them:
//! [`upgrade`] reads a client's request head, makes the request to the game server of it, reads the answer and makes
//! the client's; [`frame`] reads and writes frame headers, masks, and checks the order of fragments;
//! [`tag`] names the first byte of tagged messages; [`dialect`] finds kind, place and player in a game's own messages;
//! [`link`] and [`client`] hold the control messages of the two protocols.
//!
//! Nothing here does I/O, keeps time or draws random numbers: bytes in, decisions and bytes out. No input makes any of
//! it panic or allocate more than a small multiple of that input.

mod error;
mod message;

pub mod client;
pub mod dialect;
pub mod frame;
pub mod link;
pub mod proxy;
pub mod tag;
pub mod upgrade;

pub use error::Error;
