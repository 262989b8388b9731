//! Who may act for a player: the rules that fence at the server, as one pure table.

use std::collections::HashMap;
use std::time::Duration;

use atlas_base::{Epoch, Moment, SessionId, TransferId};

use crate::messages::PlayerState;

/// Names one open link of this server; never used twice in a process.
pub(super) type Link = u64;

/// Every session this server knows, also those that are gone but whose epoch must be remembered.
#[derive(Debug)]
pub(super) struct Fences {
    rows: HashMap<SessionId, Row>,
    sessions_max: usize,
    /// When this server acted for whom under which epoch, if that is to be remembered.
    acts: Option<Acts>,
}

/// When each epoch was acted under first and last, in microseconds of the system's clock.
type Acts = HashMap<(SessionId, Epoch), (u64, u64)>;

/// More than this is not remembered.
const ACTS_MAX: usize = 1 << 20;

#[derive(Debug)]
struct Row {
    /// The highest epoch any message of this session named.
    newest: Epoch,
    /// The highest epoch under which the session was attached or adopted here. A freeze raises
    /// `newest` alone, so that its own attempt may still come back to this server.
    taken: Epoch,
    role: Role,
    /// The link that holds `taken`, while it is open.
    link: Option<Link>,
    state: Option<PlayerState>,
    /// The highest epoch under which this server acted; looked at by the audit in [`Fences::act`] only.
    acted: Epoch,
    /// Data messages of the link since attach or commit.
    received: u64,
    sent: u64,
    lease: Duration,
    orphan_window: Duration,
    heard: Moment,
    /// When the row is forgotten, set while no link holds it.
    forget_at: Option<Moment>,
}

/// What this server is to a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Role {
    /// Nothing; only the epoch is remembered.
    Gone,
    Authority {
        transfer: Option<TransferId>,
    },
    Frozen {
        transfer: TransferId,
    },
    Adopted {
        transfer: TransferId,
    },
}

/// A refusal, as it goes to the edge.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Refused {
    pub(super) reason: &'static str,
    pub(super) newest: Option<Epoch>,
}

/// The terms of an attach or adopt.
#[derive(Clone, Debug)]
pub(super) struct Terms {
    pub(super) link: Link,
    pub(super) session: SessionId,
    pub(super) epoch: Epoch,
    /// The state that came with it.
    pub(super) state: Option<PlayerState>,
    pub(super) lease: Duration,
    pub(super) orphan_window: Duration,
}

/// An attach or adopt went well.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Taken {
    pub(super) has_state: bool,
    /// The older link, which is to be closed.
    pub(super) superseded: Option<Link>,
}

/// What a frozen session was.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Frozen {
    pub(super) state: PlayerState,
    pub(super) received: u64,
    pub(super) sent: u64,
}

/// Leave to act, once.
#[derive(Debug)]
pub(super) struct Act<'a> {
    pub(super) state: &'a mut PlayerState,
    /// The audit's finding: the link acts under an epoch that is not the newest.
    pub(super) stale: bool,
    /// What was received and sent on this link, this message included.
    pub(super) counts: (u64, u64),
}

/// The table's sizes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Census {
    /// Sessions remembered, whatever they are here.
    pub(super) remembered: u64,
    /// Sessions this server is the authority of.
    pub(super) authority: u64,
    /// Those of them it may act for now: link open, lease running.
    pub(super) acting: u64,
    pub(super) frozen: u64,
    pub(super) adopted: u64,
}

impl Fences {
    pub(super) fn new(sessions_max: usize, records_acts: bool) -> Self {
        Self {
            rows: HashMap::new(),
            sessions_max,
            acts: records_acts.then(Acts::new),
        }
    }

    /// Notes that this server acts for a session under the epoch that it has the player by.
    pub(super) fn note_act(&mut self, session: SessionId, at_us: u64) {
        let Some(taken) = self.rows.get(&session).map(|row| row.taken) else {
            return;
        };
        if let Some(acts) = &mut self.acts
            && (acts.len() < ACTS_MAX || acts.contains_key(&(session, taken)))
        {
            acts.entry((session, taken)).or_insert((at_us, at_us)).1 = at_us;
        }
    }

    /// Whom this server acted for: session, epoch, first and last time.
    pub(super) fn acts(&self) -> Vec<(SessionId, Epoch, u64, u64)> {
        let acts = self.acts.iter().flatten();
        acts.map(|((session, epoch), (first, last))| (*session, *epoch, *first, *last))
            .collect()
    }

    /// Whether [`Fences::note_act`] is of any use.
    pub(super) fn records_acts(&self) -> bool {
        self.acts.is_some()
    }

    /// Makes this server the authority from `terms.epoch` on.
    pub(super) fn attach(&mut self, now: Moment, terms: Terms) -> Result<Taken, Refused> {
        self.take(now, terms, None)
    }

    /// Holds a player ready, without acting, from `terms.epoch` on.
    pub(super) fn adopt(
        &mut self,
        now: Moment,
        terms: Terms,
        transfer: TransferId,
    ) -> Result<Taken, Refused> {
        self.take(now, terms, Some(transfer))
    }

    fn take(
        &mut self,
        now: Moment,
        terms: Terms,
        transfer: Option<TransferId>,
    ) -> Result<Taken, Refused> {
        let full = self.rows.len() >= self.sessions_max;
        let mut superseded = None;
        let mut own = None;
        let mut acted = Epoch(0);
        if let Some(row) = self.rows.get_mut(&terms.session) {
            let repeated = terms.epoch == row.taken
                && row.link == Some(terms.link)
                && match (row.role, transfer) {
                    (Role::Authority { .. }, None) => true,
                    (Role::Adopted { transfer: held }, Some(asked)) => held == asked,
                    _ => false,
                };
            if repeated {
                row.heard = now;
                return Ok(Taken {
                    has_state: row.state.is_some(),
                    superseded: None,
                });
            }
            if terms.epoch <= row.taken || terms.epoch < row.newest {
                return Err(Refused {
                    reason: "stale",
                    newest: Some(row.newest),
                });
            }
            superseded = row.link.filter(|&link| link != terms.link);
            own = row.state.take();
            acted = row.acted;
        } else if full {
            return Err(Refused {
                reason: "full",
                newest: None,
            });
        }
        // What the edge hands over is newer than what lay here; without it, what lay here is all there is.
        let state = terms.state.or(own);
        let has_state = state.is_some();
        let role = match transfer {
            None => Role::Authority { transfer: None },
            Some(transfer) => Role::Adopted { transfer },
        };
        self.rows.insert(
            terms.session,
            Row {
                newest: terms.epoch,
                taken: terms.epoch,
                role,
                link: Some(terms.link),
                state,
                acted,
                received: 0,
                sent: 0,
                lease: terms.lease,
                orphan_window: terms.orphan_window,
                heard: now,
                forget_at: None,
            },
        );
        Ok(Taken {
            has_state,
            superseded,
        })
    }

    /// Makes an adopted session one this server acts for. Doubled, it is answered the same.
    pub(super) fn commit(
        &mut self,
        now: Moment,
        link: Link,
        session: SessionId,
        epoch: Epoch,
        transfer: TransferId,
    ) -> Result<(), Refused> {
        let row = self.fresh(link, session, epoch)?;
        match row.role {
            // An adopted player becomes ours under the epoch it was adopted under, and no other.
            _ if epoch != row.taken => Err(Refused {
                reason: "stale",
                newest: Some(row.newest),
            }),
            Role::Adopted { transfer: held } if held == transfer => {
                row.role = Role::Authority {
                    transfer: Some(transfer),
                };
                row.received = 0;
                row.sent = 0;
                row.heard = now;
                Ok(())
            }
            Role::Authority {
                transfer: Some(held),
            } if held == transfer => Ok(()),
            _ => Err(Refused {
                reason: "not-adopted",
                newest: Some(row.newest),
            }),
        }
    }

    /// Stops acting for a session and says what it was. Doubled, it is answered the same.
    pub(super) fn freeze(
        &mut self,
        link: Link,
        session: SessionId,
        epoch: Epoch,
        transfer: TransferId,
    ) -> Result<Frozen, Refused> {
        let row = self.fresh(link, session, epoch)?;
        match row.role {
            // A freeze of a later attempt finds it frozen still: only an abort thaws.
            Role::Authority { .. } | Role::Frozen { .. } => row.role = Role::Frozen { transfer },
            Role::Adopted { .. } | Role::Gone => {
                return Err(Refused {
                    reason: "not-authority",
                    newest: Some(row.newest),
                });
            }
        }
        row.newest = epoch;
        Ok(Frozen {
            state: row.state.clone().unwrap_or_default(),
            received: row.received,
            sent: row.sent,
        })
    }

    /// Undoes a freeze (acts on) or an adopt (forgets); whether there was one of that transfer.
    pub(super) fn abort(
        &mut self,
        link: Link,
        session: SessionId,
        epoch: Epoch,
        transfer: TransferId,
    ) -> bool {
        let Ok(row) = self.fresh(link, session, epoch) else {
            return false;
        };
        match row.role {
            Role::Frozen { transfer: held } if held == transfer => {
                row.role = Role::Authority { transfer: None };
            }
            Role::Adopted { transfer: held } if held == transfer => {
                row.role = Role::Gone;
                row.state = None;
            }
            _ => return false,
        }
        row.newest = epoch;
        true
    }

    /// The player is gone; only the epoch is kept, for the orphan window. Whether there was one.
    pub(super) fn detach(
        &mut self,
        now: Moment,
        link: Link,
        session: SessionId,
        epoch: Epoch,
    ) -> bool {
        let Ok(row) = self.fresh(link, session, epoch) else {
            return false;
        };
        row.newest = epoch;
        row.role = Role::Gone;
        row.state = None;
        row.link = None;
        row.forget_at = Some(now + row.orphan_window);
        true
    }

    /// A link ended. Its session neither thaws nor is it forgotten before the orphan window's end.
    pub(super) fn lost(&mut self, now: Moment, link: Link, session: SessionId) {
        if let Some(row) = self.rows.get_mut(&session)
            && row.link == Some(link)
        {
            row.link = None;
            row.forget_at = Some(now + row.orphan_window);
        }
    }

    /// Anything at all was heard on the link.
    pub(super) fn heard(&mut self, now: Moment, link: Link, session: SessionId) {
        if let Some(row) = self.rows.get_mut(&session)
            && row.link == Some(link)
        {
            row.heard = now;
        }
    }

    /// Whether nothing was heard for a lease on a link that holds a session here. What is read from it then may be as old
    /// as the silence, and proves nothing: nor does the abort or the commit that would let a frozen or adopted one act.
    pub(super) fn is_silent(&self, now: Moment, link: Link, session: SessionId) -> bool {
        self.rows
            .get(&session)
            .is_some_and(|row| row.link == Some(link) && row.role != Role::Gone && row.lapsed(now))
    }

    /// A data message came: the player's state, if this server may act for the player now. Counts
    /// the message as received, and `sends` as sent.
    ///
    /// `under` is the epoch that the link believes it has; it decides nothing. It is there for the
    /// audit, which finds an effect under an old epoch even if the rules above were wrong.
    pub(super) fn act(
        &mut self,
        now: Moment,
        link: Link,
        session: SessionId,
        under: Epoch,
        sends: u64,
    ) -> Option<Act<'_>> {
        let row = self.rows.get_mut(&session)?;
        if !row.acts(now) || row.link != Some(link) {
            return None;
        }
        row.received += 1;
        row.sent += sends;
        let stale = under < row.acted || under < row.taken;
        row.acted = row.acted.max(under);
        let counts = (row.received, row.sent);
        Some(Act {
            state: row.state.get_or_insert_default(),
            stale,
            counts,
        })
    }

    /// Forgets what no link holds and whose orphan window is over.
    pub(super) fn sweep(&mut self, now: Moment) {
        self.rows
            .retain(|_, row| row.link.is_some() || row.forget_at.is_none_or(|at| now < at));
    }

    pub(super) fn census(&self, now: Moment) -> Census {
        let mut census = Census {
            remembered: self.rows.len() as u64,
            ..Census::default()
        };
        for row in self.rows.values() {
            match row.role {
                Role::Gone => {}
                Role::Authority { .. } => census.authority += 1,
                Role::Frozen { .. } => census.frozen += 1,
                Role::Adopted { .. } => census.adopted += 1,
            }
            census.acting += u64::from(row.acts(now));
        }
        census
    }

    /// The row, if the link holds it and the message is of no older attempt than the newest known.
    fn fresh(&mut self, link: Link, session: SessionId, epoch: Epoch) -> Result<&mut Row, Refused> {
        let Some(row) = self.rows.get_mut(&session) else {
            return Err(Refused {
                reason: "unknown",
                newest: None,
            });
        };
        if epoch < row.newest || row.link != Some(link) {
            return Err(Refused {
                reason: "stale",
                newest: Some(row.newest),
            });
        }
        Ok(row)
    }
}

impl Row {
    fn lapsed(&self, now: Moment) -> bool {
        now.saturating_since(self.heard) >= self.lease
    }

    fn acts(&self, now: Moment) -> bool {
        matches!(self.role, Role::Authority { .. }) && self.link.is_some() && !self.lapsed(now)
    }
}

#[cfg(test)]
mod tests;
