//! Counting and finding bits.

use std::ops::RangeInclusive;

use crate::view::View;
use crate::{Arguments, Error, Reply, number};

pub(super) fn bitcount(
    view: &View<'_>,
    arguments: &Arguments<'_>,
    reply: &mut dyn Reply,
) -> Result<(), Error> {
    // As in Redis, without a key nothing else is looked at.
    let Some(bytes) = view.string(arguments.at(1))? else {
        reply.integer(0);
        return Ok(());
    };
    let count = match arguments.len() {
        2 => ones(&bytes),
        4 | 5 => {
            let start = number::integer(arguments.at(2)).ok_or(Error::NotInteger)?;
            let end = number::integer(arguments.at(3)).ok_or(Error::NotInteger)?;
            if start < 0 && end < 0 && start > end {
                0
            } else {
                let unit = unit(arguments, 4)?;
                bits_between(bytes.len(), start, end, unit)
                    .map_or(0, |bits| ones_between(&bytes, bits))
            }
        }
        _ => return Err(Error::Syntax),
    };
    reply.integer(count as i64);
    Ok(())
}

pub(super) fn bitpos(
    view: &View<'_>,
    arguments: &Arguments<'_>,
    reply: &mut dyn Reply,
) -> Result<(), Error> {
    let wanted = match number::integer(arguments.at(2)).ok_or(Error::NotInteger)? {
        0 => false,
        1 => true,
        _ => return Err(Error::fixed("ERR The bit argument must be 1 or 0.")),
    };
    let Some(bytes) = view.string(arguments.at(1))? else {
        // No key is a row of zeros without end.
        reply.integer(if wanted { -1 } else { 0 });
        return Ok(());
    };
    if arguments.len() > 6 {
        return Err(Error::Syntax);
    }
    let mut start = 0;
    let mut end = None;
    let mut bits_a_unit = 8;
    if arguments.len() > 3 {
        start = number::integer(arguments.at(3)).ok_or(Error::NotInteger)?;
        bits_a_unit = unit(arguments, 5)?;
    }
    if arguments.len() > 4 {
        end = Some(number::integer(arguments.at(4)).ok_or(Error::NotInteger)?);
    }
    let found =
        bits_between(bytes.len(), start, end.unwrap_or(i64::MAX), bits_a_unit).map(|bits| {
            match find(&bytes, bits, wanted) {
                Some(position) => position as i64,
                // Behind the string only zeros come, unless somebody said where to stop.
                None if !wanted && end.is_none() => bytes.len() as i64 * 8,
                None => -1,
            }
        });
    reply.integer(found.unwrap_or(-1));
    Ok(())
}

/// The bits of the unit that the argument at `position` names: bytes if there is none.
fn unit(arguments: &Arguments<'_>, position: usize) -> Result<i64, Error> {
    match arguments.get(position) {
        None => Ok(8),
        Some(word) if word.eq_ignore_ascii_case(b"byte") => Ok(8),
        Some(word) if word.eq_ignore_ascii_case(b"bit") => Ok(1),
        Some(_) => Err(Error::Syntax),
    }
}

/// The bits from unit `start` to unit `end`, both included, of a string of `len` bytes; negative units count from the
/// end. None if there are none.
fn bits_between(
    len: usize,
    start: i64,
    end: i64,
    bits_a_unit: i64,
) -> Option<RangeInclusive<usize>> {
    let units = len as i64 * 8 / bits_a_unit;
    let from_end = |unit: i64| {
        if unit < 0 {
            units.saturating_add(unit).max(0)
        } else {
            unit
        }
    };
    let (start, end) = (from_end(start), from_end(end).min(units - 1));
    (start <= end)
        .then(|| (start * bits_a_unit) as usize..=(end * bits_a_unit + bits_a_unit - 1) as usize)
}

fn ones(bytes: &[u8]) -> u64 {
    let (words, rest) = bytes.as_chunks::<8>();
    let of_words: u64 = words
        .iter()
        .map(|word| u64::from(u64::from_ne_bytes(*word).count_ones()))
        .sum();
    let of_rest: u64 = rest.iter().map(|byte| u64::from(byte.count_ones())).sum();
    of_words + of_rest
}

fn ones_between(bytes: &[u8], bits: RangeInclusive<usize>) -> u64 {
    let (start, end) = bits.into_inner();
    let (first, last) = (start / 8, end / 8);
    let Some(part) = bytes.get(first..=last) else {
        return 0;
    };
    let outside =
        |byte: Option<&u8>, mask: u8| byte.map_or(0, |byte| u64::from((byte & mask).count_ones()));
    ones(part) - outside(part.first(), !from(start)) - outside(part.last(), !up_to(end))
}

/// The first bit of a range that is `wanted`.
fn find(bytes: &[u8], bits: RangeInclusive<usize>, wanted: bool) -> Option<usize> {
    let (start, end) = bits.into_inner();
    let (first, last) = (start / 8, end / 8);
    // What is looked for becomes a one.
    let turned = |byte: u8| if wanted { byte } else { !byte };
    let inside = |position: usize, mask: u8| {
        let found = turned(*bytes.get(position)?) & mask;
        (found != 0).then(|| position * 8 + found.leading_zeros() as usize)
    };
    if first == last {
        return inside(first, from(start) & up_to(end));
    }
    inside(first, from(start))
        .or_else(|| {
            let between = bytes.get(first + 1..last)?;
            let skipped = first + 1 + first_other(between, turned(0))?;
            inside(skipped, 0xff)
        })
        .or_else(|| inside(last, up_to(end)))
}

/// Where the first byte is that is not `byte`.
fn first_other(bytes: &[u8], byte: u8) -> Option<usize> {
    let (words, _) = bytes.as_chunks::<16>();
    let same = words.iter().take_while(|word| **word == [byte; 16]).count() * 16;
    let rest = bytes.get(same..)?;
    rest.iter()
        .position(|other| *other != byte)
        .map(|position| same + position)
}

/// The bits of a byte from `bit` on.
fn from(bit: usize) -> u8 {
    0xff >> (bit % 8)
}

/// The bits of a byte up to `bit`.
fn up_to(bit: usize) -> u8 {
    0xff << (7 - bit % 8)
}
