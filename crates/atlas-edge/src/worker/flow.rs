//! One direction of a plain session: finds frame borders in a stream of bytes without holding any payload.

use std::time::Duration;

use atlas_base::Moment;
use atlas_wire::frame::{HEADER_BYTES_MAX, Header, Parsed, Sequence, Side, Violation};

/// Room in front of the worker's scratch for a header whose beginning came with the last read.
pub(super) const HEADROOM: usize = HEADER_BYTES_MAX;

/// One direction of a plain session.
///
/// Bytes are passed on as they came; only headers are looked at. A header that is cut by the end of a read is the one
/// thing that is kept (at most 13 bytes), so that nothing is passed on before it has been checked.
#[derive(Clone)]
pub(super) struct Flow {
    /// Payload bytes of the current frame that are still to come.
    remaining: u64,
    /// Payload bytes of the current message so far; the configuration's bound fits.
    message_bytes: u32,
    /// Since when a message is unfinished, in milliseconds; 0 if none is.
    unfinished_ms: u32,
    begun: [u8; HEADER_BYTES_MAX - 1],
    begun_length: u8,
    sequence: Sequence,
    sender: Side,
    reserved_allowed: u8,
    stops_at_close: bool,
}

/// What [`Flow::advance`] found.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Advance {
    /// So many bytes from the start may be passed on.
    pub(super) pass: usize,
    /// So many messages ended among them.
    pub(super) messages: u64,
    /// So many frames began among them.
    pub(super) frames: u64,
    /// The rule that the next byte breaks; nothing after it counts.
    pub(super) violation: Option<Violation>,
    /// The close frame comes next, and was not to pass.
    pub(super) held_close: bool,
}

impl Flow {
    pub(super) fn new(sender: Side, reserved_allowed: u8) -> Self {
        Self {
            remaining: 0,
            message_bytes: 0,
            unfinished_ms: 0,
            begun: [0; HEADER_BYTES_MAX - 1],
            begun_length: 0,
            sequence: Sequence::default(),
            sender,
            reserved_allowed,
            stops_at_close: false,
        }
    }

    /// Puts a begun header right before `scratch[HEADROOM..]`, where the next read goes, and says where it starts.
    pub(super) fn resume(&mut self, scratch: &mut [u8]) -> usize {
        let length = usize::from(self.begun_length);
        let start = HEADROOM - length;
        scratch[start..HEADROOM].copy_from_slice(&self.begun[..length]);
        self.begun_length = 0;
        start
    }

    /// Walks over what was received. `on_message` sees the header of each message's first frame and what is there of
    /// that frame's payload.
    #[inline]
    pub(super) fn advance(
        &mut self,
        bytes: &[u8],
        message_bytes_max: u64,
        mut on_message: impl FnMut(&Header, &[u8]),
    ) -> Advance {
        let mut at = 0;
        let (mut messages, mut frames) = (0, 0);
        let stop = |pass, messages, frames, violation| Advance {
            pass,
            messages,
            frames,
            violation,
            held_close: false,
        };
        while at < bytes.len() {
            if self.remaining > 0 {
                let step = self.remaining.min((bytes.len() - at) as u64);
                at += step as usize;
                self.remaining -= step;
                continue;
            }
            let (header, length) =
                match Header::parse_extended(&bytes[at..], self.sender, self.reserved_allowed) {
                    Ok(Parsed::Complete(header, length)) => (header, length),
                    Ok(Parsed::Incomplete) => {
                        let rest = &bytes[at..];
                        self.begun[..rest.len()].copy_from_slice(rest);
                        self.begun_length = rest.len() as u8;
                        break;
                    }
                    Err(violation) => return stop(at, messages, frames, Some(violation)),
                };
            let step = match self.sequence.check(&header) {
                Ok(step) => step,
                Err(violation) => return stop(at, messages, frames, Some(violation)),
            };
            if !header.opcode.is_control() {
                if step.begins() {
                    self.message_bytes = 0;
                }
                if let Err(violation) =
                    header.within(u64::from(self.message_bytes), message_bytes_max)
                {
                    return stop(at, messages, frames, Some(violation));
                }
                self.message_bytes = self.message_bytes.saturating_add(header.length as u32);
            } else if self.stops_at_close && self.is_closed() {
                // It did not pass.
                self.sequence = Sequence::Between;
                return Advance {
                    held_close: true,
                    ..stop(at, messages, frames, None)
                };
            }
            at += length;
            frames += 1;
            if step.begins() {
                on_message(
                    &header,
                    &bytes[at..bytes.len().min(at.saturating_add(header.length as usize))],
                );
            }
            messages += u64::from(step.ends());
            self.remaining = header.length;
        }
        stop(at, messages, frames, None)
    }

    /// Takes note of the time after an [`Flow::advance`] that ended `messages` messages.
    #[inline]
    pub(super) fn note_time(&mut self, now: Moment, messages: u64) {
        if self.remaining == 0 && self.begun_length == 0 && self.sequence.message().is_none() {
            self.unfinished_ms = 0;
        } else if self.unfinished_ms == 0 || messages > 0 {
            self.unfinished_ms = (now.as_millis() as u32).max(1);
        }
    }

    /// How long a message has been unfinished; zero if none is.
    pub(super) fn unfinished_for(&self, now: Moment) -> Duration {
        match self.unfinished_ms {
            0 => Duration::ZERO,
            since => Duration::from_millis(u64::from((now.as_millis() as u32).wrapping_sub(since))),
        }
    }

    /// Whether a frame of ours may be put in here without cutting one of theirs.
    pub(super) fn between_frames(&self) -> bool {
        self.remaining == 0
    }

    /// Takes note of a close frame that was sent in this side's place.
    pub(super) fn close(&mut self) {
        self.sequence = Sequence::Closed;
    }

    /// From now on nothing passes from this side's close frame on.
    pub(super) fn stop_at_close(&mut self) {
        self.stops_at_close = true;
    }

    /// Whether the close frame has passed.
    pub(super) fn is_closed(&self) -> bool {
        self.sequence.is_closed()
    }
}

#[cfg(test)]
mod tests {
    use atlas_wire::frame::{CloseCode, Opcode, close_payload, control_frame};

    use super::*;

    fn frame(opcode: Opcode, fin: bool, payload: &[u8], mask: Option<[u8; 4]>) -> Vec<u8> {
        let header = Header {
            fin,
            opcode,
            mask,
            length: payload.len() as u64,
            reserved: 0,
        };
        let mut head = [0; HEADER_BYTES_MAX];
        let length = header.write(&mut head);
        let mut bytes = head[..length].to_vec();
        let start = bytes.len();
        bytes.extend_from_slice(payload);
        if let Some(key) = mask {
            atlas_wire::frame::apply_mask(&mut bytes[start..], key, 0);
        }
        bytes
    }

    /// Feeds `bytes` in pieces of `piece`, as reads would bring them.
    fn feed(flow: &mut Flow, bytes: &[u8], piece: usize) -> (Vec<u8>, u64, Option<Violation>) {
        let mut scratch = vec![0; HEADROOM + piece];
        let (mut passed, mut messages) = (Vec::new(), 0);
        for chunk in bytes.chunks(piece) {
            let start = flow.resume(&mut scratch);
            scratch[HEADROOM..HEADROOM + chunk.len()].copy_from_slice(chunk);
            let received = &scratch[start..HEADROOM + chunk.len()];
            let advance = flow.advance(received, 1000, |_, _| {});
            passed.extend_from_slice(&received[..advance.pass]);
            messages += advance.messages;
            if advance.violation.is_some() {
                return (passed, messages, advance.violation);
            }
        }
        (passed, messages, None)
    }

    #[test]
    fn every_cut_passes_the_same_bytes() {
        let key = Some([1, 2, 3, 4]);
        let mut bytes = frame(Opcode::Text, true, b"hello", key);
        bytes.extend(frame(Opcode::Binary, false, &[7; 300], key));
        bytes.extend(&*control_frame(Opcode::Ping, b"p", key));
        bytes.extend(frame(Opcode::Continuation, true, &[], key));
        bytes.extend(&*control_frame(
            Opcode::Close,
            &close_payload(CloseCode::NORMAL, "bye"),
            key,
        ));
        for piece in 1..=bytes.len() {
            let mut flow = Flow::new(Side::Client, 0);
            let (passed, messages, violation) = feed(&mut flow, &bytes, piece);
            assert_eq!(
                (passed.as_slice(), messages, violation),
                (bytes.as_slice(), 2, None),
                "pieces of {piece}"
            );
            assert!(flow.is_closed() && flow.between_frames());
        }
    }

    #[test]
    fn asked_to_stop_at_the_close_it_lets_what_comes_before_pass() {
        let good = frame(Opcode::Text, true, b"last words", None);
        let close = control_frame(Opcode::Close, &close_payload(CloseCode::NORMAL, ""), None);
        let bytes = [good.as_slice(), &close, &good].concat();
        for piece in [3, 12, 4000] {
            let mut flow = Flow::new(Side::Server, 0);
            flow.stop_at_close();
            let mut passed = Vec::new();
            let mut scratch = vec![0; HEADROOM + piece];
            for chunk in bytes.chunks(piece) {
                let start = flow.resume(&mut scratch);
                scratch[HEADROOM..HEADROOM + chunk.len()].copy_from_slice(chunk);
                let received = &scratch[start..HEADROOM + chunk.len()];
                let advance = flow.advance(received, 1000, |_, _| {});
                assert_eq!(advance.violation, None);
                passed.extend_from_slice(&received[..advance.pass]);
                if advance.held_close {
                    break;
                }
            }
            assert!(!flow.is_closed());
            assert_eq!(passed, good, "pieces of {piece}");
        }
    }

    #[test]
    fn nothing_passes_from_a_violation_on() {
        let good = frame(Opcode::Text, true, b"ok", Some([9; 4]));
        let key = Some([9; 4]);
        let cases: [(Vec<u8>, u16); 5] = [
            (frame(Opcode::Text, true, b"no mask", None), 1002),
            (frame(Opcode::Continuation, true, b"no start", key), 1002),
            (frame(Opcode::Binary, true, &[0; 1001], key), 1009),
            (
                [
                    frame(Opcode::Binary, false, &[0; 600], key),
                    frame(Opcode::Continuation, true, &[0; 600], key),
                ]
                .concat(),
                1009,
            ),
            (vec![0x83, 0x80, 0, 0, 0, 0], 1002),
        ];
        for (bad, code) in cases {
            for piece in [1, 7, 4000] {
                let mut flow = Flow::new(Side::Client, 0);
                let (passed, _, violation) =
                    feed(&mut flow, &[good.clone(), bad.clone()].concat(), piece);
                assert_eq!(
                    violation.map(|violation| violation.close_code().0),
                    Some(code)
                );
                assert!(
                    passed.starts_with(&good) && passed.len() <= good.len() + 608,
                    "{code}"
                );
            }
        }
    }
}
