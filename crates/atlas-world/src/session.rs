//! One cooperative player's machine: events and the time in, commands out.

use std::sync::Arc;

use atlas_base::{Epoch, Moment, Position, SessionId};

use crate::{Command, Event, LinkId, ServerId, Settings, Surroundings};

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
    /// The transfer is being undone.
    Aborting,
    /// The authority is lost and another is looked for.
    FailingOver,
    /// Over: no command follows.
    Closed,
}

/// One cooperative player's machine.
#[derive(Debug)]
pub struct Session {
    id: SessionId,
    phase: Phase,
    server: ServerId,
    link: LinkId,
    epoch: Epoch,
    _settings: Arc<Settings>,
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
        let _ = (owner, now, out);
        Self {
            id,
            phase: Phase::Born,
            server,
            link,
            epoch: Epoch(1),
            _settings: settings,
        }
    }

    /// Takes an event at `now` and appends what is to be done, in order.
    pub fn step(
        &mut self,
        now: Moment,
        event: Event,
        around: &mut dyn Surroundings,
        out: &mut Vec<Command>,
    ) {
        let _ = (now, event, around, out);
    }

    /// The link that client messages may go to straight away: settled, and nothing is to be kept of them. `None`:
    /// hand them in as [`Event::Input`].
    #[must_use]
    pub fn forwards(&self) -> Option<LinkId> {
        None
    }

    /// The edge sent so many whole client messages on the link that [`Session::forwards`] named.
    pub fn forwarded(&mut self, messages: u64) {
        let _ = messages;
    }

    /// Whether this link's data may reach the client now; what may not is dropped.
    #[must_use]
    pub fn accepts_output(&self, link: LinkId) -> bool {
        link == self.link
    }

    /// The edge accepted so many whole messages of the authority for the client.
    pub fn output(&mut self, messages: u64) {
        let _ = messages;
    }

    /// Whether a client's message is worth reading for its position now: at most ten a second far from borders, each
    /// one near them, none if its server tells positions itself. A `true` counts as a look, whether or not the message
    /// had a position.
    #[must_use]
    pub fn wants_position(&mut self, now: Moment) -> bool {
        let _ = now;
        true
    }

    /// Which session this is.
    #[must_use]
    pub fn id(&self) -> SessionId {
        self.id
    }

    /// Where the session stands.
    #[must_use]
    pub fn phase(&self) -> Phase {
        self.phase
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
        None
    }

    /// How many transfers and failovers brought the player to another server.
    #[must_use]
    pub fn transfers(&self) -> u64 {
        0
    }

    /// Client messages given to the authority since `attach` or `commit`.
    #[must_use]
    pub fn received(&self) -> u64 {
        0
    }

    /// Messages of the authority to the client since `attach` or `commit`.
    #[must_use]
    pub fn sent(&self) -> u64 {
        0
    }
}
