//! The edge's place in a process: build, mount, start.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use atlas_edge::{Edge, Listen};
use atlas_runtime::admin::{Admin, Token};
use atlas_runtime::metrics::Registry;

use super::node::Node;
use crate::error::Error;

/// What is left of the drain's time for the process itself, once the last player was told to go.
const RESERVE: Duration = Duration::from_secs(1);

/// Builds the edge, which binds the listeners of players and of servers that register.
///
/// # Errors
/// [`Error::Edge`]; [`Error::Runtime`] if the port is taken.
pub(super) fn build(node: &mut Node) -> Result<Edge, Error> {
    let edge = Edge::build(&node.config.edge(), &node.config.node.id(), &node.registry).map_err(
        |error| match error {
            // The listener's own error says everything: address, owner, key.
            atlas_edge::Error::Listen(error) => Error::Runtime(error),
            other => Error::Edge(other),
        },
    )?;
    node.listens("edge", edge.listen());
    if let Some(address) = edge.registration() {
        node.listens("registration", address);
    }
    Ok(edge)
}

/// Mounts the edge's routes; the tap is a right of its own.
pub(super) fn mount(admin: Admin, edge: &Edge, tap: Token) -> Admin {
    admin
        .api(edge.handle().admin_routes())
        .guard("/v1/tap", tap, "tap.token")
}

/// Starts to serve players.
///
/// # Errors
/// [`Error::Edge`] if the system gives no thread.
pub(super) fn start(node: &Node, edge: Edge) -> Result<(), Error> {
    let whole = *node.config.node.drain_timeout;
    let drain = whole.saturating_sub(RESERVE).max(whole / 2);
    Ok(edge.start(&node.tasks, drain)?)
}

/// Declares the edge's metrics without an edge that serves.
///
/// # Errors
/// [`Error::Edge`].
pub(super) fn declare(registry: &Registry) -> Result<(), Error> {
    let mut config = atlas_edge::Config::default();
    config.edge.listen = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    config.edge.registration.listen = Listen::Off;
    Edge::build(&config, "reference", registry)?;
    Ok(())
}
