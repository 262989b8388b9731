//! Real packs: each commit of a repository with eleven of them, where it lies beside the project.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use atlas_pack::packwiz::Metafile;
use atlas_pack::{Document, Origin, Source};

/// The bundle of skywardmc/adrenaline, if `$ATLAS_TEST_PACKS` or a folder beside the project has it.
fn bundle() -> Option<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let shared = std::env::var_os("ATLAS_TEST_PACKS").map(PathBuf::from);
    // Also for a worktree: the folder beside the repository that it belongs to.
    let common = git(
        &root,
        &["rev-parse", "--path-format=absolute", "--git-common-dir"],
    );
    let beside = PathBuf::from(common.trim()).join("../../shared/data/packs");
    let folders = shared
        .into_iter()
        .chain([root.join("../shared/data/packs"), beside]);
    let found = folders.map(|folder| folder.join("adrenaline.bundle"));
    let found: Vec<PathBuf> = found.filter(|bundle| bundle.is_file()).collect();
    if found.is_empty() {
        println!("skipped: no adrenaline.bundle; name its folder with ATLAS_TEST_PACKS");
    }
    found.into_iter().next()
}

fn git(folder: &Path, args: &[&str]) -> String {
    let output = Command::new("git")
        .arg("-C")
        .arg(folder)
        .args(args)
        .output();
    output.map_or_else(
        |_| String::new(),
        |output| String::from_utf8_lossy(&output.stdout).into_owned(),
    )
}

/// A clone of the bundle as it is there, without line ends changed.
fn clone(bundle: &Path) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let done = Command::new("git")
        .args(["clone", "--quiet", "--config", "core.autocrlf=false"])
        .arg(bundle)
        .arg(folder.path())
        .stderr(Stdio::null())
        .status()
        .unwrap();
    assert!(done.success());
    folder
}

fn packs(folder: &Path) -> Vec<PathBuf> {
    let files = git(folder, &["ls-files", "*pack.toml"]);
    let packs = files.lines().filter_map(|file| {
        let path = folder.join(file);
        path.ends_with("pack.toml")
            .then(|| path.parent().map(Path::to_owned))?
    });
    packs.collect()
}

/// Reads a pack and holds what its hashes and files are against what it says.
fn read(pack: &Path) -> Source {
    let source = atlas_builder::read(pack).unwrap();
    for item in &source.items {
        let Origin::Remote { path, .. } = &item.origin else {
            continue;
        };
        let bytes = std::fs::read(pack.join(path.as_str())).unwrap();
        let document = Document::read(&bytes, 1 << 20, 10_000).unwrap();
        assert_eq!(document.text().as_bytes(), bytes, "{path}");
        let (metafile, findings) = Metafile::read(&document, path.as_str());
        assert!(metafile.is_some() && findings.is_empty(), "{findings:?}");
    }
    source
}

#[test]
fn eleven_packs_are_read_without_a_complaint() {
    let Some(bundle) = bundle() else { return };
    let clone = clone(&bundle);
    let packs = packs(clone.path());
    assert_eq!(packs.len(), 11);
    let mut metafiles = 0;
    for pack in &packs {
        let source = read(pack);
        assert_eq!(source.findings, [], "{}", pack.display());
        let remote = |item: &&atlas_pack::Item| matches!(item.origin, Origin::Remote { .. });
        metafiles += source.items.iter().filter(remote).count();
    }
    assert_eq!(metafiles, 282);
}

/// The files of a pack whose SHA-256 is not the index's, by `sha256sum`.
fn other_hashes(pack: &Path) -> BTreeSet<String> {
    let index = std::fs::read_to_string(pack.join("index.toml")).unwrap();
    let mut list = String::new();
    let mut file = "";
    for line in index.lines() {
        let value = |key| line.strip_prefix(key)?.strip_suffix('"');
        file = value("file = \"").unwrap_or(file);
        if let Some(hash) = value("hash = \"") {
            list += &format!("{hash}  {file}\n");
        }
    }
    let mut child = Command::new("sha256sum")
        .args(["--check", "--quiet"])
        .current_dir(pack)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    child
        .stdin
        .take()
        .unwrap()
        .write_all(list.as_bytes())
        .unwrap();
    let output = child.wait_with_output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let failed = text
        .lines()
        .filter_map(|line| line.strip_suffix(": FAILED"));
    failed.map(str::to_owned).collect()
}

/// Earlier commits have hashes that packwiz computed. Ours are the same, and where a commit forgot to refresh its index,
/// `sha256sum` finds the same files. Nothing else is complained about. Every tenth commit; `ATLAS_TEST_EVERY=1` for all.
#[test]
fn hashes_are_those_of_packwiz_in_the_history() {
    let Some(bundle) = bundle() else { return };
    let clone = clone(&bundle);
    let commits = git(clone.path(), &["log", "--format=%H", "--", "*index.toml"]);
    let every: usize = std::env::var("ATLAS_TEST_EVERY").map_or(10, |every| every.parse().unwrap());
    let (mut packs_read, mut hashes) = (0, 0);
    let mut others = BTreeMap::<String, usize>::new();
    for commit in commits.lines().step_by(every) {
        git(clone.path(), &["checkout", "--quiet", "--force", commit]);
        for pack in packs(clone.path()) {
            let source = read(&pack);
            packs_read += 1;
            let has_hashes = source
                .pack
                .as_ref()
                .is_some_and(|pack| !pack.no_internal_hashes);
            if !has_hashes {
                assert_eq!(source.findings, [], "{commit} {}", pack.display());
                continue;
            }
            hashes += source.items.len();
            let mut found = BTreeSet::new();
            for finding in &source.findings {
                match (
                    finding.rule,
                    finding.message.split_once(" has another sha256 hash"),
                ) {
                    ("hash-mismatch", Some((file, _))) if finding.file != "pack.toml" => {
                        found.insert(file.to_owned());
                    }
                    // Some commits forgot that too.
                    ("missing-file", _) => {
                        let file = finding.message.strip_suffix(" is missing").unwrap();
                        assert!(!pack.join(file).exists(), "{commit} {file}");
                    }
                    _ => {
                        let words =
                            format!("{} {}: {}", finding.rule, finding.file, finding.message);
                        *others.entry(words).or_default() += 1;
                    }
                }
            }
            assert_eq!(found, other_hashes(&pack), "{commit} {}", pack.display());
        }
    }
    println!("{packs_read} packs, {hashes} hashes");
    assert!(packs_read > 100 && hashes > 3_000);
    assert_eq!(others, BTreeMap::new());
}
