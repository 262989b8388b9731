//! How much memory and time the process uses.

use std::fmt;
use std::time::{Duration, Instant};

/// How old a figure may be.
const AGE_MAX: Duration = Duration::from_millis(10);

/// Tells how many bytes are allocated; none if the allocator does not say.
pub type Allocated = Box<dyn Fn() -> Option<u64> + Send>;

/// Memory that is used, looked at now and then.
pub(crate) struct Memory {
    allocated: Allocated,
    used: u64,
    peak: u64,
    looked: Option<Instant>,
}

impl fmt::Debug for Memory {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Memory")
            .field("used", &self.used)
            .finish_non_exhaustive()
    }
}

impl Memory {
    pub(crate) fn new(allocated: Allocated) -> Self {
        Self {
            allocated,
            used: 0,
            peak: 0,
            looked: None,
        }
    }

    /// Bytes in use, at most 10 ms ago.
    pub(crate) fn used(&mut self) -> u64 {
        let now = Instant::now();
        if self
            .looked
            .is_none_or(|at| now.saturating_duration_since(at) > AGE_MAX)
        {
            self.looked = Some(now);
            self.used = (self.allocated)().unwrap_or_else(|| self.resident());
            self.peak = self.peak.max(self.used);
        }
        self.used
    }

    /// Has the next question look anew: much has changed.
    pub(crate) fn look_again(&mut self) {
        self.looked = None;
    }

    /// The most that was seen.
    pub(crate) fn peak(&mut self) -> u64 {
        self.used();
        self.peak
    }

    /// Bytes that the system counts for the process; 0 where it does not say.
    pub(crate) fn resident(&self) -> u64 {
        let pages = std::fs::read_to_string("/proc/self/statm")
            .ok()
            .and_then(|text| text.split(' ').nth(1)?.parse::<u64>().ok());
        pages.unwrap_or(0) * rustix::param::page_size() as u64
    }
}

impl Memory {
    /// The machine's memory in bytes; 0 where the system does not say.
    pub(crate) fn of_system(&self) -> u64 {
        let text = std::fs::read_to_string("/proc/meminfo").unwrap_or_default();
        let total = text.lines().find_map(|line| line.strip_prefix("MemTotal:"));
        let kibibytes = total.and_then(|rest| rest.trim().strip_suffix("kB")?.trim().parse().ok());
        kibibytes.unwrap_or(0) * 1024
    }
}

/// Seconds of processor time, in user mode and in the system's; 0 where the system does not say.
pub(crate) fn cpu_seconds() -> (f64, f64) {
    let text = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    // The program's name, in brackets, may hold anything.
    let after = text.rsplit_once(") ").map_or("", |(_, after)| after);
    let ticks = |at: usize| after.split(' ').nth(at).and_then(|text| text.parse().ok());
    let seconds =
        |ticks: Option<f64>| ticks.unwrap_or(0.0) / rustix::param::clock_ticks_per_second() as f64;
    (seconds(ticks(11)), seconds(ticks(12)))
}
