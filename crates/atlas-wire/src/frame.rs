//! WebSocket frame headers, masking, fragment order and close codes (RFC 6455, section 5).
//!
//! Everything here works on the bytes of a header or on a payload in place: nothing is allocated, nothing is kept but
//! the one byte of a [`Sequence`]. A payload is never looked at.

mod close;
mod control;
mod header;
mod mask;
mod sequence;
#[cfg(test)]
mod tests;

pub use close::{Close, CloseCode, ClosePayload, close_payload, parse_close};
pub use control::{CONTROL_FRAME_BYTES_MAX, ControlFrame, control_frame};
pub use header::{
    CONTROL_PAYLOAD_BYTES_MAX, HEADER_BYTES_MAX, Header, Opcode, Parsed, RESERVED_1, RESERVED_2,
    RESERVED_3, Side, tagged, untagged,
};
pub use mask::{apply_mask, copy_masked};
pub use sequence::{Sequence, Step};

/// A breach of the framing rules by the peer: the connection is to be closed with [`Violation::close_code`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Violation {
    /// A reserved bit is set that no extension gave a meaning to.
    #[error("reserved bit set in a frame header")]
    ReservedBits,
    /// The opcode is none of those that RFC 6455 defines; holds it.
    #[error("unknown opcode {0}")]
    UnknownOpcode(u8),
    /// A control frame says it has more than 125 bytes.
    #[error("control frame longer than 125 bytes")]
    ControlTooLong,
    /// A control frame without the final bit.
    #[error("fragmented control frame")]
    ControlFragmented,
    /// A length written in more bytes than it needs.
    #[error("frame length not in its shortest form")]
    LengthNotMinimal,
    /// A 64-bit length with the top bit set.
    #[error("frame length with the top bit set")]
    LengthTopBit,
    /// A frame of a client without a mask.
    #[error("unmasked frame from a client")]
    MaskMissing,
    /// A frame of a server with a mask.
    #[error("masked frame from a server")]
    MaskUnexpected,
    /// A continuation frame where no message was begun.
    #[error("continuation without a begun message")]
    ContinuationWithoutStart,
    /// A new message where the last one was not ended.
    #[error("new message inside a fragmented one")]
    MessageUnfinished,
    /// A close frame with a payload of one byte.
    #[error("close frame with a payload of one byte")]
    ClosePayloadShort,
    /// A close frame with a code that may not be sent; holds it.
    #[error("close code {0} may not be sent")]
    CloseCodeForbidden(u16),
    /// A close reason that is not UTF-8.
    #[error("close reason is not utf-8")]
    CloseReasonNotUtf8,
    /// A message above the limit that the caller gave.
    #[error("message longer than the limit")]
    TooBig,
    /// A message in more fragments than any honest one has.
    #[error("too many fragments in a message")]
    TooManyFragments,
}

impl Violation {
    /// The code to close the connection with: 1009 for what is too big, 1008 for a flood, 1007 for bad text, else 1002.
    pub const fn close_code(self) -> CloseCode {
        match self {
            Self::TooBig => CloseCode::TOO_BIG,
            Self::TooManyFragments => CloseCode::POLICY,
            Self::CloseReasonNotUtf8 => CloseCode::INVALID_PAYLOAD,
            _ => CloseCode::PROTOCOL_ERROR,
        }
    }
}
