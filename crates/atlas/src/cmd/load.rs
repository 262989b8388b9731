//! `atlas load`: many clients at a fixed rate, and a report of what came back.

use std::fmt::Write as _;
use std::io::{self, IsTerminal, Write as _};
use std::process::ExitCode;
use std::time::Duration;

use atlas_base::TimeSpan;
use atlas_demo::load::{self, Progress, Report};
use atlas_demo::{Movement, Percentiles};
use atlas_runtime::{Shutdown, signals};
use clap::{Args, ValueEnum};

use crate::context::Context;
use crate::error::{Error, FAILED, UNREACHABLE};
use crate::terminal::{self, Paint, count};
use crate::wiring;

/// Play many clients against an edge and report what came back
///
/// Each client sends at its own steady rate, whether answers come or not. With --verify it speaks the demo's game and
/// looks whether each message is answered exactly once and in order; without it, any server that sends something back
/// for each message will do. Exits with 1 if --verify found a fault, and with 3 if no client could connect.
#[derive(Args, Debug)]
#[command(
    after_help = "Examples:\n  atlas load ws://127.0.0.1:9000 --clients 200 --move cross --verify\n  atlas load ws://127.0.0.1:9000/ws --clients 1000 --rate 50 --size 256 --duration 1m --json"
)]
pub(crate) struct Options {
    /// Where to connect
    #[arg(value_name = "URL")]
    url: String,

    /// How many clients
    #[arg(long, value_name = "N", default_value_t = 100)]
    clients: u32,

    /// Messages a second of each client
    #[arg(long, value_name = "HZ", default_value_t = 20.0)]
    rate: f64,

    /// Pad messages to this many bytes
    #[arg(long, value_name = "BYTES", default_value_t = 64)]
    size: usize,

    /// How the clients move
    #[arg(long = "move", value_name = "HOW", value_enum, default_value_t = Move::Still)]
    movement: Move,

    /// Match answers to messages, and count what is lost, doubled or reordered
    #[arg(long)]
    verify: bool,

    /// How long to send
    #[arg(long, value_name = "TIME", default_value_t = TimeSpan::from_secs(10))]
    duration: TimeSpan,

    /// Over what time the clients connect; without it, 500 of them a second
    #[arg(long, value_name = "TIME")]
    spread: Option<TimeSpan>,

    /// Where the clients' ways and names begin; equal seeds walk equal ways
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,

    /// What the clients speak
    #[arg(long, value_name = "WHAT", value_enum, default_value_t = Speak::Plain)]
    speak: Speak,

    /// So many clients stop reading for a while, in the middle of the run
    #[arg(long, value_name = "N", default_value_t = 0)]
    stop_reading: u32,

    /// How long they do
    #[arg(long, value_name = "TIME", default_value_t = TimeSpan::from_secs(20))]
    stop_for: TimeSpan,

    /// Print data for programs
    #[arg(long)]
    json: bool,
}

/// What clients speak.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum Speak {
    /// The game's messages and nothing else
    Plain,
    /// atlas.v1: they are told what is lost with a server
    Atlas,
    /// Every second of them atlas.v1
    Both,
}

/// How clients move.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum Move {
    /// They stand where they appeared
    Still,
    /// They wander over the world and cross a border now and then
    Walk,
    /// They circle around the middle and cross a border every few seconds
    Cross,
}

pub(crate) fn run(context: &Context, options: Options) -> Result<ExitCode, Error> {
    let _logs = wiring::logs_without_config(context)?;
    wiring::raise_descriptor_limit();
    let report = super::block_on(None, async {
        let shutdown = Shutdown::new();
        let _reload = signals::listen(&shutdown)?;
        let options = load::Options {
            url: options.url.clone(),
            clients: options.clients,
            rate_hz: options.rate,
            message_bytes: options.size,
            movement: match options.movement {
                Move::Still => Movement::Still,
                Move::Walk => Movement::Walk,
                Move::Cross => Movement::Cross,
            },
            verify: options.verify,
            duration: *options.duration,
            spread: options.spread.map(Duration::from),
            seed: options.seed,
            speak: match options.speak {
                Speak::Plain => load::Speak::Plain,
                Speak::Atlas => load::Speak::Atlas,
                Speak::Both => load::Speak::Both,
            },
            stop_reading: options.stop_reading,
            stop_span: *options.stop_for,
            ..load::Options::default()
        };
        let shows = io::stderr().is_terminal();
        let progress = |progress: &Progress| {
            if shows {
                show(progress);
            }
        };
        let report = load::run(options, progress, shutdown.draining()).await?;
        if shows {
            // The progress line makes room for the report.
            let _ = write!(io::stderr(), "\r\x1b[K");
        }
        Ok(report)
    })?;
    if options.json {
        terminal::print_json(&report)?;
    } else {
        terminal::print(&words(&report, Paint::stdout()))?;
    }
    let code = if report.connected == 0 {
        UNREACHABLE
    } else if options.verify && !report.is_clean() {
        FAILED
    } else {
        0
    };
    Ok(ExitCode::from(code))
}

/// One line on the terminal that is written over each second.
fn show(progress: &Progress) {
    let line = format!(
        "{:>3.0} of {:.0} s   {} connected   {} sent   {} answered   {} faults   {} moves",
        progress.elapsed.as_secs_f64(),
        progress.planned.as_secs_f64(),
        count(progress.connected),
        count(progress.sent),
        count(progress.answered),
        count(progress.faults),
        count(progress.server_changes),
    );
    // That nobody can see it is nothing to stop for.
    let _ = write!(io::stderr(), "\r\x1b[K{line}").and_then(|()| io::stderr().flush());
}

fn words(report: &Report, paint: Paint) -> String {
    let mut text = String::new();
    let mut line = |name: &str, value: &str| {
        // Writing into a string cannot fail.
        let _ = writeln!(text, "  {name:<14}{value}");
    };
    let milliseconds = |times: &Percentiles| {
        format!(
            "p50 {:.2} ms, p99 {:.2} ms, p99.9 {:.2} ms, longest {:.2} ms",
            times.p50, times.p99, times.p999, times.max
        )
    };
    line(
        "clients",
        &format!(
            "{} of {} connected, {} closed early",
            count(report.connected),
            count(report.clients.into()),
            count(report.closed)
        ),
    );
    if report.dials_failed > 0 {
        line("dials failed", &count(report.dials_failed));
    }
    line(
        "messages",
        &format!(
            "{} sent ({:.0} a second), {} answered",
            count(report.sent),
            report.sent_per_second,
            count(report.answered)
        ),
    );
    if report.held_back > 0 {
        line(
            "held back",
            &format!(
                "{}, because too many were unanswered",
                count(report.held_back)
            ),
        );
    }
    line("answers after", &milliseconds(&report.answer_ms));
    if report.verify {
        line(
            "verified",
            &format!(
                "{} lost, {} doubled, {} reordered, {} unexpected",
                count(report.lost),
                count(report.doubled),
                count(report.reordered),
                count(report.unexpected)
            ),
        );
        line(
            "state",
            &format!(
                "{} breaks; the servers saw {} gaps and {} doubles",
                count(report.state_breaks),
                count(report.server_gaps),
                count(report.server_doubles)
            ),
        );
        line(
            "moves",
            &format!(
                "{} changes of server seen by clients",
                count(report.server_changes)
            ),
        );
        if report.server_changes > 0 {
            line(
                "first answer",
                &format!("after a switch: {}", milliseconds(&report.switch_answer_ms)),
            );
        }
    } else {
        line("unanswered", &count(report.lost));
    }
    let accounts = &report.accounts;
    if accounts.resets > 0 || accounts.missing != 0 {
        line(
            "lost input",
            &format!(
                "{} named in {} resets; the states at the end lack {}",
                count(accounts.lost_named),
                count(accounts.resets),
                accounts.missing
            ),
        );
    }
    for (reason, closed) in &report.closed_by_reason {
        let reason = terminal::visible(reason);
        line(
            "closed with",
            &format!("{reason}: {} times", count(*closed)),
        );
    }
    if let Some(error) = &report.first_error {
        line("first trouble", &terminal::visible(error));
    }
    let verdict = match (report.connected, report.verify, report.is_clean()) {
        (0, _, _) => paint.red("no client could connect"),
        (_, true, true) => paint.green("clean: every message was answered once, in order"),
        (_, true, false) => paint.red("not clean: see above"),
        (_, false, _) => "not verified: --verify matches answers to messages".to_owned(),
    };
    format!(
        "{} for {:.1} s\n{text}{verdict}\n",
        paint.bold(&report.url),
        report.sending_s
    )
}
