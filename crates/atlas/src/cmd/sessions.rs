//! `atlas sessions`: the players of a running edge.

use std::fmt::Write as _;
use std::process::ExitCode;

use atlas_edge::{SessionView, SessionsPage};
use clap::Args;

use crate::admin_client::{AdminClient, Remote, escaped};
use crate::context::Context;
use crate::error::Error;
use crate::terminal::{self, Align, Paint, Table, count, span};

/// Most sessions on one page of the API.
const PAGE_MAX: usize = 1000;
/// As many characters of a session's id as are shown, on the console's map too; any start that only one session has
/// names it.
const ID_SHOWN: usize = 8;

/// List the players' sessions of a running edge
#[derive(Args, Debug)]
#[command(
    after_help = "Examples:\n  atlas sessions\n  atlas sessions --server west --limit 20\n  atlas sessions --search p-12 --json"
)]
pub(crate) struct Options {
    /// Only those of this world
    #[arg(long, value_name = "WORLD")]
    world: Option<String>,

    /// Only those on this server
    #[arg(long, value_name = "SERVER")]
    server: Option<String>,

    /// Only those whose session id, player or address contains this
    #[arg(long, value_name = "TEXT")]
    search: Option<String>,

    /// At most so many
    #[arg(long, value_name = "N", default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..))]
    limit: u32,

    #[command(flatten)]
    remote: Remote,
}

pub(crate) fn run(context: &Context, options: Options) -> Result<ExitCode, Error> {
    let node = AdminClient::find(context, &options.remote)?;
    let page = super::block_on(Some(1), fetch(&node, &options))?;
    if options.remote.json {
        terminal::print_json(&page)?;
    } else {
        terminal::print(&table(&page))?;
    }
    Ok(ExitCode::SUCCESS)
}

/// Asks page by page until there are enough.
async fn fetch(node: &AdminClient, options: &Options) -> Result<SessionsPage, Error> {
    let wanted = usize::try_from(options.limit).unwrap_or(usize::MAX);
    let mut filter = String::new();
    for (name, value) in [
        ("world", &options.world),
        ("server", &options.server),
        ("search", &options.search),
    ] {
        if let Some(value) = value {
            // Writing into a string cannot fail.
            let _ = write!(filter, "&{name}={}", escaped(value));
        }
    }
    let mut all = SessionsPage {
        items: Vec::new(),
        next: None,
        total: 0,
    };
    loop {
        let limit = (wanted - all.items.len()).min(PAGE_MAX);
        let after = all
            .next
            .map(|next| format!("&after={next}"))
            .unwrap_or_default();
        let page: SessionsPage = node
            .get(&format!("/v1/sessions?limit={limit}{filter}{after}"))
            .await?;
        let before = all.items.len();
        all.items.extend(page.items);
        (all.next, all.total) = (page.next, page.total);
        if all.next.is_none() || all.items.len() >= wanted || all.items.len() == before {
            return Ok(all);
        }
    }
}

fn table(page: &SessionsPage) -> String {
    if page.items.is_empty() {
        return "there are no such sessions\n".to_owned();
    }
    let mut table = Table::new([
        ("SESSION", Align::Left),
        ("PLAYER", Align::Left),
        ("WORLD", Align::Left),
        ("SERVER", Align::Left),
        ("LINK", Align::Left),
        ("PHASE", Align::Left),
        ("POSITION (x, y, z)", Align::Left),
        ("CLIENT", Align::Left),
        ("SINCE", Align::Right),
        ("MOVES", Align::Right),
        ("IN", Align::Right),
        ("OUT", Align::Right),
    ]);
    for session in &page.items {
        table.row([
            session.id.chars().take(ID_SHOWN).collect(),
            session.player.clone().unwrap_or_else(|| "-".to_owned()),
            session.world.clone(),
            session.server.clone(),
            super::servers::link(session.link).to_owned(),
            session.phase.clone(),
            position(session),
            session.client.clone(),
            span(session.age_ms),
            count(session.transfers),
            count(session.messages_in),
            count(session.messages_out),
        ]);
    }
    let mut text = table.render(Paint::stdout());
    if page.items.len() < page.total {
        let _ = writeln!(
            text,
            "{} of {}; --limit shows more, --search, --server and --world narrow it",
            count(page.items.len() as u64),
            count(page.total as u64)
        );
    }
    text
}

fn position(session: &SessionView) -> String {
    session.position.map_or_else(
        || "-".to_owned(),
        |at| format!("{:.0}, {:.0}, {:.0}", at.x, at.y, at.z),
    )
}
