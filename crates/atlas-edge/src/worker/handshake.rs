//! From an accepted connection to a session: the client's request head, the choice of a server, the dial, two 101s.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use atlas_base::SessionId;
use atlas_wire::frame::RESERVED_1;
use atlas_wire::proxy::{self, Proxied};
use atlas_wire::upgrade::{
    Forwarding, Head, Limits, ParsedHead, Refusal, Switched, WebSocketKey, accept, client_address,
    respond,
};
use atlas_world::ServerId;
use mio::net::TcpStream;
use rand::RngExt as _;

use super::allowance::Allowance;
use super::dial::{Dial, DialFailure, DialFor, DialOwner};
use super::movable::Joined;
use super::plain::{About, Plain};
use super::socket::{Received, Socket};
use super::timers::Timer;
use super::{Token, Worker};
use crate::placement::Seeker;
use crate::servers::{Speaks, World};

/// How many servers are dialled for one new player before the player is refused.
const DIALS_MAX: usize = 4;

/// A connection that is not a WebSocket yet.
pub(super) struct Handshake {
    serial: u32,
    socket: Socket,
    /// The other end of the connection; once a proxy has spoken for it, whoever the proxy names.
    peer: SocketAddr,
    /// A trusted proxy's header comes before the request.
    awaits_proxy: bool,
    buffer: Vec<u8>,
    asked: Option<Asked>,
}

/// What a client asked for, once its head is whole.
struct Asked {
    head: Arc<Head>,
    key: WebSocketKey,
    forwarding: Forwarding,
    /// Whether it counts among its address's connections.
    counted: bool,
    world: Arc<World>,
    session: SessionId,
    tried: Vec<ServerId>,
    dial: Option<usize>,
}

impl Worker {
    /// Takes a new connection in.
    pub(super) fn handshake_begin(&mut self, stream: TcpStream, peer: SocketAddr) {
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
            peer,
            awaits_proxy: self.view.edge.proxy_protocol && self.shared.trusts(peer.ip()),
            buffer: Vec::new(),
            asked: None,
        });
        let timeout = *self.view.edge.limits.handshake_timeout;
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

    /// Those who are not joined yet look for a server in the newest view.
    pub(super) fn handshakes_renew(&mut self) {
        for (_, handshake) in &mut self.handshakes {
            if let Some(asked) = &mut handshake.asked
                && let Some(world) = self.view.world(&asked.world.name)
            {
                asked.world = Arc::clone(world);
            }
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
                    if handshake.awaits_proxy {
                        match proxy::parse(&handshake.buffer) {
                            Ok(Proxied::Incomplete) => continue,
                            Ok(Proxied::Complete(client, length)) => {
                                handshake.peer = client.unwrap_or(handshake.peer);
                                handshake.awaits_proxy = false;
                                handshake.buffer.drain(..length);
                            }
                            Err(error) => {
                                tracing::warn!(peer = %handshake.peer, %error, "a trusted proxy did not say who its client is");
                                return self.handshake_drop(key);
                            }
                        }
                    }
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
        let origins = &self.view.edge.limits.origins;
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
        let peer = handshake.peer.ip().to_canonical();
        let client = client_address(head.fields(), peer, |address| self.shared.trusts(address));
        let Some(counted) = self.shared.address_enter(client) else {
            return self.handshake_respond(key, 429, "too many connections from your address\n");
        };
        let peer_trusted = self.shared.trusts(peer);
        handshake.asked = Some(Asked {
            head: Arc::new(head),
            key: websocket_key,
            forwarding: Forwarding {
                peer,
                client,
                peer_trusted,
                secure: false,
            },
            counted,
            world,
            session: SessionId::from_u128(self.random.random()),
            tried: Vec::new(),
            dial: None,
        });
        self.handshake_place(key);
    }

    /// Chooses a server that was not tried yet, and dials it.
    pub(super) fn handshake_place(&mut self, key: usize) {
        let Some(handshake) = self.handshakes.get_mut(key) else {
            return;
        };
        let Some(asked) = &mut handshake.asked else {
            return;
        };
        let world = asked.world.clone();
        let chosen = if asked.tried.len() < DIALS_MAX {
            // Nobody knows yet who the player is; the address is what stays the same.
            let client = asked.forwarding.client.to_string();
            let hash_key = atlas_balance::hash_key(client.as_bytes());
            let seeker = Seeker {
                at: None,
                key: Some(hash_key),
                split: world.split_for(hash_key),
                location: world.globe.locate(&asked.head, &asked.forwarding),
            };
            self.placement
                .choose(&world, &asked.tried, &seeker, self.random.random())
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
            forwarding: asked.forwarding,
            world,
            server,
        };
        self.handshake_dial(key, order);
    }

    pub(super) fn handshake_dial(&mut self, key: usize, order: DialFor) {
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

    pub(super) fn handshake_respond(&mut self, key: usize, status: u16, text: &str) {
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
        if let Some(asked) = &handshake.asked {
            self.shared
                .address_leave(asked.counted, asked.forwarding.client);
        }
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

    /// The dial came to nothing: another server is tried, unless this one's answer was meant for the client.
    pub(super) fn handshake_dial_failed(&mut self, key: usize, failure: DialFailure) {
        if let Some(asked) = self
            .handshakes
            .get_mut(key)
            .and_then(|handshake| handshake.asked.as_mut())
        {
            asked.dial = None;
        }
        match failure {
            // A server that says no to this client would say so again, and so may the next: it is the answer.
            DialFailure::Status(status @ 400..=499) => {
                self.handshake_respond(key, status, "the game server refused this request\n");
            }
            _ => self.handshake_place(key),
        }
    }

    /// The server is joined: answers the client and makes the session.
    pub(super) fn handshake_joined(
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
            peer,
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
        let (atlas, subprotocol) = (answered.atlas, answered.token);
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
            self.shared
                .address_leave(asked.counted, asked.forwarding.client);
            return self.session_ended();
        }
        self.serial = self.serial.wrapping_add(1);
        let about = About {
            id: asked.session,
            serial: self.serial,
            world: asked.world,
            server: dial.server,
            address: if asked.forwarding.client == peer.ip().to_canonical() {
                peer
            } else {
                SocketAddr::new(asked.forwarding.client, 0)
            },
            path: self.path(asked.head.path()),
            counted: asked.counted,
            since: self.now,
            messages_in: 0,
            messages_out: 0,
        };
        self.shared
            .metrics
            .sessions_begun
            .with_label_values(&[&*about.world.name])
            .inc();
        self.mirror_begin(&about, &asked.head, asked.forwarding);
        if cooperative || atlas || about.world.handles_messages() {
            return self.movable_begin(Joined {
                client: socket,
                link: dial.socket,
                about,
                head: asked.head,
                forwarding: asked.forwarding,
                atlas,
                cooperative,
                subprotocol: switched.subprotocol().map(Into::into),
                behind,
            });
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
        let allowance = Allowance::new(self.rates, self.now);
        let key = self
            .plain
            .insert(Plain::new(client, link, about, reserved, allowance));
        let session = &mut self.plain[key];
        let registry = self.poll.registry();
        let renamed = session
            .client
            .rename(registry, Token::PlainClient(key).into())
            .and_then(|()| session.link.rename(registry, Token::PlainLink(key).into()));
        if renamed.is_err() {
            let session = self.plain.remove(key);
            self.address_leave(&session.about);
            server.release();
            return self.session_ended();
        }
        // A plain session's pings are the two ends' own matter; that one of them is gone, the kernel finds out.
        let limits = &self.view.edge.limits;
        let _ = session
            .client
            .keep_alive(*limits.ping_interval, *limits.ping_timeout);
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

    /// Counts a session's connection out of its address's; nothing more of it is copied.
    pub(super) fn address_leave(&mut self, about: &About) {
        self.mirror_end(about.id);
        self.shared.address_leave(about.counted, about.address.ip());
    }

    /// Counts a connection that is gone, and lets the next one in.
    pub(super) fn session_ended(&mut self) {
        self.shared.connections.fetch_sub(1, Ordering::Relaxed);
        self.shared.loads[self.index].fetch_sub(1, Ordering::Relaxed);
    }
}
