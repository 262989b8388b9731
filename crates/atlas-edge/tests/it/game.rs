//! A scripted cooperative game server: takes everybody, hands states over, speaks on its control link as told.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use atlas_edge::{LinkMode, RegionConfig, ServerConfig};
use atlas_testkit::{GameServer, Received, eventually};
use atlas_wire::link::{
    Address, Adopted, Attach, Attached, Carried, Checkpoint, Committed, ControlFromServer,
    ControlPong, ControlToServer, FromServer, Frozen, Pong, Send, ToServer,
};
use tokio_tungstenite::tungstenite::Message;

use crate::support::{server, soon};

pub(crate) struct Game {
    pub(crate) name: &'static str,
    pub(crate) server: GameServer,
    script: Arc<Script>,
}

#[derive(Default)]
struct Script {
    /// Answers no ping on its control link.
    ill: AtomicBool,
    /// Keeps its `frozen` back.
    holds: AtomicBool,
    held: Mutex<Vec<(usize, Message)>>,
    /// What came on control links besides pings.
    heard: Mutex<Vec<ControlToServer>>,
    /// What it answers to `drain`.
    on_drain: Mutex<Vec<ControlFromServer>>,
    /// The orders on session links, each with its connection's number.
    orders: Mutex<Vec<(usize, ToServer)>>,
}

fn pack(encode: impl FnOnce(&mut Vec<u8>)) -> Message {
    let mut bytes = Vec::new();
    encode(&mut bytes);
    Message::binary(bytes)
}

impl Script {
    fn answer(&self, name: &str, connection: usize, received: &Received) -> Vec<Message> {
        let Received::Binary(bytes) = received else {
            return Vec::new();
        };
        if bytes[0] != 0x02 {
            let echo = [&bytes[..1], name.as_bytes(), b":", &bytes[1..]].concat();
            return vec![Message::binary(echo)];
        }
        match ToServer::decode(&bytes[1..]) {
            // On which kind of link it came cannot be told, and these tests bring it about on control links only.
            Ok(ToServer::Unsupported(unsupported)) => self.hear(unsupported.into()),
            Ok(order) => self.obey(name, connection, order),
            Err(_) => self.hear(ControlToServer::decode(&bytes[1..]).unwrap()),
        }
    }

    fn obey(&self, name: &str, connection: usize, order: ToServer) -> Vec<Message> {
        self.orders
            .lock()
            .unwrap()
            .push((connection, order.clone()));
        let answer: FromServer = match order {
            ToServer::Attach(attach) => Attached {
                session: attach.session,
                epoch: attach.epoch,
                has_state: attach.carried.is_some(),
            }
            .into(),
            ToServer::Freeze(freeze) => Frozen {
                session: freeze.session,
                epoch: freeze.epoch,
                transfer: freeze.transfer,
                carried: Carried::Inline(Arc::from(name.as_bytes())),
                received: 0,
                sent: 0,
            }
            .into(),
            ToServer::Adopt(adopt) => Adopted {
                session: adopt.session,
                epoch: adopt.epoch,
                transfer: adopt.transfer,
            }
            .into(),
            ToServer::Commit(commit) => Committed {
                session: commit.session,
                epoch: commit.epoch,
                transfer: commit.transfer,
            }
            .into(),
            ToServer::Ping(ping) => Pong {
                session: ping.session,
                epoch: ping.epoch,
                at: ping.at,
            }
            .into(),
            _ => return Vec::new(),
        };
        let is_frozen = matches!(answer, FromServer::Frozen(_));
        let message = pack(|bytes| answer.encode(bytes));
        if is_frozen && self.holds.load(Ordering::Relaxed) {
            self.held.lock().unwrap().push((connection, message));
            return Vec::new();
        }
        vec![message]
    }

    fn hear(&self, order: ControlToServer) -> Vec<Message> {
        let answers = match &order {
            ControlToServer::ControlPing(_) if self.ill.load(Ordering::Relaxed) => {
                return Vec::new();
            }
            ControlToServer::ControlPing(ping) => {
                let pong = ControlFromServer::from(ControlPong { at: ping.at });
                return vec![pack(|bytes| pong.encode(bytes))];
            }
            ControlToServer::Drain(_) => self.on_drain.lock().unwrap().clone(),
            _ => Vec::new(),
        };
        self.heard.lock().unwrap().push(order);
        answers
            .iter()
            .map(|answer| pack(|bytes| answer.encode(bytes)))
            .collect()
    }
}

impl Game {
    pub(crate) async fn start(name: &'static str) -> Self {
        let script = Arc::new(Script::default());
        let answers = Arc::clone(&script);
        let server = GameServer::builder()
            .response_header("Sec-WebSocket-Protocol", "atlas.link.v1")
            .response_header("Atlas-Link", "v1")
            .answer(move |connection, received| answers.answer(name, connection, received))
            .start()
            .await
            .unwrap();
        Self {
            name,
            server,
            script,
        }
    }

    /// How the edge knows it: cooperative, so that its control link is opened at once.
    pub(crate) fn config(&self) -> ServerConfig {
        ServerConfig {
            link: LinkMode::Cooperative,
            ..server(self.name, &self.server.url())
        }
    }

    /// The same with a region.
    pub(crate) fn config_with_region(&self, min: f64, max: f64) -> ServerConfig {
        ServerConfig {
            region: Some(RegionConfig {
                min: [min, -1000.0, -1000.0],
                max: [max, 1000.0, 1000.0],
            }),
            ..self.config()
        }
    }

    /// The connections that were opened as control links so far.
    pub(crate) fn control_links(&self) -> Vec<usize> {
        let is_control = |number: &usize| {
            self.server.request_header(*number, "atlas-link").as_deref() == Some("control")
        };
        (0..self.server.opened()).filter(is_control).collect()
    }

    /// Waits until a control link is open.
    pub(crate) async fn linked(&self) {
        eventually(soon(), "a control link", || {
            !self.control_links().is_empty()
        })
        .await
        .unwrap();
    }

    /// Says something on its newest control link.
    pub(crate) fn say(&self, message: impl Into<ControlFromServer>) {
        let message = message.into();
        let link = *self.control_links().last().expect("a control link is open");
        self.server.send(link, pack(|bytes| message.encode(bytes)));
    }

    /// Sends a message to another server.
    pub(crate) fn send(&self, id: &str, to: Address, body: &str) {
        self.say(Send {
            id: id.to_owned(),
            to,
            body: body.to_owned(),
        });
    }

    /// What came on its control links besides pings.
    pub(crate) fn heard(&self) -> Vec<ControlToServer> {
        self.script.heard.lock().unwrap().clone()
    }

    /// The bodies of messages of other servers so far.
    pub(crate) fn received(&self) -> Vec<String> {
        let body = |message| match message {
            ControlToServer::Received(received) => Some(received.body),
            _ => None,
        };
        self.heard().into_iter().filter_map(body).collect()
    }

    /// Its messages that reached nobody: ids and reasons.
    pub(crate) fn undeliverable(&self) -> Vec<(String, String)> {
        let notice = |message| match message {
            ControlToServer::Undeliverable(notice) => Some((notice.id, notice.reason)),
            _ => None,
        };
        self.heard().into_iter().filter_map(notice).collect()
    }

    /// The orders on session links so far, each with its connection's number.
    pub(crate) fn orders(&self) -> Vec<(usize, ToServer)> {
        self.script.orders.lock().unwrap().clone()
    }

    /// The `attach`es so far, each with its connection's number.
    pub(crate) fn attaches(&self) -> Vec<(usize, Attach)> {
        let attach = |(connection, order)| match order {
            ToServer::Attach(attach) => Some((connection, attach)),
            _ => None,
        };
        self.orders().into_iter().filter_map(attach).collect()
    }

    /// Gives a state of the player whom it was attached last, as of `received` messages.
    pub(crate) fn checkpoint(&self, state: &str, received: u64) {
        let (connection, attach) = self.attaches().pop().expect("somebody was attached");
        let checkpoint = FromServer::from(Checkpoint {
            session: attach.session,
            epoch: attach.epoch,
            carried: Carried::Inline(Arc::from(state.as_bytes())),
            received,
            sent: received,
        });
        self.server
            .send(connection, pack(|bytes| checkpoint.encode(bytes)));
    }

    /// Whether pings on its control link are answered.
    pub(crate) fn is_well(&self, well: bool) {
        self.script.ill.store(!well, Ordering::Relaxed);
    }

    /// What it answers to `drain`.
    pub(crate) fn on_drain(&self, answers: impl IntoIterator<Item = ControlFromServer>) {
        *self.script.on_drain.lock().unwrap() = answers.into_iter().collect();
    }

    /// Keeps every `frozen` back from now on.
    pub(crate) fn hold_frozen(&self) {
        self.script.holds.store(true, Ordering::Relaxed);
    }

    /// How many `frozen` are kept back.
    pub(crate) fn held(&self) -> usize {
        self.script.held.lock().unwrap().len()
    }

    /// Sends what was kept back, and keeps nothing back any more.
    pub(crate) fn release(&self) {
        self.script.holds.store(false, Ordering::Relaxed);
        for (connection, message) in self.script.held.lock().unwrap().drain(..) {
            self.server.send(connection, message);
        }
    }
}
