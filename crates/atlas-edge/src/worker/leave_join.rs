//! What plain sessions need beside the rest: recorded joins, pings that show a source is empty, links that are left.

use atlas_wire::frame::{
    CloseCode, Header, Opcode, Parsed, Side, close_payload, control_frame, copy_masked,
};
use atlas_world::{Event, LinkId};

use super::machine::Machine;
use super::{SKIM_BYTES_MAX, Token, Worker};

/// Most bytes of join messages recorded for one session; past it the session can be moved no more.
const JOINS_BYTES_MAX: usize = 64 << 10;
/// Begins the payload of our pings to plain servers; a number follows. A pong with anything else answers somebody else's.
const PING: &[u8] = b"atlas";

impl Worker {
    /// Records a message that goes to a plain server, if it introduces the player. `frame` is the whole frame.
    pub(super) fn join_record(&mut self, key: usize, frame: &[u8]) {
        let Some(session) = self.movable.get_mut(key) else {
            return;
        };
        let Machine::Plain(machine) = &mut session.machine else {
            return;
        };
        let Ok(Parsed::Complete(header, length)) = Header::parse(frame, Side::Client) else {
            return;
        };
        let mut prefix = [0; SKIM_BYTES_MAX];
        let message = copy_masked(
            &frame[length..],
            header.mask.unwrap_or_default(),
            0,
            &mut prefix,
        );
        if !session
            .about
            .world
            .dialect
            .is_join(message, header.opcode == Opcode::Text)
        {
            return;
        }
        if session.joins.len() + frame.len() > JOINS_BYTES_MAX {
            session.joins = Vec::new();
            machine.pin();
            tracing::debug!(session = %session.about.id, "what a player joined with is too long to be said again");
        } else {
            session.joins.extend_from_slice(frame);
        }
    }

    /// Says the recorded joins on a link.
    pub(super) fn join_replay(&mut self, key: usize, link: LinkId) {
        let Some(session) = self.movable.get_mut(key) else {
            return;
        };
        let joins = std::mem::take(&mut session.joins);
        self.link_send(key, link, &joins);
        if let Some(session) = self.movable.get_mut(key) {
            session.joins = joins;
        }
    }

    /// Asks a plain server for a sign that it has read everything.
    pub(super) fn link_ping(&mut self, key: usize, link: LinkId, serial: u32) {
        let payload = [PING, &serial.to_be_bytes()].concat();
        let ping = control_frame(Opcode::Ping, &payload, Some(self.mask()));
        self.link_send(key, link, &ping);
    }

    /// A plain server's pong.
    pub(super) fn link_ponged(&mut self, key: usize, payload: &[u8]) {
        let link = &self.links[key];
        let serial = payload.strip_prefix(PING).and_then(|it| it.try_into().ok());
        if let Some(serial) = serial.map(u32::from_be_bytes) {
            let event = Event::Pong {
                link: link.id,
                serial,
            };
            self.happened
                .push_back((link.session, link.session_serial, event));
        }
    }

    /// Tells a plain server that the player leaves; what it still says is relayed until its own close.
    pub(super) fn link_end(&mut self, key: usize, id: LinkId, code: u16) {
        let frame = control_frame(
            Opcode::Close,
            &close_payload(CloseCode(code), ""),
            Some(self.mask()),
        );
        let Some(link_key) = self.link_key(key, id) else {
            return;
        };
        if !std::mem::replace(&mut self.links[link_key].left, true) {
            let link = &mut self.links[link_key];
            // A server that is gone says so by its own end.
            let _ = link.socket.send(
                &frame,
                self.poll.registry(),
                Token::Link(link_key).into(),
                &mut self.pool,
            );
        }
    }
}
