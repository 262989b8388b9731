//! Hashes of keys and members, for finding them.

use std::hash::{BuildHasher, Hasher};
use std::sync::OnceLock;

use foldhash::quality::FixedState;

static STATE: OnceLock<FixedState> = OnceLock::new();

/// Sets what hashes are mixed with, once a process and before its first key: a number that nobody outside can guess
/// keeps hostile keys from falling together. Nothing that a command answers depends on it. False if it was set before.
pub fn seed(seed: u64) -> bool {
    STATE.set(FixedState::with_seed(seed)).is_ok()
}

/// The hash of a key or member.
pub(crate) fn hash(bytes: &[u8]) -> u64 {
    let state = STATE.get_or_init(|| FixedState::with_seed(0));
    let mut hasher = state.build_hasher();
    hasher.write(bytes);
    hasher.finish()
}
