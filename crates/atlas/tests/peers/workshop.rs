//! What tests need of other languages, installed once below the target directory.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// The checkout's root.
pub(crate) fn root() -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    root.canonicalize().unwrap()
}

/// Whether these programs are here; says what is missing otherwise.
pub(crate) fn has(programs: &[&str]) -> bool {
    for program in programs {
        let found = Command::new(program)
            .arg("--version")
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status();
        if !found.is_ok_and(|status| status.success()) {
            println!("skipped: {program} is not installed");
            return false;
        }
    }
    true
}

/// Node and npm, 20 or newer.
pub(crate) fn has_node() -> bool {
    if !has(&["node", "npm"]) {
        return false;
    }
    let output = Command::new("node").arg("--version").output().unwrap();
    let version = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    let major = version.trim_start_matches('v').split('.').next();
    let new_enough = major.and_then(|major| major.parse().ok()) >= Some(20);
    if !new_enough {
        println!("skipped: node is {version}, and 20 or newer is needed");
    }
    new_enough
}

/// Python with its module venv.
pub(crate) fn has_python() -> bool {
    if !has(&["python3"]) {
        return false;
    }
    let found = Command::new("python3")
        .args(["-c", "import venv, ensurepip"])
        .stderr(Stdio::null())
        .status();
    let found = found.is_ok_and(|status| status.success());
    if !found {
        println!("skipped: python3 has no module venv (python3-venv)");
    }
    found
}

/// The SDK with its example and its tests, built.
pub(crate) fn sdk() -> PathBuf {
    let commands = "npm ci && npm run build && npx tsc -p tsconfig.test.json";
    prepared("sdk", &root().join("sdk/server-typescript"), commands)
}

/// Node's `ws` with a server for these tests.
pub(crate) fn node() -> PathBuf {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/peers/node");
    prepared("node", &source, "npm ci")
}

/// Python's `websockets` with a server for these tests, in an environment of its own (`venv`).
pub(crate) fn python() -> PathBuf {
    environment("python")
}

/// Celery and rq with jobs for these tests, in an environment of their own (`venv`).
pub(crate) fn jobs() -> PathBuf {
    environment("jobs")
}

fn environment(name: &str) -> PathBuf {
    let source = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/peers")
        .join(name);
    let commands = "python3 -m venv venv && venv/bin/pip install --quiet --disable-pip-version-check -r requirements.txt";
    prepared(name, &source, commands)
}

/// A copy of a folder's sources in which these commands were run, made anew whenever either has changed.
fn prepared(name: &str, source: &Path, commands: &str) -> PathBuf {
    let mut files = BTreeMap::new();
    read(source, Path::new(""), &mut files);
    let mut hasher = DefaultHasher::new();
    (&files, commands).hash(&mut hasher);
    let place = Path::new(env!("CARGO_TARGET_TMPDIR")).join("peers");
    fs::create_dir_all(&place).unwrap();
    // Tests are processes of their own and come at once: the first one works, the others wait.
    let lock = File::create(place.join(format!("{name}.lock"))).unwrap();
    lock.lock().unwrap();
    let folder = place.join(name);
    let stamp = folder.join(".prepared");
    let wanted = hasher.finish().to_string();
    if fs::read_to_string(&stamp).is_ok_and(|found| found == wanted) {
        return folder;
    }
    let _ = fs::remove_dir_all(&folder);
    write(&folder, &files);
    run(&folder, commands);
    fs::write(stamp, wanted).unwrap();
    folder
}

/// Copies the sources of the SDK into a folder, as a checkout would have them.
pub(crate) fn check_out_sdk(folder: &Path) {
    let mut files = BTreeMap::new();
    read(
        &root().join("sdk/server-typescript"),
        Path::new(""),
        &mut files,
    );
    write(&folder.join("sdk/server-typescript"), &files);
}

/// Runs shell commands in a folder; they must succeed.
pub(crate) fn run(folder: &Path, commands: &str) {
    let output = Command::new("sh")
        .args(["-e", "-c", commands])
        .current_dir(folder)
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let text = |bytes| String::from_utf8_lossy(bytes).into_owned();
    assert!(
        output.status.success(),
        "{commands}: {}\n{}{}",
        output.status,
        text(&output.stdout),
        text(&output.stderr)
    );
}

/// Reads all files below a folder that belong to its sources.
fn read(root: &Path, below: &Path, files: &mut BTreeMap<PathBuf, Vec<u8>>) {
    for entry in fs::read_dir(root.join(below)).unwrap() {
        let entry = entry.unwrap();
        let name = entry.file_name();
        if ["node_modules", "dist", "build", "venv", "__pycache__"]
            .iter()
            .any(|made| name == *made)
        {
            continue;
        }
        let path = below.join(name);
        if entry.file_type().unwrap().is_dir() {
            read(root, &path, files);
        } else {
            files.insert(path, fs::read(entry.path()).unwrap());
        }
    }
}

fn write(folder: &Path, files: &BTreeMap<PathBuf, Vec<u8>>) {
    for (path, bytes) in files {
        let path = folder.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    }
}
