mod speech;

use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::{SinkExt as _, StreamExt as _};
use tokio::net::{TcpSocket, TcpStream};
use tokio::sync::watch;
use tokio::time::{MissedTickBehavior, interval_at, timeout};
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::tungstenite::handshake::client::Request;
use tokio_tungstenite::tungstenite::http::HeaderValue;
use tokio_tungstenite::tungstenite::http::header::SEC_WEBSOCKET_PROTOCOL;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::tungstenite::{self, Message};
use tokio_tungstenite::{
    MaybeTlsStream, WebSocketStream, client_async_with_config, connect_async_with_config,
};

use crate::error::Error;
use crate::messages::{self, Answer};
use crate::tally::{Account, Tally};
use crate::verifier::Verifier;
use crate::walk::Walker;
use speech::{ATLAS, Heard, Speech};

/// The longest message a client takes.
const MESSAGE_BYTES_MAX: usize = 1 << 20;
/// A client that waits for so many answers sends nothing more until some came.
const OUTSTANDING_MAX: usize = 16_384;
/// The kernel's buffer for a client that stops reading.
const RECEIVE_BYTES: u32 = 16 << 10;
/// How long an answer a client asks for while it does not read.
const WANT_BYTES: usize = 60 << 10;
/// How long a client waits for the other side's close after its own.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(1);
/// The code of a connection that ended without a close frame.
pub(crate) const CODE_BROKEN: u16 = 1006;
/// The code of a close frame without a code.
const CODE_NONE: u16 = 1005;

/// What one client does.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    pub(crate) url: Arc<str>,
    pub(crate) player: String,
    /// Between two messages.
    pub(crate) interval: Duration,
    /// To what length messages are padded.
    pub(crate) message_bytes: usize,
    /// Whether answers are matched by number; else any message answers the oldest one sent.
    pub(crate) verify: bool,
    /// One message of so many is a `say`; 0 = none.
    pub(crate) say_every: u64,
    pub(crate) dial_timeout: Duration,
    /// A message that waits for longer counts as lost until its answer comes after all.
    pub(crate) lost_after: Duration,
    /// Whether it speaks `atlas.v1`.
    pub(crate) atlas: bool,
    /// When it stops reading, if it does.
    pub(crate) stops: Option<Stops>,
}

/// A client that takes nothing for a while, and asks for much meanwhile.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Stops {
    /// So long after it has connected.
    pub(crate) after: Duration,
    pub(crate) span: Duration,
}

/// What all clients are to do now.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd)]
pub(crate) enum Phase {
    /// Send and read.
    Play,
    /// Send nothing more, wait for what is outstanding, then close.
    Settle,
    /// Close at once.
    Stop,
}

/// How a client's connection ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// It never came to be.
    NotConnected,
    /// The other side, or something between, ended it.
    Closed,
    /// The client ended it as it was told to.
    Done,
}

/// Refuses a URL that can never be dialled.
pub(crate) fn check_url(url: &str) -> Result<(), Error> {
    let refuse = |source: tungstenite::Error| Error::Url {
        url: url.to_owned(),
        source: Box::new(source),
    };
    let request = url.into_client_request().map_err(refuse)?;
    tungstenite::client::uri_mode(request.uri())
        .and_then(|mode| match mode {
            tungstenite::stream::Mode::Plain => Ok(()),
            tungstenite::stream::Mode::Tls => Err(tungstenite::Error::Url(
                tungstenite::error::UrlError::TlsFeatureNotEnabled,
            )),
        })
        .map_err(refuse)
}

/// Dials, joins and plays until the phase or the other side ends it; counts everything in `tally`.
pub(crate) async fn play(
    plan: &Plan,
    walker: &mut Walker,
    tally: &Tally,
    mut phase: watch::Receiver<Phase>,
) -> End {
    // One read buffer of this size is allocated for each client.
    let config = WebSocketConfig::default()
        .read_buffer_size(4096)
        .write_buffer_size(0)
        .max_message_size(Some(MESSAGE_BYTES_MAX))
        .max_frame_size(Some(MESSAGE_BYTES_MAX));
    let mut request = match (&*plan.url).into_client_request() {
        Ok(request) => request,
        Err(error) => return not_connected(tally, &error.to_string()),
    };
    if plan.atlas {
        let headers = request.headers_mut();
        headers.insert(SEC_WEBSOCKET_PROTOCOL, HeaderValue::from_static(ATLAS));
    }
    let dial = timeout(plan.dial_timeout, dial(plan, request, config));
    let dialled = tokio::select! {
        dialled = dial => dialled,
        _ = phase.wait_for(|&phase| phase > Phase::Play) => return End::Done,
    };
    let socket = match dialled {
        Ok(Ok(socket)) => socket,
        Ok(Err(error)) => return not_connected(tally, &error.to_string()),
        Err(_) => return not_connected(tally, "no answer to the dial in time"),
    };
    tally.connected.add(1);
    tally.connected_total.add(1);
    let mut book = Book {
        verifier: Verifier::default(),
        overdue: 0,
        speech: Speech::new(plan.atlas),
        resets: 0,
        lost_named: 0,
        closed: None,
    };
    let end = converse(plan, walker, tally, &mut phase, socket, &mut book).await;
    tally.connected.subtract(1);
    if plan.verify {
        // The join has no number.
        tally.account(book.account(plan, 1));
    }
    // What is overdue counts as lost already.
    tally
        .lost
        .add((book.verifier.outstanding() as u64).saturating_sub(book.overdue));
    end
}

async fn dial(
    plan: &Plan,
    request: Request,
    config: WebSocketConfig,
) -> tungstenite::Result<WebSocketStream<MaybeTlsStream<TcpStream>>> {
    if plan.stops.is_none() {
        let (socket, _) = connect_async_with_config(request, Some(config), true).await?;
        return Ok(socket);
    }
    // The kernel must not read in its place: it would take megabytes.
    let host = request.uri().host().unwrap_or_default();
    let host = host.trim_matches(['[', ']']);
    let address = (host, request.uri().port_u16().unwrap_or(80));
    let address = tokio::net::lookup_host(address).await?.next();
    let address = address.ok_or_else(|| io::Error::from(io::ErrorKind::NotFound))?;
    let socket = if address.is_ipv4() {
        TcpSocket::new_v4()?
    } else {
        TcpSocket::new_v6()?
    };
    socket.set_recv_buffer_size(RECEIVE_BYTES)?;
    socket.set_nodelay(true)?;
    let stream = MaybeTlsStream::Plain(socket.connect(address).await?);
    let (socket, _) = client_async_with_config(request, stream, Some(config)).await?;
    Ok(socket)
}

struct Book {
    verifier: Verifier,
    overdue: u64,
    speech: Speech,
    /// How often the edge said that a server was lost with something, and how much in all.
    resets: u64,
    lost_named: u64,
    /// How the other side ended the connection.
    closed: Option<(u16, String)>,
}

impl Book {
    fn account(&self, plan: &Plan, unnumbered: u64) -> Account {
        Account {
            player: plan.player.clone(),
            atlas: plan.atlas,
            stopped_reading: plan.stops.is_some(),
            unanswered: self.verifier.outstanding() as u64,
            missing: self.verifier.missing(unnumbered),
            resets: self.resets,
            lost_named: self.lost_named,
            closed: self.closed.clone(),
        }
    }

    /// The other side ended the connection.
    fn close(&mut self, tally: &Tally, code: u16, why: &str) -> End {
        tally.close(code, why);
        self.closed = Some((code, why.to_owned()));
        End::Closed
    }
}

fn not_connected(tally: &Tally, why: &str) -> End {
    tally.dials_failed.add(1);
    tally.error(&format!("a dial failed: {why}"));
    End::NotConnected
}

async fn converse<S>(
    plan: &Plan,
    walker: &mut Walker,
    tally: &Tally,
    phase: &mut watch::Receiver<Phase>,
    socket: WebSocketStream<S>,
    book: &mut Book,
) -> End
where
    S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin,
{
    // Reading and writing are polled apart: a write that cannot go on must not keep answers unread,
    // or two sides that both wait for the other to read would wait for ever.
    let (mut sink, mut stream) = socket.split();
    let join = messages::join(&plan.player);
    let mut sending = true;
    if let Err(error) = sink.feed(book.speech.say(&join)).await {
        return book.close(tally, CODE_BROKEN, &error.to_string());
    }
    let begun = Instant::now();
    let mut ticks = interval_at(tokio::time::Instant::now() + plan.interval, plan.interval);
    // After a pause the rate goes on as before; a burst would measure the pause again and again.
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut stepped = Instant::now();
    let mut now_phase = *phase.borrow_and_update();
    loop {
        if now_phase == Phase::Stop
            || (now_phase == Phase::Settle && book.verifier.outstanding() == 0)
        {
            let _ = timeout(CLOSE_TIMEOUT, async {
                sink.close().await?;
                // What still comes is looked at as well: an answer doubled at the very end is doubled.
                while let Some(message) = stream.next().await {
                    take(plan, tally, book, message?, &join);
                }
                Ok::<_, tungstenite::Error>(())
            })
            .await;
            return End::Done;
        }
        let stopped = now_phase == Phase::Play
            && plan.stops.is_some_and(|stops| {
                let age = begun.elapsed();
                age >= stops.after && age < stops.after + stops.span
            });
        tokio::select! {
            message = stream.next(), if !stopped => match message {
                Some(Ok(message @ (Message::Text(_) | Message::Binary(_)))) => {
                    take(plan, tally, book, message, &join);
                }
                Some(Ok(Message::Close(frame))) => {
                    let (code, reason) = frame.map_or((CODE_NONE, String::new()), |frame| {
                        (frame.code.into(), frame.reason.to_string())
                    });
                    // The library answers the close while it is polled on.
                    let _ = timeout(CLOSE_TIMEOUT, stream.next()).await;
                    return book.close(tally, code, &reason);
                }
                Some(Ok(_)) => {}
                Some(Err(error)) => return book.close(tally, CODE_BROKEN, &error.to_string()),
                None => {
                    return book.close(tally, CODE_BROKEN, "the connection ended without a close");
                }
            },
            flushed = sink.flush(), if sending => {
                sending = false;
                // A failed write shows in reading too, there with the close code if there is one.
                if let Err(error) = flushed {
                    tally.error(&format!("a write failed: {error}"));
                }
            }
            _ = ticks.tick(), if now_phase == Phase::Play && !sending => {
                let now = Instant::now();
                let overdue = book.verifier.overdue(now, plan.lost_after);
                tally.lost.add(overdue.saturating_sub(book.overdue));
                tally.lost.subtract(book.overdue.saturating_sub(overdue));
                book.overdue = overdue;
                let at = walker.step(now.duration_since(stepped).as_secs_f64());
                stepped = now;
                if book.verifier.outstanding() >= OUTSTANDING_MAX {
                    tally.held_back.add(1);
                    continue;
                }
                let n = book.verifier.send(Instant::now());
                let says = plan.say_every > 0 && n.is_multiple_of(plan.say_every);
                let text = if stopped {
                    messages::want(n, WANT_BYTES)
                } else if says {
                    messages::say(n, plan.message_bytes)
                } else {
                    messages::step(n, at, plan.message_bytes)
                };
                tally.sent.add(1);
                sending = true;
                let ack = book.speech.due(now);
                for message in ack.into_iter().chain([book.speech.say(&text)]) {
                    if let Err(error) = sink.feed(message).await {
                        tally.error(&format!("a write failed: {error}"));
                    }
                }
            }
            changed = phase.changed() => {
                now_phase = if changed.is_ok() { *phase.borrow_and_update() } else { Phase::Stop };
            }
        }
    }
}

fn take(plan: &Plan, tally: &Tally, book: &mut Book, message: Message, join: &str) {
    let now = Instant::now();
    let message = match book.speech.hear(now, message) {
        Heard::Game(message) => message,
        Heard::Reset(lost) => {
            book.resets += 1;
            book.lost_named += lost;
            return;
        }
        Heard::Nothing => return,
        Heard::Fault(what) => {
            tally.unexpected.add(1);
            tally.error(&format!("the edge sent {what}"));
            return;
        }
    };
    if !plan.verify {
        // An echo server sends the join back too; it is not counted among what was sent.
        if message != *join.as_bytes() {
            tally.kind(book.verifier.oldest(now));
        }
        return;
    }
    // What is no answer to a number (an echoed join, a game's own news) is none of our business.
    if let Ok(answer) = serde_json::from_slice::<Answer<'_>>(&message)
        && let Some(judged) = book.verifier.answer(now, &answer)
    {
        tally.judgement(&judged);
    }
}
