//! Movable sessions, the servers' side: links, their game messages to the client, their control messages to the machine.

use std::sync::Arc;
use std::time::Duration;

use atlas_base::Moment;

use atlas_wire::frame::{
    Close, CloseCode, HEADER_BYTES_MAX, Header, Opcode, Side, apply_mask, close_payload,
    control_frame, parse_close,
};
use atlas_wire::link::{CONTROL_BYTES_MAX, FromServer, StateJoiner};
use atlas_wire::tag::Tag;
use atlas_world::{Event, LinkId, Phase};

use super::assembler::{Assembler, Piece};
use super::carriage::Read;
use super::socket::{Received, Socket};
use super::{Again, ROUNDS_MAX, Token, Worker, movable::Movable, orders};
use crate::servers::Server;
use crate::tap::Direction;

/// One open link of one session.
pub(super) struct Link {
    pub(super) socket: Socket,
    input: Assembler,
    pub(super) session: usize,
    pub(super) session_serial: u32,
    pub(super) id: LinkId,
    pub(super) server: Arc<Server>,
    /// Parts of a large state on their way.
    parts: StateJoiner,
    close: Option<(u16, String)>,
    /// A plain server was told that the player leaves.
    pub(super) left: bool,
    /// What came with its 101 was not looked at yet.
    fresh: bool,
    /// Since when a ping of ours has had no answer, nor anything else been heard.
    asked: Option<Moment>,
}

impl Link {
    /// Bytes that wait for the server, and those of a message that it has begun.
    pub(super) fn queued_bytes(&self) -> usize {
        self.socket.backlog_bytes() + self.input.queued_bytes()
    }
}

impl Worker {
    /// Makes an open socket a link of a session. False if it cannot be watched.
    pub(super) fn link_insert(
        &mut self,
        session: usize,
        session_serial: u32,
        id: LinkId,
        server: Arc<Server>,
        socket: Socket,
    ) -> bool {
        let key = self.links.insert(Link {
            socket,
            input: Assembler::new(Side::Server),
            session,
            session_serial,
            id,
            server,
            parts: StateJoiner::default(),
            close: None,
            left: false,
            fresh: true,
            asked: None,
        });
        if self.links[key]
            .socket
            .rename(self.poll.registry(), Token::Link(key).into())
            .is_err()
        {
            self.links.remove(key);
            return false;
        }
        self.movable[session].links.push(key);
        true
    }

    /// The key of a session's link.
    pub(super) fn link_key(&self, session: usize, id: LinkId) -> Option<usize> {
        self.movable
            .get(session)?
            .links
            .iter()
            .copied()
            .find(|key| self.links[*key].id == id)
    }

    /// Sends frames on a link.
    pub(super) fn link_send(&mut self, session: usize, id: LinkId, frames: &[u8]) {
        let Some(key) = self.link_key(session, id) else {
            return;
        };
        let link = &mut self.links[key];
        if link
            .socket
            .send(
                frames,
                self.poll.registry(),
                Token::Link(key).into(),
                &mut self.pool,
            )
            .is_err()
        {
            self.link_lost(key);
        }
    }

    /// Sends a control message on a link.
    pub(super) fn link_send_control(&mut self, session: usize, id: LinkId, message: &[u8]) {
        let mask = self.mask();
        let header = Header {
            fin: true,
            opcode: Opcode::Binary,
            mask: Some(mask),
            length: message.len() as u64,
            reserved: 0,
        };
        let mut head = [0; HEADER_BYTES_MAX];
        let length = header.write(&mut head);
        let mut frame = Vec::with_capacity(length + message.len());
        frame.extend_from_slice(&head[..length]);
        frame.extend_from_slice(message);
        apply_mask(&mut frame[length..], mask, 0);
        self.link_send(session, id, &frame);
    }

    /// Closes a link of a session once what waits on it has left.
    pub(super) fn link_close(&mut self, session: usize, id: LinkId) {
        let Some(key) = self.link_key(session, id) else {
            return self.dial_forget(session, id);
        };
        self.movable[session].links.retain(|link| *link != key);
        self.link_remove(key);
    }

    /// Says goodbye on a link and lets it end on its own.
    pub(super) fn link_remove(&mut self, key: usize) {
        let mask = self.mask();
        let mut link = self.links.remove(key);
        if !link.left {
            let frame = control_frame(
                Opcode::Close,
                &close_payload(CloseCode::NORMAL, ""),
                Some(mask),
            );
            let _ = link.socket.send(
                &frame,
                self.poll.registry(),
                Token::Link(key).into(),
                &mut self.pool,
            );
        }
        self.closing_insert(link.socket);
    }

    /// Takes note of a ping that the machine sends: from now on the server's silence counts.
    pub(super) fn link_asked(&mut self, session: usize, id: LinkId) {
        if let Some(key) = self.link_key(session, id) {
            self.links[key].asked.get_or_insert(self.now);
        }
    }

    /// Links whose servers are silent for longer than the lease are lost: their servers act for nobody any more. A link
    /// that we do not read ourselves proves nothing.
    pub(super) fn links_sweep(&mut self) {
        let silent = |link: &Link| {
            let Some(session) = self.movable.get(link.session) else {
                return true;
            };
            let lease = session.about.world.settings.lease;
            let silence = link.asked.map(|since| self.now.saturating_since(since));
            silence.is_some_and(|silence| silence > lease)
                && session.client.backlog_bytes() < queue_bound(session)
        };
        let lost: Vec<usize> = self
            .links
            .iter()
            .filter(|(_, link)| silent(link))
            .map(|(key, _)| key)
            .collect();
        for key in lost {
            tracing::warn!(server = %self.links[key].server.config.name, "a game server was silent for longer than its lease");
            self.link_lost(key);
        }
    }

    /// A link's socket is ready, or its turn has come.
    pub(super) fn link_ready(&mut self, key: usize, writable: bool) {
        if writable {
            self.link_flush(key);
        }
        self.link_waited(key);
        let mut scratch = std::mem::take(&mut self.scratch);
        for round in 0.. {
            let Some(link) = self.links.get(key).filter(|link| link.socket.may_read()) else {
                break;
            };
            let Some(session) = self.movable.get(link.session) else {
                break;
            };
            if session.client.backlog_bytes() >= queue_bound(session)
                || !session.machine.reads(link.id)
            {
                break;
            }
            if round == ROUNDS_MAX {
                self.again.push_back(Again::Link(key));
                break;
            }
            let Some(link) = self.links.get_mut(key) else {
                break;
            };
            let (session, id) = (link.session, link.id);
            match link.socket.receive(&mut scratch) {
                Received::Bytes(length) => self.link_bytes(key, &scratch[..length]),
                Received::Blocked => break,
                Received::End | Received::Broken => {
                    self.link_lost(key);
                    break;
                }
            }
            self.settle_machines();
            // The slot may be another link's by now.
            if self.link_key(session, id) != Some(key) {
                break;
            }
        }
        self.scratch = scratch;
    }

    fn link_flush(&mut self, key: usize) {
        let Some(link) = self.links.get_mut(key) else {
            return;
        };
        let session = link.session;
        match link.socket.flush(
            self.poll.registry(),
            Token::Link(key).into(),
            &mut self.pool,
        ) {
            // The client was not read while this link was full.
            Ok(true) => self.again.push_back(Again::MovableClient(session)),
            Ok(false) => {}
            Err(_) => self.link_lost(key),
        }
    }

    /// A link ended without our doing.
    fn link_lost(&mut self, key: usize) {
        let Some(mut link) = self.links.try_remove(key) else {
            return;
        };
        if let Some(session) = self.movable.get_mut(link.session) {
            session.links.retain(|other| *other != key);
        }
        let (code, reason) = link.close.take().unzip();
        if code.is_none() {
            self.shared.metrics.links_lost.inc();
        }
        let event = Event::LinkClosed {
            link: link.id,
            code,
            reason: reason.unwrap_or_default(),
        };
        self.happened
            .push_back((link.session, link.session_serial, event));
        self.closing_insert(link.socket);
    }

    /// Bytes that came with a link's 101.
    pub(super) fn link_behind(&mut self, session: usize, id: LinkId, behind: &[u8]) {
        if let Some(key) = self.link_key(session, id) {
            self.links[key].input.keep(0, None, behind);
            self.again.push_back(Again::Link(key));
        }
    }

    /// Looks at what came with a link's 101, once the link is to be read.
    fn link_waited(&mut self, key: usize) {
        let Some(link) = self.links.get_mut(key).filter(|link| link.fresh) else {
            return;
        };
        let reads = |session: &Movable| session.machine.reads(link.id);
        if self
            .movable
            .get(link.session)
            .is_some_and(|session| reads(session))
        {
            link.fresh = false;
            self.link_bytes(key, &[]);
            self.settle_machines();
        }
    }

    /// Takes a server's messages out of what came; all that goes to the client from one read goes in one write.
    fn link_bytes(&mut self, key: usize, received: &[u8]) {
        let link = &mut self.links[key];
        link.asked = None;
        let (session, id) = (link.session, link.id);
        let Some(carriage) = self
            .movable
            .get(session)
            .map(|session| session.server_carriage())
        else {
            return;
        };
        let mut outgoing = std::mem::take(&mut self.outgoing);
        let link = &mut self.links[key];
        let mut input = std::mem::replace(&mut link.input, Assembler::new(Side::Server));
        let buffer = input.take(received);
        let data = buffer.as_deref().unwrap_or(received);
        let (mut consumed, mut messages) = (0, 0);
        // A server's word may be longer than a player's: states travel inside it.
        let limit = self.message_bytes_max.max(CONTROL_BYTES_MAX as u64) + 1;
        loop {
            let (piece, length) = match input.next(&data[consumed..], limit) {
                Ok(Some(found)) => found,
                Ok(None) => break,
                Err(violation) => {
                    self.link_outgoing(session, &mut outgoing, &mut messages);
                    self.link_fault(key, violation.close_code(), &violation.to_string());
                    break;
                }
            };
            consumed += length;
            match &piece {
                Piece::Part => continue,
                Piece::Control(Opcode::Ping, ping) => {
                    let pong = control_frame(Opcode::Pong, ping, Some(self.mask()));
                    self.link_send(session, id, &pong);
                    if self.link_key(session, id) != Some(key) {
                        break;
                    }
                    continue;
                }
                Piece::Control(Opcode::Close, close) => {
                    self.link_outgoing(session, &mut outgoing, &mut messages);
                    let Close { code, reason } = parse_close(close).unwrap_or(Close {
                        code: CloseCode::PROTOCOL_ERROR,
                        reason: "",
                    });
                    self.links[key].close = Some((code.0, reason.to_owned()));
                    self.link_lost(key);
                    break;
                }
                Piece::Control(_, payload) => {
                    self.link_outgoing(session, &mut outgoing, &mut messages);
                    self.link_ponged(key, payload);
                    self.settle_machines();
                    if self.link_key(session, id) != Some(key) {
                        break;
                    }
                    continue;
                }
                Piece::Whole(..) | Piece::Joined(..) => {}
            }
            match carriage.read(&piece) {
                Read::Message(message) => {
                    let Some(owner) = self.movable.get_mut(session) else {
                        break;
                    };
                    if owner.machine.accepts_output(id) {
                        owner.carriage().write(message, None, &mut outgoing);
                        messages += 1;
                        if self.shared.tap.is_on() {
                            self.movable_tapped(session, Direction::Out, &message);
                        }
                    } else {
                        self.tally.output_fenced += 1;
                    }
                }
                Read::Control(tag, body) => {
                    // What the server said before this belongs before what this brings about.
                    self.link_outgoing(session, &mut outgoing, &mut messages);
                    self.link_control(key, tag, &body);
                    self.settle_machines();
                    if self.link_key(session, id) != Some(key) {
                        break;
                    }
                }
                Read::Fault(reason) => {
                    self.link_outgoing(session, &mut outgoing, &mut messages);
                    self.link_fault(key, CloseCode::PROTOCOL_ERROR, reason);
                    break;
                }
            }
        }
        self.tally.bytes_out += received.len() as u64;
        self.link_outgoing(session, &mut outgoing, &mut messages);
        if self.link_key(session, id) == Some(key) {
            input.keep(consumed, buffer, received);
            self.links[key].input = input;
        }
        self.outgoing = outgoing;
    }

    /// Sends gathered output to the client.
    fn link_outgoing(&mut self, session: usize, outgoing: &mut Vec<u8>, messages: &mut u64) {
        if *messages == 0 {
            return;
        }
        if let Some(owner) = self.movable.get_mut(session) {
            owner.machine.output(*messages);
            owner.about.messages_out += *messages;
            self.tally.messages_out += *messages;
            self.movable_send_client(session, outgoing);
            self.switch_answered(session);
        }
        outgoing.clear();
        *messages = 0;
    }

    /// A control message or a part of a state.
    fn link_control(&mut self, key: usize, tag: Tag, body: &[u8]) {
        if tag == Tag::StatePart {
            if let Err(error) = self.links[key].parts.part(body) {
                self.link_fault(
                    key,
                    error.close_code().unwrap_or(CloseCode::PROTOCOL_ERROR),
                    &error.to_string(),
                );
            }
            return;
        }
        let message = match FromServer::decode(body) {
            Ok(message) => message,
            Err(atlas_wire::link::Error::Unknown { r#type }) => {
                let mut answer = Vec::new();
                orders::unsupported(&r#type, &mut answer);
                let (session, id) = (self.links[key].session, self.links[key].id);
                return self.link_send_control(session, id, &answer);
            }
            Err(error) => {
                let code = error.close_code().unwrap_or(CloseCode::PROTOCOL_ERROR);
                return self.link_fault(key, code, &error.to_string());
            }
        };
        let link = &mut self.links[key];
        let Some(world) = self
            .movable
            .get(link.session)
            .map(|session| session.about.world.clone())
        else {
            return;
        };
        if let FromServer::Pong(pong) = &message {
            let now = self.now.as_millis();
            let millis = Duration::from_millis(now.saturating_sub(pong.at));
            // Who answers what was not asked says nothing about the way.
            if pong.at <= now && millis <= world.settings.lease {
                let histogram = &self.shared.metrics.link_round_trip_seconds;
                histogram
                    .with_label_values(&[&world.name])
                    .observe(millis.as_secs_f64());
            }
        }
        match orders::answer(message, &world, &mut link.parts) {
            Ok(Some((epoch, answer))) => {
                let event = Event::Answer {
                    link: link.id,
                    epoch,
                    answer,
                };
                self.happened
                    .push_back((link.session, link.session_serial, event));
            }
            Ok(None) => {}
            Err(reason) => self.link_fault(
                key,
                reason.close_code().unwrap_or(CloseCode::PROTOCOL_ERROR),
                &reason.to_string(),
            ),
        }
    }

    /// The server broke a rule of the link: it is told so, and the link counts as lost.
    fn link_fault(&mut self, key: usize, code: CloseCode, reason: &str) {
        let mask = self.mask();
        let Some(link) = self.links.get_mut(key) else {
            return;
        };
        tracing::warn!(server = %link.server.config.name, code = code.0, reason, "a game server broke the link's rules");
        self.shared
            .metrics
            .links_refused
            .with_label_values(&[&*link.server.config.name])
            .inc();
        let frame = control_frame(Opcode::Close, &close_payload(code, reason), Some(mask));
        let _ = link.socket.send(
            &frame,
            self.poll.registry(),
            Token::Link(key).into(),
            &mut self.pool,
        );
        self.link_lost(key);
    }
}

/// How much output may wait for a client, in bytes. While it is being moved its old link is read on, so that `frozen`
/// can come through behind the output that precedes it.
pub(super) fn queue_bound(session: &Movable) -> usize {
    let bound = usize::try_from(session.about.world.config.slow_client.queue_bytes_max.0)
        .unwrap_or(usize::MAX);
    match session.machine.phase() {
        Phase::Settled | Phase::Preloading => bound,
        _ => bound.saturating_mul(2),
    }
}
