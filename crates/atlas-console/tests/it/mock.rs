//! A node without an edge: the `/v1` routes of the contract over a small invented world of four servers and sixty
//! wandering players. It moves by itself, or only when a test says so.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use axum::Json;
use axum::Router;
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::response::sse::{Event, Sse};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use futures_util::stream::{self, Stream, StreamExt};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::{broadcast, watch};
use tokio::task::AbortHandle;

const NAMES: [&str; 4] = ["northwest", "northeast", "southwest", "southeast"];
const HALF: f64 = 1000.0;
const HYSTERESIS: f64 = 25.0;

/// A running mock node; it ends with its handle.
pub(crate) struct Mock {
    pub(crate) address: SocketAddr,
    shared: Arc<Shared>,
    tasks: Vec<AbortHandle>,
}

struct Shared {
    world: Mutex<World>,
    events: broadcast::Sender<(&'static str, String)>,
    stopped: watch::Sender<bool>,
}

struct World {
    random: u64,
    players: Vec<Player>,
    states: [(&'static str, &'static str); 4],
    done: u64,
    ticks: u64,
    messages: u64,
    demo: Option<Value>,
    drains: [Option<Value>; 4],
    /// The bodies of the orders to drain, oldest first.
    drain_orders: Vec<Value>,
}

struct Player {
    id: String,
    name: String,
    x: f64,
    z: f64,
    heading: f64,
    server: usize,
    transfers: u64,
    sent: u64,
}

impl Mock {
    /// Starts it on a free port of loopback, and lets its players walk if `moving`.
    pub(crate) async fn start(moving: bool) -> Self {
        Self::start_at(SocketAddr::from(([127, 0, 0, 1], 0)), moving).await
    }

    /// The same at an address, to come back after a stop.
    pub(crate) async fn start_at(address: SocketAddr, moving: bool) -> Self {
        let (events, _) = broadcast::channel(256);
        let shared = Arc::new(Shared {
            world: Mutex::new(World::new()),
            events,
            stopped: watch::Sender::new(false),
        });
        let listener = TcpListener::bind(address).await.unwrap();
        let address = listener.local_addr().unwrap();
        let app = atlas_console::router().merge(routes(Arc::clone(&shared)));
        let serve = tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
        let mut tasks = vec![serve.abort_handle()];
        let ticking = Arc::clone(&shared);
        let walk = tokio::spawn(async move {
            let mut clock = tokio::time::interval(Duration::from_millis(200));
            loop {
                clock.tick().await;
                ticking.tick(moving);
            }
        });
        tasks.push(walk.abort_handle());
        Self {
            address,
            shared,
            tasks,
        }
    }

    /// The console's address.
    pub(crate) fn url(&self) -> String {
        format!("http://{}/", self.address)
    }

    /// Moves a player by order, and tells the stream.
    pub(crate) fn transfer(&self, player: usize, to: usize, reason: &str, outcome: &str) {
        let event = self.shared.world().transfer(player, to, reason, outcome);
        self.shared.send("transfer", &event);
    }

    /// What `/v1/demo` says; `None` is a node without a demo.
    pub(crate) fn demo(&self, demo: Option<Value>) {
        self.shared.world().demo = demo;
    }

    /// Changes a server's state and health.
    pub(crate) fn server(&self, server: usize, state: &'static str, health: &'static str) {
        self.shared.world().states[server] = (state, health);
    }

    /// How far a server's drain is; it ends with nobody left.
    pub(crate) fn drain(&self, server: usize, left: u64, moved: u64) {
        let mut world = self.shared.world();
        world.drains[server] = Some(drain_view(server, left, moved));
        world.states[server].0 = if left == 0 { "drained" } else { "draining" };
    }

    /// What was ordered about drains, oldest first.
    pub(crate) fn drain_orders(&self) -> Vec<Value> {
        self.shared.world().drain_orders.clone()
    }

    /// On which server a player is.
    pub(crate) fn server_of(&self, player: usize) -> &'static str {
        NAMES[self.shared.world().players[player].server]
    }
}

impl Drop for Mock {
    fn drop(&mut self) {
        // The streams of open connections outlive the listener's task: they are ended by word.
        self.shared.stopped.send_replace(true);
        for task in &self.tasks {
            task.abort();
        }
    }
}

impl Shared {
    fn world(&self) -> MutexGuard<'_, World> {
        self.world.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn send(&self, name: &'static str, data: &Value) {
        let _ = self.events.send((name, data.to_string()));
    }

    fn tick(&self, moving: bool) {
        let mut world = self.world();
        world.ticks += 1;
        world.messages += 60 * 4;
        if moving {
            for transfer in world.walk() {
                self.send("transfer", &transfer);
            }
        }
        self.send("players", &world.frame());
        if world.ticks.is_multiple_of(5) {
            self.send("totals", &world.totals());
            self.send("world", &world.worlds());
        }
    }
}

impl World {
    fn new() -> Self {
        let mut world = Self {
            random: 7,
            players: Vec::new(),
            states: [("active", "healthy"); 4],
            done: 0,
            ticks: 0,
            messages: 0,
            demo: None,
            drains: [const { None }; 4],
            drain_orders: Vec::new(),
        };
        for number in 0..60_u32 {
            let (x, z) = (
                world.random() * 1900.0 - 950.0,
                world.random() * 1900.0 - 950.0,
            );
            let heading = world.random() * std::f64::consts::TAU;
            let id = format!(
                "{:08x}-0000-4000-8000-{number:012x}",
                number.wrapping_mul(2_654_435_761)
            );
            let server = owner(x, z);
            world.players.push(Player {
                id,
                name: format!("p-{number}"),
                x,
                z,
                heading,
                server,
                transfers: 0,
                sent: 0,
            });
        }
        world
    }

    fn random(&mut self) -> f64 {
        self.random = self
            .random
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.random >> 33) as f64 / f64::from(1_u32 << 31)
    }

    fn walk(&mut self) -> Vec<Value> {
        let mut transfers = Vec::new();
        for index in 0..self.players.len() {
            let turn = (self.random() - 0.5) * 0.5;
            let player = &mut self.players[index];
            player.heading += turn;
            let speed = 9.0 + (index % 7) as f64;
            player.x += player.heading.cos() * speed;
            player.z += player.heading.sin() * speed;
            if player.x.abs() > 960.0 || player.z.abs() > 960.0 {
                player.heading = (-player.z).atan2(-player.x);
            }
            player.sent += 4;
            let to = owner(player.x, player.z);
            let outside = if to / 2 == player.server / 2 {
                player.x.abs()
            } else {
                player.z.abs()
            };
            if to != player.server && outside > HYSTERESIS && self.states[to].0 == "active" {
                transfers.push(self.transfer(index, to, "region", "done"));
            }
        }
        transfers
    }

    fn transfer(&mut self, index: usize, to: usize, reason: &str, outcome: &str) -> Value {
        let held = 1.2 + self.random() * 3.0;
        let player = &mut self.players[index];
        let from = player.server;
        if outcome == "done" {
            player.server = to;
            player.transfers += 1;
            self.done += 1;
        }
        let why = if outcome == "done" {
            ""
        } else {
            "the target refused the player"
        };
        json!({ "at_ms": now(), "world": "main", "session": player.id, "player": player.name, "from": NAMES[from],
            "to": NAMES[to], "reason": reason, "outcome": outcome, "why": why, "held_ms": held })
    }

    fn servers(&self) -> Vec<Value> {
        let server = |number: usize| {
            let (x, z) = (
                if number.is_multiple_of(2) { -HALF } else { 0.0 },
                if number < 2 { -HALF } else { 0.0 },
            );
            let sessions = self
                .players
                .iter()
                .filter(|player| player.server == number)
                .count();
            json!({ "id": NAMES[number], "world": "main", "address": format!("ws://127.0.0.1:{}", 7001 + number),
                "state": self.states[number].0, "health": self.states[number].1, "link": "cooperative",
                "sessions": sessions, "capacity": 1000, "weight": 1,
                "region": { "min": [x, -HALF, z], "max": [x + HALF, HALF, z + HALF] }, "labels": {},
                "drain": self.drains[number] })
        };
        (0..NAMES.len()).map(server).collect()
    }

    fn worlds(&self) -> Value {
        json!({ "at_ms": now(), "worlds": [
            { "name": "main", "dialect": "json", "balance": "spatial", "servers": self.servers() }] })
    }

    fn frame(&self) -> Value {
        let row = |player: &Player| {
            json!([
                &player.id[..8],
                player.x,
                0.0,
                player.z,
                NAMES[player.server]
            ])
        };
        let rows: Vec<Value> = self.players.iter().map(row).collect();
        json!({ "at_ms": now(), "world": "main", "players": rows })
    }

    fn totals(&self) -> Value {
        json!({ "at_ms": now(), "sessions": self.players.len(), "connections_total": self.players.len(),
            "messages_in_total": self.messages, "messages_out_total": self.messages + self.ticks * 30,
            "bytes_in_total": self.messages * 72, "bytes_out_total": self.messages * 78,
            "transfers": { "done": self.done, "aborted": 0, "failed": 0 } })
    }

    fn session(&self, player: &Player) -> Value {
        json!({ "id": player.id, "world": "main", "player": player.name, "server": NAMES[player.server],
            "epoch": player.transfers + 1, "phase": "settled", "link": "cooperative", "client": "127.0.0.1:50123",
            "path": "/ws", "position": { "x": player.x, "y": 0.0, "z": player.z }, "age_ms": self.ticks * 200,
            "transfers": player.transfers, "messages_in": player.sent, "messages_out": player.sent, "lost_input": 0 })
    }
}

fn owner(x: f64, z: f64) -> usize {
    usize::from(x >= 0.0) + 2 * usize::from(z >= 0.0)
}

fn now() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap()
        .as_millis() as u64
}

fn routes(shared: Arc<Shared>) -> Router {
    Router::new()
        .route("/v1/servers", get(servers))
        .route("/v1/sessions", get(sessions))
        .route("/v1/sessions/{id}/transfer", post(transfer))
        .route("/v1/servers/main/{server}/drain", post(drain))
        .route("/v1/world", get(world))
        .route("/v1/demo", get(demo))
        .route(
            "/v1/node",
            get(async || Json(json!({"id": "n1", "version": "0.0.0", "roles": ["edge"]}))),
        )
        .with_state(shared)
}

async fn servers(State(shared): State<Arc<Shared>>) -> Json<Value> {
    Json(json!({ "items": shared.world().servers() }))
}

#[derive(serde::Deserialize)]
struct Search {
    #[serde(default)]
    search: String,
    #[serde(default)]
    server: String,
    #[serde(default)]
    limit: Option<usize>,
    #[serde(default)]
    after: String,
}

async fn sessions(State(shared): State<Arc<Shared>>, Query(search): Query<Search>) -> Json<Value> {
    let world = shared.world();
    let fits = |player: &&Player| {
        (search.server.is_empty() || NAMES[player.server] == search.server)
            && (player.name.contains(&search.search) || player.id.starts_with(&search.search))
    };
    let all: Vec<&Player> = world.players.iter().filter(fits).collect();
    let start = all
        .iter()
        .position(|player| player.id == search.after)
        .map_or(0, |at| at + 1);
    let page: Vec<&&Player> = all
        .iter()
        .skip(start)
        .take(search.limit.unwrap_or(100))
        .collect();
    let more = start + page.len() < all.len();
    let next = page.last().filter(|_| more).map(|player| player.id.clone());
    let items: Vec<Value> = page.iter().map(|player| world.session(player)).collect();
    Json(json!({ "items": items, "next": next, "total": all.len() }))
}

async fn transfer(
    State(shared): State<Arc<Shared>>,
    Path(id): Path<String>,
    Json(body): Json<Value>,
) -> Response {
    let mut world = shared.world();
    let index = world.players.iter().position(|player| player.id == id);
    let to = NAMES.iter().position(|name| body["server"] == *name);
    let (Some(index), Some(to)) = (index, to) else {
        let problem = json!({ "title": "no such session or server", "status": 404 });
        return (StatusCode::NOT_FOUND, Json(problem)).into_response();
    };
    if world.states[to].1 != "healthy" {
        return Json(
            json!({ "session": id, "outcome": "refused", "reason": "admin", "why": "the server is not healthy" }),
        )
        .into_response();
    }
    let event = world.transfer(index, to, "admin", "done");
    shared.send("transfer", &event);
    Json(json!({ "session": id, "transfer": "00000000-0000-4000-8000-000000000001", "from": event["from"],
        "to": event["to"], "outcome": "done", "reason": "admin", "held_ms": event["held_ms"] }))
    .into_response()
}

fn drain_view(server: usize, left: u64, moved: u64) -> Value {
    let under_way = left > 0;
    json!({ "world": "main", "server": NAMES[server], "state": if under_way { "draining" } else { "drained" },
        "deadline_in_ms": under_way.then_some(48_000), "waits": null, "left": left, "moved": moved, "resumed": 0,
        "dropped": 0, "gone": 0, "obstacle": null })
}

async fn drain(
    State(shared): State<Arc<Shared>>,
    Path(server): Path<String>,
    Json(order): Json<Value>,
) -> Response {
    let mut world = shared.world();
    let Some(server) = NAMES.iter().position(|name| *name == server) else {
        return StatusCode::NOT_FOUND.into_response();
    };
    world.drain_orders.push(order.clone());
    if world.states[server].0 == "down" {
        let problem = json!({ "title": "Conflict", "status": 409, "detail": "the server is down" });
        return (StatusCode::CONFLICT, Json(problem)).into_response();
    }
    if order["cancel"] == true {
        world.drains[server] = None;
        world.states[server].0 = "active";
        return Json(json!({ "state": "cancelled" })).into_response();
    }
    let left = world
        .players
        .iter()
        .filter(|player| player.server == server);
    let view = drain_view(server, left.count() as u64, 0);
    world.drains[server] = Some(view.clone());
    world.states[server].0 = "draining";
    (StatusCode::ACCEPTED, Json(view)).into_response()
}

async fn world(
    State(shared): State<Arc<Shared>>,
) -> Sse<impl Stream<Item = Result<Event, Infallible>>> {
    let (first, listener) = {
        let world = shared.world();
        let first = vec![
            ("world", world.worlds().to_string()),
            ("totals", world.totals().to_string()),
        ];
        (first, shared.events.subscribe())
    };
    let later = stream::unfold(listener, |mut listener| async {
        loop {
            match listener.recv().await {
                Ok(event) => return Some((event, listener)),
                Err(broadcast::error::RecvError::Lagged(_)) => {}
                Err(broadcast::error::RecvError::Closed) => return None,
            }
        }
    });
    let mut stopped = shared.stopped.subscribe();
    let stop = async move { drop(stopped.wait_for(|stopped| *stopped).await) };
    let all = stream::iter(first).chain(later).take_until(Box::pin(stop));
    Sse::new(all.map(|(name, data)| Ok(Event::default().event(name).data(data))))
}

async fn demo(State(shared): State<Arc<Shared>>) -> Response {
    match &shared.world().demo {
        Some(demo) => Json(demo.clone()).into_response(),
        None => StatusCode::NO_CONTENT.into_response(),
    }
}
