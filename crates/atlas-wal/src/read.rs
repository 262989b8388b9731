//! Reading records back. Every frame's checksum is checked again: what was right when the log was opened may have
//! been damaged since.

use std::collections::VecDeque;
use std::fmt;
use std::io;
use std::sync::Arc;

use crate::disk::{Disk, DiskFile};
use crate::error::{self, Error};
use crate::frame::{self, Found, FrameKind};
use crate::groups::{Group, Position, Run};
use crate::layout;
use crate::options::Bugs;
use crate::record::{Record, Scratch};
use crate::segment::{HEADER_BYTES, SegmentHeader};
use crate::window::Window;

/// A segment and how far it is written.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Stretch {
    pub(crate) header: SegmentHeader,
    pub(crate) end: u64,
}

/// Records of a log, one after the other.
pub struct Records {
    disk: Arc<dyn Disk>,
    bugs: Bugs,
    stretches: VecDeque<Stretch>,
    wanted: Wanted,
    file: Option<Box<dyn DiskFile>>,
    window: Window,
    /// Where the next frame begins in the first of `stretches`; 0 is its beginning.
    offset: u64,
    /// The checksum of the frame before, unless this is the first that is read.
    previous: Option<u64>,
    /// The frame that is being read, from `at` on.
    payload: Vec<u8>,
    payload_at: usize,
    frame_offset: u64,
    ordinal: u32,
    /// The run is finished: the next may be somewhere else.
    wants_seek: bool,
    scratch: Scratch,
}

/// Which records are handed out.
enum Wanted {
    All,
    Group {
        group: u64,
        next: u64,
        runs: VecDeque<Run>,
    },
}

/// A record that was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Entry<'a> {
    /// The record.
    pub record: Record<'a>,
    /// The frame that has it.
    pub position: Position,
    /// By which rules it is applied.
    pub apply_level: u32,
}

impl fmt::Debug for Records {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Records")
            .field("segments", &self.stretches.len())
            .field("offset", &self.offset)
            .finish_non_exhaustive()
    }
}

impl Records {
    pub(crate) fn of_all(disk: Arc<dyn Disk>, stretches: VecDeque<Stretch>, bugs: Bugs) -> Self {
        Self::new(disk, stretches, Wanted::All, bugs)
    }

    /// The records of the group with this number, of which so much is known, that count, from index `from` on.
    pub(crate) fn of_group(
        disk: Arc<dyn Disk>,
        stretches: VecDeque<Stretch>,
        (group, known): (u64, &Group),
        from: u64,
        bugs: Bugs,
    ) -> Result<Self, Error> {
        if from < known.first_index() || from > known.last.index + 1 {
            return Err(Error::Outside {
                group,
                index: from,
                first_index: known.first_index(),
                last_index: known.last.index,
            });
        }
        let wanted = Wanted::Group {
            group,
            next: from,
            runs: known.runs_from(from).collect(),
        };
        Ok(Self::new(disk, stretches, wanted, bugs))
    }

    fn new(disk: Arc<dyn Disk>, stretches: VecDeque<Stretch>, wanted: Wanted, bugs: Bugs) -> Self {
        Self {
            disk,
            bugs,
            stretches,
            wanted,
            file: None,
            window: Window::default(),
            offset: HEADER_BYTES,
            previous: None,
            payload: Vec::new(),
            payload_at: 0,
            frame_offset: 0,
            ordinal: 0,
            wants_seek: true,
            scratch: Scratch::default(),
        }
    }

    /// Goes to where the first of the runs begins, unless that is near enough to read on.
    fn seek(&mut self) {
        const NEAR_BYTES: u64 = 1 << 20;
        let Wanted::Group { runs, .. } = &self.wanted else {
            return;
        };
        let Some(at) = runs.front().and_then(|run| run.at) else {
            return;
        };
        let here = self.stretches.front().map(|first| first.header.number);
        if here == Some(at.segment) && at.offset <= self.offset + NEAR_BYTES {
            return;
        }
        while self
            .stretches
            .front()
            .is_some_and(|stretch| stretch.header.number < at.segment)
        {
            self.next_segment();
        }
        self.payload.clear();
        self.payload_at = 0;
        self.offset = at.offset;
        self.previous = None;
    }

    fn next_segment(&mut self) {
        self.stretches.pop_front();
        self.file = None;
        self.window.clear();
        self.offset = HEADER_BYTES;
        self.previous = None;
    }

    /// The next record; `None` at the end of what was written when this reader was made.
    ///
    /// # Errors
    /// [`Error::Corrupt`] if it was damaged since the log was opened; [`Error::Io`], with `NotFound` if its segment was
    /// purged meanwhile.
    pub fn next_record(&mut self) -> Result<Option<Entry<'_>>, Error> {
        let Some((start, end)) = self.advance()? else {
            return Ok(None);
        };
        let position = self.position();
        let corrupt = |what: &str| corrupt(&*self.disk, position, what);
        let apply_level = self
            .stretches
            .front()
            .map_or(0, |stretch| stretch.header.apply_level);
        let record =
            Record::decode(&self.payload[start..end], &mut self.scratch).map_err(corrupt)?;
        Ok(Some(Entry {
            record,
            position,
            apply_level,
        }))
    }

    /// The frame that is being read.
    fn position(&self) -> Position {
        Position {
            segment: self
                .stretches
                .front()
                .map_or(0, |stretch| stretch.header.number),
            offset: self.frame_offset,
        }
    }

    /// Goes to the next record that is wanted, and says where in `payload` it is.
    fn advance(&mut self) -> Result<Option<(usize, usize)>, Error> {
        loop {
            if let Wanted::Group { runs, .. } = &self.wanted
                && runs.is_empty()
            {
                return Ok(None);
            }
            if self.payload_at >= self.payload.len() {
                if !self.load()? {
                    return match &self.wanted {
                        Wanted::All => Ok(None),
                        // A run promised more.
                        Wanted::Group { .. } => Err(corrupt(&*self.disk, self.position(), MOVED)),
                    };
                }
                continue;
            }
            let position = self.position();
            let mut rest = &self.payload[self.payload_at..];
            let found = frame::next_record(&mut rest)
                .map_err(|what| corrupt(&*self.disk, position, what))?;
            let end = self.payload.len() - rest.len();
            let start = end - found.map_or(0, <[u8]>::len);
            self.payload_at = end;
            let ordinal = self.ordinal;
            self.ordinal += 1;
            let Wanted::Group { group, next, runs } = &mut self.wanted else {
                return Ok(Some((start, end)));
            };
            let begins = runs
                .front()
                .and_then(|run| Some((run.at?, run.ordinal)))
                .unwrap_or_default();
            // What lies before a run was truncated, or is another group's.
            if (position, ordinal) < begins {
                continue;
            }
            let record = Record::decode(&self.payload[start..end], &mut self.scratch)
                .map_err(|what| corrupt(&*self.disk, position, what))?;
            if record.group != *group || !record.kind.takes_index() || record.index < *next {
                continue;
            }
            if record.index != *next {
                return Err(corrupt(&*self.disk, position, MOVED));
            }
            *next += 1;
            if runs.front().is_some_and(|run| run.last < *next) {
                runs.pop_front();
                self.wants_seek = true;
            }
            return Ok(Some((start, end)));
        }
    }

    /// Reads the next frame that has records; false at the end.
    fn load(&mut self) -> Result<bool, Error> {
        if std::mem::take(&mut self.wants_seek) {
            self.seek();
        }
        loop {
            let Some(&stretch) = self.stretches.front() else {
                return Ok(false);
            };
            if self.offset >= stretch.end {
                if self.stretches.len() == 1 {
                    return Ok(false);
                }
                self.next_segment();
                continue;
            }
            let header = stretch.header;
            let name = layout::segment(header.number);
            let at = self.offset;
            let failed = |source: io::Error| {
                error::io("read", self.disk.directory().join(&name), at, source)
            };
            let file = match &self.file {
                Some(file) => file,
                None => {
                    let file = self.disk.open_to_read(&name).map_err(failed)?;
                    self.file.insert(file)
                }
            };
            let place = Position {
                segment: header.number,
                offset: at,
            };
            let wrong = |what: &str| corrupt(&*self.disk, place, what);
            let seed = frame::seed(header.file_id, at, self.bugs.checksum_ignores_place);
            let head = self
                .window
                .get(&**file, at, frame::HEADER_BYTES, stretch.end)
                .map_err(failed)?;
            let found = match frame::find(head, at, stretch.end, header.alignment(), seed) {
                Found::Header(found) => found,
                Found::Nothing => return Err(wrong("there are zeros where a frame was")),
                Found::Garbage(what) => return Err(wrong(what)),
            };
            let bytes = found.bytes(header.alignment());
            let whole = self
                .window
                .get(&**file, at, bytes, stretch.end)
                .map_err(failed)?;
            let payload = found
                .payload(&whole[frame::HEADER_BYTES as usize..], seed)
                .ok_or_else(|| wrong("the checksum of a frame's content does not match"))?;
            if self
                .previous
                .is_some_and(|previous| previous != found.previous)
                && !self.bugs.checksum_ignores_place
            {
                return Err(wrong("a frame does not follow the one before it"));
            }
            self.previous = Some(found.sum);
            self.offset = at + bytes;
            if found.kind == FrameKind::Records {
                self.payload.clear();
                self.payload.extend_from_slice(payload);
                self.payload_at = 0;
                self.frame_offset = at;
                self.ordinal = 0;
                return Ok(true);
            }
        }
    }
}

const MOVED: &str = "a record is not where it was when the log was opened";

fn corrupt(disk: &dyn Disk, at: Position, what: &str) -> Error {
    Error::Corrupt {
        file: disk.directory().join(layout::segment(at.segment)),
        offset: at.offset,
        what: what.into(),
    }
}
