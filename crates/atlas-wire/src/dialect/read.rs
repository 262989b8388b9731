//! What the dialects over JSON share: kinds, numbers, players, and a place with a speed.

use std::ops::ControlFlow;

use atlas_base::{Position, Velocity};
use memchr::memmem::Finder;

use super::pointer::Pointer;
use super::scan::{Raw, is_text, scan, to_text};

/// The largest coordinate that is believed; beyond it sums and differences may leave the finite numbers.
const COORDINATE_MAX: f64 = 1e300;
/// The longest player id.
const PLAYER_BYTES_MAX: usize = 256;
/// The longest kind that is told.
const KIND_BYTES_MAX: usize = 64;

/// A kind to compare with, and the quick look whether a message can have it at all.
pub(super) struct Kind {
    text: String,
    finder: Finder<'static>,
}

impl Kind {
    /// None for the empty text, which is no kind.
    pub(super) fn new(text: &str) -> Option<Self> {
        (!text.is_empty()).then(|| Self::of(text))
    }

    /// A kind known not to be empty.
    pub(super) fn of(text: &str) -> Self {
        Self {
            text: text.to_owned(),
            finder: Finder::new(text.as_bytes()).into_owned(),
        }
    }

    /// Whether a string, as it stands between its quotes, is this kind.
    pub(super) fn is(&self, raw: &[u8]) -> bool {
        is_text(raw, &self.text)
    }

    /// Whether the kind's text does not occur in the message; with escapes in the message it might, spelled otherwise.
    pub(super) fn is_absent(&self, message: &[u8]) -> bool {
        self.finder.find(message).is_none() && memchr::memchr(b'\\', message).is_none()
    }
}

/// Whether a message can be a JSON object or array at all: binary messages mostly end here.
pub(super) fn may_be_json(message: &[u8]) -> bool {
    let first = message
        .iter()
        .find(|byte| !matches!(byte, b' ' | b'\t' | b'\n' | b'\r'));
    matches!(first, Some(b'{' | b'['))
}

/// A coordinate; none if it is out of every world.
pub(super) fn number(digits: &[u8]) -> Option<f64> {
    let value: f64 = std::str::from_utf8(digits).ok()?.parse().ok()?;
    (value.abs() <= COORDINATE_MAX).then_some(value)
}

/// The player's id at the first of those pointers, in the message's order, that has one: text, or a whole number.
pub(super) fn player(message: &[u8], at: &[&Pointer]) -> Option<String> {
    if !may_be_json(message) {
        return None;
    }
    let mut player = None;
    scan(message, at, |_, raw| {
        player = match raw {
            Raw::Text(text) => to_text(text, PLAYER_BYTES_MAX),
            // Whole numbers only: 1.0 and 1e0 would be one player under several names.
            Raw::Number(digits) if digits.len() <= 20 && digits.iter().all(u8::is_ascii_digit) => {
                to_text(digits, PLAYER_BYTES_MAX)
            }
            _ => None,
        };
        player = player.take().filter(|player| !player.is_empty());
        if player.is_some() {
            ControlFlow::Break(())
        } else {
            ControlFlow::Continue(())
        }
    });
    player
}

/// The text at a pointer, as a message's kind.
pub(super) fn kind(message: &[u8], at: &Pointer) -> Option<String> {
    if at.is_empty() || !may_be_json(message) {
        return None;
    }
    let mut kind = None;
    scan(message, &[at], |_, raw| {
        if let Raw::Text(text) = raw {
            kind = to_text(text, KIND_BYTES_MAX);
        }
        ControlFlow::Break(())
    });
    kind.filter(|kind| !kind.is_empty())
}

/// Where in a document a place and a speed stand.
pub(super) struct Motion {
    /// x, y, z, then the speed's.
    numbers: [Pointer; 6],
    kind: Pointer,
}

impl Motion {
    /// Below `place` and `speed` stand `x`, `y` and `z`; `kind` may be empty.
    pub(super) fn new(place: &str, speed: &str, kind: &str) -> Self {
        let at = |over: &str, axis: &str| Pointer::of(&format!("{over}/{axis}"));
        Self {
            numbers: [
                at(place, "x"),
                at(place, "y"),
                at(place, "z"),
                at(speed, "x"),
                at(speed, "y"),
                at(speed, "z"),
            ],
            kind: Pointer::of(kind),
        }
    }

    /// The place, and the speed if it is there whole. None if there is no place, the kind is another, or the document is
    /// cut where a speed may have followed.
    pub(super) fn read(
        &self,
        document: &[u8],
        kind: Option<&Kind>,
    ) -> Option<(Position, Option<Velocity>)> {
        const PLACE: u8 = 0b000_0111;
        const SPEED: u8 = 0b011_1000;
        const KIND: u8 = 0b100_0000;
        let [x, y, z, u, v, w] = &self.numbers;
        let mut values = [0.0; 6];
        let mut missing = PLACE | SPEED | if kind.is_some() { KIND } else { 0 };
        let (mut is_move, mut has_speed) = (true, true);
        let whole = scan(document, &[x, y, z, u, v, w, &self.kind], |index, raw| {
            match (values.get_mut(index), raw) {
                (Some(value), Raw::Number(digits)) => match number(digits) {
                    Some(read) => *value = read,
                    None if index < 3 => is_move = false,
                    None => has_speed = false,
                },
                (Some(_), _) if index < 3 => is_move = false,
                // A number cut off at its beginning is not found at all, so this one is none.
                (Some(_), _) => has_speed = false,
                (None, Raw::Text(text)) => is_move &= kind.is_none_or(|kind| kind.is(text)),
                (None, _) => is_move = kind.is_none(),
            }
            missing &= !(1 << index);
            if !has_speed {
                missing &= !SPEED;
            }
            if missing == 0 || !is_move {
                ControlFlow::Break(())
            } else {
                ControlFlow::Continue(())
            }
        });
        let (lacks, lacks_speed) = (missing & !SPEED != 0, missing & SPEED != 0);
        if !is_move || lacks || (lacks_speed && !whole) {
            return None;
        }
        let [x, y, z, u, v, w] = values;
        let velocity = (has_speed && !lacks_speed).then_some(Velocity { x: u, y: v, z: w });
        Some((Position { x, y, z }, velocity))
    }
}
