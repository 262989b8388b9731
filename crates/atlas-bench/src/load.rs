//! The players: many WebSocket connections in one thread, each with one message under way at a time.
//!
//! A message's bytes are made once and nothing is allocated while it runs; every answer is compared whole with what
//! was sent, so that a target cannot win by answering something else.

use std::io::{ErrorKind, Read, Write};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use atlas_wire::frame::{HEADER_BYTES_MAX, Header, Opcode, apply_mask};
use hdrhistogram::Histogram;
use mio::net::TcpStream;
use mio::{Events, Interest, Poll, Token};

use crate::{Error, process};

/// Handshakes under way at once: below every peer's listen queue.
const HANDSHAKES_AT_ONCE: usize = 128;
/// Room for one read: heads of answers and a few frames.
const SCRATCH_BYTES: usize = 8 * 1024;
const MASK: [u8; 4] = [0x37, 0xfa, 0x21, 0x3d];

/// What the players do.
#[derive(Debug, Clone)]
pub struct Plan {
    /// Where they connect.
    pub address: SocketAddr,
    /// Makes the text message that each sends once, first, and that comes back, from the player's number.
    pub first: Option<fn(usize) -> String>,
    /// The text message that is sent and comes back; at most 125 bytes.
    pub message: String,
    /// How long connecting, and the last answers, may take.
    pub patience: Duration,
}

/// Connected players.
pub struct Fleet {
    poll: Poll,
    players: Vec<Player>,
    frame: Vec<u8>,
    answer: Vec<u8>,
    patience: Duration,
}

/// What a while of round trips gave.
#[derive(Debug, Clone)]
pub struct Measured {
    /// Messages that came back.
    pub round_trips: u64,
    /// How long it was measured.
    pub lasted: Duration,
    /// Processor time that the watched process and its children used meanwhile.
    pub watched_cpu: Option<Duration>,
    /// Nanoseconds from sending a message to having its answer.
    pub latency: Histogram<u64>,
}

struct Player {
    stream: TcpStream,
    state: State,
    sent_at: Instant,
    /// The beginning of an answer that has not all come; mostly empty.
    begun: Vec<u8>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// The connection or its request is under way.
    Opening,
    /// The request is sent.
    Asked,
    /// The first message is sent.
    Joining,
    /// Nothing is under way.
    Idle,
    /// A message is under way.
    Waiting,
}

impl Fleet {
    /// Connects `count` players and waits until each had its 101 (and its first message back).
    ///
    /// # Errors
    /// If one is refused, or not all are there within the plan's patience.
    pub fn connect(plan: &Plan, count: usize) -> Result<Self, Error> {
        let poll = Poll::new().map_err(Error::system("make a poll"))?;
        let mut fleet = Self {
            poll,
            players: Vec::with_capacity(count),
            frame: client_frame(&plan.message),
            answer: server_frame(&plan.message),
            patience: plan.patience,
        };
        let request = format!(
            "GET /bench HTTP/1.1\r\nHost: {}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
             Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n",
            plan.address
        );
        let mut events = Events::with_capacity(1024);
        let mut scratch = vec![0; SCRATCH_BYTES];
        let deadline = Instant::now() + plan.patience;
        let mut open = 0;
        while open < count {
            while fleet.players.len() < count && fleet.players.len() - open < HANDSHAKES_AT_ONCE {
                fleet.dial(plan.address)?;
            }
            fleet.wait(&mut events, Duration::from_millis(100))?;
            for event in &events {
                let number = event.token().0;
                let first = plan.first.map(|text| {
                    let text = text(number);
                    (client_frame(&text), server_frame(&text))
                });
                let player = &mut fleet.players[number];
                let before = player.state;
                player.open(&request, first.as_ref(), &mut scratch)?;
                open += usize::from(before != State::Idle && player.state == State::Idle);
            }
            if Instant::now() > deadline {
                return Err(Error::Late {
                    what: format!("connecting {count} players (there are {open})"),
                    seconds: plan.patience.as_secs(),
                });
            }
        }
        Ok(fleet)
    }

    fn dial(&mut self, address: SocketAddr) -> Result<(), Error> {
        let mut stream =
            TcpStream::connect(address).map_err(Error::system(format!("dial {address}")))?;
        let token = Token(self.players.len());
        self.poll
            .registry()
            .register(&mut stream, token, Interest::READABLE | Interest::WRITABLE)
            .map_err(Error::system("watch a connection"))?;
        self.players.push(Player {
            stream,
            state: State::Opening,
            sent_at: Instant::now(),
            begun: Vec::new(),
        });
        Ok(())
    }

    fn wait(&mut self, events: &mut Events, patience: Duration) -> Result<(), Error> {
        match self.poll.poll(events, Some(patience)) {
            Err(source) if source.kind() != ErrorKind::Interrupted => Err(Error::System {
                action: "poll".into(),
                source,
            }),
            _ => Ok(()),
        }
    }

    /// Lets every player send and wait in turn: for `warm_up` without looking, then for `length` measured. `watched`
    /// is a process whose processor time is taken at the same two moments.
    ///
    /// # Errors
    /// If a connection ends, an answer is not what was sent, or the last answers do not come.
    pub fn measure(
        &mut self,
        warm_up: Duration,
        length: Duration,
        watched: Option<u32>,
    ) -> Result<Measured, Error> {
        let mut latency =
            Histogram::new_with_bounds(100, 120_000_000_000, 3).expect("the bounds are in order");
        let mut events = Events::with_capacity(1024);
        let mut scratch = vec![0; SCRATCH_BYTES];
        for player in &mut self.players {
            player.send(&self.frame, Instant::now())?;
        }
        let mut answered = 0_u64;
        let cpu = || watched.map(process::cpu_time);

        let warm = Instant::now() + warm_up;
        while Instant::now() < warm {
            self.turn(&mut events, &mut scratch, true, |_| ())?;
        }
        let (began, cpu_before) = (Instant::now(), cpu());
        let end = began + length;
        while Instant::now() < end {
            self.turn(&mut events, &mut scratch, true, |nanoseconds| {
                answered += 1;
                latency.saturating_record(nanoseconds);
            })?;
        }
        let (lasted, cpu_after) = (began.elapsed(), cpu());

        let deadline = Instant::now() + self.patience;
        while self
            .players
            .iter()
            .any(|player| player.state == State::Waiting)
        {
            self.turn(&mut events, &mut scratch, false, |_| ())?;
            if Instant::now() > deadline {
                return Err(Error::Late {
                    what: "the last answer".into(),
                    seconds: self.patience.as_secs(),
                });
            }
        }
        Ok(Measured {
            round_trips: answered,
            lasted,
            watched_cpu: cpu_before
                .zip(cpu_after)
                .map(|(before, after)| after.saturating_sub(before)),
            latency,
        })
    }

    /// Takes what has come; with `again` each answered player sends its next message.
    fn turn(
        &mut self,
        events: &mut Events,
        scratch: &mut [u8],
        again: bool,
        mut on_answer: impl FnMut(u64),
    ) -> Result<(), Error> {
        self.wait(events, Duration::from_millis(50))?;
        for event in &*events {
            let player = &mut self.players[event.token().0];
            if player.state != State::Waiting || !player.answered(&self.answer, scratch)? {
                continue;
            }
            let now = Instant::now();
            on_answer(u64::try_from((now - player.sent_at).as_nanos()).unwrap_or(u64::MAX));
            player.state = State::Idle;
            if again {
                player.send(&self.frame, now)?;
            }
        }
        Ok(())
    }

    /// The number of players.
    pub fn len(&self) -> usize {
        self.players.len()
    }

    /// True without players.
    pub fn is_empty(&self) -> bool {
        self.players.is_empty()
    }
}

impl Player {
    /// One step of the handshake, if its time has come.
    fn open(
        &mut self,
        request: &str,
        first: Option<&(Vec<u8>, Vec<u8>)>,
        scratch: &mut [u8],
    ) -> Result<(), Error> {
        if self.state == State::Opening {
            match self.stream.write(request.as_bytes()) {
                Ok(_) => self.state = State::Asked,
                Err(error)
                    if matches!(
                        error.kind(),
                        ErrorKind::NotConnected | ErrorKind::WouldBlock
                    ) =>
                {
                    return Ok(());
                }
                Err(source) => {
                    return Err(Error::System {
                        action: "connect".into(),
                        source,
                    });
                }
            }
            let _ = self.stream.set_nodelay(true);
        }
        if self.state == State::Asked {
            let Some(read) = self.read(scratch)? else {
                return Ok(());
            };
            self.begun.extend_from_slice(&scratch[..read]);
            if !self.begun.ends_with(b"\r\n\r\n") {
                return Ok(());
            }
            if !self.begun.starts_with(b"HTTP/1.1 101 ") {
                let line = String::from_utf8_lossy(&self.begun);
                return Err(Error::peer(
                    "a player",
                    format!("refused: {}", line.lines().next().unwrap_or_default()),
                ));
            }
            self.begun = Vec::new();
            self.state = State::Idle;
            if let Some((frame, _)) = first {
                self.send(frame, Instant::now())?;
                self.state = State::Joining;
            }
        }
        if let (State::Joining, Some((_, answer))) = (self.state, first)
            && self.answered(answer, scratch)?
        {
            self.state = State::Idle;
        }
        Ok(())
    }

    fn send(&mut self, frame: &[u8], now: Instant) -> Result<(), Error> {
        // One small message is under way at a time: the socket's buffer always has room for it.
        match self.stream.write(frame) {
            Ok(written) if written == frame.len() => {
                self.sent_at = now;
                self.state = State::Waiting;
                Ok(())
            }
            Ok(written) => Err(Error::peer(
                "a player",
                format!("could send only {written} bytes"),
            )),
            Err(source) => Err(Error::System {
                action: "send a message".into(),
                source,
            }),
        }
    }

    /// Reads what came; none if nothing did.
    fn read(&mut self, scratch: &mut [u8]) -> Result<Option<usize>, Error> {
        match self.stream.read(scratch) {
            Ok(0) => Err(Error::peer("a player", "was disconnected")),
            Ok(read) => Ok(Some(read)),
            Err(error)
                if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) =>
            {
                Ok(None)
            }
            Err(source) => Err(Error::System {
                action: "read an answer".into(),
                source,
            }),
        }
    }

    /// True once the whole answer has come and is what it should be.
    fn answered(&mut self, answer: &[u8], scratch: &mut [u8]) -> Result<bool, Error> {
        let Some(read) = self.read(scratch)? else {
            return Ok(false);
        };
        if self.begun.is_empty() && &scratch[..read] == answer {
            return Ok(true);
        }
        self.begun.extend_from_slice(&scratch[..read]);
        if self.begun == answer {
            self.begun.clear();
            return Ok(true);
        }
        if answer.starts_with(&self.begun) {
            return Ok(false);
        }
        Err(Error::peer(
            "a player",
            format!("got another answer: {}", self.begun.escape_ascii()),
        ))
    }
}

fn frame(text: &str, mask: Option<[u8; 4]>) -> Vec<u8> {
    let header = Header {
        fin: true,
        opcode: Opcode::Text,
        mask,
        length: text.len() as u64,
        reserved: 0,
    };
    let mut head = [0; HEADER_BYTES_MAX];
    let written = header.write(&mut head);
    let mut bytes = head[..written].to_vec();
    bytes.extend_from_slice(text.as_bytes());
    apply_mask(&mut bytes[written..], mask.unwrap_or_default(), 0);
    bytes
}

fn client_frame(text: &str) -> Vec<u8> {
    frame(text, Some(MASK))
}

fn server_frame(text: &str) -> Vec<u8> {
    frame(text, None)
}

#[cfg(test)]
mod tests;
