//! Positions: when a border is near, a standby link is opened; once it is crossed for good, the player is moved.

use std::time::Duration;

use atlas_base::{Moment, Position, TransferId, Velocity};

use super::{Session, Turn, Work, transfer::Stage};
use crate::{
    Command, Destination, LinkId, Motion, Observed, Order, Reason, RequestOutcome, ServerId, Timer,
};

/// Far from borders a position is read this often.
const LOOK_EVERY: Duration = Duration::from_millis(100);
/// How soon a crossing is tried again that the target or the directory did not allow.
const RECHECK_EVERY: Duration = Duration::from_millis(500);

/// A link opened because a border is near. Nobody is moved by a prediction.
#[derive(Debug)]
pub(super) struct Standby {
    pub(super) link: LinkId,
    pub(super) server: ServerId,
    pub(super) open: bool,
    notice: TransferId,
    /// When it is given up unless the border is still near.
    until: Moment,
    serial: u32,
}

impl Session {
    /// A position, claimed by the client or told by the server.
    pub(super) fn moved(
        &mut self,
        at: Position,
        velocity: Option<Velocity>,
        told: bool,
        turn: &mut Turn<'_>,
    ) {
        if self.told_positions && !told {
            return;
        }
        self.told_positions = told;
        let speed_max = if told { 0.0 } else { self.settings.max_speed };
        match &mut self.motion {
            Some(motion) => {
                if motion.observe(turn.now, at, velocity, speed_max) != Observed::Taken {
                    return;
                }
            }
            None if Motion::is_place(at) => {
                self.motion = Some(Box::new(Motion::first(turn.now, at, velocity)));
            }
            None => return,
        }
        self.consider(turn);
    }

    /// Whether the player is to be moved, or may soon be, from where it is.
    pub(super) fn consider(&mut self, turn: &mut Turn<'_>) {
        let Some(motion) = self.motion.as_deref().copied() else {
            return;
        };
        if !matches!(self.work, Work::Idle) || self.is_client_gone() {
            return;
        }
        let Some(outside) = turn.around.outside_by(self.server, motion.at) else {
            self.belt = false;
            return;
        };
        let settings = &self.settings;
        let (hysteresis, preload_within) = (settings.hysteresis, settings.preload_within);
        let reach = motion.velocity.speed() * preload_within.as_secs_f64();
        self.belt = outside > -reach.max(2.0 * hysteresis);
        if !self.belt {
            self.cancel_standby(turn);
            return;
        }
        if outside > hysteresis {
            self.cross(motion.at, turn);
        } else if preload_within > Duration::ZERO {
            let ahead = motion.after(preload_within);
            let next = turn.around.owner(ahead).filter(|owner| {
                *owner != self.server
                    && turn.around.may_enter(*owner)
                    && turn
                        .around
                        .outside_by(self.server, ahead)
                        .is_some_and(|distance| distance > hysteresis)
            });
            if let Some(next) = next {
                self.prepare(next, turn);
            }
        }
    }

    fn cross(&mut self, at: Position, turn: &mut Turn<'_>) {
        let Some(owner) = turn.around.owner(at).filter(|it| *it != self.server) else {
            return;
        };
        if !turn.around.may_enter(owner) || !turn.around.directory_reachable() {
            self.recheck(turn.now + RECHECK_EVERY, turn);
        } else if turn.now < self.not_before {
            self.recheck(self.not_before, turn);
        } else {
            self.begin_transfer(owner, Reason::Region, None, None, turn);
        }
    }

    /// Looks again at `at`, if nothing else does before: a player who stands still sends no position.
    fn recheck(&mut self, at: Moment, turn: &mut Turn<'_>) {
        if !self.rechecks {
            self.rechecks = true;
            turn.out.push(Command::SetTimer {
                timer: Timer::Recheck,
                at,
            });
        }
    }

    pub(super) fn rechecked(&mut self, turn: &mut Turn<'_>) {
        self.rechecks = false;
        self.consider(turn);
    }

    /// The next transfer waits: longer after each failure.
    pub(super) fn put_off(&mut self, now: Moment) {
        self.not_before = now + self.settings.min_interval * (1 << self.failures.min(5));
    }

    pub(super) fn wants(&mut self, now: Moment) -> bool {
        if self.told_positions || matches!(self.work, Work::Closed) {
            return false;
        }
        let wanted = self.belt
            || self.looked == Moment::ZERO
            || now.saturating_since(self.looked) >= LOOK_EVERY;
        if wanted {
            self.looked = now;
        }
        wanted
    }

    /// The border to `server`'s region is near.
    fn prepare(&mut self, server: ServerId, turn: &mut Turn<'_>) {
        let until = turn.now + self.settings.preload_within * 2;
        match &mut self.standby {
            Some(standby) if standby.server == server => {
                standby.until = until;
                return;
            }
            _ => self.cancel_standby(turn),
        }
        let link = self.dial(server, turn);
        self.serials += 1;
        let serial = self.serials;
        self.standby = Some(Box::new(Standby {
            link,
            server,
            open: false,
            notice: turn.around.new_transfer(),
            until,
            serial,
        }));
        turn.out.push(Command::SetTimer {
            timer: Timer::Standby(serial),
            at: until,
        });
    }

    /// The standby link opened: the server is told who may come.
    pub(super) fn standby_opened(&mut self, link: LinkId, turn: &mut Turn<'_>) {
        let (Some(standby), Some(motion)) = (&mut self.standby, &self.motion) else {
            return;
        };
        if standby.link != link {
            return;
        }
        standby.open = true;
        let order = Order::Preload {
            transfer: standby.notice,
            position: motion.at,
            velocity: motion.velocity,
            arrives_in: arrival(
                motion,
                self.settings.preload_within,
                standby.server,
                &*turn.around,
            ),
        };
        self.send(link, self.epoch, order, turn);
    }

    pub(super) fn standby_late(&mut self, serial: u32, turn: &mut Turn<'_>) {
        let Some(standby) = self.standby.as_ref().filter(|it| it.serial == serial) else {
            return;
        };
        if turn.now >= standby.until {
            self.cancel_standby(turn);
        } else {
            turn.out.push(Command::SetTimer {
                timer: Timer::Standby(serial),
                at: standby.until,
            });
        }
    }

    pub(super) fn cancel_standby(&mut self, turn: &mut Turn<'_>) {
        if let Some(standby) = self.standby.take() {
            if standby.open {
                let order = Order::Abort {
                    transfer: standby.notice,
                };
                self.send(standby.link, self.epoch, order, turn);
            }
            self.close_link(standby.link, turn);
        }
    }

    /// A transfer asked for from outside.
    pub(super) fn asked(&mut self, to: ServerId, reason: Reason, ticket: u64, turn: &mut Turn<'_>) {
        let why = match self.refusal(to, turn) {
            Some((_, why)) => why,
            None if reason == Reason::Balance && turn.now < self.not_before => {
                "the last transfer was too short ago"
            }
            None => {
                self.begin_transfer(to, reason, Some(ticket), None, turn);
                return;
            }
        };
        turn.out.push(Command::Refused { ticket, why });
    }

    /// A transfer asked for by the authority.
    pub(super) fn requested(&mut self, id: Box<str>, to: Destination, turn: &mut Turn<'_>) {
        let server = match to {
            Destination::Server(server) => Some(server),
            Destination::Position(at) => turn.around.owner(at),
            Destination::Unknown => None,
        };
        let refusal = match server {
            None => Some((RequestOutcome::Refused, "there is no such server")),
            Some(server) => self.refusal(server, turn),
        };
        match (refusal, server) {
            (None, Some(server)) => {
                self.begin_transfer(server, Reason::Requested, None, Some(id), turn);
            }
            (refusal, _) => {
                let (outcome, why) = refusal.unwrap_or((RequestOutcome::Refused, ""));
                let order = Order::TransferResult { id, outcome, why };
                self.send(self.link, self.epoch, order, turn);
            }
        }
    }

    /// Why a transfer to `to` cannot begin now.
    fn refusal(&self, to: ServerId, turn: &mut Turn<'_>) -> Option<(RequestOutcome, &'static str)> {
        match &self.work {
            Work::Idle if self.is_client_gone() => {
                Some((RequestOutcome::Refused, "the client is gone"))
            }
            Work::Idle if to == self.server => {
                Some((RequestOutcome::Refused, "the player is already there"))
            }
            Work::Idle if !turn.around.may_enter(to) => {
                Some((RequestOutcome::Refused, "the target takes no players"))
            }
            Work::Idle if !turn.around.directory_reachable() => {
                Some((RequestOutcome::Refused, "the directory is away"))
            }
            Work::Idle => None,
            Work::Handover(_) => {
                Some((RequestOutcome::Superseded, "another transfer is under way"))
            }
            Work::Seek(_) => Some((RequestOutcome::Superseded, "the session has no server now")),
            Work::Closed => Some((RequestOutcome::Refused, "the session is over")),
        }
    }

    /// Whether the authority still acts, so that its output counts and input goes to it.
    pub(super) fn is_authority_acting(&self) -> bool {
        match &self.work {
            Work::Idle => true,
            Work::Handover(handover) => handover.stage <= Stage::Freezing,
            Work::Seek(_) | Work::Closed => false,
        }
    }
}

/// When the player enters `server`'s region, going on as now: found by halving, to a 64th of `within`.
fn arrival(
    motion: &Motion,
    within: Duration,
    server: ServerId,
    around: &dyn crate::Surroundings,
) -> Duration {
    let (mut early, mut late) = (Duration::ZERO, within);
    for _ in 0..6 {
        let middle = (early + late) / 2;
        if around.owner(motion.after(middle)) == Some(server) {
            late = middle;
        } else {
            early = middle;
        }
    }
    late
}
