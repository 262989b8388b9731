//! Where sessions' records live and where transfers are decided.

use std::collections::HashMap;

use atlas_base::{Epoch, SessionId, TransferId};

use crate::ServerId;

/// What the directory keeps of a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Record {
    /// The server that is, or is about to be, the authority.
    pub server: ServerId,
    /// The attempt that put it there.
    pub epoch: Epoch,
    /// The transfer or failover that put it there; none at birth and after an abort.
    pub transfer: Option<TransferId>,
    /// The edge node that owns the session.
    pub owner: u64,
    /// Grows each time another edge takes the session over. Each generation has epochs of its own, so two edges never
    /// use the same: those of generation g lie above (g - 1) * 2^32 and below g * 2^32.
    pub generation: u64,
    /// The server before this one.
    pub previous: Option<ServerId>,
}

/// How many epochs a generation has.
const EPOCHS: u64 = 1 << 32;

impl Record {
    /// The record by which the edge `owner` takes the session over, at the server that has it.
    #[must_use]
    pub fn taken_over(&self, owner: u64) -> Self {
        Self {
            epoch: Epoch(self.generation.saturating_mul(EPOCHS) + 1),
            transfer: None,
            owner,
            generation: self.generation + 1,
            previous: Some(self.server),
            ..*self
        }
    }

    /// Whether this record's owner may use an epoch past `newest`; if not, another edge has taken the session over.
    pub(crate) fn may_pass(&self, newest: Epoch) -> bool {
        newest.0 < self.generation.saturating_mul(EPOCHS) - 1
    }
}

/// How a request to the directory ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// The record is stored.
    Won,
    /// The record was not stored because this one is (or none is).
    Lost(Option<Record>),
    /// No answer came: it may be stored, may yet be, or never.
    Unknown,
    /// The answer to a read.
    Is(Option<Record>),
}

/// Where sessions' records live. Later implementations answer by an event; this trait is the one that answers at
/// once.
pub trait Directory {
    /// Stores `record` for `session` if `expected` is exactly what is stored now: [`Outcome::Won`], [`Outcome::Lost`]
    /// or [`Outcome::Unknown`].
    fn compare_and_set(
        &mut self,
        session: SessionId,
        expected: Option<Record>,
        record: Record,
    ) -> Outcome;

    /// Reads the record of `session`: [`Outcome::Is`] or [`Outcome::Unknown`].
    fn read(&mut self, session: SessionId) -> Outcome;

    /// Forgets `session`; called once its machine is closed.
    fn forget(&mut self, session: SessionId);
}

/// A directory in this process's memory; never unknown.
#[derive(Debug, Default)]
pub struct MemoryDirectory {
    records: HashMap<SessionId, Record>,
}

impl MemoryDirectory {
    /// How many sessions have a record.
    #[must_use]
    pub fn len(&self) -> usize {
        self.records.len()
    }

    /// Whether no session has a record.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.records.is_empty()
    }
}

impl Directory for MemoryDirectory {
    fn compare_and_set(
        &mut self,
        session: SessionId,
        expected: Option<Record>,
        record: Record,
    ) -> Outcome {
        let stored = self.records.get(&session).copied();
        if stored == expected {
            self.records.insert(session, record);
            Outcome::Won
        } else {
            Outcome::Lost(stored)
        }
    }

    fn read(&mut self, session: SessionId) -> Outcome {
        Outcome::Is(self.records.get(&session).copied())
    }

    fn forget(&mut self, session: SessionId) {
        self.records.remove(&session);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_expected_record_is_replaced() {
        let session = SessionId::from_u128(7);
        let record = |epoch| Record {
            server: ServerId(1),
            epoch: Epoch(epoch),
            transfer: None,
            owner: 1,
            generation: 1,
            previous: None,
        };
        let mut directory = MemoryDirectory::default();
        assert_eq!(
            directory.compare_and_set(session, None, record(1)),
            Outcome::Won
        );
        assert_eq!(
            directory.compare_and_set(session, None, record(2)),
            Outcome::Lost(Some(record(1)))
        );
        assert_eq!(
            directory.compare_and_set(session, Some(record(1)), record(2)),
            Outcome::Won
        );
        assert_eq!(directory.read(session), Outcome::Is(Some(record(2))));
        assert_eq!(directory.len(), 1);
        directory.forget(session);
        assert!(directory.is_empty());
    }
}
