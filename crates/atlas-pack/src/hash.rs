//! The hashes that packs use: which there are, how they are written, how they are computed.

mod murmur2;

use std::fmt;
use std::str::FromStr;

use md5::Md5;
use sha1::Sha1;
use sha2::{Digest, Sha256, Sha512};

use crate::error::Error;
use murmur2::Murmur2;

/// A hash function, from the weakest to the strongest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum HashFormat {
    /// 32 bits, of the bytes without white space, as CurseForge computes it.
    Murmur2,
    /// MD5.
    Md5,
    /// SHA-1.
    Sha1,
    /// SHA-256.
    Sha256,
    /// SHA-512.
    Sha512,
}

impl HashFormat {
    /// Every format, from the weakest to the strongest.
    pub const ALL: [Self; 5] = [
        Self::Murmur2,
        Self::Md5,
        Self::Sha1,
        Self::Sha256,
        Self::Sha512,
    ];

    /// Its name in packs.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Murmur2 => "murmur2",
            Self::Md5 => "md5",
            Self::Sha1 => "sha1",
            Self::Sha256 => "sha256",
            Self::Sha512 => "sha512",
        }
    }

    /// True if nobody can make another file with the same hash. A file that only a weaker hash names is believed to be
    /// the right one, not known.
    #[must_use]
    pub const fn is_strong(self) -> bool {
        matches!(self, Self::Sha256 | Self::Sha512)
    }

    /// How many bytes the hash has.
    const fn length(self) -> usize {
        match self {
            Self::Murmur2 => 4,
            Self::Md5 => 16,
            Self::Sha1 => 20,
            Self::Sha256 => 32,
            Self::Sha512 => 64,
        }
    }

    const fn form(self) -> &'static str {
        match self {
            Self::Murmur2 => "write a whole number of 32 bits",
            Self::Md5 => "write 32 hexadecimal digits",
            Self::Sha1 => "write 40 hexadecimal digits",
            Self::Sha256 => "write 64 hexadecimal digits",
            Self::Sha512 => "write 128 hexadecimal digits",
        }
    }
}

impl fmt::Display for HashFormat {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(self.name())
    }
}

impl FromStr for HashFormat {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self, Error> {
        // Old metafiles have `SHA256`; packwiz does not mind either.
        let found = Self::ALL
            .into_iter()
            .find(|format| format.name().eq_ignore_ascii_case(name));
        found.ok_or_else(|| Error::HashFormat {
            name: name.to_owned(),
        })
    }
}

/// The hash of some bytes by one format. Two are equal if format and value are, however they were written.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Hash {
    format: HashFormat,
    bytes: [u8; 64],
}

impl Hash {
    /// The hash of these bytes.
    #[must_use]
    pub fn of(format: HashFormat, bytes: &[u8]) -> Self {
        let mut hasher = Hasher::new(format);
        hasher.update(bytes);
        hasher.finish()
    }

    /// Reads a hash as packs write it: hexadecimal digits of either case; murmur2 as a decimal number, in old packs a
    /// negative one.
    ///
    /// # Errors
    /// [`Error::Hash`] if the text has not the form that the format's hashes have.
    pub fn parse(format: HashFormat, text: &str) -> Result<Self, Error> {
        let refused = || Error::Hash {
            value: text.chars().take(160).collect(),
            format: format.name(),
            wrong: format.form(),
        };
        if format == HashFormat::Murmur2 {
            let number: i64 = text.parse().map_err(|_| refused())?;
            let number = u32::try_from(number)
                .or_else(|_| i32::try_from(number).map(i32::cast_unsigned))
                .map_err(|_| refused())?;
            return Ok(Self::new(format, &number.to_be_bytes()));
        }
        let digits = text.as_bytes();
        if digits.len() != format.length() * 2 {
            return Err(refused());
        }
        let mut bytes = [0; 64];
        for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
            let high = hex(pair[0]).ok_or_else(refused)?;
            *byte = high << 4 | hex(pair[1]).ok_or_else(refused)?;
        }
        Ok(Self { format, bytes })
    }

    fn new(format: HashFormat, value: &[u8]) -> Self {
        let mut bytes = [0; 64];
        bytes[..value.len()].copy_from_slice(value);
        Self { format, bytes }
    }

    /// The function that it is of.
    #[must_use]
    pub const fn format(&self) -> HashFormat {
        self.format
    }

    /// Its bytes; murmur2's number in big-endian order.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.bytes[..self.format.length()]
    }
}

/// As packwiz writes it: lower-case hexadecimal digits, or an unsigned decimal number.
impl fmt::Display for Hash {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.format == HashFormat::Murmur2 {
            let [a, b, c, d, ..] = self.bytes;
            return write!(formatter, "{}", u32::from_be_bytes([a, b, c, d]));
        }
        self.bytes()
            .iter()
            .try_for_each(|byte| write!(formatter, "{byte:02x}"))
    }
}

impl fmt::Debug for Hash {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}:{self}", self.format)
    }
}

fn hex(digit: u8) -> Option<u8> {
    char::from(digit)
        .to_digit(16)
        .and_then(|value| u8::try_from(value).ok())
}

/// Computes a hash of bytes that come in pieces.
///
/// All formats but murmur2 need a fixed amount of memory; murmur2 begins with the length, so that it keeps the bytes.
#[derive(Clone)]
pub struct Hasher(State);

#[derive(Clone)]
enum State {
    Murmur2(Murmur2),
    Md5(Md5),
    Sha1(Sha1),
    Sha256(Sha256),
    Sha512(Sha512),
}

impl Hasher {
    /// Of no bytes yet.
    #[must_use]
    pub fn new(format: HashFormat) -> Self {
        Self(match format {
            HashFormat::Murmur2 => State::Murmur2(Murmur2::default()),
            HashFormat::Md5 => State::Md5(Md5::new()),
            HashFormat::Sha1 => State::Sha1(Sha1::new()),
            HashFormat::Sha256 => State::Sha256(Sha256::new()),
            HashFormat::Sha512 => State::Sha512(Sha512::new()),
        })
    }

    /// Takes the next bytes.
    pub fn update(&mut self, bytes: &[u8]) {
        match &mut self.0 {
            State::Murmur2(state) => state.update(bytes),
            State::Md5(state) => state.update(bytes),
            State::Sha1(state) => state.update(bytes),
            State::Sha256(state) => state.update(bytes),
            State::Sha512(state) => state.update(bytes),
        }
    }

    /// The hash of all bytes that were taken.
    #[must_use]
    pub fn finish(self) -> Hash {
        match self.0 {
            State::Murmur2(state) => Hash::new(HashFormat::Murmur2, &state.finish().to_be_bytes()),
            State::Md5(state) => Hash::new(HashFormat::Md5, &state.finalize()),
            State::Sha1(state) => Hash::new(HashFormat::Sha1, &state.finalize()),
            State::Sha256(state) => Hash::new(HashFormat::Sha256, &state.finalize()),
            State::Sha512(state) => Hash::new(HashFormat::Sha512, &state.finalize()),
        }
    }
}

impl fmt::Debug for Hasher {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Hasher").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
