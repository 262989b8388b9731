//! The one way in: tells a running store to stop.

use std::time::{Duration, Instant};

use crate::mail::{Mail, Mailbox};

/// A cheap handle of a running store.
#[derive(Clone, Debug)]
pub struct Handle {
    pub(crate) mailbox: Mailbox,
}

impl Handle {
    /// Tells the store to stop: no new clients, what is under way is answered, the log is closed. Whoever is left after
    /// `drain` is cut.
    pub fn stop(&self, drain: Duration) {
        let deadline = Instant::now() + drain;
        self.mailbox.send(Mail::Stop { deadline });
    }
}
