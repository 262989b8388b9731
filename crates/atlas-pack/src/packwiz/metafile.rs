//! A metafile, `NAME.pw.toml`: a file that is fetched from elsewhere, by which address and with which hash.

use std::fmt;

use toml_edit::Item;

use super::reader::{At, Reader};
use crate::document::Document;
use crate::finding::{Finding, Notes};
use crate::hash::{Hash, HashFormat};

/// On which side of the game a file is installed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Side {
    /// Players and servers.
    #[default]
    Both,
    /// Players only.
    Client,
    /// Servers only.
    Server,
}

impl Side {
    /// Its name in packs.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Both => "both",
            Self::Client => "client",
            Self::Server => "server",
        }
    }

    /// True if some installation has files of both of these sides.
    #[must_use]
    pub fn meets(self, other: Self) -> bool {
        self == Self::Both || other == Self::Both || self == other
    }
}

impl fmt::Display for Side {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(self.name())
    }
}

/// How a file's address is found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// It stands in the metafile.
    Url,
    /// CurseForge is asked for it, by project and file.
    CurseForge,
}

/// `[download]`: where a file is and how it is known again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Download {
    /// The address; none if CurseForge is asked for it.
    pub url: Option<At<String>>,
    /// How the address is found.
    pub mode: Mode,
    /// The hash of the file.
    pub hash: At<Hash>,
}

/// `[option]`: whether players are asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Optional {
    /// They are asked; otherwise it is installed.
    pub optional: bool,
    /// What they are told.
    pub description: Option<String>,
    /// What holds until they choose.
    pub default: bool,
}

/// `[update.modrinth]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Modrinth {
    /// The project.
    pub project: At<String>,
    /// The version of it.
    pub version: At<String>,
}

/// `[update.curseforge]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CurseForge {
    /// The project.
    pub project: At<u32>,
    /// The file of it.
    pub file: At<u32>,
}

/// `[update.github]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GitHub {
    /// Owner and repository.
    pub slug: At<String>,
    /// The release.
    pub tag: Option<String>,
}

/// `[update]`: where newer versions are looked for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Update {
    /// On Modrinth.
    pub modrinth: Option<Modrinth>,
    /// On CurseForge.
    pub curseforge: Option<CurseForge>,
    /// Among GitHub's releases.
    pub github: Option<GitHub>,
    /// Sources that Atlas does not know, by name; they are kept.
    pub others: Vec<String>,
}

/// What a metafile says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Metafile {
    /// The name that people see.
    pub name: String,
    /// The path of what is installed, as seen from the metafile's folder.
    pub filename: At<String>,
    /// Where it is installed.
    pub side: Side,
    /// It is not updated with the others.
    pub pin: bool,
    /// Where it is.
    pub download: Download,
    /// Whether players are asked.
    pub option: Option<Optional>,
    /// Where newer versions are.
    pub update: Update,
}

impl Metafile {
    /// Reads a metafile; none if something is missing or wrong without which it cannot be installed.
    #[must_use]
    pub fn read(document: &Document, file: &str) -> (Option<Self>, Vec<Finding>) {
        let mut findings = Vec::new();
        let mut notes = Notes {
            file,
            findings: &mut findings,
        };
        let metafile = read(document, &mut notes);
        (metafile, findings)
    }
}

fn read(document: &Document, notes: &mut Notes<'_>) -> Option<Metafile> {
    let mut root = Reader::root(document, notes);
    let name = root.needed_string("name");
    let filename = root.needed_string("filename");
    let side = side(&mut root);
    let pin = root.boolean("pin");
    let option = root.table("option").map(|mut option| Optional {
        optional: option.boolean("optional"),
        description: option.string("description").map(|at| at.value),
        default: option.boolean("default"),
    });
    let update = update(&mut root);
    let download = download(&mut root, &update);
    Some(Metafile {
        name: name?.value,
        filename: filename?,
        side: side?,
        pin,
        download: download?,
        option,
        update,
    })
}

fn side(root: &mut Reader<'_, '_>) -> Option<Side> {
    let has = root.table.contains_key("side");
    let Some(text) = root.string("side") else {
        return (!has).then_some(Side::Both);
    };
    match text.value.as_str() {
        "" | "both" => Some(Side::Both),
        "client" => Some(Side::Client),
        "server" => Some(Side::Server),
        other => {
            let message = format!("{other:?} is no side; write client, server or both");
            root.notes.error("side", Some(text.place), message);
            None
        }
    }
}

fn download(root: &mut Reader<'_, '_>, update: &Update) -> Option<Download> {
    if !root.table.contains_key("download") {
        root.missing("download");
    }
    let mut table = root.table("download")?;
    let place = table.place();
    let url = table.string("url").filter(|url| !url.value.is_empty());
    let mode = mode(&mut table);
    let format = table.needed_string("hash-format");
    let text = table.needed_string("hash");
    let mode = mode?;
    let url = match (mode, url) {
        (Mode::Url, None) => {
            if !table.table.contains_key("url") {
                table.missing("url");
            } else if table.table.get("url").is_some_and(Item::is_str) {
                table
                    .notes
                    .error("missing-key", Some(place), "`download.url` is empty");
            }
            return None;
        }
        (Mode::Url, Some(url)) => {
            check_url(&mut table, &url)?;
            Some(url)
        }
        (Mode::CurseForge, url) => url,
    };
    if mode == Mode::CurseForge && update.curseforge.is_none() {
        table
            .notes
            .error(
                "missing-key",
                Some(place),
                "CurseForge is to be asked for the file, and `update.curseforge` does not say for which",
            )
            .hint("add [update.curseforge] with project-id and file-id");
        return None;
    }
    let format: At<HashFormat> = table.converted(&format?, str::parse)?;
    let hash = table.converted(&text?, |text| Hash::parse(format.value, text))?;
    Some(Download { url, mode, hash })
}

fn mode(table: &mut Reader<'_, '_>) -> Option<Mode> {
    let has = table.table.contains_key("mode");
    let Some(text) = table.string("mode") else {
        return (!has).then_some(Mode::Url);
    };
    match text.value.as_str() {
        "" | "url" => Some(Mode::Url),
        "metadata:curseforge" => Some(Mode::CurseForge),
        other => {
            let message = format!(
                "{other:?} is no way to find a file; write \"url\" or \"metadata:curseforge\", or leave it out"
            );
            table.notes.error("mode", Some(text.place), message);
            None
        }
    }
}

/// An address that is fetched: `https`, or `http`, whose bytes only the hash vouches for.
fn check_url(table: &mut Reader<'_, '_>, url: &At<String>) -> Option<()> {
    let place = Some(url.place);
    let Some((scheme, rest)) = url.value.split_once("://") else {
        let message = format!(
            "{:?} is no address; it begins with https://",
            shown(&url.value)
        );
        table.notes.error("url", place, message);
        return None;
    };
    match scheme.to_ascii_lowercase().as_str() {
        "https" | "http" => {}
        other => {
            let message = format!("files are not fetched by {other}://; write an https:// address");
            table.notes.error("url", place, message);
            return None;
        }
    }
    let host = rest.split(['/', '?', '#']).next().unwrap_or_default();
    if host.is_empty() || host.contains(|it: char| it.is_whitespace() || it.is_control()) {
        let message = format!("{:?} names no host", shown(&url.value));
        table.notes.error("url", place, message);
        return None;
    }
    if host.contains('@') {
        let message = "the address holds a name or a password, which everybody who installs the pack would see";
        table.notes.error("url", place, message);
        return None;
    }
    Some(())
}

fn shown(text: &str) -> String {
    text.chars().take(120).collect()
}

fn update(root: &mut Reader<'_, '_>) -> Update {
    let mut found = Update::default();
    let Some(mut update) = root.table("update") else {
        return found;
    };
    if let Some(mut modrinth) = update.table("modrinth") {
        let project = modrinth.needed_string("mod-id");
        let version = modrinth.needed_string("version");
        found.modrinth = project
            .zip(version)
            .map(|(project, version)| Modrinth { project, version });
    }
    if let Some(mut curseforge) = update.table("curseforge") {
        let project = curseforge.number("project-id");
        let file = curseforge.number("file-id");
        found.curseforge = project
            .zip(file)
            .map(|(project, file)| CurseForge { project, file });
    }
    if let Some(mut github) = update.table("github") {
        let slug = github.needed_string("slug");
        let tag = github.string("tag").map(|at| at.value);
        found.github = slug.map(|slug| GitHub { slug, tag });
    }
    let others = update.table.iter().map(|(key, _)| key);
    found.others = others
        .filter(|key| !["modrinth", "curseforge", "github"].contains(key))
        .map(str::to_owned)
        .collect();
    found
}
