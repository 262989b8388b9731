//! `PING`, `SELECT`, `AUTH`, `HELLO`, `QUIT`, `RESET`.

use std::sync::Arc;

use atlas_kv::acl::{Password, User};
use atlas_kv::{Arguments, Reply as _};
use atlas_resp::Protocol;

use crate::access::{ADMIN_API, Origin};
use crate::connection::Answered;
use crate::door::Request;
use crate::engine::Engine;

/// The version of Redis whose commands this store has.
pub(crate) const REDIS_VERSION: &str = "7.2.0";

/// The number of a database, if there is one of that name.
pub(crate) fn database(text: &[u8], count: u32) -> Option<u32> {
    let number = atlas_kv::integer(text)?;
    u32::try_from(number).ok().filter(|number| *number < count)
}

impl Engine {
    pub(super) fn ping(&mut self, key: usize, request: Request<'_>) {
        let arguments = request.arguments();
        if arguments.len() > 2 {
            let line = "ERR wrong number of arguments for 'ping' command";
            return self.answer_error(key, line);
        }
        let Some(connection) = self.connections.get_mut(key) else {
            return;
        };
        let listens = connection
            .subscriptions
            .as_ref()
            .is_some_and(|subscriptions| subscriptions.count() > 0);
        let output = &mut connection.output;
        if listens && output.protocol == Protocol::Resp2 {
            output.array(2);
            output.bulk(b"pong");
            output.bulk(arguments.at(1));
        } else if arguments.len() == 2 {
            output.bulk(arguments.at(1));
        } else {
            output.simple("PONG");
        }
    }

    pub(super) fn select(&mut self, key: usize, request: Request<'_>) {
        let wanted = request.arguments().at(1);
        if atlas_kv::integer(wanted).is_none() {
            return self.answer_error(key, "ERR value is not an integer or out of range");
        }
        if atlas_kv::integer(wanted).is_some_and(|number| i32::try_from(number).is_err()) {
            let line = "ERR value is out of range, value must between -2147483648 and 2147483647";
            return self.answer_error(key, line);
        }
        let Some(database) = database(wanted, self.keyspace.database_count()) else {
            return self.answer_error(key, "ERR DB index is out of range");
        };
        if let Some(connection) = self.connections.get_mut(key) {
            connection.database = database;
            connection.output.ok();
        }
    }

    pub(super) fn auth(&mut self, key: usize, request: Request<'_>) {
        let arguments = request.arguments();
        if arguments.len() > 3 {
            return self.answer_error(key, "ERR syntax error");
        }
        if self.default_user.is_nopass() && arguments.len() == 2 {
            return self.answer_error(
                key,
                "ERR AUTH <password> called without any password configured for the default user. Are you sure your configuration is correct?",
            );
        }
        if self.authenticate(key, &arguments.skip(1), arguments.name()) {
            self.with_output(key, |output| output.ok());
        }
    }

    /// Checks a password, with or without a user's name before it; the error is answered.
    fn authenticate(&mut self, key: usize, arguments: &Arguments<'_>, command: &[u8]) -> bool {
        let (name, password) = match arguments.len() {
            1 => (User::DEFAULT, arguments.at(0)),
            _ => (arguments.at(0), arguments.at(1)),
        };
        let is_admin = name == ADMIN_API.as_bytes()
            && Password::of(password) == Password::of(self.admin_password.as_bytes());
        let user = match is_admin {
            true => Some(&self.admin_user),
            false => self.user(name).filter(|user| user.accepts(password)),
        };
        let user = user.cloned();
        let is_right = user.is_some();
        if let (Some(user), Some(connection)) = (user, self.connections.get_mut(key)) {
            connection.become_user(user, true);
        } else {
            let origin = match self.is_in_transaction {
                true => Origin::Transaction,
                false => Origin::Client,
            };
            self.note_refusal(key, "auth", origin, command, name);
            self.answer_error(
                key,
                "WRONGPASS invalid username-password pair or user is disabled.",
            );
        }
        is_right
    }

    pub(super) fn hello(&mut self, key: usize, request: Request<'_>) {
        let arguments = request.arguments();
        let mut protocol = None;
        if arguments.len() > 1 {
            match atlas_kv::integer(arguments.at(1)) {
                Some(2) => protocol = Some(Protocol::Resp2),
                Some(3) => protocol = Some(Protocol::Resp3),
                Some(_) => {
                    return self.answer_error(key, "NOPROTO unsupported protocol version");
                }
                None => {
                    return self.answer_error(
                        key,
                        "ERR Protocol version is not an integer or out of range",
                    );
                }
            }
        }
        let mut name = None;
        let mut at = 2;
        while at < arguments.len() {
            let left = arguments.len() - at;
            if arguments.is(at, "auth") && left > 2 {
                let given = arguments.part(at + 1..at + 3);
                if !self.authenticate(key, &given, arguments.name()) {
                    return;
                }
                at += 3;
            } else if arguments.is(at, "setname") && left > 1 {
                name = Some(arguments.at(at + 1).to_vec());
                at += 2;
            } else {
                let option = String::from_utf8_lossy(arguments.at(at)).into_owned();
                return self
                    .answer_error(key, &format!("ERR Syntax error in HELLO option '{option}'"));
            }
        }
        let is_authenticated = self
            .connections
            .get(key)
            .is_some_and(|connection| connection.is_authenticated);
        if !is_authenticated {
            return self.answer_error(
                key,
                "NOAUTH HELLO must be called with the client already authenticated, otherwise the HELLO <proto> AUTH <user> <pass> option can be used to authenticate the client and select the RESP protocol version at the same time",
            );
        }
        if let Some(name) = name
            && !self.set_name(key, name)
        {
            return;
        }
        let Some(connection) = self.connections.get_mut(key) else {
            return;
        };
        let output = &mut connection.output;
        output.protocol = protocol.unwrap_or(output.protocol);
        output.map(7);
        for (field, value) in [("server", "redis"), ("version", REDIS_VERSION)] {
            output.bulk(field.as_bytes());
            output.bulk(value.as_bytes());
        }
        output.bulk(b"proto");
        output.integer(if output.protocol == Protocol::Resp3 {
            3
        } else {
            2
        });
        output.bulk(b"id");
        output.integer(connection.id as i64);
        for (field, value) in [("mode", "standalone"), ("role", "master")] {
            output.bulk(field.as_bytes());
            output.bulk(value.as_bytes());
        }
        output.bulk(b"modules");
        output.array(0);
    }

    pub(super) fn quit(&mut self, key: usize) {
        self.with_output(key, |output| output.ok());
        self.close_after_answers(key);
    }

    pub(super) fn reset(&mut self, key: usize) {
        self.unlisten(key);
        self.unwatch(key);
        self.untrack(key);
        let user = Arc::clone(&self.default_user);
        let Some(connection) = self.connections.get_mut(key) else {
            return;
        };
        connection.transaction = None;
        connection.database = 0;
        connection.name.clear();
        connection.answered = Answered::On;
        connection.is_no_evict = false;
        connection.is_no_touch = false;
        let is_open = user.is_open();
        connection.become_user(user, is_open);
        connection.output.protocol = Protocol::Resp2;
        connection.output.simple("RESET");
    }
}
