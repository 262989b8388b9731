//! `atlas drain`: empties a game server, and waits until it is empty; or takes that back.

use std::fmt::Write as _;
use std::io::{self, IsTerminal, Write as _};
use std::process::ExitCode;
use std::time::Duration;

use atlas_base::TimeSpan;
use atlas_edge::{DrainView, ServerView};
use clap::Args;
use serde_json::{Map, Value};

use super::find;
use crate::admin_client::{AdminClient, Remote, escaped};
use crate::context::Context;
use crate::error::{Error, FAILED};
use crate::terminal::{self, Paint, count, span, visible};

/// Between two looks at how far a drain is.
const LOOK: Duration = Duration::from_millis(500);

/// Empty a game server so that it can be stopped, the players' connections stay open
///
/// The server gets nobody new, its players are moved to other servers, and whoever is left at the deadline is closed with
/// 1012. Waits until the server is empty and then reports what became of the players; a Ctrl-C ends the waiting, not the
/// drain. The server stays closed to new players until --cancel.
#[derive(Args, Debug)]
#[command(
    after_help = "Examples:\n  atlas drain west && systemctl stop game-west\n  atlas drain main/west --deadline 5m --window 1m --no-wait\n  atlas drain west --cancel"
)]
pub(crate) struct Options {
    /// The server: its name, or WORLD/SERVER where several worlds have one of that name
    #[arg(value_name = "SERVER")]
    server: String,

    /// Take the drain back: the server gets players again, whoever was moved stays where they are
    #[arg(long, conflicts_with_all = ["deadline", "window", "no_wait"])]
    cancel: bool,

    /// When whoever is left is closed; without it, as the world's configuration says
    #[arg(long, value_name = "TIME")]
    deadline: Option<TimeSpan>,

    /// Over what time the moves are spread; without it, as the world's configuration says
    #[arg(long, value_name = "TIME")]
    window: Option<TimeSpan>,

    /// Return once the drain has begun
    #[arg(long)]
    no_wait: bool,

    #[command(flatten)]
    remote: Remote,
}

pub(crate) fn run(context: &Context, options: Options) -> Result<ExitCode, Error> {
    let node = AdminClient::find(context, &options.remote)?;
    let drain = super::block_on(Some(1), perform(&node, &options))?;
    if options.remote.json {
        terminal::print_json(&drain)?;
    } else {
        terminal::print(&sentence(&drain))?;
    }
    let meant = match drain.state.as_str() {
        "draining" => options.no_wait,
        "drained" => true,
        _ => options.cancel,
    };
    Ok(if meant {
        ExitCode::SUCCESS
    } else {
        ExitCode::from(FAILED)
    })
}

async fn perform(node: &AdminClient, options: &Options) -> Result<DrainView, Error> {
    let server = find::server(node, &options.server).await?;
    let path = path(&server);
    if options.cancel {
        return node.delete(&path).await;
    }
    let mut order = Map::new();
    for (name, time) in [("deadline", options.deadline), ("window", options.window)] {
        order.extend(time.map(|time| (name.to_owned(), Value::from(time.to_string()))));
    }
    let mut drain: DrainView = node.post(&path, &Value::Object(order)).await?;
    if options.no_wait {
        return Ok(drain);
    }
    let mut shown = Shown::new(options.remote.json);
    // The node ends it by its deadline; a cancel ends it as well.
    while drain.state == "draining" {
        shown.show(&drain);
        tokio::time::sleep(LOOK).await;
        drain = node.get(&path).await?;
    }
    shown.clear();
    Ok(drain)
}

fn path(server: &ServerView) -> String {
    format!(
        "/v1/servers/{}/{}/drain",
        escaped(&server.world),
        escaped(&server.id)
    )
}

/// One line on the terminal that says how far it is.
struct Shown {
    wanted: bool,
    there: bool,
}

impl Shown {
    fn new(json: bool) -> Self {
        Self {
            wanted: !json && io::stderr().is_terminal(),
            there: false,
        }
    }

    fn show(&mut self, drain: &DrainView) {
        if self.wanted {
            self.there = true;
            // That nobody can read it is nothing to stop for.
            let _ = write!(io::stderr(), "\r\x1b[K{}", progress(drain));
        }
    }

    fn clear(&mut self) {
        if self.there {
            let _ = write!(io::stderr(), "\r\x1b[K");
        }
    }
}

fn progress(drain: &DrainView) -> String {
    let mut text = format!(
        "{}/{}: {} left, {} moved",
        visible(&drain.world),
        visible(&drain.server),
        count(drain.left as u64),
        count(drain.moved as u64)
    );
    if let Some(wait) = &drain.waits {
        // Writing into a string cannot fail.
        let _ = write!(
            text,
            "; it asked for {}: {}",
            span(wait.for_ms),
            visible(&wait.reason)
        );
    }
    if let Some(left) = drain.deadline_in_ms {
        let _ = write!(text, "; the rest is closed in {}", span(left));
    }
    text
}

fn sentence(drain: &DrainView) -> String {
    let paint = Paint::stdout();
    let state = match drain.state.as_str() {
        "drained" => paint.green("drained"),
        other => paint.yellow(other),
    };
    let server = format!("{}/{}", visible(&drain.world), visible(&drain.server));
    let what = match drain.state.as_str() {
        "draining" => format!(
            "{server} gets nobody new, {}",
            players(drain.left, "is", "are", "still there")
        ),
        "drained" => format!("{server} is empty and gets nobody until `--cancel`"),
        _ => format!("{server} gets players again"),
    };
    let mut text = format!("{state}: {what}\n");
    let fates = [
        (drain.moved, "moved to other servers, connection open"),
        (drain.resumed, "resumed elsewhere"),
        (drain.dropped, "closed at the deadline"),
        (drain.gone, "left by themselves"),
    ];
    for (number, fate) in fates {
        if number > 0 {
            let _ = writeln!(text, "  {} {fate}", count(number as u64));
        }
    }
    if let Some(obstacle) = &drain.obstacle {
        let _ = writeln!(
            text,
            "  the last move that came to nothing: {}",
            visible(obstacle)
        );
    }
    text
}

fn players(number: usize, one: &str, many: &str, what: &str) -> String {
    match number {
        1 => format!("1 player {one} {what}"),
        _ => format!("{} players {many} {what}", count(number as u64)),
    }
}

#[cfg(test)]
mod tests {
    use atlas_edge::WaitView;

    use super::*;

    #[test]
    fn what_became_of_the_players_is_said() {
        let mut drain = DrainView {
            world: "main".to_owned(),
            server: "west".to_owned(),
            state: "draining".to_owned(),
            deadline_in_ms: Some(59_000),
            waits: Some(WaitView {
                for_ms: 4000,
                reason: "a match".to_owned(),
            }),
            left: 1,
            moved: 1200,
            resumed: 0,
            dropped: 0,
            gone: 0,
            obstacle: None,
        };
        assert_eq!(
            progress(&drain),
            "main/west: 1 left, 1,200 moved; it asked for 4 s: a match; the rest is closed in 59 s"
        );
        assert_eq!(
            sentence(&drain),
            "draining: main/west gets nobody new, 1 player is still there\n  1,200 moved to other servers, connection open\n"
        );
        (drain.state, drain.left) = ("drained".to_owned(), 0);
        (drain.dropped, drain.gone) = (2, 3);
        drain.obstacle = Some("no server\x1b takes them".to_owned());
        assert_eq!(
            sentence(&drain),
            "drained: main/west is empty and gets nobody until `--cancel`\n  1,200 moved to other servers, connection open\n  \
             2 closed at the deadline\n  3 left by themselves\n  the last move that came to nothing: no server\\u{1b} takes them\n"
        );
    }
}
