//! The dialect of Horizon game servers: text messages of JSON, as plugins of theirs read them.
//!
//! `{"namespace", "event", "data"}` for a plugin, `{"type": "gorc_event", "object_id", "channel", "event", "data",
//! "player_id"}` for an object of the game. Horizon reads text only, so binary messages say nothing.

use std::ops::ControlFlow;

use atlas_base::{Position, Velocity};

use super::Dialect;
use super::pointer::Pointer;
use super::read::{Kind, Motion, kind, may_be_json, player};
use super::scan::{Raw, scan};

/// Horizon's messages.
pub(super) struct Horizon {
    namespace: Pointer,
    event: Pointer,
    /// Where the player's id may stand: GORC events name it outside, plugins' messages inside.
    players: [Pointer; 2],
    motion: Motion,
    moves: Kind,
    auth: Kind,
    login: Kind,
}

impl Horizon {
    pub(super) fn new() -> Self {
        Self {
            namespace: Pointer::of("/namespace"),
            event: Pointer::of("/event"),
            players: ["/player_id", "/data/player_id"].map(Pointer::of),
            motion: Motion::new("/data/new_position", "/data/velocity", "/event"),
            moves: Kind::of("move"),
            auth: Kind::of("auth"),
            login: Kind::of("login"),
        }
    }
}

impl Dialect for Horizon {
    fn name(&self) -> &'static str {
        "horizon"
    }

    fn skims(&self) -> bool {
        true
    }

    fn position(&self, message: &[u8], text: bool) -> Option<(Position, Option<Velocity>)> {
        if !text || !may_be_json(message) || self.moves.is_absent(message) {
            return None;
        }
        self.motion.read(message, Some(&self.moves))
    }

    fn is_join(&self, message: &[u8], text: bool) -> bool {
        if !text || !may_be_json(message) || self.login.is_absent(message) {
            return false;
        }
        let mut found = 0;
        scan(message, &[&self.namespace, &self.event], |index, raw| {
            let word = [&self.auth, &self.login][index];
            if matches!(raw, Raw::Text(text) if word.is(text)) {
                found += 1;
                ControlFlow::Continue(())
            } else {
                ControlFlow::Break(())
            }
        });
        found == 2
    }

    fn player(&self, message: &[u8], text: bool) -> Option<String> {
        let [outside, inside] = &self.players;
        text.then(|| player(message, &[outside, inside])).flatten()
    }

    fn kind(&self, message: &[u8], text: bool) -> Option<String> {
        text.then(|| kind(message, &self.event)).flatten()
    }
}

#[cfg(test)]
mod tests;
