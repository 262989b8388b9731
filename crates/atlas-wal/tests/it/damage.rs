//! Every byte of a small log and of a snapshot flipped, every prefix cut, sectors stale and swapped: refused by name
//! and offset wherever a later frame, a sealed segment or a clean stop proves the loss; else reported, and nothing that
//! is read is wrong.

use std::sync::Arc;

use atlas_wal::{Disk, Error, Kind, Log, MemoryDisk, Options, OwnedRecord, SnapshotReader, check};

use crate::support::*;

struct Small {
    disk: MemoryDisk,
    written: Vec<OwnedRecord>,
    /// Of each segment: name, content, where its last proven byte ends, where its last byte that is not zero ends.
    files: Vec<(String, Vec<u8>, usize, usize)>,
}

fn small_options() -> Options {
    Options {
        segment_bytes: 5 * 1024,
        ..options()
    }
}

fn open_small(disk: &MemoryDisk) -> Result<(Log, atlas_wal::Recovery), Error> {
    Log::open(Arc::new(disk.clone()), small_options())
}

/// A full segment, one that was closed, and one written ahead.
fn small() -> Small {
    let disk = MemoryDisk::new(3);
    let (mut log, _) = open_small(&disk).unwrap();
    let mut written = vec![plain(2, Kind::Vote, id(3, 0), 9)];
    log.append(&[&batch(&written)]).unwrap();
    let preparation = loop {
        let index = written.len() as u64;
        let record = command(index % 2, 1, index.div_ceil(2), index, 60);
        log.append(&[&batch([&record])]).unwrap();
        written.push(record);
        if index.is_multiple_of(4) {
            log.sync().unwrap();
        }
        if log.written().segment == 2
            && let Some(preparation) = log.preparation().unwrap()
        {
            break preparation;
        }
    };
    log.install(preparation.run()).unwrap();
    log.close().unwrap();
    let disk = disk.restart();
    let mut files = Vec::new();
    for name in disk
        .names()
        .into_iter()
        .filter(|name| name.ends_with(".log"))
    {
        let content = disk.content(&name).unwrap();
        let used = content.iter().rposition(|&byte| byte != 0).unwrap() + 1;
        let proven = match files.len() {
            0 => used.next_multiple_of(8),
            // The closing frame has no payload.
            1 => used.next_multiple_of(8) - 48,
            _ => 4096,
        };
        files.push((name, content, proven, used));
    }
    assert_eq!(files.len(), 3);
    Small {
        disk,
        written,
        files,
    }
}

fn as_it_was(small: &Small) {
    for (name, content, ..) in &small.files {
        small.disk.put(name, content.clone());
    }
}

fn is_refused(small: &Small, name: &str, at: usize, what: &str) {
    let before: Vec<_> = small.disk.names();
    let content = small.disk.content(name).unwrap();
    let error = open_small(&small.disk).map(|_| ()).expect_err(what);
    match &error {
        Error::Corrupt { file, offset, .. } => {
            assert!(file.ends_with(name), "{what}: {error}");
            assert!(*offset <= at as u64, "{what}: {error}");
        }
        _ => panic!("{what}: {error}"),
    }
    assert_eq!(
        small.disk.content(name).unwrap(),
        content,
        "{what}: changed"
    );
    assert_eq!(small.disk.names(), before, "{what}: changed");
}

/// Offsets to try: all of them, or all that have something and some of the zeros.
fn places(used: usize, length: usize, every: bool) -> impl Iterator<Item = usize> {
    (0..length).filter(move |at| {
        every || *at < 96 || (4088..used + 64).contains(at) || at.is_multiple_of(29)
    })
}

#[test]
fn flipped_bytes_are_refused_or_told() {
    flip(false);
}

#[test]
fn prefixes_are_refused() {
    cut(false);
}

#[test]
#[ignore = "long: the zeros too"]
fn every_flipped_byte_is_refused_or_told() {
    flip(true);
}

#[test]
#[ignore = "long: the zeros too"]
fn every_prefix_is_refused() {
    cut(true);
}

fn flip(every: bool) {
    let small = small();
    for (place, (name, content, proven, used)) in small.files.iter().enumerate() {
        for at in places(*used, content.len(), every) {
            let mask = 1u8 << (at % 8);
            small.disk.damage(name, |content| content[at] ^= mask);
            let what = format!("{name}: {mask:#x} at {at}");
            if at < *proven {
                is_refused(&small, name, at, &what);
                small.disk.damage(name, |content| content[at] ^= mask);
                continue;
            }
            let report = check(&(Arc::new(small.disk.clone()) as Arc<dyn Disk>)).unwrap();
            assert!(report.files[place].remark.is_some(), "{what}: {report}");
            let (log, recovery) = open_small(&small.disk).expect(&what);
            assert_eq!(recovery.torn.len(), 1, "{what}");
            assert!(recovery.torn[0].file.ends_with(name), "{what}");
            assert!(recovery.torn[0].offset <= at as u64, "{what}");
            // Only within the closing frame is the proof itself lost.
            assert_eq!(recovery.clean, at >= *used || place != 1, "{what}");
            assert_eq!(all(&log).unwrap(), small.written, "{what}");
            drop(log);
            as_it_was(&small);
        }
    }
}

fn cut(every: bool) {
    let small = small();
    for (name, content, _, used) in &small.files {
        for length in places(*used, content.len(), every) {
            small.disk.put(name, content[..length].to_vec());
            is_refused(&small, name, length, &format!("{name} cut at {length}"));
        }
        let mut longer = content.clone();
        longer.push(0);
        small.disk.put(name, longer);
        is_refused(
            &small,
            name,
            content.len(),
            &format!("{name} with a byte more"),
        );
        small.disk.put(name, content.clone());
    }
    assert!(open_small(&small.disk).unwrap().1.clean);
}

#[test]
fn every_missing_segment_is_refused() {
    let small = small();
    for (place, (name, ..)) in small.files.iter().enumerate() {
        small.disk.take(name);
        let opened = open_small(&small.disk);
        match place {
            // Nothing was in the one that was only written ahead.
            2 => assert!(opened.unwrap().1.clean),
            _ => {
                let error = opened.unwrap_err();
                let named =
                    matches!(&error, Error::MissingSegment { file, .. } if file.ends_with(name));
                assert!(named, "{error}");
            }
        }
        as_it_was(&small);
    }
}

/// Sectors of 512 bytes that have what they had earlier, or change places, or come from another log.
#[test]
fn stale_swapped_and_foreign_sectors_are_refused() {
    const SECTOR: usize = 512;
    let small = small();
    let other = MemoryDisk::new(4);
    let (mut log, _) = open_small(&other).unwrap();
    for record in &small.written {
        log.append(&[&batch([record])]).unwrap();
    }
    log.close().unwrap();
    for (place, (name, content, proven, _)) in small.files.iter().enumerate() {
        let sectors = content.len() / SECTOR;
        let foreign = other.content(name);
        for sector in 0..sectors {
            let here = sector * SECTOR..(sector + 1) * SECTOR;
            // Written ahead, and never again as far as the disk knows.
            let mut stale = content.clone();
            stale[here.clone()].fill(0);
            let mut variants = vec![("stale", stale)];
            if let Some(foreign) = &foreign {
                let mut mixed = content.clone();
                mixed[here.clone()].copy_from_slice(&foreign[here.clone()]);
                variants.push(("foreign", mixed));
            }
            for other in sector + 1..sectors {
                let mut swapped = content.clone();
                swapped.copy_within(other * SECTOR..(other + 1) * SECTOR, here.start);
                swapped[other * SECTOR..(other + 1) * SECTOR]
                    .copy_from_slice(&content[here.clone()]);
                variants.push(("swapped", swapped));
            }
            for (how, variant) in variants {
                let Some(first) = (0..content.len()).find(|&at| variant[at] != content[at]) else {
                    continue;
                };
                small.disk.put(name, variant);
                let what = format!("{name}, sector {sector}: {how}");
                if first < *proven {
                    is_refused(&small, name, content.len(), &what);
                } else {
                    let (log, _) = open_small(&small.disk).expect(&what);
                    assert_eq!(all(&log).unwrap(), small.written, "{what}");
                    assert!(place > 0, "{what}");
                }
                as_it_was(&small);
            }
        }
    }
}

/// A record is checked again when it is read: the disk may have lost it since the log was opened.
#[test]
fn damage_behind_the_logs_back_is_found_by_its_readers() {
    let small = small();
    let (log, _) = open_small(&small.disk).unwrap();
    let (name, _, proven, _) = &small.files[0];
    for at in (4200..*proven).step_by(13) {
        small.disk.damage(name, |content| content[at] ^= 4);
        let error = all(&log).unwrap_err();
        assert!(
            matches!(&error, Error::Corrupt { file, .. } if file.ends_with(name)),
            "{error}"
        );
        small.disk.damage(name, |content| content[at] ^= 4);
    }
    assert_eq!(all(&log).unwrap(), small.written);
}

#[test]
fn every_byte_and_every_prefix_of_a_snapshot_counts() {
    let disk = MemoryDisk::new(5);
    let shared: Arc<dyn Disk> = Arc::new(disk.clone());
    let blocks: [&[u8]; 4] = [b"first", &[7; 300], b"", b"the last one"];
    let verified = snapshot(Arc::clone(&shared), 0, id(1, 5), &blocks).unwrap();
    let name = verified.name().to_owned();
    let content = disk.content(&name).unwrap();
    let read = || {
        SnapshotReader::open(Arc::clone(&shared), &name).and_then(|mut reader| {
            let mut place = 0;
            while let Some(block) = reader.next_block()? {
                // Also of a damaged snapshot nothing that is wrong is ever handed out.
                assert_eq!(
                    (usize::from(block.kind), block.payload),
                    (place, blocks[place])
                );
                place += 1;
            }
            Ok(place)
        })
    };
    assert_eq!(read().unwrap(), 4);
    let refused = |at: usize| match read().unwrap_err() {
        Error::Corrupt { file, offset, .. } => {
            assert!(file.ends_with(&name) && offset <= at as u64);
        }
        error => panic!("{at}: {error}"),
    };
    for at in 0..content.len() {
        disk.damage(&name, |content| content[at] ^= 1 << (at % 8));
        refused(at);
        disk.damage(&name, |content| content[at] ^= 1 << (at % 8));
    }
    for length in 0..content.len() {
        disk.put(&name, content[..length].to_vec());
        refused(length);
    }
    let mut longer = content.clone();
    longer.extend_from_slice(&[0; 8]);
    disk.put(&name, longer);
    refused(content.len());
}
