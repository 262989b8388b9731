//! The dialect of games that speak JSON: rules say where kind, place and player stand.

use std::ops::ControlFlow;

use atlas_base::{Position, Velocity};

use super::pointer::Pointer;
use super::read::{Kind, kind, may_be_json, number, player};
use super::scan::{Raw, scan};
use super::{Dialect, DialectConfig};

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
                (None, Raw::Text(text)) => moves.kind.as_ref().is_some_and(|kind| kind.is(text)),
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
            is_join = matches!(raw, Raw::Text(text) if join.is(text));
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
}
