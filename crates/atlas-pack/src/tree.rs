//! Where a pack's files come from: a folder, a commit, or a map in memory.

use std::collections::BTreeMap;
use std::io::{self, Read};

use crate::path::PackPath;

/// What an entry of a tree is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A file.
    File,
    /// A symbolic link. It is never followed.
    Link,
    /// Something else: a device, a socket, a submodule of Git.
    Other,
}

/// One entry of a tree that is no folder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Its path as it is written there; it may be none that a pack can have.
    pub path: String,
    /// What it is.
    pub kind: Kind,
}

/// A pack's files. Reading follows no links and runs nothing.
pub trait Tree {
    /// Every entry, without the folders for which `skip` is true; sorted by the bytes of the paths.
    ///
    /// # Errors
    /// What kept it from being read; [`io::ErrorKind::QuotaExceeded`] if there are more than `files_max`.
    fn entries(&self, skip: &dyn Fn(&str) -> bool, files_max: usize) -> io::Result<Vec<Entry>>;

    /// Opens a file.
    ///
    /// # Errors
    /// What kept it from being read; [`io::ErrorKind::NotFound`] if it is not there, [`io::ErrorKind::InvalidInput`] if
    /// it or a folder before it is a link or no file.
    fn open(&self, path: &PackPath) -> io::Result<Box<dyn Read + '_>>;
}

/// Files in memory: for tests, and for packs that come out of an archive.
#[derive(Clone, Debug, Default)]
pub struct MemoryTree {
    files: BTreeMap<String, (Kind, Vec<u8>)>,
}

impl MemoryTree {
    /// Puts a file in, in place of one with the same path.
    pub fn insert(&mut self, path: impl Into<String>, bytes: impl Into<Vec<u8>>) {
        self.files.insert(path.into(), (Kind::File, bytes.into()));
    }

    /// Puts something in that is no file.
    pub fn insert_kind(&mut self, path: impl Into<String>, kind: Kind) {
        self.files.insert(path.into(), (kind, Vec::new()));
    }

    /// Takes an entry out.
    pub fn remove(&mut self, path: &str) {
        self.files.remove(path);
    }
}

impl Tree for MemoryTree {
    fn entries(&self, skip: &dyn Fn(&str) -> bool, files_max: usize) -> io::Result<Vec<Entry>> {
        let skipped = |path: &str| {
            path.match_indices('/')
                .any(|(at, _)| skip(path.get(..at).unwrap_or_default()))
        };
        let entries: Vec<Entry> = self
            .files
            .iter()
            .filter(|(path, _)| !skipped(path))
            .map(|(path, (kind, _))| Entry {
                path: path.clone(),
                kind: *kind,
            })
            .collect();
        if entries.len() > files_max {
            return Err(io::ErrorKind::QuotaExceeded.into());
        }
        Ok(entries)
    }

    fn open(&self, path: &PackPath) -> io::Result<Box<dyn Read + '_>> {
        match self.files.get(path.as_str()) {
            Some((Kind::File, bytes)) => Ok(Box::new(bytes.as_slice())),
            Some(_) => Err(io::ErrorKind::InvalidInput.into()),
            None => Err(io::ErrorKind::NotFound.into()),
        }
    }
}
