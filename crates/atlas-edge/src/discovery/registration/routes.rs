//! The registration listener's routes.

use std::sync::Arc;

use atlas_base::RegistrationId;
use atlas_runtime::admin::Problem;
use atlas_runtime::http::Peer;
use axum::body::to_bytes;
use axum::extract::{ConnectInfo, Path, Request, State};
use axum::http::{HeaderMap, StatusCode, Uri, header};
use axum::response::{IntoResponse as _, Response};
use axum::routing::{get, post, put};
use axum::{Json, Router};
use serde::de::DeserializeOwned;
use tokio::time::timeout;

use super::messages::{Heard, Heartbeat, Registered, Registration};
use super::offer::{self, Caller};
use super::{Refusal, registry};
use crate::config::RegistrationConfig;
use crate::shared::Shared;

/// The routes of the registration API.
pub(crate) fn router(shared: Arc<Shared>) -> Router {
    Router::new()
        .route("/health", get(async || "OK"))
        .route("/api/v1/servers/register", post(register))
        .route("/worlds/{world}/api/v1/servers/register", post(register_in))
        .route("/api/v1/servers/{id}/heartbeat", put(heartbeat))
        .route("/api/v1/servers/{id}", axum::routing::delete(leave))
        .fallback(async |uri: Uri| {
            let detail = format!("there is nothing at {}", uri.path());
            Problem::new(StatusCode::NOT_FOUND, detail)
        })
        .with_state(shared)
}

async fn register(
    State(shared): State<Arc<Shared>>,
    ConnectInfo(peer): ConnectInfo<Peer>,
    request: Request,
) -> Response {
    registration(&shared, peer, None, request).await
}

async fn register_in(
    State(shared): State<Arc<Shared>>,
    ConnectInfo(peer): ConnectInfo<Peer>,
    Path(world): Path<String>,
    request: Request,
) -> Response {
    registration(&shared, peer, Some(world), request).await
}

async fn registration(
    shared: &Arc<Shared>,
    peer: Peer,
    world: Option<String>,
    request: Request,
) -> Response {
    let edge = Arc::clone(&shared.view.load().edge);
    let config = &edge.registration;
    let caller = Caller {
        address: peer.remote.ip().to_canonical(),
        is_local: peer
            .local
            .is_some_and(|own| own.ip().to_canonical() == peer.remote.ip().to_canonical()),
        host: text(request.headers(), header::HOST).to_owned(),
        world,
    };
    let take = async {
        let said: Registration = read(peer, config, request).await?;
        let view = shared.view.load_full();
        let offer = offer::read(&view, said, &caller).await?;
        registry::register(shared, offer)
    };
    let refusal = match within(config, take).await {
        Ok(registered) => return (StatusCode::CREATED, Json(registered)).into_response(),
        Err(refusal) => refusal,
    };
    let outcome = match refusal.status {
        StatusCode::CONFLICT => "conflict",
        _ => "refused",
    };
    let metrics = &shared.metrics.registration;
    metrics.registrations.with_label_values(&[outcome]).inc();
    tracing::warn!(
        caller = %caller.address,
        status = refusal.status.as_u16(),
        why = refusal.message,
        "a game server was not registered"
    );
    let answer = Registered {
        success: false,
        server_id: String::new(),
        message: refusal.message,
        heartbeat_interval_secs: registry::interval_secs(config),
        adjacent_servers: Vec::new(),
    };
    (refusal.status, Json(answer)).into_response()
}

async fn heartbeat(
    State(shared): State<Arc<Shared>>,
    ConnectInfo(peer): ConnectInfo<Peer>,
    Path(id): Path<String>,
    request: Request,
) -> Response {
    let edge = Arc::clone(&shared.view.load().edge);
    let config = &edge.registration;
    let take = async {
        let heartbeat: Heartbeat = read(peer, config, request).await?;
        if heartbeat.server_id != id {
            let what = "`server_id` is not the id in the path";
            return Err(Refusal::new(StatusCode::BAD_REQUEST, what));
        }
        registry::beat(&shared, known(&id)?, &heartbeat)
    };
    heard(within(config, take).await)
}

async fn leave(
    State(shared): State<Arc<Shared>>,
    ConnectInfo(peer): ConnectInfo<Peer>,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Response {
    let edge = Arc::clone(&shared.view.load().edge);
    let left = admit(peer, &edge.registration, &headers)
        .and_then(|()| known(&id))
        .and_then(|id| registry::leave(&shared, id));
    heard(left)
}

fn heard(answer: Result<Heard, Refusal>) -> Response {
    match answer {
        Ok(heard) => Json(heard).into_response(),
        Err(Refusal { status, message }) => {
            let answer = Heard {
                success: false,
                message,
                commands: Vec::new(),
            };
            (status, Json(answer)).into_response()
        }
    }
}

/// What is no id is nobody's.
fn known(id: &str) -> Result<RegistrationId, Refusal> {
    id.parse().map_err(|_| registry::unknown())
}

/// Bounds the time that a request may take.
async fn within<T>(
    config: &RegistrationConfig,
    take: impl Future<Output = Result<T, Refusal>>,
) -> Result<T, Refusal> {
    let late = |_| {
        let what = "the request took longer than edge.registration.timeout";
        Err(Refusal::new(StatusCode::REQUEST_TIMEOUT, what))
    };
    timeout(*config.timeout, take).await.unwrap_or_else(late)
}

/// Whether this caller may ask. A browser's page may not: it would register servers in the name of whoever looks at it.
fn admit(peer: Peer, config: &RegistrationConfig, headers: &HeaderMap) -> Result<(), Refusal> {
    offer::admit(peer.remote.ip().to_canonical(), config)?;
    if headers.contains_key(header::ORIGIN) {
        let what = "pages of browsers register no servers";
        return Err(Refusal::new(StatusCode::FORBIDDEN, what));
    }
    Ok(())
}

/// Reads a JSON document of somebody who may ask.
async fn read<T: DeserializeOwned>(
    peer: Peer,
    config: &RegistrationConfig,
    request: Request,
) -> Result<T, Refusal> {
    admit(peer, config, request.headers())?;
    let kind = text(request.headers(), header::CONTENT_TYPE);
    let kind = kind.split(';').next().unwrap_or_default().trim();
    if !kind.eq_ignore_ascii_case("application/json") {
        let what = "send JSON, with the header `Content-Type: application/json`";
        return Err(Refusal::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, what));
    }
    let limit = usize::try_from(config.body_bytes_max.0).unwrap_or(usize::MAX);
    let body = to_bytes(request.into_body(), limit).await.map_err(|_| {
        let what = "the request is longer than edge.registration.body-bytes-max, or broke off";
        Refusal::new(StatusCode::PAYLOAD_TOO_LARGE, what)
    })?;
    serde_json::from_slice(&body).map_err(|error| {
        let what = format!("the request cannot be read: {error}");
        Refusal::new(StatusCode::BAD_REQUEST, what)
    })
}

/// A header's text; empty if it is not there.
fn text(headers: &HeaderMap, name: header::HeaderName) -> &str {
    headers
        .get(name)
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default()
}
