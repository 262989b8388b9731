//! Copies of a store's files, taken beside the running store, each adding what is new.
//!
//! A backup is a folder of **runs**. A run is a store's folder as a store would start from it: segments without a hole, and
//! two snapshots, the first that was copied and the newest. A later backup goes on with the newest run if the store still
//! has the segment that was the last one then; otherwise records are missing between them, and a new run begins. Within a
//! run every moment since its first snapshot can be had. `docs/design/backup.md` says why.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use atlas_wal::snapshot::{self, SnapshotReader};
use atlas_wal::{Disk, FileDisk, LockError, View};
use serde::{Deserialize, Serialize};

use super::{GROUP, InUse, LOOKS, file, frozen, now_ms};
use crate::error::Error;

/// The file of a run that says what it has.
const MANIFEST: &str = "backup.json";
/// The version of that file.
const VERSION: u32 = 1;
const PIECE_BYTES: usize = 1 << 20;

/// What a run has: every moment from the first to the last.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Run {
    /// The version of this description.
    pub version: u32,
    /// The cluster whose store it is, hexadecimal.
    pub cluster: String,
    /// The node.
    pub node: u64,
    /// The first index that can be restored.
    pub first_index: u64,
    /// The time of that record: milliseconds since 1970.
    pub first_ms: u64,
    /// The last index.
    pub last_index: u64,
    /// When the last backup to it was taken.
    pub taken_ms: u64,
    /// Segments with lower numbers are copied for good.
    pub tail: u64,
    /// Its folder.
    #[serde(skip)]
    pub folder: PathBuf,
}

/// A backup that was made.
#[derive(Clone, Debug)]
pub struct BackedUp {
    /// The run, as it is now.
    pub run: Run,
    /// It is a new one.
    pub is_new: bool,
    /// Files that were copied.
    pub files: u64,
    /// Bytes of them, zeros at their ends left out.
    pub bytes: u64,
}

/// Copies what the store in `folder` has now into the backup `to`, and reads the copy back. The store may run.
///
/// # Errors
/// [`Error::Log`] if the store's files are damaged: the backup stays as it was. [`Error::Unverified`] if the copy is not
/// whole. [`Error::File`].
pub fn backup(folder: &Path, to: &Path) -> Result<BackedUp, Error> {
    let place = FileDisk::create_directory(to).map_err(|source| file("make", to, source))?;
    let _lock = place.lock().map_err(|error| match error {
        LockError::Held(pid) => Error::Log(atlas_wal::Error::InUse {
            directory: to.to_owned(),
            pid,
        }),
        LockError::Owner { owner, user } => Error::Log(atlas_wal::Error::Owner {
            directory: to.to_owned(),
            owner,
            user,
        }),
        LockError::Io(source) => file("lock", to, source),
    })?;
    // Before the files are looked at: what was written by then is among them.
    let taken_ms = now_ms();
    let (disk, view) = source(folder)?;
    let extent = extent(&disk, &view)?;
    let runs = runs(to)?;
    let goes_on = runs
        .last()
        .filter(|run| goes_on(&disk, &view, run, &extent));
    let is_new = goes_on.is_none();
    let target = match goes_on {
        Some(run) => run.folder.clone(),
        None => to.join(format!("run-{:05}", next_number(to)?)),
    };
    FileDisk::create_directory(&target).map_err(|source| file("make", &target, source))?;

    let tail = goes_on.map_or(0, |run| run.tail);
    let mut staged = Vec::new();
    let (mut files, mut bytes) = (0, 0);
    for name in wanted(&disk, &view, tail, &target)? {
        let unfinished = target.join(format!("{name}.new"));
        bytes += copy(&disk, &name, &unfinished)?;
        files += 1;
        staged.push((unfinished, target.join(name)));
    }
    for (unfinished, named) in &staged {
        fs::rename(unfinished, named).map_err(|source| file("rename", unfinished, source))?;
    }
    sync_folder(&target)?;
    remove_surplus(&target)?;
    let identity = view.identity();
    let run = Run {
        version: VERSION,
        cluster: format!("{:032x}", identity.cluster),
        node: identity.node,
        first_index: goes_on.map_or(extent.first_index, |run| run.first_index),
        first_ms: goes_on.map_or(extent.first_ms, |run| run.first_ms),
        last_index: extent.last_index,
        taken_ms,
        tail: view.tail(),
        folder: target,
    };
    verify(&run)?;
    write_manifest(&run)?;
    Ok(BackedUp {
        run,
        is_new,
        files,
        bytes,
    })
}

/// The runs of a backup, the oldest first. A folder that a store would start from is a run by itself.
///
/// # Errors
/// [`Error::File`]; [`Error::Unverified`] if a run's description cannot be read; what is wrong with the files of a folder
/// that is no backup.
pub fn runs(backup: &Path) -> Result<Vec<Run>, Error> {
    let mut runs = Vec::new();
    for folder in run_folders(backup)? {
        let path = folder.join(MANIFEST);
        let text = match fs::read(&path) {
            Ok(text) => text,
            // The backup that made it did not come to its end.
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            Err(source) => return Err(file("read", path, source)),
        };
        let unreadable = |what: String| Error::Unverified {
            path: path.clone(),
            what,
        };
        let run: Run =
            serde_json::from_slice(&text).map_err(|error| unreadable(error.to_string()))?;
        if run.version > VERSION {
            return Err(unreadable(format!(
                "it has version {}, this atlas knows up to {VERSION}",
                run.version
            )));
        }
        runs.push(Run { folder, ..run });
    }
    if runs.is_empty() && backup.is_dir() && run_folders(backup)?.is_empty() {
        runs.extend(plain(backup)?);
    }
    Ok(runs)
}

/// A store's folder that is no backup of ours: a copy of another making, or the store itself.
fn plain(folder: &Path) -> Result<Option<Run>, Error> {
    let folder = match super::locate(folder) {
        Ok(folder) => folder,
        Err(Error::NoStore { .. }) => return Ok(None),
        Err(error) => return Err(error),
    };
    let (disk, view) = super::open_view(&folder)?;
    let extent = extent(&disk, &view)?;
    let identity = view.identity();
    Ok(Some(Run {
        version: VERSION,
        cluster: format!("{:032x}", identity.cluster),
        node: identity.node,
        first_index: extent.first_index,
        first_ms: extent.first_ms,
        last_index: extent.last_index,
        // Nobody knows when it was copied.
        taken_ms: u64::MAX,
        tail: view.tail(),
        folder,
    }))
}

fn run_folders(backup: &Path) -> Result<Vec<PathBuf>, Error> {
    let mut found = Vec::new();
    let names = match fs::read_dir(backup) {
        Ok(names) => names,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(found),
        Err(source) => return Err(file("read", backup, source)),
    };
    for name in names {
        let name = name.map_err(|source| file("read", backup, source))?;
        if number_of(&name.file_name().to_string_lossy()).is_some() {
            found.push(name.path());
        }
    }
    found.sort_unstable();
    Ok(found)
}

fn number_of(name: &str) -> Option<u32> {
    name.strip_prefix("run-")?.parse().ok()
}

fn next_number(backup: &Path) -> Result<u32, Error> {
    let folders = run_folders(backup)?;
    let numbers = folders
        .iter()
        .filter_map(|folder| number_of(&folder.file_name()?.to_string_lossy()));
    Ok(numbers.max().unwrap_or(0) + 1)
}

/// The store's files, of which nothing is damaged.
fn source(folder: &Path) -> Result<(Arc<dyn Disk>, View), Error> {
    let mut looks = 0;
    loop {
        let (disk, in_use) = frozen(folder)?;
        let view = View::open(Arc::clone(&disk));
        looks += 1;
        let problem = match view {
            Ok(view) => match view.into_whole() {
                Ok(view) => return Ok((disk, view)),
                Err(problem) => problem,
            },
            Err(problem) => problem,
        };
        if in_use == InUse::No || looks >= LOOKS {
            return Err(problem.into());
        }
    }
}

/// Which moments some files have.
#[derive(Clone, Copy, Debug)]
struct Extent {
    first_index: u64,
    first_ms: u64,
    last_index: u64,
}

/// Reads all records that are still there, also those that a snapshot covers.
fn extent(disk: &Arc<dyn Disk>, view: &View) -> Result<Extent, Error> {
    let mut records = view.all_records();
    let (mut first, mut last_index) = (None, 0);
    while let Some(entry) = records.next_record()? {
        let record = entry.record;
        if record.group == GROUP && record.kind.takes_index() {
            let (_, first_ms) = first.get_or_insert((record.index, record.now_ms));
            if *first_ms == 0 {
                // The record that begins a log has no time.
                *first_ms = record.now_ms;
            }
            last_index = record.index;
        }
    }
    if let Some((1, first_ms)) = first {
        return Ok(Extent {
            first_index: 1,
            first_ms,
            last_index,
        });
    }
    let reaches = first.map_or(0, |(index, _)| index.saturating_sub(1));
    let mut images = snapshot::list(&**disk, GROUP)?;
    images.retain(|image| image.index >= reaches);
    let Some(oldest) = images.last() else {
        // Says what is missing.
        let first_index = view.group(GROUP).map_or(1, atlas_wal::Group::first_index);
        snapshot::choose(disk, GROUP, first_index)?;
        return Err(Error::NoStore {
            path: disk.directory().to_owned(),
        });
    };
    let reader = SnapshotReader::open(Arc::clone(disk), &oldest.name)?;
    Ok(Extent {
        first_index: oldest.index,
        first_ms: reader.header().now_ms,
        last_index: last_index.max(oldest.index),
    })
}

/// Whether a run can be gone on with: it is the same store's, its last segment is still there, and the store has not
/// lost what the run has.
fn goes_on(disk: &Arc<dyn Disk>, view: &View, run: &Run, extent: &Extent) -> bool {
    let identity = view.identity();
    let same = run.cluster == format!("{:032x}", identity.cluster) && run.node == identity.node;
    let head = |bytes: io::Result<Box<dyn atlas_wal::DiskFile>>| {
        let mut head = vec![0; 4096];
        let read = bytes.and_then(|file| file.read_full_at(&mut head, 0));
        read.is_ok_and(|read| read == head.len()).then_some(head)
    };
    let name = atlas_wal::segment_name(run.tail);
    let theirs = head(FileDisk::new(&run.folder).open_to_read(&name));
    let ours = head(disk.open_to_read(&name));
    same && ours.is_some() && ours == theirs && extent.last_index >= run.last_index
}

/// The files to copy: segments that are not yet copied for good, and the newest whole snapshot.
fn wanted(
    disk: &Arc<dyn Disk>,
    view: &View,
    tail: u64,
    target: &Path,
) -> Result<Vec<String>, Error> {
    let mut names = Vec::new();
    let first_index = view.group(GROUP).map_or(1, atlas_wal::Group::first_index);
    let image = snapshot::choose(disk, GROUP, first_index)?.snapshot;
    names.extend(
        image
            .map(|image| image.name().to_owned())
            .filter(|name| !target.join(name).exists()),
    );
    let listed = disk
        .list()
        .map_err(|source| file("list", disk.directory(), source))?;
    let mut segments: Vec<(u64, String)> = listed
        .into_iter()
        .filter_map(|name| Some((atlas_wal::segment_number(&name)?, name)))
        .filter(|(number, name)| *number >= tail || !target.join(name).exists())
        .collect();
    segments.sort_unstable();
    names.extend(segments.into_iter().map(|(_, name)| name));
    Ok(names)
}

/// Copies one file, durably. What is zero at its end takes no room.
fn copy(disk: &Arc<dyn Disk>, name: &str, to: &Path) -> Result<u64, Error> {
    let from = disk.directory().join(name);
    let read = |source| file("read", from.clone(), source);
    let write = |source| file("write", to, source);
    let source = disk.open_to_read(name).map_err(read)?;
    let length = source.length().map_err(read)?;
    let target = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(to)
        .map_err(write)?;
    target.set_len(length).map_err(write)?;
    let mut bytes = vec![0; PIECE_BYTES];
    let (mut at, mut copied) = (0, 0);
    while at < length {
        let count = source.read_full_at(&mut bytes, at).map_err(read)?;
        if count == 0 {
            break;
        }
        let piece = &bytes[..count];
        if piece.iter().fold(0, |all, &byte| all | byte) != 0 {
            target.write_all_at(piece, at).map_err(write)?;
            copied += count as u64;
        }
        at += count as u64;
    }
    target.sync_all().map_err(write)?;
    Ok(copied)
}

/// Of a run's snapshots the oldest stays, from where every moment can be had, and the newest.
fn remove_surplus(run: &Path) -> Result<(), Error> {
    let images = snapshot::list(&FileDisk::new(run), GROUP)?;
    let between = images.len().saturating_sub(1).max(1);
    for image in images.iter().take(between).skip(1) {
        let path = run.join(&image.name);
        fs::remove_file(&path).map_err(|source| file("remove", path, source))?;
    }
    Ok(())
}

fn verify(run: &Run) -> Result<(), Error> {
    let checked = super::check(&run.folder)?;
    let report = &checked.report;
    let what = if let Some(problem) = report.problems.first() {
        problem.to_string()
    } else if report.is_damaged() {
        let damaged = report.files.iter().find_map(|file| file.remark.clone());
        damaged.unwrap_or_else(|| "its snapshot does not reach its log".to_owned())
    } else if !report.groups.iter().any(|group| {
        let image = group.snapshots.first().copied().unwrap_or_default();
        group.group == GROUP && group.last_index.max(image) >= run.last_index
    }) {
        format!("it does not reach record {}", run.last_index)
    } else {
        return Ok(());
    };
    Err(Error::Unverified {
        path: run.folder.clone(),
        what,
    })
}

fn write_manifest(run: &Run) -> Result<(), Error> {
    let path = run.folder.join(MANIFEST);
    let unfinished = run.folder.join("backup.json.new");
    let failed = |source| file("write", unfinished.clone(), source);
    let mut text = serde_json::to_vec_pretty(run).map_err(|error| failed(error.into()))?;
    text.push(b'\n');
    let mut target = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(&unfinished)
        .map_err(failed)?;
    target
        .write_all(&text)
        .and_then(|()| target.sync_all())
        .map_err(failed)?;
    fs::rename(&unfinished, &path).map_err(|source| file("rename", path, source))?;
    sync_folder(&run.folder)
}

fn sync_folder(folder: &Path) -> Result<(), Error> {
    File::open(folder)
        .and_then(|folder| folder.sync_all())
        .map_err(|source| file("sync", folder, source))
}
