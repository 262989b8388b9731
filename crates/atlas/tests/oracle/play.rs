//! Plays steps to both servers and compares what they answer, and now and then what they hold.

use std::collections::BTreeSet;
use std::fmt;

use atlas_resp::reply::Value;
use atlas_testkit::redis::Redis;

use crate::peer::{Answer, Peer, Words};
use crate::rules;
use crate::steps::{CONNECTIONS, ORDINARY, Settings, Step, shown};
use crate::store::Store;

/// Databases that anything is put into.
const DATABASES: usize = 7;
/// Ends what a listening connection has sent.
const MARKER: &str = "so far";

/// Where the two went apart, and how.
#[derive(Clone, Debug)]
pub(crate) struct Difference {
    pub(crate) step: usize,
    pub(crate) what: String,
}

impl fmt::Display for Difference {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "step {}: {}", self.step, self.what)
    }
}

/// What was played.
#[derive(Debug, Default)]
pub(crate) struct State {
    pub(crate) sent: usize,
    /// Messages that were heard.
    pub(crate) pushes: usize,
    /// Commands that were not refused.
    pub(crate) accepted: BTreeSet<String>,
}

/// A connection to each.
struct Pair {
    ours: Peer,
    redis: Peer,
    /// The connections' numbers.
    ids: [i64; 2],
    /// What waits for `EXEC`.
    queued: Vec<Words>,
}

impl Pair {
    fn new(store: &Store, redis: &Redis) -> Self {
        let (mut ours, mut redis) = (Peer::store(store.address), Peer::redis(&redis.socket()));
        let id = |peer: &mut Peer| match peer.run(&["client", "id"]) {
            Value::Integer(id) => id,
            other => panic!("{other:?} is no number"),
        };
        let ids = [id(&mut ours), id(&mut redis)];
        Self {
            ours,
            redis,
            ids,
            queued: Vec::new(),
        }
    }

    fn send(&mut self, commands: &[Words]) {
        self.ours.send(commands);
        self.redis.send(commands);
    }

    fn receive(&mut self) -> Result<(Answer, Answer), String> {
        let ours = self.ours.receive().map_err(|why| format!("store: {why}"));
        let redis = self.redis.receive().map_err(|why| format!("redis: {why}"));
        match (ours, redis) {
            (Ok(ours), Ok(redis)) => Ok((ours, redis)),
            (Err(ours), Ok(redis)) => Err(format!("{ours}\nredis: {}", told(&redis))),
            (Ok(ours), Err(redis)) => Err(format!("store: {}\n{redis}", told(&ours))),
            (Err(ours), Err(redis)) => Err(format!("{ours}\n{redis}")),
        }
    }

    /// Runs one command on both.
    fn both(&mut self, words: &[&[u8]]) -> Result<(Answer, Answer), String> {
        let words: Words = words.iter().map(|word| word.to_vec()).collect();
        self.send(&[words]);
        self.receive()
    }
}

fn told(answer: &Answer) -> String {
    let text = answer.bytes.escape_ascii().to_string();
    if text.len() < 2000 {
        return text;
    }
    format!("{}… ({} bytes)", &text[..2000], answer.bytes.len())
}

fn different(words: &[Vec<u8>], ours: &Answer, redis: &Answer) -> String {
    format!(
        "{}\nstore: {}\nredis: {}",
        shown(words),
        told(ours),
        told(redis)
    )
}

pub(crate) struct Player {
    pairs: Vec<Pair>,
    control: Pair,
    is_log_first: bool,
    state: State,
}

impl Player {
    pub(crate) fn new(store: &Store, redis: &Redis, settings: Settings) -> Self {
        let mut control = Pair::new(store, redis);
        let fsync = if settings.is_log_first {
            "always"
        } else {
            "no"
        };
        control.ours.run(&["config", "set", "appendfsync", fsync]);
        let notify = if settings.is_notifying { "KEA" } else { "" };
        for peer in [&mut control.ours, &mut control.redis] {
            peer.run(&["flushall"]);
            for (key, value) in [
                ("notify-keyspace-events", notify),
                ("hash-max-listpack-entries", "128"),
                ("hash-max-listpack-value", "64"),
                ("zset-max-listpack-entries", "128"),
                ("zset-max-listpack-value", "64"),
                ("set-max-intset-entries", "512"),
            ] {
                assert_eq!(
                    peer.run(&["config", "set", key, value]),
                    Value::Simple(b"OK".to_vec())
                );
            }
        }
        let mut pairs: Vec<Pair> = (0..CONNECTIONS).map(|_| Pair::new(store, redis)).collect();
        for pair in pairs.iter_mut().take(2) {
            for peer in [&mut pair.ours, &mut pair.redis] {
                peer.run(&["hello", "3"]);
            }
        }
        if settings.is_notifying {
            let ear = &mut pairs[CONNECTIONS - 1];
            for peer in [&mut ear.ours, &mut ear.redis] {
                peer.run(&["psubscribe", "__key*__:*"]);
            }
        }
        Self {
            pairs,
            control,
            is_log_first: settings.is_log_first,
            state: State::default(),
        }
    }

    pub(crate) fn step(&mut self, step: &Step) -> Result<(), String> {
        self.state.sent += step.commands().len();
        match step {
            Step::Burst { by, commands } => self.burst(*by, commands)?,
            Step::Listen { by, commands } => self.listen(*by, commands)?,
            Step::Wait {
                waiters,
                by,
                commands,
                is_error,
            } => {
                self.state.sent += waiters.len();
                self.wait(waiters, *by, commands, *is_error)?;
            }
        }
        for ear in ORDINARY..CONNECTIONS {
            self.listen(ear, &[])?;
        }
        Ok(())
    }

    pub(crate) fn finish(mut self) -> Result<State, String> {
        self.look()?;
        Ok(self.state)
    }

    fn burst(&mut self, by: usize, commands: &[Words]) -> Result<(), String> {
        self.pairs[by].send(commands);
        let mut before = Value::Null;
        for words in commands {
            let (ours, redis) = self.pairs[by]
                .receive()
                .map_err(|why| format!("{}\n{why}", shown(words)))?;
            self.answered(by, words, &ours, &redis, &before)
                .map_err(|why| format!("{by}: {why}"))?;
            before = ours.value;
        }
        Ok(())
    }

    fn answered(
        &mut self,
        by: usize,
        words: &Words,
        ours: &Answer,
        redis: &Answer,
        before: &Value,
    ) -> Result<(), String> {
        let queued = &mut self.pairs[by].queued;
        let name = rules::name(words);
        if ours.value == Value::Simple(b"QUEUED".to_vec()) && redis.value == ours.value {
            queued.push(words.clone());
            return Ok(());
        }
        let is_end = ["exec", "discard", "reset", "multi"].contains(&name.as_str());
        let queued = if is_end && !matches!(name.as_str(), "multi") {
            std::mem::take(queued)
        } else {
            Vec::new()
        };
        if let (true, Value::Array(mine), Value::Array(its)) =
            (name == "exec", &ours.value, &redis.value)
            && mine.len() == queued.len()
            && its.len() == queued.len()
        {
            let mut before = &Value::Null;
            for ((words, mine), its) in queued.iter().zip(mine).zip(its) {
                if !rules::same(rules::rule(words), mine, its, before) {
                    return Err(format!(
                        "in a transaction: {}",
                        different(words, ours, redis)
                    ));
                }
                if !matches!(mine, Value::Error(_)) {
                    self.state.accepted.insert(rules::name(words));
                }
                before = mine;
            }
        } else if !rules::agree(words, ours, redis, before) {
            return Err(different(words, ours, redis));
        }
        if !matches!(ours.value, Value::Error(_)) {
            self.state.accepted.insert(name);
        }
        Ok(())
    }

    /// Sends what a listening connection sends, and reads all that has come for it so far.
    fn listen(&mut self, by: usize, commands: &[Words]) -> Result<(), String> {
        let mut all = commands.to_vec();
        all.push(vec![b"ping".to_vec(), MARKER.as_bytes().to_vec()]);
        let pair = &mut self.pairs[by];
        pair.send(&all);
        let mut heard = [(); 2].map(|()| (Vec::new(), Vec::new()));
        for (peer, (messages, replies)) in [&mut pair.ours, &mut pair.redis]
            .into_iter()
            .zip(&mut heard)
        {
            loop {
                let answer = peer.receive()?;
                if is_marker(&answer.value) {
                    break;
                }
                match kind(&answer.value) {
                    Some(b"message" | b"pmessage") if rules::is_of_expiry(&answer.bytes) => {}
                    Some(b"message" | b"pmessage") => messages.push(answer.bytes),
                    // In which order one leaves all channels is open.
                    Some(b"unsubscribe" | b"punsubscribe") => {
                        let (Value::Array(parts) | Value::Push(parts)) = &answer.value else {
                            continue;
                        };
                        replies.push(format!("{:?}", &parts[..2]).into_bytes());
                    }
                    _ if matches!(&answer.value, Value::Map(_)) || is_hello(&answer.value) => {
                        replies.push(b"hello".to_vec());
                    }
                    _ => replies.push(answer.bytes),
                }
            }
            messages.sort();
            if commands
                .iter()
                .any(|words| words[0].ends_with(b"unsubscribe"))
            {
                replies.sort();
            }
        }
        let [ours, redis] = &heard;
        self.state.pushes += ours.0.len();
        if ours == redis {
            return Ok(());
        }
        let text = |(messages, replies): &(Vec<Vec<u8>>, Vec<Vec<u8>>)| {
            let all: Vec<String> = messages
                .iter()
                .chain(replies)
                .map(|bytes| bytes.escape_ascii().to_string())
                .collect();
            all.join("\n  ")
        };
        Err(format!(
            "{by} heard\nstore:\n  {}\nredis:\n  {}",
            text(ours),
            text(redis)
        ))
    }

    fn wait(
        &mut self,
        waiters: &[(usize, Words)],
        by: usize,
        commands: &[Words],
        is_error: bool,
    ) -> Result<(), String> {
        for (waiter, words) in waiters {
            self.pairs[*waiter].send(std::slice::from_ref(words));
            // Both have looked at it when they answer this.
            self.control.both(&[b"ping"])?;
        }
        self.burst(by, commands)?;
        if self.is_log_first {
            // What is on its way to the disk decides who waits: it has arrived when this has.
            self.control.both(&[b"set", b"barrier", b""])?;
            self.control.both(&[b"del", b"barrier"])?;
        }
        for (waiter, words) in waiters {
            let how: &[u8] = if is_error { b"error" } else { b"timeout" };
            let [ours, redis] = self.pairs[*waiter].ids.map(|id| id.to_string());
            let unblock = |id: &str| -> Words {
                vec![
                    b"client".to_vec(),
                    b"unblock".to_vec(),
                    id.into(),
                    how.into(),
                ]
            };
            self.control.ours.send([&unblock(&ours)]);
            self.control.redis.send([&unblock(&redis)]);
            let (ours, redis) = self.control.receive()?;
            // The record that serves one who is unblocked may be on its way to the disk.
            let unblocked = self.is_log_first || ours.value == redis.value;
            let (ours, redis) = self.pairs[*waiter]
                .receive()
                .map_err(|why| format!("{waiter} waits: {}\n{why}", shown(words)))?;
            if !unblocked {
                return Err(format!(
                    "{waiter} waits on one only: {}",
                    different(words, &ours, &redis)
                ));
            }
            self.answered(*waiter, words, &ours, &redis, &Value::Null)
                .map_err(|why| format!("{waiter} waited: {why}"))?;
        }
        Ok(())
    }

    /// Compares all that both hold.
    pub(crate) fn look(&mut self) -> Result<(), String> {
        for database in 0..DATABASES {
            self.look_into(database)
                .map_err(|why| format!("database {database}: {why}"))?;
        }
        Ok(())
    }

    fn look_into(&mut self, database: usize) -> Result<(), String> {
        let control = &mut self.control;
        control.both(&[b"select", database.to_string().as_bytes()])?;
        let (ours, redis) = control.both(&[b"keys", b"*"])?;
        let (mine, its) = (names(&ours.value), names(&redis.value));
        if mine != its {
            let only = |one: &BTreeSet<Vec<u8>>, other: &BTreeSet<Vec<u8>>| -> String {
                let only: Vec<String> = one
                    .difference(other)
                    .map(|key| key.escape_ascii().to_string())
                    .collect();
                only.join(" ")
            };
            return Err(format!(
                "only the store has [{}], only redis [{}]",
                only(&mine, &its),
                only(&its, &mine)
            ));
        }
        for key in &mine {
            let (ours, redis) = control.both(&[b"type", key])?;
            let read: Vec<&[u8]> = match &ours.value {
                Value::Simple(name) if name == b"string" => vec![b"get", key],
                Value::Simple(name) if name == b"list" => vec![b"lrange", key, b"0", b"-1"],
                Value::Simple(name) if name == b"hash" => vec![b"hgetall", key],
                Value::Simple(name) if name == b"set" => vec![b"smembers", key],
                Value::Simple(name) if name == b"zset" => {
                    vec![b"zrange", key, b"0", b"-1", b"withscores"]
                }
                other => vec![b"echo", if *other == Value::Null { b"" } else { key }],
            };
            agree(&[b"type", key], &ours, &redis)?;
            for line in [&read[..], &[b"pttl", key], &[b"object", b"encoding", key]] {
                let (ours, redis) = control.both(line)?;
                agree(line, &ours, &redis)?;
            }
        }
        Ok(())
    }
}

fn agree(line: &[&[u8]], ours: &Answer, redis: &Answer) -> Result<(), String> {
    let words: Words = line.iter().map(|word| word.to_vec()).collect();
    if rules::agree(&words, ours, redis, &Value::Null) {
        return Ok(());
    }
    Err(format!("looking: {}", different(&words, ours, redis)))
}

fn names(value: &Value) -> BTreeSet<Vec<u8>> {
    let Value::Array(values) = value else {
        return BTreeSet::new();
    };
    values
        .iter()
        .filter_map(Value::as_bytes)
        .map(<[u8]>::to_vec)
        .collect()
}

/// The first word of a message or of what is said about a channel.
fn kind(value: &Value) -> Option<&[u8]> {
    match value {
        Value::Array(values) | Value::Push(values) => values.first()?.as_bytes(),
        _ => None,
    }
}

fn is_hello(value: &Value) -> bool {
    kind(value) == Some(b"server")
}

fn is_marker(value: &Value) -> bool {
    let bytes = match value {
        Value::Array(values) if values.len() == 2 => values[1].as_bytes(),
        other => other.as_bytes(),
    };
    bytes == Some(MARKER.as_bytes())
}
