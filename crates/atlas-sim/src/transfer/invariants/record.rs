//! A settled session is where the directory says, and nothing can still change that.

use atlas_world::{Phase, ServerId};

use super::{super::rival::OWNER, Fact, Invariant};

/// The record names the settled session's server, and no request of a given-up attempt is stored after it. Once another
/// edge's record is stored, this edge stores none.
#[derive(Debug, Default)]
pub(super) struct RecordAgrees {
    settled_at: Option<ServerId>,
    foreign: bool,
}

impl Invariant for RecordAgrees {
    fn name(&self) -> &'static str {
        "record agrees"
    }

    fn see(&mut self, _: u64, fact: &Fact<'_>) -> Result<(), String> {
        match fact {
            Fact::Stepped {
                phase,
                server,
                truth,
                pending,
            } => {
                if self.foreign {
                    return Ok(());
                }
                let settled = matches!(phase, Phase::Settled | Phase::Preloading);
                self.settled_at = settled.then_some(*server);
                if settled && *pending == 0 && truth.map(|it| it.server) != Some(*server) {
                    return Err(format!(
                        "the session is settled at server {}, the directory has {truth:?}",
                        server.0
                    ));
                }
                Ok(())
            }
            Fact::Stored { record } if record.owner != OWNER => {
                self.foreign = true;
                Ok(())
            }
            Fact::Stored { record } if self.foreign => {
                Err(format!("{record:?} is stored over another edge's"))
            }
            Fact::Stored { record } => match self.settled_at {
                Some(server) if server != record.server => Err(format!(
                    "a session settled at server {} is recorded at {} by a late request",
                    server.0, record.server.0
                )),
                _ => Ok(()),
            },
            _ => Ok(()),
        }
    }
}
