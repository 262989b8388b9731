//! `PING`, `SELECT`, `AUTH`, `HELLO`, `QUIT`, `RESET`.

use atlas_kv::{Arguments, Reply as _};
use atlas_resp::Protocol;

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

    /// Compares a password in a time that does not tell how much of it is right.
    fn is_password(&self, given: &[u8]) -> bool {
        let Some(password) = &self.live.password else {
            return false;
        };
        let mut different = password.len() ^ given.len();
        for (at, byte) in password.iter().enumerate() {
            different |= usize::from(byte ^ given.get(at).copied().unwrap_or(!byte));
        }
        different == 0
    }

    pub(super) fn auth(&mut self, key: usize, request: Request<'_>) {
        let arguments = request.arguments();
        if arguments.len() > 3 {
            return self.answer_error(key, "ERR syntax error");
        }
        if self.live.password.is_none() && arguments.len() == 2 {
            return self.answer_error(
                key,
                "ERR AUTH <password> called without any password configured for the default user. Are you sure your configuration is correct?",
            );
        }
        if self.authenticate(key, &arguments.skip(1)) {
            self.with_output(key, |output| output.ok());
        }
    }

    /// Checks a password, with or without a user's name before it; the error is answered.
    fn authenticate(&mut self, key: usize, arguments: &Arguments<'_>) -> bool {
        let (user, password) = match arguments.len() {
            1 => (b"default".as_slice(), arguments.at(0)),
            _ => (arguments.at(0), arguments.at(1)),
        };
        let is_right =
            user == b"default" && (self.live.password.is_none() || self.is_password(password));
        if is_right {
            if let Some(connection) = self.connections.get_mut(key) {
                connection.is_authenticated = true;
            }
        } else {
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
                if !self.authenticate(key, &arguments.part(at + 1..at + 3)) {
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
        let has_password = self.live.password.is_some();
        let Some(connection) = self.connections.get_mut(key) else {
            return;
        };
        connection.transaction = None;
        connection.database = 0;
        connection.name.clear();
        connection.answered = Answered::On;
        connection.is_no_evict = false;
        connection.is_no_touch = false;
        connection.is_authenticated = !has_password;
        connection.output.protocol = Protocol::Resp2;
        connection.output.simple("RESET");
    }
}
