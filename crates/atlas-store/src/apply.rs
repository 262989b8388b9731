//! What happens once records are durable: they are applied in the order of the log, and their clients are answered.

use atlas_kv::{
    Answers, ArgumentBuffer, Arguments, Change, Discard, Effects, Moment, Reply, Waiter,
    transaction,
};
use atlas_resp::Protocol;
use atlas_wal::Kind;
use slab::Slab;

use crate::connection::{Connection, Hold};
use crate::door::{Proposal, Request};
use crate::engine::Engine;
use crate::flight::{Entry, Flight, Step};
use crate::log::Trouble;
use crate::waiting::{Ending, Waiting};

/// Clients that wait for one key and are carried by one record at most.
const CARRIED_MAX: usize = 64;

/// Where the answers of one record go: into the outputs of connections.
struct Outputs<'a> {
    connections: &'a mut Slab<Box<Connection>>,
    waiting: &'a Waiting,
    client: Option<usize>,
    /// Answers of a transaction's commands that are not about keys.
    services: &'a [(u32, u32, std::ops::Range<u32>)],
    bytes: &'a [u8],
    nobody: Discard,
}

impl Answers for Outputs<'_> {
    fn client(&mut self) -> &mut dyn Reply {
        match self.client.and_then(|key| self.connections.get_mut(key)) {
            Some(connection) => &mut connection.output,
            None => &mut self.nobody,
        }
    }

    fn waiter(&mut self, wait: u64) -> &mut dyn Reply {
        let waiting = self.waiting.get(wait).filter(|wait| {
            let connection = self.connections.get(wait.connection);
            connection.is_some_and(|connection| connection.id == wait.client)
        });
        match waiting.and_then(|wait| self.connections.get_mut(wait.connection)) {
            Some(connection) => &mut connection.output,
            None => &mut self.nobody,
        }
    }

    fn service(&mut self, position: usize) {
        let answer = self
            .services
            .iter()
            .find(|(_, at, _)| *at as usize == position)
            .and_then(|(_, _, range)| self.bytes.get(range.start as usize..range.end as usize));
        if let Some(connection) = self.client.and_then(|key| self.connections.get_mut(key)) {
            match answer {
                Some(answer) => connection.output.bytes.extend_from_slice(answer),
                None => connection.output.null(),
            }
        }
    }
}

impl Engine {
    /// Applies all that was submitted up to `number`.
    pub(crate) fn land(&mut self, number: u64) {
        while let Some(flight) = self.flights.take(number) {
            for (at, entry) in flight.entries.iter().enumerate() {
                self.land_one(&flight, at as u32, entry);
            }
            for entry in &flight.entries {
                self.landed(entry);
            }
            self.flights.done(flight);
        }
        self.resume.append(&mut self.stalled);
        self.resume.append(&mut self.looking);
    }

    /// What was written and not applied after a failure is answered with it, and never applied.
    pub(crate) fn failed(&mut self, number: u64, trouble: Trouble) {
        self.epoch += 1;
        self.batch.clear();
        let line = trouble.line();
        let mut first_index = None;
        while let Some(flight) = self.flights.take_from(number) {
            first_index.get_or_insert(flight.first_index);
            for (at, entry) in flight.entries.iter().enumerate() {
                if entry.step == Step::Answer {
                    self.land_one(&flight, at as u32, entry);
                } else if let Some(key) = self.client_of(entry) {
                    self.with_protocol(key, entry.protocol, |engine| {
                        if let Some(connection) = engine.connections.get_mut(key) {
                            connection.output.error(&line);
                        }
                    });
                }
                for (wait, _) in &flight.waits[entry.waits.start as usize..entry.waits.end as usize]
                {
                    self.settle_wait(*wait, false);
                }
                match entry.step {
                    Step::Record(Kind::Expire) => self.expiry.is_in_flight = false,
                    Step::Record(Kind::Evict) => self.expiry.is_evicting = false,
                    _ => {}
                }
            }
            for entry in &flight.entries {
                self.landed(entry);
            }
            self.flights.done(flight);
        }
        self.trouble = Some(trouble);
        if self.is_log_first() {
            if let Some(index) = first_index {
                self.next_index = index;
            }
        } else {
            // What was applied and could not be written: nobody may be told that it is there.
            let held: Vec<usize> = self
                .connections
                .iter()
                .filter(|(_, connection)| connection.held_by >= number)
                .map(|(key, _)| key)
                .collect();
            for key in held {
                self.close(key);
            }
        }
    }

    /// What was applied and has now been handed to the system is answered.
    pub(crate) fn released(&mut self, number: u64) {
        self.written = self.written.max(number);
        if !self.is_log_first() {
            while let Some(flight) = self.flights.take(number) {
                self.flights.done(flight);
            }
        }
        for key in std::mem::take(&mut self.held) {
            self.list(key);
        }
    }

    /// The place of an entry's connection, if it is still there and wants to hear.
    fn client_of(&self, entry: &Entry) -> Option<usize> {
        let connection = self.connections.get(entry.connection)?;
        (connection.id == entry.client && entry.client != 0 && !entry.is_muted)
            .then_some(entry.connection)
    }

    /// Runs something that answers in the protocol that its command was sent in.
    fn with_protocol(&mut self, key: usize, protocol: Protocol, run: impl FnOnce(&mut Self)) {
        let Some(connection) = self.connections.get_mut(key) else {
            return;
        };
        let now = std::mem::replace(&mut connection.output.protocol, protocol);
        run(self);
        if let Some(connection) = self.connections.get_mut(key) {
            connection.output.protocol = now;
            self.list(key);
        }
    }

    fn land_one(&mut self, flight: &Flight, at: u32, entry: &Entry) {
        let client = self.client_of(entry);
        let arguments = flight.arguments(&entry.arguments);
        let moment = Moment {
            database: entry.database,
            now_ms: entry.now_ms,
            seed: entry.seed,
        };
        if let Step::Record(kind) = entry.step {
            let waiters = waiters(flight, entry, &self.waiting);
            let services = &flight.service_answers;
            let first = services.partition_point(|(entry, ..)| *entry < at);
            let last = services.partition_point(|(entry, ..)| *entry <= at);
            self.applied_index = entry.index;
            let target = Target {
                client,
                protocol: entry.protocol,
                services: &services[first..last],
                bytes: &flight.bytes,
            };
            self.apply(kind, moment, &arguments, &waiters, &target);
            if kind == Kind::Command
                && let Ok(command) = atlas_kv::command::resolve(&arguments)
            {
                self.look_if_slow(entry.connection, command, &arguments);
            }
            return;
        }
        let Some(key) = client else { return };
        self.with_protocol(key, entry.protocol, |engine| {
            let Some(connection) = engine.connections.get_mut(key) else {
                return;
            };
            let output = &mut connection.output;
            match entry.step {
                Step::Answer => output.bytes.extend_from_slice(arguments.at(0)),
                Step::Read => {
                    let read = atlas_kv::command::resolve(&arguments).and_then(|command| {
                        engine.keyspace.read(command, moment, &arguments, output)
                    });
                    if let Err(error) = read {
                        engine.counts.errors += 1;
                        output.error(&error.to_string());
                    }
                }
                Step::ReadTransaction => {
                    let services = &flight.service_answers;
                    let first = services.partition_point(|(entry, ..)| *entry < at);
                    let last = services.partition_point(|(entry, ..)| *entry <= at);
                    engine.read_transaction_now(
                        key,
                        moment,
                        &arguments,
                        &services[first..last],
                        &flight.bytes,
                    );
                }
                Step::Record(_) => {}
            }
        });
    }

    /// Answers a transaction that only reads.
    pub(crate) fn read_transaction_now(
        &mut self,
        key: usize,
        moment: Moment,
        arguments: &Arguments<'_>,
        services: &[(u32, u32, std::ops::Range<u32>)],
        bytes: &[u8],
    ) {
        let mut outputs = Outputs {
            connections: &mut self.connections,
            waiting: &self.waiting,
            client: Some(key),
            services,
            bytes,
            nobody: Discard,
        };
        // The door looked: none of its commands may write.
        let _ = self
            .keyspace
            .read_transaction(moment, arguments, &mut outputs);
        self.list(key);
    }

    /// Notes that one step of a connection is done.
    fn landed(&mut self, entry: &Entry) {
        let Some(connection) = self.connections.get_mut(entry.connection) else {
            return;
        };
        if connection.id != entry.client || entry.client == 0 {
            return;
        }
        connection.in_flight -= 1;
        if connection.in_flight > 0 {
            return;
        }
        if !connection.is_awaited && !connection.is_closing {
            connection.is_awaited = true;
            self.awaited += 1;
        }
        let goes_on = connection.is_closing
            || connection.has_input
            || matches!(
                connection.hold.as_deref(),
                Some(Hold::OwnRecords(_) | Hold::Flight(..))
            );
        if goes_on {
            self.resume.push(entry.connection);
        }
    }

    /// Applies a record that has just been made: of a mode that does not wait for the disk.
    pub(crate) fn apply_now(&mut self, entry: Entry, proposal: &Proposal<'_>) {
        let moment = Moment {
            database: entry.database,
            now_ms: entry.now_ms,
            seed: entry.seed,
        };
        self.applied_index = entry.index;
        let client = self.client_of(&entry);
        let arguments = proposal.request.arguments();
        let target = Target {
            client,
            protocol: entry.protocol,
            services: proposal.services,
            bytes: proposal.service_bytes,
        };
        if proposal.waits.is_empty() {
            self.apply(proposal.kind, moment, &arguments, &[], &target);
            return;
        }
        let buffers: Vec<(u64, u32, ArgumentBuffer)> = proposal
            .waits
            .iter()
            .filter_map(|wait| {
                let found = self.waiting.get(*wait)?;
                Some((*wait, found.database, found.arguments.clone()))
            })
            .collect();
        let waiters: Vec<Waiter<'_>> = buffers
            .iter()
            .map(|(wait, database, arguments)| Waiter {
                wait: *wait,
                database: *database,
                arguments: arguments.arguments(),
            })
            .collect();
        self.apply(proposal.kind, moment, &arguments, &waiters, &target);
    }

    /// Applies one record and does what follows from it.
    fn apply(
        &mut self,
        kind: Kind,
        moment: Moment,
        arguments: &Arguments<'_>,
        waiters: &[Waiter<'_>],
        target: &Target<'_>,
    ) {
        let mut effects = std::mem::take(&mut self.effects);
        effects.clear();
        effects.interest = self.interest();
        let protocol_now = target
            .client
            .and_then(|key| self.connections.get_mut(key))
            .map(|connection| std::mem::replace(&mut connection.output.protocol, target.protocol));
        let mut outputs = Outputs {
            connections: &mut self.connections,
            waiting: &self.waiting,
            client: target.client,
            services: target.services,
            bytes: target.bytes,
            nobody: Discard,
        };
        apply_record(
            &mut self.keyspace,
            kind,
            moment,
            arguments,
            waiters,
            &mut outputs,
            &mut effects,
        );
        if let (Some(key), Some(protocol)) = (target.client, protocol_now) {
            if let Some(connection) = self.connections.get_mut(key) {
                connection.output.protocol = protocol;
            }
            self.list(key);
        }
        self.counts.dirty += effects.dirty;
        self.counts.expired += effects.expired;
        match kind {
            Kind::Expire => self.expiry.is_in_flight = false,
            Kind::Evict => {
                self.expiry.is_evicting = false;
                self.counts.evicted += effects.dirty;
                self.memory.look_again();
            }
            _ => {}
        }
        for waiter in waiters {
            let is_served = effects.served.contains(&waiter.wait);
            self.settle_wait(waiter.wait, is_served);
        }
        if !effects.changes.is_empty() {
            self.changed(&effects.changes, waiters);
        }
        if !effects.events.is_empty() {
            let events = std::mem::take(&mut effects.events);
            self.notify(&events);
            effects.events = events;
        }
        if !effects.garbage.is_empty() {
            // If that thread has ended it is dropped here.
            let _ = self.garbage.send(std::mem::take(&mut effects.garbage));
        }
        self.effects = effects;
    }

    /// Tells those who watch keys and those who wait for them that keys have changed.
    fn changed(&mut self, changes: &[Change], carried: &[Waiter<'_>]) {
        let mut ready = Vec::new();
        for change in changes {
            match change {
                Change::Key { database, key } => {
                    let key = (*database, key.clone());
                    for &watcher in self.watches.of(&key) {
                        if let Some(connection) = self.connections.get_mut(watcher) {
                            connection.is_watch_broken = true;
                        }
                    }
                    if !self.waiting.is_empty() {
                        ready.push(key);
                    }
                }
                Change::Database(database) => {
                    for watcher in self.watches.of_database(*database) {
                        self.break_watches(watcher, *database);
                    }
                    ready.extend(self.waiting.keys_of(*database));
                }
            }
        }
        ready.sort_unstable();
        ready.dedup();
        for key in ready {
            // Those whom the record carried have had their turn.
            let waits: Vec<u64> = self
                .waiting
                .free(&key)
                .filter(|wait| carried.iter().all(|one| one.wait != *wait))
                .take(CARRIED_MAX)
                .collect();
            let waits: Vec<u64> = waits
                .into_iter()
                .filter(|wait| self.could_be_served(*wait))
                .collect();
            if !waits.is_empty() {
                self.serve(key.0, waits);
            }
        }
    }

    /// A watched database was emptied or exchanged: what exists in it, or did, counts as changed.
    fn break_watches(&mut self, key: usize, database: u32) {
        let moment = Moment {
            database,
            now_ms: self.now_ms,
            seed: 0,
        };
        let view = self.keyspace.view(moment, false);
        if let Some(connection) = self.connections.get_mut(key) {
            connection.is_watch_broken |= connection.watched.iter().any(|watched| {
                watched.key.0 == database && (watched.existed || view.exists(&watched.key.1))
            });
        }
    }

    /// True if, as things are, a wait would end.
    fn could_be_served(&mut self, wait: u64) -> bool {
        let Some(found) = self.waiting.get(wait) else {
            return false;
        };
        let moment = Moment {
            database: found.database,
            now_ms: self.now_ms,
            seed: 0,
        };
        let view = self.keyspace.view(moment, false);
        found
            .command
            .would_write
            .is_none_or(|would_write| would_write(&view, &found.arguments.arguments()))
    }

    /// Makes a record that serves clients who wait, from what is there by then.
    pub(crate) fn serve(&mut self, database: u32, mut waits: Vec<u64>) {
        self.add_linked(&mut waits);
        let mut places = Vec::new();
        for wait in &waits {
            if let Some(found) = self.waiting.get(*wait) {
                let arguments = found.arguments.clone();
                let (command, database) = (found.command, found.database);
                self.add_places(command, database, &arguments.arguments(), &mut places);
            }
        }
        let proposal = Proposal {
            kind: Kind::Serve,
            client: None,
            database,
            now_ms: self.now_ms,
            needs_seed: false,
            request: Request {
                bytes: &[],
                ranges: &[],
            },
            waits,
            services: &[],
            service_bytes: &[],
        };
        self.propose(&proposal, &places);
    }

    /// Those who wait for keys that a command touches, in order, to be carried by its record.
    pub(crate) fn waiters_of(
        &mut self,
        database: u32,
        command: &atlas_kv::Command,
        arguments: &Arguments<'_>,
    ) -> Vec<u64> {
        let mut waits = Vec::new();
        if !self.waiting.is_empty() {
            self.add_waiters_of(database, command, arguments, &mut waits);
        }
        waits
    }

    /// As [`Self::waiters_of`], behind those of a transaction's commands before.
    pub(crate) fn add_waiters_of(
        &mut self,
        database: u32,
        command: &atlas_kv::Command,
        arguments: &Arguments<'_>,
        waits: &mut Vec<u64>,
    ) {
        let mut positions = Vec::new();
        command.keys.find(arguments, &mut positions);
        for position in positions {
            let key = (database, arguments.at(position).into());
            // No more than it surely serves: one that was carried in vain would be overtaken by those whom the next
            // record carries. Whoever is left out gets a record of kind `serve`.
            let count = elements(command, arguments);
            let free = self.waiting.free(&key).filter(|wait| !waits.contains(wait));
            let chosen: Vec<u64> = free.take(count).collect();
            let room = CARRIED_MAX.saturating_sub(waits.len());
            waits.extend(chosen.into_iter().take(room));
        }
        self.add_linked(waits);
    }

    /// Adds those who wait for keys that the commands of others in the list may fill: one that moves an element on
    /// serves the next, within the same record.
    fn add_linked(&self, waits: &mut Vec<u64>) {
        let mut at = 0;
        while let Some(found) = waits.get(at).and_then(|wait| self.waiting.get(*wait)) {
            at += 1;
            let Some(filled) = found.fills() else {
                continue;
            };
            // One element moves on: one waiter more.
            let mut free = self.waiting.free(&filled);
            if let Some(wait) = free.find(|wait| !waits.contains(wait))
                && waits.len() < CARRIED_MAX
            {
                waits.push(wait);
            }
        }
    }

    /// A record has carried a wait and was applied.
    fn settle_wait(&mut self, wait: u64, is_served: bool) {
        let Some(found) = self.waiting.get_mut(wait) else {
            return;
        };
        found.is_in_record = false;
        if is_served {
            self.waiting.remove(wait).into_iter().for_each(|found| {
                self.wait_is_over(found.connection, found.client);
            });
        } else if let Some(ending) = found.ending {
            self.end_wait(wait, ending);
        }
    }

    /// Ends a wait that nothing has served.
    pub(crate) fn end_wait(&mut self, wait: u64, ending: Ending) {
        let Some(found) = self.waiting.get_mut(wait) else {
            return;
        };
        if found.is_in_record {
            // The record decides; if it does not serve this client the wait ends then.
            found.ending.get_or_insert(ending);
            return;
        }
        let Some(found) = self.waiting.remove(wait) else {
            return;
        };
        let is_null_array = found
            .command
            .blocking
            .is_some_and(|blocking| blocking.is_null_array);
        if let Some(connection) = self.connections.get_mut(found.connection)
            && connection.id == found.client
        {
            match ending {
                Ending::Timeout if is_null_array => connection.output.null_array(),
                Ending::Timeout => connection.output.null(),
                Ending::Error => connection
                    .output
                    .error("UNBLOCKED client unblocked via CLIENT UNBLOCK"),
                Ending::Gone => {}
            }
            self.wait_is_over(found.connection, found.client);
        }
    }

    /// A client that waited has its answer and goes on.
    fn wait_is_over(&mut self, key: usize, client: u64) {
        let number = self.flights.last_number();
        let is_log_first = self.is_log_first();
        let Some(connection) = self.connections.get_mut(key) else {
            return;
        };
        if connection.id != client {
            return;
        }
        connection.hold = None;
        if !is_log_first {
            connection.held_by = number;
        }
        self.list(key);
        self.resume.push(key);
    }

    /// Ends the waits whose time is over.
    pub(crate) fn end_waits(&mut self) {
        while let Some(wait) = self.waiting.due(self.now) {
            self.end_wait(wait, Ending::Timeout);
        }
    }
}

/// How many elements a command adds to a key that is empty, at least.
fn elements(command: &atlas_kv::Command, arguments: &Arguments<'_>) -> usize {
    match command.name {
        "lpush" | "rpush" => arguments.len() - 2,
        // Without options each element takes a score and a member; with some, as many are carried as there surely are.
        "zadd" => (arguments.len() - 2) / 2,
        _ => 1,
    }
}

/// Who hears the answer to a record.
struct Target<'a> {
    client: Option<usize>,
    protocol: Protocol,
    services: &'a [(u32, u32, std::ops::Range<u32>)],
    bytes: &'a [u8],
}

fn waiters<'a>(flight: &'a Flight, entry: &Entry, waiting: &Waiting) -> Vec<Waiter<'a>> {
    let mut from = entry.arguments.end;
    let waits = &flight.waits[entry.waits.start as usize..entry.waits.end as usize];
    if waits.is_empty() {
        return Vec::new();
    }
    waits
        .iter()
        .map(|&(wait, count)| {
            let range = from..from + count;
            from = range.end;
            Waiter {
                wait,
                database: waiting
                    .get(wait)
                    .map_or(entry.database, |found| found.database),
                arguments: flight.arguments(&range),
            }
        })
        .collect()
}

/// Applies a record of any kind: the same for a record that was just made and for one that is read back.
pub(crate) fn apply_record(
    keyspace: &mut atlas_kv::Keyspace,
    kind: Kind,
    moment: Moment,
    arguments: &Arguments<'_>,
    waiters: &[Waiter<'_>],
    answers: &mut dyn Answers,
    effects: &mut Effects,
) {
    match kind {
        Kind::Command => {
            debug_assert!(
                !transaction::is_transaction(arguments)
                    || transaction::queued(arguments).next().is_some(),
                "a transaction without commands is not logged"
            );
            keyspace.apply(moment, arguments, waiters, answers, effects);
        }
        Kind::Serve => keyspace.serve(moment, waiters, answers, effects),
        Kind::Expire => {
            keyspace.expire(moment.database, moment.now_ms, arguments.iter(), effects);
        }
        Kind::Evict => {
            // The first argument says whether only keys that expire may go.
            let is_volatile_only = arguments.at(0) == b"volatile";
            keyspace.evict(
                moment.database,
                moment.now_ms,
                is_volatile_only,
                arguments.iter().skip(1),
                effects,
            );
        }
        Kind::Skip
        | Kind::Membership
        | Kind::Vote
        | Kind::Committed
        | Kind::Truncate
        | Kind::Purge
        | Kind::Blank => {}
    }
}
