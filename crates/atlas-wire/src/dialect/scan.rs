//! A pull scanner over JSON: finds the values at a few pointers in one pass, builds nothing, stops as soon as it can.
//!
//! It reads valid JSON rightly and other bytes harmlessly: it does not judge whether a document is valid, it only never
//! panics, never goes back, and never gives a value that its next byte could change. Of doubled keys the first counts.

use std::ops::ControlFlow;

use memchr::memchr2;

use super::pointer::Pointer;

/// The most bytes that stand for one: `\u0000`.
const LONGEST_ESCAPE: usize = 6;

/// A value as it stands in the document.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Raw<'a> {
    /// What stands between the quotes, escapes included.
    Text(&'a [u8]),
    /// The beginning of a text whose end the document's cuts off, escapes included. The last value found.
    Begun(&'a [u8]),
    /// The digits, sign, point and exponent.
    Number(&'a [u8]),
    /// An object, an array, `true`, `false` or `null`.
    Other,
}

/// Walks through `document` and calls `found` with the index of a pointer and the value it points to, each index at
/// most once, in the document's order. Ends with `found`'s break, the document's end, or the first byte that makes no
/// sense. At most eight pointers; empty ones are not looked for. True if the document was read to its last bracket, so
/// that what was not found is not there.
pub(super) fn scan<'a>(
    document: &'a [u8],
    pointers: &[&Pointer],
    found: impl FnMut(usize, Raw<'a>) -> ControlFlow<()>,
) -> bool {
    debug_assert!(pointers.len() <= 8, "one bit each");
    let wanted = pointers
        .iter()
        .enumerate()
        .filter(|(_, pointer)| !pointer.is_empty())
        .fold(0, |wanted, (index, _)| wanted | 1_u8 << index);
    let mut scanner = Scanner {
        document,
        at: 0,
        pointers,
        done: 0,
        found,
    };
    scanner.value(0, wanted).is_some()
}

struct Scanner<'a, 'p, F> {
    document: &'a [u8],
    at: usize,
    pointers: &'p [&'p Pointer],
    /// The pointers that were found, one bit each.
    done: u8,
    found: F,
}

impl<'a, F: FnMut(usize, Raw<'a>) -> ControlFlow<()>> Scanner<'a, '_, F> {
    /// Reads one value whose place matches the first `depth` steps of the `active` pointers. Goes no deeper than the
    /// longest pointer.
    fn value(&mut self, depth: usize, active: u8) -> Option<()> {
        let first = self.next_byte()?;
        let here = self.matching(active, |pointer| pointer.steps().len() == depth);
        if here != 0 {
            let start = self.at;
            let raw = match first {
                b'"' => match self.string() {
                    Some(text) => Raw::Text(text),
                    None => {
                        self.at = self.document.len();
                        Raw::Begun(&self.document[start + 1..])
                    }
                },
                b'-' | b'0'..=b'9' => Raw::Number(self.number()?),
                _ => Raw::Other,
            };
            self.done |= here;
            for index in (0..self.pointers.len()).filter(|index| here & 1 << index != 0) {
                if (self.found)(index, raw).is_break() {
                    return None;
                }
            }
            if self.at != start {
                return Some(());
            }
        }
        match first {
            b'{' if active != here => self.object(depth, active & !here),
            b'[' if active != here => self.array(depth, active & !here),
            _ => self.skip(),
        }
    }

    fn object(&mut self, depth: usize, active: u8) -> Option<()> {
        self.at += 1;
        loop {
            match self.next_byte()? {
                b'}' => {
                    self.at += 1;
                    return Some(());
                }
                b',' => self.at += 1,
                b'"' => {
                    let key = self.string()?;
                    if self.next_byte()? != b':' {
                        return None;
                    }
                    self.at += 1;
                    let inside = self.matching(active, |pointer| {
                        pointer
                            .steps()
                            .get(depth)
                            .is_some_and(|step| is_text(key, &step.key))
                    });
                    self.member(depth, inside)?;
                }
                _ => return None,
            }
        }
    }

    fn array(&mut self, depth: usize, active: u8) -> Option<()> {
        self.at += 1;
        let mut position = 0;
        loop {
            match self.next_byte()? {
                b']' => {
                    self.at += 1;
                    return Some(());
                }
                b',' => self.at += 1,
                _ => {
                    let inside = self.matching(active, |pointer| {
                        pointer
                            .steps()
                            .get(depth)
                            .is_some_and(|step| step.index == Some(position))
                    });
                    self.member(depth, inside)?;
                    position += 1;
                }
            }
        }
    }

    fn member(&mut self, depth: usize, inside: u8) -> Option<()> {
        if inside == 0 {
            self.next_byte()?;
            self.skip()
        } else {
            self.value(depth + 1, inside)
        }
    }

    /// Those of the `active` pointers that are still wanted and pass the test.
    fn matching(&self, active: u8, test: impl Fn(&Pointer) -> bool) -> u8 {
        let active = active & !self.done;
        let mut matching = 0;
        for (index, pointer) in self.pointers.iter().enumerate() {
            if active & 1 << index != 0 && test(pointer) {
                matching |= 1 << index;
            }
        }
        matching
    }

    /// The next byte that is no blank, not yet taken.
    fn next_byte(&mut self) -> Option<u8> {
        loop {
            let byte = *self.document.get(self.at)?;
            if !matches!(byte, b' ' | b'\t' | b'\n' | b'\r') {
                return Some(byte);
            }
            self.at += 1;
        }
    }

    /// Takes a string, whose opening quote is next, and gives what lies between the quotes.
    fn string(&mut self) -> Option<&'a [u8]> {
        let document = self.document;
        let start = self.at + 1;
        self.at = start;
        loop {
            self.at += memchr2(b'"', b'\\', document.get(self.at..)?)?;
            if document[self.at] == b'"' {
                let text = &document[start..self.at];
                self.at += 1;
                return Some(text);
            }
            // A backslash and what it escapes; of `\u` the digits are no quotes.
            self.at += 2;
        }
    }

    /// Takes a number; none if the document ends with it, for then more digits may follow.
    fn number(&mut self) -> Option<&'a [u8]> {
        let start = self.at;
        loop {
            match *self.document.get(self.at)? {
                b'0'..=b'9' | b'-' | b'+' | b'.' | b'e' | b'E' => self.at += 1,
                _ => return Some(&self.document[start..self.at]),
            }
        }
    }

    /// Takes a value without looking into it.
    fn skip(&mut self) -> Option<()> {
        let mut open = 0_usize;
        loop {
            match self.next_byte()? {
                b'"' => {
                    self.string()?;
                }
                b'{' | b'[' => {
                    open += 1;
                    self.at += 1;
                    continue;
                }
                b'}' | b']' => {
                    open = open.checked_sub(1)?;
                    self.at += 1;
                }
                b',' | b':' if open > 0 => {
                    self.at += 1;
                    continue;
                }
                b',' | b':' => return None,
                _ => self.word(),
            }
            if open == 0 {
                return Some(());
            }
        }
    }

    /// Takes a number or a word, at least one byte.
    fn word(&mut self) {
        let rest = &self.document[self.at..];
        let ends = |byte: &u8| {
            matches!(
                byte,
                b',' | b':' | b'"' | b'{' | b'}' | b'[' | b']' | b' ' | b'\t' | b'\n' | b'\r'
            )
        };
        self.at += rest.iter().position(ends).unwrap_or(rest.len()).max(1);
    }
}

/// Whether a string, as it stands between its quotes, is this text.
pub(super) fn is_text(raw: &[u8], text: &str) -> bool {
    if memchr::memchr(b'\\', raw).is_none() {
        return raw == text.as_bytes();
    }
    let mut rest = text.as_bytes();
    let whole = unescape(raw, |piece| match rest.strip_prefix(piece) {
        Some(after) => {
            rest = after;
            true
        }
        None => false,
    });
    whole && rest.is_empty()
}

/// The text of a string as it stands between its quotes, if it is valid and of at most `bytes_max` bytes.
pub(super) fn to_text(raw: &[u8], bytes_max: usize) -> Option<String> {
    let mut text = Vec::new();
    let whole = unescape(raw, |piece| {
        let fits = text.len() + piece.len() <= bytes_max;
        if fits {
            text.extend_from_slice(piece);
        }
        fits
    });
    if whole {
        String::from_utf8(text).ok()
    } else {
        None
    }
}

/// What a string, as it stands between its quotes, begins with: up to the first wrong escape or its end, and as much as
/// `target` holds. Copies only if there are escapes.
pub(super) fn begin_text<'a>(raw: &'a [u8], target: &'a mut [u8]) -> &'a [u8] {
    let raw = &raw[..raw.len().min(target.len() * LONGEST_ESCAPE)];
    if memchr::memchr(b'\\', raw).is_none() {
        return &raw[..raw.len().min(target.len())];
    }
    let mut length = 0;
    unescape(raw, |piece| {
        let fits = piece.len().min(target.len() - length);
        target[length..length + fits].copy_from_slice(&piece[..fits]);
        length += fits;
        fits == piece.len()
    });
    &target[..length]
}

/// Gives the pieces of a string without its escapes to `take` until that says no; false then, and if an escape is wrong.
fn unescape(raw: &[u8], mut take: impl FnMut(&[u8]) -> bool) -> bool {
    let mut rest = raw;
    while let Some(at) = memchr::memchr(b'\\', rest) {
        let (plain, escaped) = rest.split_at(at);
        if !take(plain) {
            return false;
        }
        let Some((character, after)) = escape(escaped) else {
            return false;
        };
        if !take(character.encode_utf8(&mut [0; 4]).as_bytes()) {
            return false;
        }
        rest = after;
    }
    take(rest)
}

/// Reads one escape, which `text` begins with; the character and what follows.
fn escape(text: &[u8]) -> Option<(char, &[u8])> {
    let (kind, rest) = text.get(1..)?.split_first()?;
    let character = match kind {
        b'"' => '"',
        b'\\' => '\\',
        b'/' => '/',
        b'b' => '\u{8}',
        b'f' => '\u{c}',
        b'n' => '\n',
        b'r' => '\r',
        b't' => '\t',
        b'u' => return unicode(rest),
        _ => return None,
    };
    Some((character, rest))
}

/// Reads the digits of `\u`, and the second half of a pair if the first wants one.
fn unicode(text: &[u8]) -> Option<(char, &[u8])> {
    let (high, rest) = four_digits(text)?;
    if !(0xd800..0xdc00).contains(&high) {
        return Some((char::from_u32(high)?, rest));
    }
    let (low, rest) = four_digits(rest.strip_prefix(b"\\u")?)?;
    if !(0xdc00..0xe000).contains(&low) {
        return None;
    }
    Some((
        char::from_u32(0x10000 + ((high - 0xd800) << 10) + (low - 0xdc00))?,
        rest,
    ))
}

fn four_digits(text: &[u8]) -> Option<(u32, &[u8])> {
    let (digits, rest) = text.split_first_chunk::<4>()?;
    let value = digits.iter().try_fold(0, |value, digit| {
        Some(value * 16 + char::from(*digit).to_digit(16)?)
    })?;
    Some((value, rest))
}
