//! How much of what others wrote is read.

/// Bounds on a pack's source. What is larger is refused before it is parsed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of `pack.toml`, of a metafile, of `.packwizignore`.
    pub file_bytes_max: u64,
    /// Keys, list entries and tables in one of these. Each costs up to 1.6 KB of memory.
    pub file_values_max: usize,
    /// Bytes of the index.
    pub index_bytes_max: u64,
    /// Keys and tables of the index, four or five a file.
    pub index_values_max: usize,
    /// Files and folders of a pack.
    pub files_max: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            file_bytes_max: 256 << 10,
            file_values_max: 20_000,
            index_bytes_max: 16 << 20,
            index_values_max: 200_000,
            files_max: 100_000,
        }
    }
}
