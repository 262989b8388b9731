//! Movable sessions, the client's side: whole messages in, to the authority's link or to the machine that holds them.

use std::sync::Arc;

use atlas_balance::hash_key;
use atlas_base::{Moment, Position, TransferId};
use atlas_wire::frame::{CloseCode, Opcode, Side, close_payload, control_frame, parse_close};
use atlas_wire::tag::Tag;
use atlas_wire::upgrade::{Forwarding, Head, Switched};
use atlas_world::{Event, LinkId, Phase, PlainSession, ServerId, Session, Surroundings};
use rand::RngExt as _;
use rand::rngs::StdRng;

use super::allowance::{Allowance, Rates};
use super::assembler::{Assembler, Piece};
use super::carriage::{Carriage, Message, Read};
use super::entrance::{Entering, Entrance};
use super::links::queue_bound;
use super::machine::Machine;
use super::plain::{About, patience_sweeps, slow_client};
use super::socket::{Received, Socket};
use super::streams::Stream;
use super::{Again, ROUNDS_MAX, SKIM_BYTES_MAX, Token, Worker};
use crate::config::RegionsMode;
use crate::placement::{Placement, Seeker};
use crate::servers::{Server, View, World};
use crate::tap::Direction;

/// One player whose server may change under the connection, or whose client speaks `atlas.v1`.
pub(super) struct Movable {
    pub(super) client: Socket,
    input: Assembler,
    pub(super) machine: Machine,
    pub(super) about: About,
    /// For the links that transfers open.
    pub(super) head: Arc<Head>,
    /// The game's subprotocol that the client was told; another server must choose the same.
    pub(super) subprotocol: Option<Box<str>>,
    /// The messages that introduced the player, as frames for a plain server.
    pub(super) joins: Vec<u8>,
    /// Keys of its open links; mostly one.
    pub(super) links: Vec<usize>,
    pub(super) player: Option<Arc<str>>,
    /// It waits for the end of an older session of its player.
    pub(super) entering: Option<Box<Entering>>,
    /// The counts of a client that speaks `atlas.v1`.
    pub(super) stream: Option<Box<Stream>>,
    /// The machine holds as much input as it may.
    pub(super) paused: bool,
    /// The client has said its last; nothing more is read from it.
    pub(super) ended: bool,
    pub(super) forwarding: Forwarding,
    allowance: Allowance,
    /// When the client was last heard.
    pub(super) heard: Moment,
    /// Whether it was asked since whether it is there.
    asked: bool,
    /// Since when a message is unfinished.
    unfinished: Option<Moment>,
    /// Sweeps during which the client took nothing of what waited for it.
    stalled: u8,
    /// Sweeps during which its queue was about full.
    full: u8,
    /// Messages of the client that were lost with a server.
    pub(super) lost_input: u64,
    /// What the client is told when the machine is through.
    pub(super) farewell: Option<(CloseCode, String)>,
}

/// A client and the server it was joined to.
pub(super) struct Joined<'a> {
    pub(super) client: Socket,
    pub(super) link: Socket,
    pub(super) about: About,
    pub(super) head: Arc<Head>,
    pub(super) forwarding: Forwarding,
    /// Whether the client speaks `atlas.v1`.
    pub(super) atlas: bool,
    /// Whether the server speaks `atlas.link.v1`.
    pub(super) cooperative: bool,
    pub(super) subprotocol: Option<Box<str>>,
    /// What came with the server's 101.
    pub(super) behind: &'a [u8],
}

impl Movable {
    /// What its servers speak.
    pub(super) fn server_carriage(&self) -> Carriage {
        if self.machine.is_plain() {
            Carriage::Bare
        } else {
            Carriage::Tagged
        }
    }

    /// Bytes that wait for the client, and those of a message that it has begun.
    pub(super) fn queued_bytes(&self) -> usize {
        self.client.backlog_bytes() + self.input.queued_bytes()
    }

    /// What its client speaks.
    pub(super) fn carriage(&self) -> Carriage {
        if self.stream.is_some() {
            Carriage::Tagged
        } else {
            Carriage::Bare
        }
    }

    /// Of a client that has been slow for as long as its world has patience, drops the older states that wait for it.
    /// Says how many. Asked once a sweep.
    fn drop_superseded(&mut self) -> u64 {
        let world = &self.about.world;
        if self.client.backlog_bytes() < queue_bound(self) / 2 {
            self.full = 0;
            return 0;
        }
        self.full = self.full.saturating_add(1);
        if u64::from(self.full) < patience_sweeps(world) {
            return 0;
        }
        // What a client of `atlas.v1` gets has its tag in front; control messages have no key.
        let tagged = self.stream.is_some();
        let dropped = self.client.drop_superseded(|payload, text| {
            if !tagged {
                return world.dialect.state_key(payload, text);
            }
            let (tag, message) = payload.split_first()?;
            let text = match Tag::from_byte(*tag) {
                Some(Tag::Text) => true,
                Some(Tag::Binary) => false,
                _ => return None,
            };
            world.dialect.state_key(message, text)
        });
        dropped as u64
    }

    /// Goes on under a newer view; `fresh` are new rates, if they changed.
    pub(super) fn renew(&mut self, view: &View, fresh: Option<(Rates, Moment)>) {
        self.about.renew(view);
        self.machine.apply(&self.about.world.settings);
        if let Some((rates, now)) = fresh {
            self.allowance = Allowance::new(rates, now);
        }
    }
}

/// What the machine may ask about the world, answered from the worker's view.
pub(super) struct Around<'a> {
    pub(super) world: &'a World,
    pub(super) placement: &'a mut Placement,
    pub(super) random: &'a mut StdRng,
    pub(super) player: Option<&'a str>,
    /// The server that the player is on.
    pub(super) server: &'a Server,
    pub(super) head: &'a Head,
    pub(super) forwarding: &'a Forwarding,
}

impl Surroundings for Around<'_> {
    fn new_transfer(&mut self) -> TransferId {
        TransferId::from_u128(self.random.random())
    }

    fn owner(&self, at: Position) -> Option<ServerId> {
        self.world.owner(at)
    }

    fn outside_by(&self, server: ServerId, at: Position) -> Option<f64> {
        if self.world.config.regions == RegionsMode::Off {
            return None;
        }
        Some(self.world.server(server)?.region?.distance_outside(at))
    }

    fn may_enter(&self, server: ServerId) -> bool {
        self.world
            .server(server)
            .is_some_and(|server| server.may_enter())
    }

    fn may_begin(&self) -> bool {
        self.world.may_transfer()
    }

    fn choose(&mut self, exclude: &[ServerId], at: Option<Position>) -> Option<ServerId> {
        let seeker = Seeker {
            at,
            key: self.player.map(|player| hash_key(player.as_bytes())),
            // Whoever came to one side of a split stays on it.
            split: self.world.split_of(self.server),
            location: self.world.globe.locate(self.head, self.forwarding),
        };
        self.placement
            .choose(self.world, exclude, &seeker, self.random.random())
    }

    fn reserve(&mut self, server: ServerId) -> bool {
        self.world
            .server(server)
            .is_some_and(|server| server.reserve())
    }

    fn release(&mut self, server: ServerId) {
        if let Some(server) = self.world.server(server) {
            server.release();
        }
    }
}

impl Worker {
    /// A session whose first link is open: asks the machine to take over.
    pub(super) fn movable_begin(&mut self, joined: Joined<'_>) {
        let Joined {
            client,
            link,
            about,
            head,
            forwarding,
            atlas,
            cooperative,
            subprotocol,
            behind,
        } = joined;
        let first = LinkId(0);
        let (serial, server, settings) = (
            about.serial,
            about.server.clone(),
            about.world.settings.clone(),
        );
        let mut commands = std::mem::take(&mut self.commands);
        let (id, owner, now) = (about.id, self.shared.owner, self.now);
        let machine = if cooperative {
            Machine::Cooperative(Session::begin(
                id,
                owner,
                settings,
                first,
                server.id,
                now,
                &mut commands,
            ))
        } else {
            let mut machine =
                PlainSession::begin(id, owner, settings, first, server.id, now, &mut commands);
            if !about.world.moves_plain() {
                machine.pin();
            }
            Machine::Plain(machine)
        };
        let key = self.movable.insert(Box::new(Movable {
            client,
            input: Assembler::new(Side::Client),
            machine,
            about,
            head,
            subprotocol,
            joins: Vec::new(),
            links: Vec::new(),
            player: None,
            entering: None,
            stream: atlas.then(Box::default),
            paused: false,
            ended: false,
            forwarding,
            allowance: Allowance::new(self.rates, self.now),
            heard: self.now,
            asked: false,
            unfinished: None,
            stalled: 0,
            full: 0,
            lost_input: 0,
            farewell: None,
        }));
        self.keys.insert(self.movable[key].about.id, key);
        let renamed = self.movable[key]
            .client
            .rename(self.poll.registry(), Token::MovableClient(key).into());
        if renamed.is_err() || !self.link_insert(key, serial, first, server, link) {
            self.happened
                .push_back((key, serial, Event::ClientClosed { code: None }));
        }
        self.stream_welcome(key);
        for command in commands.drain(..) {
            self.perform(key, command);
        }
        self.commands = commands;
        self.settle_machines();
        self.link_behind(key, first, behind);
        self.again.push_back(Again::MovableClient(key));
    }

    /// A machine's dial has become a link.
    pub(super) fn movable_link_opened(
        &mut self,
        key: usize,
        serial: u32,
        link: LinkId,
        server: Arc<Server>,
        socket: Socket,
        behind: &[u8],
    ) {
        if self
            .movable
            .get(key)
            .is_none_or(|session| session.about.serial != serial)
        {
            return;
        }
        if self.link_insert(key, serial, link, server, socket) {
            self.happened
                .push_back((key, serial, Event::LinkOpened { link }));
            self.settle_machines();
            self.link_behind(key, link, behind);
        } else {
            self.movable_dial_failed(key, serial, link, false);
        }
    }

    /// Whether a server's answer fits a session: cooperative like its others, or plain with the same subprotocol and no
    /// extension.
    pub(super) fn movable_accepts(
        &self,
        key: usize,
        switched: &Switched,
        cooperative: bool,
    ) -> bool {
        self.movable
            .get(key)
            .is_some_and(|session| match session.machine {
                Machine::Cooperative(_) => cooperative,
                Machine::Plain(_) => {
                    !cooperative
                        && !switched.deflate()
                        && switched.subprotocol() == session.subprotocol.as_deref()
                }
            })
    }

    pub(super) fn movable_dial_failed(
        &mut self,
        key: usize,
        serial: u32,
        link: LinkId,
        refused: bool,
    ) {
        self.happened
            .push_back((key, serial, Event::DialFailed { link, refused }));
    }

    /// Hands what has happened to the machines and does what they say, until all is quiet.
    pub(super) fn settle_machines(&mut self) {
        while let Some((key, serial, event)) = self.happened.pop_front() {
            if self
                .movable
                .get(key)
                .is_some_and(|session| session.about.serial == serial)
            {
                self.step(key, event);
            }
        }
    }

    /// Hands one event to a machine and does what it says. What that brings about happens in later steps.
    pub(super) fn step(&mut self, key: usize, event: Event) {
        let Some(session) = self.movable.get_mut(key) else {
            return;
        };
        let mut commands = std::mem::take(&mut self.commands);
        let mut around = Around {
            world: &session.about.world,
            placement: &mut self.placement,
            random: &mut self.random,
            player: session.player.as_deref(),
            server: &session.about.server,
            head: &session.head,
            forwarding: &session.forwarding,
        };
        session
            .machine
            .step(self.now, event, &mut around, &mut commands);
        for command in commands.drain(..) {
            self.perform(key, command);
        }
        self.commands = commands;
        if self
            .movable
            .get(key)
            .is_some_and(|session| session.machine.phase() == Phase::Closed)
        {
            self.movable_finish(key);
        }
    }

    /// The client's socket is ready, or its turn has come.
    pub(super) fn movable_client_ready(&mut self, key: usize, writable: bool) {
        if writable {
            self.movable_client_flush(key);
        }
        let mut scratch = std::mem::take(&mut self.scratch);
        for round in 0.. {
            let Some(session) = self.movable.get_mut(key) else {
                break;
            };
            let waits = session.paused || session.entering.is_some();
            if session.ended || waits || !session.client.may_read() {
                break;
            }
            if let Some(link) = session.machine.forwards() {
                // A slow server stops the client's reads.
                let full = session.links.iter().any(|link_key| {
                    let candidate = &self.links[*link_key];
                    candidate.id == link && candidate.socket.backlog_bytes() > 0
                });
                if full {
                    break;
                }
            }
            if round == ROUNDS_MAX {
                self.again.push_back(Again::MovableClient(key));
                break;
            }
            match session.client.receive(&mut scratch) {
                Received::Bytes(length) => self.movable_client_bytes(key, &scratch[..length]),
                Received::Blocked => break,
                Received::End | Received::Broken => {
                    session.ended = true;
                    let serial = session.about.serial;
                    self.happened
                        .push_back((key, serial, Event::ClientClosed { code: None }));
                    break;
                }
            }
            self.settle_machines();
        }
        self.scratch = scratch;
    }

    fn movable_client_flush(&mut self, key: usize) {
        let Some(session) = self.movable.get_mut(key) else {
            return;
        };
        match session.client.flush(
            self.poll.registry(),
            Token::MovableClient(key).into(),
            &mut self.pool,
        ) {
            // The links were not read while the client was full.
            Ok(true) => self
                .again
                .extend(session.links.iter().map(|link| Again::Link(*link))),
            Ok(false) => {}
            Err(_) => self.movable_client_lost(key),
        }
    }

    /// The client's connection is gone.
    pub(super) fn movable_client_lost(&mut self, key: usize) {
        let Some(session) = self.movable.get_mut(key) else {
            return;
        };
        if !session.ended {
            session.ended = true;
            let serial = session.about.serial;
            self.happened
                .push_back((key, serial, Event::ClientClosed { code: None }));
        }
    }

    /// Takes the client's messages out of what came, and sends all that one read brought in one write.
    pub(super) fn movable_client_bytes(&mut self, key: usize, received: &[u8]) {
        let session = &mut self.movable[key];
        (session.heard, session.asked) = (self.now, false);
        let (carriage, to_server) = (session.carriage(), session.server_carriage());
        let mut frames = 0;
        let mut outgoing = std::mem::take(&mut self.outgoing);
        let mut input =
            std::mem::replace(&mut self.movable[key].input, Assembler::new(Side::Client));
        let buffer = input.take(received);
        let data = buffer.as_deref().unwrap_or(received);
        let (mut consumed, mut forwarded) = (0, 0);
        loop {
            let (piece, length) = match input.next(&data[consumed..], self.message_bytes_max) {
                Ok(Some(found)) => found,
                Ok(None) => break,
                Err(violation) => {
                    self.shared
                        .metrics
                        .frames_refused
                        .with_label_values(&[&violation.to_string()])
                        .inc();
                    self.movable_forward(key, &mut outgoing, &mut forwarded);
                    self.movable_refuse(key, violation.close_code(), violation.to_string());
                    break;
                }
            };
            consumed += length;
            frames += 1;
            match piece {
                Piece::Part => continue,
                Piece::Control(Opcode::Close, payload) => {
                    self.movable_forward(key, &mut outgoing, &mut forwarded);
                    match parse_close(&payload) {
                        Ok(close) => {
                            self.movable_client_ended(key, close.code, close.reason.to_owned());
                        }
                        Err(violation) => {
                            let reason = violation.to_string();
                            self.movable_refuse(key, violation.close_code(), reason);
                        }
                    }
                    break;
                }
                Piece::Control(Opcode::Ping, payload) => {
                    self.movable_pong(key, &payload);
                    continue;
                }
                Piece::Control(..) => continue,
                Piece::Whole(..) | Piece::Joined(..) => {}
            }
            let message = match carriage.read(&piece) {
                Read::Message(message) => message,
                Read::Control(tag, body) => {
                    self.movable_forward(key, &mut outgoing, &mut forwarded);
                    if let Err((code, reason)) = self.stream_control(key, tag, &body) {
                        self.movable_refuse(key, code, reason);
                        break;
                    }
                    continue;
                }
                Read::Fault(reason) => {
                    self.movable_forward(key, &mut outgoing, &mut forwarded);
                    self.movable_refuse(key, CloseCode::PROTOCOL_ERROR, reason.to_owned());
                    break;
                }
            };
            // Behind a tag no library looks at a text any more: here is the end of the client's WebSocket.
            if (carriage, to_server) != (Carriage::Bare, Carriage::Bare) && !message.is_valid() {
                self.movable_forward(key, &mut outgoing, &mut forwarded);
                let reason = "a text that is not utf-8".to_owned();
                self.movable_refuse(key, CloseCode::INVALID_PAYLOAD, reason);
                break;
            }
            if !self.mirrors.is_empty() {
                self.mirror_message(key, &message);
            }
            if self.shared.tap.is_on() {
                self.movable_tapped(key, Direction::In, &message);
            }
            self.stream_received(key);
            if self.movable_names(key, &message) {
                self.movable_forward(key, &mut outgoing, &mut forwarded);
                let mask = self.mask();
                let entrance = self.movable_enters(key, || {
                    let mut waiting = Vec::new();
                    to_server.write(message, Some(mask), &mut waiting);
                    waiting
                });
                if entrance != Entrance::Open {
                    break;
                }
            }
            if let Some(position) = self.movable_look(key, &message) {
                // Earlier messages belong to whoever is the authority before this one is looked at.
                self.movable_forward(key, &mut outgoing, &mut forwarded);
                self.step(key, position);
                self.settle_machines();
            }
            let mask = self.mask();
            let Some(session) = self.movable.get_mut(key) else {
                break;
            };
            session.about.messages_in += 1;
            self.tally.messages_in += 1;
            if session.machine.forwards().is_some() {
                let start = outgoing.len();
                to_server.write(message, Some(mask), &mut outgoing);
                forwarded += 1;
                if to_server == Carriage::Bare {
                    self.join_record(key, &outgoing[start..]);
                }
            } else {
                self.movable_forward(key, &mut outgoing, &mut forwarded);
                let mut input = Vec::new();
                to_server.write(message, Some(mask), &mut input);
                self.step(key, Event::Input(input.into_boxed_slice()));
                self.settle_machines();
            }
        }
        self.tally.bytes_in += received.len() as u64;
        self.movable_forward(key, &mut outgoing, &mut forwarded);
        let mut allowed = true;
        if let Some(session) = self.movable.get_mut(key) {
            input.keep(consumed, buffer, received);
            session.unfinished = input.unfinished().then(|| {
                session
                    .unfinished
                    .filter(|_| frames == 0)
                    .unwrap_or(self.now)
            });
            session.input = input;
            allowed = session
                .allowance
                .take(self.rates, self.now, frames, received.len() as u64);
        }
        if !allowed {
            self.movable_refuse(
                key,
                CloseCode::POLICY,
                "too many messages or bytes a second".to_owned(),
            );
        }
        self.outgoing = outgoing;
    }

    /// Sends gathered messages to the authority.
    fn movable_forward(&mut self, key: usize, outgoing: &mut Vec<u8>, messages: &mut u64) {
        if *messages == 0 {
            return;
        }
        if let Some(session) = self.movable.get_mut(key)
            && let Some(link) = session.machine.forwards()
        {
            session.machine.forwarded(*messages);
            self.switch_asked(key);
            self.link_send(key, link, outgoing);
        }
        outgoing.clear();
        *messages = 0;
    }

    /// Reads a message's position where it is wanted.
    fn movable_look(&mut self, key: usize, message: &Message<'_>) -> Option<Event> {
        let session = self.movable.get_mut(key)?;
        let dialect = &session.about.world.dialect;
        if !dialect.skims() {
            return None;
        }
        if !session.machine.wants_position(self.now) {
            return None;
        }
        let mut prefix = [0; SKIM_BYTES_MAX];
        let (at, velocity) = dialect.position(message.look(&mut prefix), message.text)?;
        Some(Event::Position { at, velocity })
    }

    /// Looks after all movable sessions: messages that never end, clients that never read or are gone.
    pub(super) fn movable_sweep(&mut self) {
        let limits = &self.view.edge.limits;
        let (message_timeout, interval) = (*limits.message_timeout, *limits.ping_interval);
        let patience = interval + *limits.ping_timeout;
        let (mut over, mut silent, mut superseded) = (Vec::new(), Vec::new(), 0);
        for (key, session) in self
            .movable
            .iter_mut()
            .filter(|(_, session)| !session.ended)
        {
            self.waiting
                .note(session.input.queued_bytes(), session.client.backlog_bytes());
            let quiet = self.now.saturating_since(session.heard);
            let replaced = session.drop_superseded();
            if replaced > 0 {
                superseded += replaced;
                // There is room again for what the server has to say.
                let links = session.links.iter().map(|link| Again::Link(*link));
                self.again.extend(links);
            }
            if session
                .unfinished
                .is_some_and(|since| self.now.saturating_since(since) > message_timeout)
                && !session.paused
            {
                over.push((key, CloseCode::POLICY, "a message took too long to end"));
            } else if let Some(slow) = slow_client(
                &mut session.client,
                &mut session.stalled,
                &session.about.world,
            ) {
                over.push((key, CloseCode::TRY_AGAIN, slow));
            } else if session.asked && quiet > patience && !session.paused {
                over.push((key, CloseCode::GOING_AWAY, "no answer to a ping"));
            } else if !session.asked && quiet > interval {
                session.asked = true;
                silent.push(key);
            }
        }
        self.shared.metrics.states_replaced.inc_by(superseded);
        for (key, code, reason) in over {
            self.movable_refuse(key, code, reason.to_owned());
        }
        let ping = control_frame(Opcode::Ping, b"", None);
        for key in silent {
            self.movable_send_client(key, &ping);
        }
    }

    /// Answers a ping. A client that sends pings and does not read has its pongs left out, as RFC 6455 allows for all
    /// but the last.
    fn movable_pong(&mut self, key: usize, payload: &[u8]) {
        let full = |session: &Movable| session.client.backlog_bytes() >= queue_bound(session);
        if self.movable.get(key).is_some_and(|session| !full(session)) {
            let pong = control_frame(Opcode::Pong, payload, None);
            self.movable_send_client(key, &pong);
        }
    }

    /// Closes a client for a reason of ours.
    pub(super) fn movable_refuse(&mut self, key: usize, code: CloseCode, reason: String) {
        // A client that is closing already is not closed once more.
        if self.movable.get(key).is_some_and(|session| !session.ended) {
            self.shared.metrics.closed(code.0, &reason);
        }
        self.movable_client_ended(key, code, reason);
    }

    /// The client has closed, or broke a rule: its machine settles and detaches, then it hears our close.
    fn movable_client_ended(&mut self, key: usize, code: CloseCode, reason: String) {
        let Some(session) = self.movable.get_mut(key) else {
            return;
        };
        session.ended = true;
        let serial = session.about.serial;
        session.farewell.get_or_insert((code, reason));
        let code = (code != CloseCode::NONE).then_some(code.0);
        self.happened
            .push_back((key, serial, Event::ClientClosed { code }));
    }

    /// Sends bytes to the client.
    pub(super) fn movable_send_client(&mut self, key: usize, bytes: &[u8]) {
        let Some(session) = self.movable.get_mut(key) else {
            return;
        };
        let token = Token::MovableClient(key).into();
        if session
            .client
            .send_frames(bytes, self.poll.registry(), token, &mut self.pool)
            .is_err()
        {
            self.movable_client_lost(key);
        }
    }

    /// The machine is through: the client hears its close, the links go once what waits on them has left.
    fn movable_finish(&mut self, key: usize) {
        let mut session = self.movable.remove(key);
        self.keys.remove(&session.about.id);
        self.switches.remove(&key);
        for link in std::mem::take(&mut session.links) {
            self.link_remove(link);
        }
        if let Some((code, reason)) = session.farewell.take() {
            let frame = control_frame(Opcode::Close, &close_payload(code, &reason), None);
            let token = Token::MovableClient(key).into();
            let _ = session
                .client
                .send(&frame, self.poll.registry(), token, &mut self.pool);
        }
        self.closing_insert(session.client);
        self.address_leave(&session.about);
        if let Some(player) = &session.player {
            self.state_kept(&session.about, player, session.machine.take_state());
            self.player_left(&session.about, player);
        }
        self.shared.directory_forget(session.about.id);
        self.session_ended();
    }

    /// Health has given a server up: the machines of its sessions hear of it.
    pub(super) fn server_down(&mut self, world: &str, server: ServerId, refused: bool) {
        for (key, session) in &self.movable {
            if *session.about.world.name == *world {
                self.happened.push_back((
                    key,
                    session.about.serial,
                    Event::ServerDown { server, refused },
                ));
            }
        }
    }
}
