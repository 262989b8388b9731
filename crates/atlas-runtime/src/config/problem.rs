//! What is wrong with a configuration, where, and what would be right.

use std::{fmt, io, path::PathBuf};

/// Where a value was set.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Place {
    /// In a file; lines count from 1.
    File {
        /// The file as it was named.
        file: String,
        /// The line of the key.
        line: usize,
    },
    /// By a variable of this name.
    Variable(String),
    /// By a flag of this name.
    Flag(String),
    /// Nowhere: it is the default.
    Default,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File { file, line } => write!(f, "{file}:{line}"),
            Self::Variable(name) | Self::Flag(name) => f.write_str(name),
            Self::Default => f.write_str("default"),
        }
    }
}

/// One thing that is wrong: `FILE:LINE: key: what is wrong; what would be right`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Problem {
    /// Where.
    pub place: Place,
    /// The dotted key; empty if the text is no TOML at that place.
    pub key: String,
    /// What is wrong.
    pub wrong: String,
    /// What would be right; empty if that follows from what is wrong.
    pub right: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ", self.place)?;
        if !self.key.is_empty() {
            write!(f, "{}: ", self.key)?;
        }
        f.write_str(&self.wrong)?;
        if !self.right.is_empty() {
            write!(f, "; {}", self.right)?;
        }
        Ok(())
    }
}

/// One thing that a service finds wrong with what it was given, without a place: `KEY: WHAT`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyProblem {
    /// The dotted key.
    pub key: String,
    /// What is wrong and what would be right, to be read after the key.
    pub what: String,
}

impl fmt::Display for KeyProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.key, self.what)
    }
}

/// A configuration that cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Everything that is wrong, in the order of the file, then variables, then flags; `Display` prints one a line.
    #[error("{}", lines(.0))]
    Problems(Vec<Problem>),
    /// There is no such file.
    #[error("there is no configuration file {}; `atlas config example` prints one to start from", file.display())]
    Missing {
        /// The file that was named.
        file: PathBuf,
    },
    /// The file cannot be read.
    #[error("cannot read the configuration file {}", file.display())]
    Read {
        /// The file.
        file: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The file is YAML.
    #[error(
        "{0} is YAML, but the configuration is TOML; `atlas config convert {0}` translates it",
        file.display()
    )]
    Yaml {
        /// The file.
        file: PathBuf,
    },
}

fn lines(problems: &[Problem]) -> String {
    problems
        .iter()
        .map(ToString::to_string)
        .collect::<Vec<_>>()
        .join("\n")
}
