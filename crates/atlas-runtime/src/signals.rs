//! What the operating system asks of the process.

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::watch;

use crate::{Error, Shutdown};

/// Told of each SIGHUP: read the configuration again.
#[derive(Debug, Clone)]
pub struct Reload(watch::Receiver<u64>);

impl Reload {
    /// Waits for the next request to reload. Requests that come while one is performed are one request. Never returns
    /// once signals are no longer listened for.
    pub async fn requested(&mut self) {
        if self.0.changed().await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}

/// Listens for signals from now on: SIGTERM and SIGINT drain, a second one stops at once, SIGHUP is handed on.
///
/// # Errors
/// [`Error::Signals`] if the system refuses.
///
/// # Panics
/// Outside of a tokio runtime.
pub fn listen(shutdown: &Shutdown) -> Result<Reload, Error> {
    let open = |kind| signal(kind).map_err(|source| Error::Signals { source });
    let mut terminate = open(SignalKind::terminate())?;
    let mut interrupt = open(SignalKind::interrupt())?;
    let mut hangup = open(SignalKind::hangup())?;
    let shutdown = shutdown.clone();
    let (sender, receiver) = watch::channel(0);
    tokio::spawn(async move {
        loop {
            tokio::select! {
                true = next(&mut terminate) => { shutdown.request("SIGTERM"); }
                true = next(&mut interrupt) => { shutdown.request("SIGINT"); }
                true = next(&mut hangup) => sender.send_modify(|count| *count += 1),
                else => return,
            }
        }
    });
    Ok(Reload(receiver))
}

async fn next(signal: &mut Signal) -> bool {
    signal.recv().await.is_some()
}

#[cfg(test)]
mod tests {
    use rustix::process::{Signal, getpid, kill_process};

    use super::*;
    use crate::Phase;

    /// One test for all of them: signals belong to the whole process.
    #[tokio::test]
    async fn hangup_reloads_then_terminate_drains_then_interrupt_stops() {
        let shutdown = Shutdown::new();
        let mut reload = listen(&shutdown).unwrap();
        let send = |signal| kill_process(getpid(), signal).unwrap();
        let deadline = std::time::Duration::from_secs(10);
        send(Signal::HUP);
        tokio::time::timeout(deadline, reload.requested())
            .await
            .expect("SIGHUP is handed on");
        assert_eq!(shutdown.phase(), Phase::Running);
        send(Signal::TERM);
        tokio::time::timeout(deadline, shutdown.draining())
            .await
            .expect("SIGTERM drains");
        assert_eq!(shutdown.phase(), Phase::Draining);
        send(Signal::INT);
        tokio::time::timeout(deadline, shutdown.stopping())
            .await
            .expect("a second signal stops");
    }
}
