//! Transfers that are asked for from outside: by a person, by a drain, for balance. Where a world has as many under way as
//! it may, they wait here, and the players go on at their servers meanwhile.

use atlas_base::SessionId;
use atlas_world::{Event, Reason, ServerId};
use tokio::sync::oneshot;

use super::Worker;
use crate::api::TransferView;

/// Who hears how a transfer ended.
pub(super) type Reply = oneshot::Sender<Result<TransferView, crate::Error>>;

/// A transfer that waits until its world has room for one more. As many as are asked for: whoever asks waits as well.
pub(super) struct Asked {
    key: usize,
    serial: u32,
    session: SessionId,
    to: ServerId,
    reason: Reason,
    reply: Reply,
}

impl Worker {
    /// Moves a movable session, now or as soon as its world has room for one more transfer.
    pub(super) fn transfer_begin(
        &mut self,
        key: usize,
        to: ServerId,
        reason: Reason,
        reply: Reply,
    ) {
        let Some(session) = self.movable.get(key) else {
            return;
        };
        self.asked.push_back(Asked {
            key,
            serial: session.about.serial,
            session: session.about.id,
            to,
            reason,
            reply,
        });
        self.asked_go_on();
    }

    /// Begins those of the asked transfers for which there is room now, in the order in which they were asked for.
    pub(super) fn asked_go_on(&mut self) {
        for _ in 0..self.asked.len() {
            let Some(asked) = self.asked.pop_front() else {
                break;
            };
            let found = self
                .movable
                .get(asked.key)
                .filter(|session| session.about.serial == asked.serial);
            let Some(session) = found else {
                let why = "the session is over";
                // Whoever asked may have gone.
                let _ = asked
                    .reply
                    .send(Ok(TransferView::refused(&asked.session.to_string(), why)));
                continue;
            };
            if !session.about.world.may_transfer() {
                self.asked.push_back(asked);
                continue;
            }
            self.ticket += 1;
            let event = Event::Transfer {
                to: asked.to,
                reason: asked.reason,
                ticket: self.ticket,
            };
            self.tickets.insert(self.ticket, asked.reply);
            self.happened.push_back((asked.key, asked.serial, event));
            // What begins counts before the next one is looked at.
            self.settle_machines();
        }
    }
}
