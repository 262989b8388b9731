//! Reading one segment from its header to its last byte.

use crate::batch::BatchEntry;
use crate::disk::{Disk, DiskFile};
use crate::error::{self, Error};
use crate::frame::{self, Found, FrameHeader, FrameKind, Opening};
use crate::groups::{Groups, Position};
use crate::layout;
use crate::options::Bugs;
use crate::record::{Record, Scratch};
use crate::segment::{HEADER_BYTES, SegmentHeader};
use crate::window::Window;

/// What one segment has.
#[derive(Debug, Clone)]
pub(crate) struct Scanned {
    pub(crate) header: SegmentHeader,
    /// Its opening frame is whole.
    pub(crate) begun: bool,
    /// Whole frames that follow one another from the header on.
    pub(crate) frames: u64,
    pub(crate) records: u64,
    /// Behind the last of them.
    pub(crate) end: u64,
    /// The checksum of the last of them, or of the header.
    pub(crate) last_sum: u64,
    /// The largest that any frame says, whole or not.
    pub(crate) durable_through: u64,
    /// It ends with the word that the log goes on in the next.
    pub(crate) sealed: bool,
    /// It ends with a clean stop.
    pub(crate) closed: bool,
    /// What is at `end`, if not zeros.
    pub(crate) damage: Option<&'static str>,
    /// Behind the last byte that is not zero; at least `end`.
    pub(crate) used_end: u64,
    /// Headers of frames behind `end`.
    pub(crate) later_frames: u64,
    /// The indices of its records, by group.
    pub(crate) indices: Vec<IndexRange>,
}

/// The records of a group in a file: the lowest index and the highest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct IndexRange {
    /// The group.
    pub group: u64,
    /// The lowest index.
    pub first: u64,
    /// The highest index.
    pub last: u64,
}

impl IndexRange {
    /// Takes in a record's index.
    fn widen(ranges: &mut Vec<Self>, group: u64, index: u64) {
        match ranges.iter_mut().find(|range| range.group == group) {
            Some(range) => {
                range.first = range.first.min(index);
                range.last = range.last.max(index);
            }
            None => ranges.push(Self {
                group,
                first: index,
                last: index,
            }),
        }
    }
}

impl Scanned {
    pub(crate) fn name(&self) -> String {
        layout::segment(self.header.number)
    }
}

/// Reads segments, one after the other.
pub(super) struct Reader<'a> {
    disk: &'a dyn Disk,
    bugs: Bugs,
    window: Window,
    scratch: Scratch,
}

/// What the frame at a place turned out to be.
enum Next {
    Frame(FrameHeader),
    End(Option<&'static str>),
}

impl<'a> Reader<'a> {
    pub(super) fn new(disk: &'a dyn Disk, bugs: Bugs) -> Self {
        Self {
            disk,
            bugs,
            window: Window::default(),
            scratch: Scratch::default(),
        }
    }

    /// Reads segment `number`. What it has is put into `groups` while `tracked`; `is_first` is the first of the run,
    /// and `continues` checks its opening frame. Returns what there is, unless the header cannot be read, and what is
    /// wrong.
    pub(super) fn scan(
        &mut self,
        number: u64,
        groups: &mut Groups,
        tracked: bool,
        is_first: bool,
        continues: impl Fn(&Opening, &mut Groups) -> Result<(), &'static str>,
    ) -> (Option<Scanned>, Option<Error>) {
        self.window.clear();
        let name = layout::segment(number);
        let path = self.disk.directory().join(&name);
        let opened = self.disk.open_to_read(&name).and_then(|file| {
            let length = file.length()?;
            let head = self.window.get(&*file, 0, HEADER_BYTES, length)?;
            Ok((SegmentHeader::decode(head), file, length))
        });
        let (decoded, file, length) = match opened {
            Ok(opened) => opened,
            Err(source) => return (None, Some(error::io("read", path, 0, source))),
        };
        let (header, header_sum) = match decoded {
            Ok(header) => header,
            Err(bad) => return (None, Some(bad.into_error(path))),
        };
        let corrupt = |offset: u64, what: String| Error::Corrupt {
            file: path.clone(),
            offset,
            what,
        };
        let mut scanned = Scanned {
            header,
            begun: false,
            frames: 0,
            records: 0,
            end: HEADER_BYTES,
            last_sum: header_sum,
            durable_through: HEADER_BYTES,
            sealed: false,
            closed: false,
            damage: None,
            used_end: HEADER_BYTES,
            later_frames: 0,
            indices: Vec::new(),
        };
        if header.number != number {
            let what = format!("it is segment {} under another name", header.number);
            return (Some(scanned), Some(corrupt(0, what)));
        }
        let mut problem = None;
        if length != header.bytes {
            let what = format!(
                "it has {length} bytes of the {} that it was written with",
                header.bytes
            );
            problem = Some(corrupt(length.min(header.bytes), what));
        }
        let read = self.scan_frames(
            &mut scanned,
            &*file,
            length,
            groups,
            tracked,
            is_first,
            &continues,
        );
        match read {
            Ok(wrong) => problem = problem.or(wrong.map(|(at, what)| corrupt(at, what.into()))),
            Err((at, source)) => {
                problem = problem.or(Some(error::io("read", path.clone(), at, source)))
            }
        }
        if problem.is_none() {
            problem = match self.scan_rest(&mut scanned, &*file, length) {
                Ok(()) => None,
                Err((at, source)) => Some(error::io("read", path.clone(), at, source)),
            };
        }
        if problem.is_none()
            && scanned.durable_through > scanned.end
            && !self.bugs.truncation_on_corruption
        {
            let what = format!(
                "{}, and a frame behind it says that all before offset {} was durable",
                scanned.damage.unwrap_or("the log ends here"),
                scanned.durable_through
            );
            problem = Some(corrupt(scanned.end, what));
        }
        (Some(scanned), problem)
    }

    #[expect(clippy::too_many_arguments, reason = "a step of `scan` on what it has")]
    fn scan_frames(
        &mut self,
        scanned: &mut Scanned,
        file: &dyn DiskFile,
        length: u64,
        groups: &mut Groups,
        tracked: bool,
        is_first: bool,
        continues: &impl Fn(&Opening, &mut Groups) -> Result<(), &'static str>,
    ) -> Result<Option<(u64, &'static str)>, (u64, std::io::Error)> {
        while !scanned.sealed {
            let at = scanned.end;
            let next = self
                .next_frame(scanned, file, length)
                .map_err(|source| (at, source))?;
            let header = match next {
                Next::Frame(header) => header,
                Next::End(damage) => {
                    scanned.damage = damage;
                    return Ok(None);
                }
            };
            let bytes = header.bytes(scanned.header.alignment());
            let whole = self
                .window
                .get(file, at, bytes, length)
                .map_err(|source| (at, source))?;
            let payload_end = (frame::HEADER_BYTES + u64::from(header.payload_bytes)) as usize;
            let payload = &whole[frame::HEADER_BYTES as usize..payload_end];
            let place = Position {
                segment: scanned.header.number,
                offset: at,
            };
            let wrong = match header.kind {
                FrameKind::Opening => Opening::decode(payload).and_then(|(opening, records)| {
                    if tracked {
                        continues(&opening, groups)?;
                    }
                    // What is stated again is news only to whom the earlier segments are gone.
                    let restated = tracked && is_first;
                    take_in(
                        records,
                        header.records,
                        groups,
                        restated,
                        place,
                        &mut self.scratch,
                        &mut Vec::new(),
                    )
                }),
                FrameKind::Records => {
                    scanned.records += u64::from(header.records);
                    take_in(
                        payload,
                        header.records,
                        groups,
                        tracked,
                        place,
                        &mut self.scratch,
                        &mut scanned.indices,
                    )
                }
                FrameKind::Sealing if payload != (scanned.header.number + 1).to_le_bytes() => {
                    Err("a sealing frame names another segment than the next")
                }
                FrameKind::Sealing | FrameKind::Closing => Ok(()),
            };
            if let Err(what) = wrong {
                return Ok(Some((at, what)));
            }
            scanned.begun = true;
            scanned.sealed = header.kind == FrameKind::Sealing;
            scanned.closed = header.kind == FrameKind::Closing;
            scanned.frames += 1;
            scanned.end = at + bytes;
            scanned.last_sum = header.sum;
            scanned.durable_through = scanned.durable_through.max(header.durable_through);
        }
        Ok(None)
    }

    /// Whether there is a whole frame at the end of what was read, and it follows.
    fn next_frame(
        &mut self,
        scanned: &Scanned,
        file: &dyn DiskFile,
        length: u64,
    ) -> std::io::Result<Next> {
        let at = scanned.end;
        let alignment = scanned.header.alignment();
        let seed = self.seed(scanned, at);
        let head = self.window.get(file, at, frame::HEADER_BYTES, length)?;
        let header = match frame::find(head, at, length, alignment, seed) {
            Found::Header(header) => header,
            Found::Nothing => return Ok(Next::End(None)),
            Found::Garbage(what) => return Ok(Next::End(Some(what))),
        };
        let whole = self.window.get(file, at, header.bytes(alignment), length)?;
        let padded = &whole[frame::HEADER_BYTES as usize..];
        Ok(if header.payload(padded, seed).is_none() {
            Next::End(Some("the checksum of a frame's content does not match"))
        } else if header.previous != scanned.last_sum && !self.bugs.checksum_ignores_place {
            Next::End(Some("a frame does not follow the one before it"))
        } else if (header.kind == FrameKind::Opening) == scanned.begun {
            Next::End(Some("a frame has a kind that cannot stand here"))
        } else {
            Next::Frame(header)
        })
    }

    fn seed(&self, scanned: &Scanned, offset: u64) -> u64 {
        let file_id = scanned.header.file_id;
        frame::seed(file_id, offset, self.bugs.checksum_ignores_place)
    }

    /// Looks behind the last frame: what is there, and does it say that something is lost?
    fn scan_rest(
        &mut self,
        scanned: &mut Scanned,
        file: &dyn DiskFile,
        length: u64,
    ) -> Result<(), (u64, std::io::Error)> {
        const PIECE_BYTES: u64 = 64 * 1024;
        scanned.used_end = scanned.end;
        let alignment = scanned.header.alignment();
        let file_id = scanned.header.file_id;
        let ignores_place = self.bugs.checksum_ignores_place;
        let mut piece_at = scanned.end;
        while piece_at < length {
            // A little more than a piece: a header may begin at its end.
            let bytes = self
                .window
                .get(file, piece_at, PIECE_BYTES + frame::HEADER_BYTES, length)
                .map_err(|source| (piece_at, source))?;
            let piece = &bytes[..bytes.len().min(PIECE_BYTES as usize)];
            if piece.is_empty() {
                break;
            }
            if piece.iter().fold(0, |all, &byte| all | byte) != 0 {
                let used = piece.iter().rposition(|&byte| byte != 0).unwrap_or(0);
                scanned.used_end = piece_at + used as u64 + 1;
                let mut at = 0;
                while at < piece.len() {
                    let offset = piece_at + at as u64;
                    let seed = frame::seed(file_id, offset, ignores_place);
                    let found = frame::find(&bytes[at..], offset, length, alignment, seed);
                    if let Found::Header(header) = found {
                        scanned.later_frames += 1;
                        scanned.durable_through =
                            scanned.durable_through.max(header.durable_through);
                    }
                    at += alignment as usize;
                }
            }
            piece_at += piece.len() as u64;
        }
        Ok(())
    }
}

/// Reads the records of a frame, and puts them into `groups` if they are to be `tracked`. Their indices go into `indices`.
fn take_in(
    payload: &[u8],
    count: u32,
    groups: &mut Groups,
    tracked: bool,
    at: Position,
    scratch: &mut Scratch,
    indices: &mut Vec<IndexRange>,
) -> Result<(), &'static str> {
    let mut rest = payload;
    let mut ordinal = 0;
    while let Some(bytes) = frame::next_record(&mut rest)? {
        let record = Record::decode(bytes, scratch)?;
        let entry = BatchEntry::of(&record, 0, 0);
        if record.kind.takes_index() {
            IndexRange::widen(indices, record.group, record.index);
        }
        if tracked {
            if !groups.may_follow(&entry) {
                return Err("a record's index does not follow the one before it in its group");
            }
            groups.apply(&entry, bytes, at, ordinal);
        }
        ordinal += 1;
    }
    if ordinal == count {
        Ok(())
    } else {
        Err("a frame has more or fewer records than it says")
    }
}
