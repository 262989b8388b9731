//! `BGSAVE`, `SAVE`, `LASTSAVE`, `ROLE`, `SHUTDOWN`, `WAIT`, `WAITAOF`, `TIME`.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use atlas_kv::Reply as _;

use crate::connection::Hold;
use crate::door::Request;
use crate::engine::Engine;
use crate::waiting::Ending;

/// What a client waits for that is no key.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Awaited {
    /// A snapshot, for `SAVE`.
    Snapshot,
    /// Replicas that are not there, for `WAIT`.
    Replicas,
    /// The durability of a submission, for `WAITAOF`: its number, and whether it would do.
    Durable {
        /// The number.
        number: u64,
        /// The node's own disk is all that is waited for.
        is_enough: bool,
    },
}

impl Engine {
    pub(super) fn time(&mut self, key: usize) {
        let since = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default();
        self.with_output(key, |output| {
            output.array(2);
            output.bulk(since.as_secs().to_string().as_bytes());
            output.bulk(since.subsec_micros().to_string().as_bytes());
        });
    }

    /// The node's part in its group: alone it is what Redis calls a master, without replicas.
    pub(super) fn role(&mut self, key: usize) {
        let index = self.applied_index as i64;
        self.with_output(key, |output| {
            output.array(3);
            output.bulk(b"master");
            output.integer(index);
            output.array(0);
        });
    }

    pub(super) fn bgsave(&mut self, key: usize, name: &str) {
        if !self.snapshot_begin() {
            return self.answer_error(key, "ERR Background save already in progress");
        }
        let line = if name == "bgsave" {
            "Background saving started"
        } else {
            "Background append only file rewriting started"
        };
        self.with_output(key, |output| output.simple(line));
    }

    pub(super) fn save(&mut self, key: usize) {
        if !self.snapshot_begin() {
            return self.answer_error(key, "ERR Background save already in progress");
        }
        self.hold(key, Hold::Elsewhere(None, Awaited::Snapshot));
    }

    pub(super) fn lastsave(&mut self, key: usize) {
        let seconds = self.snapshots.last_seconds();
        self.with_output(key, |output| output.integer(seconds));
    }

    pub(super) fn shutdown(&mut self, key: usize, request: Request<'_>) {
        for option in request.arguments().iter().skip(1) {
            let known = [&b"save"[..], b"nosave", b"now", b"force", b"abort"];
            if !known.iter().any(|word| option.eq_ignore_ascii_case(word)) {
                return self.answer_error(key, "ERR syntax error");
            }
            if option.eq_ignore_ascii_case(b"abort") {
                return self.answer_error(key, "ERR No shutdown in progress.");
            }
        }
        // Everything answered is in the log already: there is nothing to save.
        self.end.drain("SHUTDOWN");
        self.close_after_answers(key);
    }

    /// No replicas exist: the answer is 0 of them, at once if none are asked for, else when the time is over.
    pub(super) fn wait(&mut self, key: usize, request: Request<'_>) {
        let arguments = request.arguments();
        let (Some(replicas), Some(timeout_ms)) = (
            atlas_kv::integer(arguments.at(1)),
            atlas_kv::integer(arguments.at(2)),
        ) else {
            return self.answer_error(key, "ERR value is not an integer or out of range");
        };
        let Ok(timeout_ms) = u64::try_from(timeout_ms) else {
            return self.answer_error(key, "ERR timeout is negative");
        };
        if replicas <= 0 {
            return self.with_output(key, |output| output.integer(0));
        }
        let deadline = deadline(self.now, timeout_ms);
        self.hold(key, Hold::Elsewhere(deadline, Awaited::Replicas));
    }

    pub(super) fn waitaof(&mut self, key: usize, request: Request<'_>) {
        let arguments = request.arguments();
        let numbers: Option<Vec<i64>> = arguments.iter().skip(1).map(atlas_kv::integer).collect();
        let Some([local, replicas, timeout_ms]) =
            numbers.and_then(|numbers| <[i64; 3]>::try_from(numbers).ok())
        else {
            return self.answer_error(key, "ERR value is not an integer or out of range");
        };
        if !(0..=1).contains(&local) {
            return self.answer_error(key, "ERR value is out of range, must be between 0 and 1");
        }
        let Ok(timeout_ms) = u64::try_from(timeout_ms) else {
            return self.answer_error(key, "ERR timeout is negative");
        };
        let number = self.connections.get(key).map_or(0, |connection| {
            connection.held_by.max(connection.last_flight)
        });
        let is_durable = self.durable >= number;
        if replicas <= 0 && (local == 0 || is_durable) {
            return self.with_output(key, |output| {
                output.array(2);
                output.integer(is_durable.into());
                output.integer(0);
            });
        }
        self.log.sync();
        let awaited = Awaited::Durable {
            number,
            is_enough: replicas <= 0,
        };
        let deadline = deadline(self.now, timeout_ms);
        self.hold(key, Hold::Elsewhere(deadline, awaited));
    }

    /// Looks who waits for something that is no key, and has it or has waited long enough.
    pub(crate) fn end_elsewheres(&mut self) {
        let ended: Vec<usize> = self
            .connections
            .iter()
            .filter(|(_, connection)| match connection.hold.as_deref() {
                Some(Hold::Elsewhere(deadline, awaited)) => {
                    let is_over = deadline.is_some_and(|deadline| self.now >= deadline);
                    is_over
                        || match awaited {
                            Awaited::Durable { number, is_enough } => {
                                *is_enough && self.durable >= *number
                            }
                            Awaited::Snapshot => !self.snapshots.is_running(),
                            Awaited::Replicas => false,
                        }
                }
                _ => false,
            })
            .map(|(key, _)| key)
            .collect();
        for key in ended {
            self.end_elsewhere(key, Ending::Timeout);
        }
    }

    pub(crate) fn end_elsewhere(&mut self, key: usize, ending: Ending) {
        let Some(connection) = self.connections.get_mut(key) else {
            return;
        };
        let Some(Hold::Elsewhere(_, awaited)) = connection.hold.take().map(|hold| *hold) else {
            return;
        };
        let durable = self.durable;
        let failed = self.snapshots.last_error().is_some();
        let output = &mut connection.output;
        match (ending, awaited) {
            (Ending::Error, _) => output.error("UNBLOCKED client unblocked via CLIENT UNBLOCK"),
            (_, Awaited::Replicas) => output.integer(0),
            (_, Awaited::Snapshot) if failed => output.error("ERR the snapshot failed"),
            (_, Awaited::Snapshot) => output.ok(),
            (_, Awaited::Durable { number, .. }) => {
                output.array(2);
                output.integer((durable >= number).into());
                output.integer(0);
            }
        }
        self.list(key);
        self.resume.push(key);
    }
}

fn deadline(now: Instant, timeout_ms: u64) -> Option<Instant> {
    (timeout_ms > 0)
        .then(|| now.checked_add(Duration::from_millis(timeout_ms)))
        .flatten()
}
