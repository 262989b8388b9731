//! What becomes of files whose names were removed.
//!
//! A file system frees a large file in one go, and whoever syncs another file meanwhile waits: for a gigabyte some
//! tenths of a second. So a removed file is kept open, which costs nothing, until its name is durably gone; then a thread
//! of its own shortens it piece by piece, and rests in between as long as a piece took. If the process ends before, the
//! system frees what is left.
//!
//! Who reads a file has a shared lock on it. One that somebody still reads, or that has another name, is not shortened
//! but only closed: it stays whole until the last reader has closed it too.

use std::fs::{File, TryLockError};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::{Mutex, PoisonError, mpsc};
use std::time::Instant;

/// So much of a file is freed at once.
const STEP_BYTES: u64 = 8 << 20;
/// As many removed files are kept; more are freed at once, as if there were nothing like this.
const KEPT_MAX: usize = 256;

/// Removed files, and the thread that frees them.
#[derive(Debug, Default)]
pub(super) struct Disposal(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    /// Their names are gone, but not durably yet.
    removed: Vec<File>,
    thread: Option<mpsc::SyncSender<File>>,
}

impl Disposal {
    /// Removes the name of a file at `path`, and keeps the file.
    pub(super) fn remove(&self, path: &Path) -> io::Result<()> {
        // Its name goes whether or not it can be kept.
        let file = File::options().write(true).open(path);
        std::fs::remove_file(path)?;
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Ok(file) = file
            && state.removed.len() < KEPT_MAX
        {
            state.removed.push(file);
        }
        Ok(())
    }

    /// The names that were removed before are durably gone.
    pub(super) fn names_are_gone(&self) {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if state.removed.is_empty() {
            return;
        }
        let State { removed, thread } = &mut *state;
        if thread.is_none() {
            let (sender, files) = mpsc::sync_channel::<File>(KEPT_MAX);
            let made = std::thread::Builder::new()
                .name("wal-disposal".into())
                .spawn(move || files.into_iter().for_each(|file| free(&file)));
            *thread = made.is_ok().then_some(sender);
        }
        for file in removed.drain(..) {
            if let Some(thread) = thread {
                // One too many is closed here.
                let _ = thread.try_send(file);
            }
        }
    }
}

/// Frees a file's space piece by piece, unless somebody reads it.
fn free(file: &File) {
    let Ok(metadata) = file.metadata() else {
        return;
    };
    // It may have another name, which somebody gave it to keep it.
    if metadata.nlink() > 0 || file.try_lock().is_err() {
        return;
    }
    let mut length = metadata.len();
    while length > STEP_BYTES {
        length -= STEP_BYTES;
        let begun = Instant::now();
        if file.set_len(length).is_err() {
            return;
        }
        std::thread::sleep(begun.elapsed());
    }
}

/// Says that a file that was opened for reading is being read.
///
/// # Errors
/// `NotFound` if its name is gone and it is being freed.
pub(super) fn held(file: File) -> io::Result<File> {
    match file.try_lock_shared() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(io::ErrorKind::NotFound.into()),
        // A file system without locks: then none is had for freeing either.
        Err(TryLockError::Error(_)) => Ok(file),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::{Disk, FileDisk};
    use super::*;

    const LENGTH: u64 = 3 * STEP_BYTES + 1;

    fn disk_with_a_file() -> (tempfile::TempDir, FileDisk) {
        let folder = tempfile::tempdir().unwrap();
        let disk = FileDisk::new(folder.path());
        disk.create("file").unwrap();
        File::options()
            .write(true)
            .open(folder.path().join("file"))
            .unwrap()
            .set_len(LENGTH)
            .unwrap();
        (folder, disk)
    }

    fn soon(what: impl Fn() -> bool) -> bool {
        let deadline = Instant::now() + Duration::from_secs(20);
        while Instant::now() < deadline {
            if what() {
                return true;
            }
            std::thread::yield_now();
        }
        false
    }

    #[test]
    fn a_removed_file_is_freed_once_its_name_is_durably_gone() {
        let (folder, disk) = disk_with_a_file();
        let file = File::open(folder.path().join("file")).unwrap();
        disk.remove("file").unwrap();
        assert_eq!(disk.list().unwrap(), Vec::<String>::new());
        assert_eq!(file.metadata().unwrap().len(), LENGTH);
        disk.sync_directory().unwrap();
        assert!(soon(|| file.metadata().unwrap().len() <= STEP_BYTES));
    }

    #[test]
    fn who_reads_a_file_reads_it_to_its_end() {
        let (folder, disk) = disk_with_a_file();
        let reader = disk.open_to_read("file").unwrap();
        let aside = disk.open_aside("file").unwrap();
        disk.remove("file").unwrap();
        disk.sync_directory().unwrap();
        // Another is freed after it: by then this one has been looked at.
        disk.create("other").unwrap();
        let path = folder.path().join("other");
        let other = File::options().write(true).open(path).unwrap();
        other.set_len(LENGTH).unwrap();
        disk.remove("other").unwrap();
        disk.sync_directory().unwrap();
        assert!(soon(|| other.metadata().unwrap().len() <= STEP_BYTES));
        assert_eq!(reader.length().unwrap(), LENGTH);
        assert_eq!(aside.length().unwrap(), LENGTH);
    }

    #[test]
    fn a_file_with_another_name_stays_whole() {
        let (folder, disk) = disk_with_a_file();
        let kept = folder.path().join("kept");
        std::fs::hard_link(folder.path().join("file"), &kept).unwrap();
        let file = File::options().write(true).open(&kept).unwrap();
        disk.remove("file").unwrap();
        free(&file);
        assert_eq!(file.metadata().unwrap().len(), LENGTH);
        std::fs::remove_file(&kept).unwrap();
        free(&file);
        assert!(file.metadata().unwrap().len() <= STEP_BYTES);
    }

    #[test]
    fn a_file_that_is_being_freed_is_not_there() {
        let (folder, _) = disk_with_a_file();
        let path = folder.path().join("file");
        let freeing = File::open(&path).unwrap();
        freeing.try_lock().unwrap();
        let found = held(File::open(&path).unwrap());
        assert_eq!(found.unwrap_err().kind(), io::ErrorKind::NotFound);
    }

    #[test]
    fn a_name_that_is_not_there_cannot_be_removed() {
        let folder = tempfile::tempdir().unwrap();
        let removed = FileDisk::new(folder.path()).remove("file");
        assert_eq!(removed.unwrap_err().kind(), io::ErrorKind::NotFound);
    }
}
