//! What is taken from a store's files and made into others, compared by the hash of the whole state.

use std::path::Path;
use std::sync::Arc;

use atlas_kv::{Effects, Keyspace};
use atlas_wal::snapshot::{SnapshotHeader, SnapshotWriter};
use atlas_wal::{Arguments, Batch, Disk, FileDisk, Kind, LogId, Record};

use super::*;
use crate::config::StoreConfig;
use crate::recovery::{Recovered, planted, recover, replay_one};
use crate::snapshot::write_block;

/// A store's directory, written as its engine does.
struct Written {
    place: tempfile::TempDir,
    disk: Arc<dyn Disk>,
    log: Option<atlas_wal::Log>,
    keyspace: Keyspace,
    index: u64,
}

fn config() -> StoreConfig {
    StoreConfig {
        log_segment_bytes: atlas_base::ByteSize::mib(1),
        ..StoreConfig::default()
    }
}

impl Written {
    fn new() -> Self {
        let place = tempfile::tempdir().unwrap();
        let folder = place.path().join("data/store");
        let disk: Arc<dyn Disk> = Arc::new(FileDisk::create_directory(folder).unwrap());
        let Recovered {
            log,
            keyspace,
            last_index,
            ..
        } = recover(&disk, &config(), crate::bugs::Bugs::default()).unwrap();
        Self {
            place,
            disk,
            log: Some(log),
            keyspace,
            index: last_index,
        }
    }

    fn folder(&self) -> PathBuf {
        self.place.path().join("data/store")
    }

    fn log(&mut self) -> &mut atlas_wal::Log {
        self.log.as_mut().unwrap()
    }

    fn put(&mut self, kind: Kind, words: &[&[u8]]) -> u64 {
        self.index += 1;
        let index = self.index;
        let buffer = atlas_kv::ArgumentBuffer::of(words);
        let record = Record {
            term: 1,
            leader: 1,
            index,
            kind,
            database: (index % 3) as u32,
            now_ms: 1_700_000_000_000 + index * 1_000,
            seed: index.wrapping_mul(0x9e37_79b9_7f4a_7c15),
            client: 4,
            arguments: Arguments {
                bytes: buffer.bytes(),
                ranges: buffer.ranges(),
            },
            ..Record::default()
        };
        let mut batch = Batch::new();
        batch.push(&record).unwrap();
        self.log().append(&[&batch]).unwrap();
        self.log().sync().unwrap();
        replay_one(
            &record,
            &mut self.keyspace,
            &mut Effects::default(),
            crate::bugs::Bugs::default(),
        )
        .unwrap();
        index
    }

    fn command(&mut self, words: &[&[u8]]) -> u64 {
        self.put(Kind::Command, words)
    }

    /// Commands whose effect depends on chance, order and time.
    fn some(&mut self, count: u64) {
        for number in 0..count {
            let text = (number % 17).to_string();
            let text = text.as_bytes();
            match number % 9 {
                0 => self.command(&[b"SET", text, b"\xff\x00value"]),
                1 => self.command(&[b"SADD", b"set", text, b"a", b"b", b"7"]),
                2 => self.command(&[b"SPOP", b"set"]),
                3 => self.command(&[b"RPUSH", b"list", text, b"x"]),
                4 => self.command(&[b"HSET", b"hash", text, text]),
                5 => self.command(&[b"ZADD", b"zset", b"1.5", text]),
                6 => self.command(&[b"SET", b"soon", text, b"PX", b"1500"]),
                7 => self.command(&[b"EXEC", b"3", b"SET", b"t", text, b"2", b"INCR", b"n"]),
                _ if number % 2 == 0 => {
                    self.command(&[b"CONFIG", b"SET", b"set-max-intset-entries", text])
                }
                _ => self.put(Kind::Expire, &[b"soon"]),
            };
        }
    }

    /// A snapshot of now, which the log before is let go for.
    fn snapshot(&mut self) {
        let id = LogId {
            term: 1,
            leader: 1,
            index: self.index,
        };
        let header = SnapshotHeader {
            cluster: 1,
            node: 1,
            group: GROUP,
            id,
            now_ms: self.keyspace.clock_ms() as u64,
            apply_level: APPLY_LEVEL,
        };
        let mut writer = SnapshotWriter::create(Arc::clone(&self.disk), header).unwrap();
        self.keyspace.snapshot_begin();
        while !self.keyspace.snapshot_step(1 << 20) {}
        for block in self.keyspace.snapshot_take() {
            write_block(&mut writer, &block).unwrap();
        }
        let verified = writer.finish().unwrap();
        atlas_wal::snapshot::remove(&*self.disk, GROUP, 1).unwrap();
        self.log().purge(&verified, id).unwrap();
    }

    fn dump(&self, range: Range) -> Result<String, Error> {
        let mut text = Vec::new();
        let dumped = dump(&self.folder(), range, &mut text);
        dumped.map(|()| String::from_utf8(text).unwrap())
    }

    fn restored(&self, text: &str, name: &str) -> Result<Made, Error> {
        restore_lines(&mut text.as_bytes(), &self.place.path().join(name), 16)
    }
}

/// What a store would start with.
fn started(folder: &Path) -> Result<(Keyspace, u64), Error> {
    let disk: Arc<dyn Disk> = Arc::new(FileDisk::new(folder));
    let recovered = recover(&disk, &config(), crate::bugs::Bugs::default())?;
    Ok((recovered.keyspace, recovered.last_index))
}

#[test]
fn what_is_dumped_and_restored_is_the_same_state() {
    let mut written = Written::new();
    written.some(200);
    let whole_log = written.dump(Range::default()).unwrap();
    assert!(!whole_log.contains("\"kind\":\"snapshot\""));
    let made = written.restored(&whole_log, "from-log").unwrap();
    assert_eq!(made.index, written.index);
    let (state, last_index) = started(&made.folder).unwrap();
    assert_eq!(state.state_hash(), written.keyspace.state_hash());
    assert_eq!(last_index, written.index);

    written.snapshot();
    written.some(150);
    let text = written.dump(Range::default()).unwrap();
    assert!(text.contains("\"kind\":\"snapshot\""));
    let made = written.restored(&text, "from-snapshot").unwrap();
    let (state, _) = started(&made.folder).unwrap();
    assert_eq!(state.state_hash(), written.keyspace.state_hash());
    // What was restored is whole, and a store of its own.
    let checked = check(&made.folder).unwrap();
    assert!(!checked.report.is_damaged());
    let theirs = check(&written.folder()).unwrap().report.identity;
    assert_ne!(checked.report.identity, theirs);
    assert_eq!(checked.report.groups[0].first_index, written.index + 1);
    // And it goes on as the first would: chance is in the records.
    let copy = dump_of(&made.folder);
    let again = written.restored(&copy, "again").unwrap();
    let (state, _) = started(&again.folder).unwrap();
    assert_eq!(state.state_hash(), written.keyspace.state_hash());
}

fn dump_of(folder: &Path) -> String {
    let mut text = Vec::new();
    dump(folder, Range::default(), &mut text).unwrap();
    String::from_utf8(text).unwrap()
}

#[test]
fn a_part_of_the_log_can_be_printed() {
    let mut written = Written::new();
    written.some(30);
    let indices = |range| -> Vec<u64> {
        let text = written.dump(range).unwrap();
        let lines = text.lines().map(|line| line.parse::<serde_json::Value>());
        lines
            .map(Result::unwrap)
            .filter(|line| line["kind"] != "end")
            .filter_map(|line| line["index"].as_u64())
            .collect()
    };
    let range = |from, to| Range { from, to };
    assert_eq!(indices(range(Some(10), Some(12))), [10, 11, 12]);
    assert_eq!(indices(range(None, Some(3))), [1, 2, 3]);
    assert_eq!(indices(range(Some(30), None)), [30, 31]);
    let text = written.dump(range(Some(10), Some(12))).unwrap();
    let error = written.restored(&text, "part").unwrap_err();
    assert!(error.to_string().contains("is a part"), "{error}");
    assert!(matches!(
        written.dump(range(Some(99), None)),
        Err(Error::Log(atlas_wal::Error::Outside { .. }))
    ));
    // Up to a moment: the state was that of then.
    let text = written.dump(range(None, Some(20))).unwrap();
    let made = written.restored(&text, "then").unwrap();
    assert_eq!(started(&made.folder).unwrap().1, 20);
}

#[test]
fn a_dump_that_is_not_all_there_makes_no_store() {
    let mut written = Written::new();
    written.some(20);
    written.snapshot();
    written.some(5);
    let text = written.dump(Range::default()).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    for missing in 0..lines.len() {
        if missing == 0 {
            // The head says nothing that the rest needs, but that there is an end.
            continue;
        }
        let mut rest = lines.clone();
        rest.remove(missing);
        let name = format!("without-{missing}");
        let error = written.restored(&rest.join("\n"), &name).unwrap_err();
        assert!(matches!(error, Error::Line { .. }), "{missing}: {error}");
        assert!(!written.place.path().join(name).join("store").exists());
    }
    let cut = &text[..text.len() - 40];
    let error = written.restored(cut, "cut").unwrap_err().to_string();
    assert!(error.contains("line"), "{error}");
    let second = format!("{text}{}\n", lines[0]);
    assert!(written.restored(&second, "second").is_err());
    let newer = text.replacen("\"version\":1", "\"version\":2", 1);
    let error = written.restored(&newer, "newer").unwrap_err().to_string();
    assert!(error.contains("use the one that wrote it"), "{error}");
    // Nothing is written over.
    let made = written.restored(&text, "made").unwrap();
    let error = written.restored(&text, "made").unwrap_err();
    assert!(matches!(error, Error::Exists { .. }), "{error}");
    let inside = restore_lines(&mut text.as_bytes(), &made.folder, 16);
    assert!(matches!(inside, Err(Error::Exists { .. })));
}

#[test]
fn lines_may_be_written_by_hand() {
    let place = tempfile::tempdir().unwrap();
    let into = |name: &str| place.path().join(name);
    let text = "{\"kind\":\"command\",\"cmd\":\"SET\",\"args\":[\"greeting\",\"hello\"]}\n\n\
         {\"kind\":\"command\",\"cmd\":\"set\",\"db\":2,\"args\":[\"n\",7,\"EX\",100]}\n";
    let made = restore_lines(&mut text.as_bytes(), &into("by-hand"), 16).unwrap();
    assert_eq!((made.index, made.keys), (2, 2));
    let (state, _) = started(&made.folder).unwrap();
    assert_eq!(state.key_counts(0), (1, 0));
    assert_eq!(state.key_counts(2), (1, 1));
    for (text, part) in [
        ("", "nothing to restore"),
        ("{", "is cut off"),
        ("{]", "cannot be read: key must be a string, at its byte 2"),
        (r#"{"kind":"order","args":[]}"#, "kind `order`"),
        (r#"{"kind":"vote","args":[]}"#, "kind `vote`"),
        (r#"{"kind":"command","cmd":"SOT","args":[]}"#, "SOT"),
        (
            r#"{"kind":"command","cmd":"SET","args":["k"]}"#,
            "wrong number",
        ),
        (
            r#"{"kind":"command","cmd":"SET","db":16,"args":["k","v"]}"#,
            "store.databases",
        ),
        (
            r#"{"kind":"snapshot","index":4,"block":9,"payload":"x"}"#,
            "no part of a snapshot",
        ),
        (
            r#"{"kind":"blank","index":2,"args":[]}"#,
            "nothing came before",
        ),
        (r#"{"kind":"blank","args":[],"seed":"zz"}"#, "hexadecimal"),
    ] {
        let made = restore_lines(&mut text.as_bytes(), &into("wrong"), 16);
        let error = made.unwrap_err().to_string();
        assert!(error.contains(part), "{text}: {error}");
    }
    assert!(!into("wrong").exists());
}

/// A panic in `apply` used to take every start with it, without a word about which record it was.
#[test]
fn a_record_whose_application_panics_is_named_and_can_be_skipped() {
    let mut written = Written::new();
    written.command(&[b"SET", b"a", b"1"]);
    let bad = written.command(&[b"FLUSHALL"]);
    written.command(&[b"SET", b"b", b"2"]);
    written.log = None;
    let folder = written.folder();
    planted::PANIC_AT.set(bad);
    let error = started(&folder).unwrap_err();
    assert!(
        matches!(&error, Error::Panicked { index, what, why } if *index == bad && what == "FLUSHALL" && why == "planted"),
        "{error}"
    );
    let line = skip(&folder, bad).unwrap();
    assert!(
        line.contains("\"cmd\":\"FLUSHALL\"") && line.contains("\"skipped\":true"),
        "{line}"
    );
    let (state, last_index) = started(&folder).unwrap();
    assert_eq!(last_index, bad + 2);
    let keys: usize = (0..3).map(|database| state.key_counts(database).0).sum();
    assert_eq!(keys, 2, "both keys are there, for nothing was flushed");
    // A dump says so, and what is restored from it left the record out too.
    let text = dump_of(&folder);
    let made = written.restored(&text, "skipped").unwrap();
    planted::PANIC_AT.set(0);
    assert_eq!(
        started(&made.folder).unwrap().0.state_hash(),
        state.state_hash()
    );

    for (index, part) in [
        (bad, "skipped already"),
        (1, "does nothing"),
        (99, "the log has the records 1 to 5"),
    ] {
        let error = skip(&folder, index).unwrap_err().to_string();
        assert!(error.contains(part), "{index}: {error}");
    }
    let error = skip(&made.folder, 2).unwrap_err().to_string();
    assert!(error.contains("already has its effect"), "{error}");
}

fn restored_at(written: &Written, point: Point, name: &str) -> Result<(Keyspace, u64), Error> {
    let into = written.place.path().join(name);
    let made = restore(&written.place.path().join("backup"), point, &into, 16)?;
    started(&made.folder)
}

/// The names in a folder, and how many of them end in this.
fn count(folder: &Path, suffix: &str) -> usize {
    let names = std::fs::read_dir(folder).unwrap();
    let names = names.map(|entry| entry.unwrap().file_name());
    names
        .filter(|name| name.to_string_lossy().ends_with(suffix))
        .count()
}

#[test]
fn every_moment_of_a_backup_can_be_had() {
    let mut written = Written::new();
    let backed_up = written.place.path().join("backup");
    // The state's hash after each record.
    let mut hashes = std::collections::BTreeMap::new();
    let mut step = |written: &mut Written, count: u64| {
        for _ in 0..count {
            written.some(1);
            hashes.insert(written.index, written.keyspace.state_hash());
        }
    };
    step(&mut written, 40);
    let first = backup(&written.folder(), &backed_up).unwrap();
    assert!(first.is_new);
    assert_eq!(
        (first.run.first_index, first.run.last_index),
        (1, written.index)
    );
    step(&mut written, 30);
    written.snapshot();
    step(&mut written, 30);
    let second = backup(&written.folder(), &backed_up).unwrap();
    assert!(!second.is_new, "it goes on");
    assert_eq!(second.run.folder, first.run.folder);
    written.snapshot();
    step(&mut written, 3);
    written.snapshot();
    step(&mut written, 3);
    let third = backup(&written.folder(), &backed_up).unwrap();
    assert!(!third.is_new);
    assert_eq!(count(&third.run.folder, ".snapshot"), 2);
    assert_eq!(count(&third.run.folder, ".new"), 0);
    assert!(!check(&third.run.folder).unwrap().report.is_damaged());
    for index in [2, 17, 41, 42, 60, 71, 72, 90, 101, 104, 107] {
        let (state, last) =
            restored_at(&written, Point::Index(index), &format!("at-{index}")).unwrap();
        assert_eq!((state.state_hash(), last), (hashes[&index], index));
    }
    let (state, _) = restored_at(&written, Point::Last, "last").unwrap();
    assert_eq!(state.state_hash(), written.keyspace.state_hash());
    // A record a second: of the time between two, the first counts.
    let time = 1_700_000_000_000 + 55 * 1_000 + 999;
    let (state, last) = restored_at(&written, Point::Time(time), "time").unwrap();
    assert_eq!((state.state_hash(), last), (hashes[&55], 55));
    for (point, part) in [
        (Point::Index(0), "index 0 is not in"),
        (Point::Index(999), "it has 1 to 107"),
        (Point::Time(5), "the time 5"),
        (Point::Time(third.run.taken_ms + 1), "is not in"),
    ] {
        let error = restored_at(&written, point, "outside").err();
        let error = error.expect(part).to_string();
        assert!(error.contains(part), "{error}");
    }
    assert!(!written.place.path().join("outside").exists());
    // A store that was restored is another: its backup is a run of its own.
    let copy = written.place.path().join("last/store");
    let other = backup(&copy, &backed_up).unwrap();
    assert!(other.is_new && other.run.folder != first.run.folder);
    assert_eq!(runs(&backed_up).unwrap().len(), 2);
    let (state, _) = restored_at(&written, Point::Index(60), "older-run").unwrap();
    assert_eq!(state.state_hash(), hashes[&60]);
}

#[test]
fn a_backup_copies_what_is_new_and_begins_anew_behind_a_hole() {
    let mut written = Written::new();
    let backed_up = written.place.path().join("backup");
    let large = vec![b'x'; 300_000];
    let fill = |written: &mut Written, count: u32| {
        for _ in 0..count {
            written.command(&[b"SET", b"large", &large]);
        }
    };
    // Segments of a MiB.
    fill(&mut written, 12);
    let first = backup(&written.folder(), &backed_up).unwrap();
    assert!(first.files >= 4 && first.run.tail >= 4, "{first:?}");
    fill(&mut written, 4);
    let second = backup(&written.folder(), &backed_up).unwrap();
    assert!(!second.is_new);
    assert!(
        second.files <= 4 && second.bytes < first.bytes,
        "{second:?}"
    );
    let nothing = backup(&written.folder(), &backed_up).unwrap();
    assert!(nothing.files <= 2, "{nothing:?}");
    // The store lets go of all that the backup ended with.
    fill(&mut written, 12);
    written.snapshot();
    fill(&mut written, 12);
    written.snapshot();
    fill(&mut written, 1);
    let third = backup(&written.folder(), &backed_up).unwrap();
    assert!(third.is_new, "{third:?}");
    let hole = Point::Index(second.run.last_index + 1);
    assert!(matches!(
        restored_at(&written, hole, "hole"),
        Err(Error::OutsideBackup { .. })
    ));
    let before = restored_at(&written, Point::Index(second.run.last_index), "before").unwrap();
    assert_eq!(before.1, second.run.last_index);
    let last = restored_at(&written, Point::Last, "last").unwrap();
    assert_eq!(last.0.state_hash(), written.keyspace.state_hash());
}

#[test]
fn a_backup_of_damaged_files_is_refused_and_damage_to_a_backup_is_found() {
    let mut written = Written::new();
    let backed_up = written.place.path().join("backup");
    written.some(30);
    let made = backup(&written.folder(), &backed_up).unwrap();
    let (state, _) = restored_at(&written, Point::Index(10), "early").unwrap();
    let early = state.state_hash();
    let segment = "00000000000000000001.log";
    let flip = |folder: &Path, at: usize| {
        let path = folder.join(segment);
        let mut bytes = std::fs::read(&path).unwrap();
        bytes[at] ^= 1;
        std::fs::write(&path, &bytes).unwrap();
    };
    let folder = written.folder();
    flip(&folder, 4_500);
    let error = backup(&folder, &backed_up).unwrap_err();
    assert!(
        matches!(error, Error::Log(atlas_wal::Error::Corrupt { .. })),
        "{error}"
    );
    assert!(!check(&made.run.folder).unwrap().report.is_damaged());
    // Behind what is wanted damage does no harm; before it, it is told.
    flip(&made.run.folder, 6_000);
    let again = restored_at(&written, Point::Index(10), "again").unwrap();
    assert_eq!(again.0.state_hash(), early);
    let error = restored_at(&written, Point::Last, "damaged").unwrap_err();
    assert!(
        matches!(error, Error::Log(atlas_wal::Error::Corrupt { .. })),
        "{error}"
    );
    assert!(!written.place.path().join("damaged/store").exists());
    // A plain copy of a folder that no store has is a backup too.
    flip(&folder, 4_500);
    let into = written.place.path().join("plain");
    let made = restore(&written.place.path().join("data"), Point::Last, &into, 16).unwrap();
    assert_eq!(made.index, written.index);
    let nothing = restore(&written.place.path().join("none"), Point::Last, &into, 16);
    assert!(nothing.is_err());
}
