//! Edits that leave every byte alone that they are not about: values are replaced where they stand, lines are put in and
//! taken out. The result is parsed again before it is believed.

use std::ops::Range;

use toml_edit::{InlineTable, Item, Key, Table, TableLike, Value};

use super::Document;
use crate::error::Error;

impl Document {
    /// Gives a key a value: `&["download", "hash"]` is `hash` in `[download]`. Tables that are missing are made.
    ///
    /// # Errors
    /// [`Error::Edit`] if something that is no table is in the way; then nothing is changed.
    pub fn set(&mut self, keys: &[&str], value: impl Into<Value>) -> Result<(), Error> {
        let (last, tables) = split(keys)?;
        let value = shown(value.into());
        let edit = match self.find(tables, keys)?.filter(|found| found.has_header()) {
            Some(table) => self.put_in(table, last, &value, keys)?,
            None => self.append(&format!(
                "[{}]{newline}{} = {value}{newline}",
                dotted(tables),
                repr(last),
                newline = self.newline()
            )),
        };
        self.apply(edit, keys)
    }

    /// Takes a key out, if it is there, or a table with everything in it. A comment on its own line stays.
    ///
    /// # Errors
    /// [`Error::Edit`] if it cannot be taken out in one piece; then nothing is changed.
    pub fn remove(&mut self, keys: &[&str]) -> Result<(), Error> {
        let (last, tables) = split(keys)?;
        let Some(table) = self.find(tables, keys)? else {
            return Ok(());
        };
        let Some(item) = table.get(last) else {
            return Ok(());
        };
        let range = match (item, table) {
            (Item::Value(_), Found::Inline(inline)) => {
                let edit = self.rewritten(inline, keys, |inline| inline.remove(last))?;
                return self.apply(edit, keys);
            }
            (Item::Value(_), Found::Table(_)) => {
                let key = table.key(last).and_then(Key::span);
                let (key, value) = key.zip(item.span()).ok_or_else(|| no_place(keys))?;
                self.lines(key.start, value.end)
            }
            (Item::Table(table), _) => self.whole_table(table).ok_or_else(|| no_place(keys))?,
            (Item::ArrayOfTables(_) | Item::None, _) => return Err(no_place(keys)),
        };
        self.apply((range, String::new()), keys)
    }

    /// Gives a key of one table of a list of tables (`[[files]]`) a value.
    ///
    /// # Errors
    /// [`Error::Edit`] if the list or the entry is not there; then nothing is changed.
    pub fn set_in_list(
        &mut self,
        list: &str,
        at: usize,
        key: &str,
        value: impl Into<Value>,
    ) -> Result<(), Error> {
        let keys = [list, key];
        let value = shown(value.into());
        let table = self.list_entry(list, at).ok_or_else(|| no_place(&keys))?;
        let edit = self.put_in(Found::Table(table), key, &value, &keys)?;
        self.apply(edit, &keys)
    }

    /// Takes a key out of one table of a list of tables, if it is there.
    ///
    /// # Errors
    /// [`Error::Edit`] if the list or the entry is not there; then nothing is changed.
    pub fn remove_in_list(&mut self, list: &str, at: usize, key: &str) -> Result<(), Error> {
        let keys = [list, key];
        let table = self.list_entry(list, at).ok_or_else(|| no_place(&keys))?;
        let Some(item) = table.get(key) else {
            return Ok(());
        };
        let span = table.key(key).and_then(Key::span).zip(item.span());
        let (key, value) = span.ok_or_else(|| no_place(&keys))?;
        let range = self.lines(key.start, value.end);
        self.apply((range, String::new()), &keys)
    }

    /// Puts a table into a list of tables, before the one at this place, or as the last.
    ///
    /// # Errors
    /// [`Error::Edit`] if the list is written as an array of inline tables; then nothing is changed.
    pub fn insert_in_list(
        &mut self,
        list: &str,
        at: usize,
        values: &[(&str, Value)],
    ) -> Result<(), Error> {
        let newline = self.newline();
        let mut block = format!("[[{}]]{newline}", repr(list));
        for (key, value) in values {
            block += &format!("{} = {}{newline}", repr(key), shown(value.clone()));
        }
        let edit = match self.root().get(list) {
            None => self.append(&block),
            Some(Item::ArrayOfTables(tables)) => {
                let before = tables.get(at).and_then(Table::span);
                match (before, tables.iter().last()) {
                    (Some(span), _) => {
                        let start = self.line_start(span.start);
                        (start..start, block + newline)
                    }
                    (None, Some(last)) => {
                        let range = self.whole_table(last).ok_or_else(|| no_place(&[list]))?;
                        let end = self.content_end(last).unwrap_or(range.end);
                        let end = self.line_end(end);
                        let ended = self.text()[..end].ends_with('\n');
                        let gap = if ended { "" } else { newline };
                        (end..end, format!("{gap}{newline}{block}"))
                    }
                    (None, None) => self.append(&block),
                }
            }
            Some(_) => return Err(no_place(&[list])),
        };
        self.apply(edit, &[list])
    }

    /// Takes a table out of a list of tables.
    ///
    /// # Errors
    /// [`Error::Edit`] if it is not there; then nothing is changed.
    pub fn remove_from_list(&mut self, list: &str, at: usize) -> Result<(), Error> {
        let table = self.list_entry(list, at).ok_or_else(|| no_place(&[list]))?;
        let range = self.whole_table(table).ok_or_else(|| no_place(&[list]))?;
        self.apply((range, String::new()), &[list])
    }

    fn list_entry(&self, list: &str, at: usize) -> Option<&Table> {
        self.root().get(list)?.as_array_of_tables()?.get(at)
    }

    /// The table at the end of these keys; none if it is not there.
    fn find(&self, tables: &[&str], keys: &[&str]) -> Result<Option<Found<'_>>, Error> {
        let mut found = Found::Table(self.parsed.as_table());
        for key in tables {
            found = match found.get(key) {
                None => return Ok(None),
                Some(Item::Table(table)) => Found::Table(table),
                Some(Item::Value(Value::InlineTable(inline))) => Found::Inline(inline),
                Some(_) => {
                    return Err(Error::Edit {
                        key: dotted(keys),
                        wrong: "something that is no table stands there",
                    });
                }
            };
        }
        Ok(Some(found))
    }

    /// The edit that gives a key of a table a value.
    fn put_in(
        &self,
        table: Found<'_>,
        key: &str,
        value: &str,
        keys: &[&str],
    ) -> Result<(Range<usize>, String), Error> {
        if let Some(item) = table.get(key) {
            let Item::Value(_) = item else {
                return Err(Error::Edit {
                    key: dotted(keys),
                    wrong: "a table stands there",
                });
            };
            let span = item.span().ok_or_else(|| no_place(keys))?;
            return Ok((span, value.to_owned()));
        }
        let whole = match table {
            Found::Table(table) => table,
            Found::Inline(inline) => {
                let value = value.parse::<Value>().map_err(|_| no_place(keys))?;
                return self.rewritten(inline, keys, |inline| put_last(inline, key, value));
            }
        };
        if whole.is_dotted() {
            return Err(Error::Edit {
                key: dotted(keys),
                wrong: "its table is written with dotted keys; write it as a table of its own",
            });
        }
        let newline = self.newline();
        let line = format!("{} = {value}{newline}", repr(key));
        let at = match self.content_end(whole) {
            Some(end) => self.line_end(end),
            // Before everything, but behind the mark that some editors begin a file with.
            None if std::ptr::eq(whole, self.parsed.as_table()) => {
                let start = self.text().len() - self.text().trim_start_matches('\u{feff}').len();
                return Ok((start..start, line));
            }
            None => {
                let span = whole.span().ok_or_else(|| no_place(keys))?;
                self.line_end(span.start)
            }
        };
        let ended = self.text()[..at].ends_with('\n');
        let gap = if ended { "" } else { newline };
        Ok((at..at, format!("{gap}{line}")))
    }

    /// The edit that writes an inline table anew, changed.
    fn rewritten<T>(
        &self,
        inline: &InlineTable,
        keys: &[&str],
        change: impl FnOnce(&mut InlineTable) -> T,
    ) -> Result<(Range<usize>, String), Error> {
        let span = inline.span().ok_or_else(|| no_place(keys))?;
        // Parsed alone, so that the spaces in it are its own and stay.
        let value = self.text().get(span.clone()).map(str::parse::<Value>);
        let Some(Ok(Value::InlineTable(mut inline))) = value else {
            return Err(no_place(keys));
        };
        change(&mut inline);
        Ok((span, inline.to_string().trim().to_owned()))
    }

    /// The end of the last value that stands in this table itself.
    fn content_end(&self, table: &Table) -> Option<usize> {
        let values = table.iter().filter_map(|(_, item)| match item {
            Item::Value(_) => item.span().map(|span| span.end),
            Item::Table(inner) if inner.is_dotted() => self.content_end(inner),
            _ => None,
        });
        values.max()
    }

    /// The lines of a table with a header, and the empty ones behind it.
    fn whole_table(&self, table: &Table) -> Option<Range<usize>> {
        let inner = |item: &Item| matches!(item, Item::Table(inner) if !inner.is_dotted());
        let nested = table
            .iter()
            .any(|(_, item)| inner(item) || item.is_array_of_tables());
        let span = table.span()?;
        if nested || table.is_implicit() {
            return None;
        }
        let end = self.content_end(table).unwrap_or(span.start);
        let mut lines = self.lines(span.start, end);
        let rest = &self.text()[lines.end..];
        let empty = rest
            .split_inclusive('\n')
            .take_while(|line| line.trim().is_empty());
        lines.end += empty.map(str::len).sum::<usize>();
        Some(lines)
    }

    /// The whole lines that these bytes stand in.
    fn lines(&self, from: usize, to: usize) -> Range<usize> {
        self.line_start(from)..self.line_end(to)
    }

    fn line_start(&self, at: usize) -> usize {
        let before = &self.text()[..at];
        before.rfind('\n').map_or(0, |newline| newline + 1)
    }

    fn line_end(&self, at: usize) -> usize {
        let text = self.text();
        text[at..]
            .find('\n')
            .map_or(text.len(), |newline| at + newline + 1)
    }

    /// A block at the end of the file, an empty line before it.
    fn append(&self, block: &str) -> (Range<usize>, String) {
        let text = self.text();
        let newline = self.newline();
        let gap = match text {
            _ if text.trim_start_matches('\u{feff}').is_empty() => String::new(),
            _ if text.ends_with('\n') => newline.to_owned(),
            _ => newline.repeat(2),
        };
        (text.len()..text.len(), gap + block)
    }

    fn newline(&self) -> &'static str {
        let first = self.text().find('\n');
        if first.is_some_and(|at| self.text()[..at].ends_with('\r')) {
            "\r\n"
        } else {
            "\n"
        }
    }

    fn apply(&mut self, (range, new): (Range<usize>, String), keys: &[&str]) -> Result<(), Error> {
        let mut text = self.text().to_owned();
        text.replace_range(range, &new);
        *self = Self::parse(&text).map_err(|_| Error::Edit {
            key: dotted(keys),
            wrong: "the file would no longer be TOML",
        })?;
        Ok(())
    }
}

fn split<'a, 'b>(keys: &'a [&'b str]) -> Result<(&'b str, &'a [&'b str]), Error> {
    let (last, tables) = keys.split_last().ok_or_else(|| no_place(keys))?;
    Ok((last, tables))
}

/// A table in one of its two forms.
#[derive(Clone, Copy)]
enum Found<'a> {
    Table(&'a Table),
    Inline(&'a InlineTable),
}

impl<'a> Found<'a> {
    fn get(self, key: &str) -> Option<&'a Item> {
        match self {
            Self::Table(table) => table.get(key),
            Self::Inline(inline) => TableLike::get(inline, key),
        }
    }

    /// Whether it stands in the file itself: `[a.b]` implies a table `a` without writing it.
    fn has_header(self) -> bool {
        match self {
            Self::Table(table) => !table.is_implicit() || table.is_dotted(),
            Self::Inline(_) => true,
        }
    }

    fn key(self, key: &str) -> Option<&'a Key> {
        match self {
            Self::Table(table) => table.key(key),
            Self::Inline(inline) => inline.key(key),
        }
    }
}

/// Puts a value behind the others; the space before the closing brace stays there.
fn put_last(inline: &mut InlineTable, key: &str, mut value: Value) {
    let last = inline.iter_mut().last();
    let space = last.and_then(|(_, last)| {
        let space = last.decor().suffix()?.as_str()?.to_owned();
        last.decor_mut().set_suffix("");
        Some(space)
    });
    value.decor_mut().set_prefix(" ");
    value
        .decor_mut()
        .set_suffix(space.unwrap_or(" ".to_owned()));
    inline.insert(key, value);
}

fn no_place(keys: &[&str]) -> Error {
    Error::Edit {
        key: dotted(keys),
        wrong: "it is written in a form that cannot be changed line by line",
    }
}

fn dotted(keys: &[&str]) -> String {
    let keys: Vec<_> = keys.iter().map(|key| repr(key)).collect();
    keys.join(".")
}

fn repr(key: &str) -> String {
    Key::new(key).display_repr().into_owned()
}

fn shown(value: Value) -> String {
    value.decorated("", "").to_string()
}
