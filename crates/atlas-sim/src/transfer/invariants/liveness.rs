//! Once everything works again, everybody settles and a fresh message is answered.

use super::{Fact, Invariant};

/// At the end each session that is not over is settled and was not to be closed, its client reads on and had its last message answered.
#[derive(Debug)]
pub(super) struct EverybodySettles;

impl Invariant for EverybodySettles {
    fn name(&self) -> &'static str {
        "everybody settles"
    }

    fn see(&mut self, _: u64, fact: &Fact<'_>) -> Result<(), String> {
        match fact {
            Fact::End {
                closed: false,
                settled,
                phase,
                paused,
                sent,
                answered,
                kicked,
                ..
            } => {
                if *kicked {
                    return Err("the client was to be closed, and is not".into());
                }
                if !settled {
                    return Err(format!("the session is still in {phase:?}"));
                }
                if *paused {
                    return Err("the client is still paused".into());
                }
                if sent != answered {
                    return Err(format!(
                        "the client sent message {sent}, the newest answered is {answered}"
                    ));
                }
                Ok(())
            }
            _ => Ok(()),
        }
    }
}
