//! The state machine of a movable session: a cooperative one, or a plain one whose server is left and joined.

use std::sync::Arc;

use atlas_base::{Epoch, Moment, Position};
use atlas_world::{
    Command, Event, LinkId, Phase, PlainSession, Session, Settings, State, Surroundings,
};

/// The state machine of a movable session.
pub(super) enum Machine {
    /// Its servers speak `atlas.link.v1`.
    Cooperative(Session),
    /// Its servers know nothing of Atlas.
    Plain(PlainSession),
}

/// Asks whichever machine it is.
macro_rules! ask {
    ($self:expr, $machine:ident => $answer:expr) => {
        match $self {
            Machine::Cooperative($machine) => $answer,
            Machine::Plain($machine) => $answer,
        }
    };
}

impl Machine {
    pub(super) fn is_plain(&self) -> bool {
        matches!(self, Self::Plain(_))
    }

    pub(super) fn apply(&mut self, settings: &Arc<Settings>) {
        ask!(self, machine => machine.apply(settings));
    }

    pub(super) fn step(
        &mut self,
        now: Moment,
        event: Event,
        around: &mut dyn Surroundings,
        out: &mut Vec<Command>,
    ) {
        ask!(self, machine => machine.step(now, event, around, out));
    }

    #[inline]
    pub(super) fn forwards(&self) -> Option<LinkId> {
        ask!(self, machine => machine.forwards())
    }

    pub(super) fn forwarded(&mut self, messages: u64) {
        ask!(self, machine => machine.forwarded(messages));
    }

    #[inline]
    pub(super) fn accepts_output(&self, link: LinkId) -> bool {
        ask!(self, machine => machine.accepts_output(link))
    }

    /// Whether a link is to be read now: control messages of cooperative servers always, a plain server's words only
    /// while they are the client's.
    #[inline]
    pub(super) fn reads(&self, link: LinkId) -> bool {
        match self {
            Self::Cooperative(_) => true,
            Self::Plain(machine) => machine.accepts_output(link),
        }
    }

    pub(super) fn output(&mut self, messages: u64) {
        ask!(self, machine => machine.output(messages));
    }

    #[inline]
    pub(super) fn wants_position(&mut self, now: Moment) -> bool {
        ask!(self, machine => machine.wants_position(now))
    }

    pub(super) fn phase(&self) -> Phase {
        ask!(self, machine => machine.phase())
    }

    pub(super) fn epoch(&self) -> Epoch {
        ask!(self, machine => machine.epoch())
    }

    pub(super) fn position(&self) -> Option<Position> {
        ask!(self, machine => machine.position())
    }

    /// Whether the player is settled and may be moved for balance now.
    pub(super) fn is_free(&self, now: Moment) -> bool {
        ask!(self, machine => machine.is_free(now))
    }

    /// Whether its server would be given the state that the player left behind.
    pub(super) fn takes_state(&self) -> bool {
        match self {
            Self::Cooperative(machine) => machine.takes_state(),
            Self::Plain(_) => false,
        }
    }

    /// Once it is closed: what the player leaves behind.
    pub(super) fn take_state(&mut self) -> Option<State> {
        match self {
            Self::Cooperative(machine) => machine.take_state(),
            Self::Plain(_) => None,
        }
    }

    pub(super) fn transfers(&self) -> u64 {
        ask!(self, machine => machine.transfers())
    }
}
