//! A record's bytes (`docs/formats/log.md`, "A record").

use std::ops::Range;

use super::{Arguments, Kind, Record, Scratch};
use crate::Error;
use crate::varint;

/// Which of the fields that are mostly zero are there; a field that is zero is not.
mod present {
    pub(super) const GROUP: u16 = 1 << 0;
    pub(super) const DATABASE: u16 = 1 << 1;
    pub(super) const CLIENT: u16 = 1 << 2;
    pub(super) const REQUEST_ID: u16 = 1 << 3;
    pub(super) const FUEL: u16 = 1 << 4;
    pub(super) const FLAGS: u16 = 1 << 5;
    pub(super) const NOW_MS: u16 = 1 << 6;
    pub(super) const SEED: u16 = 1 << 7;
    pub(super) const USER: u16 = 1 << 8;
    pub(super) const SERVE: u16 = 1 << 9;
    pub(super) const KNOWN: u16 = (1 << 10) - 1;
}

/// Kind, presence, seven numbers, request id, seed: never more than this.
const HEAD_BYTES_MAX: usize = 128;

const TOO_LARGE: Error = Error::Record {
    what: "it is 4 GiB or larger",
};

pub(super) fn encode(record: &Record<'_>, to: &mut Vec<u8>) -> Result<(), Error> {
    let mut bytes_total = 0;
    let mut lengths_total = 0;
    for &Range { start, end } in record.arguments.ranges {
        if start > end || end as usize > record.arguments.bytes.len() {
            return Err(Error::Record {
                what: "a range lies outside the arguments' bytes",
            });
        }
        bytes_total += u64::from(end - start);
        lengths_total += varint::length(u64::from(end - start));
    }
    let upper = HEAD_BYTES_MAX as u64
        + record.user.len() as u64
        + record.serve.len() as u64 * 15
        + 3 * varint::BYTES_MAX as u64
        + lengths_total as u64
        + bytes_total;
    if upper > u64::from(u32::MAX) {
        return Err(TOO_LARGE);
    }
    to.reserve(upper as usize);

    let mut head = [0; HEAD_BYTES_MAX];
    let mut present = 0;
    head[0] = record.kind as u8;
    let mut at = 3;
    for number in [record.term, record.leader, record.index] {
        at += varint::write(&mut head[at..], number);
    }
    let mut number = |bit: u16, value: u64, at: &mut usize| {
        if value != 0 {
            present |= bit;
            *at += varint::write(&mut head[*at..], value);
        }
    };
    number(present::GROUP, record.group, &mut at);
    number(present::DATABASE, u64::from(record.database), &mut at);
    number(present::CLIENT, record.client, &mut at);
    number(present::FUEL, record.fuel, &mut at);
    number(present::FLAGS, u64::from(record.flags), &mut at);
    number(present::NOW_MS, record.now_ms, &mut at);
    if record.request_id != 0 {
        present |= present::REQUEST_ID;
        head[at..at + 16].copy_from_slice(&record.request_id.to_le_bytes());
        at += 16;
    }
    if record.seed != 0 {
        present |= present::SEED;
        head[at..at + 8].copy_from_slice(&record.seed.to_le_bytes());
        at += 8;
    }
    if !record.user.is_empty() {
        present |= present::USER;
    }
    if !record.serve.is_empty() {
        present |= present::SERVE;
    }
    head[1..3].copy_from_slice(&present.to_le_bytes());
    to.extend_from_slice(&head[..at]);

    if !record.user.is_empty() {
        push(to, record.user.len() as u64);
        to.extend_from_slice(record.user);
    }
    if !record.serve.is_empty() {
        push(to, record.serve.len() as u64);
        for &(wait, key) in record.serve {
            push(to, wait);
            push(to, u64::from(key));
        }
    }
    push(to, record.arguments.len() as u64);
    for &Range { start, end } in record.arguments.ranges {
        push(to, u64::from(end - start));
    }
    for &Range { start, end } in record.arguments.ranges {
        to.extend_from_slice(&record.arguments.bytes[start as usize..end as usize]);
    }
    Ok(())
}

#[inline]
fn push(to: &mut Vec<u8>, value: u64) {
    if value < 0x80 {
        to.push(value as u8);
    } else {
        let mut bytes = [0; varint::BYTES_MAX];
        let length = varint::write(&mut bytes, value);
        to.extend_from_slice(&bytes[..length]);
    }
}

pub(super) fn decode<'a>(
    bytes: &'a [u8],
    scratch: &'a mut Scratch,
) -> Result<Record<'a>, &'static str> {
    const CUT: &str = "a record is cut, or a number in it has not its shortest form";
    scratch.ranges.clear();
    scratch.serve.clear();
    if u32::try_from(bytes.len()).is_err() {
        return Err("a record is 4 GiB or larger");
    }
    let mut rest = bytes;
    let [kind, low, high, ..] = *rest else {
        return Err(CUT);
    };
    rest = &rest[3..];
    let kind = Kind::from_number(kind).ok_or("a record has a kind that is not known")?;
    let present = u16::from_le_bytes([low, high]);
    if present & !present::KNOWN != 0 {
        return Err("a record has fields that are not known");
    }
    let term = varint::read(&mut rest).ok_or(CUT)?;
    let leader = varint::read(&mut rest).ok_or(CUT)?;
    let index = varint::read(&mut rest).ok_or(CUT)?;
    let mut number = |bit: u16| -> Result<u64, &'static str> {
        if present & bit == 0 {
            return Ok(0);
        }
        match varint::read(&mut rest) {
            Some(0) => Err("a record has a field that is there and zero"),
            Some(value) => Ok(value),
            None => Err(CUT),
        }
    };
    let small = |value: u64| u32::try_from(value).map_err(|_| "a number in a record is too large");
    let group = number(present::GROUP)?;
    let database = small(number(present::DATABASE)?)?;
    let client = number(present::CLIENT)?;
    let fuel = number(present::FUEL)?;
    let flags = small(number(present::FLAGS)?)?;
    let now_ms = number(present::NOW_MS)?;
    let mut request_id = 0;
    if present & present::REQUEST_ID != 0 {
        let (id, after) = rest.split_first_chunk().ok_or(CUT)?;
        request_id = u128::from_le_bytes(*id);
        rest = after;
    }
    let mut seed = 0;
    if present & present::SEED != 0 {
        let (bits, after) = rest.split_first_chunk().ok_or(CUT)?;
        seed = u64::from_le_bytes(*bits);
        rest = after;
    }
    // A count is believed only as far as there are bytes for it: nothing is reserved on a stranger's word.
    let count = |present: bool, rest: &mut &[u8]| -> Result<usize, &'static str> {
        if !present {
            return Ok(0);
        }
        let count = varint::read(rest).ok_or(CUT)?;
        usize::try_from(count)
            .ok()
            .filter(|&count| count <= rest.len())
            .ok_or(CUT)
    };
    let user_bytes = count(present & present::USER != 0, &mut rest)?;
    let (user, after) = rest.split_at(user_bytes);
    rest = after;
    let serves = count(present & present::SERVE != 0, &mut rest)?;
    if (request_id == 0 && present & present::REQUEST_ID != 0)
        || (seed == 0 && present & present::SEED != 0)
        || (user.is_empty() && present & present::USER != 0)
        || (serves == 0 && present & present::SERVE != 0)
    {
        return Err("a record has a field that is there and zero");
    }
    for _ in 0..serves {
        let wait = varint::read(&mut rest).ok_or(CUT)?;
        let key = small(varint::read(&mut rest).ok_or(CUT)?)?;
        scratch.serve.push((wait, key));
    }
    let arguments = count(true, &mut rest)?;
    let mut end = 0u64;
    for _ in 0..arguments {
        let length = varint::read(&mut rest).ok_or(CUT)?;
        let start = end;
        end = end.checked_add(length).ok_or(CUT)?;
        if end > bytes.len() as u64 {
            return Err(CUT);
        }
        scratch.ranges.push(start as u32..end as u32);
    }
    if end != rest.len() as u64 {
        return Err("a record is shorter or longer than its arguments");
    }
    Ok(Record {
        group,
        term,
        leader,
        index,
        kind,
        database,
        user,
        client,
        request_id,
        fuel,
        flags,
        now_ms,
        seed,
        serve: &scratch.serve,
        arguments: Arguments {
            bytes: rest,
            ranges: &scratch.ranges,
        },
    })
}
