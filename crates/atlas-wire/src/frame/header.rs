//! The header of one frame: reading, checking, writing, and the change of one byte that tags a message.

use super::Violation;

/// The most bytes that a header can have: two, a 64-bit length, a mask.
pub const HEADER_BYTES_MAX: usize = 14;
/// The most bytes that the payload of a control frame can have.
pub const CONTROL_PAYLOAD_BYTES_MAX: usize = 125;
/// The reserved bit RSV1 in [`Header::reserved`]; `permessage-deflate` gives it a meaning.
pub const RESERVED_1: u8 = 0b100;
/// The reserved bit RSV2 in [`Header::reserved`].
pub const RESERVED_2: u8 = 0b010;
/// The reserved bit RSV3 in [`Header::reserved`].
pub const RESERVED_3: u8 = 0b001;

/// Who sent a frame: it decides whether a mask must or must not be there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// The side that dialed; its frames are masked.
    Client,
    /// The side that was dialed; its frames are not masked.
    Server,
}

/// What a frame is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Opcode {
    /// The next part of a message.
    Continuation = 0,
    /// A message of UTF-8 text, or its first part.
    Text = 1,
    /// A message of bytes, or its first part.
    Binary = 2,
    /// The end of the connection.
    Close = 8,
    /// Asks for a pong.
    Ping = 9,
    /// Answers a ping.
    Pong = 10,
}

impl Opcode {
    /// The opcode with this number, if RFC 6455 defines one.
    pub const fn from_number(number: u8) -> Option<Self> {
        Some(match number {
            0 => Self::Continuation,
            1 => Self::Text,
            2 => Self::Binary,
            8 => Self::Close,
            9 => Self::Ping,
            10 => Self::Pong,
            _ => return None,
        })
    }

    /// Whether this is a control frame: close, ping or pong.
    pub const fn is_control(self) -> bool {
        self as u8 & 0b1000 != 0
    }
}

/// One frame's header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Header {
    /// Whether this frame ends its message.
    pub fin: bool,
    /// What the frame is.
    pub opcode: Opcode,
    /// The masking key, as it stands in the frame.
    pub mask: Option<[u8; 4]>,
    /// The payload's length in bytes, below 2⁶³.
    pub length: u64,
    /// The three reserved bits, RSV1 as [`RESERVED_1`]; 0 without an extension.
    pub reserved: u8,
}

/// What [`Header::parse`] made of the bytes it was given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Parsed {
    /// No fault so far, but the header goes on.
    Incomplete,
    /// A header, and how many bytes it took (2 to 14).
    Complete(Header, usize),
}

impl Header {
    /// Reads a header from the start of `bytes`, which `sender` sent on a connection without extensions.
    ///
    /// Refuses whatever RFC 6455 forbids as soon as the offending byte is there, before the rest of the header arrived.
    /// The order of fragments is [`super::Sequence`]'s matter, and the size of a payload [`Header::within`]'s.
    #[inline]
    pub fn parse(bytes: &[u8], sender: Side) -> Result<Parsed, Violation> {
        Self::parse_extended(bytes, sender, 0)
    }

    /// As [`Header::parse`], where extensions were negotiated that use the `reserved_allowed` bits on the first frame
    /// of a message (`permessage-deflate`: [`RESERVED_1`]).
    #[inline]
    pub fn parse_extended(
        bytes: &[u8],
        sender: Side,
        reserved_allowed: u8,
    ) -> Result<Parsed, Violation> {
        let Some(&first) = bytes.first() else {
            return Ok(Parsed::Incomplete);
        };
        let fin = first & 0x80 != 0;
        let reserved = first >> 4 & 0b111;
        let number = first & 0x0f;
        let Some(opcode) = Opcode::from_number(number) else {
            return Err(Violation::UnknownOpcode(number));
        };
        if reserved != 0
            && (reserved & !reserved_allowed != 0
                || !matches!(opcode, Opcode::Text | Opcode::Binary))
        {
            return Err(Violation::ReservedBits);
        }
        let control = opcode.is_control();
        if control && !fin {
            return Err(Violation::ControlFragmented);
        }
        let Some(&second) = bytes.get(1) else {
            return Ok(Parsed::Incomplete);
        };
        let masked = second & 0x80 != 0;
        match sender {
            Side::Client if !masked => return Err(Violation::MaskMissing),
            Side::Server if masked => return Err(Violation::MaskUnexpected),
            _ => {}
        }
        let short = second & 0x7f;
        if control && short > CONTROL_PAYLOAD_BYTES_MAX as u8 {
            return Err(Violation::ControlTooLong);
        }
        let (length, mut at) = match short {
            126 => {
                let Some(extended) = bytes[2..].first_chunk::<2>() else {
                    return Ok(Parsed::Incomplete);
                };
                let length = u64::from(u16::from_be_bytes(*extended));
                if length < 126 {
                    return Err(Violation::LengthNotMinimal);
                }
                (length, 4)
            }
            127 => {
                // The top bit shows in the first of the eight bytes: no need to wait for the others.
                if bytes.get(2).is_some_and(|byte| byte & 0x80 != 0) {
                    return Err(Violation::LengthTopBit);
                }
                let Some(extended) = bytes[2..].first_chunk::<8>() else {
                    return Ok(Parsed::Incomplete);
                };
                let length = u64::from_be_bytes(*extended);
                if length <= u64::from(u16::MAX) {
                    return Err(Violation::LengthNotMinimal);
                }
                (length, 10)
            }
            short => (u64::from(short), 2),
        };
        let mask = if masked {
            let Some(key) = bytes[at..].first_chunk::<4>() else {
                return Ok(Parsed::Incomplete);
            };
            at += 4;
            Some(*key)
        } else {
            None
        };
        Ok(Parsed::Complete(
            Self {
                fin,
                opcode,
                mask,
                length,
                reserved,
            },
            at,
        ))
    }

    /// Writes the header in its shortest form and says how many bytes it took.
    #[inline]
    pub fn write(&self, target: &mut [u8; HEADER_BYTES_MAX]) -> usize {
        target[0] = u8::from(self.fin) << 7 | (self.reserved & 0b111) << 4 | self.opcode as u8;
        let masked = u8::from(self.mask.is_some()) << 7;
        let mut at = if self.length < 126 {
            target[1] = masked | self.length as u8;
            2
        } else if self.length <= u64::from(u16::MAX) {
            target[1] = masked | 126;
            target[2..4].copy_from_slice(&(self.length as u16).to_be_bytes());
            4
        } else {
            target[1] = masked | 127;
            target[2..10].copy_from_slice(&self.length.to_be_bytes());
            10
        };
        if let Some(key) = self.mask {
            target[at..at + 4].copy_from_slice(&key);
            at += 4;
        }
        at
    }

    /// How many bytes [`Header::write`] takes.
    #[inline]
    pub const fn written_length(&self) -> usize {
        let length = if self.length < 126 {
            2
        } else if self.length <= u16::MAX as u64 {
            4
        } else {
            10
        };
        length + if self.mask.is_some() { 4 } else { 0 }
    }

    /// Checks that a message which has `before` bytes in its earlier fragments stays within `message_bytes_max` with
    /// this frame; past it the answer is [`Violation::TooBig`] (close code 1009). Control frames always pass, and so
    /// does an empty last fragment.
    #[inline]
    pub fn within(&self, before: u64, message_bytes_max: u64) -> Result<(), Violation> {
        if self.opcode.is_control() || self.length <= message_bytes_max.saturating_sub(before) {
            Ok(())
        } else {
            Err(Violation::TooBig)
        }
    }
}

/// Prepends one byte to the payload of a message's first frame without touching the rest of it.
///
/// Gives the header to send (binary, one byte longer, its key rotated right by one so that the masked bytes behind the
/// new one stay as they are) and the byte to put between that header and the payload, masked if the frame is.
#[inline]
pub fn tagged(header: Header, tag: u8) -> (Header, u8) {
    let mask = header.mask.map(|[a, b, c, d]| [d, a, b, c]);
    let first = tag ^ mask.map_or(0, |key| key[0]);
    (
        Header {
            opcode: Opcode::Binary,
            mask,
            length: header.length + 1,
            ..header
        },
        first,
    )
}

/// Undoes [`tagged`]: given a first frame's header and its payload's first byte as it came, gives the header of the
/// frame without that byte, and the byte unmasked.
///
/// The header's opcode stays as it is (binary); [`crate::tag::Tag::opcode`] says what the tag makes of it. None if the
/// frame is empty and so has no tag (it may be the first fragment of a message whose tag comes in the next).
#[inline]
pub fn untagged(header: Header, first: u8) -> Option<(Header, u8)> {
    let length = header.length.checked_sub(1)?;
    let tag = first ^ header.mask.map_or(0, |key| key[0]);
    let mask = header.mask.map(|[a, b, c, d]| [b, c, d, a]);
    Some((
        Header {
            mask,
            length,
            ..header
        },
        tag,
    ))
}
