//! A transfer between two living servers: dial, freeze, adopt, decide, commit; and its undoing from every step.

use std::time::Duration;

use atlas_base::{Epoch, Moment, TransferId};

use super::{Session, Turn, Work};
use crate::decision::{Ask, Decision, Ruling};
use crate::{
    Answer, Command, LinkId, Order, Outcome, Reason, Record, RequestOutcome, ServerId,
    TransferOutcome,
};

/// How often an attempt goes past a server's newer epoch before it gives up.
pub(super) const STALE_TRIES: u8 = 3;

/// One transfer under way.
#[derive(Debug)]
pub(super) struct Handover {
    pub(super) transfer: TransferId,
    pub(super) reason: Reason,
    pub(super) ticket: Option<u64>,
    /// The server's own request for it.
    pub(super) request: Option<Box<str>>,
    pub(super) from: ServerId,
    pub(super) to: ServerId,
    /// The source's link; none once it is lost, or if the target is a source that takes its player back.
    pub(super) source: Option<LinkId>,
    pub(super) target: LinkId,
    pub(super) target_alive: bool,
    /// Whether a place at the target was taken for this transfer.
    pub(super) reserved: bool,
    /// Whether the source was told to freeze.
    pub(super) froze: bool,
    pub(super) stage: Stage,
    pub(super) epoch: Epoch,
    pub(super) decision: Option<Decision>,
    pub(super) held_since: Option<Moment>,
    pub(super) stale: u8,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Stage {
    Dialing,
    Freezing,
    Adopting,
    Deciding,
    Committing,
}

impl Handover {
    pub(super) fn ended(
        &self,
        now: Moment,
        outcome: TransferOutcome,
        why: &'static str,
    ) -> Command {
        Command::Ended {
            transfer: self.transfer,
            from: self.from,
            to: self.to,
            reason: self.reason,
            outcome,
            why,
            held: self
                .held_since
                .map_or(Duration::ZERO, |since| now.saturating_since(since)),
            ticket: self.ticket,
        }
    }
}

impl Session {
    /// Begins to move the player to `to`, over the standby link if it leads there.
    pub(super) fn begin_transfer(
        &mut self,
        to: ServerId,
        reason: Reason,
        ticket: Option<u64>,
        request: Option<Box<str>>,
        turn: &mut Turn<'_>,
    ) {
        let transfer = turn.around.new_transfer();
        turn.out.push(Command::Began {
            transfer,
            from: self.server,
            to,
            reason,
        });
        let standby = self.standby.take();
        let (target, open) = match standby {
            Some(standby) if standby.server == to => (standby.link, standby.open),
            other => {
                self.standby = other;
                self.cancel_standby(turn);
                (self.dial(to, turn), false)
            }
        };
        let handover = Box::new(Handover {
            transfer,
            reason,
            ticket,
            request,
            from: self.server,
            to,
            source: Some(self.link),
            target,
            target_alive: true,
            reserved: false,
            froze: false,
            stage: Stage::Dialing,
            epoch: self.epoch,
            decision: None,
            held_since: None,
            stale: 0,
        });
        if open {
            self.freeze(handover, turn);
        } else {
            self.send(
                self.link,
                self.epoch,
                Order::Leaving {
                    reason,
                    expected_in: Duration::ZERO,
                },
                turn,
            );
            self.arm(self.settings.dial_timeout, turn);
            self.work = Work::Handover(handover);
        }
    }

    fn freeze(&mut self, mut handover: Box<Handover>, turn: &mut Turn<'_>) {
        handover.epoch = self.ledger.next_epoch();
        handover.stage = Stage::Freezing;
        handover.froze = true;
        handover.held_since = Some(turn.now);
        let order = Order::Freeze {
            transfer: handover.transfer,
        };
        self.send(self.link, handover.epoch, order, turn);
        self.arm(self.settings.freeze_timeout, turn);
        self.work = Work::Handover(handover);
    }

    /// Asks the target to hold the player ready, under the handover's epoch.
    pub(super) fn adopt(&mut self, mut handover: Box<Handover>, turn: &mut Turn<'_>) {
        let Some(state) = self.kept.as_ref().map(|kept| kept.state.clone()) else {
            // Not reached: `frozen` brought a state, and a source that takes its player back gave one.
            self.undo(handover, "there is no state to hand over", turn);
            return;
        };
        handover.stage = Stage::Adopting;
        let order = Order::Adopt {
            transfer: handover.transfer,
            state,
            position: self.position(),
        };
        self.send(handover.target, handover.epoch, order, turn);
        self.arm(self.settings.adopt_timeout, turn);
        self.work = Work::Handover(handover);
    }

    pub(super) fn handover_opened(
        &mut self,
        handover: Box<Handover>,
        link: LinkId,
        turn: &mut Turn<'_>,
    ) {
        if handover.stage == Stage::Dialing && link == handover.target {
            self.freeze(handover, turn);
        } else {
            self.work = Work::Handover(handover);
        }
    }

    pub(super) fn handover_answer(
        &mut self,
        mut handover: Box<Handover>,
        link: LinkId,
        epoch: Epoch,
        answer: Answer,
        turn: &mut Turn<'_>,
    ) {
        let ours = epoch == handover.epoch;
        let id = handover.transfer;
        let from_source = handover.source == Some(link);
        let from_target = link == handover.target && handover.target_alive;
        match (handover.stage, answer) {
            (
                Stage::Freezing,
                Answer::Frozen {
                    transfer,
                    state,
                    received,
                    sent: _,
                },
            ) if from_source && ours && transfer == id => {
                self.keep(turn.now, state, received, false);
                handover.reserved = turn.around.reserve(handover.to);
                if handover.reserved {
                    self.adopt(handover, turn);
                } else {
                    self.undo(handover, "the target has no place", turn);
                }
            }
            (Stage::Freezing, Answer::Refused { newest, .. }) if from_source && ours => {
                self.ledger.pass(newest.unwrap_or_default());
                handover.froze = false;
                self.undo(handover, "the source refused to freeze", turn);
            }
            (Stage::Adopting, Answer::Adopted { transfer })
                if from_target && ours && transfer == id =>
            {
                self.decide_handover(handover, turn);
            }
            (Stage::Adopting, Answer::Refused { newest, .. }) if from_target && ours => {
                self.adopt_refused(handover, newest, turn);
            }
            (Stage::Committing, Answer::Committed { transfer })
                if from_target && ours && transfer == id =>
            {
                self.settle_handover(handover, turn);
            }
            (Stage::Committing, Answer::Refused { .. }) if from_target && ours => {
                self.close_link(handover.target, turn);
                self.fall_back(handover, true, false, "the target refused to commit", turn);
            }
            // From `commit` on the target may refuse the player: a kick is a kick, not a crash.
            (Stage::Committing, Answer::Kick { code, reason }) if from_target => {
                self.work = Work::Handover(handover);
                self.close(Some((code, reason)), turn);
            }
            (Stage::Dialing | Stage::Freezing, answer) if from_source => {
                self.work = Work::Handover(handover);
                self.authority_answer(answer, turn);
            }
            _ => self.work = Work::Handover(handover),
        }
    }

    fn adopt_refused(
        &mut self,
        mut handover: Box<Handover>,
        newest: Option<Epoch>,
        turn: &mut Turn<'_>,
    ) {
        match newest {
            Some(newest) if handover.stale < STALE_TRIES && self.ledger.pass(newest) => {
                handover.stale += 1;
                handover.epoch = self.ledger.next_epoch();
                self.adopt(handover, turn);
            }
            _ => self.undo(handover, "the target refused the player", turn),
        }
    }

    fn decide_handover(&mut self, mut handover: Box<Handover>, turn: &mut Turn<'_>) {
        let moved = Record {
            server: handover.to,
            epoch: handover.epoch,
            transfer: Some(handover.transfer),
            previous: Some(handover.from),
            ..self.ledger.record
        };
        handover.stage = Stage::Deciding;
        handover.decision = Some(self.decide(turn.now, moved, turn.out));
        self.work = Work::Handover(handover);
    }

    pub(super) fn handover_directory(
        &mut self,
        mut handover: Box<Handover>,
        request: u64,
        outcome: Outcome,
        turn: &mut Turn<'_>,
    ) {
        let Some(decision) = &mut handover.decision else {
            self.work = Work::Handover(handover);
            return;
        };
        let (moved, undone) = (decision.moved, decision.undo);
        #[allow(unused_mut, reason = "changed only with planted bugs")]
        let mut ruling = self.ledger.rule(decision, request, outcome);
        #[cfg(feature = "planted-bugs")]
        if self.planted == Some(super::Planted::UnknownIsLost) && ruling == Ruling::Unknown {
            ruling = Ruling::Refused;
        }
        match ruling {
            Ruling::Stale => self.work = Work::Handover(handover),
            Ruling::Moved => {
                self.ledger.won(moved);
                handover.decision = None;
                self.decided(handover, turn);
            }
            Ruling::Undone => {
                self.ledger.won(undone.unwrap_or(self.ledger.record));
                self.undo(handover, "undone in the directory", turn);
            }
            Ruling::Refused => self.undo(handover, "the directory refused", turn),
            Ruling::Unknown => {
                decision.next = Ask::Read;
                self.pause_decision(handover, turn);
            }
            Ruling::Kept => {
                // Once undoing was asked for it is asked for again: both may be under way.
                let give_up = !handover.target_alive || decision.undo.is_some();
                decision.next = if give_up { Ask::Undo } else { Ask::Move };
                self.pause_decision(handover, turn);
            }
            Ruling::Other(found) => {
                self.ledger.found(decision, found);
                decision.next = if decision.undo.is_some() {
                    Ask::Undo
                } else {
                    Ask::Move
                };
                self.pause_decision(handover, turn);
            }
            Ruling::Foreign => {
                self.work = Work::Handover(handover);
                self.close(
                    Some((1012, "the session moved to another edge".into())),
                    turn,
                );
            }
        }
    }

    fn pause_decision(&mut self, mut handover: Box<Handover>, turn: &mut Turn<'_>) {
        let Some(decision) = &mut handover.decision else {
            self.work = Work::Handover(handover);
            return;
        };
        let pause = decision.next_pause_ms();
        if pause == 0 {
            let ask = decision.next;
            self.ask(decision, ask, turn.out);
        } else {
            self.arm(Duration::from_millis(pause), turn);
        }
        self.work = Work::Handover(handover);
    }

    /// The directory says that the target has the player.
    fn decided(&mut self, mut handover: Box<Handover>, turn: &mut Turn<'_>) {
        if !handover.target_alive {
            self.fall_back(
                handover,
                false,
                false,
                "the target was lost after the decision",
                turn,
            );
            return;
        }
        handover.stage = Stage::Committing;
        let order = Order::Commit {
            transfer: handover.transfer,
            client_present: !self.is_client_gone(),
        };
        self.send(handover.target, handover.epoch, order, turn);
        self.arm(self.settings.commit_timeout, turn);
        #[cfg(feature = "planted-bugs")]
        if self.planted == Some(super::Planted::EarlyInput) {
            self.deliver_held(handover.target, turn.out);
        }
        self.work = Work::Handover(handover);
    }

    fn settle_handover(&mut self, handover: Box<Handover>, turn: &mut Turn<'_>) {
        let from = self.server;
        self.watch.failures = 0;
        self.install(
            handover.target,
            handover.to,
            handover.epoch,
            handover.reason,
            turn,
        );
        if let Some(source) = handover.source {
            if let Some(id) = &handover.request {
                let order = Order::TransferResult {
                    id: id.clone(),
                    outcome: RequestOutcome::Done,
                    why: "",
                };
                self.send(source, handover.epoch, order, turn);
            }
            self.detach(
                source,
                handover.epoch,
                crate::DetachReason::Transferred,
                None,
                turn,
            );
            turn.around.release(from);
        }
        self.seated = true;
        turn.out
            .push(handover.ended(turn.now, TransferOutcome::Done, "the target has the player"));
        self.settled(turn);
    }
}
