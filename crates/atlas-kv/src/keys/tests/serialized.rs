//! `DUMP` and `RESTORE` as commands; what they read and write is tested with `rdb`.

use super::{changes, check, shown};
use crate::reply::Answer;
use crate::settings::{Access, Settings};
use crate::testing::Stage;

/// The payload of `hello`.
fn payload(stage: &mut Stage) -> Vec<u8> {
    stage.run("set source hello");
    match stage.run("dump source") {
        Answer::Bulk(payload) => payload,
        other => panic!("{other:?}"),
    }
}

/// Runs `RESTORE KEY` with a time, the payload and options.
fn restore(stage: &mut Stage, key: &str, time: &str, payload: &[u8], options: &str) -> String {
    let mut command: Vec<&[u8]> = vec![b"restore", key.as_bytes(), time.as_bytes(), payload];
    command.extend(options.split_ascii_whitespace().map(str::as_bytes));
    shown(&stage.run_bytes(command))
}

#[test]
fn a_value_is_set_with_its_expiry() {
    let mut stage = Stage::new();
    let payload = payload(&mut stage);
    check(&mut stage, &[("dump none", "(nil)")]);
    assert_eq!(restore(&mut stage, "a", "0", &payload, ""), "+OK");
    assert_eq!(stage.events(), ["new a", "restore a"]);
    assert_eq!(changes(&stage), ["0 a"]);
    check(&mut stage, &[("get a", "hello"), ("pttl a", ":-1")]);
    assert_eq!(restore(&mut stage, "a", "500", &payload, "replace"), "+OK");
    assert_eq!(stage.events(), ["new a", "restore a"]);
    check(&mut stage, &[("pttl a", ":500")]);
    let at = (stage.now_ms + 700).to_string();
    assert_eq!(
        restore(&mut stage, "a", &at, &payload, "ABSTTL REPLACE"),
        "+OK"
    );
    check(&mut stage, &[("pttl a", ":700")]);
    // The past removes the key, or makes none.
    assert_eq!(
        restore(&mut stage, "a", "1", &payload, "absttl replace"),
        "+OK"
    );
    assert_eq!(stage.events(), ["del a"]);
    assert_eq!(restore(&mut stage, "b", "1", &payload, "absttl"), "+OK");
    assert!(stage.events().is_empty());
    check(&mut stage, &[("exists a b", ":0")]);
}

#[test]
fn what_does_not_fit_is_refused_in_order() {
    let mut stage = Stage::new();
    let payload = payload(&mut stage);
    let mut refused = |key: &str, time: &str, payload: &[u8], options: &str, error: &str| {
        let answer = restore(&mut stage, key, time, payload, options);
        assert_eq!(answer, error, "{key} {time} {options}");
    };
    let busy = "-BUSYKEY Target key name already exists.";
    refused("source", "x", b"", "", busy);
    refused("source", "0", b"", "something", "-ERR syntax error");
    refused("source", "0", b"", "idletime 1 freq 1", "-ERR syntax error");
    refused("source", "0", b"", "freq 1 idletime 1", "-ERR syntax error");
    refused("source", "0", b"", "idletime", "-ERR syntax error");
    refused(
        "source",
        "0",
        b"",
        "idletime -1",
        "-ERR Invalid IDLETIME value, must be >= 0",
    );
    refused(
        "source",
        "0",
        b"",
        "freq 256",
        "-ERR Invalid FREQ value, must be >= 0 and <= 255",
    );
    refused(
        "source",
        "0",
        b"",
        "freq x",
        "-ERR value is not an integer or out of range",
    );
    refused(
        "new",
        "x",
        b"",
        "",
        "-ERR value is not an integer or out of range",
    );
    refused("new", "-1", b"", "", "-ERR Invalid TTL value, must be >= 0");
    refused(
        "new",
        "0",
        &payload[..payload.len() - 1],
        "",
        "-ERR DUMP payload version or checksum are wrong",
    );
    check(&mut stage, &[("dbsize", ":1")]);
}

#[test]
fn uses_come_along() {
    let mut stage = Stage::new();
    stage.now_ms = 1_700_000_000_000;
    let bytes = payload(&mut stage);
    assert_eq!(
        restore(&mut stage, "a", "0", &bytes, "idletime 1000"),
        "+OK"
    );
    check(&mut stage, &[("object idletime a", ":1000")]);
    assert_eq!(restore(&mut stage, "b", "0", &bytes, "freq 10"), "+OK");
    check(&mut stage, &[("object idletime b", ":0")]);
    let mut stage = Stage::with(Settings {
        access: Access::Frequency,
        ..Settings::default()
    });
    let bytes = payload(&mut stage);
    assert_eq!(restore(&mut stage, "a", "0", &bytes, "freq 100"), "+OK");
    check(&mut stage, &[("object freq a", ":100")]);
}
