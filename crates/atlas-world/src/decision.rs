//! The compare-and-set that decides an attempt, through refusals and unknown outcomes.
//!
//! Only two records can come of one attempt: the one that moves the session, and (if the move is given up while its
//! outcome is unknown) the one that undoes it. Both expect the same record, so at most one is ever stored, however
//! late a request arrives; reading back tells which.

use std::time::Duration;

use atlas_base::{Epoch, Moment};

use crate::{Command, Outcome, Record, ServerId, Timer};

/// What a session knows of its record, and what it asked for.
#[derive(Debug)]
pub(crate) struct Ledger {
    /// What the directory is known to hold; until `stored`, what it is asked to hold.
    pub(crate) record: Record,
    /// The newest epoch of any attempt, won or lost.
    pub(crate) newest: Epoch,
    requests: u32,
    /// Whether `record` is what the directory was last known to hold.
    pub(crate) stored: bool,
    /// A request of an abandoned attempt may still be stored.
    pub(crate) loose: bool,
    /// A planted bug.
    #[cfg(feature = "planted-bugs")]
    pub(crate) passes_any: bool,
    /// Another one.
    #[cfg(feature = "planted-bugs")]
    pub(crate) ignores_owner: bool,
}

/// What is asked of the directory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ask {
    /// Store the record that moves the session.
    Move,
    /// Store the record that undoes the attempt.
    Undo,
    /// Say what is stored.
    Read,
}

/// One attempt's question to the directory.
#[derive(Debug)]
pub(crate) struct Decision {
    /// What the record must replace.
    pub(crate) expected: Option<Record>,
    /// The record that moves the session.
    pub(crate) moved: Record,
    /// The record that undoes the attempt, once it has been asked for.
    pub(crate) undo: Option<Record>,
    /// What is asked when the pause ends.
    pub(crate) next: Ask,
    /// Names this decision's outcome timer.
    pub(crate) serial: u32,
    asked: Ask,
    /// The request under way; none while pausing.
    request: Option<u64>,
    /// Whether a request of this attempt, or of one before, may still be stored.
    unsure: bool,
    pauses: u8,
}

/// What an answer means for the attempt.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Ruling {
    /// Not an answer to what is waited for.
    Stale,
    /// The session is moved.
    Moved,
    /// The attempt is undone and can never be stored.
    Undone,
    /// Nothing is stored, and nothing of this attempt can be any more.
    Refused,
    /// Nothing is stored yet, but an earlier request may still arrive.
    Kept,
    /// No answer.
    Unknown,
    /// Another record of this owner, or none at all.
    Other(Option<Record>),
    /// Another edge owns the session.
    Foreign,
}

/// What an answer means for an attempt that is made until it succeeds and never undone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Insisted {
    /// Not an answer to what is waited for.
    Stale,
    /// The session is moved.
    Moved,
    /// To be asked again, after the decision's pause.
    Again,
    /// Another edge owns the session.
    Foreign,
}

impl Decision {
    fn new(expected: Option<Record>, moved: Record, serial: u32, unsure: bool) -> Self {
        Self {
            expected,
            moved,
            undo: None,
            next: Ask::Move,
            serial,
            asked: Ask::Move,
            request: None,
            unsure,
            pauses: 0,
        }
    }

    /// Whether an answer is under way.
    pub(crate) fn is_waiting(&self) -> bool {
        self.request.is_some()
    }

    /// Whether a request of this attempt, or of one before, may still be stored.
    pub(crate) fn may_be_stored(&self) -> bool {
        self.unsure || self.request.is_some()
    }

    /// What `outcome` of `request` means.
    fn rule(&mut self, request: u64, outcome: Outcome) -> Ruling {
        if self.request != Some(request) {
            return Ruling::Stale;
        }
        self.request = None;
        let found = match outcome {
            Outcome::Won if self.asked == Ask::Undo => return Ruling::Undone,
            Outcome::Won => return Ruling::Moved,
            Outcome::Unknown => {
                self.unsure = true;
                return Ruling::Unknown;
            }
            Outcome::Lost(found) | Outcome::Is(found) => found,
        };
        if found == Some(self.moved) {
            Ruling::Moved
        } else if self.undo.is_some() && found == self.undo {
            Ruling::Undone
        } else if found == self.expected {
            if self.unsure {
                Ruling::Kept
            } else {
                Ruling::Refused
            }
        } else {
            match found {
                Some(record)
                    if record.owner != self.moved.owner
                        || record.generation != self.moved.generation =>
                {
                    Ruling::Foreign
                }
                other => Ruling::Other(other),
            }
        }
    }

    /// The next pause before asking again, in milliseconds: 0, then 50 doubling up to 1,600.
    pub(crate) fn next_pause_ms(&mut self) -> u64 {
        let pauses = self.pauses;
        self.pauses = (pauses + 1).min(7);
        if pauses == 0 { 0 } else { 25 << pauses.min(6) }
    }
}

impl Ledger {
    /// Of a session that is about to be born at `server`; `owner` names the edge node.
    pub(crate) fn new(owner: u64, server: ServerId) -> Self {
        let epoch = Epoch(1);
        Self {
            record: Record {
                server,
                epoch,
                transfer: None,
                owner,
                generation: 1,
                previous: None,
            },
            newest: epoch,
            requests: 0,
            stored: false,
            loose: false,
            #[cfg(feature = "planted-bugs")]
            passes_any: false,
            #[cfg(feature = "planted-bugs")]
            ignores_owner: false,
        }
    }

    /// An epoch that no attempt of this edge used.
    pub(crate) fn next_epoch(&mut self) -> Epoch {
        self.newest = self.newest.next();
        self.newest
    }

    /// A server knows the epoch `newest`: attempts go past it from here on. False if they may not, because it is of
    /// another edge that has taken the session over.
    pub(crate) fn pass(&mut self, newest: Epoch) -> bool {
        #[cfg(feature = "planted-bugs")]
        if self.passes_any {
            self.newest = self.newest.max(newest);
            return true;
        }
        let may = self.record.may_pass(newest);
        if may {
            self.newest = self.newest.max(newest);
        }
        may
    }

    /// Begins to decide for `moved`, which replaces what is stored now; within `span`, or the timer `serial` fires.
    pub(crate) fn decide(
        &mut self,
        now: Moment,
        moved: Record,
        serial: u32,
        span: Duration,
        out: &mut Vec<Command>,
    ) -> Decision {
        let expected = self.stored.then_some(self.record);
        let mut decision = Decision::new(expected, moved, serial, self.loose);
        out.push(Command::SetTimer {
            timer: Timer::Outcome(decision.serial),
            at: now + span,
        });
        self.ask(&mut decision, Ask::Move, moved.server, out);
        decision
    }

    /// Asks the directory; undoing goes back to `back`.
    pub(crate) fn ask(
        &mut self,
        decision: &mut Decision,
        ask: Ask,
        back: ServerId,
        out: &mut Vec<Command>,
    ) {
        self.requests += 1;
        let request = u64::from(self.requests);
        decision.asked = ask;
        decision.request = Some(request);
        let record = match ask {
            Ask::Move => decision.moved,
            Ask::Undo => *decision.undo.get_or_insert_with(|| Record {
                server: back,
                epoch: self.next_epoch(),
                transfer: None,
                previous: Some(decision.moved.server),
                ..decision.moved
            }),
            Ask::Read => {
                out.push(Command::Read { request });
                return;
            }
        };
        out.push(Command::CompareAndSet {
            request,
            expected: decision.expected,
            record,
        });
    }

    /// A record is stored that replaced the one before, so no request made before it can be any more.
    pub(crate) fn won(&mut self, record: Record) {
        self.record = record;
        self.stored = true;
        self.loose = false;
    }

    /// The directory holds something else of this owner, or nothing: that is what the next attempt replaces.
    pub(crate) fn found(&mut self, decision: &mut Decision, found: Option<Record>) {
        decision.expected = found;
        self.record = found.unwrap_or(self.record);
        self.stored = found.is_some();
    }

    /// What `outcome` of `request` means.
    pub(crate) fn rule(&self, decision: &mut Decision, request: u64, outcome: Outcome) -> Ruling {
        let ruling = decision.rule(request, outcome);
        #[cfg(feature = "planted-bugs")]
        if self.ignores_owner
            && ruling == Ruling::Foreign
            && let Outcome::Lost(found) | Outcome::Is(found) = outcome
        {
            return Ruling::Other(found);
        }
        ruling
    }

    /// What `outcome` of `request` means if the attempt is never undone; what is stored is noted.
    pub(crate) fn insist(
        &mut self,
        decision: &mut Decision,
        request: u64,
        outcome: Outcome,
    ) -> Insisted {
        match self.rule(decision, request, outcome) {
            Ruling::Stale => return Insisted::Stale,
            Ruling::Moved => {
                self.won(decision.moved);
                return Insisted::Moved;
            }
            Ruling::Foreign => return Insisted::Foreign,
            Ruling::Unknown => decision.next = Ask::Read,
            Ruling::Refused | Ruling::Kept | Ruling::Undone => decision.next = Ask::Move,
            Ruling::Other(found) => {
                // A request of an earlier attempt was stored after all (or the directory lost the record).
                self.found(decision, found);
                decision.next = Ask::Move;
            }
        }
        Insisted::Again
    }

    /// The attempt is given up as it is.
    pub(crate) fn abandon(&mut self, decision: Option<Decision>) {
        self.loose |= decision.is_some_and(|it| it.may_be_stored());
    }
}

#[cfg(test)]
mod tests {
    use atlas_base::TransferId;

    use super::*;

    fn record(epoch: u64, owner: u64) -> Record {
        Record {
            server: ServerId(epoch as u32),
            epoch: Epoch(epoch),
            transfer: Some(TransferId::from_u128(epoch.into())),
            owner,
            generation: 1,
            previous: None,
        }
    }

    /// Each row: was an earlier outcome unknown, what was asked, the answer, the ruling.
    #[test]
    fn rulings() {
        use Ask::{Move, Read, Undo};
        let (old, moved, undo) = (record(1, 1), record(2, 1), record(3, 1));
        let foreign = record(4, 9);
        let table = [
            (false, Move, Outcome::Won, Ruling::Moved),
            (false, Move, Outcome::Lost(Some(moved)), Ruling::Moved),
            (false, Move, Outcome::Lost(Some(old)), Ruling::Refused),
            (false, Move, Outcome::Unknown, Ruling::Unknown),
            (true, Move, Outcome::Lost(Some(old)), Ruling::Kept),
            (true, Read, Outcome::Is(Some(old)), Ruling::Kept),
            (true, Read, Outcome::Is(Some(moved)), Ruling::Moved),
            (true, Read, Outcome::Is(None), Ruling::Other(None)),
            (true, Undo, Outcome::Won, Ruling::Undone),
            (true, Undo, Outcome::Lost(Some(moved)), Ruling::Moved),
            (true, Undo, Outcome::Lost(Some(undo)), Ruling::Undone),
            (true, Undo, Outcome::Lost(Some(foreign)), Ruling::Foreign),
        ];
        for (unsure, asked, outcome, ruling) in table {
            let mut decision = Decision::new(Some(old), moved, 1, unsure);
            decision.asked = asked;
            decision.request = Some(7);
            decision.undo = (asked == Undo).then_some(undo);
            assert_eq!(decision.rule(6, outcome), Ruling::Stale);
            assert_eq!(
                decision.rule(7, outcome),
                ruling,
                "{unsure} {asked:?} {outcome:?}"
            );
            assert_eq!(decision.rule(7, outcome), Ruling::Stale);
        }
    }
}
