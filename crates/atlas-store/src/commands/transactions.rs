//! `MULTI`, `EXEC`, `DISCARD`, `WATCH`, `UNWATCH`.

use std::collections::hash_map::Entry;
use std::sync::Arc;

use atlas_kv::command::{self, Flags, Group, Handler};
use atlas_kv::{ArgumentBuffer, Command, Moment, Reply as _, transaction};
use atlas_wal::Kind;

use crate::access::Origin;
use crate::connection::Hold;
use crate::door::{KEPT, Proposal, Request};
use crate::engine::Engine;
use crate::flight::Step;
use crate::transaction::Transaction;

/// What it takes to watch a key beside the key itself: its places in two tables.
const WATCHED_BYTES: usize = 200;
/// What it takes to keep a command that is not about keys, beside its arguments.
const QUEUED_SERVICE_BYTES: usize = 160;

/// Stands in the place of a queued command that its client has lost the right to; no command has such a name.
const NO_LONGER: &[u8] = b"\0no longer allowed";

impl Engine {
    /// True if a command is not queued although a transaction was begun.
    pub(crate) fn is_of_transactions(&self, command: &Command, request: Request<'_>) -> bool {
        let ends = matches!(
            command.name,
            "multi" | "exec" | "discard" | "watch" | "quit" | "reset"
        );
        // A subcommand may be called as one of them.
        let root = command::find(request.arguments().name());
        ends && root.is_some_and(|root| std::ptr::eq(root, command))
    }

    /// Lets a command wait for `EXEC`.
    pub(crate) fn queue(&mut self, key: usize, command: &'static Command, request: Request<'_>) {
        let arguments = request.arguments();
        if command.flags.contains(Flags::NO_MULTI) {
            self.refuse(key, "ERR Command not allowed inside a transaction");
            return;
        }
        if matches!(command.handler, Handler::Write(_))
            && let Some(line) = self.refusal(command)
        {
            self.refuse(key, &line);
            return;
        }
        let mut bytes = arguments.bytes_len() + 16 * arguments.len();
        if matches!(command.handler, Handler::Service) {
            bytes += QUEUED_SERVICE_BYTES;
        }
        if !self.may_keep(key, bytes) {
            self.refuse(key, KEPT);
            return;
        }
        let databases = self.keyspace.database_count();
        let is_pausable = self.counts_as_write(command, &arguments);
        let is_script = matches!(command.handler, Handler::Script(_));
        let script = self.script_to_queue(command, &arguments);
        let Some(connection) = self.connections.get_mut(key) else {
            return;
        };
        let Some(transaction) = &mut connection.transaction else {
            return;
        };
        transaction.bytes += bytes;
        transaction.is_pausable |= is_pausable;
        if command.name == "select"
            && let Some(database) = super::connection::database(arguments.at(1), databases)
        {
            transaction.database = database;
            transaction::queue(&mut transaction.record, Some(&arguments));
        } else if matches!(command.handler, Handler::Service) {
            // What changes settings is logged: the transaction is answered once that is durable.
            let writes = (arguments.is(0, "config") && command.name == "set")
                || (arguments.is(0, "acl")
                    && matches!(command.name, "setuser" | "deluser" | "load"));
            transaction.may_write |= writes;
            transaction.has_writes |= writes;
            transaction::queue(&mut transaction.record, None);
            let queued = ArgumentBuffer::from(arguments);
            transaction.services.push((transaction.commands, queued));
        } else if is_script {
            let queued = script.as_ref().map_or(arguments, ArgumentBuffer::arguments);
            transaction::queue(&mut transaction.record, Some(&queued));
            transaction.has_scripts = true;
            transaction.may_write |= is_pausable;
            transaction.needs_seed = true;
        } else {
            transaction::queue(&mut transaction.record, Some(&arguments));
            let writes = matches!(command.handler, Handler::Write(_));
            transaction.may_write |= writes;
            transaction.has_writes |= writes;
            transaction.may_take_memory |= command.flags.contains(Flags::DENYOOM);
            transaction.needs_seed |= command.group == Group::Set;
        }
        transaction.commands += 1;
        self.in_order(key, |engine| {
            if let Some(connection) = engine.connections.get_mut(key) {
                connection.output.simple("QUEUED");
            }
        });
    }

    pub(crate) fn multi(&mut self, key: usize) {
        let Some(connection) = self.connections.get_mut(key) else {
            return;
        };
        if connection.transaction.is_some() {
            // Redis lets the transaction go on.
            self.in_order(key, |engine| {
                if let Some(connection) = engine.connections.get_mut(key) {
                    connection.output.error("ERR MULTI calls can not be nested");
                }
            });
            return;
        }
        let user = Arc::clone(&connection.user);
        let transaction = Transaction::new(connection.database, user);
        connection.transaction = Some(Box::new(transaction));
        self.answer_ok(key);
    }

    pub(crate) fn discard(&mut self, key: usize) {
        let Some(connection) = self.connections.get_mut(key) else {
            return;
        };
        if connection.transaction.take().is_none() {
            self.refuse(key, "ERR DISCARD without MULTI");
            return;
        }
        self.unwatch(key);
        self.answer_ok(key);
    }

    pub(crate) fn watch(&mut self, key: usize, request: Request<'_>) {
        let arguments = request.arguments();
        let Some(connection) = self.connections.get(key) else {
            return;
        };
        if connection.transaction.is_some() {
            self.in_order(key, |engine| {
                if let Some(connection) = engine.connections.get_mut(key) {
                    connection
                        .output
                        .error("ERR WATCH inside MULTI is not allowed");
                }
            });
            return;
        }
        // Its own writes are no reason for its transaction to fail.
        if self.wait_for_own_records(key, request) {
            return;
        }
        let Some(connection) = self.connections.get(key) else {
            return;
        };
        let database = connection.database;
        let moment = self.moment(database);
        let cost = |name: &[u8]| 2 * name.len() + WATCHED_BYTES;
        if !self.may_keep(key, arguments.iter().skip(1).map(cost).sum()) {
            self.refuse(key, KEPT);
            return;
        }
        for name in arguments.iter().skip(1) {
            let watched = (database, Box::from(name));
            let existed = self.keyspace.view(moment, false).exists(name);
            let Some(connection) = self.connections.get_mut(key) else {
                return;
            };
            if let Entry::Vacant(place) = connection.watched.entry(watched) {
                self.watches.add(place.key().clone(), key);
                place.insert(existed);
                connection.watched_bytes += cost(name);
            }
        }
        self.answer_ok(key);
    }

    /// Lets a connection watch nothing any more.
    pub(crate) fn unwatch(&mut self, key: usize) {
        let Some(connection) = self.connections.get_mut(key) else {
            return;
        };
        connection.is_watch_broken = false;
        connection.watched_bytes = 0;
        for watched in std::mem::take(&mut connection.watched).into_keys() {
            self.watches.remove(&watched, key);
        }
    }

    pub(crate) fn exec(&mut self, key: usize, request: Request<'_>) {
        let Some(connection) = self.connections.get(key) else {
            return;
        };
        let Some(transaction) = &connection.transaction else {
            self.refuse(key, "ERR EXEC without MULTI");
            return;
        };
        if transaction.is_broken {
            self.end_transaction(key);
            self.refuse(
                key,
                "EXECABORT Transaction discarded because of previous errors.",
            );
            return;
        }
        let (may_write, may_take_memory) = (transaction.may_write, transaction.may_take_memory);
        if self.is_broken(key) {
            self.end_transaction(key);
            self.in_order(key, |engine| {
                if let Some(connection) = engine.connections.get_mut(key) {
                    connection.output.null_array();
                }
            });
            return;
        }
        if self.must_look_again(key, request) {
            return;
        }
        if may_write && let Some(line) = self.transaction_refusal(may_take_memory) {
            self.end_transaction(key);
            self.refuse(key, &line);
            return;
        }
        let Some(connection) = self.connections.get_mut(key) else {
            return;
        };
        let Some(transaction) = connection.transaction.take() else {
            return;
        };
        let database = std::mem::replace(&mut connection.database, transaction.database);
        let has_other_rights = !Arc::ptr_eq(&transaction.user, &connection.user);
        self.unwatch(key);
        let transaction = match has_other_rights {
            true => self.permitted(key, *transaction),
            false => *transaction,
        };
        self.run_transaction(key, database, transaction);
    }

    /// Why a transaction that writes is refused, if it is.
    fn transaction_refusal(&mut self, may_take_memory: bool) -> Option<String> {
        if let Some(trouble) = &self.trouble {
            let line = trouble.line();
            return Some(format!(
                "EXECABORT Transaction discarded because of: {line}"
            ));
        }
        (may_take_memory && self.is_out_of_memory()).then(|| {
            format!(
                "EXECABORT Transaction discarded because of: {}",
                crate::door::OOM
            )
        })
    }

    /// True if a watched key has changed.
    fn is_broken(&self, key: usize) -> bool {
        let Some(connection) = self.connections.get(key) else {
            return true;
        };
        connection.is_watch_broken
            || connection.watched.iter().any(|(watched, existed)| {
                let moment = Moment {
                    database: watched.0,
                    now_ms: self.now_ms,
                    seed: 0,
                };
                *existed && !self.keyspace.view(moment, false).exists(&watched.1)
            })
    }

    /// Lets `EXEC` wait while a record in flight touches a watched key; true if so.
    fn must_look_again(&mut self, key: usize, request: Request<'_>) -> bool {
        let Some(connection) = self.connections.get(key) else {
            return true;
        };
        let is_touched = connection.watched.keys().any(|watched| {
            let place = self.flights.place(watched.0, &watched.1);
            self.flights.touches(place)
        });
        if is_touched {
            let number = self.flights.last_number();
            let command = ArgumentBuffer::from(request.arguments());
            self.hold(key, Hold::Flight(number, command));
            self.looking.push(key);
        }
        is_touched
    }

    /// A transaction without those commands that its user has lost the right to since they were queued: in their places stand
    /// errors.
    fn permitted(&mut self, key: usize, mut transaction: Transaction) -> Transaction {
        let whole = std::mem::replace(
            &mut transaction.record,
            ArgumentBuffer::of([transaction::NAME]),
        );
        let mut services = std::mem::take(&mut transaction.services).into_iter();
        for (position, queued) in transaction::queued(&whole.arguments()).enumerate() {
            let service = queued.is_empty().then(|| services.next()).flatten();
            let service = service.map(|(_, buffer)| buffer);
            let arguments = match &service {
                Some(buffer) => buffer.arguments(),
                None => queued,
            };
            let permitted = command::resolve(&arguments).map_or(Ok(()), |command| {
                self.permit(key, command, &arguments, Origin::Transaction)
            });
            let position = position as u32;
            match (permitted, service) {
                (Ok(()), None) => transaction::queue(&mut transaction.record, Some(&queued)),
                (Ok(()), Some(buffer)) => {
                    transaction::queue(&mut transaction.record, None);
                    transaction.services.push((position, buffer));
                }
                (Err(_), _) => {
                    transaction::queue(&mut transaction.record, None);
                    let refusal = ArgumentBuffer::of([NO_LONGER]);
                    transaction.services.push((position, refusal));
                }
            }
        }
        transaction
    }

    fn end_transaction(&mut self, key: usize) {
        if let Some(connection) = self.connections.get_mut(key) {
            connection.transaction = None;
        }
        self.unwatch(key);
    }

    fn run_transaction(&mut self, key: usize, database: u32, transaction: Transaction) {
        // Commands that are not about keys run now; their answers wait for their places.
        let (mut services, mut service_bytes) = (Vec::new(), Vec::new());
        for (position, command) in &transaction.services {
            let start = service_bytes.len() as u32;
            let Some(connection) = self.connections.get_mut(key) else {
                return;
            };
            let in_flight = std::mem::take(&mut connection.in_flight);
            let before = connection.output.bytes.len();
            let arguments = command.arguments();
            if arguments.name() == NO_LONGER {
                self.answer_error(key, "NOPERM ACLs rules changed between the moment the transaction was accumulated and the EXEC call. This command is no longer allowed for the following reason: lacking the permissions for the command");
            } else if let Ok(found) = command::resolve(&arguments) {
                let request = Request {
                    bytes: command.bytes(),
                    ranges: command.ranges(),
                };
                self.is_in_transaction = true;
                self.service(key, found, request);
                self.is_in_transaction = false;
            }
            let Some(connection) = self.connections.get_mut(key) else {
                return;
            };
            connection.in_flight = in_flight;
            let answer = connection.output.bytes.split_off(before);
            service_bytes.extend_from_slice(&answer);
            services.push((0, *position, start..service_bytes.len() as u32));
        }
        let Some(connection) = self.connections.get(key) else {
            return;
        };
        let (id, in_flight) = (connection.id, connection.in_flight);
        let (protocol, is_muted) = (connection.output.protocol, connection.is_muted());
        let record = &transaction.record;
        self.note_transaction(key, &record.arguments());
        let request = Request {
            bytes: record.bytes(),
            ranges: record.ranges(),
        };
        let terms = self.terms_of_trying(key);
        if transaction.may_write && !transaction.has_writes && in_flight == 0 {
            // Scripts that may write: they are tried as they are outside of transactions.
            let moment = self.moment(database);
            let before = self
                .connections
                .get(key)
                .map_or(0, |connection| connection.output.bytes.len());
            let arguments = record.arguments();
            let is_answered = self.read_transaction_now(
                key,
                &terms,
                moment,
                &arguments,
                &services,
                &service_bytes,
            );
            if let Some(connection) = self.connections.get_mut(key)
                && (is_muted || !is_answered)
            {
                connection.output.bytes.truncate(before);
            }
            if is_answered || self.is_abandoned {
                return;
            }
        }
        if transaction.may_write && transaction.has_scripts && terms.user.is_some() {
            return self.refuse(key, crate::scripts::RESTRICTED);
        }
        if transaction.may_write {
            let (places, waits) = match transaction.has_scripts {
                true => (Vec::new(), Vec::new()),
                false => self.touched_by(database, &transaction),
            };
            let proposal = Proposal {
                kind: Kind::Command,
                client: Some((key, id)),
                database,
                now_ms: self.now_ms,
                needs_seed: transaction.needs_seed,
                request,
                waits,
                services: &services,
                service_bytes: &service_bytes,
                scripted: transaction.has_scripts.then(|| self.scripted()),
            };
            self.propose(&proposal, &places);
        } else if in_flight == 0 {
            let moment = self.moment(database);
            let before = self
                .connections
                .get(key)
                .map_or(0, |connection| connection.output.bytes.len());
            let arguments = record.arguments();
            self.read_transaction_now(key, &terms, moment, &arguments, &services, &service_bytes);
            if is_muted && let Some(connection) = self.connections.get_mut(key) {
                connection.output.bytes.truncate(before);
            }
        } else {
            let now = self
                .connections
                .get_mut(key)
                .map(|connection| std::mem::replace(&mut connection.database, database));
            self.defer_command(key, Step::ReadTransaction, protocol, is_muted, request);
            if let (Some(connection), Some(now)) = (self.connections.get_mut(key), now) {
                connection.database = now;
                if let Some(flight) = self.flights.get_mut(connection.last_flight) {
                    let at = flight.entries.len() as u32 - 1;
                    let offset = flight.bytes.len() as u32;
                    flight.bytes.extend_from_slice(&service_bytes);
                    let placed = services.into_iter().map(|(_, position, range)| {
                        (at, position, range.start + offset..range.end + offset)
                    });
                    flight.service_answers.extend(placed);
                }
            }
        }
    }

    /// The places of the keys that a transaction touches, and those who wait for them.
    fn touched_by(&mut self, database: u32, transaction: &Transaction) -> (Vec<u16>, Vec<u64>) {
        let (mut places, mut waits) = (Vec::new(), Vec::new());
        let mut selected = database;
        let is_log_first = self.is_log_first();
        let mut touches_all = false;
        for arguments in transaction::queued(&transaction.record.arguments()) {
            let Ok(command) = command::resolve(&arguments) else {
                continue;
            };
            if command.name == "select" {
                let databases = self.keyspace.database_count();
                selected =
                    super::connection::database(arguments.at(1), databases).unwrap_or(selected);
                continue;
            }
            if !command.is_write() {
                continue;
            }
            if is_log_first {
                let before = places.len();
                self.add_places(command, selected, &arguments, &mut places);
                touches_all |= places.len() == before;
            }
            // A record serves clients of its own database; those of others get one of their own.
            if selected == database && !self.waiting.is_empty() {
                self.add_waiters_of(selected, command, &arguments, &mut waits);
            }
        }
        if touches_all {
            places.clear();
        }
        (places, waits)
    }
}
