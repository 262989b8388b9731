//! The dialect of games that speak JSON: rules say where kind, place and player stand.

use std::ops::ControlFlow;

use atlas_base::{Position, Velocity};
use memchr::memmem::Finder;

use super::pointer::Pointer;
use super::scan::{Raw, is_text, scan, to_text};
use super::{Dialect, DialectConfig};

/// The largest coordinate that is believed; beyond it sums and differences may leave the finite numbers.
const COORDINATE_MAX: f64 = 1e300;
/// The longest player id.
const PLAYER_BYTES_MAX: usize = 256;

/// Rules of a game, ready for use.
pub(super) struct Json {
    kind: Pointer,
    moves: Option<Moves>,
    join: Option<Kind>,
    player: Pointer,
}

struct Moves {
    /// None where messages have no kind.
    kind: Option<Kind>,
    x: Pointer,
    y: Pointer,
    z: Pointer,
}

/// A kind to compare with, and the quick look whether a message can have it at all.
struct Kind {
    text: String,
    finder: Finder<'static>,
}

impl Kind {
    fn new(text: &str) -> Option<Self> {
        (!text.is_empty()).then(|| Self {
            text: text.to_owned(),
            finder: Finder::new(text.as_bytes()).into_owned(),
        })
    }

    /// Whether the kind's text does not occur in the message; with escapes in the message it might, spelled otherwise.
    fn is_absent(&self, message: &[u8]) -> bool {
        self.finder.find(message).is_none() && memchr::memchr(b'\\', message).is_none()
    }
}

impl Json {
    pub(super) fn new(config: &DialectConfig) -> Self {
        let rule = &config.moves;
        let no_kind = config.kind.is_empty();
        let readable = !rule.kind.is_empty() && !rule.x.is_empty();
        let moves = readable.then(|| Moves {
            kind: if no_kind { None } else { Kind::new(&rule.kind) },
            x: rule.x.clone(),
            y: rule.y.clone(),
            z: rule.z.clone(),
        });
        let join = if no_kind {
            None
        } else {
            Kind::new(&config.join.kind)
        };
        Self {
            kind: config.kind.clone(),
            moves,
            join,
            player: config.player.clone(),
        }
    }
}

/// Whether a message can be a JSON object or array at all: binary messages mostly end here.
fn may_be_json(message: &[u8]) -> bool {
    let first = message
        .iter()
        .find(|byte| !matches!(byte, b' ' | b'\t' | b'\n' | b'\r'));
    matches!(first, Some(b'{' | b'['))
}

impl Dialect for Json {
    fn name(&self) -> &'static str {
        "json"
    }

    fn skims(&self) -> bool {
        self.moves.is_some() || self.join.is_some() || !self.player.is_empty()
    }

    fn position(&self, message: &[u8], _text: bool) -> Option<(Position, Option<Velocity>)> {
        let moves = self.moves.as_ref()?;
        if !may_be_json(message)
            || moves
                .kind
                .as_ref()
                .is_some_and(|kind| kind.is_absent(message))
        {
            return None;
        }
        let mut place = [0.0; 3];
        let pointers = [&moves.x, &moves.y, &moves.z, &self.kind];
        let mut missing = pointers
            .iter()
            .filter(|pointer| !pointer.is_empty())
            .count();
        scan(message, &pointers, |index, raw| {
            let understood = match (place.get_mut(index), raw) {
                (Some(coordinate), Raw::Number(digits)) => {
                    number(digits).map(|value| *coordinate = value).is_some()
                }
                (None, Raw::Text(text)) => moves
                    .kind
                    .as_ref()
                    .is_some_and(|kind| is_text(text, &kind.text)),
                _ => false,
            };
            if !understood {
                return ControlFlow::Break(());
            }
            missing -= 1;
            if missing == 0 {
                ControlFlow::Break(())
            } else {
                ControlFlow::Continue(())
            }
        });
        let [x, y, z] = place;
        (missing == 0).then_some((Position { x, y, z }, None))
    }

    fn is_join(&self, message: &[u8], _text: bool) -> bool {
        let Some(join) = &self.join else {
            return false;
        };
        if !may_be_json(message) || join.is_absent(message) {
            return false;
        }
        let mut is_join = false;
        scan(message, &[&self.kind], |_, raw| {
            is_join = matches!(raw, Raw::Text(text) if is_text(text, &join.text));
            ControlFlow::Break(())
        });
        is_join
    }

    fn player(&self, message: &[u8], _text: bool) -> Option<String> {
        if !may_be_json(message) {
            return None;
        }
        let mut player = None;
        scan(message, &[&self.player], |_, raw| {
            player = match raw {
                Raw::Text(text) => to_text(text, PLAYER_BYTES_MAX),
                // Whole numbers only: 1.0 and 1e0 would be one player under several names.
                Raw::Number(digits)
                    if digits.len() <= 20 && digits.iter().all(u8::is_ascii_digit) =>
                {
                    to_text(digits, PLAYER_BYTES_MAX)
                }
                _ => None,
            };
            ControlFlow::Break(())
        });
        player.filter(|player| !player.is_empty())
    }
}

/// A coordinate; none if it is out of every world.
fn number(digits: &[u8]) -> Option<f64> {
    let value: f64 = std::str::from_utf8(digits).ok()?.parse().ok()?;
    (value.abs() <= COORDINATE_MAX).then_some(value)
}
