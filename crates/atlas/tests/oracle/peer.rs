//! A connection to one of the two servers.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use atlas_resp::reply::{Decoder, Limits, Value};

/// Longer than anything here takes; whoever does not answer by then never will.
const PATIENCE: Duration = Duration::from_secs(30);

/// The words of a command.
pub(crate) type Words = Vec<Vec<u8>>;

/// An answer, and the bytes that it came as.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    pub(crate) bytes: Vec<u8>,
    pub(crate) value: Value,
}

trait Stream: Read + Write + Send {}
impl<T: Read + Write + Send> Stream for T {}

pub(crate) struct Peer {
    stream: Box<dyn Stream>,
    decoder: Decoder,
    input: Vec<u8>,
    raw: Vec<u8>,
}

impl Peer {
    pub(crate) fn store(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).unwrap();
        stream.set_nodelay(true).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        Self::new(Box::new(stream))
    }

    pub(crate) fn redis(socket: &Path) -> Self {
        let stream = UnixStream::connect(socket).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        Self::new(Box::new(stream))
    }

    fn new(stream: Box<dyn Stream>) -> Self {
        Self {
            stream,
            decoder: Decoder::new(Limits::default()),
            input: Vec::new(),
            raw: Vec::new(),
        }
    }

    /// Sends commands in one write.
    pub(crate) fn send<'a>(&mut self, commands: impl IntoIterator<Item = &'a Words>) {
        let mut bytes = Vec::new();
        for words in commands {
            atlas_resp::command(&mut bytes, words);
        }
        self.stream.write_all(&bytes).unwrap();
    }

    /// The next answer; what is said instead if none comes.
    pub(crate) fn receive(&mut self) -> Result<Answer, String> {
        loop {
            let (consumed, value) = self
                .decoder
                .decode(&self.input)
                .map_err(|error| format!("no reply: {error}"))?;
            self.raw.extend(self.input.drain(..consumed));
            if let Some(value) = value {
                let bytes = std::mem::take(&mut self.raw);
                return Ok(Answer { bytes, value });
            }
            let mut bytes = [0; 1 << 16];
            match self.stream.read(&mut bytes) {
                Ok(0) => return Err("closed".to_owned()),
                Ok(count) => self.input.extend_from_slice(&bytes[..count]),
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                Err(error) => return Err(format!("no answer: {error}")),
            }
        }
    }

    pub(crate) fn run(&mut self, words: &[&str]) -> Value {
        let words: Words = words.iter().map(|word| word.as_bytes().to_vec()).collect();
        self.send([&words]);
        self.receive().unwrap().value
    }
}
