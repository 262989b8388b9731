//! The README's two commands, as somebody types them who has just cloned: empty home, empty target folder.

use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::error::Error;
use crate::process;
use crate::workspace::Workspace;

/// The first build may take this long.
const BUILD_PATIENCE: Duration = Duration::from_secs(30 * 60);
/// Sixty players send a thousand messages, and one of them crosses a border, well within this time.
const PLAY_PATIENCE: Duration = Duration::from_secs(60);
/// A stopped node drains within ten seconds; then some.
const STOP_PATIENCE: Duration = Duration::from_secs(20);

/// What `cargo xtask fresh` understands.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Run the second command, `cargo xtask test`, too
    #[arg(long)]
    test: bool,
    /// Leave the clone, its target folder and its home where they are
    #[arg(long)]
    keep: bool,
}

/// A clean clone in a folder of its own, removed when dropped.
struct Clone {
    folder: PathBuf,
    keep: bool,
}

/// Runs the commands in a clean clone.
pub(crate) fn run(workspace: &Workspace, arguments: &Arguments) -> Result<(), Error> {
    let clone = Clone::make(workspace, arguments.keep)?;
    demo(&clone)?;
    if arguments.test {
        println!("fresh: cargo xtask test");
        process::run(clone.cargo()?.args(["xtask", "test"]))?;
    }
    println!("fresh: the README's commands work in a clean clone");
    Ok(())
}

/// The first command: it builds, says that it is ready, shows its console, answers, and stops when asked to.
fn demo(clone: &Clone) -> Result<(), Error> {
    println!("fresh: cargo run --release -- up --demo");
    let ready_file = clone.folder.join("ready.json");
    let mut command = clone.cargo()?;
    command
        .args(["run", "--release", "--", "up", "--demo", "--ready-file"])
        .arg(&ready_file);
    let mut running =
        Started(
            command
                .stdin(Stdio::null())
                .spawn()
                .map_err(|source| Error::Start {
                    program: "cargo run".into(),
                    source,
                })?,
        );
    let began = Instant::now();
    let ready = loop {
        if let Some(ready) = fs::read_to_string(&ready_file)
            .ok()
            .and_then(|text| serde_json::from_str(&text).ok())
        {
            break ready;
        }
        if let Some(status) = running.ended()? {
            return Err(Error::check(format!(
                "`up --demo` ended before it was ready ({status})"
            )));
        }
        if began.elapsed() > BUILD_PATIENCE {
            return Err(Error::check("`up --demo` was not ready in time"));
        }
        std::thread::sleep(Duration::from_millis(100));
    };
    println!(
        "fresh: ready after {:.0} s, build included",
        began.elapsed().as_secs_f64()
    );
    look(&ready)?;
    stop(&ready, &mut running)
}

/// The console and one answer of the API, by the address and token that the ready file gives.
fn look(ready: &Value) -> Result<(), Error> {
    let console = ready["console"].as_str().unwrap_or_default();
    let (address, token) = console
        .strip_prefix("http://")
        .and_then(|rest| rest.split_once("/?token="))
        .ok_or_else(|| Error::check(format!("the ready file's console link reads {console:?}")))?;
    let bearer = format!("Authorization: Bearer {token}\r\n");
    for (path, what) in [
        ("/", "<html"),
        ("/v1/servers", "\"items\""),
        ("/v1/sessions", "\"items\""),
        ("/ready", ""),
    ] {
        let answer = get(address, path, &bearer)?;
        if !answer.starts_with("HTTP/1.1 200 ") || !answer.to_lowercase().contains(what) {
            let line = answer.lines().next().unwrap_or("nothing");
            return Err(Error::check(format!(
                "GET {path} on {address} answered {line}, without {what:?}"
            )));
        }
        println!("fresh: GET {path} answers");
    }
    watch_players(address, &bearer)?;
    let refused = get(address, "/v1/servers", "")?;
    if !refused.starts_with("HTTP/1.1 401 ") {
        return Err(Error::check(
            "GET /v1/servers without a token was not refused with 401",
        ));
    }
    Ok(())
}

/// The demo's players say that they play, and that nothing was lost.
fn watch_players(address: &str, bearer: &str) -> Result<(), Error> {
    let began = Instant::now();
    loop {
        let answer = get(address, "/v1/demo", bearer)?;
        let body = answer.split("\r\n\r\n").nth(1).unwrap_or_default();
        let demo: Value = serde_json::from_str(body).map_err(|source| Error::Json {
            what: format!("the answer of /v1/demo ({body:?})"),
            source,
        })?;
        let count = |name: &str| demo[name].as_u64().unwrap_or(0);
        for name in ["lost", "doubled", "reordered", "closed"] {
            if count(name) > 0 {
                return Err(Error::check(format!(
                    "the demo counts {} {name}: {demo}",
                    count(name)
                )));
            }
        }
        if count("answered") >= 1_000 && count("server_changes") >= 1 {
            println!(
                "fresh: {} messages answered, {} changes of server",
                count("answered"),
                count("server_changes")
            );
            return Ok(());
        }
        if began.elapsed() > PLAY_PATIENCE {
            return Err(Error::check(format!(
                "the demo's players hardly play: {demo}"
            )));
        }
        std::thread::sleep(Duration::from_millis(250));
    }
}

/// SIGTERM ends it with 0.
fn stop(ready: &Value, running: &mut Started) -> Result<(), Error> {
    let id = ready["pid"]
        .as_u64()
        .ok_or_else(|| Error::check("the ready file has no pid"))?;
    process::run(Command::new("kill").args(["-TERM", &id.to_string()]))?;
    let asked = Instant::now();
    loop {
        if let Some(status) = running.ended()? {
            println!(
                "fresh: stopped after {:.1} s ({status})",
                asked.elapsed().as_secs_f64()
            );
            return if status.success() {
                Ok(())
            } else {
                Err(Error::check(format!("SIGTERM ended it with {status}")))
            };
        }
        if asked.elapsed() > STOP_PATIENCE {
            return Err(Error::check(format!(
                "it did not end within {} s after SIGTERM",
                STOP_PATIENCE.as_secs()
            )));
        }
        std::thread::sleep(Duration::from_millis(50));
    }
}

fn get(address: &str, path: &str, headers: &str) -> Result<String, Error> {
    let failed = |source| Error::File {
        action: "ask",
        path: format!("http://{address}{path}").into(),
        source,
    };
    let mut stream = TcpStream::connect(address).map_err(failed)?;
    stream
        .set_read_timeout(Some(Duration::from_secs(10)))
        .map_err(failed)?;
    write!(
        stream,
        "GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n{headers}\r\n"
    )
    .map_err(failed)?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).map_err(failed)?;
    Ok(String::from_utf8_lossy(&answer).into_owned())
}

/// A child that does not outlive this program.
struct Started(Child);

impl Started {
    fn ended(&mut self) -> Result<Option<ExitStatus>, Error> {
        self.0.try_wait().map_err(|source| Error::Start {
            program: "cargo run".into(),
            source,
        })
    }
}

impl Drop for Started {
    fn drop(&mut self) {
        if matches!(self.0.try_wait(), Ok(None)) {
            // cargo passes a TERM on to nobody, but on Linux its child is the process itself after exec.
            let _ = process::run(Command::new("kill").args(["-TERM", &self.0.id().to_string()]));
            let _ = self.0.wait();
        }
    }
}

impl Clone {
    fn make(workspace: &Workspace, keep: bool) -> Result<Self, Error> {
        let folder = std::env::temp_dir().join(format!("atlas-fresh-{}", std::process::id()));
        let clone = Self { folder, keep };
        fs::create_dir_all(clone.home()).map_err(|source| Error::File {
            action: "create",
            path: clone.home(),
            source,
        })?;
        process::run(
            Command::new("git")
                .args(["clone", "--quiet", "--no-hardlinks"])
                .arg(&workspace.root)
                .arg(clone.checkout()),
        )?;
        println!("fresh: cloned into {}", clone.folder.display());
        Ok(clone)
    }

    fn checkout(&self) -> PathBuf {
        self.folder.join("atlas")
    }

    fn home(&self) -> PathBuf {
        self.folder.join("home")
    }

    /// `cargo` in the clone with an empty home and nothing of this build in its environment; only where the toolchain
    /// and its registry settings are is told, since both are usually found through the home.
    fn cargo(&self) -> Result<Command, Error> {
        let home = std::env::var_os("HOME").map(PathBuf::from);
        let place = |variable: &str, folder: &str| -> Result<PathBuf, Error> {
            std::env::var_os(variable)
                .map(PathBuf::from)
                .or_else(|| home.as_deref().map(|home| home.join(folder)))
                .ok_or_else(|| Error::check(format!("neither {variable} nor HOME is set")))
        };
        let mut command = Command::new("cargo");
        command
            .current_dir(self.checkout())
            .env("HOME", self.home());
        let stale = |name: &str| {
            [
                "CARGO",
                "RUST",
                "ATLAS_",
                "XDG_",
                "NEXTEST",
                "LD_LIBRARY_PATH",
            ]
            .iter()
            .any(|prefix| name.starts_with(prefix))
        };
        for (name, _) in std::env::vars_os() {
            if name.to_str().is_some_and(stale) {
                command.env_remove(name);
            }
        }
        command
            .env("CARGO_HOME", place("CARGO_HOME", ".cargo")?)
            .env("RUSTUP_HOME", place("RUSTUP_HOME", ".rustup")?);
        Ok(command)
    }
}

impl Drop for Clone {
    fn drop(&mut self) {
        if self.keep {
            println!("fresh: kept in {}", self.folder.display());
        } else {
            remove(&self.folder);
        }
    }
}

fn remove(folder: &Path) {
    if let Err(error) = fs::remove_dir_all(folder) {
        println!("fresh: could not remove {}: {error}", folder.display());
    }
}
