//! The log's thread: what the engine submits is written, and made durable as the mode says.
//!
//! Under `every` a sync begins when those whom the last one answered have had the chance to send again, or after as long
//! as a sync takes: otherwise clients that wait for their answers fall into two halves, each of which waits for the
//! other's sync.
//!
//! In the other modes an answer waits for no sync, and handing a record to a thread would cost more than its write. So
//! while the thread waits it lends the log to the engine, which writes to it itself as long as that is nothing but a write
//! ([`LogQueue::write_now`]); syncs, new files and whatever goes wrong stay the thread's.

use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use atlas_runtime::{Kind, OnCancel, OnError, Tasks};
use atlas_wal::snapshot::Verified;
use atlas_wal::{Batch, Error, Log, LogId, Prepared};

use crate::bugs::Bugs;
use crate::config::Fsync;
use crate::mail::{Mail, Mailbox};

/// A sync waits no longer than this for those who may send again.
const GATHER_MAX: Duration = Duration::from_millis(5);
/// How often what failed for want of space is tried again.
const RETRY: Duration = Duration::from_millis(200);
/// Most bytes in one frame, unless one record is larger.
const FRAME_BYTES_MAX: usize = 32 << 20;
/// Batches kept for the engine to fill again.
const SPARE_MAX: usize = 16;

/// What keeps the log from being written.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Trouble {
    /// The disk is full: ends by itself.
    Full(String),
    /// The disk refused something that may go well the next time.
    Refused(String),
    /// A sync failed: ends with a restart.
    Final(String),
}

impl Trouble {
    fn of(error: &Error) -> Self {
        let cause = std::error::Error::source(error).map(|cause| format!(": {cause}"));
        let text = format!("{error}{}", cause.unwrap_or_default());
        if error.refuses_writes() {
            Self::Final(text)
        } else if error.is_full() {
            Self::Full(text)
        } else {
            Self::Refused(text)
        }
    }

    /// The error that writes are refused with.
    pub(crate) fn line(&self) -> String {
        match self {
            Self::Full(_) => {
                "MISCONF the disk of the log is full; writes are refused until there is space"
                    .to_owned()
            }
            Self::Refused(cause) => {
                format!("MISCONF the log cannot be written, writes are refused: {cause}")
            }
            Self::Final(cause) => {
                format!("MISCONF the log failed, writes are refused until a restart: {cause}")
            }
        }
    }
}

/// What is handed to the log at once.
struct Submission {
    number: u64,
    /// Submissions of an older epoch came before the engine had heard of a failure: they are void.
    epoch: u32,
    batch: Batch,
}

#[derive(Default)]
struct State {
    submissions: VecDeque<Submission>,
    spare: Vec<Batch>,
    /// Those whom the sync up to this submission answered have sent again.
    go: Option<u64>,
    /// The thread waits for work.
    is_waiting: bool,
    /// Somebody wants all that is written to be durable now.
    is_sync_wanted: bool,
    is_closing: bool,
    fsync: Fsync,
    fsync_interval: Duration,
    purge: Option<(Verified, LogId, u64)>,
    prepared: Option<Result<Prepared, Error>>,
    /// The log and what is known of it, while the thread waits and `fsync` is not `every`.
    lent: Option<Lent>,
    /// The engine has written to the lent log so much that the next file is to be written ahead.
    is_room_wanted: bool,
}

/// The log while the engine may write to it.
struct Lent {
    log: Log,
    written: u64,
    epoch: u32,
}

/// The engine's end of the log's thread.
#[derive(Clone)]
pub(crate) struct LogQueue(Arc<(Mutex<State>, Condvar)>);

impl LogQueue {
    pub(crate) fn new(fsync: Fsync, fsync_interval: Duration) -> Self {
        let state = State {
            fsync,
            fsync_interval,
            ..State::default()
        };
        Self(Arc::new((Mutex::new(state), Condvar::new())))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Nothing panics while it holds the lock.
        self.0.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Hands records to the log; an empty batch to fill next comes back. `go` as of [`LogQueue::go`].
    pub(crate) fn submit(&self, number: u64, epoch: u32, batch: Batch, go: Option<u64>) -> Batch {
        let mut state = self.state();
        state.submissions.push_back(Submission {
            number,
            epoch,
            batch,
        });
        state.go = state.go.max(go);
        let spare = state.spare.pop().unwrap_or_default();
        // Under `every` the thread has set itself a deadline by the first one, and gathers until it is told to go.
        let count = state.submissions.len();
        let gathers = state.fsync == Fsync::Every && go.is_none() && 1 < count && count < SPARE_MAX;
        let wake = state.is_waiting && !gathers;
        drop(state);
        if wake {
            self.0.1.notify_one();
        }
        spare
    }

    /// Writes records at once, if the log is at hand and has room for them; false: submit them. They are written then as
    /// submission `number`.
    pub(crate) fn write_now(&self, number: u64, epoch: u32, batch: &Batch) -> bool {
        let mut state = self.state();
        if !state.submissions.is_empty() {
            return false;
        }
        let Some(lent) = state.lent.as_mut() else {
            return false;
        };
        // One that the log refuses is submitted: the thread is refused too, and says why.
        if lent.epoch > epoch || !lent.log.fits(batch) || lent.log.append(&[batch]).is_err() {
            return false;
        }
        lent.written = number;
        let is_room_wanted = lent.log.wants_preparation();
        if is_room_wanted && !state.is_room_wanted {
            state.is_room_wanted = true;
            drop(state);
            self.0.1.notify_one();
        }
        true
    }

    /// Lets the next sync begin: those whom the sync up to submission `durable` answered have all sent again. Said of an
    /// earlier sync it counts for nothing: those whom the last one answers would find their places taken, and be one
    /// sync behind for ever.
    pub(crate) fn go(&self, durable: u64) {
        let mut state = self.state();
        state.go = state.go.max(Some(durable));
        let wake = state.is_waiting && !state.submissions.is_empty();
        drop(state);
        if wake {
            self.0.1.notify_one();
        }
    }

    /// Has all that is written made durable soon, whatever the mode.
    pub(crate) fn sync(&self) {
        self.state().is_sync_wanted = true;
        self.0.1.notify_one();
    }

    /// Gives back the memory that is kept for the next batches.
    pub(crate) fn shrink(&self) {
        self.state().spare = Vec::new();
    }

    /// Changes the mode.
    pub(crate) fn set_fsync(&self, fsync: Fsync) {
        self.state().fsync = fsync;
        self.0.1.notify_one();
    }

    /// Changes how often `interval` syncs.
    pub(crate) fn set_interval(&self, interval: Duration) {
        self.state().fsync_interval = interval;
        self.0.1.notify_one();
    }

    /// Lets go of what a snapshot covers, but of as many bytes before it as are to be kept.
    pub(crate) fn purge(&self, snapshot: Verified, up_to: LogId, keep_bytes: u64) {
        self.state().purge = Some((snapshot, up_to, keep_bytes));
        self.0.1.notify_one();
    }

    /// Has everything written, the log closed, and the thread ended.
    pub(crate) fn close(&self) {
        self.state().is_closing = true;
        self.0.1.notify_one();
    }
}

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
