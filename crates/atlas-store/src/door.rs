//! The door: what becomes of a command that has come in. It is answered at once, or it takes its place in the queue, or
//! it waits.

use std::ops::Range;

use atlas_kv::command::{self, Flags, Group, Handler};
use atlas_kv::{ArgumentBuffer, Arguments, Change, Command, Moment, Reply as _};
use atlas_resp::Protocol;
use atlas_wal::{Kind, Record};

use crate::access::Origin;
use crate::blocking::may_wait;
use crate::connection::{Answered, Hold};
use crate::engine::Engine;
use crate::flight::{Entry, Step};
use crate::scripts::Scripted;

/// The term of a node that is alone.
const TERM: u64 = 1;

/// A command as it came: arguments as ranges of bytes.
#[derive(Clone, Copy)]
pub(crate) struct Request<'a> {
    pub(crate) bytes: &'a [u8],
    pub(crate) ranges: &'a [Range<u32>],
}

impl<'a> Request<'a> {
    pub(crate) fn arguments(&self) -> Arguments<'a> {
        Arguments::new(self.bytes, self.ranges)
    }
}

/// A record to be.
pub(crate) struct Proposal<'a> {
    pub(crate) kind: Kind,
    /// The connection's place and number, if a client sent it.
    pub(crate) client: Option<(usize, u64)>,
    pub(crate) database: u32,
    pub(crate) now_ms: i64,
    pub(crate) needs_seed: bool,
    pub(crate) request: Request<'a>,
    /// Those who wait for keys that it touches.
    pub(crate) waits: Vec<u64>,
    /// Of a transaction, the answers of commands that are not about keys: (0, position, range of the bytes).
    pub(crate) services: &'a [(u32, u32, Range<u32>)],
    pub(crate) service_bytes: &'a [u8],
    /// What it says about the scripts in it, if it has any.
    pub(crate) scripted: Option<Scripted>,
}

impl Engine {
    /// Deals with one command of a connection.
    pub(crate) fn execute(&mut self, key: usize, bytes: &[u8], ranges: &[Range<u32>]) {
        let request = Request { bytes, ranges };
        let arguments = request.arguments();
        self.counts.commands += 1;
        let Some(connection) = self.connections.get_mut(key) else {
            return;
        };
        connection.commands += 1;
        connection.answered = match connection.answered {
            Answered::SkipNext => Answered::Skip,
            Answered::Skip => Answered::On,
            other => other,
        };
        let is_plain = connection.is_trusted
            && connection.transaction.is_none()
            && connection.subscriptions.is_none()
            && connection.answered == Answered::On;
        // Clients mostly send what was sent before: then there is nothing to look up.
        let is_again = self.last_resolved.is_some_and(|last| {
            let name = arguments.name();
            name.eq_ignore_ascii_case(last.name.as_bytes()) && last.takes(arguments.len())
        });
        let resolved = match self.last_resolved {
            Some(last) if is_again => Ok(last),
            _ => command::resolve(&arguments),
        };
        let command = match resolved {
            Ok(command) => command,
            Err(error) => {
                let is_stranger = !connection.is_authenticated;
                if is_stranger {
                    self.refuse(key, NOAUTH);
                } else {
                    self.refuse(key, &error.to_string());
                }
                return;
            }
        };
        let is_root = is_again
            || (command.subcommands.is_empty()
                && arguments
                    .name()
                    .eq_ignore_ascii_case(command.name.as_bytes()));
        connection.last_command = if is_root {
            ["", command.name]
        } else {
            let root = command::find(arguments.name());
            [root.map_or("", |root| root.name), command.name]
        };
        self.last_resolved = (is_root && command.subcommands.is_empty()).then_some(command);
        let in_flight = connection.in_flight;
        let errors = self.counts.errors;
        if !is_plain && !self.admit(key, command, request) {
            if self.counts.errors != errors {
                let counted = self.statistics.of(command);
                counted.rejected += 1;
                counted.failed += 1;
            }
            return;
        }
        if self.pause.until().is_some() && self.is_paused(key, command, &arguments) {
            self.hold(key, Hold::Paused(ArgumentBuffer::from(arguments)));
            return;
        }
        // What it reads is remembered once it is read: it is read at once.
        if !is_plain
            && self.is_tracked_read(key, command)
            && self.wait_for_own_records(key, request)
        {
            return;
        }
        if !is_plain && matches!(command.handler, Handler::Script(_)) {
            self.note_script(key, command, &arguments);
        }
        self.statistics.of(command).calls += 1;
        self.begin_untimed(command);
        match command.handler {
            Handler::Read(_) if may_wait(command, &arguments) => {
                self.read_or_wait(key, command, request);
            }
            Handler::Read(_) => self.read_command(key, command, request),
            Handler::Write(_) => self.write_command(key, command, request),
            Handler::Script(_) => self.script_command(key, command, request),
            Handler::Service => self.service(key, command, request),
        }
        if !is_plain {
            self.remember_reads(key, command, &arguments);
        }
        if self.counts.errors != errors {
            self.statistics.of(command).failed += 1;
        }
        if !self.stays_untimed(key, command, bytes.len()) {
            let connection = self.connections.get(key);
            if connection.is_some_and(|connection| connection.in_flight > in_flight) {
                // Whether it is slow shows when it lands.
                self.count_time(command);
            } else {
                self.look_if_slow(key, command, &arguments);
            }
        }
    }

    fn is_tracked_read(&self, key: usize, command: &Command) -> bool {
        let connection = self.connections.get(key);
        connection.is_some_and(|one| one.tracked.is_some())
            && (matches!(command.handler, Handler::Read(_) | Handler::Script(_))
                || command.name == "exec")
    }

    fn is_paused(&self, key: usize, command: &Command, arguments: &Arguments<'_>) -> bool {
        let transaction = self
            .connections
            .get(key)
            .and_then(|connection| connection.transaction.as_ref());
        let exec_writes = transaction.is_some_and(|transaction| transaction.is_pausable);
        let writes = self.counts_as_write(command, arguments);
        self.pause.holds(command, writes, exec_writes, self.now)
    }

    /// What stands in the way of a command on a connection that is not an ordinary one; true if nothing does.
    fn admit(&mut self, key: usize, command: &'static Command, request: Request<'_>) -> bool {
        let Some(connection) = self.connections.get(key) else {
            return false;
        };
        if !connection.is_authenticated && !command.flags.contains(Flags::NO_AUTH) {
            self.refuse(key, NOAUTH);
            return false;
        }
        if !connection.is_trusted {
            let origin = match connection.transaction {
                Some(_) => Origin::Transaction,
                None => Origin::Client,
            };
            if let Err(line) = self.permit(key, command, &request.arguments(), origin) {
                self.refuse(key, &line);
                return false;
            }
        }
        let Some(connection) = self.connections.get(key) else {
            return false;
        };
        let listens = connection
            .subscriptions
            .as_ref()
            .is_some_and(|subscriptions| subscriptions.count() > 0);
        if listens
            && connection.output.protocol == Protocol::Resp2
            && !command.flags.contains(Flags::SUBSCRIBED)
        {
            let name = String::from_utf8_lossy(request.arguments().name()).to_lowercase();
            self.refuse(
                key,
                &format!(
                    "ERR Can't execute '{name}': only (P|S)SUBSCRIBE / (P|S)UNSUBSCRIBE / PING / QUIT / RESET are allowed in this context"
                ),
            );
            return false;
        }
        if connection.transaction.is_some() && !self.is_of_transactions(command, request) {
            self.queue(key, command, request);
            return false;
        }
        true
    }

    /// Runs what writes to a connection's output so that its answer stands at its place.
    pub(crate) fn in_order(&mut self, key: usize, run: impl FnOnce(&mut Self)) {
        let is_muted = self.connections.get(key).is_some_and(|one| one.is_muted());
        self.in_order_with(key, run, is_muted);
    }

    /// As [`Self::in_order`]; what is written is heard by clients that want no answers, too.
    pub(crate) fn in_order_pushed(&mut self, key: usize, run: impl FnOnce(&mut Self)) {
        self.in_order_with(key, run, false);
    }

    fn in_order_with(&mut self, key: usize, run: impl FnOnce(&mut Self), was_muted: bool) {
        let Some(connection) = self.connections.get(key) else {
            return;
        };
        let before = connection.output.bytes.len();
        run(self);
        let Some(connection) = self.connections.get_mut(key) else {
            return;
        };
        // `CLIENT REPLY` changes it on the way, and its own answer goes by the new.
        if was_muted && connection.is_muted() {
            connection.output.bytes.truncate(before);
            return;
        }
        if connection.in_flight > 0 {
            let protocol = connection.output.protocol;
            let answer = connection.output.bytes.split_off(before);
            self.defer(key, Step::Answer, protocol, &[answer.as_slice()]);
        } else {
            self.list(key);
        }
    }

    /// Answers with an error.
    pub(crate) fn refuse(&mut self, key: usize, line: &str) {
        self.counts.errors += 1;
        if let Some(connection) = self.connections.get_mut(key)
            && let Some(transaction) = &mut connection.transaction
        {
            transaction.is_broken = true;
        }
        self.in_order(key, |engine| {
            if let Some(connection) = engine.connections.get_mut(key) {
                connection.output.error(line);
            }
        });
    }

    /// True if so many bytes more may be kept for a client.
    pub(crate) fn may_keep(&self, key: usize, bytes: usize) -> bool {
        let kept = self.connections.get(key).map_or(0, |one| one.kept_bytes());
        kept + bytes <= self.config.client_kept_bytes_max.as_usize()
    }

    /// Lets a connection's commands wait.
    pub(crate) fn hold(&mut self, key: usize, hold: Hold) {
        if let Some(connection) = self.connections.get_mut(key) {
            connection.hold = Some(Box::new(hold));
        }
    }

    /// Has a command wait until its connection's records are applied; false if there are none.
    pub(crate) fn wait_for_own_records(&mut self, key: usize, request: Request<'_>) -> bool {
        let waits = self
            .connections
            .get(key)
            .is_some_and(|connection| connection.in_flight > 0);
        if waits {
            let command = ArgumentBuffer::from(request.arguments());
            self.hold(key, Hold::OwnRecords(command));
        }
        waits
    }

    pub(crate) fn moment(&mut self, database: u32) -> Moment {
        Moment {
            database,
            now_ms: self.now_ms,
            seed: self.random(),
        }
    }

    #[inline]
    fn read_command(&mut self, key: usize, command: &'static Command, request: Request<'_>) {
        let Some(connection) = self.connections.get_mut(key) else {
            return;
        };
        if connection.in_flight > 0 {
            let protocol = connection.output.protocol;
            let is_muted = connection.is_muted();
            self.defer_command(key, Step::Read, protocol, is_muted, request);
            return;
        }
        let database = connection.database;
        let moment = self.moment(database);
        let Some(connection) = self.connections.get_mut(key) else {
            return;
        };
        let before = connection.output.bytes.len();
        let arguments = request.arguments();
        let read = self
            .keyspace
            .read(command, moment, &arguments, &mut connection.output);
        if let Err(error) = read {
            self.counts.errors += 1;
            connection.output.error(&error.to_string());
        }
        if connection.is_muted() {
            connection.output.bytes.truncate(before);
        }
        self.list(key);
        self.notify_missed();
    }

    /// Publishes the notifications of keys that were not found, if anybody wants them.
    #[inline]
    pub(crate) fn notify_missed(&mut self) {
        if self.live.notify.contains(atlas_kv::Class::MISSED) {
            let missed = self.keyspace.take_missed();
            self.notify(&missed);
        }
    }

    fn write_command(&mut self, key: usize, command: &'static Command, request: Request<'_>) {
        let arguments = request.arguments();
        if let Some(line) = self.refusal(command) {
            self.refuse(key, &line);
            return;
        }
        if command.group == Group::Scripting && self.refuses_library(key, command, &arguments) {
            return;
        }
        let Some(connection) = self.connections.get(key) else {
            return;
        };
        let (database, id) = (connection.database, connection.id);
        let is_first = connection.in_flight == 0;
        let mut places = std::mem::take(&mut self.places);
        self.find_places(command, database, &arguments, &mut places);
        let is_touched = self.is_log_first()
            && (self.flights.touches_all()
                || places.iter().any(|&place| self.flights.touches(place)));
        let is_answered = if may_wait(command, &arguments) {
            self.block(key, command, request, is_touched)
        } else {
            is_first && !is_touched && self.answer_without_record(key, command, request)
        };
        if !is_answered {
            let waits = self.waiters_of(database, command, &arguments);
            let proposal = Proposal {
                kind: Kind::Command,
                client: Some((key, id)),
                database,
                now_ms: self.now_ms,
                needs_seed: command.group == Group::Set,
                request,
                waits,
                services: &[],
                service_bytes: &[],
                scripted: None,
            };
            self.propose(&proposal, &places);
            if let Some(connection) = self.connections.get_mut(key)
                && connection.in_flight == 0
                && matches!(connection.hold.as_deref(), Some(Hold::Landing))
            {
                // There is no record: it was refused.
                connection.hold = None;
            }
        }
        self.places = places;
    }

    /// Answers a write that would change nothing; false if it has to be a record.
    fn answer_without_record(
        &mut self,
        key: usize,
        command: &'static Command,
        request: Request<'_>,
    ) -> bool {
        let Some(would_write) = command.would_write else {
            return false;
        };
        let Some(connection) = self.connections.get(key) else {
            return true;
        };
        let arguments = request.arguments();
        let database = connection.database;
        let moment = self.moment(database);
        if would_write(&self.keyspace.view(moment, false), &arguments) {
            return false;
        }
        let Some(connection) = self.connections.get_mut(key) else {
            return true;
        };
        let before = connection.output.bytes.len();
        let mut effects = std::mem::take(&mut self.effects);
        effects.clear();
        effects.interest = atlas_kv::Interest::empty();
        let answered = self.keyspace.answer(
            command,
            moment,
            &arguments,
            &mut connection.output,
            &mut effects,
        );
        if let Err(error) = answered {
            self.counts.errors += 1;
            connection.output.error(&error.to_string());
        }
        if connection.is_muted() {
            connection.output.bytes.truncate(before);
        }
        self.effects = effects;
        self.list(key);
        if self.tracking.clients > 0 && matches!(command.name, "flushall" | "flushdb") {
            // There was nothing to flush; whoever tracks hears of it all the same, as in Redis.
            let id = self.connections.get(key).map_or(0, |one| one.id);
            self.tell_tracking(&[Change::Database(database)], id);
        }
        true
    }

    /// Why a write is refused, if it is.
    pub(crate) fn refusal(&mut self, command: &Command) -> Option<String> {
        if let Some(trouble) = &self.trouble {
            return Some(trouble.line());
        }
        if command.flags.contains(Flags::DENYOOM) && self.is_out_of_memory() {
            return Some(OOM.to_owned());
        }
        None
    }

    /// The places of a command's keys in the filter of what is in flight; none if nobody knows which keys it touches.
    pub(crate) fn find_places(
        &mut self,
        command: &Command,
        database: u32,
        arguments: &Arguments<'_>,
        places: &mut Vec<u16>,
    ) {
        places.clear();
        if !self.is_log_first() {
            return;
        }
        self.add_places(command, database, arguments, places);
    }

    pub(crate) fn add_places(
        &mut self,
        command: &Command,
        database: u32,
        arguments: &Arguments<'_>,
        places: &mut Vec<u16>,
    ) {
        let mut positions = std::mem::take(&mut self.positions);
        positions.clear();
        command.keys.find(arguments, &mut positions);
        for &position in &positions {
            places.push(self.flights.place(database, arguments.at(position)));
        }
        self.positions = positions;
    }

    /// True if records are durable before they are applied.
    pub(crate) fn is_log_first(&self) -> bool {
        self.live.fsync == crate::config::Fsync::Every && !self.bugs.applied_before_sync
    }

    /// Makes a record: it is logged, then applied; or, where the mode says so, applied and logged.
    pub(crate) fn propose(&mut self, proposal: &Proposal<'_>, places: &[u16]) {
        let index = self.next_index;
        let scripted = proposal.scripted.unwrap_or_default();
        let is_log_first = self.is_log_first();
        let seed = if proposal.needs_seed {
            self.random()
        } else {
            0
        };
        let flight = self.flights.open(index);
        let (waits_start, before) = (flight.waits.len() as u32, flight.bytes.len());
        let copies = is_log_first || !proposal.waits.is_empty();
        let mut arguments = 0..0;
        if copies {
            arguments = flight.push(&proposal.request.arguments());
        }
        let mut record_end = arguments.end;
        for wait in &proposal.waits {
            if let Some(wait_found) = self.waiting.get_mut(*wait) {
                wait_found.is_in_record = true;
                let waiting = wait_found.arguments.arguments();
                let range = flight.push(&waiting);
                record_end = range.end;
                flight.waits.push((*wait, range.end - range.start));
            }
        }
        let grown = flight.bytes.len() - before;
        let waits = waits_start..flight.waits.len() as u32;
        let serve = &flight.waits[waits.start as usize..];
        let (bytes, ranges) = if copies {
            let ranges = &flight.ranges[arguments.start as usize..record_end as usize];
            (flight.bytes.as_slice(), ranges)
        } else {
            (proposal.request.bytes, proposal.request.ranges)
        };
        let record = Record {
            term: TERM,
            leader: self.node,
            index,
            kind: proposal.kind,
            database: proposal.database,
            client: proposal.client.map_or(0, |(_, id)| id),
            now_ms: proposal.now_ms as u64,
            seed,
            fuel: scripted.fuel,
            flags: scripted.flags,
            serve,
            arguments: atlas_wal::Arguments { bytes, ranges },
            ..Record::default()
        };
        if let Err(error) = self.batch.push(&record) {
            for wait in &proposal.waits {
                if let Some(wait) = self.waiting.get_mut(*wait) {
                    wait.is_in_record = false;
                }
            }
            if let Some((key, _)) = proposal.client {
                self.refuse(key, &format!("ERR {error}"));
            }
            return;
        }
        self.next_index += 1;
        self.counts.records += 1;
        let number = flight.number;
        let mut entry = Entry {
            step: Step::Record(proposal.kind),
            connection: 0,
            client: 0,
            protocol: Protocol::Resp2,
            is_muted: true,
            database: proposal.database,
            now_ms: proposal.now_ms,
            seed,
            index,
            arguments,
            waits,
            scripted: proposal.scripted,
        };
        if let Some((key, id)) = proposal.client
            && let Some(connection) = self.connections.get_mut(key)
        {
            entry.connection = key;
            entry.client = id;
            entry.protocol = connection.output.protocol;
            entry.is_muted = connection.is_muted();
            if is_log_first {
                connection.in_flight += 1;
                connection.last_flight = number;
            } else {
                connection.held_by = number;
            }
        }
        if is_log_first {
            let at = flight.entries.len() as u32;
            let offset = flight.bytes.len() as u32;
            flight.bytes.extend_from_slice(proposal.service_bytes);
            let services = proposal.services.iter().map(|(_, position, range)| {
                (at, *position, range.start + offset..range.end + offset)
            });
            flight.service_answers.extend(services);
            flight.entries.push(entry);
            self.flights.grown(grown);
            self.flights.touch(places);
        } else {
            self.apply_now(entry, proposal);
        }
        self.submit_if_large();
    }

    /// Gives a step of a connection its place behind the connection's records.
    pub(crate) fn defer(
        &mut self,
        key: usize,
        step: Step,
        protocol: Protocol,
        arguments: &[&[u8]],
    ) {
        let buffer = ArgumentBuffer::of(arguments);
        let request = Request {
            bytes: buffer.bytes(),
            ranges: buffer.ranges(),
        };
        self.defer_command(key, step, protocol, false, request);
    }

    pub(crate) fn defer_command(
        &mut self,
        key: usize,
        step: Step,
        protocol: Protocol,
        is_muted: bool,
        request: Request<'_>,
    ) {
        let now_ms = self.now_ms;
        let seed = self.random();
        let Some(connection) = self.connections.get_mut(key) else {
            return;
        };
        let Some(flight) = self.flights.get_mut(connection.last_flight) else {
            return;
        };
        let before = flight.bytes.len();
        let arguments = flight.push(&request.arguments());
        let grown = flight.bytes.len() - before;
        flight.entries.push(Entry {
            step,
            connection: key,
            client: connection.id,
            protocol,
            is_muted,
            database: connection.database,
            now_ms,
            seed,
            index: 0,
            arguments,
            waits: 0..0,
            scripted: None,
        });
        connection.in_flight += 1;
        self.flights.grown(grown);
    }
}

/// Refuses to keep more for a client.
pub(crate) const KEPT: &str =
    "ERR more would be kept for this client than client-kept-bytes-max allows";
pub(crate) const NOAUTH: &str = "NOAUTH Authentication required.";
pub(crate) const OOM: &str = "OOM command not allowed when used memory > 'maxmemory'.";
