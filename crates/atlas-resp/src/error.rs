//! The crate's error: whose bytes were refused.

use crate::reply::Malformed;
use crate::request::Violation;

/// Why bytes were refused, by the side that they came from.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A client broke the protocol; it is told how, and its connection is closed.
    #[error("request refused")]
    Request(#[from] Violation),
    /// A server broke the protocol, or answers more than is taken; the connection is of no more use.
    #[error("reply refused")]
    Reply(#[from] Malformed),
}
