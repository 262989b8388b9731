//! A new directory that a store starts from: one snapshot, and a log that begins behind it.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use atlas_kv::Keyspace;
use atlas_wal::snapshot::{SnapshotHeader, SnapshotWriter};
use atlas_wal::{Disk, FileDisk, Log, LogId, Options};

use super::{GROUP, file};
use crate::error::Error;
use crate::recovery::{begin, fresh_identity, load};
use crate::snapshot::{APPLY_LEVEL, write_block};

/// Bytes of blocks that wait to be written.
const STEP_BYTES: usize = 4 << 20;

/// A directory that was made.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Made {
    /// The folder of log and snapshot.
    pub folder: PathBuf,
    /// The last record that it has the effect of.
    pub index: u64,
    /// The state's clock at that record: milliseconds since 1970.
    pub now_ms: u64,
    /// How many keys it has, in all databases.
    pub keys: u64,
}

/// The folder that a store with the data directory `into` has. It must not be there, or be empty.
pub(super) fn target(into: &Path) -> Result<PathBuf, Error> {
    let folder = into.join("store");
    for taken in [into, &folder] {
        if super::has_files(taken)? {
            return Err(Error::Exists {
                path: taken.to_owned(),
            });
        }
    }
    match std::fs::read_dir(&folder) {
        Ok(mut names) => match names.next() {
            Some(_) => Err(Error::Exists { path: folder }),
            None => Ok(folder),
        },
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(folder),
        Err(source) => Err(file("read", folder, source)),
    }
}

/// Makes a store of a state: under another name first, so that there is all of it or nothing. It is a node and a cluster
/// of its own: nobody takes it for the one that the state came from.
pub(super) fn make(into: &Path, mut keyspace: Keyspace, index: u64) -> Result<Made, Error> {
    let folder = target(into)?;
    let identity = fresh_identity()?;
    let unfinished = into.join(format!("store.{:08x}.new", identity.cluster as u32));
    let directory = FileDisk::create_directory(&unfinished).map_err(|source| Error::Folder {
        path: unfinished.clone(),
        source,
    })?;
    let made = fill(Arc::new(directory), identity, &mut keyspace, index.max(1));
    let named = made.and_then(|made| {
        std::fs::rename(&unfinished, &folder)
            .and_then(|()| std::fs::File::open(into)?.sync_all())
            .map_err(|source| file("rename", &unfinished, source))?;
        Ok(Made { folder, ..made })
    });
    if named.is_err() {
        // What is left of it has a name that nobody reads; the error that led here is the one to tell.
        let _ = std::fs::remove_dir_all(&unfinished);
    }
    named
}

fn fill(
    disk: Arc<dyn Disk>,
    identity: atlas_wal::Identity,
    keyspace: &mut Keyspace,
    index: u64,
) -> Result<Made, Error> {
    let header = SnapshotHeader {
        cluster: identity.cluster,
        node: identity.node,
        group: GROUP,
        id: LogId {
            term: 1,
            leader: identity.node,
            index,
        },
        now_ms: keyspace.clock_ms().max(0) as u64,
        apply_level: APPLY_LEVEL,
    };
    let mut writer = SnapshotWriter::create(Arc::clone(&disk), header)?;
    keyspace.snapshot_begin();
    let mut is_done = false;
    while !is_done {
        is_done = keyspace.snapshot_step(STEP_BYTES);
        for block in keyspace.snapshot_take() {
            write_block(&mut writer, &block)?;
        }
    }
    let verified = writer.finish()?;
    let options = Options {
        identity: Some(identity),
        apply_level: APPLY_LEVEL,
        begin_beside_snapshots: true,
        ..Options::default()
    };
    let (mut log, _) = Log::open(Arc::clone(&disk), options)?;
    begin(&mut log)?;
    log.purge(&verified, header.id)?;
    log.close()?;
    let keys = (0..keyspace.database_count()).map(|number| keyspace.key_counts(number).0 as u64);
    let made = Made {
        folder: PathBuf::new(),
        index,
        now_ms: header.now_ms,
        keys: keys.sum(),
    };
    let hash = keyspace.state_hash();
    *keyspace = Keyspace::new(1, keyspace.settings().clone());
    if load(&disk, &verified)?.state_hash() == hash {
        Ok(made)
    } else {
        Err(Error::Unverified {
            path: disk.directory().to_owned(),
            what: "the snapshot does not hold the state that it was made of".to_owned(),
        })
    }
}
