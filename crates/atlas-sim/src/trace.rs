//! What happened, as one number and, on request, as text.

use std::fmt;

/// A hash over everything that happens in a run; with a sink, each step as a line too.
pub(crate) struct Trace<'a> {
    hash: u64,
    sink: Option<&'a mut dyn FnMut(&str)>,
}

impl<'a> Trace<'a> {
    pub(crate) fn new(sink: Option<&'a mut dyn FnMut(&str)>) -> Self {
        Self {
            hash: 0xcbf2_9ce4_8422_2325,
            sink,
        }
    }

    /// Mixes a word in.
    pub(crate) fn word(&mut self, word: u64) {
        self.hash = (self.hash ^ word)
            .wrapping_mul(0x0000_0100_0000_01b3)
            .rotate_left(23);
    }

    /// A line, built only if somebody reads it.
    pub(crate) fn line(&mut self, now: u64, line: impl FnOnce() -> String) {
        if let Some(sink) = &mut self.sink {
            sink(&format!("{now:>7} ms  {}", line()));
        }
    }

    pub(crate) fn hash(&self) -> u64 {
        self.hash
    }
}

impl fmt::Debug for Trace<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Trace({:016x})", self.hash)
    }
}
