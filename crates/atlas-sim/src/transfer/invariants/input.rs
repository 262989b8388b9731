//! Every client message reaches exactly one authority, once, in order, or is named in a reset.

use atlas_world::{Command, DetachReason};

use super::{Fact, Invariant};

/// The state that survives has each message once, save as many as resets named.
#[derive(Debug, Default)]
pub(super) struct EachInputOnce {
    named: u64,
}

impl EachInputOnce {
    fn balance(&self, applied: u32, sent: u32, when: &str) -> Result<(), String> {
        let accounted = u64::from(applied) + self.named;
        if accounted == u64::from(sent) {
            Ok(())
        } else {
            Err(format!(
                "{when} the client has sent {sent} messages, the state has {applied} and resets named {}",
                self.named
            ))
        }
    }
}

impl Invariant for EachInputOnce {
    fn name(&self) -> &'static str {
        "each input once"
    }

    fn outlives(&self) -> bool {
        false
    }

    fn see(&mut self, _: u64, fact: &Fact<'_>) -> Result<(), String> {
        match fact {
            Fact::Command {
                command: Command::NotifyReset { lost_input, .. },
                ..
            } => {
                self.named += lost_input;
                Ok(())
            }
            Fact::Applied { n, before } => {
                if *n <= before.last {
                    return Err(format!("message {n} was applied after {}", before.last));
                }
                let gap = u64::from(n - before.last - 1);
                if gap > self.named {
                    return Err(format!(
                        "message {n} was applied after {}, and resets named only {} messages",
                        before.last, self.named
                    ));
                }
                Ok(())
            }
            // A transfer's source is done with, and a kick does not wait for a server to be found; every other end is
            // the last of the session.
            Fact::Left {
                reason: DetachReason::Closed | DetachReason::Timeout,
                state,
                sent,
            } => self.balance(state.applied, *sent, "as its session ends,"),
            Fact::End {
                closed: false,
                sent,
                state,
                ..
            } => self.balance(state.applied, *sent, "at the end"),
            _ => Ok(()),
        }
    }
}
