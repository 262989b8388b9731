//! Registers as runs of equal ones: `00nnnnnn` is n + 1 zeros, `01nnnnnn nnnnnnnn` as well, and `1vvvvvnn` n + 1 registers
//! of the value v + 1.
//!
//! Runs are not always as few as could be: what [`raise`] joins and what it leaves apart is what Redis does, so that both
//! end in the same bytes.

use super::REGISTERS;
use super::estimate::Rank;

/// A higher value needs the dense form.
const VALUE_MAX: u8 = 32;
/// The longest run of a value above zero.
const VALUES_MAX: usize = 4;
/// The longest run of zeros in one byte.
const ZEROS_MAX: usize = 64;
/// Runs that are looked at for what could be joined after a change.
const JOINED_MAX: usize = 5;

const LONG_ZEROS: u8 = 0x40;
const VALUES: u8 = 0x80;

/// Registers of one value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Run {
    pub(super) registers: usize,
    pub(super) value: u8,
    /// Bytes that it takes.
    pub(super) bytes: usize,
}

impl Run {
    /// The run that begins these bytes, if it is all there.
    fn of(bytes: &[u8]) -> Option<Self> {
        let first = *bytes.first()?;
        let (registers, value, bytes) = match first >> 6 {
            0 => (usize::from(first) + 1, 0, 1),
            1 => {
                let high = usize::from(first & !LONG_ZEROS) << 8;
                (high + usize::from(*bytes.get(1)?) + 1, 0, 2)
            }
            _ => (usize::from(first & 3) + 1, (first >> 2 & 0x1f) + 1, 1),
        };
        Some(Self {
            registers,
            value,
            bytes,
        })
    }
}

/// All runs, up to one that is cut.
pub(super) fn runs(bytes: &[u8]) -> impl Iterator<Item = Run> {
    let mut rest = bytes;
    std::iter::from_fn(move || {
        let run = Run::of(rest)?;
        rest = rest.get(run.bytes..)?;
        Some(run)
    })
}

/// How many registers eight runs of one byte each cover; none if these bytes do not begin with such. Looking at eight at
/// once is what makes looking at all of them cheap.
#[inline]
fn eight(bytes: &[u8]) -> Option<usize> {
    const HIGHEST: u64 = 0x8080_8080_8080_8080;
    let word = u64::from_le_bytes(*bytes.first_chunk()?);
    let is_value = word & HIGHEST;
    let is_long = (word << 1) & !word & HIGHEST;
    if is_long != 0 {
        return None;
    }
    // The length of a run of values is in two bits, that of zeros in six.
    let lengths = word & 0x3f3f_3f3f_3f3f_3f3f & !((is_value >> 7) * 0x3c);
    let pairs = (lengths & 0x00ff_00ff_00ff_00ff) + (lengths >> 8 & 0x00ff_00ff_00ff_00ff);
    let sum = pairs.wrapping_mul(0x0001_0001_0001_0001) >> 48;
    Some(sum as usize + 8)
}

/// True if every run is there and all of them together cover every register once.
pub(super) fn is_whole(bytes: &[u8]) -> bool {
    let mut covered = 0;
    let mut rest = bytes;
    while !rest.is_empty() && covered <= REGISTERS {
        let (registers, bytes) = match eight(rest) {
            Some(registers) => (registers, 8),
            None => match Run::of(rest) {
                Some(run) => (run.registers, run.bytes),
                None => return false,
            },
        };
        covered += registers;
        rest = &rest[bytes..];
    }
    rest.is_empty() && covered == REGISTERS
}

/// A run and where it is.
struct Found {
    run: Run,
    /// Where it begins, and the run before it.
    at: usize,
    before: Option<usize>,
    /// Its first register.
    first: usize,
}

/// The run of a register.
fn find(bytes: &[u8], register: usize) -> Option<Found> {
    let (mut at, mut first, mut before) = (0, 0, None);
    let mut is_near = false;
    loop {
        let rest = bytes.get(at..)?;
        if !is_near && let Some(registers) = eight(rest) {
            if first + registers <= register {
                first += registers;
                at += 8;
                before = Some(at - 1);
                continue;
            }
            is_near = true;
        }
        let run = Run::of(rest)?;
        if register < first + run.registers {
            return Some(Found {
                run,
                at,
                before,
                first,
            });
        }
        first += run.registers;
        before = Some(at);
        at += run.bytes;
    }
}

/// The value of a register.
pub(super) fn value(bytes: &[u8], register: usize) -> u8 {
    find(bytes, register).map_or(0, |found| found.run.value)
}

/// What [`raise`] has done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Raised {
    /// The register has this value or a higher one.
    No,
    /// It has this value from now on.
    Yes,
    /// It would have, but for the bytes that this takes: the counter has to become dense.
    TooLong,
}

/// Runs that take the place of one.
struct Pieces {
    bytes: [u8; 5],
    len: usize,
}

impl Pieces {
    fn push(&mut self, registers: usize, value: u8) {
        let length = registers.wrapping_sub(1);
        let (bytes, count) = match (registers, value) {
            (0, _) => return,
            (1..=ZEROS_MAX, 0) => ([length as u8, 0], 1),
            (_, 0) => ([LONG_ZEROS | (length >> 8) as u8, length as u8], 2),
            _ => ([VALUES | (value - 1) << 2 | length as u8, 0], 1),
        };
        self.bytes[self.len..self.len + count].copy_from_slice(&bytes[..count]);
        self.len += count;
    }
}

/// Raises a register of the whole runs that lie in `bytes` from `start` on; `bytes` may grow up to `end_max`.
pub(super) fn raise(bytes: &mut Vec<u8>, start: usize, rank: Rank, end_max: usize) -> Raised {
    let Rank { register, value } = rank;
    if value > VALUE_MAX {
        return Raised::TooLong;
    }
    let Some(found) = find(bytes.get(start..).unwrap_or_default(), register) else {
        return Raised::No;
    };
    let (run, at) = (found.run, start + found.at);
    if run.value >= value {
        return Raised::No;
    }
    let left = register - found.first;
    let mut pieces = Pieces {
        bytes: [0; 5],
        len: 0,
    };
    pieces.push(left, run.value);
    pieces.push(1, value);
    pieces.push(run.registers - left - 1, run.value);
    let end = bytes.len();
    if pieces.len > run.bytes && end + pieces.len - run.bytes > end_max {
        return Raised::TooLong;
    }
    let behind = at + run.bytes;
    if pieces.len > run.bytes {
        bytes.reserve_exact(pieces.len - run.bytes);
        bytes.resize(end + pieces.len - run.bytes, 0);
        bytes.copy_within(behind..end, at + pieces.len);
    } else if pieces.len < run.bytes {
        bytes.copy_within(behind..end, at + pieces.len);
        bytes.truncate(end + pieces.len - run.bytes);
    }
    bytes[at..at + pieces.len].copy_from_slice(&pieces.bytes[..pieces.len]);
    join(bytes, found.before.map_or(start, |before| start + before));
    Raised::Yes
}

/// Joins neighbours of the same value, as far as one run can have them, in a few runs from `at` on.
fn join(bytes: &mut Vec<u8>, at: usize) {
    let mut at = at;
    for _ in 0..JOINED_MAX {
        let Some(run) = bytes.get(at..).and_then(Run::of) else {
            return;
        };
        let next = bytes.get(at + run.bytes..).and_then(Run::of);
        match next {
            Some(next)
                if run.value > 0
                    && next.value == run.value
                    && run.registers + next.registers <= VALUES_MAX =>
            {
                let length = run.registers + next.registers - 1;
                bytes[at] = VALUES | (run.value - 1) << 2 | length as u8;
                bytes.remove(at + 1);
            }
            _ => at += run.bytes,
        }
    }
}
