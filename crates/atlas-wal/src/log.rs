//! The log: one history of records of all groups, in segments.

mod open;
mod rotate;

use std::collections::VecDeque;
use std::fmt;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use crate::batch::Batch;
use crate::disk::{Disk, DiskFile, Lock};
use crate::error::{self, Error};
use crate::frame::{self, FrameKind};
use crate::groups::{Group, Groups, LogId, Position};
use crate::layout;
use crate::options::{Bugs, Identity, Options};
use crate::prepare::Prepared;
use crate::read::{Records, Stretch};
use crate::record::{Kind, Record};
use crate::segment::SegmentHeader;
use crate::snapshot::Verified;

pub use open::{Recovery, Torn};

/// What a sealing frame says: the number of the next segment. Each segment keeps room for one.
const SEALING_PAYLOAD_BYTES: u64 = 8;

/// A log that is open for writing. Whoever has it has the directory.
pub struct Log {
    disk: Arc<dyn Disk>,
    options: Options,
    bugs: Bugs,
    identity: Identity,
    groups: Groups,
    /// Segments before the active one, oldest first.
    sealed: VecDeque<Stretch>,
    active: Active,
    /// The next segment, if it was written ahead.
    next: Option<Ahead>,
    /// A preparation was handed out and did not come back.
    preparing: bool,
    refusing: Option<Refusal>,
    /// Bytes of segments that a purge leaves although nothing needs them.
    keep_bytes: u64,
    frame: Vec<u8>,
    _lock: Box<dyn Lock>,
}

/// The segment that is being written.
#[derive(Debug)]
struct Active {
    header: SegmentHeader,
    file: Box<dyn DiskFile>,
    /// Where the next frame goes.
    end: u64,
    /// What lies before is durable, and so are all segments before this one.
    durable: u64,
    /// The checksum of the last frame, or of the header.
    last_sum: u64,
    /// The last frame was the sealing one: nothing may follow.
    sealed: bool,
}

/// A segment that has its name and is not begun.
#[derive(Debug)]
struct Ahead {
    header: SegmentHeader,
    header_sum: u64,
    file: Box<dyn DiskFile>,
}

/// Why nothing is written any more.
#[derive(Debug, Clone)]
struct Refusal {
    file: PathBuf,
    offset: u64,
    cause: String,
}

impl fmt::Debug for Log {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Log")
            .field("directory", &self.disk.directory())
            .field("written", &self.written())
            .field("durable", &self.durable())
            .field("refusing", &self.refusing)
            .finish_non_exhaustive()
    }
}

impl Log {
    /// Writes the records of all `batches` as one frame, with one write, and returns the position behind it. They are
    /// durable once [`Log::sync`] returned that position or a later one. Without a record nothing is written.
    ///
    /// # Errors
    /// [`Error::Order`] or [`Error::FrameTooLarge`]: the caller's. [`Error::Full`]: there is no space; what was written
    /// of it is taken back, and the same call works once there is some. [`Error::SyncFailed`] (the disk cannot be
    /// believed any more; the records may come back when the log is opened again or not) and [`Error::Refusing`].
    pub fn append(&mut self, batches: &[&Batch]) -> Result<Position, Error> {
        self.must_write()?;
        let payload_bytes: usize = batches.iter().map(|batch| batch.bytes()).sum();
        let records: usize = batches.iter().map(|batch| batch.len()).sum();
        if records == 0 {
            return Ok(self.written());
        }
        let bytes_max = self.options.frame_bytes_max.min(u64::from(u32::MAX) / 2);
        if payload_bytes as u64 > bytes_max {
            return Err(Error::FrameTooLarge {
                bytes: payload_bytes as u64,
                bytes_max,
            });
        }
        let entries = || batches.iter().flat_map(|batch| &batch.entries);
        self.groups
            .check(entries())
            .map_err(|(group, index, expected)| Error::Order {
                group,
                index,
                expected,
            })?;
        self.make_room(payload_bytes as u64)?;
        let at = self.written();
        self.write_frame(FrameKind::Records, records as u32, |frame| {
            for batch in batches {
                frame.extend_from_slice(&batch.bytes);
            }
        })?;
        let mut ordinal = 0;
        for batch in batches {
            for entry in &batch.entries {
                self.groups
                    .apply(entry, &batch.bytes[entry.start..entry.end], at, ordinal);
                ordinal += 1;
            }
        }
        Ok(self.written())
    }

    /// Makes durable all that was appended, and returns up to where that is.
    ///
    /// # Errors
    /// [`Error::SyncFailed`]: from now on nothing is written, and no second sync is tried or believed. Then
    /// [`Error::Refusing`].
    pub fn sync(&mut self) -> Result<Position, Error> {
        self.must_write()?;
        if self.active.durable < self.active.end {
            if !self.bugs.answer_before_sync
                && let Err(source) = self.active.file.sync_data()
            {
                return Err(self.refuse(self.active_path(), self.active.durable, source));
            }
            self.active.durable = self.active.end;
        }
        Ok(self.durable())
    }

    /// Up to where the log is written.
    #[must_use]
    pub fn written(&self) -> Position {
        Position {
            segment: self.active.header.number,
            offset: self.active.end,
        }
    }

    /// Up to where the log is durable.
    #[must_use]
    pub fn durable(&self) -> Position {
        Position {
            segment: self.active.header.number,
            offset: self.active.durable,
        }
    }

    /// Whose log it is.
    #[must_use]
    pub const fn identity(&self) -> Identity {
        self.identity
    }

    /// The groups that have ever had a record, by number.
    pub fn groups(&self) -> impl Iterator<Item = (u64, &Group)> {
        self.groups.iter()
    }

    /// What the log knows of `group`, if it ever had a record.
    #[must_use]
    pub fn group(&self, group: u64) -> Option<&Group> {
        self.groups.get(group)
    }

    /// Why writes are refused, if they are: the file, the offset, and what happened there.
    #[must_use]
    pub fn refusal(&self) -> Option<String> {
        self.refusing.as_ref().map(|refusal| {
            format!(
                "{} failed at offset {}: {}",
                refusal.file.display(),
                refusal.offset,
                refusal.cause
            )
        })
    }

    /// How many bytes the log's segments take on the disk.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        let sealed: u64 = self.sealed.iter().map(|stretch| stretch.header.bytes).sum();
        let next = self.next.as_ref().map_or(0, |next| next.header.bytes);
        sealed + self.active.header.bytes + next
    }

    /// How many segments there are, with the one that is written ahead.
    #[must_use]
    pub fn segments(&self) -> usize {
        self.sealed.len() + 1 + usize::from(self.next.is_some())
    }

    /// Reads the records of `group` that count, from index `from` on, up to what is written now. The reader stands on
    /// its own: it may go to another thread while the log is written.
    ///
    /// # Errors
    /// [`Error::Outside`] if `from` was purged, or lies more than one behind the last.
    pub fn records(&self, group: u64, from: u64) -> Result<Records, Error> {
        let empty = Group::default();
        let known = (group, self.groups.get(group).unwrap_or(&empty));
        Records::of_group(
            Arc::clone(&self.disk),
            self.stretches(),
            known,
            from,
            self.bugs,
        )
    }

    /// Reads every record that is still in the files, in the order in which they were written, also those that a
    /// later `truncate` or `purge` leaves out.
    #[must_use]
    pub fn all_records(&self) -> Records {
        Records::of_all(Arc::clone(&self.disk), self.stretches(), self.bugs)
    }

    fn stretches(&self) -> VecDeque<Stretch> {
        let mut stretches = self.sealed.clone();
        stretches.push_back(Stretch {
            header: self.active.header,
            end: self.active.end,
        });
        stretches
    }

    /// Writes that the records of `group` from `index` on do not count any more; the next has that index. Not durable
    /// before the next [`Log::sync`].
    ///
    /// # Errors
    /// As [`Log::append`]; [`Error::Order`] if `index` was purged, or lies more than one behind the last.
    pub fn truncate(&mut self, group: u64, index: u64) -> Result<Position, Error> {
        let mut batch = Batch::new();
        batch.push(&Record {
            group,
            index,
            kind: Kind::Truncate,
            ..Record::default()
        })?;
        self.append(&[&batch])
    }

    /// Writes, durably, that a snapshot covers the records of its group up to `up_to`, and removes the segments that
    /// nothing needs any more. `up_to` may lie before the snapshot's index, for followers who are behind. Returns how
    /// many segments were removed.
    ///
    /// # Errors
    /// [`Error::NotCovered`] if the snapshot is of another group or ends before `up_to`; as [`Log::append`] and
    /// [`Log::sync`]; [`Error::Io`] if a segment cannot be removed, which is tried again at the next purge.
    pub fn purge(&mut self, snapshot: &Verified, up_to: LogId) -> Result<usize, Error> {
        let header = snapshot.header();
        let group = header.group;
        if up_to.index > header.id.index {
            return Err(Error::NotCovered {
                group,
                index: up_to.index,
                covers_group: group,
                covered: header.id.index,
            });
        }
        let mut batch = Batch::new();
        batch.push(&Record {
            group,
            term: up_to.term,
            leader: up_to.leader,
            index: up_to.index,
            kind: Kind::Purge,
            ..Record::default()
        })?;
        self.append(&[&batch])?;
        if !self.bugs.purge_before_sync {
            self.sync()?;
        }
        self.remove_purged()
    }

    /// Lets later purges leave segments of so many bytes before the first that is needed.
    pub fn keep(&mut self, bytes: u64) {
        self.keep_bytes = bytes;
    }

    fn remove_purged(&mut self) -> Result<usize, Error> {
        let active = self.active.header.number;
        let mut needed = self.groups.needed_segment(active).min(active);
        let mut kept = 0;
        for stretch in self.sealed.iter().rev() {
            if stretch.header.number < needed && kept < self.keep_bytes {
                kept += stretch.header.bytes;
                needed = stretch.header.number;
            }
        }
        let mut removed = 0;
        while let Some(oldest) = self.sealed.front()
            && oldest.header.number < needed
        {
            let name = layout::segment(oldest.header.number);
            match self.disk.remove(&name) {
                Ok(()) => {}
                Err(source) if source.kind() == io::ErrorKind::NotFound => {}
                Err(source) => {
                    return Err(error::io("remove", self.path(&name), 0, source));
                }
            }
            self.sealed.pop_front();
            removed += 1;
        }
        if removed > 0 {
            self.sync_directory()?;
        }
        Ok(removed)
    }

    /// Stops cleanly: makes all durable and writes a closing frame, which proves later that nothing is missing.
    ///
    /// # Errors
    /// As [`Log::append`] and [`Log::sync`]. What was durable is so all the same.
    pub fn close(mut self) -> Result<(), Error> {
        self.must_write()?;
        self.make_room(0)?;
        if self.bugs.closing_frame_before_sync {
            self.active.durable = self.active.end;
        } else {
            self.sync()?;
        }
        self.write_frame(FrameKind::Closing, 0, |_| {})?;
        self.sync()?;
        Ok(())
    }

    fn must_write(&self) -> Result<(), Error> {
        match &self.refusing {
            Some(refusal) if !self.bugs.second_sync_believed => Err(Error::Refusing {
                file: refusal.file.clone(),
                offset: refusal.offset,
                cause: refusal.cause.clone(),
            }),
            _ => Ok(()),
        }
    }

    /// From now on nothing is written.
    fn refuse(&mut self, file: PathBuf, offset: u64, source: io::Error) -> Error {
        self.refusing.get_or_insert(Refusal {
            file: file.clone(),
            offset,
            cause: source.to_string(),
        });
        Error::SyncFailed {
            file,
            offset,
            source,
        }
    }

    fn sync_directory(&mut self) -> Result<(), Error> {
        self.disk
            .sync_directory()
            .map_err(|source| self.refuse(self.disk.directory().into(), 0, source))
    }

    fn path(&self, name: &str) -> PathBuf {
        self.disk.directory().join(name)
    }

    fn active_path(&self) -> PathBuf {
        self.path(&layout::segment(self.active.header.number))
    }

    /// Writes one frame at the end of the active segment, which has room for it.
    fn write_frame(
        &mut self,
        kind: FrameKind,
        records: u32,
        fill: impl FnOnce(&mut Vec<u8>),
    ) -> Result<(), Error> {
        let active = &mut self.active;
        let mut frame = std::mem::take(&mut self.frame);
        let claim = if self.bugs.durable_through_too_high {
            active.end
        } else {
            active.durable
        };
        let sum = build(
            &mut frame,
            &active.header,
            active.end,
            kind,
            records,
            claim,
            active.last_sum,
            self.bugs,
            fill,
        );
        let result = put(&*active.file, &frame, active.end);
        let bytes = frame.len() as u64;
        frame.clear();
        frame.shrink_to(1 << 20);
        self.frame = frame;
        match result {
            Ok(()) => {
                self.active.end += bytes;
                self.active.last_sum = sum;
                self.active.sealed = kind == FrameKind::Sealing;
                Ok(())
            }
            Err(failed) => {
                let offset = self.active.end;
                if self.bugs.failed_write_kept && failed.written > 0 {
                    self.active.end += bytes;
                }
                self.write_failed(self.active_path(), offset, failed)
            }
        }
    }

    /// Decides what a frame that could not be written means.
    fn write_failed(&mut self, file: PathBuf, offset: u64, failed: Failed) -> Result<(), Error> {
        if failed.taken_back {
            Err(error::io("write", file, offset, failed.source))
        } else {
            Err(self.refuse(file, offset, failed.source))
        }
    }
}

/// A frame could not be written.
struct Failed {
    written: u64,
    source: io::Error,
    /// Where it should stand there are zeros again.
    taken_back: bool,
}

/// Builds a frame in `frame` for `offset` of a segment; returns its checksum.
#[expect(clippy::too_many_arguments, reason = "a frame is made of these")]
fn build(
    frame: &mut Vec<u8>,
    header: &SegmentHeader,
    offset: u64,
    kind: FrameKind,
    records: u32,
    durable_through: u64,
    previous: u64,
    bugs: Bugs,
    fill: impl FnOnce(&mut Vec<u8>),
) -> u64 {
    frame.clear();
    frame.resize(frame::HEADER_BYTES as usize, 0);
    fill(frame);
    // `append` refuses payloads that a u32 cannot count.
    let payload_bytes = (frame.len() as u64 - frame::HEADER_BYTES) as u32;
    let padded = frame::bytes_of(u64::from(payload_bytes), header.alignment());
    frame.resize(padded as usize, 0);
    let seed = frame::seed(header.file_id, offset, bugs.checksum_ignores_place);
    frame::seal(
        frame,
        kind,
        payload_bytes,
        records,
        durable_through,
        previous,
        seed,
    )
}

/// Writes `frame` at `offset`. If there was no room for all of it, what was written is taken back.
fn put(file: &dyn DiskFile, frame: &[u8], offset: u64) -> Result<(), Failed> {
    let Err((written, source)) = file.write_all_at(frame, offset) else {
        return Ok(());
    };
    let short = matches!(
        source.kind(),
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded | io::ErrorKind::WriteZero
    );
    // Any other error says nothing of what is on the disk now.
    // Durably: what was told to be refused must not come back after a power cut. The part that was written may already
    // be a whole frame, if the rest of it is zeros.
    let taken_back = short
        && file.write_zeros(offset, offset + written).is_ok()
        && (written == 0 || file.sync_data().is_ok());
    Err(Failed {
        written,
        source,
        taken_back,
    })
}
