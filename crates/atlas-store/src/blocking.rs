//! Commands whose clients are ready to wait: they are answered, or their wait begins.

use std::time::Duration;

use atlas_kv::{ArgumentBuffer, Arguments, Command, Error, Moment, command};

use crate::connection::Hold;
use crate::door::{KEPT, Request};
use crate::engine::Engine;

/// What it takes to wait for a key, beside the key itself.
const WAITED_BYTES: usize = 200;

/// True if the client of a command is ready to wait.
pub(crate) fn may_wait(command: &Command, arguments: &Arguments<'_>) -> bool {
    command
        .blocking
        .is_some_and(|blocking| !matches!((blocking.timeout_ms)(arguments), Ok(None)))
}

/// What a wait keeps.
fn kept_bytes(arguments: &Arguments<'_>) -> usize {
    arguments.bytes_len() + WAITED_BYTES * arguments.len()
}

impl Engine {
    /// Deals with a command that may have to wait; false if it is to be an ordinary record.
    pub(crate) fn block(
        &mut self,
        key: usize,
        command: &'static Command,
        request: Request<'_>,
        is_touched: bool,
    ) -> bool {
        let (Some(blocking), Some(would_write)) = (command.blocking, command.would_write) else {
            return false;
        };
        if self.wait_for_own_records(key, request) {
            return true;
        }
        let Some(connection) = self.connections.get(key) else {
            return true;
        };
        let (database, id) = (connection.database, connection.id);
        let arguments = request.arguments();
        if !is_touched {
            let moment = self.moment(database);
            if would_write(&self.keyspace.view(moment, false), &arguments) {
                return false;
            }
            let Some(connection) = self.connections.get_mut(key) else {
                return true;
            };
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
            self.effects = effects;
            match answered {
                Ok(()) => {
                    self.list(key);
                    return true;
                }
                Err(Error::WouldBlock) => {}
                Err(error) => {
                    self.refuse(key, &error.to_string());
                    return true;
                }
            }
        }
        let timeout_ms = match (blocking.timeout_ms)(&arguments) {
            Ok(timeout_ms) => timeout_ms.unwrap_or_default(),
            Err(error) => {
                self.refuse(key, &error.to_string());
                return true;
            }
        };
        if !self.may_keep(key, kept_bytes(&arguments)) {
            self.refuse(key, KEPT);
            return true;
        }
        if is_touched {
            // What is in flight may serve it, refuse it or not: its own record behind that decides.
            self.hold(key, Hold::Landing);
            return false;
        }
        let buffer = ArgumentBuffer::from(arguments);
        self.begin_wait((key, id), database, command, buffer, timeout_ms);
        true
    }

    /// Lets a client wait whose command's record has come to find that there is nothing for it yet; false if there is.
    pub(crate) fn waits_after_all(
        &mut self,
        key: usize,
        moment: Moment,
        arguments: &Arguments<'_>,
    ) -> bool {
        let Some(connection) = self.connections.get(key) else {
            return false;
        };
        let (id, is_ended) = (connection.id, connection.is_ended);
        if !matches!(connection.hold.as_deref(), Some(Hold::Landing)) {
            return false;
        }
        let Ok(command) = command::resolve(arguments) else {
            return false;
        };
        let (Some(blocking), Some(would_write)) = (command.blocking, command.would_write) else {
            return false;
        };
        let view = self.keyspace.view(moment, false);
        if would_write(&view, arguments) {
            return false;
        }
        let mut effects = atlas_kv::Effects::new(atlas_kv::Interest::empty());
        let nobody = &mut atlas_kv::Discard;
        let answered = self
            .keyspace
            .answer(command, moment, arguments, nobody, &mut effects);
        let (Err(Error::WouldBlock), Ok(Some(timeout_ms))) =
            (answered, (blocking.timeout_ms)(arguments))
        else {
            return false;
        };
        if is_ended {
            // It will never hear the answer.
            self.close(key);
        } else {
            let buffer = ArgumentBuffer::from(*arguments);
            self.begin_wait((key, id), moment.database, command, buffer, timeout_ms);
        }
        true
    }

    /// Lets a client wait for so long, 0 for ever.
    fn begin_wait(
        &mut self,
        connection: (usize, u64),
        database: u32,
        command: &'static Command,
        arguments: ArgumentBuffer,
        timeout_ms: u64,
    ) {
        let deadline = (timeout_ms > 0)
            .then(|| self.now.checked_add(Duration::from_millis(timeout_ms)))
            .flatten();
        let wait = self
            .waiting
            .add(connection, database, command, arguments, deadline);
        self.hold(connection.0, Hold::Wait(wait));
    }

    /// Answers a command that only reads, or lets its client wait for something to read.
    pub(crate) fn read_or_wait(
        &mut self,
        key: usize,
        command: &'static Command,
        request: Request<'_>,
    ) {
        if self.wait_for_own_records(key, request) {
            return;
        }
        let Some(connection) = self.connections.get(key) else {
            return;
        };
        let (database, id) = (connection.database, connection.id);
        let moment = self.moment(database);
        let arguments = request.arguments();
        let Some(connection) = self.connections.get_mut(key) else {
            return;
        };
        let before = connection.output.bytes.len();
        let read = self
            .keyspace
            .read(command, moment, &arguments, &mut connection.output);
        match read {
            Ok(()) => {
                if connection.is_muted() {
                    connection.output.bytes.truncate(before);
                }
                self.list(key);
                self.notify_missed();
            }
            Err(Error::WouldBlock) => {
                let Some(blocking) = command.blocking else {
                    return;
                };
                let buffer = match blocking.settled {
                    Some(settled) => settled(&self.keyspace.view(moment, false), &arguments),
                    None => ArgumentBuffer::from(arguments),
                };
                if !self.may_keep(key, kept_bytes(&buffer.arguments())) {
                    self.refuse(key, KEPT);
                    return;
                }
                // The command said so a moment ago, or it would not wait.
                let timeout_ms = (blocking.timeout_ms)(&arguments).ok().flatten();
                let timeout_ms = timeout_ms.unwrap_or_default();
                self.begin_wait((key, id), database, command, buffer, timeout_ms);
            }
            Err(error) => self.refuse(key, &error.to_string()),
        }
    }
}
