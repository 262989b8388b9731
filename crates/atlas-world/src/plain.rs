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

use crate::{Command, Event, LinkId, Phase, ServerId, Settings, Surroundings};

/// One plain player's machine; see the module's documentation for what the edge does beside its commands.
#[derive(Debug)]
pub struct PlainSession {
    id: SessionId,
    settings: Arc<Settings>,
    link: LinkId,
    server: ServerId,
}

impl PlainSession {
    /// A session whose first link is open, and whose place at `server` is taken; asks the directory for its birth.
    /// Until `Promote` the client's messages are handed in as [`Event::Input`] and the link is not read. `owner` names
    /// the edge node.
    #[must_use]
    pub fn begin(
        id: SessionId,
        _owner: u64,
        settings: Arc<Settings>,
        link: LinkId,
        server: ServerId,
        _now: Moment,
        out: &mut Vec<Command>,
    ) -> Self {
        out.push(Command::Promote { link, server });
        Self {
            id,
            settings,
            link,
            server,
        }
    }

    /// Goes on under newer rules; timers that run go on as they were set.
    pub fn apply(&mut self, settings: &Arc<Settings>) {
        self.settings = Arc::clone(settings);
    }

    /// The session can be moved no more: what it joined with is longer than what is recorded. Transfers are refused,
    /// one under way is given up if its source is still there, and a lost server closes the client with 1012.
    pub fn pin(&mut self) {}

    /// Takes an event at `now` and appends what is to be done, in order.
    pub fn step(
        &mut self,
        _now: Moment,
        _event: Event,
        _around: &mut dyn Surroundings,
        _out: &mut Vec<Command>,
    ) {
    }

    /// The link that the client's frames may go to straight away, cut through. `None`: each message is handed in
    /// whole, as [`Event::Input`]; only the rest of one that was begun before goes on to where it began.
    #[must_use]
    pub fn forwards(&self) -> Option<LinkId> {
        Some(self.link)
    }

    /// The edge sent the beginning of so many client messages on the link that [`PlainSession::forwards`] named.
    pub fn forwarded(&mut self, _messages: u64) {}

    /// Whether this link's output goes to the client now. A link for which this is false is left unread.
    #[must_use]
    pub fn accepts_output(&self, link: LinkId) -> bool {
        link == self.link
    }

    /// The edge relayed so many whole messages of the server to the client.
    pub fn output(&mut self, _messages: u64) {}

    /// Whether a client's message is worth reading for its position now: at most ten a second far from borders, each
    /// one near them. A `true` counts as a look, whether or not the message had a position.
    #[must_use]
    pub fn wants_position(&mut self, _now: Moment) -> bool {
        false
    }

    /// Which session this is.
    #[must_use]
    pub fn id(&self) -> SessionId {
        self.id
    }

    /// Where the session stands: `Preloading` while the target is dialled, `Freezing` while input is held and the
    /// source empties, `Leaving` until the source's own close, then `Deciding`.
    #[must_use]
    pub fn phase(&self) -> Phase {
        Phase::Settled
    }

    /// The server that has the player, or had it last.
    #[must_use]
    pub fn server(&self) -> ServerId {
        self.server
    }

    /// The epoch of the record that put it there.
    #[must_use]
    pub fn epoch(&self) -> Epoch {
        Epoch(1)
    }

    /// Where the player was last believed to be.
    #[must_use]
    pub fn position(&self) -> Option<Position> {
        None
    }

    /// How many transfers and failovers brought the player to another server.
    #[must_use]
    pub fn transfers(&self) -> u64 {
        0
    }

    /// Client messages given to this server since the player came, replayed ones not counted.
    #[must_use]
    pub fn received(&self) -> u64 {
        0
    }

    /// Its messages to the client since then.
    #[must_use]
    pub fn sent(&self) -> u64 {
        0
    }
}
