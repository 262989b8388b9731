//! One server: the connections that are shared, and the pauses between attempts to make them.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use arc_swap::ArcSwapOption;
use tokio::sync::Mutex;
use tokio::time::{Instant, sleep_until};

use crate::address::Address;
use crate::config::Config;
use crate::connect::Connect;
use crate::error::Error;
use crate::handshake;
use crate::multiplexed::Handle;

/// A server and its connections.
pub(crate) struct Node {
    pub(crate) address: Address,
    connections: Vec<Place>,
    next: AtomicUsize,
}

/// Where a connection is or will be.
#[derive(Default)]
struct Place {
    current: ArcSwapOption<Handle>,
    /// Held by whoever connects, so that only one does.
    attempts: Mutex<Attempts>,
}

#[derive(Default)]
struct Attempts {
    failures: u32,
    not_before: Option<Instant>,
}

impl Node {
    pub(crate) fn new(address: Address, config: &Config) -> Self {
        Self {
            address,
            connections: std::iter::repeat_with(Place::default)
                .take(config.connections)
                .collect(),
            next: AtomicUsize::new(0),
        }
    }

    /// A connection that lives, made if there is none. A pause after failures is waited out.
    pub(crate) async fn handle(
        &self,
        connector: &dyn Connect,
        config: &Config,
    ) -> Result<Arc<Handle>, Error> {
        let index = self.next.fetch_add(1, Ordering::Relaxed) % self.connections.len();
        let place = &self.connections[index];
        if let Some(handle) = place.alive() {
            return Ok(handle);
        }
        let mut attempts = place.attempts.lock().await;
        // Another caller may have connected meanwhile.
        if let Some(handle) = place.alive() {
            return Ok(handle);
        }
        if let Some(not_before) = attempts.not_before {
            sleep_until(not_before).await;
        }
        match handshake::connect(connector, &self.address, config).await {
            Ok(wire) => {
                *attempts = Attempts::default();
                let handle = Arc::new(Handle::start(wire, config));
                place.current.store(Some(Arc::clone(&handle)));
                Ok(handle)
            }
            Err(error) => {
                let pause = pause(config, attempts.failures);
                attempts.failures = attempts.failures.saturating_add(1);
                attempts.not_before = Some(Instant::now() + pause);
                Err(error)
            }
        }
    }
}

impl Place {
    fn alive(&self) -> Option<Arc<Handle>> {
        self.current
            .load_full()
            .filter(|handle| !handle.is_closed())
    }
}

/// How long to wait after so many failures.
pub(crate) fn pause(config: &Config, failures: u32) -> Duration {
    // Without randomness all clients wait the longest.
    let drawn = getrandom::u32().unwrap_or(u32::MAX);
    drawn_pause(config, failures, f64::from(drawn) / f64::from(u32::MAX))
}

/// `chance` draws between a half of the pause and the whole.
fn drawn_pause(config: &Config, failures: u32, chance: f64) -> Duration {
    let factor = 2_u32.saturating_pow(failures);
    let pause = config
        .backoff_min
        .saturating_mul(factor)
        .min(config.backoff_max);
    pause.mul_f64(0.5 + chance / 2.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_a_bound() {
        let config = Config::new([]);
        let pause = |failures, chance| drawn_pause(&config, failures, chance).as_millis();
        assert_eq!(pause(0, 1.0), 20);
        assert_eq!(pause(0, 0.0), 10);
        assert_eq!(pause(3, 1.0), 160);
        assert_eq!(pause(30, 1.0), 2000);
        assert_eq!(pause(u32::MAX, 1.0), 2000);
    }
}
