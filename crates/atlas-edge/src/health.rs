//! Health: probes each server at its interval, takes in what traffic met, tells workers when a server is given up.

use std::collections::HashMap;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use atlas_balance::{Health, Observation, State, Thresholds};
use atlas_world::ServerId;
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout};

use crate::mail::Mail;
use crate::servers::{Server, World};
use crate::shared::{Met, Shared};

/// What a probe found.
struct Probed {
    world: Arc<World>,
    server: Arc<Server>,
    observation: Observation,
    refused: bool,
}

/// Watches all servers until the edge is gone.
pub(crate) async fn watch(shared: Arc<Shared>, mut met: mpsc::Receiver<Met>) {
    let mut known: HashMap<(Arc<str>, ServerId), Health> = HashMap::new();
    let mut probes: JoinSet<Probed> = JoinSet::new();
    for world in &shared.view.load().worlds {
        for server in &world.servers {
            probes.spawn(probe(
                world.clone(),
                server.clone(),
                first_probe(world, server),
            ));
        }
    }
    loop {
        tokio::select! {
            Some(probed) = probes.join_next() => {
                let Ok(Probed { world, server, observation, refused }) = probed else { continue };
                observe(&shared, &mut known, &world, &server, observation, refused);
                let interval = *world.config.health.interval;
                probes.spawn(probe(world, server, Instant::now() + interval));
            }
            word = met.recv() => {
                let Some(Met { world, server, observation }) = word else { return };
                let view = shared.view.load_full();
                let Some(world) = view.worlds.iter().find(|known| known.name == world) else { continue };
                let Some(server) = world.server(server) else { continue };
                let refused = observation == Observation::DialRefused;
                observe(&shared, &mut known, world, server, observation, refused);
            }
        }
    }
}

/// Probes of many servers are spread over their interval.
fn first_probe(world: &World, server: &Server) -> Instant {
    let servers = u32::try_from(world.servers.len().max(1)).unwrap_or(u32::MAX);
    Instant::now() + *world.config.health.interval / servers * server.id.0
}

async fn probe(world: Arc<World>, server: Arc<Server>, at: Instant) -> Probed {
    tokio::time::sleep_until(at).await;
    let limit: Duration = *world.config.health.timeout;
    let (observation, refused) = match timeout(limit, TcpStream::connect(server.target)).await {
        Ok(Ok(_)) => (Observation::ProbeSucceeded, false),
        Ok(Err(error)) => (
            Observation::ProbeFailed,
            error.kind() == io::ErrorKind::ConnectionRefused,
        ),
        Err(_) => (Observation::ProbeFailed, false),
    };
    Probed {
        world,
        server,
        observation,
        refused,
    }
}

fn observe(
    shared: &Shared,
    known: &mut HashMap<(Arc<str>, ServerId), Health>,
    world: &World,
    server: &Server,
    observation: Observation,
    refused: bool,
) {
    let now = shared.now();
    let config = &world.config.health;
    let health = known
        .entry((world.name.clone(), server.id))
        .or_insert_with(|| {
            Health::new(
                Thresholds {
                    unhealthy_after: config.unhealthy_after,
                    healthy_after: config.healthy_after,
                },
                now,
            )
        });
    let Some(state) = health.observe(now, observation) else {
        return;
    };
    server.set_health(state);
    let (world_name, server_name) = (&*world.name, &server.config.name);
    match state {
        State::Down => {
            tracing::warn!(
                world = world_name,
                server = server_name,
                refused,
                "a game server is down"
            );
            for mailbox in &shared.mailboxes {
                mailbox.send(Mail::ServerDown {
                    world: world.name.clone(),
                    server: server.id,
                    refused,
                });
            }
        }
        State::Suspect => tracing::info!(
            world = world_name,
            server = server_name,
            "a game server is suspect"
        ),
        State::Healthy => tracing::info!(
            world = world_name,
            server = server_name,
            "a game server is healthy"
        ),
    }
}
