//! Reading lengths and strings.

use crate::number::{self, Decimal};
use crate::rdb::{Malformed, Result, lzf};

/// How many bytes one byte of compressed text can become at most: three bytes tell a copy of up to 264.
const INFLATION_MAX: u64 = 88;

/// What is left of a payload.
#[derive(Debug)]
pub(super) struct Input<'a> {
    left: &'a [u8],
    string_bytes_max: u64,
    is_short: bool,
}

/// A string of a payload.
#[derive(Debug)]
pub(super) enum Text<'a> {
    /// As it stands there.
    Bytes(&'a [u8]),
    /// Told as a number.
    Integer(Decimal),
    /// Told in fewer bytes.
    Inflated(Vec<u8>),
}

impl Text<'_> {
    pub(super) fn as_bytes(&self) -> &[u8] {
        match self {
            Self::Bytes(bytes) => bytes,
            Self::Integer(decimal) => decimal.as_bytes(),
            Self::Inflated(bytes) => bytes,
        }
    }
}

/// A length, or the number of a string's special form.
enum Length {
    Plain(u64),
    Special(u8),
}

impl<'a> Input<'a> {
    /// Strings longer than `string_bytes_max` are refused before they are made.
    pub(super) fn new(bytes: &'a [u8], string_bytes_max: u64) -> Self {
        Self {
            left: bytes,
            string_bytes_max,
            is_short: false,
        }
    }

    /// True if something was refused because the bytes ended before it did.
    pub(super) fn is_short(&self) -> bool {
        self.is_short
    }

    /// How many bytes are left.
    pub(super) fn left(&self) -> usize {
        self.left.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.left.is_empty()
    }

    pub(super) fn byte(&mut self) -> Result<u8> {
        let [byte] = self.array()?;
        Ok(byte)
    }

    /// A number of elements or bytes.
    pub(super) fn length(&mut self) -> Result<u64> {
        match self.length_or_special()? {
            Length::Plain(length) => Ok(length),
            Length::Special(_) => Err(Malformed),
        }
    }

    /// A string.
    pub(super) fn text(&mut self) -> Result<Text<'a>> {
        let value = match self.length_or_special()? {
            Length::Plain(length) => return Ok(Text::Bytes(self.take(length)?)),
            Length::Special(0) => i64::from(i8::from_le_bytes(self.array()?)),
            Length::Special(1) => i64::from(i16::from_le_bytes(self.array()?)),
            Length::Special(2) => i64::from(i32::from_le_bytes(self.array()?)),
            Length::Special(3) => {
                let packed_bytes = self.length()?;
                let bytes = self.length()?;
                let packed = self.take(packed_bytes)?;
                if bytes > self.string_bytes_max
                    || bytes > packed_bytes.saturating_mul(INFLATION_MAX)
                {
                    return Err(Malformed);
                }
                return Ok(Text::Inflated(lzf::inflate(packed, bytes as usize)?));
            }
            Length::Special(_) => return Err(Malformed),
        };
        Ok(Text::Integer(Decimal::new(value)))
    }

    /// So many bytes as they are.
    pub(super) fn raw<const N: usize>(&mut self) -> Result<[u8; N]> {
        self.array()
    }

    /// A double's bits.
    pub(super) fn double(&mut self) -> Result<f64> {
        Ok(f64::from_bits(u64::from_le_bytes(self.array()?)))
    }

    /// A double as text behind its length, as Redis wrote it before 4.0.
    pub(super) fn double_text(&mut self) -> Result<f64> {
        match self.byte()? {
            255 => Ok(f64::NEG_INFINITY),
            254 => Ok(f64::INFINITY),
            253 => Err(Malformed),
            length => number::double(self.take(u64::from(length))?).ok_or(Malformed),
        }
    }

    fn length_or_special(&mut self) -> Result<Length> {
        let first = self.byte()?;
        let low = first & 0x3f;
        Ok(match (first >> 6, first) {
            (0, _) => Length::Plain(u64::from(low)),
            (1, _) => {
                let second = self.byte()?;
                Length::Plain(u64::from(low) << 8 | u64::from(second))
            }
            (_, 0x80) => Length::Plain(u64::from(u32::from_be_bytes(self.array()?))),
            (_, 0x81) => Length::Plain(u64::from_be_bytes(self.array()?)),
            (3, _) => Length::Special(low),
            _ => return Err(Malformed),
        })
    }

    fn take(&mut self, length: u64) -> Result<&'a [u8]> {
        let length = usize::try_from(length).map_err(|_| Malformed)?;
        let found = self.left.split_at_checked(length);
        self.is_short |= found.is_none();
        let (taken, left) = found.ok_or(Malformed)?;
        self.left = left;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N]> {
        let found = self.left.split_first_chunk();
        self.is_short |= found.is_none();
        let (taken, left) = found.ok_or(Malformed)?;
        self.left = left;
        Ok(*taken)
    }
}
