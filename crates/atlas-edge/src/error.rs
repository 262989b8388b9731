//! What can go wrong when the edge is built or asked something.

use std::path::PathBuf;

use atlas_runtime::config::KeyProblem;

/// What can go wrong when the edge is built or asked something.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The configuration cannot work; each problem names its key.
    #[error("the edge's configuration cannot work: {}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))]
    Config(Vec<KeyProblem>),
    /// The listener of players, or of servers that register, could not be opened.
    #[error("a listener of the edge could not be opened")]
    Listen(#[source] atlas_runtime::Error),
    /// A metric could not be declared.
    #[error("the edge's metrics could not be declared")]
    Metrics(#[source] atlas_runtime::Error),
    /// A worker's thread could not be started.
    #[error("a worker of the edge could not be started")]
    Spawn(#[source] atlas_runtime::Error),
    /// A worker could not be set up.
    #[error("worker {worker} could not be set up")]
    Worker {
        /// The worker's number, from 0.
        worker: usize,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// The host of a server's address has no address.
    #[error("server {server}: host {host} could not be resolved")]
    Resolve {
        /// The server's name.
        server: String,
        /// The host that was asked for.
        host: String,
        /// What the resolver said.
        #[source]
        source: std::io::Error,
    },
    /// A file of servers cannot be used.
    #[error("discovery file {} {why}", file.display())]
    Discovery {
        /// The file.
        file: PathBuf,
        /// What is wrong with it.
        why: String,
    },
    /// A database of clients' places cannot be used.
    #[error("the database of places {} cannot be used; give a file of MaxMind's format, or leave `geographic.database` empty", file.display())]
    Locations {
        /// The file.
        file: PathBuf,
        /// What was wrong with it.
        #[source]
        source: Box<maxminddb::MaxMindDbError>,
    },
    /// The file of a world's link token cannot be used.
    #[error("link token file {} {why}", file.display())]
    LinkToken {
        /// The file.
        file: PathBuf,
        /// What is wrong with it.
        why: String,
    },
    /// The edge has stopped or is stopping and answers no more.
    #[error("the edge is stopping")]
    Stopping,
    /// No session has this id.
    #[error("no session has the id {0}")]
    UnknownSession(String),
    /// The server was never drained.
    #[error("server {server} of world {world} is not being drained")]
    NoDrain {
        /// The server's world.
        world: String,
        /// The server's name.
        server: String,
    },
    /// No server of the session's world has this name.
    #[error("world {world} has no server named {server}")]
    UnknownServer {
        /// The session's world.
        world: String,
        /// The name that was asked for.
        server: String,
    },
}
