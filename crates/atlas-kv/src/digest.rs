//! A hash of the state, equal for equal states on every machine and in every version.

use xxhash_rust::xxh3::Xxh3;

/// Feeds bytes into XXH3. Every piece is prefixed by its length, so that neighbours cannot run into each other.
pub(crate) struct Digest(Xxh3);

impl Digest {
    pub(crate) fn new() -> Self {
        Self(Xxh3::new())
    }

    pub(crate) fn integer(&mut self, value: u64) {
        self.0.update(&value.to_le_bytes());
    }

    pub(crate) fn bytes(&mut self, bytes: &[u8]) {
        self.integer(bytes.len() as u64);
        self.0.update(bytes);
    }

    pub(crate) fn finish(&self) -> u128 {
        self.0.digest128()
    }
}
