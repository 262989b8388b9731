//! The crate's error: whose fault a refused input is.

use crate::frame::Violation;

/// Why an input was refused, by the kind of input.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The peer broke the framing rules; the connection is closed with the violation's code.
    #[error("websocket framing broken")]
    Frame(#[from] Violation),
}
