//! Snapshots: the engine walks through the state some pages at a time, a thread writes what it is given.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, mpsc};
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use atlas_kv::Block;
use atlas_runtime::{Kind, OnCancel, OnError};
use atlas_wal::snapshot::{self, BLOCK_BYTES_MAX, SnapshotHeader, SnapshotWriter, Verified};
use atlas_wal::{Disk, LogId};

use crate::bugs::Bugs;
use crate::engine::Engine;
use crate::log::Trouble;
use crate::mail::{Mail, Mailbox};

/// Bytes that one turn of the engine adds.
const STEP_BYTES: usize = 256 << 10;
/// Bytes that may wait for the thread before the walk waits for it.
const WAITING_BYTES: usize = 4 << 20;
/// Bytes that may wait before clients wait too: what they change has to be written first.
const WAITING_BYTES_MAX: usize = 64 << 20;
/// In a block's kind: what it has goes on in the next block.
const CONTINUED: u16 = 0x4000;
/// The rules of `apply` that this program has.
pub(crate) const APPLY_LEVEL: u32 = 1;

/// A snapshot that was written.
#[derive(Debug)]
pub(crate) struct Written {
    pub(crate) verified: Verified,
}

enum Piece {
    Blocks(Vec<Block>),
    End,
}

#[derive(Debug)]
struct Running {
    pieces: mpsc::Sender<Piece>,
    waiting: Arc<AtomicUsize>,
    is_walking: bool,
    /// The submission that has to be durable before the snapshot may count.
    after: u64,
    dirty: u64,
    begun: Instant,
}

/// The snapshot in the making, and what is known of the last.
#[derive(Debug)]
pub(crate) struct Snapshots {
    running: Option<Running>,
    last_index: u64,
    last_bytes: u64,
    last_seconds: i64,
    /// When the last one was written; of one that was found at the start, the time of its state.
    written_ms: Option<i64>,
    last_error: Option<String>,
    dirty: u64,
    /// Bytes of log since the last one began.
    pub(crate) logged_bytes: u64,
    tried: Instant,
}

impl Snapshots {
    pub(crate) fn new(last: Option<&Verified>, now: Instant) -> Self {
        Self {
            running: None,
            last_index: last.map_or(0, |last| last.header().id.index),
            last_bytes: last.map_or(0, Verified::bytes),
            last_seconds: seconds(),
            written_ms: last.map(|last| last.header().now_ms as i64),
            last_error: None,
            dirty: 0,
            logged_bytes: 0,
            tried: now,
        }
    }

    pub(crate) fn is_running(&self) -> bool {
        self.running.is_some()
    }

    pub(crate) fn is_walking(&self) -> bool {
        self.running
            .as_ref()
            .is_some_and(|running| running.is_walking)
    }

    fn waiting(&self) -> usize {
        let running = self.running.as_ref();
        running.map_or(0, |running| running.waiting.load(Ordering::Relaxed))
    }

    /// True if the thread can take more.
    pub(crate) fn wants_blocks(&self) -> bool {
        self.waiting() < WAITING_BYTES
    }

    /// True if the thread is so far behind that nothing should change.
    pub(crate) fn is_behind(&self) -> bool {
        self.running.is_some() && self.waiting() > WAITING_BYTES_MAX
    }

    pub(crate) fn last_index(&self) -> u64 {
        self.last_index
    }

    pub(crate) fn last_bytes(&self) -> u64 {
        self.last_bytes
    }

    /// When the last one was written, in seconds since 1970; when the store was started if there was none since.
    pub(crate) fn last_seconds(&self) -> i64 {
        self.last_seconds
    }

    /// When the last one was written, in milliseconds since 1970; none if there is none.
    pub(crate) fn written_ms(&self) -> Option<i64> {
        self.written_ms
    }

    pub(crate) fn last_error(&self) -> Option<String> {
        self.last_error.clone()
    }

    /// The count of changes when the last one began.
    pub(crate) fn dirty(&self) -> u64 {
        self.dirty
    }
}

fn seconds() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |since| since.as_secs() as i64)
}

impl Engine {
    /// Begins a snapshot of the state as it is; false if one is in the making.
    pub(crate) fn snapshot_begin(&mut self) -> bool {
        if self.snapshots.is_running() || !self.keyspace.snapshot_begin() {
            return false;
        }
        let header = SnapshotHeader {
            cluster: self.cluster,
            node: self.node,
            group: 0,
            id: LogId {
                term: 1,
                leader: self.node,
                index: if self.bugs.snapshot_misses_writes {
                    self.next_index - 1
                } else if self.bugs.snapshot_claims_less && self.applied_index > 1 {
                    self.applied_index - 1
                } else {
                    self.applied_index
                },
            },
            now_ms: self.keyspace.clock_ms().max(0) as u64,
            apply_level: APPLY_LEVEL,
        };
        let (pieces, receiver) = mpsc::channel();
        let waiting = Arc::new(AtomicUsize::new(0));
        let (disk, mailbox) = (Arc::clone(&self.disk), self.mailbox.clone());
        let (taken, bugs) = (Arc::clone(&waiting), self.bugs);
        let kind = Kind {
            on_cancel: OnCancel::Abort,
            on_error: OnError::Log,
        };
        let started = self.tasks.thread(kind, "store-snapshot", move || {
            let outcome = write(&disk, header, &receiver, &taken, &mailbox, bugs);
            if let Some(outcome) = outcome {
                mailbox.send(Mail::Snapshot(outcome));
            }
            Ok::<(), crate::Error>(())
        });
        if let Err(error) = started {
            self.keyspace.snapshot_abort();
            self.snapshots.last_error = Some(error.to_string());
            return true;
        }
        tracing::info!(index = header.id.index, "a snapshot begins");
        self.snapshots.tried = self.now;
        self.snapshots.logged_bytes = 0;
        self.snapshots.running = Some(Running {
            pieces,
            waiting,
            is_walking: true,
            after: if self.is_log_first() {
                0
            } else {
                self.flights.last_number()
            },
            dirty: self.counts.dirty,
            begun: self.now,
        });
        true
    }

    /// Goes on with the snapshot in the making.
    pub(crate) fn snapshot_step(&mut self) {
        let wants_blocks = self.snapshots.wants_blocks();
        let Some(running) = &mut self.snapshots.running else {
            return;
        };
        if !running.is_walking {
            return;
        }
        let mut is_done = false;
        if wants_blocks {
            is_done = self.keyspace.snapshot_step(STEP_BYTES);
        }
        if self.keyspace.snapshot_bytes() > 0 {
            let bytes = self.keyspace.snapshot_bytes();
            running.waiting.fetch_add(bytes, Ordering::Relaxed);
            let blocks = self.keyspace.snapshot_take();
            // If the thread has failed its message is under way.
            let _ = running.pieces.send(Piece::Blocks(blocks));
        }
        if is_done {
            running.is_walking = false;
            if running.after > self.durable {
                // A snapshot may not be ahead of its log. Its last records may not have been handed over yet.
                self.submit();
                self.log.sync();
            }
        }
        self.snapshot_finish();
    }

    /// Lets the thread finish once the log has all that the snapshot has.
    pub(crate) fn snapshot_finish(&mut self) {
        let Some(running) = &mut self.snapshots.running else {
            return;
        };
        if running.is_walking {
            return;
        }
        if running.after <= self.durable {
            running.after = 0;
            let _ = running.pieces.send(Piece::End);
        } else if let Some(trouble @ Trouble::Final(_)) = &self.trouble {
            // The log will never have it. Without its sender the thread gives up.
            let line = trouble.line();
            self.snapshot_ended(Err(line));
        }
    }

    pub(crate) fn snapshot_ended(&mut self, outcome: Result<Written, String>) {
        let Some(running) = self.snapshots.running.take() else {
            return;
        };
        match outcome {
            Ok(written) => {
                let header = *written.verified.header();
                let took = self.now.saturating_duration_since(running.begun);
                tracing::info!(
                    index = header.id.index,
                    bytes = written.verified.bytes(),
                    took_ms = took.as_millis() as u64,
                    "the snapshot is written"
                );
                self.snapshots.last_index = header.id.index;
                self.snapshots.last_bytes = written.verified.bytes();
                self.snapshots.last_seconds = seconds();
                self.snapshots.written_ms = Some(self.now_ms);
                self.snapshots.last_error = None;
                self.snapshots.dirty = running.dirty;
                let keep_bytes = self.config.log_keep_bytes.0;
                self.log.purge(written.verified, header.id, keep_bytes);
            }
            Err(error) => {
                tracing::error!(error, "the snapshot failed; the log goes on");
                self.keyspace.snapshot_abort();
                self.snapshots.last_error = Some(error);
            }
        }
        self.end_elsewheres();
    }

    /// Begins a snapshot when it is time for one.
    pub(crate) fn snapshot_if_due(&mut self) {
        self.snapshot_finish();
        if self.snapshots.is_running() || self.trouble.is_some() {
            return;
        }
        let interval = self.config.snapshot_interval.as_duration();
        let has_changed = self.counts.dirty != self.snapshots.dirty;
        let is_time = !interval.is_zero()
            && has_changed
            && self.now.saturating_duration_since(self.snapshots.tried) >= interval;
        let enough = self
            .snapshots
            .last_bytes
            .max(self.config.log_segment_bytes.0);
        if is_time || self.snapshots.logged_bytes > enough {
            self.snapshot_begin();
        }
    }
}

/// The thread's work; none if the snapshot was given up.
fn write(
    disk: &Arc<dyn Disk>,
    header: SnapshotHeader,
    pieces: &mpsc::Receiver<Piece>,
    waiting: &AtomicUsize,
    mailbox: &Mailbox,
    bugs: Bugs,
) -> Option<Result<Written, String>> {
    let failed = |error: atlas_wal::Error| {
        let cause = std::error::Error::source(&error).map(|cause| format!(": {cause}"));
        Some(Err(format!("{error}{}", cause.unwrap_or_default())))
    };
    let writer = match SnapshotWriter::create(Arc::clone(disk), header) {
        Ok(writer) => writer,
        Err(error) => return failed(error),
    };
    #[cfg(feature = "planted-bugs")]
    let writer = writer.plant(bugs.log);
    let mut writer = writer;
    if bugs.snapshot_removed_early {
        let found = snapshot::list(&**disk, header.group).unwrap_or_default();
        for older in found {
            let _ = disk.remove(&older.name);
        }
        let _ = disk.sync_directory();
    }
    while let Piece::Blocks(blocks) = pieces.recv().ok()? {
        let mut bytes = 0;
        for block in blocks {
            bytes += block.payload.len();
            if let Err(error) = write_block(&mut writer, &block) {
                return failed(error);
            }
        }
        let before = waiting.fetch_sub(bytes, Ordering::Relaxed);
        if before >= WAITING_BYTES && before - bytes < WAITING_BYTES {
            mailbox.send(Mail::SnapshotTaken);
        }
    }
    let verified = match writer.finish() {
        Ok(verified) => verified,
        Err(error) => return failed(error),
    };
    if let Err(error) = snapshot::remove(&**disk, header.group, 1) {
        tracing::warn!(
            error = error.to_string(),
            "older snapshots were not removed"
        );
    }
    Some(Ok(Written { verified }))
}

/// Writes a block; one that is too large for the file's format in several.
pub(crate) fn write_block(
    writer: &mut SnapshotWriter,
    block: &Block,
) -> Result<(), atlas_wal::Error> {
    let mut rest = block.payload.as_slice();
    while rest.len() > BLOCK_BYTES_MAX {
        let (piece, after) = rest.split_at(BLOCK_BYTES_MAX);
        writer.block(block.kind | CONTINUED, piece)?;
        rest = after;
    }
    writer.block(block.kind, rest)
}

/// Puts blocks together again that were written in several.
#[derive(Debug, Default)]
pub(crate) struct Joining {
    begun: Vec<u8>,
}

impl Joining {
    /// Takes a block; hands `use_it` what is whole.
    pub(crate) fn block<E>(
        &mut self,
        kind: u16,
        payload: &[u8],
        use_it: impl FnOnce(u16, &[u8]) -> Result<(), E>,
    ) -> Result<(), E> {
        if kind & CONTINUED != 0 {
            self.begun.extend_from_slice(payload);
            return Ok(());
        }
        if self.begun.is_empty() {
            return use_it(kind, payload);
        }
        let mut whole = std::mem::take(&mut self.begun);
        whole.extend_from_slice(payload);
        use_it(kind, &whole)
    }
}

#[cfg(test)]
mod tests;
