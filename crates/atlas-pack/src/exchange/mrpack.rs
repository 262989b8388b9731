//! Modrinth's packs, `.mrpack`: `modrinth.index.json`, and the folders of files that are laid over the game's.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::{Overlay, archive_path, check_address, read_json, write_json};
use crate::error::Error;
use crate::finding::{Finding, Notes};
use crate::hash::{Hash, HashFormat};
use crate::names::{Clash, Names};
use crate::packwiz::Side;
use crate::path::PackPath;

/// The name of the JSON file in the archive.
pub const MODRINTH_FILE: &str = "modrinth.index.json";

/// The hosts from which Modrinth lets packs fetch; a file from elsewhere goes into an overrides folder.
pub const MODRINTH_HOSTS: [&str; 4] = [
    "cdn.modrinth.com",
    "github.com",
    "raw.githubusercontent.com",
    "gitlab.com",
];

const BYTES_MAX: u64 = 16 << 20;
const FILES_MAX: usize = 100_000;

/// `modrinth.index.json`.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ModrinthIndex {
    /// The version of the format: 1.
    pub format_version: u32,
    /// The game: `minecraft`.
    pub game: String,
    /// The pack's version.
    pub version_id: String,
    /// The pack's name.
    pub name: String,
    /// What it is, in a few words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub summary: Option<String>,
    /// What is fetched.
    pub files: Vec<ModrinthFile>,
    /// The game's version and the loader's: `minecraft`, `fabric-loader`, `quilt-loader`, `forge`, `neoforge`.
    pub dependencies: BTreeMap<String, String>,
    /// Keys that Atlas does not know.
    #[serde(flatten)]
    pub other: Map<String, Value>,
}

/// A file that is fetched.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ModrinthFile {
    /// Where it is put.
    pub path: String,
    /// Its hashes by format: `sha1` and `sha512` are always there.
    pub hashes: BTreeMap<String, String>,
    /// Which sides need it; none: both.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub env: Option<Env>,
    /// Where it is, in the order in which the addresses are tried.
    pub downloads: Vec<String>,
    /// How many bytes it has.
    pub file_size: u64,
    /// Keys that Atlas does not know.
    #[serde(flatten)]
    pub other: Map<String, Value>,
}

/// Which sides need a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
pub struct Env {
    /// Players.
    pub client: Support,
    /// Servers.
    pub server: Support,
}

/// Whether a side needs a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Support {
    /// It is installed.
    Required,
    /// It is installed if somebody wants it.
    Optional,
    /// It is not installed.
    Unsupported,
}

impl ModrinthIndex {
    /// Reads the file and says everything that is wrong with it; none if it is not usable at all.
    #[must_use]
    pub fn read(bytes: &[u8]) -> (Option<Self>, Vec<Finding>) {
        let mut findings = Vec::new();
        let mut notes = Notes {
            file: MODRINTH_FILE,
            findings: &mut findings,
        };
        let index: Option<Self> = read_json(bytes, BYTES_MAX, &mut notes);
        if let Some(index) = &index {
            index.check(&mut notes);
        }
        (index, findings)
    }

    /// The file's bytes; equal contents have equal bytes.
    ///
    /// # Errors
    /// [`Error::Unwritable`] if a kept key has no place in JSON.
    pub fn write(&self) -> Result<Vec<u8>, Error> {
        let mut sorted = self.clone();
        sorted.files.sort_by(|a, b| a.path.cmp(&b.path));
        write_json(&sorted)
    }

    /// Where an entry of the archive is laid over the game's folder; none if it is not laid anywhere. What is meant for
    /// one side lies on top of what is meant for both.
    ///
    /// # Errors
    /// [`Error::Path`] for a path that leads elsewhere: then the whole pack is refused.
    pub fn overlay(entry: &str) -> Result<Option<Overlay>, Error> {
        let entry = entry.replace('\\', "/");
        for (folder, side) in [
            ("overrides/", Side::Both),
            ("client-overrides/", Side::Client),
            ("server-overrides/", Side::Server),
        ] {
            if let Some(path) = entry.strip_prefix(folder)
                && !path.is_empty()
                && !path.ends_with('/')
            {
                return Ok(Some((side, PackPath::parse(path)?)));
            }
        }
        // What lies beside the folders is not installed; that it wants to lead elsewhere tells enough of the archive.
        PackPath::parse(entry.trim_end_matches('/'))?;
        Ok(None)
    }

    fn check(&self, notes: &mut Notes<'_>) {
        if self.format_version != 1 {
            let message = format!(
                "the format has version {}; 1 is what is read here",
                self.format_version
            );
            notes.error("pack-format", None, message);
        }
        if self.game != "minecraft" {
            let message = format!(
                "the pack is for the game {:?}, not for minecraft",
                self.game
            );
            notes.error("game", None, message);
        }
        if self.version_id.is_empty() {
            notes.error("missing-key", None, "`versionId` is empty");
        }
        if !self.dependencies.contains_key("minecraft") {
            notes.error("missing-key", None, "`dependencies.minecraft` is missing");
        }
        if self.files.len() > FILES_MAX {
            let message = format!(
                "has {} files, {FILES_MAX} at most are read",
                self.files.len()
            );
            notes.error("too-large", None, message);
            return;
        }
        let mut names = [Names::default(), Names::default()];
        for (at, file) in self.files.iter().enumerate() {
            file.check(at, &mut names, notes);
        }
    }
}

impl ModrinthFile {
    /// Where it is put.
    ///
    /// # Errors
    /// [`Error::Path`] for a path that leads elsewhere.
    pub fn place(&self) -> Result<PackPath, Error> {
        archive_path(&self.path)
    }

    /// Its hash by a format, if it is given.
    ///
    /// # Errors
    /// [`Error::Hash`] if it has not the form of one.
    pub fn hash(&self, format: HashFormat) -> Result<Option<Hash>, Error> {
        let text = self.hashes.get(format.name());
        text.map(|text| Hash::parse(format, text)).transpose()
    }

    /// On which side it is installed at all; none on neither.
    #[must_use]
    pub fn side(&self) -> Option<Side> {
        let env = self.env.map(|env| (env.client, env.server));
        match env {
            Some((Support::Unsupported, Support::Unsupported)) => None,
            Some((_, Support::Unsupported)) => Some(Side::Client),
            Some((Support::Unsupported, _)) => Some(Side::Server),
            _ => Some(Side::Both),
        }
    }

    fn check(&self, at: usize, names: &mut [Names; 2], notes: &mut Notes<'_>) {
        match self.place() {
            Ok(path) => {
                let side = self.side();
                let sides = [Side::Client, Side::Server];
                for (names, _) in names
                    .iter_mut()
                    .zip(sides)
                    .filter(|(_, it)| side.is_some_and(|side| side.meets(*it)))
                {
                    let words = match names.insert(&path) {
                        Ok(()) | Err(Clash::Folders(..)) => continue,
                        Err(Clash::Same) => format!("`files[{at}].path`: {path} is there twice"),
                        Err(Clash::Alike(other)) => {
                            format!("`files[{at}].path`: Windows and macOS take {path} for {other}")
                        }
                        Err(Clash::FileAndFolder(other)) => format!(
                            "`files[{at}].path`: {path} and {other} cannot both be, one is a folder in the other"
                        ),
                    };
                    notes.error("two-sources", None, words);
                    break;
                }
            }
            Err(error) => {
                notes.error("path", None, format!("`files[{at}].path`: {error}"));
            }
        }
        for format in [HashFormat::Sha1, HashFormat::Sha512] {
            match self.hash(format) {
                Ok(Some(_)) => {}
                Ok(None) => {
                    let message = format!("`files[{at}].hashes.{format}` is missing");
                    notes.error("missing-hash", None, message);
                }
                Err(error) => {
                    let message = format!("`files[{at}].hashes.{format}`: {error}");
                    notes.error("hash", None, message);
                }
            }
        }
        if self.downloads.is_empty() {
            let message = format!("`files[{at}].downloads` is empty");
            notes.error("missing-key", None, message);
        }
        for (number, url) in self.downloads.iter().enumerate() {
            let key = format!("files[{at}].downloads[{number}]");
            if check_address(url, &key, notes).is_none() {
                continue;
            }
            let host = url.split('/').nth(2).unwrap_or_default();
            if !MODRINTH_HOSTS.contains(&host) {
                let message = format!("`{key}`: Modrinth does not let packs fetch from {host}");
                notes.warning("host", None, message);
            }
        }
    }
}
