//! What tests of commands share: a state that takes commands as lines.

mod golden;

use crate::command::{self, Handler};
use crate::keyspace::{Answers, Keyspace, Moment, Waiter};
use crate::reply::{Answer, Collected};
use crate::{ArgumentBuffer, Effects, Interest, Loading, Reply, Settings};

/// A state, its time, and what the last command did.
pub(crate) struct Stage {
    pub(crate) keyspace: Keyspace,
    pub(crate) now_ms: i64,
    pub(crate) database: u32,
    /// The next command's seed; counts up.
    pub(crate) seed: u64,
    pub(crate) resp3: bool,
    /// Of the last command that was applied.
    pub(crate) effects: Effects,
}

struct Collecting {
    client: Collected,
    waiters: Vec<(u64, Collected)>,
}

impl Answers for Collecting {
    fn client(&mut self) -> &mut dyn Reply {
        &mut self.client
    }

    fn waiter(&mut self, wait: u64) -> &mut dyn Reply {
        if let Some(position) = self.waiters.iter().position(|(other, _)| *other == wait) {
            return &mut self.waiters[position].1;
        }
        self.waiters.push((wait, Collected::default()));
        &mut self.waiters.last_mut().unwrap().1
    }
}

impl Stage {
    pub(crate) fn new() -> Self {
        Self::with(Settings::default())
    }

    pub(crate) fn with(settings: Settings) -> Self {
        Self {
            keyspace: Keyspace::new(16, settings),
            now_ms: 1_000_000,
            database: 0,
            seed: 1,
            resp3: false,
            effects: Effects::default(),
        }
    }

    fn moment(&self) -> Moment {
        Moment {
            database: self.database,
            now_ms: self.now_ms,
            seed: self.seed,
        }
    }

    /// Runs a line of words without spaces in them.
    pub(crate) fn run(&mut self, line: &str) -> Answer {
        self.run_bytes(line.split_ascii_whitespace())
    }

    /// Runs a command of any bytes as the store would: a command that only reads is read, and one that says it would not
    /// write must leave the state as it was.
    pub(crate) fn run_bytes<A: AsRef<[u8]>>(
        &mut self,
        arguments: impl IntoIterator<Item = A>,
    ) -> Answer {
        let buffer = ArgumentBuffer::of(arguments);
        let arguments = buffer.arguments();
        self.seed += 1;
        let moment = self.moment();
        if let Ok(command) = command::resolve(&arguments) {
            if matches!(command.handler, Handler::Read(_)) {
                let mut reply = self.collected();
                if let Err(error) = self.keyspace.read(command, moment, &arguments, &mut reply) {
                    return Answer::Error(error.to_string());
                }
                return one(reply, &arguments);
            }
            if let Some(would_write) = command.would_write
                && !would_write(&self.keyspace.view(moment, false), &arguments)
            {
                // The clock moves with every command, whatever that does.
                self.keyspace.clock_ms = self.keyspace.clock_ms.max(self.now_ms);
                let before = self.keyspace.state_hash();
                let answer = self.apply(&buffer, &[]).0;
                assert_eq!(
                    before,
                    self.keyspace.state_hash(),
                    "{arguments:?} said it would not write"
                );
                return answer;
            }
        }
        self.apply(&buffer, &[]).0
    }

    /// Applies a command, with clients that wait (a number and a line each); its answer, and theirs.
    pub(crate) fn apply(
        &mut self,
        command: &ArgumentBuffer,
        waiting: &[(u64, &str)],
    ) -> (Answer, Vec<(u64, Answer)>) {
        let commands: Vec<ArgumentBuffer> = waiting
            .iter()
            .map(|(_, line)| ArgumentBuffer::of(line.split_ascii_whitespace()))
            .collect();
        let waiters: Vec<Waiter<'_>> = waiting
            .iter()
            .zip(&commands)
            .map(|((wait, _), command)| Waiter {
                wait: *wait,
                database: self.database,
                arguments: command.arguments(),
            })
            .collect();
        self.effects = Effects::new(Interest::all());
        let mut answers = Collecting {
            client: self.collected(),
            waiters: Vec::new(),
        };
        let arguments = command.arguments();
        self.keyspace.apply(
            self.moment(),
            &arguments,
            &waiters,
            &mut answers,
            &mut self.effects,
        );
        let served = answers
            .waiters
            .into_iter()
            .filter(|(wait, _)| self.effects.served.contains(wait))
            .map(|(wait, reply)| (wait, one(reply, &arguments)))
            .collect();
        (one(answers.client, &arguments), served)
    }

    /// The names of the last command's notifications, with their keys.
    pub(crate) fn events(&self) -> Vec<String> {
        self.effects
            .events
            .iter()
            .map(|event| format!("{} {}", event.name, String::from_utf8_lossy(&event.key)))
            .collect()
    }

    /// Writes a snapshot, reads it back, and demands the same state.
    pub(crate) fn check_snapshot(&mut self) {
        assert!(self.keyspace.snapshot_begin());
        let mut loading = Loading::new();
        let mut is_done = false;
        while !is_done {
            is_done = self.keyspace.snapshot_step(1000);
            for block in self.keyspace.snapshot_take() {
                loading.block(block.kind, &block.payload).unwrap();
            }
        }
        let loaded = loading.finish().unwrap();
        assert_eq!(loaded.state_hash(), self.keyspace.state_hash());
    }

    fn collected(&self) -> Collected {
        if self.resp3 {
            Collected::resp3()
        } else {
            Collected::default()
        }
    }
}

fn one(reply: Collected, arguments: &crate::Arguments<'_>) -> Answer {
    let mut answers = reply.into_answers();
    assert_eq!(answers.len(), 1, "{arguments:?} answered {answers:?}");
    answers.remove(0)
}

/// An answer as a line: `+OK`, `:1`, `value`, `(nil)`, `-ERR …`, `[a b]`, a map as `{a=b}`, a set as `<a b>`.
pub(crate) fn shown(answer: &Answer) -> String {
    let all = |elements: &[Answer]| elements.iter().map(shown).collect::<Vec<_>>().join(" ");
    match answer {
        Answer::Simple(text) => format!("+{text}"),
        Answer::Error(line) => format!("-{line}"),
        Answer::Integer(value) => format!(":{value}"),
        Answer::Bulk(bytes) => bytes.escape_ascii().to_string(),
        Answer::Null => "(nil)".into(),
        Answer::NullArray => "(nil array)".into(),
        Answer::Array(elements) => format!("[{}]", all(elements)),
        Answer::Set(elements) => format!("<{}>", all(elements)),
        Answer::Map(pairs) => {
            let pairs: Vec<String> = pairs
                .iter()
                .map(|(key, value)| format!("{}={}", shown(key), shown(value)))
                .collect();
            format!("{{{}}}", pairs.join(" "))
        }
        other => format!("{other:?}"),
    }
}

impl Stage {
    /// Runs lines in order; each must answer what stands beside it, as [`shown`].
    pub(crate) fn check(&mut self, table: &[(&str, &str)]) {
        for (line, expected) in table {
            let answer = self.run(line);
            assert_eq!(shown(&answer), *expected, "{line}");
        }
    }

    /// Runs a line; it must tell these notifications (`EVENT KEY`) and count so many changes.
    pub(crate) fn check_events(&mut self, line: &str, events: &[&str], dirty: u64) {
        self.effects = Effects::default();
        self.run(line);
        assert_eq!(self.events(), events, "{line}");
        assert_eq!(self.effects.dirty, dirty, "{line}");
    }
}
