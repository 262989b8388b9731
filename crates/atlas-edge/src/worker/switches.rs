//! How soon a player hears of a new server: from the first of their messages that it gets to the first of its own.

use std::time::Instant;

use super::Worker;

/// A player who was moved and has not heard of the new server yet. Nobody who stays has one.
#[derive(Default)]
pub(super) struct Switch {
    /// When the new server got the player's first message.
    asked: Option<Instant>,
}

/// Players whose new servers nobody asked anything for long are forgotten: at most so many are waited for.
const SWITCHES_MAX: usize = 4096;

impl Worker {
    /// A session has a new authority.
    pub(super) fn switch_begun(&mut self, key: usize) {
        if self.switches.len() >= SWITCHES_MAX {
            self.switches.clear();
        }
        self.switches.insert(key, Switch::default());
    }

    /// The authority gets messages of the player.
    #[inline]
    pub(super) fn switch_asked(&mut self, key: usize) {
        if self.switches.is_empty() {
            return;
        }
        if let Some(switch) = self.switches.get_mut(&key) {
            switch.asked.get_or_insert_with(Instant::now);
        }
    }

    /// The authority's messages go to the player.
    #[inline]
    pub(super) fn switch_answered(&mut self, key: usize) {
        if self.switches.is_empty() {
            return;
        }
        let Some(switch) = self.switches.remove(&key) else {
            return;
        };
        if let Some(asked) = switch.asked {
            let metrics = &self.shared.metrics;
            metrics
                .first_answer_seconds
                .observe(asked.elapsed().as_secs_f64());
        }
    }
}
