//! The decoder: where it is in the buffer, and what it waits for.

use std::mem;
use std::ops::Range;

use memchr::memchr;

use super::{Limits, Violation, inline, is_http};
use crate::number;

/// The largest count and length that Redis reads at all; above them even a stranger is told that they are invalid.
const COUNT_MAX: i64 = i32::MAX as i64;
const LENGTH_MAX: i64 = 512 * 1024 * 1024;
/// What the shortest argument takes on the wire: `$0`, and two line ends.
const ARGUMENT_BYTES_MIN: u64 = 6;

/// Finds the commands in a connection's input. One a connection; it holds nothing but where it is.
#[derive(Debug, Default)]
pub struct Decoder {
    /// Where the command in progress begins.
    start: usize,
    /// The first byte that is not understood yet.
    position: usize,
    /// Up to here there is no end of the line that begins at `position`.
    scanned: usize,
    /// Arguments that are still to come; 0 between commands.
    remaining: u32,
    /// The length of the argument that is being waited for, once its header is read.
    bulk: Option<u32>,
    /// The arguments of an incomplete command, while the caller's list serves others.
    pending: Vec<Range<u32>>,
}

/// How far the decoder came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Progress {
    /// A command; its arguments are in the caller's list.
    Command,
    /// The rest of the buffer is not a whole command.
    Incomplete {
        /// How many bytes are missing at least. A hint for the size of the next read: whoever reserves memory by it
        /// believes a stranger, so bound it.
        missing: u32,
    },
}

/// What a call may look at.
struct Input<'a> {
    buffer: &'a mut [u8],
    limits: &'a Limits,
}

impl Decoder {
    /// Looks for the next command in `buffer`, which holds everything from the connection's first byte on, except what
    /// was [discarded](Self::discard).
    ///
    /// After [`Progress::Command`] the command's arguments are in `arguments` (there is at least one), as ranges of
    /// `buffer` that hold until the buffer changes. An inline command's quotes and escapes are resolved in the buffer
    /// itself, within the command's own bytes. The list may be used for other connections in between; it is emptied
    /// here.
    ///
    /// Empty commands (`*0`, `*-1`, an empty line) are passed over, as Redis does.
    ///
    /// # Errors
    /// A [`Violation`]: the client is told, and the connection closed.
    pub fn decode(
        &mut self,
        buffer: &mut [u8],
        limits: &Limits,
        arguments: &mut Vec<Range<u32>>,
    ) -> Result<Progress, Violation> {
        arguments.clear();
        if u32::try_from(buffer.len()).is_err() {
            return Err(Violation::Command);
        }
        let mut input = Input { buffer, limits };
        if self.remaining == 0 {
            if let Some(progress) = self.begin(&mut input, arguments)? {
                return Ok(progress);
            }
        } else {
            mem::swap(arguments, &mut self.pending);
        }
        let progress = self.bulks(&input, arguments)?;
        if progress == Progress::Command {
            self.start = self.position;
            self.pending = Vec::new();
        } else {
            mem::swap(arguments, &mut self.pending);
        }
        Ok(progress)
    }

    /// How many bytes at the buffer's beginning are of no more use once the last command has been dealt with.
    pub fn consumed(&self) -> usize {
        self.start
    }

    /// Tells that the buffer's first `count` bytes were removed.
    ///
    /// # Panics
    /// If more was removed than has been [consumed](Self::consumed).
    pub fn discard(&mut self, count: usize) {
        assert!(
            count <= self.start,
            "{count} bytes were removed and only {} are consumed",
            self.start
        );
        self.start -= count;
        self.position -= count;
        self.scanned = self.scanned.saturating_sub(count);
        for range in &mut self.pending {
            // Ranges of this command lie behind its start; both fit, because a larger buffer is refused.
            range.start -= count as u32;
            range.end -= count as u32;
        }
    }

    /// Reads a command's beginning: the count of its arguments, or all of an inline command. None if arguments follow.
    #[inline]
    fn begin(
        &mut self,
        input: &mut Input<'_>,
        arguments: &mut Vec<Range<u32>>,
    ) -> Result<Option<Progress>, Violation> {
        loop {
            let Some(line) = input.buffer.get(self.position..) else {
                return Ok(Some(Progress::Incomplete { missing: 1 }));
            };
            match line.first() {
                None => return Ok(Some(Progress::Incomplete { missing: 1 })),
                Some(b'*') => {
                    let (count, next) = match number::short(line) {
                        Some((count, next)) => (i64::from(count), next),
                        None => match self.header(input, Violation::MultibulkLine)? {
                            None => return Ok(Some(Progress::Incomplete { missing: 1 })),
                            Some((None, _)) => return Err(Violation::MultibulkLength),
                            Some((Some(count), next)) => (count, next),
                        },
                    };
                    let count = admit_count(count, input.limits)?;
                    self.position += next;
                    if count > 0 {
                        self.remaining = count;
                        return Ok(None);
                    }
                    self.start = self.position;
                }
                Some(_) => {
                    if let Some(progress) = self.inline(input, arguments)? {
                        return Ok(Some(progress));
                    }
                }
            }
        }
    }

    /// Reads arguments until the last one or the buffer's end.
    #[inline]
    fn bulks(
        &mut self,
        input: &Input<'_>,
        arguments: &mut Vec<Range<u32>>,
    ) -> Result<Progress, Violation> {
        while self.remaining > 0 {
            let length = match self.bulk {
                Some(length) => length,
                None => {
                    let line = input.buffer.get(self.position..).unwrap_or_default();
                    let (length, next) = match number::short(line) {
                        Some((length, next)) if line.first() == Some(&b'$') => {
                            (i64::from(length), next)
                        }
                        _ => match self.header(input, Violation::BulkLine)? {
                            None => return Ok(Progress::Incomplete { missing: 1 }),
                            Some((length, next)) => match line.first() {
                                Some(b'$') => (length.ok_or(Violation::BulkLength)?, next),
                                Some(&got) => return Err(Violation::ExpectedBulk { got }),
                                None => return Ok(Progress::Incomplete { missing: 1 }),
                            },
                        },
                    };
                    let before = self.position + next - self.start;
                    let length = admit_length(length, before, input.limits)?;
                    self.position += next;
                    length
                }
            };
            let end = self.position + length as usize;
            // Two bytes end an argument. They are not looked at: neither does Redis.
            if let Some(missing) = (end + 2).checked_sub(input.buffer.len())
                && missing > 0
            {
                self.bulk = Some(length);
                return Ok(Progress::Incomplete {
                    missing: u32::try_from(missing).unwrap_or(u32::MAX),
                });
            }
            self.bulk = None;
            // Both fit, because a larger buffer is refused.
            arguments.push(self.position as u32..end as u32);
            self.position = end + 2;
            self.remaining -= 1;
        }
        Ok(Progress::Command)
    }

    /// Reads a header's line the long way: its number, if it is one, and where the next line begins. None if the line's
    /// end has not come.
    #[cold]
    fn header(
        &mut self,
        input: &Input<'_>,
        too_long: Violation,
    ) -> Result<Option<(Option<i64>, usize)>, Violation> {
        let Some(end) = self.line_end(input, b'\r', too_long)? else {
            return Ok(None);
        };
        if end + 1 >= input.buffer.len() {
            return Ok(None);
        }
        let text = input.buffer.get(self.position + 1..end).unwrap_or_default();
        Ok(Some((number::integer(text), end + 2 - self.position)))
    }

    /// Finds the end of the line that begins at `position`, within the limit; goes on where it stopped last time.
    fn line_end(
        &mut self,
        input: &Input<'_>,
        byte: u8,
        too_long: Violation,
    ) -> Result<Option<usize>, Violation> {
        let limit = self.position + input.limits.inline_bytes_max as usize + 1;
        let until = limit.min(input.buffer.len());
        let from = self.scanned.clamp(self.position, until);
        match memchr(byte, input.buffer.get(from..until).unwrap_or_default()) {
            Some(at) => Ok(Some(from + at)),
            None if until == limit => Err(too_long),
            None => {
                self.scanned = until;
                Ok(None)
            }
        }
    }

    /// Reads an inline command. None for an empty line.
    #[cold]
    fn inline(
        &mut self,
        input: &mut Input<'_>,
        arguments: &mut Vec<Range<u32>>,
    ) -> Result<Option<Progress>, Violation> {
        let Some(end) = self.line_end(input, b'\n', Violation::InlineLine)? else {
            return Ok(Some(Progress::Incomplete { missing: 1 }));
        };
        let line = input.buffer.get(self.position..end).unwrap_or_default();
        if memchr(0, line).is_some() {
            return Err(Violation::ZeroByte);
        }
        let text_end = if line.last() == Some(&b'\r') {
            end - 1
        } else {
            end
        };
        inline::split(
            input.buffer,
            self.position..text_end,
            input.limits,
            arguments,
        )?;
        let Some(first) = arguments.first() else {
            self.position = end + 1;
            self.start = self.position;
            return Ok(None);
        };
        if is_http(
            input
                .buffer
                .get(first.start as usize..first.end as usize)
                .unwrap_or_default(),
        ) {
            return Err(Violation::Http);
        }
        self.position = end + 1;
        self.start = self.position;
        Ok(Some(Progress::Command))
    }
}

/// Checks a count of arguments; 0 stands for an empty command.
#[inline(always)]
fn admit_count(count: i64, limits: &Limits) -> Result<u32, Violation> {
    if count <= 0 {
        return Ok(0);
    }
    let fits = count <= i64::from(limits.arguments_max)
        && count as u64 * ARGUMENT_BYTES_MIN <= u64::from(limits.command_bytes_max);
    if fits {
        Ok(count as u32)
    } else if limits.before_login && count <= COUNT_MAX {
        Err(Violation::UnauthenticatedMultibulkLength)
    } else {
        Err(Violation::MultibulkLength)
    }
}

/// Checks an argument's length; `before` is what its command took before its first byte.
#[inline(always)]
fn admit_length(length: i64, before: usize, limits: &Limits) -> Result<u32, Violation> {
    if length < 0 || length > i64::from(limits.bulk_bytes_max) {
        return Err(
            if limits.before_login && (0..=LENGTH_MAX).contains(&length) {
                Violation::UnauthenticatedBulkLength
            } else {
                Violation::BulkLength
            },
        );
    }
    if before as u64 + length as u64 + 2 > u64::from(limits.command_bytes_max) {
        return Err(if limits.before_login {
            Violation::UnauthenticatedBulkLength
        } else {
            Violation::Command
        });
    }
    Ok(length as u32)
}

#[cfg(test)]
mod tests;
