//! A connection that many share: requests go out as they come, answers return in the same order.

use std::collections::VecDeque;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use atlas_resp::reply::{self, Malformed, Value};
use bytes::{Buf, Bytes, BytesMut};
use tokio::io::{AsyncReadExt, AsyncWriteExt, ReadHalf, WriteHalf};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot};
use tokio::time::{Instant, sleep_until};

use crate::config::Config;
use crate::connect::Stream;
use crate::wire::{READ_BYTES, Wire};

/// No more is taken from the queue while this much waits to be written: what waits there can still be taken back.
const WRITE_BYTES_HIGH: usize = 64 * 1024;

/// The shared end. The connection closes when the last one is dropped and everything is answered.
#[derive(Debug)]
pub(crate) struct Handle {
    requests: mpsc::Sender<Request>,
    count: Arc<Semaphore>,
    bytes: Arc<Semaphore>,
}

/// Room for a request on its way; given back with its answer.
pub(crate) struct Room {
    _count: OwnedSemaphorePermit,
    _bytes: OwnedSemaphorePermit,
}

/// A request without an answer.
#[derive(Debug)]
pub(crate) struct Lost {
    /// Whether the system was given a byte of it: then the server may have done it.
    pub(crate) sent: bool,
    /// What happened.
    pub(crate) cause: Cause,
}

/// Why a connection ended.
#[derive(Debug, Clone)]
pub(crate) enum Cause {
    Io(Arc<io::Error>),
    Malformed(Malformed),
}

impl Cause {
    fn kind(kind: io::ErrorKind) -> Self {
        Self::Io(Arc::new(kind.into()))
    }
}

struct Request {
    /// Sent before the rest.
    prefix: &'static [u8],
    bytes: Bytes,
    expected: usize,
    answer: oneshot::Sender<Result<Vec<Value>, Lost>>,
    room: Room,
}

impl Handle {
    /// Starts to serve a connection that has been greeted.
    pub(crate) fn start(wire: Wire, config: &Config) -> Self {
        let (requests, queue) = mpsc::channel(config.in_flight_max);
        let (reader, writer) = tokio::io::split(wire.stream);
        let connection = Connection {
            reader,
            writer,
            decoder: wire.decoder,
            input: wire.input,
            queue,
            open: true,
            out: BytesMut::new(),
            flushed: true,
            taken: 0,
            written: 0,
            waiting: VecDeque::new(),
            patience: config.response_timeout,
            progress: Instant::now(),
        };
        tokio::spawn(connection.run());
        Self {
            requests,
            count: Arc::new(Semaphore::new(config.in_flight_max)),
            bytes: Arc::new(Semaphore::new(config.request_bytes_max)),
        }
    }

    /// True once the connection has ended.
    pub(crate) fn is_closed(&self) -> bool {
        self.requests.is_closed()
    }

    /// Waits for room for a request of so many bytes.
    pub(crate) async fn room(&self, bytes: usize) -> Result<Room, Lost> {
        let ended = |_| Lost {
            sent: false,
            cause: Cause::kind(io::ErrorKind::NotConnected),
        };
        // More than fit is refused by the caller.
        let bytes = u32::try_from(bytes).unwrap_or(u32::MAX);
        Ok(Room {
            _count: Arc::clone(&self.count)
                .acquire_owned()
                .await
                .map_err(ended)?,
            _bytes: Arc::clone(&self.bytes)
                .acquire_many_owned(bytes)
                .await
                .map_err(ended)?,
        })
    }

    /// Sends encoded commands and waits for so many answers. Dropped before it is sent, a request is not sent; dropped
    /// later, its answers are thrown away.
    pub(crate) async fn call(
        &self,
        prefix: &'static [u8],
        bytes: Bytes,
        expected: usize,
        room: Room,
    ) -> Result<Vec<Value>, Lost> {
        let ended = Lost {
            sent: false,
            cause: Cause::kind(io::ErrorKind::NotConnected),
        };
        let (answer, answered) = oneshot::channel();
        let request = Request {
            prefix,
            bytes,
            expected,
            answer,
            room,
        };
        if self.requests.send(request).await.is_err() {
            return Err(ended);
        }
        // A queue that is dropped with the request in it never sent it.
        answered.await.unwrap_or(Err(ended))
    }
}

/// A request that waits for its answers.
struct Waiting {
    /// How many bytes were taken from the queue before it.
    start: u64,
    expected: usize,
    values: Vec<Value>,
    answer: oneshot::Sender<Result<Vec<Value>, Lost>>,
    _room: Room,
}

struct Connection {
    reader: ReadHalf<Box<dyn Stream>>,
    writer: WriteHalf<Box<dyn Stream>>,
    decoder: reply::Decoder,
    input: BytesMut,
    queue: mpsc::Receiver<Request>,
    /// Whether somebody may still ask.
    open: bool,
    /// What is to be written.
    out: BytesMut,
    flushed: bool,
    /// Bytes taken from the queue, and bytes handed to the system, since the beginning.
    taken: u64,
    written: u64,
    waiting: VecDeque<Waiting>,
    /// How long a server may say nothing while it owes an answer.
    patience: Duration,
    /// When it last said something, or began to owe.
    progress: Instant,
}

impl Connection {
    async fn run(mut self) {
        let cause = match self.serve().await {
            Ok(()) => {
                let _ = self.writer.shutdown().await;
                return;
            }
            Err(cause) => cause,
        };
        // Nobody may queue what would never be sent. What is queued was not.
        self.queue.close();
        for waiting in self.waiting.drain(..) {
            let sent = waiting.start < self.written;
            let _ = waiting.answer.send(Err(Lost {
                sent,
                cause: cause.clone(),
            }));
        }
        while let Some(request) = self.queue.recv().await {
            let _ = request.answer.send(Err(Lost {
                sent: false,
                cause: cause.clone(),
            }));
        }
    }

    /// Until nobody asks any more and everything is answered, or the connection breaks.
    async fn serve(&mut self) -> Result<(), Cause> {
        let io = |error| Cause::Io(Arc::new(error));
        loop {
            self.deliver()?;
            if !self.open && self.waiting.is_empty() {
                return Ok(());
            }
            self.input.reserve(READ_BYTES);
            tokio::select! {
                request = self.queue.recv(), if self.open && self.out.len() < WRITE_BYTES_HIGH => {
                    match request {
                        None => self.open = false,
                        Some(request) => {
                            self.take(request);
                            while self.out.len() < WRITE_BYTES_HIGH
                                && let Ok(request) = self.queue.try_recv()
                            {
                                self.take(request);
                            }
                        }
                    }
                }
                written = write_or_flush(&mut self.writer, &self.out), if !self.out.is_empty() || !self.flushed => {
                    match written.map_err(io)? {
                        None => self.flushed = true,
                        Some(0) => return Err(Cause::kind(io::ErrorKind::WriteZero)),
                        Some(count) => {
                            self.written += count as u64;
                            self.out.advance(count);
                            self.flushed = false;
                        }
                    }
                }
                count = self.reader.read_buf(&mut self.input) => {
                    if count.map_err(io)? == 0 {
                        return Err(Cause::kind(io::ErrorKind::UnexpectedEof));
                    }
                    self.progress = Instant::now();
                }
                () = sleep_until(self.progress + self.patience), if !self.waiting.is_empty() => {
                    return Err(Cause::kind(io::ErrorKind::TimedOut));
                }
            }
        }
    }

    /// Makes a request ready to be written, unless nobody waits for it any more.
    fn take(&mut self, request: Request) {
        if request.answer.is_closed() {
            return;
        }
        if self.waiting.is_empty() {
            self.progress = Instant::now();
        }
        self.waiting.push_back(Waiting {
            start: self.taken,
            expected: request.expected,
            values: Vec::with_capacity(request.expected),
            answer: request.answer,
            _room: request.room,
        });
        self.taken += (request.prefix.len() + request.bytes.len()) as u64;
        self.out.extend_from_slice(request.prefix);
        self.out.extend_from_slice(&request.bytes);
    }

    /// Hands out the answers that are complete.
    fn deliver(&mut self) -> Result<(), Cause> {
        loop {
            let (used, value) = self.decoder.decode(&self.input).map_err(Cause::Malformed)?;
            self.input.advance(used);
            match value {
                None => return Ok(()),
                // Nobody asked for anything that comes as a push here.
                Some(Value::Push(_)) => {}
                Some(value) => self.answer(value)?,
            }
        }
    }

    fn answer(&mut self, value: Value) -> Result<(), Cause> {
        // An answer that nobody asked for: all later ones would reach the wrong caller.
        let Some(first) = self.waiting.front_mut() else {
            return Err(Cause::kind(io::ErrorKind::InvalidData));
        };
        first.values.push(value);
        if first.values.len() == first.expected
            && let Some(done) = self.waiting.pop_front()
        {
            // Whoever does not wait any more loses only their own answer.
            let _ = done.answer.send(Ok(done.values));
        }
        Ok(())
    }
}

/// Writes some of it, and says how much; flushes if there is nothing. May be dropped and called again.
async fn write_or_flush(
    writer: &mut WriteHalf<Box<dyn Stream>>,
    out: &[u8],
) -> io::Result<Option<usize>> {
    if out.is_empty() {
        writer.flush().await.map(|()| None)
    } else {
        writer.write(out).await.map(Some)
    }
}
