use proptest::prelude::*;
use serde_json::{Value, json};

use super::scan::{Raw, is_text, scan, to_text};
use super::*;

fn json_dialect() -> Box<dyn Dialect> {
    build(&DialectConfig::default())
}

fn position(message: &str) -> Option<[f64; 3]> {
    json_dialect()
        .position(message.as_bytes(), true)
        .map(|(at, _)| [at.x, at.y, at.z])
}

#[test]
fn moves_are_read() {
    let cases = [
        (
            r#"{"client":"move","n":17,"x":1,"y":2.5,"z":-3e2}"#,
            Some([1.0, 2.5, -300.0]),
        ),
        (
            r#"{"z":3,"y":2,"x":1,"client":"move"}"#,
            Some([1.0, 2.0, 3.0]),
        ),
        (
            " {\n \"client\" : \"move\" , \"x\" : 1 ,\t\"y\" : 2 , \"z\" : 3\r}",
            Some([1.0, 2.0, 3.0]),
        ),
        // Only what is needed is read: the end may be cut off.
        (
            r#"{"client":"move","x":1,"y":2,"z":3,"pad":"aaaaaa"#,
            Some([1.0, 2.0, 3.0]),
        ),
        (r#"{"client":"move","x":1,"y":2,"z":3"#, None),
        (
            r#"{"deep":{"client":"say","x":[9,{"x":"}]\""}]},"client":"move","x":1,"y":2,"z":3}"#,
            Some([1.0, 2.0, 3.0]),
        ),
        (
            r#"{"\u0063lient":"mo\u0076e","x":1,"y":2,"\u007a":3}"#,
            Some([1.0, 2.0, 3.0]),
        ),
        (
            r#"{"client":"move","x":1,"x":7,"y":2,"z":3}"#,
            Some([1.0, 2.0, 3.0]),
        ),
        (r#"{"client":"say","x":1,"y":2,"z":3}"#, None),
        (r#"{"client":"moves","x":1,"y":2,"z":3}"#, None),
        (r#"{"client":["move"],"x":1,"y":2,"z":3}"#, None),
        (r#"{"client":"move","x":1,"y":2}"#, None),
        (r#"{"client":"move","x":"1","y":2,"z":3}"#, None),
        (r#"{"client":"move","x":null,"y":2,"z":3}"#, None),
        (r#"{"client":"move","x":{"x":1},"y":2,"z":3}"#, None),
        (r#"{"x":1,"y":2,"z":3,"say":"move"}"#, None),
        (r#"[{"client":"move","x":1,"y":2,"z":3}]"#, None),
        ("", None),
        ("move", None),
        ("\"move\"", None),
    ];
    for (message, expected) in cases {
        assert_eq!(position(message), expected, "{message}");
    }
}

#[test]
fn absurd_places_are_none() {
    for number in [
        "1e999",
        "-1e999",
        "1e301",
        "-1.1e300",
        "NaN",
        "Infinity",
        "-Infinity",
        "1e",
        "-",
        "1-1",
        "0x10",
    ] {
        let message = format!(r#"{{"client":"move","x":{number},"y":2,"z":3}}"#);
        assert_eq!(position(&message), None, "{number}");
    }
    for number in ["1e300", "-1e300", "1e-999", "-0", "0.1"] {
        let message = format!(r#"{{"client":"move","x":{number},"y":2,"z":3}}"#);
        assert!(
            position(&message).is_some_and(|place| place[0].is_finite()),
            "{number}"
        );
    }
}

#[test]
fn joins_and_players_are_read() {
    let dialect = json_dialect();
    let cases = [
        (
            r#"{"client":"join","player_id":"p-12"}"#,
            true,
            Some("p-12"),
        ),
        (r#"{"client":"join","player_id":12}"#, true, Some("12")),
        (r#"{"client":"join","player_id":1.5}"#, true, None),
        (r#"{"client":"join","player_id":""}"#, true, None),
        (
            r#"{"client":"join","player_id":"\ud83d\ude00\n"}"#,
            true,
            Some("😀\n"),
        ),
        (r#"{"client":"join","player_id":"\ud83d"}"#, true, None),
        (r#"{"client":"join""#, true, None),
        (r#"{"client":"jo"#, false, None),
        (r#"{"player_id":"p","client":"say"}"#, false, Some("p")),
        (r#"{"say":"join"}"#, false, None),
    ];
    for (message, is_join, player) in cases {
        assert_eq!(
            dialect.is_join(message.as_bytes(), true),
            is_join,
            "{message}"
        );
        assert_eq!(
            dialect.player(message.as_bytes(), false).as_deref(),
            player,
            "{message}"
        );
    }
    let long = |length: usize| format!(r#"{{"player_id":"{}"}}"#, "p".repeat(length));
    assert_eq!(
        dialect
            .player(long(256).as_bytes(), true)
            .map(|player| player.len()),
        Some(256)
    );
    assert_eq!(dialect.player(long(257).as_bytes(), true), None);
}

#[test]
fn kinds_are_told_in_the_games_own_words() {
    let of = |name: Name| {
        build(&DialectConfig {
            name,
            ..DialectConfig::default()
        })
    };
    let long = format!("{{\"client\":\"{}\"}}", "k".repeat(65));
    for (name, message, kind) in [
        (Name::Json, r#"{"client":"move","x":1}"#, Some("move")),
        (Name::Json, r#"{"client":"m\u006fve"}"#, Some("move")),
        (Name::Json, r#"{"client":""}"#, None),
        (Name::Json, r#"{"client":7}"#, None),
        (Name::Json, r#"{"server":"hello"}"#, None),
        (Name::Json, "hello", None),
        (Name::Json, &long, None),
        (
            Name::Atlas,
            r#"{"message_type":"PlayerMove"}"#,
            Some("PlayerMove"),
        ),
        (
            Name::Horizon,
            r#"{"namespace":"p","event":"move"}"#,
            Some("move"),
        ),
        (Name::Opaque, r#"{"client":"move"}"#, None),
    ] {
        let found = of(name).kind(message.as_bytes(), true);
        assert_eq!(found.as_deref(), kind, "{name:?}: {message}");
    }
    let binary = of(Name::Horizon).kind(br#"{"event":"move"}"#, false);
    assert_eq!(binary, None, "Horizon reads text only");
}

#[test]
fn rules_may_leave_things_out() {
    let config = |text: &str| -> DialectConfig { serde_json::from_str(text).unwrap() };
    // Two dimensions, nested, in an array.
    let flat = build(&config(
        r#"{"kind":"/t","move":{"kind":"pos","x":"/at/0","y":"","z":"/at/1"}}"#,
    ));
    let at = flat
        .position(br#"{"t":"pos","at":[4,5]}"#, true)
        .map(|(at, _)| at);
    assert_eq!(at, Some(Position::new(4.0, 0.0, 5.0)));
    // No kinds: each message with a place is a move, none is a join.
    let kindless = build(&config(r#"{"kind":""}"#));
    assert!(kindless.position(br#"{"x":1,"y":2,"z":3}"#, true).is_some());
    assert!(!kindless.is_join(br#"{"client":"join"}"#, true));
    // Nothing at all.
    let nothing = build(&config(
        r#"{"move":{"kind":""},"join":{"kind":""},"player":""}"#,
    ));
    assert!(!nothing.skims());
    assert!(
        nothing
            .position(br#"{"client":"","x":1,"y":2,"z":3}"#, true)
            .is_none()
    );
    assert!(!nothing.is_join(br#"{"client":""}"#, true));
    assert!(!build(&config(r#"{"name":"opaque"}"#)).skims());
    for name in ["opaque", "json", "atlas", "horizon"] {
        assert_eq!(
            build(&config(&format!(r#"{{"name":"{name}"}}"#))).name(),
            name
        );
    }
}

#[test]
fn the_configuration_reads_as_it_is_written() {
    let config = DialectConfig::default();
    let text = serde_json::to_string(&config).unwrap();
    assert_eq!(
        text,
        r#"{"name":"json","kind":"/client","move":{"kind":"move","x":"/x","y":"/y","z":"/z"},"join":{"kind":"join"},"player":"/player_id"}"#
    );
    assert_eq!(
        serde_json::from_str::<DialectConfig>(&text).unwrap(),
        config
    );
    for wrong in [
        r#"{"kind":"client"}"#,
        r#"{"kind":"/a~2"}"#,
        r#"{"kind":"/a~"}"#,
        r#"{"kind":"/1/2/3/4/5/6/7/8/9"}"#,
    ] {
        let error = serde_json::from_str::<DialectConfig>(wrong)
            .unwrap_err()
            .to_string();
        assert!(error.contains("is no JSON pointer: write"), "{error}");
    }
    assert_eq!("/a~1b~0".parse::<Pointer>().unwrap().to_string(), "/a~1b~0");
}

/// Pointers that the documents of [`documents`] often have something at.
const POINTERS: [&str; 8] = [
    "/a", "/b/a", "/a/0", "/b/1/a", "/0", "/~1~0/a", "/ä", "/a/a/a",
];

fn documents() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(|number| json!(if number.is_finite() { number } else { 0.5 })),
        "[a\"\\\\{}\\[\\]:, \u{1}ä😀]{0,5}".prop_map(Value::from),
    ];
    let key = prop::sample::select(vec!["a", "b", "ä", "0", "/~", "\"", "", "a\\"]);
    leaf.prop_recursive(4, 40, 4, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::vec((key.clone(), inner), 0..5).prop_map(|members| members
                .into_iter()
                .map(|(key, value)| (key.to_owned(), value))
                .collect()),
        ]
    })
}

/// What the scanner found at each pointer; `Err` for a value that is neither text nor number.
type Found = Vec<Option<Result<Value, ()>>>;

fn scanned(document: &[u8], pointers: &[Pointer]) -> Found {
    let mut found: Found = vec![None; pointers.len()];
    let borrowed: Vec<&Pointer> = pointers.iter().collect();
    scan(document, &borrowed, |index, raw| {
        let value = match raw {
            Raw::Text(text) => to_text(text, usize::MAX).map(Value::from).ok_or(()),
            Raw::Number(digits) => number(std::str::from_utf8(digits).unwrap()),
            Raw::Other => Err(()),
            Raw::Begun(text) => {
                assert!(document.ends_with(text));
                return std::ops::ControlFlow::Continue(());
            }
        };
        assert!(found[index].is_none(), "found twice");
        found[index] = Some(value);
        std::ops::ControlFlow::Continue(())
    });
    found
}

/// A number as [`Value`]; fractions by the standard library, since serde_json may be off by the last bit.
fn number(digits: &str) -> Result<Value, ()> {
    if digits.contains(['.', 'e', 'E']) {
        digits.parse::<f64>().map(Value::from).map_err(drop)
    } else {
        digits.parse().map_err(drop)
    }
}

fn expected(document: &Value) -> Found {
    let simple = |value: &Value| match value {
        Value::String(_) | Value::Number(_) => Ok(value.clone()),
        _ => Err(()),
    };
    POINTERS
        .iter()
        .map(|pointer| document.pointer(pointer).map(simple))
        .collect()
}

/// The document with every character of every string escaped, and blanks wherever they may stand.
fn spelled_out(value: &Value) -> String {
    let text = |text: &str| {
        let units: String = text
            .encode_utf16()
            .map(|unit| format!("\\u{unit:04x}"))
            .collect();
        format!(" \"{units}\"\n")
    };
    match value {
        Value::String(string) => text(string),
        Value::Array(items) => format!(
            " [{}]\t",
            items.iter().map(spelled_out).collect::<Vec<_>>().join(" ,")
        ),
        Value::Object(members) => {
            let members: Vec<String> = members
                .iter()
                .map(|(key, value)| format!("{} :{}", text(key), spelled_out(value)))
                .collect();
            format!(" {{{}}} ", members.join(","))
        }
        other => format!(" {other} "),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    #[test]
    fn the_scanner_agrees_with_serde_json(document in documents(), cut: prop::sample::Index) {
        let pointers: Vec<Pointer> = POINTERS.iter().map(|pointer| pointer.parse().unwrap()).collect();
        let expected = expected(&document);
        for text in [document.to_string(), spelled_out(&document), serde_json::to_string_pretty(&document).unwrap()] {
            prop_assert_eq!(&scanned(text.as_bytes(), &pointers), &expected, "{}", text);
            let container = document.is_object() || document.is_array();
            let to_the_end = |text: &[u8]| scan(text, &[], |_, _| std::ops::ControlFlow::Continue(()));
            prop_assert!(to_the_end(text.as_bytes()) || !container, "{}", text);
            let within = text.trim_end().len() - 1;
            prop_assert!(!container || !to_the_end(&text.as_bytes()[..cut.index(within + 1)]), "{}", text);
            let cut = &text.as_bytes()[..cut.index(text.len())];
            for (found, expected) in scanned(cut, &pointers).iter().zip(&expected) {
                prop_assert!(found.is_none() || found == expected, "{:?} of {}", found, text);
            }
        }
    }

    #[test]
    fn positions_agree_with_serde_json(
        document in prop::collection::vec((prop::sample::select(vec!["client", "x", "y", "z", "w"]), documents()), 0..6),
        kind in prop::sample::select(vec!["move", "say"]), place: [f64; 3], cut: prop::sample::Index,
    ) {
        let mut object: serde_json::Map<String, Value> =
            document.into_iter().map(|(key, value)| (key.to_owned(), value)).collect();
        if object.len().is_multiple_of(2) {
            object.insert("client".into(), kind.into());
            for (key, value) in ["x", "y", "z"].into_iter().zip(place) {
                object.insert(key.into(), json!(value));
            }
        }
        let document = Value::from(object);
        let coordinate = |key: &str| document.get(key).and_then(Value::as_f64).filter(|value| value.abs() <= 1e300);
        let expected = (document.get("client") == Some(&json!("move")))
            .then(|| Some([coordinate("x")?, coordinate("y")?, coordinate("z")?]))
            .flatten();
        let text = document.to_string();
        // serde_json may be off by the last bit, so numbers are compared nearly.
        let near = |left: [f64; 3], right: [f64; 3]| {
            left.iter().zip(right).all(|(left, right)| (left - right).abs() <= left.abs() * 1e-14)
        };
        match (position(&text), expected) {
            (Some(left), Some(right)) => prop_assert!(near(left, right), "{:?} {:?}", left, right),
            (left, right) => prop_assert_eq!(left, right, "{}", text),
        }
        let cut = &text.as_bytes()[..cut.index(text.len())];
        if let Some((at, _)) = json_dialect().position(cut, true) {
            prop_assert!(expected.is_some_and(|whole| near([at.x, at.y, at.z], whole)));
        }
    }

    #[test]
    fn arbitrary_bytes_are_scanned_without_panic(
        bytes in prop::collection::vec(
            prop_oneof![
                prop::sample::select(b"{}[]\":,\\ \tu0189-+.eEatrunl".to_vec()),
                any::<u8>(),
            ],
            0..120,
        ),
    ) {
        let pointers: Vec<Pointer> = POINTERS.iter().map(|pointer| pointer.parse().unwrap()).collect();
        scanned(&bytes, &pointers);
        let dialect = json_dialect();
        for start in ["", "{", "{\"client\":\"move\",\"x\":", "{\"client\":\"join\",\"player_id\":\""] {
            let message = [start.as_bytes(), &bytes].concat();
            if let Some((at, _)) = dialect.position(&message, false) {
                prop_assert!(at.is_finite());
            }
            dialect.is_join(&message, false);
            if let Some(player) = dialect.player(&message, false) {
                prop_assert!((1..=256).contains(&player.len()));
            }
        }
    }

    #[test]
    fn text_is_compared_as_it_is_read(text in ".{0,6}", other in ".{0,6}") {
        let quoted = Value::from(text.as_str()).to_string();
        let spelled = spelled_out(&Value::from(text.as_str()));
        for raw in [&quoted[1..quoted.len() - 1], &spelled[2..spelled.len() - 2]] {
            prop_assert!(is_text(raw.as_bytes(), &text));
            prop_assert_eq!(is_text(raw.as_bytes(), &other), text == other);
            prop_assert_eq!(to_text(raw.as_bytes(), 100), Some(text.clone()));
        }
    }
}

#[test]
fn a_deep_document_is_skipped_without_recursion() {
    let deep = format!(
        "{{\"w\":{}{},\"client\":\"move\",\"x\":1,\"y\":2,\"z\":3}}",
        "[".repeat(200_000),
        "]".repeat(200_000)
    );
    assert_eq!(position(&deep), Some([1.0, 2.0, 3.0]));
}
