//! What the doctor looks at, one function each.

use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use atlas_edge::{Count, ServerConfig};
use atlas_runtime::admin::Token;
use atlas_runtime::config::Loaded;
use atlas_runtime::net;
use hyper::Uri;
use rustix::fs::{Access, access};
use rustix::process::{Resource, getrlimit};
use serde_json::Value;
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::Finding;
use crate::admin_client::AdminClient;
use crate::config::{self, Config, Role, dialled};
use crate::context::Context;
use crate::error::Error;

/// How long a game server may take to accept.
const DIAL_TIMEOUT: Duration = Duration::from_secs(2);
/// Descriptors that the edge keeps for everything that is no player.
const DESCRIPTORS_RESERVED: u64 = 128;

/// Looks at everything, in the order in which a node would meet it.
pub(super) async fn all(context: &Context) -> Vec<Finding> {
    let loaded = match config::load(context, Vec::new()) {
        Ok(loaded) => loaded,
        Err(error) => return vec![broken_configuration(&error)],
    };
    let mut findings = vec![configuration(&loaded)];
    let data_dir = loaded.config.node.data_dir(&context.variables);
    findings.push(data_folder(&data_dir));
    let running = admin(&loaded, &data_dir, &mut findings).await;
    if !Role::of(&loaded).is_empty() || running {
        findings.push(port("edge.listen", loaded.config.edge.listen, running));
        if let Some(listen) = loaded.config.edge.registration.listen.address() {
            findings.push(port("edge.registration.listen", listen, running));
        }
        findings.push(descriptors(loaded.config.edge.max_connections));
    }
    for (world, config) in &loaded.config.world {
        for server in &config.servers {
            findings.push(game_server(world, server).await);
        }
    }
    findings
}

fn broken_configuration(error: &Error) -> Finding {
    Finding::wrong(
        "configuration",
        error.to_string(),
        "mend it; `atlas config example` prints every key with what it does",
    )
}

fn configuration(loaded: &Loaded<Config>) -> Finding {
    let names: Vec<_> = Role::of(loaded).into_iter().map(Role::name).collect();
    match (&loaded.file, names.is_empty()) {
        (None, _) => Finding::note(
            "configuration",
            "there is no configuration file; these are the defaults",
            "`atlas config example edge > atlas.toml` makes one to start from",
        ),
        (Some(file), true) => Finding::note(
            "configuration",
            format!("{} is good, but names no role", file.display()),
            "add a section such as [edge]",
        ),
        (Some(file), false) => Finding::good(
            "configuration",
            format!("{} is good; roles: {}", file.display(), names.join(", ")),
        ),
    }
}

/// Whether the folder, or the first one above it that exists, can be written to.
fn data_folder(folder: &Path) -> Finding {
    let what = "data folder";
    let existing = folder
        .ancestors()
        .find(|folder| folder.exists())
        .unwrap_or(Path::new("."));
    // A relative name's last ancestor is empty, which means here.
    let existing = if existing.as_os_str().is_empty() {
        Path::new(".")
    } else {
        existing
    };
    let remedy =
        "give this user the right to write there, or name another folder as `node.data-dir`";
    if !existing.is_dir() {
        return Finding::wrong(what, format!("{} is no folder", existing.display()), remedy);
    }
    match access(existing, Access::WRITE_OK | Access::EXEC_OK) {
        Ok(()) if existing == folder => {
            Finding::good(what, format!("{} can be written to", folder.display()))
        }
        Ok(()) => Finding::good(what, format!("{} can be made", folder.display())),
        Err(error) => {
            let found = format!(
                "{} cannot be written to: {}",
                existing.display(),
                io::Error::from(error)
            );
            Finding::wrong(what, found, remedy)
        }
    }
}

/// Looks at the admin listener; true if a node answers there.
async fn admin(loaded: &Loaded<Config>, data_dir: &Path, findings: &mut Vec<Finding>) -> bool {
    let listen = loaded.config.admin.listen;
    let what = format!("admin {listen}");
    let client = AdminClient::at(dialled(listen).to_string(), &Token::path(data_dir));
    let health: Result<Value, _> = client.get("/health").await;
    match health {
        Err(Error::Unreachable { .. }) => {
            findings.push(port("admin.listen", listen, false));
            return false;
        }
        Err(error) => {
            let owner = net::owner(listen).unwrap_or_else(|| "another process".to_owned());
            findings.push(Finding::wrong(
                what,
                format!("the port is held by {owner}, which is no Atlas node ({error})"),
                "stop it, or give `admin.listen` another port",
            ));
            return false;
        }
        Ok(_) => {}
    }
    let ready: Result<Value, _> = client.get("/ready").await;
    let servers: Result<Value, _> = client.get("/v1/servers").await;
    findings.push(match (ready, servers) {
        (Ok(_), Ok(_)) => Finding::good(what, "a running node answers, is ready and takes the token"),
        (Err(error), Ok(_)) => Finding::note(what, format!("a running node answers, but is not ready: {error}"), "its log says why"),
        (_, Err(Error::Answer { status: 401, .. })) => Finding::wrong(
            what,
            format!("a running node answers, but does not take the token of {}",
 Token::path(data_dir).display()),
            "the node runs with another data folder: give `node.data-dir` its value, or stop that node",
        ),
        (_, Err(error)) => Finding::wrong(what, format!("a running node answers, but not as it should: {error}"), "its log says why"),
    });
    true
}

/// Whether a port is free, or held by the node that runs.
fn port(key: &str, listen: SocketAddr, running: bool) -> Finding {
    let what = format!("{} {listen}", key.strip_suffix(".listen").unwrap_or(key));
    if listen.port() == 0 {
        return Finding::good(what, "any free port will do");
    }
    match net::bind(listen, key) {
        Ok(_) if running => Finding::note(
            what,
            "the running node does not listen here",
            "start it again if the configuration has changed",
        ),
        Ok(_) => Finding::good(what, "the port is free"),
        Err(atlas_runtime::Error::Bind {
            owner: Some(owner), ..
        }) if running && owner.starts_with("atlas") => {
            Finding::good(what, format!("the running node listens here ({owner})"))
        }
        Err(error) => Finding::wrong(what, error.to_string(), ""),
    }
}

/// Whether the process may have as many descriptors as the configured players need.
fn descriptors(max_connections: Count) -> Finding {
    let what = "open files";
    // The edge raises its own limit to the hard one.
    let Some(limit) = getrlimit(Resource::Nofile).maximum else {
        return Finding::good(what, "there is no limit");
    };
    let carries = limit.saturating_sub(DESCRIPTORS_RESERVED) * 10 / 22;
    match max_connections {
        Count::Auto if carries < 1000 => Finding::note(
            what,
            format!("the limit of {limit} lets {carries} players in"),
            "raise it where the process is started (`ulimit -Hn`, LimitNOFILE of systemd)",
        ),
        Count::Auto => Finding::good(
            what,
            format!("the limit of {limit} lets {carries} players in"),
        ),
        Count::Number(wanted) if u64::from(wanted) > carries => Finding::wrong(
            what,
            format!(
                "the limit of {limit} lets {carries} players in, but `edge.max-connections` is {wanted}"
            ),
            "raise the limit where the process is started (`ulimit -Hn`, LimitNOFILE of systemd), or write \"auto\"",
        ),
        Count::Number(wanted) => Finding::good(
            what,
            format!("the limit of {limit} is enough for {wanted} players"),
        ),
    }
}

/// Whether a game server accepts connections.
async fn game_server(world: &str, server: &ServerConfig) -> Finding {
    let what = format!("server {world}/{}", server.name);
    let remedy = format!("start it, or mend `address` of the server in [[world.{world}.servers]]");
    // The configuration was checked: what is left of an address that this cannot read is told all the same.
    let parts = server.address.parse::<Uri>().ok();
    let Some(host) = parts.as_ref().and_then(Uri::host) else {
        return Finding::wrong(what, format!("{} names no host", server.address), remedy);
    };
    let port = parts.as_ref().and_then(Uri::port_u16).unwrap_or(80);
    let host = host.trim_start_matches('[').trim_end_matches(']');
    match timeout(DIAL_TIMEOUT, TcpStream::connect((host, port))).await {
        Ok(Ok(_)) => Finding::good(what, format!("{} accepts connections", server.address)),
        Ok(Err(error)) => Finding::wrong(
            what,
            format!("{} cannot be dialled: {error}", server.address),
            remedy,
        ),
        Err(_) => Finding::wrong(
            what,
            format!("{} did not accept within {DIAL_TIMEOUT:?}", server.address),
            remedy,
        ),
    }
}
