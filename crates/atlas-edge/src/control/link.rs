//! One open control link.

use std::fmt;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use atlas_wire::frame::CloseCode;
use atlas_wire::link::{ControlFromServer, ControlToServer, Error, Load, Send, Unsupported};
use atlas_wire::tag::Tag;
use futures_util::stream::{SplitSink, SplitStream};
use futures_util::{SinkExt as _, StreamExt as _};
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio::time::timeout;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::tungstenite::{Bytes, Error as Fault, Message};

use super::post::{self, Letter};
use super::{DrainAnswer, Key, ORDERS_MAX, Open, State};
use crate::servers::{Server, World};
use crate::shared::Shared;

/// How long a server may take to take one message.
const WRITE_TIMEOUT: Duration = Duration::from_secs(30);
/// How long a close may take.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(1);
/// How long a step of a server's simulation takes when it is full: twenty a second.
const FULL_TICK_MS: f64 = 50.0;

type Socket = WebSocketStream<TcpStream>;

/// Why a link is over.
#[derive(Debug)]
pub(super) enum Over {
    /// The server closed it, with this code.
    Closed(u16),
    /// It broke.
    Lost(Option<Fault>),
    /// The server broke a rule, and is told so.
    Broken(CloseCode, String),
    /// The server does not take what is sent.
    Stuck,
}

impl Over {
    /// Whether it ended without a close, as when a process dies.
    pub(super) fn is_lost(&self) -> bool {
        matches!(self, Self::Lost(_))
    }
}

impl fmt::Display for Over {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Closed(code) => write!(formatter, "the server closed it with {code}"),
            Self::Lost(Some(fault)) => write!(formatter, "it broke: {fault}"),
            Self::Lost(None) => formatter.write_str("it broke"),
            Self::Broken(code, reason) => write!(formatter, "closed with {}: {reason}", code.0),
            Self::Stuck => formatter.write_str("the server takes nothing"),
        }
    }
}

/// Speaks on an open link until it ends.
pub(super) async fn run(
    shared: &Arc<Shared>,
    key: &Key,
    world: &World,
    server: &Server,
    socket: Socket,
) -> Over {
    let waiting_max = world.config.messages.waiting_max.max(1) as usize;
    let (orders, mut ordered) = mpsc::channel(ORDERS_MAX);
    let (letters, mut lettered) = mpsc::channel(waiting_max);
    let (outbox, sent) = mpsc::channel(waiting_max);
    let open = Arc::new(Open {
        orders,
        letters,
        state: Mutex::new(State::default()),
    });
    shared.controls.enter(key, Arc::clone(&open));
    let gauge = shared
        .metrics
        .control
        .links
        .with_label_values(&[&*world.name, &server.config.name]);
    gauge.set(1);
    // The first one tells whether it answers at all.
    let _first = open.ping(shared);
    let (mut sink, mut stream) = socket.split();
    let reader = Reader {
        shared,
        key,
        open: &open,
        server,
        outbox,
    };
    let over = tokio::select! {
        over = reader.read(&mut stream) => over,
        over = write(shared, &mut sink, &mut ordered, &mut lettered) => over,
        over = post::deliver_all(shared, key, &server.config.name, sent) => over,
    };
    shared.controls.leave(key);
    gauge.set(0);
    // It reports no load any more; what it last said would rank it for ever.
    server.report_load(f32::NAN);
    lettered.close();
    while let Ok(letter) = lettered.try_recv() {
        letter.undeliverable(shared, "its control link was lost");
    }
    if let Over::Broken(code, reason) = &over {
        tracing::warn!(world = %key.0, server = %server.config.name, code = code.0, reason, "a game server broke the link's rules");
        let labels = [&*server.config.name];
        shared
            .metrics
            .links_refused
            .with_label_values(&labels)
            .inc();
        let mut reason = reason.clone();
        reason.truncate(reason.floor_char_boundary(120));
        let close = CloseFrame {
            code: code.0.into(),
            reason: reason.into(),
        };
        let _ = timeout(CLOSE_TIMEOUT, sink.send(Message::Close(Some(close)))).await;
    }
    over
}

/// Writes what waits, orders before letters.
async fn write(
    shared: &Shared,
    sink: &mut SplitSink<Socket, Message>,
    orders: &mut mpsc::Receiver<ControlToServer>,
    letters: &mut mpsc::Receiver<Letter>,
) -> Over {
    loop {
        let (message, is_letter) = tokio::select! {
            biased;
            Some(order) = orders.recv() => (order, false),
            Some(letter) = letters.recv() => (letter.into_message(), true),
            else => std::future::pending().await,
        };
        let mut bytes = Vec::with_capacity(256);
        message.encode(&mut bytes);
        match timeout(
            WRITE_TIMEOUT,
            sink.send(Message::Binary(Bytes::from(bytes))),
        )
        .await
        {
            Ok(Ok(())) if is_letter => {
                let messages = &shared.metrics.control.messages;
                messages.with_label_values(&["delivered"]).inc();
            }
            Ok(Ok(())) => {}
            Ok(Err(fault)) => return Over::Lost(Some(fault)),
            Err(_) => return Over::Stuck,
        }
    }
}

struct Reader<'a> {
    shared: &'a Shared,
    key: &'a Key,
    open: &'a Open,
    server: &'a Server,
    /// What the server sends to others.
    outbox: mpsc::Sender<Send>,
}

impl Reader<'_> {
    /// Reads without ever waiting for anything but the server.
    async fn read(&self, stream: &mut SplitStream<Socket>) -> Over {
        loop {
            let message = match stream.next().await {
                Some(Ok(message)) => message,
                Some(Err(Fault::Capacity(_))) => {
                    return Over::Broken(CloseCode::TOO_BIG, "message too long".to_owned());
                }
                Some(Err(Fault::Protocol(fault))) => {
                    return Over::Broken(CloseCode::PROTOCOL_ERROR, fault.to_string());
                }
                Some(Err(fault)) => return Over::Lost(Some(fault)),
                None => return Over::Lost(None),
            };
            match message {
                Message::Binary(bytes) => {
                    if let Err(over) = self.message(&bytes) {
                        return over;
                    }
                }
                Message::Text(_) => {
                    let reason = "link messages are binary".to_owned();
                    return Over::Broken(CloseCode::PROTOCOL_ERROR, reason);
                }
                Message::Close(close) => {
                    return Over::Closed(close.map_or(1005, |close| close.code.into()));
                }
                Message::Ping(_) | Message::Pong(_) | Message::Frame(_) => {}
            }
        }
    }

    fn message(&self, bytes: &[u8]) -> Result<(), Over> {
        let broken = |reason: String| Over::Broken(CloseCode::PROTOCOL_ERROR, reason);
        let Some((&tag, body)) = bytes.split_first() else {
            return Err(broken("a message without a tag".to_owned()));
        };
        if Tag::from_byte(tag) != Some(Tag::Control) {
            return Err(broken(format!("tag {tag}: not on a control link")));
        }
        match ControlFromServer::decode(body) {
            Ok(ControlFromServer::ControlPong(pong)) => self.pong(pong.at),
            Ok(ControlFromServer::Load(load)) => self.server.report_load(share(&load)),
            Ok(ControlFromServer::Draining(_)) => self.drained(DrainAnswer::Now),
            Ok(ControlFromServer::Wait(wait)) => {
                let time = Duration::from_millis(wait.ms);
                self.drained(DrainAnswer::Later(time, wait.reason));
            }
            Ok(ControlFromServer::Send(send)) => {
                if let Err(refused) = self.outbox.try_send(send) {
                    let send = refused.into_inner();
                    post::refuse(self.shared, self.key, send.id, post::TOO_MANY);
                }
            }
            Ok(ControlFromServer::Unsupported(_)) => {}
            Err(Error::Unknown { r#type }) => {
                // A server that floods with what nobody knows does not hear of all of it.
                let _ = self.open.orders.try_send(Unsupported::new(&r#type).into());
            }
            Err(error) => {
                let code = error.close_code().unwrap_or(CloseCode::PROTOCOL_ERROR);
                return Err(Over::Broken(code, error.to_string()));
            }
        }
        Ok(())
    }

    fn pong(&self, at: u64) {
        let mut state = self.open.state();
        if let Some((sent, pong)) = state.pings.remove(&at) {
            state.answers = true;
            let took = sent.elapsed().as_secs_f64();
            self.shared.metrics.control.round_trip_seconds.observe(took);
            // Whoever asked may have given up; late is not well.
            let _ = pong.send(());
        }
    }

    fn drained(&self, answer: DrainAnswer) {
        if let Some(drain) = &self.open.state().drain {
            // Said unasked or too often, it means nothing.
            let _ = drain.try_send(answer);
        }
    }
}

/// How busy a server is, 0 to 1 and more: by whatever it has least of.
fn share(load: &Load) -> f32 {
    let tick = load.tick_ms.map(|tick_ms| tick_ms / FULL_TICK_MS);
    let shares = [load.cpu, load.memory, tick];
    let most = shares.into_iter().flatten().reduce(f64::max);
    #[expect(clippy::cast_possible_truncation, reason = "it only ranks")]
    most.map_or(f32::NAN, |most| most.min(1e9) as f32)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_is_as_busy_as_what_it_has_least_of() {
        let load = |cpu, memory, tick_ms| {
            share(&Load {
                sessions: 1,
                cpu,
                memory,
                tick_ms,
            })
        };
        let near = |load: f32, expected: f32| assert!((load - expected).abs() < 1e-6, "{load}");
        near(load(Some(0.5), Some(0.25), Some(8.5)), 0.5);
        near(load(Some(0.1), Some(0.75), None), 0.75);
        near(load(Some(0.1), None, Some(75.0)), 1.5);
        assert!(load(None, None, None).is_nan());
    }
}
