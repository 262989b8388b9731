//! A disk in memory that knows what would survive a power cut.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::{Disk, DiskFile, Lock, LockError};

/// A sector is written whole or not at all.
const SECTOR_BYTES: usize = 512;

/// A directory in memory. What was written and what is durable are kept apart, sector by sector; names likewise.
///
/// A clone is the same disk seen by the same process. [`MemoryDisk::crash`] and [`MemoryDisk::restart`] end that process:
/// they return the disk as the next one finds it, and everything that still holds the old one gets errors.
#[derive(Clone)]
pub struct MemoryDisk {
    state: Arc<Mutex<State>>,
    process: u64,
}

/// What a power cut does to what was not synced.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Crash {
    /// All of it is lost.
    Drop,
    /// Of each sector any state since the last sync is there, and of the changes to names any, drawn with this seed.
    Tear(u64),
}

#[derive(Default)]
struct State {
    /// The process that may use the disk.
    process: u64,
    random: u64,
    inodes: BTreeMap<u64, Inode>,
    next_inode: u64,
    names: BTreeMap<String, u64>,
    durable_names: BTreeMap<String, u64>,
    /// Changes to names since the directory was synced.
    changes: Vec<Change>,
    locked: Option<u64>,
    capacity_bytes: Option<u64>,
    syncs: u64,
}

/// A change to the names: `from` is gone, `to` is there.
#[derive(Debug, Clone)]
struct Change {
    from: Option<String>,
    to: Option<(String, u64)>,
}

#[derive(Default)]
struct Inode {
    /// As it is read.
    seen: Vec<u8>,
    /// As it survives.
    durable: Vec<u8>,
    /// Sectors that were written since the last sync, with each state they had since.
    dirty: BTreeMap<usize, Vec<Vec<u8>>>,
    /// Sectors that a failed sync took for written: what is read is not what survives, and no sync will change that.
    believed: BTreeSet<usize>,
}

impl Inode {
    fn sector(bytes: &[u8], sector: usize) -> Vec<u8> {
        let start = (sector * SECTOR_BYTES).min(bytes.len());
        let end = (start + SECTOR_BYTES).min(bytes.len());
        bytes[start..end].to_vec()
    }

    fn put_durable(&mut self, sector: usize, content: &[u8]) {
        let start = sector * SECTOR_BYTES;
        if self.durable.len() < start + content.len() {
            self.durable.resize(start + content.len(), 0);
        }
        self.durable[start..start + content.len()].copy_from_slice(content);
    }

    fn write(&mut self, bytes: &[u8], offset: usize) {
        let end = offset + bytes.len();
        if self.seen.len() < end {
            self.seen.resize(end, 0);
        }
        self.seen[offset..end].copy_from_slice(bytes);
        for sector in offset / SECTOR_BYTES..end.div_ceil(SECTOR_BYTES) {
            let content = Self::sector(&self.seen, sector);
            self.believed.remove(&sector);
            self.dirty.entry(sector).or_default().push(content);
        }
    }

    fn sync(&mut self) {
        for sector in std::mem::take(&mut self.dirty).into_keys() {
            let content = Self::sector(&self.seen, sector);
            self.put_durable(sector, &content);
        }
        if self.durable.len() < self.seen.len() {
            self.durable.resize(self.seen.len(), 0);
        }
    }
}

impl State {
    fn draw(&mut self) -> u64 {
        self.random = self.random.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.random;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn used_bytes(&self) -> u64 {
        self.names
            .values()
            .filter_map(|inode| self.inodes.get(inode))
            .map(|inode| inode.seen.len() as u64)
            .sum()
    }

    fn change(&mut self, from: Option<String>, to: Option<(String, u64)>) {
        let change = Change { from, to };
        apply(&mut self.names, &change);
        self.changes.push(change);
    }

    fn collect_garbage(&mut self) {
        let used: BTreeSet<u64> = self
            .names
            .values()
            .chain(self.durable_names.values())
            .copied()
            .collect();
        self.inodes.retain(|inode, _| used.contains(inode));
    }
}

fn apply(names: &mut BTreeMap<String, u64>, change: &Change) {
    if let Some(from) = &change.from {
        names.remove(from);
    }
    if let Some((to, inode)) = &change.to {
        names.insert(to.clone(), *inode);
    }
}

fn missing() -> io::Error {
    io::Error::new(io::ErrorKind::NotFound, "no such file")
}

impl fmt::Debug for MemoryDisk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemoryDisk")
            .field("process", &self.process)
            .finish_non_exhaustive()
    }
}

impl MemoryDisk {
    /// An empty disk. `seed` draws the file ids.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        let state = State {
            random: seed,
            ..State::default()
        };
        Self {
            state: Arc::new(Mutex::new(state)),
            process: 0,
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn alive(&self) -> io::Result<MutexGuard<'_, State>> {
        let state = self.state();
        if state.process == self.process {
            Ok(state)
        } else {
            Err(io::Error::other("this process died"))
        }
    }

    fn next_process(&self, state: &mut State) -> Self {
        state.process += 1;
        state.locked = None;
        Self {
            state: Arc::clone(&self.state),
            process: state.process,
        }
    }

    /// Ends the process but not the system: what was written is still read, synced or not.
    #[must_use]
    pub fn restart(&self) -> Self {
        let mut state = self.state();
        self.next_process(&mut state)
    }

    /// Cuts the power: what was not synced is lost or torn, as `how` says.
    #[must_use]
    pub fn crash(&self, how: Crash) -> Self {
        let mut state = self.state();
        let state = &mut *state;
        let changes = std::mem::take(&mut state.changes);
        if let Crash::Tear(seed) = how {
            let mut draws = State {
                random: seed,
                ..State::default()
            };
            // Some cuts keep nearly all, some nearly nothing, most of them some.
            let kept = draws.draw() % 101;
            let mut keeps = || draws.draw() % 100 < kept;
            for change in &changes {
                if keeps() {
                    apply(&mut state.durable_names, change);
                }
            }
            for inode in state.inodes.values_mut() {
                for (sector, states) in std::mem::take(&mut inode.dirty) {
                    // Later states are the likelier ones: each is passed over with the same chance.
                    if let Some(content) = states.iter().rev().find(|_| keeps()) {
                        inode.put_durable(sector, content);
                    }
                }
            }
        }
        for inode in state.inodes.values_mut() {
            inode.dirty.clear();
            inode.believed.clear();
            inode.seen = inode.durable.clone();
        }
        state.names = state.durable_names.clone();
        state.collect_garbage();
        self.next_process(state)
    }

    /// The names of the files, in order.
    #[must_use]
    pub fn names(&self) -> Vec<String> {
        self.state().names.keys().cloned().collect()
    }

    /// What is read from a file; `None` if there is none.
    #[must_use]
    pub fn content(&self, name: &str) -> Option<Vec<u8>> {
        let state = self.state();
        let inode = state.names.get(name)?;
        Some(state.inodes.get(inode)?.seen.clone())
    }

    /// Puts a file on the disk, durably, whatever was there before: for damage, and for disks that begin with files.
    pub fn put(&self, name: &str, content: Vec<u8>) {
        let mut state = self.state();
        let number = match state.names.get(name) {
            Some(&number) => number,
            None => {
                state.next_inode += 1;
                state.next_inode
            }
        };
        state.names.insert(name.into(), number);
        state.durable_names.insert(name.into(), number);
        let inode = Inode {
            seen: content.clone(),
            durable: content,
            ..Inode::default()
        };
        state.inodes.insert(number, inode);
    }

    /// Takes a file off the disk, durably.
    pub fn take(&self, name: &str) {
        let mut state = self.state();
        state.names.remove(name);
        state.durable_names.remove(name);
    }

    /// Changes a file on the disk, durably: damage. What is dirty stays so.
    ///
    /// # Panics
    /// There is no such file.
    pub fn damage(&self, name: &str, change: impl Fn(&mut Vec<u8>)) {
        let mut state = self.state();
        let number = state.names[name];
        if let Some(inode) = state.inodes.get_mut(&number) {
            change(&mut inode.seen);
            change(&mut inode.durable);
        }
    }

    /// How large the disk is; `None` is without end.
    pub fn set_capacity(&self, bytes: Option<u64>) {
        self.state().capacity_bytes = bytes;
    }

    /// How many bytes the files have.
    #[must_use]
    pub fn used_bytes(&self) -> u64 {
        self.state().used_bytes()
    }

    /// How many syncs of files and of the directory came to their end.
    #[must_use]
    pub fn syncs(&self) -> u64 {
        self.state().syncs
    }

    fn opened(&self, state: &State, name: &str, writes: bool) -> io::Result<Box<dyn DiskFile>> {
        let inode = *state.names.get(name).ok_or_else(missing)?;
        Ok(Box::new(OpenFile {
            disk: self.clone(),
            inode,
            writes,
        }))
    }
}

impl Disk for MemoryDisk {
    fn directory(&self) -> &Path {
        Path::new("memory")
    }

    fn lock(&self) -> Result<Box<dyn Lock>, LockError> {
        let mut state = self.alive()?;
        if state.locked.is_some() {
            return Err(LockError::Held(Some(std::process::id())));
        }
        state.locked = Some(self.process);
        Ok(Box::new(MemoryLock(self.clone())))
    }

    fn list(&self) -> io::Result<Vec<String>> {
        Ok(self.alive()?.names.keys().cloned().collect())
    }

    fn create(&self, name: &str) -> io::Result<Box<dyn DiskFile>> {
        let mut state = self.alive()?;
        if state.names.contains_key(name) {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        state.next_inode += 1;
        let number = state.next_inode;
        state.inodes.insert(number, Inode::default());
        state.change(None, Some((name.into(), number)));
        self.opened(&state, name, true)
    }

    fn open(&self, name: &str) -> io::Result<Box<dyn DiskFile>> {
        self.opened(&*self.alive()?, name, true)
    }

    fn open_to_read(&self, name: &str) -> io::Result<Box<dyn DiskFile>> {
        self.opened(&*self.alive()?, name, false)
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        let mut state = self.alive()?;
        let inode = *state.names.get(from).ok_or_else(missing)?;
        state.change(Some(from.into()), Some((to.into(), inode)));
        Ok(())
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        let mut state = self.alive()?;
        if !state.names.contains_key(name) {
            return Err(missing());
        }
        state.change(Some(name.into()), None);
        Ok(())
    }

    fn sync_directory(&self) -> io::Result<()> {
        let mut state = self.alive()?;
        state.durable_names = state.names.clone();
        state.changes.clear();
        state.syncs += 1;
        Ok(())
    }

    fn fresh_id(&self) -> io::Result<u128> {
        let mut state = self.alive()?;
        Ok(u128::from(state.draw()) << 64 | u128::from(state.draw()))
    }
}

struct OpenFile {
    disk: MemoryDisk,
    inode: u64,
    writes: bool,
}

impl fmt::Debug for OpenFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OpenFile")
            .field("inode", &self.inode)
            .finish_non_exhaustive()
    }
}

impl OpenFile {
    fn with<T>(&self, use_it: impl FnOnce(&mut Inode) -> T) -> io::Result<T> {
        let mut state = self.disk.alive()?;
        state
            .inodes
            .get_mut(&self.inode)
            .map(use_it)
            .ok_or_else(missing)
    }
}

impl DiskFile for OpenFile {
    fn length(&self) -> io::Result<u64> {
        self.with(|inode| inode.seen.len() as u64)
    }

    fn read_at(&self, to: &mut [u8], offset: u64) -> io::Result<usize> {
        self.with(|inode| {
            let start = (offset as usize).min(inode.seen.len());
            let count = to.len().min(inode.seen.len() - start);
            to[..count].copy_from_slice(&inode.seen[start..start + count]);
            count
        })
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<usize> {
        if !self.writes {
            return Err(io::ErrorKind::PermissionDenied.into());
        }
        let mut state = self.disk.alive()?;
        let room = state
            .capacity_bytes
            .map(|capacity| capacity.saturating_sub(state.used_bytes()));
        let inode = state.inodes.get_mut(&self.inode).ok_or_else(missing)?;
        let mut count = bytes.len();
        if let Some(room) = room {
            // Only what makes the file longer needs room.
            let free = (inode.seen.len() as u64).saturating_sub(offset) + room;
            count = count.min(free as usize);
            if count == 0 && !bytes.is_empty() {
                return Err(io::ErrorKind::StorageFull.into());
            }
        }
        inode.write(&bytes[..count], offset as usize);
        Ok(count)
    }

    fn sync_data(&self) -> io::Result<()> {
        self.with(Inode::sync)?;
        self.disk.state().syncs += 1;
        Ok(())
    }

    fn drop_cache(&self) -> io::Result<()> {
        self.with(|inode| {
            for sector in std::mem::take(&mut inode.believed) {
                let content = Inode::sector(&inode.durable, sector);
                let start = sector * SECTOR_BYTES;
                let end = (start + SECTOR_BYTES).min(inode.seen.len());
                inode.seen[start..end].fill(0);
                let count = content.len().min(end - start);
                inode.seen[start..start + count].copy_from_slice(&content[..count]);
            }
        })
    }

    fn sync_failed(&self) {
        let mut draws = State {
            random: self.disk.state().draw(),
            ..State::default()
        };
        // Of a dead process nothing is left to fail.
        let _ = self.with(|inode| {
            for (sector, _) in std::mem::take(&mut inode.dirty) {
                if draws.draw().is_multiple_of(2) {
                    let content = Inode::sector(&inode.seen, sector);
                    inode.put_durable(sector, &content);
                } else {
                    inode.believed.insert(sector);
                }
            }
            if inode.durable.len() < inode.seen.len() {
                inode.durable.resize(inode.seen.len(), 0);
            }
        });
    }
}

struct MemoryLock(MemoryDisk);

impl fmt::Debug for MemoryLock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("MemoryLock")
    }
}

impl Lock for MemoryLock {}

impl Drop for MemoryLock {
    fn drop(&mut self) {
        let mut state = self.0.state();
        if state.locked == Some(self.0.process) {
            state.locked = None;
        }
    }
}
