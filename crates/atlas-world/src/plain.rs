//! One plain player's machine: its server knows nothing of Atlas, but the world has a `join` rule, so it can be moved.
//!
//! A plain server gives no state and answers no control message. What moves is the player's connection: the edge
//! leaves the old server, joins at the new one by replaying the join messages it recorded, and goes on with what was
//! held. So that each message reaches one server, in order, the source is emptied first: the client's input is held
//! at a whole message, a ping goes to the source and its pong says that it has read everything, then the link is
//! ended and relayed until the server's own close.
//!
//! What the edge does beside the commands:
//! - A link is read only while [`PlainSession::accepts_output`] names it. What a target says before its `Promote` waits
//!   in its socket, so nothing has to be kept and nothing overtakes the source's last words.
//! - It records the client's join messages itself, as they are sent on a link (forwarded or by `Deliver`), bounded,
//!   ready to be sent again, and sends them on [`Command::Replay`]. A join that is still held is not recorded yet: it
//!   is delivered after the replay anyway. A player who has not joined is moved with an empty record. Past the bound:
//!   [`PlainSession::pin`].
//! - Messages are cut through, so the client may be in the middle of one when [`Command::HoldInput`] comes (or its
//!   link is lost): its rest still belongs to the link that got its beginning, or to nobody if that is gone.

use std::sync::Arc;

use atlas_base::{Epoch, Moment, Position, SessionId};

use crate::{
    Command, Event, LinkId, Phase, Reason, ServerId, Settings, Surroundings, crossing::Watch,
    decision::Ledger, held::Held,
};

mod arriving;
mod ends;
mod leaving;
#[cfg(test)]
mod tests;

use leaving::{Move, Stage};

/// What is under way.
#[derive(Debug, Default)]
enum Work {
    #[default]
    Idle,
    Moving(Box<Move>),
    /// The client closed with this code; the server's last words are relayed.
    Ending(u16),
    Closed,
}

/// The time and the world of one step.
struct Turn<'a> {
    now: Moment,
    around: &'a mut dyn Surroundings,
    out: &'a mut Vec<Command>,
}

/// Bugs that the simulator plants to prove that it would find them.
#[cfg(feature = "planted-bugs")]
#[doc(hidden)]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum PlantedPlain {
    /// The target's output is accepted before the source's last.
    EarlyOutput,
    /// The source is emptied and left in the middle of the client's message.
    NoHold,
    /// The source's own close is not waited for.
    NoWait,
    /// The join is not replayed.
    ForgetJoin,
    /// The target is joined while the source still has the player, though the order is to leave first.
    JoinsEarly,
    /// What is held is delivered to the source as it is left, and to the target.
    DeliverTwice,
    /// What is held is dropped when a target is lost.
    DropHeld,
    /// A server's close is taken for a loss.
    KickIsLoss,
    /// A place taken for a target that failed is not given back.
    KeepPlace,
    /// An unknown outcome counts as won.
    UnknownIsWon,
}

/// One plain player's machine; see the module's documentation for what the edge does beside its commands.
#[derive(Debug)]
pub struct PlainSession {
    id: SessionId,
    settings: Arc<Settings>,
    ledger: Ledger,
    watch: Watch,
    /// The epoch of the record that put the player at `server`.
    epoch: Epoch,
    /// When the player came there.
    since: Moment,
    /// Client messages given to the server since then, replayed ones not counted.
    delivered: u64,
    /// Its messages to the client since then.
    sent: u64,
    work: Work,
    held: Option<Box<Held>>,
    /// The server's link, or its last one.
    link: LinkId,
    /// The server that has the player, or had it last.
    server: ServerId,
    /// The next dial's id.
    links: u32,
    /// Names the current step's timer.
    steps: u32,
    transfers: u32,
    /// Servers lost soon after the player came.
    strikes: u8,
    /// Whether the first record is stored.
    born: bool,
    /// Whether a place at `server` is this session's.
    seated: bool,
    /// Whether the session can be moved no more.
    pinned: bool,
    #[cfg(feature = "planted-bugs")]
    planted: Option<PlantedPlain>,
}

impl PlainSession {
    /// A session whose first link is open, and whose place at `server` is taken; asks the directory for its birth.
    /// Until `Promote` the client's messages are handed in as [`Event::Input`] and the link is not read. `owner` names
    /// the edge node.
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
        let mut session = Self {
            id,
            settings,
            epoch: ledger.newest,
            ledger,
            watch: Watch::new(now),
            since: now,
            delivered: 0,
            sent: 0,
            work: Work::Idle,
            held: None,
            link,
            server,
            links: link.0 + 1,
            steps: 0,
            transfers: 0,
            strikes: 0,
            born: false,
            seated: false,
            pinned: false,
            #[cfg(feature = "planted-bugs")]
            planted: None,
        };
        session.be_born(now, link, server, out);
        session
    }

    /// Goes on under newer rules; timers that run go on as they were set.
    pub fn apply(&mut self, settings: &Arc<Settings>) {
        self.settings = Arc::clone(settings);
    }

    /// Plants a bug.
    #[cfg(feature = "planted-bugs")]
    #[doc(hidden)]
    pub fn plant(&mut self, bug: PlantedPlain) {
        self.planted = Some(bug);
    }

    /// The session can be moved no more: what it joined with is longer than what is recorded. Transfers are refused,
    /// one under way is given up if its source was not told to close yet, and a lost server closes the client with
    /// 1012.
    pub fn pin(&mut self) {
        self.pinned = true;
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
            Event::Input(message) => self.input(message, turn),
            Event::Position { at, velocity } => {
                if self.watch.observe(now, at, velocity, false, &self.settings) {
                    self.consider(turn);
                }
            }
            Event::LinkOpened { link } => self.opened(link, turn),
            Event::DialFailed { link, refused } => {
                self.lost(link, None, String::new(), refused, turn);
            }
            Event::LinkClosed { link, code, reason } => self.lost(link, code, reason, false, turn),
            Event::LinkCut { link } => self.cut(link, turn),
            Event::Pong { link, serial } => self.ponged(link, serial, turn),
            Event::InputHeld => self.input_held(turn),
            Event::ServerDown { server, refused } => self.down(server, refused, turn),
            Event::Directory { request, outcome } => self.directory(request, outcome, turn),
            Event::Timer(timer) => self.late(timer, turn),
            Event::Transfer { to, reason, ticket } => self.asked(to, reason, ticket, turn),
            Event::ClientClosed { code } => self.client_closed(code, turn),
            Event::Kick { code, reason } => self.kicked(code, reason, turn),
            // Plain servers send no control messages and take no states.
            Event::Answer { .. } | Event::Given { .. } => {}
        }
    }

    /// The link that the client's frames may go to straight away, cut through. `None`: each message is handed in
    /// whole, as [`Event::Input`]; only the rest of one that was begun before goes on to where it began.
    #[must_use]
    pub fn forwards(&self) -> Option<LinkId> {
        let free = !self.is_holding() && !self.is_client_gone();
        free.then_some(self.link)
    }

    /// The edge sent the beginning of so many client messages on the link that [`PlainSession::forwards`] named.
    pub fn forwarded(&mut self, messages: u64) {
        self.delivered += messages;
    }

    /// Whether this link's output goes to the client now. A link for which this is false is left unread.
    #[must_use]
    pub fn accepts_output(&self, link: LinkId) -> bool {
        match &self.work {
            Work::Idle | Work::Ending(_) => link == self.link,
            Work::Moving(it) => {
                #[cfg(feature = "planted-bugs")]
                if self.planted == Some(PlantedPlain::EarlyOutput)
                    && it.target.is_some_and(|target| target.link == link)
                {
                    return true;
                }
                it.source == Some(link)
            }
            Work::Closed => false,
        }
    }

    /// The edge relayed so many whole messages of the server to the client.
    pub fn output(&mut self, messages: u64) {
        self.sent += messages;
    }

    /// Whether a client's message is worth reading for its position now: at most ten a second far from borders, each
    /// one near them. A `true` counts as a look, whether or not the message had a position.
    #[must_use]
    pub fn wants_position(&mut self, now: Moment) -> bool {
        !matches!(self.work, Work::Closed) && self.watch.wants(now)
    }

    /// Which session this is.
    #[must_use]
    pub fn id(&self) -> SessionId {
        self.id
    }

    /// Where the session stands: `Preloading` while the target is dialled, `Freezing` while input is held and the
    /// source empties, `Leaving` until a server's own close, then `Deciding`; `FailingOver` on the way to a server that
    /// was not the first choice.
    #[must_use]
    pub fn phase(&self) -> Phase {
        match &self.work {
            Work::Idle => Phase::Settled,
            Work::Moving(_) if !self.born => Phase::Born,
            Work::Moving(it) => match it.stage {
                Stage::Dialing if it.source.is_some() => Phase::Preloading,
                Stage::Holding | Stage::Emptying => Phase::Freezing,
                Stage::Leaving => Phase::Leaving,
                Stage::Deciding if it.reason != Reason::Failover => Phase::Deciding,
                Stage::Dialing | Stage::Deciding | Stage::Resting => Phase::FailingOver,
            },
            Work::Ending(_) => Phase::Leaving,
            Work::Closed => Phase::Closed,
        }
    }

    /// Whether the player is settled, can be moved, and its least interval is over, so that a move for balance would begin.
    #[must_use]
    pub fn is_free(&self, now: Moment) -> bool {
        let settled = matches!(self.work, Work::Idle) && !self.is_client_gone();
        settled && !self.pinned && now >= self.watch.not_before
    }

    /// The server that has the player, or had it last.
    #[must_use]
    pub fn server(&self) -> ServerId {
        self.server
    }

    /// The epoch of the record that put it there.
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

    /// Client messages given to this server since the player came, replayed ones not counted.
    #[must_use]
    pub fn received(&self) -> u64 {
        self.delivered
    }

    /// Its messages to the client since then.
    #[must_use]
    pub fn sent(&self) -> u64 {
        self.sent
    }
}
