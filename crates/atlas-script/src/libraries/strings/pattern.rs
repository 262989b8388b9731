//! Lua's patterns. Every step is counted and paid for, and how deep they go is bounded: in C's own matcher a short pattern
//! can take hours, and a long one the whole stack.

use mlua::Lua;

use crate::arguments::raise;
use crate::limits::Fuel;
use crate::sandbox::State;

const CAPTURES_MAX: usize = 32;
/// Items of a pattern that one match can be inside of at once.
const DEPTH_MAX: usize = 200;
/// After so many steps they are paid for.
const STEPS: u64 = 1024;
/// So many steps take about as long as an instruction.
const STEPS_PER_FUEL: u64 = 2;

const ESCAPE: u8 = b'%';

/// What a pair of parentheses caught.
pub(super) enum Capture {
    /// From one offset to another.
    Text(usize, usize),
    /// `()`: an offset.
    Position(usize),
}

#[derive(Clone, Copy)]
enum Length {
    Open,
    Position,
    Bytes(usize),
}

pub(super) struct Matcher<'a> {
    lua: &'a Lua,
    state: &'a State,
    text: &'a [u8],
    pattern: &'a [u8],
    captures: [(usize, Length); CAPTURES_MAX],
    count: usize,
    depth: usize,
    steps: u64,
}

impl<'a> Matcher<'a> {
    pub(super) fn new(lua: &'a Lua, state: &'a State, text: &'a [u8], pattern: &'a [u8]) -> Self {
        Self {
            lua,
            state,
            text,
            pattern,
            captures: [(0, Length::Open); CAPTURES_MAX],
            count: 0,
            depth: 0,
            steps: 0,
        }
    }

    /// The first match at or after an offset. With `anchors` a `^` at the pattern's beginning allows no other offset.
    pub(super) fn find(
        &mut self,
        from: usize,
        anchors: bool,
    ) -> mlua::Result<Option<(usize, usize)>> {
        let anchored = anchors && self.pattern.first() == Some(&b'^');
        for begin in from..=self.text.len() {
            self.count = 0;
            self.depth = 0;
            if let Some(end) = self.matches(begin, usize::from(anchored))? {
                return Ok(Some((begin, end)));
            }
            if anchored {
                break;
            }
        }
        Ok(None)
    }

    /// Pays for the steps that have not been paid for.
    pub(super) fn settle(&mut self) -> mlua::Result<()> {
        let fuel = Fuel(self.steps / STEPS_PER_FUEL);
        self.steps = 0;
        self.state.charge(fuel)
    }

    /// How many captures the last match has.
    pub(super) fn count(&self) -> usize {
        self.count
    }

    /// A capture of the last match.
    pub(super) fn capture(&self, place: usize) -> mlua::Result<Capture> {
        let (begin, length) = self.captures[place];
        match length {
            Length::Open => Err(self.fault("unfinished capture")),
            Length::Position => Ok(Capture::Position(begin)),
            Length::Bytes(length) => Ok(Capture::Text(begin, begin + length)),
        }
    }

    fn fault(&self, why: &str) -> mlua::Error {
        raise(self.lua, why)
    }

    fn step(&mut self, steps: usize) -> mlua::Result<()> {
        self.steps += steps as u64;
        if self.steps >= STEPS {
            self.settle()?;
        }
        Ok(())
    }

    /// The byte of the pattern, 0 past its end.
    fn at(&self, place: usize) -> u8 {
        self.pattern.get(place).copied().unwrap_or(0)
    }

    /// Where the match of the pattern from `item` on ends, if it begins at `begin`.
    fn matches(&mut self, begin: usize, item: usize) -> mlua::Result<Option<usize>> {
        if self.depth == DEPTH_MAX {
            return Err(self.fault("pattern too complex"));
        }
        self.depth += 1;
        let end = self.matches_here(begin, item);
        self.depth -= 1;
        end
    }

    fn matches_here(&mut self, mut begin: usize, mut item: usize) -> mlua::Result<Option<usize>> {
        loop {
            self.step(1)?;
            match self.at(item) {
                0 => return Ok(Some(begin)),
                b'(' if self.at(item + 1) == b')' => {
                    return self.open(begin, item + 2, Length::Position);
                }
                b'(' => return self.open(begin, item + 1, Length::Open),
                b')' => return self.close(begin, item + 1),
                b'$' if item + 1 == self.pattern.len() => {
                    return Ok((begin == self.text.len()).then_some(begin));
                }
                ESCAPE => match self.at(item + 1) {
                    b'b' => match self.balanced(begin, item + 2)? {
                        Some(end) => {
                            begin = end;
                            item += 4;
                            continue;
                        }
                        None => return Ok(None),
                    },
                    b'f' => {
                        item += 2;
                        if self.at(item) != b'[' {
                            return Err(self.fault("missing '[' after '%f' in pattern"));
                        }
                        let end = self.class_end(item)?;
                        let before = begin.checked_sub(1).map_or(0, |place| self.text[place]);
                        let here = self.text.get(begin).copied().unwrap_or(0);
                        if self.in_set(before, item, end - 1) || !self.in_set(here, item, end - 1) {
                            return Ok(None);
                        }
                        item = end;
                        continue;
                    }
                    digit if digit.is_ascii_digit() => match self.again(begin, digit)? {
                        Some(end) => {
                            begin = end;
                            item += 2;
                            continue;
                        }
                        None => return Ok(None),
                    },
                    _ => {}
                },
                _ => {}
            }
            let end = self.class_end(item)?;
            self.step((end - item) / 4)?;
            let fits = self.fits(begin, item, end);
            match self.at(end) {
                b'?' => {
                    if fits && let Some(end) = self.matches(begin + 1, end + 1)? {
                        return Ok(Some(end));
                    }
                    item = end + 1;
                }
                b'*' => return self.most(begin, item, end),
                b'+' if fits => return self.most(begin + 1, item, end),
                b'+' => return Ok(None),
                b'-' => return self.least(begin, item, end),
                _ if !fits => return Ok(None),
                _ => {
                    begin += 1;
                    item = end;
                }
            }
        }
    }

    /// Where the single-character class that begins at `item` ends.
    fn class_end(&self, item: usize) -> mlua::Result<usize> {
        let mut at = item + 1;
        match self.at(item) {
            ESCAPE => {
                if self.at(at) == 0 {
                    return Err(self.fault("malformed pattern (ends with '%')"));
                }
                Ok(at + 1)
            }
            b'[' => {
                if self.at(at) == b'^' {
                    at += 1;
                }
                loop {
                    let byte = self.at(at);
                    if byte == 0 {
                        return Err(self.fault("malformed pattern (missing ']')"));
                    }
                    at += 1;
                    if byte == ESCAPE && self.at(at) != 0 {
                        at += 1;
                    }
                    if self.at(at) == b']' {
                        return Ok(at + 1);
                    }
                }
            }
            _ => Ok(at),
        }
    }

    /// Whether the byte of the text at an offset is of the class.
    fn fits(&self, place: usize, item: usize, end: usize) -> bool {
        let Some(byte) = self.text.get(place).copied() else {
            return false;
        };
        match self.at(item) {
            b'.' => true,
            ESCAPE => of_class(byte, self.at(item + 1)),
            b'[' => self.in_set(byte, item, end - 1),
            other => other == byte,
        }
    }

    /// Whether a byte is in the set between `[` at `item` and `]` at `end`.
    fn in_set(&self, byte: u8, item: usize, end: usize) -> bool {
        let mut at = item + 1;
        let inverted = self.at(at) == b'^';
        if inverted {
            at += 1;
        }
        while at < end {
            if self.at(at) == ESCAPE {
                at += 1;
                if of_class(byte, self.at(at)) {
                    return !inverted;
                }
            } else if self.at(at + 1) == b'-' && at + 2 < end {
                if (self.at(at)..=self.at(at + 2)).contains(&byte) {
                    return !inverted;
                }
                at += 2;
            } else if self.at(at) == byte {
                return !inverted;
            }
            at += 1;
        }
        inverted
    }

    fn most(&mut self, begin: usize, item: usize, end: usize) -> mlua::Result<Option<usize>> {
        let cost = 1 + (end - item) / 4;
        let mut count = 0;
        while self.fits(begin + count, item, end) {
            self.step(cost)?;
            count += 1;
        }
        loop {
            if let Some(end) = self.matches(begin + count, end + 1)? {
                return Ok(Some(end));
            }
            if count == 0 {
                return Ok(None);
            }
            count -= 1;
        }
    }

    fn least(&mut self, mut begin: usize, item: usize, end: usize) -> mlua::Result<Option<usize>> {
        let cost = 1 + (end - item) / 4;
        loop {
            if let Some(end) = self.matches(begin, end + 1)? {
                return Ok(Some(end));
            }
            if !self.fits(begin, item, end) {
                return Ok(None);
            }
            self.step(cost)?;
            begin += 1;
        }
    }

    fn open(&mut self, begin: usize, item: usize, length: Length) -> mlua::Result<Option<usize>> {
        if self.count == CAPTURES_MAX {
            return Err(self.fault("too many captures"));
        }
        self.captures[self.count] = (begin, length);
        self.count += 1;
        let end = self.matches(begin, item)?;
        if end.is_none() {
            self.count -= 1;
        }
        Ok(end)
    }

    fn close(&mut self, begin: usize, item: usize) -> mlua::Result<Option<usize>> {
        let open = self.captures[..self.count]
            .iter()
            .rposition(|(_, length)| matches!(length, Length::Open));
        let Some(place) = open else {
            return Err(self.fault("invalid pattern capture"));
        };
        self.captures[place].1 = Length::Bytes(begin - self.captures[place].0);
        let end = self.matches(begin, item)?;
        if end.is_none() {
            self.captures[place].1 = Length::Open;
        }
        Ok(end)
    }

    fn balanced(&mut self, begin: usize, item: usize) -> mlua::Result<Option<usize>> {
        let (opens, closes) = (self.at(item), self.at(item + 1));
        if opens == 0 || closes == 0 {
            return Err(self.fault("unbalanced pattern"));
        }
        if self.text.get(begin) != Some(&opens) {
            return Ok(None);
        }
        let mut open = 1;
        for place in begin + 1..self.text.len() {
            self.step(1)?;
            let byte = self.text[place];
            if byte == closes {
                open -= 1;
                if open == 0 {
                    return Ok(Some(place + 1));
                }
            } else if byte == opens {
                open += 1;
            }
        }
        Ok(None)
    }

    /// The text of an earlier capture, again.
    fn again(&mut self, begin: usize, digit: u8) -> mlua::Result<Option<usize>> {
        let place = usize::from(digit.wrapping_sub(b'1'));
        let caught = self.captures[..self.count].get(place).copied();
        let (from, length) = match caught {
            Some((from, Length::Bytes(length))) => (from, length),
            // C takes the length of a position for a very large number.
            Some((_, Length::Position)) => return Ok(None),
            _ => return Err(self.fault("invalid capture index")),
        };
        self.step(length / 16)?;
        let same = self.text.get(begin..begin + length) == Some(&self.text[from..from + length]);
        Ok(same.then_some(begin + length))
    }
}

/// Whether a byte is of the class that a letter stands for, in C's own locale.
fn of_class(byte: u8, class: u8) -> bool {
    let is = match class.to_ascii_lowercase() {
        b'a' => byte.is_ascii_alphabetic(),
        b'c' => byte.is_ascii_control(),
        b'd' => byte.is_ascii_digit(),
        b'l' => byte.is_ascii_lowercase(),
        b'p' => byte.is_ascii_punctuation(),
        b's' => byte.is_ascii_whitespace() || byte == 0x0B,
        b'u' => byte.is_ascii_uppercase(),
        b'w' => byte.is_ascii_alphanumeric(),
        b'x' => byte.is_ascii_hexdigit(),
        b'z' => byte == 0,
        _ => return class == byte,
    };
    is != class.is_ascii_uppercase()
}
