//! Segments whose checksums are right whatever is in them: what a hostile or broken writer could leave. For tests.

use crate::frame::{self, FrameKind, Opening};
use crate::segment::SegmentHeader;

/// A segment that is put together frame by frame.
#[derive(Debug, Clone)]
pub struct ForgedSegment {
    header: SegmentHeader,
    bytes: Vec<u8>,
    previous: u64,
}

impl ForgedSegment {
    /// A header without a frame.
    #[must_use]
    pub fn new(header: SegmentHeader) -> Self {
        let (bytes, previous) = header.encode();
        Self {
            header,
            bytes,
            previous,
        }
    }

    /// How long it is so far: where the next frame goes.
    #[must_use]
    pub fn offset(&self) -> u64 {
        self.bytes.len() as u64
    }

    /// Appends the opening frame of a log's first segment.
    pub fn opening(&mut self) {
        let mut payload = Vec::new();
        Opening::default().encode(&mut payload);
        self.frame(1, &payload, 0, self.offset());
    }

    /// Appends a frame: its kind as a number (1 opening, 2 records, 3 sealing, 4 closing; others are written as 2), what
    /// is in it, and what it claims.
    pub fn frame(&mut self, kind: u8, payload: &[u8], records: u32, durable_through: u64) {
        let kind = FrameKind::from_number(kind).unwrap_or(FrameKind::Records);
        let payload_bytes = payload.len() as u32;
        let mut frame = vec![0; frame::HEADER_BYTES as usize];
        frame.extend_from_slice(payload);
        let padded = frame::bytes_of(u64::from(payload_bytes), self.header.alignment());
        frame.resize(padded as usize, 0);
        let seed = frame::seed(self.header.file_id, self.offset(), false);
        self.previous = frame::seal(
            &mut frame,
            kind,
            payload_bytes,
            records,
            durable_through,
            self.previous,
            seed,
        );
        self.bytes.extend_from_slice(&frame);
    }

    /// The bytes so far, to be changed.
    pub fn bytes_mut(&mut self) -> &mut [u8] {
        &mut self.bytes
    }

    /// The next frame will not follow the last.
    pub fn break_chain(&mut self) {
        self.previous ^= 1;
    }

    /// The header's checksum is made right again.
    pub fn reseal_header(&mut self) {
        let end = crate::segment::HEADER_BYTES as usize - 8;
        let sum = crate::checksum::sum(0, &self.bytes[..end]);
        self.bytes[end..end + 8].copy_from_slice(&sum.to_le_bytes());
    }

    /// The file: zeros up to the length in its header, or a little longer if it has more.
    #[must_use]
    pub fn finish(mut self) -> Vec<u8> {
        let length = (self.header.bytes as usize).max(self.bytes.len());
        self.bytes.resize(length, 0);
        self.bytes
    }
}
