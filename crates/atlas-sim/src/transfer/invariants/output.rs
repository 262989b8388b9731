//! The client never sees a target's output before the source's last, and loses none in between.

use atlas_base::Epoch;

use super::{Fact, Invariant};

/// What the client sees comes in the order of epochs, and without holes under each authority.
#[derive(Debug, Default)]
pub(super) struct OutputInOrder {
    seen: Option<(usize, Epoch, u64)>,
}

impl Invariant for OutputInOrder {
    fn name(&self) -> &'static str {
        "output in order"
    }

    fn outlives(&self) -> bool {
        false
    }

    fn see(&mut self, _: u64, fact: &Fact<'_>) -> Result<(), String> {
        let Fact::Shown {
            server,
            epoch,
            serial,
        } = fact
        else {
            return Ok(());
        };
        let seen = self.seen.replace((*server, *epoch, *serial));
        let wrong = match seen {
            None => *serial != 1,
            Some((before, older, last)) if before == *server => {
                // An authority that goes on after an abort goes on counting; a new one begins anew.
                let goes_on = *serial == last + 1 && *epoch >= older;
                let anew = *serial == 1 && *epoch > older;
                !(goes_on || anew)
            }
            Some((_, older, _)) => *serial != 1 || *epoch <= older,
        };
        if wrong {
            return Err(format!(
                "the client saw output {serial} of server {server} under epoch {epoch} after {seen:?}"
            ));
        }
        Ok(())
    }
}
