//! The admin API's data, as JSON.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::drain::DrainView;
use crate::servers::{Server, Speaks, World};

/// A position in world units.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
pub struct PositionView {
    /// To the right on the map.
    pub x: f64,
    /// Up.
    pub y: f64,
    /// Downwards on the map.
    pub z: f64,
}

impl From<atlas_base::Position> for PositionView {
    fn from(at: atlas_base::Position) -> Self {
        Self {
            x: at.x,
            y: at.y,
            z: at.z,
        }
    }
}

/// What a link speaks.
#[derive(Clone, Copy, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum LinkName {
    /// `atlas.link.v1`.
    Cooperative,
    /// Any WebSocket server.
    Plain,
    /// Not asked yet.
    Unknown,
}

/// A region's corners: `min` belongs to it, `max` does not.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
pub struct RegionView {
    /// Smallest x, y, z.
    pub min: [f64; 3],
    /// x, y, z just past it.
    pub max: [f64; 3],
}

/// One game server.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
pub struct ServerView {
    /// Its name, unique in its world.
    pub id: String,
    /// Its world's name.
    pub world: String,
    /// Where it listens.
    pub address: String,
    /// Who tells of it: `config`, `file`, or `registration`.
    pub source: String,
    /// `active`, `draining`, `drained`, `down`, or `shadow`: it gets copies and no players.
    pub state: String,
    /// `healthy`, `suspect` or `down`.
    pub health: String,
    /// What it speaks.
    pub link: LinkName,
    /// Places taken.
    pub sessions: u32,
    /// Most sessions; 0: no bound.
    pub capacity: u32,
    /// Its share of new players.
    pub weight: u32,
    /// Its part of the world.
    pub region: Option<RegionView>,
    /// Words to find it by.
    pub labels: BTreeMap<String, String>,
    /// How far its drain is, until the drain is taken back.
    pub drain: Option<DrainView>,
}

impl ServerView {
    pub(crate) fn of(world: &World, server: &Server, drain: Option<DrainView>) -> Self {
        let health = server.health();
        let state = match (server.is_active(), health) {
            (_, atlas_balance::State::Down) => "down",
            (true, _) if server.is_shadow() => "shadow",
            (true, _) => "active",
            (false, _) if server.places() == 0 => "drained",
            (false, _) => "draining",
        };
        Self {
            id: server.config.name.clone(),
            world: world.name.to_string(),
            address: server.config.address.clone(),
            source: server.source.name().to_owned(),
            state: state.to_owned(),
            health: health.to_string(),
            link: match server.speaks() {
                Speaks::Cooperative => LinkName::Cooperative,
                Speaks::Plain => LinkName::Plain,
                Speaks::Unknown => LinkName::Unknown,
            },
            sessions: server.places(),
            capacity: server.config.capacity,
            weight: server.config.weight,
            region: server.config.region.map(|region| RegionView {
                min: region.min,
                max: region.max,
            }),
            labels: server.config.labels.clone(),
            drain,
        }
    }
}

/// One world with its servers.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
pub struct WorldView {
    /// Its name.
    pub name: String,
    /// How its messages are read.
    pub dialect: String,
    /// How new players are placed.
    pub balance: String,
    /// Its servers.
    pub servers: Vec<ServerView>,
}

/// One player's presence.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
pub struct SessionView {
    /// Its id.
    pub id: String,
    /// Its world's name.
    pub world: String,
    /// The player's id, if the dialect shows it.
    pub player: Option<String>,
    /// Its server's name.
    pub server: String,
    /// The newest attempt to move it; 0 for a plain session.
    pub epoch: u64,
    /// Where it stands: `settled`, or a step of a transfer.
    pub phase: String,
    /// What its link speaks.
    pub link: LinkName,
    /// The client's address.
    pub client: String,
    /// The path it asked for, at most 128 bytes of it.
    pub path: String,
    /// Where it is, if the dialect shows it.
    pub position: Option<PositionView>,
    /// How long it has been here, in milliseconds.
    pub age_ms: u64,
    /// How often it was moved.
    pub transfers: u64,
    /// Messages from the client.
    pub messages_in: u64,
    /// Messages to the client.
    pub messages_out: u64,
    /// Messages of the client that were lost with a server; clients of `atlas.v1` were told so.
    pub lost_input: u64,
}

/// A page of sessions.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
pub struct SessionsPage {
    /// In the order of their ids.
    pub items: Vec<SessionView>,
    /// What to ask for next (`after`); none on the last page.
    pub next: Option<String>,
    /// How many there are in all.
    pub total: usize,
}

/// A transfer and how it ended.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
pub struct TransferView {
    /// The session's id.
    pub session: String,
    /// The player's id, if it is known.
    pub player: Option<String>,
    /// The transfer's id; empty if it was refused.
    pub transfer: String,
    /// The server left.
    pub from: String,
    /// The server meant.
    pub to: String,
    /// Why it began.
    pub reason: String,
    /// `done`, `aborted`, `failed` or `refused`.
    pub outcome: String,
    /// What decided the outcome.
    pub why: String,
    /// How long the player's input was held, in milliseconds.
    pub held_ms: f64,
}

impl TransferView {
    pub(crate) fn refused(session: &str, why: &str) -> Self {
        Self {
            session: session.to_owned(),
            player: None,
            transfer: String::new(),
            from: String::new(),
            to: String::new(),
            reason: "admin".to_owned(),
            outcome: "refused".to_owned(),
            why: why.to_owned(),
            held_ms: 0.0,
        }
    }
}
