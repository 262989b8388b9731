//! What a store starts from: the newest whole snapshot, then the log behind it.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use atlas_kv::script::Occasion;
use atlas_kv::{
    ArgumentBuffer, Arguments, Discard, Effects, Keyspace, Loading, Moment, Reply, Settings, Waiter,
};
use atlas_wal::snapshot::{self, SnapshotReader, Verified};
use atlas_wal::{Batch, Disk, Identity, Kind, Log, Options, Record};

use crate::apply::apply_record;
use crate::bugs::Bugs;
use crate::config::StoreConfig;
use crate::error::Error;
use crate::scripts::{self, Scripted};
use crate::snapshot::{APPLY_LEVEL, Joining};

/// What was found.
pub(crate) struct Recovered {
    pub(crate) log: Log,
    pub(crate) keyspace: Keyspace,
    pub(crate) last_index: u64,
    pub(crate) snapshot: Option<Verified>,
}

impl Recovered {
    /// Adds a command to the log, durably, and to the state.
    pub(crate) fn add(&mut self, command: &ArgumentBuffer) -> Result<(), Error> {
        let node = self.log.identity().node;
        let record = Record {
            term: 1,
            leader: node,
            index: self.last_index + 1,
            kind: Kind::Command,
            now_ms: self.keyspace.clock_ms() as u64,
            arguments: atlas_wal::Arguments {
                bytes: command.bytes(),
                ranges: command.ranges(),
            },
            ..Record::default()
        };
        let mut batch = Batch::new();
        batch.push(&record)?;
        self.log.append(&[&batch])?;
        self.log.sync()?;
        self.last_index += 1;
        let mut effects = Effects::default();
        replay_one(&record, &mut self.keyspace, &mut effects, Bugs::default())
    }
}

/// Drops every answer: nobody waits for the second answer to a command.
struct Nobody(Discard);

impl atlas_kv::Answers for Nobody {
    fn client(&mut self) -> &mut dyn Reply {
        &mut self.0
    }
    fn waiter(&mut self, _: u64) -> &mut dyn Reply {
        &mut self.0
    }
}

/// Opens the log, or begins one, and brings the state to where it was.
pub(crate) fn recover(
    disk: &Arc<dyn Disk>,
    config: &StoreConfig,
    bugs: Bugs,
) -> Result<Recovered, Error> {
    let mut log = open(disk, config, bugs)?;
    let first_index = log.group(0).map_or(1, atlas_wal::Group::first_index);
    let choice = snapshot::choose(disk, 0, first_index)?;
    for (name, error) in &choice.damaged {
        tracing::warn!(
            snapshot = name,
            error = error.to_string(),
            "a snapshot is damaged; an older one is used"
        );
    }
    let mut keyspace = match &choice.snapshot {
        Some(verified) => load(disk, verified)?,
        None => scripts::keyspace(config.databases, Settings::default()),
    };
    if keyspace.database_count() != config.databases {
        tracing::warn!(
            databases = keyspace.database_count(),
            "`store.databases` is another than that of the data, which counts"
        );
    }
    let snapshot_index = choice
        .snapshot
        .as_ref()
        .map_or(0, |found| found.header().id.index);
    let last_index = log.group(0).map_or(0, |group| group.last.index);
    if let Some(verified) = &choice.snapshot
        && snapshot_index > last_index
    {
        // The log's last records were lost with a power cut, and the snapshot has them.
        log.purge(verified, verified.header().id)?;
    } else {
        replay(&log, snapshot_index, &mut keyspace, bugs)?;
    }
    Ok(Recovered {
        last_index: last_index.max(snapshot_index) - u64::from(bugs.index_reused),
        log,
        keyspace,
        snapshot: choice.snapshot,
    })
}

fn open(disk: &Arc<dyn Disk>, config: &StoreConfig, bugs: Bugs) -> Result<Log, Error> {
    #[cfg(not(feature = "planted-bugs"))]
    let _ = bugs;
    let options = Options {
        #[cfg(feature = "planted-bugs")]
        planted: bugs.log,
        apply_level: APPLY_LEVEL,
        segment_bytes: config.log_segment_bytes.0,
        ..Options::default()
    };
    let opened = match Log::open(Arc::clone(disk), options.clone()) {
        Err(atlas_wal::Error::NoLog { .. }) => {
            let options = Options {
                identity: Some(fresh_identity()?),
                ..options
            };
            Log::open(Arc::clone(disk), options)
        }
        other => other,
    };
    let (mut log, recovery) = opened?;
    for torn in &recovery.torn {
        tracing::warn!(
            file = torn.file.display().to_string(),
            offset = torn.offset,
            bytes = torn.bytes,
            found = torn.found,
            "the log's torn end was cut off: nobody had been told that it was durable"
        );
    }
    tracing::info!(
        segments = recovery.segments,
        records = recovery.records,
        clean = recovery.clean,
        created = recovery.created,
        "the log is open"
    );
    if log.group(0).is_none_or(|group| group.last.index == 0) {
        begin(&mut log)?;
    }
    Ok(log)
}

/// An identity that no node has.
pub(crate) fn fresh_identity() -> Result<Identity, Error> {
    let mut bits = [0; 24];
    getrandom::fill(&mut bits).map_err(|error| Error::Random(std::io::Error::other(error)))?;
    let (cluster, node) = bits.split_at(16);
    Ok(Identity {
        cluster: cluster.try_into().map_or(1, u128::from_le_bytes),
        // Short enough for a record: it stands in each.
        node: node.try_into().map_or(1, u64::from_le_bytes) >> 50 | 1,
    })
}

/// Writes the first record: this node is the group.
pub(crate) fn begin(log: &mut Log) -> Result<(), Error> {
    let node = log.identity().node;
    let text = node.to_string();
    let mut batch = Batch::new();
    batch.push(&Record {
        term: 1,
        leader: node,
        index: 1,
        kind: Kind::Membership,
        arguments: atlas_wal::Arguments {
            bytes: text.as_bytes(),
            ranges: std::slice::from_ref(&(0..text.len() as u32)),
        },
        ..Record::default()
    })?;
    log.append(&[&batch])?;
    log.sync()?;
    Ok(())
}

/// The state that a snapshot holds.
pub(crate) fn load(disk: &Arc<dyn Disk>, verified: &Verified) -> Result<Keyspace, Error> {
    let name = verified.name();
    let wrong = |source| Error::Load {
        name: name.to_owned(),
        source,
    };
    let mut reader = SnapshotReader::open(Arc::clone(disk), name)?;
    let (mut loading, mut joining) = (Loading::new(), Joining::default());
    while let Some(block) = reader.next_block()? {
        joining
            .block(block.kind, block.payload, |kind, payload| {
                loading.block(kind, payload)
            })
            .map_err(wrong)?;
    }
    loading.finish().map(scripts::with_engine).map_err(wrong)
}

fn replay(log: &Log, after: u64, keyspace: &mut Keyspace, bugs: Bugs) -> Result<(), Error> {
    let Some(group) = log.group(0) else {
        return Ok(());
    };
    let skips: Vec<u64> = group.skips.iter().map(|skip| skip.index).collect();
    let mut records = log.records(0, after + 1)?;
    let mut effects = Effects::default();
    while let Some(entry) = records.next_record()? {
        let record = entry.record;
        if skips.contains(&record.index) {
            tracing::warn!(index = record.index, "a record is left out, as was decided");
            continue;
        }
        if bugs.recovery_skips_tail && record.index == group.last.index {
            break;
        }
        effects.clear();
        replay_one(&record, keyspace, &mut effects, bugs)?;
    }
    Ok(())
}

/// Does again what a record did.
///
/// # Errors
/// [`Error::Record`] if it cannot be one of ours, [`Error::Panicked`] if applying it panicked: the state is of no use then.
pub(crate) fn replay_one(
    record: &Record<'_>,
    keyspace: &mut Keyspace,
    effects: &mut Effects,
    bugs: Bugs,
) -> Result<(), Error> {
    let ranges = record.arguments.ranges;
    let carried: usize = record.serve.iter().map(|(_, count)| *count as usize).sum();
    let Some(own) = ranges.len().checked_sub(carried) else {
        return Err(Error::Record {
            index: record.index,
            what: "those who wait have more arguments than there are".to_owned(),
        });
    };
    let arguments = Arguments::new(record.arguments.bytes, &ranges[..own]);
    let mut from = own;
    let mut waiters = Vec::new();
    for (wait, count) in record.serve {
        let to = from + *count as usize;
        waiters.push(Waiter {
            wait: *wait,
            database: record.database,
            arguments: Arguments::new(record.arguments.bytes, &ranges[from..to]),
        });
        from = to;
    }
    if bugs.recovery_forgets_waiters {
        waiters.clear();
    }
    let moment = Moment {
        database: record.database,
        now_ms: record.now_ms as i64,
        seed: record.seed,
    };
    let terms = Scripted {
        fuel: record.fuel,
        flags: record.flags,
    }
    .terms();
    // Whoever gets the error throws the state away.
    let applied = catch_unwind(AssertUnwindSafe(|| {
        #[cfg(test)]
        planted::panic_at(record.index);
        apply_record(
            keyspace,
            Occasion {
                moment,
                terms: &terms,
            },
            record.kind,
            &arguments,
            &waiters,
            &mut Nobody(Discard),
            effects,
        );
    }));
    applied.map_err(|panic| Error::Panicked {
        index: record.index,
        what: described(record.kind, &arguments),
        why: panic_words(&*panic),
    })
}

/// What a record is, for a message: its command's name, or its kind.
pub(crate) fn described(kind: Kind, arguments: &Arguments<'_>) -> String {
    match kind {
        Kind::Command => arguments.name().escape_ascii().to_string(),
        other => other.name().to_owned(),
    }
}

/// What a panic said.
pub(crate) fn panic_words(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().copied();
    let text = text.or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    text.unwrap_or("it said nothing").to_owned()
}

/// A record whose application panics, for tests.
#[cfg(test)]
pub(crate) mod planted {
    use std::cell::Cell;

    thread_local! {
        pub(crate) static PANIC_AT: Cell<u64> = const { Cell::new(0) };
    }

    pub(super) fn panic_at(index: u64) {
        assert!(index == 0 || index != PANIC_AT.get(), "planted");
    }
}
