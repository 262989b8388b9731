//! A process from its first log line to its exit code, whatever its roles are.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use atlas_runtime::admin::{Admin, Routes, Token};
use atlas_runtime::metrics::Registry;
use atlas_runtime::ready::{self, Ready};
use atlas_runtime::signals::{self, Reload};
use atlas_runtime::{Kind, Logs, Phase, Shutdown, Tasks, logs};
use tokio::sync::mpsc;
use tokio::time::Instant;

use super::{VERSION, reload};
use crate::cli::Serving;
use crate::config::Config;
use crate::error::{Error, FAILED};

/// How long what outlives the drain may take to end.
const AFTER_TIMEOUT: Duration = Duration::from_secs(4);

/// When the roles hear that a stop was asked for.
#[derive(Clone, Copy, Debug)]
pub(super) enum Stop {
    /// With everybody else.
    AtOnce,
    /// When [`Node::drain`] is called: something else is to end before.
    InTurn,
}

/// What a serving process is asked for from outside.
#[derive(Debug)]
pub(super) enum Asked {
    /// To end.
    Stop,
    /// To read its configuration again: by SIGHUP, or over the admin API, which waits for the outcome.
    Reload(Option<reload::Reply>),
}

/// A process that serves.
pub(super) struct Node {
    pub(super) config: Config,
    pub(super) registry: Registry,
    /// The roles' tasks, which drain.
    pub(super) tasks: Tasks,
    /// The tasks that outlive the drain: the admin listener, so that one can watch it; the demo's servers.
    pub(super) after: Tasks,
    /// The end that signals ask for.
    pub(super) end: Shutdown,
    logs: Logs,
    token: Token,
    token_file: PathBuf,
    tap_token: Token,
    reload: Reload,
    /// The route of `POST /v1/reload` until the admin listener takes it, and the requests that come by it.
    reload_route: Option<Routes>,
    reload_asked: mpsc::Receiver<reload::Reply>,
    ready: Ready,
}

impl Node {
    /// Logs, signals, descriptors, data folder and token: what a process has before it has a role.
    ///
    /// # Errors
    /// [`Error::Runtime`] if the log level cannot be read or the data folder cannot be written.
    pub(super) fn begin(
        config: Config,
        data_dir: PathBuf,
        stop: Stop,
        serving: &Serving,
    ) -> Result<Self, Error> {
        let logs = logs::init(&config.log)?;
        if let Some(path) = &serving.ready_file {
            ready::clear(path)?;
        }
        super::raise_descriptor_limit();
        let end = Shutdown::new();
        let tasks = match stop {
            Stop::AtOnce => end.clone(),
            Stop::InTurn => Shutdown::new(),
        };
        let reload = signals::listen(&end)?;
        let token_file = Token::path(&data_dir);
        let token = Token::keep(&token_file)?;
        let tap_token = Token::keep(&Token::tap_path(&data_dir))?;
        let registry = Registry::new(&config.metrics);
        registry.process(VERSION)?;
        let (reload_route, reload_asked) = reload::route();
        Ok(Self {
            config,
            registry,
            tasks: Tasks::new(tasks),
            after: Tasks::new(Shutdown::new()),
            end,
            logs,
            token,
            token_file,
            tap_token,
            reload,
            reload_route: Some(reload_route),
            reload_asked,
            ready: Ready::new(VERSION),
        })
    }

    /// The admin listener, for the roles to mount their routes on.
    pub(super) fn admin(&mut self) -> Admin {
        let end = self.end.clone();
        let reload = self.reload_route.take().unwrap_or_default();
        Admin::new(
            self.config.admin.clone(),
            self.registry.clone(),
            self.logs.clone(),
            self.token.clone(),
        )
        .readiness("node", move || !end.is_draining())
        .version(VERSION)
        .api(reload)
    }

    /// Notes where a role listens, for the ready file.
    pub(super) fn listens(&mut self, name: &str, address: impl ToString) {
        self.ready
            .listeners
            .insert(name.to_owned(), address.to_string());
    }

    /// Where the roles listen, by name.
    pub(super) fn listeners(&self) -> impl Iterator<Item = (&str, &str)> {
        self.ready
            .listeners
            .iter()
            .map(|(name, address)| (name.as_str(), address.as_str()))
    }

    /// The console's address with its token; empty before the admin listener listens.
    pub(super) fn console(&self) -> &str {
        self.ready.console.as_deref().unwrap_or_default()
    }

    /// The token of the tap.
    pub(super) fn tap_token(&self) -> Token {
        self.tap_token.clone()
    }

    /// Where the admin token lies.
    pub(super) fn token_file(&self) -> &Path {
        &self.token_file
    }

    /// Opens the admin listener.
    ///
    /// # Errors
    /// [`Error::Runtime`] if its port is taken.
    pub(super) async fn listen(&mut self, admin: Admin) -> Result<(), Error> {
        let listening = admin.bind().await?;
        self.listens("admin", listening.address);
        let reached = crate::config::dialled(listening.address);
        self.ready.console = Some(format!("http://{reached}/?token={}", self.token.reveal()));
        let over = self.after.shutdown().clone();
        self.after.spawn(
            Kind::SERVICE,
            "admin",
            listening.serve(async move { over.draining().await }),
        );
        Ok(())
    }

    /// Says that all of it listens.
    ///
    /// # Errors
    /// [`Error::Runtime`] if the file cannot be written.
    pub(super) fn ready(&self, serving: &Serving) -> Result<(), Error> {
        if let Some(path) = &serving.ready_file {
            ready::write(path, &self.ready)?;
        }
        Ok(())
    }

    /// Waits until a signal or a failed task asks for something.
    pub(super) async fn asked(&mut self) -> Asked {
        tokio::select! {
            () = self.end.draining() => Asked::Stop,
            () = self.tasks.shutdown().draining() => Asked::Stop,
            () = self.after.shutdown().draining() => Asked::Stop,
            () = self.reload.requested() => Asked::Reload(None),
            Some(reply) = self.reload_asked.recv() => Asked::Reload(Some(reply)),
        }
    }

    /// Takes over what of a new configuration concerns the process itself.
    ///
    /// # Errors
    /// [`Error::Runtime`] if the log level cannot be read; it stays as it was.
    pub(super) fn reload(&mut self, config: &Config) -> Result<(), Error> {
        // A level that was changed at run time holds until the file's own changes.
        if config.log.level != self.config.log.level {
            self.logs.set_level(&config.log.level)?;
            self.config.log.level.clone_from(&config.log.level);
        }
        Ok(())
    }

    /// Ends the roles within the drain's time, then what outlives them. A second signal cuts it short, and the exit code
    /// says so.
    ///
    /// # Errors
    /// The first failure of a task that the process needs, or [`atlas_runtime::Error::Drain`] if the time was over.
    pub(super) async fn drain(self) -> Result<ExitCode, Error> {
        let begun = Instant::now();
        // A failed task drains too: readiness says no from here on, whoever asked.
        self.end.drain("stopping");
        let stop_at_once = self.end.clone();
        let (tasks, after) = (self.tasks.shutdown().clone(), self.after.shutdown().clone());
        let forward = tokio::spawn(async move {
            stop_at_once.stopping().await;
            tasks.stop("asked twice");
            after.stop("asked twice");
        });
        let drained = self.tasks.drain(*self.config.node.drain_timeout).await;
        self.after.shutdown().drain("the roles have ended");
        let ended = self.after.drain(AFTER_TIMEOUT).await;
        forward.abort();
        if let Some(failure) = self.tasks.failure().or_else(|| self.after.failure()) {
            return Err(failure.into());
        }
        if self.end.phase() == Phase::Stopping {
            // Whoever asks twice wants it over, not explained.
            let left: Vec<_> = [drained, ended]
                .into_iter()
                .filter_map(Result::err)
                .map(|error| error.to_string())
                .collect();
            tracing::warn!(left = left.join("; "), "stopped at once");
            return Ok(ExitCode::from(FAILED));
        }
        drained?;
        ended?;
        tracing::info!(after_ms = begun.elapsed().as_millis() as u64, "stopped");
        Ok(ExitCode::SUCCESS)
    }
}
