//! The golden files of `docs/formats/golden`: frozen bytes that messages are compared with, and that the pages show.

use std::collections::BTreeSet;
use std::fmt::Debug;
use std::path::PathBuf;

use atlas_wire::link::Error;
use atlas_wire::tag::Tag;

fn formats() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../docs/formats")
}

fn read(name: &str) -> String {
    std::fs::read_to_string(formats().join(name)).unwrap_or_default()
}

/// Compares what a message is written as with its file, and the file with what the page shows. The bytes are frozen:
/// a difference is a mistake in the code, unless the message is new.
fn compare(page: &str, folder: &str, name: &str, written: &str) {
    let file = format!("golden/{folder}/{name}");
    assert_eq!(
        read(&file).trim_end(),
        written,
        "{file} is frozen; if it is new, this is what it holds:\n{written}\n"
    );
    assert!(read(page).contains(written), "{page} does not show {file}");
}

/// Checks samples of every type of a direction against `golden/FOLDER/NAME.json`, both ways.
pub(crate) fn check<M: Debug + PartialEq>(
    page: &str,
    folder: &str,
    samples: &[(&str, M)],
    encode: impl Fn(&M, &mut Vec<u8>),
    decode: impl Fn(&[u8]) -> Result<M, Error>,
    types: &[&str],
) {
    let mut missing: BTreeSet<&str> = types.iter().copied().collect();
    let mut files = BTreeSet::new();
    for (name, message) in samples {
        let mut bytes = Vec::new();
        encode(message, &mut bytes);
        let (tag, body) = bytes.split_first().unwrap();
        assert_eq!(Tag::from_byte(*tag), Some(Tag::Control));
        let name = format!("{name}.json");
        compare(page, folder, &name, std::str::from_utf8(body).unwrap());
        assert_eq!(decode(body).as_ref(), Ok(message), "{folder}/{name}");
        let value: serde_json::Value = serde_json::from_slice(body).unwrap();
        missing.remove(value["type"].as_str().unwrap());
        files.insert(name);
    }
    assert!(missing.is_empty(), "no sample of {missing:?} in {folder}");
    let found: BTreeSet<String> = std::fs::read_dir(formats().join("golden").join(folder))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    assert_eq!(found, files, "files in {folder} that no sample has");
}

/// Checks rows of bytes against a file of hex, one row a line.
pub(crate) fn check_hex(page: &str, file: &str, rows: &[Vec<u8>]) {
    let lines: Vec<String> = rows
        .iter()
        .map(|row| {
            row.iter()
                .map(|byte| format!("{byte:02x}"))
                .collect::<Vec<_>>()
                .join(" ")
        })
        .collect();
    let (folder, name) = file.rsplit_once('/').unwrap();
    compare(page, folder, name, &lines.join("\n"));
}
