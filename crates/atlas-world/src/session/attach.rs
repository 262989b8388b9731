//! A server was found for a session that has none: decide for it, attach, settle.

use std::time::Duration;

use atlas_base::Epoch;

use super::{
    Session, Turn, Work,
    failover::{Seek, Stage},
    transfer::STALE_TRIES,
};
use crate::decision::Insisted;
use crate::{
    Answer, AttachReason, DetachReason, LinkId, Order, Outcome, Reason, Record, TransferOutcome,
};

impl Session {
    pub(super) fn decide_seek(&mut self, mut seek: Box<Seek>, turn: &mut Turn<'_>) {
        let Some(candidate) = seek.candidate else {
            self.pick(seek, turn);
            return;
        };
        seek.epoch = self.ledger.next_epoch();
        let moved = Record {
            server: candidate.server,
            epoch: seek.epoch,
            transfer: seek.begun,
            previous: self.ledger.stored.then_some(self.ledger.record.server),
            ..self.ledger.record
        };
        seek.stage = Stage::Deciding;
        seek.decision = Some(self.decide(turn.now, moved, turn.out));
        self.work = Work::Seek(seek);
    }

    pub(super) fn seek_directory(
        &mut self,
        mut seek: Box<Seek>,
        request: u64,
        outcome: Outcome,
        turn: &mut Turn<'_>,
    ) {
        let Some(decision) = &mut seek.decision else {
            self.work = Work::Seek(seek);
            return;
        };
        match self.ledger.insist(decision, request, outcome) {
            Insisted::Stale => self.work = Work::Seek(seek),
            Insisted::Moved => {
                seek.decision = None;
                self.attach(seek, turn);
            }
            Insisted::Again => self.pause_seek(seek, turn),
            Insisted::Foreign => {
                self.work = Work::Seek(seek);
                let reason = "the session moved to another edge";
                self.close(Some((1012, reason.into())), turn);
            }
        }
    }

    pub(super) fn pause_seek(&mut self, mut seek: Box<Seek>, turn: &mut Turn<'_>) {
        if let Some(decision) = &mut seek.decision {
            let pause = decision.next_pause_ms();
            if pause == 0 {
                let ask = decision.next;
                self.ask(decision, ask, turn.out);
            } else {
                self.arm(Duration::from_millis(pause), turn);
            }
        }
        self.work = Work::Seek(seek);
    }

    pub(super) fn attach(&mut self, mut seek: Box<Seek>, turn: &mut Turn<'_>) {
        let Some(candidate) = seek.candidate else {
            self.pick(seek, turn);
            return;
        };
        seek.stage = Stage::Attaching;
        seek.due = false;
        let order = Order::Attach {
            reason: seek.attach,
            state: self.kept.as_ref().map(|kept| kept.state.clone()),
            position: self.position(),
        };
        self.send(candidate.link, seek.epoch, order, turn);
        self.arm(self.settings.adopt_timeout, turn);
        self.work = Work::Seek(seek);
    }

    pub(super) fn seek_answer(
        &mut self,
        mut seek: Box<Seek>,
        link: LinkId,
        epoch: Epoch,
        answer: Answer,
        turn: &mut Turn<'_>,
    ) {
        let ours = seek.stage == Stage::Attaching
            && seek.candidate.is_some_and(|it| it.link == link)
            && epoch == seek.epoch;
        match answer {
            Answer::Attached { .. } if ours => self.settle_seek(seek, turn),
            Answer::Refused {
                newest: Some(newest),
                ..
            } if ours && seek.stale < STALE_TRIES && self.ledger.pass(newest) => {
                seek.stale += 1;
                self.decide_seek(seek, turn);
            }
            Answer::Refused { .. } if ours && seek.again => self.go_on_without(seek, turn),
            Answer::Refused { .. } if ours => {
                self.close_link(link, turn);
                self.candidate_failed(&mut seek, "the server refused the player", turn);
                self.pick(seek, turn);
            }
            Answer::Kick { code, reason } if ours => {
                self.work = Work::Seek(seek);
                self.close(Some((code, reason)), turn);
            }
            Answer::Kick { .. } | Answer::Position { .. } | Answer::TransferRequest { .. }
                if seek.again && link == self.link =>
            {
                self.work = Work::Seek(seek);
                self.authority_answer(answer, turn);
            }
            _ => self.work = Work::Seek(seek),
        }
    }

    pub(super) fn settle_seek(&mut self, mut seek: Box<Seek>, turn: &mut Turn<'_>) {
        let Some(candidate) = seek.candidate.take() else {
            self.pick(seek, turn);
            return;
        };
        if let Some(frozen) = seek.frozen.take() {
            self.detach(frozen, seek.epoch, DetachReason::Transferred, None, turn);
            turn.around.release(self.server);
        }
        if seek.again {
            self.attached_again(candidate.link, seek.epoch, turn);
        } else if seek.attach == AttachReason::New {
            self.birth(candidate.link, candidate.server, seek.epoch, turn);
        } else {
            self.install(
                candidate.link,
                candidate.server,
                seek.epoch,
                Reason::Failover,
                turn,
            );
        }
        self.seated = true;
        if seek.due {
            self.attach_again(turn);
            return;
        }
        if seek.attach == AttachReason::New {
            self.deliver_held(candidate.link, turn.out);
        }
        let why = "the player was attached";
        let ended = seek.ended(candidate.server, turn.now, TransferOutcome::Done, why);
        turn.out.extend(ended);
        self.settled(turn);
    }
}
