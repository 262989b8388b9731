//! A child process whose output is kept, that takes signals, and that ends with its handle.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::{Arc, Mutex, PoisonError};

use rustix::process::{Pid, Signal, kill_process};
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::process::{Child, Command};

use crate::deadline::Deadline;
use crate::error::{Error, Result};

/// How a child ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// It returned this exit code.
    Code(i32),
    /// This signal ended it.
    Signal(i32),
}

impl std::fmt::Display for Exit {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Code(code) => write!(f, "exit code {code}"),
            Self::Signal(signal) => write!(f, "signal {signal}"),
        }
    }
}

impl From<std::process::ExitStatus> for Exit {
    fn from(status: std::process::ExitStatus) -> Self {
        use std::os::unix::process::ExitStatusExt;
        match status.code() {
            Some(code) => Self::Code(code),
            None => Self::Signal(status.signal().unwrap_or(0)),
        }
    }
}

/// A running child. Dropping it kills the child (SIGKILL) by its own process id, never by a name.
#[derive(Debug)]
pub struct Process {
    program: PathBuf,
    child: Child,
    pid: i32,
    exit: Option<Exit>,
    stdout: Output,
    stderr: Output,
}

impl Process {
    /// Starts `program` with `args`, in this process's environment plus `variables` (a `None` removes one).
    ///
    /// stdin is empty; stdout and stderr are kept whole, see [`stdout`](Self::stdout).
    ///
    /// # Errors
    /// [`Error::Start`] with the program's path.
    pub fn start(
        program: &Path,
        args: &[OsString],
        variables: &[(String, Option<String>)],
    ) -> Result<Self> {
        let mut command = Command::new(program);
        command
            .args(args)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true);
        for (name, value) in variables {
            match value {
                Some(value) => command.env(name, value),
                None => command.env_remove(name),
            };
        }
        let mut child = command.spawn().map_err(|source| Error::Start {
            program: program.to_owned(),
            source,
        })?;
        let pid = child.id().map_or(0, |id| i32::try_from(id).unwrap_or(0));
        let (stdout, stderr) = (Output::default(), Output::default());
        if let Some(pipe) = child.stdout.take() {
            stdout.collect(pipe);
        }
        if let Some(pipe) = child.stderr.take() {
            stderr.collect(pipe);
        }
        Ok(Self {
            program: program.to_owned(),
            child,
            pid,
            exit: None,
            stdout,
            stderr,
        })
    }

    /// The child's process id.
    pub fn pid(&self) -> i32 {
        self.pid
    }

    /// What the child has printed to stdout so far.
    pub fn stdout(&self) -> String {
        self.stdout.text()
    }

    /// What the child has printed to stderr so far.
    pub fn stderr(&self) -> String {
        self.stderr.text()
    }

    /// How the child ended, if it has; does not wait.
    pub fn exit(&mut self) -> Option<Exit> {
        if self.exit.is_none() {
            self.exit = self.child.try_wait().ok().flatten().map(Exit::from);
        }
        self.exit
    }

    /// Waits for the child's end, and for the last of its output.
    ///
    /// # Errors
    /// [`Error::Late`] if it still runs at the deadline; the error shows its stderr.
    pub async fn wait(&mut self, deadline: Deadline) -> Result<Exit> {
        let what = format!("the end of {}", self.program.display());
        match deadline.limit(&what, self.child.wait()).await {
            Ok(status) => {
                let exit = Exit::from(status.map_err(Error::io(&what))?);
                self.exit = Some(exit);
                // A grandchild may hold the pipes open for longer: the deadline bounds that as well.
                let _ = deadline
                    .limit("the end of its output", self.stdout.closed())
                    .await;
                let _ = deadline
                    .limit("the end of its output", self.stderr.closed())
                    .await;
                Ok(exit)
            }
            Err(_) => {
                Err(deadline.late(&what, format!("it runs on; its stderr: {}", self.stderr())))
            }
        }
    }

    /// Sends a signal.
    ///
    /// # Errors
    /// [`Error::Unexpected`] if the child has ended, [`Error::Io`] if the system refuses.
    pub fn signal(&mut self, signal: Signal) -> Result<()> {
        // Only a child that has not been reaped still owns its process id.
        if let Some(exit) = self.exit() {
            return Err(Error::unexpected(
                format!("{} to run", self.program.display()),
                exit.to_string(),
            ));
        }
        let what = format!("signalling {}", self.program.display());
        let Some(pid) = Pid::from_raw(self.pid).filter(|_| self.pid > 1) else {
            return Err(Error::unexpected("a process id", self.pid.to_string()));
        };
        kill_process(pid, signal).map_err(|errno| Error::io(what)(errno.into()))
    }

    /// SIGTERM: asks it to drain and end.
    ///
    /// # Errors
    /// See [`signal`](Self::signal).
    pub fn terminate(&mut self) -> Result<()> {
        self.signal(Signal::TERM)
    }

    /// SIGSTOP: it stands still, its sockets stay open.
    ///
    /// # Errors
    /// See [`signal`](Self::signal).
    pub fn stall(&mut self) -> Result<()> {
        self.signal(Signal::STOP)
    }

    /// SIGCONT: it goes on after [`stall`](Self::stall).
    ///
    /// # Errors
    /// See [`signal`](Self::signal).
    pub fn go_on(&mut self) -> Result<()> {
        self.signal(Signal::CONT)
    }

    /// SIGKILL: it is gone without a word.
    ///
    /// # Errors
    /// See [`signal`](Self::signal).
    pub fn kill(&mut self) -> Result<()> {
        self.signal(Signal::KILL)
    }
}

/// One captured stream; clones share it.
#[derive(Debug, Clone, Default)]
struct Output {
    bytes: Arc<Mutex<Vec<u8>>>,
    done: Arc<tokio::sync::Notify>,
}

impl Output {
    fn collect(&self, mut pipe: impl AsyncRead + Unpin + Send + 'static) {
        let output = self.clone();
        tokio::spawn(async move {
            let mut chunk = vec![0; 8192];
            while let Ok(read @ 1..) = pipe.read(&mut chunk).await {
                output
                    .bytes
                    .lock()
                    .unwrap_or_else(PoisonError::into_inner)
                    .extend_from_slice(&chunk[..read]);
            }
            // A stored permit: whoever asks later is told at once.
            output.done.notify_one();
        });
    }

    async fn closed(&self) {
        self.done.notified().await;
        self.done.notify_one();
    }

    fn text(&self) -> String {
        String::from_utf8_lossy(&self.bytes.lock().unwrap_or_else(PoisonError::into_inner))
            .into_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::eventually;

    fn shell(script: &str) -> Process {
        Process::start(Path::new("/bin/sh"), &["-c".into(), script.into()], &[]).unwrap()
    }

    #[tokio::test]
    async fn output_and_exit_code_are_kept() {
        let mut child = shell("echo out; echo err >&2; exit 3");
        assert_eq!(
            child.wait(Deadline::seconds(10)).await.unwrap(),
            Exit::Code(3)
        );
        assert_eq!(
            (child.stdout().as_str(), child.stderr().as_str()),
            ("out\n", "err\n")
        );
        assert!(child.terminate().is_err(), "a reaped child takes no signal");
    }

    #[tokio::test]
    async fn signals_reach_the_child() {
        let mut child =
            shell("trap 'echo bye; exit 7' TERM; echo up; while :; do sleep 0.05; done");
        let deadline = Deadline::seconds(10);
        eventually(deadline, "its first word", || child.stdout().contains("up"))
            .await
            .unwrap();
        child.stall().unwrap();
        child.terminate().unwrap();
        child.go_on().unwrap();
        assert_eq!(child.wait(deadline).await.unwrap(), Exit::Code(7));
        assert!(child.stdout().contains("bye"));
    }

    #[tokio::test]
    async fn a_dropped_child_is_gone() {
        let child = shell("exec sleep 600");
        let pid = Pid::from_raw(child.pid()).unwrap();
        drop(child);
        eventually(Deadline::seconds(10), "its end", || {
            rustix::process::test_kill_process(pid).is_err()
        })
        .await
        .unwrap();
    }

    #[tokio::test]
    async fn a_missing_program_is_named() {
        let error = Process::start(Path::new("/no/such/program"), &[], &[]).unwrap_err();
        assert_eq!(error.to_string(), "cannot start /no/such/program");
    }
}
