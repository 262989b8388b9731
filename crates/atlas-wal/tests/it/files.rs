//! The real file system.

use std::io::{BufRead, BufReader};
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;

use atlas_wal::{Disk, Error, FileDisk, Log, Options, check};

use crate::support::*;

fn open_at(directory: &Path) -> Result<(Log, atlas_wal::Recovery), Error> {
    Log::open(Arc::new(FileDisk::new(directory)), options())
}

#[test]
fn a_log_lives_in_a_directory() {
    let place = tempfile::tempdir().unwrap();
    let directory = place.path().join("a/b");
    FileDisk::create_directory(&directory).unwrap();
    FileDisk::create_directory(&directory).unwrap();
    let (mut log, _) = open_at(&directory).unwrap();
    let records: Vec<_> = (1..=50)
        .map(|index| command(0, 1, index, index, 700))
        .collect();
    for record in &records {
        log.append(&[&batch([record])]).unwrap();
        if record.plain().index % 10 == 0 {
            log.sync().unwrap();
        }
    }
    let disk: Arc<dyn Disk> = Arc::new(FileDisk::new(&directory));
    let verified = snapshot(Arc::clone(&disk), 0, id(1, 40), &[b"image"]).unwrap();
    assert!(log.purge(&verified, id(1, 20)).unwrap() > 0);
    // Killed, not closed.
    drop(log);
    let (log, recovery) = open_at(&directory).unwrap();
    assert!(!recovery.clean && recovery.torn.is_empty());
    assert_eq!(of_group(&log, 0, 21).unwrap(), records[20..]);
    log.close().unwrap();
    assert!(open_at(&directory).unwrap().1.clean);
    let report = check(&disk).unwrap();
    assert!(report.is_whole(), "{report}");
    let text = report.to_string();
    assert!(
        text.contains("group 0: records 21 to 50, snapshot at 40") && text.ends_with("whole\n"),
        "{text}"
    );
    for entry in std::fs::read_dir(&directory).unwrap() {
        let mode = entry.unwrap().metadata().unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "nobody else reads a log");
    }
}

#[test]
#[ignore = "the other process of `two_processes_do_not_share_a_directory`"]
fn holds_the_directory() {
    let Some(directory) = std::env::var_os("ATLAS_WAL_DIRECTORY") else {
        return;
    };
    let (_log, _) = open_at(Path::new(&directory)).unwrap();
    println!("\nheld");
    // Until the parent closes our input.
    let mut line = String::new();
    std::io::stdin().read_line(&mut line).unwrap();
}

#[test]
fn two_processes_do_not_share_a_directory() {
    let place = tempfile::tempdir().unwrap();
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args([
            "--ignored",
            "--exact",
            "files::holds_the_directory",
            "--nocapture",
        ])
        .env("ATLAS_WAL_DIRECTORY", place.path())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    // Kept until the end: the child writes more when it is done.
    let mut said = BufReader::new(child.stdout.take().unwrap()).lines();
    let held = said.by_ref().any(|line| line.unwrap() == "held");
    assert!(held);
    let error = open_at(place.path()).unwrap_err();
    assert!(
        matches!(error, Error::InUse { pid, .. } if pid == Some(child.id())),
        "{error}"
    );
    assert!(
        error
            .to_string()
            .ends_with(&format!("in use by process {}", child.id())),
        "{error}"
    );
    // Looking is allowed.
    let disk: Arc<dyn Disk> = Arc::new(FileDisk::new(place.path()));
    assert!(check(&disk).unwrap().problems.is_empty());
    drop(child.stdin.take());
    let _ = said.count();
    assert!(child.wait().unwrap().success());
    assert!(open_at(place.path()).is_ok());
}

#[test]
fn a_directory_of_somebody_else_is_left_alone() {
    let place = tempfile::tempdir().unwrap();
    if chown(place.path(), Some(12_345), None).is_err() {
        println!("skipped: only root gives directories away");
        return;
    }
    let error = open_at(place.path()).unwrap_err();
    assert!(
        matches!(error, Error::Owner { owner: 12_345, .. }),
        "{error}"
    );
    assert_eq!(std::fs::read_dir(place.path()).unwrap().count(), 0);
}

#[test]
fn a_directory_that_is_none_is_named() {
    let place = tempfile::tempdir().unwrap();
    let missing = place.path().join("missing");
    let error = open_at(&missing).unwrap_err();
    assert!(
        matches!(&error, Error::Io { file, .. } if *file == missing),
        "{error}"
    );
    std::fs::write(&missing, "").unwrap();
    let error = open_at(&missing).unwrap_err();
    assert!(
        matches!(&error, Error::Io { file, .. } if *file == missing),
        "{error}"
    );
}

#[test]
fn files_of_others_are_not_touched() {
    let place = tempfile::tempdir().unwrap();
    for name in ["notes.txt", "1.log", "00000000000000000001.log.bak"] {
        std::fs::write(place.path().join(name), name).unwrap();
    }
    std::fs::create_dir(place.path().join("folder")).unwrap();
    open_at(place.path()).unwrap().0.close().unwrap();
    open_at(place.path()).unwrap().0.close().unwrap();
    for name in ["notes.txt", "1.log", "00000000000000000001.log.bak"] {
        assert_eq!(
            std::fs::read_to_string(place.path().join(name)).unwrap(),
            name
        );
    }
}

#[test]
fn defaults_are_a_segment_of_64_mib() {
    assert_eq!(Options::default().segment_bytes, 64 << 20);
}
