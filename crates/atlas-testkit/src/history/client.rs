//! A blocking client of the Redis protocol, for threads that write as fast as they are answered.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use atlas_resp::reply::{Decoder, Limits, Value};

/// How long an answer may take on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

/// A connection to a store.
pub struct Client {
    stream: TcpStream,
    decoder: Decoder,
    input: Vec<u8>,
    asked: String,
}

impl std::fmt::Debug for Client {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Client")
            .field("stream", &self.stream)
            .finish_non_exhaustive()
    }
}

impl Client {
    /// Connects; none if nobody takes the connection.
    pub fn connect(address: SocketAddr) -> Option<Self> {
        let stream = TcpStream::connect(address).ok()?;
        stream.set_read_timeout(Some(PATIENCE)).ok()?;
        stream.set_write_timeout(Some(PATIENCE)).ok()?;
        stream.set_nodelay(true).ok()?;
        Some(Self {
            stream,
            decoder: Decoder::new(Limits::default()),
            input: Vec::new(),
            asked: String::new(),
        })
    }

    /// Sends bytes; false if the store is gone.
    pub(super) fn send(&mut self, bytes: &[u8]) -> bool {
        if self.asked.is_empty() {
            self.asked = String::from_utf8_lossy(bytes).escape_debug().collect();
        }
        self.stream.write_all(bytes).is_ok()
    }

    /// The next answer as `redis-cli` would show it, on one line; none if the store is gone.
    ///
    /// # Panics
    /// It answers something that is no RESP, or nothing for a minute.
    pub(super) fn receive(&mut self) -> Option<String> {
        loop {
            let decoded = self.decoder.decode(&self.input);
            let (consumed, value) = decoded.expect("what a store answers is RESP");
            self.input.drain(..consumed);
            if let Some(value) = value {
                return Some(shown(&value));
            }
            let mut bytes = [0; 16 << 10];
            match self.stream.read(&mut bytes) {
                Ok(0) => return None,
                Ok(count) => self.input.extend_from_slice(&bytes[..count]),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error)
                    if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) =>
                {
                    panic!("no answer within {PATIENCE:?} to {}", self.asked);
                }
                Err(_) => return None,
            }
        }
    }

    /// Sends a command, its words apart by spaces, and shows the answer; none if the store is gone.
    pub fn ask(&mut self, line: &str) -> Option<String> {
        line.clone_into(&mut self.asked);
        let mut bytes = Vec::new();
        let words: Vec<&str> = line.split_ascii_whitespace().collect();
        atlas_resp::command(&mut bytes, words);
        if !self.send(&bytes) {
            return None;
        }
        self.receive()
    }

    /// Sends a command and takes the elements of the array that is answered; none if the store is gone.
    pub(super) fn list(&mut self, line: &str) -> Option<Result<Vec<String>, String>> {
        let answer = self.ask(line)?;
        let inner = answer
            .strip_prefix('[')
            .and_then(|rest| rest.strip_suffix(']'));
        Some(match inner {
            // What these tests write has no spaces.
            Some(inner) => Ok(inner.split_ascii_whitespace().map(str::to_owned).collect()),
            None => Err(answer),
        })
    }
}

/// A reply on one line.
fn shown(value: &Value) -> String {
    match value {
        Value::Null => "nil".to_owned(),
        Value::Simple(bytes) | Value::Bulk(bytes) => String::from_utf8_lossy(bytes).into_owned(),
        Value::Error(bytes) => format!("!{}", String::from_utf8_lossy(bytes)),
        Value::Integer(number) => number.to_string(),
        Value::Array(values) => {
            let all: Vec<String> = values.iter().map(shown).collect();
            format!("[{}]", all.join(" "))
        }
        other => format!("{other:?}"),
    }
}
