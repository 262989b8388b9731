//! What a client may ask for, before it is believed.

/// The most that one command may be. Checked when a length is read, before anything is waited for or allocated.
///
/// The caller hands them in with every call, so that a log-in changes them from the next header on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Arguments of a command, its name included.
    pub arguments_max: u32,
    /// Bytes of one argument.
    pub bulk_bytes_max: u32,
    /// Bytes of a line: an inline command, or the header of a count or a bulk.
    pub inline_bytes_max: u32,
    /// Bytes of a whole command as it was sent, headers included.
    pub command_bytes_max: u32,
    /// Whether the client has yet to log in; it decides only how a violation is worded.
    pub before_login: bool,
}

impl Limits {
    /// For a client that has to log in and has not: as much as `HELLO 3 AUTH user password SETNAME name` needs.
    ///
    /// Redis allows ten arguments of 16 KiB; together they are bounded here too, so that a thousand strangers cannot
    /// make a node keep 160 MiB for them.
    pub const BEFORE_LOGIN: Self = Self {
        arguments_max: 10,
        bulk_bytes_max: 16 * 1024,
        inline_bytes_max: 16 * 1024,
        command_bytes_max: 64 * 1024,
        before_login: true,
    };
}

impl Default for Limits {
    /// Redis's own, with a bound on the count (a million, as Redis before 7) and on the whole (1 GiB, as
    /// `client-query-buffer-limit` has it).
    fn default() -> Self {
        Self {
            arguments_max: 1024 * 1024,
            bulk_bytes_max: 512 * 1024 * 1024,
            inline_bytes_max: 64 * 1024,
            command_bytes_max: 1024 * 1024 * 1024,
            before_login: false,
        }
    }
}
