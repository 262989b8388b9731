//! A log's ordinary life: written, closed, read, rotated, truncated, purged.

use std::sync::Arc;

use atlas_wal::{Batch, Error, Kind, Log, MemoryDisk, Options, Position, check};

use crate::support::*;

#[test]
fn what_is_written_is_read_after_a_clean_stop() {
    let disk = MemoryDisk::new(1);
    let (mut log, recovery) = open(&disk).unwrap();
    assert!(recovery.created);
    let written: Vec<_> = (1..=5)
        .map(|index| command(0, 1, index, index, 10))
        .collect();
    log.append(&[&batch(&written[..2]), &batch(&written[2..4])])
        .unwrap();
    log.append(&[&batch(&written[4..])]).unwrap();
    assert_eq!(log.append(&[&Batch::new()]).unwrap(), log.written());
    assert!(log.durable() < log.written());
    assert_eq!(log.sync().unwrap(), log.written());
    log.close().unwrap();

    let (log, recovery) = open(&disk.restart()).unwrap();
    assert!(recovery.clean && recovery.torn.is_empty() && !recovery.created);
    assert_eq!(
        (recovery.records, recovery.frames, recovery.segments),
        (5, 4, 1)
    );
    assert_eq!(all(&log).unwrap(), written);
    assert_eq!(of_group(&log, 0, 3).unwrap(), written[2..]);
    assert_eq!(of_group(&log, 0, 6).unwrap(), []);
    let group = log.group(0).unwrap();
    assert_eq!((group.first_index(), group.last), (1, id(1, 5)));
}

#[test]
fn an_unclean_stop_is_told_and_loses_nothing_that_was_written_to_the_system() {
    let disk = MemoryDisk::new(1);
    let (mut log, _) = open(&disk).unwrap();
    let written = [command(0, 1, 1, 1, 10)];
    log.append(&[&batch(&written)]).unwrap();
    let (log, recovery) = open(&disk.restart()).unwrap();
    assert!(!recovery.clean && recovery.torn.is_empty());
    assert_eq!(all(&log).unwrap(), written);
}

#[test]
fn segments_follow_one_another_and_large_frames_get_larger_ones() {
    let disk = MemoryDisk::new(1);
    let (mut log, _) = open(&disk).unwrap();
    let sizes = [3_000, 9_000, 10, 40_000, 10, 7_000, 100_000, 200_000, 1];
    let written: Vec<_> = sizes
        .iter()
        .enumerate()
        .map(|(at, &bytes)| command(0, 1, at as u64 + 1, at as u64 + 1, bytes))
        .collect();
    for record in &written {
        log.append(&[&batch([record])]).unwrap();
    }
    assert!(log.written().segment > 4, "{log:?}");
    assert_eq!(all(&log).unwrap(), written);
    log.close().unwrap();
    let (log, recovery) = open(&disk.restart()).unwrap();
    assert!(recovery.clean);
    for from in 1..=10 {
        assert_eq!(
            of_group(&log, 0, from).unwrap(),
            written[from as usize - 1..]
        );
    }
}

#[test]
fn the_next_segment_is_written_ahead_on_request() {
    let disk = MemoryDisk::new(1);
    let (mut log, _) = open(&disk).unwrap();
    assert!(log.preparation().unwrap().is_none());
    log.append(&[&batch(&[command(0, 1, 1, 1, 9_000)])])
        .unwrap();
    let preparation = log.preparation().unwrap().expect("half is used");
    assert!(log.preparation().unwrap().is_none(), "one at a time");
    assert_eq!(preparation.bytes(), 16 * 1024);
    log.install(preparation.run()).unwrap();
    assert!(log.preparation().unwrap().is_none(), "it is there");
    assert_eq!(log.bytes(), 32 * 1024);
    let creates = disk.names().len();
    log.append(&[&batch(&[command(0, 1, 2, 2, 5_000)])])
        .unwrap();
    assert_eq!((log.written().segment, disk.names().len()), (2, creates));

    // One that comes too late is thrown away.
    log.append(&[&batch(&[command(0, 1, 3, 3, 5_000)])])
        .unwrap();
    let late = log.preparation().unwrap().unwrap();
    log.append(&[&batch(&[command(0, 1, 4, 4, 5_000)])])
        .unwrap();
    assert_eq!(log.written().segment, 3);
    log.install(late.run()).unwrap();
    assert!(disk.names().iter().all(|name| !name.ends_with(".new")));
    log.close().unwrap();
    assert_eq!(open(&disk.restart()).unwrap().1.records, 4);
}

#[test]
fn an_index_comes_twice_only_after_a_truncate() {
    let disk = MemoryDisk::new(1);
    let (mut log, _) = open(&disk).unwrap();
    let first: Vec<_> = (1..=4)
        .map(|index| command(0, 1, index, index, 10))
        .collect();
    log.append(&[&batch(&first)]).unwrap();
    let before = log.written();
    for wrong in [0, 1, 4, 6] {
        let error = log
            .append(&[&batch(&[command(0, 2, wrong, 9, 10)])])
            .unwrap_err();
        assert!(
            matches!(error, Error::Order { index, .. } if index == wrong),
            "{error}"
        );
    }
    let error = log.truncate(0, 6).unwrap_err();
    assert!(matches!(error, Error::Order { .. }), "{error}");
    assert_eq!(log.written(), before);

    // In one frame and in several.
    let again: Vec<_> = (3..=4)
        .map(|index| command(0, 2, index, 10 + index, 10))
        .collect();
    let truncate = plain(0, Kind::Truncate, id(2, 3), 0);
    log.append(&[&batch([&truncate, &again[0], &again[1]])])
        .unwrap();
    log.truncate(0, 4).unwrap();
    let last = command(0, 3, 4, 20, 10);
    log.append(&[&batch([&last])]).unwrap();
    let expected = [first[0].clone(), first[1].clone(), again[0].clone(), last];
    let same = |log: &Log| {
        for from in 1..=5 {
            assert_eq!(
                of_group(log, 0, from).unwrap(),
                expected[from as usize - 1..]
            );
        }
        let group = log.group(0).unwrap();
        let terms: Vec<_> = (0..6)
            .map(|index| group.id_of(index).map(|id| id.term))
            .collect();
        assert_eq!(terms, [Some(0), Some(1), Some(1), Some(2), Some(3), None]);
    };
    same(&log);
    log.close().unwrap();
    same(&open(&disk.restart()).unwrap().0);
}

#[test]
fn groups_share_the_log_and_do_not_share_indices() {
    let disk = MemoryDisk::new(1);
    let (mut log, _) = open(&disk).unwrap();
    let mut written = vec![Vec::new(); 3];
    let mut unique = 0;
    for round in 1..=200 {
        for (group, list) in written.iter_mut().enumerate() {
            unique += 1;
            let record = command(group as u64, 1, round, unique, 100 * group);
            log.append(&[&batch([&record])]).unwrap();
            list.push(record);
        }
    }
    log.append(&[&batch([
        &plain(1, Kind::Vote, id(7, 0), 1),
        &plain(1, Kind::Committed, id(1, 150), 2),
        &plain(1, Kind::Vote, id(8, 0), 3),
    ])])
    .unwrap();
    let same = |log: &Log| {
        for (group, list) in written.iter().enumerate() {
            for from in [1, 2, 77, 200, 201] {
                let read = of_group(log, group as u64, from).unwrap();
                assert_eq!(read, list[from as usize - 1..]);
            }
        }
        let group = log.group(1).unwrap();
        assert_eq!(group.vote.as_ref().unwrap().plain().term, 8);
        assert_eq!(group.committed.as_ref().unwrap().plain().index, 150);
        assert!(log.group(0).unwrap().vote.is_none());
        assert!(log.group(9).is_none());
    };
    same(&log);
    assert!(log.written().segment > 2);
    log.close().unwrap();
    same(&open(&disk.restart()).unwrap().0);
    assert!(matches!(
        open(&disk.restart()).unwrap().0.records(0, 202),
        Err(Error::Outside {
            last_index: 200,
            ..
        })
    ));
}

/// Votes live in the log; a purge must not take the newest with it.
#[test]
fn a_purge_removes_segments_and_keeps_votes() {
    let disk = MemoryDisk::new(1);
    let (mut log, _) = open(&disk).unwrap();
    log.append(&[&batch([&plain(0, Kind::Vote, id(5, 0), 1)])])
        .unwrap();
    for index in 1..=40 {
        log.append(&[&batch([&command(0, 5, index, index, 2_000)])])
            .unwrap();
    }
    let verified = snapshot(Arc::new(disk.clone()), 0, id(5, 30), &[b"state"]).unwrap();
    let error = log.purge(&verified, id(5, 31)).unwrap_err();
    assert!(
        matches!(error, Error::NotCovered { covered: 30, .. }),
        "{error}"
    );
    let segments = || {
        disk.names()
            .iter()
            .filter(|name| name.ends_with(".log"))
            .count()
    };
    let before = segments();
    let removed = log.purge(&verified, id(5, 30)).unwrap();
    assert!(removed > 3);
    assert_eq!(segments(), before - removed);
    let same = |log: &Log| {
        let group = log.group(0).unwrap();
        assert_eq!((group.purged, group.last), (id(5, 30), id(5, 40)));
        assert_eq!(group.vote.as_ref().unwrap().plain().term, 5);
        assert_eq!(of_group(log, 0, 31).unwrap().len(), 10);
        assert!(matches!(
            log.records(0, 30),
            Err(Error::Outside {
                first_index: 31,
                ..
            })
        ));
    };
    same(&log);
    log.close().unwrap();
    let (log, _) = open(&disk.restart()).unwrap();
    same(&log);
    drop(log);

    // Without the first segment that is left, records are missing.
    let disk = disk.restart();
    let first = disk
        .names()
        .into_iter()
        .find(|name| name.ends_with(".log"))
        .unwrap();
    disk.take(&first);
    let error = open(&disk).unwrap_err();
    assert!(
        matches!(&error, Error::MissingSegment { file, .. } if file.ends_with(&first)),
        "{error}"
    );
    assert!(!check(&(Arc::new(disk.clone()) as _)).unwrap().is_whole());
}

#[test]
fn a_purge_leaves_as_much_as_is_to_be_kept() {
    let disk = MemoryDisk::new(1);
    let (mut log, _) = open(&disk).unwrap();
    for index in 1..=200 {
        log.append(&[&batch([&command(0, 1, index, index, 700)])])
            .unwrap();
    }
    log.sync().unwrap();
    let segments = |disk: &MemoryDisk| {
        let names = disk.names().into_iter();
        names.filter(|name| name.ends_with(".log")).count()
    };
    let before = segments(&disk);
    assert!(before > 6, "{before}");
    let verified = snapshot(Arc::new(disk.clone()), 0, id(1, 200), &[b"image"]).unwrap();
    log.keep(40_000);
    log.purge(&verified, id(1, 200)).unwrap();
    // Three of 16 KiB make 40,000 bytes, and the one that is written.
    assert_eq!(segments(&disk), 4);
    drop(log);
    let (mut log, _) = open(&disk).unwrap();
    assert_eq!(log.group(0).unwrap().first_index(), 201);
    log.purge(&verified, id(1, 200)).unwrap();
    assert_eq!(segments(&disk), 1);
}

/// A follower that gets a snapshot which is ahead of all it has.
#[test]
fn a_purge_beyond_the_end_begins_anew_behind_it() {
    let disk = MemoryDisk::new(1);
    let (mut log, _) = open(&disk).unwrap();
    log.append(&[&batch([&command(0, 1, 1, 1, 10)])]).unwrap();
    let verified = snapshot(Arc::new(disk.clone()), 0, id(3, 100), &[b"state"]).unwrap();
    log.purge(&verified, id(3, 100)).unwrap();
    let next = command(0, 3, 101, 2, 10);
    log.append(&[&batch([&next])]).unwrap();
    log.close().unwrap();
    let (log, _) = open(&disk.restart()).unwrap();
    assert_eq!(of_group(&log, 0, 101).unwrap(), [next]);
    assert_eq!(log.group(0).unwrap().id_of(100), Some(id(3, 100)));
}

/// A truncated group must not pin, nor miss, the segments of what does not count any more.
#[test]
fn what_was_truncated_does_not_keep_a_segment() {
    let disk = MemoryDisk::new(1);
    let (mut log, _) = open(&disk).unwrap();
    for index in 1..=20 {
        log.append(&[&batch([&command(0, 1, index, index, 2_000)])])
            .unwrap();
    }
    log.truncate(0, 3).unwrap();
    for index in 3..=20 {
        log.append(&[&batch([&command(0, 2, index, 100 + index, 2_000)])])
            .unwrap();
    }
    let verified = snapshot(Arc::new(disk.clone()), 0, id(1, 2), &[]).unwrap();
    assert!(log.purge(&verified, id(1, 2)).unwrap() >= 2);
    log.close().unwrap();
    let (log, _) = open(&disk.restart()).unwrap();
    assert_eq!(of_group(&log, 0, 3).unwrap().len(), 18);
}

#[test]
fn a_skip_is_known_before_what_it_skips_is_applied() {
    let disk = MemoryDisk::new(1);
    let (mut log, _) = open(&disk).unwrap();
    let target = 1u64.to_le_bytes();
    let skip = atlas_wal::Record {
        kind: Kind::Skip,
        term: 1,
        index: 2,
        arguments: atlas_wal::Arguments {
            bytes: &target,
            ranges: &[0..8],
        },
        ..Default::default()
    }
    .to_owned();
    log.append(&[&batch([&command(0, 1, 1, 1, 10), &skip])])
        .unwrap();
    log.close().unwrap();
    let (mut log, _) = open(&disk.restart()).unwrap();
    let skips = &log.group(0).unwrap().skips;
    assert_eq!(skips, &[atlas_wal::Skip { at: 2, index: 1 }]);
    log.truncate(0, 2).unwrap();
    assert!(log.group(0).unwrap().skips.is_empty());
}

#[test]
fn a_newer_apply_level_begins_a_segment_and_an_older_program_is_refused() {
    let disk = MemoryDisk::new(1);
    let (mut log, _) = open(&disk).unwrap();
    log.append(&[&batch([&command(0, 1, 1, 1, 10)])]).unwrap();
    log.close().unwrap();
    let newer = Options {
        apply_level: 2,
        ..options()
    };
    let disk = disk.restart();
    let (mut log, _) = Log::open(Arc::new(disk.clone()), newer).unwrap();
    log.append(&[&batch([&command(0, 1, 2, 2, 10)])]).unwrap();
    let mut records = log.records(0, 1).unwrap();
    assert_eq!(records.next_record().unwrap().unwrap().apply_level, 1);
    let entry = records.next_record().unwrap().unwrap();
    assert_eq!((entry.apply_level, entry.position.segment), (2, 2));
    assert!(records.next_record().unwrap().is_none());
    log.close().unwrap();
    let disk = disk.restart();
    let error = open(&disk).unwrap_err();
    assert!(
        matches!(
            error,
            Error::NewerApplyLevel {
                level: 2,
                known: 1,
                ..
            }
        ),
        "{error}"
    );
}

#[test]
fn frames_can_begin_at_blocks() {
    let disk = MemoryDisk::new(1);
    let wide = || Options {
        frame_alignment_bytes: 4096,
        segment_bytes: 64 * 1024,
        ..options()
    };
    let (mut log, _) = Log::open(Arc::new(disk.clone()), wide()).unwrap();
    for index in 1..=30 {
        let Position { offset, .. } = log
            .append(&[&batch([&command(0, 1, index, index, 10)])])
            .unwrap();
        assert_eq!(offset % 4096, 0);
    }
    log.close().unwrap();
    let (log, recovery) = Log::open(Arc::new(disk.restart()), options()).unwrap();
    assert!(recovery.clean);
    assert_eq!(of_group(&log, 0, 1).unwrap().len(), 30);
}

#[test]
fn a_log_is_begun_only_for_somebody_and_opened_only_by_its_owner() {
    let disk = MemoryDisk::new(1);
    let nobody = Options {
        identity: None,
        ..options()
    };
    let error = Log::open(Arc::new(disk.clone()), nobody.clone()).unwrap_err();
    assert!(matches!(error, Error::NoLog { .. }), "{error}");
    assert!(disk.names().is_empty());
    let (log, _) = open(&disk).unwrap();
    let error = open(&disk).unwrap_err();
    assert!(
        matches!(error, Error::InUse { pid: Some(_), .. }),
        "{error}"
    );
    drop(log);
    assert_eq!(
        Log::open(Arc::new(disk.clone()), nobody)
            .unwrap()
            .0
            .identity(),
        IDENTITY
    );
    let other = Options {
        identity: Some(atlas_wal::Identity {
            node: 2,
            ..IDENTITY
        }),
        ..options()
    };
    let error = Log::open(Arc::new(disk.clone()), other).unwrap_err();
    assert!(matches!(error, Error::Foreign { .. }), "{error}");
}

#[test]
fn a_snapshot_without_a_log_is_no_new_beginning() {
    let disk = MemoryDisk::new(1);
    let verified = snapshot(Arc::new(disk.clone()), 0, id(1, 9), &[b"x"]).unwrap();
    let error = open(&disk).unwrap_err();
    assert!(matches!(error, Error::SnapshotWithoutLog { .. }), "{error}");
    let anyway = Options {
        begin_beside_snapshots: true,
        ..options()
    };
    let (mut log, _) = Log::open(Arc::new(disk), anyway).unwrap();
    log.purge(&verified, id(1, 9)).unwrap();
    log.append(&[&batch([&command(0, 1, 10, 1, 1)])]).unwrap();
}

#[test]
fn a_batch_that_is_too_large_is_refused_whole() {
    let disk = MemoryDisk::new(1);
    let small = Options {
        frame_bytes_max: 1_000,
        ..options()
    };
    let (mut log, _) = Log::open(Arc::new(disk), small).unwrap();
    let large = batch(&[command(0, 1, 1, 1, 400), command(0, 1, 2, 2, 700)]);
    let error = log.append(&[&large]).unwrap_err();
    assert!(
        matches!(
            error,
            Error::FrameTooLarge {
                bytes_max: 1_000,
                ..
            }
        ),
        "{error}"
    );
    log.append(&[&batch(&[command(0, 1, 1, 1, 400)])]).unwrap();
}

#[test]
fn a_full_disk_refuses_by_name_and_recovers_by_itself() {
    let disk = MemoryDisk::new(1);
    let (mut log, _) = open(&disk).unwrap();
    disk.set_capacity(Some(disk.used_bytes() + 4_000));
    let mut index = 0;
    let error = loop {
        let record = command(0, 1, index + 1, index + 1, 500);
        match log.append(&[&batch([&record])]) {
            Ok(_) => index += 1,
            Err(error) => break error,
        }
        assert!(index < 100);
    };
    assert!(error.is_full() && !error.refuses_writes(), "{error}");
    assert!(error.to_string().contains(".log.new"), "{error}");
    log.sync().unwrap();
    assert_eq!(of_group(&log, 0, 1).unwrap().len() as u64, index);
    assert!(
        disk.names().iter().all(|name| !name.ends_with(".new")),
        "what was half written is gone"
    );
    assert!(
        log.append(&[&batch([&command(0, 1, index + 1, 1, 500)])])
            .unwrap_err()
            .is_full()
    );
    disk.set_capacity(None);
    log.append(&[&batch([&command(0, 1, index + 1, 1, 500)])])
        .unwrap();
    log.close().unwrap();
    assert_eq!(open(&disk.restart()).unwrap().1.records, index + 1);
}
