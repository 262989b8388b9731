//! Messages for the tap, while somebody listens.

use atlas_wire::frame::{Opcode, Side, copy_masked};

use super::carriage::Message;
use super::{SKIM_BYTES_MAX, Worker};
use crate::tap::{Direction, Passing};

impl Worker {
    /// Shows the messages that begin in what a plain session's `sender` sent. It walks over them on its own, so that the
    /// relay's way is the same with and without a listener.
    #[cold]
    pub(super) fn plain_tapped(&self, key: usize, sender: Side, received: &[u8]) {
        let Some(session) = self.plain.get(key) else {
            return;
        };
        let about = &session.about;
        let (mut flow, direction) = match sender {
            Side::Client => (session.from_client.clone(), Direction::In),
            Side::Server => (session.from_server.clone(), Direction::Out),
        };
        flow.advance(received, self.message_bytes_max, |header, payload| {
            let passing = Passing {
                direction,
                world: &about.world,
                server: &about.server.config.name,
                session: about.id,
                player: session.seen().and_then(|seen| seen.player.as_deref()),
                text: header.opcode == Opcode::Text,
                bytes: header.length,
                at_ms: self.now.as_millis(),
            };
            let mut prefix = [0; SKIM_BYTES_MAX];
            let mask = header.mask.unwrap_or_default();
            // A compressed message says nothing here; the dialect finds nothing in it.
            self.shared
                .tap
                .show(&passing, || copy_masked(payload, mask, 0, &mut prefix));
        });
    }

    /// Shows a whole message of a movable session.
    #[cold]
    pub(super) fn movable_tapped(&self, key: usize, direction: Direction, message: &Message<'_>) {
        let Some(session) = self.movable.get(key) else {
            return;
        };
        let about = &session.about;
        let passing = Passing {
            direction,
            world: &about.world,
            server: &about.server.config.name,
            session: about.id,
            player: session.player.as_deref(),
            text: message.text,
            bytes: message.length() as u64,
            at_ms: self.now.as_millis(),
        };
        let mut prefix = [0; SKIM_BYTES_MAX];
        self.shared.tap.show(&passing, || message.look(&mut prefix));
    }
}
