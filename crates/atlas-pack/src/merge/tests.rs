use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;

fn merged(format: Format, old: &str, new: &str, disk: &str) -> (String, Vec<String>, Vec<String>) {
    let merged = merge(format, old.as_bytes(), new.as_bytes(), disk.as_bytes()).unwrap();
    (
        String::from_utf8(merged.bytes).unwrap(),
        merged.taken,
        merged.kept,
    )
}

fn strings(texts: &[&str]) -> Vec<String> {
    texts.iter().map(|text| (*text).to_owned()).collect()
}

#[test]
fn formats_are_known_by_name() {
    for (name, format) in [
        ("options.txt", Some(Format::Options)),
        ("config/a.TOML", Some(Format::Toml)),
        ("config/a.json5", Some(Format::Json)),
        ("server.properties", Some(Format::Properties)),
        ("config/a.cfg", None),
        ("README", None),
    ] {
        assert_eq!(
            Format::of(&PackPath::parse(name).unwrap()),
            format,
            "{name}"
        );
    }
}

/// A mod has written its own keys and comments, the player has changed one value, the pack changes others.
#[test]
fn toml() {
    let old = "fast = true\ndistance = 8\n[gui]\nscale = 2\nold = 1\n";
    let new = "fast = false\ndistance = 12\nextra = \"x\"\n[gui]\nscale = 2\n[net]\nport = 1\n";
    let disk = "# written by the mod\r\ndistance = 32 # mine\r\nfast = true\r\nseen = 3\r\n\r\n[gui]\r\n# size\r\nscale = 3\r\nold = 1\r\n";
    let (text, taken, kept) = merged(Format::Toml, old, new, disk);
    assert_eq!(
        text,
        "# written by the mod\r\ndistance = 32 # mine\r\nfast = false\r\nseen = 3\r\nextra = \"x\"\r\n\r\n[gui]\r\n# size\r\nscale = 3\r\n\r\n[net]\r\nport = 1\r\n"
    );
    assert_eq!(taken, strings(&["fast", "extra", "gui.old", "net"]));
    assert_eq!(kept, strings(&["distance"]));
}

#[test]
fn json() {
    let old =
        "{\"fast\": true, \"distance\": 8, \"gui\": {\"scale\": 2, \"old\": 1}, \"list\": [1, 2]}";
    let new = "{\"fast\": false, \"distance\": 12, \"gui\": {\"scale\": 2}, \"list\": [1, 2, 3], \"net\": {\"port\": 1}}";
    let disk = "{\n  // written by the mod\n  \"distance\": 32,\n  \"gui\": {\n    \"old\": 1,\n    \"scale\": 3, // mine\n  },\n  \"list\": [\n    1,\n    2\n  ],\n  fast: true,\n  \"seen\": 3\n}\n";
    let (text, taken, kept) = merged(Format::Json, old, new, disk);
    assert_eq!(
        text,
        "{\n  // written by the mod\n  \"distance\": 32,\n  \"gui\": {\n    \"scale\": 3, // mine\n  },\n  \"list\": [1, 2, 3],\n  fast: false,\n  \"seen\": 3,\n  \"net\": {\n    \"port\": 1\n  }\n}\n"
    );
    assert_eq!(taken, strings(&["fast", "gui.old", "list", "net"]));
    assert_eq!(kept, strings(&["distance"]));
}

/// Keys come and go at the end, in one line, in nothing; comments stay where they are.
#[test]
fn commas_of_json() {
    let merged = |old, new, disk| merged(Format::Json, old, new, disk).0;
    let (old, new) = ("{\"a\": 1, \"b\": 2}", "{\"a\": 1, \"c\": 3}");
    assert_eq!(
        merged(old, new, "{ \"x\": 0, \"a\": 1, \"b\": 2 }"),
        "{ \"x\": 0, \"a\": 1, \"c\": 3 }"
    );
    assert_eq!(
        merged(
            old,
            new,
            "{\n\t// top\n\t\"a\": 1, // one\n\t// two is gone\n\t\"b\": 2 // two\n\t// end\n}"
        ),
        "{\n\t// top\n\t\"a\": 1, // one\n\t\"c\": 3\n\t// end\n}"
    );
    assert_eq!(merged(old, new, "{\"b\": 2}"), "{ \"c\": 3}");
    assert_eq!(merged("{\"a\": 1}", "{}", "{ \"a\": 1 }"), "{ }");
    assert_eq!(
        merged("{\"a\":1}", "{\"b\":{\"c\":[]}}", "{ }"),
        "{\n  \"b\": {\"c\":[]}\n}".replace("{\"c\":[]}", "{\n    \"c\": []\n  }")
    );
    assert_eq!(
        merged(old, new, "{\r\n  \"b\": 2,\r\n  \"a\": 1,\r\n}"),
        "{\r\n  \"a\": 1,\r\n  \"c\": 3,\r\n}"
    );
}

#[test]
fn properties_and_options() {
    let disk = "#Minecraft server properties\r\n#Sat Nov 21\r\nmotd=Hello\\\r\n  world\r\npvp : true\r\na\\=b=1\r\nview-distance=10";
    let old = "motd=x\npvp=true\nview-distance=10\na\\=b=1\n";
    let new = "motd=y\npvp=false\nspawn=1\n";
    let (text, taken, kept) = merged(Format::Properties, old, new, disk);
    assert_eq!(
        text,
        "#Minecraft server properties\r\n#Sat Nov 21\r\nmotd=Hello\\\r\n  world\r\npvp : false\r\nspawn=1\r\n"
    );
    assert_eq!(taken, strings(&["pvp", "spawn", "view-distance", "a=b"]));
    assert_eq!(kept, strings(&["motd"]));
    let (text, taken, kept) = merged(
        Format::Options,
        "fov:0.0\nkey_key.jump:key.keyboard.space\n",
        "fov:0.5\nkey_key.jump:key.keyboard.x\nlang:en_us\n",
        "version:3465\nfov:0.0\nkey_key.jump:key.keyboard.j\nresourcePacks:[\"a:b\"]\n",
    );
    assert_eq!(
        text,
        "version:3465\nfov:0.5\nkey_key.jump:key.keyboard.j\nresourcePacks:[\"a:b\"]\nlang:en_us\n"
    );
    assert_eq!(taken, strings(&["fov", "lang"]));
    assert_eq!(kept, strings(&["key_key.jump"]));
}

#[test]
fn whole_files_where_one_side_did_nothing() {
    let anything = "not { even = the format";
    for format in [
        Format::Toml,
        Format::Json,
        Format::Properties,
        Format::Options,
    ] {
        assert_eq!(merged(format, "a", anything, "a").0, anything);
        assert_eq!(merged(format, anything, anything, "mine").0, "mine");
        assert_eq!(merged(format, "a", anything, anything).0, anything);
    }
}

#[test]
fn what_cannot_be_merged_says_which_file_and_why() {
    let said = |format, old: &str, new: &str, disk: &str| {
        merge(format, old.as_bytes(), new.as_bytes(), disk.as_bytes())
            .unwrap_err()
            .to_string()
    };
    assert_eq!(
        said(Format::Json, "{}", "{\"a\": 1}", "{\"a\": 1,, }"),
        "the file on the disk cannot be merged: is no JSON at 1:9: a key is missing"
    );
    assert_eq!(
        said(Format::Json, "{}", "[1]", "{ }"),
        "the new file of the pack cannot be merged: is no object"
    );
    assert_eq!(
        said(
            Format::Toml,
            "[[a]]\nx = 1\n",
            "[[a]]\nx = 2\n",
            "# seen\n[[a]]\nx = 1\n"
        ),
        "the file on the disk cannot be merged: a is a list of tables, which is not merged"
    );
    assert!(said(Format::Json, "{}", "{\"a\":1}", "{\"b\":1,\"b\":2}").contains("twice"));
    let huge = " ".repeat(BYTES_MAX + 1);
    assert!(said(Format::Json, "{}", "{\"a\":1}", &huge).contains("bytes"));
    let deep = "{\"a\":".repeat(100_000);
    assert!(said(Format::Json, "{}", "{\"a\":1}", &deep).contains("too deep"));
    let bytes = merge(Format::Options, b"a:1", b"a:2", b"a:\xff").unwrap_err();
    assert!(bytes.to_string().contains("UTF-8"));
}

type Values = BTreeMap<String, u8>;

fn written_as(format: Format, values: &Values, order: bool) -> String {
    let lines = |mark: &str| {
        let mut lines: Vec<String> = values
            .iter()
            .map(|(key, value)| format!("{key}{mark}{value}\n"))
            .collect();
        if order {
            lines.reverse();
        }
        lines
    };
    match format {
        Format::Toml => lines(" = ").concat(),
        Format::Options => lines(":").concat(),
        Format::Properties => lines("=").concat(),
        Format::Json => {
            let mut members: Vec<String> = values
                .iter()
                .map(|(key, value)| format!("  \"{key}\": {value}"))
                .collect();
            if order {
                members.reverse();
            }
            match members.is_empty() {
                true => "{}".to_owned(),
                false => format!("{{\n{}\n}}\n", members.join(",\n")),
            }
        }
    }
}

fn values_of(format: Format, text: &str) -> Values {
    let table = match format {
        Format::Toml => toml::read(text),
        Format::Json => json::read(text),
        Format::Properties => lines::read(text, lines::Style::Properties),
        Format::Options => lines::read(text, lines::Style::Options),
    };
    let nodes = table.unwrap().nodes.into_iter();
    nodes
        .map(|(key, node)| match node {
            Node::Leaf(leaf) => (key, leaf.raw.trim().parse().unwrap()),
            Node::Table(_) => panic!("{key}"),
        })
        .collect()
}

fn some_values() -> impl Strategy<Value = Values> {
    proptest::collection::btree_map("[a-f]", 0_u8..3, 0..6)
}

proptest! {
    /// The rule itself, for each key, in each format.
    #[test]
    fn each_key_is_the_players_or_the_packs(old in some_values(), new in some_values(), disk in some_values(), order: bool) {
        for format in [Format::Toml, Format::Json, Format::Properties, Format::Options] {
            let old_text = written_as(format, &old, false);
            let new_text = written_as(format, &new, false);
            let disk_text = written_as(format, &disk, order);
            let result = merge(format, old_text.as_bytes(), new_text.as_bytes(), disk_text.as_bytes());
            prop_assert!(result.is_ok(), "{:?}", result);
            let result = result.unwrap();
            let text = String::from_utf8(result.bytes).unwrap();
            let found = values_of(format, &text);
            if disk_text == old_text || disk_text == new_text {
                prop_assert_eq!(found, new.clone());
                continue;
            }
            for key in ["a", "b", "c", "d", "e", "f"] {
                let (old, new, disk) = (old.get(key), new.get(key), disk.get(key));
                let expected = if disk == old { new } else { disk };
                prop_assert_eq!(found.get(key), expected, "{:?} {} in {}", format, key, text);
                let both = disk != old && new != old && disk != new;
                prop_assert_eq!(result.kept.iter().any(|it| it == key), both);
            }
        }
    }

    #[test]
    fn any_text_is_merged_or_refused(old in ".{0,60}", new in "[{}\\[\\]\",:a1 \n/*=#']{0,60}", disk in "[{}\\[\\]\",:a1 \n/*=#'\\\\]{0,60}") {
        for format in [Format::Toml, Format::Json, Format::Properties, Format::Options] {
            let _ = merge(format, old.as_bytes(), new.as_bytes(), disk.as_bytes());
            let _ = merge(format, b"{\"a\":1}", new.as_bytes(), disk.as_bytes());
            let _ = merge(format, b"", new.as_bytes(), disk.as_bytes());
        }
    }
}
