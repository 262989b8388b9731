//! One direction of a movable session: whole messages out of a stream of bytes.

use atlas_wire::frame::{Header, Opcode, Parsed, Sequence, Side, Step, Violation, apply_mask};

/// Most frames that one message may be cut into; more are a flood, not a message.
const FRAGMENTS_MAX: u32 = 4096;
/// A buffer larger than this is not kept between messages.
const KEPT_BYTES_MAX: usize = 4 << 10;

/// One direction of a movable session: only whole messages leave it.
///
/// A message in one frame is handed out where it lies; what is kept is an incomplete frame, and the payload of a
/// message that came in several.
pub(super) struct Assembler {
    /// An incomplete frame, from its header on.
    begun: Vec<u8>,
    /// The unmasked payload so far of a message in several frames.
    joined: Vec<u8>,
    fragments: u32,
    sequence: Sequence,
    sender: Side,
}

/// What the next frame made.
#[derive(Debug, Eq, PartialEq)]
pub(super) enum Piece<'a> {
    /// A message in one frame, its payload as it came.
    Whole(Header, &'a [u8]),
    /// A message put together from several frames, unmasked.
    Joined(Opcode, Vec<u8>),
    /// A part of such a message; nothing to do yet.
    Part,
    /// A control frame, unmasked.
    Control(Opcode, Vec<u8>),
}

impl Assembler {
    pub(super) fn new(sender: Side) -> Self {
        Self {
            begun: Vec::new(),
            joined: Vec::new(),
            fragments: 0,
            sequence: Sequence::default(),
            sender,
        }
    }

    /// Bytes of a message that was begun and not ended.
    pub(super) fn queued_bytes(&self) -> usize {
        self.begun.len() + self.joined.len()
    }

    /// Whether a message was begun and not ended.
    pub(super) fn unfinished(&self) -> bool {
        !self.begun.is_empty() || self.sequence.message().is_some()
    }

    /// What was begun with what has come now, if anything was begun.
    pub(super) fn take(&mut self, received: &[u8]) -> Option<Vec<u8>> {
        if self.begun.is_empty() {
            return None;
        }
        let mut begun = std::mem::take(&mut self.begun);
        begun.extend_from_slice(received);
        Some(begun)
    }

    /// Keeps the incomplete frame behind the `consumed` bytes for the next time. `buffer` is what
    /// [`Assembler::take`] gave, else the bytes lie in `received`.
    pub(super) fn keep(&mut self, consumed: usize, buffer: Option<Vec<u8>>, received: &[u8]) {
        match buffer {
            Some(mut buffer) => {
                buffer.drain(..consumed);
                if !buffer.is_empty() || buffer.capacity() <= KEPT_BYTES_MAX {
                    self.begun = buffer;
                }
            }
            None if consumed < received.len() => self.begun = received[consumed..].to_vec(),
            None => {}
        }
    }

    /// Takes the next frame from the start of `bytes`, and says how long it was; none while it is incomplete.
    pub(super) fn next<'a>(
        &mut self,
        bytes: &'a [u8],
        message_bytes_max: u64,
    ) -> Result<Option<(Piece<'a>, usize)>, Violation> {
        let Parsed::Complete(header, start) = Header::parse(bytes, self.sender)? else {
            return Ok(None);
        };
        header.within(self.joined.len() as u64, message_bytes_max)?;
        // Within the limit, so it fits.
        let length = header.length as usize;
        let Some(payload) = bytes.get(start..start + length) else {
            return Ok(None);
        };
        let begun = self.sequence.message();
        let piece = match self.sequence.check(&header)? {
            Step::Whole => Piece::Whole(header, payload),
            Step::Control => Piece::Control(header.opcode, unmasked(&header, payload)),
            Step::First | Step::Middle => {
                self.join(&header, payload)?;
                Piece::Part
            }
            Step::Last => {
                self.join(&header, payload)?;
                self.fragments = 0;
                Piece::Joined(
                    begun.unwrap_or(Opcode::Binary),
                    std::mem::take(&mut self.joined),
                )
            }
            Step::AfterClose => Piece::Part,
        };
        Ok(Some((piece, start + length)))
    }

    fn join(&mut self, header: &Header, payload: &[u8]) -> Result<(), Violation> {
        self.fragments += 1;
        if self.fragments > FRAGMENTS_MAX {
            return Err(Violation::TooManyFragments);
        }
        let start = self.joined.len();
        self.joined.extend_from_slice(payload);
        if let Some(key) = header.mask {
            apply_mask(&mut self.joined[start..], key, 0);
        }
        Ok(())
    }
}

fn unmasked(header: &Header, payload: &[u8]) -> Vec<u8> {
    let mut payload = payload.to_vec();
    if let Some(key) = header.mask {
        apply_mask(&mut payload, key, 0);
    }
    payload
}

#[cfg(test)]
mod tests {
    use atlas_wire::frame::HEADER_BYTES_MAX;

    use super::*;

    const KEY: Option<[u8; 4]> = Some([3, 1, 4, 1]);

    fn frame(opcode: Opcode, fin: bool, payload: &[u8]) -> Vec<u8> {
        let header = Header {
            fin,
            opcode,
            mask: KEY,
            length: payload.len() as u64,
            reserved: 0,
        };
        let mut head = [0; HEADER_BYTES_MAX];
        let length = header.write(&mut head);
        let mut bytes = head[..length].to_vec();
        bytes.extend_from_slice(payload);
        apply_mask(&mut bytes[length..], [3, 1, 4, 1], 0);
        bytes
    }

    /// What comes out, in short: messages and controls with their unmasked payloads.
    fn run(bytes: &[u8], piece: usize) -> Result<Vec<(Opcode, Vec<u8>)>, Violation> {
        let mut assembler = Assembler::new(Side::Client);
        let mut found = Vec::new();
        for chunk in bytes.chunks(piece) {
            let buffer = assembler.take(chunk);
            let data = buffer.as_deref().unwrap_or(chunk);
            let mut at = 0;
            while let Some((piece, length)) = assembler.next(&data[at..], 1000)? {
                at += length;
                match piece {
                    Piece::Whole(header, payload) => {
                        found.push((header.opcode, unmasked(&header, payload)))
                    }
                    Piece::Joined(opcode, payload) | Piece::Control(opcode, payload) => {
                        found.push((opcode, payload))
                    }
                    Piece::Part => {}
                }
            }
            assembler.keep(at, buffer, chunk);
        }
        Ok(found)
    }

    #[test]
    fn every_cut_gives_the_same_messages() {
        let mut bytes = frame(Opcode::Text, true, b"one");
        bytes.extend(frame(Opcode::Text, false, b"tw"));
        bytes.extend(frame(Opcode::Ping, true, b"p"));
        bytes.extend(frame(Opcode::Continuation, false, b""));
        bytes.extend(frame(Opcode::Continuation, true, b"o"));
        bytes.extend(frame(Opcode::Binary, true, &[9; 300]));
        let expected = vec![
            (Opcode::Text, b"one".to_vec()),
            (Opcode::Ping, b"p".to_vec()),
            (Opcode::Text, b"two".to_vec()),
            (Opcode::Binary, vec![9; 300]),
        ];
        for piece in 1..=bytes.len() {
            assert_eq!(run(&bytes, piece).unwrap(), expected, "pieces of {piece}");
        }
    }

    #[test]
    fn floods_and_oversize_are_refused_early() {
        let mut flood = frame(Opcode::Binary, false, b"");
        for _ in 0..5000 {
            flood.extend(frame(Opcode::Continuation, false, b""));
        }
        assert_eq!(run(&flood, 4096), Err(Violation::TooManyFragments));
        let header_only = &frame(Opcode::Binary, true, &[0; 1001])[..8];
        assert_eq!(
            run(header_only, 8),
            Err(Violation::TooBig),
            "refused by the header, before any payload came"
        );
        let halves = [
            frame(Opcode::Binary, false, &[0; 600]),
            frame(Opcode::Continuation, true, &[0; 600]),
        ]
        .concat();
        assert_eq!(run(&halves, 64), Err(Violation::TooBig));
    }
}
