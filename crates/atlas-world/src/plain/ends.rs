//! Input, links that end, and the ends of the session.

use std::time::Duration;

use atlas_base::Moment;

use super::{
    PlainSession, Turn, Work,
    leaving::{Move, Stage, Target},
};
use crate::{Command, LinkId, Message, Reason, ServerId, Timer, TransferOutcome};

/// How long a server may take to close after its client did.
const PARTING: Duration = Duration::from_secs(3);

/// Whether a close that answers ours says more than that: games kick with codes of their own, and an answer repeats
/// the code that it answers. Such a one left the server before ours came.
fn is_kick(code: Option<u16>) -> bool {
    code.is_some_and(|code| code == 1008 || (3000..5000).contains(&code))
}

impl PlainSession {
    /// Whether client messages wait for a server.
    pub(super) fn is_holding(&self) -> bool {
        match &self.work {
            Work::Idle => false,
            Work::Moving(it) => it.source.is_none() || it.stage != Stage::Dialing,
            Work::Ending(_) | Work::Closed => true,
        }
    }

    pub(super) fn is_client_gone(&self) -> bool {
        matches!(self.work, Work::Ending(_))
            || self.held.as_ref().is_some_and(|held| held.closed.is_some())
    }

    /// A message of the client.
    pub(super) fn input(&mut self, message: Message, turn: &mut Turn<'_>) {
        if self.is_client_gone() {
            return;
        }
        if self.is_holding() {
            let bound = self.settings.held_input_bytes_max;
            let held = self.held.get_or_insert_default();
            held.hold(message, bound, turn.out);
        } else {
            self.deliver(message, turn);
        }
    }

    fn deliver(&mut self, message: Message, turn: &mut Turn<'_>) {
        self.delivered += 1;
        turn.out.push(Command::Deliver {
            link: self.link,
            message,
        });
    }

    /// Everything held goes to the server, in order.
    pub(super) fn deliver_held(&mut self, turn: &mut Turn<'_>) {
        let Some(mut held) = self.held.take() else {
            return;
        };
        for message in held.take() {
            self.deliver(message, turn);
        }
        held.resume(turn.out);
        if held.has_end() {
            self.held = Some(held);
        }
    }

    pub(super) fn dial(&mut self, server: ServerId, turn: &mut Turn<'_>) -> LinkId {
        let link = LinkId(self.links);
        self.links += 1;
        turn.out.push(Command::Dial { link, server });
        link
    }

    /// Begins a step that must end within `span`; the timer of the step before counts no more.
    pub(super) fn arm(&mut self, span: Duration, turn: &mut Turn<'_>) {
        self.disarm();
        turn.out.push(Command::SetTimer {
            timer: Timer::Step(self.steps),
            at: turn.now + span,
        });
    }

    pub(super) fn disarm(&mut self) {
        self.steps = self.steps.wrapping_add(1);
    }

    /// Gives the place at the session's server back.
    pub(super) fn stand_up(&mut self, turn: &mut Turn<'_>) {
        if self.seated {
            self.seated = false;
            turn.around.release(self.server);
        }
    }

    /// Closes a target's link, if it has one, and gives the place there back.
    pub(super) fn give_back(&self, target: Target, turn: &mut Turn<'_>) {
        if target.open {
            turn.out.push(Command::CloseLink { link: target.link });
        }
        #[cfg(feature = "planted-bugs")]
        if self.planted == Some(super::PlantedPlain::KeepPlace) {
            return;
        }
        if target.reserved {
            turn.around.release(target.server);
        }
    }

    /// Counts a server lost soon after the player came; whether that is one too many.
    pub(super) fn strike(&mut self, now: Moment) -> bool {
        if now.saturating_since(self.since) >= self.settings.lease {
            self.strikes = 0;
            return false;
        }
        self.strikes = self.strikes.saturating_add(1);
        self.strikes >= 2
    }

    /// A link closed with a code, or was lost (none). `dead`: its server cannot live.
    pub(super) fn lost(
        &mut self,
        link: LinkId,
        code: Option<u16>,
        reason: String,
        dead: bool,
        turn: &mut Turn<'_>,
    ) {
        #[cfg(feature = "planted-bugs")]
        let code = code.filter(|_| self.planted != Some(super::PlantedPlain::KickIsLoss));
        match std::mem::take(&mut self.work) {
            Work::Idle if link == self.link => match code {
                Some(code) => self.closed_by_server(code, reason, turn),
                None => {
                    let it = Move::new(self.server, Reason::Failover);
                    self.source_lost(it, dead, turn);
                }
            },
            Work::Moving(it) if it.source == Some(link) => {
                self.source_ended(it, code, reason, dead, turn);
            }
            Work::Moving(it) if it.target.is_some_and(|target| target.link == link) => {
                self.target_lost(it, turn);
            }
            Work::Ending(ours) if link == self.link => {
                self.work = Work::Closed;
                let code = code.unwrap_or(ours);
                self.bury(turn);
                turn.out.push(Command::CloseClient { code, reason });
            }
            work => self.work = work,
        }
    }

    fn source_ended(
        &mut self,
        mut it: Box<Move>,
        code: Option<u16>,
        reason: String,
        dead: bool,
        turn: &mut Turn<'_>,
    ) {
        let leaving = it.stage == Stage::Leaving;
        match code {
            Some(code) if !leaving || is_kick(Some(code)) => {
                it.source = None;
                self.work = Work::Moving(it);
                self.close(Some((code, reason)), turn);
            }
            Some(_) => self.left(it, turn),
            None if leaving => {
                // The pong said that it had read everything.
                it.lost |= !it.ponged;
                self.left(it, turn);
            }
            None => self.source_lost(it, dead, turn),
        }
    }

    fn target_lost(&mut self, mut it: Box<Move>, turn: &mut Turn<'_>) {
        if let Some(target) = &mut it.target {
            target.open = false;
        }
        if it.can_abort() {
            let why = if it.stage == Stage::Dialing {
                "the target could not be reached"
            } else {
                "the target was lost"
            };
            self.abort(it, why, turn);
            return;
        }
        self.target_failed(&mut it, "the server was lost", turn);
        if it.source.is_some() {
            // The source still has its last words; another target is looked for after them.
            self.work = Work::Moving(it);
        } else {
            self.pick(it, turn);
        }
    }

    /// The settled server closed the client.
    fn closed_by_server(&mut self, code: u16, reason: String, turn: &mut Turn<'_>) {
        self.work = Work::Closed;
        self.bury(turn);
        turn.out.push(Command::CloseClient { code, reason });
    }

    /// The client has a part of a message that will never end.
    pub(super) fn cut(&mut self, link: LinkId, turn: &mut Turn<'_>) {
        if !self.accepts_output(link) {
            self.lost(link, None, String::new(), false, turn);
            return;
        }
        match &mut self.work {
            Work::Moving(it) => it.source = None,
            Work::Idle | Work::Ending(_) => {
                self.work = Work::Closed;
                if self.delivered > 0 {
                    turn.out.push(Command::NotifyReset {
                        reason: Reason::Failover,
                        lost_input: self.delivered,
                        state_age: Duration::ZERO,
                    });
                }
                self.bury(turn);
                turn.out.push(Command::CloseClient {
                    code: 1012,
                    reason: "the game server was lost in the middle of a message".into(),
                });
                return;
            }
            Work::Closed => return,
        }
        let reason = "the game server was lost in the middle of a message";
        self.close(Some((1012, reason.into())), turn);
    }

    /// Every link to `server` counts as lost.
    pub(super) fn down(&mut self, server: ServerId, dead: bool, turn: &mut Turn<'_>) {
        if let Work::Moving(it) = &self.work
            && let Some(target) = it.target.filter(|target| target.server == server)
        {
            turn.out.push(Command::CloseLink { link: target.link });
            self.lost(target.link, None, String::new(), dead, turn);
        }
        let link = match &self.work {
            Work::Idle | Work::Ending(_) => Some(self.link),
            Work::Moving(it) => it.source,
            Work::Closed => None,
        };
        if let Some(link) = link.filter(|_| self.server == server) {
            turn.out.push(Command::CloseLink { link });
            self.lost(link, None, String::new(), dead, turn);
        }
    }

    pub(super) fn late(&mut self, timer: Timer, turn: &mut Turn<'_>) {
        match timer {
            Timer::Recheck => {
                self.watch.rechecked();
                self.consider(turn);
            }
            Timer::Step(step) if step == self.steps => match std::mem::take(&mut self.work) {
                Work::Moving(it) => self.move_late(it, turn),
                Work::Ending(code) => {
                    self.work = Work::Closed;
                    turn.out.push(Command::CloseLink { link: self.link });
                    self.bury(turn);
                    let reason = String::new();
                    turn.out.push(Command::CloseClient { code, reason });
                }
                work => self.work = work,
            },
            Timer::Outcome(serial) => {
                let overdue = match &self.work {
                    Work::Moving(it) => it.decision.as_ref().is_some_and(|it| it.serial == serial),
                    _ => false,
                };
                if overdue {
                    let reason = "the directory does not answer";
                    self.close(Some((1013, reason.into())), turn);
                }
            }
            // A late one, or one that plain sessions do not set.
            Timer::Step(_) | Timer::Lease | Timer::Standby(_) => {}
        }
    }

    pub(super) fn client_closed(&mut self, code: Option<u16>, turn: &mut Turn<'_>) {
        if self.is_client_gone() {
            if code.is_none() && matches!(self.work, Work::Ending(_)) {
                // It did not wait for the server's last words.
                self.close(None, turn);
            }
            return;
        }
        let held = self.held.get_or_insert_default();
        held.closed = Some(code);
        let nothing_held = held.is_empty();
        match std::mem::take(&mut self.work) {
            Work::Idle => self.settled(turn),
            Work::Moving(it) if it.can_abort() => self.abort(it, "the client closed", turn),
            // Nobody has to be joined for a player who has nothing left to say.
            work if nothing_held => {
                self.work = work;
                self.close(None, turn);
            }
            work => self.work = work,
        }
    }

    pub(super) fn kicked(&mut self, code: u16, reason: String, turn: &mut Turn<'_>) {
        match std::mem::take(&mut self.work) {
            Work::Moving(it) if it.can_abort() => {
                self.held.get_or_insert_default().kick = Some((code, reason));
                self.abort(it, "the client was kicked", turn);
            }
            Work::Moving(it) if self.born && !it.lost => {
                self.work = Work::Moving(it);
                self.held.get_or_insert_default().kick = Some((code, reason));
            }
            // The client has closed by itself.
            Work::Ending(code) => self.work = Work::Ending(code),
            work => {
                self.work = work;
                self.close(Some((code, reason)), turn);
            }
        }
    }

    /// A server has the player: ends that had to wait come now, else the next crossing is looked for.
    pub(super) fn settled(&mut self, turn: &mut Turn<'_>) {
        let Some(held) = &mut self.held else {
            self.consider(turn);
            return;
        };
        // Delivering left nothing but an end that had to wait.
        match (held.kick.take(), held.closed) {
            (None, Some(Some(code))) => {
                turn.out.push(Command::EndLink {
                    link: self.link,
                    code,
                });
                self.arm(PARTING, turn);
                self.work = Work::Ending(code);
            }
            (kick, _) => self.close(kick, turn),
        }
    }

    /// No server is left that could take the player.
    pub(super) fn give_up(&mut self, turn: &mut Turn<'_>) {
        let end = if self.strikes >= 2 {
            (1011, "two servers were lost soon after the player came")
        } else if self.pinned {
            (1012, "the game server is gone")
        } else {
            (1012, "no server takes the player")
        };
        self.close(Some((end.0, end.1.into())), turn);
    }

    /// The end: every link is closed, every place is given back, and with `kick` the client is closed.
    pub(super) fn close(&mut self, kick: Option<(u16, String)>, turn: &mut Turn<'_>) {
        let gone = self.is_client_gone();
        self.name_what_ends(turn);
        match std::mem::replace(&mut self.work, Work::Closed) {
            Work::Idle | Work::Ending(_) => {
                turn.out.push(Command::CloseLink { link: self.link });
            }
            Work::Moving(mut it) => {
                let outcome = if it.can_abort() {
                    TransferOutcome::Aborted
                } else {
                    TransferOutcome::Failed
                };
                if let Some(link) = it.source {
                    turn.out.push(Command::CloseLink { link });
                }
                let to = it.target.map_or(self.server, |target| target.server);
                if let Some(target) = it.target.take() {
                    self.give_back(target, turn);
                }
                let ended = it.ended(to, turn.now, outcome, "the session ended");
                turn.out.extend(ended);
            }
            Work::Closed => return,
        }
        self.bury(turn);
        if let Some((code, reason)) = kick
            && !gone
        {
            turn.out.push(Command::CloseClient { code, reason });
        }
    }

    /// The session ends on its way between two servers: what waited for one is named, and what a lost one may not have
    /// read.
    fn name_what_ends(&self, turn: &mut Turn<'_>) {
        let Work::Moving(it) = &self.work else {
            return;
        };
        let unread = if it.lost { self.delivered } else { 0 };
        let lost_input = unread + self.held.as_ref().map_or(0, |held| held.count());
        if lost_input > 0 {
            turn.out.push(Command::NotifyReset {
                reason: it.reason,
                lost_input,
                state_age: Duration::ZERO,
            });
        }
    }

    /// What a closed session still has is given back.
    fn bury(&mut self, turn: &mut Turn<'_>) {
        self.stand_up(turn);
        self.held = None;
        self.watch.motion = None;
    }
}
