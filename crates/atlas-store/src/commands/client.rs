//! `CLIENT`: about this connection and the others.

use std::time::{Duration, Instant};

use atlas_kv::command::{Flags, Handler};
use atlas_kv::{Arguments, Command, Reply as _};
use atlas_resp::Protocol;

use crate::connection::{Answered, Connection, Hold};
use crate::door::{KEPT, Request};
use crate::engine::Engine;
use crate::waiting::Ending;

/// Lets commands of clients wait for a while.
#[derive(Debug, Default)]
pub(crate) struct Pause {
    until: Option<Instant>,
    is_all: bool,
}

impl Engine {
    /// True if a pause of writes holds the command back.
    pub(crate) fn counts_as_write(&self, command: &Command, arguments: &Arguments<'_>) -> bool {
        match command.handler {
            // A script that becomes known changes no key.
            Handler::Write(_) => command.name != "load" || command.flags.contains(Flags::WRITE),
            Handler::Script(_) => self.script_writes(command, arguments),
            Handler::Read(_) | Handler::Service => command.flags.contains(Flags::MAY_REPLICATE),
        }
    }
}

impl Pause {
    /// True if the command has to wait; `exec_writes` says whether `EXEC` would run one that writes.
    #[inline]
    pub(crate) fn holds(
        &self,
        command: &Command,
        writes: bool,
        exec_writes: bool,
        now: Instant,
    ) -> bool {
        let Some(until) = self.until else {
            return false;
        };
        let is_exec = matches!(command.handler, Handler::Service) && command.name == "exec";
        let writes = writes || (is_exec && exec_writes);
        // Whoever paused must be able to end it.
        let is_free = matches!(command.handler, Handler::Service) && !is_exec && !writes;
        now < until && if self.is_all { !is_free } else { writes }
    }

    /// True while anything has to wait.
    pub(crate) fn holds_anything(&self, now: Instant) -> bool {
        self.until.is_some_and(|until| now < until)
    }

    /// When it ends, if there is one.
    pub(crate) fn until(&self) -> Option<Instant> {
        self.until
    }

    /// True once, when it is over.
    pub(crate) fn ended(&mut self, now: Instant) -> bool {
        let is_over = self.until.is_some_and(|until| now >= until);
        if is_over {
            self.until = None;
        }
        is_over
    }

    /// True if keys must not change: nothing expires and nothing is evicted.
    pub(crate) fn holds_writes(&self, now: Instant) -> bool {
        self.holds_anything(now)
    }
}

/// Which connections a `CLIENT KILL` or `CLIENT LIST` speaks of.
#[derive(Default)]
struct Filter {
    id: Option<u64>,
    kind: Option<&'static str>,
    address: Option<String>,
    local: Option<String>,
    user: Option<Vec<u8>>,
    age_max: Option<u64>,
    skip_me: bool,
}

const KINDS: [&str; 4] = ["normal", "master", "replica", "pubsub"];

impl Engine {
    pub(super) fn client(&mut self, key: usize, command: &'static Command, request: Request<'_>) {
        let arguments = request.arguments();
        match command.name {
            "id" => self.with_connection(key, |connection| {
                connection.output.integer(connection.id as i64);
            }),
            "getname" => self.with_connection(key, |connection| {
                if connection.name.is_empty() {
                    connection.output.null();
                } else {
                    connection.output.bulk(&connection.name);
                }
            }),
            "setname" => {
                if self.set_name(key, arguments.at(2).to_vec()) {
                    self.with_output(key, |output| output.ok());
                }
            }
            "setinfo" => self.set_info(key, &arguments),
            "info" => {
                let line = self
                    .connections
                    .get(key)
                    .map(|connection| self.line(connection));
                let line = line.unwrap_or_default() + "\n";
                self.with_output(key, |output| output.verbatim("txt", line.as_bytes()));
            }
            "list" => self.client_list(key, &arguments),
            "kill" => self.client_kill(key, &arguments),
            "no-evict" => self.switch(key, &arguments, |connection, on| {
                connection.is_no_evict = on
            }),
            "no-touch" => self.switch(key, &arguments, |connection, on| {
                connection.is_no_touch = on
            }),
            "reply" => self.client_reply(key, &arguments),
            "pause" => self.client_pause(key, &arguments),
            "unpause" => {
                self.pause.until = Some(self.now);
                self.with_output(key, |output| output.ok());
            }
            "unblock" => self.client_unblock(key, &arguments),
            "tracking" => self.client_tracking(key, &arguments),
            "trackinginfo" => self.tracking_info(key),
            "caching" => self.client_caching(key, &arguments),
            "getredir" => self.with_connection(key, |connection| {
                let redirect = connection.redirect();
                connection.output.integer(redirect);
            }),
            _ => self.help(
                key,
                "CLIENT",
                &[
                    "CACHING (YES|NO)",
                    "GETREDIR",
                    "GETNAME",
                    "ID",
                    "INFO",
                    "KILL <option> ...",
                    "LIST [options ...]",
                    "NO-EVICT (ON|OFF)",
                    "NO-TOUCH (ON|OFF)",
                    "PAUSE <timeout> [WRITE|ALL]",
                    "REPLY (ON|OFF|SKIP)",
                    "SETINFO <option> <value>",
                    "SETNAME <name>",
                    "TRACKING (ON|OFF) [REDIRECT <id>] [BCAST] [PREFIX <prefix> [...]] [OPTIN] [OPTOUT] [NOLOOP]",
                    "TRACKINGINFO",
                    "UNBLOCK <clientid> [TIMEOUT|ERROR]",
                    "UNPAUSE",
                ],
            ),
        }
    }

    pub(super) fn with_connection(&mut self, key: usize, run: impl FnOnce(&mut Connection)) {
        if let Some(connection) = self.connections.get_mut(key) {
            run(connection);
        }
    }

    /// Answers a container's `HELP`.
    pub(super) fn help(&mut self, key: usize, name: &str, lines: &[&str]) {
        self.with_output(key, |output| {
            output.array(lines.len() + 3);
            output.simple(&format!(
                "{name} <subcommand> [<arg> [value] [opt] ...]. Subcommands are:"
            ));
            for line in lines {
                output.simple(line);
            }
            output.simple("HELP");
            output.simple("    Print this help.");
        });
    }

    /// Names a connection; false if the name cannot be, which is answered.
    pub(super) fn set_name(&mut self, key: usize, name: Vec<u8>) -> bool {
        if !self.may_keep(key, name.len()) {
            self.answer_error(key, KEPT);
            return false;
        }
        if name.iter().any(|byte| !(b'!'..=b'~').contains(byte)) {
            self.answer_error(
                key,
                "ERR Client names cannot contain spaces, newlines or special characters.",
            );
            return false;
        }
        self.with_connection(key, |connection| connection.name = name);
        true
    }

    fn set_info(&mut self, key: usize, arguments: &Arguments<'_>) {
        let value = arguments.at(3);
        let is_name = arguments.is(2, "lib-name");
        if !is_name && !arguments.is(2, "lib-ver") {
            let option = String::from_utf8_lossy(arguments.at(2)).into_owned();
            return self.answer_error(key, &format!("ERR Unrecognized option '{option}'"));
        }
        if !self.may_keep(key, value.len()) {
            return self.answer_error(key, KEPT);
        }
        if value.iter().any(|byte| !(b'!'..=b'~').contains(byte)) {
            let option = if is_name { "lib-name" } else { "lib-ver" };
            return self.answer_error(
                key,
                &format!("ERR {option} cannot contain spaces, newlines or special characters."),
            );
        }
        self.with_connection(key, |connection| {
            if is_name {
                connection.library = value.to_vec();
            } else {
                connection.library_version = value.to_vec();
            }
            connection.output.ok();
        });
    }

    fn switch(
        &mut self,
        key: usize,
        arguments: &Arguments<'_>,
        set: impl FnOnce(&mut Connection, bool),
    ) {
        let on = arguments.is(2, "on");
        if !on && !arguments.is(2, "off") {
            return self.answer_error(key, "ERR syntax error");
        }
        self.with_connection(key, |connection| {
            set(connection, on);
            connection.output.ok();
        });
    }

    fn client_reply(&mut self, key: usize, arguments: &Arguments<'_>) {
        let answered = if arguments.is(2, "on") {
            Answered::On
        } else if arguments.is(2, "off") {
            Answered::Off
        } else if arguments.is(2, "skip") {
            Answered::SkipNext
        } else {
            return self.answer_error(key, "ERR syntax error");
        };
        self.with_connection(key, |connection| {
            let is_off = connection.answered == Answered::Off;
            match answered {
                Answered::On => connection.output.ok(),
                Answered::SkipNext if is_off => return,
                _ => {}
            }
            connection.answered = answered;
        });
    }

    fn client_pause(&mut self, key: usize, arguments: &Arguments<'_>) {
        let Some(timeout_ms) = atlas_kv::integer(arguments.at(2)) else {
            return self.answer_error(key, "ERR timeout is not an integer or out of range");
        };
        let Ok(timeout_ms) = u64::try_from(timeout_ms) else {
            return self.answer_error(key, "ERR timeout is negative");
        };
        let is_all = match arguments.len() {
            3 => true,
            4 if arguments.is(3, "all") => true,
            4 if arguments.is(3, "write") => false,
            _ => return self.answer_error(key, "ERR CLIENT PAUSE mode must be WRITE or ALL"),
        };
        let until = self.now.checked_add(Duration::from_millis(timeout_ms));
        // A pause only grows by another.
        self.pause.until = self.pause.until.max(until);
        self.pause.is_all = is_all || (self.pause.is_all && self.pause.holds_anything(self.now));
        self.with_output(key, |output| output.ok());
    }

    fn client_unblock(&mut self, key: usize, arguments: &Arguments<'_>) {
        let Some(id) = atlas_kv::integer(arguments.at(2)) else {
            return self.answer_error(key, "ERR value is not an integer or out of range");
        };
        let ending = match arguments.len() {
            3 => Ending::Timeout,
            4 if arguments.is(3, "timeout") => Ending::Timeout,
            4 if arguments.is(3, "error") => Ending::Error,
            _ => {
                return self
                    .answer_error(key, "ERR CLIENT UNBLOCK reason should be TIMEOUT or ERROR");
            }
        };
        let found = u64::try_from(id)
            .ok()
            .and_then(|id| self.by_client.get(&id).copied());
        let wait = found.and_then(
            |other| match self.connections.get(other)?.hold.as_deref()? {
                Hold::Wait(wait) => Some(*wait),
                _ => None,
            },
        );
        let is_awaited_elsewhere = wait.is_none()
            && found.is_some_and(|other| {
                self.connections.get(other).is_some_and(|connection| {
                    matches!(connection.hold.as_deref(), Some(Hold::Elsewhere(..)))
                })
            });
        if let Some(wait) = wait {
            self.end_wait(wait, ending);
        } else if is_awaited_elsewhere && let Some(other) = found {
            self.end_elsewhere(other, ending);
        }
        let unblocked = wait.is_some() || is_awaited_elsewhere;
        self.with_output(key, |output| output.integer(unblocked.into()));
    }

    fn client_list(&mut self, key: usize, arguments: &Arguments<'_>) {
        let mut ids = None;
        let mut kind = None;
        if arguments.len() == 4 && arguments.is(2, "type") {
            let wanted = String::from_utf8_lossy(arguments.at(3)).to_lowercase();
            let wanted = if wanted == "slave" {
                "replica".to_owned()
            } else {
                wanted
            };
            kind = KINDS.into_iter().find(|kind| **kind == wanted);
            if kind.is_none() {
                let given = String::from_utf8_lossy(arguments.at(3)).into_owned();
                return self.answer_error(key, &format!("ERR Unknown client type '{given}'"));
            }
        } else if arguments.len() > 3 && arguments.is(2, "id") {
            let wanted: Option<Vec<i64>> =
                arguments.iter().skip(3).map(atlas_kv::integer).collect();
            match wanted {
                Some(wanted) => ids = Some(wanted),
                None => return self.answer_error(key, "ERR Invalid client ID"),
            }
        } else if arguments.len() != 2 {
            return self.answer_error(key, "ERR syntax error");
        }
        let mut connections: Vec<&Connection> = self
            .connections
            .iter()
            .map(|(_, connection)| &**connection)
            .filter(|connection| {
                ids.as_ref()
                    .is_none_or(|ids| ids.contains(&(connection.id as i64)))
                    && kind.is_none_or(|kind| kind == kind_of(connection))
            })
            .collect();
        connections.sort_unstable_by_key(|connection| connection.id);
        let mut text = String::new();
        for connection in connections {
            text += &self.line(connection);
            text.push('\n');
        }
        self.with_output(key, |output| output.verbatim("txt", text.as_bytes()));
    }

    /// A connection as `CLIENT LIST` shows it.
    pub(crate) fn line(&self, connection: &Connection) -> String {
        let age = |since: Instant| self.now.saturating_duration_since(since).as_secs();
        let (channels, patterns) = connection
            .subscriptions
            .as_ref()
            .map_or((0, 0), |found| (found.channels.len(), found.patterns.len()));
        let multi = connection
            .transaction
            .as_ref()
            .map_or(-1, |transaction| i64::from(transaction.commands));
        let mut flags = String::new();
        if matches!(
            connection.hold.as_deref(),
            Some(Hold::Wait(_) | Hold::Elsewhere(..))
        ) {
            flags.push('b');
        }
        if connection.is_closing {
            flags.push('c');
        }
        if connection.is_watch_broken {
            flags.push('d');
        }
        if connection.is_no_evict {
            flags.push('e');
        }
        if channels + patterns > 0 {
            flags.push('P');
        }
        if let Some(tracked) = &connection.tracked {
            flags.push('t');
            if tracked.is_broken {
                flags.push('R');
            }
            if tracked.is_broadcast {
                flags.push('B');
            }
        }
        if connection.is_no_touch {
            flags.push('T');
        }
        if connection.transaction.is_some() {
            flags.push('x');
        }
        if flags.is_empty() {
            flags.push('N');
        }
        format!(
            "id={} addr={} laddr={} fd={} name={} age={} idle={} flags={flags} db={} sub={channels} psub={patterns} ssub=0 multi={multi} qbuf={} qbuf-free={} argv-mem=0 multi-mem={} rbs={} rbp=0 obl=0 oll=0 omem={} tot-mem={} events=r cmd={} user={} redir={} resp={} lib-name={} lib-ver={}",
            connection.id,
            connection.address,
            connection.local,
            std::os::fd::AsRawFd::as_raw_fd(connection.stream.socket()),
            String::from_utf8_lossy(&connection.name),
            age(connection.begun),
            age(connection.used),
            connection.database,
            connection.input.len(),
            connection.input.capacity() - connection.input.len(),
            connection
                .transaction
                .as_ref()
                .map_or(0, |transaction| transaction.bytes),
            connection.output.bytes.capacity(),
            connection.output.pending(),
            connection.input.capacity()
                + connection.output.bytes.capacity()
                + size_of::<Connection>(),
            connection.last_command_name(),
            connection.user.name().escape_ascii(),
            connection.redirect(),
            if connection.output.protocol == Protocol::Resp3 {
                3
            } else {
                2
            },
            String::from_utf8_lossy(&connection.library),
            String::from_utf8_lossy(&connection.library_version),
        )
    }

    fn client_kill(&mut self, key: usize, arguments: &Arguments<'_>) {
        let is_old = arguments.len() == 3;
        let mut filter = Filter {
            skip_me: !is_old,
            ..Filter::default()
        };
        if is_old {
            filter.address = Some(String::from_utf8_lossy(arguments.at(2)).into_owned());
        } else if let Err(line) = filter.read(arguments, |name| self.user(name).is_some()) {
            return self.answer_error(key, &line);
        }
        let found: Vec<usize> = self
            .connections
            .iter()
            .filter(|(other, connection)| {
                !(filter.skip_me && *other == key) && filter.matches(connection, self.now)
            })
            .map(|(other, _)| other)
            .collect();
        if is_old {
            if found.is_empty() {
                return self.answer_error(key, "ERR No such client");
            }
            self.with_output(key, |output| output.ok());
        } else {
            self.with_output(key, |output| output.integer(found.len() as i64));
        }
        for other in found {
            if other == key {
                self.close_after_answers(key);
            } else {
                self.close(other);
            }
        }
    }
}

fn kind_of(connection: &Connection) -> &'static str {
    let listens = connection
        .subscriptions
        .as_ref()
        .is_some_and(|found| found.count() > 0);
    if listens { "pubsub" } else { "normal" }
}

impl Filter {
    fn read(
        &mut self,
        arguments: &Arguments<'_>,
        is_user: impl Fn(&[u8]) -> bool,
    ) -> Result<(), String> {
        let mut at = 2;
        while at < arguments.len() {
            let Some(value) = arguments.get(at + 1) else {
                return Err("ERR syntax error".to_owned());
            };
            let text = || String::from_utf8_lossy(value).into_owned();
            if arguments.is(at, "id") {
                let id = atlas_kv::integer(value).and_then(|id| u64::try_from(id).ok());
                let id = id.filter(|id| *id > 0);
                self.id = Some(id.ok_or("ERR client-id should be greater than 0")?);
            } else if arguments.is(at, "type") {
                let wanted = text().to_lowercase();
                let wanted = if wanted == "slave" {
                    "replica".to_owned()
                } else {
                    wanted
                };
                let kind = KINDS.into_iter().find(|kind| **kind == wanted);
                self.kind =
                    Some(kind.ok_or_else(|| format!("ERR Unknown client type '{}'", text()))?);
            } else if arguments.is(at, "addr") {
                self.address = Some(text());
            } else if arguments.is(at, "laddr") {
                self.local = Some(text());
            } else if arguments.is(at, "user") {
                if !is_user(value) {
                    return Err(format!("ERR No such user '{}'", text()));
                }
                self.user = Some(value.to_vec());
            } else if arguments.is(at, "maxage") {
                let age = atlas_kv::integer(value).and_then(|age| u64::try_from(age).ok());
                self.age_max = Some(age.ok_or("ERR syntax error")?);
            } else if arguments.is(at, "skipme") {
                self.skip_me = match text().to_lowercase().as_str() {
                    "yes" => true,
                    "no" => false,
                    _ => return Err("ERR syntax error".to_owned()),
                };
            } else {
                return Err("ERR syntax error".to_owned());
            }
            at += 2;
        }
        Ok(())
    }

    fn matches(&self, connection: &Connection, now: Instant) -> bool {
        let age = now.saturating_duration_since(connection.begun).as_secs();
        self.id.is_none_or(|id| id == connection.id)
            && self.kind.is_none_or(|kind| kind == kind_of(connection))
            && self
                .address
                .as_ref()
                .is_none_or(|address| *address == connection.address.to_string())
            && self
                .local
                .as_ref()
                .is_none_or(|local| *local == connection.local.to_string())
            && self
                .user
                .as_ref()
                .is_none_or(|user| **user == *connection.user.name())
            && self.age_max.is_none_or(|limit| age >= limit)
    }
}
