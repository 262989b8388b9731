//! The commands, one file each: what can be typed after the name, and what it does.

pub(crate) mod completions;
pub(crate) mod config;
pub(crate) mod demo_server;
pub(crate) mod doctor;
pub(crate) mod drain;
pub(crate) mod edge;
mod find;
pub(crate) mod kick;
pub(crate) mod load;
pub(crate) mod pack;
pub(crate) mod reference;
pub(crate) mod reload;
pub(crate) mod roles;
pub(crate) mod servers;
pub(crate) mod sessions;
pub(crate) mod store;
pub(crate) mod tap;
pub(crate) mod transfer;
pub(crate) mod up;

use std::future::Future;
use std::io;
use std::net::SocketAddr;

use crate::error::Error;

/// Runs a command's work on this many threads; none: as many as the machine has cores.
fn block_on<T>(
    threads: Option<usize>,
    work: impl Future<Output = Result<T, Error>>,
) -> Result<T, Error> {
    let mut builder = tokio::runtime::Builder::new_multi_thread();
    if let Some(threads) = threads {
        builder.worker_threads(threads);
    }
    let runtime = builder.enable_all().build().map_err(runtime_failed)?;
    let ended = runtime.block_on(work);
    // What still blocks (a resolver, say) must not hold up the end.
    runtime.shutdown_background();
    ended
}

/// Reads an address with a port, for clap.
fn address(text: &str) -> Result<SocketAddr, String> {
    text.parse()
        .map_err(|_| "write an address and a port, like 127.0.0.1:9000 or [::1]:9000".to_owned())
}

fn runtime_failed(source: io::Error) -> Error {
    Error::System {
        what: "start the process's threads".to_owned(),
        source,
    }
}
