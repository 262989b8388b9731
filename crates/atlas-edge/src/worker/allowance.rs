//! What one client may send: token buckets of frames and bytes.

use atlas_base::Moment;

use crate::config::LimitsConfig;

/// A bucket holds this many seconds' worth: what a client saved up by keeping still.
const BURST_SECONDS: f32 = 2.0;

/// How fast buckets fill; zero is no limit.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Rates {
    frames: f32,
    bytes: f32,
}

impl Rates {
    pub(super) fn new(limits: &LimitsConfig) -> Self {
        Self {
            frames: limits.messages_per_second as f32,
            bytes: limits.bytes_per_second.0 as f32,
        }
    }
}

/// One client's buckets.
#[derive(Clone, Copy, Debug)]
pub(super) struct Allowance {
    frames: f32,
    bytes: f32,
    /// When they were last filled, in milliseconds; wraps.
    filled_ms: u32,
}

impl Allowance {
    /// Full buckets.
    pub(super) fn new(rates: Rates, now: Moment) -> Self {
        Self {
            frames: rates.frames * BURST_SECONDS,
            bytes: rates.bytes * BURST_SECONDS,
            filled_ms: now.as_millis() as u32,
        }
    }

    /// Takes out what was sent. False if it was not there.
    #[inline]
    pub(super) fn take(&mut self, rates: Rates, now: Moment, frames: u64, bytes: u64) -> bool {
        let now_ms = now.as_millis() as u32;
        let passed = now_ms.wrapping_sub(self.filled_ms);
        if passed > 0 {
            let seconds = passed as f32 / 1000.0;
            self.frames = (self.frames + seconds * rates.frames).min(rates.frames * BURST_SECONDS);
            self.bytes = (self.bytes + seconds * rates.bytes).min(rates.bytes * BURST_SECONDS);
            self.filled_ms = now_ms;
        }
        self.frames -= frames as f32;
        self.bytes -= bytes as f32;
        (rates.frames == 0.0 || self.frames >= 0.0) && (rates.bytes == 0.0 || self.bytes >= 0.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: u64) -> Moment {
        Moment::from_millis(millis)
    }

    #[test]
    fn two_seconds_worth_at_once_then_the_rate() {
        let rates = Rates {
            frames: 10.0,
            bytes: 0.0,
        };
        let mut allowance = Allowance::new(rates, at(0));
        assert!(
            allowance.take(rates, at(0), 20, 1 << 30),
            "the burst; bytes are not limited"
        );
        assert!(allowance.take(rates, at(100), 1, 0));
        assert!(!allowance.take(rates, at(100), 1, 0));
        assert!(
            allowance.take(rates, at(60_000), 20, 0),
            "never more than the burst is saved"
        );
        assert!(!allowance.take(rates, at(60_001), 1, 0));
    }

    #[test]
    fn bytes_count_by_themselves() {
        let rates = Rates {
            frames: 0.0,
            bytes: 1000.0,
        };
        let mut allowance = Allowance::new(rates, at(0));
        assert!(allowance.take(rates, at(0), 1_000_000, 2000));
        assert!(!allowance.take(rates, at(1), 0, 2));
    }
}
