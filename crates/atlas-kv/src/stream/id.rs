//! Ids of entries: a time in milliseconds, and a number among the entries of that time.

use crate::number::{self, Decimal};
use crate::{Error, Reply};

/// No id as clients write it is longer.
const TEXT_BYTES_MAX: usize = 127;

/// An entry's id.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Id {
    pub(crate) ms: u64,
    pub(crate) seq: u64,
}

/// What a client says for the id of a new entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wanted {
    /// `*`: the time of the record.
    Any,
    /// `ms-*`: the next of this time.
    At(u64),
    /// This one.
    Exactly(Id),
}

impl Id {
    pub(crate) const MIN: Self = Self { ms: 0, seq: 0 };
    pub(crate) const MAX: Self = Self {
        ms: u64::MAX,
        seq: u64::MAX,
    };

    /// The id behind this one, if there is any.
    pub(crate) fn next(self) -> Option<Self> {
        if let Some(seq) = self.seq.checked_add(1) {
            return Some(Self { seq, ..self });
        }
        self.ms.checked_add(1).map(|ms| Self { ms, seq: 0 })
    }

    /// The id before this one, if there is any.
    pub(crate) fn previous(self) -> Option<Self> {
        if let Some(seq) = self.seq.checked_sub(1) {
            return Some(Self { seq, ..self });
        }
        let ms = self.ms.checked_sub(1)?;
        Some(Self { ms, seq: u64::MAX })
    }

    /// Reads `ms-seq`, or `ms` with `missing` as its number.
    pub(super) fn read(text: &[u8], missing: u64) -> Result<Self, Error> {
        let (ms, seq) = halves(text)?;
        let seq = match seq {
            Some(seq) => integer(seq)?,
            None => missing,
        };
        Ok(Self {
            ms: integer(ms)?,
            seq,
        })
    }

    /// The same, with `-` and `+` for the lowest and the highest.
    pub(super) fn read_bound(text: &[u8], missing: u64) -> Result<Self, Error> {
        match text {
            b"-" => Ok(Self::MIN),
            b"+" => Ok(Self::MAX),
            text => Self::read(text, missing),
        }
    }

    /// The lower end of an interval; behind `(` the id itself is not in it.
    pub(super) fn read_start(text: &[u8]) -> Result<Self, Error> {
        match text {
            [b'(', text @ ..] if !text.is_empty() => Self::read(text, 0)?
                .next()
                .ok_or(Error::fixed("ERR invalid start ID for the interval")),
            text => Self::read_bound(text, 0),
        }
    }

    /// The upper end of an interval; behind `(` the id itself is not in it.
    pub(super) fn read_end(text: &[u8]) -> Result<Self, Error> {
        match text {
            [b'(', text @ ..] if !text.is_empty() => Self::read(text, u64::MAX)?
                .previous()
                .ok_or(Error::fixed("ERR invalid end ID for the interval")),
            text => Self::read_bound(text, u64::MAX),
        }
    }

    /// Answers the id as clients read it.
    pub(super) fn answer(self, reply: &mut dyn Reply) {
        let text = Text::of(self);
        reply.bulk(text.as_bytes());
    }
}

impl Wanted {
    pub(super) fn read(text: &[u8]) -> Result<Self, Error> {
        if text == b"*" {
            return Ok(Self::Any);
        }
        if let Some(ms) = text.strip_suffix(b"-*")
            && ms.len() < TEXT_BYTES_MAX
        {
            return integer(ms).map(Self::At);
        }
        Id::read(text, 0).map(Self::Exactly)
    }
}

/// An id's text, without an allocation: two numbers of up to twenty digits.
pub(crate) struct Text {
    bytes: [u8; 41],
    len: usize,
}

impl Text {
    pub(crate) fn of(id: Id) -> Self {
        let mut text = Self {
            bytes: [0; 41],
            len: 0,
        };
        text.number(id.ms);
        text.push(b"-");
        text.number(id.seq);
        text
    }

    pub(crate) fn as_bytes(&self) -> &[u8] {
        &self.bytes[..self.len]
    }

    fn number(&mut self, value: u64) {
        match i64::try_from(value) {
            Ok(value) => self.push(Decimal::new(value).as_bytes()),
            Err(_) => self.push(value.to_string().as_bytes()),
        }
    }

    fn push(&mut self, bytes: &[u8]) {
        self.bytes[self.len..self.len + bytes.len()].copy_from_slice(bytes);
        self.len += bytes.len();
    }
}

const INVALID: Error = Error::fixed("ERR Invalid stream ID specified as stream command argument");

fn halves(text: &[u8]) -> Result<(&[u8], Option<&[u8]>), Error> {
    if text.len() > TEXT_BYTES_MAX {
        return Err(INVALID);
    }
    match text.iter().position(|&byte| byte == b'-') {
        Some(at) => Ok((&text[..at], Some(&text[at + 1..]))),
        None => Ok((text, None)),
    }
}

/// Digits, leading zeros allowed, of a number of 64 bits.
fn integer(digits: &[u8]) -> Result<u64, Error> {
    number::digits(digits).ok_or(INVALID)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(ms: u64, seq: u64) -> Id {
        Id { ms, seq }
    }

    #[test]
    fn ids_are_read_and_written() {
        let cases: [(&str, Option<Id>); 12] = [
            ("1-2", Some(id(1, 2))),
            ("15", Some(id(15, 7))),
            ("007-01", Some(id(7, 1))),
            ("18446744073709551615-18446744073709551615", Some(Id::MAX)),
            ("18446744073709551616-0", None),
            ("1-", None),
            ("-1", None),
            ("-", None),
            ("+", None),
            ("1-2-3", None),
            ("1-*", None),
            ("", None),
        ];
        for (text, expected) in cases {
            assert_eq!(Id::read(text.as_bytes(), 7).ok(), expected, "{text}");
        }
        for (id, text) in [
            (id(0, 0), "0-0"),
            (Id::MAX, "18446744073709551615-18446744073709551615"),
        ] {
            assert_eq!(Text::of(id).as_bytes(), text.as_bytes());
        }
    }

    #[test]
    fn intervals_may_leave_their_ends_out() {
        assert_eq!(Id::read_start(b"(5-3"), Ok(id(5, 4)));
        assert_eq!(Id::read_start(b"5"), Ok(id(5, 0)));
        assert_eq!(Id::read_end(b"(5-0"), Ok(id(4, u64::MAX)));
        assert_eq!(Id::read_end(b"5"), Ok(id(5, u64::MAX)));
        assert_eq!(Id::read_start(b"-"), Ok(Id::MIN));
        for refused in [
            "(-",
            "(+",
            "(",
            "(18446744073709551615-18446744073709551615",
        ] {
            assert!(Id::read_start(refused.as_bytes()).is_err(), "{refused}");
        }
        assert!(Id::read_end(b"(0-0").is_err());
    }

    #[test]
    fn new_ids_may_leave_their_number_to_the_stream() {
        assert_eq!(Wanted::read(b"*"), Ok(Wanted::Any));
        assert_eq!(Wanted::read(b"9-*"), Ok(Wanted::At(9)));
        assert_eq!(Wanted::read(b"9-1"), Ok(Wanted::Exactly(id(9, 1))));
        assert!(Wanted::read(b"-*").is_err());
        assert!(Wanted::read(b"**").is_err());
    }
}
