//! How a game's message travels: bare, as any WebSocket carries it, or behind a tag, as `atlas.v1` and
//! `atlas.link.v1` do. From one to the other no body needs unmasking: the mask key is turned instead.

use atlas_wire::frame::{HEADER_BYTES_MAX, Header, Opcode, apply_mask, copy_masked};
use atlas_wire::tag::Tag;

use super::assembler::Piece;

/// What one side of a session speaks.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Carriage {
    /// Text and binary messages as they are.
    Bare,
    /// Binary messages whose first byte is a tag.
    Tagged,
}

/// One whole message of a game, its body as it came.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Message<'a> {
    pub(super) text: bool,
    body: &'a [u8],
    /// The key as it applies from the body's first byte on; none if the body is not masked.
    mask: Option<[u8; 4]>,
}

/// What a piece is where tags are spoken.
#[derive(Debug, Eq, PartialEq)]
pub(super) enum Read<'a> {
    /// A message of the game.
    Message(Message<'a>),
    /// A control message or a part of a state, unmasked, without its tag.
    Control(Tag, Vec<u8>),
    /// Against the rules; the reason is for the close frame.
    Fault(&'static str),
}

impl Carriage {
    /// Reads a piece that is a message.
    pub(super) fn read<'a>(self, piece: &'a Piece<'a>) -> Read<'a> {
        let (opcode, payload, mask) = match piece {
            Piece::Whole(header, payload) => (header.opcode, *payload, header.mask),
            Piece::Joined(opcode, payload) => (*opcode, payload.as_slice(), None),
            Piece::Part | Piece::Control(..) => return Read::Fault("no message"),
        };
        if self == Self::Bare {
            return Read::Message(Message {
                text: opcode == Opcode::Text,
                body: payload,
                mask,
            });
        }
        if opcode != Opcode::Binary {
            return Read::Fault("a text message where messages have tags");
        }
        let Some((first, body)) = payload.split_first() else {
            return Read::Fault("a message without a tag");
        };
        let tag = Tag::from_byte(first ^ mask.map_or(0, |key| key[0]));
        let mask = mask.map(|[a, b, c, d]| [b, c, d, a]);
        match tag {
            Some(tag @ (Tag::Text | Tag::Binary)) => Read::Message(Message {
                text: tag == Tag::Text,
                body,
                mask,
            }),
            Some(tag @ (Tag::Control | Tag::StatePart)) => {
                let mut body = body.to_vec();
                if let Some(key) = mask {
                    apply_mask(&mut body, key, 0);
                }
                Read::Control(tag, body)
            }
            None => Read::Fault("an unknown tag"),
        }
    }

    /// Appends a message as a frame. Towards a server every frame is masked: `fresh` is the key for a body that has none.
    /// Towards a client none is, and neither are the bodies that go there.
    pub(super) fn write(self, message: Message<'_>, fresh: Option<[u8; 4]>, target: &mut Vec<u8>) {
        let key = message.mask.or(fresh);
        let (opcode, extra) = match self {
            Self::Bare if message.text => (Opcode::Text, 0),
            Self::Bare => (Opcode::Binary, 0),
            Self::Tagged => (Opcode::Binary, 1),
        };
        let mask = match self {
            Self::Bare => key,
            Self::Tagged => key.map(|[a, b, c, d]| [d, a, b, c]),
        };
        let header = Header {
            fin: true,
            opcode,
            mask,
            length: (message.body.len() + extra) as u64,
            reserved: 0,
        };
        let mut head = [0; HEADER_BYTES_MAX];
        let length = header.write(&mut head);
        target.reserve(length + extra + message.body.len());
        target.extend_from_slice(&head[..length]);
        if self == Self::Tagged {
            let tag = if message.text { Tag::Text } else { Tag::Binary };
            target.push(tag.byte() ^ mask.map_or(0, |key| key[0]));
        }
        let start = target.len();
        target.extend_from_slice(message.body);
        if message.mask.is_none()
            && let Some(key) = fresh
        {
            apply_mask(&mut target[start..], key, 0);
        }
    }
}

impl<'a> Message<'a> {
    /// A message whose body is not masked.
    #[cfg(test)]
    pub(super) fn unmasked(text: bool, body: &'a [u8]) -> Self {
        Self {
            text,
            body,
            mask: None,
        }
    }

    /// Whether the body is what the message's kind says: a text is UTF-8.
    pub(super) fn is_valid(&self) -> bool {
        if !self.text {
            return true;
        }
        let Some(key) = self.mask else {
            return std::str::from_utf8(self.body).is_ok();
        };
        // Unmasked piece by piece on the stack; a character that a piece cuts is looked at again with the next one.
        let mut piece = [0; 256];
        let mut at = 0;
        while at < self.body.len() {
            let found = copy_masked(&self.body[at..], key, at as u64, &mut piece);
            match std::str::from_utf8(found) {
                Ok(_) => at += found.len(),
                Err(error) => {
                    let rest = at + found.len() < self.body.len();
                    if error.error_len().is_some() || !rest {
                        return false;
                    }
                    at += error.valid_up_to();
                }
            }
        }
        true
    }

    /// The body's length.
    pub(super) fn length(&self) -> usize {
        self.body.len()
    }

    /// The start of the body, unmasked, as much as `target` holds.
    pub(super) fn look<'b>(&self, target: &'b mut [u8]) -> &'b [u8] {
        copy_masked(self.body, self.mask.unwrap_or_default(), 0, target)
    }
}

#[cfg(test)]
mod tests {
    use atlas_wire::frame::{Parsed, Side};

    use super::super::assembler::Assembler;
    use super::*;

    fn frame(opcode: Opcode, payload: &[u8], key: Option<[u8; 4]>) -> Vec<u8> {
        let header = Header {
            fin: true,
            opcode,
            mask: key,
            length: payload.len() as u64,
            reserved: 0,
        };
        let mut head = [0; HEADER_BYTES_MAX];
        let length = header.write(&mut head);
        let mut bytes = [&head[..length], payload].concat();
        if let Some(key) = key {
            apply_mask(&mut bytes[length..], key, 0);
        }
        bytes
    }

    /// What a receiver reads from a frame.
    fn unframe(bytes: &[u8], sender: Side) -> (Opcode, Vec<u8>) {
        let Parsed::Complete(header, length) = Header::parse(bytes, sender).unwrap() else {
            panic!("incomplete")
        };
        let mut payload = bytes[length..].to_vec();
        assert_eq!(payload.len() as u64, header.length);
        if let Some(key) = header.mask {
            apply_mask(&mut payload, key, 0);
        }
        (header.opcode, payload)
    }

    #[test]
    fn every_way_from_client_to_server_keeps_the_message() {
        let key = Some([0x37, 0xfa, 0x21, 0x3d]);
        for body_length in [0, 1, 3, 124, 125, 126, 65_534, 65_535, 65_536] {
            let body: Vec<u8> = (0..body_length).map(|index| (index * 31) as u8).collect();
            for text in [true, false] {
                let tag = if text { Tag::Text } else { Tag::Binary };
                let tagged = [&[tag.byte()], body.as_slice()].concat();
                let opcode = if text { Opcode::Text } else { Opcode::Binary };
                for (from, sent) in [
                    (Carriage::Bare, frame(opcode, &body, key)),
                    (Carriage::Tagged, frame(Opcode::Binary, &tagged, key)),
                ] {
                    let mut assembler = Assembler::new(Side::Client);
                    let (piece, _) = assembler.next(&sent, 1 << 20).unwrap().unwrap();
                    let Read::Message(message) = from.read(&piece) else {
                        panic!("no message")
                    };
                    assert_eq!(message.look(&mut [0; 64]), &body[..body.len().min(64)]);
                    let mut out = Vec::new();
                    Carriage::Bare.write(message, Some([1; 4]), &mut out);
                    assert_eq!(unframe(&out, Side::Client), (opcode, body.clone()));
                    out.clear();
                    Carriage::Tagged.write(message, Some([1; 4]), &mut out);
                    assert_eq!(
                        unframe(&out, Side::Client),
                        (Opcode::Binary, tagged.clone())
                    );
                    if from == Carriage::Tagged {
                        assert_eq!(out, sent, "tag to tag nothing changes");
                    }
                }
            }
        }
    }

    #[test]
    fn bodies_without_a_mask_get_one_towards_servers_and_none_towards_clients() {
        let message = Message::unmasked(true, b"hello");
        let mut out = Vec::new();
        Carriage::Tagged.write(message, Some([1, 2, 3, 4]), &mut out);
        assert_eq!(
            unframe(&out, Side::Client),
            (Opcode::Binary, b"\0hello".to_vec())
        );
        out.clear();
        Carriage::Tagged.write(message, None, &mut out);
        assert_eq!(
            unframe(&out, Side::Server),
            (Opcode::Binary, b"\0hello".to_vec())
        );
        out.clear();
        Carriage::Bare.write(message, None, &mut out);
        assert_eq!(
            unframe(&out, Side::Server),
            (Opcode::Text, b"hello".to_vec())
        );
    }

    #[test]
    fn texts_are_held_to_utf_8_wherever_a_character_lies() {
        let judge = |text, body: &[u8], mask: Option<[u8; 4]>| {
            let mut masked = body.to_vec();
            apply_mask(&mut masked, mask.unwrap_or_default(), 0);
            let body = &masked;
            Message { text, body, mask }.is_valid()
        };
        for mask in [None, Some([0x37, 0xfa, 0x21, 0x3d])] {
            for before in 0..300 {
                let body = |end: &[u8]| [&vec![b'a'; before], end].concat();
                let good = body("\u{1f600}ü\u{20ac}".as_bytes());
                assert!(judge(true, &good, mask), "{before}");
                let cut = &good[..good.len() - 1];
                assert!(!judge(true, cut, mask), "{before}: cut");
                assert!(judge(false, cut, mask), "{before}: binary");
                for bad in [&[0xff, b'a'][..], &[0xc0, 0xaf], &[0xed, 0xa0, 0x80, b'a']] {
                    assert!(!judge(true, &body(bad), mask), "{before}: {bad:?}");
                }
            }
        }
    }

    #[test]
    fn what_has_no_known_tag_is_a_fault() {
        let read = |opcode, payload: &[u8]| {
            let bytes = frame(opcode, payload, Some([9, 8, 7, 6]));
            let mut assembler = Assembler::new(Side::Client);
            let (piece, _) = assembler.next(&bytes, 1000).unwrap().unwrap();
            matches!(Carriage::Tagged.read(&piece), Read::Fault(_))
        };
        assert!(read(Opcode::Text, b"\0x"));
        assert!(read(Opcode::Binary, b""));
        for tag in [0x03, 0x10, 0x11, 0x21, 0x40, 0xff] {
            assert!(read(Opcode::Binary, &[tag, 1]), "{tag:#x}");
        }
        assert!(!read(Opcode::Binary, &[0x02, b'{']));
    }
}
