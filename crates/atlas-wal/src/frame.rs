//! A frame: one write to the log.

use crate::checksum;
use crate::groups::LogId;
use crate::segment::{number, small};

pub(crate) const HEADER_BYTES: u64 = 48;

const MAGIC: [u8; 4] = *b"AFRM";

/// What a frame is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum FrameKind {
    /// The first of a segment: what it continues, and what must not be lost with the segments before it.
    Opening = 1,
    /// Records.
    Records = 2,
    /// The last of a segment: the log goes on in the next.
    Sealing = 3,
    /// A clean stop.
    Closing = 4,
}

impl FrameKind {
    pub(crate) fn from_number(number: u8) -> Option<Self> {
        [Self::Opening, Self::Records, Self::Sealing, Self::Closing]
            .into_iter()
            .find(|&kind| kind as u8 == number)
    }
}

/// What a frame's first 48 bytes say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct FrameHeader {
    pub(crate) kind: FrameKind,
    /// Without padding.
    pub(crate) payload_bytes: u32,
    pub(crate) records: u32,
    /// Before this offset the file was durable when the frame was written, and so were all segments before it.
    pub(crate) durable_through: u64,
    /// The checksum of the frame before, of the first that of the segment's header.
    pub(crate) previous: u64,
    payload_sum: u64,
    /// The frame's own checksum, which the next one names.
    pub(crate) sum: u64,
}

/// What stands where a frame could.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Found {
    /// A frame's header, written to this file at this offset. Its payload was not looked at.
    Header(FrameHeader),
    /// Zeros: nothing was written here yet.
    Nothing,
    /// Anything else.
    Garbage(&'static str),
}

/// The seed of the checksums of a frame.
pub(crate) fn seed(file_id: u128, offset: u64, ignores_place: bool) -> u64 {
    checksum::seed(file_id, if ignores_place { 0 } else { offset })
}

/// Fills in the header of the frame that `frame` is: 48 bytes of room, then the payload, then zeros up to the
/// alignment. Returns the frame's checksum.
pub(crate) fn seal(
    frame: &mut [u8],
    kind: FrameKind,
    payload_bytes: u32,
    records: u32,
    durable_through: u64,
    previous: u64,
    seed: u64,
) -> u64 {
    let (header, padded) = frame.split_at_mut(HEADER_BYTES as usize);
    header[..4].copy_from_slice(&MAGIC);
    header[4] = kind as u8;
    header[5..8].fill(0);
    header[8..12].copy_from_slice(&payload_bytes.to_le_bytes());
    header[12..16].copy_from_slice(&records.to_le_bytes());
    header[16..24].copy_from_slice(&durable_through.to_le_bytes());
    header[24..32].copy_from_slice(&previous.to_le_bytes());
    header[32..40].copy_from_slice(&checksum::sum(seed, padded).to_le_bytes());
    let sum = checksum::sum(seed, &header[..40]);
    header[40..48].copy_from_slice(&sum.to_le_bytes());
    sum
}

/// Reads the header at `offset`; `bytes` begin there, `end` is where the segment's file does.
pub(crate) fn find(bytes: &[u8], offset: u64, end: u64, alignment: u64, seed: u64) -> Found {
    let Some(header) = bytes.get(..HEADER_BYTES as usize) else {
        return if bytes.iter().all(|&byte| byte == 0) {
            Found::Nothing
        } else {
            Found::Garbage("there is no room for a frame")
        };
    };
    if header[..4] != MAGIC {
        return if header.iter().all(|&byte| byte == 0) {
            Found::Nothing
        } else {
            Found::Garbage("it does not begin as a frame does")
        };
    }
    let sum = number(header, 40);
    if sum != checksum::sum(seed, &header[..40]) {
        return Found::Garbage("the checksum of a frame's header does not match");
    }
    let Some(kind) = FrameKind::from_number(header[4]) else {
        return Found::Garbage("a frame has a kind that is not known");
    };
    let found = FrameHeader {
        kind,
        payload_bytes: small(header, 8),
        records: small(header, 12),
        durable_through: number(header, 16),
        previous: number(header, 24),
        payload_sum: number(header, 32),
        sum,
    };
    if header[5..8] != [0; 3] {
        return Found::Garbage("a frame has flags that are not known");
    }
    if found.durable_through > offset {
        return Found::Garbage("a frame claims that itself was durable when it was written");
    }
    if offset + found.bytes(alignment) > end {
        return Found::Garbage("a frame is longer than its segment");
    }
    Found::Header(found)
}

impl FrameHeader {
    /// How long the frame is, header and padding included.
    pub(crate) fn bytes(&self, alignment: u64) -> u64 {
        bytes_of(u64::from(self.payload_bytes), alignment)
    }

    /// Whether `padded`, what follows the header up to the frame's end, is what was written; then the payload.
    pub(crate) fn payload<'a>(&self, padded: &'a [u8], seed: u64) -> Option<&'a [u8]> {
        if checksum::sum(seed, padded) != self.payload_sum {
            return None;
        }
        padded.get(..self.payload_bytes as usize)
    }
}

/// How long a frame with such a payload is.
pub(crate) const fn bytes_of(payload_bytes: u64, alignment: u64) -> u64 {
    (HEADER_BYTES + payload_bytes).next_multiple_of(alignment)
}

/// The records in a frame's payload, one after the other.
pub(crate) fn next_record<'a>(rest: &mut &'a [u8]) -> Result<Option<&'a [u8]>, &'static str> {
    if rest.is_empty() {
        return Ok(None);
    }
    let (length, after) = rest
        .split_first_chunk()
        .ok_or("a frame ends within the length of a record")?;
    let length = u32::from_le_bytes(*length) as usize;
    if length == 0 {
        return Err("a record has no length");
    }
    let record = after.get(..length).ok_or("a frame ends within a record")?;
    *rest = &after[length..];
    Ok(Some(record))
}

/// What an opening frame says in front of its records.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Opening {
    /// The segment before, where it ends, and the checksum of its last frame; zeros in the first of all.
    pub(crate) previous_number: u64,
    pub(crate) previous_end: u64,
    pub(crate) previous_sum: u64,
    /// How far each group has come, by number.
    pub(crate) groups: Vec<Standing>,
}

/// How far a group has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Standing {
    pub(crate) group: u64,
    pub(crate) last: LogId,
    pub(crate) purged: LogId,
}

const OPENING_BYTES: usize = 32;
const STANDING_BYTES: usize = 56;

impl Opening {
    pub(crate) fn encode(&self, to: &mut Vec<u8>) {
        for value in [self.previous_number, self.previous_end, self.previous_sum] {
            to.extend_from_slice(&value.to_le_bytes());
        }
        to.extend_from_slice(&(self.groups.len() as u32).to_le_bytes());
        to.extend_from_slice(&[0; 4]);
        for standing in &self.groups {
            to.extend_from_slice(&standing.group.to_le_bytes());
            for id in [standing.last, standing.purged] {
                for value in [id.term, id.leader, id.index] {
                    to.extend_from_slice(&value.to_le_bytes());
                }
            }
        }
    }

    /// Reads it, and returns the records behind it.
    pub(crate) fn decode(payload: &[u8]) -> Result<(Self, &[u8]), &'static str> {
        const CUT: &str = "an opening frame is cut";
        let (fixed, rest) = payload.split_at_checked(OPENING_BYTES).ok_or(CUT)?;
        if small(fixed, 28) != 0 {
            return Err("an opening frame has a value that is not known");
        }
        let count = small(fixed, 24) as usize;
        let table = count.checked_mul(STANDING_BYTES).ok_or(CUT)?;
        let (table, records) = rest.split_at_checked(table).ok_or(CUT)?;
        let id = |row: &[u8], at: usize| LogId {
            term: number(row, at),
            leader: number(row, at + 8),
            index: number(row, at + 16),
        };
        let groups: Vec<Standing> = table
            .chunks_exact(STANDING_BYTES)
            .map(|row| Standing {
                group: number(row, 0),
                last: id(row, 8),
                purged: id(row, 32),
            })
            .collect();
        let is_endless =
            |standing: &Standing| standing.last.index.max(standing.purged.index) == u64::MAX;
        if groups.iter().any(is_endless) {
            return Err("an opening frame has an index that is too large");
        }
        if !groups.is_sorted_by(|a, b| a.group < b.group) {
            return Err("an opening frame's groups are not in order");
        }
        Ok((
            Self {
                previous_number: number(fixed, 0),
                previous_end: number(fixed, 8),
                previous_sum: number(fixed, 16),
                groups,
            },
            records,
        ))
    }
}
