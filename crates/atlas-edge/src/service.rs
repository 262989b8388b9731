//! The edge as a service: config, then build (which binds), then run, then stop.

use std::net::{SocketAddr, TcpListener};
use std::sync::atomic::AtomicUsize;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use atlas_runtime::Tasks;
use atlas_runtime::metrics::Registry;
use atlas_runtime::tasks::Kind;
use atlas_world::MemoryDirectory;
use mio::{Poll, Waker};
use tokio::sync::{mpsc, watch};

use crate::config::{Config, Count};
use crate::control::{self, Controls};
use crate::discovery;
use crate::discovery::registration::{self, Registrations};
use crate::drain::{self, Drains};
use crate::error::Error;
use crate::handle::Handle;
use crate::health;
use crate::mail::Mailbox;
use crate::metrics::{self, Metrics};
use crate::mirror;
use crate::moves;
use crate::players::{self, Players};
use crate::servers::Roster;
use crate::shared::{Met, Queued, Shared};
use crate::stream::Stream;
use crate::tap::Tap;
use crate::worker::Worker;

/// Descriptors kept for everything that is not a player.
const DESCRIPTORS_RESERVED: u64 = 128;
/// What traffic met and the health checks have not taken in yet.
const MET_MAX: usize = 1024;

/// A bound edge that does not serve yet.
pub struct Edge {
    shared: Arc<Shared>,
    workers: Vec<Worker>,
    met: mpsc::Receiver<Met>,
    copies: mpsc::Receiver<mirror::Copy>,
    listen: SocketAddr,
    registration: Option<TcpListener>,
}

impl Edge {
    /// Checks the configuration, binds the listeners of players and of servers that register, and makes the workers.
    ///
    /// `node` is this node's id.
    ///
    /// # Errors
    /// [`Error::Config`], [`Error::Resolve`], [`Error::Discovery`], [`Error::Listen`], [`Error::Worker`]; nothing is left
    /// behind.
    pub fn build(config: &Config, node: &str, registry: &Registry) -> Result<Self, Error> {
        let problems = config.problems();
        if !problems.is_empty() {
            return Err(Error::Config(problems));
        }
        let mut roster = Roster::new(config)?;
        let view = roster.view(None, atlas_base::Moment::ZERO)?;
        let metrics = Metrics::declare(registry).map_err(Error::Metrics)?;
        let listener =
            atlas_runtime::net::bind(config.edge.listen, "edge.listen").map_err(Error::Listen)?;
        let at_worker = |worker| move |source| Error::Worker { worker, source };
        listener.set_nonblocking(true).map_err(at_worker(0))?;
        let listen = listener.local_addr().map_err(at_worker(0))?;
        let registration = config.edge.registration.listen.address();
        let bind = |address| atlas_runtime::net::bind(address, "edge.registration.listen");
        let registration = registration.map(bind).transpose().map_err(Error::Listen)?;

        let count = match config.edge.workers {
            Count::Auto => std::thread::available_parallelism().map_or(1, usize::from),
            Count::Number(count) => count as usize,
        };
        let (mut mailboxes, mut prepared) = (Vec::new(), Vec::new());
        for index in 0..count {
            let poll = Poll::new().map_err(at_worker(index))?;
            // Token 0 is the mailbox's, see `worker::Token`.
            let waker = Waker::new(poll.registry(), mio::Token(0)).map_err(at_worker(index))?;
            let (mailbox, receiver) = Mailbox::new(waker);
            mailboxes.push(mailbox);
            prepared.push((poll, receiver));
        }
        let (met_sender, met) = mpsc::channel(MET_MAX);
        let (mirrors, copies) = mpsc::channel(mirror::BEGINNING_MAX);
        let shared = Arc::new(Shared {
            node: node.to_owned(),
            owner: atlas_balance::hash_key(node.as_bytes()),
            roster: Mutex::new(roster),
            view: ArcSwap::from_pointee(view),
            views: watch::Sender::new(0),
            metrics,
            stream: Stream::new(),
            tap: Tap::default(),
            mirrors,
            mailboxes,
            loads: (0..count).map(|_| AtomicUsize::new(0)).collect(),
            queued: (0..count).map(|_| Queued::default()).collect(),
            connections: AtomicUsize::new(0),
            connections_max: connections_max(config),
            controls: Controls::default(),
            drains: Drains::default(),
            players: Players::default(),
            registrations: Registrations::default(),
            met: met_sender,
            addresses: Mutex::default(),
            directory: Mutex::new(MemoryDirectory::default()),
            started: Instant::now(),
        });
        metrics::declare_gauges(registry, &shared).map_err(Error::Metrics)?;
        let mut listener: Option<TcpListener> = Some(listener);
        let mut workers = Vec::new();
        for (index, (poll, receiver)) in prepared.into_iter().enumerate() {
            let worker = Worker::new(index, shared.clone(), poll, receiver, listener.take());
            workers.push(worker.map_err(at_worker(index))?);
        }
        Ok(Self {
            shared,
            workers,
            met,
            copies,
            listen,
            registration,
        })
    }

    /// Where players connect: the real port if the configuration said 0.
    pub fn listen(&self) -> SocketAddr {
        self.listen
    }

    /// Where servers register: the real port if the configuration said 0; none if they cannot.
    pub fn registration(&self) -> Option<SocketAddr> {
        self.registration.as_ref()?.local_addr().ok()
    }

    /// The way in while it serves.
    pub fn handle(&self) -> Handle {
        Handle {
            shared: self.shared.clone(),
        }
    }

    /// Starts to serve as tasks of the process. When the process drains, players are told to come back, and whoever is
    /// left after `drain` is cut.
    ///
    /// # Errors
    /// [`Error::Spawn`] if the system gives no thread.
    pub fn start(self, tasks: &Tasks, drain: Duration) -> Result<(), Error> {
        let handle = self.handle();
        for (index, worker) in self.workers.into_iter().enumerate() {
            tasks
                .thread(Kind::SERVICE, format!("edge-worker-{index}"), move || {
                    worker.run()
                })
                .map_err(Error::Spawn)?;
        }
        let (shared, met) = (self.shared, self.met);
        if let Some(listener) = self.registration {
            start_registration(&shared, listener, tasks);
        }
        let copies = mirror::run(self.copies);
        tasks.spawn(Kind::CHORE, "edge-mirror", async move {
            copies.await;
            Ok::<(), Error>(())
        });
        let controls = control::watch(shared.clone());
        tasks.spawn(Kind::CHORE, "edge-control", async move {
            controls.await;
            Ok::<(), Error>(())
        });
        let drains = drain::watch(shared.clone());
        tasks.spawn(Kind::CHORE, "edge-drains", async move {
            drains.await;
            Ok::<(), Error>(())
        });
        let moves = moves::watch(shared.clone());
        tasks.spawn(Kind::CHORE, "edge-moves", async move {
            moves.await;
            Ok::<(), Error>(())
        });
        let players = players::watch(shared.clone());
        tasks.spawn(Kind::CHORE, "edge-players", async move {
            players.await;
            Ok::<(), Error>(())
        });
        let found = shared.clone();
        tasks.spawn(Kind::CHORE, "edge-discovery", async move {
            discovery::file::watch(found).await;
            Ok::<(), Error>(())
        });
        tasks.spawn(Kind::CHORE, "edge-health", async move {
            health::Watch::new(shared).run(met).await;
            Ok::<(), Error>(())
        });
        let shutdown = tasks.shutdown().clone();
        tasks.spawn(Kind::SERVICE, "edge-drain", async move {
            shutdown.draining().await;
            handle.stop(drain);
            Ok::<(), Error>(())
        });
        Ok(())
    }
}

/// Lets servers register, and looks who of them fell silent.
fn start_registration(shared: &Arc<Shared>, listener: TcpListener, tasks: &Tasks) {
    let router = registration::router(Arc::clone(shared));
    let connections_max = shared.view.load().edge.registration.connections_max as usize;
    let shutdown = tasks.shutdown().clone();
    tasks.spawn(Kind::SERVICE, "edge-registration", async move {
        let over = async move { shutdown.draining().await };
        atlas_runtime::http::serve("registration", listener, router, connections_max, over).await
    });
    let silence = registration::watch(Arc::clone(shared));
    tasks.spawn(Kind::CHORE, "edge-heartbeats", async move {
        silence.await;
        Ok::<(), Error>(())
    });
}

/// How many players may be connected at once: two descriptors each, and a fifth of one more where sessions move.
fn connections_max(config: &Config) -> usize {
    match config.edge.max_connections {
        Count::Number(number) => number as usize,
        Count::Auto => {
            let limit = rustix::process::getrlimit(rustix::process::Resource::Nofile)
                .current
                .unwrap_or(1 << 20);
            // A copy for a shadow server takes one more.
            let mirrors = |world: &crate::config::WorldConfig| !world.mirror.server.is_empty();
            let each = if config.worlds.values().any(mirrors) {
                32
            } else {
                22
            };
            usize::try_from(limit.saturating_sub(DESCRIPTORS_RESERVED) * 10 / each)
                .unwrap_or(usize::MAX)
                .max(1)
        }
    }
}
