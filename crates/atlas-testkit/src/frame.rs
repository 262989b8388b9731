//! WebSocket frames as bytes, right and wrong ones, for tests of bad input.

/// The opcodes of RFC 6455.
pub mod opcode {
    /// A further fragment.
    pub const CONTINUATION: u8 = 0x0;
    /// A text message.
    pub const TEXT: u8 = 0x1;
    /// A binary message.
    pub const BINARY: u8 = 0x2;
    /// A close.
    pub const CLOSE: u8 = 0x8;
    /// A ping.
    pub const PING: u8 = 0x9;
    /// A pong.
    pub const PONG: u8 = 0xA;
}

/// One frame. Every field can be set to what the protocol forbids.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RawFrame {
    /// The final fragment of its message.
    pub fin: bool,
    /// The three reserved bits, as the low bits here.
    pub reserved: u8,
    /// The opcode, 0 to 15.
    pub opcode: u8,
    /// The masking key; clients must have one, servers none.
    pub mask: Option<[u8; 4]>,
    /// The payload, unmasked.
    pub payload: Vec<u8>,
    /// Says this length instead of the payload's.
    pub claimed_length: Option<u64>,
    /// Writes the length in this many bytes (0, 2 or 8) instead of as few as possible.
    pub length_bytes: Option<u8>,
}

impl RawFrame {
    /// A whole, masked frame, as a client sends it.
    pub fn client(opcode: u8, payload: impl Into<Vec<u8>>) -> Self {
        Self {
            mask: Some([0x37, 0xfa, 0x21, 0x3d]),
            ..Self::server(opcode, payload)
        }
    }

    /// A whole, unmasked frame, as a server sends it.
    pub fn server(opcode: u8, payload: impl Into<Vec<u8>>) -> Self {
        Self {
            fin: true,
            reserved: 0,
            opcode,
            mask: None,
            payload: payload.into(),
            claimed_length: None,
            length_bytes: None,
        }
    }

    /// A client's close with a code and a reason.
    pub fn client_close(code: u16, reason: &str) -> Self {
        let mut payload = code.to_be_bytes().to_vec();
        payload.extend_from_slice(reason.as_bytes());
        Self::client(opcode::CLOSE, payload)
    }

    /// The close code and reason of a close frame's payload, if it has one.
    pub fn close_code(&self) -> Option<(u16, String)> {
        let code = self
            .payload
            .get(..2)
            .filter(|_| self.opcode == opcode::CLOSE)?;
        Some((
            u16::from_be_bytes([code[0], code[1]]),
            String::from_utf8_lossy(&self.payload[2..]).into_owned(),
        ))
    }

    /// The frame's bytes.
    pub fn encode(&self) -> Vec<u8> {
        let mut bytes = vec![u8::from(self.fin) << 7 | (self.reserved & 7) << 4 | self.opcode & 15];
        let length = self.claimed_length.unwrap_or(self.payload.len() as u64);
        let width = self.length_bytes.unwrap_or(match length {
            0..=125 => 0,
            126..=0xffff => 2,
            _ => 8,
        });
        let masked = u8::from(self.mask.is_some()) << 7;
        match width {
            0 => bytes.push(masked | (length & 0x7f) as u8),
            2 => {
                bytes.push(masked | 126);
                bytes.extend_from_slice(&(length as u16).to_be_bytes());
            }
            _ => {
                bytes.push(masked | 127);
                bytes.extend_from_slice(&length.to_be_bytes());
            }
        }
        bytes.extend(self.mask.iter().flatten());
        let key = self.mask.unwrap_or_default();
        bytes.extend(
            self.payload
                .iter()
                .zip(key.iter().cycle())
                .map(|(byte, key)| byte ^ key),
        );
        bytes
    }

    /// The first frame of `bytes` and how many of them it takes; `None` while it is not whole.
    pub fn decode(bytes: &[u8]) -> Option<(Self, usize)> {
        let (&first, &second) = (bytes.first()?, bytes.get(1)?);
        let (length, mut at, length_bytes) = match second & 0x7f {
            126 => (
                u64::from(u16::from_be_bytes(bytes.get(2..4)?.try_into().ok()?)),
                4,
                2,
            ),
            127 => (
                u64::from_be_bytes(bytes.get(2..10)?.try_into().ok()?),
                10,
                8,
            ),
            short => (u64::from(short), 2, 0),
        };
        let mask: Option<[u8; 4]> = if second & 0x80 != 0 {
            at += 4;
            Some(bytes.get(at - 4..at)?.try_into().ok()?)
        } else {
            None
        };
        let end = at.checked_add(usize::try_from(length).ok()?)?;
        let key = mask.unwrap_or_default();
        let payload = bytes
            .get(at..end)?
            .iter()
            .zip(key.iter().cycle())
            .map(|(byte, key)| byte ^ key)
            .collect();
        let frame = Self {
            fin: first & 0x80 != 0,
            reserved: first >> 4 & 7,
            opcode: first & 15,
            mask,
            payload,
            claimed_length: None,
            length_bytes: Some(length_bytes),
        };
        Some((frame, end))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_survive_their_bytes() {
        for length in [0, 1, 125, 126, 65_535, 65_536] {
            for frame in [
                RawFrame::client(opcode::BINARY, vec![7; length]),
                RawFrame::server(1, vec![7; length]),
            ] {
                let bytes = frame.encode();
                assert_eq!(RawFrame::decode(&bytes[..bytes.len() - 1]), None);
                let (read, taken) = RawFrame::decode(&bytes).unwrap();
                assert_eq!(taken, bytes.len());
                let width = read.length_bytes;
                assert_eq!(
                    read,
                    RawFrame {
                        length_bytes: width,
                        ..frame
                    }
                );
                assert_eq!(
                    width,
                    Some(if length > 0xffff {
                        8
                    } else if length > 125 {
                        2
                    } else {
                        0
                    })
                );
            }
        }
    }

    #[test]
    fn wrong_frames_are_written_as_asked() {
        let huge = RawFrame {
            claimed_length: Some(u64::MAX >> 1),
            ..RawFrame::client(opcode::TEXT, "")
        };
        assert_eq!(
            huge.encode()[..10],
            [0x81, 0xff, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff]
        );
        let long = RawFrame {
            length_bytes: Some(2),
            reserved: 4,
            ..RawFrame::server(3, "a")
        };
        assert_eq!(long.encode(), [0xc3, 126, 0, 1, b'a']);
        assert_eq!(
            RawFrame::client_close(1008, "no").close_code(),
            Some((1008, "no".to_owned()))
        );
    }
}
