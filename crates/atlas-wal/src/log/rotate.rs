//! From one segment to the next.

use super::{Ahead, Log, Prepared, SEALING_PAYLOAD_BYTES, build, put};
use crate::Error;
use crate::batch::Batch;
use crate::error;
use crate::frame::{self, FrameKind, Opening};
use crate::layout;
use crate::prepare::Preparation;
use crate::read::Stretch;
use crate::record::Record;
use crate::segment::{ALIGNMENT_LOG2_MAX, ALIGNMENT_LOG2_MIN, HEADER_BYTES, SegmentHeader};

impl Log {
    /// The next segment, to be written ahead, if it is time for that: when half of the active one is used. Run it
    /// (here or on another thread) and hand the outcome to [`Log::install`]. Who never asks has it done within an
    /// append, which then takes as long as that does.
    ///
    /// # Errors
    /// [`Error::Io`] if no random number is to be had.
    pub fn preparation(&mut self) -> Result<Option<Preparation>, Error> {
        if !self.wants_preparation() {
            return Ok(None);
        }
        let preparation = self.prepare(self.options.segment_bytes)?;
        self.preparing = true;
        Ok(Some(preparation))
    }

    /// True if [`Log::preparation`] would offer one.
    #[must_use]
    pub fn wants_preparation(&self) -> bool {
        let left = self.active.header.bytes - self.active.end;
        self.next.is_none()
            && !self.preparing
            && self.refusing.is_none()
            && left <= self.active.header.bytes / 2
    }

    /// True if [`Log::append`] of this batch alone would be a single write, without a new segment.
    #[must_use]
    pub fn fits(&self, batch: &Batch) -> bool {
        self.refusing.is_none() && self.has_room(batch.bytes() as u64)
    }

    /// Takes what became of a [`Preparation`]. If it failed, the error comes back, and [`Log::preparation`] offers
    /// another one at the next call.
    ///
    /// # Errors
    /// The preparation's own; [`Error::Io`] and [`Error::SyncFailed`] if the segment cannot get its name.
    pub fn install(&mut self, outcome: Result<Prepared, Error>) -> Result<(), Error> {
        self.preparing = false;
        let prepared = outcome?;
        let awaited = self.active.header.number + 1;
        if self.next.is_some() || prepared.header.number != awaited || self.refusing.is_some() {
            // The log did not wait for it.
            let _ = self.disk.remove(&prepared.name);
            return Ok(());
        }
        self.adopt(prepared)
    }

    fn prepare(&self, bytes: u64) -> Result<Preparation, Error> {
        self.prepare_number(self.active.header.number + 1, bytes)
    }

    pub(super) fn prepare_number(&self, number: u64, bytes: u64) -> Result<Preparation, Error> {
        Ok(Preparation {
            header: SegmentHeader {
                cluster: self.identity.cluster,
                node: self.identity.node,
                number,
                file_id: fresh_id(&*self.disk)?,
                apply_level: self.options.apply_level,
                alignment_log2: alignment_log2(self.options.frame_alignment_bytes),
                bytes: bytes.next_multiple_of(HEADER_BYTES),
            },
            disk: self.disk.clone(),
        })
    }

    /// Gives a segment that was written ahead its name.
    fn adopt(&mut self, prepared: Prepared) -> Result<(), Error> {
        let name = layout::segment(prepared.header.number);
        if let Err(source) = self.disk.rename(&prepared.name, &name) {
            let _ = self.disk.remove(&prepared.name);
            return Err(error::io("rename", self.path(&prepared.name), 0, source));
        }
        if !self.bugs.rename_without_directory_sync {
            self.sync_directory()?;
        }
        self.next = Some(Ahead {
            header: prepared.header,
            header_sum: prepared.header_sum,
            file: prepared.file,
        });
        Ok(())
    }

    /// Sees to it that a frame with so large a payload, and a sealing one after it, have room in the active segment.
    pub(super) fn make_room(&mut self, payload_bytes: u64) -> Result<(), Error> {
        if self.has_room(payload_bytes) {
            return Ok(());
        }
        self.rotate(payload_bytes)
    }

    /// True if the active segment has room for a frame with such a payload.
    fn has_room(&self, payload_bytes: u64) -> bool {
        let alignment = self.active.header.alignment();
        let needed = frame::bytes_of(payload_bytes, alignment)
            + frame::bytes_of(SEALING_PAYLOAD_BYTES, alignment);
        !self.active.sealed && self.active.end + needed <= self.active.header.bytes
    }

    /// Seals the active segment and begins the next, which has room for a frame with such a payload.
    pub(super) fn rotate(&mut self, payload_bytes: u64) -> Result<(), Error> {
        // First everything that can fail for want of space: until here nothing has changed.
        let standings = self.groups.standings();
        let mut opening = Vec::new();
        Opening {
            groups: standings,
            ..Opening::default()
        }
        .encode(&mut opening);
        let restated = self.restate(&mut opening)?;
        let alignment = 1 << alignment_log2(self.options.frame_alignment_bytes);
        let needed = HEADER_BYTES
            + frame::bytes_of(opening.len() as u64, alignment)
            + frame::bytes_of(payload_bytes, alignment)
            + frame::bytes_of(SEALING_PAYLOAD_BYTES, alignment);
        let fits = |next: &Ahead| {
            next.header.bytes >= needed
                && next.header.alignment() == alignment
                && next.header.apply_level == self.options.apply_level
        };
        if !self.next.as_ref().is_some_and(fits) {
            let prepared = self
                .prepare(needed.max(self.options.segment_bytes))?
                .run()?;
            self.next = None;
            self.adopt(prepared)?;
        }

        if !self.active.sealed {
            let next_number = self.active.header.number + 1;
            self.write_frame(FrameKind::Sealing, 0, |frame| {
                frame.extend_from_slice(&next_number.to_le_bytes());
            })?;
        }
        // The next segment, once begun, proves that this one is whole. So it must be durable by then.
        if !self.bugs.rotation_without_sync {
            self.sync()?;
        }
        for (place, value) in [
            self.active.header.number,
            self.active.end,
            self.active.last_sum,
        ]
        .into_iter()
        .enumerate()
        {
            opening[place * 8..place * 8 + 8].copy_from_slice(&value.to_le_bytes());
        }
        self.begin_next(&opening, restated)
    }

    /// Writes the opening frame of the next segment and makes it the active one.
    fn begin_next(&mut self, opening: &[u8], restated: u32) -> Result<(), Error> {
        let Some(next) = &self.next else {
            return Ok(());
        };
        let mut frame = std::mem::take(&mut self.frame);
        let sum = build(
            &mut frame,
            &next.header,
            HEADER_BYTES,
            FrameKind::Opening,
            restated,
            HEADER_BYTES,
            next.header_sum,
            self.bugs,
            |frame| frame.extend_from_slice(opening),
        );
        let result = put(&*next.file, &frame, HEADER_BYTES);
        let end = HEADER_BYTES + frame.len() as u64;
        self.frame = frame;
        let path = self.path(&layout::segment(next.header.number));
        if let Err(failed) = result {
            return self.write_failed(path, HEADER_BYTES, failed);
        }
        if let Err(source) = next.file.sync_data() {
            return Err(self.refuse(path, HEADER_BYTES, source));
        }
        if let Some(next) = self.next.take() {
            self.sealed.push_back(Stretch {
                header: self.active.header,
                end: self.active.end,
            });
            self.active = super::Active {
                header: next.header,
                file: next.file,
                end,
                durable: end,
                last_sum: sum,
                sealed: false,
            };
            self.preparing = false;
        }
        Ok(())
    }

    /// Appends each group's newest vote and commitment: they must not be lost with the segments that have them.
    fn restate(&self, to: &mut Vec<u8>) -> Result<u32, Error> {
        let mut count = 0;
        for (_, group) in self.groups.iter() {
            for record in [&group.vote, &group.committed].into_iter().flatten() {
                let start = to.len() + 4;
                to.extend_from_slice(&[0; 4]);
                record.with(|record: &Record<'_>| record.encode(to))?;
                let length = (to.len() - start) as u32;
                to[start - 4..start].copy_from_slice(&length.to_le_bytes());
                count += 1;
            }
        }
        Ok(count)
    }
}

pub(super) fn fresh_id(disk: &dyn crate::Disk) -> Result<u128, Error> {
    disk.fresh_id()
        .map_err(|source| error::io("draw a file id for", disk.directory().into(), 0, source))
}

/// The alignment as the header has it; what is no power of two within the bounds becomes the next that is.
pub(super) fn alignment_log2(bytes: u64) -> u8 {
    (bytes.max(1).next_power_of_two().trailing_zeros() as u8)
        .clamp(ALIGNMENT_LOG2_MIN, ALIGNMENT_LOG2_MAX)
}
