use std::f64::consts::{PI, TAU};

use atlas_base::Position;

use crate::error::Error;
use crate::random::Random;

/// The world is a square: x and z run from minus this to this, y is up.
pub const WORLD_EXTENT: f64 = 1000.0;

/// Walkers keep this far from the world's edge.
const MARGIN: f64 = 60.0;
/// Walkers stay this far from the middle lines while they make for a place, so that a place is
/// clearly inside one quarter.
const INSIDE: f64 = 90.0;
/// Aims lie within this of the middle: short ways, frequent crossings.
const AIM_MAX: f64 = 620.0;
/// A walker slower than this looks stuck, units a second.
const SPEED_MIN: f64 = 60.0;
/// A walker faster than this looks like a car, units a second.
const SPEED_MAX: f64 = 120.0;
/// How fast a walker can turn, radians a second.
const TURN_MAX: f64 = 1.4;
/// An aim this near counts as reached.
const REACHED: f64 = 70.0;
/// Circling clients need this long for a round: four borders, one every 2.5 s.
const ROUND_S: f64 = 10.0;

/// How simulated clients move.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize,
)]
#[serde(rename_all = "kebab-case")]
pub enum Movement {
    /// They stand where they appeared.
    #[default]
    Still,
    /// They wander over the world and cross a border every five to ten seconds.
    Walk,
    /// They circle around the world's centre and cross a border about every 2.5 s, well past it.
    Cross,
}

impl std::str::FromStr for Movement {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        match text {
            "still" => Ok(Self::Still),
            "walk" => Ok(Self::Walk),
            "cross" => Ok(Self::Cross),
            _ => Err(Error::Option {
                option: "move",
                value: format!("`{text}`"),
                must: "still, walk or cross",
            }),
        }
    }
}

/// One simulated player's way through the world; depends on its seed and the time steps alone.
#[derive(Clone, Debug)]
pub struct Walker {
    random: Random,
    at: Position,
    way: Way,
}

#[derive(Clone, Debug)]
enum Way {
    Still,
    Wander {
        heading: f64,
        speed: f64,
        speed_aim: f64,
        aim: (f64, f64),
        phase: f64,
    },
    Circle {
        centre: (f64, f64),
        radius: f64,
        angle: f64,
        turn: f64,
    },
}

impl Walker {
    /// A walker somewhere in the world, drawn by `seed`.
    #[must_use]
    pub fn new(movement: Movement, seed: u64) -> Self {
        let mut random = Random::new(seed);
        // Near seeds begin alike; the first numbers are thrown away.
        random.bits();
        let spot = (
            random.between(-AIM_MAX, AIM_MAX),
            random.between(-AIM_MAX, AIM_MAX),
        );
        let way = match movement {
            Movement::Still => Way::Still,
            Movement::Walk => Way::Wander {
                heading: random.between(-PI, PI),
                speed: random.between(SPEED_MIN, SPEED_MAX),
                speed_aim: random.between(SPEED_MIN, SPEED_MAX),
                aim: aim(&mut random, spot),
                phase: random.between(0.0, TAU),
            },
            Movement::Cross => Way::Circle {
                // Little off the centre, so that no two arcs differ by much.
                centre: (random.between(-8.0, 8.0), random.between(-8.0, 8.0)),
                radius: random.between(110.0, 185.0),
                angle: random.between(-PI, PI),
                turn: TAU / ROUND_S * if random.chance(0.5) { 1.0 } else { -1.0 },
            },
        };
        let at = match &way {
            Way::Circle {
                centre,
                radius,
                angle,
                ..
            } => on_circle(*centre, *radius, *angle),
            Way::Still | Way::Wander { .. } => Position::new(spot.0, 0.0, spot.1),
        };
        Self { random, at, way }
    }

    /// Where the walker is.
    #[must_use]
    pub fn position(&self) -> Position {
        self.at
    }

    /// Walks on for `seconds` and returns the new position. Steps above a second are cut to one.
    pub fn step(&mut self, seconds: f64) -> Position {
        let seconds = seconds.clamp(0.0, 1.0);
        match &mut self.way {
            Way::Still => {}
            Way::Circle {
                centre,
                radius,
                angle,
                turn,
            } => {
                *angle = (*angle + *turn * seconds) % TAU;
                self.at = on_circle(*centre, *radius, *angle);
            }
            Way::Wander {
                heading,
                speed,
                speed_aim,
                aim: target,
                phase,
            } => {
                let away = (target.0 - self.at.x, target.1 - self.at.z);
                if away.0.hypot(away.1) < REACHED {
                    *target = aim(&mut self.random, (self.at.x, self.at.z));
                    *speed_aim = self.random.between(SPEED_MIN, SPEED_MAX);
                }
                *phase = (*phase + seconds * 1.1) % TAU;
                // The sway makes a way a curve; it fades near the aim, which would be circled otherwise.
                let sway = phase.sin() * 0.6 * (away.0.hypot(away.1) / 400.0).min(1.0);
                let wish = away.1.atan2(away.0) + sway;
                let turn = (wish - *heading + PI).rem_euclid(TAU) - PI;
                *heading += turn.clamp(-TURN_MAX * seconds, TURN_MAX * seconds);
                // Turning sharply means walking slowly, or walkers orbit an aim they cannot reach.
                let pace = if turn.abs() > 1.0 {
                    SPEED_MIN
                } else {
                    *speed_aim
                };
                *speed += (pace - *speed) * (1.5 * seconds).min(1.0);
                let bound = WORLD_EXTENT - MARGIN;
                self.at.x = (self.at.x + heading.cos() * *speed * seconds).clamp(-bound, bound);
                self.at.z = (self.at.z + heading.sin() * *speed * seconds).clamp(-bound, bound);
            }
        }
        self.at
    }
}

fn on_circle(centre: (f64, f64), radius: f64, angle: f64) -> Position {
    Position::new(
        centre.0 + radius * angle.cos(),
        0.0,
        centre.1 + radius * angle.sin(),
    )
}

/// The next place to make for: mostly in another quarter, so that the way there crosses a border.
fn aim(random: &mut Random, from: (f64, f64)) -> (f64, f64) {
    let mut side = (from.0.signum(), from.1.signum());
    let drawn = random.between(0.0, 1.0);
    if drawn < 0.42 {
        side.0 = -side.0;
    } else if drawn < 0.84 {
        side.1 = -side.1;
    } else if drawn < 0.92 {
        side = (-side.0, -side.1);
    }
    (
        side.0 * random.between(INSIDE, AIM_MAX),
        side.1 * random.between(INSIDE, AIM_MAX),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    const STEP_S: f64 = 0.05;

    /// Lets a walker go for `seconds` and returns when it changed quarters past `hysteresis`.
    fn crossings(movement: Movement, seed: u64, seconds: f64, hysteresis: f64) -> Vec<f64> {
        let mut walker = Walker::new(movement, seed);
        let quarter = |at: Position| (at.x >= 0.0, at.z >= 0.0);
        let mut home = quarter(walker.position());
        let mut times = Vec::new();
        let mut now = 0.0;
        while now < seconds {
            let at = walker.step(STEP_S);
            now += STEP_S;
            let beyond = |value: f64, side: bool| if side { -value } else { value };
            if beyond(at.x, home.0).max(beyond(at.z, home.1)) > hysteresis {
                home = quarter(at);
                times.push(now);
            }
        }
        times
    }

    #[test]
    fn walkers_cross_a_border_every_five_to_ten_seconds() {
        let total: usize = (0..50)
            .map(|seed| crossings(Movement::Walk, seed, 300.0, 25.0).len())
            .sum();
        let every_s = 300.0 * 50.0 / f64::from(u32::try_from(total).unwrap());
        assert!(
            (5.0..10.0).contains(&every_s),
            "a crossing every {every_s:.1} s"
        );
        for seed in 0..50 {
            assert!(
                crossings(Movement::Walk, seed, 300.0, 25.0).len() > 10,
                "walker {seed} is stuck"
            );
        }
    }

    #[test]
    fn circling_clients_cross_every_two_and_a_half_seconds_past_the_hysteresis() {
        for seed in 0..200 {
            let times = crossings(Movement::Cross, seed, 101.0, 25.0);
            assert!(
                (39..=41).contains(&times.len()),
                "client {seed}: {} crossings",
                times.len()
            );
            let shortest = times
                .windows(2)
                .map(|pair| pair[1] - pair[0])
                .fold(f64::MAX, f64::min);
            assert!(
                shortest > 2.0,
                "client {seed} crossed after {shortest:.2} s, within a usual min-interval"
            );
        }
    }

    #[test]
    fn steps_are_smooth_bounded_and_repeatable() {
        for movement in [Movement::Still, Movement::Walk, Movement::Cross] {
            for seed in 0..20 {
                let (mut walker, mut twin) =
                    (Walker::new(movement, seed), Walker::new(movement, seed));
                let mut before = walker.position();
                for _ in 0..4000 {
                    let at = walker.step(STEP_S);
                    assert_eq!(at, twin.step(STEP_S));
                    assert!(
                        at.x.abs() <= WORLD_EXTENT && at.z.abs() <= WORLD_EXTENT && at.is_finite()
                    );
                    let speed = at.distance(before) / STEP_S;
                    let fits = match movement {
                        Movement::Still => speed == 0.0,
                        Movement::Walk => (50.0..=SPEED_MAX + 1.0).contains(&speed),
                        Movement::Cross => (60.0..=121.0).contains(&speed),
                    };
                    assert!(fits, "{movement:?} {seed}: {speed} units a second");
                    before = at;
                }
            }
        }
    }
}
