use super::*;
use crate::finding::Finding;
use crate::hash::HashFormat;

const INDEX: &str = r#"{
  "formatVersion": 1,
  "game": "minecraft",
  "versionId": "1.2.0",
  "name": "Adrenaline",
  "summary": "Fast",
  "files": [
    {
      "path": "mods/sodium.jar",
      "hashes": {
        "sha1": "SHA1",
        "sha512": "SHA512"
      },
      "env": {
        "client": "required",
        "server": "unsupported"
      },
      "downloads": [
        "https://cdn.modrinth.com/data/AANobbMI/sodium.jar"
      ],
      "fileSize": 5000000000
    }
  ],
  "dependencies": {
    "fabric-loader": "0.16.0",
    "minecraft": "1.21.1"
  },
  "x-other": [
    1
  ]
}
"#;

fn index() -> String {
    INDEX
        .replace("SHA1", &"a1".repeat(20))
        .replace("SHA512", &"b2".repeat(64))
}

const MANIFEST: &str = r#"{
  "minecraft": {
    "version": "1.20.1",
    "modLoaders": [
      {
        "id": "forge-47.4.10",
        "primary": true
      }
    ],
    "recommendedRam": 4096
  },
  "manifestType": "minecraftModpack",
  "manifestVersion": 1,
  "name": "Pack",
  "version": "2",
  "author": "A",
  "files": [
    {
      "projectID": 238222,
      "fileID": 5,
      "required": false
    }
  ],
  "overrides": "overrides"
}
"#;

fn said(findings: &[Finding]) -> Vec<String> {
    let words = findings.iter().map(|finding| {
        let place = finding.place.map_or_else(String::new, |place| {
            format!(" {}:{}", place.line, place.column)
        });
        format!("{}{place}: {}", finding.rule, finding.message)
    });
    words.collect()
}

#[test]
fn what_is_read_is_written_with_the_same_bytes() {
    let (read, findings) = ModrinthIndex::read(index().as_bytes());
    assert_eq!(said(&findings), [""; 0]);
    let read = read.unwrap();
    assert_eq!(String::from_utf8(read.write().unwrap()).unwrap(), index());
    let file = &read.files[0];
    assert_eq!(
        (file.side(), file.file_size),
        (Some(Side::Client), 5_000_000_000)
    );
    assert_eq!(file.place().unwrap().as_str(), "mods/sodium.jar");
    let hash = file.hash(HashFormat::Sha512).unwrap().unwrap();
    assert_eq!(hash.to_string(), "b2".repeat(64));
    assert_eq!(file.hash(HashFormat::Sha256).unwrap(), None);

    let (read, findings) = CurseForgeManifest::read(MANIFEST.as_bytes());
    assert_eq!(said(&findings), [""; 0]);
    let read = read.unwrap();
    assert_eq!(String::from_utf8(read.write().unwrap()).unwrap(), MANIFEST);
    assert!(!read.files[0].required && read.project.is_none());
}

#[test]
fn the_order_of_files_does_not_matter() {
    let (read, _) = ModrinthIndex::read(index().as_bytes());
    let mut one = read.unwrap();
    let mut second = one.files[0].clone();
    second.path = "mods/a.jar".to_owned();
    one.files.push(second);
    let mut other = one.clone();
    other.files.reverse();
    assert_eq!(one.write().unwrap(), other.write().unwrap());
}

#[test]
fn mistakes_of_a_modrinth_index_are_told() {
    let found = |from: &str, to: &str| {
        let text = index();
        assert!(text.contains(from), "{from}");
        let (read, findings) = ModrinthIndex::read(text.replacen(from, to, 1).as_bytes());
        let fatal = ["json", "wrong-type", "too-large"];
        let is_fatal = findings.iter().any(|finding| fatal.contains(&finding.rule));
        assert_eq!(read.is_none(), is_fatal, "{to}");
        said(&findings)
    };
    for (from, to, expected) in [
        (
            "\"formatVersion\": 1",
            "\"formatVersion\": 2",
            "pack-format: the format has version 2; 1 is what is read here",
        ),
        (
            "\"minecraft\",",
            "\"terraria\",",
            "game: the pack is for the game \"terraria\", not for minecraft",
        ),
        ("\"1.2.0\"", "\"\"", "missing-key: `versionId` is empty"),
        (
            "\"minecraft\": ",
            "\"mincraft\": ",
            "missing-key: `dependencies.minecraft` is missing",
        ),
        (
            "mods/sodium.jar",
            "../sodium.jar",
            "path: `files[0].path`: the path \"../sodium.jar\" has the part `.` or `..`",
        ),
        (
            "mods/sodium.jar",
            "mods\\\\..\\\\..\\\\x",
            "path: `files[0].path`: the path \"mods/../../x\" has the part `.` or `..`",
        ),
        (
            "mods/sodium.jar",
            "C:/x",
            "path: `files[0].path`: the path \"C:/x\" begins with a drive; write it as seen from the pack's folder",
        ),
        (
            "\"sha1\"",
            "\"sha2\"",
            "missing-hash: `files[0].hashes.sha1` is missing",
        ),
        (
            "https://cdn.modrinth.com",
            "ftp://x",
            "url: `files[0].downloads[0]`: \"ftp://x/data/AANobbMI/sodium.jar\" is no https:// address",
        ),
        (
            "cdn.modrinth.com",
            "example.org",
            "host: `files[0].downloads[0]`: Modrinth does not let packs fetch from example.org",
        ),
        (
            "5000000000",
            "-1",
            "wrong-type 21:20: `files[0].fileSize`: invalid value: integer `-1`, expected u64",
        ),
        (
            "\"unsupported\"",
            "\"no\"",
            "wrong-type 16:22: `files[0].env.server`: unknown variant `no`, expected one of `required`, `optional`, `unsupported`",
        ),
        (
            "\"versionId\": \"1.2.0\",\n",
            "",
            "wrong-type 30:1: missing field `versionId`",
        ),
        (
            "\"name\"",
            "name",
            "json 5:3: is no JSON: key must be a string",
        ),
    ] {
        assert_eq!(found(from, to), [expected]);
    }
    assert_eq!(
        found("mods/sodium.jar", "mods\\\\sodium.jar"),
        [""; 0],
        "as Windows writes it"
    );
    let (none, findings) = ModrinthIndex::read((index() + "x").as_bytes());
    assert!(none.is_none() && findings[0].rule == "json");
    let deep = "[".repeat(1 << 20);
    assert_eq!(ModrinthIndex::read(deep.as_bytes()).1.len(), 1);
    let huge = vec![b' '; (16 << 20) + 1];
    assert_eq!(ModrinthIndex::read(&huge).1[0].rule, "too-large");
}

#[test]
fn two_files_of_one_place_are_told_where_both_are_installed() {
    let (read, _) = ModrinthIndex::read(index().as_bytes());
    let with = |path: &str, server: Support| {
        let mut index = read.clone().unwrap();
        let mut file = index.files[0].clone();
        file.path = path.to_owned();
        file.env = Some(Env {
            client: if server == Support::Required {
                Support::Unsupported
            } else {
                Support::Required
            },
            server,
        });
        index.files.push(file);
        said(&ModrinthIndex::read(&index.write().unwrap()).1)
    };
    assert_eq!(with("mods/SODIUM.jar", Support::Unsupported).len(), 1);
    assert_eq!(with("mods/sodium.jar", Support::Unsupported).len(), 1);
    assert_eq!(with("mods/sodium.jar/x", Support::Optional).len(), 1);
    assert_eq!(with("mods/sodium.jar", Support::Required), [""; 0]);
}

#[test]
fn mistakes_of_a_curseforge_manifest_are_told() {
    for (from, to, expected) in [
        (
            "minecraftModpack",
            "addon",
            "game: the manifest is of a \"addon\", not of a minecraftModpack",
        ),
        (
            "\"manifestVersion\": 1",
            "\"manifestVersion\": 3",
            "pack-format: the format has version 3; 1 is what is read here",
        ),
        (
            "forge-47.4.10",
            "rift-1",
            "loader-version: `minecraft.modLoaders[0].id`: \"rift-1\" names no loader that is known",
        ),
        (
            "\"overrides\": \"overrides\"",
            "\"overrides\": \"../x\"",
            "path: `overrides`: the path \"../x\" has the part `.` or `..`",
        ),
        (
            "238222",
            "\"x\"",
            "wrong-type 19:22: `files[0].projectID`: invalid type: string \"x\", expected u32",
        ),
        (
            "\"files\": [",
            "\"files\": [{\"projectID\": 238222, \"fileID\": 1},",
            "duplicate-mod: `files[1]`: the project 238222 is there already, as files[0]",
        ),
    ] {
        assert!(MANIFEST.contains(from), "{from}");
        let (_, findings) = CurseForgeManifest::read(MANIFEST.replacen(from, to, 1).as_bytes());
        assert_eq!(said(&findings), [expected]);
    }
}

#[test]
fn loaders_of_curseforge_are_split() {
    let parts = |id: &str| {
        let loader = CurseForgeLoader {
            id: id.to_owned(),
            primary: true,
        };
        loader
            .parts("1.20.1")
            .map(|(loader, version)| (loader.key(), version.to_owned()))
    };
    for (id, name, version) in [
        ("forge-47.4.10", "forge", "47.4.10"),
        ("forge-1.20.1-47.2.0", "forge", "47.2.0"),
        ("neoforge-20.4.80-beta", "neoforge", "20.4.80-beta"),
        ("Fabric-0.15.0", "fabric", "0.15.0"),
        ("fabric-1.20.1-x", "fabric", "1.20.1-x"),
    ] {
        assert_eq!(parts(id), Some((name, version.to_owned())));
    }
    assert_eq!(parts("forge"), None);
}

/// The row of zip names in `docs/internals/hostile.md`.
#[test]
fn entries_of_an_archive_find_their_place_or_refuse_the_pack() {
    let manifest = CurseForgeManifest::read(MANIFEST.as_bytes()).0.unwrap();
    for (entry, expected) in [
        (
            "overrides/config/a.toml",
            Some((Side::Both, "config/a.toml")),
        ),
        (
            "client-overrides/options.txt",
            Some((Side::Client, "options.txt")),
        ),
        ("server-overrides\\a\\b", Some((Side::Server, "a/b"))),
        ("overrides/", None),
        ("overrides/config/", None),
        ("modrinth.index.json", None),
        ("overrides2/x", None),
    ] {
        let found = ModrinthIndex::overlay(entry).unwrap();
        assert_eq!(
            found,
            expected.map(|(side, path)| (side, PackPath::parse(path).unwrap())),
            "{entry}"
        );
    }
    assert!(manifest.overlay("overrides/a/b").unwrap().is_some());
    assert!(manifest.overlay("modlist.html").unwrap().is_none());
    for entry in [
        "../x",
        "/x",
        "C:\\x",
        "overrides/../x",
        "overrides\\..\\..\\x",
        "overrides//x",
        "overrides/CON",
        "overrides/x\0",
        "overrides/.git/config",
        "mods\\..\\x",
        "overrides//etc/passwd",
    ] {
        assert!(ModrinthIndex::overlay(entry).is_err(), "{entry}");
        assert!(manifest.overlay(entry).is_err(), "{entry}");
    }
}
