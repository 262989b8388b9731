//! Bugs that a store can be made to have, so that what proves it can be proven: each must be found.

/// Bugs of a store. Its tests must find each.
#[cfg(feature = "planted-bugs")]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Planted {
    /// What was written is answered before it is durable.
    AnswerBeforeSync,
    /// What is written shows to readers before it is durable.
    AppliedBeforeSync,
    /// In the modes that do not wait for a sync, an answer leaves before the system has the record.
    AnswerBeforeWrite,
    /// A snapshot says that it has the records in flight, too.
    SnapshotMissesWrites,
    /// A snapshot says that it has one record less than it has.
    SnapshotClaimsLess,
    /// The older snapshot is removed before the newer one is whole.
    SnapshotRemovedEarly,
    /// The log is purged before the snapshot is durable.
    PurgeBeforeSnapshot,
    /// The last record of the log is not read back.
    RecoverySkipsTail,
    /// A record that is read back is applied without those whom it serves.
    RecoveryForgetsWaiters,
    /// A record gets an index that was given.
    IndexReused,
    /// A sync that failed is taken for one that did not.
    FailedSyncIgnored,
    /// What could not be written is applied and answered all the same.
    FailedFlightAnswered,
    /// A bug of the log.
    Log(atlas_wal::Planted),
}

/// Which bugs are in; none in a product.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Bugs {
    pub(crate) answer_before_sync: bool,
    pub(crate) applied_before_sync: bool,
    pub(crate) answer_before_write: bool,
    pub(crate) snapshot_misses_writes: bool,
    pub(crate) snapshot_claims_less: bool,
    pub(crate) snapshot_removed_early: bool,
    pub(crate) recovery_skips_tail: bool,
    pub(crate) recovery_forgets_waiters: bool,
    pub(crate) index_reused: bool,
    pub(crate) failed_sync_ignored: bool,
    pub(crate) failed_flight_answered: bool,
    /// Of the log and of the files of snapshots.
    #[cfg(feature = "planted-bugs")]
    pub(crate) log: Option<atlas_wal::Planted>,
}

#[cfg(feature = "planted-bugs")]
impl Bugs {
    pub(crate) fn of(planted: Option<Planted>) -> Self {
        let is = |bug| planted == Some(bug);
        Self {
            answer_before_sync: is(Planted::AnswerBeforeSync),
            applied_before_sync: is(Planted::AppliedBeforeSync),
            answer_before_write: is(Planted::AnswerBeforeWrite),
            snapshot_misses_writes: is(Planted::SnapshotMissesWrites),
            snapshot_claims_less: is(Planted::SnapshotClaimsLess),
            snapshot_removed_early: is(Planted::SnapshotRemovedEarly),
            recovery_skips_tail: is(Planted::RecoverySkipsTail),
            recovery_forgets_waiters: is(Planted::RecoveryForgetsWaiters),
            index_reused: is(Planted::IndexReused),
            failed_sync_ignored: is(Planted::FailedSyncIgnored),
            failed_flight_answered: is(Planted::FailedFlightAnswered),
            log: match planted {
                Some(Planted::Log(bug)) => Some(bug),
                Some(Planted::PurgeBeforeSnapshot) => {
                    Some(atlas_wal::Planted::SnapshotRenamedBeforeSync)
                }
                _ => None,
            },
        }
    }
}
