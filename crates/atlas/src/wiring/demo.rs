//! The demo: four game servers as processes of their own, an edge in front of them, players who walk about.

mod servers;
mod summary;

use std::net::SocketAddr;
use std::process::ExitCode;
use std::time::Duration;

use atlas_demo::Movement;
use atlas_demo::players::{self, Players};
use atlas_edge::{LinkMode, Listen, RegionConfig, ServerConfig, WorldConfig};
use atlas_runtime::config::Loaded;
use atlas_runtime::{Kind, Shutdown, net};

use super::node::{Asked, Node, Stop};
use super::{about, edge, reload, store};
use crate::cli::Serving;
use crate::config::{Config, Role, dialled};
use crate::context::Context;
use crate::error::Error;
use crate::terminal::{self, Paint};
use servers::Servers;

/// The demo's world.
const WORLD: &str = "main";
/// How high and deep the world's regions reach.
const HEIGHT: f64 = 1000.0;
/// How long the players may take to leave; they bound it themselves.
const PLAYERS_TIMEOUT: Duration = Duration::from_secs(4);

/// Runs the demo until it is stopped.
///
/// # Errors
/// Whatever keeps a part from starting or makes it fail.
pub(crate) async fn serve(
    context: &Context,
    loaded: Loaded<Config>,
    players: u32,
    serving: Serving,
) -> Result<ExitCode, Error> {
    let quiet = !loaded.is_set("log.level");
    let mut config = loaded.config;
    if quiet {
        // Somebody sits in front of it: what the demo has to say is said in words.
        config.log.level = "warn".to_owned();
    }
    if !config.world.is_empty() {
        return Err(Error::DemoBesideWorlds {
            worlds: config.world.into_keys().collect(),
        });
    }
    // Removed when this function ends, however it does.
    let scratch = tempfile::Builder::new()
        .prefix("atlas-demo-")
        .tempdir()
        .map_err(|source| Error::System {
            what: "make a temporary folder".to_owned(),
            source,
        })?;
    let data_dir = match config.node.data_dir {
        Some(_) => config.node.data_dir(&context.variables),
        None => scratch.path().to_owned(),
    };
    let mut moved = Vec::new();
    moved.extend(find_free(&mut config.edge.listen, "edge", "edge.listen"));
    if let Listen::On(listen) = &mut config.edge.registration.listen {
        moved.extend(find_free(
            listen,
            "servers' registration",
            "edge.registration.listen",
        ));
    }
    moved.extend(find_free(&mut config.store.listen, "store", "store.listen"));
    moved.extend(find_free(
        &mut config.admin.listen,
        "console",
        "admin.listen",
    ));

    let mut node = Node::begin(config, data_dir.clone(), Stop::InTurn, &serving)?;
    let servers = Servers::start(&node.after, scratch.path(), context).await?;
    node.config.world.insert(WORLD.to_owned(), world(&servers));
    let edge = edge::build(&mut node)?;
    let store = store::build(&mut node, &data_dir)?;
    let walkers = Players::build(players::Config {
        url: format!("ws://{}/", dialled(edge.listen())),
        players,
        movement: Movement::Walk,
        ..players::Config::default()
    })?;
    let stats = walkers.stats();
    let admin = edge::mount(node.admin(), &edge, node.tap_token())
        .api(store.handle().admin_routes())
        .api(about::routes(&node, &Role::ALL))
        .api(players::routes(Some(stats.clone())));
    node.listen(admin.mount(atlas_console::router())).await?;
    edge::start(&node, edge)?;
    store::start(&node, store)?;

    // Players leave before the edge drains: what they still wait for is answered, and nobody is cut off.
    let leave = Shutdown::new();
    let leaving = leave.clone();
    let walking = atlas_runtime::Tasks::new(Shutdown::new());
    walking.spawn(Kind::SERVICE, "players", async move {
        walkers.run(async move { leaving.draining().await }).await;
        Ok::<(), Error>(())
    });
    terminal::print(&summary::started(
        context,
        &node,
        &servers,
        players,
        &moved,
        Paint::stdout(),
    ))?;
    node.ready(&serving)?;

    // A terminal that is closed (SIGHUP) asks for the end as well: nobody sits in front of it any more.
    while let Asked::Reload(Some(reply)) = node.asked().await {
        reload::refuse(reply, "a demo has no configuration to read again");
    }
    terminal::say("stopping: the players leave, then the edge drains");
    leave.drain("stopping");
    let left = tokio::select! {
        left = walking.drain(PLAYERS_TIMEOUT) => left,
        () = node.end.stopping() => Ok(()),
    };
    let ended = node.drain().await;
    terminal::print(&summary::ended(&stats.snapshot()))?;
    left?;
    ended
}

/// Takes any free port if the one that is meant is taken; says so.
fn find_free(listen: &mut SocketAddr, what: &str, key: &str) -> Option<String> {
    match net::bind(*listen, key) {
        Err(atlas_runtime::Error::Bind { owner, source, .. })
            if source.kind() == std::io::ErrorKind::AddrInUse =>
        {
            let port = listen.port();
            listen.set_port(0);
            let owner = owner.unwrap_or_else(|| "another process".to_owned());
            Some(format!(
                "port {port} is held by {owner}, so the {what} took a free one"
            ))
        }
        // Another error is told by whoever really binds.
        _ => None,
    }
}

fn world(servers: &Servers) -> WorldConfig {
    let servers = servers.list().into_iter().map(|server| ServerConfig {
        name: server.name.to_owned(),
        address: format!("ws://{}", server.address),
        link: LinkMode::Cooperative,
        capacity: 0,
        weight: 1,
        region: Some(RegionConfig {
            min: [server.region.min_x, -HEIGHT, server.region.min_z],
            max: [server.region.max_x, HEIGHT, server.region.max_z],
        }),
        ..ServerConfig::default()
    });
    WorldConfig {
        servers: servers.collect(),
        ..WorldConfig::default()
    }
}
