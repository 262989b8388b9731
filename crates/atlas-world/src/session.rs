//! One cooperative player's machine: events and the time in, commands out.
//!
//! A settled session is its fields and nothing else; a transfer ([`transfer`]) and the search for a server
//! ([`failover`]) are boxed while they last. `input.rs` keeps the client's messages, `crossing.rs` looks at borders.

use std::sync::Arc;

use atlas_base::{Epoch, Moment, Position, SessionId};

use crate::{
    AttachReason, Command, Event, LinkId, ServerId, Settings, Surroundings, crossing::Watch,
    decision::Ledger, held::Held,
};

mod attach;
mod crossing;
mod events;
mod failover;
mod given;
mod input;
mod steps;
#[cfg(test)]
mod tests;
mod transfer;
mod undo;

use crossing::Standby;
use failover::Seek;
use input::Kept;
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
    /// A plain source was told to close; its last words are awaited.
    Leaving,
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
    /// An abort does not tell the source to act on.
    NoAbort,
    /// A place taken for a target that failed is not given back.
    KeepPlace,
    /// A paused client is not read again.
    StayPaused,
    /// What another edge stored is replaced like one's own.
    ForeignIsOwn,
    /// An epoch of another edge is gone past.
    PassAnyEpoch,
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
    ledger: Ledger,
    /// The epoch that the authority acts under.
    epoch: Epoch,
    /// When the authority got the player.
    since: Moment,
    watch: Watch,
    /// Client messages given to the authority since `attach` or `commit`.
    delivered: u64,
    /// Its messages to the client since then.
    sent: u64,
    work: Work,
    standby: Option<Box<Standby>>,
    kept: Option<Box<Kept>>,
    held: Option<Box<Held>>,
    /// The authority's link, or its last one.
    link: LinkId,
    /// The authority, or the last one.
    server: ServerId,
    /// The next dial's id.
    links: u32,
    /// Names the current step's timer.
    steps: u32,
    /// Names standby timers.
    serials: u32,
    transfers: u32,
    /// Servers lost soon after the player came.
    strikes: u8,
    /// Whether a place at `server` is this session's.
    seated: bool,
    /// Whether the servers of this game send checkpoints.
    checkpoints: bool,
    /// Whether the authority was sent anything since the last look at its lease.
    renewed: bool,
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
        let ledger = Ledger::new(owner, server);
        let epoch = ledger.newest;
        let mut session = Self {
            id,
            settings,
            ledger,
            epoch,
            since: now,
            watch: Watch::new(now),
            delivered: 0,
            sent: 0,
            work: Work::Idle,
            standby: None,
            kept: None,
            held: None,
            link,
            server,
            links: link.0 + 1,
            steps: 0,
            serials: 0,
            transfers: 0,
            strikes: 0,
            seated: false,
            checkpoints: false,
            renewed: false,
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
        self.ledger.passes_any = bug == Planted::PassAnyEpoch;
        self.ledger.ignores_owner = bug == Planted::ForeignIsOwn;
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
            Event::Given { state } => self.given(state, turn),
            Event::ClientClosed { code } => self.client_closed(code, turn),
            Event::Kick { code, reason } => self.kicked(code, reason, turn),
            // Only plain links bring these.
            Event::LinkCut { .. } | Event::Pong { .. } | Event::InputHeld => {}
        }
    }

    /// Goes on under newer rules; timers that run go on as they were set.
    pub fn apply(&mut self, settings: &Arc<Settings>) {
        self.settings = Arc::clone(settings);
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
        !matches!(self.work, Work::Closed) && self.watch.wants(now)
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

    /// Whether the player is settled, and its least interval over, so that a move for balance would begin.
    #[must_use]
    pub fn is_free(&self, now: Moment) -> bool {
        matches!(self.work, Work::Idle) && !self.is_client_gone() && now >= self.watch.not_before
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
        self.watch.position()
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
}
