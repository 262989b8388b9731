//! The client's input: held while nobody acts, kept while a failover could replay it.

use std::{collections::VecDeque, time::Duration};

use atlas_base::Moment;

use super::{Session, Turn, Work};
use crate::{Command, LinkId, Message, Reason, State};

/// The newest state of the player, and what was delivered since.
#[derive(Debug)]
pub(super) struct Kept {
    pub(super) state: State,
    /// When the state was given.
    pub(super) at: Moment,
    /// How many of this link's messages the state contains.
    pub(super) received: u64,
    /// Whether every message from `first` on is in `messages`.
    pub(super) retaining: bool,
    /// The count of the first message in `messages`.
    first: u64,
    messages: VecDeque<Message>,
    bytes: usize,
}

impl Kept {
    /// A state from elsewhere: it contains nothing that was delivered on this link.
    pub(super) fn of(state: State, at: Moment) -> Self {
        Self {
            state,
            at,
            received: 0,
            retaining: false,
            first: 0,
            messages: VecDeque::new(),
            bytes: 0,
        }
    }

    /// Only the state counts from here on.
    pub(super) fn forget_messages(&mut self) {
        self.messages = VecDeque::new();
        self.bytes = 0;
        self.retaining = false;
    }

    /// A newer state that contains the first `received` messages of this link.
    fn renew(&mut self, now: Moment, state: State, received: u64) {
        self.state = state;
        self.at = now;
        self.received = self.received.max(received);
        while self.first < self.received
            && let Some(message) = self.messages.pop_front()
        {
            self.bytes -= message.len();
            self.first += 1;
        }
    }
}

impl Session {
    /// Whether a failover could replay what is delivered now.
    pub(super) fn is_retaining(&self) -> bool {
        self.kept.as_ref().is_some_and(|kept| kept.retaining)
    }

    /// A message of the client.
    pub(super) fn input(&mut self, message: Message, out: &mut Vec<Command>) {
        if self.is_client_gone() {
            return;
        }
        if !self.is_holding() {
            self.deliver(self.link, message, out);
            return;
        }
        let bound = self.settings.held_input_bytes_max;
        self.held.get_or_insert_default().hold(message, bound, out);
    }

    /// Hands a message to the authority, keeping it if a failover could replay it.
    pub(super) fn deliver(&mut self, link: LinkId, message: Message, out: &mut Vec<Command>) {
        if let Some(kept) = &mut self.kept
            && kept.retaining
        {
            kept.bytes += message.len();
            if kept.bytes > self.settings.held_input_bytes_max {
                // A failover now would have to name the gap; keeping what follows the gap helps nobody.
                kept.messages = VecDeque::new();
                kept.bytes = 0;
                kept.retaining = false;
            } else {
                kept.messages.push_back(message.clone());
            }
        }
        self.delivered += 1;
        self.renewed = true;
        out.push(Command::Deliver { link, message });
    }

    /// Everything held goes to the authority, in order.
    pub(super) fn deliver_held(&mut self, link: LinkId, out: &mut Vec<Command>) {
        let Some(mut held) = self.held.take() else {
            return;
        };
        for message in held.take() {
            self.deliver(link, message, out);
        }
        #[allow(unused_mut, reason = "changed only with planted bugs")]
        let mut resumes = true;
        #[cfg(feature = "planted-bugs")]
        if self.planted == Some(super::Planted::StayPaused) {
            resumes = false;
        }
        if resumes {
            held.resume(out);
        }
        if held.has_end() {
            self.held = Some(held);
        }
    }

    /// A server gave a state that contains the first `received` messages of its link. Only a `checkpoint` starts to
    /// keep input: a server that sends none could never be failed over without a loss anyway.
    pub(super) fn keep(&mut self, now: Moment, state: State, received: u64, checkpoint: bool) {
        // A count from outside: more than was delivered cannot be.
        let received = received.min(self.delivered);
        if let Some(kept) = &mut self.kept {
            kept.renew(now, state, received);
        } else {
            self.kept = Some(Box::new(Kept {
                received,
                first: self.delivered,
                ..Kept::of(state, now)
            }));
        }
        if checkpoint
            && let Some(kept) = &mut self.kept
            && !kept.retaining
        {
            self.checkpoints = true;
            kept.retaining = true;
            kept.first = self.delivered;
        }
    }

    /// The authority changed: what the state does not contain is replayed or named, and counting starts anew.
    pub(super) fn replay(&mut self, link: LinkId, reason: Reason, turn: &mut Turn<'_>) {
        let delivered = std::mem::take(&mut self.delivered);
        let Some(kept) = &mut self.kept else {
            // Also with nothing delivered: whatever the lost server knew of the player is gone.
            self.notify_reset(reason, delivered, None, turn);
            return;
        };
        let from = if kept.retaining {
            kept.first
        } else {
            delivered
        };
        let lost = from.saturating_sub(kept.received);
        let at = kept.at;
        kept.received = 0;
        kept.first = 0;
        kept.retaining = self.checkpoints;
        self.delivered = kept.messages.len() as u64;
        #[cfg(feature = "planted-bugs")]
        if self.planted == Some(super::Planted::ForgetRetained) {
            kept.messages.clear();
            self.delivered = 0;
        }
        for message in &kept.messages {
            turn.out.push(Command::Deliver {
                link,
                message: message.clone(),
            });
        }
        if lost > 0 {
            self.notify_reset(reason, lost, Some(at), turn);
        }
    }

    /// The session ends: what no surviving state contains is named, and what waited for a server with it.
    pub(super) fn name_what_ends(&self, turn: &mut Turn<'_>) {
        let (reason, unsaved) = match &self.work {
            // Nobody has the player: only the newest state is left of it, if that may be carried on.
            Work::Seek(seek) if !seek.again => {
                let saved = self.kept.as_ref().map_or(0, |kept| kept.received);
                (Reason::Failover, self.delivered.saturating_sub(saved))
            }
            Work::Handover(handover) => (handover.reason, 0),
            Work::Idle | Work::Seek(_) | Work::Closed => return,
        };
        let lost = unsaved + self.held.as_ref().map_or(0, |held| held.count());
        if lost > 0 {
            let at = self.kept.as_ref().map(|kept| kept.at);
            self.notify_reset(reason, lost, at, turn);
        }
    }

    fn notify_reset(
        &self,
        reason: Reason,
        lost_input: u64,
        state_at: Option<Moment>,
        turn: &mut Turn<'_>,
    ) {
        #[cfg(feature = "planted-bugs")]
        if self.planted == Some(super::Planted::SilentLoss) {
            return;
        }
        turn.out.push(Command::NotifyReset {
            reason,
            lost_input,
            state_age: state_at.map_or(Duration::ZERO, |at| turn.now.saturating_since(at)),
        });
    }
}
