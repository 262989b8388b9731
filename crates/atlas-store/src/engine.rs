//! The engine: one thread that owns the keyspace and its clients' sockets, and its turn.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::ops::Range;
use std::sync::{Arc, mpsc};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use atlas_kv::acl::{User, Users};
use atlas_kv::{Class, Command, Effects, Garbage, Interest, Keyspace, Settings};
use atlas_resp::request::Limits;
use atlas_wal::Batch;
use mio::net::TcpListener;
use mio::{Events, Poll, Token};
use slab::Slab;

use crate::access::Refusals;
use crate::commands::Untimed;
use crate::config::{AclPubsubDefault, EvictionPolicy, Fsync, StoreConfig};
use crate::connection::{Connection, Hold};
use crate::error::Error;
use crate::flight::Flights;
use crate::log::{LogQueue, Trouble};
use crate::mail::{Mail, Mailbox};
use crate::metrics::Metrics;
use crate::pubsub::PubSub;
use crate::snapshot::Snapshots;
use crate::statistics::{Durability, Statistics, SyncTimes};
use crate::tls::Identity;
use crate::tracking::Tracking;
use crate::transaction::Watches;
use crate::waiting::Waiting;

/// The mailbox's token; a connection's is its place and [`CONNECTIONS`].
pub(crate) const MAILBOX: Token = Token(0);
pub(crate) const LISTENER: Token = Token(1);
pub(crate) const TLS_LISTENER: Token = Token(2);
pub(crate) const CONNECTIONS: usize = 3;

/// Bytes of one read.
pub(crate) const READ_BYTES: usize = 64 << 10;
/// Bytes of records that are submitted before the turn ends.
const SUBMIT_BYTES: usize = 1 << 20;
/// How often the engine does its housekeeping.
pub(crate) const TICK: Duration = Duration::from_millis(100);

/// What of the configuration `CONFIG SET` changes.
#[derive(Clone, Debug)]
pub(crate) struct Live {
    pub(crate) fsync: Fsync,
    pub(crate) maxmemory: u64,
    pub(crate) maxmemory_policy: EvictionPolicy,
    pub(crate) notify: Class,
    /// A password that the user `default` takes on this node, beside those that records gave it.
    pub(crate) password: Option<Vec<u8>>,
    /// New users may hear all channels.
    pub(crate) acl_hears_all: bool,
    pub(crate) acl_log_entries_max: usize,
    /// Keys of which it is kept who has read them; 0 is no such bound.
    pub(crate) tracking_keys_max: usize,
    pub(crate) clients_max: usize,
    pub(crate) idle_timeout: Duration,
    pub(crate) output_bytes_max: usize,
    pub(crate) limits: Limits,
    pub(crate) slowlog_longer_than_us: i64,
    pub(crate) slowlog_entries_max: usize,
    pub(crate) latency_threshold_ms: u64,
    /// A script that runs for longer lets others be answered that the store is busy; zero never.
    pub(crate) busy_threshold: Duration,
    pub(crate) is_expiring: bool,
    /// Settings of Redis's that have no meaning here.
    pub(crate) kept: std::collections::BTreeMap<&'static str, String>,
}

impl Live {
    pub(crate) fn of(config: &StoreConfig, password: Option<Vec<u8>>) -> Self {
        let fits = |bytes: u64| u32::try_from(bytes).unwrap_or(u32::MAX);
        Self {
            fsync: config.fsync,
            maxmemory: config.maxmemory.0,
            maxmemory_policy: config.maxmemory_policy,
            notify: crate::pubsub::classes(&config.notify_keyspace_events).unwrap_or_default(),
            password,
            acl_hears_all: config.acl_pubsub_default == AclPubsubDefault::Allchannels,
            acl_log_entries_max: config.acl_log_entries_max as usize,
            tracking_keys_max: config.tracking_keys_max as usize,
            clients_max: config.clients_max as usize,
            idle_timeout: config.idle_timeout.as_duration(),
            output_bytes_max: config.client_output_bytes_max.as_usize(),
            limits: Limits {
                arguments_max: config.arguments_max,
                bulk_bytes_max: fits(config.argument_bytes_max.0),
                command_bytes_max: fits(config.client_query_bytes_max.0),
                ..Limits::default()
            },
            slowlog_longer_than_us: config.slowlog_longer_than.as_micros() as i64,
            slowlog_entries_max: config.slowlog_entries_max as usize,
            latency_threshold_ms: 0,
            busy_threshold: config.busy_reply_threshold.as_duration(),
            is_expiring: true,
            kept: std::collections::BTreeMap::new(),
        }
    }
}

/// What is counted, for `INFO` and the metrics.
#[derive(Clone, Debug, Default)]
pub(crate) struct Counts {
    pub(crate) connections: u64,
    pub(crate) rejected: u64,
    pub(crate) commands: u64,
    pub(crate) errors: u64,
    pub(crate) bytes_in: u64,
    pub(crate) bytes_out: u64,
    pub(crate) records: u64,
    pub(crate) syncs: u64,
    pub(crate) sync_time: Duration,
    pub(crate) expired: u64,
    pub(crate) evicted: u64,
    pub(crate) dirty: u64,
    pub(crate) output_closed: u64,
    /// Values that another thread freed.
    pub(crate) freed_elsewhere: u64,
}

/// What was done a second, over the last one.
#[derive(Clone, Debug)]
pub(crate) struct Rates {
    since: Instant,
    counted: [u64; 3],
    /// Commands, bytes that came, bytes that left.
    pub(crate) a_second: [f64; 3],
}

impl Rates {
    pub(crate) fn new(now: Instant) -> Self {
        Self {
            since: now,
            counted: [0; 3],
            a_second: [0.0; 3],
        }
    }

    /// Looks at the counts once a second.
    fn look(&mut self, now: Instant, counts: &Counts) {
        let seconds = now.saturating_duration_since(self.since).as_secs_f64();
        if seconds < 1.0 {
            return;
        }
        let counted = [counts.commands, counts.bytes_in, counts.bytes_out];
        for (at, now) in counted.into_iter().enumerate() {
            // Counts are set back by `CONFIG RESETSTAT`.
            self.a_second[at] = now.saturating_sub(self.counted[at]) as f64 / seconds;
        }
        (self.since, self.counted) = (now, counted);
    }
}

/// How the process ends.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Stopping {
    /// It does not.
    No,
    /// What is under way may end until then.
    Draining(Instant),
    /// The log is being closed.
    Closing,
    /// It is over.
    Closed,
}

/// The engine.
pub(crate) struct Engine {
    pub(crate) config: Arc<StoreConfig>,
    pub(crate) live: Live,
    /// What the password's file had; `CONFIG SET` may have put another in force.
    pub(crate) configured_password: Option<Vec<u8>>,
    pub(crate) poll: Poll,
    pub(crate) listener: Option<TcpListener>,
    pub(crate) tls_listener: Option<TcpListener>,
    /// What those who come by it are met with.
    pub(crate) identity: Option<Identity>,
    pub(crate) listen: SocketAddr,
    pub(crate) mailbox: Mailbox,
    pub(crate) mail: mpsc::Receiver<Mail>,
    pub(crate) connections: Slab<Box<Connection>>,
    pub(crate) by_client: HashMap<u64, usize>,
    pub(crate) last_client: u64,
    pub(crate) keyspace: Keyspace,
    /// The settings of the keyspace as they will be once all records are applied.
    pub(crate) settings: Settings,
    /// The users as they will be then.
    pub(crate) users: Users,
    /// The user that connections begin as, with the password of the configuration.
    pub(crate) default_user: Arc<User>,
    /// The user of the admin API's own connections, and what they say to be it.
    pub(crate) admin_user: Arc<User>,
    pub(crate) admin_password: String,
    /// The record with which the configuration's password ends to count.
    pub(crate) drops_password_at: Option<u64>,
    pub(crate) refusals: Refusals,
    pub(crate) cluster: u128,
    pub(crate) node: u64,
    pub(crate) run_id: String,
    /// The index of the next record.
    pub(crate) next_index: u64,
    /// The last record that was applied.
    pub(crate) applied_index: u64,
    pub(crate) flights: Flights,
    /// The records of the open flight, and their number as a submission.
    pub(crate) batch: Batch,
    pub(crate) epoch: u32,
    pub(crate) written: u64,
    pub(crate) durable: u64,
    pub(crate) log: LogQueue,
    pub(crate) log_bytes: u64,
    pub(crate) log_segments: u64,
    /// Up to which record the log is durable.
    pub(crate) durability: Durability,
    pub(crate) sync_times: SyncTimes,
    pub(crate) trouble: Option<Trouble>,
    pub(crate) waiting: Waiting,
    pub(crate) watches: Watches,
    pub(crate) pubsub: PubSub,
    pub(crate) tracking: Tracking,
    pub(crate) snapshots: Snapshots,
    pub(crate) expiry: crate::expiry::Expiry,
    pub(crate) pause: crate::commands::Pause,
    pub(crate) slowlog: crate::commands::SlowLog,
    pub(crate) delays: crate::commands::Delays,
    pub(crate) effects: Effects,
    pub(crate) garbage: mpsc::Sender<Garbage>,
    pub(crate) metrics: Metrics,
    pub(crate) counts: Counts,
    pub(crate) statistics: Statistics,
    pub(crate) rates: Rates,
    pub(crate) told: Counts,
    pub(crate) now: Instant,
    /// When the command at hand began, about.
    pub(crate) command_began: Instant,
    pub(crate) untimed: Untimed,
    /// The command that came last.
    pub(crate) last_resolved: Option<&'static Command>,
    pub(crate) now_ms: i64,
    pub(crate) started: Instant,
    pub(crate) seed: u64,
    pub(crate) stopping: Stopping,
    pub(crate) end: atlas_runtime::Shutdown,
    pub(crate) tasks: atlas_runtime::Tasks,
    pub(crate) disk: Arc<dyn atlas_wal::Disk>,
    pub(crate) bugs: crate::bugs::Bugs,
    pub(crate) memory: crate::memory::Memory,
    /// Those whom the last sync answered and who have not sent again.
    pub(crate) awaited: usize,
    pub(crate) dirty: Vec<usize>,
    pub(crate) resume: Vec<usize>,
    /// Those whose answers leave once their records are with the system.
    pub(crate) held: Vec<usize>,
    /// Those who look again once what is in flight has landed.
    pub(crate) looking: Vec<usize>,
    pub(crate) again: Vec<usize>,
    pub(crate) stalled: Vec<usize>,
    pub(crate) is_accepting: bool,
    /// A command runs as one of a transaction's.
    pub(crate) is_in_transaction: bool,
    /// Whoever looks at scripts while they run.
    pub(crate) busy: crate::busy::Shared,
    /// A script was given up in the middle of what it does: the state is of no use.
    pub(crate) is_abandoned: bool,
    pub(crate) ticked: Instant,
    pub(crate) scratch: Vec<u8>,
    pub(crate) ranges: Vec<Range<u32>>,
    pub(crate) positions: Vec<usize>,
    pub(crate) places: Vec<u16>,
}

impl Engine {
    /// Serves until the process ends.
    ///
    /// # Errors
    /// [`Error::Poll`].
    pub(crate) fn run(mut self) -> Result<(), Error> {
        let mut events = Events::with_capacity(1024);
        while self.stopping != Stopping::Closed {
            let timeout = self.timeout();
            match self.poll.poll(&mut events, Some(timeout)) {
                Ok(()) => {}
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(Error::Poll(error)),
            }
            self.tell_time();
            for event in &events {
                match event.token() {
                    MAILBOX => {}
                    LISTENER | TLS_LISTENER => self.accept(),
                    Token(token) => self.ready(token - CONNECTIONS, event),
                }
            }
            self.read_mail();
            self.go_on();
            self.end_untimed();
            // Of what records and transactions looked for; a read tells its own at once.
            self.notify_missed();
            self.abandon();
            self.snapshot_step();
            self.tick();
            self.submit();
            self.broadcast();
            self.flush();
        }
        Ok(())
    }

    fn timeout(&self) -> Duration {
        let is_busy = !self.again.is_empty()
            || !self.resume.is_empty()
            || self.is_accepting
            || (self.snapshots.is_walking() && self.snapshots.wants_blocks());
        if is_busy {
            return Duration::ZERO;
        }
        let deadlines = [self.waiting.next_deadline(), self.pause.until()];
        let next = deadlines.into_iter().flatten().min();
        let left = next.map(|at| at.saturating_duration_since(Instant::now()));
        left.map_or(TICK, |left| left.min(TICK))
    }

    pub(crate) fn tell_time(&mut self) {
        self.now = Instant::now();
        self.command_began = self.now;
        let since = SystemTime::now().duration_since(UNIX_EPOCH);
        let now_ms = since.map_or(0, |since| since.as_millis() as i64);
        // The state's clock never runs back, and a record is not older than one before it.
        self.now_ms = self.now_ms.max(now_ms);
    }

    fn read_mail(&mut self) {
        while let Ok(mail) = self.mail.try_recv() {
            match mail {
                Mail::Durable { number, took } => {
                    self.counts.syncs += 1;
                    self.counts.sync_time += took;
                    self.sync_times.add(took);
                    self.look_if_delayed(crate::commands::SYNC, took);
                    self.durability.reached(number);
                    self.metrics.sync_seconds.observe(took.as_secs_f64());
                    self.durable = number;
                    self.written = self.written.max(number);
                    self.land(number);
                    if self.bugs.applied_before_sync {
                        self.released(number);
                    }
                }
                Mail::Written { number } => self.released(number),
                Mail::Failed { number, trouble } => self.failed(number, trouble),
                Mail::Delayed { number, trouble } => {
                    self.trouble = Some(trouble);
                    self.delayed(number);
                }
                Mail::Trouble(trouble) => self.trouble = trouble,
                Mail::LogSize { bytes, segments } => {
                    self.log_bytes = bytes;
                    self.log_segments = segments;
                }
                Mail::Snapshot(outcome) => self.snapshot_ended(outcome),
                Mail::SnapshotTaken => {}
                Mail::Asked(question) => self.answer_question(question),
                Mail::Closed => self.stopping = Stopping::Closed,
                Mail::Stop { deadline } => self.stop(deadline),
            }
        }
    }

    /// Goes on with those whose turn was cut short.
    fn go_on(&mut self) {
        if self.is_accepting {
            self.accept();
        }
        if !self.is_full() {
            self.resume.append(&mut self.stalled);
        }
        for key in std::mem::take(&mut self.resume) {
            self.go_on_with(key);
        }
        for key in std::mem::take(&mut self.again) {
            self.read(key);
        }
    }

    /// Goes on with a connection that had to stop.
    fn go_on_with(&mut self, key: usize) {
        let Some(connection) = self.connections.get_mut(key) else {
            return;
        };
        if connection.is_closing {
            self.list(key);
            return;
        }
        let may_go_on = match connection.hold.as_deref() {
            None => true,
            Some(Hold::OwnRecords(_) | Hold::Landing) => connection.in_flight == 0,
            Some(Hold::Flight(number, _)) => self.durable >= *number || self.flights.is_empty(),
            Some(Hold::Paused(_)) => !self.pause.holds_anything(self.now),
            Some(Hold::Wait(_) | Hold::Elsewhere(..)) => false,
        };
        if !may_go_on {
            if matches!(connection.hold.as_deref(), Some(Hold::Flight(..))) {
                self.looking.push(key);
            }
            return;
        }
        if let Some(hold) = connection.hold.take()
            && let Hold::OwnRecords(command) | Hold::Flight(_, command) | Hold::Paused(command) =
                *hold
        {
            let ranges: Vec<Range<u32>> = command.ranges().to_vec();
            self.execute(key, command.bytes(), &ranges);
        }
        let Some(connection) = self.connections.get_mut(key) else {
            return;
        };
        if !connection.is_stopped() {
            // What there is, if anything, is looked at now.
            connection.has_input = false;
            if !connection.input.is_empty() {
                self.take_input(key);
            }
        }
        self.read(key);
    }

    /// Hands the open flight's records to the log.
    pub(crate) fn submit(&mut self) {
        if self.batch.is_empty() {
            if self.awaited == 0 && !self.flights.is_empty() {
                self.log.go(self.durable);
            }
            return;
        }
        if let Some(number) = self.flights.close() {
            self.durability.submitted(number, self.next_index - 1);
            self.snapshots.logged_bytes += self.batch.bytes() as u64;
            let is_at_once = !self.is_log_first() && !self.bugs.answer_before_write;
            if is_at_once && self.log.write_now(number, self.epoch, &self.batch) {
                self.batch.clear();
                self.released(number);
                return;
            }
            let batch = std::mem::take(&mut self.batch);
            let go = (self.awaited == 0).then_some(self.durable);
            self.batch = self.log.submit(number, self.epoch, batch, go);
        }
    }

    /// Submits before the turn's end if there is much.
    pub(crate) fn submit_if_large(&mut self) {
        if self.batch.bytes() >= SUBMIT_BYTES {
            self.submit();
        }
    }

    /// What of effects anybody wants to hear.
    pub(crate) fn interest(&self) -> Interest {
        let mut interest = Interest::empty();
        let tracks = self.tracking.clients > 0;
        if !self.watches.is_empty() || !self.waiting.is_empty() || tracks {
            interest |= Interest::KEYS;
        }
        if !self.live.notify.is_empty() && !self.pubsub.is_empty() {
            interest |= Interest::EVENTS;
        }
        interest
    }

    /// A random number.
    pub(crate) fn random(&mut self) -> u64 {
        self.seed = self.seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.seed;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn stop(&mut self, deadline: Instant) {
        if self.stopping == Stopping::No {
            tracing::info!("the store stops: no new clients");
            self.listener = None;
            self.tls_listener = None;
            self.stopping = Stopping::Draining(deadline);
        }
    }

    /// Housekeeping, some times a second.
    fn tick(&mut self) {
        self.end_waits();
        if self.has_more_to_expire() {
            self.sweep();
        }
        if let Stopping::Draining(deadline) = self.stopping {
            self.drain(deadline);
        }
        if self.pause.ended(self.now) {
            let keys = self.connections.iter().map(|(key, _)| key);
            self.resume.extend(keys);
            // What has expired meanwhile was not removed.
            self.sweep();
        }
        if self.now.saturating_duration_since(self.ticked) < TICK {
            return;
        }
        self.ticked = self.now;
        self.prepare_busy();
        self.end_elsewheres();
        self.drop_tracked();
        self.shrink();
        self.sweep();
        self.evict();
        self.snapshot_if_due();
        self.close_idle();
        self.close_undecided();
        self.tell_metrics();
        self.rates.look(self.now, &self.counts);
        // One that could not be taken in is tried again.
        self.accept();
    }

    /// Gives back memory that a burst has left behind, once nothing was written for a while.
    fn shrink(&mut self) {
        let is_quiet = self.flights.is_empty() && self.counts.records == self.told.records;
        if is_quiet && self.batch.is_empty() {
            self.flights.shrink();
            self.log.shrink();
            self.batch = Batch::new();
            self.ranges = Vec::new();
            self.positions = Vec::new();
            self.places = Vec::new();
        }
    }

    fn drain(&mut self, deadline: Instant) {
        let is_over = self.now >= deadline;
        // What a log that cannot be written keeps is not waited for: nobody was told that it is there.
        let is_stuck = self.trouble.is_some() && !self.is_log_first();
        if !self.flights.is_empty() && !is_over && !is_stuck {
            return;
        }
        self.submit();
        self.flush();
        let keys: Vec<usize> = self.connections.iter().map(|(key, _)| key).collect();
        for key in keys {
            self.close(key);
        }
        self.log.close();
        self.stopping = Stopping::Closing;
    }
}
