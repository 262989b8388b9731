//! Which snapshot a group starts from.

use std::io;
use std::sync::Arc;

use super::{SnapshotReader, Verified};
use crate::disk::Disk;
use crate::error::{self, Error};
use crate::layout::Name;

/// A snapshot by its name; nothing of it was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// The file's name.
    pub name: String,
    /// The group.
    pub group: u64,
    /// The index of the last record that it has the effect of.
    pub index: u64,
}

/// What a group starts from.
#[derive(Debug)]
pub struct Choice {
    /// The newest snapshot that is whole; `None` if there is none and none is needed.
    pub snapshot: Option<Verified>,
    /// Newer ones that are not whole, and why. A person should know.
    pub damaged: Vec<(String, Error)>,
}

/// The snapshots of `group`, the newest first.
///
/// # Errors
/// [`Error::Io`].
pub fn list(disk: &dyn Disk, group: u64) -> Result<Vec<Found>, Error> {
    let mut found: Vec<Found> = disk
        .list()
        .map_err(|source| error::io("list", disk.directory().into(), 0, source))?
        .into_iter()
        .filter_map(|name| match Name::read(&name) {
            Name::Snapshot { group: of, index } if of == group => {
                Some(Found { name, group, index })
            }
            _ => None,
        })
        .collect();
    found.sort_unstable_by_key(|found| std::cmp::Reverse(found.index));
    Ok(found)
}

/// Reads the snapshots of `group`, the newest first, until one is whole. It must cover every record before
/// `first_index`, the first that the log still has: otherwise starting from it would leave records out.
///
/// # Errors
/// [`Error::NoSnapshot`] if none is whole and reaches so far, [`Error::Io`] if the directory cannot be listed.
pub fn choose(disk: &Arc<dyn Disk>, group: u64, first_index: u64) -> Result<Choice, Error> {
    let mut damaged = Vec::new();
    let mut reaches = None;
    for found in list(&**disk, group)? {
        if found.index + 1 < first_index {
            reaches.get_or_insert(found.index);
            break;
        }
        match SnapshotReader::open(Arc::clone(disk), &found.name).and_then(SnapshotReader::verify) {
            Ok(verified) => {
                return Ok(Choice {
                    snapshot: Some(verified),
                    damaged,
                });
            }
            Err(error) => damaged.push((found.name, error)),
        }
    }
    if first_index <= 1 {
        return Ok(Choice {
            snapshot: None,
            damaged,
        });
    }
    let mut said: Vec<String> = damaged.iter().map(|(_, error)| error.to_string()).collect();
    if let Some(index) = reaches {
        said.push(format!("the newest of the others ends at index {index}"));
    }
    if said.is_empty() {
        said.push("there is none".into());
    }
    Err(Error::NoSnapshot {
        directory: disk.directory().into(),
        group,
        first_index,
        found: said.join("; "),
    })
}

/// Removes the snapshots of `group` but the newest `keep`, and makes that durable. Returns how many were removed.
///
/// Call it only after a newer one was verified: whether the ones that stay are whole is not looked at here.
///
/// # Errors
/// [`Error::Io`], [`Error::SyncFailed`].
pub fn remove(disk: &dyn Disk, group: u64, keep: usize) -> Result<usize, Error> {
    let mut removed = 0;
    for found in list(disk, group)?.into_iter().skip(keep.max(1)) {
        match disk.remove(&found.name) {
            Ok(()) => removed += 1,
            Err(source) if source.kind() == io::ErrorKind::NotFound => {}
            Err(source) => {
                let file = disk.directory().join(&found.name);
                return Err(error::io("remove", file, 0, source));
            }
        }
    }
    if removed > 0 {
        disk.sync_directory().map_err(|source| Error::SyncFailed {
            file: disk.directory().into(),
            offset: 0,
            source,
        })?;
    }
    Ok(removed)
}
