//! What clients meet when the log cannot be written.

use std::sync::Arc;

use atlas_base::ByteSize;
use atlas_store::{Fsync, StoreConfig};
use atlas_wal::{Call, Fault, FaultyDisk, How, MemoryDisk};

use crate::support::{Client, Running, blocked, eventually, shown};

/// A store whose next writes of the log find no room.
fn without_room(fsync: Fsync, times: u64) -> (MemoryDisk, Running) {
    let memory = MemoryDisk::new(1);
    let disk = FaultyDisk::new(Arc::new(memory.clone()), Vec::new());
    let config = StoreConfig {
        fsync,
        log_segment_bytes: ByteSize(64 << 10),
        ..StoreConfig::default()
    };
    let store = Running::on(Arc::new(disk.clone()), config, None).unwrap();
    assert_eq!(store.client().run("set before 1"), "OK");
    for time in 1..=times {
        disk.add(Fault {
            call: Call::Write,
            nth: disk.counts().of(Call::Write) + time,
            how: How::Full,
        });
    }
    (memory, store)
}

/// The log was tried again only when its next file was to be written ahead: a write that found no room before that was
/// due had writes refused for ever.
#[test]
fn a_write_that_finds_no_room_once_is_refused_and_the_next_is_not() {
    let (_, store) = without_room(Fsync::Every, 1);
    let mut client = store.client();
    let refused = client.run("set a 1");
    assert!(
        refused.starts_with("!MISCONF the disk of the log is full"),
        "{refused}"
    );
    assert_eq!(client.run("get before"), "1");
    assert_eq!(client.run("get a"), "nil");
    eventually("writes are taken again", || client.run("set b 1") == "OK");
}

/// In the modes that do not wait for the disk what found no room was dropped, although it was applied: the log missed a
/// record from then on, and took none any more.
#[test]
fn what_was_applied_and_found_no_room_is_in_the_log_later() {
    for fsync in [Fsync::Interval, Fsync::None] {
        let (memory, store) = without_room(fsync, 3);
        let mut client = store.client();
        client.send("set a 1");
        assert_eq!(
            client.try_receive(),
            None,
            "nobody is told that it is there"
        );
        let mut client = store.client();
        eventually("writes are taken again", || client.run("set b 1") == "OK");
        let digest = client.run("debug digest");
        store.stop();
        let disk = Arc::new(memory.restart());
        let store = Running::on(disk, StoreConfig::default(), None).unwrap();
        let mut client = store.client();
        assert_eq!(client.run("get a"), "1");
        assert_eq!(client.run("debug digest"), digest, "{fsync:?}");
    }
}

/// A snapshot waits until the log has all that it has; whoever asked for one right behind a write waited for ever, as
/// nobody had that write made durable.
#[test]
fn a_snapshot_right_behind_a_write_comes_to_its_end() {
    let config = StoreConfig {
        fsync: Fsync::None,
        ..StoreConfig::default()
    };
    let store = Running::on(Arc::new(MemoryDisk::new(1)), config, None).unwrap();
    let mut client = store.client();
    for round in 0..10 {
        client.send(&format!("set a {round}\nbgsave"));
        client.receive();
        client.receive();
        is_saved(&mut client);
    }
}

fn is_saved(client: &mut Client) {
    eventually("a snapshot", || {
        let info = client.run("info persistence");
        info.contains("rdb_bgsave_in_progress:0")
    });
}

/// Whoever waited for a key when the log failed, in the modes that do not wait for the disk, was never answered: as if
/// the end of its time had to be written first.
#[test]
fn who_waits_when_the_log_fails_is_answered_in_time() {
    for fsync in [Fsync::Every, Fsync::Interval, Fsync::None] {
        let memory = MemoryDisk::new(1);
        let config = StoreConfig {
            fsync,
            ..StoreConfig::default()
        };
        let mut store = Running::on(Arc::new(memory.clone()), config, None).unwrap();
        store.is_doomed = true;
        let (mut waiting, mut client) = (store.client(), store.client());
        waiting.send("blpop nothing 0.3");
        blocked(&mut client, 1);
        let _gone = memory.restart();
        client.send("set a 1");
        client.try_receive();
        assert_eq!(shown(&waiting.receive()), "nil", "{fsync:?}");
    }
}
