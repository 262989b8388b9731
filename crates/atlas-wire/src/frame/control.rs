//! Whole control frames, made in place.

use std::fmt;
use std::ops::Deref;

use super::{CONTROL_PAYLOAD_BYTES_MAX, HEADER_BYTES_MAX, Header, Opcode, apply_mask};

/// The most bytes that a control frame can have: a short header, a mask, 125 bytes.
pub const CONTROL_FRAME_BYTES_MAX: usize = 2 + 4 + CONTROL_PAYLOAD_BYTES_MAX;

/// A whole control frame, ready to be sent.
#[derive(Clone, Copy)]
pub struct ControlFrame {
    bytes: [u8; CONTROL_FRAME_BYTES_MAX],
    length: u8,
}

impl Deref for ControlFrame {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.bytes[..usize::from(self.length)]
    }
}

impl fmt::Debug for ControlFrame {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_tuple("ControlFrame")
            .field(&&**self)
            .finish()
    }
}

/// Makes a control frame (close, ping, pong) of the unmasked `payload`, cut after 125 bytes, and masks it if a key is
/// given. `opcode` is a control opcode.
pub fn control_frame(opcode: Opcode, payload: &[u8], mask: Option<[u8; 4]>) -> ControlFrame {
    debug_assert!(opcode.is_control(), "a control frame has a control opcode");
    let payload = &payload[..payload.len().min(CONTROL_PAYLOAD_BYTES_MAX)];
    let header = Header {
        fin: true,
        opcode,
        mask,
        length: payload.len() as u64,
        reserved: 0,
    };
    let mut head = [0; HEADER_BYTES_MAX];
    let at = header.write(&mut head);
    let mut frame = ControlFrame {
        bytes: [0; CONTROL_FRAME_BYTES_MAX],
        length: (at + payload.len()) as u8,
    };
    frame.bytes[..at].copy_from_slice(&head[..at]);
    let body = &mut frame.bytes[at..at + payload.len()];
    body.copy_from_slice(payload);
    if let Some(key) = mask {
        apply_mask(body, key, 0);
    }
    frame
}
