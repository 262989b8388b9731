//! How long, how many, and from which seed.

use std::str::FromStr;
use std::time::Duration;

/// The size of a run.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Extent {
    pub(crate) seconds: u64,
    pub(crate) clients: u32,
    pub(crate) seed: u64,
    /// Whether it was asked for by a command; figures of time are only judged then.
    pub(crate) long: bool,
}

impl Extent {
    /// What the variables say, or this short one.
    pub(crate) fn or(seconds: u64, clients: u32) -> Self {
        let seed = variable("ATLAS_ENDURANCE_SEED").unwrap_or(1);
        let asked = variable("ATLAS_ENDURANCE_SECONDS");
        Self {
            seconds: asked.unwrap_or(seconds),
            clients: variable("ATLAS_ENDURANCE_CLIENTS").unwrap_or(clients),
            seed,
            long: asked.is_some(),
        }
    }

    pub(crate) fn span(&self) -> Duration {
        Duration::from_secs(self.seconds)
    }
}

pub(crate) fn variable<T: FromStr>(name: &str) -> Option<T> {
    std::env::var(name).ok()?.parse().ok()
}
