//! The way out of a server that is still there: dial the target, hold the client, empty the source, leave it. Until
//! the source is told to close, everything can be undone and the player stays where it is.

use std::time::Duration;

use atlas_base::{Moment, TransferId};

use super::{PlainSession, Turn, Work};
use crate::{
    Command, LinkId, PlainOrder, Reason, ServerId, TransferOutcome,
    crossing::{self, Place},
    decision::Decision,
};

/// The close code for a source that is left.
const LEAVE: u16 = 1000;

/// A move under way, to the target first meant or, once that failed, to another.
#[derive(Debug)]
pub(super) struct Move {
    /// What has begun and not ended; none at birth and between two targets.
    pub(super) transfer: Option<TransferId>,
    pub(super) reason: Reason,
    pub(super) ticket: Option<u64>,
    /// The server left.
    pub(super) from: ServerId,
    /// The source's link, until it is closed or lost.
    pub(super) source: Option<LinkId>,
    pub(super) target: Option<Target>,
    pub(super) stage: Stage,
    /// Whether the target was sent the join.
    pub(super) joined: bool,
    /// Whether the source answered the ping.
    pub(super) ponged: bool,
    /// Whether the source was lost, so that nobody knows what it has read.
    pub(super) lost: bool,
    /// Servers that are not to be tried (again).
    pub(super) tried: Vec<ServerId>,
    /// A lost server that may live after all: tried when no other is left.
    pub(super) last_resort: Option<ServerId>,
    /// Targets tried after the first one.
    pub(super) tries: u32,
    pub(super) decision: Option<Decision>,
    pub(super) held_since: Option<Moment>,
}

/// A server on the way to have the player.
#[derive(Debug, Clone, Copy)]
pub(super) struct Target {
    pub(super) link: LinkId,
    pub(super) server: ServerId,
    /// Whether a place was taken.
    pub(super) reserved: bool,
    /// Whether there is a link, or a dial, to be closed.
    pub(super) open: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stage {
    /// The target is dialled; while there is a source it has the player.
    Dialing,
    /// The client ends the message that it began.
    Holding,
    /// The source answers a ping once it has read everything.
    Emptying,
    /// The source was told to close.
    Leaving,
    /// Nobody has the player; the directory is asked for the target.
    Deciding,
    /// A target failed; another is tried after a pause.
    Resting,
}

impl Move {
    pub(super) fn new(from: ServerId, reason: Reason) -> Box<Self> {
        Box::new(Self {
            transfer: None,
            reason,
            ticket: None,
            from,
            source: None,
            target: None,
            stage: Stage::Dialing,
            joined: false,
            ponged: false,
            lost: false,
            tried: Vec::new(),
            last_resort: None,
            tries: 0,
            decision: None,
            held_since: None,
        })
    }

    /// Whether the source still has the player, so that the move can be undone.
    pub(super) fn can_abort(&self) -> bool {
        self.source.is_some() && self.stage != Stage::Leaving
    }

    /// The end of what has begun, for `to`.
    pub(super) fn ended(
        &mut self,
        to: ServerId,
        now: Moment,
        outcome: TransferOutcome,
        why: &'static str,
    ) -> Option<Command> {
        Some(Command::Ended {
            transfer: self.transfer.take()?,
            from: self.from,
            to,
            reason: self.reason,
            outcome,
            why,
            held: self
                .held_since
                .map_or(Duration::ZERO, |since| now.saturating_since(since)),
            ticket: self.ticket.take(),
        })
    }
}

impl PlainSession {
    /// Whether the player is to be moved from where it is.
    pub(super) fn consider(&mut self, turn: &mut Turn<'_>) {
        if !matches!(self.work, Work::Idle) || self.pinned || self.is_client_gone() {
            return;
        }
        let place = self
            .watch
            .judge(turn.now, self.server, &self.settings, &*turn.around);
        match place {
            Place::Crossed(owner) => self.begin_move(owner, Reason::Region, None, turn),
            Place::Waits(until) => self.watch.recheck(until, turn.out),
            // A plain server has no use for a notice.
            Place::Unknown | Place::Far | Place::Belt | Place::Nearing(_) => {}
        }
    }

    /// A transfer asked for from outside.
    pub(super) fn asked(&mut self, to: ServerId, reason: Reason, ticket: u64, turn: &mut Turn<'_>) {
        let refusal = match &self.work {
            _ if self.is_client_gone() => Some("the client is gone"),
            Work::Idle if self.pinned => Some("what the player joined with is not recorded"),
            Work::Idle => crossing::refusal(self.server, to, &*turn.around),
            Work::Moving(it) if it.source.is_some() => Some("another transfer is under way"),
            _ => Some("the session has no server now"),
        };
        let early = reason == Reason::Balance && turn.now < self.watch.not_before;
        let why = match refusal {
            Some(why) => why,
            None if early => "the last transfer was too short ago",
            None => {
                self.begin_move(to, reason, Some(ticket), turn);
                return;
            }
        };
        turn.out.push(Command::Refused { ticket, why });
    }

    fn begin_move(
        &mut self,
        to: ServerId,
        reason: Reason,
        ticket: Option<u64>,
        turn: &mut Turn<'_>,
    ) {
        let mut it = Move::new(self.server, reason);
        it.source = Some(self.link);
        it.ticket = ticket;
        self.announce(&mut it, to, turn);
        it.target = Some(Target {
            link: self.dial(to, turn),
            server: to,
            reserved: false,
            open: true,
        });
        self.arm(self.settings.dial_timeout, turn);
        self.work = Work::Moving(it);
    }

    pub(super) fn announce(&mut self, it: &mut Move, to: ServerId, turn: &mut Turn<'_>) {
        let transfer = turn.around.new_transfer();
        it.transfer = Some(transfer);
        turn.out.push(Command::Began {
            transfer,
            from: it.from,
            to,
            reason: it.reason,
        });
    }

    pub(super) fn opened(&mut self, link: LinkId, turn: &mut Turn<'_>) {
        let Some(mut it) = self.moving() else { return };
        let target = it.target.filter(|target| target.link == link);
        let Some(mut target) = target.filter(|_| it.stage == Stage::Dialing) else {
            self.work = Work::Moving(it);
            return;
        };
        if it.source.is_none() {
            self.decide(it, turn);
            return;
        }
        if self.pinned {
            self.abort(it, "what the player joined with is not recorded", turn);
            return;
        }
        target.reserved = turn.around.reserve(target.server);
        it.target = Some(target);
        if !target.reserved {
            self.abort(it, "the target has no place", turn);
            return;
        }
        it.stage = Stage::Holding;
        it.held_since = Some(turn.now);
        turn.out.push(Command::HoldInput);
        self.arm(self.settings.freeze_timeout, turn);
        self.work = Work::Moving(it);
        #[cfg(feature = "planted-bugs")]
        if self.planted == Some(super::PlantedPlain::NoHold) {
            self.input_held(turn);
        }
    }

    pub(super) fn input_held(&mut self, turn: &mut Turn<'_>) {
        let Some(mut it) = self.moving() else { return };
        let (Stage::Holding, Some(source), Some(target)) = (it.stage, it.source, it.target) else {
            self.work = Work::Moving(it);
            return;
        };
        if self.pinned {
            self.abort(it, "what the player joined with is not recorded", turn);
            return;
        }
        #[allow(unused_mut, reason = "changed only with planted bugs")]
        let mut join_now = self.settings.plain_order == PlainOrder::JoinFirst;
        #[cfg(feature = "planted-bugs")]
        match self.planted {
            Some(super::PlantedPlain::JoinsEarly) => join_now = true,
            Some(super::PlantedPlain::NoWait) => {
                turn.out.push(Command::EndLink {
                    link: source,
                    code: LEAVE,
                });
                self.left(it, turn);
                return;
            }
            _ => {}
        }
        if join_now {
            it.joined = true;
            turn.out.push(Command::Replay { link: target.link });
        }
        it.stage = Stage::Emptying;
        self.arm(self.settings.linger, turn);
        let serial = self.steps;
        let link = source;
        turn.out.push(Command::Ping { link, serial });
        self.work = Work::Moving(it);
    }

    pub(super) fn ponged(&mut self, link: LinkId, serial: u32, turn: &mut Turn<'_>) {
        let Some(mut it) = self.moving() else { return };
        // Not the pong that an aborted move waited for: the source has been given more since.
        if it.stage == Stage::Emptying && it.source == Some(link) && serial == self.steps {
            it.ponged = true;
            self.leave(it, link, turn);
        } else {
            self.work = Work::Moving(it);
        }
    }

    /// From here on there is no way back.
    fn leave(&mut self, mut it: Box<Move>, source: LinkId, turn: &mut Turn<'_>) {
        #[cfg(feature = "planted-bugs")]
        if self.planted == Some(super::PlantedPlain::DeliverTwice)
            && let Some(held) = &self.held
        {
            let again = held.copies();
            turn.out.extend(again.map(|message| Command::Deliver {
                link: source,
                message,
            }));
        }
        it.stage = Stage::Leaving;
        let code = LEAVE;
        turn.out.push(Command::EndLink { link: source, code });
        self.arm(self.settings.linger, turn);
        self.work = Work::Moving(it);
    }

    /// The source has closed, or is given up.
    pub(super) fn left(&mut self, mut it: Box<Move>, turn: &mut Turn<'_>) {
        it.source = None;
        self.stand_up(turn);
        if it.target.is_some() {
            self.decide(it, turn);
        } else {
            self.pick(it, turn);
        }
    }

    /// The source is gone without a close of its own, before it was told to.
    pub(super) fn source_lost(&mut self, mut it: Box<Move>, dead: bool, turn: &mut Turn<'_>) {
        it.source = None;
        it.lost = true;
        it.held_since.get_or_insert(turn.now);
        it.tried.push(self.server);
        it.last_resort = (!dead).then_some(self.server);
        self.stand_up(turn);
        if self.pinned || self.strike(turn.now) {
            self.work = Work::Moving(it);
            self.give_up(turn);
            return;
        }
        let stage = it.stage;
        match &mut it.target {
            Some(target) => {
                target.reserved = target.reserved || turn.around.reserve(target.server);
                if !target.reserved {
                    self.target_failed(&mut it, "the target has no place", turn);
                    self.pick(it, turn);
                } else if stage == Stage::Dialing {
                    self.work = Work::Moving(it);
                } else {
                    self.decide(it, turn);
                }
            }
            None => self.pick(it, turn),
        }
    }

    /// The current step took too long.
    pub(super) fn move_late(&mut self, mut it: Box<Move>, turn: &mut Turn<'_>) {
        match (it.stage, it.source) {
            (Stage::Dialing, Some(_)) => {
                self.abort(it, "the target did not answer the dial", turn);
            }
            (Stage::Dialing, None) => {
                self.target_failed(&mut it, "the server did not answer the dial", turn);
                self.pick(it, turn);
            }
            (Stage::Holding, _) => {
                self.abort(it, "the client did not end its message in time", turn);
            }
            (Stage::Emptying, Some(source)) => self.leave(it, source, turn),
            (Stage::Leaving, Some(source)) => {
                turn.out.push(Command::CloseLink { link: source });
                // Neither a pong nor a close: nothing says that it read what it was given.
                it.lost = !it.ponged;
                self.left(it, turn);
            }
            (Stage::Deciding, _) => self.ask_again(it, turn),
            (Stage::Resting, _) => self.dial_next(it, turn),
            (Stage::Emptying | Stage::Leaving, None) => self.work = Work::Moving(it),
        }
    }

    /// The target does not get the player, which stays where it is.
    pub(super) fn abort(&mut self, mut it: Box<Move>, why: &'static str, turn: &mut Turn<'_>) {
        let to = it.target.map_or(self.server, |target| target.server);
        if let Some(target) = it.target.take() {
            self.give_back(target, turn);
        }
        self.watch.failed(turn.now, &self.settings);
        self.disarm();
        self.work = Work::Idle;
        self.deliver_held(turn);
        let ended = it.ended(to, turn.now, TransferOutcome::Aborted, why);
        turn.out.extend(ended);
        self.settled(turn);
    }

    /// The move under way, taken out; the session is idle until it is put back.
    pub(super) fn moving(&mut self) -> Option<Box<Move>> {
        match std::mem::take(&mut self.work) {
            Work::Moving(it) => Some(it),
            work => {
                self.work = work;
                None
            }
        }
    }
}
