//! `atlas edge`: the edge alone.

use std::net::SocketAddr;
use std::process::ExitCode;

use atlas_runtime::config::Flag;
use clap::Args;

use crate::cli::Serving;
use crate::config::{self, Role};
use crate::context::Context;
use crate::error::Error;
use crate::wiring;

/// Accept players and join them to game servers
///
/// The players' listener is open to all networks, 0.0.0.0:9000, unless the configuration or --listen says otherwise.
/// SIGTERM and SIGINT drain: nobody new, everybody told to come back; a second one stops at once.
#[derive(Args, Debug)]
#[command(
    after_help = "Examples:\n  atlas edge\n  atlas edge --config /etc/atlas/atlas.toml --listen 127.0.0.1:9000 --ready-file /run/atlas/ready.json"
)]
pub(crate) struct Options {
    /// Where players connect, as ADDRESS:PORT; port 0 finds a free one
    #[arg(long, value_name = "ADDRESS", value_parser = super::address)]
    listen: Option<SocketAddr>,

    /// Where the admin API and the console listen, as ADDRESS:PORT
    #[arg(long, value_name = "ADDRESS", value_parser = super::address)]
    admin_listen: Option<SocketAddr>,

    #[command(flatten)]
    serving: Serving,
}

/// Where the players' listener is in a role command that nobody told otherwise: a service is there to be reached.
const LISTEN: SocketAddr =
    SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::UNSPECIFIED), 9000);

pub(crate) fn run(context: &Context, options: Options) -> Result<ExitCode, Error> {
    let mut flags = Vec::new();
    let mut flag = |name, key, value: Option<SocketAddr>| {
        flags.extend(value.map(|value| Flag::new(name, key, value.to_string())));
    };
    flag("--listen", "edge.listen", options.listen);
    flag("--admin-listen", "admin.listen", options.admin_listen);
    let source = || {
        let mut loaded = config::load(context, flags.clone())?;
        if !loaded.is_set("edge.listen") {
            loaded.config.edge.listen = LISTEN;
        }
        Ok(loaded)
    };
    super::block_on(
        Some(1),
        wiring::serve(context, &source, &[Role::Edge], options.serving),
    )
}
