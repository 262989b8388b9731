//! The two kinds of machines behind one face.

use std::sync::Arc;

use atlas_base::{Epoch, Moment, SessionId};
use atlas_world::{
    Command, Event, LinkId, Phase, PlainSession, ServerId, Session, Settings, Surroundings,
};

use super::rival::OWNER;

/// What a player's servers know of Atlas.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// They speak the link protocol.
    Cooperative,
    /// Nothing.
    Plain,
}

/// A player's machine.
#[derive(Debug)]
pub(super) enum Machine {
    Cooperative(Box<Session>),
    Plain(Box<PlainSession>),
}

macro_rules! both {
    ($self:ident, $it:ident => $call:expr) => {
        match $self {
            Self::Cooperative($it) => $call,
            Self::Plain($it) => $call,
        }
    };
}

/// A bug to be planted in the machines of one kind.
#[cfg(feature = "planted-bugs")]
#[derive(Debug, Clone, Copy)]
pub(super) enum Bug {
    Cooperative(atlas_world::Planted),
    Plain(atlas_world::PlantedPlain),
}

impl Machine {
    /// The machine of a session whose first link is open.
    pub(super) fn begin(
        kind: Kind,
        player: usize,
        settings: Arc<Settings>,
        server: ServerId,
        now: Moment,
        out: &mut Vec<Command>,
    ) -> Self {
        let (id, link) = (SessionId::from_u128(player as u128), LinkId(0));
        match kind {
            Kind::Cooperative => Self::Cooperative(Box::new(Session::begin(
                id, OWNER, settings, link, server, now, out,
            ))),
            Kind::Plain => Self::Plain(Box::new(PlainSession::begin(
                id, OWNER, settings, link, server, now, out,
            ))),
        }
    }

    /// Plants the bug, if it is one of this kind.
    #[cfg(feature = "planted-bugs")]
    pub(super) fn plant(&mut self, bug: Bug) {
        match (self, bug) {
            (Self::Cooperative(it), Bug::Cooperative(bug)) => it.plant(bug),
            (Self::Plain(it), Bug::Plain(bug)) => it.plant(bug),
            _ => {}
        }
    }

    /// What a plain player joined with is too long to be recorded.
    pub(super) fn pin(&mut self) {
        if let Self::Plain(it) = self {
            it.pin();
        }
    }

    pub(super) fn step(
        &mut self,
        now: Moment,
        event: Event,
        around: &mut dyn Surroundings,
        out: &mut Vec<Command>,
    ) {
        both!(self, it => it.step(now, event, around, out));
    }

    pub(super) fn forwards(&self) -> Option<LinkId> {
        both!(self, it => it.forwards())
    }

    pub(super) fn forwarded(&mut self, messages: u64) {
        both!(self, it => it.forwarded(messages));
    }

    pub(super) fn accepts_output(&self, link: LinkId) -> bool {
        both!(self, it => it.accepts_output(link))
    }

    pub(super) fn output(&mut self, messages: u64) {
        both!(self, it => it.output(messages));
    }

    pub(super) fn wants_position(&mut self, now: Moment) -> bool {
        both!(self, it => it.wants_position(now))
    }

    pub(super) fn phase(&self) -> Phase {
        both!(self, it => it.phase())
    }

    pub(super) fn server(&self) -> ServerId {
        both!(self, it => it.server())
    }

    pub(super) fn epoch(&self) -> Epoch {
        both!(self, it => it.epoch())
    }

    pub(super) fn received(&self) -> u64 {
        both!(self, it => it.received())
    }

    pub(super) fn sent(&self) -> u64 {
        both!(self, it => it.sent())
    }
}
