use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;

fn position(message: &str) -> Option<([f64; 3], Option<[f64; 3]>)> {
    let (at, velocity) = Horizon::new().position(message.as_bytes(), true)?;
    Some((
        [at.x, at.y, at.z],
        velocity.map(|velocity| [velocity.x, velocity.y, velocity.z]),
    ))
}

#[test]
fn events_are_read() {
    let dialect = Horizon::new();
    // As a Horizon client writes a move of its own object.
    let gorc = r#"{"type":"gorc_event","object_id":"GorcObjectId(9f4c)","channel":0,"event":"move","data":{"player_id":"6f96","new_position":{"x":500000.0,"y":1.0,"z":1.0},"velocity":{"x":10.0,"y":1.0,"z":1.0},"movement_state":1,"client_timestamp":"2025-10-11T09:57:45Z"},"player_id":"6f96"}"#;
    let plugin =
        r#"{"namespace":"movement","event":"move","data":{"new_position":{"x":1,"y":2,"z":3}}}"#;
    let login = r#"{"namespace":"auth","event":"login","data":{"credentials":{"username":"ada"}}}"#;
    let cases = [
        (
            gorc,
            Some(([500_000.0, 1.0, 1.0], Some([10.0, 1.0, 1.0]))),
            false,
            Some("6f96"),
        ),
        (plugin, Some(([1.0, 2.0, 3.0], None)), false, None),
        (login, None, true, None),
        (
            r#"{"event":"login","namespace":"auth","data":{"player_id":7}}"#,
            None,
            true,
            Some("7"),
        ),
        (
            r#"{"event":"login","namespace":"authority"}"#,
            None,
            false,
            None,
        ),
        (
            r#"{"event":"logout","namespace":"auth"}"#,
            None,
            false,
            None,
        ),
        (r#"{"event":"login"}"#, None, false, None),
        (
            r#"{"event":"moved","data":{"new_position":{"x":1,"y":2,"z":3}}}"#,
            None,
            false,
            None,
        ),
        (
            r#"{"event":"move","data":{"position":{"x":1,"y":2,"z":3}}}"#,
            None,
            false,
            None,
        ),
        // The event's name may stand behind its data.
        (
            r#"{"data":{"new_position":{"x":1,"y":2,"z":3},"velocity":{"x":4,"y":5,"z":6}},"event":"move"}"#,
            Some(([1.0, 2.0, 3.0], Some([4.0, 5.0, 6.0]))),
            false,
            None,
        ),
        // From the server.
        (
            r#"{"type":"gorc_zone_enter","object_id":"GorcObjectId(9f4c)","channel":0,"player_id":"6f96"}"#,
            None,
            false,
            Some("6f96"),
        ),
        (
            r#"{"channel":0,"object_id":"8757f634","object_type":"GorcPlayer","player_id":"650a264c","timestamp":1761752904,"type":"gorc_zone_exit"}"#,
            None,
            false,
            Some("650a264c"),
        ),
        // Where the server has put the player is no claim of the player's.
        (
            r#"{"channel":0,"data":{"object_id":"8757f634","player_id":"650a264c","position":{"x":1.0,"y":2.0,"z":3.0}},"event_type":"gorc_info","object_id":"8757f634","object_type":"GorcPlayer"}"#,
            None,
            false,
            Some("650a264c"),
        ),
        // As serde_json writes it where it sorts the keys.
        (
            r#"{"channel":0,"data":{"client_timestamp":"2025-10-11T09:57:45Z","movement_state":1,"new_position":{"x":-7.5,"y":0.0,"z":2.0},"player_id":"6f96","velocity":{"x":0.0,"y":0.0,"z":-1.0}},"event":"move","object_id":"8757f634","player_id":"6f96","type":"gorc_event"}"#,
            Some(([-7.5, 0.0, 2.0], Some([0.0, 0.0, -1.0]))),
            false,
            Some("6f96"),
        ),
        (
            r#"{"player_id":null,"data":{"player_id":"p"}}"#,
            None,
            false,
            Some("p"),
        ),
    ];
    for (message, place, is_join, player) in cases {
        let bytes = message.as_bytes();
        assert_eq!(position(message), place, "{message}");
        assert_eq!(dialect.is_join(bytes, true), is_join, "{message}");
        assert_eq!(dialect.player(bytes, true).as_deref(), player, "{message}");
        // Horizon does not read binary messages.
        assert_eq!(dialect.position(bytes, false), None);
        assert!(!dialect.is_join(bytes, false));
        assert_eq!(dialect.player(bytes, false), None);
        assert_eq!(dialect.state_key(bytes, true), None);
    }
    // A long event is read as soon as all is there.
    let end = gorc.find(r#","movement_state""#).unwrap();
    assert_eq!(position(&gorc[..end]), position(gorc));
    assert_eq!(
        position(&gorc[..end - 1]),
        None,
        "the last number might have gone on"
    );
}

fn events() -> impl Strategy<Value = Value> {
    let axis = prop_oneof![
        3 => any::<i32>().prop_map(Value::from),
        3 => (-1e6..1e6_f64).prop_map(Value::from),
        1 => prop::sample::select(vec![Value::Null, json!("1"), json!({}), json!(1e301)]),
    ];
    let vector = (axis.clone(), axis.clone(), axis, 0..8_u8).prop_map(|(x, y, z, keep)| {
        let mut vector = json!({"x": x, "y": y, "z": z});
        if keep == 0 {
            vector.as_object_mut().unwrap().remove("y");
        }
        vector
    });
    (
        prop::sample::select(vec!["move", "move", "attack"]),
        vector.clone(),
        prop::option::of(vector),
        any::<bool>(),
    )
        .prop_map(|(event, place, velocity, inside)| {
            let mut data = json!({"new_position": place, "movement_state": 1});
            if let Some(velocity) = velocity {
                data["velocity"] = velocity;
            }
            if inside {
                data["player_id"] = json!("in");
            }
            json!({"type": "gorc_event", "channel": 0, "event": event, "data": data, "player_id": "out"})
        })
}

fn expected(event: &Value) -> Option<([f64; 3], Option<[f64; 3]>)> {
    let vector = |name: &str| {
        let vector = &event["data"][name];
        let axis = |axis: &str| vector[axis].as_f64().filter(|value| value.abs() <= 1e300);
        Some([axis("x")?, axis("y")?, axis("z")?])
    };
    (event["event"] == "move").then(|| Some((vector("new_position")?, vector("velocity"))))?
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    #[test]
    fn events_agree_with_serde_json(event in events(), cut: prop::sample::Index) {
        let expected = expected(&event);
        let player = event.pointer("/data/player_id").and(Some("in")).unwrap_or("out");
        let near = |left: Option<[f64; 3]>, right: Option<[f64; 3]>| match (left, right) {
            (Some(left), Some(right)) => left.iter().zip(right).all(|(left, right)| (left - right).abs() <= left.abs() * 1e-14),
            (left, right) => left.is_none() && right.is_none(),
        };
        let agrees = |found: Option<([f64; 3], Option<[f64; 3]>)>| near(found.map(|found| found.0), expected.map(|found| found.0))
            && near(found.and_then(|found| found.1), expected.and_then(|found| found.1));
        for text in [event.to_string(), serde_json::to_string_pretty(&event).unwrap()] {
            prop_assert!(agrees(position(&text)), "{:?} of {}", position(&text), text);
            let bytes = &text.as_bytes()[..cut.index(text.len())];
            let found = Horizon::new().position(bytes, true);
            prop_assert!(found.is_none() || agrees(position(std::str::from_utf8(bytes).unwrap())), "{:?} of {}", found, text);
            // The first id in the message's order counts, so that a cut message says no other.
            let found = Horizon::new().player(text.as_bytes(), true);
            prop_assert_eq!(found.as_deref(), Some(player));
            let cut = Horizon::new().player(bytes, true);
            prop_assert!(cut.is_none() || cut.as_deref() == Some(player));
        }
    }
}
