//! From an accepted connection to a session: the client's request head, the choice of a server, the dial, two 101s.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use atlas_base::SessionId;
use atlas_wire::frame::RESERVED_1;
use atlas_wire::upgrade::{
    BadAnswer, Forwarding, Head, Limits, LinkAnswer, LinkHeaders, LinkKind, ParsedHead, Refusal,
    ServerAnswer, ServerRequest, Switched, WebSocketKey, accept, respond,
};
use atlas_world::{LinkId, ServerId};
use mio::net::TcpStream;
use rand::RngExt as _;

use super::plain::{About, Plain};
use super::socket::{Received, Socket};
use super::timers::Timer;
use super::{Token, Worker};
use crate::config::LinkMode;
use crate::servers::{Server, Speaks, World};

/// How many servers are dialled for one new player before the player is refused.
const DIALS_MAX: usize = 4;

/// A connection that is not a WebSocket yet.
pub(super) struct Handshake {
    serial: u32,
    socket: Socket,
    address: SocketAddr,
    buffer: Vec<u8>,
    asked: Option<Asked>,
}

/// What a client asked for, once its head is whole.
struct Asked {
    head: Arc<Head>,
    key: WebSocketKey,
    world: Arc<World>,
    session: SessionId,
    tried: Vec<ServerId>,
    dial: Option<usize>,
}

/// A connection to a game server that is not a link yet.
pub(super) struct Dial {
    serial: u32,
    socket: Socket,
    connected: bool,
    world: Arc<World>,
    server: Arc<Server>,
    head: Arc<Head>,
    address: SocketAddr,
    session: SessionId,
    player: Option<String>,
    key: [u8; 16],
    asks_link: bool,
    buffer: Vec<u8>,
    owner: DialOwner,
}

/// Who waits for a dial.
#[derive(Clone, Copy, Debug)]
pub(super) enum DialOwner {
    /// A client that is not joined to a server yet; its place at the server is taken.
    Handshake { key: usize },
    /// A session's machine.
    Movable {
        key: usize,
        serial: u32,
        link: LinkId,
    },
}

/// Why a dial came to nothing.
#[derive(Clone, Copy, Debug, thiserror::Error)]
pub(super) enum DialFailure {
    #[error("nobody listens there")]
    Refused,
    #[error("no answer in time")]
    TimedOut,
    #[error("the connection failed")]
    Broken,
    #[error("the server answered {0}")]
    Status(u16),
    #[error("{0}")]
    BadAnswer(BadAnswer),
    #[error("the server does not speak atlas.link.v1")]
    NotCooperative,
}

/// What a dial needs to know of its session.
pub(super) struct DialFor {
    pub(super) world: Arc<World>,
    pub(super) server: Arc<Server>,
    pub(super) head: Arc<Head>,
    pub(super) address: SocketAddr,
    pub(super) session: SessionId,
    pub(super) player: Option<String>,
    pub(super) asks_link: bool,
    pub(super) owner: DialOwner,
}

impl Dial {
    /// Runs `act` on the request; it is rebuilt because it borrows from the head.
    fn with_request<T>(&self, node: &str, act: impl FnOnce(&ServerRequest<'_>) -> T) -> T {
        let subprotocols = self.head.subprotocols().of_game();
        let host = self.server.address.authority();
        act(&ServerRequest {
            target: self
                .server
                .address
                .path
                .as_deref()
                .unwrap_or(self.head.target()),
            host: &host,
            key: &self.key,
            head: Some(&self.head),
            subprotocols: &subprotocols,
            // What a dialect reads must not be packed, and a session that may move cannot keep an inflater's window.
            deflate: !self.world.dialect.skims(),
            forwarding: Some(Forwarding {
                peer: self.address.ip(),
                client: self.address.ip(),
                peer_trusted: false,
                secure: false,
            }),
            link: self.asks_link.then_some(LinkHeaders {
                kind: LinkKind::Session(self.session),
                world: &self.world.name,
                player: self.player.as_deref(),
                node,
            }),
            extra: &[],
        })
    }
}

impl Worker {
    /// Takes a new connection in.
    pub(super) fn handshake_begin(&mut self, stream: TcpStream, address: SocketAddr) {
        // Small frames are worth nothing late; a kernel that cannot do it is slower, not wrong.
        let _ = stream.set_nodelay(true);
        let entry = self.handshakes.vacant_entry();
        let key = entry.key();
        let Ok(socket) = Socket::open(stream, self.poll.registry(), Token::Handshake(key).into())
        else {
            self.session_ended();
            return;
        };
        self.serial = self.serial.wrapping_add(1);
        let serial = self.serial;
        entry.insert(Handshake {
            serial,
            socket,
            address,
            buffer: Vec::new(),
            asked: None,
        });
        let timeout = *self.shared.edge.limits.handshake_timeout;
        self.timers
            .set(self.now + timeout, Timer::Handshake { key, serial });
        self.handshake_readable(key);
    }

    pub(super) fn handshake_event(&mut self, key: usize, event: &mio::event::Event) {
        if let Some(handshake) = self.handshakes.get_mut(key) {
            handshake.socket.note(event);
            self.handshake_readable(key);
        }
    }

    fn handshake_readable(&mut self, key: usize) {
        loop {
            let Some(handshake) = self.handshakes.get_mut(key) else {
                return;
            };
            if !handshake.socket.may_read() {
                return;
            }
            match handshake.socket.receive(&mut self.scratch) {
                Received::Bytes(_) if handshake.asked.is_some() => {
                    // Nothing may come before our 101, and nothing of it goes on to a server.
                    return self.handshake_refuse(
                        key,
                        Refusal::Malformed("bytes behind the request head"),
                    );
                }
                Received::Bytes(length) => {
                    handshake.buffer.extend_from_slice(&self.scratch[..length]);
                    match Head::parse(&handshake.buffer, &Limits::default()) {
                        Ok(ParsedHead::Incomplete) => {}
                        Ok(ParsedHead::Complete(head, length)) => {
                            let behind = handshake.buffer.len() > length;
                            handshake.buffer = Vec::new();
                            self.handshake_asked(key, head, behind);
                        }
                        Err(refusal) => return self.handshake_refuse(key, refusal),
                    }
                }
                Received::Blocked => return,
                Received::End | Received::Broken => return self.handshake_drop(key),
            }
        }
    }

    /// The head is whole: answers what is no WebSocket, or chooses a server.
    fn handshake_asked(&mut self, key: usize, head: Head, behind: bool) {
        if !head.wants_websocket() && head.method() == "GET" && head.path() == "/health" {
            return self.handshake_respond(key, 200, "OK");
        }
        if behind {
            return self.handshake_refuse(key, Refusal::Malformed("bytes behind the request head"));
        }
        let websocket_key = match head.websocket() {
            Ok(key) => key,
            Err(refusal) => return self.handshake_refuse(key, refusal),
        };
        let origins = &self.shared.edge.limits.origins;
        if let Some(origin) = head.origin()
            && !origins.is_empty()
            && !origins
                .iter()
                .any(|known| known.eq_ignore_ascii_case(origin))
        {
            return self.handshake_respond(key, 403, "this origin may not connect\n");
        }
        let Some(world) = self.view.route(head.host(), head.target()).cloned() else {
            return self.handshake_respond(
                key,
                404,
                "no world is served under this host and path\n",
            );
        };
        let Some(handshake) = self.handshakes.get_mut(key) else {
            return;
        };
        handshake.asked = Some(Asked {
            head: Arc::new(head),
            key: websocket_key,
            world,
            session: SessionId::from_u128(self.random.random()),
            tried: Vec::new(),
            dial: None,
        });
        self.handshake_place(key);
    }

    /// Chooses a server that was not tried yet, and dials it.
    fn handshake_place(&mut self, key: usize) {
        let Some(handshake) = self.handshakes.get_mut(key) else {
            return;
        };
        let address = handshake.address;
        let Some(asked) = &mut handshake.asked else {
            return;
        };
        let world = asked.world.clone();
        let chosen = if asked.tried.len() < DIALS_MAX {
            let hash_key = atlas_balance::hash_key(address.ip().to_string().as_bytes());
            self.placement.choose(
                &world,
                &asked.tried,
                None,
                Some(hash_key),
                self.random.random(),
            )
        } else {
            None
        };
        let Some(server) = chosen
            .and_then(|id| world.server(id))
            .filter(|server| server.reserve())
            .cloned()
        else {
            self.shared
                .metrics
                .placements_refused
                .with_label_values(&[&*world.name])
                .inc();
            return self.handshake_respond(
                key,
                503,
                "no game server can take you now, try again soon\n",
            );
        };
        asked.tried.push(server.id);
        let order = DialFor {
            asks_link: server.speaks() != Speaks::Plain,
            head: asked.head.clone(),
            session: asked.session,
            player: None,
            owner: DialOwner::Handshake { key },
            world,
            server,
            address,
        };
        self.handshake_dial(key, order);
    }

    fn handshake_dial(&mut self, key: usize, order: DialFor) {
        let server = order.server.clone();
        match self.dial(order) {
            Ok(dial) => {
                if let Some(asked) = self
                    .handshakes
                    .get_mut(key)
                    .and_then(|handshake| handshake.asked.as_mut())
                {
                    asked.dial = Some(dial);
                }
            }
            Err(_) => {
                server.release();
                self.handshake_place(key);
            }
        }
    }

    fn handshake_refuse(&mut self, key: usize, refusal: Refusal) {
        let mut answer = Vec::new();
        refusal.write(&mut answer);
        self.handshake_answer(key, refusal.status(), &answer);
    }

    fn handshake_respond(&mut self, key: usize, status: u16, text: &str) {
        let mut answer = Vec::new();
        respond(&mut answer, status, &[], text);
        self.handshake_answer(key, status, &answer);
    }

    fn handshake_answer(&mut self, key: usize, status: u16, answer: &[u8]) {
        if status != 200 {
            self.shared
                .metrics
                .handshakes_refused
                .with_label_values(&[&status.to_string()])
                .inc();
        }
        let Some(mut handshake) = self.handshake_take(key) else {
            return;
        };
        let _ = handshake.socket.send(
            answer,
            self.poll.registry(),
            Token::Handshake(key).into(),
            &mut self.pool,
        );
        handshake.socket.end();
        self.closing_insert(handshake.socket);
        self.session_ended();
    }

    fn handshake_drop(&mut self, key: usize) {
        if self.handshake_take(key).is_some() {
            self.session_ended();
        }
    }

    /// Takes a handshake out, and gives its dial up.
    fn handshake_take(&mut self, key: usize) -> Option<Handshake> {
        let handshake = self.handshakes.try_remove(key)?;
        if let Some(dial) = handshake.asked.as_ref().and_then(|asked| asked.dial)
            && let Some(dial) = self.dials.try_remove(dial)
        {
            dial.server.release();
        }
        Some(handshake)
    }

    pub(super) fn handshake_timeout(&mut self, key: usize, serial: u32) {
        if self
            .handshakes
            .get(key)
            .is_some_and(|handshake| handshake.serial == serial)
        {
            self.handshake_respond(key, 408, "the request took too long\n");
        }
    }

    /// Refuses everybody who is not a session yet; the edge is stopping.
    pub(super) fn handshakes_stop(&mut self) {
        let keys: Vec<usize> = self.handshakes.iter().map(|(key, _)| key).collect();
        for key in keys {
            self.handshake_respond(key, 503, "this edge is stopping, connect again\n");
        }
    }

    /// Begins a dial. The server's place is the caller's to give back.
    pub(super) fn dial(&mut self, order: DialFor) -> io::Result<usize> {
        let stream = TcpStream::connect(order.server.target)?;
        let _ = stream.set_nodelay(true);
        let entry = self.dials.vacant_entry();
        let key = entry.key();
        let socket = Socket::connecting(stream, self.poll.registry(), Token::Dial(key).into())?;
        self.serial = self.serial.wrapping_add(1);
        let serial = self.serial;
        let timeout = *order.world.config.transfer.dial_timeout;
        entry.insert(Dial {
            serial,
            socket,
            connected: false,
            world: order.world,
            server: order.server,
            head: order.head,
            address: order.address,
            session: order.session,
            player: order.player,
            key: self.random.random(),
            asks_link: order.asks_link,
            buffer: Vec::new(),
            owner: order.owner,
        });
        self.timers
            .set(self.now + timeout, Timer::Dial { key, serial });
        Ok(key)
    }

    pub(super) fn dial_timeout(&mut self, key: usize, serial: u32) {
        if self
            .dials
            .get(key)
            .is_some_and(|dial| dial.serial == serial)
        {
            self.dial_failed(key, DialFailure::TimedOut);
        }
    }

    /// Gives a machine's dial up.
    pub(super) fn dial_forget(&mut self, owner: usize, link: LinkId) {
        let dial = self.dials.iter().find_map(|(key, dial)| match dial.owner {
            DialOwner::Movable {
                key: session,
                link: id,
                ..
            } if session == owner && id == link => Some(key),
            _ => None,
        });
        if let Some(key) = dial {
            self.dials.remove(key);
        }
    }

    pub(super) fn dial_event(&mut self, key: usize, event: &mio::event::Event) {
        let Some(dial) = self.dials.get_mut(key) else {
            return;
        };
        dial.socket.note(event);
        if !dial.connected {
            match dial
                .socket
                .connected(self.poll.registry(), Token::Dial(key).into())
            {
                Ok(true) => {}
                Ok(false) => return,
                Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {
                    return self.dial_failed(key, DialFailure::Refused);
                }
                Err(_) => return self.dial_failed(key, DialFailure::Broken),
            }
            dial.connected = true;
            let mut request = Vec::new();
            let dial = &self.dials[key];
            if dial
                .with_request(&self.shared.node, |shape| shape.write(&mut request))
                .is_err()
            {
                // The head was checked when it came, so only a server's own address could bring this about.
                return self.dial_failed(key, DialFailure::Broken);
            }
            let dial = &mut self.dials[key];
            if dial
                .socket
                .send(
                    &request,
                    self.poll.registry(),
                    Token::Dial(key).into(),
                    &mut self.pool,
                )
                .is_err()
            {
                return self.dial_failed(key, DialFailure::Broken);
            }
        } else if event.is_writable()
            && dial
                .socket
                .flush(
                    self.poll.registry(),
                    Token::Dial(key).into(),
                    &mut self.pool,
                )
                .is_err()
        {
            return self.dial_failed(key, DialFailure::Broken);
        }
        self.dial_readable(key);
    }

    fn dial_readable(&mut self, key: usize) {
        loop {
            let Some(dial) = self.dials.get_mut(key) else {
                return;
            };
            if !dial.socket.may_read() {
                return;
            }
            match dial.socket.receive(&mut self.scratch) {
                Received::Bytes(length) => dial.buffer.extend_from_slice(&self.scratch[..length]),
                Received::Blocked => return,
                Received::End | Received::Broken => {
                    return self.dial_failed(key, DialFailure::Broken);
                }
            }
            let parsed = dial.with_request(&self.shared.node, |request| {
                ServerAnswer::parse(&dial.buffer, &Limits::default(), request)
            });
            match parsed {
                Ok(ServerAnswer::Incomplete) => {}
                Ok(ServerAnswer::Refused { status }) => {
                    return self.dial_failed(key, DialFailure::Status(status));
                }
                Err(error) => return self.dial_failed(key, DialFailure::BadAnswer(error)),
                Ok(ServerAnswer::Switched(switched, length)) => {
                    return self.dial_switched(key, switched, length);
                }
            }
        }
    }

    /// The server has answered 101.
    fn dial_switched(&mut self, key: usize, switched: Switched, length: usize) {
        let dial = &self.dials[key];
        if dial.asks_link {
            match (switched.link, dial.server.config.link) {
                (LinkAnswer::Cooperative, _) => dial.server.learn(Speaks::Cooperative),
                (_, LinkMode::Cooperative) => {
                    return self.dial_failed(key, DialFailure::NotCooperative);
                }
                (LinkAnswer::Plain, _) => dial.server.learn(Speaks::Plain),
                (LinkAnswer::Echoed, _) => {
                    dial.server.learn(Speaks::Plain);
                    return self.dial_again_plain(key);
                }
            }
        }
        let cooperative = switched.link == LinkAnswer::Cooperative;
        let mut dial = self.dials.remove(key);
        let behind = dial.buffer.split_off(length);
        match dial.owner {
            DialOwner::Handshake { key } => {
                self.handshake_joined(key, dial, &switched, &behind, cooperative)
            }
            DialOwner::Movable { key, serial, link } if cooperative => {
                self.movable_link_opened(key, serial, link, dial.server, dial.socket, &behind);
            }
            DialOwner::Movable { key, serial, link } => {
                self.movable_dial_failed(key, serial, link, false)
            }
        }
    }

    /// Dials the same server again without offering a link; it took the offer without knowing what it means.
    fn dial_again_plain(&mut self, key: usize) {
        let dial = self.dials.remove(key);
        let DialOwner::Handshake { key } = dial.owner else {
            if let DialOwner::Movable { key, serial, link } = dial.owner {
                self.movable_dial_failed(key, serial, link, false);
            }
            return;
        };
        let order = DialFor {
            world: dial.world,
            server: dial.server,
            head: dial.head,
            address: dial.address,
            session: dial.session,
            player: dial.player,
            asks_link: false,
            owner: dial.owner,
        };
        self.handshake_dial(key, order);
    }

    fn dial_failed(&mut self, key: usize, failure: DialFailure) {
        let Some(dial) = self.dials.try_remove(key) else {
            return;
        };
        tracing::debug!(server = %dial.server.config.name, world = %dial.world.name, %failure, "a dial failed");
        self.shared
            .metrics
            .dials_failed
            .with_label_values(&[&*dial.world.name, &dial.server.config.name])
            .inc();
        let refused = matches!(failure, DialFailure::Refused);
        self.shared.observe_dial(
            &dial.world,
            &dial.server,
            refused,
            matches!(failure, DialFailure::TimedOut),
        );
        match dial.owner {
            DialOwner::Handshake { key } => {
                dial.server.release();
                if let Some(asked) = self
                    .handshakes
                    .get_mut(key)
                    .and_then(|handshake| handshake.asked.as_mut())
                {
                    asked.dial = None;
                }
                // A server that says no to this client would say so again, and so may the next: it is the answer.
                match failure {
                    DialFailure::Status(status @ 400..=499) => {
                        self.handshake_respond(
                            key,
                            status,
                            "the game server refused this request\n",
                        );
                    }
                    _ => self.handshake_place(key),
                }
            }
            DialOwner::Movable { key, serial, link } => {
                self.movable_dial_failed(key, serial, link, refused)
            }
        }
    }

    /// The server is joined: answers the client and makes the session.
    fn handshake_joined(
        &mut self,
        key: usize,
        dial: Dial,
        switched: &Switched,
        behind: &[u8],
        cooperative: bool,
    ) {
        let Some(handshake) = self.handshakes.try_remove(key) else {
            dial.server.release();
            return;
        };
        let Handshake {
            mut socket,
            address,
            asked,
            ..
        } = handshake;
        let Some(asked) = asked else { return };
        let offered = asked.head.subprotocols();
        let answered = if cooperative {
            offered.answer_cooperative()
        } else {
            offered.answer(switched.subprotocol())
        };
        // `atlas.v1` is not spoken yet: a client that asks for it alone learns so by the missing answer.
        let subprotocol = answered.token.filter(|_| !answered.atlas);
        let mut answer = Vec::new();
        accept(&mut answer, &asked.key, subprotocol, Some(switched));
        let sent = socket.send(
            &answer,
            self.poll.registry(),
            Token::Handshake(key).into(),
            &mut self.pool,
        );
        if sent.is_err() {
            dial.server.release();
            return self.session_ended();
        }
        self.serial = self.serial.wrapping_add(1);
        let about = About {
            id: asked.session,
            serial: self.serial,
            world: asked.world,
            server: dial.server,
            address,
            path: self.path(asked.head.path()),
            since: self.now,
            messages_in: 0,
            messages_out: 0,
        };
        self.shared
            .metrics
            .sessions_begun
            .with_label_values(&[&*about.world.name])
            .inc();
        if cooperative {
            return self.movable_begin(socket, dial.socket, about, asked.head, behind);
        }
        let reserved = if switched.deflate() { RESERVED_1 } else { 0 };
        self.plain_begin(socket, dial.socket, about, reserved, behind);
    }

    fn plain_begin(
        &mut self,
        client: Socket,
        link: Socket,
        about: About,
        reserved: u8,
        behind: &[u8],
    ) {
        let server = about.server.clone();
        let key = self.plain.insert(Plain::new(client, link, about, reserved));
        let session = &mut self.plain[key];
        let registry = self.poll.registry();
        let renamed = session
            .client
            .rename(registry, Token::PlainClient(key).into())
            .and_then(|()| session.link.rename(registry, Token::PlainLink(key).into()));
        if renamed.is_err() {
            self.plain.remove(key);
            server.release();
            return self.session_ended();
        }
        self.plain_behind(key, behind);
    }

    /// The path of a request as it is shown; clients mostly share one, so the last one is shared.
    fn path(&mut self, path: &str) -> Arc<str> {
        const SHOWN_BYTES_MAX: usize = 128;
        let path = &path[..path.floor_char_boundary(SHOWN_BYTES_MAX)];
        if *self.last_path != *path {
            self.last_path = path.into();
        }
        self.last_path.clone()
    }

    /// Counts a connection that is gone, and lets the next one in.
    pub(super) fn session_ended(&mut self) {
        self.shared.connections.fetch_sub(1, Ordering::Relaxed);
        self.shared.loads[self.index].fetch_sub(1, Ordering::Relaxed);
    }
}
