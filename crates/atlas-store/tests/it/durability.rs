//! What was answered is there after a restart, by the log and by snapshots.

use atlas_base::{ByteSize, TimeSpan};
use atlas_store::{Error, Fsync, StoreConfig};

use crate::support::{Running, eventually};

#[test]
fn what_was_answered_is_there_after_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    for (round, fsync) in [Fsync::Every, Fsync::Interval, Fsync::None]
        .into_iter()
        .enumerate()
    {
        let config = StoreConfig {
            fsync,
            ..StoreConfig::default()
        };
        let store = Running::with(folder.path(), config);
        let mut client = store.client();
        if round > 0 {
            assert_eq!(client.run("get n"), (round * 100).to_string());
            assert_eq!(client.run("hget h f"), format!("{}", round - 1));
        }
        for _ in 0..100 {
            client.run("incr n");
        }
        client.run(&format!("hset h f {round}"));
        client.run("set gone 1");
        client.run("del gone");
        store.stop();
    }
    let store = Running::start(folder.path());
    store
        .client()
        .script("get n => 300\nhget h f => 2\nexists gone => 0");
}

/// In some modes the engine writes the log itself, in others its thread does: neither way may lose or double a record
/// of the other, nor one at the border of two files.
#[test]
fn the_mode_may_change_while_clients_write() {
    let folder = tempfile::tempdir().unwrap();
    let config = StoreConfig {
        fsync: Fsync::None,
        fsync_interval: TimeSpan::from_millis(20),
        log_segment_bytes: ByteSize::mib(1),
        ..StoreConfig::default()
    };
    let store = Running::with(folder.path(), config.clone());
    let mut operator = store.client();
    let mut writers: Vec<_> = (0..4).map(|_| store.client()).collect();
    let value = "v".repeat(5000);
    let modes = ["always", "no", "everysec", "always", "everysec", "no"];
    for round in 0..60 {
        for writer in &mut writers {
            writer.send(&format!(
                "incr n\nset long{} {value}\nrpush list {round}\n",
                round % 50
            ));
        }
        let mode = modes[round % modes.len()];
        // It is refused while commands wait for the disk.
        eventually("the mode changes", || {
            operator.run(&format!("config set appendfsync {mode}")) == "OK"
        });
        for writer in &mut writers {
            for _ in 0..3 {
                writer.receive();
            }
        }
    }
    assert_eq!(operator.run("get n"), "240");
    let digest = operator.run("debug digest");
    store.stop();
    let store = Running::with(folder.path(), config);
    let mut operator = store.client();
    operator.script("get n => 240\nllen list => 240");
    assert_eq!(operator.run("debug digest"), digest);
}

#[test]
fn a_snapshot_under_writes_and_the_log_behind_it_are_the_whole() {
    let folder = tempfile::tempdir().unwrap();
    let config = StoreConfig {
        log_segment_bytes: ByteSize::mib(1),
        ..StoreConfig::default()
    };
    let store = Running::with(folder.path(), config.clone());
    let mut client = store.client();
    let value = "v".repeat(500);
    let fill = |client: &mut crate::support::Client, round: usize| {
        let mut lines = String::new();
        for at in 0..2000 {
            lines += &format!("set {at} {round}{value}\n");
        }
        client.send(&lines);
        for _ in 0..2000 {
            client.receive();
        }
    };
    fill(&mut client, 1);
    // One may have begun by itself, because the log has grown so much.
    let begun = client.run("bgsave");
    assert!(begun.starts_with("Background saving started") || begun.contains("already"));
    fill(&mut client, 2);
    eventually("a snapshot", || {
        client
            .run("info persistence")
            .contains("rdb_bgsave_in_progress:0")
    });
    let snapshots = || {
        std::fs::read_dir(folder.path())
            .unwrap()
            .filter(|entry| {
                let name = entry.as_ref().unwrap().file_name();
                name.to_string_lossy().ends_with(".snapshot")
            })
            .count()
    };
    assert_eq!(snapshots(), 1);
    eventually("a snapshot on request", || client.run("save") == "OK");
    assert_eq!(snapshots(), 1);
    fill(&mut client, 3);
    let digest = client.run("debug digest");
    store.stop();
    let store = Running::with(folder.path(), config);
    let mut client = store.client();
    assert_eq!(client.run("dbsize"), "2000");
    assert_eq!(client.run("debug digest"), digest);
    assert_eq!(client.run("get 7"), format!("3{value}"));
}

#[test]
fn snapshots_come_by_themselves() {
    let folder = tempfile::tempdir().unwrap();
    let config = StoreConfig {
        snapshot_interval: TimeSpan::from_millis(200),
        ..StoreConfig::default()
    };
    let store = Running::with(folder.path(), config);
    let mut client = store.client();
    client.run("set a 1");
    eventually("a snapshot", || {
        !client
            .run("info persistence")
            .contains("snapshot_index:0\r")
    });
}

#[test]
fn keys_expire_and_stay_so() {
    let folder = tempfile::tempdir().unwrap();
    let store = Running::start(folder.path());
    let mut client = store.client();
    client.script("set a 1 px 50 => OK\nset b 1 px 100000000 => OK\nset c 1 => OK");
    eventually("the key expires", || client.run("get a") == "nil");
    eventually("the key is removed", || client.run("dbsize") == "2");
    assert!(client.run("info stats").contains("expired_keys:1"));
    store.stop();
    let store = Running::start(folder.path());
    let mut client = store.client();
    assert_eq!(client.run("dbsize"), "2");
    assert!(client.run("pttl b").parse::<i64>().unwrap() > 90_000_000);
}

#[test]
fn a_folder_has_one_store() {
    let folder = tempfile::tempdir().unwrap();
    let store = Running::start(folder.path());
    let error = Running::try_with(folder.path(), StoreConfig::default()).err();
    let text = format!("{:?}", error);
    assert!(
        matches!(error, Some(Error::Log(_))) && text.contains("InUse"),
        "{text}"
    );
    assert_eq!(store.client().run("set a 1"), "OK");
}

#[test]
fn a_damaged_log_is_refused_by_file_and_offset() {
    let folder = tempfile::tempdir().unwrap();
    let store = Running::start(folder.path());
    let mut client = store.client();
    for at in 0..20 {
        client.run(&format!("set {at} value"));
    }
    store.stop();
    let file = folder.path().join("00000000000000000001.log");
    let mut bytes = std::fs::read(&file).unwrap();
    let at = bytes.windows(5).position(|five| five == b"value").unwrap();
    bytes[at] ^= 1;
    std::fs::write(&file, &bytes).unwrap();
    let error = Running::try_with(folder.path(), StoreConfig::default()).err();
    let Some(Error::Log(error)) = error else {
        panic!("{error:?}")
    };
    let text = error.to_string();
    assert!(
        text.contains("00000000000000000001.log") && text.contains("offset"),
        "{text}"
    );
    assert_eq!(std::fs::read(&file).unwrap(), bytes, "nothing is touched");
}

#[test]
fn a_write_is_durable_when_waitaof_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let config = StoreConfig {
        fsync: Fsync::None,
        ..StoreConfig::default()
    };
    let store = Running::with(folder.path(), config);
    store.client().script(
        "set a 1 => OK
         waitaof 1 0 0 => [1 0]
         waitaof 0 0 0 => [1 0]
         waitaof 0 1 10 => [1 0]
         wait 0 10 => 0
         wait 1 10 => 0",
    );
}

#[test]
fn settings_that_commands_read_are_logged() {
    let folder = tempfile::tempdir().unwrap();
    for fsync in [Fsync::Every, Fsync::None] {
        let folder = folder.path().join(format!("{fsync:?}"));
        let config = StoreConfig {
            fsync,
            ..StoreConfig::default()
        };
        let store = Running::with(&folder, config.clone());
        store.client().script(
            "hset before f 1 g 2 => 2
             config set hash-max-listpack-entries 1 hz 20 => OK
             config get hash-max-listpack-entries => [hash-max-listpack-entries 1]
             hset small f 1 => 1
             hset large f 1 g 2 => 2
             multi => OK
             config set hash-max-listpack-entries 2 => QUEUED
             config get hash-max-listpack-entries => QUEUED
             get nothing => QUEUED
             exec => [OK [hash-max-listpack-entries 2] nil]
             hset two f 1 g 2 => 2
             object encoding before => listpack
             object encoding small => listpack
             object encoding large => hashtable
             object encoding two => listpack",
        );
        store.stop();
        let store = Running::with(&folder, config.clone());
        let all = "object encoding before => listpack
             object encoding small => listpack
             object encoding large => hashtable
             object encoding two => listpack
             config get hash-max-listpack-entries => [hash-max-listpack-entries 2]
             config get proto-max-bulk-len => [proto-max-bulk-len 536870912]";
        store.client().script(all);
        store.client().script("setrange long 1048576 x => 1048577");
        store.stop();
        // What the configuration says anew holds for what comes, not for what was.
        let config = StoreConfig {
            argument_bytes_max: ByteSize::mib(1),
            ..config
        };
        let store = Running::with(&folder, config.clone());
        let refused = "!ERR string exceeds maximum allowed size (proto-max-bulk-len)";
        let lines = format!("strlen long => 1048577\nsetrange more 1048576 x => {refused}");
        store.client().script(&lines);
        store.stop();
        let store = Running::with(&folder, config);
        store.client().script(&lines);
        store.client().script("strlen long => 1048577");
        store.stop();
    }
}
