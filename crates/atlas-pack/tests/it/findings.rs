//! Each mistake that an author makes is found where it is, and only it.

use atlas_pack::{Kind, Severity};

use crate::support::{metafile, pack, read, said, with_index};

/// The pack with one file's text changed, all hashes still right.
fn changed(from: &str, to: &str) -> Vec<String> {
    let text = metafile();
    assert!(text.contains(from), "{from}");
    let mut tree = pack(&[]);
    let other = pack(&[("mods/sodium.pw.toml", &text.replace(from, to))]);
    let source = read(&other);
    drop(source);
    tree.insert("mods/sodium.pw.toml", text.replace(from, to));
    let index = "hash-format = \"sha256\"\n\n[[files]]\nfile = \"mods/sodium.pw.toml\"\nhash = \"HASH\"\nmetafile = true\n";
    let hash = atlas_pack::Hash::of(
        atlas_pack::HashFormat::Sha256,
        text.replace(from, to).as_bytes(),
    );
    with_index(&mut tree, &index.replace("HASH", &hash.to_string()));
    said(&tree)
}

fn one(found: &[String]) -> &str {
    assert_eq!(found.len(), 1, "{found:#?}");
    &found[0]
}

#[test]
fn a_pack_that_is_right_has_no_findings() {
    let tree = pack(&[("config/a.toml", "a = 1\n"), ("options.txt", "fov:1\n")]);
    let source = read(&tree);
    assert_eq!(source.findings, []);
    assert_eq!(source.items.len(), 3);
    assert_eq!(source.items[0].path.as_str(), "mods/sodium.jar");
    assert_eq!(source.pack.unwrap().minecraft().unwrap().value, "1.21.1");
}

#[test]
fn metafiles() {
    for (from, to, expected) in [
        (
            "name = \"Sodium\"\n",
            "",
            "error missing-key mods/sodium.pw.toml:1:1: `name` is missing",
        ),
        (
            "\"Sodium\"",
            "7",
            "error wrong-type mods/sodium.pw.toml:1:8: `name` is a number, and should be text in quotes",
        ),
        (
            "\"client\"",
            "\"clint\"",
            "error side mods/sodium.pw.toml:3:8: \"clint\" is no side; write client, server or both",
        ),
        (
            "sodium.jar\"\nside",
            "../../sodium.jar\"\nside",
            "error path mods/sodium.pw.toml:2:12: the path \"../../sodium.jar\" leaves the pack",
        ),
        (
            "https://cdn",
            "file://cdn",
            "error url mods/sodium.pw.toml:6:7: files are not fetched by file://; write an https:// address",
        ),
        (
            "https://cdn.example/sodium.jar",
            "cdn.example/x",
            "error url mods/sodium.pw.toml:6:7: \"cdn.example/x\" is no address; it begins with https://",
        ),
        (
            "cdn.example",
            "me:secret@cdn.example",
            "error url mods/sodium.pw.toml:6:7: the address holds a name or a password, which everybody who installs the pack would see",
        ),
        (
            "sha512",
            "sha3",
            "error hash-format mods/sodium.pw.toml:7:15: the hash format \"sha3\" is unknown; use sha256, sha512, sha1, md5 or murmur2",
        ),
        (
            "url = ",
            "uri = ",
            "error missing-key mods/sodium.pw.toml:5:2: `download.url` is missing",
        ),
        (
            "[download]",
            "mode = \"x\"\n[download]\nmode = \"curse\"",
            "error mode mods/sodium.pw.toml:7:8: \"curse\" is no way to find a file; write \"url\" or \"metadata:curseforge\", or leave it out",
        ),
        (
            "[download]",
            "[download]\nmode = \"metadata:curseforge\"",
            "error missing-key mods/sodium.pw.toml:5:2: CurseForge is to be asked for the file, and `update.curseforge` does not say for which",
        ),
    ] {
        assert_eq!(one(&changed(from, to)), expected);
    }
    let hash = "ab".repeat(64);
    let found = changed(&hash, "abab");
    assert!(
        one(&found).starts_with("error hash mods/sodium.pw.toml:8:8: \"abab\" is no sha512 hash")
    );
    // Legal, and often so.
    for (from, to) in [
        ("side = \"client\"\n", ""),
        ("side = \"client\"", "side = \"\""),
        (
            "[update]\n",
            "[other]\nx = 1\n[update.mirror]\ny = 2\n[update]\n",
        ),
        (
            "url = \"https://cdn.example/sodium.jar\"",
            "mode = \"metadata:curseforge\"\nurl = \"\"\n[update.curseforge]\nproject-id = 394468\nfile-id = 5\n[download.x]",
        ),
    ] {
        let found = changed(from, to);
        assert!(found.is_empty() || to.contains("download.x"), "{found:?}");
    }
}

#[test]
fn the_index() {
    let mut tree = pack(&[("config/a.txt", "one\ntwo\n")]);
    tree.insert("config/a.txt", "one\r\ntwo\r\n");
    let source = read(&tree);
    assert_eq!(source.findings.len(), 1);
    let finding = &source.findings[0];
    assert_eq!(finding.rule, "hash-mismatch");
    assert_eq!(
        (finding.file.as_str(), finding.place.unwrap().line),
        ("index.toml", 10)
    );
    assert!(finding.hint.as_ref().unwrap().contains("* -text"));
    tree.insert("config/a.txt", "three\n");
    assert!(
        read(&tree).findings[0]
            .hint
            .as_ref()
            .unwrap()
            .contains("packwiz refresh")
    );
    tree.remove("config/a.txt");
    assert_eq!(
        one(&said(&tree)),
        "error missing-file index.toml:9:8: config/a.txt is missing"
    );

    let mut tree = pack(&[]);
    tree.insert("config/new.txt", "x");
    tree.insert(".packwizignore", "/notes\n[z-a]\n");
    tree.insert("notes", "x");
    tree.insert("README.mrpack", "x");
    let found = said(&tree);
    assert_eq!(found.len(), 2, "{found:?}");
    assert!(found[0].starts_with("error pattern .packwizignore:2:1: \"[z-a]\" is no pattern"));
    assert_eq!(
        found[1],
        "warning not-in-index config/new.txt: is not in the index: nobody gets it"
    );

    let mut tree = pack(&[]);
    tree.insert("index.toml", "hash-format = \"sha256\"\n");
    let found = said(&tree);
    assert_eq!(found.len(), 2, "{found:?}");
    assert!(found[0].starts_with("warning not-in-index mods/"));
    assert!(found[1].starts_with("error hash-mismatch pack.toml:7:8: index.toml has another"));
    tree.remove("index.toml");
    assert_eq!(
        one(&said(&tree)),
        "error missing-file pack.toml:5:8: index.toml is missing"
    );
}

#[test]
fn forms_of_old_and_odd_packs() {
    let mut tree = pack(&[]);
    // An old metafile's name, an alias, a murmur2 hash as a signed number, an unsorted index, a hash in capitals.
    tree.insert(
        "mods/old.toml",
        metafile()
            .replace("sodium.jar", "old.jar")
            .replace("AANobbMI", "x"),
    );
    tree.insert("zeta.txt", "z");
    let murmur = atlas_pack::Hash::of(atlas_pack::HashFormat::Murmur2, b"z").to_string();
    let signed = murmur.parse::<u32>().unwrap() as i32;
    let hash = |path: &str, text: &str| {
        assert!(!path.is_empty());
        atlas_pack::Hash::of(atlas_pack::HashFormat::Sha256, text.as_bytes()).to_string()
    };
    let old = metafile()
        .replace("sodium.jar", "old.jar")
        .replace("AANobbMI", "x");
    let index = format!(
        "files = [\n{{ file = \"zeta.txt\", alias = \"a/zeta.txt\", hash-format = \"murmur2\", hash = \"{signed}\" }},\n{{ file = \"./mods//old.toml\", metafile = true, hash = \"{}\" }},\n{{ file = \"mods/sodium.pw.toml\", metafile = true, hash = \"{}\" }}\n]\n",
        hash("old", &old).to_uppercase(),
        hash("sodium", &metafile()),
    );
    with_index(&mut tree, &index);
    let source = read(&tree);
    assert_eq!(source.findings, []);
    let paths: Vec<_> = source
        .items
        .iter()
        .map(|item| item.path.to_string())
        .collect();
    assert_eq!(paths, ["a/zeta.txt", "mods/old.jar", "mods/sodium.jar"]);
}

#[test]
fn packs_without_internal_hashes_are_right_without() {
    let mut tree = pack(&[]);
    let index =
        "hash-format = \"sha256\"\n\n[[files]]\nfile = \"mods/sodium.pw.toml\"\nmetafile = true\n";
    with_index(&mut tree, index);
    assert_eq!(
        one(&said(&tree)),
        "error missing-hash index.toml:3:1: mods/sodium.pw.toml has no hash"
    );
    tree.insert("pack.toml", "name = \"x\"\n[index]\nfile = \"\"\nhash-format = \"sha256\"\n[versions]\nminecraft = \"1.21\"\n[options]\nno-internal-hashes = true\n");
    assert_eq!(said(&tree), [""; 0]);
}

#[test]
fn pack_toml() {
    let right = "name = \"Test\"\n\n[index]\nfile = \"index.toml\"\nhash-format = \"sha256\"\n\n[versions]\nminecraft = \"1.20.1\"\nforge = \"47.2.0\"\n";
    let found = |from: &str, to: &str| {
        let mut tree = pack(&[]);
        assert!(right.contains(from), "{from}");
        tree.insert("pack.toml", right.replacen(from, to, 1));
        said(&tree)
    };
    assert_eq!(found("", ""), [""; 0]);
    for (from, to, expected) in [
        (
            "\"Test\"",
            "\"Test",
            "error toml pack.toml:1:13: invalid basic string",
        ),
        (
            "minecraft = \"1.20.1\"\n",
            "",
            "error missing-key pack.toml: `versions.minecraft` is missing",
        ),
        (
            "47.2.0",
            "1.20.1-47.2.0",
            "warning loader-version pack.toml:9:9: Forge's version is written without the game's",
        ),
        (
            "[versions]",
            "[versions]\nfabric = \"0.15\"",
            "warning two-loaders pack.toml:10:9: the pack names two loaders, Fabric and Forge",
        ),
        (
            "[versions]",
            "pack-format = \"packwiz:1.1.0\"\n[versions]",
            "",
        ),
        (
            "name",
            "pack-format = \"packwiz:2.0.0\"\nname",
            "error pack-format pack.toml:1:15: the pack format has version 2.0.0; 1.x is what is read here",
        ),
        (
            "name",
            "pack-format = \"packwiz:1.3.0\"\nname",
            "warning pack-format pack.toml:1:15: the pack format has version 1.3.0, newer than 1.1.0",
        ),
        (
            "name",
            "pack-format = \"1.1.0\"\nname",
            "error pack-format pack.toml:1:15: the pack format \"1.1.0\" is not packwiz's",
        ),
        (
            "name",
            "pack-format = \"packwiz:1.1\"\nname",
            "error pack-format pack.toml:1:15: \"1.1\" is no version number of the pack format",
        ),
        (
            "\"index.toml\"",
            "\"../index.toml\"",
            "error path pack.toml:4:8: the path \"../index.toml\" leaves the pack",
        ),
        (
            "[index]",
            "[indx]",
            "error missing-key pack.toml:1:1: `index` is missing",
        ),
    ] {
        let found = found(from, to);
        if expected.is_empty() {
            assert_eq!(found, [""; 0]);
        } else if to == "[indx]" {
            assert!(found.iter().any(|line| line == expected), "{found:?}");
        } else {
            assert!(one(&found).starts_with(expected), "{found:?}");
        }
    }
    let mut tree = pack(&[]);
    tree.remove("pack.toml");
    assert_eq!(
        one(&said(&tree)),
        "error missing-file pack.toml: is missing"
    );
}

#[test]
fn two_files_at_one_place() {
    let other = metafile().replace("AANobbMI", "other");
    let found = said(&pack(&[("mods/zodium.pw.toml", &other)]));
    assert_eq!(
        one(&found),
        "error two-sources mods/zodium.pw.toml:2:12: installs mods/sodium.jar, and so does mods/sodium.pw.toml:2"
    );
    let server = other.replace("\"client\"", "\"server\"");
    assert_eq!(said(&pack(&[("mods/zodium.pw.toml", &server)])), [""; 0]);
    let alike = other.replace("sodium.jar\"\nside", "Sodium.jar\"\nside");
    assert_eq!(
        one(&said(&pack(&[("mods/zodium.pw.toml", &alike)]))),
        "error names-alike mods/zodium.pw.toml:2:12: installs mods/Sodium.jar, which Windows and macOS take for mods/sodium.jar"
    );
    let twice = metafile().replace("sodium.jar\"\nside", "other.jar\"\nside");
    assert_eq!(
        one(&said(&pack(&[("mods/zodium.pw.toml", &twice)]))),
        "warning duplicate-mod mods/zodium.pw.toml:12:10: Sodium is the mod of mods/sodium.pw.toml once more"
    );
    assert_eq!(
        one(&said(&pack(&[("mods/sodium.jar/x", "x")]))),
        "error file-and-folder index.toml:9:8: installs mods/sodium.jar/x, and the pack has mods/sodium.jar: one is a file where the other needs a folder"
    );
    assert_eq!(
        one(&said(&pack(&[("Mods/x", "x")]))),
        "warning folders-alike index.toml:9:8: installs Mods/x; the folder Mods is mods on Windows and macOS, and another one on Linux"
    );
}

#[test]
fn what_is_no_file() {
    let mut tree = pack(&[("config/a", "a")]);
    tree.insert_kind("config/a", Kind::Link);
    tree.insert_kind("config/device", Kind::Other);
    tree.insert_kind("packwiz", Kind::Link);
    assert_eq!(
        said(&tree),
        [
            "error no-file config/a: is a symbolic link, which packs cannot have",
            "error no-file config/device: is neither a file nor a folder",
        ]
    );
    let pointer = "version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12345\n";
    assert_eq!(
        one(&said(&pack(&[("mods/big.jar", pointer)]))),
        "error lfs-pointer mods/big.jar: is not the file itself but what Git LFS keeps in its place"
    );
    assert_eq!(
        read(&pack(&[("mods/big.jar", pointer)])).count(Severity::Error),
        1
    );
}

#[test]
fn loaders_run_each_others_mods_one_way() {
    use atlas_pack::packwiz::Loader;
    for loader in Loader::ALL {
        assert_eq!(loader.runs_mods_of()[0], loader);
    }
    assert!(Loader::Quilt.runs_mods_of().contains(&Loader::Fabric));
    assert!(!Loader::Fabric.runs_mods_of().contains(&Loader::Quilt));
    assert!(!Loader::Forge.runs_mods_of().contains(&Loader::NeoForge));
}
