//! HyperLogLog: how many different elements were added, about, in at most 12 KiB however many they are.
//!
//! A counter is a string in the form that Redis gives it, so that it can be read, copied and set like any other: a head of
//! 16 bytes ([`head`]), then 16,384 registers, either each in six bits ([`dense`]) or as runs of equal ones ([`sparse`]).
//! An element's hash chooses a register and a rank for it; a register keeps the highest. A string that anybody can change
//! is checked whole before it is used: each run of a sparse one, and that all of them make 16,384.

mod debug;
mod dense;
mod estimate;
mod sparse;

use crate::command::{Command, Flags, Group, Keys};
use crate::context::Context;
use crate::effects::Class;
use crate::view::View;
use crate::{Arguments, Error, Reply};
use estimate::{Histogram, Rank};
use sparse::Raised;

/// Registers of a counter.
const REGISTERS: usize = 1 << 14;
/// Bytes before the registers.
const HEAD_BYTES: usize = head::COUNT + 8;

/// Where what lies in a counter's head: `HYLL`, the form, three bytes of nothing, and the last count in eight bytes, the
/// lowest first. The highest bit says that the count is old.
mod head {
    pub(super) const MAGIC: &[u8; 4] = b"HYLL";
    pub(super) const FORM: usize = 4;
    pub(super) const COUNT: usize = 8;
    pub(super) const IS_OLD: usize = COUNT + 7;
    pub(super) const OLD: u8 = 0x80;
    pub(super) const DENSE: u8 = 0;
    pub(super) const SPARSE: u8 = 1;
}

/// A counter of nothing: one run of all registers.
const EMPTY: [u8; HEAD_BYTES + 2] = *b"HYLL\x01\0\0\0\0\0\0\0\0\0\0\0\x7f\xff";

const NOT_A_COUNTER: Error = Error::fixed("WRONGTYPE Key is not a valid HyperLogLog string value.");
const CORRUPT: Error = Error::fixed("INVALIDOBJ Corrupted HLL object detected");

/// The commands of this family.
pub(crate) static COMMANDS: &[Command] = &[
    Command::write(
        "pfadd",
        -2,
        Group::HyperLogLog,
        "2.8.9",
        "Adds elements to a counter of different elements.",
        pfadd,
    )
    .and(Flags::FAST)
    .would_write(pfadd_would_write),
    Command::write(
        "pfcount",
        -2,
        Group::HyperLogLog,
        "2.8.9",
        "Answers about how many different elements counters have seen together.",
        pfcount,
    )
    // What it may write is the count that it has found, for the next time.
    .flags(Flags::READONLY.union(Flags::MAY_REPLICATE))
    .keys(Keys::ALL)
    .would_write(pfcount_would_write),
    Command::write(
        "pfmerge",
        -2,
        Group::HyperLogLog,
        "2.8.9",
        "Makes a counter one that has seen what it and others have seen.",
        pfmerge,
    )
    .keys(Keys::ALL),
    Command::write(
        "pfdebug",
        3,
        Group::HyperLogLog,
        "2.8.9",
        "Shows or changes how a counter is kept.",
        debug::pfdebug,
    )
    .and(Flags::ADMIN.union(Flags::DANGEROUS))
    .keys(Keys::Positions {
        first: 2,
        last: 2,
        step: 1,
    }),
    Command::read(
        "pfselftest",
        1,
        Group::HyperLogLog,
        "2.8.9",
        "Tries the counting on a hundred thousand elements of its own.",
        debug::pfselftest,
    )
    .flags(Flags::ADMIN.union(Flags::DANGEROUS))
    .keys(Keys::None),
];

/// A counter's registers.
#[derive(Clone, Copy)]
enum Form<'a> {
    /// Six bits each.
    Dense(&'a [u8; dense::BYTES]),
    /// Runs of equal ones.
    Sparse(&'a [u8]),
}

impl<'a> Form<'a> {
    /// The registers of a string that is a counter; whether the runs of a sparse one are whole is not looked at.
    fn of(bytes: &'a [u8]) -> Result<Self, Error> {
        let (head, registers) = bytes
            .split_first_chunk::<HEAD_BYTES>()
            .ok_or(NOT_A_COUNTER)?;
        if !head.starts_with(head::MAGIC) {
            return Err(NOT_A_COUNTER);
        }
        match head[head::FORM] {
            head::DENSE => registers
                .try_into()
                .map(Self::Dense)
                .map_err(|_| NOT_A_COUNTER),
            head::SPARSE => Ok(Self::Sparse(registers)),
            _ => Err(NOT_A_COUNTER),
        }
    }

    /// The same, and every run has been looked at.
    fn whole(bytes: &'a [u8]) -> Result<Self, Error> {
        let form = Self::of(bytes)?;
        match form {
            Self::Sparse(runs) if !sparse::is_whole(runs) => Err(CORRUPT),
            form => Ok(form),
        }
    }

    /// True if a rank would raise its register.
    fn is_below(self, rank: Rank) -> bool {
        let value = match self {
            Self::Dense(registers) => dense::value(registers, rank.register),
            Self::Sparse(runs) => sparse::value(runs, rank.register),
        };
        value < rank.value
    }

    /// Raises registers to the values of these.
    fn raise(self, registers: &mut [u8; REGISTERS]) {
        match self {
            Self::Dense(packed) => {
                let (groups, _) = registers.as_chunks_mut::<4>();
                for (group, values) in groups.iter_mut().zip(dense::groups(packed)) {
                    for (register, value) in group.iter_mut().zip(values) {
                        *register = value.max(*register);
                    }
                }
            }
            Self::Sparse(runs) => {
                let mut at = 0;
                for run in sparse::runs(runs) {
                    let end = at + run.registers;
                    if run.value > 0 {
                        let covered = registers.get_mut(at..end).unwrap_or_default();
                        for register in covered {
                            *register = run.value.max(*register);
                        }
                    }
                    at = end;
                }
            }
        }
    }

    fn count(self) -> u64 {
        let mut histogram = Histogram::default();
        match self {
            Self::Dense(packed) => {
                for group in dense::groups(packed) {
                    group.into_iter().for_each(|value| histogram.add(value, 1));
                }
            }
            Self::Sparse(runs) => {
                for run in sparse::runs(runs) {
                    histogram.add(run.value, run.registers as u32);
                }
            }
        }
        histogram.count()
    }
}

/// The count that a counter keeps from the last time, unless it is old.
fn kept_count(bytes: &[u8]) -> Option<u64> {
    let kept = bytes.get(head::COUNT..)?.first_chunk()?;
    let is_old = kept[7] & head::OLD != 0;
    (!is_old).then(|| u64::from_le_bytes(*kept))
}

/// Raises a register of the counter that lies in `bytes` from `start` on; true if it was lower. What has too many runs, or
/// a rank too high for them, becomes dense.
fn raise(bytes: &mut Vec<u8>, start: usize, rank: Rank, sparse_bytes_max: u64) -> bool {
    let registers = start + HEAD_BYTES;
    if bytes.get(start + head::FORM) == Some(&head::SPARSE) {
        let sparse_bytes_max = usize::try_from(sparse_bytes_max).unwrap_or(usize::MAX);
        let end_max = start.saturating_add(sparse_bytes_max);
        match sparse::raise(bytes, registers, rank, end_max) {
            Raised::No => return false,
            Raised::Yes => return true,
            Raised::TooLong => make_dense(bytes, start),
        }
    }
    let packed = bytes.get_mut(registers..).unwrap_or_default();
    dense::raise(packed, rank)
}

/// Makes the whole sparse counter that lies in `bytes` from `start` on a dense one.
fn make_dense(bytes: &mut Vec<u8>, start: usize) {
    let mut packed = vec![0; dense::BYTES];
    let mut register = 0;
    let runs = bytes.get(start + HEAD_BYTES..).unwrap_or_default();
    for run in sparse::runs(runs) {
        if run.value > 0 {
            for register in register..register + run.registers {
                let value = run.value;
                dense::raise(&mut packed, Rank { register, value });
            }
        }
        register += run.registers;
    }
    bytes.truncate(start + HEAD_BYTES);
    bytes.extend_from_slice(&packed);
    bytes[start + head::FORM] = head::DENSE;
}

fn pfadd(
    context: &mut Context<'_>,
    arguments: &Arguments<'_>,
    reply: &mut dyn Reply,
) -> Result<(), Error> {
    let key = arguments.at(1);
    let elements = arguments.skip(2);
    let sought = context.seek(key);
    let first = match context.string_at(sought)? {
        None => Some(0),
        Some(bytes) => {
            let form = Form::whole(&bytes)?;
            let mut ranks = elements.iter().map(Rank::of);
            ranks.position(|rank| form.is_below(rank))
        }
    };
    let Some(first) = first else {
        reply.integer(0);
        return Ok(());
    };
    let sparse_bytes_max = context.settings().hll_sparse_bytes_max;
    let mut changes = u64::from(!sought.is_found());
    context.edit_whole_string_at(sought, key, |bytes, start| {
        if bytes.len() == start {
            bytes.extend_from_slice(&EMPTY);
        }
        for element in elements.skip(first).iter() {
            let is_raised = raise(bytes, start, Rank::of(element), sparse_bytes_max);
            changes += u64::from(is_raised);
        }
        bytes[start + head::IS_OLD] |= head::OLD;
    });
    context.changed(key);
    context.changed_more(changes.saturating_sub(1));
    context.notify(Class::STRING, "pfadd", key);
    reply.integer(1);
    Ok(())
}

fn pfadd_would_write(view: &View<'_>, arguments: &Arguments<'_>) -> bool {
    let key = arguments.at(1);
    let Some(entry) = view.peek(key) else {
        return true;
    };
    let Ok(bytes) = crate::string::Text::of(entry.value()) else {
        return false;
    };
    let mut ranks = arguments.skip(2).iter().map(Rank::of);
    Form::whole(&bytes).is_ok_and(|form| ranks.any(|rank| form.is_below(rank)))
}

fn pfcount(
    context: &mut Context<'_>,
    arguments: &Arguments<'_>,
    reply: &mut dyn Reply,
) -> Result<(), Error> {
    if arguments.len() > 2 {
        let keys = arguments.skip(1);
        let (registers, _) = merged(&context.view(), keys)?;
        let mut histogram = Histogram::default();
        for value in registers.iter() {
            histogram.add(*value, 1);
        }
        reply.integer(histogram.count() as i64);
        return Ok(());
    }
    let key = arguments.at(1);
    let (count, is_kept) = match context.view().string(key)? {
        None => (0, true),
        Some(bytes) => {
            Form::of(&bytes)?;
            match kept_count(&bytes) {
                Some(count) => (count, true),
                None => (Form::whole(&bytes)?.count(), false),
            }
        }
    };
    if !is_kept {
        context.edit_string(key, head::COUNT..HEAD_BYTES, |kept| {
            kept.copy_from_slice(&count.to_le_bytes());
        });
        context.changed(key);
    }
    reply.integer(count as i64);
    Ok(())
}

fn pfcount_would_write(view: &View<'_>, arguments: &Arguments<'_>) -> bool {
    if arguments.len() > 2 {
        return false;
    }
    let Some(entry) = view.peek(arguments.at(1)) else {
        return false;
    };
    crate::string::Text::of(entry.value())
        .is_ok_and(|bytes| Form::of(&bytes).is_ok() && kept_count(&bytes).is_none())
}

/// The highest values of each register in the counters at some keys, and whether one of them is dense.
fn merged(view: &View<'_>, keys: Arguments<'_>) -> Result<(Box<[u8; REGISTERS]>, bool), Error> {
    let mut registers = Box::new([0; REGISTERS]);
    let mut is_dense = false;
    for key in keys.iter() {
        let Some(bytes) = view.string(key)? else {
            continue;
        };
        let form = Form::whole(&bytes)?;
        is_dense |= matches!(form, Form::Dense(_));
        form.raise(&mut registers);
    }
    Ok((registers, is_dense))
}

fn pfmerge(
    context: &mut Context<'_>,
    arguments: &Arguments<'_>,
    reply: &mut dyn Reply,
) -> Result<(), Error> {
    // Sources whose time has come are removed, though they count as absent anyway.
    let keys = arguments.skip(1);
    for key in keys.iter() {
        context.exists(key);
    }
    let (registers, is_dense) = merged(&context.view(), keys)?;
    let sparse_bytes_max = context.settings().hll_sparse_bytes_max;
    let key = arguments.at(1);
    let sought = context.seek(key);
    context.edit_whole_string_at(sought, key, |bytes, start| {
        if bytes.len() == start {
            bytes.extend_from_slice(&EMPTY);
        }
        if is_dense && bytes[start + head::FORM] == head::SPARSE {
            make_dense(bytes, start);
        }
        for (register, &value) in registers.iter().enumerate() {
            if value > 0 {
                raise(bytes, start, Rank { register, value }, sparse_bytes_max);
            }
        }
        bytes[start + head::IS_OLD] |= head::OLD;
    });
    context.changed(key);
    context.notify(Class::STRING, "pfadd", key);
    reply.ok();
    Ok(())
}

#[cfg(test)]
mod tests;
