//! A snapshot's bytes (`docs/formats/snapshot.md`).

use twox_hash::XxHash3_128;

use super::SnapshotHeader;
use crate::LogId;
use crate::checksum;
use crate::segment::{BadHeader, XXH3_64, large, number, small};

/// Most bytes of a block's content.
pub const BLOCK_BYTES_MAX: usize = 4 << 20;

/// Kinds from this one on are the format's own; the store has those below.
pub const FORMAT_KINDS: u16 = 0xff00;

/// The kind of the footer, the last block.
pub(super) const FOOTER: u16 = 0xffff;

pub(super) const VERSION: u32 = 1;
pub(super) const HEADER_BYTES: u64 = 256;
pub(super) const BLOCK_HEADER_BYTES: u64 = 40;
/// Blocks begin at multiples of this.
const ALIGNMENT: u64 = 8;

const MAGIC: [u8; 8] = *b"ATLASNAP";
const BLOCK_MAGIC: [u8; 4] = *b"ABLK";

/// The file's beginning, and its checksum, which the first block continues.
pub(super) fn encode_header(header: &SnapshotHeader, file_id: u128) -> (Vec<u8>, u64) {
    let mut bytes = vec![0; HEADER_BYTES as usize];
    bytes[..8].copy_from_slice(&MAGIC);
    bytes[8..12].copy_from_slice(&VERSION.to_le_bytes());
    bytes[12..16].copy_from_slice(&(HEADER_BYTES as u32).to_le_bytes());
    bytes[16..32].copy_from_slice(&header.cluster.to_le_bytes());
    bytes[32..40].copy_from_slice(&header.node.to_le_bytes());
    bytes[40..48].copy_from_slice(&header.group.to_le_bytes());
    bytes[48..64].copy_from_slice(&file_id.to_le_bytes());
    bytes[64..68].copy_from_slice(&header.apply_level.to_le_bytes());
    // 68: cipher, 0 is none.
    bytes[69] = XXH3_64;
    for (place, value) in [
        header.id.term,
        header.id.leader,
        header.id.index,
        header.now_ms,
    ]
    .into_iter()
    .enumerate()
    {
        bytes[72 + place * 8..80 + place * 8].copy_from_slice(&value.to_le_bytes());
    }
    let sum = header_sum(&bytes);
    bytes[HEADER_BYTES as usize - 8..].copy_from_slice(&sum.to_le_bytes());
    (bytes, sum)
}

/// Reads a file's beginning: what it is of, its file id, and the checksum.
pub(super) fn decode_header(bytes: &[u8]) -> Result<(SnapshotHeader, u128, u64), BadHeader> {
    let damaged = |what: &str| BadHeader::Damaged(what.into());
    let Some(bytes) = bytes.get(..HEADER_BYTES as usize) else {
        return Err(BadHeader::Damaged(format!(
            "the file ends after {} bytes, within the header",
            bytes.len()
        )));
    };
    if bytes[..8] != MAGIC {
        return Err(damaged("it does not begin as a snapshot does"));
    }
    // Magic, version and the place of the checksum are the same in every version.
    let sum = number(bytes, HEADER_BYTES as usize - 8);
    if sum != header_sum(bytes) {
        return Err(damaged("the header's checksum does not match"));
    }
    let version = small(bytes, 8);
    if version > VERSION {
        return Err(BadHeader::Newer(version));
    }
    if version == 0
        || small(bytes, 12) != HEADER_BYTES as u32
        || bytes[68] != 0
        || bytes[69] != XXH3_64
        || bytes[70..72] != [0; 2]
        || bytes[104..HEADER_BYTES as usize - 8]
            .iter()
            .any(|&byte| byte != 0)
    {
        return Err(damaged(
            "the header has a value that this version does not have",
        ));
    }
    let header = SnapshotHeader {
        cluster: large(bytes, 16),
        node: number(bytes, 32),
        group: number(bytes, 40),
        id: LogId {
            term: number(bytes, 72),
            leader: number(bytes, 80),
            index: number(bytes, 88),
        },
        now_ms: number(bytes, 96),
        apply_level: small(bytes, 64),
    };
    Ok((header, large(bytes, 48), sum))
}

fn header_sum(bytes: &[u8]) -> u64 {
    checksum::sum(0, &bytes[..HEADER_BYTES as usize - 8])
}

/// What a block's first 40 bytes say.
#[derive(Debug, Clone, Copy)]
pub(super) struct BlockHeader {
    pub(super) kind: u16,
    pub(super) payload_bytes: u32,
    payload_sum: u64,
    /// The block's own checksum, which the next one names.
    pub(super) sum: u64,
}

/// Appends a block for `offset` of the file to `to`; returns its checksum.
pub(super) fn encode_block(
    to: &mut Vec<u8>,
    kind: u16,
    payload: &[u8],
    file_id: u128,
    offset: u64,
    previous: u64,
) -> u64 {
    let start = to.len();
    to.resize(start + BLOCK_HEADER_BYTES as usize, 0);
    to.extend_from_slice(payload);
    let bytes = block_bytes(payload.len() as u64) as usize;
    to.resize(start + bytes, 0);
    let seed = checksum::seed(file_id, offset);
    let (header, padded) = to[start..].split_at_mut(BLOCK_HEADER_BYTES as usize);
    header[..4].copy_from_slice(&BLOCK_MAGIC);
    header[4..6].copy_from_slice(&kind.to_le_bytes());
    header[8..12].copy_from_slice(&(payload.len() as u32).to_le_bytes());
    header[16..24].copy_from_slice(&previous.to_le_bytes());
    header[24..32].copy_from_slice(&checksum::sum(seed, padded).to_le_bytes());
    let sum = checksum::sum(seed, &header[..32]);
    header[32..40].copy_from_slice(&sum.to_le_bytes());
    sum
}

/// Reads a block's header at `offset`.
pub(super) fn decode_block(
    bytes: &[u8],
    file_id: u128,
    offset: u64,
    previous: u64,
) -> Result<BlockHeader, &'static str> {
    let Some(header) = bytes.get(..BLOCK_HEADER_BYTES as usize) else {
        return Err("the file ends without a footer");
    };
    let seed = checksum::seed(file_id, offset);
    let sum = number(header, 32);
    if header[..4] != BLOCK_MAGIC || sum != checksum::sum(seed, &header[..32]) {
        return Err("the checksum of a block's header does not match");
    }
    if number(header, 16) != previous {
        return Err("a block does not follow the one before it");
    }
    let block = BlockHeader {
        kind: small(header, 4) as u16,
        payload_bytes: small(header, 8),
        payload_sum: number(header, 24),
        sum,
    };
    if header[6..8] != [0; 2]
        || header[12..16] != [0; 4]
        || block.payload_bytes as usize > BLOCK_BYTES_MAX
        || (block.kind >= FORMAT_KINDS && block.kind != FOOTER)
    {
        return Err("a block has a value that this version does not have");
    }
    Ok(block)
}

impl BlockHeader {
    pub(super) fn bytes(&self) -> u64 {
        block_bytes(u64::from(self.payload_bytes))
    }

    /// The content, if `padded`, what follows the header, is what was written.
    pub(super) fn payload<'a>(
        &self,
        padded: &'a [u8],
        file_id: u128,
        offset: u64,
    ) -> Option<&'a [u8]> {
        let seed = checksum::seed(file_id, offset);
        if checksum::sum(seed, padded) != self.payload_sum {
            return None;
        }
        padded.get(..self.payload_bytes as usize)
    }
}

fn block_bytes(payload_bytes: u64) -> u64 {
    (BLOCK_HEADER_BYTES + payload_bytes).next_multiple_of(ALIGNMENT)
}

/// What the footer says: how many blocks there are before it, how many bytes of content, and the hash of all.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Footer {
    pub(super) blocks: u64,
    pub(super) content_bytes: u64,
    pub(super) content_hash: u128,
}

impl Footer {
    pub(super) fn encode(&self) -> [u8; 32] {
        let mut bytes = [0; 32];
        bytes[..8].copy_from_slice(&self.blocks.to_le_bytes());
        bytes[8..16].copy_from_slice(&self.content_bytes.to_le_bytes());
        bytes[16..].copy_from_slice(&self.content_hash.to_le_bytes());
        bytes
    }

    pub(super) fn decode(bytes: &[u8]) -> Option<Self> {
        (bytes.len() == 32).then(|| Self {
            blocks: number(bytes, 0),
            content_bytes: number(bytes, 8),
            content_hash: large(bytes, 16),
        })
    }
}

/// Sums up what the footer says.
#[derive(Clone, Default)]
pub(super) struct Content {
    blocks: u64,
    bytes: u64,
    hash: XxHash3_128,
}

impl Content {
    pub(super) fn add(&mut self, kind: u16, payload: &[u8]) {
        self.blocks += 1;
        self.bytes += payload.len() as u64;
        self.hash.write(&kind.to_le_bytes());
        self.hash.write(&(payload.len() as u32).to_le_bytes());
        self.hash.write(payload);
    }

    pub(super) fn footer(&self) -> Footer {
        Footer {
            blocks: self.blocks,
            content_bytes: self.bytes,
            content_hash: self.hash.finish_128(),
        }
    }
}
