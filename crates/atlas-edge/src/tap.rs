//! The tap: what moves, as people and programs may watch it. Messages are named, never shown: kind, size, position,
//! player, direction.
//!
//! The data path asks one atomic whether anybody listens. If somebody does, a message that fits a listener's filter costs
//! a look at its beginning, until the listener's share of the second is used up; from there on it costs a count. What a
//! listener does not take in time is dropped and counted: nobody ever waits for one. A session keeps nothing for it.

use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use arc_swap::ArcSwap;
use atlas_base::SessionId;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tokio::sync::mpsc;

use crate::api::PositionView;
use crate::servers::World;

/// Most listeners at once.
pub(crate) const LISTENERS_MAX: usize = 8;
/// Most messages a second that one listener is shown.
pub(crate) const RATE_MAX: u32 = 1000;
/// In so many parts a second's share is given out, so that the first burst does not take all of it.
pub(crate) const PARTS: u32 = 10;
/// What a listener has not taken yet.
const WAITING_MAX: usize = 256;

/// Which way a message goes.
#[derive(Clone, Copy, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Direction {
    /// From a client.
    In,
    /// To a client.
    Out,
}

/// One message, without what it says.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
pub struct TapView {
    /// When, in milliseconds since the edge's start.
    pub at_ms: u64,
    /// `in`: from the client; `out`: to it.
    pub direction: Direction,
    /// Its world's name.
    pub world: String,
    /// The server that gets it or sent it.
    pub server: String,
    /// The session's id.
    pub session: String,
    /// The player's id, if it is known.
    pub player: Option<String>,
    /// Its kind in the game's own words, if the dialect reads that.
    pub kind: Option<String>,
    /// Whether it is a text message.
    pub text: bool,
    /// Its length; of one in fragments that is relayed piece by piece, the first one's.
    pub bytes: u64,
    /// Where the player says to be in it, if the dialect reads that.
    pub position: Option<PositionView>,
}

/// What a listener was not shown, since it listens.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
pub struct TapCounts {
    /// Messages that fitted the filter.
    pub seen: u64,
    /// Those of them that were shown.
    pub shown: u64,
    /// Those left out: between two samples, past the rate, or not taken in time.
    pub left_out: u64,
}

/// The start of a session's id, or all of it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct SessionStart {
    bits: u128,
    shift: u32,
}

impl SessionStart {
    /// Reads hexadecimal digits, hyphens among them or not; none if that is no start of an id.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let digits: String = text.chars().filter(|letter| *letter != '-').collect();
        let length = u32::try_from(digits.len()).ok()?;
        if !(1..=32).contains(&length) || !digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return None;
        }
        let bits = u128::from_str_radix(&digits, 16).ok()?;
        let shift = 128 - 4 * length;
        Some(Self { bits, shift })
    }

    fn fits(self, session: SessionId) -> bool {
        session.as_u128() >> self.shift == self.bits
    }
}

/// Which messages a listener wants, and how many of them.
#[derive(Clone, Debug)]
pub(crate) struct Filter {
    pub(crate) world: Option<String>,
    pub(crate) server: Option<String>,
    pub(crate) session: Option<SessionStart>,
    pub(crate) direction: Option<Direction>,
    /// One of so many.
    pub(crate) every: u32,
    /// At most so many a second.
    pub(crate) rate: u32,
}

/// What is known of a message before it is looked at.
pub(crate) struct Passing<'a> {
    pub(crate) direction: Direction,
    pub(crate) world: &'a World,
    pub(crate) server: &'a str,
    pub(crate) session: SessionId,
    pub(crate) player: Option<&'a str>,
    pub(crate) text: bool,
    pub(crate) bytes: u64,
    pub(crate) at_ms: u64,
}

impl Filter {
    fn fits(&self, passing: &Passing<'_>) -> bool {
        self.direction
            .is_none_or(|wanted| wanted == passing.direction)
            && self
                .session
                .is_none_or(|wanted| wanted.fits(passing.session))
            && self
                .server
                .as_ref()
                .is_none_or(|wanted| wanted == passing.server)
            && self
                .world
                .as_ref()
                .is_none_or(|wanted| **wanted == *passing.world.name)
    }
}

/// Whoever listens.
pub(crate) struct Listener {
    filter: Filter,
    sender: mpsc::Sender<TapView>,
    /// How many more it is shown before its next refill.
    budget: AtomicU32,
    seen: AtomicU64,
    shown: AtomicU64,
}

impl Listener {
    /// Whether this message is to be looked at for it; counts it either way.
    fn takes(&self, passing: &Passing<'_>) -> bool {
        if !self.filter.fits(passing) {
            return false;
        }
        let before = self.seen.fetch_add(1, Ordering::Relaxed);
        if !before.is_multiple_of(u64::from(self.filter.every.max(1))) {
            return false;
        }
        let spend = |left: u32| left.checked_sub(1);
        self.budget
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, spend)
            .is_ok()
    }

    pub(crate) fn counts(&self) -> TapCounts {
        // Shown is read first, so that it is never more than seen.
        let shown = self.shown.load(Ordering::Relaxed);
        let seen = self.seen.load(Ordering::Relaxed).max(shown);
        TapCounts {
            seen,
            shown,
            left_out: seen - shown,
        }
    }

    /// Gives a listener its share of the next part of a second.
    pub(crate) fn refill(&self) {
        let share = self.filter.rate.div_ceil(PARTS);
        self.budget.store(share, Ordering::Relaxed);
    }
}

/// All who listen.
#[derive(Default)]
pub(crate) struct Tap {
    on: AtomicBool,
    listeners: ArcSwap<Vec<Arc<Listener>>>,
    /// Held while the list is changed.
    change: Mutex<()>,
}

impl Tap {
    /// Whether anybody listens: all that a message costs while nobody does.
    #[inline]
    pub(crate) fn is_on(&self) -> bool {
        self.on.load(Ordering::Relaxed)
    }

    /// Shows a message to those who want it. `look` gives its beginning, unmasked; it is asked for at most once.
    #[cold]
    pub(crate) fn show<'b>(&self, passing: &Passing<'_>, look: impl FnOnce() -> &'b [u8]) {
        let listeners = self.listeners.load();
        let mut takers = listeners
            .iter()
            .filter(|listener| listener.takes(passing))
            .peekable();
        if takers.peek().is_none() {
            return;
        }
        let view = view(passing, look());
        for listener in takers {
            if listener.sender.try_send(view.clone()).is_ok() {
                listener.shown.fetch_add(1, Ordering::Relaxed);
            }
        }
    }

    /// Begins to listen; none if there are enough who do.
    pub(crate) fn listen(
        &self,
        filter: Filter,
    ) -> Option<(Arc<Listener>, mpsc::Receiver<TapView>)> {
        let (sender, receiver) = mpsc::channel(WAITING_MAX);
        let listener = Arc::new(Listener {
            filter,
            sender,
            budget: AtomicU32::new(0),
            seen: AtomicU64::new(0),
            shown: AtomicU64::new(0),
        });
        listener.refill();
        let added = self.change(|listeners| {
            let room = listeners.len() < LISTENERS_MAX;
            if room {
                listeners.push(Arc::clone(&listener));
            }
            room
        });
        added.then_some((listener, receiver))
    }

    /// Ends a listening.
    pub(crate) fn leave(&self, listener: &Arc<Listener>) {
        self.change(|listeners| listeners.retain(|other| !Arc::ptr_eq(other, listener)));
    }

    fn change<T>(&self, act: impl FnOnce(&mut Vec<Arc<Listener>>) -> T) -> T {
        // Nothing panics while it is held.
        let _held = self.change.lock().unwrap_or_else(PoisonError::into_inner);
        let mut listeners = Vec::clone(&self.listeners.load());
        let result = act(&mut listeners);
        self.on.store(!listeners.is_empty(), Ordering::Relaxed);
        self.listeners.store(Arc::new(listeners));
        result
    }
}

fn view(passing: &Passing<'_>, beginning: &[u8]) -> TapView {
    let Passing { world, text, .. } = *passing;
    let dialect = &world.dialect;
    let player = passing.player.map(str::to_owned);
    // What a server says of positions and players is of others, too.
    let own = passing.direction == Direction::In;
    TapView {
        at_ms: passing.at_ms,
        direction: passing.direction,
        world: world.name.to_string(),
        server: passing.server.to_owned(),
        session: passing.session.to_string(),
        player: player.or_else(|| own.then(|| dialect.player(beginning, text)).flatten()),
        kind: dialect.kind(beginning, text),
        text,
        bytes: passing.bytes,
        position: own
            .then(|| dialect.position(beginning, text))
            .flatten()
            .map(|(at, _)| at.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filter() -> Filter {
        Filter {
            world: None,
            server: None,
            session: None,
            direction: None,
            every: 1,
            rate: 10,
        }
    }

    #[test]
    fn it_is_on_while_somebody_listens() {
        let tap = Tap::default();
        assert!(!tap.is_on());
        let listeners: Vec<_> = (0..LISTENERS_MAX)
            .map(|_| tap.listen(filter()).unwrap())
            .collect();
        assert!(tap.is_on());
        assert!(tap.listen(filter()).is_none(), "there is a bound");
        for (index, (listener, _)) in listeners.iter().enumerate() {
            assert!(tap.is_on(), "until the last has left: {index}");
            tap.leave(listener);
        }
        assert!(!tap.is_on());
    }

    #[test]
    fn a_start_of_an_id_names_its_sessions() {
        let id: SessionId = "6f1c2a90-8b5e-4d0c-9a76-2f0c6f0e9d11".parse().unwrap();
        for start in [
            "6",
            "6f1c2a90",
            "6F1C2A90-8b",
            "6f1c2a90-8b5e-4d0c-9a76-2f0c6f0e9d11",
        ] {
            assert!(SessionStart::parse(start).unwrap().fits(id), "{start}");
        }
        assert!(!SessionStart::parse("6e").unwrap().fits(id));
        for wrong in ["", "-", "p-1", "6f1c2a90-8b5e-4d0c-9a76-2f0c6f0e9d110"] {
            assert_eq!(SessionStart::parse(wrong), None, "{wrong}");
        }
    }
}
