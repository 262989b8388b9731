//! A small pack that is right, to be broken.

use std::fmt::Write as _;

use atlas_pack::{Finding, Hash, HashFormat, Limits, MemoryTree, Source};

pub(crate) const METAFILE: &str = r#"name = "Sodium"
filename = "sodium.jar"
side = "client"

[download]
url = "https://cdn.example/sodium.jar"
hash-format = "sha512"
hash = "HASH"

[update]
[update.modrinth]
mod-id = "AANobbMI"
version = "YAGZ1cCS"
"#;

pub(crate) fn metafile() -> String {
    METAFILE.replace("HASH", &"ab".repeat(64))
}

/// A pack with these files beside its metafile, an index with right hashes, and a `pack.toml`.
pub(crate) fn pack(files: &[(&str, &str)]) -> MemoryTree {
    let mut tree = MemoryTree::default();
    let sodium = metafile();
    let mut all = vec![("mods/sodium.pw.toml", sodium.as_str())];
    all.extend_from_slice(files);
    let mut index = "hash-format = \"sha256\"\n".to_owned();
    for (path, text) in all {
        tree.insert(path, text);
        let hash = Hash::of(HashFormat::Sha256, text.as_bytes());
        let marked = if path.ends_with(".pw.toml") {
            "metafile = true\n"
        } else {
            ""
        };
        let _ = write!(
            index,
            "\n[[files]]\nfile = {path:?}\nhash = \"{hash}\"\n{marked}"
        );
    }
    with_index(&mut tree, &index);
    tree
}

/// Puts this index in, and a `pack.toml` that has its hash.
pub(crate) fn with_index(tree: &mut MemoryTree, index: &str) {
    tree.insert("index.toml", index);
    let hash = Hash::of(HashFormat::Sha256, index.as_bytes());
    tree.insert("pack.toml", format!("name = \"Test\"\npack-format = \"packwiz:1.1.0\"\n\n[index]\nfile = \"index.toml\"\nhash-format = \"sha256\"\nhash = \"{hash}\"\n\n[versions]\nfabric = \"0.16.0\"\nminecraft = \"1.21.1\"\n"));
}

pub(crate) fn read(tree: &MemoryTree) -> Source {
    Source::read(tree, &Limits::default()).unwrap()
}

/// The findings as a person would write them down.
pub(crate) fn said(tree: &MemoryTree) -> Vec<String> {
    read(tree).findings.iter().map(line).collect()
}

pub(crate) fn line(finding: &Finding) -> String {
    let Finding {
        severity,
        rule,
        file,
        message,
        ..
    } = finding;
    let place = finding.place.map_or_else(String::new, |place| {
        format!(":{}:{}", place.line, place.column)
    });
    format!("{severity} {rule} {file}{place}: {message}")
}
