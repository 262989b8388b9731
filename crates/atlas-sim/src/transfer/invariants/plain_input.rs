//! Every message of a plain session's client reaches one server, once, in order, behind its joins, or is named.

use std::collections::{BTreeMap, BTreeSet};

use atlas_world::{Command, LinkId};

use super::{Fact, Invariant};

/// Only the server that has the player reads its messages: each message one server, in the order sent, unless what a
/// lost server was given is named. Each server hears the joins first, each once, and (if the source is left first)
/// only when no other still has the player.
#[derive(Debug, Default)]
pub(super) struct OneServerReads {
    /// Who read which message.
    read: BTreeMap<u32, LinkId>,
    /// The newest message that a server read which was not lost.
    newest: u32,
    current: Option<LinkId>,
    before: Option<LinkId>,
    /// Links whose input is named.
    lost: BTreeSet<LinkId>,
    named: u64,
}

impl OneServerReads {
    fn took(&mut self, link: LinkId, n: u32) -> Result<(), String> {
        if let Some(by) = self.read.insert(n, link) {
            return Err(format!(
                "link {} read message {n}, as link {} did",
                link.0, by.0
            ));
        }
        if self.lost.contains(&link) {
            // It was lost with everything it was given.
            return Ok(());
        }
        if self.current != Some(link) {
            return Err(format!(
                "link {} read message {n}, the player is at {:?}",
                link.0, self.current
            ));
        }
        if n <= self.newest {
            return Err(format!("message {n} was read after {}", self.newest));
        }
        self.newest = n;
        Ok(())
    }

    fn balance(&self, sent: u32) -> Result<(), String> {
        let read = self
            .read
            .values()
            .filter(|link| !self.lost.contains(link))
            .count() as u64;
        if read + self.named == u64::from(sent) {
            return Ok(());
        }
        Err(format!(
            "the client has sent {sent} messages, servers that were not lost read {read} and resets named {}",
            self.named
        ))
    }
}

impl Invariant for OneServerReads {
    fn name(&self) -> &'static str {
        "one server reads"
    }

    fn outlives(&self) -> bool {
        false
    }

    fn see(&mut self, _: u64, fact: &Fact<'_>) -> Result<(), String> {
        match fact {
            Fact::Command { command, .. } => match command {
                Command::Promote { link, .. } => {
                    self.before = self.current.replace(*link);
                    Ok(())
                }
                Command::NotifyReset { lost_input, .. } => {
                    self.lost.extend(self.before);
                    self.named += lost_input;
                    Ok(())
                }
                _ => Ok(()),
            },
            Fact::PlainTook {
                link,
                n,
                again,
                joins: (heard, joins),
                elsewhere,
            } => {
                if let Some(server) = elsewhere {
                    return Err(format!(
                        "link {} hears of a player who is still at server {server}",
                        link.0
                    ));
                }
                let expected = if n <= joins { n - 1 } else { *joins };
                if *heard != expected {
                    return Err(format!(
                        "link {} read message {n} after {heard} of {joins} joins",
                        link.0
                    ));
                }
                if *again { Ok(()) } else { self.took(*link, *n) }
            }
            Fact::End {
                closed: false,
                sent,
                ..
            } => self.balance(*sent),
            _ => Ok(()),
        }
    }
}
