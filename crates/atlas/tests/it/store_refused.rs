//! What a store does not start from: said by name, place and remedy, and left as it is.

use std::fs;
use std::os::unix::fs::chown;
use std::path::{Path, PathBuf};

use atlas_testkit::{Exit, Signal};
use xxhash_rust::xxh3::xxh3_64;

use crate::store::{SmallDisk, store};
use crate::store_files::{contents, end, folder, killed, path};
use crate::support::{assert_words, atlas, deadline, said};

/// Starts a store on `folder`, which must fail; all but its lock is as it was before.
async fn refused(folder: &Path, name: &str) {
    let files = || {
        let mut files = contents(folder);
        files
            .retain(|file, _| !file.ends_with("lock") && !file.to_string_lossy().contains("token"));
        files
    };
    let before = files();
    let start = atlas(&[
        "store",
        "--listen",
        "127.0.0.1:0",
        "--admin-listen",
        "127.0.0.1:0",
        "--log",
        "off",
    ]);
    assert_words!(name, said(start.data_dir(folder)).await);
    assert!(files() == before, "{name}: something was touched");
}

fn segment(folder: &Path) -> PathBuf {
    folder.join("store/00000000000000000001.log")
}

#[tokio::test]
async fn a_directory_in_use_is_refused() {
    let folder = folder();
    let mut node = store(folder.path(), "every").await;
    refused(folder.path(), "store_in_use").await;
    end(&mut node, Signal::TERM).await;
}

#[tokio::test]
async fn a_directory_of_a_newer_version_is_refused() {
    let folder = folder();
    killed(folder.path(), &["set a b"]).await;
    let file = segment(folder.path());
    let whole = fs::read(&file).unwrap();
    // The version, and the rules of `apply`: each with a right checksum.
    for (place, name) in [(8, "store_newer_format"), (64, "store_newer_level")] {
        let mut bytes = whole.clone();
        bytes[place] = 2;
        let sum = xxh3_64(&bytes[..4088]);
        bytes[4088..4096].copy_from_slice(&sum.to_le_bytes());
        if place == 64 {
            // The first frame names the header's sum: an empty log of a newer Atlas.
            bytes[4096..].fill(0);
        }
        fs::write(&file, &bytes).unwrap();
        refused(folder.path(), name).await;
        let check = atlas(&["store", "check", path(folder.path())]);
        let (exit, stdout, _) = check.output(deadline()).await.unwrap();
        assert_eq!(exit, Exit::Code(1), "{stdout}");
        assert!(stdout.contains("use the one that wrote it"), "{stdout}");
    }
}

#[tokio::test]
async fn a_damaged_directory_is_refused() {
    let folder = folder();
    killed(folder.path(), &["set a b", "set c d", "set e f"]).await;
    let file = segment(folder.path());
    let whole = fs::read(&file).unwrap();
    let mut bytes = whole.clone();
    bytes[4_300] ^= 1;
    fs::write(&file, &bytes).unwrap();
    refused(folder.path(), "store_damaged").await;
    fs::write(&file, &whole[..5_000]).unwrap();
    refused(folder.path(), "store_cut").await;
    fs::write(&file, &whole).unwrap();
    let away = folder.path().join("away");
    let mut node = store(folder.path(), "every").await;
    let mut client = crate::store::Client::connect(node.listener("store").unwrap());
    assert_eq!(client.ask("save"), "+OK");
    end(&mut node, Signal::TERM).await;
    fs::rename(&file, &away).unwrap();
    refused(folder.path(), "store_without_log").await;
}

#[tokio::test]
async fn a_directory_of_another_user_is_refused() {
    let folder = folder();
    killed(folder.path(), &["set a b"]).await;
    if chown(folder.path().join("store"), Some(65_534), None).is_err() {
        println!("skipped: giving a folder away needs root");
        return;
    }
    refused(folder.path(), "store_owner").await;
}

#[tokio::test]
async fn a_directory_that_cannot_be_written_is_refused() {
    let Some(disk) = SmallDisk::mount("80m") else {
        println!("skipped: mounting a small disk needs root");
        return;
    };
    let folder = folder();
    let data = disk.0.path().join("data");
    killed(folder.path(), &["set a b"]).await;
    fs::create_dir_all(&data).unwrap();
    // A name that the words of tests leave out.
    let link = folder.path().join("mounted");
    std::os::unix::fs::symlink(&data, &link).unwrap();
    for entry in fs::read_dir(folder.path().join("store")).unwrap() {
        let entry = entry.unwrap();
        fs::copy(entry.path(), data.join(entry.file_name())).unwrap();
    }
    disk.make_read_only();
    let file = format!(
        "[store]\ndata-dir = \"{}\"\nlisten = \"127.0.0.1:0\"\n[admin]\nlisten = \"127.0.0.1:0\"\n",
        path(&link)
    );
    let start = atlas(&["store", "--log", "off"]).file("atlas.toml", &file);
    assert_words!("store_read_only", said(start).await);
    // What only reads works there.
    let (exit, stdout, stderr) = atlas(&["store", "check", path(&link)])
        .output(deadline())
        .await
        .unwrap();
    assert_eq!(exit, Exit::Code(0), "{stdout}{stderr}");
    // A file where a folder should be.
    let file = folder.path().join("file");
    fs::write(&file, "x").unwrap();
    let text = format!(
        "[store]\ndata-dir = \"{}/store\"\nlisten = \"127.0.0.1:0\"\n[admin]\nlisten = \"127.0.0.1:0\"\n",
        path(&file)
    );
    let start = atlas(&["store", "--log", "off"]).file("atlas.toml", &text);
    assert_words!("store_no_folder", said(start).await);
}

#[tokio::test]
async fn a_configuration_that_cannot_work_is_refused_by_key() {
    let folder = folder();
    let file = r#"[store]
databases = 0
clients-max = 0
fsync-interval = "0s"
log-segment-bytes = "1KiB"
argument-bytes-max = "1GiB"
client-query-bytes-max = "1KiB"
client-output-bytes-max = "1KiB"
client-kept-bytes-max = "1KiB"
arguments-max = 1
in-flight-bytes-max = "1KiB"
maxmemory = "1KiB"
notify-keyspace-events = "Q"
"#;
    let start = atlas(&["store"])
        .file("atlas.toml", file)
        .data_dir(folder.path().join("data"));
    assert_words!("store_impossible", said(start).await);
    for (name, line) in [
        ("store_wrong_mode", "fsync = \"always\""),
        ("store_wrong_policy", "maxmemory-policy = \"lru\""),
        ("store_wrong_size", "maxmemory = 100"),
        ("store_wrong_key", "appendfsync = \"always\""),
        ("store_no_password", "password-file = \"missing\""),
    ] {
        let file = format!(
            "[store]\n{line}\nlisten = \"127.0.0.1:0\"\n[admin]\nlisten = \"127.0.0.1:0\"\n"
        );
        let start = atlas(&["store", "--log", "off"])
            .file("atlas.toml", &file)
            .data_dir(folder.path().join("data"));
        assert_words!(name, said(start).await);
    }
    assert!(!folder.path().join("data/store").exists());
}

#[tokio::test]
async fn a_reload_names_what_is_in_force_and_what_waits() {
    let file = |more: &str| {
        format!("[store]\nlisten = \"127.0.0.1:0\"\n{more}\n[admin]\nlisten = \"127.0.0.1:0\"\n")
    };
    let mut node = atlas(&["store"])
        .file("atlas.toml", file(""))
        .start(deadline())
        .await
        .unwrap();
    let mut client = crate::store::Client::connect(node.listener("store").unwrap());
    let admin = format!("http://{}", node.listener("admin").unwrap());
    let token = node.data_dir().to_owned();
    let reload = || atlas(&["reload", "--admin", &admin]).data_dir(&token);
    assert_words!("store_reload_same", said(reload()).await);
    let path = node.dir().join("atlas.toml");
    let secret = node.dir().join("password");
    fs::write(&secret, "opensesame\n").unwrap();
    let more = format!(
        "fsync = \"interval\"\nclients-max = 50\nmaxmemory = \"64MiB\"\nmaxmemory-policy = \"allkeys-lfu\"\nsnapshot-interval = \"1h\"\ndatabases = 4\nlog-segment-bytes = \"1MiB\"\npassword-file = \"{}\"",
        secret.display()
    );
    fs::write(&path, file(&more)).unwrap();
    assert_words!("store_reload", said(reload()).await);
    assert_eq!(client.ask("config get appendfsync").as_str(), "*2");
    let mut second = crate::store::Client::connect(node.listener("store").unwrap());
    assert!(second.ask("get a").starts_with("-NOAUTH"));
    assert_eq!(second.ask("auth opensesame"), "+OK");
    fs::write(&path, file("maxmemory = \"1KiB\"")).unwrap();
    assert_words!("store_reload_wrong", said(reload()).await);
    end(&mut node, Signal::TERM).await;
}
