//! Deadlines, and waiting for a condition without blind sleeps.

use std::future::Future;
use std::time::Duration;

use tokio::time::Instant;

use crate::error::{Error, Result};

/// How long [`eventually`] rests between two looks.
const POLL_INTERVAL: Duration = Duration::from_millis(10);

/// A moment after which a test gives up. Copies share the moment, so a whole scenario can run under one.
///
/// It follows tokio's clock: under `start_paused` the time is virtual.
#[derive(Debug, Clone, Copy)]
pub struct Deadline {
    at: Instant,
    within: Duration,
}

impl Deadline {
    /// A deadline so far from now.
    pub fn after(within: Duration) -> Self {
        Self {
            at: Instant::now() + within,
            within,
        }
    }

    /// A deadline so many seconds from now.
    pub fn seconds(seconds: u64) -> Self {
        Self::after(Duration::from_secs(seconds))
    }

    /// What is left; zero once it passed.
    pub fn remaining(&self) -> Duration {
        self.at.saturating_duration_since(Instant::now())
    }

    /// Whether it passed.
    pub fn passed(&self) -> bool {
        Instant::now() >= self.at
    }

    /// Waits for `future`, which is to make `what` true, and no longer.
    ///
    /// # Errors
    /// [`Error::Late`] once the deadline passed; the future is dropped.
    pub async fn limit<T>(&self, what: &str, future: impl Future<Output = T>) -> Result<T> {
        tokio::time::timeout_at(self.at, future)
            .await
            .map_err(|_| self.late(what, ""))
    }

    /// The error of a wait that took too long.
    pub(crate) fn late(&self, what: &str, seen: impl Into<String>) -> Error {
        Error::Late {
            what: what.to_owned(),
            within: self.within,
            seen: seen.into(),
        }
    }

    /// Rests until the next look; the one place of the workspace's tests that sleeps.
    pub(crate) async fn rest(&self) {
        tokio::time::sleep(POLL_INTERVAL.min(self.remaining())).await;
    }
}

/// Waits until `condition` holds, looking every 10 ms.
///
/// # Errors
/// [`Error::Late`] with `what`, if it did not hold in time.
pub async fn eventually(
    deadline: Deadline,
    what: &str,
    mut condition: impl FnMut() -> bool,
) -> Result<()> {
    eventually_some(deadline, what, || condition().then_some(())).await
}

/// Waits until `look` finds something, looking every 10 ms.
///
/// # Errors
/// [`Error::Late`] with `what`, if nothing was found in time.
pub async fn eventually_some<T>(
    deadline: Deadline,
    what: &str,
    mut look: impl FnMut() -> Option<T>,
) -> Result<T> {
    loop {
        if let Some(found) = look() {
            return Ok(found);
        }
        if deadline.passed() {
            return Err(deadline.late(what, ""));
        }
        deadline.rest().await;
    }
}

/// Waits until an async `look` finds something, resting 10 ms between looks. A look may itself take until the deadline.
///
/// # Errors
/// [`Error::Late`] with `what`, if nothing was found in time.
pub async fn eventually_async<T>(
    deadline: Deadline,
    what: &str,
    mut look: impl AsyncFnMut() -> Option<T>,
) -> Result<T> {
    loop {
        if let Some(found) = deadline.limit(what, look()).await? {
            return Ok(found);
        }
        if deadline.passed() {
            return Err(deadline.late(what, ""));
        }
        deadline.rest().await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_condition_that_comes_true_ends_the_wait() {
        let began = Instant::now();
        let mut looks = 0;
        eventually(Deadline::seconds(5), "the fourth look", || {
            looks += 1;
            looks == 4
        })
        .await
        .unwrap();
        assert_eq!(began.elapsed(), POLL_INTERVAL * 3);
    }

    #[tokio::test(start_paused = true)]
    async fn a_condition_that_never_holds_is_named() {
        let error = eventually(Deadline::seconds(2), "the sun", || false)
            .await
            .unwrap_err();
        assert_eq!(error.to_string(), "the sun did not happen within 2s");
    }

    #[tokio::test(start_paused = true)]
    async fn a_look_that_hangs_is_cut_at_the_deadline() {
        let deadline = Deadline::seconds(1);
        let hang = eventually_async(deadline, "an answer", async || {
            std::future::pending::<Option<()>>().await
        });
        assert!(matches!(hang.await, Err(Error::Late { .. })));
        assert!(deadline.passed());
    }
}
