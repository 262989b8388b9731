//! What can go wrong when the store is built, opened or run.

use std::io;
use std::path::PathBuf;

use atlas_runtime::config::KeyProblem;

/// What can go wrong when the store is built, opened or run.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The configuration cannot work; each problem names its key.
    #[error("the store's configuration cannot work: {}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))]
    Config(Vec<KeyProblem>),
    /// The listener could not be opened.
    #[error("the store's listener could not be opened")]
    Listen(#[source] atlas_runtime::Error),
    /// A metric could not be declared.
    #[error("the store's metrics could not be declared")]
    Metrics(#[source] atlas_runtime::Error),
    /// A thread could not be started.
    #[error("a thread of the store could not be started")]
    Spawn(#[source] atlas_runtime::Error),
    /// The engine's poll could not be set up, or failed.
    #[error("the store's engine cannot wait for its sockets")]
    Poll(#[source] io::Error),
    /// The system gave no random numbers.
    #[error("the system gave no random numbers")]
    Random(#[source] io::Error),
    /// The data folder cannot be made.
    #[error("the store's folder {} cannot be made", path.display())]
    Folder {
        /// The folder.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// The password's file cannot be used.
    #[error("password file {} {why}", file.display())]
    Password {
        /// The file.
        file: PathBuf,
        /// What is wrong with it.
        why: String,
    },
    /// The file of users cannot be used.
    #[error("users file {} cannot be used: {why}", file.display())]
    Users {
        /// The file.
        file: PathBuf,
        /// What is wrong with it.
        why: String,
    },
    /// A file of TLS cannot be used.
    #[error("store.tls.{key}: {} {why}", file.display())]
    Tls {
        /// The configuration's key that names it, behind `store.tls`.
        key: &'static str,
        /// The file.
        file: PathBuf,
        /// What is wrong with it.
        why: String,
    },
    /// The log or a snapshot cannot be used; the message names file and offset.
    #[error("the store's log cannot be used")]
    Log(#[from] atlas_wal::Error),
    /// A snapshot that is whole does not hold what a snapshot holds.
    #[error("snapshot {name} cannot be loaded")]
    Load {
        /// Its file's name.
        name: String,
        /// What is wrong with it.
        #[source]
        source: atlas_kv::LoadError,
    },
    /// A record of the log cannot be applied.
    #[error("record {index} of the log cannot be applied: {what}")]
    Record {
        /// Its index.
        index: u64,
        /// What is wrong with it.
        what: String,
    },
    /// The store was asked something after it had ended.
    #[error("the store has stopped")]
    Stopped,
    /// The engine is busy with something that takes long.
    #[error("the store is busy and has not answered in time; ask again")]
    Busy,
    /// There is no store where one was looked for.
    #[error("{} holds no store: no files of a log, and no folder `store` that has some", path.display())]
    NoStore {
        /// Where it was looked for.
        path: PathBuf,
    },
    /// A file or a folder cannot be used.
    #[error("cannot {action} {}", path.display())]
    File {
        /// What was tried, as a verb.
        action: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// Applying a record panicked.
    #[error("record {index} of the log ({what}) cannot be applied, it panicked: {why}")]
    Panicked {
        /// Its index.
        index: u64,
        /// Its command's name, or its kind.
        what: String,
        /// What the panic said.
        why: String,
    },
    /// A record cannot be skipped.
    #[error("record {index} cannot be skipped: {why}")]
    Skip {
        /// Its index.
        index: u64,
        /// Why not.
        why: String,
    },
    /// A new directory was to be made where there is one.
    #[error("{} is there already; a store is made only where there is none", path.display())]
    Exists {
        /// What is there.
        path: PathBuf,
    },
    /// A line of a dump cannot be used.
    #[error("line {line} {what}")]
    Line {
        /// Its number, from 1.
        line: u64,
        /// What is wrong with it.
        what: String,
    },
    /// A file of Redis's cannot be read.
    #[error("{} cannot be imported", path.display())]
    Import {
        /// The file.
        path: PathBuf,
        /// Where in it, and what is wrong.
        #[source]
        source: atlas_kv::ImportError,
    },
    /// The moment that was asked for is not in the backup.
    #[error("{what} is not in {}; it has {has}", path.display())]
    OutsideBackup {
        /// The backup.
        path: PathBuf,
        /// What was asked for.
        what: String,
        /// What there is.
        has: String,
    },
    /// What was written is not what was to be written.
    #[error("what was written to {} is not whole: {what}", path.display())]
    Unverified {
        /// Where.
        path: PathBuf,
        /// What is wrong.
        what: String,
    },
    /// What is read cannot be written on, or the other way round.
    #[error("the output cannot be written")]
    Output(#[source] io::Error),
}
