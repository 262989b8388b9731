//! What starting a program to be measured takes: where it is, a port, the moment at which it listens.

use std::fs;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crate::process::Running;
use crate::{Error, machine};

/// The path of a program; servers lie in `sbin`, which a plain user's path may lack.
pub(crate) fn find(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .chain(["/usr/sbin".into(), "/usr/local/sbin".into()])
        .map(|folder| folder.join(name))
        .find(|candidate| candidate.is_file())
}

/// The path of a program that has to be there.
pub(crate) fn program(name: &str) -> Result<PathBuf, Error> {
    find(name).ok_or_else(|| Error::peer(name, "is not installed"))
}

/// Ports that nobody listens on right now, all different.
pub(crate) fn free_ports(count: usize) -> Result<Vec<u16>, Error> {
    let listeners: Vec<TcpListener> = (0..count)
        .map(|_| TcpListener::bind("127.0.0.1:0"))
        .collect::<Result<_, _>>()
        .map_err(Error::system("find a free port"))?;
    listeners
        .iter()
        .map(|it| {
            Ok(it
                .local_addr()
                .map_err(Error::system("read a port"))?
                .port())
        })
        .collect()
}

/// Waits until a program listens.
pub(crate) fn await_listening(running: &mut Running, address: SocketAddr) -> Result<(), Error> {
    let deadline = Instant::now() + Duration::from_secs(10);
    while Instant::now() < deadline {
        running.still_runs()?;
        if TcpStream::connect_timeout(&address, Duration::from_millis(200)).is_ok() {
            return Ok(());
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    Err(Error::Late {
        what: format!("listening on {address}"),
        seconds: 10,
    })
}

/// An error with the last lines of the log of the program that it is about.
pub(crate) fn with_log(error: Error, log: &Path) -> Error {
    let text = fs::read_to_string(log).unwrap_or_default();
    let tail: Vec<&str> = text.lines().rev().take(5).collect();
    let tail: Vec<&str> = tail.into_iter().rev().collect();
    Error::peer(
        error.to_string(),
        format!("its log ends: {}", tail.join(" | ")),
    )
}

/// Binds the calling thread, and what it starts from now on, to `cores`; to none if there are none.
pub(crate) fn pin(cores: &[usize]) -> Result<(), Error> {
    if cores.is_empty() {
        Ok(())
    } else {
        machine::pin(cores)
    }
}
