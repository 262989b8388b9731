//! No two servers act for a player at once.

use super::{Fact, Invariant};

/// When a server begins to act, every other one is frozen, detached, dead, or past its lease.
#[derive(Debug)]
pub(super) struct OneActs;

impl Invariant for OneActs {
    fn name(&self) -> &'static str {
        "one acts"
    }

    fn see(&mut self, _: u64, fact: &Fact<'_>) -> Result<(), String> {
        match fact {
            Fact::Acts {
                server,
                epoch,
                thawed,
                late: false,
                other: Some(other),
            } => Err(format!(
                "server {server} acts under epoch {epoch} (thawed: {thawed}) while server {other} still does"
            )),
            _ => Ok(()),
        }
    }
}
