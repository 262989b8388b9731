//! A server for a session that has none: at its birth, and when its authority is lost.
//!
//! A lost server that may still live acts until its lease is over, so nobody else may act before that. It is dialled
//! once more meanwhile: a refused dial proves it dead, an answered one proves it alive, and the player goes back to
//! it under a newer epoch, which fences it without any waiting.

use std::time::Duration;

use atlas_base::{Epoch, Moment, TransferId};

use super::{
    Session, Turn, Work,
    transfer::{self, Handover},
};
use crate::decision::Decision;
use crate::{AttachReason, Command, LinkId, Reason, ServerId, TransferOutcome};

/// The search for a server.
#[derive(Debug)]
pub(super) struct Seek {
    pub(super) attach: AttachReason,
    /// The failover to the candidate, once it has begun.
    pub(super) begun: Option<TransferId>,
    pub(super) from: ServerId,
    /// The lost server, if it may still act.
    pub(super) lost: Option<ServerId>,
    /// The link of the session's last server, which gave its state and can take the player back.
    pub(super) frozen: Option<LinkId>,
    pub(super) candidate: Option<Candidate>,
    pub(super) stage: Stage,
    /// Each server is tried once a round.
    pub(super) tried: Vec<ServerId>,
    pub(super) wait_until: Moment,
    pub(super) since: Moment,
    pub(super) rests: u8,
    pub(super) stale: u8,
    pub(super) epoch: Epoch,
    pub(super) decision: Option<Decision>,
    /// The candidate is the authority, and is attached once more.
    pub(super) again: bool,
    /// The player's state came while `attach` was under way: another `attach` is to follow.
    pub(super) due: bool,
}

#[derive(Debug, Clone, Copy)]
pub(super) struct Candidate {
    pub(super) link: LinkId,
    pub(super) server: ServerId,
    /// Whether a place was taken.
    pub(super) reserved: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stage {
    /// Dialling the lost server once more.
    Probing,
    /// Waiting until the lost server's lease is over.
    Waiting,
    Dialing,
    Deciding,
    Attaching,
    /// No server takes the player; after a pause another round.
    Resting,
}

impl Seek {
    pub(super) fn new(
        now: Moment,
        attach: AttachReason,
        from: ServerId,
        frozen: Option<LinkId>,
        tried: Vec<ServerId>,
    ) -> Box<Self> {
        Box::new(Self {
            attach,
            begun: None,
            from,
            lost: None,
            frozen,
            candidate: None,
            stage: Stage::Waiting,
            tried,
            wait_until: now,
            since: now,
            rests: 0,
            stale: 0,
            epoch: Epoch::default(),
            decision: None,
            again: false,
            due: false,
        })
    }

    /// Whether `link` belongs to `server` here; `last` is the session's last server.
    pub(super) fn links(&self, last: ServerId) -> impl Iterator<Item = (LinkId, ServerId)> {
        self.frozen
            .map(|link| (link, last))
            .into_iter()
            .chain(self.candidate.map(|it| (it.link, it.server)))
    }

    pub(super) fn ended(
        &mut self,
        to: ServerId,
        now: Moment,
        outcome: TransferOutcome,
        why: &'static str,
    ) -> Option<Command> {
        Some(Command::Ended {
            transfer: self.begun.take()?,
            from: self.from,
            to,
            reason: Reason::Failover,
            outcome,
            why,
            held: now.saturating_since(self.since),
            ticket: None,
        })
    }

    pub(super) fn serial(&self) -> Option<u32> {
        self.decision.as_ref().map(|decision| decision.serial)
    }
}

impl Session {
    /// The birth: the first server is dialled and has a place.
    pub(super) fn be_born(
        &mut self,
        now: Moment,
        link: LinkId,
        server: ServerId,
        out: &mut Vec<Command>,
    ) {
        let mut seek = Seek::new(now, AttachReason::New, server, None, Vec::new());
        seek.candidate = Some(Candidate {
            link,
            server,
            reserved: true,
        });
        seek.stage = Stage::Deciding;
        seek.epoch = self.ledger.record.epoch;
        seek.decision = Some(self.decide(now, self.ledger.record, out));
        self.work = Work::Seek(seek);
    }

    /// The settled (or freezing) authority is lost. `dead`: it cannot live.
    pub(super) fn authority_lost(&mut self, dead: bool, turn: &mut Turn<'_>) {
        self.cancel_standby(turn);
        if self.seated {
            self.seated = false;
            turn.around.release(self.server);
        }
        if turn.now.saturating_since(self.since) >= self.settings.lease {
            self.strikes = 0;
        } else if self.strike() {
            self.end_seeking(None, turn);
            return;
        }
        self.seek(Some((self.server, dead)), None, Vec::new(), turn);
    }

    /// Counts a server lost soon after the player came; whether that is one too many.
    pub(super) fn strike(&mut self) -> bool {
        self.strikes = self.strikes.saturating_add(1);
        self.strikes >= 2
    }

    /// Closes a session whose state seems to kill servers; the state is carried on by nobody.
    pub(super) fn end_seeking(&mut self, frozen: Option<LinkId>, turn: &mut Turn<'_>) {
        self.kept = None;
        self.work = Work::Seek(Seek::new(
            turn.now,
            AttachReason::Failover,
            self.server,
            frozen,
            Vec::new(),
        ));
        let reason = "two servers were lost soon after the player came";
        self.close(Some((1011, reason.into())), turn);
    }

    /// Looks for a server. `lost`: the server that may have acted last, and whether it cannot live; none if the last
    /// authority is frozen. `frozen`: that authority's link, if it is there to take the player back.
    pub(super) fn seek(
        &mut self,
        lost: Option<(ServerId, bool)>,
        frozen: Option<LinkId>,
        tried: Vec<ServerId>,
        turn: &mut Turn<'_>,
    ) {
        let from = lost.map_or(self.server, |(server, _)| server);
        let mut seek = Seek::new(turn.now, AttachReason::Failover, from, frozen, tried);
        match lost {
            Some((server, true)) => {
                seek.tried.push(server);
                self.pick(seek, turn);
            }
            Some((server, false)) => self.probe(seek, server, turn),
            None => self.pick(seek, turn),
        }
    }

    pub(super) fn probe(&mut self, mut seek: Box<Seek>, server: ServerId, turn: &mut Turn<'_>) {
        seek.lost = Some(server);
        // What was sent last may still be on its way to it and renew the lease when it arrives.
        seek.wait_until = turn.now + self.settings.lease + self.settings.lease / 4;
        #[cfg(feature = "planted-bugs")]
        if self.planted == Some(super::Planted::NoLeaseWait) {
            seek.wait_until = turn.now;
        }
        seek.candidate = Some(Candidate {
            link: self.dial(server, turn),
            server,
            reserved: false,
        });
        seek.stage = Stage::Probing;
        self.arm(self.settings.dial_timeout, turn);
        self.work = Work::Seek(seek);
    }

    pub(super) fn wait(&mut self, mut seek: Box<Seek>, turn: &mut Turn<'_>) {
        seek.candidate = None;
        seek.stage = Stage::Waiting;
        self.arm(seek.wait_until.saturating_since(turn.now), turn);
        self.work = Work::Seek(seek);
    }

    /// Once nobody acts any more: the frozen source first, then the best others, each once a round.
    pub(super) fn pick(&mut self, mut seek: Box<Seek>, turn: &mut Turn<'_>) {
        seek.candidate = None;
        if turn.now < seek.wait_until {
            // Also if the lost server answered and then did not take its player back: it may still act.
            self.wait(seek, turn);
            return;
        }
        if let Some(link) = seek.frozen.take() {
            self.take_back(&seek, link, turn);
            return;
        }
        let at = self.position();
        let mut exclude = seek.tried.clone();
        exclude.extend(seek.lost.filter(|_| seek.rests == 0));
        let chosen = loop {
            match turn.around.choose(&exclude, at) {
                Some(server) if exclude.contains(&server) => break None,
                Some(server) if turn.around.reserve(server) => break Some(server),
                Some(server) => exclude.push(server),
                None => break None,
            }
        };
        match chosen {
            Some(server) => {
                seek.candidate = Some(Candidate {
                    link: self.dial(server, turn),
                    server,
                    reserved: true,
                });
                self.begin_failover(&mut seek, server, turn);
                seek.stage = Stage::Dialing;
                self.arm(self.settings.dial_timeout, turn);
                self.work = Work::Seek(seek);
            }
            None => self.rest(seek, turn),
        }
    }

    pub(super) fn begin_failover(&mut self, seek: &mut Seek, to: ServerId, turn: &mut Turn<'_>) {
        if seek.attach == AttachReason::New {
            return;
        }
        let transfer = turn.around.new_transfer();
        seek.begun = Some(transfer);
        turn.out.push(Command::Began {
            transfer,
            from: seek.from,
            to,
            reason: Reason::Failover,
        });
    }

    fn rest(&mut self, mut seek: Box<Seek>, turn: &mut Turn<'_>) {
        let over = turn.now.saturating_since(seek.since) > self.settings.orphan_window;
        seek.stage = Stage::Resting;
        let pause = Duration::from_millis(100 << seek.rests.min(4));
        seek.rests = seek.rests.saturating_add(1);
        self.work = Work::Seek(seek);
        if self.is_client_gone() {
            self.close(None, turn);
        } else if over {
            self.close(Some((1013, "no server takes the player".into())), turn);
        } else {
            self.arm(pause, turn);
        }
    }

    /// The frozen source adopts its player again, under the next epoch and its own compare-and-set.
    fn take_back(&mut self, seek: &Seek, link: LinkId, turn: &mut Turn<'_>) {
        let transfer = turn.around.new_transfer();
        turn.out.push(Command::Began {
            transfer,
            from: seek.from,
            to: self.server,
            reason: Reason::Failover,
        });
        let handover = Box::new(Handover {
            transfer,
            reason: Reason::Failover,
            ticket: None,
            request: None,
            from: seek.from,
            to: self.server,
            source: None,
            target: link,
            target_alive: true,
            reserved: false,
            froze: true,
            stage: transfer::Stage::Adopting,
            epoch: self.ledger.next_epoch(),
            decision: None,
            held_since: Some(seek.since),
            stale: 0,
        });
        self.adopt(handover, turn);
    }

    pub(super) fn seek_opened(&mut self, mut seek: Box<Seek>, link: LinkId, turn: &mut Turn<'_>) {
        let Some(candidate) = seek.candidate.filter(|it| it.link == link) else {
            self.work = Work::Seek(seek);
            return;
        };
        match seek.stage {
            Stage::Probing => {
                let server = candidate.server;
                if turn.around.may_enter(server) && turn.around.reserve(server) {
                    seek.candidate = Some(Candidate {
                        reserved: true,
                        ..candidate
                    });
                    self.begin_failover(&mut seek, server, turn);
                    self.decide_seek(seek, turn);
                } else {
                    self.close_link(link, turn);
                    self.wait(seek, turn);
                }
            }
            Stage::Dialing => self.decide_seek(seek, turn),
            _ => self.work = Work::Seek(seek),
        }
    }

    /// The candidate does not get the player; its link is gone.
    pub(super) fn candidate_failed(
        &mut self,
        seek: &mut Seek,
        why: &'static str,
        turn: &mut Turn<'_>,
    ) {
        self.ledger.abandon(seek.decision.take());
        if let Some(candidate) = seek.candidate.take() {
            if candidate.reserved {
                turn.around.release(candidate.server);
            }
            seek.tried.push(candidate.server);
            let ended = seek.ended(candidate.server, turn.now, TransferOutcome::Failed, why);
            turn.out.extend(ended);
        }
    }

    /// A link of the search is lost. `dead`: its server cannot live.
    pub(super) fn seek_lost(
        &mut self,
        mut seek: Box<Seek>,
        link: LinkId,
        dead: bool,
        turn: &mut Turn<'_>,
    ) {
        if seek.frozen == Some(link) {
            seek.frozen = None;
            self.seated = false;
            turn.around.release(self.server);
            self.work = Work::Seek(seek);
            return;
        }
        let Some(candidate) = seek.candidate.filter(|it| it.link == link) else {
            self.work = Work::Seek(seek);
            return;
        };
        match seek.stage {
            Stage::Probing if dead => {
                seek.wait_until = turn.now;
                seek.tried.push(candidate.server);
                self.pick(seek, turn);
            }
            Stage::Probing => self.wait(seek, turn),
            Stage::Deciding if seek.again => self.lost_before_again(seek, dead, turn),
            Stage::Attaching => self.attach_lost(seek, candidate.server, dead, turn),
            Stage::Dialing | Stage::Deciding => {
                self.candidate_failed(&mut seek, "the server was lost", turn);
                self.pick(seek, turn);
            }
            Stage::Waiting | Stage::Resting => self.work = Work::Seek(seek),
        }
    }

    /// The server was told to act and did not answer: it may act, until its lease is over.
    pub(super) fn attach_lost(
        &mut self,
        mut seek: Box<Seek>,
        server: ServerId,
        dead: bool,
        turn: &mut Turn<'_>,
    ) {
        let why = "the server was lost after it was given the player";
        self.candidate_failed(&mut seek, why, turn);
        if std::mem::take(&mut seek.again) {
            // It had the player before: what it was given then may be lost with it.
            seek.attach = AttachReason::Failover;
        }
        if self.strike() {
            let frozen = seek.frozen.take();
            self.end_seeking(frozen, turn);
        } else if dead {
            self.pick(seek, turn);
        } else {
            self.probe(seek, server, turn);
        }
    }

    /// The health check's verdict while `server`'s lease is waited out: if it is dead, there is nothing to wait for.
    pub(super) fn seek_down(&mut self, mut seek: Box<Seek>, server: ServerId, turn: &mut Turn<'_>) {
        if seek.stage == Stage::Waiting && seek.lost == Some(server) {
            seek.wait_until = turn.now;
            seek.tried.push(server);
            self.pick(seek, turn);
        } else {
            self.work = Work::Seek(seek);
        }
    }

    /// The current step's timer fired.
    pub(super) fn seek_late(&mut self, mut seek: Box<Seek>, turn: &mut Turn<'_>) {
        match (seek.stage, seek.candidate) {
            (Stage::Probing, Some(candidate)) => {
                self.close_link(candidate.link, turn);
                self.wait(seek, turn);
            }
            (Stage::Dialing, Some(candidate)) => {
                self.close_link(candidate.link, turn);
                self.candidate_failed(&mut seek, "the server did not answer the dial", turn);
                self.pick(seek, turn);
            }
            (Stage::Deciding, _) => {
                if let Some(decision) = &mut seek.decision
                    && !decision.is_waiting()
                {
                    let ask = decision.next;
                    self.ask(decision, ask, turn.out);
                }
                self.work = Work::Seek(seek);
            }
            (Stage::Attaching, Some(candidate)) => {
                self.close_link(candidate.link, turn);
                self.attach_lost(seek, candidate.server, false, turn);
            }
            (Stage::Resting, _) => {
                seek.tried.clear();
                self.pick(seek, turn);
            }
            _ => self.pick(seek, turn),
        }
    }

    /// Whether `serial` is the outcome timer of the search's decision.
    pub(super) fn is_seek_overdue(seek: &Seek, serial: u32) -> bool {
        seek.serial() == Some(serial)
    }

    /// The session ends while it has no authority.
    pub(super) fn close_seek(&mut self, mut seek: Box<Seek>, turn: &mut Turn<'_>) {
        let (reason, code) = self.parting();
        if let Some(frozen) = seek.frozen.take() {
            self.detach(frozen, self.ledger.newest, reason, code, turn);
        }
        if let Some(candidate) = seek.candidate.take() {
            if seek.again {
                self.detach_again(&seek, reason, code, turn);
            } else if seek.stage == Stage::Attaching {
                self.detach(candidate.link, seek.epoch, reason, code, turn);
            } else {
                self.close_link(candidate.link, turn);
            }
            if candidate.reserved {
                turn.around.release(candidate.server);
            }
            let why = "the session ended";
            let ended = seek.ended(candidate.server, turn.now, TransferOutcome::Failed, why);
            turn.out.extend(ended);
        }
    }
}
