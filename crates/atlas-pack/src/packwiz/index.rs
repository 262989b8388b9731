//! The index: every file of a pack that is not fetched from elsewhere, and every metafile.

use toml_edit::{Item, TableLike, Value};

use super::reader::{At, Reader};
use crate::document::Document;
use crate::finding::{Finding, Notes};
use crate::hash::{Hash, HashFormat};

/// One file of the index.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IndexEntry {
    /// Its path, as seen from the index.
    pub file: At<String>,
    /// Its hash; none in packs without internal hashes.
    pub hash: Option<At<Hash>>,
    /// Under which path it is installed, if not under its own.
    pub alias: Option<At<String>>,
    /// It is a metafile: it names a file elsewhere and is not installed itself.
    pub metafile: bool,
    /// What a player already has under this path stays.
    pub preserve: bool,
    /// Where it begins.
    pub place: crate::document::Place,
}

/// What the index says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Index {
    /// The format of hashes that name none.
    pub hash_format: HashFormat,
    /// The files, in the index's order.
    pub files: Vec<IndexEntry>,
}

impl Index {
    /// Reads an index; none if it cannot be read as a whole. A file that cannot be read is left out, and told.
    #[must_use]
    pub fn read(document: &Document, file: &str) -> (Option<Self>, Vec<Finding>) {
        let mut findings = Vec::new();
        let mut notes = Notes {
            file,
            findings: &mut findings,
        };
        let index = read(document, &mut notes);
        (index, findings)
    }
}

fn read(document: &Document, notes: &mut Notes<'_>) -> Option<Index> {
    let mut root = Reader::root(document, notes);
    let hash_format = match root.string("hash-format") {
        Some(text) if !text.value.is_empty() => root.converted(&text, str::parse)?.value,
        _ => HashFormat::Sha256,
    };
    let tables: Vec<(&dyn TableLike, usize)> = match document.root().get("files") {
        None | Some(Item::None) => Vec::new(),
        Some(Item::ArrayOfTables(tables)) => tables
            .iter()
            .map(|table| {
                let start = table.span().map_or(0, |span| span.start);
                (table as &dyn TableLike, start)
            })
            .collect(),
        Some(Item::Value(Value::Array(array))) => array
            .iter()
            .filter_map(|value| {
                let table = value.as_inline_table()?;
                let start = table.span().map_or(0, |span| span.start);
                Some((table as &dyn TableLike, start))
            })
            .collect(),
        Some(_) => {
            let place = document.place_of_key(document.root(), "files");
            root.notes
                .error("wrong-type", Some(place), "`files` is no list of tables")
                .hint("write [[files]] with two brackets before each file");
            return None;
        }
    };
    let mut files = Vec::with_capacity(tables.len());
    for (table, start) in tables {
        let place = document.place(start);
        let mut reader = root.inner("files", table, place);
        files.extend(entry(&mut reader, hash_format));
    }
    Some(Index { hash_format, files })
}

fn entry(table: &mut Reader<'_, '_>, default: HashFormat) -> Option<IndexEntry> {
    let place = table.place();
    let file = table.needed_string("file");
    let format = table.string("hash-format");
    let text = table.string("hash").filter(|hash| !hash.value.is_empty());
    let alias = table
        .string("alias")
        .filter(|alias| !alias.value.is_empty());
    let metafile = table.boolean("metafile");
    let preserve = table.boolean("preserve");
    let format = match format {
        Some(text) if !text.value.is_empty() => table.converted(&text, str::parse)?.value,
        _ => default,
    };
    let hash = match text {
        Some(text) => Some(table.converted(&text, |text| Hash::parse(format, text))?),
        None => None,
    };
    Some(IndexEntry {
        file: file?,
        hash,
        alias,
        metafile,
        preserve,
        place,
    })
}
