//! The dialect of Atlas's own envelope: JSON around a payload in base64.
//!
//! `{"message_type": …, "player_id": …, "data": …, "timestamp": …}`; the types and what their `data` holds stand in
//! `docs/formats/dialects.md`.

use std::ops::ControlFlow;

use atlas_base::{Position, Velocity};
use base64::Engine as _;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};

use super::Dialect;
use super::pointer::Pointer;
use super::read::{Kind, Motion, kind, may_be_json, player};
use super::scan::{Raw, begin_text, scan};

/// How much of a payload is looked at for a place: it stands at the beginning.
const PAYLOAD_BYTES_MAX: usize = 768;
/// The same in base64.
const ENCODED_BYTES_MAX: usize = PAYLOAD_BYTES_MAX / 3 * 4;
/// The least base64 that holds a key of 8 bytes.
const KEY_ENCODED_BYTES: usize = 11;

/// Decodes beginnings of payloads: what is cut has no padding, and bits over.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new()
        .with_decode_allow_trailing_bits(true)
        .with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// Atlas's envelope.
pub(super) struct Atlas {
    kind: Pointer,
    player: Pointer,
    data: Pointer,
    /// Where place and speed stand in a payload.
    motion: Motion,
    moves: Kind,
    connects: Kind,
    states: Kind,
}

impl Atlas {
    pub(super) fn new() -> Self {
        let at = |name: &str| Pointer::of(name);
        Self {
            kind: at("/message_type"),
            player: at("/player_id"),
            data: at("/data"),
            motion: Motion::new("/position", "/velocity", ""),
            moves: Kind::of("PlayerMove"),
            connects: Kind::of("PlayerConnect"),
            states: Kind::of("StateSync"),
        }
    }

    /// The beginning of the payload of a message of one of these kinds.
    fn payload<'a, const N: usize>(
        &self,
        message: &[u8],
        kinds: [&Kind; 2],
        target: &'a mut [u8; N],
    ) -> Option<&'a [u8]> {
        if !may_be_json(message) || kinds.iter().all(|kind| kind.is_absent(message)) {
            return None;
        }
        let (mut is_kind, mut data) = (false, None);
        scan(message, &[&self.kind, &self.data], |index, raw| {
            match (index, raw) {
                (0, Raw::Text(text)) if kinds.iter().any(|kind| kind.is(text)) => is_kind = true,
                (1, Raw::Text(text) | Raw::Begun(text)) => data = Some(text),
                _ => return ControlFlow::Break(()),
            }
            if is_kind && data.is_some() {
                ControlFlow::Break(())
            } else {
                ControlFlow::Continue(())
            }
        });
        decode(data.filter(|_| is_kind)?, target)
    }
}

/// Decodes what base64 `text`, as it stands between its quotes, begins with; as much as there is room for.
fn decode<'a, const N: usize>(text: &[u8], target: &'a mut [u8; N]) -> Option<&'a [u8]> {
    let mut plain = [0; ENCODED_BYTES_MAX];
    let encoded = begin_text(text, &mut plain);
    let is_base64 = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/');
    let length = encoded
        .iter()
        .take(N / 3 * 4)
        .take_while(|byte| is_base64(byte))
        .count();
    // One character alone is less than a byte.
    let length = length - usize::from(length % 4 == 1);
    let written = BASE64.decode_slice(&encoded[..length], target).ok()?;
    target.get(..written)
}

impl Dialect for Atlas {
    fn name(&self) -> &'static str {
        "atlas"
    }

    fn skims(&self) -> bool {
        true
    }

    fn position(&self, message: &[u8], _text: bool) -> Option<(Position, Option<Velocity>)> {
        let mut payload = [0; PAYLOAD_BYTES_MAX];
        let payload = self.payload(message, [&self.moves, &self.connects], &mut payload)?;
        self.motion.read(payload, None)
    }

    fn is_join(&self, message: &[u8], _text: bool) -> bool {
        if !may_be_json(message) || self.connects.is_absent(message) {
            return false;
        }
        let mut is_join = false;
        scan(message, &[&self.kind], |_, raw| {
            is_join = matches!(raw, Raw::Text(text) if self.connects.is(text));
            ControlFlow::Break(())
        });
        is_join
    }

    fn player(&self, message: &[u8], _text: bool) -> Option<String> {
        player(message, &[&self.player])
    }

    fn kind(&self, message: &[u8], _text: bool) -> Option<String> {
        kind(message, &self.kind)
    }

    fn state_key(&self, message: &[u8], _text: bool) -> Option<u64> {
        // Room for whole groups of three bytes.
        let mut payload = [0; KEY_ENCODED_BYTES.div_ceil(4) * 3];
        let payload = self.payload(message, [&self.states; 2], &mut payload)?;
        payload
            .first_chunk()
            .map(|bytes| u64::from_le_bytes(*bytes))
    }
}

#[cfg(test)]
mod tests;
