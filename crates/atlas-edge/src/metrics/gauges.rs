//! What is now, read when somebody asks for the metrics.

use std::sync::atomic::Ordering;
use std::sync::{Arc, Weak};

use atlas_balance::State;
use atlas_runtime::Error;
use atlas_runtime::metrics::{Kind, Registry};

use crate::servers::{Server, World};
use crate::shared::Shared;

/// Values with their labels.
type Values = Vec<(Vec<String>, f64)>;

/// Declares the gauges of a running edge. They end with it.
pub(crate) fn declare(registry: &Registry, shared: &Arc<Shared>) -> Result<(), Error> {
    let gauge = |name: &str, help: &str, labels: &[&str], read: fn(&Shared) -> Values| {
        let edge: Weak<Shared> = Arc::downgrade(shared);
        registry.computed(Kind::Gauge, name, help, labels, move || {
            edge.upgrade().map_or_else(Vec::new, |edge| read(&edge))
        })
    };
    gauge(
        "atlas_edge_connections",
        "Players connected, those on their way included.",
        &[],
        |edge| single(edge.connections.load(Ordering::Relaxed) as f64),
    )?;
    gauge(
        "atlas_edge_servers_active",
        "Game servers that take players.",
        &[],
        |edge| {
            single(
                servers(edge, |_, server| f64::from(u8::from(server.may_enter())))
                    .iter()
                    .map(|(_, takes)| takes)
                    .sum(),
            )
        },
    )?;
    gauge(
        "atlas_edge_server_health",
        "Each game server's health: 2 healthy, 1 suspect, 0 down.",
        &["world", "server"],
        |edge| {
            servers(edge, |_, server| match server.health() {
                State::Healthy => 2.0,
                State::Suspect => 1.0,
                State::Down => 0.0,
            })
        },
    )?;
    gauge(
        "atlas_edge_server_sessions",
        "Places taken at each game server.",
        &["world", "server"],
        |edge| servers(edge, |_, server| f64::from(server.places())),
    )?;
    gauge(
        "atlas_edge_server_draining",
        "Whether a game server is being emptied or is empty: 1 or 0.",
        &["world", "server"],
        |edge| servers(edge, |_, server| f64::from(u8::from(!server.is_active()))),
    )?;
    gauge(
        "atlas_edge_queued_bytes",
        "Bytes that wait because the other side does not take them, by way (in: for servers, out: for clients), as of the last second.",
        &["direction"],
        |edge| {
            let (inward, outward, _) = queued(edge);
            vec![
                (vec!["in".to_owned()], inward),
                (vec!["out".to_owned()], outward),
            ]
        },
    )?;
    gauge(
        "atlas_edge_paused_clients",
        "Clients who do not take what waits for them, as of the last second.",
        &[],
        |edge| single(queued(edge).2),
    )?;
    registry.alias("horizon_atlas_connections_active", "atlas_edge_connections")?;
    registry.alias("horizon_atlas_servers_active", "atlas_edge_servers_active")
}

fn single(value: f64) -> Values {
    vec![(Vec::new(), value)]
}

fn servers(edge: &Shared, read: fn(&World, &Server) -> f64) -> Values {
    let view = edge.view.load();
    let of = |world: &World| -> Values {
        let labels = |server: &Server| vec![world.name.to_string(), server.config.name.clone()];
        world
            .present()
            .map(|server| (labels(server), read(world, server)))
            .collect()
    };
    view.worlds.iter().flat_map(|world| of(world)).collect()
}

fn queued(edge: &Shared) -> (f64, f64, f64) {
    let sum = |read: fn(&crate::shared::Queued) -> &std::sync::atomic::AtomicUsize| {
        edge.queued
            .iter()
            .map(|worker| read(worker).load(Ordering::Relaxed) as f64)
            .sum()
    };
    (
        sum(|worker| &worker.inward),
        sum(|worker| &worker.outward),
        sum(|worker| &worker.paused),
    )
}
