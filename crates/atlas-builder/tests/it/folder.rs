//! A pack's folder on disk.

use std::fs;
use std::io::{ErrorKind, Read};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::symlink;

use atlas_builder::{Error, Folder};
use atlas_pack::{Kind, PackPath, Tree};

fn path(text: &str) -> PackPath {
    PackPath::parse(text).unwrap()
}

/// The row of links in `docs/internals/hostile.md`: a link, then a path through it.
#[test]
fn links_are_told_and_never_followed() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    let outside = tempfile::tempdir().unwrap();
    fs::write(outside.path().join("secret"), "secret").unwrap();
    fs::create_dir(at.join("config")).unwrap();
    fs::write(at.join("config/a.txt"), "a").unwrap();
    symlink(outside.path().join("secret"), at.join("config/link")).unwrap();
    symlink(outside.path(), at.join("out")).unwrap();
    let name = std::ffi::OsStr::from_bytes(b"config/\xff");
    fs::write(at.join(name), "x").unwrap();
    let tree = Folder::open(at).unwrap();
    let entries = tree.entries(&|_| false, 100).unwrap();
    let found: Vec<_> = entries
        .iter()
        .map(|entry| (entry.path.as_str(), entry.kind))
        .collect();
    assert_eq!(
        found,
        [
            ("config/a.txt", Kind::File),
            ("config/link", Kind::Link),
            ("config/\u{fffd}", Kind::Other),
            ("out", Kind::Link),
        ]
    );
    let mut text = String::new();
    let mut file = tree.open(&path("config/a.txt")).unwrap();
    file.read_to_string(&mut text).unwrap();
    assert_eq!(text, "a");
    for (refused, kind) in [
        ("config/link", ErrorKind::InvalidInput),
        ("out/secret", ErrorKind::InvalidInput),
        ("config", ErrorKind::InvalidInput),
        ("config/a.txt/b", ErrorKind::InvalidInput),
        ("config/b", ErrorKind::NotFound),
    ] {
        let error = tree.open(&path(refused)).err().unwrap();
        assert_eq!(error.kind(), kind, "{refused}: {error}");
    }
}

#[test]
fn a_pipe_is_not_waited_for() {
    let folder = tempfile::tempdir().unwrap();
    let pipe = folder.path().join("pipe");
    rustix::fs::mknodat(
        rustix::fs::CWD,
        &pipe,
        rustix::fs::FileType::Fifo,
        rustix::fs::Mode::RWXU,
        0,
    )
    .unwrap();
    let tree = Folder::open(folder.path()).unwrap();
    let error = tree.open(&path("pipe")).err().unwrap();
    assert_eq!(error.kind(), ErrorKind::InvalidInput);
    assert_eq!(tree.entries(&|_| false, 9).unwrap()[0].kind, Kind::Other);
}

#[test]
fn folders_are_skipped_and_files_counted() {
    let folder = tempfile::tempdir().unwrap();
    for name in ["a/1", "a/2", "b/c/3", "4"] {
        let file = folder.path().join(name);
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(file, "x").unwrap();
    }
    let tree = Folder::open(folder.path()).unwrap();
    let paths = |skip: &dyn Fn(&str) -> bool| -> Vec<String> {
        let entries = tree.entries(skip, 4).unwrap();
        entries.into_iter().map(|entry| entry.path).collect()
    };
    assert_eq!(paths(&|_| false), ["4", "a/1", "a/2", "b/c/3"]);
    assert_eq!(paths(&|folder| folder == "b/c"), ["4", "a/1", "a/2"]);
    let error = tree.entries(&|_| false, 3).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::QuotaExceeded);
}

#[test]
fn a_folder_without_a_pack_names_those_nearby() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path().canonicalize().unwrap();
    fs::create_dir_all(at.join("versions/1.21/mods")).unwrap();
    fs::write(at.join("versions/1.21/pack.toml"), "").unwrap();
    let near = |at: &std::path::Path| match atlas_builder::read(at) {
        Err(Error::NoPack { near, .. }) => near,
        other => panic!("{other:?}"),
    };
    let pack = at.join("versions/1.21");
    assert_eq!(near(&at), std::slice::from_ref(&pack));
    assert_eq!(near(&pack.join("mods")), [pack]);
    assert!(matches!(
        atlas_builder::read(&at.join("nothing")),
        Err(Error::Read { .. })
    ));
}
