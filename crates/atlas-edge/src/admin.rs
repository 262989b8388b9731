//! The edge's admin routes: servers, sessions, transfers, the world's stream.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::time::Duration;

use atlas_base::SessionId;
use atlas_runtime::admin::{Access, Operation, Problem, Routes};
use axum::extract::rejection::{JsonRejection, QueryRejection};
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use futures_util::Stream;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;
use tokio::sync::broadcast::error::RecvError;
use tokio::time::{Interval, MissedTickBehavior, interval};

use crate::Error;
use crate::api::{ServerView, SessionView, SessionsPage, TransferView, WorldView};
use crate::handle::Handle;
use crate::mail::SessionsQuery;
use crate::stream::{Frame, Players};

mod actions;
mod tap;

/// How long a person's transfer may take before the answer says that it goes on.
const TRANSFER_WAIT: Duration = Duration::from_secs(30);
/// How often watchers hear of players.
const PLAYERS_INTERVAL: Duration = Duration::from_millis(200);
/// How often watchers hear totals, and of servers if something changed.
const TOTALS_INTERVAL: Duration = Duration::from_secs(1);

impl Handle {
    /// The routes that the admin listener mounts for a running edge, with their descriptions.
    pub fn admin_routes(&self) -> Routes {
        routes().with_state(self.clone())
    }

    /// The routes alone.
    pub fn admin_router(&self) -> Router {
        self.admin_routes().into_router()
    }
}

/// The edge's part of the admin API, without a running edge.
pub fn admin_operations() -> Vec<Operation> {
    routes().operations().to_vec()
}

fn routes() -> Routes<Handle> {
    Routes::new()
        .add(
            Operation::get("/servers", "The servers, an array")
                .access(Access::Loopback)
                .json::<Vec<ServerView>>(200),
            get(servers_array),
        )
        .add(
            Operation::get("/v1/servers", "The servers").json::<Servers>(200),
            get(servers),
        )
        .add(
            Operation::get("/v1/sessions", "Sessions, page by page")
                .query::<SessionsParameters>()
                .json::<SessionsPage>(200),
            get(sessions),
        )
        .add(
            Operation::get("/v1/sessions/{id}", "One session").json::<SessionView>(200),
            get(session),
        )
        .add(
            Operation::post(
                "/v1/sessions/{id}/transfer",
                "Moves a session to another server, and waits for the outcome",
            )
            .body::<TransferOrder>()
            .json::<TransferView>(200),
            post(transfer),
        )
        .add(
            Operation::get("/v1/world", "The world, as server-sent events")
                .event_of(
                    "world",
                    "`at_ms`, `worlds`: each with its servers, when something changed",
                )
                .event_of(
                    "players",
                    "`at_ms`, `world`, `players`: rows of id's start, x, y, z, server",
                )
                .event_of(
                    "transfer",
                    "a transfer that ended, with `at_ms` and `world`",
                )
                .event_of(
                    "totals",
                    "sessions, connections, messages, bytes, transfers, each second",
                ),
            get(world),
        )
        .merge(actions::routes())
        .merge(tap::routes())
}

async fn servers_array(State(edge): State<Handle>) -> Json<Vec<ServerView>> {
    Json(edge.servers())
}

/// The servers.
#[derive(JsonSchema, Serialize)]
struct Servers {
    /// In the order of their worlds.
    items: Vec<ServerView>,
}

async fn servers(State(edge): State<Handle>) -> Json<Servers> {
    Json(Servers {
        items: edge.servers(),
    })
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct SessionsParameters {
    /// Only those of this world.
    world: Option<String>,
    /// Only those on this server.
    server: Option<String>,
    /// Only those whose player contains this, or whose id or address begins with it.
    search: Option<String>,
    /// Only those past this id: `next` of the page before.
    after: Option<String>,
    /// At most so many: 1 to 1000, 100 if nothing is said.
    limit: Option<usize>,
}

async fn sessions(
    State(edge): State<Handle>,
    parameters: Result<Query<SessionsParameters>, QueryRejection>,
) -> Result<Json<SessionsPage>, Problem> {
    let Query(parameters) = parameters?;
    let after = parameters.after.as_deref().map(parse_id).transpose()?;
    let query = SessionsQuery {
        world: parameters.world,
        server: parameters.server,
        search: parameters.search.filter(|words| !words.is_empty()),
        after,
        limit: parameters.limit.unwrap_or(100),
    };
    Ok(Json(edge.sessions(query).await?))
}

async fn session(
    State(edge): State<Handle>,
    Path(id): Path<String>,
) -> Result<Json<SessionView>, Problem> {
    Ok(Json(edge.session(parse_id(&id)?).await?))
}

/// Where a session is to go.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct TransferOrder {
    /// The server's name, of the session's world.
    server: String,
}

async fn transfer(
    State(edge): State<Handle>,
    Path(id): Path<String>,
    order: Result<Json<TransferOrder>, JsonRejection>,
) -> Result<Json<TransferView>, Problem> {
    let Json(order) = order?;
    let moved = edge.transfer(parse_id(&id)?, &order.server);
    match tokio::time::timeout(TRANSFER_WAIT, moved).await {
        Ok(moved) => Ok(Json(moved?)),
        Err(_) => Err(Problem::new(
            StatusCode::GATEWAY_TIMEOUT,
            "the transfer has not ended yet; look at the session again",
        )),
    }
}

fn parse_id(text: &str) -> Result<SessionId, Problem> {
    let detail = || format!("`{text}` is not a session's id; GET /v1/sessions lists them");
    text.parse()
        .map_err(|_| Problem::new(StatusCode::BAD_REQUEST, detail()))
}

impl From<Error> for Problem {
    fn from(error: Error) -> Self {
        let status = match &error {
            Error::UnknownSession(_) | Error::UnknownServer { .. } | Error::NoDrain { .. } => {
                StatusCode::NOT_FOUND
            }
            Error::Stopping => StatusCode::SERVICE_UNAVAILABLE,
            _ => return Self::internal(&error),
        };
        Self::new(status, error.to_string())
    }
}

/// `GET /v1/world`: the world's stream as server-sent events.
async fn world(State(edge): State<Handle>) -> Response {
    Sse::new(watch(edge))
        .keep_alive(KeepAlive::default())
        .into_response()
}

/// One watcher: what it was last told, and what it waits for.
struct Watcher {
    edge: Handle,
    frames: tokio::sync::broadcast::Receiver<Frame>,
    players: Interval,
    totals: Interval,
    latest: BTreeMap<(String, usize), std::sync::Arc<Players>>,
    worlds: Option<Vec<WorldView>>,
    queue: std::collections::VecDeque<Event>,
}

fn watch(edge: Handle) -> impl Stream<Item = Result<Event, Infallible>> {
    let every = |period| {
        let mut interval = interval(period);
        interval.set_missed_tick_behavior(MissedTickBehavior::Delay);
        interval
    };
    let watcher = Watcher {
        frames: edge.watch(),
        edge,
        players: every(PLAYERS_INTERVAL),
        totals: every(TOTALS_INTERVAL),
        latest: BTreeMap::new(),
        worlds: None,
        queue: std::collections::VecDeque::new(),
    };
    futures_util::stream::unfold(watcher, |mut watcher| async move {
        let event = watcher.next().await?;
        Some((Ok(event), watcher))
    })
}

impl Watcher {
    /// The next event; none once the edge is gone.
    async fn next(&mut self) -> Option<Event> {
        loop {
            if let Some(event) = self.queue.pop_front() {
                return Some(event);
            }
            tokio::select! {
                frame = self.frames.recv() => match frame {
                    Ok(Frame::Players(players)) => {
                        self.latest.insert((players.world.to_string(), players.worker), players);
                    }
                    Ok(Frame::Transfer(moved)) => {
                        let mut data = serde_json::to_value(&moved.view).unwrap_or_default();
                        data["at_ms"] = json!(self.edge.shared.now().as_millis());
                        data["world"] = json!(&*moved.world);
                        self.push("transfer", &data);
                    }
                    // Frames were missed: the next ones tell where everybody is by then.
                    Err(RecvError::Lagged(_)) => {}
                    Err(RecvError::Closed) => return None,
                },
                _ = self.players.tick() => self.push_players(),
                _ = self.totals.tick() => {
                    let worlds = self.edge.worlds();
                    if self.worlds.as_ref() != Some(&worlds) {
                        let at_ms = self.edge.shared.now().as_millis();
                        self.push("world", &json!({"at_ms": at_ms, "worlds": worlds}));
                        self.worlds = Some(worlds);
                    }
                    self.push_totals();
                }
            }
        }
    }

    fn push(&mut self, name: &str, data: &serde_json::Value) {
        self.queue
            .push_back(Event::default().event(name).data(data.to_string()));
    }

    fn push_players(&mut self) {
        let at_ms = self.edge.shared.now().as_millis();
        let mut by_world: BTreeMap<&str, Vec<serde_json::Value>> = BTreeMap::new();
        for ((world, _), frame) in &self.latest {
            let players = by_world.entry(world).or_default();
            let round = |value: f64| (value * 10.0).round() / 10.0;
            players.extend(
                frame.players.iter().map(|(id, x, y, z, server)| {
                    json!([id, round(*x), round(*y), round(*z), server])
                }),
            );
        }
        let frames: Vec<_> = by_world
            .into_iter()
            .map(|(world, players)| json!({"at_ms": at_ms, "world": world, "players": players}))
            .collect();
        for frame in frames {
            self.push("players", &frame);
        }
    }

    fn push_totals(&mut self) {
        let metrics = &self.edge.shared.metrics;
        let mut transfers = BTreeMap::from([("done", 0), ("aborted", 0), ("failed", 0)]);
        for family in prometheus::core::Collector::collect(&metrics.transfers) {
            for metric in family.get_metric() {
                let outcome = metric
                    .get_label()
                    .iter()
                    .find(|label| label.name() == "outcome");
                if let Some(count) = outcome.and_then(|label| transfers.get_mut(label.value())) {
                    *count += metric.get_counter().get_value() as u64;
                }
            }
        }
        let totals = json!({
            "at_ms": self.edge.shared.now().as_millis(),
            "sessions": self.edge.connections(),
            "connections_total": metrics.connections.get(),
            "messages_in_total": metrics.messages_in.get(),
            "messages_out_total": metrics.messages_out.get(),
            "bytes_in_total": metrics.bytes_in.get(),
            "bytes_out_total": metrics.bytes_out.get(),
            "transfers": transfers,
        });
        self.push("totals", &totals);
    }
}
