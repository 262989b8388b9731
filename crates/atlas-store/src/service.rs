//! The store as a service: config, then build (which binds and opens), then run, then stop.

use std::collections::HashMap;
use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::sync::{Arc, Mutex, mpsc};
use std::time::{Duration, Instant};

use atlas_kv::acl::Users;
use atlas_kv::{Effects, Garbage, Settings};
use atlas_runtime::metrics::Registry;
use atlas_runtime::tasks::Kind;
use atlas_runtime::{Shutdown, Tasks};
use atlas_wal::{Batch, Disk, FileDisk};
use mio::{Interest, Poll, Waker};
use slab::Slab;

use crate::access::Refusals;
use crate::bugs::Bugs;
use crate::busy::Busy;
use crate::commands::{Delays, Pause, SlowLog, Untimed};
use crate::config::{AclPubsubDefault, StoreConfig};
use crate::engine::{
    Counts, Engine, LISTENER, Live, MAILBOX, READ_BYTES, Rates, Stopping, TLS_LISTENER,
};
use crate::error::Error;
use crate::expiry::{Expiry, access};
use crate::flight::Flights;
use crate::handle::Handle;
use crate::log::{LogQueue, Writer};
use crate::mail::{Mail, Mailbox};
use crate::memory::{Allocated, Memory};
use crate::metrics::Metrics;
use crate::pubsub::PubSub;
use crate::recovery::{Recovered, recover};
use crate::snapshot::Snapshots;
use crate::statistics::{Durability, Statistics, SyncTimes};
use crate::tls::Identity;
use crate::tracking::Tracking;
use crate::transaction::Watches;
use crate::waiting::Waiting;

/// A store that is open and does not serve yet.
pub struct Store {
    config: StoreConfig,
    metrics: Metrics,
    poll: Poll,
    mailbox: Mailbox,
    mail: mpsc::Receiver<Mail>,
    listener: TcpListener,
    tls_listener: Option<TcpListener>,
    identity: Option<Identity>,
    listen: SocketAddr,
    password: Option<Vec<u8>>,
    disk: Arc<dyn Disk>,
    recovered: Recovered,
    seed: u64,
    admin_password: String,
    allocated: Allocated,
    bugs: Bugs,
}

impl Store {
    /// Checks the configuration, binds, opens the log in `folder` and brings the state back. `allocated` tells how much
    /// memory the process has allocated.
    ///
    /// # Errors
    /// [`Error::Config`]; [`Error::Listen`]; [`Error::Folder`], [`Error::Log`], [`Error::Load`], [`Error::Record`] if the
    /// data cannot be used, which are left as they are.
    pub fn build(
        config: &StoreConfig,
        folder: &Path,
        registry: &Registry,
        allocated: Allocated,
    ) -> Result<Self, Error> {
        let problems = config.problems();
        if !problems.is_empty() {
            return Err(Error::Config(problems));
        }
        Self::open(config, registry, allocated, Bugs::default(), || {
            let disk = FileDisk::create_directory(folder).map_err(|source| Error::Folder {
                path: folder.to_owned(),
                source,
            })?;
            Ok(Arc::new(disk))
        })
    }

    /// As [`Self::build`], on any disk. The configuration is not checked, so that tests may have log files that are
    /// smaller than anybody would want.
    ///
    /// # Errors
    /// As [`Self::build`].
    pub fn build_on(
        config: &StoreConfig,
        disk: Arc<dyn Disk>,
        registry: &Registry,
        allocated: Allocated,
    ) -> Result<Self, Error> {
        Self::open(config, registry, allocated, Bugs::default(), || Ok(disk))
    }

    /// As [`Self::build_on`], with a bug.
    ///
    /// # Errors
    /// As [`Self::build`].
    #[cfg(feature = "planted-bugs")]
    pub fn build_planted(
        config: &StoreConfig,
        disk: Arc<dyn Disk>,
        registry: &Registry,
        allocated: Allocated,
        planted: Option<crate::Planted>,
    ) -> Result<Self, Error> {
        Self::open(config, registry, allocated, Bugs::of(planted), || Ok(disk))
    }

    fn open(
        config: &StoreConfig,
        registry: &Registry,
        allocated: Allocated,
        bugs: Bugs,
        disk: impl FnOnce() -> Result<Arc<dyn Disk>, Error>,
    ) -> Result<Self, Error> {
        let password = read_password(&config.password_file)?;
        let metrics = Metrics::declare(registry).map_err(Error::Metrics)?;
        let listener =
            atlas_runtime::net::bind(config.listen, "store.listen").map_err(Error::Listen)?;
        let listen = listener.local_addr().map_err(Error::Poll)?;
        let identity = crate::tls::identity(&config.tls)?;
        let tls_listener = match identity {
            None => None,
            Some(_) => Some(
                atlas_runtime::net::bind(config.tls.listen, "store.tls.listen")
                    .map_err(Error::Listen)?,
            ),
        };
        let poll = Poll::new().map_err(Error::Poll)?;
        let waker = Waker::new(poll.registry(), MAILBOX).map_err(Error::Poll)?;
        let (mailbox, mail) = Mailbox::new(waker);
        let disk = disk()?;
        let mut recovered = recover(&disk, config, bugs)?;
        if let Some(users) = read_first_users(config, recovered.keyspace.users())? {
            // Before anybody can connect: who may do what must be known by then.
            recovered.add(&users.record())?;
        }
        let mut bits = [0; 40];
        getrandom::fill(&mut bits).map_err(|error| Error::Random(std::io::Error::other(error)))?;
        let (bits, secret) = bits.split_first_chunk().unwrap_or((&[0; 8], &[]));
        let admin_password = secret.iter().map(|byte| format!("{byte:02x}")).collect();
        Ok(Self {
            config: config.clone(),
            metrics,
            poll,
            mailbox,
            mail,
            listener,
            tls_listener,
            identity,
            listen,
            password,
            disk,
            recovered,
            seed: u64::from_le_bytes(*bits),
            admin_password,
            allocated,
            bugs,
        })
    }

    /// Where clients connect: the real port if the configuration said 0.
    pub fn listen(&self) -> SocketAddr {
        self.listen
    }

    /// Where clients connect that speak TLS, if they can.
    pub fn tls_listen(&self) -> Option<SocketAddr> {
        let listener = self.tls_listener.as_ref();
        listener.and_then(|listener| listener.local_addr().ok())
    }

    /// The way in while it serves.
    pub fn handle(&self) -> Handle {
        Handle::new(self.mailbox.clone(), self.listen)
    }

    /// Starts to serve as tasks of the process; `end` is what `SHUTDOWN` asks to end. When the process drains, what is
    /// under way is answered and the log is closed; whoever is left after `drain` is cut.
    ///
    /// # Errors
    /// [`Error::Spawn`] if the system gives no thread, [`Error::Poll`].
    pub fn start(self, tasks: &Tasks, end: Shutdown, drain: Duration) -> Result<(), Error> {
        let handle = self.handle();
        let interval = self.config.fsync_interval.as_duration();
        let queue = LogQueue::new(self.config.fsync, interval);
        let (garbage, waste) = mpsc::channel::<Garbage>();
        tasks
            .thread(Kind::CHORE, "store-garbage", move || {
                // Dropping a large collection takes a while: it delays nobody here.
                waste.into_iter().for_each(drop);
                Ok::<(), Error>(())
            })
            .map_err(Error::Spawn)?;
        let now = Instant::now();
        let identity = self.recovered.log.identity();
        let mut listener = mio::net::TcpListener::from_std(self.listener);
        self.poll
            .registry()
            .register(&mut listener, LISTENER, Interest::READABLE)
            .map_err(Error::Poll)?;
        let mut tls_listener = self.tls_listener.map(mio::net::TcpListener::from_std);
        if let Some(listener) = &mut tls_listener {
            self.poll
                .registry()
                .register(listener, TLS_LISTENER, Interest::READABLE)
                .map_err(Error::Poll)?;
        }
        let registry = self.poll.registry().try_clone().map_err(Error::Poll)?;
        let busy = Arc::new(Mutex::new(Busy::new(registry, end.clone())));
        let keyspace = self.recovered.keyspace;
        let configured_password = self.password.clone();
        let live = Live::of(&self.config, self.password);
        let users = keyspace.users().clone();
        let default_user = crate::access::default_user(&users, &live);
        let settings = keyspace.settings().clone();
        let configured = Settings {
            access: access(self.config.maxmemory_policy),
            string_bytes_max: self.config.argument_bytes_max.0,
            ..settings.clone()
        };
        let log_bytes = self.recovered.log.bytes();
        let log_segments = self.recovered.log.segments() as u64;
        let writer = Writer::new(
            self.recovered.log,
            queue.clone(),
            self.mailbox.clone(),
            tasks.clone(),
            self.bugs,
        );
        let mut engine = Engine {
            live,
            configured_password,
            poll: self.poll,
            listener: Some(listener),
            tls_listener,
            identity: self.identity,
            listen: self.listen,
            mailbox: self.mailbox,
            mail: self.mail,
            connections: Slab::new(),
            by_client: HashMap::new(),
            last_client: 0,
            keyspace,
            settings,
            users,
            default_user,
            admin_user: crate::access::admin_user(),
            admin_password: self.admin_password,
            drops_password_at: None,
            refusals: Refusals::default(),
            cluster: identity.cluster,
            node: identity.node,
            run_id: format!("{:032x}{:08x}", identity.cluster, self.seed as u32),
            next_index: self.recovered.last_index + 1,
            applied_index: self.recovered.last_index,
            flights: Flights::new(),
            batch: Batch::new(),
            epoch: 0,
            written: 0,
            durable: 0,
            log: queue,
            log_bytes,
            log_segments,
            durability: Durability::new(self.recovered.last_index),
            sync_times: SyncTimes::default(),
            trouble: None,
            waiting: Waiting::default(),
            watches: Watches::default(),
            pubsub: PubSub::default(),
            tracking: Tracking::new(self.seed),
            snapshots: Snapshots::new(self.recovered.snapshot.as_ref(), now),
            expiry: Expiry::default(),
            pause: Pause::default(),
            slowlog: SlowLog::default(),
            delays: Delays::default(),
            effects: Effects::default(),
            garbage,
            metrics: self.metrics,
            counts: Counts::default(),
            statistics: Statistics::default(),
            told: Counts::default(),
            rates: Rates::new(now),
            now,
            command_began: now,
            untimed: Untimed::default(),
            last_resolved: None,
            now_ms: 0,
            started: now,
            seed: self.seed,
            stopping: Stopping::No,
            end,
            tasks: tasks.clone(),
            disk: self.disk,
            bugs: self.bugs,
            memory: Memory::new(self.allocated),
            awaited: 0,
            dirty: Vec::new(),
            resume: Vec::new(),
            held: Vec::new(),
            looking: Vec::new(),
            again: Vec::new(),
            stalled: Vec::new(),
            is_accepting: false,
            is_in_transaction: false,
            busy,
            is_abandoned: false,
            ticked: now,
            scratch: vec![0; READ_BYTES],
            ranges: Vec::new(),
            positions: Vec::new(),
            places: Vec::new(),
            config: Arc::new(self.config),
        };
        engine.now_ms = engine.keyspace.clock_ms();
        engine.tell_time();
        engine.watch_scripts();
        // The configuration wins over what the state was run with last.
        engine.change_settings(configured, None);
        tasks
            .thread(Kind::SERVICE, "store-log", move || writer.run())
            .map_err(Error::Spawn)?;
        tasks
            .thread(Kind::SERVICE, "store-engine", move || engine.run())
            .map_err(Error::Spawn)?;
        let shutdown = tasks.shutdown().clone();
        tasks.spawn(Kind::SERVICE, "store-drain", async move {
            shutdown.draining().await;
            handle.stop(drain);
            Ok::<(), Error>(())
        });
        Ok(())
    }
}

/// Declares the store's metrics without a store, for the reference page.
///
/// # Errors
/// [`Error::Metrics`].
pub fn declare_metrics(registry: &Registry) -> Result<(), Error> {
    Metrics::declare(registry).map(drop).map_err(Error::Metrics)
}

/// The users of the configured file, if there is one and the state has only those that every store begins with.
fn read_first_users(config: &StoreConfig, users: &Users) -> Result<Option<Users>, Error> {
    let file = &config.acl_file;
    if file.as_os_str().is_empty() || !file.exists() || *users != Users::default() {
        return Ok(None);
    }
    let hears_all = config.acl_pubsub_default == AclPubsubDefault::Allchannels;
    let read = crate::commands::read_users(file, hears_all);
    read.map(Some).map_err(|why| Error::Users {
        file: file.clone(),
        why,
    })
}

pub(crate) fn read_password(file: &Path) -> Result<Option<Vec<u8>>, Error> {
    if file.as_os_str().is_empty() {
        return Ok(None);
    }
    let wrong = |why: String| Error::Password {
        file: file.to_owned(),
        why,
    };
    let text = std::fs::read(file).map_err(|error| wrong(format!("cannot be read: {error}")))?;
    let line = text.split(|&byte| byte == b'\n').next().unwrap_or_default();
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    if line.is_empty() {
        return Err(wrong("has nothing in its first line".to_owned()));
    }
    Ok(Some(line.to_vec()))
}
