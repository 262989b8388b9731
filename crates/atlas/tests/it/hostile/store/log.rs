//! What befalls the files of a log: the store does not start, and says which file is damaged and where.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use atlas_testkit::{AtlasBuilder, Exit, Signal};
use atlas_wal::{ForgedSegment, Kind, Record, SegmentHeader};

use super::stage::Peer;
use crate::support::{atlas, deadline};

const SECTOR: usize = 512;

fn store(folder: &Path) -> AtlasBuilder {
    let file = "[admin]\nlisten = \"127.0.0.1:0\"\n\
                [store]\nlisten = \"127.0.0.1:0\"\nlog-segment-bytes = \"1MiB\"\n";
    atlas(&["store"]).file("atlas.toml", file).data_dir(folder)
}

/// A folder with the log of a store that was killed, that log's file, and how much of the file is written.
async fn killed() -> (tempfile::TempDir, PathBuf, usize) {
    let folder = tempfile::tempdir().unwrap();
    let mut node = store(folder.path()).start(deadline()).await.unwrap();
    let mut client = Peer::connect(node.listener("store").unwrap());
    client
        .stream
        .set_read_timeout(Some(Duration::from_secs(20)))
        .unwrap();
    for number in 0..100 {
        let value = format!("value {number} ").repeat(20);
        client.send_command(&[b"set", number.to_string().as_bytes(), value.as_bytes()]);
        client.receive();
    }
    node.signal(Signal::KILL).unwrap();
    node.wait(deadline()).await.unwrap();
    let file = folder.path().join("store/00000000000000000001.log");
    let content = fs::read(&file).unwrap();
    let used = content.iter().rposition(|byte| *byte != 0).unwrap();
    (folder, file, used)
}

/// Starts a store on a folder: it ends with 1, names the file and the offset, and leaves the file as it is.
async fn is_refused(folder: &Path, file: &Path, damage: &str) -> String {
    let before = fs::read(file).unwrap();
    let (exit, _, said) = store(folder).output(deadline()).await.unwrap();
    assert_eq!(exit, Exit::Code(1), "{damage}: {said}");
    assert!(said.contains(&*file.to_string_lossy()), "{damage}: {said}");
    assert!(said.contains("is damaged at offset "), "{damage}: {said}");
    assert!(
        fs::read(file).unwrap() == before,
        "{damage}: it was changed"
    );
    said
}

#[tokio::test]
async fn a_damaged_log_is_refused_by_file_and_offset() {
    let (folder, file, used) = killed().await;
    let content = fs::read(&file).unwrap();
    assert!(used > 40 * SECTOR, "{used}");
    let middle = used / SECTOR / 2 * SECTOR;
    let mut damages: Vec<(&str, Vec<u8>)> = Vec::new();
    let mut damaged = |name, change: &dyn Fn(&mut Vec<u8>)| {
        let mut content = content.clone();
        change(&mut content);
        damages.push((name, content));
    };
    damaged("a flipped bit", &|content| content[middle + 100] ^= 4);
    damaged("a flipped bit in the header", &|content| content[40] ^= 1);
    damaged("a cut", &|content| content.truncate(middle + 7));
    damaged("a sector of before", &|content| {
        content[middle..middle + SECTOR].fill(0);
    });
    damaged("swapped sectors", &|content| {
        let other = middle + 9 * SECTOR;
        for at in 0..SECTOR {
            content.swap(middle + at, other + at);
        }
    });
    for (name, content) in damages {
        fs::write(&file, content).unwrap();
        let said = is_refused(folder.path(), &file, name).await;
        let offset = said.split("is damaged at offset ").nth(1).unwrap();
        let offset = offset.split(':').next().unwrap().parse::<usize>().unwrap();
        let near = if name.ends_with("header") {
            0..=0
        } else {
            // The frame begins a little before.
            middle - 8 * SECTOR..=middle + SECTOR
        };
        assert!(near.contains(&offset), "{name}: {offset}, not {near:?}");
    }
    // As it was, it starts.
    fs::write(&file, content).unwrap();
    let node = store(folder.path()).start(deadline()).await.unwrap();
    let mut client = Peer::connect(node.listener("store").unwrap());
    assert_eq!(client.run(&["dbsize"]), "100");
}

#[tokio::test]
async fn one_index_twice_without_a_truncate_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("store")).unwrap();
    let file = folder.path().join("store/00000000000000000001.log");
    let mut segment = ForgedSegment::new(SegmentHeader {
        cluster: 1,
        node: 1,
        number: 1,
        file_id: 77,
        apply_level: 1,
        alignment_log2: 3,
        bytes: 1 << 20,
    });
    segment.opening();
    for (index, kind) in [(1, Kind::Membership), (2, Kind::Blank), (2, Kind::Blank)] {
        let mut record = Vec::new();
        let node = Record {
            term: 1,
            leader: 1,
            index,
            kind,
            ..Record::default()
        };
        node.encode(&mut record).unwrap();
        let mut payload = (record.len() as u32).to_le_bytes().to_vec();
        payload.extend_from_slice(&record);
        segment.frame(2, &payload, 1, segment.offset());
    }
    fs::write(&file, segment.finish()).unwrap();
    let said = is_refused(folder.path(), &file, "an index twice").await;
    assert!(said.contains("index does not follow"), "{said}");
}
