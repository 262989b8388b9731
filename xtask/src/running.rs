//! Children of a chore: started, waited for, and ended with their handle.

use std::fs::{self, File};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::error::Error;
use crate::process;

/// How long anything that is started may take to listen.
const START: Duration = Duration::from_secs(30);

/// A child whose output goes to a file, and that ends with its handle.
pub(crate) struct Running {
    child: Child,
    line: String,
    log: PathBuf,
}

impl Running {
    /// Starts a command that runs in `folder` and leaves `NAME.log` there.
    pub(crate) fn spawn(mut command: Command, folder: &Path, name: &str) -> Result<Self, Error> {
        let log = folder.join(format!("{name}.log"));
        let out = File::create(&log).map_err(file("create", &log))?;
        let err = out.try_clone().map_err(file("write", &log))?;
        let line = process::line(&command);
        // The suite leaves files where it runs.
        let child = command
            .current_dir(folder)
            .stdin(Stdio::null())
            .stdout(out)
            .stderr(err)
            .spawn();
        let child = child.map_err(|source| Error::Start {
            program: line.clone(),
            source,
        })?;
        Ok(Self { child, line, log })
    }

    /// Starts a program with flags.
    pub(crate) fn start(
        program: &Path,
        flags: &[(&str, &str)],
        folder: &Path,
        name: &str,
    ) -> Result<Self, Error> {
        let mut command = Command::new(program);
        for (flag, value) in flags {
            command.args([flag, value]);
        }
        Self::spawn(command, folder, name)
    }

    /// Starts a program that listens on this port, and waits until it does.
    pub(crate) fn listening(
        program: &Path,
        flags: &[(&str, &str)],
        folder: &Path,
        name: &str,
        port: u16,
    ) -> Result<Self, Error> {
        let mut running = Self::start(program, flags, folder, name)?;
        let address = SocketAddr::from(([127, 0, 0, 1], port));
        running.until(name, || TcpStream::connect(address).ok())?;
        Ok(running)
    }

    /// Waits until something is there; an error if the program ends first.
    pub(crate) fn until<T>(
        &mut self,
        what: &str,
        mut look: impl FnMut() -> Option<T>,
    ) -> Result<T, Error> {
        let deadline = Instant::now() + START;
        loop {
            if let Some(found) = look() {
                return Ok(found);
            }
            if self.ended().is_some() || Instant::now() > deadline {
                return Err(self.failed(&format!("{what} did not come up")));
            }
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// Waits for the end, which must be a good one and come within this time.
    pub(crate) fn finish(mut self, patience: Duration) -> Result<(), Error> {
        let deadline = Instant::now() + patience;
        loop {
            match self.ended() {
                Some(true) => return Ok(()),
                Some(false) => return Err(self.failed("it failed")),
                None if Instant::now() > deadline => {
                    return Err(self.failed("it did not end in time"));
                }
                None => std::thread::sleep(Duration::from_millis(50)),
            }
        }
    }

    /// Whether it has ended, and how.
    pub(crate) fn ended(&mut self) -> Option<bool> {
        self.child
            .try_wait()
            .ok()
            .flatten()
            .map(|status| status.success())
    }

    fn failed(&self, what: &str) -> Error {
        let said = fs::read_to_string(&self.log).unwrap_or_default();
        let last: Vec<&str> = said.lines().rev().take(10).collect();
        let last: Vec<&str> = last.into_iter().rev().collect();
        Error::check(format!("`{}`: {what}\n{}", self.line, last.join("\n")))
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A port of the loopback that nobody listens on now.
pub(crate) fn free_port() -> Result<u16, Error> {
    let bound = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr());
    let address = bound.map_err(|source| Error::Start {
        program: "a listener".into(),
        source,
    })?;
    Ok(address.port())
}

/// Says which file an error of the system is about.
pub(crate) fn file(action: &'static str, path: &Path) -> impl FnOnce(std::io::Error) -> Error {
    let path = path.to_owned();
    move |source| Error::File {
        action,
        path,
        source,
    }
}
