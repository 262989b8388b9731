//! Dials: connections to game servers on their way to become links.

use std::io;
use std::sync::Arc;

use atlas_base::{Moment, SessionId};
use atlas_wire::upgrade::{
    BadAnswer, Forwarding, Head, Limits, LinkAnswer, LinkHeaders, LinkKind, ServerAnswer,
    ServerRequest, Switched,
};
use atlas_world::LinkId;
use mio::net::TcpStream;
use rand::RngExt as _;

use super::socket::{Received, Socket};
use super::timers::Timer;
use super::{Token, Worker};
use crate::config::LinkMode;
use crate::servers::{Server, Speaks, World};

/// A connection to a game server that is not a link yet.
pub(super) struct Dial {
    serial: u32,
    pub(super) socket: Socket,
    connected: bool,
    world: Arc<World>,
    pub(super) server: Arc<Server>,
    head: Arc<Head>,
    forwarding: Forwarding,
    session: SessionId,
    player: Option<Arc<str>>,
    key: [u8; 16],
    asks_link: bool,
    begun: Moment,
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
    pub(super) forwarding: Forwarding,
    pub(super) session: SessionId,
    pub(super) player: Option<Arc<str>>,
    pub(super) asks_link: bool,
    pub(super) owner: DialOwner,
}

impl Dial {
    /// Runs `act` on the request; it is rebuilt because it borrows from the head.
    fn with_request<T>(&self, node: &str, act: impl FnOnce(&ServerRequest<'_>) -> T) -> T {
        let subprotocols = self.head.subprotocols().of_game();
        let host = self.server.address.authority();
        let authorization = self.world.authorization.as_deref();
        let extra = authorization
            .filter(|_| self.asks_link)
            .map(|it| [("Authorization", it.reveal().as_str())]);
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
            // What is read here must not be packed, and a session that may move cannot keep an inflater's window.
            deflate: !self.world.dialect.skims()
                && !self.head.subprotocols().offers_atlas()
                && self.world.config.mirror.server.is_empty(),
            forwarding: Some(self.forwarding),
            link: self.asks_link.then_some(LinkHeaders {
                kind: LinkKind::Session(self.session),
                world: &self.world.name,
                player: self.player.as_deref(),
                node,
            }),
            extra: extra.as_ref().map_or(&[], |it| &it[..]),
        })
    }

    /// Whether the link token took the place of the player's own `Authorization`, which a plain server may want.
    fn hides_authorization(&self) -> bool {
        self.asks_link
            && self.world.authorization.is_some()
            && self.head.fields().count("authorization") > 0
    }
}

impl Worker {
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
            forwarding: order.forwarding,
            session: order.session,
            player: order.player,
            key: self.random.random(),
            asks_link: order.asks_link,
            begun: self.now,
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
                // A plain server may have wanted the player's own.
                Ok(ServerAnswer::Refused { status: 401 | 403 })
                    if dial.hides_authorization() && dial.server.config.link == LinkMode::Auto =>
                {
                    return self.dial_again_plain(key);
                }
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
        let took = self.shared.now().saturating_since(dial.begun);
        let histogram = &self.shared.metrics.dial_seconds;
        histogram
            .with_label_values(&[&dial.world.name])
            .observe(took.as_secs_f64());
        if dial.asks_link {
            match (switched.link, dial.server.config.link) {
                (LinkAnswer::Cooperative, _) => dial.server.learn(Speaks::Cooperative),
                (_, LinkMode::Cooperative) => {
                    return self.dial_failed(key, DialFailure::NotCooperative);
                }
                (LinkAnswer::Plain, _) if !dial.hides_authorization() => {
                    dial.server.learn(Speaks::Plain)
                }
                (LinkAnswer::Plain | LinkAnswer::Echoed, _) => {
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
            DialOwner::Movable { key, serial, link }
                if self.movable_accepts(key, &switched, cooperative) =>
            {
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
            forwarding: dial.forwarding,
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
                self.handshake_dial_failed(key, failure);
            }
            DialOwner::Movable { key, serial, link } => {
                self.movable_dial_failed(key, serial, link, refused)
            }
        }
    }
}
