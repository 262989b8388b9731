//! `pack.toml`: the pack's name, its index, the game's version and the loader's.

use std::fmt;

use semver::Version;
use toml_edit::Item;

use super::reader::{At, Reader};
use crate::document::Document;
use crate::finding::{Finding, Notes};
use crate::hash::{Hash, HashFormat};

/// The loaders that packs name, by their keys in `[versions]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Loader {
    /// Fabric.
    Fabric,
    /// Quilt, which loads Fabric's mods too.
    Quilt,
    /// NeoForge.
    NeoForge,
    /// Forge.
    Forge,
    /// LiteLoader, of old versions.
    LiteLoader,
}

impl Loader {
    /// Every loader.
    pub const ALL: [Self; 5] = [
        Self::Fabric,
        Self::Quilt,
        Self::NeoForge,
        Self::Forge,
        Self::LiteLoader,
    ];

    /// Its key in `[versions]`.
    #[must_use]
    pub const fn key(self) -> &'static str {
        match self {
            Self::Fabric => "fabric",
            Self::Quilt => "quilt",
            Self::NeoForge => "neoforge",
            Self::Forge => "forge",
            Self::LiteLoader => "liteloader",
        }
    }
}

impl Loader {
    /// The loaders whose mods run under this one, itself first.
    #[must_use]
    pub const fn runs_mods_of(self) -> &'static [Self] {
        match self {
            Self::Fabric => &[Self::Fabric],
            Self::Quilt => &[Self::Quilt, Self::Fabric],
            Self::NeoForge => &[Self::NeoForge, Self::Forge],
            Self::Forge => &[Self::Forge],
            Self::LiteLoader => &[Self::LiteLoader],
        }
    }
}

impl fmt::Display for Loader {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(match self {
            Self::Fabric => "Fabric",
            Self::Quilt => "Quilt",
            Self::NeoForge => "NeoForge",
            Self::Forge => "Forge",
            Self::LiteLoader => "LiteLoader",
        })
    }
}

/// What `pack.toml` says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pack {
    /// The pack's name.
    pub name: String,
    /// Who made it.
    pub author: Option<String>,
    /// Its version, in whatever form the author likes; it is for people.
    pub version: Option<String>,
    /// What it is, in a few words.
    pub description: Option<String>,
    /// The version of the format: 1.1.0 if the file does not say.
    pub format: Version,
    /// The index's path, as seen from `pack.toml`.
    pub index_file: At<String>,
    /// The index's hash; none in packs without internal hashes.
    pub index_hash: Option<At<Hash>>,
    /// The game's version and those of loaders, in the file's order.
    pub versions: Vec<(String, At<String>)>,
    /// `options.no-internal-hashes`: the index holds no hashes, and a build computes them.
    pub no_internal_hashes: bool,
}

impl Pack {
    /// Reads `pack.toml`; none if something is missing or wrong that every pack has. What is wrong is told in any case.
    #[must_use]
    pub fn read(document: &Document, file: &str) -> (Option<Self>, Vec<Finding>) {
        let mut findings = Vec::new();
        let mut notes = Notes {
            file,
            findings: &mut findings,
        };
        let pack = read(document, &mut notes);
        (pack, findings)
    }

    /// The game's version, if the pack names one.
    #[must_use]
    pub fn minecraft(&self) -> Option<&At<String>> {
        self.versions
            .iter()
            .find_map(|(key, version)| (key == "minecraft").then_some(version))
    }

    /// The loaders and their versions.
    pub fn loaders(&self) -> impl Iterator<Item = (Loader, &At<String>)> {
        self.versions.iter().filter_map(|(key, version)| {
            let loader = Loader::ALL
                .into_iter()
                .find(|loader| loader.key() == *key)?;
            Some((loader, version))
        })
    }
}

fn read(document: &Document, notes: &mut Notes<'_>) -> Option<Pack> {
    let mut root = Reader::root(document, notes);
    let name = root.needed_string("name");
    let author = root.string("author");
    let version = root.string("version");
    let description = root.string("description");
    let format = format(&mut root);
    let mut options = root.table("options");
    let no_internal_hashes = options
        .as_mut()
        .is_some_and(|options| options.boolean("no-internal-hashes"));
    let index = index(&mut root);
    let versions = versions(&mut root);
    let (index_file, index_hash) = index?;
    Some(Pack {
        name: name?.value,
        author: author.map(|at| at.value),
        version: version.map(|at| at.value),
        description: description.map(|at| at.value),
        format: format?,
        index_file,
        index_hash,
        versions: versions?,
        no_internal_hashes,
    })
}

/// The version of the format, if it is one that we read.
fn format(root: &mut Reader<'_, '_>) -> Option<Version> {
    let newest = Version::new(1, 1, 0);
    if !root.table.contains_key("pack-format") {
        return Some(newest);
    }
    let text = root.string("pack-format")?;
    let place = Some(text.place);
    let Some(number) = text.value.strip_prefix("packwiz:") else {
        let message = format!("the pack format {:?} is not packwiz's", text.value);
        root.notes
            .error("pack-format", place, message)
            .hint("write pack-format = \"packwiz:1.1.0\"");
        return None;
    };
    let Ok(version) = Version::parse(number) else {
        let message = format!("{number:?} is no version number of the pack format");
        root.notes
            .error("pack-format", place, message)
            .hint("write pack-format = \"packwiz:1.1.0\"");
        return None;
    };
    if version.major != 1 {
        let message = format!("the pack format has version {version}; 1.x is what is read here");
        root.notes.error("pack-format", place, message);
        return None;
    }
    if version.minor > newest.minor {
        let message = format!("the pack format has version {version}, newer than {newest}");
        root.notes
            .warning("pack-format", place, message)
            .hint("what is new in it is not looked at");
    }
    Some(version)
}

fn index(root: &mut Reader<'_, '_>) -> Option<(At<String>, Option<At<Hash>>)> {
    if !root.table.contains_key("index") {
        root.missing("index");
    }
    let mut index = root.table("index")?;
    let place = index.place();
    let file = index
        .string("file")
        .filter(|file| !file.value.is_empty())
        .unwrap_or(At {
            value: "index.toml".to_owned(),
            place,
        });
    let format = index.string("hash-format");
    let hash = index.string("hash").filter(|hash| !hash.value.is_empty());
    let format = match format {
        Some(format) => index.converted(&format, str::parse)?.value,
        None => HashFormat::Sha256,
    };
    let hash = match hash {
        Some(text) => Some(index.converted(&text, |text| Hash::parse(format, text))?),
        None => None,
    };
    Some((file, hash))
}

fn versions(root: &mut Reader<'_, '_>) -> Option<Vec<(String, At<String>)>> {
    if !root.table.contains_key("versions") {
        root.missing("versions");
    }
    let mut versions = root.table("versions")?;
    let keys: Vec<String> = versions
        .table
        .iter()
        .filter(|(_, item)| !matches!(item, Item::None))
        .map(|(key, _)| key.to_owned())
        .collect();
    let found = keys
        .into_iter()
        .filter_map(|key| versions.string(&key).map(|version| (key, version)))
        .collect();
    Some(found)
}
