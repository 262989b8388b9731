//! What a person does: drains a server, kicks a player. And the regions, to look at.

use atlas_base::TimeSpan;
use atlas_runtime::admin::{Operation, Problem, Routes};
use atlas_wire::frame::CloseCode;
use axum::Json;
use axum::extract::rejection::JsonRejection;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::routing::{delete, get, post};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::parse_id;
use crate::DrainView;
use crate::api::RegionView;
use crate::config::RegionsMode;
use crate::handle::Handle;

/// The close code of a kick that names none.
const KICKED: u16 = 4000;

const DRAIN: &str = "/v1/servers/{world}/{server}/drain";

pub(super) fn routes() -> Routes<Handle> {
    Routes::new()
        .add(
            Operation::post(DRAIN, "Begins to empty a server, or takes that back")
                .body::<DrainOrder>()
                .json::<DrainView>(202)
                .json::<DrainView>(200),
            post(drain),
        )
        .add(
            Operation::get(DRAIN, "How far a server's last drain is").json::<DrainView>(200),
            get(drain_report),
        )
        .add(
            Operation::delete(DRAIN, "Takes a drain back").json::<DrainView>(200),
            delete(cancel_drain),
        )
        .add(
            Operation::post("/v1/sessions/{id}/kick", "Closes a session's client")
                .body::<Kick>()
                .json::<Kicked>(200),
            post(kick),
        )
        .add(
            Operation::get("/v1/regions", "The regions and their servers").json::<Regions>(200),
            get(regions),
        )
}

/// How a server is to be emptied.
#[derive(Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
struct DrainOrder {
    /// Takes the drain back instead.
    cancel: bool,
    /// When whoever is left is closed; as the world's configuration says if nothing is said.
    deadline: Option<TimeSpan>,
    /// Over what time the moves are spread; as the world's configuration says if nothing is said.
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

/// How a client is to be closed.
#[derive(Deserialize, JsonSchema, Serialize)]
#[serde(default, deny_unknown_fields)]
struct Kick {
    /// The close code: 1000 to 1003, 1007 to 1014, or 3000 to 4999; 4000 if nothing is said.
    code: u16,
    /// The close reason; `kicked` if nothing is said.
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

/// A client that was closed.
#[derive(JsonSchema, Serialize)]
struct Kicked {
    /// The session's id.
    session: String,
    /// The close code.
    code: u16,
    /// The close reason.
    reason: String,
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
        code: kick.code,
        reason: kick.reason,
    }))
}

/// One region and the server that is its authority.
#[derive(JsonSchema, Serialize)]
struct Region {
    /// Its name, which is its server's.
    name: String,
    /// Its world's name.
    world: String,
    /// Its server's name.
    server: String,
    /// The server's state.
    state: String,
    /// The server's sessions.
    sessions: u32,
    #[serde(flatten)]
    corners: RegionView,
}

/// The regions.
#[derive(JsonSchema, Serialize)]
struct Regions {
    /// In the order of their servers.
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
