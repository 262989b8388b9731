//! A store of its own process, an honest client, and the bounds that every row has to keep.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use atlas_resp::reply::{Decoder, Limits, Value};
use atlas_testkit::Atlas;

use crate::hostile::memory::{Watch, memory};
use crate::support::{atlas, deadline};

/// How soon an answer has to come, to the hostile one as to the honest: a second, which a build without optimisation may
/// exceed, as its loops take ten times as long.
pub(crate) const PROMPTLY: Duration =
    Duration::from_secs(if cfg!(debug_assertions) { 6 } else { 1 });
/// What strangers do not know.
pub(crate) const PASSWORD: &str = "correct horse";

/// A store that asks for a password.
pub(crate) struct Stage {
    node: Atlas,
    pub(crate) address: SocketAddr,
    _password: tempfile::NamedTempFile,
}

impl Stage {
    /// A store with these keys of `[store]`.
    pub(crate) async fn new(keys: &str) -> Self {
        let mut password = tempfile::NamedTempFile::new().unwrap();
        writeln!(password, "{PASSWORD}").unwrap();
        let file = format!(
            "[admin]\nlisten = \"127.0.0.1:0\"\n[store]\nlisten = \"127.0.0.1:0\"\n\
             password-file = \"{}\"\n{keys}\n",
            password.path().display()
        );
        let node = atlas(&["store"])
            .file("atlas.toml", file)
            .start(deadline())
            .await
            .unwrap();
        let address = node.listener("store").unwrap();
        Self {
            node,
            address,
            _password: password,
        }
    }

    /// A client that has not logged in.
    pub(crate) fn stranger(&self) -> Peer {
        Peer::connect(self.address)
    }

    /// A client that has.
    pub(crate) fn client(&self) -> Peer {
        let mut peer = self.stranger();
        assert_eq!(peer.run(&["auth", PASSWORD]), "OK");
        peer
    }

    /// Does something hostile. Meanwhile an honest client's commands must be answered within a second, each, and the
    /// process's memory may grow by `growth_bytes_max` at its highest.
    pub(crate) fn bears<T>(&self, growth_bytes_max: u64, attack: impl FnOnce() -> T) -> T {
        let mut honest = self.client();
        let (stop, stopped) = mpsc::channel::<()>();
        let watch = Watch::begin(self.node.pid());
        let beside = thread::spawn(move || {
            for turn in 0_u64.. {
                let value = turn.to_string();
                assert_eq!(honest.run(&["set", "honest", &value]), "OK");
                assert_eq!(honest.run(&["get", "honest"]), value);
                let pause = stopped.recv_timeout(Duration::from_millis(20));
                if pause != Err(mpsc::RecvTimeoutError::Timeout) {
                    break;
                }
            }
            // Once more, after it.
            assert_eq!(honest.run(&["ping"]), "PONG");
        });
        let outcome = attack();
        drop(stop);
        beside.join().unwrap();
        watch.end(growth_bytes_max);
        outcome
    }

    /// All memory of the process at its highest.
    pub(crate) fn memory_max(&self) -> u64 {
        memory(self.node.pid(), "VmHWM")
    }

    /// A number of `INFO`.
    pub(crate) fn info(&self, field: &str) -> u64 {
        let text = self.client().run(&["info"]);
        let value = text
            .lines()
            .find_map(|line| line.strip_prefix(field)?.strip_prefix(':'));
        value.unwrap().trim().parse().unwrap()
    }
}

/// A connection.
pub(crate) struct Peer {
    pub(crate) stream: TcpStream,
    decoder: Decoder,
    input: Vec<u8>,
}

impl Peer {
    pub(crate) fn connect(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).unwrap();
        stream.set_nodelay(true).unwrap();
        stream.set_read_timeout(Some(PROMPTLY)).unwrap();
        stream
            .set_write_timeout(Some(Duration::from_secs(20)))
            .unwrap();
        Self {
            stream,
            decoder: Decoder::new(Limits::default()),
            input: Vec::new(),
        }
    }

    /// Sends bytes; whoever they are sent to may close before it has taken them all.
    pub(crate) fn send(&mut self, bytes: &[u8]) {
        if let Err(error) = self.stream.write_all(bytes) {
            let is_gone = [ErrorKind::BrokenPipe, ErrorKind::ConnectionReset];
            assert!(is_gone.contains(&error.kind()), "{error}");
        }
    }

    /// Sends as much as is taken without waiting for more than a second.
    pub(crate) fn flood(&mut self, bytes: &[u8]) {
        self.stream.set_write_timeout(Some(PROMPTLY)).unwrap();
        let _ = self.stream.write_all(bytes);
    }

    pub(crate) fn send_command(&mut self, words: &[&[u8]]) {
        let mut bytes = Vec::new();
        atlas_resp::command(&mut bytes, words);
        self.send(&bytes);
    }

    /// The next answer, which has to come within a second.
    pub(crate) fn receive(&mut self) -> Value {
        let began = Instant::now();
        loop {
            let (consumed, value) = self.decoder.decode(&self.input).unwrap();
            self.input.drain(..consumed);
            if let Some(value) = value {
                assert!(began.elapsed() <= PROMPTLY, "{:?}", began.elapsed());
                return value;
            }
            let mut bytes = [0; 1 << 16];
            let count = self.stream.read(&mut bytes).unwrap();
            assert!(count > 0, "closed instead of an answer");
            self.input.extend_from_slice(&bytes[..count]);
        }
    }

    /// What is answered to a command, as text.
    pub(crate) fn run(&mut self, words: &[&str]) -> String {
        let words: Vec<&[u8]> = words.iter().map(|word| word.as_bytes()).collect();
        self.run_bytes(&words)
    }

    pub(crate) fn run_bytes(&mut self, words: &[&[u8]]) -> String {
        self.send_command(words);
        text(&self.receive())
    }

    /// Everything that still comes until the other side closes, which has to come within a second.
    pub(crate) fn rest(&mut self) -> String {
        let began = Instant::now();
        let mut bytes = std::mem::take(&mut self.input);
        let mut piece = [0; 4096];
        loop {
            match self.stream.read(&mut piece) {
                Ok(0) => break,
                Ok(count) => bytes.extend_from_slice(&piece[..count]),
                Err(error) if error.kind() == ErrorKind::ConnectionReset => break,
                Err(error) => panic!("not closed in time: {error}"),
            }
        }
        assert!(began.elapsed() <= PROMPTLY, "{:?}", began.elapsed());
        String::from_utf8_lossy(&bytes).into_owned()
    }
}

/// A reply as text; an error as its line.
pub(crate) fn text(value: &Value) -> String {
    match value {
        Value::Null => "nil".to_owned(),
        Value::Integer(number) => number.to_string(),
        Value::Simple(bytes) | Value::Bulk(bytes) | Value::Error(bytes) => {
            String::from_utf8_lossy(bytes).into_owned()
        }
        Value::Array(values) | Value::Push(values) => {
            let values: Vec<String> = values.iter().map(text).collect();
            format!("[{}]", values.join(" "))
        }
        other => format!("{other:?}"),
    }
}
