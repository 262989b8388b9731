//! What is measured: Redis and the store, each started fresh with the same promise of durability.

use std::fmt;
use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::str::FromStr;
use std::time::{Duration, Instant};

use super::session::Session;
use crate::Error;
use crate::process::Running;
use crate::start::{await_listening, find, free_ports, pin, program, with_log};

/// A store to measure.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Target {
    /// Debian's Redis.
    Redis,
    /// Atlas's store.
    Atlas,
}

impl Target {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Redis, Self::Atlas];

    /// The name in the table and on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Redis => "redis",
            Self::Atlas => "atlas",
        }
    }
}

impl fmt::Display for Target {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(self.name())
    }
}

impl FromStr for Target {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        Self::ALL
            .into_iter()
            .find(|target| target.name() == name)
            .ok_or_else(|| "no such target; there are redis, atlas".to_owned())
    }
}

/// When what is written is made durable.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sync {
    /// When the system chooses.
    Never,
    /// Before the answer.
    Every,
}

/// Where programs are, and how much they get.
#[derive(Debug, Clone)]
pub struct Setting {
    /// The store's program.
    pub atlas: PathBuf,
    /// A folder for logs and data.
    pub folder: PathBuf,
    /// Cores that a target is bound to; empty: not bound.
    pub target_cores: Vec<usize>,
    /// Cores of the clients; empty: not bound.
    pub other_cores: Vec<usize>,
}

/// A started store; it ends when this is dropped, and its data go with the next start.
pub struct Standing {
    /// Where clients connect.
    pub address: SocketAddr,
    /// The process to watch.
    pub process: u32,
    /// From the start of the program to its first answer.
    pub started_in: Duration,
    running: Running,
}

impl Standing {
    /// A connection for single commands.
    ///
    /// # Errors
    /// If it cannot be made.
    pub fn session(&self) -> Result<Session, Error> {
        Session::connect(self.address)
    }

    /// Ends it as its operator would, with everything on disk.
    pub fn stop(self) {
        drop(self.running);
    }
}

impl Setting {
    /// True if the target's program is there.
    pub fn has(&self, target: Target) -> bool {
        match target {
            Target::Redis => find("redis-server").is_some(),
            Target::Atlas => self.atlas.is_file(),
        }
    }

    /// The library that makes syncs slow; made at the first call.
    ///
    /// # Errors
    /// If there is no C compiler.
    pub fn slow_sync(&self) -> Result<PathBuf, Error> {
        let library = self.folder.join("slow_sync.so");
        if library.is_file() {
            return Ok(library);
        }
        let source = self.folder.join("slow_sync.c");
        write(&source, include_str!("slow_sync.c"))?;
        let output = Command::new("cc")
            .args(["-O2", "-shared", "-fPIC", "-o"])
            .args([&library, &source])
            .arg("-ldl")
            .output()
            .map_err(Error::system("start cc"))?;
        if output.status.success() {
            Ok(library)
        } else {
            let said = String::from_utf8_lossy(&output.stderr).into_owned();
            Err(Error::peer("cc", said))
        }
    }

    /// Starts a target with an empty folder, or with what it left behind.
    ///
    /// # Errors
    /// If it cannot be started or does not answer in time.
    pub fn start(
        &self,
        target: Target,
        sync: Sync,
        sync_time: Duration,
        keeps_data: bool,
    ) -> Result<Standing, Error> {
        let data = self.folder.join(format!("data-{target}"));
        if !keeps_data {
            let _ = fs::remove_dir_all(&data);
        }
        fs::create_dir_all(&data).map_err(|source| Error::File {
            action: "create",
            path: data.clone(),
            source,
        })?;
        let port = free_ports(1)?[0];
        let address = SocketAddr::from(([127, 0, 0, 1], port));
        let mut command = match target {
            Target::Redis => redis(port, sync, &data)?,
            Target::Atlas => self.atlas(address, sync, &data)?,
        };
        if !sync_time.is_zero() {
            command
                .env("LD_PRELOAD", self.slow_sync()?)
                .env("SLOW_SYNC_US", sync_time.as_micros().to_string());
        }
        pin(&self.target_cores)?;
        let log = self.folder.join(format!("{target}.log"));
        let began = Instant::now();
        let started = Running::start(target.name(), &mut command, &log);
        pin(&self.other_cores)?;
        let mut running = started?;
        await_listening(&mut running, address).map_err(|error| with_log(error, &log))?;
        // Redis listens before it has read its files.
        let mut session = Session::connect(address)?;
        let deadline = began + Duration::from_secs(300);
        while session.ask(&["PING"])? != "+PONG" {
            if Instant::now() > deadline {
                return Err(Error::Late {
                    what: format!("the first answer of {target}"),
                    seconds: 300,
                });
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        Ok(Standing {
            address,
            process: running.id(),
            started_in: began.elapsed(),
            running,
        })
    }

    fn atlas(&self, listen: SocketAddr, sync: Sync, data: &Path) -> Result<Command, Error> {
        let fsync = match sync {
            Sync::Never => "none",
            Sync::Every => "every",
        };
        let file = self.folder.join("atlas.toml");
        // Snapshots when a measurement asks for them, as of Redis's rewriting.
        write(
            &file,
            &format!(
                "[node]\ndata-dir = {data:?}\n\n[admin]\nlisten = \"127.0.0.1:0\"\n\n[store]\nlisten = \"{listen}\"\nfsync = \"{fsync}\"\n\
                 snapshot-interval = \"0s\"\nclients-max = 20000\n"
            ),
        )?;
        let mut command = Command::new(&self.atlas);
        command.arg("store").arg("--config").arg(file);
        Ok(command)
    }
}

fn redis(port: u16, sync: Sync, data: &Path) -> Result<Command, Error> {
    let mut command = Command::new(program("redis-server")?);
    command
        .args(["--port", &port.to_string(), "--bind", "127.0.0.1"])
        .args(["--dir"])
        .arg(data)
        .args(["--save", "", "--appendonly", "yes"])
        .args([
            "--appendfsync",
            match sync {
                Sync::Never => "no",
                Sync::Every => "always",
            },
        ])
        .args(["--auto-aof-rewrite-percentage", "0"])
        .args(["--maxclients", "20000"]);
    Ok(command)
}

fn write(path: &Path, text: &str) -> Result<(), Error> {
    fs::write(path, text).map_err(|source| Error::File {
        action: "write",
        path: path.into(),
        source,
    })
}
