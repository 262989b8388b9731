//! What can go wrong in a process's life.

use std::{io, net::SocketAddr, path::PathBuf, time::Duration};

use crate::config;

/// Any error, as tasks return it.
pub type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// What can go wrong in a process's life, outside of the services themselves.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The configuration cannot be used.
    #[error(transparent)]
    Config(#[from] config::Error),
    /// A listener did not get its address.
    #[error("{}", bind_message(*.address, .key, .owner.as_deref(), .source))]
    Bind {
        /// The address that was asked for.
        address: SocketAddr,
        /// The configuration's key that says so.
        key: String,
        /// The process that likely holds the port, like `nginx (pid 12)`.
        owner: Option<String>,
        /// What the system said.
        source: io::Error,
    },
    /// A file cannot be read.
    #[error("cannot read {}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A file cannot be written.
    #[error("cannot write {}", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A metric was declared twice, or with a name or labels that Prometheus refuses.
    #[error("cannot declare metric {name}")]
    Metric {
        /// The metric's name.
        name: String,
        /// What the registry said.
        source: prometheus::Error,
    },
    /// A metric's name breaks the naming rule.
    #[error("metric {name}: {why}")]
    MetricName {
        /// The metric's name.
        name: String,
        /// Which rule it breaks.
        why: &'static str,
    },
    /// The metrics cannot be rendered.
    #[error("cannot render the metrics")]
    Render {
        /// What the encoder said.
        source: prometheus::Error,
    },
    /// A log level that cannot be read.
    #[error(
        "log level {level:?} cannot be read; write error, warn, info, debug, trace, or a list like \"atlas_edge=debug,info\""
    )]
    Level {
        /// The text that was given.
        level: String,
        /// What the filter said.
        source: BoxError,
    },
    /// Logs are set up once in a process.
    #[error("logs are set up already")]
    Logs {
        /// What the library said.
        source: BoxError,
    },
    /// The system gives no random bytes.
    #[error("cannot draw random bytes for the admin token")]
    Random {
        /// What the system said.
        source: BoxError,
    },
    /// Signals cannot be received.
    #[error("cannot listen for signals")]
    Signals {
        /// What the system said.
        source: io::Error,
    },
    /// A server's loop ended with an error.
    #[error("the listener on {address} stopped")]
    Serve {
        /// Where it listened.
        address: SocketAddr,
        /// What the system said.
        source: io::Error,
    },
    /// A thread cannot be started.
    #[error("cannot start thread {name}")]
    Thread {
        /// The task's name.
        name: String,
        /// What the system said.
        source: io::Error,
    },
    /// A task that the process needs failed.
    #[error("task {name} failed")]
    Task {
        /// The task's name.
        name: String,
        /// Why.
        source: BoxError,
    },
    /// The drain's time was over before everything had ended.
    #[error("not everything ended within {after:?}: {}", names.join(", "))]
    Drain {
        /// How long the drain waited.
        after: Duration,
        /// The tasks that had not ended.
        names: Vec<String>,
    },
}

fn bind_message(address: SocketAddr, key: &str, owner: Option<&str>, source: &io::Error) -> String {
    match (source.kind(), owner) {
        (io::ErrorKind::AddrInUse, Some(owner)) => {
            format!(
                "cannot listen on {address}: the port is held by {owner}; stop it, or give `{key}` another port"
            )
        }
        (io::ErrorKind::AddrInUse, None) => {
            format!(
                "cannot listen on {address}: the port is in use by another process; give `{key}` another port"
            )
        }
        (io::ErrorKind::PermissionDenied, _) => format!(
            "cannot listen on {address}: not permitted; ports below 1024 need a privilege, give `{key}` a higher one"
        ),
        (io::ErrorKind::AddrNotAvailable, _) => {
            format!(
                "cannot listen on {address}: no interface of this machine has that address; change `{key}`"
            )
        }
        _ => format!("cannot listen on {address} (`{key}`)"),
    }
}

/// An error and its causes in one line.
pub(crate) fn chain(error: &(dyn std::error::Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}
