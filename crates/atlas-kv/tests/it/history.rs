//! Histories: records that a seed determines, and what happens when they are applied.

use std::collections::BTreeSet;

use atlas_kv::acl::{User, Users};
use atlas_kv::command::{self, Group, Handler};
use atlas_kv::{
    ArgumentBuffer, Arguments, Command, Effects, Interest, Keyspace, Moment, Reply, Settings,
    Waiter, transaction,
};

use crate::grammar::{Draw, LINES, Line, any_key};
use crate::transcript::Transcript;

/// The number of databases.
const DATABASES: u32 = 4;
/// When histories begin, in milliseconds since 1970.
const BEGIN_MS: i64 = 1_700_000_000_000;
/// Answers about this node and its memory, not about the state: a restart changes them.
const NODE_LOCAL: [&str; 5] = [
    "object|idletime",
    "object|freq",
    "memory|usage",
    "memory|doctor",
    "debug|object",
];

/// One entry of the log, or a read between two.
pub(crate) struct Record {
    moment: Moment,
    kind: Kind,
}

enum Kind {
    Command {
        arguments: ArgumentBuffer,
        waiters: Vec<(u64, ArgumentBuffer)>,
        /// True if it is not compared.
        is_node_local: bool,
    },
    Expire(Vec<String>),
    Evict(Vec<String>, bool),
}

/// A command that the table knows, with how it looks.
struct Known {
    line: &'static Line,
    command: &'static Command,
}

/// The records of a seed.
pub(crate) struct History {
    draw: Draw,
    known: Vec<Known>,
    blocking: Vec<&'static Line>,
    now_ms: i64,
    wait: u64,
}

impl History {
    pub(crate) fn new(seed: u64) -> Self {
        let known = LINES.iter().filter_map(|line| {
            let command = command::resolve(&ArgumentBuffer::of(&line.names).arguments());
            let command = match command {
                Ok(command) => Some(command),
                // The names alone are too few arguments for it.
                Err(_) => find(&line.names),
            };
            command.map(|command| Known { line, command })
        });
        let known: Vec<Known> = known.collect();
        let blocking = known
            .iter()
            .filter(|known| known.command.blocking.is_some())
            .map(|known| known.line)
            .collect();
        Self {
            draw: Draw::new(seed),
            known,
            blocking,
            now_ms: BEGIN_MS,
            wait: 0,
        }
    }

    fn arguments(&mut self) -> (ArgumentBuffer, String) {
        loop {
            let known = &self.known[self.draw.below(self.known.len())];
            let names = known.line.names.join("|");
            // Too often and nothing would ever grow.
            if names.starts_with("flush") && !self.draw.once_in(10) {
                continue;
            }
            return (known.line.draw(&mut self.draw), names);
        }
    }

    fn transaction(&mut self) -> ArgumentBuffer {
        let mut record = ArgumentBuffer::of([transaction::NAME]);
        for _ in 0..=self.draw.below(4) {
            let (arguments, names) = self.arguments();
            if !NODE_LOCAL.contains(&names.as_str()) {
                transaction::queue(&mut record, Some(&arguments.arguments()));
            }
        }
        record
    }

    /// A record that makes, changes or removes a user.
    fn users(&mut self) -> ArgumentBuffer {
        let name = format!("user{}", self.draw.below(4));
        if self.draw.once_in(5) {
            return Users::removal(std::iter::once(name.as_bytes()));
        }
        let rules = [
            "on",
            "off",
            "nopass",
            ">secret",
            "~a*",
            "%R~b",
            "&c",
            "+@read",
            "-get",
            "+select|0",
            "(+set ~d)",
        ];
        let drawn: Vec<&str> = (0..4).map(|_| *self.draw.of(&rules)).collect();
        let user = User::new(name.as_bytes(), false).with(&drawn, false);
        user.unwrap().record()
    }

    fn waiters(&mut self) -> Vec<(u64, ArgumentBuffer)> {
        if self.blocking.is_empty() || !self.draw.once_in(10) {
            return Vec::new();
        }
        let waiters = (0..=self.draw.below(3)).map(|_| {
            self.wait += 1;
            let line = *self.draw.of(&self.blocking);
            (self.wait, line.draw(&mut self.draw))
        });
        waiters.collect()
    }
}

impl Iterator for History {
    type Item = Record;

    fn next(&mut self) -> Option<Record> {
        self.now_ms += self.draw.below(50) as i64;
        let moment = Moment {
            database: if self.draw.once_in(8) {
                self.draw.below(DATABASES as usize) as u32
            } else {
                0
            },
            // Clocks run back now and then.
            now_ms: self.now_ms - if self.draw.once_in(50) { 1000 } else { 0 },
            seed: self.draw.bits(),
        };
        let keys = |draw: &mut Draw| (0..10).map(|_| any_key(draw)).collect();
        let kind = match self.draw.below(100) {
            0..2 => Kind::Expire(keys(&mut self.draw)),
            2 => Kind::Evict(keys(&mut self.draw), self.draw.once_in(2)),
            3..7 => Kind::Command {
                arguments: self.transaction(),
                waiters: self.waiters(),
                is_node_local: false,
            },
            7 => Kind::Command {
                arguments: self.users(),
                waiters: Vec::new(),
                is_node_local: false,
            },
            _ => {
                let (arguments, names) = self.arguments();
                Kind::Command {
                    arguments,
                    waiters: self.waiters(),
                    is_node_local: NODE_LOCAL.contains(&names.as_str()),
                }
            }
        };
        Some(Record { moment, kind })
    }
}

/// A state, and a transcript of what it answered.
pub(crate) struct Player {
    pub(crate) keyspace: Keyspace,
    pub(crate) transcript: Transcript,
    /// Commands that were not refused.
    pub(crate) accepted: BTreeSet<String>,
    resp3: bool,
}

impl Player {
    pub(crate) fn new() -> Self {
        Self::with(Keyspace::new(DATABASES, Settings::default()))
    }

    pub(crate) fn with(keyspace: Keyspace) -> Self {
        Self {
            keyspace,
            transcript: Transcript::new(false),
            accepted: BTreeSet::new(),
            resp3: false,
        }
    }

    pub(crate) fn play(&mut self, record: &Record) {
        let mut effects = Effects::new(Interest::all());
        let moment = record.moment;
        match &record.kind {
            Kind::Expire(keys) => {
                let keys = keys.iter().map(String::as_bytes);
                self.keyspace
                    .expire(moment.database, moment.now_ms, keys, &mut effects);
            }
            Kind::Evict(keys, is_volatile_only) => {
                let keys = keys.iter().map(String::as_bytes);
                let (database, now_ms) = (moment.database, moment.now_ms);
                self.keyspace
                    .evict(database, now_ms, *is_volatile_only, keys, &mut effects);
            }
            Kind::Command {
                arguments,
                waiters,
                is_node_local,
            } => {
                self.transcript.is_deaf = *is_node_local;
                let waiters: Vec<Waiter<'_>> = waiters
                    .iter()
                    .map(|(wait, arguments)| Waiter {
                        wait: *wait,
                        database: moment.database,
                        arguments: arguments.arguments(),
                    })
                    .collect();
                self.command(moment, arguments, &waiters, &mut effects);
                self.transcript.is_deaf = false;
            }
        }
        self.transcript.effects(&effects);
    }

    fn command(
        &mut self,
        moment: Moment,
        buffer: &ArgumentBuffer,
        waiters: &[Waiter<'_>],
        effects: &mut Effects,
    ) {
        let arguments = buffer.arguments();
        self.transcript.is_refused = false;
        let command = command::resolve(&arguments).ok();
        let result = match command {
            Some(command) if matches!(command.handler, Handler::Read(_)) => {
                let reply = &mut self.transcript;
                self.keyspace.read(command, moment, &arguments, reply)
            }
            Some(command) if self.is_quiet(command, moment, &arguments) && waiters.is_empty() => {
                // As the store does it: answered without a record.
                let before = self.keyspace.state_hash();
                let reply = &mut self.transcript;
                let answered = self
                    .keyspace
                    .answer(command, moment, &arguments, reply, effects);
                let after = self.keyspace.state_hash();
                assert_eq!(before, after, "{arguments:?} said it would not write");
                answered
            }
            _ => {
                let transcript = &mut self.transcript;
                self.keyspace
                    .apply(moment, &arguments, waiters, transcript, effects);
                Ok(())
            }
        };
        if let Err(error) = result {
            Reply::error(&mut self.transcript, &error.to_string());
        }
        if let Some(command) = command
            && !self.transcript.is_refused
        {
            let container = arguments.name();
            let mut name = String::from_utf8_lossy(container).to_lowercase();
            if name != command.name {
                name = format!("{name}|{}", command.name);
            }
            self.accepted.insert(name);
        }
    }

    /// True if the command says that it would not write.
    fn is_quiet(&self, command: &Command, moment: Moment, arguments: &Arguments<'_>) -> bool {
        command
            .would_write
            .is_some_and(|would_write| !would_write(&self.keyspace.view(moment, false), arguments))
    }

    /// Compares from here on with another transcript.
    pub(crate) fn turn_page(&mut self) -> u64 {
        let finished = self.transcript.finish();
        self.resp3 = !self.resp3;
        self.transcript = Transcript::new(self.resp3);
        finished
    }
}

/// The command of these names in the table.
pub(crate) fn find(names: &[&str]) -> Option<&'static Command> {
    let command = command::find(names.first()?.as_bytes())?;
    match names.get(1) {
        None => Some(command),
        Some(name) => command.subcommands.iter().find(|sub| sub.name == *name),
    }
}

/// The names of all commands in the table that read or change keys, containers with their subcommands; without those of
/// scripts, which `atlas-script` plays: here nothing runs them.
pub(crate) fn table() -> Vec<Vec<&'static str>> {
    let mut names = Vec::new();
    let all = command::all().filter(|command| command.group != Group::Scripting);
    for command in all {
        if command.subcommands.is_empty() {
            if !matches!(command.handler, Handler::Service) {
                names.push(vec![command.name]);
            }
        } else {
            for sub in command.subcommands {
                if !matches!(sub.handler, Handler::Service) {
                    names.push(vec![command.name, sub.name]);
                }
            }
        }
    }
    names
}
