//! Time as pure code sees it: handed in, never read.

use std::{ops::Add, time::Duration};

/// Monotonic milliseconds since the process started (in a simulation: since its start).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Moment(u64);

impl Moment {
    /// The start.
    pub const ZERO: Self = Self(0);

    /// The moment `millis` milliseconds after the start.
    #[must_use]
    pub const fn from_millis(millis: u64) -> Self {
        Self(millis)
    }

    /// Milliseconds since the start.
    #[must_use]
    pub const fn as_millis(self) -> u64 {
        self.0
    }

    /// How long after `earlier` this is; zero if it is not after it.
    #[must_use]
    pub const fn saturating_since(self, earlier: Self) -> Duration {
        Duration::from_millis(self.0.saturating_sub(earlier.0))
    }
}

impl Add<Duration> for Moment {
    type Output = Self;

    /// Rounds up to the next millisecond, so that a deadline never comes early; saturates at the end of time.
    fn add(self, span: Duration) -> Self {
        let millis = u64::try_from(span.as_nanos().div_ceil(1_000_000)).unwrap_or(u64::MAX);
        Self(self.0.saturating_add(millis))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn deadlines_round_up_and_differences_saturate() {
        let start = Moment::from_millis(10);
        assert_eq!(start + Duration::from_millis(5), Moment::from_millis(15));
        assert_eq!(start + Duration::from_nanos(1), Moment::from_millis(11));
        assert_eq!(start + Duration::MAX, Moment::from_millis(u64::MAX));
        assert_eq!(
            (start + Duration::from_secs(1)).saturating_since(start),
            Duration::from_secs(1)
        );
        assert_eq!(Moment::ZERO.saturating_since(start), Duration::ZERO);
    }
}
