//! A pack's folder on this machine.

use std::fs::File;
use std::io::{self, Read};
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};

use atlas_pack::{Entry, Kind, PackPath, Tree};
use rustix::fs::{Dir, FileType, Mode, OFlags, openat};

use crate::error::Error;

/// Folders in folders that are looked into.
const DEPTH_MAX: usize = 64;

/// A folder, held open: what is read is below it, whatever is renamed around it.
#[derive(Debug)]
pub struct Folder {
    path: PathBuf,
    handle: OwnedFd,
}

impl Folder {
    /// Opens a folder. It may itself be named through links.
    ///
    /// # Errors
    /// [`Error::Read`].
    pub fn open(path: &Path) -> Result<Self, Error> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let handle = rustix::fs::open(path, flags, Mode::empty());
        let handle = handle.map_err(|source| Error::Read {
            path: path.to_owned(),
            source: source.into(),
        })?;
        Ok(Self {
            path: path.to_owned(),
            handle,
        })
    }

    /// The folder as it was named.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Lists one folder and those in it.
    fn list(
        &self,
        folder: &OwnedFd,
        prefix: &str,
        listing: &mut Listing<'_>,
        depth: usize,
    ) -> io::Result<()> {
        if depth > DEPTH_MAX {
            return Err(io::Error::new(
                io::ErrorKind::InvalidInput,
                format!("{prefix} lies more than {DEPTH_MAX} folders deep"),
            ));
        }
        let mut names = Vec::new();
        for entry in Dir::read_from(folder)? {
            let entry = entry?;
            let name = entry.file_name().to_bytes();
            if name != b"." && name != b".." {
                names.push((entry.file_name().to_owned(), entry.file_type()));
            }
        }
        for (name, kind) in names {
            // A name that is no text gets one that is refused as a path, and is told with it.
            let text = name.to_string_lossy();
            let is_text = name.to_str().is_ok();
            let path = format!("{prefix}{text}");
            let kind = match kind {
                FileType::Unknown => {
                    let flags = rustix::fs::AtFlags::SYMLINK_NOFOLLOW;
                    let stat = rustix::fs::statat(folder, &name, flags)?;
                    FileType::from_raw_mode(stat.st_mode)
                }
                kind => kind,
            };
            let kind = match kind {
                FileType::Directory if (listing.skip)(&path) => continue,
                FileType::Directory => {
                    let flags =
                        OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
                    let inner = openat(folder, &name, flags, Mode::empty())?;
                    self.list(&inner, &format!("{path}/"), listing, depth + 1)?;
                    continue;
                }
                FileType::RegularFile if is_text => Kind::File,
                FileType::Symlink => Kind::Link,
                _ => Kind::Other,
            };
            if listing.entries.len() == listing.files_max {
                return Err(io::ErrorKind::QuotaExceeded.into());
            }
            listing.entries.push(Entry { path, kind });
        }
        Ok(())
    }
}

struct Listing<'a> {
    skip: &'a dyn Fn(&str) -> bool,
    files_max: usize,
    entries: Vec<Entry>,
}

impl Tree for Folder {
    fn entries(&self, skip: &dyn Fn(&str) -> bool, files_max: usize) -> io::Result<Vec<Entry>> {
        let mut listing = Listing {
            skip,
            files_max,
            entries: Vec::new(),
        };
        self.list(&self.handle, "", &mut listing, 0)?;
        let mut entries = listing.entries;
        entries.sort_by(|a, b| a.path.cmp(&b.path));
        Ok(entries)
    }

    fn open(&self, path: &PackPath) -> io::Result<Box<dyn Read + '_>> {
        let mut folder: Option<OwnedFd> = None;
        let mut parts = path.parts().peekable();
        while let Some(name) = parts.next() {
            let at = folder.as_ref().unwrap_or(&self.handle).as_fd();
            // Without NONBLOCK a pipe that lies there would be waited for.
            let mut flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
            if parts.peek().is_some() {
                flags |= OFlags::DIRECTORY;
            }
            let opened = openat(at, name, flags, Mode::empty()).map_err(|error| match error {
                rustix::io::Errno::LOOP | rustix::io::Errno::NXIO => {
                    io::ErrorKind::InvalidInput.into()
                }
                // A folder of the path is a file or a link; or the whole is not there.
                rustix::io::Errno::NOTDIR => io::ErrorKind::InvalidInput.into(),
                error => io::Error::from(error),
            })?;
            folder = Some(opened);
        }
        let file = File::from(folder.ok_or(io::ErrorKind::InvalidInput)?);
        if !file.metadata()?.is_file() {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        Ok(Box::new(file))
    }
}
