//! The store's place in a process: build, start.

use std::path::{Path, PathBuf};
use std::time::Duration;

use atlas_store::Store;

use super::node::Node;
use crate::config::Config;
use crate::error::Error;

/// What is left of the drain's time for the process itself, once the last client was cut.
const RESERVE: Duration = Duration::from_secs(1);

/// Where a configuration has the store's log and snapshots; `data_dir` is the process's folder.
pub(crate) fn folder(config: &Config, data_dir: &Path) -> PathBuf {
    if config.store.data_dir.as_os_str().is_empty() {
        data_dir.join("store")
    } else {
        config.store.data_dir.clone()
    }
}

/// Builds the store, which binds and brings its state back.
///
/// # Errors
/// [`Error::Store`]; [`Error::Runtime`] if the port is taken.
pub(super) fn build(node: &mut Node, data_dir: &Path) -> Result<Store, Error> {
    let folder = folder(&node.config, data_dir);
    super::use_huge_pages(true);
    let store = Store::build(
        &node.config.store,
        &folder,
        &node.registry,
        Box::new(allocated),
    )
    .map_err(|error| match error {
        // The listener's own error says everything: address, owner, key.
        atlas_store::Error::Listen(error) => Error::Runtime(error),
        other => Error::Store(other),
    })?;
    node.listens("store", store.listen());
    if let Some(address) = store.tls_listen() {
        node.listens("store-tls", address);
    }
    Ok(store)
}

/// How much the allocator has given out.
fn allocated() -> Option<u64> {
    // Its figures are of the moment when the epoch last advanced.
    tikv_jemalloc_ctl::epoch::advance().ok()?;
    tikv_jemalloc_ctl::stats::allocated::read()
        .ok()
        .map(|bytes| bytes as u64)
}

/// Starts to serve clients.
///
/// # Errors
/// [`Error::Store`] if the system gives no thread.
pub(super) fn start(node: &Node, store: Store) -> Result<(), Error> {
    let whole = *node.config.node.drain_timeout;
    let drain = whole.saturating_sub(RESERVE).max(whole / 2);
    Ok(store.start(&node.tasks, node.end.clone(), drain)?)
}
