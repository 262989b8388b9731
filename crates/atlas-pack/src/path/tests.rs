use proptest::prelude::*;

use super::*;

fn wrong(text: &str) -> &'static str {
    match PackPath::parse(text) {
        Err(Error::Path { wrong, .. }) => wrong,
        other => panic!("{text:?}: {other:?}"),
    }
}

#[test]
fn plain_paths_stay_as_they_are() {
    for path in [
        "mods/sodium-fabric-0.5.8+mc1.20.4.jar",
        "config/yosbr/options.txt",
        "resourcepacks/Faithful 32x [1.20] (β).zip",
        ".packwizignore",
        "config/.hidden",
        "mods/console.jar",
        "config/communication.toml",
        "lpt/com10.txt",
        "world/git/HEAD",
        "a%2e%2e/b",
        "config/.atlas/x",
    ] {
        assert_eq!(PackPath::parse(path).unwrap().as_str(), path);
        assert_eq!(PackPath::resolve(None, path).unwrap().as_str(), path);
    }
}

/// The row `../x`, `/x`, `C:\x`, `mods\..\x`, `CON`, NUL of `docs/internals/hostile.md`.
#[test]
fn paths_that_lead_elsewhere_are_refused() {
    for (path, expected) in [
        ("", "empty"),
        ("../x", "`..`"),
        ("mods/../../x", "`..`"),
        ("mods/../x", "`..`"),
        ("./x", "`.`"),
        ("mods//x", "empty part"),
        ("mods/", "empty part"),
        ("/x", "absolute"),
        ("//server/share/x", "absolute"),
        ("\\x", "absolute"),
        ("\\\\?\\C:\\x", "absolute"),
        ("C:\\x", "drive"),
        ("c:x", "drive"),
        ("mods\\..\\x", "backslash"),
        ("mods\\x.jar", "backslash"),
        ("mods/x\0.jar", "NUL"),
        ("mods/x\n.jar", "control"),
        ("mods/x\u{7f}", "control"),
        ("mods/x\u{85}", "control"),
        ("mods/gpj.\u{202e}raj", "invisible"),
        ("mods/a:stream", "Windows does not allow"),
        ("mods/what?.jar", "Windows does not allow"),
        ("mods/x. ", "ends with"),
        ("mods./x", "ends with"),
        ("...", "ends with"),
        ("CON", "device"),
        ("con", "device"),
        ("config/aux.toml", "device"),
        ("config/nul .txt", "device"),
        ("COM1", "device"),
        ("x/lpt³.jar", "device"),
        ("COM0.log", "device"),
        ("CONOUT$", "device"),
        (".git/config", "Git"),
        ("x/.GIT/hooks/post-checkout", "Git"),
        ("GIT~1/config", "Git"),
        (".atlas/incoming/x", ".atlas"),
        (".Atlas", ".atlas"),
    ] {
        let wrong = wrong(path);
        assert!(wrong.contains(expected), "{path:?}: {wrong}");
        if !["./x", "mods//x", "mods/../x"].contains(&path) {
            assert!(PackPath::resolve(None, path).is_err(), "{path:?}");
        }
    }
    assert!(wrong(&"a".repeat(256)).contains("255"));
    assert!(wrong(&"a/".repeat(600)).contains("1024"));
}

#[test]
fn what_authors_write_is_resolved_inside_the_pack() {
    let resolve = |folder: Option<&str>, text| {
        let folder = folder.map(|folder| PackPath::parse(folder).unwrap());
        PackPath::resolve(folder.as_ref(), text).map(|path| path.to_string())
    };
    assert_eq!(resolve(None, "./a//b/./c").unwrap(), "a/b/c");
    assert_eq!(resolve(Some("mods"), "x.jar").unwrap(), "mods/x.jar");
    assert_eq!(resolve(Some("mods"), "../packs/x").unwrap(), "packs/x");
    for (folder, text) in [
        (None, "../x"),
        (Some("mods"), "../../x"),
        (Some("mods"), ".."),
        (Some("mods"), "."),
        (Some("mods"), "x/"),
        (Some("mods"), "../.git/config"),
    ] {
        assert!(resolve(folder, text).is_err(), "{folder:?} {text:?}");
    }
    let long = PackPath::parse(&["a"; 500].join("/")).unwrap();
    assert!(PackPath::resolve(Some(&long), &"b".repeat(100)).is_err());
}

#[test]
fn a_path_knows_its_folder_and_name() {
    let path = PackPath::parse("config/a/b.toml").unwrap();
    assert_eq!(path.folder().unwrap().as_str(), "config/a");
    assert_eq!(path.name(), "b.toml");
    let path = PackPath::parse("options.txt").unwrap();
    assert_eq!((path.folder(), path.name()), (None, "options.txt"));
}

proptest! {
    #[test]
    fn nothing_that_is_taken_leaves_the_folder(text in "([./\\\\a-zA-Z:]|\\.\\.|\\PC){0,40}", inner in "[a-z]{1,3}(/[a-z]{1,3}){0,2}") {
        let folder = PackPath::parse(&inner);
        for taken in [PackPath::parse(&text), PackPath::resolve(folder.as_ref().ok(), &text)].into_iter().flatten() {
            prop_assert!(!taken.as_str().starts_with('/'));
            for part in taken.parts() {
                prop_assert!(!part.is_empty() && part != "." && part != ".." && !part.contains('\\'), "{:?}", taken);
            }
            prop_assert_eq!(PackPath::parse(taken.as_str()).unwrap(), taken);
        }
    }
}
