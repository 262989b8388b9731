//! Every transfer that began ends, once, before the next begins.

use atlas_base::TransferId;
use atlas_world::Command;

use super::{Fact, Invariant};

/// `Began` and `Ended` come in pairs, one transfer at a time; a pause of the client is lifted.
#[derive(Debug, Default)]
pub(super) struct TransfersEnd {
    open: Option<TransferId>,
    paused: bool,
}

impl Invariant for TransfersEnd {
    fn name(&self) -> &'static str {
        "transfers end"
    }

    fn see(&mut self, _: u64, fact: &Fact<'_>) -> Result<(), String> {
        match fact {
            Fact::Command { command, .. } => match command {
                Command::Began { transfer, .. } => match self.open.replace(*transfer) {
                    Some(open) => Err(format!("{transfer} began before {open} ended")),
                    None => Ok(()),
                },
                Command::Ended { transfer, .. } => match self.open.take() {
                    Some(open) if open == *transfer => Ok(()),
                    open => Err(format!("{transfer} ended while {open:?} was under way")),
                },
                Command::PauseClient | Command::ResumeClient => {
                    let pause = matches!(command, Command::PauseClient);
                    if self.paused == pause {
                        return Err(format!("{command:?} twice"));
                    }
                    self.paused = pause;
                    Ok(())
                }
                _ => Ok(()),
            },
            Fact::End { closed, .. } => match self.open {
                Some(open) => Err(format!("{open} never ended (closed: {closed})")),
                None => Ok(()),
            },
            _ => Ok(()),
        }
    }
}
