//! CurseForge's packs: `manifest.json`, and one folder of files that are laid over the game's.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::{Overlay, read_json, write_json};
use crate::error::Error;
use crate::finding::{Finding, Notes};
use crate::packwiz::{Loader, Side};
use crate::path::PackPath;

/// The name of the JSON file in the archive.
pub const CURSEFORGE_FILE: &str = "manifest.json";

const BYTES_MAX: u64 = 16 << 20;
const FILES_MAX: usize = 100_000;

/// `manifest.json`. It has no hashes, no addresses and no sides: CurseForge is asked for those.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct CurseForgeManifest {
    /// The game's version and the loaders.
    pub minecraft: CurseForgeGame,
    /// `minecraftModpack`.
    pub manifest_type: String,
    /// The version of the format: 1.
    pub manifest_version: u32,
    /// The pack's name.
    pub name: String,
    /// The pack's version.
    #[serde(default)]
    pub version: String,
    /// Who made it.
    #[serde(default)]
    pub author: String,
    /// The pack's own project, if it has one.
    #[serde(default, rename = "projectID", skip_serializing_if = "Option::is_none")]
    pub project: Option<u32>,
    /// What is fetched.
    pub files: Vec<CurseForgeFile>,
    /// The folder of what is laid over the game's.
    #[serde(default)]
    pub overrides: String,
    /// Keys that Atlas does not know.
    #[serde(flatten)]
    pub other: Map<String, Value>,
}

/// The game's version and the loaders.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct CurseForgeGame {
    /// The game's version.
    pub version: String,
    /// The loaders; one is primary.
    #[serde(default)]
    pub mod_loaders: Vec<CurseForgeLoader>,
    /// Keys that Atlas does not know.
    #[serde(flatten)]
    pub other: Map<String, Value>,
}

/// A loader.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
pub struct CurseForgeLoader {
    /// Its name and version: `forge-47.4.10`.
    pub id: String,
    /// It is the one that is used.
    #[serde(default)]
    pub primary: bool,
}

/// A file that is fetched.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
pub struct CurseForgeFile {
    /// The project.
    #[serde(rename = "projectID")]
    pub project: u32,
    /// The file of it.
    #[serde(rename = "fileID")]
    pub file: u32,
    /// It is installed; otherwise it is if somebody wants it.
    #[serde(default = "yes")]
    pub required: bool,
    /// Keys that Atlas does not know.
    #[serde(flatten)]
    pub other: Map<String, Value>,
}

fn yes() -> bool {
    true
}

impl CurseForgeLoader {
    /// The loader and its version, without the game's version that older manifests put in front of Forge's. None for a
    /// loader that nobody knows.
    #[must_use]
    pub fn parts<'a>(&'a self, minecraft: &str) -> Option<(Loader, &'a str)> {
        let (name, version) = self.id.split_once('-')?;
        let loader = Loader::ALL
            .into_iter()
            .find(|loader| loader.key() == name.to_ascii_lowercase())?;
        let short = version
            .strip_prefix(minecraft)
            .and_then(|rest| rest.strip_prefix('-'))
            .filter(|_| matches!(loader, Loader::Forge | Loader::NeoForge));
        Some((loader, short.unwrap_or(version)))
    }
}

impl CurseForgeManifest {
    /// Reads the file and says everything that is wrong with it; none if it is not usable at all.
    #[must_use]
    pub fn read(bytes: &[u8]) -> (Option<Self>, Vec<Finding>) {
        let mut findings = Vec::new();
        let mut notes = Notes {
            file: CURSEFORGE_FILE,
            findings: &mut findings,
        };
        let manifest: Option<Self> = read_json(bytes, BYTES_MAX, &mut notes);
        if let Some(manifest) = &manifest {
            manifest.check(&mut notes);
        }
        (manifest, findings)
    }

    /// The file's bytes; equal contents have equal bytes.
    ///
    /// # Errors
    /// [`Error::Unwritable`] if a kept key has no place in JSON.
    pub fn write(&self) -> Result<Vec<u8>, Error> {
        let mut sorted = self.clone();
        sorted.files.sort_by_key(|file| (file.project, file.file));
        write_json(&sorted)
    }

    /// Where an entry of the archive is laid over the game's folder; none if it is not laid anywhere.
    ///
    /// # Errors
    /// [`Error::Path`] for a path that leads elsewhere: then the whole pack is refused.
    pub fn overlay(&self, entry: &str) -> Result<Option<Overlay>, Error> {
        let entry = entry.replace('\\', "/");
        let folder = self.overrides.trim_end_matches('/');
        let inside = entry
            .strip_prefix(folder)
            .and_then(|rest| rest.strip_prefix('/'))
            .filter(|path| !folder.is_empty() && !path.is_empty() && !path.ends_with('/'));
        match inside {
            Some(path) => Ok(Some((Side::Both, PackPath::parse(path)?))),
            None => {
                PackPath::parse(entry.trim_end_matches('/'))?;
                Ok(None)
            }
        }
    }

    fn check(&self, notes: &mut Notes<'_>) {
        if self.manifest_type != "minecraftModpack" {
            let message = format!(
                "the manifest is of a {:?}, not of a minecraftModpack",
                self.manifest_type
            );
            notes.error("game", None, message);
        }
        if self.manifest_version != 1 {
            let message = format!(
                "the format has version {}; 1 is what is read here",
                self.manifest_version
            );
            notes.error("pack-format", None, message);
        }
        if self.minecraft.version.is_empty() {
            notes.error("missing-key", None, "`minecraft.version` is empty");
        }
        for (at, loader) in self.minecraft.mod_loaders.iter().enumerate() {
            if loader.parts(&self.minecraft.version).is_none() {
                let message = format!(
                    "`minecraft.modLoaders[{at}].id`: {:?} names no loader that is known",
                    loader.id
                );
                notes.warning("loader-version", None, message);
            }
        }
        if !self.overrides.is_empty()
            && let Err(error) = PackPath::parse(self.overrides.trim_end_matches('/'))
        {
            notes.error("path", None, format!("`overrides`: {error}"));
        }
        if self.files.len() > FILES_MAX {
            let message = format!(
                "has {} files, {FILES_MAX} at most are read",
                self.files.len()
            );
            notes.error("too-large", None, message);
            return;
        }
        let mut projects = std::collections::BTreeMap::new();
        for (at, file) in self.files.iter().enumerate() {
            if let Some(first) = projects.insert(file.project, at) {
                let message = format!(
                    "`files[{at}]`: the project {} is there already, as files[{first}]",
                    file.project
                );
                notes.warning("duplicate-mod", None, message);
            }
        }
    }
}
