//! What happens once records are durable: they are applied in the order of the log, and their clients are answered.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::time::Instant;

use atlas_kv::script::{Occasion, Terms, is_scripted};
use atlas_kv::{
    Answers, ArgumentBuffer, Arguments, Discard, Effects, Moment, Reply, Waiter, transaction,
};
use atlas_resp::Protocol;
use atlas_wal::Kind;
use slab::Slab;

use crate::commands::{EVICT, EXPIRE};
use crate::connection::{Connection, Hold, Output};
use crate::door::Proposal;
use crate::engine::Engine;
use crate::flight::{Entry, Flight, Step};
use crate::log::Trouble;
use crate::recovery::described;
use crate::scripts::Scripted;
use crate::sockets::WARMED_MAX;
use crate::waiting::Waiting;

/// Where the answers of one record go: into the outputs of connections.
struct Outputs<'a> {
    connections: &'a mut Slab<Box<Connection>>,
    waiting: &'a Waiting,
    client: Option<usize>,
    /// Answers of a transaction's commands that are not about keys.
    services: &'a [(u32, u32, std::ops::Range<u32>)],
    bytes: &'a [u8],
    /// The client's output while its connection is with whoever looks at scripts.
    own: Option<&'a mut Output>,
    nobody: Discard,
}

impl Answers for Outputs<'_> {
    fn client(&mut self) -> &mut dyn Reply {
        if let Some(own) = &mut self.own {
            return *own;
        }
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
        let output = match &mut self.own {
            Some(own) => Some(&mut **own),
            None => self
                .client
                .and_then(|key| self.connections.get_mut(key))
                .map(|connection| &mut connection.output),
        };
        match (output, answer) {
            (Some(output), Some(answer)) => output.bytes.extend_from_slice(answer),
            (Some(output), None) => output.null(),
            (None, _) => {}
        }
    }
}

impl Engine {
    /// Applies all that was submitted up to `number`.
    pub(crate) fn land(&mut self, number: u64) {
        while let Some(flight) = self.flights.take(number) {
            for (at, entry) in flight.entries.iter().enumerate() {
                if self.is_abandoned {
                    return;
                }
                if at % WARMED_MAX == 0 {
                    self.warm(&flight, at);
                }
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

    /// Brings what the next commands of a flight are about from memory.
    fn warm(&self, flight: &Flight, at: usize) {
        let end = (at + WARMED_MAX).min(flight.entries.len());
        let next = flight.entries.get(at..end).unwrap_or_default();
        let keys = next.iter().filter_map(|entry| {
            let key = flight.arguments(&entry.arguments).get(1)?;
            Some((entry.database, key))
        });
        self.keyspace.warm(keys);
    }

    /// What was written and not applied after a failure is answered with it, and never applied.
    pub(crate) fn failed(&mut self, number: u64, trouble: Trouble) {
        self.epoch += 1;
        self.batch.clear();
        self.durability.lost(number);
        let line = trouble.line();
        let mut first_index = None;
        while let Some(flight) = self.flights.take_from(number) {
            first_index.get_or_insert(flight.first_index);
            for (at, entry) in flight.entries.iter().enumerate() {
                if entry.step == Step::Answer || self.bugs.failed_flight_answered {
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
                    match &trouble {
                        // The record may be there after a restart, and have served it.
                        Trouble::Final(_) => self.fail_wait(*wait, &line),
                        _ => self.settle_wait(*wait, false),
                    }
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
        self.settings = self.keyspace.settings().clone();
        self.users = self.keyspace.users().clone();
        self.drops_password_at = None;
        if self.is_log_first() {
            if let Some(index) = first_index {
                self.next_index = index;
            }
        } else {
            self.delayed(number);
        }
        self.snapshot_finish();
    }

    /// What was applied and could not be written: nobody may be told that it is there, nor that it is not.
    pub(crate) fn delayed(&mut self, number: u64) {
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
            let waits = kind == Kind::Command
                && client.is_some_and(|key| self.waits_after_all(key, moment, &arguments));
            let target = Target {
                // One who waits is answered later; the record is applied as in every replay.
                client: client.filter(|_| !waits),
                protocol: entry.protocol,
                services: &services[first..last],
                bytes: &flight.bytes,
                scripted: entry.scripted,
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
                    let command = atlas_kv::command::resolve(&arguments);
                    let read = command.as_ref().map_err(Clone::clone).and_then(|command| {
                        engine.keyspace.read(command, moment, &arguments, output)
                    });
                    if let Err(error) = read {
                        engine.counts.errors += 1;
                        output.error(&error.to_string());
                    }
                    if let Ok(command) = command {
                        engine.look_if_slow(key, command, &arguments);
                    }
                    engine.notify_missed();
                }
                Step::ReadTransaction => {
                    let services = &flight.service_answers;
                    let first = services.partition_point(|(entry, ..)| *entry < at);
                    let last = services.partition_point(|(entry, ..)| *entry <= at);
                    // Scripts in it say that they do not write.
                    let terms = Terms {
                        user: engine.restricted(key),
                        ..Terms::default()
                    };
                    engine.read_transaction_now(
                        key,
                        &terms,
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

    /// Answers a transaction that only reads; false if a script in it would write: what was answered does not count then.
    pub(crate) fn read_transaction_now(
        &mut self,
        key: usize,
        terms: &Terms,
        moment: Moment,
        arguments: &Arguments<'_>,
        services: &[(u32, u32, std::ops::Range<u32>)],
        bytes: &[u8],
    ) -> bool {
        let is_scripted = is_scripted(arguments);
        let mut own = None;
        if is_scripted {
            let client = self.connections.get_mut(key);
            own = client.map(|connection| std::mem::take(&mut connection.output));
            self.enter_script(Some(key), arguments);
        }
        let mut outputs = Outputs {
            connections: &mut self.connections,
            waiting: &self.waiting,
            client: Some(key),
            services,
            bytes,
            own: own.as_mut(),
            nobody: Discard,
        };
        let mut effects = std::mem::take(&mut self.effects);
        effects.clear();
        let read =
            self.keyspace
                .read_transaction(terms, moment, arguments, &mut outputs, &mut effects);
        if is_scripted {
            self.leave_script();
            if let (Some(own), Some(connection)) = (own, self.connections.get_mut(key)) {
                connection.output = own;
            }
            if read.is_ok() {
                self.after_scripts(&mut effects);
            }
        }
        self.effects = effects;
        if read.is_ok() && self.tracking.clients > 0 {
            self.remember_transaction(key);
        }
        self.list(key);
        read.is_ok()
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
                Some(Hold::OwnRecords(_) | Hold::Flight(..) | Hold::Landing)
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
            scripted: proposal.scripted,
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
        let terms = target.scripted.unwrap_or_default().terms();
        let mut own = None;
        if target.scripted.is_some() {
            let client = target.client.and_then(|key| self.connections.get_mut(key));
            own = client.map(|connection| std::mem::take(&mut connection.output));
            self.enter_script(target.client, arguments);
        }
        let mut outputs = Outputs {
            connections: &mut self.connections,
            waiting: &self.waiting,
            client: target.client,
            services: target.services,
            bytes: target.bytes,
            own: own.as_mut(),
            nobody: Discard,
        };
        let occasion = Occasion {
            moment,
            terms: &terms,
        };
        // Commands are timed where they are answered.
        let began = matches!(kind, Kind::Expire | Kind::Evict).then(Instant::now);
        let applied = catch_unwind(AssertUnwindSafe(|| {
            apply_record(
                &mut self.keyspace,
                occasion,
                kind,
                arguments,
                waiters,
                &mut outputs,
                &mut effects,
            );
        }));
        if let Err(panic) = applied {
            tracing::error!(
                index = self.applied_index,
                record = described(kind, arguments),
                "applying a record panicked; if it does so again at the next start, `atlas store skip INDEX` gets past it"
            );
            resume_unwind(panic);
        }
        if target.scripted.is_some() {
            self.leave_script();
            if let (Some(own), Some(key)) = (own, target.client)
                && let Some(connection) = self.connections.get_mut(key)
            {
                connection.output = own;
            }
            self.after_scripts(&mut effects);
        }
        if let (Some(key), Some(protocol)) = (target.client, protocol_now) {
            if let Some(connection) = self.connections.get_mut(key) {
                connection.output.protocol = protocol;
            }
            self.list(key);
        }
        if let Some(began) = began {
            let name = if kind == Kind::Expire { EXPIRE } else { EVICT };
            self.look_if_delayed(name, began.elapsed());
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
        if self.tracking.clients > 0 {
            if let Some(key) = target.client {
                self.remember_transaction(key);
            }
            let by = target.client.and_then(|key| self.connections.get(key));
            let by = by.map_or(0, |connection| connection.id);
            self.tell_tracking(&effects.changes, by);
        }
        if !effects.changes.is_empty() {
            self.changed(&effects.changes, waiters);
        }
        if !effects.events.is_empty() {
            let events = std::mem::take(&mut effects.events);
            self.notify(&events);
            effects.events = events;
        }
        if effects.users {
            self.users_changed(target.client);
        }
        if !effects.garbage.is_empty() {
            self.counts.freed_elsewhere += effects.garbage.len() as u64;
            // If that thread has ended it is dropped here.
            let _ = self.garbage.send(std::mem::take(&mut effects.garbage));
        }
        self.effects = effects;
    }
}

/// Who hears the answer to a record.
struct Target<'a> {
    client: Option<usize>,
    protocol: Protocol,
    services: &'a [(u32, u32, std::ops::Range<u32>)],
    bytes: &'a [u8],
    scripted: Option<Scripted>,
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
    occasion: Occasion<'_>,
    kind: Kind,
    arguments: &Arguments<'_>,
    waiters: &[Waiter<'_>],
    answers: &mut dyn Answers,
    effects: &mut Effects,
) {
    let moment = occasion.moment;
    match kind {
        Kind::Command => {
            debug_assert!(
                !transaction::is_transaction(arguments)
                    || transaction::queued(arguments).next().is_some(),
                "a transaction without commands is not logged"
            );
            keyspace.apply_on(occasion, arguments, waiters, answers, effects);
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
