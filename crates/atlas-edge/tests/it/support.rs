//! A running edge for tests.

use std::net::SocketAddr;
use std::time::Duration;

use atlas_edge::{
    Config, Edge, EdgeConfig, Handle, HealthKind, Listen, RegistrationConfig, ServerConfig,
    WorldConfig,
};
use atlas_runtime::metrics::Registry;
use atlas_runtime::{MetricsConfig, Shutdown, Tasks};
use atlas_testkit::{Deadline, Http};
use tokio::net::TcpListener;

/// An edge that serves until it is dropped.
pub(crate) struct Running {
    pub(crate) address: SocketAddr,
    /// Where servers register.
    pub(crate) registration: SocketAddr,
    pub(crate) handle: Handle,
    pub(crate) registry: Registry,
    tasks: Tasks,
}

impl Running {
    /// One metric's whole line, such as `atlas_edge_connections_total`.
    pub(crate) fn metric(&self, name: &str) -> u64 {
        let text = self.registry.render().unwrap();
        let value = text
            .lines()
            .find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        value.map_or(0, |value| value.parse().unwrap())
    }

    /// Stops and waits for the end.
    pub(crate) async fn stop(&self) {
        self.tasks.shutdown().drain("the test is over");
        self.tasks.drain(Duration::from_secs(5)).await.unwrap();
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.handle.stop(Duration::ZERO);
    }
}

/// A server of the world, plain or whatever it says.
pub(crate) fn server(name: &str, address: &str) -> ServerConfig {
    ServerConfig {
        name: name.to_owned(),
        address: address.to_owned(),
        ..ServerConfig::default()
    }
}

/// An edge in front of one world.
pub(crate) fn edge(world: WorldConfig) -> Running {
    edge_with(EdgeConfig::default(), world)
}

pub(crate) fn edge_with(edge: EdgeConfig, world: WorldConfig) -> Running {
    let registry = Registry::new(&MetricsConfig::default());
    let edge = Edge::build(&config(edge, world), "test", &registry).unwrap();
    let (address, handle) = (edge.listen(), edge.handle());
    let registration = edge.registration().unwrap();
    let tasks = Tasks::new(Shutdown::new());
    edge.start(&tasks, Duration::from_secs(3)).unwrap();
    Running {
        address,
        registration,
        handle,
        registry,
        tasks,
    }
}

/// The configuration of [`edge_with`].
pub(crate) fn config(edge: EdgeConfig, world: WorldConfig) -> Config {
    let any = SocketAddr::from(([127, 0, 0, 1], 0));
    let edge = EdgeConfig {
        listen: any,
        registration: RegistrationConfig {
            listen: Listen::On(any),
            ..edge.registration
        },
        ..edge
    };
    Config {
        edge,
        worlds: [("main".to_owned(), world)].into(),
    }
}

/// An edge that does not serve.
pub(crate) fn build(world: WorldConfig) -> Result<Edge, atlas_edge::Error> {
    let registry = Registry::new(&MetricsConfig::default());
    Edge::build(&config(EdgeConfig::default(), world), "test", &registry)
}

/// A world of these servers.
pub(crate) fn world(servers: impl IntoIterator<Item = ServerConfig>) -> WorldConfig {
    let mut world = WorldConfig {
        servers: servers.into_iter().collect(),
        ..WorldConfig::default()
    };
    // So that whoever opens a WebSocket at a test's game server is a player.
    world.health.kind = HealthKind::Tcp;
    world
}

pub(crate) fn soon() -> Deadline {
    Deadline::seconds(10)
}

/// The edge's admin routes.
pub(crate) async fn admin(edge: &Running) -> Http {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let router = edge.handle.admin_router();
    tokio::spawn(async move { axum::serve(listener, router).await });
    Http::new(address)
}
