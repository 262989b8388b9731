//! The process's end: asked for once, it drains; asked for twice, it stops at once.

use std::sync::Arc;

use tokio::sync::watch;

/// How far the process's end has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Phase {
    /// No end in sight.
    Running,
    /// Nothing new is accepted; what is under way may end.
    Draining,
    /// Everything is dropped.
    Stopping,
}

/// The process's end as everybody sees it; a clone is the same token.
#[derive(Debug, Clone)]
pub struct Shutdown(Arc<watch::Sender<Phase>>);

impl Default for Shutdown {
    fn default() -> Self {
        Self::new()
    }
}

impl Shutdown {
    /// A token that nobody has used yet.
    #[must_use]
    pub fn new() -> Self {
        Self(Arc::new(watch::Sender::new(Phase::Running)))
    }

    /// Asks for the end: the first call drains, the second stops at once. Returns the phase it led to.
    pub fn request(&self, reason: &str) -> Phase {
        if self.0.borrow().ge(&Phase::Draining) {
            self.stop(reason);
            return Phase::Stopping;
        }
        self.drain(reason);
        Phase::Draining
    }

    /// Begins the drain; does nothing if the end has begun.
    pub fn drain(&self, reason: &str) {
        if self.raise(Phase::Draining) {
            tracing::info!(reason, "draining");
        }
    }

    /// Stops at once.
    pub fn stop(&self, reason: &str) {
        if self.raise(Phase::Stopping) {
            tracing::warn!(reason, "stopping at once");
        }
    }

    /// How far the end has come.
    #[must_use]
    pub fn phase(&self) -> Phase {
        *self.0.borrow()
    }

    /// Whether the end has begun.
    #[must_use]
    pub fn is_draining(&self) -> bool {
        self.phase() >= Phase::Draining
    }

    /// Waits until the drain begins (or everything stops).
    pub async fn draining(&self) {
        self.reached(Phase::Draining).await;
    }

    /// Waits until everything is to stop at once.
    pub async fn stopping(&self) {
        self.reached(Phase::Stopping).await;
    }

    async fn reached(&self, phase: Phase) {
        let mut receiver = self.0.subscribe();
        // The sender lives in `self`, so that waiting cannot fail.
        let _ = receiver.wait_for(|now| *now >= phase).await;
    }

    fn raise(&self, phase: Phase) -> bool {
        self.0.send_if_modified(|now| {
            let later = phase > *now;
            if later {
                *now = phase;
            }
            later
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn first_request_drains_second_stops() {
        let shutdown = Shutdown::new();
        let other = shutdown.clone();
        assert_eq!(other.phase(), Phase::Running);
        assert_eq!(shutdown.request("test"), Phase::Draining);
        other.draining().await;
        assert!(other.is_draining());
        assert_eq!(other.phase(), Phase::Draining);
        assert_eq!(shutdown.request("test"), Phase::Stopping);
        other.stopping().await;
        shutdown.drain("too late");
        assert_eq!(shutdown.phase(), Phase::Stopping);
    }
}
