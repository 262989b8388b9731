//! The demo's game servers: child processes that are watched, and started again on the same port when they die.
//!
//! A child ends with this process, however that ends: it holds the other end of the child's standard input, and the
//! child stops when that closes.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use atlas_demo::WORLD_EXTENT;
use atlas_demo::server::Region;
use atlas_runtime::ready::Ready;
use atlas_runtime::{Kind, Shutdown, Tasks};
use tokio::process::{Child, ChildStdin, Command};
use tokio::time::{Instant, MissedTickBehavior, interval, sleep, timeout};

use crate::context::Context;
use crate::error::Error;
use crate::terminal::say;

/// How long a server may take to listen.
const START_TIMEOUT: Duration = Duration::from_secs(20);
/// How often we look whether it does.
const LOOK_INTERVAL: Duration = Duration::from_millis(10);
/// Between a server's death and its next life; doubled after each failed attempt.
const RESTART_PAUSE: Duration = Duration::from_millis(500);
/// The longest pause.
const RESTART_PAUSE_MAX: Duration = Duration::from_secs(8);
/// How long a server may take to close its connections and end.
const STOP_TIMEOUT: Duration = Duration::from_secs(3);

/// The quarters of the world; z grows to the south.
const QUARTERS: [(&str, bool, bool); 4] = [
    ("northwest", false, false),
    ("northeast", true, false),
    ("southwest", false, true),
    ("southeast", true, true),
];

/// A demo server as it is now.
#[derive(Clone, Debug)]
pub(super) struct Listed {
    pub(super) name: &'static str,
    pub(super) region: Region,
    pub(super) address: SocketAddr,
    /// None while it is down.
    pub(super) pid: Option<u32>,
}

/// The demo's servers; what it shows follows them.
#[derive(Debug)]
pub(super) struct Servers(Arc<Mutex<Vec<Listed>>>);

impl Servers {
    /// Starts all of them and watches them as tasks of `tasks`.
    ///
    /// # Errors
    /// [`Error::DemoServer`] if one does not come up.
    pub(super) async fn start(
        tasks: &Tasks,
        scratch: &Path,
        context: &Context,
    ) -> Result<Self, Error> {
        let program = std::env::current_exe().map_err(|source| Error::System {
            what: "find this program's own file".to_owned(),
            source,
        })?;
        let list = Arc::new(Mutex::new(Vec::new()));
        let mut started = Vec::new();
        for (index, (name, east, south)) in QUARTERS.into_iter().enumerate() {
            let half = |far: bool| {
                if far {
                    (0.0, WORLD_EXTENT)
                } else {
                    (-WORLD_EXTENT, 0.0)
                }
            };
            let ((min_x, max_x), (min_z, max_z)) = (half(east), half(south));
            let mut spec = Spec {
                index,
                name,
                region: Region {
                    min_x,
                    min_z,
                    max_x,
                    max_z,
                },
                listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
                program: program.clone(),
                ready_file: scratch.join(format!("{name}.json")),
                log: context.log.clone(),
            };
            // All at once: each of them takes a moment.
            started.push(tokio::spawn(async move {
                let running = spec.launch().await?;
                spec.listen = running.address;
                Ok::<_, Error>((spec, running))
            }));
        }
        let mut running = Vec::new();
        for started in started {
            let (spec, server) = started.await.map_err(|error| Error::System {
                what: "start the demo's servers".to_owned(),
                source: std::io::Error::other(error),
            })??;
            lock(&list).push(Listed {
                name: spec.name,
                region: spec.region,
                address: server.address,
                pid: server.child.id(),
            });
            running.push((spec, server));
        }
        for (spec, server) in running {
            let watch = watch(spec, server, Arc::clone(&list), tasks.shutdown().clone());
            tasks.spawn(
                Kind {
                    on_error: atlas_runtime::OnError::Log,
                    ..Kind::SERVICE
                },
                "demo-server",
                watch,
            );
        }
        Ok(Self(list))
    }

    /// The servers as they are now, in the order of the quarters.
    pub(super) fn list(&self) -> Vec<Listed> {
        lock(&self.0).clone()
    }
}

fn lock(list: &Mutex<Vec<Listed>>) -> MutexGuard<'_, Vec<Listed>> {
    // Nothing panics while it holds the lock.
    list.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What one server is started with.
#[derive(Debug)]
struct Spec {
    index: usize,
    name: &'static str,
    region: Region,
    listen: SocketAddr,
    program: PathBuf,
    ready_file: PathBuf,
    log: Option<String>,
}

/// A server that listens. Dropping it kills it.
#[derive(Debug)]
struct Running {
    child: Child,
    /// Held open for as long as the server is to live. (Waiting for the child would close it, if it were the child's.)
    stdin: Option<ChildStdin>,
    address: SocketAddr,
}

impl Spec {
    /// Starts the server and waits until it listens.
    async fn launch(&self) -> Result<Running, Error> {
        let failed = |why: String| Error::DemoServer {
            name: self.name.to_owned(),
            why,
        };
        // A file that an earlier life left there would be taken for this one's.
        let _ = std::fs::remove_file(&self.ready_file);
        let mut command = Command::new(&self.program);
        command
            .arg("demo-server")
            .args(["--listen", &self.listen.to_string()])
            .args(["--name", self.name])
            .args(["--region", &self.region.to_string()])
            .args(["--link", "cooperative", "--until-stdin-closes"])
            // With a checkpoint after each message, what a killed server takes with it is a moment, not a walk.
            .args(["--checkpoint-every", "1"])
            .arg("--ready-file")
            .arg(&self.ready_file)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .kill_on_drop(true)
            // Ctrl-C in a terminal is sent to a whole group; this process says itself when it is the servers' turn.
            .process_group(0);
        if let Some(level) = &self.log {
            command.args(["--log", level]);
        }
        let mut child = command.spawn().map_err(|error| failed(error.to_string()))?;
        let stdin = child.stdin.take();
        let mut looks = interval(LOOK_INTERVAL);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let begun = Instant::now();
        loop {
            looks.tick().await;
            if let Ok(text) = std::fs::read_to_string(&self.ready_file) {
                let ready: Option<Ready> = serde_json::from_str(&text).ok();
                let address = ready.and_then(|ready| ready.listeners.get("server")?.parse().ok());
                let address =
                    address.ok_or_else(|| failed("its ready file cannot be read".to_owned()))?;
                return Ok(Running {
                    child,
                    stdin,
                    address,
                });
            }
            if let Ok(Some(status)) = child.try_wait() {
                return Err(failed(format!("it ended at once ({status})")));
            }
            if begun.elapsed() > START_TIMEOUT {
                return Err(failed(format!(
                    "it did not listen within {START_TIMEOUT:?}"
                )));
            }
        }
    }
}

/// Keeps one server alive until the shutdown, then lets it end.
async fn watch(
    spec: Spec,
    mut running: Running,
    list: Arc<Mutex<Vec<Listed>>>,
    shutdown: Shutdown,
) -> Result<(), Error> {
    let list_pid = |pid| {
        if let Some(listed) = lock(&list).get_mut(spec.index) {
            listed.pid = pid;
        }
    };
    loop {
        let pid = running.child.id();
        let status = tokio::select! {
            status = running.child.wait() => status,
            () = shutdown.draining() => return stop(&spec, running).await,
        };
        list_pid(None);
        let how = status.map_or_else(|error| error.to_string(), |status| status.to_string());
        let pid = pid.map_or_else(String::new, |pid| format!(" (pid {pid})"));
        say(&format!(
            "{}{pid} died ({how}); it is started again",
            spec.name
        ));
        let mut pause = RESTART_PAUSE;
        running = loop {
            tokio::select! {
                () = sleep(pause) => {}
                () = shutdown.draining() => return Ok(()),
            }
            match spec.launch().await {
                Ok(running) => break running,
                Err(error) => say(&format!("{error}; another try follows")),
            }
            pause = (pause * 2).min(RESTART_PAUSE_MAX);
        };
        let pid = running.child.id();
        list_pid(pid);
        say(&format!(
            "{} is back (pid {})",
            spec.name,
            pid.unwrap_or_default()
        ));
    }
}

/// Closes the server's standard input, which it takes for its end; kills it if it takes too long.
async fn stop(spec: &Spec, mut running: Running) -> Result<(), Error> {
    drop(running.stdin.take());
    if timeout(STOP_TIMEOUT, running.child.wait()).await.is_err() {
        say(&format!("{} did not end in time; it is killed", spec.name));
        // Whatever the system says to that, the handle's end kills it too.
        let _ = running.child.kill().await;
    }
    Ok(())
}
