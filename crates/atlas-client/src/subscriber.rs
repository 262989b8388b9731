//! Messages of channels.

use std::collections::BTreeSet;
use std::io;
use std::time::Duration;

use atlas_resp::reply::Value;
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::{Instant, sleep, timeout_at};

use crate::client::Client;
use crate::command::Command;
use crate::error::Error;
use crate::node::pause;
use crate::wire::Wire;

/// What a subscriber hears.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// Somebody published something.
    Message {
        /// Where.
        channel: Vec<u8>,
        /// The pattern that it was heard by, if it was one.
        pattern: Option<Vec<u8>>,
        /// What.
        payload: Vec<u8>,
    },
    /// From here on everything that was subscribed to is heard.
    Subscribed {
        /// True if the connection was lost before: **what was published in between is missing**.
        gap: bool,
    },
}

/// Hears channels and patterns over a connection of its own, which is made again when it breaks.
///
/// There is no buffer here: what is not asked for waits in the server, which cuts off who falls too far behind; then
/// [`Event::Subscribed`] tells of a gap.
pub struct Subscriber {
    client: Client,
    channels: BTreeSet<Vec<u8>>,
    patterns: BTreeSet<Vec<u8>>,
    connection: Option<Connection>,
    /// Whether there was a connection before this one.
    lost: bool,
    failures: u32,
}

struct Connection {
    wire: Wire,
    _permit: OwnedSemaphorePermit,
    /// Confirmations of subscriptions that are still to come before all is heard.
    awaited: usize,
    /// Whether another connection was lost before this one confirmed everything.
    gap: bool,
    /// When the server last said something.
    heard: Instant,
    /// Whether it was asked if it is there.
    asked: bool,
}

impl Subscriber {
    pub(crate) fn new(client: Client) -> Self {
        Self {
            client,
            channels: BTreeSet::new(),
            patterns: BTreeSet::new(),
            connection: None,
            lost: false,
            failures: 0,
        }
    }

    /// Adds a channel. It is asked for with the next call of [`next`](Self::next).
    pub fn subscribe(&mut self, channel: impl AsRef<[u8]>) {
        if self.channels.insert(channel.as_ref().to_vec()) {
            self.ask("SUBSCRIBE", channel.as_ref());
        }
    }

    /// Adds a pattern, as `KEYS` understands it.
    pub fn subscribe_pattern(&mut self, pattern: impl AsRef<[u8]>) {
        if self.patterns.insert(pattern.as_ref().to_vec()) {
            self.ask("PSUBSCRIBE", pattern.as_ref());
        }
    }

    /// Gives a channel up. Messages that are under way may still come.
    pub fn unsubscribe(&mut self, channel: &[u8]) {
        if self.channels.remove(channel) {
            self.ask("UNSUBSCRIBE", channel);
        }
    }

    /// Gives a pattern up.
    pub fn unsubscribe_pattern(&mut self, pattern: &[u8]) {
        if self.patterns.remove(pattern) {
            self.ask("PUNSUBSCRIBE", pattern);
        }
    }

    /// Waits for the next event, however long that takes; connections that break are made again. May be dropped and
    /// called again: nothing is lost by that.
    ///
    /// # Errors
    /// What waiting does not mend: the server refuses the log-in or the subscription, or answers what is not understood.
    /// The next call begins anew.
    pub async fn next(&mut self) -> Result<Event, Error> {
        loop {
            match self.hear().await {
                Ok(event) => {
                    self.failures = 0;
                    return Ok(event);
                }
                Err(Error::Connect { .. } | Error::OutcomeUnknown { .. } | Error::Busy { .. }) => {
                    self.connection = None;
                    let pause = pause(self.client.config(), self.failures);
                    self.failures = self.failures.saturating_add(1);
                    sleep(pause).await;
                }
                Err(error) => {
                    self.connection = None;
                    return Err(error);
                }
            }
        }
    }

    async fn hear(&mut self) -> Result<Event, Error> {
        let ping_interval = self.client.config().ping_interval;
        let connection = match &mut self.connection {
            Some(connection) => connection,
            none => {
                let (mut wire, permit) = self.client.dedicated(None).await?.into_parts();
                for (name, names) in [
                    ("SUBSCRIBE", &self.channels),
                    ("PSUBSCRIBE", &self.patterns),
                ] {
                    if !names.is_empty() {
                        wire.queue(&Command::new(name).args(names));
                    }
                }
                none.insert(Connection {
                    wire,
                    _permit: permit,
                    awaited: self.channels.len() + self.patterns.len(),
                    gap: std::mem::replace(&mut self.lost, true),
                    heard: Instant::now(),
                    asked: false,
                })
            }
        };
        connection.hear(ping_interval).await
    }

    /// Asks on the connection that is there; another one asks for everything anyway.
    fn ask(&mut self, name: &str, channel: &[u8]) {
        if let Some(connection) = &mut self.connection {
            connection.wire.queue(&Command::new(name).arg(channel));
            connection.awaited += usize::from(!name.contains("UNSUB"));
        }
    }
}

impl Connection {
    async fn hear(&mut self, ping_interval: Duration) -> Result<Event, Error> {
        loop {
            let heard = async {
                self.wire.send().await?;
                self.wire.receive().await
            };
            let Ok(value) = timeout_at(self.heard + ping_interval, heard).await else {
                if self.asked {
                    return Err(self.wire.lost(io::ErrorKind::TimedOut.into()));
                }
                // A server that is gone without a word would be listened to for ever.
                self.wire.queue(&Command::new("PING"));
                self.asked = true;
                self.heard = Instant::now();
                continue;
            };
            self.heard = Instant::now();
            self.asked = false;
            let values = match value? {
                // RESP3 and RESP2.
                Value::Push(values) | Value::Array(values) => values,
                Value::Error(text) => return Err(Error::Refused(crate::Refusal::new(&text))),
                _ => continue,
            };
            if let Some(event) = self.event(values) {
                return Ok(event);
            }
        }
    }

    fn event(&mut self, values: Vec<Value>) -> Option<Event> {
        let text = |value: &Value| value.as_bytes().map(<[u8]>::to_vec);
        let kind = text(values.first()?)?;
        match (kind.as_slice(), &values[1..]) {
            (b"message", [channel, payload]) => Some(Event::Message {
                channel: text(channel)?,
                pattern: None,
                payload: text(payload)?,
            }),
            (b"pmessage", [pattern, channel, payload]) => Some(Event::Message {
                channel: text(channel)?,
                pattern: text(pattern),
                payload: text(payload)?,
            }),
            (b"subscribe" | b"psubscribe", _) if self.awaited > 0 => {
                self.awaited -= 1;
                (self.awaited == 0).then(|| Event::Subscribed {
                    gap: std::mem::take(&mut self.gap),
                })
            }
            _ => None,
        }
    }
}
