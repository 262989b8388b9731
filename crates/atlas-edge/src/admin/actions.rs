//! What a person does: drains a server, kicks a player. And the regions, to look at.

use atlas_base::TimeSpan;
use atlas_runtime::admin::Problem;
use atlas_wire::frame::CloseCode;
use axum::extract::rejection::JsonRejection;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::routing::{get, post};
use axum::{Json, Router};
use serde::{Deserialize, Serialize};

use super::parse_id;
use crate::DrainView;
use crate::api::RegionView;
use crate::config::RegionsMode;
use crate::handle::Handle;

/// The close code of a kick that names none.
const KICKED: u16 = 4000;

pub(super) fn routes() -> Router<Handle> {
    Router::new()
        .route(
            "/v1/servers/{world}/{server}/drain",
            post(drain).get(drain_report).delete(cancel_drain),
        )
        .route("/v1/sessions/{id}/kick", post(kick))
        .route("/v1/regions", get(regions))
}

#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct DrainOrder {
    /// Takes the drain back instead.
    cancel: bool,
    deadline: Option<TimeSpan>,
    window: Option<TimeSpan>,
}

async fn drain(
    State(edge): State<Handle>,
    Path((world, server)): Path<(String, String)>,
    order: Result<Option<Json<DrainOrder>>, JsonRejection>,
) -> Result<(StatusCode, Json<DrainView>), Problem> {
    let Json(order) = order?.unwrap_or_default();
    if order.cancel {
        return Ok((StatusCode::OK, Json(edge.cancel_drain(&world, &server)?)));
    }
    let (deadline, window) = (order.deadline.map(Into::into), order.window.map(Into::into));
    let begun = edge.drain(&world, &server, deadline, window)?;
    Ok((StatusCode::ACCEPTED, Json(begun)))
}

async fn drain_report(
    State(edge): State<Handle>,
    Path((world, server)): Path<(String, String)>,
) -> Result<Json<DrainView>, Problem> {
    Ok(Json(edge.drain_report(&world, &server)?))
}

async fn cancel_drain(
    State(edge): State<Handle>,
    Path((world, server)): Path<(String, String)>,
) -> Result<Json<DrainView>, Problem> {
    Ok(Json(edge.cancel_drain(&world, &server)?))
}

#[derive(Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
struct Kick {
    code: u16,
    reason: String,
}

impl Default for Kick {
    fn default() -> Self {
        Self {
            code: KICKED,
            reason: "kicked".to_owned(),
        }
    }
}

#[derive(Serialize)]
struct Kicked {
    session: String,
    #[serde(flatten)]
    kick: Kick,
}

async fn kick(
    State(edge): State<Handle>,
    Path(id): Path<String>,
    kick: Result<Option<Json<Kick>>, JsonRejection>,
) -> Result<Json<Kicked>, Problem> {
    let Json(kick) = kick?.unwrap_or_default();
    let session = parse_id(&id)?;
    if !CloseCode(kick.code).is_sendable() {
        let what = format!(
            "{} is no close code that may be sent; write 1000 to 1003, 1007 to 1014, or 3000 to 4999",
            kick.code
        );
        return Err(Problem::new(StatusCode::UNPROCESSABLE_ENTITY, what));
    }
    edge.kick(session, kick.code, &kick.reason).await?;
    Ok(Json(Kicked {
        session: session.to_string(),
        kick,
    }))
}

/// One region and the server that is its authority.
#[derive(Serialize)]
struct Region {
    /// Its name, which is its server's.
    name: String,
    world: String,
    server: String,
    /// The server's state.
    state: String,
    /// The server's sessions.
    sessions: u32,
    #[serde(flatten)]
    corners: RegionView,
}

#[derive(Serialize)]
struct Regions {
    items: Vec<Region>,
}

async fn regions(State(edge): State<Handle>) -> Json<Regions> {
    let view = edge.shared.view.load_full();
    let worlds = view
        .worlds
        .iter()
        .filter(|world| world.config.regions == RegionsMode::Auto);
    let servers = worlds.flat_map(|world| {
        world
            .present()
            .map(|server| crate::api::ServerView::of(world, server, None))
    });
    let items = servers
        .filter_map(|server| {
            Some(Region {
                corners: server.region?,
                name: server.id.clone(),
                world: server.world,
                server: server.id,
                state: server.state,
                sessions: server.sessions,
            })
        })
        .collect();
    Json(Regions { items })
}
