//! How a log is opened.

/// Whose log it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Identity {
    /// The cluster: drawn once, when the first node's log is made.
    pub cluster: u128,
    /// The node within it.
    pub node: u64,
}

impl std::fmt::Display for Identity {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "node {} of cluster {:032x}", self.node, self.cluster)
    }
}

/// How a log is opened and written.
#[derive(Debug, Clone)]
pub struct Options {
    /// Whose log it must be, and a new one becomes. `None` opens any log and makes none.
    pub identity: Option<Identity>,
    /// The rules of `apply` that new records are written under, and the newest that are known.
    pub apply_level: u32,
    /// How long a segment is. One is longer if a frame needs it.
    pub segment_bytes: u64,
    /// How large a frame may be; a batch that is larger is refused.
    pub frame_bytes_max: u64,
    /// Frames begin at multiples of this: a power of two from 8 to 4,096. 4,096 keeps frames that are durable out of
    /// the blocks that later ones are written to, for disks that may damage a whole block when the power fails; it
    /// costs space.
    pub frame_alignment_bytes: u64,
    /// Begins a log where there are snapshots but no log, which is otherwise refused as a loss.
    pub begin_beside_snapshots: bool,
    /// A bug that is put in, for tests of the tests.
    #[cfg(feature = "planted-bugs")]
    pub planted: Option<Planted>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            identity: None,
            apply_level: 1,
            segment_bytes: 64 << 20,
            frame_bytes_max: 1 << 30,
            frame_alignment_bytes: 8,
            begin_beside_snapshots: false,
            #[cfg(feature = "planted-bugs")]
            planted: None,
        }
    }
}

impl Options {
    pub(crate) fn bugs(&self) -> Bugs {
        #[cfg(feature = "planted-bugs")]
        {
            let is = |bug| self.planted == Some(bug);
            Bugs {
                answer_before_sync: is(Planted::AnswerBeforeSync),
                rename_without_directory_sync: is(Planted::RenameWithoutDirectorySync),
                truncation_on_corruption: is(Planted::TruncationOnCorruption),
                checksum_ignores_place: is(Planted::ChecksumIgnoresPlace),
                durable_through_too_high: is(Planted::DurableThroughTooHigh),
                closing_frame_before_sync: is(Planted::ClosingFrameBeforeSync),
                second_sync_believed: is(Planted::SecondSyncBelieved),
                recovery_trusts_cache: is(Planted::RecoveryTrustsCache),
                rotation_without_sync: is(Planted::RotationWithoutSync),
                purge_before_sync: is(Planted::PurgeBeforeSync),
                failed_write_kept: is(Planted::FailedWriteKept),
                missing_segments_ignored: is(Planted::MissingSegmentsIgnored),
            }
        }
        #[cfg(not(feature = "planted-bugs"))]
        Bugs::default()
    }
}

/// Which bugs are in; none in a product.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Bugs {
    pub(crate) answer_before_sync: bool,
    pub(crate) rename_without_directory_sync: bool,
    pub(crate) truncation_on_corruption: bool,
    pub(crate) checksum_ignores_place: bool,
    pub(crate) durable_through_too_high: bool,
    pub(crate) closing_frame_before_sync: bool,
    pub(crate) second_sync_believed: bool,
    pub(crate) recovery_trusts_cache: bool,
    pub(crate) rotation_without_sync: bool,
    pub(crate) purge_before_sync: bool,
    pub(crate) failed_write_kept: bool,
    pub(crate) missing_segments_ignored: bool,
}

/// Bugs that a log can be made to have. The simulation must find each.
#[cfg(feature = "planted-bugs")]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Planted {
    /// `sync` answers and syncs nothing.
    AnswerBeforeSync,
    /// New names are used before the directory is synced.
    RenameWithoutDirectorySync,
    /// Damage that a later frame proves to be a loss is cut off like a torn tail.
    TruncationOnCorruption,
    /// The checksum does not cover where a frame stands, nor what it follows.
    ChecksumIgnoresPlace,
    /// A frame claims that all before it is durable.
    DurableThroughTooHigh,
    /// The closing frame is written before what it closes is durable.
    ClosingFrameBeforeSync,
    /// After a sync that failed the next one is believed.
    SecondSyncBelieved,
    /// What is read when the log is opened is believed to be on the disk.
    RecoveryTrustsCache,
    /// A segment is begun before the one in front of it is durable.
    RotationWithoutSync,
    /// Segments are removed before the record that says so is durable.
    PurgeBeforeSync,
    /// A snapshot gets its name before it is durable.
    SnapshotRenamedBeforeSync,
    /// What a failed write left behind stays, and the next frame goes after it.
    FailedWriteKept,
    /// A segment that begins the log is believed to be the first that is needed.
    MissingSegmentsIgnored,
}
