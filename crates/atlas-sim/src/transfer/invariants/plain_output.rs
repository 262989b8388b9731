//! The client never sees a plain target's output before the source's last.

use atlas_world::LinkId;

use super::{Fact, Invariant};

/// What the client sees comes from one link after the other, without holes, and a link that closed has said all.
#[derive(Debug, Default)]
pub(super) struct OutputToTheEnd {
    seen: Option<(LinkId, u64)>,
}

impl Invariant for OutputToTheEnd {
    fn name(&self) -> &'static str {
        "output to the end"
    }

    fn outlives(&self) -> bool {
        false
    }

    fn see(&mut self, _: u64, fact: &Fact<'_>) -> Result<(), String> {
        match fact {
            Fact::PlainShown {
                link,
                serial,
                older_open,
            } => {
                let seen = self.seen.replace((*link, *serial));
                let next = match seen {
                    Some((before, last)) if before == *link => *serial == last + 1,
                    Some((before, _)) => before < *link && *serial == 1,
                    None => *serial == 1,
                };
                if !next || *older_open {
                    return Err(format!(
                        "the client saw output {serial} of link {} after {seen:?}, an older link open: {older_open}",
                        link.0
                    ));
                }
                Ok(())
            }
            Fact::PlainEnded { link, said } => match self.seen {
                Some((shown, serial)) if shown == *link && serial == *said => Ok(()),
                _ if *said == 0 => Ok(()),
                seen => Err(format!(
                    "link {} closed after {said} messages, the client saw {seen:?}",
                    link.0
                )),
            },
            _ => Ok(()),
        }
    }
}
