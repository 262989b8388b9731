//! What a history answered and did, as a number.

use std::fmt::Debug;
use std::hash::{DefaultHasher, Hash, Hasher};

use atlas_kv::{Answers, Effects, Reply};

/// Answers as they come, hashed with their shapes.
#[derive(Default)]
pub(crate) struct Transcript {
    hasher: DefaultHasher,
    /// True if the last command was refused.
    pub(crate) is_refused: bool,
    /// True while what comes is not to be compared.
    pub(crate) is_deaf: bool,
    is_resp3: bool,
}

impl Transcript {
    pub(crate) fn new(is_resp3: bool) -> Self {
        Self {
            is_resp3,
            ..Self::default()
        }
    }

    pub(crate) fn effects(&mut self, effects: &Effects) {
        self.note("changes", format!("{:?}", effects.changes));
        self.note("events", format!("{:?}", effects.events));
        self.note("served", &effects.served);
        self.note("counts", (effects.dirty, effects.expired));
    }

    pub(crate) fn finish(&self) -> u64 {
        self.hasher.finish()
    }

    fn note(&mut self, kind: &str, value: impl Hash + Debug) {
        if !self.is_deaf {
            (kind, value).hash(&mut self.hasher);
        }
    }
}

impl Answers for Transcript {
    fn client(&mut self) -> &mut dyn Reply {
        self
    }

    fn waiter(&mut self, wait: u64) -> &mut dyn Reply {
        self.note("waiter", wait);
        self
    }
}

impl Reply for Transcript {
    fn simple(&mut self, text: &str) {
        self.note("simple", text);
    }
    fn error(&mut self, line: &str) {
        self.is_refused = true;
        self.note("error", line);
    }
    fn integer(&mut self, value: i64) {
        self.note("integer", value);
    }
    fn bulk(&mut self, bytes: &[u8]) {
        self.note("bulk", bytes);
    }
    fn null(&mut self) {
        self.note("null", ());
    }
    fn null_array(&mut self) {
        self.note("null array", ());
    }
    fn double(&mut self, value: f64) {
        self.note("double", value.to_bits());
    }
    fn boolean(&mut self, value: bool) {
        self.note("boolean", value);
    }
    fn verbatim(&mut self, format: &str, text: &[u8]) {
        self.note("verbatim", (format, text));
    }
    fn big_number(&mut self, digits: &[u8]) {
        self.note("big number", digits);
    }
    fn array(&mut self, length: usize) {
        self.note("array", length);
    }
    fn map(&mut self, length: usize) {
        self.note("map", length);
    }
    fn set(&mut self, length: usize) {
        self.note("set", length);
    }
    fn push(&mut self, length: usize) {
        self.note("push", length);
    }
    fn is_resp3(&self) -> bool {
        self.is_resp3
    }
}
