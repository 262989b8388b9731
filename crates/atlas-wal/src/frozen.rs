//! A directory as it was at one moment, while another process may be writing it.
//!
//! Every file is opened first, so that a purge cannot take one away. Then of each segment, the newest first, the last
//! byte that is not zero is looked for *from its end*; what is written behind it later reads as zeros. The log is
//! written in one order: whoever saw a later byte finds all earlier frames whole. So what is read is a beginning of the
//! log, of which at most the last frame is torn, as after a power cut.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::disk::{Disk, DiskFile, Lock, LockError};
use crate::error::{self, Error};
use crate::layout::Name;

/// How often the files are listed anew because one went away meanwhile.
const TRIES: usize = 20;
const PIECE_BYTES: u64 = 256 * 1024;

/// What a directory held at one moment, for reading only: writing to it fails.
pub struct Frozen {
    directory: PathBuf,
    files: Vec<(String, Held)>,
}

#[derive(Clone)]
struct Held {
    file: Arc<dyn DiskFile>,
    /// From here on there are zeros.
    used: u64,
}

impl fmt::Debug for Frozen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Frozen")
            .field("directory", &self.directory)
            .field("files", &self.files.len())
            .finish_non_exhaustive()
    }
}

impl Frozen {
    /// Takes what `disk` holds now. It needs one descriptor a file.
    ///
    /// # Errors
    /// [`Error::Io`], also if files kept going away while they were opened.
    pub fn of(disk: &dyn Disk) -> Result<Self, Error> {
        let directory = PathBuf::from(disk.directory());
        let failed =
            |action, name: &str, source| error::io(action, directory.join(name), 0, source);
        let list = || {
            let names = disk.list().map_err(|source| failed("list", "", source))?;
            Ok::<_, Error>(in_order(names))
        };
        for attempt in 1.. {
            let names = list()?;
            let newest = newest(&names);
            let mut files = Vec::new();
            let mut gone = false;
            for (what, name) in names {
                match disk.open_to_read(&name) {
                    Ok(file) => files.push((what, name, Arc::<dyn DiskFile>::from(file))),
                    Err(error) if error.kind() == io::ErrorKind::NotFound => {
                        // What was unfinished has its name by now, or none.
                        gone |= what != Name::Unfinished && attempt < TRIES;
                    }
                    Err(source) => return Err(failed("open", &name, source)),
                }
            }
            if gone {
                continue;
            }
            let mut held = Vec::with_capacity(files.len());
            for (what, name, file) in files.into_iter().rev() {
                let used = match what {
                    Name::Segment(_) => {
                        used(&*file).map_err(|source| failed("read", &name, source))?
                    }
                    _ => u64::MAX,
                };
                held.push((name, Held { file, used }));
            }
            // A segment that came meanwhile may already be named by the one before it.
            if attempt < TRIES && self::newest(&list()?) != newest {
                continue;
            }
            return Ok(Self {
                directory,
                files: held,
            });
        }
        unreachable!("the last attempt takes what there is")
    }
}

/// Our own files, in the order in which they are opened: snapshots first, for an older one is removed before the records
/// are that it covers; then segments upwards, as they are removed.
fn in_order(names: Vec<String>) -> Vec<(Name, String)> {
    let mut names: Vec<(Name, String)> = names
        .into_iter()
        .map(|name| (Name::read(&name), name))
        .filter(|(what, _)| *what != Name::Other)
        .collect();
    names.sort_unstable_by_key(|(what, _)| match *what {
        Name::Snapshot { group, index } => (0, group, index),
        Name::Segment(number) => (1, number, 0),
        Name::Unfinished | Name::Other => (2, 0, 0),
    });
    names
}

/// The newest segment.
fn newest(names: &[(Name, String)]) -> Option<Name> {
    let mut segments = names.iter().map(|(what, _)| *what);
    segments.rfind(|what| matches!(what, Name::Segment(_)))
}

/// Behind the last byte that is not zero, looked for from the end.
fn used(file: &dyn DiskFile) -> io::Result<u64> {
    let mut bytes = vec![0; PIECE_BYTES as usize];
    let mut end = file.length()?;
    while end > 0 {
        let from = end.saturating_sub(PIECE_BYTES);
        let piece = &mut bytes[..(end - from) as usize];
        let read = file.read_full_at(piece, from)?;
        if let Some(last) = piece[..read].iter().rposition(|&byte| byte != 0) {
            return Ok(from + last as u64 + 1);
        }
        end = from;
    }
    Ok(0)
}

impl Disk for Frozen {
    fn directory(&self) -> &Path {
        &self.directory
    }

    fn lock(&self) -> Result<Box<dyn Lock>, LockError> {
        Err(LockError::Io(read_only()))
    }

    fn list(&self) -> io::Result<Vec<String>> {
        Ok(self.files.iter().map(|(name, _)| name.clone()).collect())
    }

    fn create(&self, _: &str) -> io::Result<Box<dyn DiskFile>> {
        Err(read_only())
    }

    fn open(&self, _: &str) -> io::Result<Box<dyn DiskFile>> {
        Err(read_only())
    }

    fn open_to_read(&self, name: &str) -> io::Result<Box<dyn DiskFile>> {
        let found = self.files.iter().find(|(of, _)| of == name);
        match found {
            Some((_, held)) => Ok(Box::new(held.clone())),
            None => Err(io::ErrorKind::NotFound.into()),
        }
    }

    fn rename(&self, _: &str, _: &str) -> io::Result<()> {
        Err(read_only())
    }

    fn remove(&self, _: &str) -> io::Result<()> {
        Err(read_only())
    }

    fn sync_directory(&self) -> io::Result<()> {
        Err(read_only())
    }

    fn fresh_id(&self) -> io::Result<u128> {
        Err(read_only())
    }
}

impl fmt::Debug for Held {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Held")
            .field("file", &self.file)
            .field("used", &self.used)
            .finish()
    }
}

impl DiskFile for Held {
    fn length(&self) -> io::Result<u64> {
        self.file.length()
    }

    fn read_at(&self, to: &mut [u8], offset: u64) -> io::Result<usize> {
        if offset < self.used {
            let room = usize::try_from(self.used - offset).unwrap_or(usize::MAX);
            let part = to.len().min(room);
            return self.file.read_at(&mut to[..part], offset);
        }
        let left = self.file.length()?.saturating_sub(offset);
        let part = to.len().min(usize::try_from(left).unwrap_or(usize::MAX));
        to[..part].fill(0);
        Ok(part)
    }

    fn write_at(&self, _: &[u8], _: u64) -> io::Result<usize> {
        Err(read_only())
    }

    fn sync_data(&self) -> io::Result<()> {
        Err(read_only())
    }

    fn drop_cache(&self) -> io::Result<()> {
        self.file.drop_cache()
    }
}

fn read_only() -> io::Error {
    io::Error::new(
        io::ErrorKind::ReadOnlyFilesystem,
        "this directory is only read",
    )
}
