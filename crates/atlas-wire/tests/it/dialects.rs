//! The examples of `docs/formats/dialects.md` say to the dialects what the page says.

use std::fs;
use std::path::PathBuf;

use atlas_base::{Position, Velocity};
use atlas_wire::dialect::{self, DialectConfig, Name};

fn examples() -> Vec<String> {
    let page = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../docs/formats/dialects.md");
    let page = fs::read_to_string(page).unwrap();
    page.split("```json\n")
        .skip(1)
        .map(|rest| rest.split("\n```").next().unwrap().to_owned())
        .collect()
}

#[test]
fn the_pages_examples_are_read() {
    let dialect = |name| {
        dialect::build(&DialectConfig {
            name,
            ..DialectConfig::default()
        })
    };
    let (atlas, horizon) = (dialect(Name::Atlas), dialect(Name::Horizon));
    let examples = examples();
    let [envelope, login, event] = &examples[..] else {
        panic!("three examples, not {examples:?}");
    };
    let at = Position {
        x: 1.5,
        y: 2.0,
        z: -3.0,
    };
    let velocity = Velocity {
        x: 0.5,
        y: 0.0,
        z: 4.0,
    };
    assert_eq!(atlas.position(envelope.as_bytes(), true), Some((at, None)));
    assert_eq!(
        atlas.player(envelope.as_bytes(), true).as_deref(),
        Some("p-12")
    );
    assert!(horizon.is_join(login.as_bytes(), true));
    assert_eq!(
        horizon.position(event.as_bytes(), true),
        Some((at, Some(velocity)))
    );
    assert_eq!(
        horizon.player(event.as_bytes(), true).as_deref(),
        Some("6f9619ff-8b86-d011-b42d-00c04fc964ff")
    );
}
