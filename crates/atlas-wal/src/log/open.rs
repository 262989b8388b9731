//! Opening a log: what is read, what is mended, what is refused.

use std::collections::VecDeque;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use super::rotate::{alignment_log2, fresh_id};
use super::{Active, Ahead, Log};
use crate::disk::{Disk, DiskFile, Lock, LockError};
use crate::error::{self, Error};
use crate::frame::{self, FrameKind, Opening};
use crate::layout;
use crate::options::{Bugs, Identity, Options};
use crate::prepare::Preparation;
use crate::read::Stretch;
use crate::segment::{HEADER_BYTES, SegmentHeader};
use crate::survey::{self, Scanned, Survey};

/// What was found when a log was opened.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Recovery {
    /// There was no log; this is a new one.
    pub created: bool,
    /// The log was closed, so that it is known to be complete.
    pub clean: bool,
    /// What was cut off, because nobody had been told that it was durable.
    pub torn: Vec<Torn>,
    /// Segments that the log has now.
    pub segments: usize,
    /// Frames that were read.
    pub frames: u64,
    /// Records that were read.
    pub records: u64,
    /// Files that a process that was killed left behind, now removed.
    pub removed: Vec<String>,
}

/// A torn tail.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Torn {
    /// The segment's file.
    pub file: PathBuf,
    /// Where it was cut.
    pub offset: u64,
    /// How many bytes behind that had something.
    pub bytes: u64,
    /// What was found there.
    pub found: &'static str,
}

impl Log {
    /// Opens the log in `disk`, or begins one if there is none and `options` say whose it is. All of it is read and
    /// checked; then a torn tail is cut off and blanked, and what may have been kept only in the system's memory is
    /// written once more and made durable. So what is read after this is durable.
    ///
    /// # Errors
    /// Nothing was changed: [`Error::InUse`], [`Error::Owner`], [`Error::NoLog`], [`Error::SnapshotWithoutLog`],
    /// [`Error::Corrupt`], [`Error::MissingSegment`], [`Error::NewerFormat`], [`Error::NewerApplyLevel`],
    /// [`Error::Foreign`]. Nothing that counts was changed: [`Error::Io`], [`Error::Full`], [`Error::SyncFailed`].
    pub fn open(disk: Arc<dyn Disk>, options: Options) -> Result<(Self, Recovery), Error> {
        let lock = lock(&*disk)?;
        let bugs = options.bugs();
        let (listed, numbers) = survey::list(&*disk)?;
        if numbers.is_empty() {
            let Some(identity) = options.identity else {
                return Err(Error::NoLog {
                    directory: disk.directory().into(),
                });
            };
            if let (Some(snapshot), false) =
                (listed.snapshots.first(), options.begin_beside_snapshots)
            {
                return Err(Error::SnapshotWithoutLog {
                    directory: disk.directory().into(),
                    snapshot: snapshot.clone(),
                });
            }
            return Self::create(disk, options, identity, lock, listed.unfinished);
        }
        if !bugs.recovery_trusts_cache {
            flush(&*disk, &numbers)?;
        }
        let mut survey = survey::survey(&*disk, bugs)?;
        let first_problem = survey.problems.drain(..).next();
        // Whose it is comes first: what is wrong with another's log is not ours to tell.
        let identity = check_headers(&*disk, &options, &survey)?;
        if let Some(problem) = first_problem {
            return Err(problem);
        }
        let Some(tail) = survey.tail else {
            // The process that made it did not come to write anything.
            let identity = options.identity.unwrap_or(identity);
            return Self::create(disk, options, identity, lock, survey.unfinished);
        };
        Self::resume(disk, options, identity, lock, survey, tail)
    }

    fn create(
        disk: Arc<dyn Disk>,
        options: Options,
        identity: Identity,
        lock: Box<dyn Lock>,
        unfinished: Vec<String>,
    ) -> Result<(Self, Recovery), Error> {
        remove_all(&*disk, unfinished.iter())?;
        let prepared = Preparation {
            header: SegmentHeader {
                cluster: identity.cluster,
                node: identity.node,
                number: 1,
                file_id: fresh_id(&*disk)?,
                apply_level: options.apply_level,
                alignment_log2: alignment_log2(options.frame_alignment_bytes),
                bytes: options
                    .segment_bytes
                    .max(2 * HEADER_BYTES)
                    .next_multiple_of(HEADER_BYTES),
            },
            disk: Arc::clone(&disk),
        }
        .run()?;
        let name = layout::segment(1);
        let path = disk.directory().join(&name);
        disk.rename(&prepared.name, &name)
            .map_err(|source| error::io("rename", path.clone(), 0, source))?;
        disk.sync_directory()
            .map_err(|source| sync_failed(disk.directory().into(), 0, source))?;
        let mut opening = Vec::new();
        Opening::default().encode(&mut opening);
        let bugs = options.bugs();
        let mut frame = Vec::new();
        let last_sum = super::build(
            &mut frame,
            &prepared.header,
            HEADER_BYTES,
            FrameKind::Opening,
            0,
            HEADER_BYTES,
            prepared.header_sum,
            bugs,
            |frame| frame.extend_from_slice(&opening),
        );
        let end = HEADER_BYTES + frame.len() as u64;
        prepared
            .file
            .write_all_at(&frame, HEADER_BYTES)
            .map_err(|(_, source)| error::io("write", path.clone(), HEADER_BYTES, source))?;
        prepared
            .file
            .sync_data()
            .map_err(|source| sync_failed(path, HEADER_BYTES, source))?;
        let log = Self {
            disk,
            bugs,
            identity,
            groups: Default::default(),
            sealed: VecDeque::new(),
            active: Active {
                header: prepared.header,
                file: prepared.file,
                end,
                durable: end,
                last_sum,
                sealed: false,
            },
            next: None,
            preparing: false,
            refusing: None,
            keep_bytes: 0,
            frame,
            options,
            _lock: lock,
        };
        let recovery = Recovery {
            created: true,
            segments: 1,
            frames: 1,
            removed: unfinished,
            ..Recovery::default()
        };
        Ok((log, recovery))
    }

    fn resume(
        disk: Arc<dyn Disk>,
        options: Options,
        identity: Identity,
        lock: Box<dyn Lock>,
        mut survey: Survey,
        tail: usize,
    ) -> Result<(Self, Recovery), Error> {
        let bugs = options.bugs();
        let mut recovery = Recovery {
            clean: survey.segments[tail].closed,
            segments: tail + 1,
            frames: survey.segments.iter().map(|scanned| scanned.frames).sum(),
            records: survey.segments.iter().map(|scanned| scanned.records).sum(),
            ..Recovery::default()
        };
        for scanned in &survey.segments[..tail] {
            // Behind a sealing frame there never is anything.
            if scanned.used_end > scanned.end {
                mend(&*disk, scanned, bugs, &mut recovery)?;
            }
        }
        let ahead = survey.segments.get(tail + 1).cloned();
        let last = survey.segments[tail].clone();
        let file = mend(&*disk, &last, bugs, &mut recovery)?;
        let next = match &ahead {
            Some(scanned) => {
                let file = mend(&*disk, scanned, bugs, &mut recovery)?;
                Some(Ahead {
                    header: scanned.header,
                    header_sum: scanned.last_sum,
                    file,
                })
            }
            None => None,
        };
        let leftovers = survey
            .leftovers
            .iter()
            .map(|&number| layout::segment(number));
        recovery.removed = leftovers.chain(survey.unfinished.drain(..)).collect();
        remove_all(&*disk, recovery.removed.iter())?;
        // Also the names that were read may be known to the system and not yet to the disk.
        disk.sync_directory()
            .map_err(|source| sync_failed(disk.directory().into(), 0, source))?;
        let mut log = Self {
            disk,
            bugs,
            identity,
            groups: survey.groups,
            sealed: survey.segments[..tail]
                .iter()
                .map(|scanned| Stretch {
                    header: scanned.header,
                    end: scanned.end,
                })
                .collect(),
            active: Active {
                header: last.header,
                file,
                end: last.end,
                durable: last.end,
                last_sum: last.last_sum,
                sealed: last.sealed,
            },
            next,
            preparing: false,
            refusing: None,
            keep_bytes: 0,
            frame: Vec::new(),
            options,
            _lock: lock,
        };
        if log.active.header.apply_level < log.options.apply_level {
            // Records are applied by the rules in their segment's header.
            log.rotate(0)?;
            recovery.segments += 1;
        }
        Ok((log, recovery))
    }
}

fn sync_failed(file: PathBuf, offset: u64, source: io::Error) -> Error {
    Error::SyncFailed {
        file,
        offset,
        source,
    }
}

fn lock(disk: &dyn Disk) -> Result<Box<dyn Lock>, Error> {
    let directory = || PathBuf::from(disk.directory());
    disk.lock().map_err(|error| match error {
        LockError::Held(pid) => Error::InUse {
            directory: directory(),
            pid,
        },
        LockError::Owner { owner, user } => Error::Owner {
            directory: directory(),
            owner,
            user,
        },
        LockError::Io(source) => error::io("lock", directory(), 0, source),
    })
}

/// Brings what the last segments have in the system's memory to the disk, and forgets the rest of it: after a sync
/// that failed, memory has what the disk has not.
fn flush(disk: &dyn Disk, numbers: &[u64]) -> Result<(), Error> {
    for &number in numbers.iter().rev().take(2) {
        let name = layout::segment(number);
        let path = disk.directory().join(&name);
        let file = disk
            .open(&name)
            .map_err(|source| error::io("open", path.clone(), 0, source))?;
        file.sync_data()
            .map_err(|source| sync_failed(path.clone(), 0, source))?;
        file.drop_cache()
            .map_err(|source| error::io("read", path, 0, source))?;
    }
    Ok(())
}

fn check_headers(disk: &dyn Disk, options: &Options, survey: &Survey) -> Result<Identity, Error> {
    let mut ours = options.identity;
    for scanned in &survey.segments {
        let file = || disk.directory().join(scanned.name());
        let theirs = Identity {
            cluster: scanned.header.cluster,
            node: scanned.header.node,
        };
        let ours = *ours.get_or_insert(theirs);
        if ours != theirs {
            return Err(Error::Foreign {
                file: file(),
                theirs: theirs.to_string(),
                ours: ours.to_string(),
            });
        }
        if scanned.header.apply_level > options.apply_level {
            return Err(Error::NewerApplyLevel {
                file: file(),
                level: scanned.header.apply_level,
                known: options.apply_level,
            });
        }
    }
    Ok(ours.unwrap_or(Identity {
        cluster: 0,
        node: 0,
    }))
}

/// Writes what is in doubt once more, blanks what is behind the last frame, and makes both durable.
fn mend(
    disk: &dyn Disk,
    scanned: &Scanned,
    bugs: Bugs,
    recovery: &mut Recovery,
) -> Result<Box<dyn DiskFile>, Error> {
    let name = scanned.name();
    let path = disk.directory().join(&name);
    let file = disk
        .open(&name)
        .map_err(|source| error::io("open", path.clone(), 0, source))?;
    if !bugs.recovery_trusts_cache {
        // Nobody knows whether an earlier process had a sync fail on this: only what is written anew is believed
        // after the sync below.
        let mut bytes = vec![0; 256 * 1024];
        let mut at = scanned.durable_through.min(scanned.end);
        while at < scanned.end {
            let piece = (bytes.len() as u64).min(scanned.end - at) as usize;
            let read = file
                .read_full_at(&mut bytes[..piece], at)
                .map_err(|source| error::io("read", path.clone(), at, source))?;
            if read == 0 {
                break;
            }
            file.write_all_at(&bytes[..read], at)
                .map_err(|(_, source)| error::io("write", path.clone(), at, source))?;
            at += read as u64;
        }
    }
    if scanned.used_end > scanned.end {
        let written_to = scanned
            .used_end
            .next_multiple_of(frame::HEADER_BYTES)
            .min(scanned.header.bytes);
        file.write_zeros(scanned.end, written_to)
            .map_err(|(written, source)| {
                error::io("write", path.clone(), scanned.end + written, source)
            })?;
        recovery.torn.push(Torn {
            file: path.clone(),
            offset: scanned.end,
            bytes: scanned.used_end - scanned.end,
            found: scanned.damage.unwrap_or("something behind a hole"),
        });
    }
    file.sync_data()
        .map_err(|source| sync_failed(path, scanned.end, source))?;
    Ok(file)
}

fn remove_all<'a>(disk: &dyn Disk, names: impl Iterator<Item = &'a String>) -> Result<(), Error> {
    for name in names {
        match disk.remove(name) {
            Ok(()) => {}
            Err(source) if source.kind() == io::ErrorKind::NotFound => {}
            Err(source) => {
                return Err(error::io("remove", disk.directory().join(name), 0, source));
            }
        }
    }
    Ok(())
}
