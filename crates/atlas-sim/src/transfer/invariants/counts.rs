//! What a frozen server counted is what the edge counted.

use super::{Fact, Invariant};

/// All input given to the source is in its state, and all its output has come, when `frozen` arrives.
#[derive(Debug)]
pub(super) struct CountsAgree;

impl Invariant for CountsAgree {
    fn name(&self) -> &'static str {
        "counts agree"
    }

    fn outlives(&self) -> bool {
        false
    }

    fn see(&mut self, _: u64, fact: &Fact<'_>) -> Result<(), String> {
        match fact {
            Fact::Counts { server, edge } if server != edge => Err(format!(
                "frozen counts (received, sent) {server:?}, the edge {edge:?}"
            )),
            _ => Ok(()),
        }
    }
}
