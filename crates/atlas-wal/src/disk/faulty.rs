//! A disk that fails on a plan.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::{Disk, DiskFile, Lock, LockError};

/// What is called on a disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(usize)]
pub enum Call {
    /// [`Disk::create`].
    Create,
    /// [`Disk::open`] and [`Disk::open_to_read`].
    Open,
    /// [`DiskFile::read_at`].
    Read,
    /// [`DiskFile::write_at`].
    Write,
    /// [`DiskFile::sync_data`].
    Sync,
    /// [`Disk::sync_directory`].
    SyncDirectory,
    /// [`Disk::rename`].
    Rename,
    /// [`Disk::remove`].
    Remove,
    /// [`Disk::list`].
    List,
}

impl Call {
    /// All of them.
    pub const ALL: [Self; 9] = [
        Self::Create,
        Self::Open,
        Self::Read,
        Self::Write,
        Self::Sync,
        Self::SyncDirectory,
        Self::Rename,
        Self::Remove,
        Self::List,
    ];
}

/// How a call fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum How {
    /// EIO.
    Error,
    /// ENOSPC.
    Full,
    /// A read or write does half of what it should and says so; anything else gives EIO.
    Short,
    /// The process dies in it: a write is half done, nothing else is, and every later call fails.
    Death,
}

/// A call that fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Fault {
    /// Which.
    pub call: Call,
    /// The how many-th of its kind, from 1.
    pub nth: u64,
    /// How.
    pub how: How,
}

/// How often each call was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counts([u64; Call::ALL.len()]);

impl Counts {
    /// How often `call` was.
    #[must_use]
    pub const fn of(&self, call: Call) -> u64 {
        self.0[call as usize]
    }
}

/// A disk that does what another does, except that some calls fail. A clone is the same disk: keep one to plan faults
/// and to read the counts while the log has the other.
#[derive(Clone)]
pub struct FaultyDisk {
    inner: Arc<dyn Disk>,
    directory: PathBuf,
    plan: Arc<Mutex<Plan>>,
}

#[derive(Debug, Default)]
struct Plan {
    faults: Vec<Fault>,
    counts: Counts,
    met: Vec<Fault>,
    dead: bool,
}

impl fmt::Debug for FaultyDisk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FaultyDisk")
            .field("plan", &*self.plan())
            .finish_non_exhaustive()
    }
}

fn dead() -> io::Error {
    io::Error::other("this process died")
}

impl FaultyDisk {
    /// `inner`, with these faults.
    #[must_use]
    pub fn new(inner: Arc<dyn Disk>, faults: Vec<Fault>) -> Self {
        Self {
            directory: inner.directory().into(),
            inner,
            plan: Arc::new(Mutex::new(Plan {
                faults,
                ..Plan::default()
            })),
        }
    }

    fn plan(&self) -> MutexGuard<'_, Plan> {
        self.plan.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Plans one more fault.
    pub fn add(&self, fault: Fault) {
        self.plan().faults.push(fault);
    }

    /// How often each call was made so far.
    #[must_use]
    pub fn counts(&self) -> Counts {
        self.plan().counts
    }

    /// The faults that have happened.
    #[must_use]
    pub fn met(&self) -> Vec<Fault> {
        self.plan().met.clone()
    }

    /// Whether the process died of one.
    #[must_use]
    pub fn is_dead(&self) -> bool {
        self.plan().dead
    }

    /// Counts a call and says how it fails, if it does.
    fn meet(&self, call: Call) -> io::Result<Option<How>> {
        let mut plan = self.plan();
        if plan.dead {
            return Err(dead());
        }
        plan.counts.0[call as usize] += 1;
        let nth = plan.counts.of(call);
        let fault = plan
            .faults
            .iter()
            .find(|fault| fault.call == call && fault.nth == nth)
            .copied();
        if let Some(fault) = fault {
            plan.met.push(fault);
            plan.dead |= fault.how == How::Death;
        }
        Ok(fault.map(|fault| fault.how))
    }

    /// For calls that are done or not.
    fn whole(&self, call: Call) -> io::Result<()> {
        match self.meet(call)? {
            None => Ok(()),
            Some(how) => Err(error(how)),
        }
    }

    fn wrap(&self, file: Box<dyn DiskFile>) -> Box<dyn DiskFile> {
        Box::new(FaultyFile {
            inner: file,
            disk: self.clone(),
        })
    }
}

fn error(how: How) -> io::Error {
    match how {
        How::Full => io::Error::from_raw_os_error(rustix::io::Errno::NOSPC.raw_os_error()),
        How::Error | How::Short => {
            io::Error::from_raw_os_error(rustix::io::Errno::IO.raw_os_error())
        }
        How::Death => dead(),
    }
}

impl Disk for FaultyDisk {
    fn directory(&self) -> &Path {
        &self.directory
    }

    fn lock(&self) -> Result<Box<dyn Lock>, LockError> {
        self.inner.lock()
    }

    fn list(&self) -> io::Result<Vec<String>> {
        self.whole(Call::List)?;
        self.inner.list()
    }

    fn create(&self, name: &str) -> io::Result<Box<dyn DiskFile>> {
        self.whole(Call::Create)?;
        Ok(self.wrap(self.inner.create(name)?))
    }

    fn open(&self, name: &str) -> io::Result<Box<dyn DiskFile>> {
        self.whole(Call::Open)?;
        Ok(self.wrap(self.inner.open(name)?))
    }

    fn open_to_read(&self, name: &str) -> io::Result<Box<dyn DiskFile>> {
        self.whole(Call::Open)?;
        Ok(self.wrap(self.inner.open_to_read(name)?))
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        self.whole(Call::Rename)?;
        self.inner.rename(from, to)
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        self.whole(Call::Remove)?;
        self.inner.remove(name)
    }

    fn sync_directory(&self) -> io::Result<()> {
        self.whole(Call::SyncDirectory)?;
        self.inner.sync_directory()
    }

    fn fresh_id(&self) -> io::Result<u128> {
        self.inner.fresh_id()
    }
}

#[derive(Debug)]
struct FaultyFile {
    inner: Box<dyn DiskFile>,
    disk: FaultyDisk,
}

impl DiskFile for FaultyFile {
    fn length(&self) -> io::Result<u64> {
        self.inner.length()
    }

    fn read_at(&self, to: &mut [u8], offset: u64) -> io::Result<usize> {
        match self.disk.meet(Call::Read)? {
            None => self.inner.read_at(to, offset),
            Some(How::Short) => {
                let half = to.len().div_ceil(2);
                self.inner.read_at(&mut to[..half], offset)
            }
            Some(how) => Err(error(how)),
        }
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<usize> {
        let half = &bytes[..bytes.len().div_ceil(2)];
        match self.disk.meet(Call::Write)? {
            None => self.inner.write_at(bytes, offset),
            Some(How::Short) => self.inner.write_at(half, offset),
            Some(How::Death) => {
                self.inner.write_at(half, offset)?;
                Err(dead())
            }
            Some(how) => Err(error(how)),
        }
    }

    fn sync_data(&self) -> io::Result<()> {
        match self.disk.meet(Call::Sync)? {
            None => self.inner.sync_data(),
            Some(how) => {
                if how != How::Death {
                    self.inner.sync_failed();
                }
                Err(error(how))
            }
        }
    }

    fn drop_cache(&self) -> io::Result<()> {
        self.inner.drop_cache()
    }

    fn sync_failed(&self) {
        self.inner.sync_failed();
    }
}
