//! Redis's small collections in one piece of bytes: list packs, zip lists, zip maps, integer sets.
//!
//! Each function gives its elements one after the other and refuses a piece that is not exactly what it says: its size,
//! its count, where entries say their neighbours lie.

use std::borrow::Cow;

use crate::number::{self, Decimal};
use crate::rdb::{Malformed, Result, Take, TakePair, must};

/// Ends list packs, zip lists and zip maps.
const END: u8 = 0xff;
/// A count that does not fit its two bytes.
const COUNT_UNKNOWN: u16 = u16::MAX;

/// Reads a list pack.
pub(super) fn listpack(bytes: &[u8], take: &mut Take<'_>) -> Result<()> {
    let mut entries = ListPack::new(bytes)?;
    while let Some(value) = entries.next()? {
        value.give(take)?;
    }
    Ok(())
}

/// A list pack that is being read: size (4), count (2), entries with their own length behind them, end.
#[derive(Debug)]
pub(super) struct ListPack<'a> {
    left: Bytes<'a>,
    count: u16,
    found: u64,
}

impl<'a> ListPack<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Result<Self> {
        let mut left = Bytes(bytes);
        must(u64::from(left.u32()?) == bytes.len() as u64)?;
        let count = left.u16()?;
        Ok(Self {
            left,
            count,
            found: 0,
        })
    }

    /// The next entry; none behind the last.
    pub(super) fn next(&mut self) -> Result<Option<Packed<'a>>> {
        let left = &mut self.left;
        let entry = *left;
        let first = left.byte()?;
        let value = match first {
            END => {
                must(left.0.is_empty())?;
                must(self.count == COUNT_UNKNOWN || u64::from(self.count) == self.found)?;
                // Whoever asks again is told that there is nothing.
                self.left = entry;
                return Ok(None);
            }
            0..0x80 => Packed::Integer(i64::from(first)),
            0x80..0xc0 => Packed::Text(left.take(usize::from(first & 0x3f))?),
            0xc0..0xe0 => {
                let low = left.byte()?;
                let value = i64::from(first & 0x1f) << 8 | i64::from(low);
                Packed::Integer(sign_extended(value, 13))
            }
            0xe0..0xf0 => {
                let length = usize::from(first & 0x0f) << 8 | usize::from(left.byte()?);
                Packed::Text(left.take(length)?)
            }
            0xf0 => {
                let length = left.u32()?;
                Packed::Text(left.take(length as usize)?)
            }
            0xf1 => Packed::Integer(left.integer(2)?),
            0xf2 => Packed::Integer(left.integer(3)?),
            0xf3 => Packed::Integer(left.integer(4)?),
            0xf4 => Packed::Integer(left.integer(8)?),
            _ => return Err(Malformed),
        };
        left.back_length(entry.0.len() - left.0.len())?;
        self.found += 1;
        Ok(Some(value))
    }

    /// The next entry, which must be there and an integer.
    pub(super) fn integer(&mut self) -> Result<i64> {
        match self.next()?.ok_or(Malformed)? {
            Packed::Integer(value) => Ok(value),
            Packed::Text(text) => number::integer(text).ok_or(Malformed),
        }
    }

    /// The next entry, which must be there.
    pub(super) fn text(&mut self) -> Result<Cow<'a, [u8]>> {
        Ok(match self.next()?.ok_or(Malformed)? {
            Packed::Integer(value) => Cow::Owned(Decimal::new(value).as_bytes().to_vec()),
            Packed::Text(text) => Cow::Borrowed(text),
        })
    }
}

/// Reads a zip list: size (4), where its last entry begins (4), count (2), entries behind their predecessor's length,
/// end.
pub(super) fn ziplist(bytes: &[u8], take: &mut Take<'_>) -> Result<()> {
    let mut left = Bytes(bytes);
    must(u64::from(left.u32()?) == bytes.len() as u64)?;
    let tail = left.u32()?;
    let count = left.u16()?;
    let mut found = 0_u64;
    let mut previous_bytes = 0;
    let mut last = bytes.len() - left.0.len();
    loop {
        let start = bytes.len() - left.0.len();
        let first = left.byte()?;
        if first == END {
            break;
        }
        let told = match first {
            0xfe => left.u32()? as usize,
            _ => usize::from(first),
        };
        must(told == previous_bytes)?;
        let encoding = left.byte()?;
        let value = match encoding {
            0..0x40 => Packed::Text(left.take(usize::from(encoding))?),
            0x40..0x80 => {
                let length = usize::from(encoding & 0x3f) << 8 | usize::from(left.byte()?);
                Packed::Text(left.take(length)?)
            }
            0x80..0xc0 => {
                let length = u32::from_be_bytes(*left.chunk()?);
                Packed::Text(left.take(length as usize)?)
            }
            0xc0 => Packed::Integer(left.integer(2)?),
            0xd0 => Packed::Integer(left.integer(4)?),
            0xe0 => Packed::Integer(left.integer(8)?),
            0xf0 => Packed::Integer(left.integer(3)?),
            0xfe => Packed::Integer(left.integer(1)?),
            0xf1..=0xfd => Packed::Integer(i64::from(encoding & 0x0f) - 1),
            _ => return Err(Malformed),
        };
        value.give(take)?;
        found += 1;
        last = start;
        previous_bytes = bytes.len() - left.0.len() - start;
    }
    must(left.0.is_empty() && tail as usize == last)?;
    must(count == COUNT_UNKNOWN || u64::from(count) == found)
}

/// Reads a zip map: count (1), then names and values behind their lengths, values with free bytes behind them, end.
pub(super) fn zipmap(bytes: &[u8], take: &mut TakePair<'_>) -> Result<()> {
    let mut left = Bytes(bytes);
    let count = left.byte()?;
    let mut found = 0_u64;
    while let Some(length) = left.zipmap_length()? {
        let name = left.take(length)?;
        let length = left.zipmap_length()?.ok_or(Malformed)?;
        let free = left.byte()?;
        let value = left.take(length)?;
        left.take(usize::from(free))?;
        take(name, value)?;
        found += 1;
    }
    must(left.0.is_empty())?;
    must(count >= 254 || u64::from(count) == found)
}

/// Reads a set of integers: bytes a member (4), count (4), members in ascending order.
pub(super) fn intset(bytes: &[u8], take: &mut Take<'_>) -> Result<()> {
    let mut left = Bytes(bytes);
    let width = left.u32()?;
    let count = left.u32()?;
    must(matches!(width, 2 | 4 | 8))?;
    must(u64::from(width) * u64::from(count) == left.0.len() as u64)?;
    let mut before = None;
    for _ in 0..count {
        let member = left.integer(width as usize)?;
        must(before.is_none_or(|before| before < member))?;
        before = Some(member);
        take(Decimal::new(member).as_bytes())?;
    }
    Ok(())
}

/// An entry's value.
#[derive(Clone, Copy, Debug)]
pub(super) enum Packed<'a> {
    Text(&'a [u8]),
    Integer(i64),
}

impl Packed<'_> {
    fn give(&self, take: &mut Take<'_>) -> Result<()> {
        match *self {
            Self::Text(text) => take(text),
            Self::Integer(value) => take(Decimal::new(value).as_bytes()),
        }
    }
}

#[derive(Clone, Copy, Debug)]
struct Bytes<'a>(&'a [u8]);

impl<'a> Bytes<'a> {
    fn take(&mut self, length: usize) -> Result<&'a [u8]> {
        let (taken, left) = self.0.split_at_checked(length).ok_or(Malformed)?;
        self.0 = left;
        Ok(taken)
    }

    fn chunk<const N: usize>(&mut self) -> Result<&'a [u8; N]> {
        let (taken, left) = self.0.split_first_chunk().ok_or(Malformed)?;
        self.0 = left;
        Ok(taken)
    }

    fn byte(&mut self) -> Result<u8> {
        let [byte] = self.chunk()?;
        Ok(*byte)
    }

    fn u16(&mut self) -> Result<u16> {
        Ok(u16::from_le_bytes(*self.chunk()?))
    }

    fn u32(&mut self) -> Result<u32> {
        Ok(u32::from_le_bytes(*self.chunk()?))
    }

    /// A signed integer of up to eight bytes, lowest first.
    fn integer(&mut self, width: usize) -> Result<i64> {
        let mut value = 0;
        for (position, &byte) in self.take(width)?.iter().enumerate() {
            value |= i64::from(byte) << (8 * position);
        }
        Ok(sign_extended(value, 8 * width as u32))
    }

    /// An entry's length behind it, in groups of seven bits, the highest first; it must be `length`.
    fn back_length(&mut self, length: usize) -> Result<()> {
        for byte in back_length(length) {
            must(self.byte()? == byte)?;
        }
        Ok(())
    }

    /// The length of a name or value; none at the end.
    fn zipmap_length(&mut self) -> Result<Option<usize>> {
        match self.byte()? {
            END => Ok(None),
            254 => Ok(Some(self.u32()? as usize)),
            length => Ok(Some(usize::from(length))),
        }
    }
}

/// An entry's length as it stands behind it.
fn back_length(length: usize) -> impl Iterator<Item = u8> {
    // Redis begins the next group one early.
    let groups = match length {
        0..=127 => 1,
        128..16_383 => 2,
        16_383..2_097_151 => 3,
        2_097_151..268_435_455 => 4,
        _ => 5,
    };
    (0..groups).rev().map(move |group| {
        let bits = (length >> (7 * group) & 127) as u8;
        bits | if group + 1 == groups { 0 } else { 128 }
    })
}

/// A list pack that is being written.
#[derive(Debug)]
pub(super) struct Packing {
    bytes: Vec<u8>,
    count: u64,
}

impl Packing {
    pub(super) fn new() -> Self {
        Self {
            bytes: vec![0; 6],
            count: 0,
        }
    }

    /// Appends text, as an integer where it is one's decimal form.
    pub(super) fn text(&mut self, text: &[u8]) {
        if let Some(value) = number::integer(text) {
            self.integer(value);
            return;
        }
        let start = self.bytes.len();
        match text.len() {
            0..0x40 => self.bytes.push(0x80 | text.len() as u8),
            0x40..0x1000 => {
                self.bytes.push(0xe0 | (text.len() >> 8) as u8);
                self.bytes.push(text.len() as u8);
            }
            length => {
                self.bytes.push(0xf0);
                self.bytes.extend_from_slice(&(length as u32).to_le_bytes());
            }
        }
        self.bytes.extend_from_slice(text);
        self.end_entry(start);
    }

    pub(super) fn integer(&mut self, value: i64) {
        let start = self.bytes.len();
        let bytes = value.to_le_bytes();
        match value {
            0..=127 => self.bytes.push(value as u8),
            -4096..=4095 => {
                let value = (value & 0x1fff) as u16;
                self.bytes.push(0xc0 | (value >> 8) as u8);
                self.bytes.push(value as u8);
            }
            -0x8000..=0x7fff => self.wide(0xf1, &bytes[..2]),
            -0x80_0000..=0x7f_ffff => self.wide(0xf2, &bytes[..3]),
            -0x8000_0000..=0x7fff_ffff => self.wide(0xf3, &bytes[..4]),
            _ => self.wide(0xf4, &bytes),
        }
        self.end_entry(start);
    }

    /// All of it.
    pub(super) fn finish(mut self) -> Vec<u8> {
        self.bytes.push(END);
        let size = self.bytes.len() as u32;
        let count = u16::try_from(self.count).unwrap_or(COUNT_UNKNOWN);
        self.bytes[..4].copy_from_slice(&size.to_le_bytes());
        self.bytes[4..6].copy_from_slice(&count.to_le_bytes());
        self.bytes
    }

    fn wide(&mut self, mark: u8, bytes: &[u8]) {
        self.bytes.push(mark);
        self.bytes.extend_from_slice(bytes);
    }

    fn end_entry(&mut self, start: usize) {
        let length = self.bytes.len() - start;
        self.bytes.extend(back_length(length));
        self.count += 1;
    }
}

fn sign_extended(value: i64, bits: u32) -> i64 {
    let unused = 64 - bits;
    value << unused >> unused
}
