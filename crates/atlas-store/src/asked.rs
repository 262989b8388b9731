//! What the engine is asked from outside its sockets: how it is, whom it serves, what it has noticed.

use std::time::Instant;

use tokio::sync::oneshot;

use crate::api::{
    ClientView, ClientsPage, CommandView, CommandsView, DatabaseView, LogView, MemoryView,
    SlowLogView, SnapshotView, StoreView, SyncView, TotalsView,
};
use crate::config::StoreConfig;
use crate::connection::{Connection, Hold};
use crate::engine::Engine;

/// A question, with the way of its answer. Whoever does not wait any more gets none.
#[derive(Debug)]
pub(crate) enum Question {
    /// How the store is.
    Status(oneshot::Sender<StoreView>),
    /// What was counted of each command.
    Commands(oneshot::Sender<CommandsView>),
    /// The clients after this one, at most so many.
    Clients(u64, usize, oneshot::Sender<ClientsPage>),
    /// The commands that took long.
    SlowLog(oneshot::Sender<SlowLogView>),
    /// The same, and forgets them.
    ForgetSlow(oneshot::Sender<SlowLogView>),
    /// Takes over what differs in this configuration; with what its files have.
    Reload(
        Box<StoreConfig>,
        crate::reload::Files,
        oneshot::Sender<crate::Reloaded>,
    ),
    /// Begins a snapshot; false if one is in the making.
    Snapshot(oneshot::Sender<bool>),
    /// What the admin API says to be let in.
    Password(oneshot::Sender<String>),
}

impl Engine {
    pub(crate) fn answer_question(&mut self, question: Question) {
        match question {
            Question::Status(answer) => drop(answer.send(self.status())),
            Question::Commands(answer) => drop(answer.send(self.command_counts())),
            Question::Clients(after, limit, answer) => {
                drop(answer.send(self.clients(after, limit)))
            }
            Question::SlowLog(answer) => drop(answer.send(self.slow_log())),
            Question::ForgetSlow(answer) => {
                self.slowlog.clear();
                drop(answer.send(self.slow_log()));
            }
            Question::Reload(config, files, answer) => {
                drop(answer.send(self.reload(&config, files)));
            }
            Question::Snapshot(answer) => drop(answer.send(self.snapshot_begin())),
            Question::Password(answer) => drop(answer.send(self.admin_password.clone())),
        }
    }

    fn status(&mut self) -> StoreView {
        let databases = (0..self.keyspace.database_count()).filter_map(|number| {
            let (keys, expiring) = self.keyspace.key_counts(number);
            (keys > 0).then_some(DatabaseView {
                number,
                keys: keys as u64,
                expiring: expiring as u64,
            })
        });
        let databases = databases.collect();
        let (hits, misses) = self.keyspace.lookups();
        let counts = &self.counts;
        let sync = self.sync_times.quantiles().map(|quantiles| {
            let [p50_us, p99_us, max_us] = quantiles.map(|time| time.as_micros() as u64);
            SyncView {
                p50_us,
                p99_us,
                max_us,
            }
        });
        StoreView {
            at_ms: self.now_ms,
            uptime_ms: since(self.now, self.started),
            listen: self.listen.to_string(),
            databases_max: self.keyspace.database_count(),
            databases,
            memory: MemoryView {
                used_bytes: self.memory.used(),
                peak_bytes: self.memory.peak(),
                resident_bytes: self.memory.resident(),
                limit_bytes: self.live.maxmemory,
                policy: self.live.maxmemory_policy.name().to_owned(),
            },
            log: LogView {
                fsync: self.live.fsync.name().to_owned(),
                bytes: self.log_bytes,
                segments: self.log_segments,
                last_index: self.next_index - 1,
                applied_index: self.applied_index,
                durable_index: self.durability.index(),
                in_flight_bytes: self.flights.bytes() as u64,
                syncs: counts.syncs,
                sync,
            },
            snapshot: SnapshotView {
                is_running: self.snapshots.is_running(),
                age_ms: self
                    .snapshots
                    .written_ms()
                    .map(|at| u64::try_from(self.now_ms - at).unwrap_or(0)),
                index: self.snapshots.last_index(),
                bytes: self.snapshots.last_bytes(),
                changes_since: counts.dirty.saturating_sub(self.snapshots.dirty()),
                error: self.snapshots.last_error(),
            },
            clients: self.connections.len() as u64,
            clients_waiting: self.waiting.len() as u64,
            clients_max: self.live.clients_max as u64,
            trouble: self.trouble.as_ref().map(crate::log::Trouble::line),
            totals: TotalsView {
                commands: counts.commands,
                errors: counts.errors,
                connections: counts.connections,
                rejected: counts.rejected,
                bytes_in: counts.bytes_in,
                bytes_out: counts.bytes_out,
                records: counts.records,
                expired: counts.expired,
                evicted: counts.evicted,
                hits,
                misses,
            },
        }
    }

    fn command_counts(&self) -> CommandsView {
        let items = self.statistics.used().into_iter();
        let items = items.map(|(name, counted)| CommandView {
            name,
            calls: counted.calls,
            us: counted.time.as_micros() as u64,
            rejected: counted.rejected,
            failed: counted.failed,
        });
        CommandsView {
            at_ms: self.now_ms,
            items: items.collect(),
        }
    }

    fn clients(&self, after: u64, limit: usize) -> ClientsPage {
        let all = self.connections.iter().map(|(_, connection)| connection);
        let mut rest: Vec<&Connection> = all
            .map(AsRef::as_ref)
            .filter(|connection| connection.id > after)
            .collect();
        rest.sort_unstable_by_key(|connection| connection.id);
        let has_more = rest.len() > limit;
        rest.truncate(limit);
        let items: Vec<ClientView> = rest
            .into_iter()
            .map(|connection| client(connection, self.now))
            .collect();
        ClientsPage {
            next: items.last().filter(|_| has_more).map(|client| client.id),
            items,
            total: self.connections.len() as u64,
        }
    }

    fn slow_log(&self) -> SlowLogView {
        SlowLogView {
            longer_than_us: self.live.slowlog_longer_than_us,
            entries_max: self.live.slowlog_entries_max as u64,
            items: self.slowlog.views(),
        }
    }
}

fn client(connection: &Connection, now: Instant) -> ClientView {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let listens = connection
        .subscriptions
        .as_ref()
        .is_some_and(|found| found.count() > 0);
    let state = match connection.hold.as_deref() {
        Some(Hold::Wait(_) | Hold::Elsewhere(..)) => "waiting",
        Some(Hold::Paused(_)) => "paused",
        _ if listens => "listening",
        _ if connection.transaction.is_some() => "transaction",
        _ => "idle",
    };
    let library = [&connection.library, &connection.library_version];
    let library = library.map(|part| text(part)).join(" ");
    ClientView {
        id: connection.id,
        address: connection.address.to_string(),
        name: text(&connection.name),
        library: library.trim().to_owned(),
        database: connection.database,
        age_ms: since(now, connection.begun),
        idle_ms: since(now, connection.used),
        command: connection.last_command_name(),
        state: state.to_owned(),
        commands: connection.commands,
        bytes_in: connection.bytes_in,
        bytes_out: connection.bytes_out,
        pending_bytes: connection.output.pending() as u64,
    }
}

fn since(now: Instant, then: Instant) -> u64 {
    now.saturating_duration_since(then).as_millis() as u64
}
