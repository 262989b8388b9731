//! `atlas tap`: shows what moves between clients and servers, without what it says.

use std::fmt::Write as _;
use std::ops::ControlFlow;
use std::process::ExitCode;

use atlas_edge::{Direction, TapCounts, TapView};
use clap::{Args, ValueEnum};

use crate::admin_client::{AdminClient, Remote, escaped};
use crate::context::Context;
use crate::error::Error;
use crate::terminal::{self, count, say, visible};

/// Show the messages that move through a running edge, without what they say
///
/// One line a message: its time since the node's start, its way, server, session, player, kind, size and position. The
/// node shows at most --rate of them a second and never makes a player wait for it; what was left out is counted at the
/// end. The tap has a token of its own, `tap.token` in the node's data folder.
#[derive(Args, Debug)]
#[command(
    after_help = "Examples:\n  atlas tap --server west\n  atlas tap --session 6f1c2a90 --direction in\n  atlas tap --every 100 --count 20 --json"
)]
pub(crate) struct Options {
    /// Only those of this world
    #[arg(long, value_name = "WORLD")]
    world: Option<String>,

    /// Only those from and to this server
    #[arg(long, value_name = "SERVER")]
    server: Option<String>,

    /// Only those of this session: its id, or the start of it
    #[arg(long, value_name = "SESSION")]
    session: Option<String>,

    /// Only those that go this way
    #[arg(long, value_name = "WAY", value_enum)]
    direction: Option<Way>,

    /// One of so many
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..))]
    every: u32,

    /// At most so many a second
    #[arg(long, value_name = "N", default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=1000))]
    rate: u32,

    /// End after so many
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    count: Option<u64>,

    #[command(flatten)]
    remote: Remote,
}

/// Which way messages go.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum Way {
    /// From clients
    In,
    /// To clients
    Out,
}

pub(crate) fn run(context: &Context, options: Options) -> Result<ExitCode, Error> {
    let node = AdminClient::find_tap(context, &options.remote)?;
    let (mut shown, mut counts) = (0, TapCounts::default());
    super::block_on(Some(1), async {
        let path = path(&options);
        let follow = node.follow(&path, |name, data| {
            let stranger = |error: serde_json::Error| Error::Stranger {
                url: path.clone(),
                what: error.to_string(),
            };
            match name {
                "message" => {
                    let message: TapView = serde_json::from_str(data).map_err(stranger)?;
                    // One document a line: programs read it as it comes.
                    let text = if options.remote.json {
                        format!("{data}\n")
                    } else {
                        line(&message)
                    };
                    terminal::print(&text)?;
                    shown += 1;
                }
                "counts" => counts = serde_json::from_str(data).map_err(stranger)?,
                // A newer node may say more.
                _ => {}
            }
            Ok(if options.count == Some(shown) {
                ControlFlow::Break(())
            } else {
                ControlFlow::Continue(())
            })
        });
        tokio::select! {
            followed = follow => followed,
            _ = tokio::signal::ctrl_c() => Ok(()),
        }
    })?;
    if counts.left_out > 0 {
        say(&format!(
            "{} messages shown, {} left out",
            count(counts.shown),
            count(counts.left_out)
        ));
    }
    Ok(ExitCode::SUCCESS)
}

fn path(options: &Options) -> String {
    let mut path = format!("/v1/tap?every={}&rate={}", options.every, options.rate);
    let direction = options.direction.map(|way| match way {
        Way::In => "in".to_owned(),
        Way::Out => "out".to_owned(),
    });
    for (name, value) in [
        ("world", &options.world),
        ("server", &options.server),
        ("session", &options.session),
        ("direction", &direction),
    ] {
        if let Some(value) = value {
            // Writing into a string cannot fail.
            let _ = write!(path, "&{name}={}", escaped(value));
        }
    }
    path
}

fn line(message: &TapView) -> String {
    let way = match message.direction {
        Direction::In => "in ",
        Direction::Out => "out",
    };
    let session: String = message.session.chars().take(8).collect();
    let server = format!("{}/{}", message.world, message.server);
    let mut text = format!(
        "{:>9.3} s  {way}  {:<18} {session}  {:<10} {:<14} {:>7} B {}",
        message.at_ms as f64 / 1000.0,
        visible(&server),
        visible(message.player.as_deref().unwrap_or("-")),
        visible(message.kind.as_deref().unwrap_or("-")),
        count(message.bytes),
        if message.text { "text" } else { "binary" },
    );
    if let Some(at) = message.position {
        let _ = write!(text, "  at {:.1}, {:.1}, {:.1}", at.x, at.y, at.z);
    }
    text.push('\n');
    text
}

#[cfg(test)]
mod tests {
    use atlas_edge::PositionView;

    use super::*;

    #[test]
    fn a_line_names_a_message_and_steers_no_terminal() {
        let mut message = TapView {
            at_ms: 12_345,
            direction: Direction::In,
            world: "main".to_owned(),
            server: "west".to_owned(),
            session: "6f1c2a90-8b5e-4d0c-9a76-2f0c6f0e9d11".to_owned(),
            player: Some("p-12".to_owned()),
            kind: Some("move".to_owned()),
            text: true,
            bytes: 1234,
            position: Some(PositionView {
                x: 1.0,
                y: 0.25,
                z: -3.0,
            }),
        };
        assert_eq!(
            line(&message),
            "   12.345 s  in   main/west          6f1c2a90  p-12       move             1,234 B text  at 1.0, 0.2, -3.0\n"
        );
        message.kind = Some("\x1b[2J".to_owned());
        message.position = None;
        assert!(line(&message).contains("\\u{1b}[2J"));
    }
}
