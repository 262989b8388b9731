//! `atlas store` as a process: killed under load, started again, stopped, beside another one.

use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use atlas_testkit::{Atlas, Exit, Signal, eventually};

use crate::support::{atlas, deadline};

/// A client that speaks in lines.
pub(crate) struct Client(BufReader<TcpStream>);

impl Client {
    pub(crate) fn connect(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).unwrap();
        stream
            .set_read_timeout(Some(Duration::from_secs(60)))
            .unwrap();
        Self(BufReader::new(stream))
    }

    /// Sends a line; false if the store is gone.
    pub(crate) fn send(&mut self, line: &str) -> bool {
        let line = format!("{line}\r\n");
        self.0.get_mut().write_all(line.as_bytes()).is_ok()
    }

    /// The next line; none once the store is gone.
    pub(crate) fn receive(&mut self) -> Option<String> {
        let mut line = String::new();
        match self.0.read_line(&mut line) {
            Ok(count) if count > 0 => Some(line.trim_end().to_owned()),
            _ => None,
        }
    }

    /// Sends a line and receives the answer's first line, or the second if the first is a string's length.
    pub(crate) fn ask(&mut self, line: &str) -> String {
        assert!(self.send(line));
        let first = self.receive().unwrap();
        if first.starts_with('$') && first != "$-1" {
            return self.receive().unwrap();
        }
        first
    }

    /// A section of `INFO`.
    pub(crate) fn info(&mut self, section: &str) -> String {
        assert!(self.send(&format!("info {section}")));
        let bytes = self.receive().unwrap()[1..].parse().unwrap();
        let mut text = String::new();
        while text.len() < bytes {
            text += &self.receive().unwrap();
            text += "\r\n";
        }
        // The text's own last line end is followed by the protocol's.
        assert!(self.receive().is_some_and(|line| line.is_empty()) || text.len() > bytes);
        text
    }
}

pub(crate) async fn store(folder: &Path, fsync: &str) -> Atlas {
    atlas(&[
        "store",
        "--listen",
        "127.0.0.1:0",
        "--admin-listen",
        "127.0.0.1:0",
        "--fsync",
        fsync,
    ])
    .data_dir(folder)
    .start(deadline())
    .await
    .unwrap()
}

#[tokio::test]
async fn a_killed_store_has_all_that_it_answered() {
    const CLIENTS: u64 = 4;
    let folder = tempfile::tempdir().unwrap();
    // What each client was answered, over all rounds.
    let answered: Vec<Arc<AtomicU64>> = (0..CLIENTS).map(|_| Arc::default()).collect();
    for (round, fsync) in ["every", "every", "interval", "none", "every"]
        .into_iter()
        .enumerate()
    {
        let mut node = store(folder.path(), fsync).await;
        let address = node.listener("store").unwrap();
        let mut client = Client::connect(address);
        for (number, count) in answered.iter().enumerate() {
            let got = client.ask(&format!("get count:{number}"));
            let got: u64 = got.parse().unwrap_or(0);
            let told = count.load(Ordering::Relaxed);
            // One more may have been written whose answer was under way.
            assert!(
                got == told || got == told + 1,
                "round {round}: {got} of {told}"
            );
            count.store(got, Ordering::Relaxed);
        }
        let before: u64 = answered
            .iter()
            .map(|count| count.load(Ordering::Relaxed))
            .sum();
        let threads: Vec<_> = answered
            .iter()
            .enumerate()
            .map(|(number, count)| {
                let count = Arc::clone(count);
                // Before anybody writes: it may all be over soon.
                let mut client = Client::connect(address);
                std::thread::spawn(move || {
                    while client.send(&format!("incr count:{number}")) {
                        let Some(answer) = client.receive() else {
                            return;
                        };
                        let told: u64 = answer.trim_start_matches(':').parse().unwrap();
                        assert_eq!(told, count.load(Ordering::Relaxed) + 1);
                        count.store(told, Ordering::Relaxed);
                    }
                })
            })
            .collect();
        let enough = || {
            let now: u64 = answered
                .iter()
                .map(|count| count.load(Ordering::Relaxed))
                .sum();
            now > before + 200
        };
        eventually(deadline(), "clients are answered", enough)
            .await
            .unwrap();
        node.signal(Signal::KILL).unwrap();
        node.wait(deadline()).await.unwrap();
        threads
            .into_iter()
            .for_each(|thread| thread.join().unwrap());
    }
}

#[tokio::test]
async fn a_stop_is_clean_and_a_folder_has_one_store() {
    let folder = tempfile::tempdir().unwrap();
    let mut node = store(folder.path(), "every").await;
    let mut client = Client::connect(node.listener("store").unwrap());
    assert_eq!(client.ask("set greeting hello"), "+OK");
    let second = atlas(&[
        "store",
        "--listen",
        "127.0.0.1:0",
        "--admin-listen",
        "127.0.0.1:0",
    ])
    .data_dir(folder.path());
    let (exit, _, stderr) = second.output(deadline()).await.unwrap();
    assert_eq!(exit, Exit::Code(1));
    assert!(stderr.contains("is in use by process"), "{stderr}");
    assert_eq!(client.ask("get greeting"), "hello");
    node.signal(Signal::TERM).unwrap();
    let exit = node.wait(deadline()).await.unwrap();
    assert_eq!(exit, Exit::Code(0));
    let node = store(folder.path(), "every").await;
    let mut client = Client::connect(node.listener("store").unwrap());
    assert_eq!(client.ask("get greeting"), "hello");
}

#[tokio::test]
async fn the_configuration_is_checked_before_anything_is_touched() {
    let folder = tempfile::tempdir().unwrap();
    let file = "[store]\nlog-segment-bytes = \"1KiB\"\nnotify-keyspace-events = \"Q\"\n";
    let node = atlas(&["store"])
        .file("atlas.toml", file)
        .data_dir(folder.path().join("data"));
    let (exit, _, stderr) = node.output(deadline()).await.unwrap();
    assert_eq!(exit, Exit::Code(2));
    for named in ["store.log-segment-bytes", "store.notify-keyspace-events"] {
        assert!(stderr.contains(named), "{stderr}");
    }
    assert!(!folder.path().join("data/store").exists());
}

/// A small disk of its own, unmounted when dropped; none where this user may not mount.
pub(crate) struct SmallDisk(pub(crate) tempfile::TempDir);

impl SmallDisk {
    pub(crate) fn mount(size: &str) -> Option<Self> {
        let folder = tempfile::tempdir().unwrap();
        mount(
            &["-t", "tmpfs", "-o", &format!("size={size}"), "none"],
            folder.path(),
        )
        .then_some(Self(folder))
    }

    pub(crate) fn make_read_only(&self) {
        assert!(mount(&["-o", "remount,ro"], self.0.path()));
    }

    pub(crate) fn resize(&self, size: &str) {
        let options = format!("remount,size={size}");
        assert!(mount(&["-o", &options], self.0.path()));
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let path = self.0.path();
        let unmounted = std::process::Command::new("umount")
            .arg("-l")
            .arg(path)
            .status();
        assert!(unmounted.is_ok_and(|status| status.success()));
    }
}

fn mount(arguments: &[&str], path: &Path) -> bool {
    let mut command = std::process::Command::new("mount");
    let done = command.args(arguments).arg(path).output();
    done.is_ok_and(|output| output.status.success())
}

/// Writes keys until the disk is full and stays so: a snapshot that lets go of log makes room for a while.
pub(crate) fn fill_disk(client: &mut Client) {
    let value = "x".repeat(10_000);
    let mut refused_since = None;
    for number in 0.. {
        if client.ask(&format!("set key:{number} {value}")) == "+OK" {
            refused_since = None;
        } else {
            let since = refused_since.get_or_insert_with(Instant::now);
            if since.elapsed() > Duration::from_secs(2) {
                return;
            }
        }
    }
}

#[tokio::test]
async fn a_full_disk_refuses_writes_by_name_and_recovers_by_itself() {
    let Some(disk) = SmallDisk::mount("12m") else {
        println!("skipped: mounting a small disk needs root");
        return;
    };
    let file = "[store]\nlisten = \"127.0.0.1:0\"\nlog-segment-bytes = \"2MiB\"\nsnapshot-interval = \"0s\"\n[admin]\nlisten = \"127.0.0.1:0\"\n";
    let start = || {
        atlas(&["store"])
            .file("atlas.toml", file)
            .data_dir(disk.0.path())
    };
    let mut node = start().start(deadline()).await.unwrap();
    let mut client = Client::connect(node.listener("store").unwrap());
    let value = "x".repeat(10_000);
    let mut answered = 0;
    let refused = loop {
        let answer = client.ask(&format!("set key:{answered} {value}"));
        if answer != "+OK" {
            break answer;
        }
        answered += 1;
        assert!(answered < 10_000, "12 MiB hold no 100 MB");
    };
    assert_eq!(
        refused,
        "-MISCONF the disk of the log is full; writes are refused until there is space"
    );
    assert!(answered > 100, "{answered}");
    assert_eq!(client.ask("get key:0"), value);
    assert_eq!(client.ask("ping"), "+PONG");
    disk.resize("64m");
    eventually(deadline(), "writes go on", || {
        client.ask("set again 1") == "+OK"
    })
    .await
    .unwrap();
    node.signal(Signal::KILL).unwrap();
    node.wait(deadline()).await.unwrap();
    let node = start().start(deadline()).await.unwrap();
    let mut client = Client::connect(node.listener("store").unwrap());
    assert_eq!(client.ask("dbsize"), format!(":{}", answered + 1));
}
