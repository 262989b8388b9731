//! When a border is near a standby link is opened; once it is crossed for good, or somebody asks, the player is moved.

use std::time::Duration;

use atlas_base::{Moment, Position, TransferId, Velocity};

use super::{Session, Turn, Work, transfer::Stage};
use crate::{
    Command, Destination, LinkId, Motion, Order, Reason, RequestOutcome, ServerId, Timer,
    crossing::{self, Place},
};

/// A link opened because a border is near. Nobody is moved by a prediction.
#[derive(Debug)]
pub(super) struct Standby {
    pub(super) link: LinkId,
    pub(super) server: ServerId,
    pub(super) open: bool,
    notice: TransferId,
    /// When it is given up unless the border is still near.
    until: Moment,
    serial: u32,
}

impl Session {
    /// A position, claimed by the client or told by the server.
    pub(super) fn moved(
        &mut self,
        at: Position,
        velocity: Option<Velocity>,
        told: bool,
        turn: &mut Turn<'_>,
    ) {
        if self
            .watch
            .observe(turn.now, at, velocity, told, &self.settings)
        {
            self.consider(turn);
        }
    }

    /// Whether the player is to be moved, or may soon be, from where it is.
    pub(super) fn consider(&mut self, turn: &mut Turn<'_>) {
        if !matches!(self.work, Work::Idle) || self.is_client_gone() {
            return;
        }
        let place = self
            .watch
            .judge(turn.now, self.server, &self.settings, &*turn.around);
        match place {
            Place::Unknown | Place::Belt => {}
            Place::Far => self.cancel_standby(turn),
            Place::Nearing(next) => self.prepare(next, turn),
            Place::Crossed(owner) => self.begin_transfer(owner, Reason::Region, None, None, turn),
            Place::Waits(until) => self.watch.recheck(until, turn.out),
        }
    }

    pub(super) fn rechecked(&mut self, turn: &mut Turn<'_>) {
        self.watch.rechecked();
        self.consider(turn);
    }

    /// The border to `server`'s region is near.
    fn prepare(&mut self, server: ServerId, turn: &mut Turn<'_>) {
        let until = turn.now + self.settings.preload_within * 2;
        match &mut self.standby {
            Some(standby) if standby.server == server => {
                standby.until = until;
                return;
            }
            _ => self.cancel_standby(turn),
        }
        let link = self.dial(server, turn);
        self.serials += 1;
        let serial = self.serials;
        self.standby = Some(Box::new(Standby {
            link,
            server,
            open: false,
            notice: turn.around.new_transfer(),
            until,
            serial,
        }));
        turn.out.push(Command::SetTimer {
            timer: Timer::Standby(serial),
            at: until,
        });
    }

    /// The standby link opened: the server is told who may come.
    pub(super) fn standby_opened(&mut self, link: LinkId, turn: &mut Turn<'_>) {
        let (Some(standby), Some(motion)) = (&mut self.standby, &self.watch.motion) else {
            return;
        };
        if standby.link != link {
            return;
        }
        standby.open = true;
        let order = Order::Preload {
            transfer: standby.notice,
            position: motion.at,
            velocity: motion.velocity,
            arrives_in: arrival(
                motion,
                self.settings.preload_within,
                standby.server,
                &*turn.around,
            ),
        };
        self.send(link, self.epoch, order, turn);
    }

    pub(super) fn standby_late(&mut self, serial: u32, turn: &mut Turn<'_>) {
        let Some(standby) = self.standby.as_ref().filter(|it| it.serial == serial) else {
            return;
        };
        if turn.now >= standby.until {
            self.cancel_standby(turn);
        } else {
            turn.out.push(Command::SetTimer {
                timer: Timer::Standby(serial),
                at: standby.until,
            });
        }
    }

    pub(super) fn cancel_standby(&mut self, turn: &mut Turn<'_>) {
        if let Some(standby) = self.standby.take() {
            if standby.open {
                let order = Order::Abort {
                    transfer: standby.notice,
                };
                self.send(standby.link, self.epoch, order, turn);
            }
            self.close_link(standby.link, turn);
        }
    }

    /// A transfer asked for from outside.
    pub(super) fn asked(&mut self, to: ServerId, reason: Reason, ticket: u64, turn: &mut Turn<'_>) {
        let why = match self.refusal(to, turn) {
            Some((_, why)) => why,
            None if reason == Reason::Balance && turn.now < self.watch.not_before => {
                "the last transfer was too short ago"
            }
            None => {
                self.begin_transfer(to, reason, Some(ticket), None, turn);
                return;
            }
        };
        turn.out.push(Command::Refused { ticket, why });
    }

    /// A transfer asked for by the authority.
    pub(super) fn requested(&mut self, id: Box<str>, to: Destination, turn: &mut Turn<'_>) {
        let server = match to {
            Destination::Server(server) => Some(server),
            Destination::Position(at) => turn.around.owner(at),
            Destination::Unknown => None,
        };
        let refusal = match server {
            None => Some((RequestOutcome::Refused, "there is no such server")),
            Some(server) => self.refusal(server, turn),
        };
        match (refusal, server) {
            (None, Some(server)) => {
                self.begin_transfer(server, Reason::Requested, None, Some(id), turn);
            }
            (refusal, _) => {
                let (outcome, why) = refusal.unwrap_or((RequestOutcome::Refused, ""));
                let order = Order::TransferResult { id, outcome, why };
                self.send(self.link, self.epoch, order, turn);
            }
        }
    }

    /// Why a transfer to `to` cannot begin now.
    fn refusal(&self, to: ServerId, turn: &mut Turn<'_>) -> Option<(RequestOutcome, &'static str)> {
        match &self.work {
            Work::Idle if self.is_client_gone() => {
                Some((RequestOutcome::Refused, "the client is gone"))
            }
            Work::Idle => crossing::refusal(self.server, to, &*turn.around)
                .map(|why| (RequestOutcome::Refused, why)),
            Work::Handover(_) => {
                Some((RequestOutcome::Superseded, "another transfer is under way"))
            }
            Work::Seek(_) => Some((RequestOutcome::Superseded, "the session has no server now")),
            Work::Closed => Some((RequestOutcome::Refused, "the session is over")),
        }
    }

    /// Whether the authority still acts, so that its output counts and input goes to it.
    pub(super) fn is_authority_acting(&self) -> bool {
        match &self.work {
            Work::Idle => true,
            Work::Handover(handover) => handover.stage <= Stage::Freezing,
            Work::Seek(seek) => seek.again,
            Work::Closed => false,
        }
    }
}

/// When the player enters `server`'s region, going on as now: found by halving, to a 64th of `within`.
fn arrival(
    motion: &Motion,
    within: Duration,
    server: ServerId,
    around: &dyn crate::Surroundings,
) -> Duration {
    let (mut early, mut late) = (Duration::ZERO, within);
    for _ in 0..6 {
        let middle = (early + late) / 2;
        if around.owner(motion.after(middle)) == Some(server) {
            late = middle;
        } else {
            early = middle;
        }
    }
    late
}
