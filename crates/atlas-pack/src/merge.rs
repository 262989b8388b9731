//! Three-way merges of configuration files, key by key: what the pack shipped before, what it ships now, and what lies on
//! the player's disk.
//!
//! For each key the side that changed it wins; where both did, the player's value stays and is told. Mods write keys of
//! their own into their files at the first start: those stay as any value that the pack never shipped. What comes out is
//! the player's file with single values replaced, keys put in and taken out; everything else stays byte for byte.

mod apply;
mod json;
mod lines;
mod toml;

use std::collections::BTreeMap;

use crate::error::Error;
use crate::path::PackPath;

/// Bytes of a file that is merged; a larger one is left as it is.
const BYTES_MAX: usize = 1 << 20;
/// Keys in keys.
const DEPTH_MAX: usize = 64;

/// A format whose files are merged by key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// TOML.
    Toml,
    /// JSON, also with comments, commas at the end and bare keys.
    Json,
    /// Java's `.properties`.
    Properties,
    /// The game's `options.txt` and files like it: a name, a colon, a value.
    Options,
}

impl Format {
    /// The format of a file, by its name.
    #[must_use]
    pub fn of(path: &PackPath) -> Option<Self> {
        let name = path.name().to_lowercase();
        if ["options.txt", "optionsof.txt", "optionsshaders.txt"].contains(&name.as_str()) {
            return Some(Self::Options);
        }
        match name.rsplit_once('.')?.1 {
            "toml" => Some(Self::Toml),
            "json" | "json5" | "jsonc" => Some(Self::Json),
            "properties" => Some(Self::Properties),
            _ => None,
        }
    }
}

/// What came out of a merge.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Merged {
    /// The file's new bytes.
    pub bytes: Vec<u8>,
    /// The keys whose values came from the pack, with dots between their parts.
    pub taken: Vec<String>,
    /// The keys that both sides changed, and whose value is the player's.
    pub kept: Vec<String>,
}

/// Merges a file. `old` is what the pack shipped before, `new` what it ships now, `disk` what lies there.
///
/// # Errors
/// [`Error::Unmergeable`] names the file that cannot be read, or the key that cannot be changed in place. Then the
/// player's file stays, and the new one is to be put beside it where nothing loads it.
pub fn merge(format: Format, old: &[u8], new: &[u8], disk: &[u8]) -> Result<Merged, Error> {
    let whole = |bytes: &[u8]| Merged {
        bytes: bytes.to_owned(),
        taken: Vec::new(),
        kept: Vec::new(),
    };
    if disk == new || old == new {
        return Ok(whole(disk));
    }
    if disk == old {
        return Ok(whole(new));
    }
    let read = |which: &'static str, bytes| {
        let text = text(bytes).map_err(|message| Error::Unmergeable { which, message })?;
        let tree = match format {
            Format::Toml => toml::read(text),
            Format::Json => json::read(text),
            Format::Properties => lines::read(text, lines::Style::Properties),
            Format::Options => lines::read(text, lines::Style::Options),
        };
        tree.map_err(|message| Error::Unmergeable { which, message })
    };
    let old = read("the old file of the pack", old)?;
    let new = read("the new file of the pack", new)?;
    let tree = read("the file on the disk", disk)?;
    let mut plan = Plan::default();
    let mut path = Vec::new();
    plan.table(&old, &new, &tree, &mut path);
    let text = text(disk).unwrap_or_default();
    let applied = match format {
        Format::Toml => toml::apply(text, &plan.changes),
        Format::Json => json::apply(text, &plan.changes),
        Format::Properties => lines::apply(text, lines::Style::Properties, &plan.changes),
        Format::Options => lines::apply(text, lines::Style::Options, &plan.changes),
    };
    let applied = applied.map_err(|message| Error::Unmergeable {
        which: "the file on the disk",
        message,
    })?;
    let dotted = |path: &[String]| path.join(".");
    Ok(Merged {
        bytes: applied.into_bytes(),
        taken: plan.changes.iter().map(|it| dotted(&it.path)).collect(),
        kept: plan.kept.iter().map(|path| dotted(path)).collect(),
    })
}

fn text(bytes: &[u8]) -> Result<&str, String> {
    if bytes.len() > BYTES_MAX {
        return Err(format!("has {} bytes, {BYTES_MAX} at most", bytes.len()));
    }
    std::str::from_utf8(bytes).map_err(|_| "is not UTF-8 text".to_owned())
}

/// What a file says: keys with values, or with keys.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Node {
    Table(Table),
    Leaf(Leaf),
}

/// Keys in the order of the file, each once.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Table {
    order: Vec<String>,
    nodes: BTreeMap<String, Node>,
}

impl Table {
    /// False if the key is there already; then nothing is changed.
    fn insert(&mut self, key: String, node: Node) -> bool {
        if self.nodes.contains_key(&key) {
            return false;
        }
        self.order.push(key.clone());
        self.nodes.insert(key, node);
        true
    }
}

/// A value: how it is compared, and how it is written.
#[derive(Clone, Debug, Eq)]
struct Leaf {
    means: String,
    raw: String,
}

impl PartialEq for Leaf {
    fn eq(&self, other: &Self) -> bool {
        self.means == other.means
    }
}

/// One change of the player's file.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Change {
    path: Vec<String>,
    /// The value as it is written; none to take the key out.
    value: Option<Node>,
}

#[derive(Debug, Default)]
struct Plan {
    changes: Vec<Change>,
    kept: Vec<Vec<String>>,
}

impl Plan {
    fn table(&mut self, old: &Table, new: &Table, disk: &Table, path: &mut Vec<String>) {
        let gone = old.order.iter().filter(|key| !new.nodes.contains_key(*key));
        for key in new.order.iter().chain(gone) {
            path.push(key.clone());
            self.key(
                old.nodes.get(key),
                new.nodes.get(key),
                disk.nodes.get(key),
                path,
            );
            path.pop();
        }
    }

    fn key(
        &mut self,
        old: Option<&Node>,
        new: Option<&Node>,
        disk: Option<&Node>,
        path: &mut Vec<String>,
    ) {
        if disk == new || old == new {
            return;
        }
        if let (Some(Node::Table(new)), Some(Node::Table(disk))) = (new, disk) {
            let none = Table::default();
            let old = match old {
                Some(Node::Table(old)) => old,
                _ => &none,
            };
            return self.table(old, new, disk, path);
        }
        // A table that the pack no longer ships: what it shipped in it goes, what others put there stays.
        if let (Some(Node::Table(old)), None, Some(Node::Table(disk_table))) = (old, new, disk)
            && disk != Some(&Node::Table(old.clone()))
        {
            return self.table(old, &Table::default(), disk_table, path);
        }
        if disk == old {
            self.changes.push(Change {
                path: path.clone(),
                value: new.cloned(),
            });
        } else {
            self.kept.push(path.clone());
        }
    }
}

#[cfg(test)]
mod tests;
