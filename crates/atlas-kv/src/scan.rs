//! What the `SCAN` family shares: cursors and options.
//!
//! A cursor counts the positions that are still to be visited, and walks **down**. Removal moves the last element into
//! the gap: an element that has not been visited yet can only move further down, to where the walk is still to come, so
//! whatever is there from the first call to the last is answered. (Upwards, the last element would jump to where the walk
//! has been, and be missed.) Elements that come or go meanwhile may be answered or not, and some twice.

use std::ops::Range;

use crate::glob::{self, Steps};
use crate::{Arguments, Error, Reply};

/// Positions that a call visits if it does not say how many.
const COUNT_DEFAULT: usize = 10;
/// A cursor's lower half counts positions of a part, its upper half parts.
const PART_BITS: u32 = 32;

/// Reads a cursor: decimal digits of up to 64 bits. As in Redis, which reads them with C's `strtoul`, a sign may come
/// first, and what follows a zero byte is not looked at.
pub(crate) fn cursor(argument: &[u8]) -> Result<u64, Error> {
    const INVALID: Error = Error::fixed("ERR invalid cursor");
    let text = argument.split(|&byte| byte == 0).next();
    let (is_negative, digits) = match text.unwrap_or_default() {
        // Nothing at all is read as nought.
        [] => return Ok(0),
        [b'-', digits @ ..] => (true, digits),
        [b'+', digits @ ..] => (false, digits),
        digits => (false, digits),
    };
    let value = crate::number::digits(digits).ok_or(INVALID)?;
    Ok(if is_negative {
        value.wrapping_neg()
    } else {
        value
    })
}

/// What a call asks for behind its cursor.
#[derive(Debug)]
pub(crate) struct Options<'a> {
    /// How many positions it wants visited; at least 1.
    pub(crate) count: usize,
    /// Elements of another type are left out (`SCAN` only).
    pub(crate) type_name: Option<&'a [u8]>,
    pattern: Option<&'a [u8]>,
    steps: Steps,
}

impl<'a> Options<'a> {
    /// Reads the arguments from `first` on; `TYPE` only where `has_type` says so.
    pub(crate) fn parse(
        arguments: &Arguments<'a>,
        first: usize,
        has_type: bool,
    ) -> Result<Self, Error> {
        let mut options = Self {
            count: COUNT_DEFAULT,
            type_name: None,
            pattern: None,
            steps: Steps::new(),
        };
        let mut at = first;
        while at < arguments.len() {
            let Some(value) = arguments.get(at + 1) else {
                return Err(Error::Syntax);
            };
            if arguments.is(at, "count") {
                let count = crate::number::integer(value).ok_or(Error::NotInteger)?;
                if count < 1 {
                    return Err(Error::Syntax);
                }
                options.count = usize::try_from(count).unwrap_or(usize::MAX);
            } else if arguments.is(at, "match") {
                // A single star matches everything, even nothing.
                options.pattern = (value != b"*").then_some(value);
            } else if has_type && arguments.is(at, "type") {
                options.type_name = Some(value);
            } else {
                return Err(Error::Syntax);
            }
            at += 2;
        }
        Ok(options)
    }

    /// True if an element of this name is wanted.
    ///
    /// # Errors
    /// If the pattern takes too many steps.
    pub(crate) fn wants(&mut self, name: &[u8]) -> Result<bool, Error> {
        match self.pattern {
            None => Ok(true),
            Some(pattern) => glob::matches(pattern, name, &mut self.steps),
        }
    }
}

/// The positions of a dense array that a call visits, from the last to the first; where they begin is the next cursor.
pub(crate) fn positions(cursor: u64, length: usize, count: usize) -> Range<usize> {
    let end = match usize::try_from(cursor) {
        Ok(0) => length,
        Ok(left) => left.min(length),
        Err(_) => length,
    };
    end.saturating_sub(count)..end
}

/// As [`positions`] for an array in parts, of which `length` tells how many elements each has: what is visited of which
/// part, in order, and the next cursor. Parts are visited from the last to the first, too.
pub(crate) fn pieces(
    cursor: u64,
    parts: usize,
    count: usize,
    length: impl Fn(usize) -> usize,
) -> (Vec<(usize, Range<usize>)>, u64) {
    let all = u64::from(u32::MAX);
    let (mut part, mut left) = match (cursor >> PART_BITS, cursor & all) {
        (0, 0) => (parts as u64, 0),
        (part, left) if part < parts as u64 => (part, left),
        // A cursor that nobody gave: from the beginning.
        _ => (parts as u64, 0),
    };
    let mut pieces = Vec::new();
    let mut missing = count;
    loop {
        if left == 0 {
            if part == 0 {
                return (pieces, 0);
            }
            part -= 1;
            left = all;
        }
        if missing == 0 {
            return (pieces, part << PART_BITS | left);
        }
        let end = (left as usize).min(length(part as usize));
        let visited = end.saturating_sub(missing)..end;
        missing -= visited.len();
        left = visited.start as u64;
        if !visited.is_empty() {
            pieces.push((part as usize, visited));
        }
    }
}

/// Answers a call's beginning: the next cursor, and that `length` elements follow.
pub(crate) fn answer(reply: &mut dyn Reply, next: u64, length: usize) {
    reply.array(2);
    // Digits of a cursor below 2^63, which all of ours are.
    reply.bulk(crate::number::Decimal::new(next.cast_signed()).as_bytes());
    reply.array(length);
}

#[cfg(test)]
mod tests;
