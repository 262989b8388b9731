//! What the steps share: links, timers, the change of authority, the end.

use std::time::Duration;

use atlas_base::{Epoch, Moment};

use super::{Session, Turn, Work, transfer};
use crate::decision::{Ask, Decision};
use crate::held::Held;
use crate::{Command, DetachReason, LinkId, Order, Reason, Record, ServerId, Timer};

impl Session {
    /// Whether client messages wait for an authority.
    pub(super) fn is_holding(&self) -> bool {
        match &self.work {
            Work::Idle => false,
            Work::Handover(handover) => handover.stage != transfer::Stage::Dialing,
            Work::Seek(_) | Work::Closed => true,
        }
    }

    pub(super) fn is_client_gone(&self) -> bool {
        self.held.as_ref().is_some_and(|held| held.closed.is_some())
    }

    pub(super) fn dial(&mut self, server: ServerId, turn: &mut Turn<'_>) -> LinkId {
        let link = LinkId(self.links);
        self.links += 1;
        turn.out.push(Command::Dial { link, server });
        link
    }

    pub(super) fn send(&mut self, link: LinkId, epoch: Epoch, order: Order, turn: &mut Turn<'_>) {
        if link == self.link {
            self.renewed = true;
        }
        turn.out.push(Command::Send { link, epoch, order });
    }

    pub(super) fn close_link(&mut self, link: LinkId, turn: &mut Turn<'_>) {
        turn.out.push(Command::CloseLink { link });
    }

    pub(super) fn detach(
        &mut self,
        link: LinkId,
        epoch: Epoch,
        reason: DetachReason,
        code: Option<u16>,
        turn: &mut Turn<'_>,
    ) {
        self.send(link, epoch, Order::Detach { reason, code }, turn);
        self.close_link(link, turn);
    }

    /// Begins a step that must end within `span`; the timer of the step before counts no more.
    pub(super) fn arm(&mut self, span: Duration, turn: &mut Turn<'_>) {
        self.disarm();
        turn.out.push(Command::SetTimer {
            timer: Timer::Step(self.steps),
            at: turn.now + span,
        });
    }

    /// The timer of the step before counts no more.
    pub(super) fn disarm(&mut self) {
        self.steps = self.steps.wrapping_add(1);
    }

    /// Begins to decide for `moved`, which replaces what is stored now.
    pub(super) fn decide(
        &mut self,
        now: Moment,
        moved: Record,
        out: &mut Vec<Command>,
    ) -> Decision {
        self.disarm();
        let span = self.settings.unknown_outcome_max;
        self.ledger.decide(now, moved, self.steps, span, out)
    }

    /// Asks the directory.
    pub(super) fn ask(&mut self, decision: &mut Decision, ask: Ask, out: &mut Vec<Command>) {
        self.ledger.ask(decision, ask, self.server, out);
    }

    /// Another authority: its output counts from here on, and it gets what the state lacks, then what was held.
    pub(super) fn install(
        &mut self,
        link: LinkId,
        server: ServerId,
        epoch: Epoch,
        reason: Reason,
        turn: &mut Turn<'_>,
    ) {
        if server != self.server {
            self.transfers += 1;
        }
        self.promote(link, server, epoch, turn);
        self.replay(link, reason, turn);
        self.deliver_held(link, turn.out);
        self.watch.put_off(turn.now, &self.settings);
    }

    /// The first authority.
    pub(super) fn birth(
        &mut self,
        link: LinkId,
        server: ServerId,
        epoch: Epoch,
        turn: &mut Turn<'_>,
    ) {
        self.promote(link, server, epoch, turn);
        turn.out.push(Command::SetTimer {
            timer: Timer::Lease,
            at: turn.now + self.settings.lease / 3,
        });
    }

    pub(super) fn promote(
        &mut self,
        link: LinkId,
        server: ServerId,
        epoch: Epoch,
        turn: &mut Turn<'_>,
    ) {
        self.disarm();
        self.work = Work::Idle;
        self.link = link;
        self.server = server;
        self.epoch = epoch;
        self.since = turn.now;
        self.sent = 0;
        self.watch.told = false;
        self.renewed = true;
        turn.out.push(Command::Promote { link, server });
    }

    /// An authority acts: ends that had to wait come now, else the next crossing is looked for.
    pub(super) fn settled(&mut self, turn: &mut Turn<'_>) {
        match &mut self.held {
            // Delivering left nothing but an end that had to wait.
            Some(held) => {
                let kick = held.kick.take();
                self.close(kick, turn);
            }
            None => self.consider(turn),
        }
    }

    /// The lease's timer: whoever may act hears of us at least every two thirds of its lease.
    pub(super) fn renew(&mut self, turn: &mut Turn<'_>) {
        let to = match &self.work {
            Work::Handover(handover) if handover.stage == transfer::Stage::Committing => {
                Some((handover.target, handover.epoch))
            }
            _ if self.renewed || !self.is_authority_acting() => None,
            _ => Some((self.link, self.epoch)),
        };
        if let Some((link, epoch)) = to {
            self.send(link, epoch, Order::Ping, turn);
        }
        self.renewed = false;
        turn.out.push(Command::SetTimer {
            timer: Timer::Lease,
            at: turn.now + self.settings.lease / 3,
        });
    }

    /// How the servers are told that the session ends.
    pub(super) fn parting(&self) -> (DetachReason, Option<u16>) {
        match self.held.as_deref() {
            Some(Held {
                kick: Some((1012, _)),
                ..
            }) => (DetachReason::Drained, Some(1012)),
            Some(Held {
                kick: Some((code, _)),
                ..
            }) => (DetachReason::Kicked, Some(*code)),
            Some(Held {
                closed: Some(code), ..
            }) => match code {
                Some(code) => (DetachReason::Closed, Some(*code)),
                None => (DetachReason::Timeout, None),
            },
            _ => (DetachReason::Closed, None),
        }
    }

    /// The end: every server lets the player go, every place is given back, and with `kick` the client is closed.
    pub(super) fn close(&mut self, kick: Option<(u16, String)>, turn: &mut Turn<'_>) {
        let gone = self.is_client_gone();
        if let Some(kick) = &kick {
            self.held.get_or_insert_default().kick = Some(kick.clone());
        }
        self.name_what_ends(turn);
        match std::mem::replace(&mut self.work, Work::Closed) {
            Work::Idle => {
                let (reason, code) = self.parting();
                self.detach(self.link, self.epoch, reason, code, turn);
            }
            Work::Handover(handover) => self.close_handover(handover, turn),
            Work::Seek(seek) => self.close_seek(seek, turn),
            Work::Closed => return,
        }
        self.cancel_standby(turn);
        if self.seated {
            self.seated = false;
            turn.around.release(self.server);
        }
        if let Some((code, reason)) = kick
            && !gone
        {
            turn.out.push(Command::CloseClient { code, reason });
        }
        if let Some(kept) = &mut self.kept {
            kept.forget_messages();
        }
        self.held = None;
        self.watch.motion = None;
    }
}
