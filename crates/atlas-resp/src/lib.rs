//! RESP2 and RESP3, the protocols of Redis: what clients ask, and what they are answered.
//!
//! Entry points:
//! - [`request::Decoder`] finds commands in a buffer that the caller owns: a command's arguments are ranges of that
//!   buffer, and [`request::Limits`] bound everything before it is waited for;
//! - [`Encoder`] writes replies of either [`Protocol`] behind what a `Vec<u8>` holds already, [`command`] writes a
//!   request;
//! - [`reply::Decoder`] makes a [`reply::Value`] of what a server answered.
//!
//! Invariants:
//! - nothing here does input or output, keeps time or draws random numbers: bytes in, ranges, values and bytes out;
//! - however the input is cut into pieces, the commands and replies that are found are the same;
//! - nothing is allocated for what a peer announces, only for what it sent: a length is checked against its limit when
//!   it is read, and no input makes any of this panic or recurse;
//! - a command whose bytes have all arrived is decoded without an allocation, and a part that was understood is not
//!   looked at again.
//!
//! A reply's errors and a request's violations are worded as Redis words them, because clients match on them.

mod double;
mod encode;
mod error;
mod number;

pub mod reply;
pub mod request;

pub use double::write_double;
pub use encode::{Encoder, Protocol, command};
pub use error::Error;
