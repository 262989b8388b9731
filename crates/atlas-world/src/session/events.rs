//! What each event means, by what is under way.

use atlas_base::Epoch;

use super::{Session, Turn, Work, failover, transfer};
use crate::{Answer, LinkId, Outcome, ServerId, Timer};

impl Session {
    pub(super) fn opened(&mut self, link: LinkId, turn: &mut Turn<'_>) {
        match std::mem::take(&mut self.work) {
            Work::Handover(handover) => self.handover_opened(handover, link, turn),
            Work::Seek(seek) => self.seek_opened(seek, link, turn),
            work => {
                self.work = work;
                self.standby_opened(link, turn);
            }
        }
    }

    pub(super) fn lost(&mut self, link: LinkId, dead: bool, turn: &mut Turn<'_>) {
        if self.standby.as_ref().is_some_and(|it| it.link == link) {
            self.standby = None;
            return;
        }
        match std::mem::take(&mut self.work) {
            Work::Handover(handover) => self.handover_lost(handover, link, dead, turn),
            Work::Seek(seek) => self.seek_lost(seek, link, dead, turn),
            Work::Idle if link == self.link => self.authority_lost(dead, turn),
            work => self.work = work,
        }
    }

    /// Every link to `server` counts as lost.
    pub(super) fn down(&mut self, server: ServerId, dead: bool, turn: &mut Turn<'_>) {
        // At most: the authority's or source's, the target's or candidate's, the standby's.
        let mut links = [None; 3];
        links[0] = self.standby.as_ref().map(|it| (it.link, it.server));
        match &self.work {
            Work::Idle => links[1] = Some((self.link, self.server)),
            Work::Handover(it) => {
                links[1] = it.source.map(|link| (link, self.server));
                links[2] = it.target_alive.then_some((it.target, it.to));
            }
            Work::Seek(seek) => {
                for (slot, link) in links[1..].iter_mut().zip(seek.links(self.server)) {
                    *slot = Some(link);
                }
            }
            Work::Closed => {}
        }
        for (link, at) in links.into_iter().flatten() {
            if at == server && !matches!(self.work, Work::Closed) {
                self.close_link(link, turn);
                self.lost(link, dead, turn);
            }
        }
        if dead {
            match std::mem::take(&mut self.work) {
                Work::Seek(seek) => self.seek_down(seek, server, turn),
                work => self.work = work,
            }
        }
    }

    pub(super) fn answered(
        &mut self,
        link: LinkId,
        epoch: Epoch,
        answer: Answer,
        turn: &mut Turn<'_>,
    ) {
        match std::mem::take(&mut self.work) {
            Work::Handover(handover) => {
                self.handover_answer(handover, link, epoch, answer, turn);
            }
            Work::Seek(seek) => self.seek_answer(seek, link, epoch, answer, turn),
            work => {
                self.work = work;
                if link == self.link {
                    self.authority_answer(answer, turn);
                }
            }
        }
    }

    /// What the acting authority says of itself.
    pub(super) fn authority_answer(&mut self, answer: Answer, turn: &mut Turn<'_>) {
        match answer {
            Answer::Checkpoint {
                state,
                received,
                sent: _,
            } => self.keep(turn.now, state, received, true),
            Answer::Position { at, velocity } => self.moved(at, velocity, true, turn),
            Answer::TransferRequest { id, to, reason: _ } => self.requested(id, to, turn),
            Answer::Kick { code, reason } => self.close(Some((code, reason)), turn),
            Answer::Attached { .. }
            | Answer::Refused { .. }
            | Answer::Frozen { .. }
            | Answer::Adopted { .. }
            | Answer::Committed { .. }
            | Answer::Preloaded => {}
        }
    }

    pub(super) fn directory(&mut self, request: u64, outcome: Outcome, turn: &mut Turn<'_>) {
        match std::mem::take(&mut self.work) {
            Work::Handover(handover) => {
                self.handover_directory(handover, request, outcome, turn);
            }
            Work::Seek(seek) => self.seek_directory(seek, request, outcome, turn),
            work => self.work = work,
        }
    }

    pub(super) fn late(&mut self, timer: Timer, turn: &mut Turn<'_>) {
        match timer {
            Timer::Lease => self.renew(turn),
            Timer::Recheck => self.rechecked(turn),
            Timer::Standby(serial) => self.standby_late(serial, turn),
            Timer::Step(step) if step == self.steps => match std::mem::take(&mut self.work) {
                Work::Handover(handover) => self.handover_late(handover, turn),
                Work::Seek(seek) => self.seek_late(seek, turn),
                work => self.work = work,
            },
            Timer::Outcome(serial) => {
                let overdue = match &self.work {
                    Work::Handover(handover) => handover
                        .decision
                        .as_ref()
                        .is_some_and(|decision| decision.serial == serial),
                    Work::Seek(seek) => Self::is_seek_overdue(seek, serial),
                    Work::Idle | Work::Closed => false,
                };
                if overdue {
                    let reason = "the directory does not answer";
                    self.close(Some((1013, reason.into())), turn);
                }
            }
            Timer::Step(_) => {}
        }
    }

    pub(super) fn client_closed(&mut self, code: Option<u16>, turn: &mut Turn<'_>) {
        if self.is_client_gone() {
            return;
        }
        self.held.get_or_insert_default().closed = Some(code);
        let at_once = match &self.work {
            Work::Idle => true,
            Work::Handover(handover) => handover.stage == transfer::Stage::Dialing,
            Work::Seek(seek) => seek.stage == failover::Stage::Resting,
            Work::Closed => false,
        };
        if at_once {
            self.close(None, turn);
        }
    }

    pub(super) fn kicked(&mut self, code: u16, reason: String, turn: &mut Turn<'_>) {
        match std::mem::take(&mut self.work) {
            Work::Handover(handover)
                if matches!(
                    handover.stage,
                    transfer::Stage::Freezing | transfer::Stage::Adopting
                ) && handover.source.is_some() =>
            {
                self.held.get_or_insert_default().kick = Some((code, reason));
                self.undo(handover, "the client was kicked", turn);
            }
            Work::Handover(handover) if handover.stage != transfer::Stage::Dialing => {
                self.work = Work::Handover(handover);
                self.held.get_or_insert_default().kick = Some((code, reason));
            }
            work => {
                self.work = work;
                self.close(Some((code, reason)), turn);
            }
        }
    }
}
