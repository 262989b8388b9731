//! Close codes and the payload of a close frame.

use std::fmt;
use std::ops::Deref;

use super::{CONTROL_PAYLOAD_BYTES_MAX, Violation};

/// The code of a close frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CloseCode(pub u16);

impl CloseCode {
    /// The purpose is fulfilled.
    pub const NORMAL: Self = Self(1000);
    /// The end point goes away (a page is left, a process stops).
    pub const GOING_AWAY: Self = Self(1001);
    /// The peer broke a rule of the protocol.
    pub const PROTOCOL_ERROR: Self = Self(1002);
    /// A kind of data that is not accepted.
    pub const UNSUPPORTED: Self = Self(1003);
    /// "A close frame without a code came"; never sent.
    pub const NONE: Self = Self(1005);
    /// "The connection ended without a close frame"; never sent.
    pub const ABNORMAL: Self = Self(1006);
    /// The payload does not fit the message's kind (text that is not UTF-8).
    pub const INVALID_PAYLOAD: Self = Self(1007);
    /// A rule of ours was broken: too many messages, a forbidden origin.
    pub const POLICY: Self = Self(1008);
    /// A message above the limit.
    pub const TOO_BIG: Self = Self(1009);
    /// The client wanted an extension that was not negotiated.
    pub const MANDATORY_EXTENSION: Self = Self(1010);
    /// Something unexpected at this side.
    pub const INTERNAL: Self = Self(1011);
    /// This side restarts: dial again after a while.
    pub const RESTART: Self = Self(1012);
    /// Overload: dial again later.
    pub const TRY_AGAIN: Self = Self(1013);
    /// The server behind this side gave no valid answer.
    pub const BAD_GATEWAY: Self = Self(1014);
    /// "TLS failed"; never sent.
    pub const TLS: Self = Self(1015);
    /// A lost `atlas.v1` stream cannot be resumed.
    pub const RESUME_LOST: Self = Self(4404);

    /// Whether the code may stand in a close frame: 1000 to 1003, 1007 to 1014, 3000 to 4999.
    pub const fn is_sendable(self) -> bool {
        matches!(self.0, 1000..=1003 | 1007..=1014 | 3000..=4999)
    }
}

impl fmt::Display for CloseCode {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(formatter)
    }
}

/// What a close frame said.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Close<'a> {
    /// The code; [`CloseCode::NONE`] if the frame was empty.
    pub code: CloseCode,
    /// The reason, at most 123 bytes.
    pub reason: &'a str,
}

/// Reads the (unmasked) payload of a close frame.
pub fn parse_close(payload: &[u8]) -> Result<Close<'_>, Violation> {
    let Some((code, reason)) = payload.split_first_chunk::<2>() else {
        return match payload {
            [] => Ok(Close {
                code: CloseCode::NONE,
                reason: "",
            }),
            _ => Err(Violation::ClosePayloadShort),
        };
    };
    let code = CloseCode(u16::from_be_bytes(*code));
    if !code.is_sendable() {
        return Err(Violation::CloseCodeForbidden(code.0));
    }
    let reason = std::str::from_utf8(reason).map_err(|_| Violation::CloseReasonNotUtf8)?;
    Ok(Close { code, reason })
}

/// The payload of a close frame: at most 125 bytes, held in place.
#[derive(Clone, Copy)]
pub struct ClosePayload {
    bytes: [u8; CONTROL_PAYLOAD_BYTES_MAX],
    length: u8,
}

impl Deref for ClosePayload {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.bytes[..usize::from(self.length)]
    }
}

impl fmt::Debug for ClosePayload {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        parse_close(self).fmt(formatter)
    }
}

/// Makes a close frame's payload. A reason of more than 123 bytes is cut at a character's border; a code that may not
/// be sent gives an empty payload, which is how "no code" is written.
pub fn close_payload(code: CloseCode, reason: &str) -> ClosePayload {
    let mut payload = ClosePayload {
        bytes: [0; CONTROL_PAYLOAD_BYTES_MAX],
        length: 0,
    };
    if !code.is_sendable() {
        return payload;
    }
    let end = reason.floor_char_boundary(CONTROL_PAYLOAD_BYTES_MAX - 2);
    payload.bytes[..2].copy_from_slice(&code.0.to_be_bytes());
    payload.bytes[2..2 + end].copy_from_slice(&reason.as_bytes()[..end]);
    payload.length = (2 + end) as u8;
    payload
}
