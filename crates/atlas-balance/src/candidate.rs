use std::time::Duration;

/// A warming server's first share of its weight: never nothing, or it could not warm up.
const WARMTH_MIN: f64 = 0.1;

/// One target as the chooser sees it at this moment.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Candidate {
    /// Names the target over changes of the pool, as [`hash_key`](crate::hash_key) of its name:
    /// positions in the slice may shift, keys may not.
    pub key: u64,
    /// Its share beside the others'; 0 means that it gets nothing new.
    pub weight: u32,
    /// How warm it is, see [`warmth`]; multiplies the weight. 1 = started long ago.
    pub warmth: f64,
    /// How many sessions it takes; `None` = as many as come.
    pub capacity: Option<u32>,
    /// How many sessions it has, reserved places included.
    pub sessions: u32,
    /// The load it reported, 0 = idle to 1 = full; `None` = it reports none.
    pub load: Option<f64>,
    /// Whether it may get anything new: fit, active, not excluded.
    pub accepts: bool,
}

impl Default for Candidate {
    fn default() -> Self {
        Self {
            key: 0,
            weight: 1,
            warmth: 1.0,
            capacity: None,
            sessions: 0,
            load: None,
            accepts: true,
        }
    }
}

impl Candidate {
    /// Whether one more session may go there.
    #[must_use]
    pub fn open(&self) -> bool {
        self.accepts
            && self.weight > 0
            && self
                .capacity
                .is_none_or(|capacity| self.sessions < capacity)
    }

    /// The weight it has now: weight times warmth, above 0 for an open candidate.
    #[must_use]
    pub fn effective_weight(&self) -> f64 {
        f64::from(self.weight) * self.bounded_warmth()
    }

    /// The warmth within its bounds; a value that is no number counts as cold.
    pub(crate) fn bounded_warmth(&self) -> f64 {
        if self.warmth.is_nan() {
            WARMTH_MIN
        } else {
            self.warmth.clamp(WARMTH_MIN, 1.0)
        }
    }

    /// Sessions for each unit of weight if it got the next one.
    pub(crate) fn crowding(&self) -> f64 {
        (f64::from(self.sessions) + 1.0) / self.effective_weight()
    }

    /// The reported load, or how full it is where it reports none, or one half where neither is known.
    pub(crate) fn fill(&self) -> f64 {
        match (self.load.filter(|load| load.is_finite()), self.capacity) {
            (Some(load), _) => load.max(0.0),
            (None, Some(capacity)) => f64::from(self.sessions) / f64::from(capacity.max(1)),
            (None, None) => 0.5,
        }
    }
}

/// A target's warmth `since_start` after it came (back), if it warms up over `slow_start`: a straight
/// line from a tenth to 1. A `slow_start` of zero means none.
#[must_use]
pub fn warmth(since_start: Duration, slow_start: Duration) -> f64 {
    if since_start >= slow_start {
        return 1.0;
    }
    let part = since_start.as_secs_f64() / slow_start.as_secs_f64();
    WARMTH_MIN + (1.0 - WARMTH_MIN) * part
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn warmth_grows_from_a_tenth_to_one() {
        let window = Duration::from_secs(30);
        let table = [(0, 0.1), (15, 0.55), (30, 1.0), (300, 1.0)];
        for (seconds, expected) in table {
            let got = warmth(Duration::from_secs(seconds), window);
            assert!(
                (got - expected).abs() < 1e-9,
                "after {seconds} s: {got}, not {expected}"
            );
        }
        assert!((warmth(Duration::ZERO, Duration::ZERO) - 1.0).abs() < 1e-9);
    }

    #[test]
    fn open_needs_a_place_a_weight_and_consent() {
        let fit = Candidate {
            capacity: Some(10),
            sessions: 9,
            ..Candidate::default()
        };
        let table = [
            (fit, true),
            (
                Candidate {
                    sessions: 10,
                    ..fit
                },
                false,
            ),
            (
                Candidate {
                    sessions: 11,
                    ..fit
                },
                false,
            ),
            (
                Candidate {
                    capacity: Some(0),
                    sessions: 0,
                    ..fit
                },
                false,
            ),
            (Candidate { weight: 0, ..fit }, false),
            (
                Candidate {
                    accepts: false,
                    ..fit
                },
                false,
            ),
            (
                Candidate {
                    capacity: None,
                    sessions: u32::MAX,
                    ..fit
                },
                true,
            ),
        ];
        for (candidate, expected) in table {
            assert_eq!(candidate.open(), expected, "{candidate:?}");
        }
    }
}
