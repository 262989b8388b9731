//! The disk, as the log and the snapshots see it: one flat directory of files.

mod direct;
mod disposal;
#[cfg(feature = "testing")]
pub(crate) mod faulty;
mod file;
#[cfg(feature = "testing")]
pub(crate) mod memory;

pub use file::FileDisk;

use std::fmt;
use std::io;
use std::path::Path;

/// One directory on a disk. Everything that is written to it goes through this trait, so that tests can be the disk.
///
/// The contract, which is that of POSIX and no more:
/// - What is written is read back at once, but survives a power cut only after [`DiskFile::sync_data`] returned `Ok`.
///   Until then any part of it may be there after the cut, in any order, sector by sector.
/// - A name (created, renamed, removed) survives a power cut only after [`Disk::sync_directory`] returned `Ok`. Until
///   then any of those changes may be undone, each on its own.
/// - After a sync that failed, what it should have written may be lost although it is still read back, and a second
///   sync may return `Ok` without having written anything.
/// - A sector of 512 bytes is written whole or not at all.
///
/// A name has no slash. All methods may be called from several threads.
pub trait Disk: Send + Sync {
    /// Where this is, for messages.
    fn directory(&self) -> &Path;

    /// Takes the directory for this process until the returned value is dropped.
    ///
    /// # Errors
    /// [`LockError`]: somebody has it, it is somebody else's, or it cannot be used.
    fn lock(&self) -> Result<Box<dyn Lock>, LockError>;

    /// The names of the files in it, in no order.
    ///
    /// # Errors
    /// What the disk says.
    fn list(&self) -> io::Result<Vec<String>>;

    /// Makes a new, empty file, for reading and writing.
    ///
    /// # Errors
    /// What the disk says; `AlreadyExists` if the name is taken.
    fn create(&self, name: &str) -> io::Result<Box<dyn DiskFile>>;

    /// Opens a file for reading and writing.
    ///
    /// # Errors
    /// What the disk says; `NotFound` if there is none.
    fn open(&self, name: &str) -> io::Result<Box<dyn DiskFile>>;

    /// Opens a file for reading only.
    ///
    /// # Errors
    /// What the disk says; `NotFound` if there is none.
    fn open_to_read(&self, name: &str) -> io::Result<Box<dyn DiskFile>>;

    /// As [`Disk::create`], for a large file that is written once from its beginning to its end while other files are
    /// synced: the disk takes care that those do not wait for it.
    ///
    /// # Errors
    /// As [`Disk::create`].
    fn create_aside(&self, name: &str) -> io::Result<Box<dyn DiskFile>> {
        self.create(name)
    }

    /// As [`Disk::open_to_read`], for a large file that is read while other files are synced, as
    /// [`Disk::create_aside`].
    ///
    /// # Errors
    /// As [`Disk::open_to_read`].
    fn open_aside(&self, name: &str) -> io::Result<Box<dyn DiskFile>> {
        self.open_to_read(name)
    }

    /// Gives the file `from` the name `to`, which it takes from the file that had it. Durable after
    /// [`Disk::sync_directory`].
    ///
    /// # Errors
    /// What the disk says.
    fn rename(&self, from: &str, to: &str) -> io::Result<()>;

    /// Removes a name; who has the file open may go on reading it. Durable after [`Disk::sync_directory`].
    ///
    /// # Errors
    /// What the disk says.
    fn remove(&self, name: &str) -> io::Result<()>;

    /// Makes all names durable that were created, renamed and removed before.
    ///
    /// # Errors
    /// What the disk says.
    fn sync_directory(&self) -> io::Result<()>;

    /// A number that no file had before: 128 random bits.
    ///
    /// # Errors
    /// What the source of randomness says.
    fn fresh_id(&self) -> io::Result<u128>;
}

/// An open file.
pub trait DiskFile: Send + Sync + fmt::Debug {
    /// How many bytes it has.
    ///
    /// # Errors
    /// What the disk says.
    fn length(&self) -> io::Result<u64>;

    /// Reads from `offset` into `to` and says how many bytes that were: fewer than asked for only if the file ends or
    /// the disk chose so, 0 only at its end.
    ///
    /// # Errors
    /// What the disk says.
    fn read_at(&self, to: &mut [u8], offset: u64) -> io::Result<usize>;

    /// Writes from `bytes` to `offset` and says how many of them; the file grows as needed.
    ///
    /// # Errors
    /// What the disk says.
    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<usize>;

    /// Makes durable all that was written to this file before, and its length. See [`Disk`] for what an error means.
    ///
    /// # Errors
    /// What the disk says.
    fn sync_data(&self) -> io::Result<()>;

    /// Forgets what of this file is kept in memory and equals the disk as far as the system knows, so that what is
    /// read next comes from the disk. What was not synced yet is kept.
    ///
    /// # Errors
    /// What the disk says.
    fn drop_cache(&self) -> io::Result<()>;

    /// Leaves what a sync that failed leaves behind: a disk in memory may have lost what was not durable, and takes
    /// it for written. For disks that fail on purpose.
    #[cfg(feature = "testing")]
    fn sync_failed(&self) {}

    /// Writes all of `bytes` to `offset`.
    ///
    /// # Errors
    /// How many bytes were written before it failed, and what the disk said.
    fn write_all_at(&self, bytes: &[u8], offset: u64) -> Result<(), (u64, io::Error)> {
        let mut written = 0;
        while written < bytes.len() {
            match self.write_at(&bytes[written..], offset + written as u64) {
                Ok(0) => return Err((written as u64, io::ErrorKind::WriteZero.into())),
                Ok(count) => written += count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err((written as u64, error)),
            }
        }
        Ok(())
    }

    /// Reads into `to` from `offset` until it is full or the file ends, and says how many bytes that were.
    ///
    /// # Errors
    /// What the disk says.
    fn read_full_at(&self, to: &mut [u8], offset: u64) -> io::Result<usize> {
        let mut filled = 0;
        while filled < to.len() {
            match self.read_at(&mut to[filled..], offset + filled as u64) {
                Ok(0) => break,
                Ok(count) => filled += count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(filled)
    }

    /// Writes zeros from `from` up to `to`: blocks that were written once are overwritten faster than new ones are
    /// found, and a disk that is full says so now.
    ///
    /// # Errors
    /// How many bytes were written before it failed, and what the disk said.
    fn write_zeros(&self, from: u64, to: u64) -> Result<(), (u64, io::Error)> {
        static ZEROS: [u8; 256 * 1024] = [0; 256 * 1024];
        let mut at = from;
        while at < to {
            let piece = (to - at).min(ZEROS.len() as u64);
            self.write_all_at(&ZEROS[..piece as usize], at)
                .map_err(|(written, error)| (at - from + written, error))?;
            at += piece;
        }
        Ok(())
    }
}

/// A directory is ours as long as this lives.
pub trait Lock: Send + Sync + fmt::Debug {}

/// Why a directory cannot be taken.
#[derive(Debug)]
pub enum LockError {
    /// Another process has it; its id, if it could be read.
    Held(Option<u32>),
    /// It is another user's: whose, and who we are.
    Owner {
        /// The owner's user id.
        owner: u32,
        /// Ours.
        user: u32,
    },
    /// The disk refused.
    Io(io::Error),
}

impl From<io::Error> for LockError {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}
