//! What follows for others from a change of keys: broken watches, and waiters that are served in their order.

use atlas_kv::{Arguments, Change, Moment, Reply, Waiter};
use atlas_wal::Kind;

use crate::door::{Proposal, Request};
use crate::engine::Engine;
use crate::waiting::Ending;

/// Clients that wait for one key and are carried by one record at most.
const CARRIED_MAX: usize = 64;

impl Engine {
    /// Tells those who watch keys and those who wait for them that keys have changed.
    pub(crate) fn changed(&mut self, changes: &[Change], carried: &[Waiter<'_>]) {
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
            for wait in self.waiting.readers(&key) {
                self.answer_reader(wait);
            }
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

    /// Answers a client that waits to read, if there is something now. Whatever else is under its keys it goes on waiting.
    fn answer_reader(&mut self, wait: u64) {
        let Some(found) = self.waiting.get(wait) else {
            return;
        };
        let moment = Moment {
            database: found.database,
            now_ms: self.now_ms,
            seed: 0,
        };
        let connection = self.connections.get_mut(found.connection);
        let Some(connection) = connection.filter(|connection| connection.id == found.client) else {
            return;
        };
        let arguments = found.arguments.arguments();
        let output = &mut connection.output;
        let read = self
            .keyspace
            .read(found.command, moment, &arguments, output);
        if read.is_ok() {
            if self.tracking.clients > 0 {
                let (place, command) = (found.connection, found.command);
                let buffer = found.arguments.clone();
                self.remember_waited(place, command, &buffer.arguments());
            }
            self.settle_wait(wait, true);
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
            connection.is_watch_broken |= connection
                .watched
                .iter()
                .any(|(key, existed)| key.0 == database && (*existed || view.exists(&key.1)));
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
            scripted: None,
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
    pub(crate) fn settle_wait(&mut self, wait: u64, is_served: bool) {
        let Some(found) = self.waiting.get_mut(wait) else {
            return;
        };
        found.is_in_record = false;
        if is_served {
            self.waiting.remove(wait).into_iter().for_each(|found| {
                self.wait_is_over(found.connection, found.client, true);
            });
        } else if let Some(ending) = found.ending {
            self.end_wait(wait, ending);
        }
    }

    /// Ends a wait whose record may have been written or not.
    pub(crate) fn fail_wait(&mut self, wait: u64, line: &str) {
        let Some(found) = self.waiting.remove(wait) else {
            return;
        };
        if let Some(connection) = self.connections.get_mut(found.connection)
            && connection.id == found.client
        {
            connection.output.error(line);
            self.wait_is_over(found.connection, found.client, false);
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
                Ending::Denied(denied) => connection
                    .output
                    .error(&crate::access::line(found.command, denied)),
                Ending::Gone => {}
            }
            self.wait_is_over(found.connection, found.client, false);
        }
    }

    /// A client that waited has its answer and goes on; one that a record has served only once the system has the record.
    fn wait_is_over(&mut self, key: usize, client: u64, is_served: bool) {
        let number = self.flights.last_number();
        let is_log_first = self.is_log_first();
        let Some(connection) = self.connections.get_mut(key) else {
            return;
        };
        if connection.id != client {
            return;
        }
        connection.hold = None;
        if is_served && !is_log_first {
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
