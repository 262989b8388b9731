//! The decoder of replies: a stack of its own, so that no peer decides how deep ours grows.

use memchr::memchr2;

use super::{Malformed, Value};
use crate::number;

/// For how many elements room is made before they come; more is made as they do.
const FIRST_ROOM_MAX: usize = 64;

/// The most that one reply may be. Checked when a length is read, before anything is waited for or allocated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of a line: a simple string, an error, a number, a header.
    pub line_bytes_max: usize,
    /// Bytes of a whole reply as it was sent.
    pub reply_bytes_max: usize,
    /// Elements of all aggregates of a reply together. Each takes some 32 bytes of memory, and may take as few as three
    /// on the wire.
    pub elements_max: usize,
    /// How deep aggregates may stand inside one another.
    pub depth_max: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            line_bytes_max: 64 * 1024,
            reply_bytes_max: 1024 * 1024 * 1024,
            elements_max: 16 * 1024 * 1024,
            depth_max: 64,
        }
    }
}

/// Makes values of a connection's bytes. One a connection.
#[derive(Debug)]
pub struct Decoder {
    limits: Limits,
    /// The aggregates that are not complete, the outermost first.
    open: Vec<Aggregate>,
    /// The line that was shown last has no end up to here.
    scanned: usize,
    /// What the reply in progress took so far.
    bytes: usize,
    /// How many elements the reply in progress announced so far.
    elements: usize,
}

#[derive(Debug)]
struct Aggregate {
    kind: Kind,
    remaining: usize,
    values: Vec<Value>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Array,
    Set,
    Map,
    Push,
    /// The pairs of an attribute; the value that they speak of is the last element.
    Attribute,
}

/// What stands at the input's beginning.
enum Item {
    Value(Value),
    Open(Kind, usize),
}

impl Decoder {
    /// A decoder at the beginning of a connection.
    pub fn new(limits: Limits) -> Self {
        Self {
            limits,
            open: Vec::new(),
            scanned: 0,
            bytes: 0,
            elements: 0,
        }
    }

    /// Reads until one reply is complete. Returns how many bytes were used, which must not be shown again, and the
    /// reply, if it is complete; if not, the rest of `input` has to come again with more behind it.
    ///
    /// # Errors
    /// [`Malformed`]: the connection is to be closed.
    pub fn decode(&mut self, input: &[u8]) -> Result<(usize, Option<Value>), Malformed> {
        let mut consumed = 0;
        loop {
            let rest = input.get(consumed..).unwrap_or_default();
            let Some((item, used)) = self.item(rest)? else {
                return Ok((consumed, None));
            };
            self.scanned = 0;
            consumed += used;
            self.bytes += used;
            if self.bytes > self.limits.reply_bytes_max {
                return Err(self.too_long());
            }
            let value = match item {
                Item::Value(value) => Some(value),
                Item::Open(kind, count) => self.open(kind, count, rest.len() - used)?,
            };
            if let Some(value) = value.and_then(|value| self.close(value)) {
                self.bytes = 0;
                self.elements = 0;
                return Ok((consumed, Some(value)));
            }
        }
    }

    /// True between replies: nothing of the next one was used.
    pub fn is_idle(&self) -> bool {
        self.open.is_empty()
    }

    /// Begins an aggregate, or completes it if it has no elements.
    fn open(
        &mut self,
        kind: Kind,
        count: usize,
        bytes_here: usize,
    ) -> Result<Option<Value>, Malformed> {
        let elements = match kind {
            Kind::Map => count.checked_mul(2),
            Kind::Attribute => count.checked_mul(2).and_then(|count| count.checked_add(1)),
            Kind::Array | Kind::Set | Kind::Push => Some(count),
        };
        let sum = elements.and_then(|elements| self.elements.checked_add(elements));
        let (Some(elements), Some(sum)) = (elements, sum) else {
            return Err(self.too_many());
        };
        if sum > self.limits.elements_max {
            return Err(self.too_many());
        }
        self.elements = sum;
        if elements == 0 {
            return Ok(Some(complete(kind, Vec::new())));
        }
        if self.open.len() >= self.limits.depth_max {
            return Err(Malformed::DepthLimit {
                depth_max: self.limits.depth_max,
            });
        }
        self.open.push(Aggregate {
            kind,
            remaining: elements,
            // What is announced is not believed: room is made for what can lie in the bytes at hand, and not much.
            values: Vec::with_capacity(elements.min(bytes_here / 3).min(FIRST_ROOM_MAX)),
        });
        Ok(None)
    }

    /// Hands a value to the innermost aggregate, and that to the next one if it is complete. Returns the outermost.
    fn close(&mut self, mut value: Value) -> Option<Value> {
        while let Some(aggregate) = self.open.last_mut() {
            aggregate.values.push(value);
            aggregate.remaining -= 1;
            if aggregate.remaining > 0 {
                return None;
            }
            let Aggregate { kind, values, .. } = self.open.pop()?;
            value = complete(kind, values);
        }
        Some(value)
    }

    /// Reads one line, and the bulk behind it if there is one. None if it is not whole.
    fn item(&mut self, input: &[u8]) -> Result<Option<(Item, usize)>, Malformed> {
        let Some(&kind) = input.first() else {
            return Ok(None);
        };
        if !b"+-:$*_#,(=!%~>|".contains(&kind) {
            return Err(Malformed::Kind { got: kind });
        }
        let Some(end) = self.line_end(input)? else {
            return Ok(None);
        };
        let line = input.get(1..end).unwrap_or_default();
        let next = end + 2;
        let item = match kind {
            b'+' => Item::Value(Value::Simple(line.to_vec())),
            b'-' => Item::Value(Value::Error(line.to_vec())),
            b':' => Item::Value(Value::Integer(signed(line)?)),
            b'_' if line.is_empty() => Item::Value(Value::Null),
            b'_' => return Err(Malformed::Line { expected: "null" }),
            b'#' => Item::Value(Value::Boolean(truth(line)?)),
            b',' => Item::Value(Value::Double(double(line)?)),
            b'(' => Item::Value(Value::BigNumber(big_number(line)?.to_vec())),
            b'$' | b'!' | b'=' => {
                let Some(length) = length(line, kind == b'$')? else {
                    return Ok(Some((Item::Value(Value::Null), next)));
                };
                return self.bulk(kind, input, next, length);
            }
            _ => match length(line, kind == b'*')? {
                None => Item::Value(Value::Null),
                Some(count) => Item::Open(aggregate(kind), count),
            },
        };
        Ok(Some((item, next)))
    }

    fn bulk(
        &self,
        kind: u8,
        input: &[u8],
        start: usize,
        length: usize,
    ) -> Result<Option<(Item, usize)>, Malformed> {
        let room = self
            .limits
            .reply_bytes_max
            .saturating_sub(self.bytes + start);
        if length > room {
            return Err(self.too_long());
        }
        let end = start + length;
        let Some(line_end) = input.get(end..end + 2) else {
            return Ok(None);
        };
        if line_end != b"\r\n" {
            return Err(Malformed::LineEnd);
        }
        let bytes = input.get(start..end).unwrap_or_default();
        let value = match (kind, bytes) {
            (b'!', text) => Value::Error(text.to_vec()),
            (b'=', &[first, second, third, b':', ref text @ ..]) => Value::Verbatim {
                format: [first, second, third],
                text: text.to_vec(),
            },
            (b'=', _) => {
                return Err(Malformed::Line {
                    expected: "verbatim string",
                });
            }
            (_, bytes) => Value::Bulk(bytes.to_vec()),
        };
        Ok(Some((Item::Value(value), end + 2)))
    }

    /// Where the first line's carriage return stands. None if the line is not whole.
    fn line_end(&mut self, input: &[u8]) -> Result<Option<usize>, Malformed> {
        let until = input.len().min(self.limits.line_bytes_max + 1);
        let from = self.scanned.min(until);
        let Some(at) = memchr2(b'\r', b'\n', input.get(from..until).unwrap_or_default()) else {
            if until > self.limits.line_bytes_max {
                return Err(Malformed::LineLimit {
                    line_bytes_max: self.limits.line_bytes_max,
                });
            }
            self.scanned = until;
            return Ok(None);
        };
        let end = from + at;
        self.scanned = end;
        match input.get(end..) {
            Some([b'\r', b'\n', ..]) => Ok(Some(end)),
            Some([b'\r']) => Ok(None),
            _ => Err(Malformed::LineEnd),
        }
    }

    fn too_long(&self) -> Malformed {
        Malformed::BytesLimit {
            reply_bytes_max: self.limits.reply_bytes_max,
        }
    }

    fn too_many(&self) -> Malformed {
        Malformed::ElementsLimit {
            elements_max: self.limits.elements_max,
        }
    }
}

fn aggregate(kind: u8) -> Kind {
    match kind {
        b'%' => Kind::Map,
        b'~' => Kind::Set,
        b'>' => Kind::Push,
        b'|' => Kind::Attribute,
        _ => Kind::Array,
    }
}

fn complete(kind: Kind, mut values: Vec<Value>) -> Value {
    match kind {
        Kind::Array => Value::Array(values),
        Kind::Set => Value::Set(values),
        Kind::Push => Value::Push(values),
        Kind::Map => Value::Map(paired(values)),
        Kind::Attribute => {
            let value = Box::new(values.pop().unwrap_or(Value::Null));
            Value::Attributed {
                attributes: paired(values),
                value,
            }
        }
    }
}

pub(super) fn paired(values: Vec<Value>) -> Vec<(Value, Value)> {
    let mut pairs = Vec::with_capacity(values.len() / 2);
    let mut values = values.into_iter();
    while let (Some(key), Some(value)) = (values.next(), values.next()) {
        pairs.push((key, value));
    }
    pairs
}

/// A length or a count; -1 stands for nothing where RESP2 has it.
fn length(line: &[u8], nullable: bool) -> Result<Option<usize>, Malformed> {
    if line == b"?" {
        return Err(Malformed::Streamed);
    }
    match number::integer(line) {
        Some(-1) if nullable => Ok(None),
        Some(number) => usize::try_from(number)
            .map(Some)
            .map_err(|_| Malformed::Line { expected: "length" }),
        None => Err(Malformed::Line { expected: "length" }),
    }
}

/// An integer; unlike a length it may have a plus and leading zeros.
fn signed(line: &[u8]) -> Result<i64, Malformed> {
    std::str::from_utf8(line)
        .ok()
        .and_then(|text| text.parse().ok())
        .ok_or(Malformed::Line {
            expected: "integer",
        })
}

fn truth(line: &[u8]) -> Result<bool, Malformed> {
    match line {
        b"t" => Ok(true),
        b"f" => Ok(false),
        _ => Err(Malformed::Line {
            expected: "truth value",
        }),
    }
}

pub(super) fn double(line: &[u8]) -> Result<f64, Malformed> {
    const WRONG: Malformed = Malformed::Line { expected: "double" };
    match line {
        b"inf" => return Ok(f64::INFINITY),
        b"-inf" => return Ok(f64::NEG_INFINITY),
        // Redis before 7.2 writes what its C library says, with or without a sign.
        b"nan" | b"-nan" => return Ok(f64::NAN),
        _ => {}
    }
    if !line
        .iter()
        .all(|byte| matches!(byte, b'0'..=b'9' | b'+' | b'-' | b'.' | b'e' | b'E'))
    {
        return Err(WRONG);
    }
    std::str::from_utf8(line)
        .ok()
        .and_then(|text| text.parse().ok())
        .ok_or(WRONG)
}

fn big_number(line: &[u8]) -> Result<&[u8], Malformed> {
    let digits = match line {
        [b'-' | b'+', digits @ ..] => digits,
        digits => digits,
    };
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return Err(Malformed::Line {
            expected: "big number",
        });
    }
    Ok(line)
}

#[cfg(test)]
mod tests;
