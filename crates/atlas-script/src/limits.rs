//! What a script may use, and how it is counted.

/// An amount of work: instructions of the virtual machine, and what built-in functions charge for theirs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Fuel(pub u64);

impl Fuel {
    /// More than any script can burn.
    pub const UNLIMITED: Self = Self(u64::MAX);

    /// What work on so many bytes is charged as.
    #[must_use]
    pub fn of_bytes(bytes: usize) -> Self {
        Self(bytes as u64 / BYTES_PER_FUEL)
    }
}

/// Copying this many bytes takes about as long as an instruction.
pub const BYTES_PER_FUEL: u64 = 16;

/// The bounds of a sandbox.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// The most memory that Lua may hold, in bytes: the libraries, cached scripts and what a script makes.
    pub memory_bytes: usize,
    /// The longest source text that is compiled, in bytes.
    pub source_bytes: usize,
    /// After how much fuel the interrupt is called, and the fuel looked at. A record of a script is replayed with the
    /// same fuel, so that this number is part of what a replay must agree on.
    pub interval: Fuel,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            memory_bytes: 64 << 20,
            source_bytes: 4 << 20,
            interval: Fuel(256),
        }
    }
}

/// What an interrupt says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// The script goes on.
    GoOn,
    /// The script is killed.
    Stop,
}
