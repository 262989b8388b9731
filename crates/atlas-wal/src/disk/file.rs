//! A directory of the real file system.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Read, Write};
use std::os::unix::fs::{FileExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustix::fs::Advice;

use super::direct::DirectFile;
use super::disposal::{self, Disposal};
use super::{Disk, DiskFile, Lock, LockError};
use crate::layout::LOCK;

/// A directory of the file system. Files are made readable and writable for their owner only.
#[derive(Debug, Clone)]
pub struct FileDisk {
    directory: PathBuf,
    disposal: Arc<Disposal>,
}

impl FileDisk {
    /// The directory at `directory`, which exists.
    pub fn new(directory: impl Into<PathBuf>) -> Self {
        Self {
            directory: directory.into(),
            disposal: Arc::default(),
        }
    }

    /// Makes the directory at `directory` and those above it if they are missing, durably.
    ///
    /// # Errors
    /// What the disk says.
    pub fn create_directory(directory: impl Into<PathBuf>) -> io::Result<Self> {
        let directory = directory.into();
        let mut missing = Vec::new();
        let mut above = directory.as_path();
        while !above.as_os_str().is_empty() && !above.exists() {
            missing.push(above);
            match above.parent() {
                Some(parent) => above = parent,
                None => break,
            }
        }
        for path in missing.into_iter().rev() {
            match fs::create_dir(path) {
                Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
                _ => {}
            }
            // A name is durable once the directory that has it is synced.
            let parent = match path.parent() {
                Some(parent) if !parent.as_os_str().is_empty() => parent,
                _ => Path::new("."),
            };
            File::open(parent)?.sync_all()?;
        }
        Ok(Self::new(directory))
    }

    /// Whether another process has the directory now, and which, if it could be read. Changes nothing.
    ///
    /// # Errors
    /// What the disk says, but that there is no lock.
    pub fn holder(&self) -> io::Result<Option<Option<u32>>> {
        let mut file = match File::open(self.path(LOCK)) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        match file.try_lock_shared() {
            // It is given back as soon as this returns.
            Ok(()) => Ok(None),
            Err(TryLockError::WouldBlock) => {
                let mut text = String::new();
                let _ = file.read_to_string(&mut text);
                Ok(Some(text.trim().parse().ok()))
            }
            Err(TryLockError::Error(error)) => Err(error),
        }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.join(name)
    }

    fn created(&self, name: &str) -> io::Result<File> {
        OpenOptions::new()
            .read(true)
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(self.path(name))
    }
}

impl Disk for FileDisk {
    fn directory(&self) -> &Path {
        &self.directory
    }

    fn lock(&self) -> Result<Box<dyn Lock>, LockError> {
        let owner = fs::metadata(&self.directory)?.uid();
        let user = rustix::process::geteuid().as_raw();
        if owner != user {
            return Err(LockError::Owner { owner, user });
        }
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(self.path(LOCK))?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let mut text = String::new();
                // Whoever took it a moment ago may not have written its id yet.
                let _ = file.read_to_string(&mut text);
                return Err(LockError::Held(text.trim().parse().ok()));
            }
            Err(TryLockError::Error(error)) => return Err(error.into()),
        }
        file.set_len(0)?;
        file.write_all(format!("{}\n", std::process::id()).as_bytes())?;
        Ok(Box::new(FileLock { _file: file }))
    }

    fn list(&self) -> io::Result<Vec<String>> {
        let mut names = Vec::new();
        for entry in fs::read_dir(&self.directory)? {
            // A name that is no text is none of ours.
            if let Ok(name) = entry?.file_name().into_string() {
                names.push(name);
            }
        }
        Ok(names)
    }

    fn create(&self, name: &str) -> io::Result<Box<dyn DiskFile>> {
        Ok(Box::new(OpenFile(self.created(name)?)))
    }

    fn open(&self, name: &str) -> io::Result<Box<dyn DiskFile>> {
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .open(self.path(name))?;
        Ok(Box::new(OpenFile(file)))
    }

    fn open_to_read(&self, name: &str) -> io::Result<Box<dyn DiskFile>> {
        let file = File::open(self.path(name))?;
        Ok(Box::new(OpenFile(disposal::held(file)?)))
    }

    fn create_aside(&self, name: &str) -> io::Result<Box<dyn DiskFile>> {
        let file = self.created(name)?;
        Ok(Box::new(DirectFile::new(file, &self.path(name), true)))
    }

    fn open_aside(&self, name: &str) -> io::Result<Box<dyn DiskFile>> {
        let path = self.path(name);
        let file = disposal::held(File::open(&path)?)?;
        Ok(Box::new(DirectFile::new(file, &path, false)))
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        fs::rename(self.path(from), self.path(to))
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        self.disposal.remove(&self.path(name))
    }

    fn sync_directory(&self) -> io::Result<()> {
        File::open(&self.directory)?.sync_all()?;
        self.disposal.names_are_gone();
        Ok(())
    }

    fn fresh_id(&self) -> io::Result<u128> {
        let mut bits = [0; 16];
        getrandom::fill(&mut bits).map_err(io::Error::other)?;
        Ok(u128::from_le_bytes(bits))
    }
}

#[derive(Debug)]
struct OpenFile(File);

impl DiskFile for OpenFile {
    fn length(&self) -> io::Result<u64> {
        Ok(self.0.metadata()?.len())
    }

    fn read_at(&self, to: &mut [u8], offset: u64) -> io::Result<usize> {
        FileExt::read_at(&self.0, to, offset)
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<usize> {
        FileExt::write_at(&self.0, bytes, offset)
    }

    fn sync_data(&self) -> io::Result<()> {
        self.0.sync_data()
    }

    fn drop_cache(&self) -> io::Result<()> {
        // Length 0 means up to the end.
        rustix::fs::fadvise(&self.0, 0, None, Advice::DontNeed).map_err(Into::into)
    }
}

/// The system gives the lock back when the file is closed, also if the process dies.
#[derive(Debug)]
struct FileLock {
    _file: File,
}

impl Lock for FileLock {}
