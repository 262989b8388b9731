use std::fmt::Debug;

use atlas_base::{Epoch, Position, SessionId, TransferId, Velocity};
use proptest::prelude::*;

use super::*;
use crate::golden;
use crate::tag::Tag;

const SESSION: SessionId = SessionId::from_u128(0x67e5_5044_10b1_426f_9247_bb68_0e5f_e0c8);
const TRANSFER: TransferId = TransferId::from_u128(0x0b5f_6f3c_2f6e_4b57_8a3e_1d2c_3b4a_5968);
const EPOCH: Epoch = Epoch(7);

fn position() -> Position {
    Position::new(12.5, 0.0, -3.25)
}

fn state() -> Carried {
    Carried::Inline(br#"{"hp":97}"#[..].into())
}

/// Each message of the edge on a session's link, by the name of its golden file.
fn to_server() -> Vec<(&'static str, ToServer)> {
    let (session, epoch, transfer) = (SESSION, EPOCH, TRANSFER);
    let player = Some("p-12".to_owned());
    let attach = Attach {
        session,
        epoch: Epoch(1),
        reason: AttachReason::New,
        player: None,
        client: Client {
            address: [203, 0, 113, 9].into(),
        },
        position: None,
        carried: Carried::Nothing,
        lease_ms: 5000,
        orphan_window_ms: 60_000,
    };
    let failover = Attach {
        epoch: Epoch(8),
        reason: AttachReason::Failover,
        player: player.clone(),
        position: Some(position()),
        carried: state(),
        ..attach.clone()
    };
    let adopt = Adopt {
        session,
        epoch,
        transfer,
        player: player.clone(),
        carried: state(),
        position: Some(position()),
        lease_ms: 5000,
        orphan_window_ms: 60_000,
    };
    let in_parts = Adopt {
        carried: Carried::Parts(StateId(TRANSFER.as_u128())),
        ..adopt.clone()
    };
    let preload = Preload {
        session,
        epoch: Epoch(6),
        transfer,
        player,
        position: position(),
        velocity: Velocity::new(4.0, 0.0, -0.5),
        arrives_in_ms: 2500,
    };
    let result = TransferResult {
        session,
        epoch,
        id: "r-1".into(),
        outcome: Outcome::Refused,
        reason: Some("the target is full".into()),
    };
    vec![
        ("attach", attach.into()),
        ("attach-failover", failover.into()),
        (
            "detach",
            Detach {
                session,
                epoch,
                reason: DetachReason::Closed,
                code: Some(1001),
            }
            .into(),
        ),
        ("preload", preload.into()),
        (
            "freeze",
            Freeze {
                session,
                epoch,
                transfer,
            }
            .into(),
        ),
        ("adopt", adopt.into()),
        ("adopt-in-parts", in_parts.into()),
        (
            "commit",
            Commit {
                session,
                epoch,
                transfer,
                client: ClientPresence::Present,
            }
            .into(),
        ),
        (
            "abort",
            Abort {
                session,
                epoch,
                transfer,
            }
            .into(),
        ),
        (
            "leaving",
            Leaving {
                session,
                epoch,
                reason: MoveReason::Drain,
                expected_in_ms: 30_000,
            }
            .into(),
        ),
        ("suspended", Suspended { session, epoch }.into()),
        (
            "resumed",
            Resumed {
                session,
                epoch,
                resync: false,
            }
            .into(),
        ),
        (
            "ping",
            Ping {
                session,
                epoch,
                at: 123_456,
            }
            .into(),
        ),
        ("transfer-result", result.into()),
        ("unsupported", Unsupported::new("dance").into()),
    ]
}

/// Each message of a game server on a session's link.
fn from_server() -> Vec<(&'static str, FromServer)> {
    let (session, epoch, transfer) = (SESSION, EPOCH, TRANSFER);
    let stale = Refused {
        session,
        epoch,
        transfer: Some(transfer),
        reason: "stale".into(),
        newest: Some(Epoch(9)),
    };
    let full = Refused {
        transfer: None,
        reason: "full".into(),
        newest: None,
        ..stale.clone()
    };
    let request = |to| TransferRequest {
        session,
        epoch,
        id: "r-1".into(),
        to,
        reason: "portal".into(),
    };
    let report = Report {
        session,
        epoch,
        position: position(),
        velocity: Some(Velocity::new(4.0, 0.0, -0.5)),
    };
    vec![
        (
            "attached",
            Attached {
                session,
                epoch: Epoch(1),
                has_state: false,
            }
            .into(),
        ),
        ("refused-stale", stale.into()),
        ("refused", full.into()),
        (
            "preloaded",
            Preloaded {
                session,
                epoch: Epoch(6),
                transfer,
            }
            .into(),
        ),
        (
            "frozen",
            Frozen {
                session,
                epoch,
                transfer,
                carried: state(),
                received: 412,
                sent: 398,
            }
            .into(),
        ),
        (
            "adopted",
            Adopted {
                session,
                epoch,
                transfer,
            }
            .into(),
        ),
        (
            "committed",
            Committed {
                session,
                epoch,
                transfer,
            }
            .into(),
        ),
        (
            "pong",
            Pong {
                session,
                epoch,
                at: 123_456,
            }
            .into(),
        ),
        (
            "checkpoint",
            Checkpoint {
                session,
                epoch,
                carried: state(),
                received: 300,
                sent: 288,
            }
            .into(),
        ),
        (
            "transfer-request-server",
            request(Destination::Server("east".into())).into(),
        ),
        (
            "transfer-request-position",
            request(Destination::Position(position())).into(),
        ),
        (
            "transfer-request-region",
            request(Destination::Region("castle".into())).into(),
        ),
        (
            "kick",
            Kick {
                session,
                epoch,
                code: 4001,
                reason: "cheating".into(),
            }
            .into(),
        ),
        ("position", report.into()),
        ("unsupported", Unsupported::new("dance").into()),
    ]
}

/// Each message of the edge on a control link.
fn control_to_server() -> Vec<(&'static str, ControlToServer)> {
    let from = Sender {
        server: "west".into(),
    };
    let received = Received {
        from,
        to: Address::Session(SESSION),
        body: "{\"gift\":3}".into(),
    };
    vec![
        ("ping", ControlPing { at: 123_456 }.into()),
        (
            "drain",
            Drain {
                deadline_ms: 60_000,
            }
            .into(),
        ),
        ("received", received.into()),
        (
            "undeliverable",
            Undeliverable {
                id: "m-7".into(),
                reason: "no such server".into(),
            }
            .into(),
        ),
        ("unsupported", Unsupported::new("dance").into()),
    ]
}

/// Each message of a game server on a control link.
fn control_from_server() -> Vec<(&'static str, ControlFromServer)> {
    let send = |to| Send {
        id: "m-7".into(),
        to,
        body: "{\"gift\":3}".into(),
    };
    vec![
        ("pong", ControlPong { at: 123_456 }.into()),
        (
            "load",
            Load {
                sessions: 120,
                cpu: Some(0.5),
                memory: Some(0.25),
                tick_ms: Some(8.5),
            }
            .into(),
        ),
        ("draining", Draining {}.into()),
        (
            "wait",
            Wait {
                ms: 10_000,
                reason: "a match is on".into(),
            }
            .into(),
        ),
        ("send-server", send(Address::Server("east".into())).into()),
        ("send-session", send(Address::Session(SESSION)).into()),
        ("send-region", send(Address::Region("castle".into())).into()),
        ("unsupported", Unsupported::new("dance").into()),
    ]
}

#[test]
fn the_golden_files_hold_each_message() {
    golden::check(
        "link.md",
        "link/to-server",
        &to_server(),
        ToServer::encode,
        ToServer::decode,
        ToServer::TYPES,
    );
    golden::check(
        "link.md",
        "link/from-server",
        &from_server(),
        FromServer::encode,
        FromServer::decode,
        FromServer::TYPES,
    );
    golden::check(
        "link.md",
        "link/control-to-server",
        &control_to_server(),
        ControlToServer::encode,
        ControlToServer::decode,
        ControlToServer::TYPES,
    );
    golden::check(
        "link.md",
        "link/control-from-server",
        &control_from_server(),
        ControlFromServer::encode,
        ControlFromServer::decode,
        ControlFromServer::TYPES,
    );
}

#[test]
fn the_golden_bytes_of_tagged_messages() {
    let mut draining = Vec::new();
    ControlFromServer::from(Draining {}).encode(&mut draining);
    let rows = [
        vec![Tag::Text.byte(), b'h', b'i'],
        vec![Tag::Binary.byte(), 0x01, 0x02, 0xff],
        draining,
    ];
    golden::check_hex("link.md", "link/tagged.hex", &rows);
}

#[test]
fn the_golden_bytes_of_a_state_in_parts() {
    let state: Vec<u8> = (0..PART_BYTES_MAX + 5).map(|index| index as u8).collect();
    let mut heads = Vec::new();
    Carried::new(state.into(), StateId(TRANSFER.as_u128()), |part| {
        heads.push(part[..part.len().min(30)].to_vec());
    });
    golden::check_hex("link.md", "link/state-parts.hex", &heads);
}

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

    #[test]
    fn arbitrary_json_does_not_panic(
        index in 0_usize..20, cut: prop::sample::Index, change in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..4),
    ) {
        let samples = from_server();
        let mut bytes = Vec::new();
        samples[index % samples.len()].1.encode(&mut bytes);
        for (at, byte) in change {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        let body = &bytes[1..][..cut.index(bytes.len())];
        if let Err(error) = FromServer::decode(body) {
            prop_assert!(error.to_string().len() < 400, "{}", error);
        }
        let _ = ToServer::decode(body);
        let _ = ControlFromServer::decode(body);
        let _ = ControlToServer::decode(body);
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

/// Whatever is printed about a message names it.
#[test]
fn messages_know_their_types() {
    fn typed<M: Debug>(message: &M, type_name: &str, encode: impl Fn(&M, &mut Vec<u8>)) {
        let mut bytes = Vec::new();
        encode(message, &mut bytes);
        let value: serde_json::Value = serde_json::from_slice(&bytes[1..]).unwrap();
        assert_eq!(value["type"], type_name, "{message:?}");
    }
    for (_, message) in from_server() {
        typed(&message, message.type_name(), FromServer::encode);
        assert_eq!(
            message.session().is_none(),
            matches!(message, FromServer::Unsupported(_))
        );
        assert_eq!(
            message.epoch().is_none(),
            matches!(message, FromServer::Unsupported(_))
        );
    }
    for (_, message) in to_server() {
        typed(&message, message.type_name(), ToServer::encode);
    }
}
