//! What every command is given: the environment and the global flags, read once.

use std::path::PathBuf;

use atlas_runtime::config::Flag;

use crate::cli::Global;

/// The environment of this process and the flags that every command takes.
#[derive(Debug)]
pub(crate) struct Context {
    /// How the program was called, to be printed in what to type next.
    pub(crate) program: String,
    /// The environment, as far as it is text.
    pub(crate) variables: Vec<(String, String)>,
    /// `--config`.
    pub(crate) config: Option<PathBuf>,
    /// `--log`.
    pub(crate) log: Option<String>,
}

impl Context {
    pub(crate) fn new(global: Global) -> Self {
        let text = |(name, value): (std::ffi::OsString, std::ffi::OsString)| {
            Some((name.into_string().ok()?, value.into_string().ok()?))
        };
        Self {
            program: std::env::args_os().next().map_or_else(
                || "atlas".to_owned(),
                |name| name.to_string_lossy().into_owned(),
            ),
            variables: std::env::vars_os().filter_map(text).collect(),
            config: global.config,
            log: global.log,
        }
    }

    /// A variable that is set to something.
    pub(crate) fn variable(&self, name: &str) -> Option<&str> {
        let found = self
            .variables
            .iter()
            .find(|(key, value)| key == name && !value.is_empty());
        found.map(|(_, value)| value.as_str())
    }

    /// The global flags that stand for keys of the configuration.
    pub(crate) fn flags(&self) -> Vec<Flag> {
        let log = self.log.iter();
        log.map(|level| Flag::new("--log", "log.level", level))
            .collect()
    }
}
