//! Inline commands: a line of words, as a person types it into a terminal.

use std::ops::Range;

use super::{Limits, Violation};

/// Splits `buffer[line]` into words as Redis does and appends their ranges.
///
/// Words are separated by blanks. Inside double quotes `\n \r \t \b \a \xHH` are escapes and any other character behind
/// a backslash stands for itself; inside single quotes only `\'` is one. A closing quote ends its word. What quotes and
/// escapes leave is never longer than what was sent, so it is written over it, in place.
pub(super) fn split(
    buffer: &mut [u8],
    line: Range<usize>,
    limits: &Limits,
    arguments: &mut Vec<Range<u32>>,
) -> Result<(), Violation> {
    let Some(line_bytes) = buffer.get_mut(line.clone()) else {
        return Ok(());
    };
    let mut words = Words {
        line: line_bytes,
        read: 0,
        written: 0,
    };
    while let Some(word) = words.next()? {
        if arguments.len() >= limits.arguments_max as usize {
            return Err(if limits.before_login {
                Violation::UnauthenticatedMultibulkLength
            } else {
                Violation::MultibulkLength
            });
        }
        // The decoder refuses buffers in which a range would not fit.
        arguments.push((line.start + word.start) as u32..(line.start + word.end) as u32);
    }
    Ok(())
}

struct Words<'a> {
    line: &'a mut [u8],
    /// What is read next.
    read: usize,
    /// Where the next byte of a word goes; never past `read`.
    written: usize,
}

impl Words<'_> {
    fn next(&mut self) -> Result<Option<Range<usize>>, Violation> {
        while self.line.get(self.read).is_some_and(|&byte| is_space(byte)) {
            self.read += 1;
        }
        if self.read == self.line.len() {
            return Ok(None);
        }
        let start = self.written;
        while let Some(byte) = self.take() {
            match byte {
                b' ' | b'\n' | b'\r' | b'\t' => break,
                b'"' => {
                    self.double_quoted()?;
                    break;
                }
                b'\'' => {
                    self.single_quoted()?;
                    break;
                }
                other => self.put(other),
            }
        }
        Ok(Some(start..self.written))
    }

    fn double_quoted(&mut self) -> Result<(), Violation> {
        loop {
            match self.take().ok_or(Violation::UnbalancedQuotes)? {
                b'"' => return self.closed(),
                b'\\' => {
                    if let Some(byte) = self.hexadecimal() {
                        self.put(byte);
                    } else {
                        // A backslash at the very end leaves the quote open, which is found next.
                        match self.take().ok_or(Violation::UnbalancedQuotes)? {
                            b'n' => self.put(b'\n'),
                            b'r' => self.put(b'\r'),
                            b't' => self.put(b'\t'),
                            b'b' => self.put(8),
                            b'a' => self.put(7),
                            other => self.put(other),
                        }
                    }
                }
                other => self.put(other),
            }
        }
    }

    fn single_quoted(&mut self) -> Result<(), Violation> {
        loop {
            match self.take().ok_or(Violation::UnbalancedQuotes)? {
                b'\'' => return self.closed(),
                b'\\' if self.line.get(self.read) == Some(&b'\'') => {
                    self.read += 1;
                    self.put(b'\'');
                }
                other => self.put(other),
            }
        }
    }

    /// Behind a closing quote a blank must follow, or nothing.
    fn closed(&mut self) -> Result<(), Violation> {
        match self.line.get(self.read) {
            Some(&byte) if !is_space(byte) => Err(Violation::UnbalancedQuotes),
            _ => Ok(()),
        }
    }

    /// `xHH` behind a backslash.
    fn hexadecimal(&mut self) -> Option<u8> {
        let &[b'x', high, low] = self.line.get(self.read..self.read + 3)? else {
            return None;
        };
        let digit = |byte: u8| char::from(byte).to_digit(16).map(|digit| digit as u8);
        let byte = digit(high)? * 16 + digit(low)?;
        self.read += 3;
        Some(byte)
    }

    fn take(&mut self) -> Option<u8> {
        let byte = *self.line.get(self.read)?;
        self.read += 1;
        Some(byte)
    }

    fn put(&mut self, byte: u8) {
        if let Some(place) = self.line.get_mut(self.written) {
            *place = byte;
        }
        self.written += 1;
    }
}

/// C's `isspace`: two more than what separates words.
fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\n' | b'\r' | 0x0b | 0x0c)
}
