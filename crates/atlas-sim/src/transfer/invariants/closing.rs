//! The client's connection is never closed by a transfer, save as the rules allow.

use atlas_world::{Command, Settings};

use super::{super::machine::Kind, Fact, Invariant};

/// Timers may be late, and the edge may have been stalled, by so much in all.
const LATE_MS: u64 = 10_000;

/// A close has a server's or a person's kick behind it, an outcome unknown for too long, two lost servers, or another
/// edge; for plain sessions also a message that was cut, or that no server is left. A kick closes at once.
#[derive(Debug)]
pub(super) struct ClientStays {
    kind: Kind,
    unknown_outcome_max_ms: u64,
    lease_ms: u64,
}

impl ClientStays {
    pub(super) fn new(kind: Kind, settings: &Settings) -> Self {
        Self {
            kind,
            unknown_outcome_max_ms: settings.unknown_outcome_max.as_millis() as u64,
            lease_ms: settings.lease.as_millis() as u64,
        }
    }
}

impl Invariant for ClientStays {
    fn name(&self) -> &'static str {
        "client stays"
    }

    fn see(&mut self, now: u64, fact: &Fact<'_>) -> Result<(), String> {
        if let Fact::Kicked { closed: false } = fact {
            return Err("its server kicked the client, and the session goes on".into());
        }
        let Fact::Command {
            command: Command::CloseClient { code, reason },
            excuse,
        } = fact
        else {
            return Ok(());
        };
        let excused = excuse.kicks.contains(code)
            || (self.kind == Kind::Plain && excuse.gone)
            || match code {
                1013 => now >= excuse.asked_at + self.unknown_outcome_max_ms,
                1012 if excuse.rival => true,
                1012 if self.kind == Kind::Plain => excuse.cut || excuse.pinned || excuse.nobody,
                1011 => excuse.given >= 2 && now <= excuse.given_at + self.lease_ms + LATE_MS,
                _ => false,
            };
        if excused {
            Ok(())
        } else {
            Err(format!(
                "the client was closed with {code} ({reason}); {excuse:?}"
            ))
        }
    }
}
