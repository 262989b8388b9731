//! The Autobahn test suite, direct and through the edge, in both roles; every verdict must be the same.
//!
//! The suite's programs are `wstest`'s modes: the fuzzing client plays against its own echo server, and its echo client
//! plays against the fuzzing server, which is then the game server. A case whose verdicts differ is played again, a few
//! times: the suite looks at clocks, and what differs once in a while is told but is no difference of the edge's.

mod suite;
mod verdicts;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::error::Error;
use crate::process;
use crate::running::{Running, file, free_port};
use crate::workspace::Workspace;
use verdicts::{Verdicts, differences, other_codes};

/// What `cargo xtask autobahn` understands.
#[derive(Default, clap::Args)]
pub(crate) struct Arguments {
    /// Only a spread of cases: half a minute instead of an hour
    #[arg(long)]
    short: bool,
    /// Only these cases, as the suite names them (`6.*`, `1.1.1`); may be repeated
    #[arg(long = "case", value_name = "PATTERN")]
    cases: Vec<String>,
    /// Only this role of the suite's fuzzer; both if not said
    #[arg(long)]
    role: Option<Role>,
    /// Use this `atlas` instead of building one
    #[arg(long, value_name = "FILE")]
    atlas: Option<PathBuf>,
}

/// A spread over all that the suite looks at, without load (9) and compression (12, 13).
const SPREAD: &[&str] = &[
    "1.1.1", "1.1.2", "1.1.5", "1.1.7", "1.1.8", "1.2.1", "1.2.5", "1.2.8", "2.*", "3.*", "4.*",
    "5.1", "5.2", "5.3", "5.6", "5.8", "5.9", "5.11", "5.14", "5.15", "5.18", "5.19", "6.1.1",
    "6.2.3", "6.3.1", "6.4.1", "6.5.1", "6.12.1", "6.20.1", "6.22.1", "7.1.*", "7.3.*", "7.5.1",
    "7.7.*", "7.9.*", "7.13.*", "10.*",
];
/// How often a case that differs is played again.
const REPEATS: usize = 3;
/// How long one run over all cases may take.
const RUN: Duration = Duration::from_secs(5400);

/// Plays the cases and compares.
pub(crate) fn run(workspace: &Workspace, arguments: &Arguments) -> Result<(), Error> {
    let wstest = suite::program(workspace)?;
    let atlas = match &arguments.atlas {
        Some(atlas) => atlas.clone(),
        None => {
            process::run(workspace.cargo().args(["build", "--package", "atlas"]))?;
            workspace.target.join("debug/atlas")
        }
    };
    let folder = workspace.target.join("autobahn");
    let _ = fs::remove_dir_all(&folder);
    let cases: Vec<String> = if !arguments.cases.is_empty() {
        arguments.cases.clone()
    } else if arguments.short {
        SPREAD.iter().map(ToString::to_string).collect()
    } else {
        vec!["*".into()]
    };
    let mut played = 0;
    let mut differing = Vec::new();
    let roles = [Role::Client, Role::Server].into_iter();
    for role in roles.filter(|role| arguments.role.is_none_or(|only| only == *role)) {
        let began = Instant::now();
        let trial = Trial {
            wstest: &wstest,
            atlas: &atlas,
            role,
        };
        let first = trial.play(&folder.join(role.name()), &cases)?;
        let mut rows = differences(&first);
        let (mut counted, mut fickle) = (first.len(), BTreeSet::new());
        for repeat in 1..=REPEATS {
            if rows.is_empty() {
                break;
            }
            let again: Vec<String> = rows.iter().map(|row| row.case.clone()).collect();
            let folder = folder.join(format!("{}-again-{repeat}", role.name()));
            let verdicts = trial.play(&folder, &again)?;
            rows = differences(&verdicts);
            let still: BTreeSet<&str> = rows.iter().map(|row| row.case.as_str()).collect();
            fickle.extend(
                again
                    .iter()
                    .filter(|case| !still.contains(case.as_str()))
                    .cloned(),
            );
            counted = counted.max(verdicts.len());
        }
        println!(
            "{}: {} cases in {:.0} s, {} with other verdicts through the edge",
            role.title(),
            counted,
            began.elapsed().as_secs_f64(),
            rows.len()
        );
        for row in other_codes(&first) {
            println!(
                "  {}: the same verdict, close code {} direct and {} through the edge",
                row.case, row.direct.code, row.edge.code
            );
        }
        if !fickle.is_empty() {
            let names: Vec<_> = fickle.iter().map(String::as_str).collect();
            println!(
                "  differed once and not when played again: {}",
                names.join(" ")
            );
        }
        played += counted;
        differing.extend(rows.into_iter().map(|row| (role, row)));
    }
    if played == 0 {
        return Err(Error::check(format!(
            "no case is called {}",
            cases.join(", ")
        )));
    }
    if differing.is_empty() {
        println!("the same verdict in each of {played} cases");
        return Ok(());
    }
    println!(
        "\n{:<16} {:<10} {:<34} {:<34}",
        "role", "case", "direct", "through the edge"
    );
    for (role, row) in &differing {
        println!(
            "{:<16} {:<10} {:<34} {:<34}",
            role.name(),
            row.case,
            row.direct,
            row.edge
        );
    }
    println!("reports: {}", folder.display());
    Err(Error::check(format!("{} cases differ", differing.len())))
}

/// Which of the suite's programs does the fuzzing.
#[derive(Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Role {
    /// The fuzzing client is the player; the game server echoes.
    Client,
    /// The fuzzing server is the game server; the player echoes.
    Server,
}

impl Role {
    fn name(self) -> &'static str {
        match self {
            Self::Client => "fuzzing-client",
            Self::Server => "fuzzing-server",
        }
    }

    fn title(self) -> &'static str {
        match self {
            Self::Client => "fuzzing client as the player",
            Self::Server => "fuzzing server as the game server",
        }
    }
}

/// One role, played with these programs.
struct Trial<'a> {
    wstest: &'a Path,
    atlas: &'a Path,
    role: Role,
}

impl Trial<'_> {
    /// Plays cases direct and through an edge, and reads the suite's report.
    fn play(&self, folder: &Path, cases: &[String]) -> Result<Verdicts, Error> {
        fs::create_dir_all(folder).map_err(file("create", folder))?;
        let reports = folder.join("reports");
        let game = free_port()?;
        let game_url = format!("ws://127.0.0.1:{game}");
        let edge = self.edge(folder, &game_url)?;
        let edge_url = format!("ws://{}", edge.address);
        let common = json!({"outdir": reports, "cases": cases, "exclude-cases": [], "exclude-agent-cases": {}});
        let specification = folder.join("specification.json");
        match self.role {
            Role::Client => {
                let server = [("--mode", "testeeserver"), ("--wsuri", &game_url)];
                let _server = Running::listening(self.wstest, &server, folder, "server", game)?;
                let servers = [("direct", &game_url), ("edge", &edge_url)]
                    .map(|(agent, url)| json!({"agent": agent, "url": url}));
                write_json(&specification, common, "servers", json!(servers))?;
                let spec = specification.to_string_lossy();
                let client = [("--mode", "fuzzingclient"), ("--spec", &spec)];
                Running::start(self.wstest, &client, folder, "client")?.finish(RUN)?;
            }
            Role::Server => {
                write_json(&specification, common, "url", json!(game_url))?;
                let spec = specification.to_string_lossy();
                let server = [
                    ("--mode", "fuzzingserver"),
                    ("--spec", &spec),
                    ("--webport", "0"),
                ];
                let _server = Running::listening(self.wstest, &server, folder, "server", game)?;
                for (agent, url) in [("direct", &game_url), ("edge", &edge_url)] {
                    let client = [
                        ("--mode", "testeeclient"),
                        ("--wsuri", url.as_str()),
                        ("--ident", agent),
                    ];
                    Running::start(self.wstest, &client, folder, agent)?.finish(RUN)?;
                }
            }
        }
        verdicts::read(&reports.join("index.json"))
    }

    /// An edge in front of one game server, with nothing in its limits that a case could meet.
    fn edge(&self, folder: &Path, game_url: &str) -> Result<Edge, Error> {
        let configuration = folder.join("atlas.toml");
        let text = format!(
            r#"[edge.limits]
message-bytes-max = "64MiB"
message-timeout = "5m"
messages-per-second = 0
bytes-per-second = 0

[world.main]
dialect = {{ name = "opaque" }}

[[world.main.servers]]
name = "game"
address = "{game_url}"
link = "plain"
"#
        );
        fs::write(&configuration, text).map_err(file("write", &configuration))?;
        let ready = folder.join("ready.json");
        let mut command = Command::new(self.atlas);
        command
            .args([
                "edge",
                "--listen",
                "127.0.0.1:0",
                "--admin-listen",
                "127.0.0.1:0",
                "--config",
            ])
            .arg(&configuration)
            .arg("--ready-file")
            .arg(&ready)
            .env("ATLAS_NODE__DATA_DIR", folder.join("data"))
            .env_remove("ATLAS_CONFIG");
        let mut running = Running::spawn(command, folder, "edge")?;
        let address = running.until("the edge", || {
            let text = fs::read_to_string(&ready).ok()?;
            let value: Value = serde_json::from_str(&text).ok()?;
            value["listeners"]["edge"].as_str().map(str::to_owned)
        })?;
        Ok(Edge {
            address,
            _running: running,
        })
    }
}

/// A running edge.
struct Edge {
    address: String,
    _running: Running,
}

fn write_json(path: &Path, mut value: Value, key: &str, field: Value) -> Result<(), Error> {
    value[key] = field;
    fs::write(path, value.to_string()).map_err(file("write", path))
}
