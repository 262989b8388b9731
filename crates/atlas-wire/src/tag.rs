//! The first byte of each message of `atlas.link.v1` and `atlas.v1`: what the rest of it is.

use crate::frame::Opcode;

/// What a tagged message is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Tag {
    /// A text message of the game, UTF-8.
    Text = 0x00,
    /// A binary message of the game.
    Binary = 0x01,
    /// Control: one JSON object.
    Control = 0x02,
    /// A part of a state: 16 bytes state id, u32 little-endian part, u32 little-endian parts, raw bytes.
    StatePart = 0x04,
}

impl Tag {
    /// The tag with this byte; none for those that do not exist and those that are not built yet (the connection is
    /// closed with 1002 then).
    #[inline]
    pub const fn from_byte(byte: u8) -> Option<Self> {
        Some(match byte {
            0x00 => Self::Text,
            0x01 => Self::Binary,
            0x02 => Self::Control,
            0x04 => Self::StatePart,
            _ => return None,
        })
    }

    /// The byte.
    #[inline]
    pub const fn byte(self) -> u8 {
        self as u8
    }

    /// Whether the message is the game's: these are counted in `received` and `sent`.
    #[inline]
    pub const fn is_data(self) -> bool {
        matches!(self, Self::Text | Self::Binary)
    }

    /// The opcode under which the game's message travels where there are no tags; none for what is not the game's.
    #[inline]
    pub const fn opcode(self) -> Option<Opcode> {
        match self {
            Self::Text => Some(Opcode::Text),
            Self::Binary => Some(Opcode::Binary),
            Self::Control | Self::StatePart => None,
        }
    }

    /// The tag of a game's message that came under this opcode; none for what does not begin a message.
    #[inline]
    pub const fn of_opcode(opcode: Opcode) -> Option<Self> {
        match opcode {
            Opcode::Text => Some(Self::Text),
            Opcode::Binary => Some(Self::Binary),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_byte_is_its_tag_or_none() {
        let known: Vec<u8> = (0..=u8::MAX)
            .filter(|byte| Tag::from_byte(*byte).is_some())
            .collect();
        assert_eq!(known, [0x00, 0x01, 0x02, 0x04]);
        for byte in known {
            let tag = Tag::from_byte(byte).unwrap();
            assert_eq!(tag.byte(), byte);
            assert_eq!(
                tag.opcode().and_then(Tag::of_opcode),
                tag.is_data().then_some(tag)
            );
        }
    }
}
