//! A server that suites of tests play against: the store, or Redis's own as the measure.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use crate::error::Error;
use crate::process;
use crate::running::{Running, free_port};
use crate::workspace::Workspace;

/// A server on a port of the loopback; it ends with its handle.
pub(crate) struct StoreServer {
    /// Where it listens.
    pub(crate) port: u16,
    _running: Running,
}

/// Builds the binary that the tests use, too: without optimisation, in seconds.
pub(crate) fn built(workspace: &Workspace) -> Result<PathBuf, Error> {
    process::run(workspace.cargo().args(["build", "--package", "atlas"]))?;
    Ok(workspace.target.join("debug/atlas"))
}

impl StoreServer {
    /// Starts a fresh store by this `atlas`, or Redis's own server without one. Its files lie in `folder`.
    pub(crate) fn start(atlas: Option<&Path>, folder: &Path) -> Result<Self, Error> {
        match atlas {
            Some(atlas) => Self::store(atlas, folder),
            None => Self::redis(folder),
        }
    }

    fn store(atlas: &Path, folder: &Path) -> Result<Self, Error> {
        let ready = folder.join("ready.json");
        let mut command = Command::new(atlas);
        command
            .args([
                "store",
                "--listen",
                "127.0.0.1:0",
                "--admin-listen",
                "127.0.0.1:0",
                "--ready-file",
            ])
            .arg(&ready)
            .env("ATLAS_NODE__DATA_DIR", folder.join("data"))
            // A suite asks what a command answers, not what a disk does.
            .env("ATLAS_STORE__FSYNC", "none")
            .env_remove("ATLAS_CONFIG");
        let mut running = Running::spawn(command, folder, "store")?;
        let port = running.until("the store", || {
            let text = fs::read_to_string(&ready).ok()?;
            let value: Value = serde_json::from_str(&text).ok()?;
            value["listeners"]["store"]
                .as_str()?
                .rsplit(':')
                .next()?
                .parse()
                .ok()
        })?;
        Ok(Self {
            port,
            _running: running,
        })
    }

    fn redis(folder: &Path) -> Result<Self, Error> {
        let port = free_port()?;
        let text = port.to_string();
        // The store takes `DEBUG` from any client; the suites ask for it.
        let flags = [
            ("--port", text.as_str()),
            ("--save", ""),
            ("--enable-debug-command", "yes"),
        ];
        let running = Running::listening(
            Path::new("redis-server"),
            &flags,
            folder,
            "redis-server",
            port,
        )?;
        Ok(Self {
            port,
            _running: running,
        })
    }
}
