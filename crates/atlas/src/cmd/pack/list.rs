//! `atlas pack list`: what a pack installs.

use std::path::PathBuf;
use std::process::ExitCode;

use atlas_pack::packwiz::{Metafile, Side};
use atlas_pack::{Item, Origin};
use clap::Args;
use serde_json::{Value, json};

use crate::error::{Error, FAILED};
use crate::terminal::{self, Align, Paint, Table, say};

/// List what a pack installs
///
/// The mods and other files that are fetched from elsewhere, by name; with --files also what lies in the pack itself. Exit
/// codes: 0 all of it, 1 something could not be read and is left out, 2 there is no pack.
#[derive(Args, Debug)]
#[command(
    after_help = "Examples:\n  atlas pack list\n  atlas pack list --side server\n  atlas pack list versions/fabric/1.21.1 --json"
)]
pub(super) struct Options {
    /// The folder that holds pack.toml; without it, the one that you are in
    #[arg(value_name = "DIR")]
    folder: Option<PathBuf>,

    /// Only what is installed on this side: client or server
    #[arg(long, value_name = "SIDE", value_parser = super::side)]
    side: Option<Side>,

    /// Also the files that lie in the pack itself
    #[arg(long)]
    files: bool,

    /// Print data for programs instead of a table
    #[arg(long)]
    json: bool,
}

pub(super) fn run(options: &Options) -> Result<ExitCode, Error> {
    let folder = super::folder(options.folder.as_deref());
    let source = atlas_builder::read(&folder)?;
    let mut items: Vec<&Item> = source
        .items
        .iter()
        .filter(|item| options.side.is_none_or(|side| item.side().meets(side)))
        .filter(|item| options.files || matches!(item.origin, Origin::Remote { .. }))
        .collect();
    items.sort_by_cached_key(|item| (name(item).to_lowercase(), item.path.clone()));
    if options.json {
        terminal::print_json(&items.iter().map(|item| data(item)).collect::<Vec<_>>())?;
    } else {
        terminal::print(&table(&items).render(Paint::stdout()))?;
    }
    if source.pack.is_some() && source.left_out == 0 {
        return Ok(ExitCode::SUCCESS);
    }
    let paint = Paint::stderr();
    let what = match (source.pack.is_some(), source.left_out) {
        (false, _) => "the pack cannot be read".to_owned(),
        (true, 1) => "one file of the index cannot be read and is left out".to_owned(),
        (true, count) => format!("{count} files of the index cannot be read and are left out"),
    };
    say(&format!("{} {what}", paint.red("error:")));
    say(&format!(
        "{} `atlas pack check` says why",
        paint.cyan("hint:")
    ));
    Ok(ExitCode::from(FAILED))
}

fn name(item: &Item) -> &str {
    match &item.origin {
        Origin::Tree(_) => item.path.name(),
        Origin::Remote { metafile, .. } => &metafile.name,
    }
}

fn table(items: &[&Item]) -> Table {
    let mut table = Table::new([
        ("NAME", Align::Left),
        ("SIDE", Align::Left),
        ("FROM", Align::Left),
        ("FILE", Align::Left),
        ("NOTES", Align::Left),
    ]);
    for item in items {
        table.row([
            name(item).to_owned(),
            item.side().to_string(),
            match &item.origin {
                Origin::Tree(_) => "the pack".to_owned(),
                Origin::Remote { metafile, .. } => from(metafile),
            },
            item.path.to_string(),
            notes(item),
        ]);
    }
    table
}

/// Where a file comes from, as a person would say it.
fn from(metafile: &Metafile) -> String {
    let update = &metafile.update;
    if update.modrinth.is_some() {
        "Modrinth".to_owned()
    } else if update.curseforge.is_some() {
        "CurseForge".to_owned()
    } else if update.github.is_some() {
        "GitHub".to_owned()
    } else {
        let url = metafile.download.url.as_ref();
        let host = url
            .and_then(|url| url.value.split_once("://"))
            .and_then(|(_, rest)| rest.split(['/', '?', '#']).next());
        host.unwrap_or("elsewhere").to_owned()
    }
}

fn notes(item: &Item) -> String {
    let mut notes = Vec::new();
    if let Origin::Remote { metafile, .. } = &item.origin {
        if metafile.pin {
            notes.push("pinned");
        }
        match metafile.option.as_ref().filter(|option| option.optional) {
            Some(option) if option.default => notes.push("optional, on"),
            Some(_) => notes.push("optional, off"),
            None => {}
        }
    }
    if item.preserve {
        notes.push("kept");
    }
    if notes.is_empty() {
        "-".to_owned()
    } else {
        notes.join(", ")
    }
}

fn data(item: &Item) -> Value {
    let mut value = json!({
        "name": name(item), "side": item.side().to_string(), "path": item.path.as_str(), "preserve": item.preserve,
    });
    let Some(object) = value.as_object_mut() else {
        return value;
    };
    if let Origin::Remote { path, metafile } = &item.origin {
        let download = &metafile.download;
        let hash = download.hash.value;
        let update = &metafile.update;
        let more =
            [
                ("metafile", json!(path.as_str())),
                ("url", json!(download.url.as_ref().map(|url| &url.value))),
                ("hash_format", json!(hash.format().name())),
                ("hash", json!(hash.to_string())),
                ("pin", json!(metafile.pin)),
                (
                    "optional",
                    json!(
                        metafile
                            .option
                            .as_ref()
                            .is_some_and(|option| option.optional)
                    ),
                ),
                (
                    "modrinth",
                    json!(update.modrinth.as_ref().map(
                        |it| json!({ "project": it.project.value, "version": it.version.value })
                    )),
                ),
                (
                    "curseforge",
                    json!(
                        update.curseforge.as_ref().map(
                            |it| json!({ "project": it.project.value, "file": it.file.value })
                        )
                    ),
                ),
                (
                    "github",
                    json!(
                        update
                            .github
                            .as_ref()
                            .map(|it| json!({ "slug": it.slug.value, "tag": it.tag }))
                    ),
                ),
            ];
        object.extend(more.map(|(key, value)| (key.to_owned(), value)));
    }
    value
}
