//! A redis-server of one's own, on a Unix socket in a folder of its own. Fuzz targets use this file too, so it needs only
//! std.

use std::io::{BufRead, BufReader, ErrorKind, Read, Write};
use std::net::{Shutdown, TcpListener};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

static COUNT: AtomicU32 = AtomicU32::new(0);

/// Runs redis-server until whoever started it closes its end of the pipe, or is gone: a fuzzer does not leave by way of
/// destructors, nor does a test that is killed.
const UNTIL_STDIN_ENDS: &str = r#"
redis-server "$@" &
exec >/dev/null
read -r nothing
kill -9 $!
wait
[ "$nothing" = keep ] || rm -rf "$0"
"#;

/// A running redis-server. It is killed with its handle.
#[derive(Debug)]
pub struct Redis {
    child: Option<Child>,
    folder: PathBuf,
    arguments: Vec<String>,
}

impl Redis {
    /// Starts one with these arguments (`--requirepass`, `--port`, …); without `--port` it has only its socket. None,
    /// and the reason printed, where there is none.
    ///
    /// # Panics
    /// If it does not get ready.
    #[allow(clippy::print_stdout, reason = "a test that skips itself says so")]
    pub fn start(arguments: &[&str]) -> Option<Self> {
        let there = Command::new("redis-server")
            .arg("--version")
            .stdout(Stdio::null())
            .status()
            .is_ok_and(|status| status.success());
        if !there {
            println!("skipped: redis-server is not installed");
            return None;
        }
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("atlas-redis-{}-{number}", std::process::id());
        let folder = std::env::temp_dir().join(name);
        std::fs::create_dir_all(&folder).expect("a folder for redis-server");
        let mut redis = Self {
            child: None,
            folder,
            arguments: arguments.iter().map(ToString::to_string).collect(),
        };
        redis.start_again();
        Some(redis)
    }

    /// Kills it, as a crash would; its folder stays.
    pub fn stop(&mut self) {
        self.end(b"keep\n");
    }

    /// Starts it again, with what its folder holds.
    ///
    /// # Panics
    /// If it does not get ready.
    pub fn start_again(&mut self) {
        self.stop();
        let mut child = Command::new("sh")
            .args(["-c", UNTIL_STDIN_ENDS])
            .arg(&self.folder)
            .args(["--port", "0", "--save", "", "--unixsocket"])
            .arg(self.socket())
            .arg("--dir")
            .arg(&self.folder)
            .args(&self.arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("a shell");
        let stdout = child.stdout.take().expect("a pipe was asked for");
        self.child = Some(child);
        let mut said = String::new();
        for line in BufReader::new(stdout).lines().map_while(Result::ok) {
            if line.contains("eady to accept connections") {
                return;
            }
            said.push_str(&line);
            said.push('\n');
        }
        panic!("redis-server ended before it was ready:\n{said}");
    }

    /// Its Unix socket.
    pub fn socket(&self) -> PathBuf {
        self.folder.join("socket")
    }

    /// Sends bytes and the end of the stream, and returns all that is answered.
    ///
    /// # Panics
    /// If it does not answer.
    pub fn answer(&self, input: &[u8]) -> Vec<u8> {
        let mut stream = UnixStream::connect(self.socket()).expect("redis-server listens");
        stream
            .set_read_timeout(Some(Duration::from_secs(20)))
            .expect("a time that is not zero");
        // It closes at a violation, perhaps before everything is written.
        let _ = stream.write_all(input);
        let _ = stream.shutdown(Shutdown::Write);
        let mut answer = Vec::new();
        let mut piece = [0; 4096];
        loop {
            match stream.read(&mut piece) {
                Ok(0) => return answer,
                Ok(count) => answer.extend_from_slice(&piece[..count]),
                // What it did not read before it closed is told as a reset, after the answer.
                Err(error) if error.kind() == ErrorKind::ConnectionReset => return answer,
                // A fuzzer's alarm rings.
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => panic!("no answer to {}: {error}", input.escape_ascii()),
            }
        }
    }

    /// Closes the pipe that it lives by.
    fn end(&mut self, last_words: &[u8]) {
        if let Some(mut child) = self.child.take() {
            if let Some(mut stdin) = child.stdin.take() {
                let _ = stdin.write_all(last_words);
            }
            let _ = child.wait();
        }
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        self.end(b"");
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

/// A port of loopback that was free a moment ago, for programs that cannot choose one themselves.
///
/// # Panics
/// If there is none.
pub fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0")
        .and_then(|listener| listener.local_addr())
        .expect("a free port")
        .port()
}
