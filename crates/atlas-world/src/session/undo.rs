//! A transfer that does not reach its target: undone before the decision, followed by another after it.

use super::{
    Session, Turn, Work,
    transfer::{Handover, Stage},
};
use crate::{LinkId, Order, RequestOutcome, TransferOutcome, decision::Ask};

impl Session {
    /// Nothing is decided for the target: the source acts on, or if it is lost, another server goes on with its
    /// state.
    pub(super) fn undo(&mut self, handover: Box<Handover>, why: &'static str, turn: &mut Turn<'_>) {
        if handover.target_alive {
            if handover.stage >= Stage::Adopting {
                let order = Order::Abort {
                    transfer: handover.transfer,
                };
                self.send(handover.target, handover.epoch, order, turn);
            }
            self.close_link(handover.target, turn);
        }
        #[allow(unused_mut, reason = "changed only with planted bugs")]
        let mut gives_back = handover.reserved;
        #[cfg(feature = "planted-bugs")]
        if self.planted == Some(super::Planted::KeepPlace) {
            gives_back = false;
        }
        if gives_back {
            turn.around.release(handover.to);
        }
        self.watch.failed(turn.now, &self.settings);
        let Some(source) = handover.source else {
            turn.out
                .push(handover.ended(turn.now, TransferOutcome::Failed, why));
            if self.seated {
                // The target was the source that should have taken its player back.
                self.seated = false;
                turn.around.release(self.server);
            }
            self.seek(None, None, vec![handover.to], turn);
            return;
        };
        #[allow(unused_mut, reason = "changed only with planted bugs")]
        let mut thaws = handover.froze;
        #[cfg(feature = "planted-bugs")]
        if self.planted == Some(super::Planted::NoAbort) {
            thaws = false;
        }
        if thaws {
            let order = Order::Abort {
                transfer: handover.transfer,
            };
            self.send(source, handover.epoch, order, turn);
            self.epoch = handover.epoch;
        }
        #[cfg(feature = "planted-bugs")]
        match self.planted {
            Some(super::Planted::ReuseEpoch) => self.ledger.newest = self.ledger.record.epoch,
            Some(super::Planted::DropHeldOnAbort) => {
                if let Some(held) = &mut self.held {
                    held.drop_messages();
                }
            }
            _ => {}
        }
        if let Some(id) = &handover.request {
            let order = Order::TransferResult {
                id: id.clone(),
                outcome: RequestOutcome::Failed,
                why,
            };
            self.send(source, handover.epoch, order, turn);
        }
        self.disarm();
        self.deliver_held(source, turn.out);
        turn.out
            .push(handover.ended(turn.now, TransferOutcome::Aborted, why));
        self.settled(turn);
    }

    /// The target is lost after the decision: the frozen source is the first fallback, others come after it.
    /// `committed`: the target may act. `dead`: it cannot live.
    pub(super) fn fall_back(
        &mut self,
        handover: Box<Handover>,
        committed: bool,
        dead: bool,
        why: &'static str,
        turn: &mut Turn<'_>,
    ) {
        turn.out
            .push(handover.ended(turn.now, TransferOutcome::Failed, why));
        if handover.reserved {
            turn.around.release(handover.to);
        } else if handover.source.is_none() && self.seated {
            self.seated = false;
            turn.around.release(self.server);
        }
        self.watch.failures = self.watch.failures.saturating_add(1);
        let frozen = handover.source;
        if committed && self.strike() {
            self.end_seeking(frozen, turn);
            return;
        }
        let lost = committed.then_some((handover.to, dead));
        self.seek(lost, frozen, vec![handover.to], turn);
    }

    /// A link of the handover is lost. `dead`: its server cannot live.
    pub(super) fn handover_lost(
        &mut self,
        mut handover: Box<Handover>,
        link: LinkId,
        dead: bool,
        turn: &mut Turn<'_>,
    ) {
        if handover.source == Some(link) {
            if handover.stage <= Stage::Freezing {
                self.close_link(handover.target, turn);
                turn.out.push(handover.ended(
                    turn.now,
                    TransferOutcome::Failed,
                    "the source was lost before it gave the state",
                ));
                self.authority_lost(dead, turn);
                return;
            }
            // The state is in hand: go on without the source.
            handover.source = None;
            self.seated = false;
            turn.around.release(self.server);
            self.work = Work::Handover(handover);
        } else if link == handover.target && handover.target_alive {
            handover.target_alive = false;
            match handover.stage {
                Stage::Dialing => self.undo(handover, "the target could not be reached", turn),
                Stage::Freezing | Stage::Adopting => {
                    self.undo(handover, "the target was lost", turn);
                }
                // The outcome is awaited; it says who is to have the player.
                Stage::Deciding => self.work = Work::Handover(handover),
                Stage::Committing => self.fall_back(
                    handover,
                    true,
                    dead,
                    "the target was lost after the decision",
                    turn,
                ),
            }
        } else {
            self.work = Work::Handover(handover);
        }
    }

    /// The current step's timer fired.
    pub(super) fn handover_late(&mut self, mut handover: Box<Handover>, turn: &mut Turn<'_>) {
        match handover.stage {
            Stage::Dialing => self.undo(handover, "the target did not answer the dial", turn),
            Stage::Freezing => self.undo(handover, "the source did not freeze in time", turn),
            Stage::Adopting => self.undo(handover, "the target did not adopt in time", turn),
            Stage::Deciding => {
                if let Some(decision) = &mut handover.decision
                    && !decision.is_waiting()
                {
                    if decision.next == Ask::Move && !handover.target_alive {
                        decision.next = Ask::Undo;
                    }
                    let ask = decision.next;
                    self.ask(decision, ask, turn.out);
                }
                self.work = Work::Handover(handover);
            }
            Stage::Committing => {
                self.close_link(handover.target, turn);
                self.fall_back(
                    handover,
                    true,
                    false,
                    "the target did not commit in time",
                    turn,
                );
            }
        }
    }

    /// The session ends inside the handover: both servers let the player go.
    pub(super) fn close_handover(&mut self, handover: Box<Handover>, turn: &mut Turn<'_>) {
        let (reason, code) = self.parting();
        if let Some(source) = handover.source {
            self.detach(source, handover.epoch, reason, code, turn);
        }
        if handover.target_alive {
            match handover.stage {
                Stage::Dialing | Stage::Freezing => self.close_link(handover.target, turn),
                Stage::Adopting | Stage::Deciding => {
                    let order = Order::Abort {
                        transfer: handover.transfer,
                    };
                    self.send(handover.target, handover.epoch, order, turn);
                    self.close_link(handover.target, turn);
                }
                Stage::Committing => {
                    self.detach(handover.target, handover.epoch, reason, code, turn);
                }
            }
        }
        if handover.reserved {
            turn.around.release(handover.to);
        }
        let outcome = if handover.stage <= Stage::Freezing {
            TransferOutcome::Aborted
        } else {
            TransferOutcome::Failed
        };
        turn.out
            .push(handover.ended(turn.now, outcome, "the session ended"));
    }
}
