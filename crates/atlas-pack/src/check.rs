//! What is wrong between files that are right each for itself: two for one place, two of one mod, what a loader lacks.

use std::collections::BTreeMap;

use crate::document::Place;
use crate::finding::{Finding, Notes};
use crate::names::{Clash, Names};
use crate::packwiz::{Loader, Pack, Side};
use crate::source::{Item, Origin, Source};

/// Checks a source as a whole.
pub(crate) fn whole(source: &mut Source) {
    let mut findings = std::mem::take(&mut source.findings);
    if let Some(pack) = &source.pack {
        versions(pack, &mut findings);
    }
    let index = source.index_path.as_ref().map_or("", |path| path.as_str());
    places(&source.items, index, &mut findings);
    projects(&source.items, &mut findings);
    source.findings = findings;
}

/// The game's version and the loader's.
fn versions(pack: &Pack, findings: &mut Vec<Finding>) {
    let mut notes = Notes {
        file: "pack.toml",
        findings,
    };
    let Some(minecraft) = pack.minecraft() else {
        notes
            .error("missing-key", None, "`versions.minecraft` is missing")
            .hint("write the game's version, such as minecraft = \"1.21.1\", into [versions]");
        return;
    };
    let mut loaders = pack.loaders();
    let first = loaders.next();
    if let (Some((first, _)), Some((second, version))) = (first, loaders.next())
        && (first, second) != (Loader::Forge, Loader::LiteLoader)
        && (first, second) != (Loader::LiteLoader, Loader::Forge)
    {
        let message = format!("the pack names two loaders, {first} and {second}");
        notes.warning("two-loaders", Some(version.place), message);
    }
    for (key, version) in &pack.versions {
        if version.value.trim().is_empty() {
            let message = format!("`versions.{key}` is empty");
            notes.error("missing-key", Some(version.place), message);
        }
    }
    let prefix = format!("{}-", minecraft.value);
    for (loader, version) in pack.loaders() {
        if let Some(rest) = version.value.strip_prefix(&prefix)
            && matches!(loader, Loader::Forge | Loader::NeoForge)
        {
            let message = format!("{loader}'s version is written without the game's");
            notes
                .warning("loader-version", Some(version.place), message)
                .hint(format!("write {} = {rest:?}", loader.key()));
        }
    }
}

/// Two files for one place, on any side that has both.
fn places(items: &[Item], index: &str, findings: &mut Vec<Finding>) {
    for side in [Side::Client, Side::Server] {
        let mut names = Names::default();
        let mut owners: BTreeMap<&str, &Item> = BTreeMap::new();
        for item in items.iter().filter(|item| item.side().meets(side)) {
            let path = &item.path;
            let clash = names.insert(path);
            let (file, place) = owner(item, index);
            let mut notes = Notes {
                file: &file,
                findings,
            };
            match clash {
                Ok(()) => {}
                Err(Clash::Same) => {
                    let other = owners.get(path.as_str());
                    let other = other.map_or_else(String::new, |other| {
                        let (file, place) = owner(other, index);
                        format!(", and so does {file}:{}", place.line)
                    });
                    let message = format!("installs {path}{other}");
                    notes.error("two-sources", Some(place), message).hint(
                        "one file can stand at one place; remove one, or give it another name",
                    );
                }
                Err(Clash::Alike(other)) => {
                    let message =
                        format!("installs {path}, which Windows and macOS take for {other}");
                    notes.error("names-alike", Some(place), message);
                }
                Err(Clash::FileAndFolder(other)) => {
                    let message = format!(
                        "installs {path}, and the pack has {other}: one is a file where the other needs a folder"
                    );
                    notes.error("file-and-folder", Some(place), message);
                }
                Err(Clash::Folders(this, other)) => {
                    let message = format!(
                        "installs {path}; the folder {this} is {other} on Windows and macOS, and another one on Linux"
                    );
                    notes.warning("folders-alike", Some(place), message);
                }
            }
            owners.entry(path.as_str()).or_insert(item);
        }
    }
}

/// The file and place that say that an item is installed.
fn owner(item: &Item, index: &str) -> (String, Place) {
    match &item.origin {
        Origin::Tree(_) => (index.to_owned(), item.place),
        Origin::Remote { path, metafile } => (path.to_string(), metafile.filename.place),
    }
}

/// One project twice on one side, in a folder whose files are all loaded.
fn projects(items: &[Item], findings: &mut Vec<Finding>) {
    let mut known: BTreeMap<(Project<'_>, String), Vec<&Item>> = BTreeMap::new();
    for item in items {
        let Origin::Remote { path, metafile } = &item.origin else {
            continue;
        };
        let folder = item
            .path
            .folder()
            .map_or_else(String::new, |path| path.to_string());
        if folder != "mods" {
            continue;
        }
        let update = &metafile.update;
        let modrinth = update.modrinth.as_ref();
        let curseforge = update.curseforge.as_ref();
        let keys = [
            modrinth.map(|it| (Project::Modrinth(&it.project.value), it.project.place)),
            curseforge.map(|it| (Project::CurseForge(it.project.value), it.project.place)),
        ];
        for (key, place) in keys.into_iter().flatten() {
            let others = known.entry((key, folder.clone())).or_default();
            let meets = |other: &&&Item| other.side().meets(item.side());
            if let Some(other) = others.iter().find(meets)
                && let Origin::Remote { path: other, .. } = &other.origin
            {
                let file = path.to_string();
                let mut notes = Notes {
                    file: &file,
                    findings,
                };
                let message = format!("{} is the mod of {other} once more", metafile.name);
                notes
                    .warning("duplicate-mod", Some(place), message)
                    .hint("remove one of the two: most loaders refuse a mod that is there twice");
            }
            others.push(item);
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Project<'a> {
    Modrinth(&'a str),
    CurseForge(u32),
}
