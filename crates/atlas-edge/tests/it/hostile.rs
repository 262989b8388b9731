//! Servers that answer twice, late, or under an old epoch, and positions that are no place. What hostile clients send
//! is tried against the real binary, in the crate `atlas`; `docs/internals/hostile.md` lists both.

use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, Mutex};

use atlas_base::{Epoch, SessionId, TimeSpan};
use atlas_edge::{EdgeConfig, LimitsConfig, RegionConfig, ServerConfig, WorldConfig};
use atlas_testkit::{Client, GameServer, Received, eventually, eventually_some};
use atlas_wire::link::{Adopted, Attached, Carried, Committed, FromServer, Frozen, Pong, ToServer};
use tokio_tungstenite::tungstenite::Message;

use crate::support::{Running, edge_with, server, soon, world};

/// Answers as the protocol wants it.
const HONEST: u8 = 0;
/// Says everything under the epoch before as well, and twice.
const REPEATS: u8 = 1;
/// Keeps what it would say to an `adopt` and to a `commit` back.
const LATE: u8 = 2;

/// A cooperative server that can be told to misbehave. It echoes with its name in front.
struct Liar {
    name: &'static str,
    server: GameServer,
    script: Arc<Script>,
}

#[derive(Default)]
struct Script {
    manner: AtomicU8,
    kept: Mutex<Vec<(usize, Message)>>,
    /// Every `adopted` and `committed` that it ever said, with the connection.
    said: Mutex<Vec<(usize, Message)>>,
}

fn control(answer: impl Into<FromServer>) -> Message {
    let mut bytes = Vec::new();
    answer.into().encode(&mut bytes);
    Message::binary(bytes)
}

/// What a server says to an order, were its epoch `epoch`; a second answer that a target is not asked for.
fn answers(name: &str, order: &ToServer, epoch: Epoch) -> Vec<Message> {
    match order {
        ToServer::Attach(order) => vec![control(Attached {
            session: order.session,
            epoch,
            has_state: order.carried.is_some(),
        })],
        ToServer::Freeze(order) => vec![control(Frozen {
            session: order.session,
            epoch,
            transfer: order.transfer,
            carried: Carried::Inline(Arc::from(name.as_bytes())),
            received: 0,
            sent: 0,
        })],
        ToServer::Adopt(order) => vec![control(Adopted {
            session: order.session,
            epoch,
            transfer: order.transfer,
        })],
        ToServer::Commit(order) => vec![control(Committed {
            session: order.session,
            epoch,
            transfer: order.transfer,
        })],
        ToServer::Ping(order) => vec![control(Pong {
            session: order.session,
            epoch,
            at: order.at,
        })],
        _ => Vec::new(),
    }
}

fn epoch(order: &ToServer) -> Epoch {
    match order {
        ToServer::Attach(order) => order.epoch,
        ToServer::Freeze(order) => order.epoch,
        ToServer::Adopt(order) => order.epoch,
        ToServer::Commit(order) => order.epoch,
        ToServer::Ping(order) => order.epoch,
        _ => Epoch(0),
    }
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
        let Ok(order) = ToServer::decode(&bytes[1..]) else {
            return Vec::new();
        };
        let newest = epoch(&order);
        let right = answers(name, &order, newest);
        let is_target = matches!(order, ToServer::Adopt(_) | ToServer::Commit(_));
        if is_target {
            let said = right.iter().map(|message| (connection, message.clone()));
            self.said.lock().unwrap().extend(said);
        }
        match self.manner.load(Ordering::Relaxed) {
            REPEATS => {
                let old = answers(name, &order, Epoch(newest.0.saturating_sub(1)));
                [old.clone(), right.clone(), right, old].concat()
            }
            LATE if is_target => {
                let right = right.into_iter().map(|message| (connection, message));
                self.kept.lock().unwrap().extend(right);
                Vec::new()
            }
            _ => right,
        }
    }
}

impl Liar {
    async fn start(name: &'static str, manner: u8) -> Self {
        let script = Arc::new(Script::default());
        script.manner.store(manner, Ordering::Relaxed);
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

    fn config(&self) -> ServerConfig {
        server(self.name, &self.server.url())
    }

    /// What it has kept back so far.
    fn kept(&self) -> usize {
        self.script.kept.lock().unwrap().len()
    }

    /// Says what it kept back, and everything it ever said as a target once more.
    fn release(&self) {
        self.script.manner.store(HONEST, Ordering::Relaxed);
        let mut late = std::mem::take(&mut *self.script.kept.lock().unwrap());
        late.extend(self.script.said.lock().unwrap().iter().cloned());
        for (connection, message) in late {
            self.server.send(connection, message);
            // It takes itself for the authority and speaks to the player.
            let word = [b"\0", self.name.as_bytes(), b"!"].concat();
            self.server.send(connection, Message::binary(word));
        }
    }
}

fn unlimited(world: WorldConfig) -> Running {
    let limits = LimitsConfig {
        messages_per_second: 0,
        ..LimitsConfig::default()
    };
    let config = EdgeConfig {
        limits,
        ..EdgeConfig::default()
    };
    edge_with(config, world)
}

/// The one session that a server has a link of.
async fn session(game: &Liar) -> SessionId {
    eventually_some(soon(), "a session", || {
        let id = game.server.request_header(0, "atlas-session")?;
        Some(id.parse().unwrap())
    })
    .await
    .unwrap()
}

/// Says something and demands exactly this server's answer to it.
async fn heard_by(client: &mut Client, name: &str, text: &str) {
    client.send_text(text).await.unwrap();
    let heard = client.receive_text(soon()).await.unwrap();
    assert_eq!(heard, format!("{name}:{text}"));
}

fn done(edge: &Running, outcome: &str) -> u64 {
    let name = "atlas_edge_transfers_total";
    edge.metric(&format!(
        "{name}{{outcome=\"{outcome}\",reason=\"admin\",world=\"main\"}}"
    ))
}

#[tokio::test]
async fn answers_that_are_doubled_or_of_an_old_epoch_are_ignored() {
    let (west, east) = (
        Liar::start("west", REPEATS).await,
        Liar::start("east", REPEATS).await,
    );
    let edge = unlimited(world([
        ServerConfig {
            weight: 1000,
            ..west.config()
        },
        east.config(),
    ]));
    let mut client = Client::to(edge.address).connect(soon()).await.unwrap();
    heard_by(&mut client, "west", "first").await;
    let session = session(&west).await;
    for index in 0..8 {
        let name = if index % 2 == 0 { "east" } else { "west" };
        let moved = edge.handle.transfer(session, name).await.unwrap();
        assert_eq!(moved.outcome, "done", "{moved:?}");
        for turn in 0..5 {
            heard_by(&mut client, name, &format!("{index}.{turn}")).await;
        }
    }
    assert_eq!((done(&edge, "done"), done(&edge, "aborted")), (8, 0));
    let sessions = |server: &atlas_edge::ServerView| server.sessions;
    let places: u32 = edge.handle.servers().iter().map(sessions).sum();
    assert_eq!(places, 1, "one player has one place");
    client.close(1000, "", soon()).await.unwrap();
}

#[tokio::test]
async fn a_target_that_answers_after_another_was_chosen_is_no_authority() {
    let (west, east, north) = (
        Liar::start("west", HONEST).await,
        Liar::start("east", LATE).await,
        Liar::start("north", HONEST).await,
    );
    let mut world = world([
        ServerConfig {
            weight: 1000,
            ..west.config()
        },
        east.config(),
        north.config(),
    ]);
    world.transfer.adopt_timeout = TimeSpan::from_millis(200);
    let edge = unlimited(world);
    let mut client = Client::to(edge.address).connect(soon()).await.unwrap();
    heard_by(&mut client, "west", "first").await;
    let session = session(&west).await;

    // East keeps its `adopted` back: the transfer is given up, and west goes on.
    let moved = edge.handle.transfer(session, "east").await.unwrap();
    assert_eq!(moved.outcome, "aborted", "{moved:?}");
    assert_eq!(east.kept(), 1);
    heard_by(&mut client, "west", "still").await;

    // North takes the player. Then both answer: east at last, and north all over again.
    let moved = edge.handle.transfer(session, "north").await.unwrap();
    assert_eq!(moved.outcome, "done", "{moved:?}");
    heard_by(&mut client, "north", "there").await;
    east.release();
    for turn in 0..20 {
        heard_by(&mut client, "north", &turn.to_string()).await;
    }
    eventually(soon(), "one place at north and none elsewhere", || {
        let servers = edge.handle.servers();
        servers
            .iter()
            .all(|server| server.sessions == u32::from(server.id == "north"))
    })
    .await
    .unwrap();
    // East may be asked again: what is past does not stand in the way.
    let moved = edge.handle.transfer(session, "east").await.unwrap();
    assert_eq!(moved.outcome, "done", "{moved:?}");
    heard_by(&mut client, "east", "home").await;
}

#[tokio::test]
async fn positions_that_are_no_place_move_nobody() {
    let region = |min: f64, max: f64| {
        Some(RegionConfig {
            min: [min, -1000.0, -1000.0],
            max: [max, 1000.0, 1000.0],
        })
    };
    let (west, east) = (
        Liar::start("west", HONEST).await,
        Liar::start("east", HONEST).await,
    );
    let mut world = world([
        ServerConfig {
            region: region(-1000.0, 0.0),
            ..west.config()
        },
        ServerConfig {
            region: region(0.0, 1000.0),
            weight: 0,
            ..east.config()
        },
    ]);
    world.transfer.min_interval = TimeSpan::from_millis(1);
    let edge = unlimited(world);
    let mut client = Client::to(edge.address).connect(soon()).await.unwrap();
    let at = |x: &str| format!(r#"{{"client":"move","player_id":"p1","x":{x},"y":0,"z":0}}"#);
    heard_by(&mut client, "west", &at("-100")).await;
    for x in [
        "NaN",
        "-NaN",
        "Infinity",
        "-Infinity",
        "1e308",
        "-1e308",
        "1e309",
        "-1e309",
        "1e999999999",
        "0e999999999",
        "\"100\"",
        "null",
        "[100]",
        "{\"x\":100}",
        "00000100",
        "0x64",
    ] {
        for _ in 0..20 {
            // It is passed on as it came; what is read of it moves nobody.
            heard_by(&mut client, "west", &at(x)).await;
        }
    }
    let servers = edge.handle.servers();
    assert_eq!((servers[0].sessions, servers[1].sessions), (1, 0));
    // The estimate of the player's way has taken no harm.
    heard_by(&mut client, "west", &at("-100")).await;
    let mut heard = String::new();
    while !heard.starts_with("east") {
        client.send_text(at("100")).await.unwrap();
        heard = client.receive_text(soon()).await.unwrap();
    }
}
