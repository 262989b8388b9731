//! No epoch is used twice, and nobody is told to act before the directory said so.

use std::collections::BTreeMap;

use atlas_base::{Epoch, TransferId};
use atlas_world::{Command, Order, Record, ServerId};

use super::{Fact, Invariant};

/// The edge under test never takes a session over: its epochs are those of the first generation.
const GENERATION: u64 = 1 << 32;

/// What an epoch was used for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Use {
    Birth,
    Transfer(TransferId),
    Undo,
}

/// Each epoch belongs to one attempt; records' epochs only grow; `attach` and `commit` follow a stored record.
#[derive(Debug, Default)]
pub(super) struct EpochsOnce {
    uses: BTreeMap<Epoch, (Use, Option<ServerId>)>,
    stored: BTreeMap<Epoch, ServerId>,
}

impl EpochsOnce {
    /// `to`: the server that the attempt is for, where it is known.
    fn used(&mut self, epoch: Epoch, by: Use, to: Option<ServerId>) -> Result<(), String> {
        if epoch.0 >= GENERATION {
            return Err(format!("epoch {epoch} is another edge's"));
        }
        let (before, server) = self.uses.entry(epoch).or_insert((by, to));
        if *before != by || (to.is_some() && server.is_some() && to != *server) {
            return Err(format!(
                "epoch {epoch} is used for {by:?} to {to:?}, after {before:?} to {server:?}"
            ));
        }
        *server = server.or(to);
        Ok(())
    }

    fn asked(&mut self, record: &Record) -> Result<(), String> {
        let by = match (record.transfer, record.previous) {
            (Some(transfer), _) => Use::Transfer(transfer),
            (None, Some(_)) => Use::Undo,
            (None, None) => Use::Birth,
        };
        self.used(record.epoch, by, Some(record.server))
    }
}

impl Invariant for EpochsOnce {
    fn name(&self) -> &'static str {
        "epochs once"
    }

    fn see(&mut self, _: u64, fact: &Fact<'_>) -> Result<(), String> {
        match fact {
            Fact::Command { command, .. } => match command {
                Command::CompareAndSet { record, .. } => self.asked(record),
                Command::Send {
                    epoch,
                    order: Order::Freeze { transfer } | Order::Adopt { transfer, .. },
                    ..
                } => self.used(*epoch, Use::Transfer(*transfer), None),
                Command::Send {
                    epoch,
                    order: Order::Attach { .. } | Order::Commit { .. },
                    ..
                } if !self.stored.contains_key(epoch) => Err(format!(
                    "a server is told to act under epoch {epoch}, which the directory never stored"
                )),
                _ => Ok(()),
            },
            Fact::Stored { record } => {
                if let Some((newest, _)) = self.stored.last_key_value()
                    && *newest >= record.epoch
                {
                    return Err(format!("epoch {} is stored after {newest}", record.epoch));
                }
                self.stored.insert(record.epoch, record.server);
                Ok(())
            }
            Fact::Acts {
                server,
                epoch,
                thawed: false,
                ..
            } => match self.stored.get(epoch) {
                Some(stored) if stored.0 as usize == *server => Ok(()),
                stored => Err(format!(
                    "server {server} acts under epoch {epoch}, for which the directory has {stored:?}"
                )),
            },
            _ => Ok(()),
        }
    }
}
