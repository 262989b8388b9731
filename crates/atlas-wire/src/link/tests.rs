use atlas_base::{Epoch, Position, SessionId, TransferId, Velocity};
use proptest::prelude::*;

use super::*;
use crate::tag::Tag;

const SESSION: SessionId = SessionId::from_u128(0x67e5_5044_10b1_426f_9247_bb68_0e5f_e0c8);
const TRANSFER: TransferId = TransferId::from_u128(0x0b5f_6f3c_2f6e_4b57_8a3e_1d2c_3b4a_5968);
const EPOCH: Epoch = Epoch(7);

#[test]
fn unknown_fields_are_ignored_and_unknown_reasons_are_other() {
    let body = br#"{"future":[1,{"x":2}],"type":"detach","session":"67e55044-10b1-426f-9247-bb680e5fe0c8","epoch":7,"reason":"moon-phase"}"#;
    let ToServer::Detach(detach) = ToServer::decode(body).unwrap() else {
        panic!("a detach");
    };
    assert_eq!((detach.reason, detach.code), (DetachReason::Other, None));
}

#[test]
fn an_unknown_type_is_told_apart_from_a_malformed_message() {
    let long = "x".repeat(1000);
    for (body, r#type) in [
        (r#"{"type":"dance","epoch":"wrong"}"#.to_owned(), "dance"),
        (r#"{"type":""}"#.to_owned(), ""),
        (format!(r#"{{"type":"{long}"}}"#), &long[..40]),
        // A message of the other direction.
        (r#"{"type":"attach"}"#.to_owned(), "attach"),
    ] {
        let error = FromServer::decode(body.as_bytes()).unwrap_err();
        assert_eq!(
            error,
            Error::Unknown {
                r#type: r#type.into()
            },
            "{body}"
        );
        assert_eq!(error.close_code(), None);
    }
}

#[test]
fn a_malformed_message_names_its_field() {
    let session = r#""session":"67e55044-10b1-426f-9247-bb680e5fe0c8""#;
    let transfer = r#""transfer":"0b5f6f3c-2f6e-4b57-8a3e-1d2c3b4a5968""#;
    let counts = r#""received":1,"sent":1"#;
    let cases = [
        ("".to_owned(), "control message: no json object"),
        (
            "[\"attached\"]".to_owned(),
            "control message: no json object",
        ),
        (
            "{".to_owned(),
            "control message: EOF while parsing an object",
        ),
        ("{}".to_owned(), "control message: missing field `type`"),
        (
            r#"{"type":7}"#.to_owned(),
            "control message: invalid type: integer `7`, expected a string",
        ),
        (
            r#"{"type":"attached"}"#.to_owned(),
            "attached: missing field `session`",
        ),
        (
            r#"{"type":"attached","session":"nonsense"}"#.to_owned(),
            "attached: session: \"nonsense\" is not an id",
        ),
        (
            format!(r#"{{"type":"attached",{session},"epoch":-1}}"#),
            "attached: epoch: invalid value",
        ),
        (
            format!(r#"{{"type":"attached",{session},"epoch":1.5}}"#),
            "attached: epoch: invalid type",
        ),
        (
            format!(r#"{{"type":"attached",{session},"epoch":"1"}}"#),
            "attached: epoch: invalid type",
        ),
        (
            format!(r#"{{"type":"attached",{session},{session}}}"#),
            "attached: duplicate field `session`",
        ),
        (
            format!(r#"{{"type":"frozen",{session},"epoch":1,{transfer},{counts}}}"#),
            "frozen: missing field `state`",
        ),
        (
            format!(r#"{{"type":"frozen",{session},"epoch":1,{transfer},{counts},"state":"%"}}"#),
            "frozen: state: not base64",
        ),
        (
            format!(r#"{{"type":"frozen",{session},"epoch":1,{transfer},{counts},"state":7}}"#),
            "frozen: state: not a string",
        ),
        (
            format!(
                r#"{{"type":"frozen",{session},"epoch":1,{transfer},{counts},"state_id":"7"}}"#
            ),
            "frozen: state_id: not a uuid",
        ),
        (
            format!(
                r#"{{"type":"frozen",{session},"epoch":1,{transfer},{counts},"state":"","state_id":"67e55044-10b1-426f-9247-bb680e5fe0c8"}}"#
            ),
            "frozen: state: together with state_id",
        ),
        (
            format!(
                r#"{{"type":"frozen",{session},"epoch":1,{transfer},{counts},"state":"{}"}}"#,
                "AAAA".repeat(INLINE_STATE_BYTES_MAX / 3 + 1)
            ),
            "frozen: state: longer than 65536 bytes",
        ),
        (
            format!(r#"{{"type":"position",{session},"epoch":1,"position":{{"x":1,"y":2}}}}"#),
            "position: position: missing field `z`",
        ),
        (
            format!(
                r#"{{"type":"position",{session},"epoch":1,"position":{{"x":1,"y":"2","z":3}}}}"#
            ),
            "position: position.y: invalid type",
        ),
        (
            format!(
                r#"{{"type":"position",{session},"epoch":1,"position":{{"x":1e308,"y":2,"z":3}}}}"#
            ),
            "position: position: beyond 1e300",
        ),
        (
            format!(
                r#"{{"type":"position",{session},"epoch":1,"position":{{"x":1e999,"y":2,"z":3}}}}"#
            ),
            "position: position.x: number out of range",
        ),
        (
            format!(r#"{{"type":"kick",{session},"epoch":1,"code":1005,"reason":""}}"#),
            "kick: code: may not be sent",
        ),
        (
            format!(
                r#"{{"type":"transfer-request",{session},"epoch":1,"id":"","to":{{"moon":1}},"reason":""}}"#
            ),
            "transfer-request: to: unknown variant `moon`",
        ),
    ];
    for (body, expected) in cases {
        let error = FromServer::decode(body.as_bytes()).unwrap_err();
        assert!(
            error.to_string().starts_with(expected),
            "{body:.200}\n{error}\n{expected}"
        );
        assert_eq!(
            error.close_code().map(|code| code.0),
            Some(1002),
            "{body:.200}"
        );
    }
    let adopt = format!(
        r#"{{"type":"adopt",{session},"epoch":1,{transfer},"lease_ms":1,"orphan_window_ms":1}}"#
    );
    assert_eq!(
        ToServer::decode(adopt.as_bytes()).unwrap_err().to_string(),
        "adopt: missing field `state`"
    );
    let load = r#"{"type":"load","sessions":1,"cpu":-0.5}"#;
    assert_eq!(
        ControlFromServer::decode(load.as_bytes())
            .unwrap_err()
            .to_string(),
        "load: cpu: negative"
    );
    let too_long = format!(r#"{{"type":"{}"}}"#, "a".repeat(CONTROL_BYTES_MAX));
    let error = FromServer::decode(too_long.as_bytes()).unwrap_err();
    assert_eq!(
        (error.close_code().map(|code| code.0), error),
        (Some(1009), Error::TooLong)
    );
}

#[test]
fn a_full_state_fits_a_control_message() {
    let carried = Carried::new(vec![7; INLINE_STATE_BYTES_MAX].into(), StateId(1), |_| {
        panic!("no parts")
    });
    let message = FromServer::from(Frozen {
        session: SESSION,
        epoch: EPOCH,
        transfer: TRANSFER,
        carried,
        received: 0,
        sent: 0,
    });
    let mut bytes = Vec::new();
    message.encode(&mut bytes);
    assert!(bytes.len() < CONTROL_BYTES_MAX, "{}", bytes.len());
    assert_eq!(FromServer::decode(&bytes[1..]), Ok(message));
}

/// The parts of a state, without their tags.
fn parts_of(state: &[u8], id: StateId) -> Vec<Vec<u8>> {
    let mut parts = Vec::new();
    let carried = Carried::new(state.into(), id, |part| {
        assert_eq!(part[0], Tag::StatePart.byte());
        parts.push(part[1..].to_vec());
    });
    assert_eq!(carried, Carried::Parts(id));
    parts
}

#[test]
fn parts_out_of_order_are_refused() {
    let (one, other) = (StateId(1), StateId(2));
    let state = vec![1; 3 * PART_BYTES_MAX];
    let parts = parts_of(&state, one);
    let others = parts_of(&state, other);
    let mut joiner = StateJoiner::default();
    let refused = |result: Result<(), Error>| matches!(result, Err(Error::State { .. }));
    assert!(refused(joiner.part(&parts[1])), "no part before");
    joiner.part(&parts[0]).unwrap();
    assert!(refused(joiner.part(&parts[2])), "a part left out");
    assert!(
        refused(joiner.part(&parts[1])),
        "after an error nothing is held"
    );
    joiner.part(&parts[0]).unwrap();
    assert!(refused(joiner.part(&others[1])), "of another state");
    joiner.part(&parts[0]).unwrap();
    let mut other_count = parts[1].clone();
    other_count[20] = 9;
    assert!(refused(joiner.part(&other_count)), "another count of parts");
    // Named too early, or by another name: both are gone then.
    for name in [one, other] {
        joiner.part(&parts[0]).unwrap();
        assert!(joiner.take(Carried::Parts(name)).is_err());
    }
    // Another state takes the place of one that was begun.
    joiner.part(&parts[0]).unwrap();
    for part in &others {
        joiner.part(part).unwrap();
    }
    assert!(
        refused(joiner.part(&[&others[2][..16], &[3, 0, 0, 0, 3, 0, 0, 0, 1]].concat())),
        "past the last"
    );
    for part in &others {
        joiner.part(part).unwrap();
    }
    assert_eq!(joiner.take(Carried::Nothing), Ok(None));
    assert_eq!(joiner.take(Carried::Parts(other)), Ok(Some(state.into())));
    assert!(
        joiner.take(Carried::Parts(other)).is_err(),
        "handed out once"
    );
}

#[test]
fn a_state_past_its_bound_is_too_long() {
    let parts = parts_of(&vec![1; 2 * PART_BYTES_MAX], StateId(1));
    let mut joiner = StateJoiner::new(PART_BYTES_MAX + 7);
    joiner.part(&parts[0]).unwrap();
    let error = joiner.part(&parts[1]).unwrap_err();
    assert_eq!(error.close_code().map(|code| code.0), Some(1009));
}

proptest! {
    #[test]
    fn a_state_survives_its_parts(length in 0_usize..5 * PART_BYTES_MAX, id: u128) {
        let state: State = (0..length).map(|index| (index / 251) as u8).collect();
        let mut joiner = StateJoiner::default();
        let carried = Carried::new(state.clone(), StateId(id), |part| joiner.part(&part[1..]).unwrap());
        prop_assert_eq!(matches!(carried, Carried::Inline(_)), length <= INLINE_STATE_BYTES_MAX);
        prop_assert_eq!(joiner.take(carried), Ok(Some(state)));
    }

    #[test]
    fn arbitrary_parts_do_not_panic(bytes in prop::collection::vec(any::<u8>(), 0..60)) {
        let mut joiner = StateJoiner::new(40);
        for start in [&[][..], &[0; 20][..]] {
            let body = [start, &bytes].concat();
            if let Ok(part) = parse_state_part(&body) {
                prop_assert!(part.part < part.parts && !part.bytes.is_empty());
            }
            let _ = joiner.part(&body);
        }
    }

    #[test]
    fn messages_survive_writing_and_reading(
        ids: (u128, u128), epoch: u64, counts: (u64, u64), bytes in prop::collection::vec(any::<u8>(), 0..200),
        text in ".{0,40}", place in prop::array::uniform6(-1e300..1e300_f64), player: Option<String>,
    ) {
        let (session, transfer) = (SessionId::from_u128(ids.0), TransferId::from_u128(ids.1));
        let epoch = Epoch(epoch);
        let [x, y, z, vx, vy, vz] = place;
        let (position, velocity) = (Position { x, y, z }, Velocity { x: vx, y: vy, z: vz });
        let carried = Carried::Inline(bytes.into());
        let (received, sent) = counts;
        same(&FromServer::from(Frozen { session, epoch, transfer, carried: carried.clone(), received, sent }))?;
        same(&FromServer::from(Kick { session, epoch, code: 4000, reason: text.clone() }))?;
        let to = Destination::Server(text.clone());
        same(&FromServer::from(TransferRequest { session, epoch, id: "é".into(), to, reason: text.clone() }))?;
        // Coordinates may be off by the last bit behind serde_json's reader, so whole ones are compared here.
        let whole = Position { x: x.trunc() % 1e9, y: y.trunc() % 1e9, z: z.trunc() % 1e9 };
        same(&FromServer::from(Report { session, epoch, position: whole, velocity: None }))?;
        let mut bytes = Vec::new();
        FromServer::from(Report { session, epoch, position, velocity: Some(velocity) }).encode(&mut bytes);
        prop_assert!(FromServer::decode(&bytes[1..]).is_ok());
        let adopt = Adopt {
            session, epoch, transfer, player, carried, position: Some(whole), lease_ms: received, orphan_window_ms: sent,
        };
        let mut bytes = Vec::new();
        ToServer::from(adopt.clone()).encode(&mut bytes);
        prop_assert_eq!(ToServer::decode(&bytes[1..]), Ok(ToServer::from(adopt)));
    }

}

fn same(message: &FromServer) -> Result<(), TestCaseError> {
    let mut bytes = Vec::new();
    message.encode(&mut bytes);
    prop_assert_eq!(Tag::from_byte(bytes[0]), Some(Tag::Control));
    let read = FromServer::decode(&bytes[1..]);
    prop_assert_eq!(read.as_ref(), Ok(message));
    Ok(())
}
