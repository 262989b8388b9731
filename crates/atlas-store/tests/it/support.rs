//! A store in this process, and a client of it.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use atlas_resp::reply::{Decoder, Limits, Value};
use atlas_runtime::metrics::Registry;
use atlas_runtime::{MetricsConfig, Shutdown, Tasks};
use atlas_store::{Planted, Store, StoreConfig};
use atlas_wal::Disk;
use tokio::runtime::Runtime;

/// Long enough for a debug build on a busy machine.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// A running store; stops, cleanly, when it is dropped.
pub(crate) struct Running {
    runtime: Runtime,
    tasks: Tasks,
    pub(crate) end: Shutdown,
    pub(crate) listen: SocketAddr,
    /// Its disk may be gone: it may end in any way.
    pub(crate) is_doomed: bool,
}

impl Running {
    /// Starts a store on a folder.
    pub(crate) fn start(folder: &Path) -> Self {
        Self::with(folder, StoreConfig::default())
    }

    /// Starts a store of this configuration on any port.
    pub(crate) fn with(folder: &Path, config: StoreConfig) -> Self {
        Self::try_with(folder, config).unwrap()
    }

    pub(crate) fn try_with(folder: &Path, config: StoreConfig) -> Result<Self, atlas_store::Error> {
        Self::begin(config, |config, registry| {
            Store::build(config, folder, registry, Box::new(|| None))
        })
    }

    /// Starts a store on a disk, with a bug or without.
    pub(crate) fn on(
        disk: Arc<dyn Disk>,
        config: StoreConfig,
        planted: Option<Planted>,
    ) -> Result<Self, atlas_store::Error> {
        Self::begin(config, |config, registry| {
            Store::build_planted(config, disk, registry, Box::new(|| None), planted)
        })
    }

    fn begin(
        config: StoreConfig,
        build: impl FnOnce(&StoreConfig, &Registry) -> Result<Store, atlas_store::Error>,
    ) -> Result<Self, atlas_store::Error> {
        let config = StoreConfig {
            listen: ([127, 0, 0, 1], 0).into(),
            ..config
        };
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .unwrap();
        let end = Shutdown::new();
        let tasks = Tasks::new(end.clone());
        let registry = Registry::new(&MetricsConfig::default());
        let store = build(&config, &registry)?;
        let listen = store.listen();
        let _guard = runtime.enter();
        store.start(&tasks, end.clone(), PATIENCE)?;
        drop(_guard);
        Ok(Self {
            runtime,
            tasks,
            end,
            listen,
            is_doomed: false,
        })
    }

    pub(crate) fn client(&self) -> Client {
        Client::connect(self.listen)
    }

    /// Stops it and waits until the log is closed.
    pub(crate) fn stop(self) {
        drop(self);
    }

    /// Waits until it has ended by itself.
    pub(crate) fn ended(&self) {
        let ended = async { tokio::time::timeout(PATIENCE, self.end.draining()).await };
        self.runtime.block_on(ended).unwrap();
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.runtime.block_on(self.tasks.drain(PATIENCE)).unwrap();
        if let Some(failure) = self.tasks.failure()
            && !self.is_doomed
        {
            assert!(std::thread::panicking(), "a task failed: {failure:?}");
        }
    }
}

/// A client that waits for each answer, with patience.
pub(crate) struct Client {
    stream: TcpStream,
    decoder: Decoder,
    input: Vec<u8>,
}

impl Client {
    pub(crate) fn connect(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.set_write_timeout(Some(PATIENCE)).unwrap();
        stream.set_nodelay(true).unwrap();
        Self {
            stream,
            decoder: Decoder::new(Limits::default()),
            input: Vec::new(),
        }
    }

    /// Sends commands, one a line, without waiting.
    pub(crate) fn send(&mut self, lines: &str) {
        let mut bytes = Vec::new();
        for line in lines.lines() {
            let words: Vec<&str> = line.split_ascii_whitespace().collect();
            atlas_resp::command(&mut bytes, words);
        }
        self.send_bytes(&bytes);
    }

    pub(crate) fn send_bytes(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).unwrap();
    }

    /// The next answer.
    pub(crate) fn receive(&mut self) -> Value {
        self.try_receive().unwrap()
    }

    /// The next answer; none once the store has closed the connection.
    pub(crate) fn try_receive(&mut self) -> Option<Value> {
        loop {
            let (consumed, value) = self.decoder.decode(&self.input).unwrap();
            self.input.drain(..consumed);
            if value.is_some() {
                return value;
            }
            let mut bytes = [0; 16384];
            match self.stream.read(&mut bytes) {
                Ok(0) => return None,
                Ok(count) => self.input.extend_from_slice(&bytes[..count]),
                Err(error) if error.kind() == std::io::ErrorKind::ConnectionReset => return None,
                Err(error) => panic!("no answer: {error}"),
            }
        }
    }

    /// Sends a command and shows its answer as `redis-cli` would, on one line.
    pub(crate) fn run(&mut self, line: &str) -> String {
        self.send(line);
        shown(&self.receive())
    }

    /// Sends a command of any bytes and shows its answer.
    pub(crate) fn run_bytes(&mut self, words: &[&[u8]]) -> String {
        let mut bytes = Vec::new();
        atlas_resp::command(&mut bytes, words);
        self.send_bytes(&bytes);
        shown(&self.receive())
    }

    /// Checks that each line on the left is answered with what stands behind `=>`.
    pub(crate) fn script(&mut self, lines: &str) {
        for line in lines.lines().map(str::trim).filter(|line| !line.is_empty()) {
            let (command, expected) = line.split_once("=>").unwrap();
            assert_eq!(self.run(command.trim()), expected.trim(), "{command}");
        }
    }

    /// The number of the connection.
    pub(crate) fn id(&mut self) -> String {
        self.run("client id")
    }
}

/// A reply on one line.
pub(crate) fn shown(value: &Value) -> String {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let all = |values: &[Value]| {
        let all: Vec<String> = values.iter().map(shown).collect();
        all.join(" ")
    };
    match value {
        Value::Null => "nil".to_owned(),
        Value::Simple(bytes) | Value::Bulk(bytes) | Value::BigNumber(bytes) => text(bytes),
        Value::Error(bytes) => format!("!{}", text(bytes)),
        Value::Integer(number) => number.to_string(),
        Value::Boolean(truth) => truth.to_string(),
        Value::Double(number) => number.to_string(),
        Value::Verbatim { text: bytes, .. } => text(bytes),
        Value::Array(values) => format!("[{}]", all(values)),
        Value::Set(values) => format!("~[{}]", all(values)),
        Value::Push(values) => format!(">[{}]", all(values)),
        Value::Map(pairs) => {
            let pairs: Vec<String> = pairs
                .iter()
                .map(|(key, value)| format!("{}:{}", shown(key), shown(value)))
                .collect();
            format!("{{{}}}", pairs.join(" "))
        }
        Value::Attributed { value, .. } => shown(value),
    }
}

/// Looks until a condition holds.
pub(crate) fn eventually(what: &str, mut is: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !is() {
        assert!(Instant::now() < deadline, "not in time: {what}");
        std::thread::yield_now();
    }
}

/// Waits until so many clients of the store wait for keys.
pub(crate) fn blocked(client: &mut Client, count: usize) {
    let line = format!("blocked_clients:{count}\r");
    eventually(&line, || {
        client
            .run("info clients")
            .lines()
            .any(|found| found == line.trim_end() || format!("{found}\r") == line)
    });
}
