//! `atlas pack check` and `list`: what an author sees.

use std::path::Path;

use atlas_testkit::Exit;
use serde_json::Value;

use crate::store_files::{contents, folder, path};
use crate::support::{assert_words, atlas, deadline, said};

const PACK: &str = "name = \"Small pack\"\nversion = \"1.2.0\"\npack-format = \"packwiz:1.1.0\"\n\n[index]\nfile = \"index.toml\"\nhash-format = \"sha256\"\n\n[versions]\nfabric = \"0.16.0\"\nminecraft = \"1.21.1\"\n\n[options]\nno-internal-hashes = true\n";

fn metafile(name: &str, more: &str) -> String {
    let file = name.to_lowercase();
    format!(
        "name = \"{name}\"\nfilename = \"{file}.jar\"\n{more}\n[download]\nurl = \"https://cdn.example/{file}.jar\"\nhash-format = \"sha1\"\nhash = \"2fd4e1c67a2d28fced849ee1bb76e7391b93eb12\"\n"
    )
}

/// A pack of three mods and a file.
fn write(at: &Path) {
    let modrinth = |id: &str| format!("\n[update.modrinth]\nmod-id = \"{id}\"\nversion = \"v1\"\n");
    let files = [
        ("pack.toml", PACK.to_owned()),
        ("index.toml", "hash-format = \"sha256\"\n\n[[files]]\nfile = \"config/a.toml\"\npreserve = true\n\n[[files]]\nfile = \"mods/lithium.pw.toml\"\nmetafile = true\n\n[[files]]\nfile = \"mods/map.pw.toml\"\nmetafile = true\n\n[[files]]\nfile = \"mods/sodium.pw.toml\"\nmetafile = true\n".to_owned()),
        ("config/a.toml", "a = 1\n".to_owned()),
        ("mods/lithium.pw.toml", metafile("Lithium", "pin = true\n") + &modrinth("gvQqBUqZ")),
        ("mods/map.pw.toml", metafile("Map", "side = \"client\"\n[option]\noptional = true\ndefault = true\n")),
        ("mods/sodium.pw.toml", metafile("Sodium", "side = \"client\"\n") + "[update.curseforge]\nproject-id = 394468\nfile-id = 5\n"),
    ];
    for (name, text) in files {
        let file = at.join(name);
        std::fs::create_dir_all(file.parent().unwrap()).unwrap();
        std::fs::write(file, text).unwrap();
    }
}

fn replace(file: &Path, from: &str, to: &str) {
    let text = std::fs::read_to_string(file).unwrap();
    assert!(text.contains(from), "{from}");
    std::fs::write(file, text.replacen(from, to, 1)).unwrap();
}

async fn json(args: &[&str]) -> (Exit, Value) {
    let (exit, stdout, stderr) = atlas(args).output(deadline()).await.unwrap();
    let value = serde_json::from_str(&stdout);
    (
        exit,
        value.unwrap_or_else(|error| panic!("{error}: {stdout}{stderr}")),
    )
}

#[tokio::test]
async fn a_pack_that_is_right_is_listed() {
    let folder = folder();
    let at = folder.path();
    write(at);
    let before = contents(at);
    assert_words!(
        "pack_check",
        said(atlas(&["pack", "check", path(at)])).await
    );
    assert_words!("pack_list", said(atlas(&["pack", "list", path(at)])).await);
    assert_words!(
        "pack_list_server",
        said(atlas(&[
            "pack",
            "list",
            path(at),
            "--side",
            "server",
            "--files"
        ]))
        .await
    );
    let (exit, list) = json(&["pack", "list", path(at), "--json"]).await;
    assert_eq!((exit, list.as_array().unwrap().len()), (Exit::Code(0), 3));
    assert_eq!(list[2]["curseforge"]["project"], 394_468);
    assert_eq!(list[0]["path"], "mods/lithium.jar");
    let (exit, check) = json(&["pack", "check", path(at), "--json"]).await;
    assert_eq!((exit, &check["errors"]), (Exit::Code(0), &0.into()));
    assert_eq!(check["versions"]["minecraft"], "1.21.1");
    assert_eq!(check["skipped"].as_array().unwrap().len(), 1);
    assert_eq!(contents(at), before, "nothing is changed");
}

/// The mistakes that authors make most, in one pack.
#[tokio::test]
async fn mistakes_are_told_with_file_and_line() {
    let folder = folder();
    let at = folder.path();
    write(at);
    replace(&at.join("mods/sodium.pw.toml"), "\"client\"", "\"clint\"");
    replace(
        &at.join("mods/map.pw.toml"),
        "map.jar\"\nside",
        "lithium.jar\"\nside",
    );
    replace(&at.join("mods/lithium.pw.toml"), "2fd4e1", "2fd4");
    replace(&at.join("pack.toml"), "minecraft = ", "mincraft = ");
    replace(&at.join("index.toml"), "config/a.toml", "../a.toml");
    std::fs::write(at.join("options.txt"), "fov:1\n").unwrap();
    std::os::unix::fs::symlink("/etc/passwd", at.join("config/link")).unwrap();
    assert_words!(
        "pack_check_mistakes",
        said(atlas(&["pack", "check", path(at)])).await
    );
    let (exit, check) = json(&["pack", "check", path(at), "--json"]).await;
    assert_eq!(exit, Exit::Code(1));
    let side = check["findings"]
        .as_array()
        .unwrap()
        .iter()
        .find(|it| it["rule"] == "side");
    let side = side.unwrap();
    assert_eq!(
        (&side["file"], &side["line"]),
        (&"mods/sodium.pw.toml".into(), &3.into())
    );
    assert_words!(
        "pack_list_left_out",
        said(atlas(&["pack", "list", path(at)])).await
    );

    std::fs::write(at.join("pack.toml"), "name = \"x\"\n<<<<<<< HEAD\n").unwrap();
    assert_words!(
        "pack_check_unmerged",
        said(atlas(&["pack", "check", path(at)])).await
    );
}

#[tokio::test]
async fn a_forgotten_refresh_is_told_in_a_few_lines() {
    let folder = folder();
    let at = folder.path();
    write(at);
    for number in 0..30 {
        std::fs::write(at.join(format!("config/{number:02}.txt")), "x").unwrap();
    }
    replace(&at.join("pack.toml"), "no-internal-hashes = true", "");
    assert_words!(
        "pack_check_unrefreshed",
        said(atlas(&["pack", "check", path(at)])).await
    );
}

#[tokio::test]
async fn where_there_is_no_pack_those_nearby_are_named() {
    let folder = folder();
    let at = folder.path();
    assert_words!(
        "pack_check_nothing",
        said(atlas(&["pack", "check", path(at)])).await
    );
    write(&at.join("versions/1.21.1"));
    write(&at.join("versions/1.20.1"));
    assert_words!(
        "pack_check_elsewhere",
        said(atlas(&["pack", "check", path(at)])).await
    );
    let missing = at.join("missing");
    assert_words!(
        "pack_check_missing",
        said(atlas(&["pack", "list", path(&missing)])).await
    );
}
