//! The crate's error: whose fault a refused input is.

use crate::frame::Violation;
use crate::message;
use crate::upgrade::{BadAnswer, Refusal, Unwritable};

/// Why an input was refused, by the kind of input.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The peer broke the framing rules; the connection is closed with the violation's code.
    #[error("websocket framing broken")]
    Frame(#[from] Violation),
    /// A client's request is refused with the status that the refusal names.
    #[error("upgrade request refused")]
    Request(#[from] Refusal),
    /// A game server's answer breaks the handshake; the server is at fault.
    #[error("upgrade answer refused")]
    Answer(#[from] BadAnswer),
    /// A value of ours does not fit a request.
    #[error("upgrade request cannot be written")]
    Unwritable(#[from] Unwritable),
    /// A control message or a part of a state; its own close code says what is to be done.
    #[error("control message refused")]
    Message(#[from] message::Error),
}
