//! A redis-server of our own, on a socket in a folder of its own. The fuzz target uses it too, so it needs only std.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

static COUNT: AtomicU32 = AtomicU32::new(0);

/// Runs redis-server until whoever started it closes its end of the pipe, or is gone: a fuzzer does not leave by way of
/// destructors.
const UNTIL_STDIN_ENDS: &str = r#"
redis-server "$@" &
exec >/dev/null
read -r nothing
kill -9 $!
wait
rm -rf "$0"
"#;

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
        if !Command::new("redis-server")
            .arg("--version")
            .stdout(Stdio::null())
            .status()
            .is_ok_and(|status| status.success())
        {
            println!("skipped: redis-server is not installed");
            let _ = std::fs::remove_dir_all(&folder);
            return None;
        }
        let mut child = Command::new("sh")
            .args(["-c", UNTIL_STDIN_ENDS])
            .arg(&folder)
            .args(["--port", "0", "--save", "", "--unixsocket"])
            .arg(folder.join("socket"))
            .arg("--dir")
            .arg(&folder)
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("a shell");
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
                // A fuzzer's alarm rings.
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                Err(error) => panic!("no answer to {}: {error}", input.escape_ascii()),
            }
        }
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        drop(self.child.stdin.take());
        let _ = self.child.wait();
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}
