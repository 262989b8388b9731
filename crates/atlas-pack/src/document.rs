//! One TOML file of a pack: its values with their places, edited without touching anything else.

mod edit;

use std::ops::Range;
use std::sync::Arc;

use toml_edit::{Item, TableLike};

use crate::error::Error;

/// A place in a text, counted from 1; the column counts characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// The line.
    pub line: u32,
    /// The character in the line.
    pub column: u32,
}

impl Place {
    /// The place of a byte of a text.
    pub(crate) fn of(text: &[u8], at: usize) -> Self {
        let before = &text[..at.min(text.len())];
        let line = memchr::memchr_iter(b'\n', before).count() + 1;
        let start = memchr::memrchr(b'\n', before).map_or(0, |newline| newline + 1);
        let in_line = String::from_utf8_lossy(&before[start..]);
        let column = in_line.trim_start_matches('\u{feff}').chars().count() + 1;
        let number = |count: usize| u32::try_from(count).unwrap_or(u32::MAX);
        Self {
            line: number(line),
            column: number(column),
        }
    }
}

/// A TOML file: what it says and every byte of how it says it.
///
/// [`Document::text`] of one that was not edited is what was read, byte for byte: comments, order, white space, CRLF and
/// keys that nobody knows. An edit replaces the bytes of one value, or puts in or takes out whole lines.
#[derive(Clone, Debug)]
pub struct Document {
    parsed: toml_edit::Document<Arc<str>>,
    lines: Vec<usize>,
}

impl Document {
    /// Reads a file of up to so many bytes and values.
    ///
    /// # Errors
    /// [`Error::TooLarge`] and [`Error::TooMany`] before anything is parsed, [`Error::NotText`], and [`Error::Toml`] with
    /// the place where it stops being TOML.
    pub fn read(bytes: &[u8], bytes_max: u64, values_max: usize) -> Result<Self, Error> {
        if bytes.len() as u64 > bytes_max {
            return Err(Error::TooLarge {
                bytes: bytes.len() as u64,
                bytes_max,
            });
        }
        // Each value, key and table has one of these in front; those in text and comments are counted too.
        let marks = memchr::memchr3_iter(b'=', b',', b'[', bytes).count();
        // A dotted key makes a table at every dot.
        let dots = memchr::memchr2_iter(b'.', b'{', bytes).count();
        if marks > values_max || dots > values_max.saturating_mul(4) {
            return Err(Error::TooMany { values_max });
        }
        let text = std::str::from_utf8(bytes).map_err(|error| Error::NotText {
            place: Place::of(bytes, error.valid_up_to()),
        })?;
        Self::parse(text)
    }

    fn parse(text: &str) -> Result<Self, Error> {
        let lines = std::iter::once(0)
            .chain(memchr::memchr_iter(b'\n', text.as_bytes()).map(|newline| newline + 1))
            .collect();
        let text: Arc<str> = text.into();
        let parsed = toml_edit::Document::parse(Arc::clone(&text)).map_err(|error| {
            let at = error.span().map_or(0, |span| span.start);
            let start = memchr::memrchr(b'\n', &text.as_bytes()[..at.min(text.len())]);
            let line = &text[start.map_or(0, |newline| newline + 1)..];
            if ["<<<<<<<", "=======", ">>>>>>>"]
                .iter()
                .any(|mark| line.starts_with(mark))
            {
                return Error::Toml {
                    place: Place::of(text.as_bytes(), text.len() - line.len()),
                    message: UNMERGED.to_owned(),
                };
            }
            Error::Toml {
                place: Place::of(text.as_bytes(), at),
                message: message(error.message()),
            }
        })?;
        Ok(Self { parsed, lines })
    }

    /// The file's text as it stands now.
    #[must_use]
    pub fn text(&self) -> &str {
        self.parsed.raw()
    }

    /// The table that everything is in.
    pub(crate) fn root(&self) -> &dyn TableLike {
        self.parsed.as_table()
    }

    /// Where a byte of the text is. As [`Place::of`], without counting all lines again.
    pub(crate) fn place(&self, at: usize) -> Place {
        let line = self.lines.partition_point(|start| *start <= at);
        let start = self.lines[line.saturating_sub(1)];
        let text = self.text();
        let in_line = text.get(start..at).unwrap_or_default();
        let column = in_line.trim_start_matches('\u{feff}').chars().count() + 1;
        Place {
            line: u32::try_from(line).unwrap_or(u32::MAX),
            column: u32::try_from(column).unwrap_or(u32::MAX),
        }
    }

    /// Where a value is; the file's beginning for one that has no text of its own.
    pub(crate) fn place_of(&self, item: &Item) -> Place {
        self.place(item.span().map_or(0, |span: Range<usize>| span.start))
    }

    /// Where the key of a table's entry is.
    pub(crate) fn place_of_key(&self, table: &dyn TableLike, key: &str) -> Place {
        let span = table.key(key).and_then(toml_edit::Key::span);
        self.place(span.map_or(0, |span| span.start))
    }
}

const UNMERGED: &str = "a merge was not finished here: choose one side and remove the marks of Git";

/// The parser's words in one line, as the end of a sentence.
fn message(said: &str) -> String {
    let mut said = said.lines().map(str::trim).collect::<Vec<_>>().join("; ");
    if let Some(first) = said.chars().next() {
        said.replace_range(..first.len_utf8(), &first.to_lowercase().to_string());
    }
    said
}

#[cfg(test)]
mod tests;
