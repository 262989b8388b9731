//! Values out of a TOML table, with complaints about those that are missing or of the wrong type.

use toml_edit::{Item, TableLike};

use crate::document::{Document, Place};
use crate::error::Error;
use crate::finding::Notes;

/// A value and where it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct At<T> {
    /// The value.
    pub value: T,
    /// Its place in the file.
    pub place: Place,
}

/// Reads one table of a document.
pub(super) struct Reader<'a, 'b> {
    pub(super) document: &'a Document,
    pub(super) table: &'a dyn TableLike,
    /// The table's name with a dot behind it, empty for the root.
    prefix: String,
    place: Place,
    pub(super) notes: &'a mut Notes<'b>,
}

impl<'a, 'b> Reader<'a, 'b> {
    pub(super) fn root(document: &'a Document, notes: &'a mut Notes<'b>) -> Self {
        Self {
            document,
            table: document.root(),
            prefix: String::new(),
            place: Place { line: 1, column: 1 },
            notes,
        }
    }

    /// A table in this one.
    pub(super) fn table(&mut self, key: &str) -> Option<Reader<'_, 'b>> {
        let item = self.table.get(key)?;
        let place = self.document.place_of_key(self.table, key);
        let Some(table) = item.as_table_like() else {
            self.wrong_type(key, item, "a table");
            return None;
        };
        Some(Reader {
            document: self.document,
            table,
            prefix: format!("{}{key}.", self.prefix),
            place,
            notes: self.notes,
        })
    }

    /// One table of a list.
    pub(super) fn inner(
        &mut self,
        name: &str,
        table: &'a dyn TableLike,
        at: Place,
    ) -> Reader<'_, 'b> {
        Reader {
            document: self.document,
            table,
            prefix: format!("{}{name}.", self.prefix),
            place: at,
            notes: self.notes,
        }
    }

    /// Where the table begins.
    pub(super) fn place(&self) -> Place {
        self.place
    }

    pub(super) fn string(&mut self, key: &str) -> Option<At<String>> {
        self.value(key, "text in quotes", |item| {
            item.as_str().map(str::to_owned)
        })
    }

    /// A text that must be there; that it is not is noted.
    pub(super) fn needed_string(&mut self, key: &str) -> Option<At<String>> {
        if !self.table.contains_key(key) {
            self.missing(key);
        }
        self.string(key)
    }

    pub(super) fn boolean(&mut self, key: &str) -> bool {
        let value = self.value(key, "true or false", Item::as_bool);
        value.is_some_and(|at| at.value)
    }

    pub(super) fn number(&mut self, key: &str) -> Option<At<u32>> {
        let value = self.value(key, "a whole number that is not negative", |item| {
            u32::try_from(item.as_integer()?).ok()
        });
        if value.is_none() && !self.table.contains_key(key) {
            self.missing(key);
        }
        value
    }

    /// A value by a conversion that may refuse it.
    pub(super) fn converted<T>(
        &mut self,
        text: &At<String>,
        convert: impl FnOnce(&str) -> Result<T, Error>,
    ) -> Option<At<T>> {
        match convert(&text.value) {
            Ok(value) => Some(At {
                value,
                place: text.place,
            }),
            Err(error) => {
                self.notes.refused(Some(text.place), &error);
                None
            }
        }
    }

    pub(super) fn missing(&mut self, key: &str) {
        let name = format!("{}{key}", self.prefix);
        self.notes.error(
            "missing-key",
            Some(self.place),
            format!("`{name}` is missing"),
        );
    }

    fn value<T>(
        &mut self,
        key: &str,
        expected: &str,
        read: impl FnOnce(&Item) -> Option<T>,
    ) -> Option<At<T>> {
        let item = self.table.get(key)?;
        let Some(value) = read(item) else {
            self.wrong_type(key, item, expected);
            return None;
        };
        Some(At {
            value,
            place: self.document.place_of(item),
        })
    }

    fn wrong_type(&mut self, key: &str, item: &Item, expected: &str) {
        let place = match item {
            Item::Value(_) => self.document.place_of(item),
            _ => self.document.place_of_key(self.table, key),
        };
        self.notes.error(
            "wrong-type",
            Some(place),
            format!(
                "`{}{key}` is {}, and should be {expected}",
                self.prefix,
                kind(item)
            ),
        );
    }
}

fn kind(item: &Item) -> &'static str {
    match item.type_name() {
        "string" => "text",
        "integer" => "a number",
        "float" => "a number with a fraction",
        "boolean" => "true or false",
        "datetime" => "a date",
        "array" => "a list",
        "inline table" | "table" => "a table",
        "array of tables" => "a list of tables",
        _ => "something else",
    }
}
