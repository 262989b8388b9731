//! The moment in which a session names its player: whether the player may be here, and whether an older session of the
//! same player has to go first.

use std::sync::Arc;
use std::time::Duration;

use atlas_base::{Moment, SessionId};
use atlas_wire::frame::CloseCode;
use atlas_world::{Event, State};

use super::carriage::{Carriage, Message};
use super::plain::About;
use super::timers::Timer;
use super::{Again, SKIM_BYTES_MAX, Worker};
use crate::mail::Mail;
use crate::players::{Entered, Seat};

/// The close code for a session whose player came again; of those that are free for applications, beside HTTP's 409.
pub(super) const REPLACED: CloseCode = CloseCode(4409);
/// How long a session waits for the end of the older one of its player. That may be in a transfer, which ends first.
const PATIENCE: Duration = Duration::from_secs(3);

/// A session that waits for the end of an older one of its player. Its client is not read meanwhile.
pub(super) struct Entering {
    /// The message that named the player, as the server gets it.
    message: Vec<u8>,
    since: Moment,
}

/// Whether a session that named its player goes on.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Entrance {
    /// At once.
    Open,
    /// Once the older session is gone.
    Waits,
    /// No: it is being closed.
    Closed,
}

impl Worker {
    /// Whether a message names the player of a session for the first time; the session knows its player from then on.
    pub(super) fn movable_names(&mut self, key: usize, message: &Message<'_>) -> bool {
        let Some(session) = self.movable.get_mut(key) else {
            return false;
        };
        let dialect = &session.about.world.dialect;
        if session.player.is_some() || !dialect.skims() {
            return false;
        }
        let mut prefix = [0; SKIM_BYTES_MAX];
        let player = dialect.player(message.look(&mut prefix), message.text);
        session.player = player.map(Arc::from);
        session.player.is_some()
    }

    /// A movable session has named its player. Where it waits, `message` is what named the player.
    pub(super) fn movable_enters(
        &mut self,
        key: usize,
        message: impl FnOnce() -> Vec<u8>,
    ) -> Entrance {
        let Some(session) = self.movable.get_mut(key) else {
            return Entrance::Closed;
        };
        let Some(player) = session.player.clone() else {
            return Entrance::Open;
        };
        let serial = session.about.serial;
        let seat = Seat {
            session: session.about.id,
            worker: self.index,
            key,
        };
        let entered = self
            .shared
            .players
            .enter(&session.about.world, &player, seat);
        match entered {
            Entered::Alone => {
                self.state_given(key);
                Entrance::Open
            }
            Entered::Refused => {
                // It is not here as this player, so nothing of the player's is left behind when it goes.
                session.player = None;
                session.ended = true;
                let world = Arc::clone(&session.about.world.name);
                self.duplicate_counted(&world, "refused");
                let event = Event::Kick {
                    code: CloseCode::POLICY.0,
                    reason: "the player is here already".to_owned(),
                };
                self.happened.push_back((key, serial, event));
                Entrance::Closed
            }
            Entered::InPlaceOf(older) => {
                session.entering = Some(Box::new(Entering {
                    message: message(),
                    since: self.now,
                }));
                self.timers
                    .set(self.now + PATIENCE, Timer::Entering { key, serial });
                self.shared.mailboxes[older.worker].send(Mail::Replace { older });
                Entrance::Waits
            }
        }
    }

    /// A plain session has named its player. False if it is closed for it.
    pub(super) fn plain_enters(&mut self, key: usize) -> bool {
        let Some(session) = self.plain.get(key) else {
            return false;
        };
        let Some(player) = session.seen().and_then(|seen| seen.player.clone()) else {
            return true;
        };
        let seat = Seat {
            session: session.about.id,
            worker: self.index,
            key,
        };
        let world = Arc::clone(&session.about.world);
        match self.shared.players.enter(&world, &player, seat) {
            Entered::Alone => true,
            Entered::Refused => {
                self.duplicate_counted(&world.name, "refused");
                self.plain_close(key, CloseCode::POLICY, "the player is here already");
                false
            }
            // Frames are not held here: the newer session may reach its server before the older has left its own.
            Entered::InPlaceOf(older) => {
                self.shared.mailboxes[older.worker].send(Mail::Replace { older });
                true
            }
        }
    }

    /// The player of a session of ours came again.
    pub(super) fn replace(&mut self, older: Seat) {
        let reason = "the player came again";
        if let Some(session) = self
            .movable
            .get(older.key)
            .filter(|session| session.about.id == older.session)
        {
            let serial = session.about.serial;
            let world = Arc::clone(&session.about.world.name);
            let event = Event::Kick {
                code: REPLACED.0,
                reason: reason.to_owned(),
            };
            self.happened.push_back((older.key, serial, event));
            self.duplicate_counted(&world, "replaced");
        } else if let Some(session) = self
            .plain
            .get(older.key)
            .filter(|session| session.about.id == older.session)
        {
            let world = Arc::clone(&session.about.world.name);
            self.duplicate_counted(&world, "replaced");
            self.plain_close(older.key, REPLACED, reason);
        }
    }

    fn duplicate_counted(&self, world: &str, outcome: &str) {
        self.shared
            .metrics
            .duplicate_players
            .with_label_values(&[world, outcome])
            .inc();
    }

    /// A session that had named its player is over; whoever waited for that goes on.
    pub(super) fn player_left(&self, about: &About, player: &str) {
        let waits = self.shared.players.leave(&about.world, player, about.id);
        if let Some(seat) = waits {
            self.shared.mailboxes[seat.worker].send(Mail::PlayerLeft { newer: seat });
        }
    }

    /// Keeps what the player of a session that is over leaves behind.
    pub(super) fn state_kept(&self, about: &About, player: &Arc<str>, state: Option<State>) {
        let world = &about.world;
        let Some(state) = state.filter(|_| *world.config.keep_state > Duration::ZERO) else {
            return;
        };
        let evicted = self.shared.players.keep(world, player, state, self.now);
        let metric = &self.shared.metrics.states_kept;
        metric.with_label_values(&[&*world.name, "kept"]).inc();
        if evicted > 0 {
            metric
                .with_label_values(&[&*world.name, "evicted"])
                .inc_by(evicted as u64);
        }
    }

    /// Gives the server what the player of a session left behind when it was here last. Must come before the message
    /// that named the player.
    fn state_given(&mut self, key: usize) {
        let Some(session) = self.movable.get(key) else {
            return;
        };
        let Some(player) = &session.player else {
            return;
        };
        if !session.machine.takes_state() {
            return;
        }
        let world = &session.about.world;
        let Some(state) = self.shared.players.take(world, player, self.now) else {
            return;
        };
        self.shared
            .metrics
            .states_kept
            .with_label_values(&[&*world.name, "given"])
            .inc();
        self.step(key, Event::Given { state });
        self.settle_machines();
    }

    /// The older session of a player is gone.
    pub(super) fn older_left(&mut self, newer: Seat) {
        if self.is_seated(newer.key, newer.session) {
            self.enter(newer.key);
        }
    }

    fn is_seated(&self, key: usize, session: SessionId) -> bool {
        self.movable
            .get(key)
            .is_some_and(|found| found.about.id == session)
    }

    /// The wait for the older session has been long enough.
    pub(super) fn entering_over(&mut self, key: usize, serial: u32) {
        let Some(session) = self
            .movable
            .get(key)
            .filter(|session| session.about.serial == serial)
        else {
            return;
        };
        if let Some(entering) = &session.entering {
            tracing::debug!(
                session = %session.about.id,
                waited_ms = self.now.saturating_since(entering.since).as_millis() as u64,
                "an older session of this player takes long to end",
            );
            self.enter(key);
        }
    }

    /// Goes on with the message that named the player, and with the client.
    fn enter(&mut self, key: usize) {
        let Some(session) = self.movable.get_mut(key) else {
            return;
        };
        let Some(entering) = session.entering.take() else {
            return;
        };
        session.about.messages_in += 1;
        self.tally.messages_in += 1;
        self.state_given(key);
        let Some(session) = self.movable.get_mut(key) else {
            return;
        };
        let to_server = session.server_carriage();
        match session.machine.forwards() {
            Some(link) => {
                session.machine.forwarded(1);
                if to_server == Carriage::Bare {
                    self.join_record(key, &entering.message);
                }
                self.link_send(key, link, &entering.message);
            }
            None => self.step(key, Event::Input(entering.message.into_boxed_slice())),
        }
        self.settle_machines();
        // What came in one read with that message.
        if self.movable.get(key).is_some_and(|session| !session.ended) {
            self.movable_client_bytes(key, &[]);
            self.settle_machines();
        }
        self.again.push_back(Again::MovableClient(key));
    }
}
