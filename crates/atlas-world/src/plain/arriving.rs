//! The way into a server: once nobody has the player, the directory is asked for the target, and the player joins
//! there. A target that fails is followed by another, each tried at most once.

use std::time::Duration;

use atlas_base::Moment;

use super::{
    PlainSession, Turn, Work,
    leaving::{Move, Stage, Target},
};
use crate::{
    Command, LinkId, Outcome, Reason, Record, ServerId, TransferOutcome, decision::Insisted,
};

impl PlainSession {
    /// The birth: the first server is dialled and has a place.
    pub(super) fn be_born(
        &mut self,
        now: Moment,
        link: LinkId,
        server: ServerId,
        out: &mut Vec<Command>,
    ) {
        let mut it = Move::new(server, Reason::Failover);
        it.target = Some(Target {
            link,
            server,
            reserved: true,
            open: true,
        });
        it.stage = Stage::Deciding;
        let span = self.settings.unknown_outcome_max;
        let record = self.ledger.record;
        it.decision = Some(self.ledger.decide(now, record, self.steps, span, out));
        self.work = Work::Moving(it);
    }

    /// Asks the directory for the target.
    pub(super) fn decide(&mut self, mut it: Box<Move>, turn: &mut Turn<'_>) {
        let Some(target) = it.target else {
            self.pick(it, turn);
            return;
        };
        let moved = Record {
            server: target.server,
            epoch: self.ledger.next_epoch(),
            transfer: it.transfer,
            previous: self.ledger.stored.then_some(self.ledger.record.server),
            ..self.ledger.record
        };
        it.stage = Stage::Deciding;
        self.disarm();
        let span = self.settings.unknown_outcome_max;
        let decision = self
            .ledger
            .decide(turn.now, moved, self.steps, span, turn.out);
        it.decision = Some(decision);
        self.work = Work::Moving(it);
    }

    pub(super) fn directory(&mut self, request: u64, outcome: Outcome, turn: &mut Turn<'_>) {
        let Some(mut it) = self.moving() else { return };
        let Some(decision) = &mut it.decision else {
            self.work = Work::Moving(it);
            return;
        };
        #[cfg(feature = "planted-bugs")]
        let outcome = match outcome {
            Outcome::Unknown if self.planted == Some(super::PlantedPlain::UnknownIsWon) => {
                Outcome::Won
            }
            outcome => outcome,
        };
        match self.ledger.insist(decision, request, outcome) {
            Insisted::Stale => self.work = Work::Moving(it),
            Insisted::Moved => self.arrive(it, turn),
            Insisted::Again => match decision.next_pause_ms() {
                0 => self.ask_again(it, turn),
                pause => {
                    self.arm(Duration::from_millis(pause), turn);
                    self.work = Work::Moving(it);
                }
            },
            Insisted::Foreign => {
                self.work = Work::Moving(it);
                let reason = "the session moved to another edge";
                self.close(Some((1012, reason.into())), turn);
            }
        }
    }

    pub(super) fn ask_again(&mut self, mut it: Box<Move>, turn: &mut Turn<'_>) {
        if let Some(decision) = &mut it.decision
            && !decision.is_waiting()
        {
            let ask = decision.next;
            self.ledger.ask(decision, ask, self.server, turn.out);
        }
        self.work = Work::Moving(it);
    }

    /// The player is the target's: it joins, then comes what was held.
    fn arrive(&mut self, mut it: Box<Move>, turn: &mut Turn<'_>) {
        let (Some(target), Some(decision)) = (it.target.take(), it.decision.take()) else {
            self.pick(it, turn);
            return;
        };
        if self.born && target.server != self.server {
            self.transfers += 1;
        }
        self.disarm();
        self.work = Work::Idle;
        self.link = target.link;
        self.server = target.server;
        self.epoch = decision.moved.epoch;
        self.since = turn.now;
        self.seated = true;
        self.sent = 0;
        let delivered = std::mem::take(&mut self.delivered);
        turn.out.push(Command::Promote {
            link: target.link,
            server: target.server,
        });
        #[allow(unused_mut, reason = "changed only with planted bugs")]
        let mut replays = self.born && !it.joined;
        #[cfg(feature = "planted-bugs")]
        if self.planted == Some(super::PlantedPlain::ForgetJoin) {
            replays = false;
        }
        if replays {
            turn.out.push(Command::Replay { link: target.link });
        }
        if it.lost {
            turn.out.push(Command::NotifyReset {
                reason: Reason::Failover,
                lost_input: delivered,
                state_age: Duration::ZERO,
            });
        }
        self.deliver_held(turn);
        if self.born {
            self.watch.failures = 0;
            self.watch.put_off(turn.now, &self.settings);
        }
        self.born = true;
        let why = "the target has the player";
        let ended = it.ended(target.server, turn.now, TransferOutcome::Done, why);
        turn.out.extend(ended);
        self.settled(turn);
    }

    /// The target does not get the player.
    pub(super) fn target_failed(&mut self, it: &mut Move, why: &'static str, turn: &mut Turn<'_>) {
        self.ledger.abandon(it.decision.take());
        it.joined = false;
        if let Some(target) = it.target.take() {
            self.give_back(target, turn);
            it.tried.push(target.server);
            let ended = it.ended(target.server, turn.now, TransferOutcome::Failed, why);
            turn.out.extend(ended);
        }
        it.reason = Reason::Failover;
        #[cfg(feature = "planted-bugs")]
        if self.planted == Some(super::PlantedPlain::DropHeld)
            && let Some(held) = &mut self.held
        {
            held.drop_messages();
        }
    }

    /// Nobody has the player: another server is tried, the second one and those after it after a pause that grows.
    pub(super) fn pick(&mut self, mut it: Box<Move>, turn: &mut Turn<'_>) {
        let pause = match it.tries {
            0 => Duration::ZERO,
            tries => Duration::from_millis(25 << tries.min(6)),
        };
        it.tries += 1;
        it.stage = Stage::Resting;
        if pause == Duration::ZERO {
            self.dial_next(it, turn);
        } else {
            self.arm(pause, turn);
            self.work = Work::Moving(it);
        }
    }

    /// Dials the best server that was not tried yet, a lost one that may live after all the others.
    pub(super) fn dial_next(&mut self, mut it: Box<Move>, turn: &mut Turn<'_>) {
        let at = self.position();
        let mut exclude = it.tried.clone();
        let chosen = loop {
            match turn.around.choose(&exclude, at) {
                Some(server) if exclude.contains(&server) => break None,
                Some(server) if turn.around.reserve(server) => break Some(server),
                Some(server) => exclude.push(server),
                None => break None,
            }
        };
        let chosen = chosen.or_else(|| {
            let last = it.last_resort.take()?;
            (turn.around.may_enter(last) && turn.around.reserve(last)).then_some(last)
        });
        let Some(server) = chosen else {
            self.work = Work::Moving(it);
            self.give_up(turn);
            return;
        };
        if it.last_resort == Some(server) {
            it.last_resort = None;
        }
        it.target = Some(Target {
            link: self.dial(server, turn),
            server,
            reserved: true,
            open: true,
        });
        if self.born {
            self.announce(&mut it, server, turn);
        }
        it.stage = Stage::Dialing;
        self.arm(self.settings.dial_timeout, turn);
        self.work = Work::Moving(it);
    }
}
