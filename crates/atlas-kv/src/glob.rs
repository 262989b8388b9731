//! Redis's patterns: `*`, `?`, `[a-z]`, `[^a-z]` and `\` before a byte that means itself.
//!
//! A pattern comes from a client, and so may be made to take long. Matching walks without recursion and returns to the
//! last `*` only, which is enough: what stands between two of them is of fixed length, and its first match is as good as
//! any later one. What remains quadratic (a long piece behind a `*`, a long `[…]`) is bounded by [`Steps`].

use crate::Error;

/// Steps that a pattern may take whatever it is compared with.
const STEPS_FREE: u64 = 1 << 22;
/// Steps of [`Steps::few`].
const STEPS_FEW: u64 = 1 << 17;
/// Steps granted for each byte compared: patterns that people write take one or two.
const STEPS_A_BYTE: u64 = 64;

/// How many steps comparisons may still take; one for each command, however many strings it compares.
///
/// Every comparison brings some for the bytes that it is about, so that a command over a million keys is not refused for
/// their number; what a pattern takes beyond that is limited.
#[derive(Clone, Debug)]
pub struct Steps {
    left: u64,
    a_byte: u64,
}

impl Default for Steps {
    fn default() -> Self {
        Self {
            left: STEPS_FREE,
            a_byte: STEPS_A_BYTE,
        }
    }
}

impl Steps {
    /// As many as a command has.
    pub fn new() -> Self {
        Self::default()
    }

    /// As many as one of many patterns has that every message is compared with: enough for several stars over 64 KiB.
    pub fn few() -> Self {
        Self {
            left: STEPS_FEW,
            a_byte: 0,
        }
    }

    fn grant(&mut self, bytes: usize) {
        let granted = self.a_byte * (bytes as u64 + 1);
        self.left = (self.left + granted).min(STEPS_FREE.max(granted));
    }

    fn take(&mut self, count: usize) -> Result<(), Error> {
        match self.left.checked_sub(count as u64) {
            Some(left) => {
                self.left = left;
                Ok(())
            }
            None => {
                self.left = 0;
                Err(Error::fixed(
                    "ERR the pattern takes too many steps to compare",
                ))
            }
        }
    }
}

/// True if all of `text` is what `pattern` describes.
///
/// As in Redis, an empty text matches the empty pattern only, not even `*`.
///
/// # Errors
/// If the comparison takes more steps than are left.
pub fn matches(pattern: &[u8], text: &[u8], steps: &mut Steps) -> Result<bool, Error> {
    walk(pattern, text, false, steps)
}

/// As [`matches()`], whatever the case of ASCII letters.
///
/// # Errors
/// If the comparison takes more steps than are left.
pub fn matches_caseless(pattern: &[u8], text: &[u8], steps: &mut Steps) -> Result<bool, Error> {
    walk(pattern, text, true, steps)
}

/// True if the pattern describes one text only, itself: no byte of it means anything else.
pub fn is_literal(pattern: &[u8]) -> bool {
    !pattern
        .iter()
        .any(|byte| matches!(byte, b'*' | b'?' | b'[' | b'\\'))
}

fn walk(pattern: &[u8], text: &[u8], caseless: bool, steps: &mut Steps) -> Result<bool, Error> {
    if text.is_empty() {
        return Ok(pattern.is_empty());
    }
    steps.grant(text.len());
    let (mut at, mut position) = (0, 0);
    // Behind the last star, and where in the text what stands there was tried last.
    let mut star = None;
    while let Some(&byte) = text.get(position) {
        if pattern.get(at) == Some(&b'*') {
            let stars = stars_at(pattern, at);
            steps.take(stars)?;
            at += stars;
            if at == pattern.len() {
                return Ok(true);
            }
            star = Some((at, position));
        }
        let one = pattern.get(at..).and_then(|rest| one(rest, byte, caseless));
        if let Some(one) = one {
            steps.take(one.length)?;
            if one.is_match {
                at += one.length;
                position += 1;
                continue;
            }
        }
        let Some((behind, tried)) = star else {
            return Ok(false);
        };
        steps.take(1)?;
        star = Some((behind, tried + 1));
        (at, position) = (behind, tried + 1);
    }
    Ok(at + stars_at(pattern, at) == pattern.len())
}

fn stars_at(pattern: &[u8], at: usize) -> usize {
    pattern
        .iter()
        .skip(at)
        .take_while(|&&byte| byte == b'*')
        .count()
}

/// What a piece of a pattern that stands for one byte says to a byte.
struct One {
    length: usize,
    is_match: bool,
}

/// Compares the piece at the beginning of `pattern`, which is no star; none at the pattern's end.
fn one(pattern: &[u8], byte: u8, caseless: bool) -> Option<One> {
    let (length, is_match) = match *pattern {
        [] => return None,
        [b'?', ..] => (1, true),
        [b'[', ref class @ ..] => {
            let (length, is_match) = class_matches(class, byte, caseless);
            (1 + length, is_match)
        }
        [b'\\', escaped, ..] => (2, same(escaped, byte, caseless)),
        [literal, ..] => (1, same(literal, byte, caseless)),
    };
    Some(One { length, is_match })
}

/// Compares a byte with what stands behind a `[`; how long that is with its `]`. Without a `]` it reaches to the
/// pattern's end.
fn class_matches(class: &[u8], byte: u8, caseless: bool) -> (usize, bool) {
    let is_negated = class.first() == Some(&b'^');
    let mut at = usize::from(is_negated);
    let mut found = false;
    loop {
        match *class.get(at..).unwrap_or_default() {
            [] => break,
            [b'\\', escaped, ..] => {
                // Escaped bytes are compared as they are, whatever the case.
                found |= escaped == byte;
                at += 2;
            }
            [b']', ..] => {
                at += 1;
                break;
            }
            [first, b'-', last, ..] => {
                found |= in_range(first, last, byte, caseless);
                at += 3;
            }
            [literal, ..] => {
                found |= same(literal, byte, caseless);
                at += 1;
            }
        }
    }
    (at, found != is_negated)
}

fn same(left: u8, right: u8, caseless: bool) -> bool {
    left == right || caseless && left.eq_ignore_ascii_case(&right)
}

/// True if the byte lies between two others, whichever is the lower. Bytes from 128 on come before the others, as where
/// Redis runs.
fn in_range(first: u8, last: u8, byte: u8, caseless: bool) -> bool {
    let signed = |byte: u8| byte.cast_signed();
    let (low, high) = if signed(first) <= signed(last) {
        (first, last)
    } else {
        (last, first)
    };
    // The ends change places before their case is dropped, as in Redis.
    let folded = |byte: u8| {
        signed(if caseless {
            byte.to_ascii_lowercase()
        } else {
            byte
        })
    };
    (folded(low)..=folded(high)).contains(&folded(byte))
}

#[cfg(test)]
mod tests;
