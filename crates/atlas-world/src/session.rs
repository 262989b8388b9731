//! One cooperative player's machine: events and the time in, commands out.
//!
//! A settled session is its fields and nothing else; a transfer ([`transfer`]) and the search for a server
//! ([`failover`]) are boxed while they last. `input.rs` holds and keeps the client's messages, `decision.rs` asks the
//! directory, `crossing.rs` reads positions.

use std::{sync::Arc, time::Duration};

use atlas_base::{Epoch, Moment, Position, SessionId};

use crate::{
    Answer, AttachReason, Command, DetachReason, Event, LinkId, Motion, Order, Outcome, Reason,
    Record, ServerId, Settings, Surroundings, Timer,
};

mod crossing;
mod decision;
mod failover;
mod input;
#[cfg(test)]
mod tests;
mod transfer;

use crossing::Standby;
use failover::Seek;
use input::{Held, Kept};
use transfer::Handover;

/// Where a session stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Phase {
    /// Asking the directory for its birth.
    Born,
    /// Waiting for its first server's `attached`.
    Attaching,
    /// One authority, nothing under way.
    Settled,
    /// A standby link is being opened or kept; the authority acts.
    Preloading,
    /// The source is asked for its state; input is held from here on.
    Freezing,
    /// The target is asked to hold the player ready.
    Adopting,
    /// The compare-and-set is under way.
    Deciding,
    /// The target is told to act.
    Committing,
    /// The compare-and-set that undoes the transfer is under way.
    Aborting,
    /// The authority is lost and another is looked for.
    FailingOver,
    /// Over: no command follows.
    Closed,
}

/// Bugs that the simulator plants to prove that it would find them.
#[cfg(feature = "planted-bugs")]
#[doc(hidden)]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Planted {
    /// Held input goes to the target before it committed.
    EarlyInput,
    /// Output of the target is accepted before it committed.
    EarlyOutput,
    /// An unknown outcome is taken for a lost one.
    UnknownIsLost,
    /// After an abort the attempt's epoch is used again.
    ReuseEpoch,
    /// A failover does not wait for the lost server's lease.
    NoLeaseWait,
    /// What a failover loses is not named.
    SilentLoss,
    /// What was kept for a failover is not replayed.
    ForgetRetained,
    /// An abort drops the held input.
    DropHeldOnAbort,
}

/// What is under way.
#[derive(Debug, Default)]
enum Work {
    #[default]
    Idle,
    Handover(Box<Handover>),
    Seek(Box<Seek>),
    Closed,
}

/// The time and the world of one step.
struct Turn<'a> {
    now: Moment,
    around: &'a mut dyn Surroundings,
    out: &'a mut Vec<Command>,
}

/// One cooperative player's machine.
#[derive(Debug)]
pub struct Session {
    id: SessionId,
    settings: Arc<Settings>,
    /// What the directory is known to hold; until `stored`, what it is asked to hold.
    record: Record,
    /// The newest epoch of any attempt, won or lost.
    newest: Epoch,
    /// The epoch that the authority acts under.
    epoch: Epoch,
    /// When the authority got the player.
    since: Moment,
    /// No transfer for a region or for balance before this.
    not_before: Moment,
    /// When a message was last read for its position.
    looked: Moment,
    /// Client messages given to the authority since `attach` or `commit`.
    delivered: u64,
    /// Its messages to the client since then.
    sent: u64,
    work: Work,
    motion: Option<Box<Motion>>,
    standby: Option<Box<Standby>>,
    kept: Option<Box<Kept>>,
    held: Option<Box<Held>>,
    /// The authority's link, or its last one.
    link: LinkId,
    /// The authority, or the last one.
    server: ServerId,
    /// The next dial's id.
    links: u32,
    requests: u32,
    /// Names the current step's timer.
    steps: u32,
    /// Names standby timers.
    serials: u32,
    transfers: u32,
    failures: u8,
    /// Servers lost soon after the player came.
    strikes: u8,
    /// Whether `record` is what the directory was last known to hold.
    stored: bool,
    /// A request of an abandoned attempt may still be stored.
    loose: bool,
    /// Whether a place at `server` is this session's.
    seated: bool,
    /// Whether the servers of this game send checkpoints.
    checkpoints: bool,
    /// Whether the authority was sent anything since the last look at its lease.
    renewed: bool,
    /// Whether a border is near.
    belt: bool,
    /// Whether a recheck is set.
    rechecks: bool,
    /// Whether the server tells positions itself.
    told_positions: bool,
    #[cfg(feature = "planted-bugs")]
    planted: Option<Planted>,
}

impl Session {
    /// A session whose first link is open and cooperative, and whose place at `server` is taken; asks the directory
    /// for its birth, then attaches. `owner` names the edge node.
    #[must_use]
    pub fn begin(
        id: SessionId,
        owner: u64,
        settings: Arc<Settings>,
        link: LinkId,
        server: ServerId,
        now: Moment,
        out: &mut Vec<Command>,
    ) -> Self {
        let epoch = Epoch(1);
        let record = Record {
            server,
            epoch,
            transfer: None,
            owner,
            generation: 1,
            previous: None,
        };
        let mut session = Self {
            id,
            settings,
            record,
            newest: epoch,
            epoch,
            since: now,
            not_before: now,
            looked: Moment::ZERO,
            delivered: 0,
            sent: 0,
            work: Work::Idle,
            motion: None,
            standby: None,
            kept: None,
            held: None,
            link,
            server,
            links: link.0 + 1,
            requests: 0,
            steps: 0,
            serials: 0,
            transfers: 0,
            failures: 0,
            strikes: 0,
            stored: false,
            loose: false,
            seated: false,
            checkpoints: false,
            renewed: false,
            belt: false,
            rechecks: false,
            told_positions: false,
            #[cfg(feature = "planted-bugs")]
            planted: None,
        };
        session.be_born(now, link, server, out);
        session
    }

    /// Plants a bug.
    #[cfg(feature = "planted-bugs")]
    #[doc(hidden)]
    pub fn plant(&mut self, bug: Planted) {
        self.planted = Some(bug);
    }

    /// Takes an event at `now` and appends what is to be done, in order.
    pub fn step(
        &mut self,
        now: Moment,
        event: Event,
        around: &mut dyn Surroundings,
        out: &mut Vec<Command>,
    ) {
        if matches!(self.work, Work::Closed) {
            if let Event::Transfer { ticket, .. } = event {
                let why = "the session is over";
                out.push(Command::Refused { ticket, why });
            }
            return;
        }
        let turn = &mut Turn { now, around, out };
        match event {
            Event::Input(message) => self.input(message, turn.out),
            Event::Position { at, velocity } => self.moved(at, velocity, false, turn),
            Event::Answer {
                link,
                epoch,
                answer,
            } => self.answered(link, epoch, answer, turn),
            Event::LinkOpened { link } => self.opened(link, turn),
            Event::DialFailed { link, refused } => self.lost(link, refused, turn),
            Event::LinkClosed { link, .. } => self.lost(link, false, turn),
            Event::ServerDown { server, refused } => self.down(server, refused, turn),
            Event::Directory { request, outcome } => self.directory(request, outcome, turn),
            Event::Timer(timer) => self.late(timer, turn),
            Event::Transfer { to, reason, ticket } => self.asked(to, reason, ticket, turn),
            Event::ClientClosed { code } => self.client_closed(code, turn),
            Event::Kick { code, reason } => self.kicked(code, reason, turn),
        }
    }

    /// The link that client messages may go to straight away: an authority acts, and nothing is to be kept of them.
    /// `None`: hand them in as [`Event::Input`].
    #[must_use]
    pub fn forwards(&self) -> Option<LinkId> {
        let free = !self.is_holding() && !self.is_retaining() && !self.is_client_gone();
        free.then_some(self.link)
    }

    /// The edge sent so many whole client messages on the link that [`Session::forwards`] named.
    pub fn forwarded(&mut self, messages: u64) {
        self.delivered += messages;
        self.renewed = true;
    }

    /// Whether this link's data may reach the client now; what may not is dropped.
    #[must_use]
    pub fn accepts_output(&self, link: LinkId) -> bool {
        #[cfg(feature = "planted-bugs")]
        if self.planted == Some(Planted::EarlyOutput)
            && let Work::Handover(handover) = &self.work
            && handover.target == link
        {
            return true;
        }
        link == self.link && self.is_authority_acting()
    }

    /// The edge accepted so many whole messages of the authority for the client.
    pub fn output(&mut self, messages: u64) {
        self.sent += messages;
    }

    /// Whether a client's message is worth reading for its position now: at most ten a second far from borders, each
    /// one near them, none if its server tells positions itself. A `true` counts as a look, whether or not the message
    /// had a position.
    #[must_use]
    pub fn wants_position(&mut self, now: Moment) -> bool {
        self.wants(now)
    }

    /// Which session this is.
    #[must_use]
    pub fn id(&self) -> SessionId {
        self.id
    }

    /// Where the session stands.
    #[must_use]
    pub fn phase(&self) -> Phase {
        match &self.work {
            Work::Idle if self.standby.is_some() => Phase::Preloading,
            Work::Idle => Phase::Settled,
            Work::Handover(handover) => match handover.stage {
                transfer::Stage::Dialing => Phase::Preloading,
                transfer::Stage::Freezing => Phase::Freezing,
                transfer::Stage::Adopting => Phase::Adopting,
                transfer::Stage::Deciding => match &handover.decision {
                    Some(decision) if decision.undo.is_some() => Phase::Aborting,
                    _ => Phase::Deciding,
                },
                transfer::Stage::Committing => Phase::Committing,
            },
            Work::Seek(seek) if seek.attach == AttachReason::Failover => Phase::FailingOver,
            Work::Seek(seek) if seek.stage == failover::Stage::Attaching => Phase::Attaching,
            Work::Seek(_) => Phase::Born,
            Work::Closed => Phase::Closed,
        }
    }

    /// The server that is the authority, or was last.
    #[must_use]
    pub fn server(&self) -> ServerId {
        self.server
    }

    /// The epoch that the authority acts under, or acted last.
    #[must_use]
    pub fn epoch(&self) -> Epoch {
        self.epoch
    }

    /// Where the player was last believed to be.
    #[must_use]
    pub fn position(&self) -> Option<Position> {
        self.motion.as_ref().map(|motion| motion.at)
    }

    /// How many transfers and failovers brought the player to another server.
    #[must_use]
    pub fn transfers(&self) -> u64 {
        self.transfers.into()
    }

    /// Client messages given to the authority since `attach` or `commit`.
    #[must_use]
    pub fn received(&self) -> u64 {
        self.delivered
    }

    /// Messages of the authority to the client since `attach` or `commit`.
    #[must_use]
    pub fn sent(&self) -> u64 {
        self.sent
    }

    // Events.

    fn opened(&mut self, link: LinkId, turn: &mut Turn<'_>) {
        match std::mem::take(&mut self.work) {
            Work::Handover(handover) => self.handover_opened(handover, link, turn),
            Work::Seek(seek) => self.seek_opened(seek, link, turn),
            work => {
                self.work = work;
                self.standby_opened(link, turn);
            }
        }
    }

    fn lost(&mut self, link: LinkId, dead: bool, turn: &mut Turn<'_>) {
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
    fn down(&mut self, server: ServerId, dead: bool, turn: &mut Turn<'_>) {
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

    fn answered(&mut self, link: LinkId, epoch: Epoch, answer: Answer, turn: &mut Turn<'_>) {
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
    fn authority_answer(&mut self, answer: Answer, turn: &mut Turn<'_>) {
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

    fn directory(&mut self, request: u64, outcome: Outcome, turn: &mut Turn<'_>) {
        match std::mem::take(&mut self.work) {
            Work::Handover(handover) => {
                self.handover_directory(handover, request, outcome, turn);
            }
            Work::Seek(seek) => self.seek_directory(seek, request, outcome, turn),
            work => self.work = work,
        }
    }

    fn late(&mut self, timer: Timer, turn: &mut Turn<'_>) {
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

    fn client_closed(&mut self, code: Option<u16>, turn: &mut Turn<'_>) {
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

    fn kicked(&mut self, code: u16, reason: String, turn: &mut Turn<'_>) {
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

    // What the steps share.

    /// Whether client messages wait for an authority.
    fn is_holding(&self) -> bool {
        match &self.work {
            Work::Idle => false,
            Work::Handover(handover) => handover.stage != transfer::Stage::Dialing,
            Work::Seek(_) | Work::Closed => true,
        }
    }

    fn is_client_gone(&self) -> bool {
        self.held.as_ref().is_some_and(|held| held.closed.is_some())
    }

    fn next_epoch(&mut self) -> Epoch {
        self.newest = self.newest.next();
        self.newest
    }

    fn dial(&mut self, server: ServerId, turn: &mut Turn<'_>) -> LinkId {
        let link = LinkId(self.links);
        self.links += 1;
        turn.out.push(Command::Dial { link, server });
        link
    }

    fn send(&mut self, link: LinkId, epoch: Epoch, order: Order, turn: &mut Turn<'_>) {
        if link == self.link {
            self.renewed = true;
        }
        turn.out.push(Command::Send { link, epoch, order });
    }

    fn close_link(&mut self, link: LinkId, turn: &mut Turn<'_>) {
        turn.out.push(Command::CloseLink { link });
    }

    fn detach(
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
    fn arm(&mut self, span: Duration, turn: &mut Turn<'_>) {
        self.disarm();
        turn.out.push(Command::SetTimer {
            timer: Timer::Step(self.steps),
            at: turn.now + span,
        });
    }

    /// The timer of the step before counts no more.
    fn disarm(&mut self) {
        self.steps = self.steps.wrapping_add(1);
    }

    /// A record is stored that replaced the one before, so no request made before it can be any more.
    fn record_won(&mut self, record: Record) {
        self.record = record;
        self.stored = true;
        self.loose = false;
    }

    /// Another authority: its output counts from here on, and it gets what the state lacks, then what was held.
    fn install(
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
        self.put_off(turn.now);
    }

    /// The first authority.
    fn birth(&mut self, link: LinkId, server: ServerId, epoch: Epoch, turn: &mut Turn<'_>) {
        self.promote(link, server, epoch, turn);
        self.deliver_held(link, turn.out);
        turn.out.push(Command::SetTimer {
            timer: Timer::Lease,
            at: turn.now + self.settings.lease / 3,
        });
    }

    fn promote(&mut self, link: LinkId, server: ServerId, epoch: Epoch, turn: &mut Turn<'_>) {
        self.disarm();
        self.work = Work::Idle;
        self.link = link;
        self.server = server;
        self.epoch = epoch;
        self.since = turn.now;
        self.sent = 0;
        self.told_positions = false;
        self.renewed = true;
        turn.out.push(Command::Promote { link, server });
    }

    /// An authority acts: ends that had to wait come now, else the next crossing is looked for.
    fn settled(&mut self, turn: &mut Turn<'_>) {
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
    fn renew(&mut self, turn: &mut Turn<'_>) {
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
    fn parting(&self) -> (DetachReason, Option<u16>) {
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
    fn close(&mut self, kick: Option<(u16, String)>, turn: &mut Turn<'_>) {
        let gone = self.is_client_gone();
        if let Some(kick) = &kick {
            self.held.get_or_insert_default().kick = Some(kick.clone());
        }
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
        self.kept = None;
        self.held = None;
        self.motion = None;
    }
}
