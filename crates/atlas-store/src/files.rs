//! Work on a store's files beside the store: what `atlas store check` and its neighbours do.
//!
//! What only reads takes no lock: it looks at the files as they were at one moment ([`Frozen`]), so that it works beside
//! a running store. What writes makes a directory that was not there, or takes the lock that a store takes.

mod backup;
mod dump;
mod fresh;
mod import;
mod line;
mod read;
mod restore;
mod skip;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use atlas_wal::{Disk, FileDisk, Frozen, Report, View};

pub use backup::{BackedUp, Run, backup, runs};
pub use dump::{Range, dump};
pub use fresh::Made;
pub use import::import;
pub use read::restore_lines;
pub use restore::{Point, restore};
pub use skip::skip;

use crate::error::Error;
use crate::snapshot::APPLY_LEVEL;

/// A store has one group.
const GROUP: u64 = 0;
/// How often a directory that is being written is looked at anew before what looks wrong is believed.
const LOOKS: usize = 5;

/// Whether another process has a directory.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum InUse {
    /// None has.
    No,
    /// A process with this id, if it could be read.
    By(Option<u32>),
}

/// What [`check`] found.
#[derive(Debug)]
pub struct Checked {
    /// The folder of log and snapshots.
    pub folder: PathBuf,
    /// Whether a store is writing there.
    pub in_use: InUse,
    /// What the files hold, and what is wrong with them.
    pub report: Report,
}

/// The folder of log and snapshots: `folder` itself, or `store` in it.
///
/// # Errors
/// [`Error::NoStore`] if neither has such files; [`Error::File`].
pub fn locate(folder: &Path) -> Result<PathBuf, Error> {
    for candidate in [folder.to_owned(), folder.join("store")] {
        if has_files(&candidate)? {
            return Ok(candidate);
        }
    }
    Err(Error::NoStore {
        path: folder.to_owned(),
    })
}

/// Reads every file of the log and every snapshot, and says whether they are whole. Changes nothing.
///
/// # Errors
/// [`Error::File`], [`Error::Log`] if the folder cannot be listed or read at all.
pub fn check(folder: &Path) -> Result<Checked, Error> {
    let mut looks = 0;
    loop {
        let (disk, in_use) = frozen(folder)?;
        let mut report = atlas_wal::check(&disk)?;
        if report.apply_level > APPLY_LEVEL {
            report.problems.push(newer(folder, report.apply_level));
        }
        looks += 1;
        if report.is_damaged() && in_use != InUse::No && looks < LOOKS {
            continue;
        }
        return Ok(Checked {
            folder: folder.to_owned(),
            in_use,
            report,
        });
    }
}

/// The folder's files as they are now, and whether a store is writing them.
fn frozen(folder: &Path) -> Result<(Arc<dyn Disk>, InUse), Error> {
    let disk = FileDisk::new(folder);
    let in_use = match disk.holder() {
        Ok(None) => InUse::No,
        Ok(Some(process)) => InUse::By(process),
        Err(source) => return Err(file("read", folder.join("lock"), source)),
    };
    Ok((Arc::new(Frozen::of(&disk)?), in_use))
}

/// The log in `folder`, to be read without being opened, and the files that it is in.
fn open_view(folder: &Path) -> Result<(Arc<dyn Disk>, View), Error> {
    let mut looks = 0;
    loop {
        let (disk, in_use) = frozen(folder)?;
        let opened = View::open(Arc::clone(&disk));
        looks += 1;
        let is_right = opened.as_ref().is_ok_and(|view| view.problem().is_none());
        if !is_right && in_use != InUse::No && looks < LOOKS {
            continue;
        }
        let view = opened?;
        if view.apply_level() > APPLY_LEVEL {
            return Err(newer(folder, view.apply_level()).into());
        }
        return Ok((disk, view));
    }
}

fn has_files(folder: &Path) -> Result<bool, Error> {
    let names = match std::fs::read_dir(folder) {
        Ok(names) => names,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(false),
        Err(source) => return Err(file("read", folder, source)),
    };
    for name in names {
        let name = name.map_err(|source| file("read", folder, source))?;
        let name = name.file_name();
        let name = name.to_string_lossy();
        if name.ends_with(".log") || name.ends_with(".snapshot") {
            return Ok(true);
        }
    }
    Ok(false)
}

/// The time, by the machine's clock.
fn now_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |since| since.as_millis() as u64)
}

fn newer(folder: &Path, level: u32) -> atlas_wal::Error {
    atlas_wal::Error::NewerApplyLevel {
        file: folder.to_owned(),
        level,
        known: APPLY_LEVEL,
    }
}

fn file(action: &'static str, path: impl Into<PathBuf>, source: std::io::Error) -> Error {
    Error::File {
        action,
        path: path.into(),
        source,
    }
}

#[cfg(test)]
mod tests;
