//! The formats in which packs are handed on as one archive: Modrinth's and CurseForge's.
//!
//! Both are zip files with one JSON file that names what is fetched, and folders of files that are laid over the game's.
//! Here are the JSON files, read with everything that is wrong with them, and written so that equal contents have equal
//! bytes; and which place an entry of the archive has in the game's folder. Keys that nobody knows are kept.

mod curseforge;
mod mrpack;

use serde::Serialize;
use serde::de::DeserializeOwned;

pub use curseforge::{
    CURSEFORGE_FILE, CurseForgeFile, CurseForgeGame, CurseForgeLoader, CurseForgeManifest,
};
pub use mrpack::{Env, MODRINTH_FILE, MODRINTH_HOSTS, ModrinthFile, ModrinthIndex, Support};

use crate::document::Place;
use crate::error::Error;
use crate::finding::Notes;
use crate::packwiz::Side;
use crate::path::PackPath;

/// What is laid over the game's folder: the side, and the path there.
pub type Overlay = (Side, PackPath);

/// Reads a JSON file of an archive; what keeps it from being read is noted with its place or the path of the value.
fn read_json<T: DeserializeOwned>(
    bytes: &[u8],
    bytes_max: u64,
    notes: &mut Notes<'_>,
) -> Option<T> {
    let length = bytes.len() as u64;
    if length > bytes_max {
        notes.refused(
            None,
            &Error::TooLarge {
                bytes: length,
                bytes_max,
            },
        );
        return None;
    }
    let text = bytes.strip_prefix("\u{feff}".as_bytes()).unwrap_or(bytes);
    let mut deserializer = serde_json::Deserializer::from_slice(text);
    let read = serde_path_to_error::deserialize(&mut deserializer).map_err(|error| {
        let path = error.path().to_string();
        (path, error.into_inner())
    });
    let read = read.and_then(|value| match deserializer.end() {
        Ok(()) => Ok(value),
        Err(error) => Err((".".to_owned(), error)),
    });
    match read {
        Ok(value) => Some(value),
        Err((path, error)) => {
            let number = |count: usize| u32::try_from(count.max(1)).unwrap_or(u32::MAX);
            let place = Place {
                line: number(error.line()),
                column: number(error.column()),
            };
            // The place stands in front of the line already.
            let mut words = error.to_string();
            if let Some(at) = words.rfind(" at line ") {
                words.truncate(at);
            }
            let (rule, words) = if error.is_data() {
                let key = if path == "." {
                    String::new()
                } else {
                    format!("`{path}`: ")
                };
                ("wrong-type", format!("{key}{words}"))
            } else {
                ("json", format!("is no JSON: {words}"))
            };
            notes.error(rule, Some(place), words);
            None
        }
    }
}

/// The bytes of a JSON file: two spaces, the keys in the order of the types, a line feed at the end.
fn write_json(value: &impl Serialize) -> Result<Vec<u8>, Error> {
    let mut bytes = serde_json::to_vec_pretty(value).map_err(|error| Error::Unwritable {
        message: error.to_string(),
    })?;
    bytes.push(b'\n');
    Ok(bytes)
}

/// Takes a path as archives in the wild have it: with backslashes where a program of Windows wrote it.
fn archive_path(text: &str) -> Result<PackPath, Error> {
    PackPath::parse(&text.replace('\\', "/"))
}

/// Notes an address that is not fetched.
fn check_address(url: &str, key: &str, notes: &mut Notes<'_>) -> Option<()> {
    let rest = url.strip_prefix("https://").or(url.strip_prefix("http://"));
    let host = rest.and_then(|rest| rest.split(['/', '?', '#']).next());
    let wrong = |it: char| it.is_whitespace() || it.is_control() || it == '@';
    match host {
        Some(host) if !host.is_empty() && !host.contains(wrong) => Some(()),
        _ => {
            let shown: String = url.chars().take(120).collect();
            notes.error(
                "url",
                None,
                format!("`{key}`: {shown:?} is no https:// address"),
            );
            None
        }
    }
}

#[cfg(test)]
mod tests;
