//! Positions: how near a border is, and whether it was crossed for good. Shared by both kinds of sessions.

use std::time::Duration;

use atlas_base::{Moment, Position, Velocity};

use crate::{Command, Motion, Observed, ServerId, Settings, Surroundings, Timer};

/// Far from borders a position is read this often.
const LOOK_EVERY: Duration = Duration::from_millis(100);
/// How soon a crossing is tried again that the target or the directory did not allow.
const RECHECK_EVERY: Duration = Duration::from_millis(500);

/// What a session keeps of its player's way.
#[derive(Debug)]
pub(crate) struct Watch {
    pub(crate) motion: Option<Box<Motion>>,
    /// No transfer for a region or for balance before this.
    pub(crate) not_before: Moment,
    /// When a message was last read for its position.
    looked: Moment,
    /// Transfers in a row that did not succeed.
    pub(crate) failures: u8,
    /// Whether a border is near.
    belt: bool,
    /// Whether a recheck is set.
    rechecks: bool,
    /// Whether the server tells positions itself.
    pub(crate) told: bool,
}

/// What a player's place means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
    /// Nothing: no position is known, or the server has no region.
    Unknown,
    /// Far from every border.
    Far,
    /// Near one; the player is not expected to cross it soon.
    Belt,
    /// The player is about to cross into this server's region.
    Nearing(ServerId),
    /// The border to this server's region is crossed for good: the player is to be moved now.
    Crossed(ServerId),
    /// It is crossed, but the target or the interval does not allow a transfer before this.
    Waits(Moment),
}

impl Watch {
    pub(crate) fn new(now: Moment) -> Self {
        Self {
            motion: None,
            not_before: now,
            looked: Moment::ZERO,
            failures: 0,
            belt: false,
            rechecks: false,
            told: false,
        }
    }

    /// Takes a position, claimed by the client or told by the server; whether it is believed.
    pub(crate) fn observe(
        &mut self,
        now: Moment,
        at: Position,
        velocity: Option<Velocity>,
        told: bool,
        settings: &Settings,
    ) -> bool {
        if self.told && !told {
            return false;
        }
        self.told = told;
        let speed_max = if told { 0.0 } else { settings.max_speed };
        match &mut self.motion {
            Some(motion) => motion.observe(now, at, velocity, speed_max) == Observed::Taken,
            None if Motion::is_place(at) => {
                self.motion = Some(Box::new(Motion::first(now, at, velocity)));
                true
            }
            None => false,
        }
    }

    /// What the last position means for a player of `server` with nothing under way.
    pub(crate) fn judge(
        &mut self,
        now: Moment,
        server: ServerId,
        settings: &Settings,
        around: &dyn Surroundings,
    ) -> Place {
        let Some(motion) = self.motion.as_deref() else {
            return Place::Unknown;
        };
        let Some(outside) = around.outside_by(server, motion.at) else {
            self.belt = false;
            return Place::Unknown;
        };
        let (hysteresis, ahead) = (settings.hysteresis, settings.preload_within);
        let reach = motion.velocity.speed() * ahead.as_secs_f64();
        self.belt = outside > -reach.max(2.0 * hysteresis);
        if !self.belt {
            return Place::Far;
        }
        if outside > hysteresis {
            return match around.owner(motion.at) {
                Some(owner) if owner != server => {
                    let open = around.may_enter(owner) && around.may_begin();
                    if !open || !around.directory_reachable() {
                        Place::Waits(now + RECHECK_EVERY)
                    } else if now < self.not_before {
                        Place::Waits(self.not_before)
                    } else {
                        Place::Crossed(owner)
                    }
                }
                _ => Place::Belt,
            };
        }
        if ahead == Duration::ZERO {
            return Place::Belt;
        }
        let ahead = motion.after(ahead);
        let next = around.owner(ahead).filter(|owner| {
            *owner != server
                && around.may_enter(*owner)
                && around
                    .outside_by(server, ahead)
                    .is_some_and(|distance| distance > hysteresis)
        });
        next.map_or(Place::Belt, Place::Nearing)
    }

    /// Looks again at `at`, if nothing else does before: a player who stands still sends no position.
    pub(crate) fn recheck(&mut self, at: Moment, out: &mut Vec<Command>) {
        if !self.rechecks {
            self.rechecks = true;
            out.push(Command::SetTimer {
                timer: Timer::Recheck,
                at,
            });
        }
    }

    /// The recheck's timer fired.
    pub(crate) fn rechecked(&mut self) {
        self.rechecks = false;
    }

    /// The next transfer waits: longer after each failure.
    pub(crate) fn put_off(&mut self, now: Moment, settings: &Settings) {
        self.not_before = now + settings.min_interval * (1 << self.failures.min(5));
    }

    /// A transfer that began did not succeed.
    pub(crate) fn failed(&mut self, now: Moment, settings: &Settings) {
        self.failures = self.failures.saturating_add(1);
        self.put_off(now, settings);
    }

    /// Whether a message is worth reading for its position now; a `true` counts as a look.
    pub(crate) fn wants(&mut self, now: Moment) -> bool {
        let wanted = !self.told
            && (self.belt
                || self.looked == Moment::ZERO
                || now.saturating_since(self.looked) >= LOOK_EVERY);
        if wanted {
            self.looked = now;
        }
        wanted
    }

    /// Where the player was last believed to be.
    pub(crate) fn position(&self) -> Option<Position> {
        self.motion.as_ref().map(|motion| motion.at)
    }
}

/// Why a settled player of `server` cannot be moved to `to` now, whoever asks.
pub(crate) fn refusal(
    server: ServerId,
    to: ServerId,
    around: &dyn Surroundings,
) -> Option<&'static str> {
    if to == server {
        Some("the player is already there")
    } else if !around.may_enter(to) {
        Some("the target takes no players")
    } else if !around.directory_reachable() {
        Some("the directory is away")
    } else if !around.may_begin() {
        Some("as many transfers as may be are under way")
    } else {
        None
    }
}
