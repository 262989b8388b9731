//! The log's thread: what the engine submits is written, and made durable as the mode says.
//!
//! Under `every` a sync begins when those whom the last one answered have had the chance to send again, or after as long
//! as a sync takes: otherwise clients that wait for their answers fall into two halves, each of which waits for the
//! other's sync.
//!
//! In the other modes an answer waits for no sync, and handing a record to a thread would cost more than its write. So
//! while the thread waits it lends the log to the engine, which writes to it itself as long as that is nothing but a write
//! ([`LogQueue::write_now`]); syncs, new files and whatever goes wrong stay the thread's.

mod writer;

use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use atlas_wal::snapshot::Verified;
use atlas_wal::{Batch, Error, Log, LogId, Prepared};

use crate::config::Fsync;
pub(crate) use writer::Writer;

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
