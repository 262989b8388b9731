//! Rows of `docs/internals/hostile.md` that are about a pack's source: each bounded in time and memory.

use std::time::Duration;

use atlas_pack::{Document, Limits, MemoryTree, Severity};

use crate::support::{metafile, pack, read, said, with_index};

/// Runs something that must answer within a second of processor time (ten in a build without optimisation) and 64 MiB.
fn bounded<T>(work: impl FnOnce() -> T) -> T {
    let begun = processor_time();
    let mut result = None;
    let used = allocation_counter::measure(|| result = Some(work()));
    let took = processor_time() - begun;
    let limit = if cfg!(debug_assertions) { 10 } else { 1 };
    assert!(took < Duration::from_secs(limit), "{took:?}");
    assert!(used.bytes_max <= 64 << 20, "{} bytes", used.bytes_max);
    result.unwrap()
}

/// What this thread has used: other work on the machine does not count.
fn processor_time() -> Duration {
    let statistics = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap();
    let nanoseconds = statistics.split_whitespace().next().unwrap();
    Duration::from_nanos(nanoseconds.parse().unwrap())
}

/// The row of paths, each in every place that names a path: the pack is refused, whatever else it holds.
#[test]
fn paths_that_lead_elsewhere() {
    for path in [
        "../x",
        "/x",
        "C:\\\\x",
        "mods\\\\..\\\\x",
        "CON",
        "a/NUL.txt",
        "x\\u0000y",
        "a:b",
        ".git/config",
        ".atlas/x",
        "a/../../x",
        "x\\u202ey",
        "COM\u{b9}",
    ] {
        let mut tree = MemoryTree::default();
        with_index(
            &mut tree,
            &format!(
                "[[files]]\nfile = \"{path}\"\nhash = \"{}\"\n",
                "0".repeat(64)
            ),
        );
        let found = said(&tree);
        assert!(
            found.len() == 1 && found[0].starts_with("error path index.toml:2:8: "),
            "{path}: {found:?}"
        );

        let text = "hash-format = \"sha256\"\n\n[[files]]\nfile = \"a\"\nhash = \"ca978112ca1bbdcafac231b39a23dc4da786eff8147c4e72b9807785afee48bb\"\nalias = \"ALIAS\"\n";
        let mut tree = MemoryTree::default();
        tree.insert("a", "a");
        with_index(&mut tree, &text.replace("ALIAS", path));
        let found = said(&tree);
        assert!(
            found.len() == 1 && found[0].starts_with("error path index.toml:6:9: "),
            "{path}: {found:?}"
        );

        let text = metafile().replace("sodium.jar\"\nside", &format!("{path}\"\nside"));
        let source = read(&pack(&[("mods/other.pw.toml", &text)]));
        let leaves = source.count(Severity::Error) == 1 && source.items.len() == 1;
        assert!(
            leaves || ["../x", "a/../../x", ".atlas/x"].contains(&path),
            "{path}: {:?}",
            source.findings
        );
    }
    let found = said(&pack(&[("a", "1"), ("A", "2")]));
    assert!(found[0].starts_with("error names-alike"), "{found:?}");
}

/// TOML of 100 MiB, as each file of a pack.
#[test]
fn toml_of_100_mebibytes() {
    let mut huge = "# big\n".repeat((100 << 20) / 6);
    huge.truncate(100 << 20);
    for file in [
        "pack.toml",
        "index.toml",
        "mods/sodium.pw.toml",
        ".packwizignore",
    ] {
        let mut tree = pack(&[]);
        tree.insert(file, huge.as_str());
        let found = bounded(|| said(&tree));
        assert!(
            found.iter().any(|line| line.starts_with("error too-large")),
            "{file}: {found:?}"
        );
    }
}

/// The most memory that TOML of the allowed size can ask for.
#[test]
fn toml_that_is_dense() {
    let limits = Limits::default();
    let bytes = usize::try_from(limits.file_bytes_max).unwrap();
    for unit in [
        "a.",
        "[a]\n",
        "[[a]]\n",
        "a={",
        "a=[",
        "0,",
        "[",
        "'',",
        "#\n",
        "\n",
        "\"\\u0041\",",
        "a=1\n",
    ] {
        for head in ["", "x = [\n", "x = "] {
            let mut text = head.to_owned() + &unit.repeat(bytes / unit.len());
            text.truncate(bytes);
            let _ = bounded(|| {
                Document::read(
                    text.as_bytes(),
                    limits.file_bytes_max,
                    limits.file_values_max,
                )
            });
        }
    }
    // Keys that differ, and an index as large as one may be.
    let keys: String = (0..bytes / 10).map(|n| format!("k{n:06}=0\n")).collect();
    let _ = bounded(|| {
        Document::read(
            keys.as_bytes(),
            limits.file_bytes_max,
            limits.file_values_max,
        )
    });
}

#[test]
fn an_index_of_20_000_files() {
    let entry = |n: usize| {
        format!(
            "[[files]]\nfile = \"config/folder{}/file{n}.json\"\nhash = \"{n:064x}\"\n\n",
            n % 100
        )
    };
    let index: String = (0..20_000).map(entry).collect();
    let mut tree = MemoryTree::default();
    with_index(&mut tree, &index);
    let source = bounded(|| read(&tree));
    assert_eq!(source.count(Severity::Error), 20_000);
}

/// The most memory that an index can ask for is more than that of other files, and bounded all the same.
#[test]
fn an_index_that_is_dense() {
    let limits = Limits::default();
    let index: String = (0..limits.index_values_max)
        .map(|n| format!("k{n:06}=0\n"))
        .collect();
    let read = || {
        Document::read(
            index.as_bytes(),
            limits.index_bytes_max,
            limits.index_values_max,
        )
    };
    let used = allocation_counter::measure(|| drop(read().unwrap()));
    assert!(used.bytes_max <= 192 << 20, "{} bytes", used.bytes_max);
}
