//! Where a player is, how fast, and how soon at a border.

use std::time::Duration;

use atlas_base::{Moment, Position, Velocity};

/// Past this a coordinate names no place: an `f64` holds no fractions of a unit there, and squares overflow.
const COORDINATE_MAX: f64 = 1e15;
/// Positions closer in time than this do not change the velocity: their difference is mostly jitter.
const SHORTEST: Duration = Duration::from_millis(20);
/// After so long without a position the old velocity says nothing.
const STALE: Duration = Duration::from_secs(2);
/// How much of a newly measured velocity is believed.
const BELIEF: f64 = 0.4;
/// Slack of the speed bound for messages that were bunched up on their way, in seconds.
const BUNCHED: f64 = 0.25;

/// A player's position and velocity, estimated from the positions seen: a filter, so that one late message does not
/// look like a jump.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Motion {
    /// The last position believed.
    pub at: Position,
    /// The estimated velocity.
    pub velocity: Velocity,
    /// When `at` was seen.
    pub seen: Moment,
    /// Where and when the velocity was last measured from.
    measured: (Position, Moment),
    /// How many positions were believed, up to 255.
    samples: u8,
}

/// What became of a position.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Observed {
    /// Believed.
    Taken,
    /// Not a place: NaN, infinite, or too far for its coordinates to mean anything.
    NoPlace,
    /// Faster than a player may be.
    TooFast,
}

impl Motion {
    /// Whether `at` is a place that anybody can be at.
    #[must_use]
    pub fn is_place(at: Position) -> bool {
        [at.x, at.y, at.z]
            .iter()
            .all(|coordinate| coordinate.abs() <= COORDINATE_MAX)
    }

    /// A player first seen at `at`, which must be a place ([`Motion::is_place`]).
    #[must_use]
    pub fn first(now: Moment, at: Position, velocity: Option<Velocity>) -> Self {
        Self {
            at,
            velocity: velocity.filter(|v| usable(*v)).unwrap_or_default(),
            seen: now,
            measured: (at, now),
            samples: 1,
        }
    }

    /// Takes a further position; `speed_max` is in world units a second, 0 unbounded. A position that is not taken
    /// changes nothing, so a player who truly jumped is believed again once enough time has passed for the way.
    pub fn observe(
        &mut self,
        now: Moment,
        at: Position,
        velocity: Option<Velocity>,
        speed_max: f64,
    ) -> Observed {
        if !Self::is_place(at) {
            return Observed::NoPlace;
        }
        if speed_max > 0.0 {
            let seconds = now.saturating_since(self.seen).as_secs_f64() + BUNCHED;
            if self.at.distance(at) > speed_max * seconds {
                return Observed::TooFast;
            }
        }
        let (from, since) = self.measured;
        let span = now.saturating_since(since);
        let claimed = velocity
            .filter(|v| usable(*v))
            .filter(|v| speed_max <= 0.0 || v.speed() <= speed_max);
        if let Some(claimed) = claimed {
            self.velocity = claimed;
            self.measured = (at, now);
        } else if span > STALE {
            self.velocity = Velocity::default();
            self.measured = (at, now);
            self.samples = 1;
        } else if span >= SHORTEST {
            let seconds = span.as_secs_f64();
            let measured = Velocity::new(
                (at.x - from.x) / seconds,
                (at.y - from.y) / seconds,
                (at.z - from.z) / seconds,
            );
            // The first measurement has nothing to be smoothed against.
            let belief = if self.samples < 2 { 1.0 } else { BELIEF };
            self.velocity = Velocity::new(
                self.velocity.x + belief * (measured.x - self.velocity.x),
                self.velocity.y + belief * (measured.y - self.velocity.y),
                self.velocity.z + belief * (measured.z - self.velocity.z),
            );
            self.measured = (at, now);
        }
        self.at = at;
        self.seen = now;
        self.samples = self.samples.saturating_add(1);
        Observed::Taken
    }

    /// Where the player will be after `span`, going on as now.
    #[must_use]
    pub fn after(&self, span: Duration) -> Position {
        let seconds = span.as_secs_f64();
        Position::new(
            self.at.x + self.velocity.x * seconds,
            self.at.y + self.velocity.y * seconds,
            self.at.z + self.velocity.z * seconds,
        )
    }
}

fn usable(velocity: Velocity) -> bool {
    [velocity.x, velocity.y, velocity.z]
        .iter()
        .all(|component| component.abs() <= COORDINATE_MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: u64) -> Moment {
        Moment::from_millis(millis)
    }

    #[test]
    fn a_steady_walk_is_estimated_through_jitter() {
        let mut motion = Motion::first(at(0), Position::default(), None);
        for step in 1..=40u64 {
            // 10 units a second along x; each second message comes 30 ms late.
            let late = if step % 2 == 0 { 30 } else { 0 };
            let place = Position::new(step as f64, 0.0, 0.0);
            assert_eq!(
                motion.observe(at(step * 100 + late), place, None, 0.0),
                Observed::Taken
            );
        }
        assert!(
            (motion.velocity.x - 10.0).abs() < 3.0,
            "{:?}",
            motion.velocity
        );
        assert_eq!(motion.velocity.z, 0.0);
        let soon = motion.after(Duration::from_secs(1));
        assert!((soon.x - 50.0).abs() < 3.0, "{soon:?}");
    }

    #[test]
    fn what_is_no_place_changes_nothing() {
        let mut motion = Motion::first(at(0), Position::new(1.0, 2.0, 3.0), None);
        let before = motion;
        for wrong in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, 1e308, -1e16] {
            assert_eq!(
                motion.observe(at(100), Position::new(0.0, wrong, 0.0), None, 0.0),
                Observed::NoPlace
            );
        }
        assert_eq!(motion, before);
    }

    #[test]
    fn a_jump_is_believed_once_the_way_is_possible() {
        let mut motion = Motion::first(at(0), Position::default(), None);
        let far = Position::new(100.0, 0.0, 0.0);
        assert_eq!(
            motion.observe(at(1_000), far, None, 20.0),
            Observed::TooFast
        );
        assert_eq!(motion.at, Position::default());
        assert_eq!(motion.observe(at(5_000), far, None, 20.0), Observed::Taken);
        // After a long silence the way says nothing about the speed now.
        assert_eq!(motion.velocity, Velocity::default());
    }

    #[test]
    fn a_claimed_velocity_is_used_if_it_can_be() {
        let claimed = Velocity::new(0.0, 0.0, 7.0);
        let mut motion = Motion::first(at(0), Position::default(), Some(claimed));
        assert_eq!(motion.velocity, claimed);
        let wrong = Velocity::new(f64::NAN, 0.0, 0.0);
        motion.observe(at(50), Position::default(), Some(wrong), 0.0);
        assert!(motion.velocity.is_finite());
        motion.observe(
            at(100),
            Position::default(),
            Some(Velocity::new(99.0, 0.0, 0.0)),
            50.0,
        );
        assert!(motion.velocity.speed() < 50.0);
    }
}
