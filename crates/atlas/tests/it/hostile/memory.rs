//! How much memory a process takes while something hostile goes on.

/// What no row may exceed unless it says so, in bytes.
pub(crate) const GROWTH_BYTES_MAX: u64 = 64 << 20;

/// A process whose memory is watched.
pub(crate) struct Watch {
    process: i32,
    before: u64,
}

impl Watch {
    /// Forgets the highest memory so far.
    pub(crate) fn begin(process: i32) -> Self {
        // Where the kernel does not let us, the peak since the start is taken for the present: the bound is then of
        // what goes beyond it.
        let is_forgotten = std::fs::write(format!("/proc/{process}/clear_refs"), "5").is_ok();
        let before = memory(process, if is_forgotten { "VmRSS" } else { "VmHWM" });
        Self { process, before }
    }

    /// Demands that it has grown by so much at most, at its highest.
    pub(crate) fn end(self, growth_bytes_max: u64) {
        let grown = memory(self.process, "VmHWM").saturating_sub(self.before);
        assert!(
            grown <= growth_bytes_max,
            "memory grew by {grown} bytes, {growth_bytes_max} were allowed"
        );
    }
}

/// One line of what the system says about a process's memory, in bytes.
pub(crate) fn memory(process: i32, field: &str) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix(field));
    let kilobytes = line
        .unwrap()
        .trim_matches(|character: char| !character.is_ascii_digit());
    kilobytes.parse::<u64>().unwrap() << 10
}
