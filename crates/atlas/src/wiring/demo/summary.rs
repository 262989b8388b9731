//! What the demo says about itself, at its start and at its end.

use std::fmt::Write as _;

use atlas_demo::players::Snapshot;

use super::servers::Servers;
use crate::context::Context;
use crate::terminal::{Align, Paint, Table, count};
use crate::wiring::VERSION;
use crate::wiring::node::Node;

/// What runs, where to look, what to try, how to stop.
pub(super) fn started(
    context: &Context,
    node: &Node,
    servers: &Servers,
    players: u32,
    moved: &[String],
    paint: Paint,
) -> String {
    let listener = |wanted: &str| {
        node.listeners()
            .find(|(name, _)| *name == wanted)
            .map_or("", |(_, address)| address)
    };
    let (edge, admin) = (listener("edge"), listener("admin"));
    let store = listener("store");
    let program = &context.program;
    let servers = servers.list();
    let mut text = format!("{} {VERSION}: the demo is running\n\n", paint.bold("Atlas"));
    // Writing into a string cannot fail.
    let _ = writeln!(text, "  edge      ws://{edge}");
    let _ = writeln!(text, "  store     redis://{store}");
    let _ = writeln!(text, "  console   {}", paint.cyan(node.console()));
    let _ = writeln!(
        text,
        "  players   {} walk about, each through a WebSocket of its own",
        count(players.into())
    );
    for moved in moved {
        let _ = writeln!(text, "  {}", paint.yellow(&format!("note      {moved}")));
    }
    let mut table = Table::new([
        ("server", Align::Left),
        ("owns x", Align::Left),
        ("owns z", Align::Left),
        ("address", Align::Left),
        ("pid", Align::Right),
    ])
    .indented(2);
    for server in &servers {
        let region = server.region;
        table.row([
            server.name.to_owned(),
            format!("{} … {}", region.min_x, region.max_x),
            format!("{} … {}", region.min_z, region.max_z),
            server.address.to_string(),
            server
                .pid
                .map_or_else(|| "-".to_owned(), |pid| pid.to_string()),
        ]);
    }
    let _ = write!(text, "\n{}\n", table.render(paint));
    let _ = writeln!(text, "{}", paint.bold("Try next, in another terminal"));
    let _ = writeln!(
        text,
        "  open the console's link: every player, and each move from server to server, as it happens"
    );
    if let Some((name, pid)) = servers
        .iter()
        .find_map(|server| Some((server.name, server.pid?)))
    {
        let _ = writeln!(
            text,
            "  kill -9 {pid}\n      {name} dies; its players go on elsewhere, and it is started again"
        );
    }
    let _ = writeln!(
        text,
        "  {program} sessions --admin http://{admin} --token-file {}\n      who is where; `{program} transfer` moves one",
        node.token_file().display()
    );
    let _ = writeln!(
        text,
        "  {program} load ws://{edge} --clients 200 --move cross --verify\n      200 more players, and what became of each message"
    );
    text.push_str("\nCtrl-C stops everything.\n");
    text
}

/// What the players counted, once they are gone.
pub(super) fn ended(counted: &Snapshot) -> String {
    format!(
        "stopped: {} messages sent, {} answered, {} lost, {} doubled, {} reordered; players changed servers {} times\n",
        count(counted.sent),
        count(counted.answered),
        count(counted.lost),
        count(counted.doubled),
        count(counted.reordered),
        count(counted.server_changes),
    )
}
