//! What is wrong with a pack: one finding a place, in words for the pack's author.

use std::fmt;

use crate::document::Place;
use crate::error::Error;

/// How bad a finding is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// The pack cannot be built, or installs something else than its author means.
    Error,
    /// It builds, and somebody will probably be surprised.
    Warning,
    /// Worth knowing.
    Note,
}

impl fmt::Display for Severity {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(match self {
            Self::Error => "error",
            Self::Warning => "warning",
            Self::Note => "note",
        })
    }
}

/// Something that a pack's author should know of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// How bad it is.
    pub severity: Severity,
    /// The rule's name, the same for ever: `hash-mismatch`.
    pub rule: &'static str,
    /// The file that it is about, as seen from the pack's folder.
    pub file: String,
    /// Where in the file, if it is about one place.
    pub place: Option<Place>,
    /// What is wrong.
    pub message: String,
    /// What to do about it.
    pub hint: Option<String>,
}

/// Collects what is wrong with one file.
#[derive(Debug)]
pub(crate) struct Notes<'a> {
    pub(crate) file: &'a str,
    pub(crate) findings: &'a mut Vec<Finding>,
}

impl Notes<'_> {
    /// Notes something; a hint can be added to what is returned.
    pub(crate) fn add(
        &mut self,
        severity: Severity,
        rule: &'static str,
        place: Option<Place>,
        message: impl Into<String>,
    ) -> &mut Finding {
        self.findings.push(Finding {
            severity,
            rule,
            file: self.file.to_owned(),
            place,
            message: message.into(),
            hint: None,
        });
        let last = self.findings.len() - 1;
        &mut self.findings[last]
    }

    /// Notes something that keeps the pack from being built.
    pub(crate) fn error(
        &mut self,
        rule: &'static str,
        place: Option<Place>,
        message: impl Into<String>,
    ) -> &mut Finding {
        self.add(Severity::Error, rule, place, message)
    }

    /// Notes something that will surprise somebody.
    pub(crate) fn warning(
        &mut self,
        rule: &'static str,
        place: Option<Place>,
        message: impl Into<String>,
    ) -> &mut Finding {
        self.add(Severity::Warning, rule, place, message)
    }

    /// Notes that something was refused, at the place of the value that it was in.
    pub(crate) fn refused(&mut self, place: Option<Place>, error: &Error) -> &mut Finding {
        let place = error.place().or(place);
        self.error(rule(error), place, error.to_string())
    }
}

impl Finding {
    /// Adds what to do about it.
    pub(crate) fn hint(&mut self, hint: impl Into<String>) {
        self.hint = Some(hint.into());
    }
}

fn rule(error: &Error) -> &'static str {
    match error {
        Error::TooLarge { .. } | Error::TooMany { .. } => "too-large",
        Error::NotText { .. } => "not-text",
        Error::Toml { .. } => "toml",
        Error::Path { .. } => "path",
        Error::Hash { .. } => "hash",
        Error::HashFormat { .. } => "hash-format",
        Error::Pattern { .. } => "pattern",
        Error::Edit { .. } | Error::Unwritable { .. } | Error::Unmergeable { .. } => "edit",
    }
}
