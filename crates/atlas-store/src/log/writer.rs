//! The thread itself: it writes what was submitted, syncs, and keeps room for what comes.

use std::sync::PoisonError;
use std::time::{Duration, Instant};

use atlas_runtime::{Kind, OnCancel, OnError, Tasks};
use atlas_wal::snapshot::Verified;
use atlas_wal::{Batch, Error, Log, LogId, Prepared};

use super::{Lent, LogQueue, SPARE_MAX, State, Submission, Trouble};
use crate::bugs::Bugs;
use crate::config::Fsync;
use crate::mail::{Mail, Mailbox};

/// A sync waits no longer than this for those who may send again.
const GATHER_MAX: Duration = Duration::from_millis(5);
/// How often what failed for want of space is tried again.
const RETRY: Duration = Duration::from_millis(200);
/// Most bytes in one frame, unless one record is larger.
const FRAME_BYTES_MAX: usize = 32 << 20;

/// The thread's side.
pub(crate) struct Writer {
    /// None while it is lent to the engine: while this thread waits.
    log: Option<Log>,
    queue: LogQueue,
    mailbox: Mailbox,
    tasks: Tasks,
    /// Records that are written and not durable, as the number of the last submission.
    written: u64,
    durable: u64,
    epoch: u32,
    synced_at: Instant,
    /// About how long a sync takes.
    sync_time: Duration,
    trouble: Option<Trouble>,
    retry_at: Option<Instant>,
    /// The next segment is being written ahead.
    is_preparing: bool,
    log_bytes: u64,
    bugs: Bugs,
}

/// What the thread is to do next.
#[derive(Default)]
struct Work {
    submissions: Vec<Submission>,
    purge: Option<(Verified, LogId, u64)>,
    prepared: Option<Result<Prepared, Error>>,
    is_sync_due: bool,
    is_closing: bool,
}

impl Writer {
    pub(crate) fn new(
        log: Log,
        queue: LogQueue,
        mailbox: Mailbox,
        tasks: Tasks,
        bugs: Bugs,
    ) -> Self {
        let now = Instant::now();
        Self {
            log: Some(log),
            queue,
            mailbox,
            tasks,
            written: 0,
            durable: 0,
            epoch: 0,
            synced_at: now,
            sync_time: Duration::from_micros(100),
            trouble: None,
            retry_at: None,
            is_preparing: false,
            log_bytes: 0,
            bugs,
        }
    }

    fn log(&mut self) -> &mut Log {
        self.log
            .as_mut()
            .expect("the log is lent only while this thread waits")
    }

    /// Writes until the log is to be closed.
    pub(crate) fn run(mut self) -> Result<(), crate::Error> {
        loop {
            let mut work = self.wait();
            if let Some(outcome) = work.prepared.take() {
                self.is_preparing = false;
                let outcome = self.log().install(outcome);
                self.note_room(outcome);
            }
            self.append(&mut work.submissions);
            self.give_back(work.submissions);
            if work.is_sync_due && self.written > self.durable {
                self.sync();
            }
            if let Some((snapshot, up_to, keep_bytes)) = work.purge.take() {
                self.log().keep(keep_bytes);
                self.purge(&snapshot, up_to);
            }
            self.prepare();
            self.tell_bytes();
            if work.is_closing {
                return self.close();
            }
        }
    }

    /// Waits for something to do.
    fn wait(&mut self) -> Work {
        let queue = self.queue.clone();
        let mut state = queue.state();
        loop {
            let now = Instant::now();
            let mut until = self.retry_at;
            let mut at = |deadline: Instant| {
                until = Some(until.map_or(deadline, |other| other.min(deadline)));
            };
            let mut is_sync_due = state.is_sync_wanted || state.is_closing;
            let mut take = !state.submissions.is_empty();
            match state.fsync {
                Fsync::Every if take => {
                    let deadline = self.synced_at + self.sync_time.min(GATHER_MAX);
                    is_sync_due |= state.go >= Some(self.durable) || now >= deadline;
                    // What came is written while the others are waited for only once there is much of it: a write
                    // costs more than a record.
                    take = is_sync_due || state.submissions.len() >= SPARE_MAX;
                    at(deadline);
                }
                Fsync::Every => is_sync_due |= self.written > self.durable,
                Fsync::Interval => {
                    let deadline = self.synced_at + state.fsync_interval;
                    is_sync_due |= now >= deadline;
                    // If nothing was written until now, the engine may write meanwhile.
                    at(if now < deadline {
                        deadline
                    } else {
                        now + state.fsync_interval
                    });
                }
                Fsync::None => {}
            }
            let is_retry_due = self.retry_at.is_some_and(|at| now >= at);
            if state.fsync != Fsync::Every && self.retry_at.is_some() && !is_retry_due {
                // What could not be written is kept until it can be.
                take = false;
            }
            if take
                || (is_sync_due && self.written > self.durable)
                || state.purge.is_some()
                || state.prepared.is_some()
                || state.is_room_wanted
                || is_retry_due
                || state.is_closing
            {
                state.is_room_wanted = false;
                if is_retry_due {
                    self.retry_at = None;
                }
                if is_sync_due {
                    state.is_sync_wanted = false;
                    state.go = None;
                }
                let submissions = if take || state.is_closing {
                    state.submissions.drain(..).collect()
                } else {
                    Vec::new()
                };
                return Work {
                    submissions,
                    purge: state.purge.take(),
                    prepared: state.prepared.take(),
                    is_sync_due,
                    is_closing: state.is_closing,
                };
            }
            state.is_sync_wanted = false;
            state.is_waiting = true;
            self.lend(&mut state);
            state = match until {
                Some(until) => {
                    let left = until.saturating_duration_since(now);
                    let waited = queue.0.1.wait_timeout(state, left);
                    waited.unwrap_or_else(PoisonError::into_inner).0
                }
                None => {
                    let waited = queue.0.1.wait(state);
                    waited.unwrap_or_else(PoisonError::into_inner)
                }
            };
            state.is_waiting = false;
            self.take_back(&mut state);
        }
    }

    fn lend(&mut self, state: &mut State) {
        if state.fsync != Fsync::Every
            && let Some(log) = self.log.take()
        {
            state.lent = Some(Lent {
                log,
                written: self.written,
                epoch: self.epoch,
            });
        }
    }

    fn take_back(&mut self, state: &mut State) {
        if let Some(lent) = state.lent.take() {
            self.written = lent.written;
            self.log = Some(lent.log);
        }
    }

    /// Writes what was submitted, as few frames.
    fn append(&mut self, submissions: &mut Vec<Submission>) {
        submissions.retain(|submission| submission.epoch >= self.epoch);
        let mut done = 0;
        while let Some(rest) = submissions.get(done..)
            && let Some(first) = rest.first()
        {
            let mut bytes = 0;
            let fitting = rest.iter().take_while(|submission| {
                bytes += submission.batch.bytes();
                bytes <= FRAME_BYTES_MAX
            });
            let count = fitting.count().max(1);
            let frame = &rest[..count];
            let batches: Vec<&Batch> = frame.iter().map(|one| &one.batch).collect();
            match self.log().append(&batches) {
                Ok(_) => {
                    self.written = frame.last().map_or(self.written, |last| last.number);
                    done += count;
                }
                Err(error) => {
                    let trouble = Trouble::of(&error);
                    if self.trouble.is_none() {
                        tracing::error!(error = trouble.line(), "the log was not written");
                    }
                    let (number, epoch) = (first.number, first.epoch);
                    let is_applied = self.fsync() != Fsync::Every;
                    if is_applied && !matches!(trouble, Trouble::Final(_)) {
                        // The state has these records: the log must have them before any other.
                        let mut state = self.queue.state();
                        for kept in submissions.drain(done..).rev() {
                            state.submissions.push_front(kept);
                        }
                        drop(state);
                        self.mailbox.send(Mail::Delayed {
                            number,
                            trouble: trouble.clone(),
                        });
                    } else {
                        self.epoch = epoch + 1;
                        self.mailbox.send(Mail::Failed {
                            number,
                            trouble: trouble.clone(),
                        });
                    }
                    self.set_trouble(Some(trouble));
                    break;
                }
            }
        }
        if !submissions.is_empty() && self.fsync() != Fsync::Every {
            self.mailbox.send(Mail::Written {
                number: self.written,
            });
        }
    }

    fn give_back(&self, submissions: Vec<Submission>) {
        if submissions.is_empty() {
            return;
        }
        let mut state = self.queue.state();
        for mut submission in submissions {
            if state.spare.len() < SPARE_MAX {
                submission.batch.clear();
                state.spare.push(submission.batch);
            }
        }
    }

    fn sync(&mut self) {
        let begun = Instant::now();
        if self.bugs.answer_before_sync {
            self.mailbox.send(Mail::Durable {
                number: self.written,
                took: Duration::ZERO,
            });
        }
        let outcome = self.log().sync();
        let is_ignored = self.bugs.failed_sync_ignored;
        match outcome
            .map(drop)
            .or_else(|error| if is_ignored { Ok(()) } else { Err(error) })
        {
            Ok(()) => {
                self.synced_at = Instant::now();
                let took = self.synced_at - begun;
                self.sync_time = (self.sync_time * 7 + took) / 8;
                self.durable = self.written;
                self.mailbox.send(Mail::Durable {
                    number: self.durable,
                    took,
                });
            }
            Err(error) => {
                let trouble = Trouble::of(&error);
                tracing::error!(error = trouble.line(), "the log cannot be made durable");
                self.epoch += 1;
                self.mailbox.send(Mail::Failed {
                    number: self.durable + 1,
                    trouble: trouble.clone(),
                });
                self.written = self.durable;
                self.set_trouble(Some(trouble));
            }
        }
    }

    fn purge(&mut self, snapshot: &Verified, up_to: LogId) {
        match self.log().purge(snapshot, up_to) {
            Ok(removed) => tracing::debug!(removed, index = up_to.index, "the log was purged"),
            Err(error) if error.refuses_writes() => {
                let trouble = Trouble::of(&error);
                tracing::error!(error = trouble.line(), "the log cannot be purged");
                self.set_trouble(Some(trouble));
            }
            Err(error) => {
                tracing::warn!(error = Trouble::of(&error).line(), "the log was not purged");
            }
        }
    }

    /// Has the next segment written ahead, by a thread of its own, when it is time.
    fn prepare(&mut self) {
        if self.retry_at.is_some() {
            return;
        }
        let preparation = match self.log().preparation() {
            Ok(Some(preparation)) => preparation,
            Ok(None) => {
                if !self.is_preparing {
                    // Nothing has to be written ahead now: whether a write goes well shows with the next one.
                    self.note_room(Ok(()));
                }
                return;
            }
            Err(error) => {
                self.note_room(Err(error));
                return;
            }
        };
        let queue = self.queue.clone();
        let kind = Kind {
            on_cancel: OnCancel::Abort,
            on_error: OnError::Log,
        };
        let started = self.tasks.thread(kind, "store-segment", move || {
            let outcome = preparation.run();
            queue.state().prepared = Some(outcome);
            queue.0.1.notify_one();
            Ok::<(), crate::Error>(())
        });
        self.is_preparing = started.is_ok();
        if let Err(error) = started {
            // It is done within an append then.
            tracing::warn!(
                error = error.to_string(),
                "no thread writes the log's next file ahead"
            );
        }
    }

    /// Hears whether there is room for the next segment.
    fn note_room(&mut self, outcome: Result<(), Error>) {
        match outcome {
            Ok(()) => {
                if !matches!(self.trouble, Some(Trouble::Final(_)) | None) {
                    tracing::info!("the log can be written again");
                    self.set_trouble(None);
                }
            }
            Err(error) => {
                let trouble = Trouble::of(&error);
                if self.trouble.is_none() {
                    tracing::error!(
                        error = trouble.line(),
                        "the log's next file was not written ahead"
                    );
                }
                self.set_trouble(Some(trouble));
            }
        }
    }

    fn set_trouble(&mut self, trouble: Option<Trouble>) {
        let is_final = matches!(self.trouble, Some(Trouble::Final(_)));
        self.retry_at = match &trouble {
            Some(Trouble::Full(_) | Trouble::Refused(_)) => Some(Instant::now() + RETRY),
            _ => None,
        };
        if !is_final && self.trouble != trouble {
            self.trouble.clone_from(&trouble);
            self.mailbox.send(Mail::Trouble(trouble));
        }
    }

    fn tell_bytes(&mut self) {
        let bytes = self.log().bytes();
        if bytes != self.log_bytes {
            self.log_bytes = bytes;
            let segments = self.log().segments() as u64;
            self.mailbox.send(Mail::LogSize { bytes, segments });
        }
    }

    fn fsync(&self) -> Fsync {
        self.queue.state().fsync
    }

    fn close(self) -> Result<(), crate::Error> {
        let mailbox = self.mailbox.clone();
        let closed = match self.log {
            Some(log) if self.trouble.is_none() => log.close(),
            _ => Ok(()),
        };
        mailbox.send(Mail::Closed);
        Ok(closed?)
    }
}
