//! A state that the player left behind when it was here last. Who the player is is often known only from its first
//! message, when a server has it already: then that server gets the state by a newer `attach` on the same link, before
//! the message.

use atlas_base::Epoch;

use super::failover::{Candidate, Seek, Stage};
use super::input::Kept;
use super::{Session, Turn, Work};
use crate::{AttachReason, DetachReason, LinkId, State};

impl Session {
    /// Whether [`Event::Given`](crate::Event::Given) would bring its state to the server now.
    #[must_use]
    pub fn takes_state(&self) -> bool {
        match &self.work {
            Work::Idle => !self.is_client_gone(),
            Work::Seek(seek) => seek.attach == AttachReason::New,
            Work::Handover(_) | Work::Closed => false,
        }
    }

    /// Once the session is closed: the newest state of the player, if there is one that may be carried on.
    pub fn take_state(&mut self) -> Option<State> {
        self.kept.take().map(|kept| kept.state)
    }

    pub(super) fn given(&mut self, state: State, turn: &mut Turn<'_>) {
        if !self.takes_state() {
            return;
        }
        // Whatever the server made of the player up to now is replaced by it.
        self.kept = Some(Box::new(Kept::of(state, turn.now)));
        match &mut self.work {
            // The `attach` under way knows nothing of it; one that is still to be sent will.
            Work::Seek(seek) => seek.due = seek.stage == Stage::Attaching,
            _ => self.attach_again(turn),
        }
    }

    /// The settled authority is attached once more.
    pub(super) fn attach_again(&mut self, turn: &mut Turn<'_>) {
        self.cancel_standby(turn);
        let mut seek = Seek::new(turn.now, AttachReason::New, self.server, None, Vec::new());
        seek.again = true;
        seek.candidate = Some(Candidate {
            link: self.link,
            server: self.server,
            reserved: std::mem::take(&mut self.seated),
        });
        self.decide_seek(seek, turn);
    }

    /// The authority has the state.
    pub(super) fn attached_again(&mut self, link: LinkId, epoch: Epoch, turn: &mut Turn<'_>) {
        self.promote(link, self.server, epoch, turn);
        self.delivered = 0;
    }

    /// The authority does not take the state: it goes on as before.
    pub(super) fn go_on_without(&mut self, mut seek: Box<Seek>, turn: &mut Turn<'_>) {
        self.seated = seek.candidate.take().is_some_and(|it| it.reserved);
        self.kept = None;
        self.disarm();
        self.work = Work::Idle;
        self.deliver_held(self.link, turn.out);
        self.settled(turn);
    }

    /// The link is lost before the authority was attached once more: it is a lost authority like any other.
    pub(super) fn lost_before_again(
        &mut self,
        mut seek: Box<Seek>,
        dead: bool,
        turn: &mut Turn<'_>,
    ) {
        self.candidate_failed(&mut seek, "the server was lost", turn);
        self.authority_lost(dead, turn);
    }

    /// Lets a server go that is the authority while it is attached once more.
    pub(super) fn detach_again(
        &mut self,
        seek: &Seek,
        reason: DetachReason,
        code: Option<u16>,
        turn: &mut Turn<'_>,
    ) {
        let epoch = if seek.stage == Stage::Attaching {
            seek.epoch
        } else {
            self.epoch
        };
        self.detach(self.link, epoch, reason, code, turn);
    }
}
