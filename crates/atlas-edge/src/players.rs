//! Who is here: the players of each world by their id, over all workers, so that one player is not here twice; and what
//! those left behind who are not here any more.
//!
//! A player's id is what the game's messages say (`Dialect::player`), so a session gets into these tables with the first
//! message that names the player, and leaves them with its end. Sessions that name nobody, and worlds that let a player be
//! here as often as they like, cost nothing here. Who is here is bounded by the sessions, what is left behind by the
//! configuration.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use atlas_base::{Moment, SessionId};
use atlas_world::State;

use crate::config::DuplicatePlayer;
use crate::servers::World;
use crate::shared::Shared;

mod kept;

use kept::{Bounds, Kept};

/// The players of this edge.
#[derive(Default)]
pub(crate) struct Players {
    worlds: Mutex<Worlds>,
}

/// By world.
type Worlds = HashMap<Arc<str>, Known>;

/// The players of one world, by their ids.
#[derive(Default)]
struct Known {
    here: HashMap<Arc<str>, Here>,
    kept: Kept,
}

/// Where a session lives.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Seat {
    pub(crate) session: SessionId,
    pub(crate) worker: usize,
    /// Its slot there, of movable or of plain sessions.
    pub(crate) key: usize,
}

/// The session that a player is here by.
struct Here {
    seat: Seat,
    /// Older sessions of the player that were told to go and are not gone yet; mostly none.
    leaving: Vec<SessionId>,
}

/// What became of a session that named its player.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Entered {
    /// The player is here by this session alone, or may be here by several.
    Alone,
    /// The player is here by another session, and that one stays.
    Refused,
    /// The player was here by another session, which is to go.
    InPlaceOf(Seat),
}

impl Players {
    fn worlds(&self) -> MutexGuard<'_, Worlds> {
        // Nothing panics while it holds the lock.
        self.worlds.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A session has named its player.
    pub(crate) fn enter(&self, world: &World, player: &Arc<str>, seat: Seat) -> Entered {
        let rule = world.config.duplicate_player;
        if rule == DuplicatePlayer::Allow {
            return Entered::Alone;
        }
        let mut worlds = self.worlds();
        let players = &mut known(&mut worlds, world).here;
        let Some(here) = players.get_mut(player) else {
            let here = Here {
                seat,
                leaving: Vec::new(),
            };
            players.insert(Arc::clone(player), here);
            return Entered::Alone;
        };
        if rule == DuplicatePlayer::Refuse {
            return Entered::Refused;
        }
        let older = std::mem::replace(&mut here.seat, seat);
        here.leaving.push(older.session);
        Entered::InPlaceOf(older)
    }

    /// A session that had named its player is over. Gives the session of the player that waited for this one's end, if
    /// there is one and nothing is left to wait for.
    pub(crate) fn leave(&self, world: &World, player: &str, session: SessionId) -> Option<Seat> {
        let mut worlds = self.worlds();
        let known = worlds.get_mut(&world.name)?;
        let players = &mut known.here;
        let here = players.get_mut(player)?;
        if here.seat.session == session {
            players.remove(player);
            if players.is_empty() && known.kept.is_empty() {
                worlds.remove(&world.name);
            }
            return None;
        }
        let at = here.leaving.iter().position(|older| *older == session)?;
        here.leaving.swap_remove(at);
        here.leaving.is_empty().then_some(here.seat)
    }

    /// Keeps what a player left behind. Gives how many older states had to go for it.
    pub(crate) fn keep(
        &self,
        world: &World,
        player: &Arc<str>,
        state: State,
        now: Moment,
    ) -> usize {
        let config = &world.config;
        let bounds = Bounds {
            time: *config.keep_state,
            players_max: config.keep_state_players_max as usize,
            bytes_max: config.keep_state_bytes_max.0,
        };
        let mut worlds = self.worlds();
        let kept = &mut known(&mut worlds, world).kept;
        kept.keep(now, Arc::clone(player), state, bounds)
    }

    /// What a player who comes back left behind, if it is kept still.
    pub(crate) fn take(&self, world: &World, player: &str, now: Moment) -> Option<State> {
        let mut worlds = self.worlds();
        worlds.get_mut(&world.name)?.kept.take(now, player)
    }

    /// Forgets what is too old. Gives how many states of which worlds that were.
    pub(crate) fn expire(&self, now: Moment) -> Vec<(Arc<str>, usize)> {
        let mut expired = Vec::new();
        self.worlds().retain(|name, known| {
            let count = known.kept.expire(now);
            if count > 0 {
                expired.push((Arc::clone(name), count));
            }
            !known.here.is_empty() || !known.kept.is_empty()
        });
        expired
    }
}

fn known<'a>(worlds: &'a mut Worlds, world: &World) -> &'a mut Known {
    worlds.entry(Arc::clone(&world.name)).or_default()
}

/// How often what is too old is looked for.
const LOOK: Duration = Duration::from_secs(5);

/// Forgets states that are too old, as long as the edge runs.
pub(crate) async fn watch(shared: Arc<Shared>) {
    loop {
        tokio::time::sleep(LOOK).await;
        for (world, count) in shared.players.expire(shared.now()) {
            shared
                .metrics
                .states_kept
                .with_label_values(&[&*world, "expired"])
                .inc_by(count as u64);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Config, WorldConfig};
    use crate::servers::View;

    fn world(rule: DuplicatePlayer) -> Arc<World> {
        let config = WorldConfig {
            duplicate_player: rule,
            ..WorldConfig::default()
        };
        let view = View::build(&Config {
            worlds: [("main".to_owned(), config)].into(),
            ..Config::default()
        });
        Arc::clone(&view.unwrap().worlds[0])
    }

    fn seat(number: u128) -> Seat {
        Seat {
            session: SessionId::from_u128(number),
            worker: number as usize,
            key: 0,
        }
    }

    #[test]
    fn the_newest_session_waits_for_all_that_were_told_to_go() {
        let (players, world) = (Players::default(), world(DuplicatePlayer::Replace));
        let (ann, bob) = ("ann".into(), "bob".into());
        assert_eq!(players.enter(&world, &ann, seat(1)), Entered::Alone);
        assert_eq!(players.enter(&world, &bob, seat(9)), Entered::Alone);
        assert_eq!(
            players.enter(&world, &ann, seat(2)),
            Entered::InPlaceOf(seat(1))
        );
        assert_eq!(
            players.enter(&world, &ann, seat(3)),
            Entered::InPlaceOf(seat(2))
        );
        assert_eq!(players.leave(&world, "ann", seat(2).session), None);
        assert_eq!(
            players.leave(&world, "ann", seat(1).session),
            Some(seat(3)),
            "the last one that was waited for"
        );
        assert_eq!(players.leave(&world, "ann", seat(1).session), None);
        assert_eq!(players.leave(&world, "ann", seat(3).session), None);
        assert_eq!(players.leave(&world, "bob", seat(9).session), None);
        assert!(players.worlds().is_empty(), "whoever is gone costs nothing");
    }

    #[test]
    fn who_was_here_first_stays_where_newer_ones_are_refused() {
        let (players, world) = (Players::default(), world(DuplicatePlayer::Refuse));
        let ann = "ann".into();
        assert_eq!(players.enter(&world, &ann, seat(1)), Entered::Alone);
        assert_eq!(players.enter(&world, &ann, seat(2)), Entered::Refused);
        assert_eq!(players.leave(&world, "ann", seat(2).session), None);
        assert_eq!(players.enter(&world, &ann, seat(3)), Entered::Refused);
        players.leave(&world, "ann", seat(1).session);
        assert_eq!(players.enter(&world, &ann, seat(4)), Entered::Alone);
    }

    #[test]
    fn where_everybody_may_be_here_twice_nobody_is_remembered() {
        let (players, world) = (Players::default(), world(DuplicatePlayer::Allow));
        let ann = "ann".into();
        assert_eq!(players.enter(&world, &ann, seat(1)), Entered::Alone);
        assert_eq!(players.enter(&world, &ann, seat(2)), Entered::Alone);
        assert!(players.worlds().is_empty());
    }
}
