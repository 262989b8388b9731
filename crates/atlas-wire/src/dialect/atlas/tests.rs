use base64::engine::general_purpose::STANDARD as BASE64;
use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;

fn envelope(kind: &str, player: &str, payload: &[u8]) -> String {
    json!({
        "message_type": kind, "player_id": player, "data": BASE64.encode(payload), "timestamp": 1_700_000_000_u64,
    })
    .to_string()
}

fn position(message: &str) -> Option<([f64; 3], Option<[f64; 3]>)> {
    let (at, velocity) = Atlas::new().position(message.as_bytes(), true)?;
    Some((
        [at.x, at.y, at.z],
        velocity.map(|velocity| [velocity.x, velocity.y, velocity.z]),
    ))
}

/// Messages written by hand, in the order in which other libraries write the fields.
#[test]
fn envelopes_are_read() {
    // {"position":{"x":1.5,"y":2,"z":-3},"velocity":{"x":0.5,"y":0,"z":4}}
    const MOVE: &str = "eyJwb3NpdGlvbiI6eyJ4IjoxLjUsInkiOjIsInoiOi0zfSwidmVsb2NpdHkiOnsieCI6MC41LCJ5IjowLCJ6Ijo0fX0=";
    // {"position":{"x":1.5,"y":2,"z":-3}}
    const PLACE: &str = "eyJwb3NpdGlvbiI6eyJ4IjoxLjUsInkiOjIsInoiOi0zfX0=";
    let at = [1.5, 2.0, -3.0];
    let cases = [
        (
            format!(
                r#"{{"message_type":"PlayerMove","player_id":"p-1","data":"{MOVE}","timestamp":5}}"#
            ),
            Some((at, Some([0.5, 0.0, 4.0]))),
        ),
        (
            format!(
                r#"{{"data":"{MOVE}","timestamp":"2026-01-01T00:00:00Z","message_type":"PlayerMove"}}"#
            ),
            Some((at, Some([0.5, 0.0, 4.0]))),
        ),
        // Padding may be left out, and characters may be spelled as escapes.
        (
            format!(
                r#"{{"message_type":"Player\u004dove","data":"\u0065{}"}}"#,
                &MOVE[1..MOVE.len() - 1]
            ),
            Some((at, Some([0.5, 0.0, 4.0]))),
        ),
        (
            format!(r#"{{"message_type":"PlayerMove","data":"{PLACE}"}}"#),
            Some((at, None)),
        ),
        (
            format!(r#"{{"message_type":"PlayerConnect","data":"{PLACE}"}}"#),
            Some((at, None)),
        ),
        // What stands behind a place and its speed does not matter, be it cut off or wrong.
        (
            format!(r#"{{"message_type":"PlayerMove","data":"{}"#, &MOVE[..88]),
            None,
        ),
        (
            format!(r#"{{"message_type":"PlayerMove","data":"{}"#, &MOVE[..90]),
            Some((at, Some([0.5, 0.0, 4.0]))),
        ),
        (
            format!(
                r#"{{"message_type":"PlayerMove","data":"{}!"}}"#,
                &MOVE[..90]
            ),
            Some((at, Some([0.5, 0.0, 4.0]))),
        ),
        (
            format!(r#"{{"message_type":"PlayerMove","data":"!{MOVE}"}}"#),
            None,
        ),
        (
            format!(r#"{{"message_type":"PlayerAction","data":"{MOVE}"}}"#),
            None,
        ),
        (
            format!(r#"{{"message_type":"PlayerMoved","data":"{MOVE}"}}"#),
            None,
        ),
        (r#"{"message_type":"PlayerMove","data":""}"#.into(), None),
        (
            r#"{"message_type":"PlayerMove","data":{"position":{"x":1,"y":2,"z":3}}}"#.into(),
            None,
        ),
        (r#"{"message_type":"PlayerMove"}"#.into(), None),
        ("PlayerMove".into(), None),
    ];
    for (message, expected) in cases {
        assert_eq!(position(&message), expected, "{message}");
    }
}

#[test]
fn payloads_say_where_and_perhaps_how_fast() {
    let cases = [
        (
            r#"{"velocity":{"x":1,"y":2,"z":3},"position":{"x":4,"y":5,"z":6}}"#,
            Some(Some(3)),
        ),
        (
            r#"{"position":{"x":4,"y":5,"z":6},"velocity":{"x":1,"y":2}}"#,
            Some(None),
        ),
        (
            r#"{"position":{"x":4,"y":5,"z":6},"velocity":{"x":1,"y":"2","z":3}}"#,
            Some(None),
        ),
        (
            r#"{"position":{"x":4,"y":5,"z":6},"velocity":{"x":1e999,"y":2,"z":3}}"#,
            Some(None),
        ),
        (
            r#"{"position":{"x":4,"y":5,"z":6},"velocity":null}"#,
            Some(None),
        ),
        (
            r#"{"position":{"x":1e301,"y":5,"z":6},"velocity":{"x":1,"y":2,"z":3}}"#,
            None,
        ),
        (r#"{"position":{"x":4,"y":5}}"#, None),
        (r#"{"token":"abc"}"#, None),
        ("", None),
    ];
    for (payload, expected) in cases {
        let found = position(&envelope("PlayerMove", "p", payload.as_bytes()))
            .map(|(_, velocity)| velocity.map(|velocity| velocity[2] as i32));
        assert_eq!(found, expected, "{payload}");
    }
    // Of a long payload the beginning is read.
    let long = |pad: usize| {
        let pad = "x".repeat(pad);
        envelope(
            "PlayerMove",
            "p",
            format!(r#"{{"position":{{"x":4,"y":5,"z":6}},"velocity":{{"x":1,"y":2,"z":3}},"p":"{pad}"}}"#).as_bytes(),
        )
    };
    assert_eq!(position(&long(100_000)), position(&long(0)));
    assert!(position(&long(0)).is_some());
    let behind = format!(
        r#"{{"p":"{}","position":{{"x":4,"y":5,"z":6}}}}"#,
        "x".repeat(PAYLOAD_BYTES_MAX)
    );
    assert_eq!(
        position(&envelope("PlayerMove", "p", behind.as_bytes())),
        None
    );
}

#[test]
fn joins_and_players_are_read() {
    let dialect = Atlas::new();
    for (kind, is_join) in [
        ("PlayerConnect", true),
        ("PlayerMove", false),
        ("PlayerAction", false),
        ("Heartbeat", false),
    ] {
        let message = envelope(kind, "p-1", b"{}");
        assert_eq!(
            dialect.is_join(message.as_bytes(), false),
            is_join,
            "{kind}"
        );
        assert_eq!(
            dialect.player(message.as_bytes(), true).as_deref(),
            Some("p-1")
        );
    }
    assert!(!dialect.is_join(br#"{"player_id":"PlayerConnect"}"#, true));
}

#[test]
fn the_key_of_a_state_is_read_from_its_beginning() {
    let key = 0x0807_0605_0403_0201_u64;
    let mut payload = key.to_le_bytes().to_vec();
    payload.extend([0xff; 3000]);
    let data = BASE64.encode(&payload);
    let read = |message: &str| Atlas::new().state_key(message.as_bytes(), true);
    let behind = format!(r#"{{"data":"{data}","message_type":"StateSync"}}"#);
    assert_eq!(read(&behind), Some(key));
    assert_eq!(
        read(&behind[..512]),
        None,
        "its type stands behind the payload"
    );
    let message = format!(r#"{{"message_type":"StateSync","data":"{data}"}}"#);
    assert_eq!(read(&message), Some(key));
    assert_eq!(read(&message[..512]), Some(key));
    assert_eq!(read(&message[..50]), Some(key));
    assert_eq!(read(&message[..40]), None);
    assert_eq!(read(&message.replace("StateSync", "Heartbeat")), None);
    assert_eq!(
        read(r#"{"message_type":"StateSync","data":"AQIDBAUGBw=="}"#),
        None,
        "seven bytes"
    );
}

fn number() -> impl Strategy<Value = Value> {
    prop_oneof![
        4 => any::<f64>().prop_map(|number| json!(if number.is_finite() { number } else { 0.5 })),
        2 => any::<i32>().prop_map(Value::from),
        1 => prop::sample::select(vec![Value::Null, json!("1"), json!([1]), json!({"x": 1})]),
    ]
}

fn vector() -> impl Strategy<Value = Value> {
    prop::collection::btree_map(
        prop::sample::select(vec!["x", "y", "z", "w"]),
        number(),
        1..5,
    )
    .prop_map(|members| {
        members
            .into_iter()
            .map(|(key, value)| (key.to_owned(), value))
            .collect()
    })
}

fn payloads() -> impl Strategy<Value = Value> {
    let vectors =
        prop_oneof![3 => vector(), 3 => Just(json!({"x": 1, "y": 2.5, "z": -3e2})), 1 => number()];
    prop::collection::btree_map(
        prop::sample::select(vec!["a", "position", "velocity", "zone"]),
        vectors,
        0..5,
    )
    .prop_map(|members| {
        members
            .into_iter()
            .map(|(key, value)| (key.to_owned(), value))
            .collect()
    })
}

/// What serde_json and the base64 crate make of a message.
fn expected(message: &str) -> Option<([f64; 3], Option<[f64; 3]>)> {
    let message: Value = serde_json::from_str(message).unwrap();
    if !matches!(
        message["message_type"].as_str()?,
        "PlayerMove" | "PlayerConnect"
    ) {
        return None;
    }
    let payload = BASE64.decode(message["data"].as_str()?).ok()?;
    let payload: Value = serde_json::from_slice(&payload).ok()?;
    let vector = |name: &str| {
        let axis = |axis: &str| {
            payload[name][axis]
                .as_f64()
                .filter(|value| value.abs() <= 1e300)
        };
        Some([axis("x")?, axis("y")?, axis("z")?])
    };
    Some((vector("position")?, vector("velocity")))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    #[test]
    fn places_agree_with_serde_json(
        payload in payloads(), kind in prop::sample::select(vec!["PlayerMove", "PlayerConnect", "StateSync"]),
        escaped: bool, cut: prop::sample::Index,
    ) {
        let mut message = envelope(kind, "p", payload.to_string().as_bytes());
        if escaped {
            message = message.replace('/', "\\/");
        }
        let expected = expected(&message);
        // serde_json may be off by the last bit, so numbers are compared nearly.
        let near = |left: [f64; 3], right: [f64; 3]| {
            left.iter().zip(right).all(|(left, right)| (left - right).abs() <= left.abs() * 1e-14)
        };
        let agrees = |found: ([f64; 3], Option<[f64; 3]>)| expected.is_some_and(|expected| {
            near(found.0, expected.0) && match (found.1, expected.1) {
                (Some(left), Some(right)) => near(left, right),
                (left, right) => left.is_none() && right.is_none(),
            }
        });
        match position(&message) {
            Some(found) => prop_assert!(agrees(found), "{:?} of {}", found, message),
            None => prop_assert!(expected.is_none(), "{:?} of {}", expected, message),
        }
        // The type in front, so that there is something to find in a cut message.
        let data = serde_json::from_str::<Value>(&message).unwrap()["data"].to_string();
        let message = format!(r#"{{"message_type":"{kind}","data":{data}}}"#);
        if let Some(found) = position(&message[..cut.index(message.len())]) {
            prop_assert!(agrees(found), "{:?} of {}", found, message);
        }
    }

    #[test]
    fn arbitrary_payloads_do_no_harm(payload: Vec<u8>, text in "[A-Za-z0-9+/=\\\\\"!u]{0,40}", key: u64) {
        let message = format!(r#"{{"message_type":"PlayerMove","data":"{text}"#);
        for message in [message.clone(), message.replace("PlayerMove", "StateSync")] {
            let _ = Atlas::new().position(message.as_bytes(), true);
            let _ = Atlas::new().state_key(message.as_bytes(), true);
        }
        let state = [&key.to_le_bytes(), payload.as_slice()].concat();
        let message = format!(r#"{{"message_type":"StateSync","data":"{}"}}"#, BASE64.encode(state));
        prop_assert_eq!(Atlas::new().state_key(message.as_bytes(), true), Some(key));
        let _ = position(&envelope("PlayerMove", "p", &payload));
    }
}
