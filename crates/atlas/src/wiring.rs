//! What a serving process is made of, in the order in which it starts and stops.
//!
//! A start: configuration → logs, data folder, token → each role's `build`, which binds → the admin listener → the
//! roles' tasks → the ready file. A stop goes the other way: what makes traffic first, then the roles, then what is to
//! be seen until the end.

mod about;
pub(crate) mod demo;
pub(crate) mod edge;
mod node;
mod reload;
pub(crate) mod store;

use std::process::ExitCode;

use atlas_runtime::LogConfig;
use atlas_runtime::config::Loaded;
use atlas_runtime::logs::{self, Logs};
use atlas_runtime::metrics::Registry;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::cli::Serving;
use crate::config::{Config, Role};
use crate::context::Context;
use crate::error::Error;
use crate::terminal::{self, Paint};
use node::{Asked, Node, Stop};

/// The program's version.
pub(crate) const VERSION: &str = env!("CARGO_PKG_VERSION");

/// Reads the configuration as the command line wants it; asked again at each reload.
pub(crate) type Source<'a> = dyn Fn() -> Result<Loaded<Config>, Error> + 'a;

/// Runs roles as a service does: what there is to say goes to the log.
///
/// # Errors
/// Whatever keeps a role from starting or makes it fail.
pub(crate) async fn serve(
    context: &Context,
    source: &Source<'_>,
    roles: &[Role],
    serving: Serving,
) -> Result<ExitCode, Error> {
    let (node, running) = start(context, source()?, roles, &serving).await?;
    for (name, address) in node.listeners() {
        tracing::info!(listener = name, address, "listening");
    }
    until_stopped(node, running, source).await
}

/// Runs roles as somebody does who sits in front of it: a summary on stdout, the console's link in it.
///
/// # Errors
/// As [`serve`].
pub(crate) async fn up(
    context: &Context,
    source: &Source<'_>,
    roles: &[Role],
    serving: Serving,
) -> Result<ExitCode, Error> {
    let (node, running) = start(context, source()?, roles, &serving).await?;
    terminal::print(&summary(&node, Paint::stdout()))?;
    until_stopped(node, running, source).await
}

async fn start(
    context: &Context,
    loaded: Loaded<Config>,
    roles: &[Role],
    serving: &Serving,
) -> Result<(Node, Handles), Error> {
    let data_dir = loaded.config.node.data_dir(&context.variables);
    let mut node = Node::begin(loaded.config, data_dir.clone(), Stop::AtOnce, serving)?;
    let mut admin = node.admin();
    let mut services = Vec::new();
    let mut stores = Vec::new();
    for role in roles {
        match role {
            Role::Edge => {
                let edge = edge::build(&mut node)?;
                admin = edge::mount(admin, &edge, node.tap_token());
                services.push(edge);
            }
            Role::Store => {
                let store = store::build(&mut node, &data_dir)?;
                admin = admin.api(store.handle().admin_routes());
                stores.push(store);
            }
        }
    }
    let handles = Handles {
        edges: services.iter().map(atlas_edge::Edge::handle).collect(),
        stores: stores.iter().map(atlas_store::Store::handle).collect(),
    };
    admin = admin
        .mount(atlas_console::router())
        .api(about::routes(&node, roles))
        .api(atlas_demo::players::routes(None));
    node.listen(admin).await?;
    for service in services {
        edge::start(&node, service)?;
    }
    for service in stores {
        store::start(&node, service)?;
    }
    node.ready(serving)?;
    Ok((node, handles))
}

/// The ways into the roles that run.
struct Handles {
    edges: Vec<atlas_edge::Handle>,
    stores: Vec<atlas_store::Handle>,
}

/// Serves until a signal or a failed task ends it, then drains; SIGHUP and `POST /v1/reload` read the configuration again.
async fn until_stopped(
    mut node: Node,
    roles: Handles,
    source: &Source<'_>,
) -> Result<ExitCode, Error> {
    while let Asked::Reload(reply) = node.asked().await {
        reload::perform(&mut node, &roles, source, reply).await;
    }
    node.drain().await
}

fn summary(node: &Node, paint: Paint) -> String {
    let mut text = format!("{} {VERSION} is running\n\n", paint.bold("Atlas"));
    if let Some(edge) = node
        .listeners()
        .find_map(|(name, address)| (name == "edge").then_some(address))
    {
        text += &format!("  edge      ws://{edge}\n");
    }
    if let Some(store) = node
        .listeners()
        .find_map(|(name, address)| (name == "store").then_some(address))
    {
        text += &format!("  store     redis://{store}\n");
    }
    text += &format!("  console   {}\n", paint.cyan(node.console()));
    if node.config.world.is_empty() {
        text += "  worlds    none yet: players are answered 404; `atlas config example edge` shows how to name one\n";
    }
    for (name, world) in &node.config.world {
        let servers: Vec<_> = world
            .servers
            .iter()
            .map(|server| server.name.as_str())
            .collect();
        text += &format!("  world     {name}: {}\n", servers.join(", "));
    }
    text += "\nCtrl-C stops it.\n";
    text
}

/// The logs of a command that has no configuration: `--log`, else `RUST_LOG`, else what is worth knowing.
///
/// # Errors
/// [`Error::Runtime`] if the level cannot be read.
pub(crate) fn logs_without_config(context: &Context) -> Result<Logs, Error> {
    let named = context
        .log
        .as_deref()
        .or_else(|| context.variable("RUST_LOG"));
    let mut config = LogConfig::default();
    if let Some(level) = named {
        config.level = level.to_owned();
    }
    Ok(logs::init(&config)?)
}

/// Lets the process have as many descriptors as the system allows it: each player takes two.
pub(crate) fn raise_descriptor_limit() {
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit {
        current: limit.maximum,
        maximum: limit.maximum,
    };
    if limit.current != limit.maximum && setrlimit(Resource::Nofile, raised).is_err() {
        // Without the raise it serves fewer players, which `max-connections` then reckons with.
        tracing::debug!("the limit of open files cannot be raised");
    }
}

/// Says whether what is allocated from now on may lie in huge pages: a store reads all over its memory and is faster with
/// them, for small processes and for idle connections they would only be larger.
pub(crate) fn use_huge_pages(may: bool) {
    // A system that has no such switch, or refuses it, goes on as it is: nothing but speed and size depends on it.
    #[cfg(target_os = "linux")]
    let _ = rustix::thread::disable_transparent_huge_pages(!may);
    #[cfg(not(target_os = "linux"))]
    let _ = may;
}

/// The binary's own part of the admin API.
pub(crate) fn operations() -> Vec<atlas_runtime::admin::Operation> {
    let mut operations = reload::operations();
    operations.extend(about::operations());
    operations
}

/// Declares every metric that any role has, for the reference page.
///
/// # Errors
/// [`Error::Runtime`], [`Error::Edge`] or [`Error::Store`] if one cannot be declared.
pub(crate) fn declare_all(registry: &Registry) -> Result<(), Error> {
    registry.process(VERSION)?;
    edge::declare(registry)?;
    Ok(atlas_store::declare_metrics(registry)?)
}
