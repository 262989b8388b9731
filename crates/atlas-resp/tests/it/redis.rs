//! A redis-server of our own, on a socket in a folder of its own. The fuzz target uses it too, so it needs only std.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

static COUNT: AtomicU32 = AtomicU32::new(0);

/// Ends with its handle.
pub(crate) struct Redis {
    child: Child,
    folder: PathBuf,
}

impl Redis {
    /// Starts one. None, and the reason printed, where there is none.
    pub(crate) fn start(arguments: &[&str]) -> Option<Self> {
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let folder =
            std::env::temp_dir().join(format!("atlas-resp-{}-{number}", std::process::id()));
        std::fs::create_dir_all(&folder).expect("a folder for redis-server");
        let started = Command::new("redis-server")
            .args(["--port", "0", "--save", "", "--unixsocket"])
            .arg(folder.join("socket"))
            .arg("--dir")
            .arg(&folder)
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn();
        let mut child = match started {
            Ok(child) => child,
            Err(error) => {
                println!("skipped: redis-server cannot be started: {error}");
                let _ = std::fs::remove_dir_all(&folder);
                return None;
            }
        };
        let stdout = child.stdout.take().expect("a pipe was asked for");
        let redis = Self { child, folder };
        let ready = BufReader::new(stdout)
            .lines()
            .map_while(Result::ok)
            .any(|line| line.contains("eady to accept connections"));
        assert!(ready, "redis-server ended before it was ready");
        Some(redis)
    }

    /// Sends the bytes and the end of the stream, and returns all that is answered.
    pub(crate) fn answer(&self, input: &[u8]) -> Vec<u8> {
        let mut stream =
            UnixStream::connect(self.folder.join("socket")).expect("redis-server listens");
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
                Err(error) if error.kind() == std::io::ErrorKind::ConnectionReset => return answer,
                Err(error) => panic!("no answer to {}: {error}", input.escape_ascii()),
            }
        }
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}
