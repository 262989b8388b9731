use std::fmt;
use std::time::Duration;

use atlas_base::Moment;

/// What traffic met counts half after this time: a few refused dials in one second are a sign, the
/// same few over an hour are not.
const PASSIVE_HALF_LIFE: Duration = Duration::from_secs(10);
/// A server that went down again within this time after its return must prove itself for longer.
const RELAPSE_WINDOW: Duration = Duration::from_secs(60);
/// At most so many times `healthy_after` successes are asked of a server that keeps relapsing.
const RELAPSE_FACTOR_MAX: u32 = 8;

/// How many signs it takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Thresholds {
    /// From this accrued value on the target is down; a failed probe counts 1. At least 1.
    pub unhealthy_after: u32,
    /// So many good probes in a row bring a target back that was down. At least 1.
    pub healthy_after: u32,
}

impl Default for Thresholds {
    fn default() -> Self {
        Self {
            unhealthy_after: 3,
            healthy_after: 2,
        }
    }
}

/// One sign of a target's health.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Observation {
    /// A probe of ours was answered in time.
    ProbeSucceeded,
    /// A probe of ours failed or was late.
    ProbeFailed,
    /// A link to it opened as it should.
    LinkOpened,
    /// A dial for a session was refused or could not reach it.
    DialRefused,
    /// A dial or a handshake took longer than it may.
    DialTimedOut,
    /// A link broke without a close.
    LinkReset,
    /// A handshake was done, but slowly.
    HandshakeSlow,
}

/// What is held of a target.
#[derive(
    Clone,
    Copy,
    Debug,
    Default,
    PartialEq,
    Eq,
    Hash,
    serde::Serialize,
    serde::Deserialize,
    schemars::JsonSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum State {
    /// Nothing speaks against it.
    #[default]
    Healthy,
    /// Something does, but not enough; it is still used.
    Suspect,
    /// It gets nothing new, as far as the pool allows.
    Down,
}

impl fmt::Display for State {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Healthy => "healthy",
            Self::Suspect => "suspect",
            Self::Down => "down",
        })
    }
}

/// The accrual of one target: probes and traffic feed one value.
///
/// Failed probes add 1 each until one succeeds; what traffic meets adds its share and fades. At
/// `unhealthy_after` the target is down, and only good probes in a row bring it back: `healthy_after`
/// of them, twice as many after each relapse. Whoever chooses should warm a returned target up from
/// [`since`](Self::since) on.
#[derive(Clone, Debug)]
pub struct Health {
    thresholds: Thresholds,
    state: State,
    since: Moment,
    seen: Moment,
    probes_failed: f64,
    passive: f64,
    successes: u32,
    relapses: u32,
    returned: Option<Moment>,
}

impl Health {
    /// A target that nothing is known of: healthy until something speaks against it.
    #[must_use]
    pub fn new(thresholds: Thresholds, now: Moment) -> Self {
        Self {
            thresholds: Thresholds {
                unhealthy_after: thresholds.unhealthy_after.max(1),
                healthy_after: thresholds.healthy_after.max(1),
            },
            state: State::Healthy,
            since: now,
            seen: now,
            probes_failed: 0.0,
            passive: 0.0,
            successes: 0,
            relapses: 0,
            returned: None,
        }
    }

    /// The state as of the latest observation.
    #[must_use]
    pub fn state(&self) -> State {
        self.state
    }

    /// When the target came into its present state.
    #[must_use]
    pub fn since(&self) -> Moment {
        self.since
    }

    /// When the target last came back from being down; `None` if it never was.
    #[must_use]
    pub fn returned(&self) -> Option<Moment> {
        self.returned
    }

    /// The accrued value: 0 = nothing speaks against it, bounded at twice `unhealthy_after`.
    #[must_use]
    pub fn value(&self) -> f64 {
        (self.probes_failed + self.passive).min(f64::from(self.thresholds.unhealthy_after) * 2.0)
    }

    /// Goes on under other thresholds; the state changes with the next sign.
    pub fn apply(&mut self, thresholds: Thresholds) {
        self.thresholds = Thresholds {
            unhealthy_after: thresholds.unhealthy_after.max(1),
            healthy_after: thresholds.healthy_after.max(1),
        };
    }

    /// Takes one sign in and returns the new state if it changed.
    ///
    /// `now` must not go back; if it does, nothing fades.
    pub fn observe(&mut self, now: Moment, observation: Observation) -> Option<State> {
        let elapsed = now.saturating_since(self.seen);
        self.seen = now;
        self.passive *= 0.5_f64.powf(elapsed.as_secs_f64() / PASSIVE_HALF_LIFE.as_secs_f64());
        let limit = f64::from(self.thresholds.unhealthy_after);
        match observation {
            Observation::ProbeSucceeded => {
                self.successes = self.successes.saturating_add(1);
                if self.state != State::Down {
                    self.probes_failed = 0.0;
                    self.passive *= 0.5;
                }
            }
            Observation::ProbeFailed => {
                self.successes = 0;
                self.probes_failed = (self.probes_failed + 1.0).min(limit * 2.0);
            }
            Observation::LinkOpened => self.passive = (self.passive - 0.5).max(0.0),
            Observation::DialRefused | Observation::DialTimedOut => self.add(1.0),
            Observation::LinkReset => self.add(0.5),
            Observation::HandshakeSlow => self.add(0.25),
        }
        let next = self.judge(now);
        if next == self.state {
            return None;
        }
        self.state = next;
        self.since = now;
        Some(next)
    }

    fn add(&mut self, weight: f64) {
        self.passive =
            (self.passive + weight).min(f64::from(self.thresholds.unhealthy_after) * 2.0);
    }

    fn judge(&mut self, now: Moment) -> State {
        if self.state == State::Down {
            let factor = 1_u32
                .checked_shl(self.relapses)
                .map_or(RELAPSE_FACTOR_MAX, |power| power.min(RELAPSE_FACTOR_MAX));
            if self.successes < self.thresholds.healthy_after.saturating_mul(factor) {
                return State::Down;
            }
            self.probes_failed = 0.0;
            self.passive = 0.0;
            self.returned = Some(now);
            return State::Healthy;
        }
        let value = self.value();
        if value >= f64::from(self.thresholds.unhealthy_after) {
            self.successes = 0;
            let relapsed = self
                .returned
                .is_some_and(|returned| now.saturating_since(returned) < RELAPSE_WINDOW);
            self.relapses = if relapsed {
                self.relapses.saturating_add(1)
            } else {
                0
            };
            State::Down
        } else if value >= 1.0 {
            State::Suspect
        } else if self.state == State::Suspect && value >= 0.5 {
            // Suspicion is given up later than it is raised, so that a value at the edge does not flap.
            State::Suspect
        } else {
            State::Healthy
        }
    }
}

#[cfg(test)]
mod tests;
