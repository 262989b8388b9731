//! The store's admin routes: how it is, whom it serves, what it has noticed; its keys are in `admin/`.

use atlas_runtime::admin::{Operation, Problem, Routes};
use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::http::StatusCode;
use axum::routing::{delete, get, post};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::api::{ClientsPage, CommandsView, SlowLogView, StoreView};
use crate::asked::Question;
use crate::error::Error;
use crate::handle::Handle;

mod edits;
mod keys;
mod link;

pub(crate) use link::Link;

/// Clients on a page, at most, and where nothing is said.
const CLIENTS_MAX: usize = 1000;
const CLIENTS: usize = 100;

impl Handle {
    /// The routes that the admin listener mounts for a running store, with their descriptions.
    pub fn admin_routes(&self) -> Routes {
        routes().with_state(self.clone())
    }
}

/// The store's part of the admin API, without a running store.
pub fn admin_operations() -> Vec<Operation> {
    routes().operations().to_vec()
}

fn routes() -> Routes<Handle> {
    const SLOW_LOG: &str = "/v1/store/slowlog";
    Routes::new()
        .add(
            Operation::get("/v1/store", "How the store is").json::<StoreView>(200),
            get(status),
        )
        .add(
            Operation::get("/v1/store/commands", "What was counted of each command")
                .json::<CommandsView>(200),
            get(commands),
        )
        .add(
            Operation::get("/v1/store/clients", "The store's clients, page by page")
                .query::<ClientsParameters>()
                .json::<ClientsPage>(200),
            get(clients),
        )
        .add(
            Operation::get(SLOW_LOG, "The commands that took long").json::<SlowLogView>(200),
            get(slow_log),
        )
        .add(
            Operation::delete(SLOW_LOG, "Forgets the commands that took long")
                .json::<SlowLogView>(200),
            delete(forget_slow),
        )
        .add(
            Operation::post("/v1/store/snapshot", "Begins a snapshot, as `BGSAVE` does")
                .json::<Begun>(202),
            post(snapshot),
        )
        .merge(keys::routes())
        .merge(edits::routes())
}

async fn status(State(store): State<Handle>) -> Result<Json<StoreView>, Problem> {
    Ok(Json(store.ask(Question::Status).await?))
}

async fn commands(State(store): State<Handle>) -> Result<Json<CommandsView>, Problem> {
    Ok(Json(store.ask(Question::Commands).await?))
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct ClientsParameters {
    /// Only those past this number: `next` of the page before.
    after: Option<u64>,
    /// At most so many: 1 to 1000, 100 if nothing is said.
    limit: Option<usize>,
}

async fn clients(
    State(store): State<Handle>,
    parameters: Result<Query<ClientsParameters>, QueryRejection>,
) -> Result<Json<ClientsPage>, Problem> {
    let Query(parameters) = parameters?;
    let after = parameters.after.unwrap_or(0);
    let limit = parameters.limit.unwrap_or(CLIENTS).clamp(1, CLIENTS_MAX);
    let page = store.ask(|answer| Question::Clients(after, limit, answer));
    Ok(Json(page.await?))
}

async fn slow_log(State(store): State<Handle>) -> Result<Json<SlowLogView>, Problem> {
    Ok(Json(store.ask(Question::SlowLog).await?))
}

async fn forget_slow(State(store): State<Handle>) -> Result<Json<SlowLogView>, Problem> {
    Ok(Json(store.ask(Question::ForgetSlow).await?))
}

/// A snapshot that was asked for.
#[derive(JsonSchema, Serialize)]
struct Begun {
    /// False if one was being written already: that one goes on.
    begun: bool,
}

async fn snapshot(State(store): State<Handle>) -> Result<(StatusCode, Json<Begun>), Problem> {
    let begun = store.ask(Question::Snapshot).await?;
    Ok((StatusCode::ACCEPTED, Json(Begun { begun })))
}

impl From<Error> for Problem {
    fn from(error: Error) -> Self {
        let status = match &error {
            Error::Stopped => StatusCode::SERVICE_UNAVAILABLE,
            Error::Busy => StatusCode::GATEWAY_TIMEOUT,
            _ => return Self::internal(&error),
        };
        Self::new(status, error.to_string())
    }
}
