//! What players left behind: the newest state of each, for a while, bounded in number and bytes.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use atlas_base::Moment;
use atlas_world::State;

/// What an entry weighs besides its id and its state.
const ENTRY_BYTES: u64 = 128;

/// How much is kept of one world's players.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bounds {
    pub(super) time: Duration,
    pub(super) players_max: usize,
    pub(super) bytes_max: u64,
}

/// The states of one world's players who left.
#[derive(Default)]
pub(super) struct Kept {
    players: HashMap<Arc<str>, Entry>,
    /// The players in the order in which they left.
    order: BTreeMap<u64, Arc<str>>,
    /// The next entry's place in that order.
    next: u64,
    bytes: u64,
}

struct Entry {
    state: State,
    until: Moment,
    place: u64,
}

impl Kept {
    pub(super) fn is_empty(&self) -> bool {
        self.players.is_empty()
    }

    /// Keeps a state in the place of the player's older one. Where that is too much the oldest go; gives how many did.
    pub(super) fn keep(
        &mut self,
        now: Moment,
        player: Arc<str>,
        state: State,
        bounds: Bounds,
    ) -> usize {
        self.remove(&player);
        if weight(&player, &state) > bounds.bytes_max || bounds.players_max == 0 {
            return 1;
        }
        let place = self.next;
        self.next += 1;
        self.bytes += weight(&player, &state);
        self.order.insert(place, Arc::clone(&player));
        let until = now + bounds.time;
        self.players.insert(
            player,
            Entry {
                state,
                until,
                place,
            },
        );
        let mut gone = 0;
        while self.players.len() > bounds.players_max || self.bytes > bounds.bytes_max {
            if !self.remove_oldest() {
                break;
            }
            gone += 1;
        }
        gone
    }

    /// Gives a player's state out, if it is not too old.
    pub(super) fn take(&mut self, now: Moment, player: &str) -> Option<State> {
        self.remove(player)
            .filter(|entry| now < entry.until)
            .map(|entry| entry.state)
    }

    /// Forgets what is too old; gives how many that were.
    pub(super) fn expire(&mut self, now: Moment) -> usize {
        let mut gone = 0;
        while let Some((_, player)) = self.order.first_key_value() {
            if self.players.get(player).is_some_and(|it| now < it.until) {
                break;
            }
            self.remove_oldest();
            gone += 1;
        }
        gone
    }

    fn remove(&mut self, player: &str) -> Option<Entry> {
        let entry = self.players.remove(player)?;
        self.order.remove(&entry.place);
        self.bytes -= weight(player, &entry.state);
        Some(entry)
    }

    fn remove_oldest(&mut self) -> bool {
        let Some((_, player)) = self.order.pop_first() else {
            return false;
        };
        if let Some(entry) = self.players.remove(&player) {
            self.bytes -= weight(&player, &entry.state);
        }
        true
    }
}

fn weight(player: &str, state: &State) -> u64 {
    ENTRY_BYTES + (player.len() + state.len()) as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    const BOUNDS: Bounds = Bounds {
        time: Duration::from_secs(10),
        players_max: 3,
        bytes_max: 100_000,
    };

    fn at(seconds: u64) -> Moment {
        Moment::ZERO + Duration::from_secs(seconds)
    }

    fn state(text: &str) -> State {
        text.as_bytes().into()
    }

    #[test]
    fn the_newest_state_is_given_once_and_not_for_ever() {
        let mut kept = Kept::default();
        kept.keep(at(0), "ann".into(), state("old"), BOUNDS);
        kept.keep(at(5), "ann".into(), state("new"), BOUNDS);
        kept.keep(at(5), "bob".into(), state("bob"), BOUNDS);
        assert_eq!(kept.take(at(14), "ann"), Some(state("new")));
        assert_eq!(kept.take(at(14), "ann"), None, "given once");
        assert_eq!(kept.take(at(15), "bob"), None, "too old");
        assert!(kept.is_empty() && kept.order.is_empty());
        assert_eq!(kept.bytes, 0);
    }

    #[test]
    fn what_is_too_old_is_forgotten_by_itself() {
        let mut kept = Kept::default();
        for (second, player) in [(0, "ann"), (1, "bob"), (2, "ann")] {
            kept.keep(at(second), player.into(), state("x"), BOUNDS);
        }
        assert_eq!(kept.expire(at(10)), 0, "ann came and left again since");
        assert_eq!(kept.expire(at(11)), 1);
        assert_eq!(kept.expire(at(12)), 1);
        assert_eq!((kept.bytes, kept.order.len()), (0, 0));
    }

    #[test]
    fn the_oldest_go_where_it_is_too_much() {
        let mut kept = Kept::default();
        for player in ["ann", "bob", "cem"] {
            assert_eq!(kept.keep(at(0), player.into(), state("x"), BOUNDS), 0);
        }
        assert_eq!(kept.keep(at(1), "ann".into(), state("y"), BOUNDS), 0);
        assert_eq!(kept.keep(at(2), "dan".into(), state("x"), BOUNDS), 1);
        assert_eq!(kept.take(at(2), "bob"), None);
        assert_eq!(kept.take(at(2), "ann"), Some(state("y")));
        // One that is too large alone does not drive the others out.
        let large = "x".repeat(100_000);
        assert_eq!(kept.keep(at(3), "eve".into(), state(&large), BOUNDS), 1);
        assert_eq!(kept.take(at(3), "eve"), None);
        assert_eq!(kept.take(at(3), "dan"), Some(state("x")));
    }
}
