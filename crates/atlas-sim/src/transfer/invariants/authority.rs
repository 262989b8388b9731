//! Effects of at most one authority are accepted at any time.

use atlas_base::Epoch;

use super::{Fact, Invariant};

/// Once a server was given the player, no output from before is accepted, and nobody else goes on without being given
/// it.
#[derive(Debug, Default)]
pub(super) struct OneAuthority {
    /// The server that was given the player last, the epoch of that, and the newest that it acts under.
    newest: Option<(usize, Epoch, Epoch)>,
}

impl Invariant for OneAuthority {
    fn name(&self) -> &'static str {
        "one authority"
    }

    fn outlives(&self) -> bool {
        false
    }

    fn see(&mut self, _: u64, fact: &Fact<'_>) -> Result<(), String> {
        match fact {
            Fact::Acts {
                server,
                epoch,
                thawed,
                late,
                ..
            } => {
                let given = match self.newest {
                    // Nobody hears it; if the client did, `Shown` would tell.
                    Some((_, _, newest)) if *late && *epoch <= newest => return Ok(()),
                    Some((last, given, newest)) => {
                        if *epoch <= newest || (*thawed && last != *server) {
                            return Err(format!(
                                "server {server} begins to act under epoch {epoch} (thawed: {thawed}), after server {last} under {newest}"
                            ));
                        }
                        if *thawed { given } else { *epoch }
                    }
                    None => *epoch,
                };
                self.newest = Some((*server, given, *epoch));
            }
            Fact::Shown { server, epoch, .. } => match self.newest {
                Some((last, given, _)) if last == *server && *epoch >= given => {}
                last => {
                    return Err(format!(
                        "the client saw output of server {server} under epoch {epoch}, the last authority is {last:?}"
                    ));
                }
            },
            _ => {}
        }
        Ok(())
    }
}
