//! `atlas servers`: the game servers of a running edge.

use std::process::ExitCode;

use atlas_edge::{LinkName, RegionView, ServerView};
use clap::Args;
use serde::{Deserialize, Serialize};

use crate::admin_client::{AdminClient, Remote};
use crate::context::Context;
use crate::error::Error;
use crate::terminal::{self, Align, Paint, Table, count};

/// List the game servers of a running edge
#[derive(Args, Debug)]
#[command(
    after_help = "Examples:\n  atlas servers\n  atlas servers --admin http://127.0.0.1:9090 --json"
)]
pub(crate) struct Options {
    #[command(flatten)]
    remote: Remote,
}

#[derive(Deserialize, Serialize)]
struct Servers {
    items: Vec<ServerView>,
}

pub(crate) fn run(context: &Context, options: Options) -> Result<ExitCode, Error> {
    let node = AdminClient::find(context, &options.remote)?;
    let servers: Servers = super::block_on(Some(1), node.get("/v1/servers"))?;
    if options.remote.json {
        terminal::print_json(&servers)?;
    } else {
        terminal::print(&table(&servers.items))?;
    }
    Ok(ExitCode::SUCCESS)
}

fn table(servers: &[ServerView]) -> String {
    if servers.is_empty() {
        return "there are no servers; the configuration names them as [[world.main.servers]]\n"
            .to_owned();
    }
    let mut table = Table::new([
        ("WORLD", Align::Left),
        ("SERVER", Align::Left),
        ("ADDRESS", Align::Left),
        ("STATE", Align::Left),
        ("HEALTH", Align::Left),
        ("LINK", Align::Left),
        ("SESSIONS", Align::Right),
        ("CAPACITY", Align::Right),
        ("REGION (x, y, z)", Align::Left),
    ]);
    for server in servers {
        table.row([
            server.world.clone(),
            server.id.clone(),
            server.address.clone(),
            server.state.clone(),
            server.health.clone(),
            link(server.link).to_owned(),
            count(server.sessions.into()),
            if server.capacity == 0 {
                "any".to_owned()
            } else {
                count(server.capacity.into())
            },
            server.region.map_or_else(|| "-".to_owned(), region),
        ]);
    }
    table.render(Paint::stdout())
}

/// What a link speaks, in a word.
pub(super) fn link(link: LinkName) -> &'static str {
    match link {
        LinkName::Cooperative => "cooperative",
        LinkName::Plain => "plain",
        LinkName::Unknown => "unknown",
    }
}

fn region(region: RegionView) -> String {
    let corner = |[x, y, z]: [f64; 3]| format!("{x}, {y}, {z}");
    format!("{} … {}", corner(region.min), corner(region.max))
}
