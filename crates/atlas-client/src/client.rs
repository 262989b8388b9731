//! The client: routes commands, follows redirects, and asks again where that is safe.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use atlas_resp::reply::Value;
use bytes::Bytes;
use tokio::sync::{Mutex, Semaphore};
use tokio::time::{Instant, sleep, timeout_at};

use crate::address::Address;
use crate::command::Command;
use crate::config::Config;
use crate::connect::Connect;
use crate::dedicated::Dedicated;
use crate::error::{Error, Refusal};
use crate::handshake;
use crate::multiplexed::{Cause, Lost};
use crate::node::{Node, pause};
use crate::subscriber::Subscriber;
use crate::topology::Topology;

/// Lets a server take a command for a slot that is on its way to it.
const ASKING: &[u8] = b"*1\r\n$6\r\nASKING\r\n";

/// How often the whole map of a cluster is asked for, at most.
const MAP_INTERVAL: Duration = Duration::from_secs(1);

/// A client of one store: one server or one cluster. Clones share its connections.
#[derive(Clone)]
pub struct Client {
    shared: Arc<Shared>,
}

pub(crate) struct Shared {
    pub(crate) config: Config,
    pub(crate) connector: Box<dyn Connect>,
    topology: Topology,
    dedicated: Arc<Semaphore>,
    /// When the map of the cluster was last asked for; held by whoever asks.
    mapped: Mutex<Option<Instant>>,
}

/// Commands that travel together.
struct Request {
    bytes: Bytes,
    expected: usize,
    slot: Option<u16>,
    repeatable: bool,
    /// Whether the server does all of them or, if it refuses the first, none: then a redirect of the first is one of all.
    whole: bool,
}

/// What to do about an answer.
enum Next {
    Done,
    /// Ask this server, which has the slot from now on.
    Moved(u16, Address),
    /// Ask this server, this once.
    Ask(Address),
    /// The same again, a little later.
    Later,
}

impl Client {
    /// A client; it connects when it is asked something.
    ///
    /// # Errors
    /// [`Error::Config`].
    pub fn new(config: Config, connector: impl Connect) -> Result<Self, Error> {
        config.check()?;
        Ok(Self {
            shared: Arc::new(Shared {
                dedicated: Arc::new(Semaphore::new(config.dedicated_max)),
                config,
                connector: Box::new(connector),
                topology: Topology::new(),
                mapped: Mutex::new(None),
            }),
        })
    }

    /// Sends a command and waits for its answer.
    ///
    /// # Errors
    /// [`Error::Refused`] if the server says no, [`Error::OutcomeUnknown`] if it was sent and nothing came back;
    /// otherwise it was not done.
    pub async fn call(&self, command: &Command) -> Result<Value, Error> {
        let request = Request::new(&[], std::slice::from_ref(command), &[]);
        let values = self.shared.answers(request).await?;
        values.into_iter().next().map_or(Ok(Value::Null), judged)
    }

    /// Sends commands together and waits for all answers: one way to the server and back for all of them. They go where
    /// the first one's key says; in a cluster, those that belong elsewhere are sent there one by one.
    ///
    /// # Errors
    /// As [`call`](Self::call), about all of them; a command that was refused has its refusal in its place.
    pub async fn pipeline(
        &self,
        commands: &[Command],
    ) -> Result<Vec<Result<Value, Refusal>>, Error> {
        if commands.is_empty() {
            return Ok(Vec::new());
        }
        let mut request = Request::new(&[], commands, &[]);
        request.whole = false;
        let values = self.shared.answers(request).await?;
        let mut results = Vec::with_capacity(values.len());
        for (value, command) in values.into_iter().zip(commands) {
            let result = match value {
                // The server did not do it.
                Value::Error(text) if is_redirect(&text) => self.call(command).await,
                value => judged(value),
            };
            results.push(match result {
                Ok(value) => Ok(value),
                Err(Error::Refused(refusal)) => Err(refusal),
                Err(error) => return Err(error),
            });
        }
        Ok(results)
    }

    /// Does commands as one, between `MULTI` and `EXEC`: all or none, and nobody's in between. Their keys must lie in one
    /// slot.
    ///
    /// # Errors
    /// As [`call`](Self::call); [`Error::Refused`] with the first refusal if the server took none of them.
    pub async fn transaction(
        &self,
        commands: &[Command],
    ) -> Result<Vec<Result<Value, Refusal>>, Error> {
        let (multi, exec) = (Command::new("MULTI"), Command::new("EXEC"));
        let request = Request::new(&[multi], commands, &[exec]);
        let values = self.shared.answers(request).await?;
        executed(values)
    }

    /// A connection of the caller's own to the server of a key (to any, without one), for commands that block, for
    /// `WATCH`, and for whatever changes the connection. It closes when it is dropped. Redirects are not followed on it:
    /// when a slot has moved, the caller is refused with `MOVED` and asks for another.
    ///
    /// # Errors
    /// [`Error::Busy`] if there are [`dedicated_max`](Config::dedicated_max) already and none is dropped in time,
    /// [`Error::Connect`] or [`Error::Refused`] if it cannot be made.
    pub async fn dedicated(&self, key: Option<&[u8]>) -> Result<Dedicated, Error> {
        let shared = &self.shared;
        let began = Instant::now();
        let deadline = began + shared.config.response_timeout;
        let permit = timeout_at(deadline, Arc::clone(&shared.dedicated).acquire_owned()).await;
        let Ok(Ok(permit)) = permit else {
            return Err(Error::Busy {
                waited: began.elapsed(),
            });
        };
        if let Some(key) = key {
            // Only an answer about the key shows where it lies; a refusal of the question itself does not matter.
            match self
                .call(&Command::new("EXISTS").key(key).repeatable())
                .await
            {
                Ok(_) | Err(Error::Refused(_)) => {}
                Err(error) => return Err(error),
            }
        }
        let slot = key.map(crate::slot::slot);
        let mut failures = 0;
        loop {
            let node = shared.topology.route(slot, &shared.config)?;
            match handshake::connect(&*shared.connector, &node.address, &shared.config).await {
                Ok(wire) => return Ok(Dedicated::new(wire, permit)),
                Err(error) => {
                    shared.topology.forget(&node, &shared.config);
                    shared.wait_after(error, &mut failures, deadline).await?;
                }
            }
        }
    }

    /// A connection for the messages of channels. It counts as a dedicated one, and connects when it is first asked.
    pub fn subscriber(&self) -> Subscriber {
        Subscriber::new(self.clone())
    }

    /// What the client was made with.
    pub fn config(&self) -> &Config {
        &self.shared.config
    }
}

impl Shared {
    /// Sends a request until it is answered, refused for good, or can no longer be sent safely.
    async fn answers(&self, mut request: Request) -> Result<Vec<Value>, Error> {
        if request.bytes.len() > self.config.request_bytes_max {
            return Err(Error::TooLarge {
                bytes: request.bytes.len(),
                request_bytes_max: self.config.request_bytes_max,
            });
        }
        let deadline = Instant::now() + self.config.response_timeout;
        let mut asking = None;
        let (mut failures, mut redirects) = (0, 0);
        loop {
            let node = match &asking {
                Some(node) => Arc::clone(node),
                None => self.topology.route(request.slot, &self.config)?,
            };
            let values = match self
                .attempt(&node, &request, asking.is_some(), deadline)
                .await
            {
                Ok(values) => values,
                Err(Failure::Final(error)) => return Err(error),
                Err(Failure::Again(error)) => {
                    asking = None;
                    self.topology.forget(&node, &self.config);
                    self.wait_after(error, &mut failures, deadline).await?;
                    continue;
                }
            };
            asking = None;
            let next = next(&values, &request, &node.address);
            if !matches!(next, Next::Done) {
                redirects += 1;
                if redirects > self.config.redirects_max {
                    return Err(match first_refusal(&values) {
                        Some(refusal) if matches!(next, Next::Later) => Error::Refused(refusal),
                        _ => Error::Redirects {
                            redirects_max: self.config.redirects_max,
                        },
                    });
                }
            }
            match next {
                Next::Done => return Ok(values),
                Next::Moved(slot, address) => {
                    let target = self.topology.node(&address, &self.config)?;
                    self.topology.learn(slot, &target);
                    request.slot = Some(slot);
                    self.learn_map(&target, deadline).await;
                }
                Next::Ask(address) => asking = Some(self.topology.node(&address, &self.config)?),
                Next::Later => {
                    let until = Instant::now() + pause(&self.config, redirects);
                    if until >= deadline {
                        return Ok(values);
                    }
                    tokio::time::sleep_until(until).await;
                }
            }
        }
    }

    /// Sends a request once.
    async fn attempt(
        &self,
        node: &Arc<Node>,
        request: &Request,
        asking: bool,
        deadline: Instant,
    ) -> Result<Vec<Value>, Failure> {
        let connected = node.handle(&*self.connector, &self.config);
        let handle = match timeout_at(deadline, connected).await {
            Ok(result) => result.map_err(Failure::of_connecting)?,
            Err(_) => {
                return Err(Failure::Final(Error::Connect {
                    address: node.address.clone(),
                    source: Arc::new(io::ErrorKind::TimedOut.into()),
                }));
            }
        };
        let room = match timeout_at(deadline, handle.room(request.bytes.len())).await {
            Ok(result) => result.map_err(|lost| self.lost(node, &lost, request.repeatable))?,
            Err(_) => {
                return Err(Failure::Final(Error::Busy {
                    waited: self.config.response_timeout,
                }));
            }
        };
        let (prefix, expected) = if asking {
            (ASKING, request.expected + 1)
        } else {
            (&b""[..], request.expected)
        };
        let answered = handle.call(prefix, request.bytes.clone(), expected, room);
        let mut values = match timeout_at(deadline, answered).await {
            Ok(Ok(values)) => values,
            Ok(Err(lost)) => return Err(self.lost(node, &lost, request.repeatable)),
            Err(_) => {
                return Err(Failure::Final(Error::OutcomeUnknown {
                    address: node.address.clone(),
                    source: Arc::new(io::ErrorKind::TimedOut.into()),
                }));
            }
        };
        if asking {
            values.remove(0);
        }
        Ok(values)
    }

    /// A request whose connection was lost: again if that is safe.
    fn lost(&self, node: &Arc<Node>, lost: &Lost, repeatable: bool) -> Failure {
        let address = node.address.clone();
        let error = match &lost.cause {
            Cause::Malformed(source) => {
                return Failure::Final(Error::Malformed {
                    address,
                    source: *source,
                });
            }
            Cause::Io(source) if lost.sent => Error::OutcomeUnknown {
                address,
                source: Arc::clone(source),
            },
            Cause::Io(source) => Error::Connect {
                address,
                source: Arc::clone(source),
            },
        };
        if !lost.sent || repeatable {
            Failure::Again(error)
        } else {
            Failure::Final(error)
        }
    }

    /// Pauses after a failure; the failure itself if there is no time for another attempt.
    async fn wait_after(
        &self,
        error: Error,
        failures: &mut u32,
        deadline: Instant,
    ) -> Result<(), Error> {
        let for_good = !matches!(error, Error::Connect { .. } | Error::OutcomeUnknown { .. });
        let pause = pause(&self.config, *failures);
        if for_good || Instant::now() + pause >= deadline {
            return Err(error);
        }
        *failures += 1;
        sleep(pause).await;
        Ok(())
    }

    /// Asks a server for the whole map, unless somebody does or just did. Without an answer nothing changes.
    async fn learn_map(&self, node: &Arc<Node>, deadline: Instant) {
        let Ok(mut mapped) = self.mapped.try_lock() else {
            return;
        };
        if mapped.is_some_and(|at| at.elapsed() < MAP_INTERVAL) {
            return;
        }
        *mapped = Some(Instant::now());
        let command = Command::new("CLUSTER").arg("SLOTS");
        let request = Request::new(&[], &[command], &[]);
        if let Ok(values) = self.attempt(node, &request, false, deadline).await
            && let Some(value) = values.first()
        {
            let _ = self.topology.learn_all(value, &node.address, &self.config);
        }
    }
}

/// A request that was not answered.
enum Failure {
    Final(Error),
    Again(Error),
}

impl Failure {
    fn of_connecting(error: Error) -> Self {
        match error {
            Error::Connect { .. } => Self::Again(error),
            error => Self::Final(error),
        }
    }
}

impl Request {
    fn new(before: &[Command], commands: &[Command], behind: &[Command]) -> Self {
        let mut bytes = Vec::new();
        for command in before.iter().chain(commands).chain(behind) {
            command.encode(&mut bytes);
        }
        Self {
            bytes: bytes.into(),
            expected: before.len() + commands.len() + behind.len(),
            slot: commands.iter().find_map(Command::slot),
            repeatable: commands.iter().all(Command::is_repeatable),
            whole: true,
        }
    }
}

/// What the answers ask for.
fn next(values: &[Value], request: &Request, asked: &Address) -> Next {
    if !request.whole {
        return Next::Done;
    }
    let refusal = values.iter().find_map(|value| match value {
        Value::Error(text) => Some(text.as_slice()),
        _ => None,
    });
    let Some(text) = refusal.and_then(|text| std::str::from_utf8(text).ok()) else {
        return Next::Done;
    };
    let mut words = text.split(' ');
    let code = words.next().unwrap_or_default();
    let mut place = || {
        let slot = words.next()?.parse().ok()?;
        let address = Address::of_redirect(words.next()?, asked)?;
        Some((slot, address))
    };
    match code {
        // A transaction over several slots would be sent back and forth.
        "MOVED" => match place() {
            Some((slot, address)) if request.slot.is_none_or(|own| own == slot) => {
                Next::Moved(slot, address)
            }
            _ => Next::Done,
        },
        "ASK" => place().map_or(Next::Done, |(_, address)| Next::Ask(address)),
        "TRYAGAIN" | "CLUSTERDOWN" | "LOADING" | "MASTERDOWN" => Next::Later,
        _ => Next::Done,
    }
}

fn is_redirect(text: &[u8]) -> bool {
    [
        &b"MOVED "[..],
        b"ASK ",
        b"TRYAGAIN",
        b"CLUSTERDOWN",
        b"LOADING",
        b"MASTERDOWN",
    ]
    .iter()
    .any(|code| text.starts_with(code))
}

fn first_refusal(values: &[Value]) -> Option<Refusal> {
    values.iter().find_map(|value| match value {
        Value::Error(text) => Some(Refusal::new(text)),
        _ => None,
    })
}

fn judged(value: Value) -> Result<Value, Error> {
    match value {
        Value::Error(text) => Err(Error::Refused(Refusal::new(&text))),
        value => Ok(value),
    }
}

/// The answers inside `EXEC`'s, which is the last of a transaction's.
pub(crate) fn executed(mut values: Vec<Value>) -> Result<Vec<Result<Value, Refusal>>, Error> {
    let exec = values.pop();
    match exec {
        Some(Value::Array(results)) => Ok(results
            .into_iter()
            .map(|value| match value {
                Value::Error(text) => Err(Refusal::new(&text)),
                value => Ok(value),
            })
            .collect()),
        Some(Value::Null) => Err(Error::Aborted),
        // What was wrong with a command says more than that EXEC did nothing because of it.
        Some(Value::Error(text)) => Err(Error::Refused(
            first_refusal(&values).unwrap_or_else(|| Refusal::new(&text)),
        )),
        _ => Err(Error::Refused(Refusal::new(b"ERR EXEC answered no array"))),
    }
}
