//! What a seed lets the connections send: bursts, transactions, waits, subscriptions.

use std::fmt;

use atlas_kv::{ArgumentBuffer, command};

use crate::grammar::{Draw, LINES, Line};
use crate::peer::Words;
use crate::rules;

/// Connections that send ordinary commands, and those behind them that listen.
pub(crate) const ORDINARY: usize = 6;
pub(crate) const CONNECTIONS: usize = 8;

/// Commands about connections and the node, beside those of the grammar. Those that answer about the process or its
/// surroundings are left out, as are those that end or stop something.
const SERVICE: &[&str] = &[
    "ping [V]",
    "echo V",
    "select (0|0|0|0|1|2|3)",
    "client getname",
    "client setname M",
    "client no-evict (on|off)",
    "client id",
    "client unpause",
    "client unblock 0",
    "time",
    "wait 0 0",
    "lastsave",
    "auth V",
    "reset",
    "hello [2|3]",
    "unwatch",
    "discard",
    "exec",
    "publish M V",
    "publish M V",
    "pubsub channels [P]",
    "pubsub numsub {M}",
    "pubsub numpat",
    "config get maxmemory",
    "config get maxmemory-policy",
    "config set hash-max-listpack-entries (2|8|128)",
    "config set hash-max-listpack-value (8|64)",
    "config set zset-max-listpack-entries (2|8|128)",
    "config set zset-max-listpack-value (8|64)",
    "config set set-max-intset-entries (2|8|512)",
    "command getkeys get A",
    "command getkeys mset {A V}",
    "command getkeys zunionstore A #",
    "command getkeys blmpop 0 # left",
    "command getkeys ping V",
    "slowlog reset",
    "slowlog len",
    "latency latest",
    "debug sleep 0",
    "nonsense A V",
    "object nonsense A",
];

/// What those who listen send.
const LISTENING: &[&str] = &[
    "subscribe {M}",
    "subscribe {M}",
    "psubscribe {P}",
    "unsubscribe [{M}]",
    "punsubscribe [{P}]",
    "ping [V]",
    "publish M V",
    "get A",
    "hello (2|3)",
    "reset",
];

/// Arguments that fit nowhere, or only just. None of them is a short time.
const STRANGE: &[&str] = &[
    "",
    "x",
    "0",
    "-1",
    "9223372036854775807",
    "-9223372036854775808",
    "9223372036854775808",
    "nan",
    "inf",
    "1e400",
    "(",
    "withscores",
    "limit",
    " 1",
    "1.0",
    "+5",
];

/// Commands that are sent as they are drawn only: otherwise they could wait, or end something.
const AS_THEY_ARE: &[&str] = &[
    "wait", "debug", "client", "config", "reset", "exec", "discard", "slowlog", "latency", "hello",
    "swapdb", "flushall", "flushdb", "memory", "command",
];

/// How a history is played.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Settings {
    /// The store logs before it applies.
    pub(crate) is_log_first: bool,
    /// The last connection hears what happens to keys.
    pub(crate) is_notifying: bool,
}

impl Settings {
    pub(crate) fn of(seed: u64) -> Self {
        Self {
            is_log_first: seed % 4 == 3,
            is_notifying: seed.is_multiple_of(3),
        }
    }
}

/// What one connection sends, or some of them together.
#[derive(Clone, Debug)]
pub(crate) enum Step {
    /// A pipeline; each command has one answer.
    Burst { by: usize, commands: Vec<Words> },
    /// A pipeline of one who listens; there may be more answers, or messages between them.
    Listen { by: usize, commands: Vec<Words> },
    /// Some wait one after the other, another sends a pipeline, then those who still wait are unblocked.
    Wait {
        waiters: Vec<(usize, Words)>,
        by: usize,
        commands: Vec<Words>,
        is_error: bool,
    },
}

impl Step {
    pub(crate) fn commands(&self) -> &[Words] {
        match self {
            Self::Burst { commands, .. }
            | Self::Listen { commands, .. }
            | Self::Wait { commands, .. } => commands,
        }
    }

    pub(crate) fn commands_mut(&mut self) -> &mut Vec<Words> {
        match self {
            Self::Burst { commands, .. }
            | Self::Listen { commands, .. }
            | Self::Wait { commands, .. } => commands,
        }
    }
}

impl fmt::Display for Step {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (waiters, by) = match self {
            Self::Burst { by, .. } | Self::Listen { by, .. } => (&[][..], by),
            Self::Wait { waiters, by, .. } => (waiters.as_slice(), by),
        };
        for (by, words) in waiters {
            writeln!(formatter, "{by} waits: {}", shown(words))?;
        }
        let commands: Vec<String> = self.commands().iter().map(|words| shown(words)).collect();
        write!(formatter, "{by}: {}", commands.join("\n   "))?;
        if let Self::Wait { is_error, .. } = self {
            let how = if *is_error { "ERROR" } else { "TIMEOUT" };
            write!(formatter, "\nunblock {how}")?;
        }
        Ok(())
    }
}

/// A command as one may type it.
pub(crate) fn shown(words: &[Vec<u8>]) -> String {
    let words: Vec<String> = words
        .iter()
        .map(|word| {
            let text = word.escape_ascii().to_string();
            if text.is_empty() || text.contains(' ') {
                format!("\"{text}\"")
            } else {
                text
            }
        })
        .collect();
    words.join(" ")
}

/// The lines that are built. Ids of streams' entries come from each server's clock: streams are not played here; Redis's
/// test of itself takes seconds.
fn lines() -> impl Iterator<Item = &'static Line> {
    LINES
        .iter()
        .filter(|line| command::find(line.names[0].as_bytes()).is_some())
        .filter(|line| !line.names[0].starts_with('x') && line.names[0] != "pfselftest")
}

/// The names of all that is sent, of which some must be accepted.
pub(crate) fn names() -> Vec<String> {
    let service = SERVICE.iter().map(|line| Line::new('*', line));
    let mut names: Vec<String> = lines()
        .map(|line| line.names.join("|"))
        .chain(service.map(|line| line.names.join("|")))
        .filter(|name| !name.contains("nonsense"))
        .collect();
    names.extend(["multi", "watch"].map(str::to_owned));
    names.sort();
    names.dedup();
    names
}

/// Draws steps with so many commands.
pub(crate) fn draw(seed: u64, commands: usize, settings: Settings) -> Vec<Step> {
    let mut drawing = Drawing {
        draw: Draw::timeless(seed),
        lines: lines().collect(),
        service: SERVICE.iter().map(|line| Line::new('*', line)).collect(),
        listening: LISTENING.iter().map(|line| Line::new('*', line)).collect(),
        is_open: [false; ORDINARY],
        settings,
    };
    let (mut steps, mut count) = (Vec::new(), 0);
    while count < commands {
        let step = drawing.step();
        count += step.commands().len();
        if let Step::Wait { waiters, .. } = &step {
            count += waiters.len();
        }
        steps.push(step);
    }
    steps
}

struct Drawing {
    draw: Draw,
    lines: Vec<&'static Line>,
    service: Vec<Line>,
    listening: Vec<Line>,
    /// In the middle of a transaction.
    is_open: [bool; ORDINARY],
    settings: Settings,
}

fn words(line: &[&str]) -> Words {
    line.iter().map(|word| word.as_bytes().to_vec()).collect()
}

fn of(buffer: &ArgumentBuffer) -> Words {
    buffer.arguments().iter().map(<[u8]>::to_vec).collect()
}

impl Drawing {
    fn step(&mut self) -> Step {
        match self.draw.below(100) {
            0..7 => self.wait(),
            7..13 => self.listen(),
            13..28 => self.transaction(),
            28..33 => {
                let by = self.draw.below(ORDINARY);
                let mut commands = Vec::new();
                if !self.is_open[by] {
                    if self.draw.once_in(2) {
                        commands.push(self.watch());
                    }
                    commands.push(words(&["multi"]));
                    self.is_open[by] = true;
                }
                self.some(4, true, &mut commands);
                Step::Burst { by, commands }
            }
            _ => {
                let by = self.draw.below(ORDINARY);
                let mut commands = Vec::new();
                let most = *self.draw.of(&[1, 3, 10, 30]);
                self.some(most, self.is_open[by], &mut commands);
                if self.is_open[by] && !self.draw.once_in(3) {
                    commands.push(self.end());
                    self.is_open[by] = false;
                }
                Step::Burst { by, commands }
            }
        }
    }

    fn end(&mut self) -> Words {
        let end = if self.draw.once_in(8) {
            "discard"
        } else {
            "exec"
        };
        words(&[end])
    }

    fn watch(&mut self) -> Words {
        of(&Line::new('*', "watch {A}").draw(&mut self.draw))
    }

    fn transaction(&mut self) -> Step {
        let by = self.draw.below(ORDINARY);
        let mut commands = Vec::new();
        if !self.is_open[by] {
            if self.draw.once_in(3) {
                commands.push(self.watch());
            }
            commands.push(words(&["multi"]));
        }
        self.some(6, true, &mut commands);
        commands.push(self.end());
        self.is_open[by] = false;
        Step::Burst { by, commands }
    }

    fn wait(&mut self) -> Step {
        let free: Vec<usize> = (0..ORDINARY).filter(|one| !self.is_open[*one]).collect();
        if free.len() < 2 {
            return self.transaction();
        }
        let mut free = free;
        let by = free.remove(self.draw.below(free.len()));
        let mut waiters = Vec::new();
        for _ in 0..=self.draw.below(3) {
            if free.is_empty() {
                break;
            }
            let one = free.remove(self.draw.below(free.len()));
            waiters.push((one, self.blocking()));
        }
        let mut commands = Vec::new();
        for _ in 0..=self.draw.below(3) {
            let feed = *self.draw.of(&[
                "rpush K {V}",
                "lpush K {V}",
                "lmove K K (left|right) (left|right)",
                "zadd K {F M}",
                "rename A A",
                "copy A A [replace]",
                "del {A}",
                "sort A by nosort store A",
            ]);
            let kind = match feed.as_bytes()[0] {
                b'z' => 'z',
                b'r' | b'l' if feed.contains('K') => 'l',
                _ => '*',
            };
            commands.push(of(&Line::new(kind, feed).draw(&mut self.draw)));
        }
        if self.draw.once_in(3) {
            // Of several keys that have come to hold something at once 7.0 serves from the first that was written, 7.2 from
            // the first that was named.
            commands.truncate(1);
            commands.insert(0, words(&["multi"]));
            commands.push(words(&["exec"]));
        }
        Step::Wait {
            waiters,
            by,
            commands,
            is_error: self.draw.once_in(3),
        }
    }

    fn blocking(&mut self) -> Words {
        loop {
            let line = *self.draw.of(&self.lines);
            if is_blocking(line) {
                return of(&line.draw(&mut self.draw));
            }
        }
    }

    fn listen(&mut self) -> Step {
        // The last one hears of keys, and must go on to.
        let ears = if self.settings.is_notifying { 1 } else { 2 };
        let by = ORDINARY + self.draw.below(ears);
        let commands = (0..=self.draw.below(3))
            .map(|_| {
                let line = self.draw.below(self.listening.len());
                of(&self.listening[line].draw(&mut self.draw))
            })
            .collect();
        Step::Listen { by, commands }
    }

    fn some(&mut self, most: usize, is_in_transaction: bool, commands: &mut Vec<Words>) {
        for _ in 0..=self.draw.below(most) {
            self.one(is_in_transaction, commands);
        }
    }

    /// Draws a command, with those that its answer needs before or behind it.
    fn one(&mut self, is_in_transaction: bool, commands: &mut Vec<Words>) {
        loop {
            let is_service = self.draw.once_in(8);
            let line: &Line = if is_service {
                &self.service[self.draw.below(self.service.len())]
            } else {
                self.lines[self.draw.below(self.lines.len())]
            };
            let name = line.names[0];
            let rarely = name.starts_with("flush") || ["swapdb", "reset"].contains(&name);
            if rarely && !self.draw.once_in(12) {
                continue;
            }
            let ends = ["reset", "hello", "exec", "discard", "wait", "config"].contains(&name);
            if (is_in_transaction && ends) || (!is_in_transaction && is_blocking(line)) {
                continue;
            }
            let mut command = of(&line.draw(&mut self.draw));
            if !name.ends_with("scan") && rules::is_unlike(&command) {
                continue;
            }
            if name == "set" {
                later(&mut command);
            }
            if name.ends_with("scan") {
                whole_scan(&mut command);
            }
            if !AS_THEY_ARE.contains(&name) && self.draw.once_in(16) {
                self.spoil(&mut command);
                if rules::is_unlike(&command) {
                    continue;
                }
            }
            commands.append(&mut rules::before(&command));
            let is_popped = name == "spop";
            let key = command.get(1).cloned();
            commands.push(command);
            if let (true, Some(key)) = (is_popped, key) {
                // The two have picked differently.
                commands.push(vec![b"del".to_vec(), key]);
            }
            return;
        }
    }

    fn spoil(&mut self, command: &mut Words) {
        let strange = self.draw.of(STRANGE).as_bytes().to_vec();
        match self.draw.below(6) {
            0 if command.len() > 1 => drop(command.pop()),
            1 => command.push(strange),
            2 => command[0].make_ascii_uppercase(),
            _ if command.len() > 1 => {
                let at = 1 + self.draw.below(command.len() - 1);
                command[at] = strange;
            }
            _ => {}
        }
    }
}

fn is_blocking(line: &Line) -> bool {
    command::find(line.names[0].as_bytes()).is_some_and(|command| command.blocking.is_some())
}

/// Walks everything at once: cursors are each server's own.
fn whole_scan(command: &mut Words) {
    let cursor = if command[0] == b"scan" { 1 } else { 2 };
    if let Some(word) = command.get_mut(cursor) {
        *word = b"0".to_vec();
    }
    if let Some(at) = command.iter().position(|word| word == b"count") {
        command.drain(at..(at + 2).min(command.len()));
    }
    command.extend([b"count".to_vec(), b"100000".to_vec()]);
}

/// A key that is set to have expired goes when somebody looks: the grammar's past becomes a future.
fn later(command: &mut Words) {
    for word in command {
        if word == b"1700000400" || word == b"1700000400000" {
            word[0] = b'4';
        }
    }
}
