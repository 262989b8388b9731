use toml_edit::{Array, InlineTable, Value};

use super::*;

fn read(text: &str) -> Document {
    Document::read(text.as_bytes(), 1 << 20, 10_000).unwrap()
}

/// A file in every form that authors and tools write: comments, CRLF, odd spaces, dates, all kinds of tables.
const ODD: &str = "\u{feff}# a comment\r\nname   =  'Mod' # here too\r\n\r\n  a.b = 1\r\nwhen = 2020-01-01T00:00:00Z\r\nlist = [ 1,\r\n  2, # two\r\n]\r\ninline = { x = 1 ,y = \"2\" }\r\n\r\n[ table ] # header\r\n\tkey=\"\"\"\r\n[not a header]\r\n\"\"\"\r\n\r\n[unknown.\"with space\"]\r\nz=true\r\n\r\n# before a file\r\n[[files]]\r\nfile = \"a\"\r\n\r\n[[files]]\r\nfile = \"b\"\r\n   \r\n# the end";

#[test]
fn what_is_not_edited_stays_byte_for_byte() {
    for text in [ODD, "", "a=1", "\n\n", "a = 1\r\n\r\nb = 2\n", "[x]\n#"] {
        assert_eq!(read(text).text(), text);
    }
}

/// Edits a document and says what was taken out and what was put in, as lines.
fn changed(text: &str, edit: impl FnOnce(&mut Document) -> Result<(), Error>) -> String {
    let mut document = read(text);
    edit(&mut document).unwrap();
    let (old, new): (Vec<_>, Vec<_>) = (
        text.split_inclusive('\n').collect(),
        document.text().split_inclusive('\n').collect(),
    );
    let same = old.iter().zip(&new).take_while(|(a, b)| a == b).count();
    let left = old.len().min(new.len()) - same;
    let tail = old.iter().rev().zip(new.iter().rev());
    let end = tail.take(left).take_while(|(a, b)| a == b).count();
    let lines = |sign, lines: &[&str]| {
        let lines = lines.iter().map(|line| format!("{sign}{line:?}\n"));
        lines.collect::<String>()
    };
    lines('-', &old[same..old.len() - end]) + &lines('+', &new[same..new.len() - end])
}

#[test]
fn a_value_is_replaced_where_it_stands() {
    assert_eq!(
        changed(ODD, |document| document.set(&["name"], "Other")),
        "-\"name   =  'Mod' # here too\\r\\n\"\n+\"name   =  \\\"Other\\\" # here too\\r\\n\"\n"
    );
    assert_eq!(
        changed(ODD, |document| document.set(&["a", "b"], 2)),
        "-\"  a.b = 1\\r\\n\"\n+\"  a.b = 2\\r\\n\"\n"
    );
    assert_eq!(
        changed(ODD, |document| document.set(&["inline", "x"], 5)),
        "-\"inline = { x = 1 ,y = \\\"2\\\" }\\r\\n\"\n+\"inline = { x = 5 ,y = \\\"2\\\" }\\r\\n\"\n"
    );
    assert_eq!(
        changed(ODD, |document| document
            .set(&["unknown", "with space", "z"], false)),
        "-\"z=true\\r\\n\"\n+\"z=false\\r\\n\"\n"
    );
    assert_eq!(
        changed(ODD, |document| document
            .set_in_list("files", 1, "file", "c")),
        "-\"file = \\\"b\\\"\\r\\n\"\n+\"file = \\\"c\\\"\\r\\n\"\n"
    );
}

#[test]
fn a_new_key_goes_behind_the_others_of_its_table() {
    assert_eq!(
        changed(ODD, |document| document.set(&["pin"], true)),
        "+\"pin = true\\r\\n\"\n"
    );
    let mut document = read(ODD);
    document.set(&["pin"], true).unwrap();
    assert!(
        document
            .text()
            .contains("y = \"2\" }\r\npin = true\r\n\r\n[ table ]")
    );
    assert_eq!(
        changed(ODD, |document| document.set(&["table", "new key"], "x")),
        "+\"\\\"new key\\\" = \\\"x\\\"\\r\\n\"\n"
    );
    assert_eq!(
        changed(ODD, |document| document.set(&["unknown", "here"], 1)),
        "-\"# the end\"\n+\"# the end\\r\\n\"\n+\"\\r\\n\"\n+\"[unknown]\\r\\n\"\n+\"here = 1\\r\\n\"\n"
    );
}

#[test]
fn a_new_key_finds_its_place_in_small_files() {
    let set = |text: &str, keys: &[&str]| {
        let mut document = read(text);
        document.set(keys, 1).unwrap();
        document.text().to_owned()
    };
    assert_eq!(set("", &["a"]), "a = 1\n");
    assert_eq!(set("", &["t", "a"]), "[t]\na = 1\n");
    assert_eq!(set("x = 0", &["a"]), "x = 0\na = 1\n");
    assert_eq!(set("x = 0", &["t", "u", "a"]), "x = 0\n\n[t.u]\na = 1\n");
    assert_eq!(set("[t]", &["t", "a"]), "[t]\na = 1\n");
    assert_eq!(set("[t] # c\n[u]\n", &["t", "a"]), "[t] # c\na = 1\n[u]\n");
    assert_eq!(set("\u{feff}[t]\n", &["a"]), "\u{feff}a = 1\n[t]\n");
    assert_eq!(set("# c\n[t]\n", &["a"]), "a = 1\n# c\n[t]\n");
    assert_eq!(set("t = {}\n", &["t", "a"]), "t = { a = 1 }\n");
    assert_eq!(
        set("t = { b = 2 }\n", &["t", "a"]),
        "t = { b = 2, a = 1 }\n"
    );
    assert_eq!(
        set("[t.u]\nb = 2\n", &["t", "a"]),
        "[t.u]\nb = 2\n\n[t]\na = 1\n"
    );
}

#[test]
fn keys_and_tables_are_taken_out_as_lines() {
    assert_eq!(
        changed(ODD, |document| document.remove(&["list"])),
        "-\"list = [ 1,\\r\\n\"\n-\"  2, # two\\r\\n\"\n-\"]\\r\\n\"\n"
    );
    assert_eq!(
        changed(ODD, |document| document.remove(&["unknown", "with space"])),
        "-\"[unknown.\\\"with space\\\"]\\r\\n\"\n-\"z=true\\r\\n\"\n-\"\\r\\n\"\n"
    );
    assert_eq!(
        changed("t = { a = 1, b = 2 }\n", |document| document
            .remove(&["t", "a"])),
        "-\"t = { a = 1, b = 2 }\\n\"\n+\"t = { b = 2 }\\n\"\n"
    );
    for missing in [&["nothing"][..], &["nothing", "at all"], &["table", "no"]] {
        assert_eq!(changed(ODD, |document| document.remove(missing)), "");
    }
    assert_eq!(
        changed(ODD, |document| document.remove_in_list("files", 0, "file")),
        "-\"file = \\\"a\\\"\\r\\n\"\n"
    );
}

#[test]
fn tables_of_a_list_come_and_go() {
    let entry = [("file", Value::from("x")), ("metafile", Value::from(true))];
    assert_eq!(
        changed(ODD, |document| document.insert_in_list("files", 0, &entry)),
        "+\"file = \\\"x\\\"\\r\\n\"\n+\"metafile = true\\r\\n\"\n+\"\\r\\n\"\n+\"[[files]]\\r\\n\"\n"
    );
    assert_eq!(
        changed(ODD, |document| document.insert_in_list("files", 9, &entry)),
        "+\"\\r\\n\"\n+\"[[files]]\\r\\n\"\n+\"file = \\\"x\\\"\\r\\n\"\n+\"metafile = true\\r\\n\"\n"
    );
    assert_eq!(
        changed(ODD, |document| document.remove_from_list("files", 0)),
        "-\"file = \\\"a\\\"\\r\\n\"\n-\"\\r\\n\"\n-\"[[files]]\\r\\n\"\n"
    );
    let mut document = read("hash-format = \"sha256\"");
    for (at, name) in ["b", "a"].into_iter().enumerate() {
        let entry = [("file", Value::from(name))];
        document.insert_in_list("files", at, &entry).unwrap();
    }
    assert_eq!(
        document.text(),
        "hash-format = \"sha256\"\n\n[[files]]\nfile = \"b\"\n\n[[files]]\nfile = \"a\"\n"
    );
}

#[test]
fn what_cannot_be_edited_is_refused_and_nothing_changes() {
    let mut document = read(ODD);
    let mut inline = InlineTable::new();
    inline.insert("x", 1.into());
    for refused in [
        document.set(&["name", "x"], 1),
        document.set(&["table"], 1),
        document.set(&["files"], Array::new()),
        document.set(&[], 1),
        document.set(&["a", "c"], inline),
        document.remove(&["files"]),
        document.set_in_list("files", 2, "file", "x"),
        document.set_in_list("list", 0, "file", "x"),
        document.remove_from_list("none", 0),
        document.insert_in_list("list", 0, &[]),
    ] {
        assert!(matches!(refused, Err(Error::Edit { .. })), "{refused:?}");
    }
    assert_eq!(document.text(), ODD);
}

#[test]
fn mistakes_are_found_at_their_line_and_column() {
    for (text, line, column, said) in [
        ("a = 1\nb = \n", 2, 5, ""),
        ("é = 1\n", 1, 1, ""),
        ("a = 1\r\n\"ü\" = \"é\" x\r\n", 2, 11, ""),
        ("a = 1\na = 2\n", 2, 1, "duplicate key"),
        (
            "a = 1\n<<<<<<< HEAD\nb = 2\n",
            2,
            1,
            "a merge was not finished",
        ),
    ] {
        let error = Document::read(text.as_bytes(), 1 << 20, 100).unwrap_err();
        assert_eq!(
            error.place(),
            Some(Place { line, column }),
            "{text:?} {error}"
        );
        assert!(error.to_string().starts_with(said), "{error}");
        assert!(!error.to_string().contains('\n'));
    }
    let error = Document::read(b"a = 1\nb = \"\xff\"", 1 << 20, 100).unwrap_err();
    assert!(matches!(error, Error::NotText { place } if place == Place { line: 2, column: 6 }));
}

#[test]
fn what_is_too_large_is_refused_before_it_is_parsed() {
    let error = |text: &str| Document::read(text.as_bytes(), 1 << 16, 1_000).unwrap_err();
    assert!(matches!(
        error(&"#".repeat(1 << 17)),
        Error::TooLarge { .. }
    ));
    assert!(matches!(
        error(&"[a]\n".repeat(2_000)),
        Error::TooMany { .. }
    ));
    assert!(matches!(
        error(&format!("a = [{}]", "1,".repeat(2_000))),
        Error::TooMany { .. }
    ));
    assert!(matches!(
        error(&format!("a{} = 1", ".a".repeat(5_000))),
        Error::TooMany { .. }
    ));
    for deep in ["[", "{a=", "{a={", "[["] {
        let text = format!("a = {}", deep.repeat(900));
        assert!(Document::read(text.as_bytes(), 1 << 16, 10_000).is_err());
    }
}
