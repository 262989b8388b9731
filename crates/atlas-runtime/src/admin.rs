//! The admin listener of every role: health, readiness, metrics, log level, and what the roles mount.
//!
//! The guard stands in front of everything, streams included: a request names one of our own hosts, comes from no other
//! origin, and asks for a free path or carries the [`Token`]. Errors are problem details (RFC 9457), see [`Problem`].
//! A role's part of the API are the [`Routes`] that [`Admin::api`] takes, pages the router that [`Admin::mount`] takes.

use std::{collections::BTreeMap, fmt, future::Future, net::SocketAddr, sync::Arc};

use axum::{
    Json, Router,
    extract::{State, rejection::JsonRejection},
    http::{StatusCode, Uri, header},
    middleware,
    response::{IntoResponse, Response},
    routing::{get, put},
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tokio::net::TcpListener;

use crate::{AdminConfig, Error, Logs, http, metrics, net};

mod describe;
mod guard;
mod problem;
mod token;

#[cfg(test)]
mod tests;

pub use describe::{Access, Operation, Routes, document};
use guard::{Guard, Right};
pub use problem::Problem;
pub use token::Token;

type Check = Arc<dyn Fn() -> bool + Send + Sync>;

/// The admin listener before it listens.
#[must_use]
pub struct Admin {
    config: AdminConfig,
    registry: metrics::Registry,
    logs: Logs,
    token: Token,
    router: Router,
    checks: Vec<(String, Check)>,
    own: Vec<Right>,
    operations: Vec<Operation>,
    version: String,
}

impl fmt::Debug for Admin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let checks: Vec<_> = self.checks.iter().map(|(name, _)| name).collect();
        f.debug_struct("Admin")
            .field("config", &self.config)
            .field("checks", &checks)
            .finish_non_exhaustive()
    }
}

impl Admin {
    /// A listener with the routes that every role has: `/health`, `/ready`, `/metrics`, `/v1/log`.
    pub fn new(config: AdminConfig, registry: metrics::Registry, logs: Logs, token: Token) -> Self {
        Self {
            config,
            registry,
            logs,
            token,
            router: Router::new(),
            checks: Vec::new(),
            own: Vec::new(),
            operations: Vec::new(),
            version: String::new(),
        }
    }

    /// What every role's listener answers, without a listener.
    #[must_use]
    pub fn own_operations() -> Vec<Operation> {
        own_routes().operations().to_vec()
    }

    /// The version that the OpenAPI document names.
    pub fn version(mut self, version: impl Into<String>) -> Self {
        self.version = version.into();
        self
    }

    /// Adds a role's part of the API. Each route is behind the guard, and stands in `/v1/openapi.json`.
    ///
    /// # Panics
    /// If a route exists already.
    pub fn api(mut self, routes: Routes) -> Self {
        self.operations.extend_from_slice(routes.operations());
        self.mount(routes.into_router())
    }

    /// Adds pages. Each is behind the guard; none needs to check anything itself.
    ///
    /// # Panics
    /// If a route exists already.
    pub fn mount(mut self, routes: Router) -> Self {
        self.router = self.router.merge(routes);
        self
    }

    /// Adds a condition that `/ready` shows under `name`: the node is ready if all of them hold. `check` is asked at
    /// each request and must not block.
    pub fn readiness(
        mut self,
        name: impl Into<String>,
        check: impl Fn() -> bool + Send + Sync + 'static,
    ) -> Self {
        self.checks.push((name.into(), Arc::new(check)));
        self
    }

    /// Makes a path a right of its own: it wants this token, which opens nothing else, and the admin token does not open
    /// it. `file` is named to whoever comes without.
    pub fn guard(mut self, path: &'static str, token: Token, file: &'static str) -> Self {
        self.own.push(Right { path, token, file });
        self
    }

    /// Listens on the configured address.
    ///
    /// # Errors
    /// [`Error::Bind`] if the port is taken.
    pub async fn bind(self) -> Result<Listening, Error> {
        let listener = net::bind(self.config.listen, "admin.listen")?;
        self.listen(listener)
    }

    /// Takes a listener that was bound already ([`net::bind`]).
    ///
    /// # Errors
    /// [`Error::Serve`] if it is no listener that tokio can use.
    pub fn listen(self, listener: std::net::TcpListener) -> Result<Listening, Error> {
        let wrong = |source| Error::Serve {
            address: self.config.listen,
            source,
        };
        let listener = TcpListener::from_std(listener).map_err(wrong)?;
        let address = listener.local_addr().map_err(wrong)?;
        let own = own_routes();
        let operations: Vec<_> = own
            .operations()
            .iter()
            .chain(&self.operations)
            .cloned()
            .collect();
        let shared = Arc::new(Shared {
            registry: self.registry,
            logs: self.logs,
            checks: self.checks,
            openapi: document(&self.version, &operations),
        });
        let own = own.with_state(shared).into_router();
        let guard = Arc::new(Guard::new(self.config.hosts.clone(), self.token, self.own));
        let router = own
            .merge(self.router)
            .fallback(nothing_here)
            .method_not_allowed_fallback(wrong_method)
            .layer(middleware::from_fn_with_state(guard, guard::check));
        Ok(Listening {
            address,
            listener,
            router,
            connections_max: self.config.connections_max.into(),
        })
    }
}

/// The admin listener once it has its port.
#[derive(Debug)]
#[must_use]
pub struct Listening {
    /// Where it listens; the port is never 0.
    pub address: SocketAddr,
    listener: TcpListener,
    router: Router,
    connections_max: usize,
}

impl Listening {
    /// Answers until `shutdown` is over, then ends within a second: requests under way may end, streams are cut.
    ///
    /// # Errors
    /// [`Error::Serve`] if the listener fails for good.
    pub async fn serve(self, shutdown: impl Future<Output = ()>) -> Result<(), Error> {
        let ended = http::serve_on(
            "admin",
            self.listener,
            self.router,
            self.connections_max,
            shutdown,
        );
        ended.await.map_err(|source| Error::Serve {
            address: self.address,
            source,
        })
    }
}

struct Shared {
    registry: metrics::Registry,
    logs: Logs,
    checks: Vec<(String, Check)>,
    openapi: serde_json::Value,
}

/// The routes that every role has.
fn own_routes() -> Routes<Arc<Shared>> {
    Routes::new()
        .add(
            Operation::get("/health", "The process lives")
                .access(Access::Free)
                .json::<Health>(200),
            get(health),
        )
        .add(
            Operation::get("/ready", "It serves (200), or which part does not (503)")
                .access(Access::Free)
                .json::<Readiness>(200)
                .json::<Readiness>(503),
            get(ready),
        )
        .add(
            Operation::get("/metrics", "Metrics, as Prometheus reads them")
                .access(Access::Loopback)
                .other(200, "text/plain"),
            get(render),
        )
        .add(
            Operation::get("/v1/log", "The log level").json::<Level>(200),
            get(level),
        )
        .add(
            Operation::put("/v1/log", "Changes the log level, until the next start")
                .body::<Level>()
                .json::<Level>(200),
            put(set_level),
        )
        .add(
            Operation::get("/v1/openapi.json", "This API, as an OpenAPI document")
                .other(200, "application/json"),
            get(openapi),
        )
}

/// That the process lives.
#[derive(Serialize, JsonSchema)]
struct Health {
    /// `ok`.
    status: &'static str,
}

/// Whether the node serves.
#[derive(Serialize, JsonSchema)]
struct Readiness {
    /// Whether all parts are.
    ready: bool,
    /// Each part, by its name.
    parts: BTreeMap<String, bool>,
}

/// How much is logged.
#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Level {
    /// `error`, `warn`, `info`, `debug`, `trace` or `off`; by part of the program: `atlas_edge=debug,info`.
    level: String,
}

async fn health() -> Json<Health> {
    Json(Health { status: "ok" })
}

async fn openapi(State(shared): State<Arc<Shared>>) -> Json<serde_json::Value> {
    Json(shared.openapi.clone())
}

async fn ready(State(shared): State<Arc<Shared>>) -> (StatusCode, Json<Readiness>) {
    let parts: BTreeMap<_, _> = shared
        .checks
        .iter()
        .map(|(name, check)| (name.clone(), check()))
        .collect();
    let ready = parts.values().all(|&holds| holds);
    let status = if ready {
        StatusCode::OK
    } else {
        StatusCode::SERVICE_UNAVAILABLE
    };
    (status, Json(Readiness { ready, parts }))
}

async fn render(State(shared): State<Arc<Shared>>) -> Result<Response, Problem> {
    let text = shared
        .registry
        .render()
        .map_err(|error| Problem::internal(&error))?;
    Ok(([(header::CONTENT_TYPE, metrics::CONTENT_TYPE)], text).into_response())
}

async fn level(State(shared): State<Arc<Shared>>) -> Json<Level> {
    Json(Level {
        level: shared.logs.level(),
    })
}

async fn set_level(
    State(shared): State<Arc<Shared>>,
    body: Result<Json<Level>, JsonRejection>,
) -> Result<Json<Level>, Problem> {
    let Json(Level { level }) = body?;
    shared
        .logs
        .set_level(&level)
        .map_err(|error| Problem::new(StatusCode::BAD_REQUEST, error.to_string()))?;
    tracing::info!(level, "log level changed");
    Ok(Json(Level {
        level: shared.logs.level(),
    }))
}

async fn nothing_here(uri: Uri) -> Problem {
    Problem::new(
        StatusCode::NOT_FOUND,
        format!("there is nothing at {}", uri.path()),
    )
}

async fn wrong_method(uri: Uri) -> Problem {
    Problem::new(
        StatusCode::METHOD_NOT_ALLOWED,
        format!("{} has no such method", uri.path()),
    )
}
