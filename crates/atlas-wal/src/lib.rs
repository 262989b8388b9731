//! The store's log and snapshots: checksummed files over a [`Disk`], written so that a power cut loses nothing that
//! was said to be durable, and so that damage is found rather than served.
//!
//! Role: floor 2. A synchronous library without threads and without a clock: a log thread calls it, the engine above
//! decides what a record means. Every byte that it writes is in `docs/formats/log.md` and `docs/formats/snapshot.md`.
//!
//! Entry points: [`Log::open`] recovers a directory and goes on writing it; [`Batch`] gathers [`Record`]s, which
//! [`Log::append`] writes as one frame and [`Log::sync`] makes durable; [`Log::records`] reads them back.
//! [`SnapshotWriter`] and [`SnapshotReader`] are the image beside the log, [`snapshot::choose`] the one to start from,
//! and [`Log::purge`] lets go of what it covers. [`check()`] looks without touching, [`View`] reads without opening,
//! and [`Frozen`] is what both need while another process writes. Disks: [`FileDisk`]; with the
//! feature `testing`, a `MemoryDisk` that forgets what was not synced and a `FaultyDisk` that fails on a plan.
//!
//! Invariants:
//! - What [`Log::sync`] returned survives a power cut. After a sync that failed nothing more is written or promised:
//!   only opening the log again, which reads past the cache and writes what is in doubt anew, ends that state.
//! - Damage that a later frame, a sealed segment or a clean stop proves to be a loss is refused, by file and offset;
//!   only what nobody was told is durable is ever cut, and that is reported.
//! - Nothing is changed in a directory before all of it was read and found to be right.
//! - Each group's indices follow one another without a gap; one index comes twice only after a `truncate`.

mod batch;
mod check;
mod checksum;
mod disk;
mod error;
#[cfg(feature = "testing")]
mod forge;
mod frame;
mod frozen;
mod groups;
mod layout;
mod log;
mod options;
mod prepare;
mod read;
mod record;
mod segment;
pub mod snapshot;
mod survey;
mod varint;
mod view;
mod window;

pub use batch::Batch;
pub use check::{FileReport, GroupReport, Report, check};
pub use disk::{Disk, DiskFile, FileDisk, Lock, LockError};
#[cfg(feature = "testing")]
pub use disk::{
    faulty::{Call, Counts, Fault, FaultyDisk, How},
    memory::{Crash, MemoryDisk},
};
pub use error::Error;
#[cfg(feature = "testing")]
pub use forge::ForgedSegment;
pub use frozen::Frozen;
pub use groups::{Group, LogId, Position, Skip};
pub use layout::{segment as segment_name, segment_number};
pub use log::{Log, Recovery, Torn};
#[cfg(feature = "planted-bugs")]
pub use options::Planted;
pub use options::{Identity, Options};
pub use prepare::{Preparation, Prepared};
pub use read::{Entry, Records};
pub use record::{Arguments, Kind, OwnedRecord, Record, Scratch};
pub use segment::SegmentHeader;
pub use snapshot::{Block, SnapshotHeader, SnapshotReader, SnapshotWriter, Verified};
pub use survey::IndexRange;
pub use view::View;
