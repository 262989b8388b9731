//! The store's clients: many connections in one thread, with pipelines, as fast as they are answered or at a given rate.

use std::io::{ErrorKind, Read, Write};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;
use mio::net::TcpStream;
use mio::{Events, Interest, Poll, Token};

use crate::{Error, process};

/// Bytes of a key: `key:` and a number.
pub const KEY_BYTES: usize = 16;
/// Bytes of one read.
const SCRATCH_BYTES: usize = 64 << 10;
/// How long connecting, and the last answers, may take.
const PATIENCE: Duration = Duration::from_secs(60);

/// What a client asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Command {
    /// Writes a value under a random key.
    Set,
    /// Reads the value of a random key, which must be there.
    Get,
}

/// Clients that do the same.
#[derive(Debug, Clone)]
pub struct Group {
    /// What they ask.
    pub command: Command,
    /// How many they are.
    pub connections: usize,
    /// Commands that each sends at once; the next ones follow when all are answered.
    pub pipeline: usize,
    /// Commands a second of all of them together, sent when they are due whether or not others are late (open loop);
    /// none: each sends again as soon as it is answered (closed loop).
    pub rate: Option<f64>,
}

impl Group {
    /// Clients that send again as soon as they are answered.
    pub fn closed(command: Command, connections: usize, pipeline: usize) -> Self {
        Self {
            command,
            connections,
            pipeline,
            rate: None,
        }
    }

    /// Clients that send single commands at a rate.
    pub fn open(command: Command, connections: usize, rate: f64) -> Self {
        Self {
            command,
            connections,
            pipeline: 1,
            rate: Some(rate),
        }
    }
}

/// The keys that there are.
#[derive(Debug, Clone, Copy)]
pub struct Keys {
    /// How many.
    pub count: u64,
    /// Bytes of each value.
    pub value_bytes: usize,
}

/// What a while of commands gave, for one group.
#[derive(Debug, Clone)]
pub struct Answered {
    /// Commands that were answered.
    pub commands: u64,
    /// Nanoseconds from the moment a pipeline was sent, or was due, to its last answer.
    pub latency: Histogram<u64>,
}

/// What a while of commands gave.
#[derive(Debug, Clone)]
pub struct Measured {
    /// For each group.
    pub groups: Vec<Answered>,
    /// How long it was measured.
    pub lasted: Duration,
    /// Processor time that the watched process and its children used meanwhile.
    pub cpu: Duration,
}

impl Measured {
    /// Commands of all groups.
    pub fn commands(&self) -> u64 {
        self.groups.iter().map(|group| group.commands).sum()
    }

    /// Commands a second of all groups.
    pub fn rate(&self) -> f64 {
        self.commands() as f64 / self.lasted.as_secs_f64()
    }

    /// Microseconds of processor time a command.
    pub fn cpu_us(&self) -> f64 {
        self.cpu.as_secs_f64() * 1e6 / self.commands().max(1) as f64
    }
}

/// Connected clients.
pub struct Clients {
    poll: Poll,
    groups: Vec<Plan>,
    clients: Vec<Client>,
    random: u64,
}

/// A group with what its clients send and expect.
struct Plan {
    group: Group,
    /// A whole pipeline; the digits of its keys are written anew each time.
    request: Vec<u8>,
    /// Where the digits of each key are.
    digits: Vec<usize>,
    /// What all the answers of a pipeline are.
    answer: Vec<u8>,
    keys: u64,
    /// Time between two commands of one client.
    interval: Duration,
}

struct Client {
    stream: TcpStream,
    group: usize,
    /// Bytes of the answer that have come.
    received: usize,
    is_waiting: bool,
    /// When what it waits for was sent, or was due.
    since: Instant,
    due: Instant,
}

impl Clients {
    /// Connects all groups.
    ///
    /// # Errors
    /// If a client is refused.
    pub fn connect(address: SocketAddr, keys: Keys, groups: &[Group]) -> Result<Self, Error> {
        let poll = Poll::new().map_err(Error::system("make a poll"))?;
        let mut clients = Vec::new();
        let now = Instant::now();
        for (at, group) in groups.iter().enumerate() {
            for _ in 0..group.connections {
                // Blocking, so that no listener's queue overflows.
                let stream = std::net::TcpStream::connect(address)
                    .and_then(|stream| {
                        stream.set_nodelay(true)?;
                        stream.set_nonblocking(true)?;
                        Ok(stream)
                    })
                    .map_err(Error::system(format!("dial {address}")))?;
                let mut stream = TcpStream::from_std(stream);
                poll.registry()
                    .register(&mut stream, Token(clients.len()), Interest::READABLE)
                    .map_err(Error::system("watch a connection"))?;
                clients.push(Client {
                    stream,
                    group: at,
                    received: 0,
                    is_waiting: false,
                    since: now,
                    due: now,
                });
            }
        }
        Ok(Self {
            poll,
            groups: groups
                .iter()
                .map(|group| Plan::new(group.clone(), keys))
                .collect(),
            clients,
            random: 0x9e37_79b9_7f4a_7c15,
        })
    }

    /// Lets the clients work: for `warm_up` without looking, then measured until `is_over` says so (asked twenty times
    /// a second). `watched` is the process whose processor time is taken.
    ///
    /// # Errors
    /// If a connection ends, an answer is not what it has to be, or the last answers do not come.
    pub fn measure(
        &mut self,
        watched: u32,
        warm_up: Duration,
        mut is_over: impl FnMut(Duration) -> bool,
    ) -> Result<Measured, Error> {
        let mut events = Events::with_capacity(1024);
        let mut scratch = vec![0; SCRATCH_BYTES];
        let start = Instant::now();
        for client in &mut self.clients {
            // Clients of a rate do not all send at once: each has its share of the interval.
            let plan = &self.groups[client.group];
            let share = plan.interval.mul_f64(fraction(&mut self.random));
            client.due = start + share;
        }
        while start.elapsed() < warm_up {
            self.turn(&mut events, &mut scratch, true, |_, _, _| ())?;
        }
        let mut groups: Vec<Answered> = self
            .groups
            .iter()
            .map(|_| Answered {
                commands: 0,
                latency: Histogram::new_with_bounds(1000, 120_000_000_000, 3)
                    .expect("the bounds are in order"),
            })
            .collect();
        let (began, cpu_before) = (Instant::now(), process::cpu_time(watched));
        let mut asked = began;
        loop {
            self.turn(
                &mut events,
                &mut scratch,
                true,
                |group, commands, nanoseconds| {
                    groups[group].commands += commands;
                    groups[group].latency.saturating_record(nanoseconds);
                },
            )?;
            if asked.elapsed() >= Duration::from_millis(50) {
                asked = Instant::now();
                if is_over(began.elapsed()) {
                    break;
                }
            }
        }
        let (lasted, cpu_after) = (began.elapsed(), process::cpu_time(watched));
        let deadline = Instant::now() + PATIENCE;
        while self.clients.iter().any(|client| client.is_waiting) {
            self.turn(&mut events, &mut scratch, false, |_, _, _| ())?;
            if Instant::now() > deadline {
                return Err(Error::Late {
                    what: "the last answer".into(),
                    seconds: PATIENCE.as_secs(),
                });
            }
        }
        Ok(Measured {
            groups,
            lasted,
            cpu: cpu_after.saturating_sub(cpu_before),
        })
    }

    /// Sends what is due and takes what has come; `answered` hears of each pipeline its group, its commands and how
    /// long it took.
    fn turn(
        &mut self,
        events: &mut Events,
        scratch: &mut [u8],
        sends: bool,
        mut answered: impl FnMut(usize, u64, u64),
    ) -> Result<(), Error> {
        let has_rate = self.groups.iter().any(|plan| plan.group.rate.is_some());
        if sends {
            let now = Instant::now();
            for client in &mut self.clients {
                let plan = &mut self.groups[client.group];
                if client.is_waiting || (plan.group.rate.is_some() && client.due > now) {
                    continue;
                }
                let since = if plan.group.rate.is_some() {
                    client.due
                } else {
                    now
                };
                client.send(plan, &mut self.random, since)?;
            }
        }
        // Due moments are closer together than a poll's clock can tell: this core is ours, so ask all the time.
        let patience = if has_rate && sends {
            Duration::ZERO
        } else {
            Duration::from_millis(20)
        };
        match self.poll.poll(events, Some(patience)) {
            Err(source) if source.kind() != ErrorKind::Interrupted => {
                return Err(Error::System {
                    action: "poll".into(),
                    source,
                });
            }
            _ => {}
        }
        for event in &*events {
            let client = &mut self.clients[event.token().0];
            let plan = &mut self.groups[client.group];
            if !client.receive(plan, scratch)? {
                continue;
            }
            let now = Instant::now();
            let took = now.saturating_duration_since(client.since).as_nanos();
            let took = u64::try_from(took).unwrap_or(u64::MAX);
            answered(client.group, plan.group.pipeline as u64, took);
            if sends && plan.group.rate.is_none() {
                client.send(plan, &mut self.random, now)?;
            }
        }
        Ok(())
    }
}

impl Plan {
    fn new(group: Group, keys: Keys) -> Self {
        let value = vec![b'v'; keys.value_bytes];
        let mut request = Vec::new();
        let mut digits = Vec::new();
        let mut answer = Vec::new();
        for _ in 0..group.pipeline {
            let (words, name): (_, &[u8]) = match group.command {
                Command::Set => (3, b"SET"),
                Command::Get => (2, b"GET"),
            };
            request.extend_from_slice(format!("*{words}\r\n$3\r\n").as_bytes());
            request.extend_from_slice(name);
            request.extend_from_slice(format!("\r\n${KEY_BYTES}\r\nkey:").as_bytes());
            digits.push(request.len());
            request.extend_from_slice(b"000000000000\r\n");
            match group.command {
                Command::Set => {
                    request.extend_from_slice(format!("${}\r\n", value.len()).as_bytes());
                    request.extend_from_slice(&value);
                    request.extend_from_slice(b"\r\n");
                    answer.extend_from_slice(b"+OK\r\n");
                }
                Command::Get => {
                    answer.extend_from_slice(format!("${}\r\n", value.len()).as_bytes());
                    answer.extend_from_slice(&value);
                    answer.extend_from_slice(b"\r\n");
                }
            }
        }
        let interval = group.rate.map_or(Duration::ZERO, |rate| {
            Duration::from_secs_f64(group.connections as f64 / rate)
        });
        Self {
            group,
            request,
            digits,
            answer,
            keys: keys.count,
            interval,
        }
    }
}

impl Client {
    fn send(&mut self, plan: &mut Plan, random: &mut u64, since: Instant) -> Result<(), Error> {
        for &at in &plan.digits {
            let mut number = next(random) % plan.keys.max(1);
            for digit in plan.request[at..at + KEY_BYTES - 4].iter_mut().rev() {
                *digit = b'0' + (number % 10) as u8;
                number /= 10;
            }
        }
        self.since = since;
        self.due = since + plan.interval;
        self.is_waiting = true;
        self.received = 0;
        // One pipeline is under way at a time: the socket's buffer has room for it.
        match self.stream.write(&plan.request) {
            Ok(written) if written == plan.request.len() => Ok(()),
            Ok(written) => Err(Error::peer(
                "a client",
                format!("could send only {written} bytes"),
            )),
            Err(source) => Err(Error::System {
                action: "send a command".into(),
                source,
            }),
        }
    }

    /// True once the whole answer has come and is what it should be.
    fn receive(&mut self, plan: &Plan, scratch: &mut [u8]) -> Result<bool, Error> {
        loop {
            let read = match self.stream.read(scratch) {
                Ok(0) => return Err(Error::peer("a client", "was disconnected")),
                Ok(read) => read,
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(false),
                Err(source) => {
                    return Err(Error::System {
                        action: "read an answer".into(),
                        source,
                    });
                }
            };
            let expected = &plan.answer[self.received..];
            if expected.get(..read) != Some(&scratch[..read]) {
                let got = scratch[..read.min(100)].escape_ascii();
                return Err(Error::peer(
                    "a client",
                    format!("got another answer: {got}"),
                ));
            }
            self.received += read;
            if self.received == plan.answer.len() {
                self.is_waiting = false;
                return Ok(true);
            }
        }
    }
}

/// The next random number: splitmix64.
fn next(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut mixed = *state;
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

fn fraction(state: &mut u64) -> f64 {
    (next(state) >> 11) as f64 / (1_u64 << 53) as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pipeline_has_a_key_for_each_command() {
        let keys = Keys {
            count: 10,
            value_bytes: 3,
        };
        let plan = Plan::new(Group::closed(Command::Set, 1, 2), keys);
        let one = "*3\r\n$3\r\nSET\r\n$16\r\nkey:000000000000\r\n$3\r\nvvv\r\n";
        assert_eq!(plan.request, format!("{one}{one}").as_bytes());
        assert_eq!(plan.answer, b"+OK\r\n+OK\r\n");
        assert_eq!(plan.digits.len(), 2);
        let plan = Plan::new(Group::closed(Command::Get, 1, 1), keys);
        assert_eq!(
            plan.request,
            b"*2\r\n$3\r\nGET\r\n$16\r\nkey:000000000000\r\n"
        );
        assert_eq!(plan.answer, b"$3\r\nvvv\r\n");
    }

    #[test]
    fn a_rate_is_shared_by_its_clients() {
        let keys = Keys {
            count: 10,
            value_bytes: 3,
        };
        let plan = Plan::new(Group::open(Command::Get, 20, 2000.0), keys);
        assert_eq!(plan.interval, Duration::from_millis(10));
    }
}
