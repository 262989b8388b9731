//! The header of a segment: whose it is, and by which rules it is read.

use std::path::PathBuf;

use crate::checksum;
use crate::error::Error;

/// The bytes of the header; the first frame begins behind them.
pub(crate) const HEADER_BYTES: u64 = 4096;

/// The format version that this program writes, and the newest that it reads.
pub(crate) const VERSION: u32 = 1;

pub(crate) const MAGIC: [u8; 8] = *b"ATLASLOG";

/// Number of the checksum algorithm: XXH3 with 64 bits.
pub(crate) const XXH3_64: u8 = 1;

/// Frames begin at multiples of two to the power of at least this.
pub(crate) const ALIGNMENT_LOG2_MIN: u8 = 3;
/// And at most this: a frame must be able to follow the header.
pub(crate) const ALIGNMENT_LOG2_MAX: u8 = 12;

/// What a segment's first 4,096 bytes say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SegmentHeader {
    /// The cluster whose log it is.
    pub cluster: u128,
    /// The node whose log it is.
    pub node: u64,
    /// Which segment of the log, from 1.
    pub number: u64,
    /// Random; part of every checksum in the file.
    pub file_id: u128,
    /// The rules by which its records are applied.
    pub apply_level: u32,
    /// Frames begin at multiples of two to the power of this.
    pub alignment_log2: u8,
    /// The length of the file.
    pub bytes: u64,
}

/// Why bytes are no header.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum BadHeader {
    Damaged(String),
    Newer(u32),
}

impl BadHeader {
    pub(crate) fn into_error(self, file: PathBuf) -> Error {
        match self {
            Self::Damaged(what) => Error::Corrupt {
                file,
                offset: 0,
                what,
            },
            Self::Newer(version) => Error::NewerFormat {
                file,
                version,
                known: VERSION,
            },
        }
    }
}

impl SegmentHeader {
    /// The header as it stands in the file, and its checksum, which the first frame continues.
    pub(crate) fn encode(&self) -> (Vec<u8>, u64) {
        let mut bytes = vec![0; HEADER_BYTES as usize];
        bytes[..8].copy_from_slice(&MAGIC);
        bytes[8..12].copy_from_slice(&VERSION.to_le_bytes());
        bytes[12..16].copy_from_slice(&(HEADER_BYTES as u32).to_le_bytes());
        bytes[16..32].copy_from_slice(&self.cluster.to_le_bytes());
        bytes[32..40].copy_from_slice(&self.node.to_le_bytes());
        bytes[40..48].copy_from_slice(&self.number.to_le_bytes());
        bytes[48..64].copy_from_slice(&self.file_id.to_le_bytes());
        bytes[64..68].copy_from_slice(&self.apply_level.to_le_bytes());
        // 68: cipher, 0 is none.
        bytes[69] = XXH3_64;
        bytes[70] = self.alignment_log2;
        bytes[72..80].copy_from_slice(&self.bytes.to_le_bytes());
        let sum = sum_of(&bytes);
        bytes[HEADER_BYTES as usize - 8..].copy_from_slice(&sum.to_le_bytes());
        (bytes, sum)
    }

    /// Reads a header; `bytes` are the beginning of the file, as far as it goes.
    pub(crate) fn decode(bytes: &[u8]) -> Result<(Self, u64), BadHeader> {
        let damaged = |what: &str| BadHeader::Damaged(what.into());
        let Some(bytes) = bytes.get(..HEADER_BYTES as usize) else {
            return Err(BadHeader::Damaged(format!(
                "the file ends after {} bytes, within the header",
                bytes.len()
            )));
        };
        if bytes[..8] != MAGIC {
            return Err(damaged("it does not begin as a segment of a log does"));
        }
        // Magic, version and the place of the checksum are the same in every version, so that damage is not taken
        // for something newer.
        let sum = number(bytes, HEADER_BYTES as usize - 8);
        if sum != sum_of(bytes) {
            return Err(damaged("the header's checksum does not match"));
        }
        let version = small(bytes, 8);
        if version > VERSION {
            return Err(BadHeader::Newer(version));
        }
        let header = Self {
            cluster: large(bytes, 16),
            node: number(bytes, 32),
            number: number(bytes, 40),
            file_id: large(bytes, 48),
            apply_level: small(bytes, 64),
            alignment_log2: bytes[70],
            bytes: number(bytes, 72),
        };
        if version == 0
            || small(bytes, 12) != HEADER_BYTES as u32
            || bytes[68] != 0
            || bytes[69] != XXH3_64
            || !(ALIGNMENT_LOG2_MIN..=ALIGNMENT_LOG2_MAX).contains(&header.alignment_log2)
            || bytes[71] != 0
            || bytes[80..HEADER_BYTES as usize - 8]
                .iter()
                .any(|&byte| byte != 0)
        {
            return Err(damaged(
                "the header has a value that this version does not have",
            ));
        }
        Ok((header, sum))
    }

    /// What frames' offsets are multiples of.
    pub(crate) const fn alignment(&self) -> u64 {
        1 << self.alignment_log2
    }
}

fn sum_of(header: &[u8]) -> u64 {
    checksum::sum(0, &header[..HEADER_BYTES as usize - 8])
}

pub(crate) fn small(bytes: &[u8], at: usize) -> u32 {
    bytes[at..]
        .first_chunk()
        .map_or(0, |chunk| u32::from_le_bytes(*chunk))
}

pub(crate) fn number(bytes: &[u8], at: usize) -> u64 {
    bytes[at..]
        .first_chunk()
        .map_or(0, |chunk| u64::from_le_bytes(*chunk))
}

pub(crate) fn large(bytes: &[u8], at: usize) -> u128 {
    bytes[at..]
        .first_chunk()
        .map_or(0, |chunk| u128::from_le_bytes(*chunk))
}
