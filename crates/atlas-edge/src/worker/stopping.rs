//! The end of a worker: nobody new, time for those who are here, then a word when to come back.

use std::time::Duration;

use atlas_base::Moment;
use atlas_wire::frame::CloseCode;
use atlas_world::Event;
use rand::RngExt as _;

use super::Worker;

/// Closing takes this much of the time that there is, and at most [`CLOSING_MAX`]: a client answers a close, a server is
/// told why its player is gone.
const CLOSING_SHARE: u32 = 4;
const CLOSING_MAX: Duration = Duration::from_secs(1);
/// Clients that are closed come back over this time, not all at once.
const COME_BACK: Duration = Duration::from_secs(5);

/// A stop that is under way.
#[derive(Clone, Copy, Debug)]
pub(super) struct Stopping {
    /// When whoever is still here is closed; none once that is done.
    close_at: Option<Moment>,
    /// When whoever is still here is cut.
    deadline: Moment,
}

impl Worker {
    /// Begins to stop: nobody new; clients of `atlas.v1` are asked to resume elsewhere; the others play on until it is
    /// time to close.
    pub(super) fn stop(&mut self, deadline: Moment) {
        let closing = (deadline.saturating_since(self.now) / CLOSING_SHARE).min(CLOSING_MAX);
        let close_at = self.now + (deadline.saturating_since(self.now) - closing);
        self.stopping = Some(Stopping {
            close_at: Some(close_at),
            deadline,
        });
        self.listener = None;
        self.handshakes_stop();
        let streams: Vec<usize> = self
            .movable
            .iter()
            .filter(|(_, session)| session.stream.is_some())
            .map(|(key, _)| key)
            .collect();
        for key in streams {
            let resume_after = self.jitter(COME_BACK);
            self.stream_drain(key, resume_after);
        }
        self.stop_on();
    }

    /// Closes whoever is left once it is time.
    pub(super) fn stop_on(&mut self) {
        let Some(stopping) = &mut self.stopping else {
            return;
        };
        if stopping.close_at.is_none_or(|at| self.now < at) {
            return;
        }
        stopping.close_at = None;
        let plain: Vec<usize> = self.plain.iter().map(|(key, _)| key).collect();
        for key in plain {
            let reason = self.restart_words();
            self.plain_close(key, CloseCode::RESTART, &reason);
        }
        // After the transfer that it may be in.
        let movable: Vec<_> = self
            .movable
            .iter()
            .map(|(key, session)| (key, session.about.serial))
            .collect();
        for (key, serial) in movable {
            let event = Event::Kick {
                code: CloseCode::RESTART.0,
                reason: self.restart_words(),
            };
            self.happened.push_back((key, serial, event));
        }
    }

    /// Whether all is over, or has to be.
    pub(super) fn stopped(&self) -> bool {
        self.stopping.is_some_and(|Stopping { deadline, .. }| {
            let left =
                self.handshakes.len() + self.plain.len() + self.movable.len() + self.links.len();
            let all_gone = left + self.closing.len() == 0;
            if !all_gone && self.now >= deadline {
                tracing::warn!(
                    worker = self.index,
                    sessions = left,
                    "stopped before every session had ended"
                );
            }
            all_gone || self.now >= deadline
        })
    }

    fn restart_words(&mut self) -> String {
        let ms = self.jitter(COME_BACK).as_millis();
        format!("the edge is restarting; come back in {ms} ms")
    }

    fn jitter(&mut self, most: Duration) -> Duration {
        most.mul_f64(self.random.random_range(0.0..1.0))
    }
}
