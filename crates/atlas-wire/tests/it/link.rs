//! The messages of `atlas.link.v1`, each with its golden file.

use std::fmt::Debug;

use atlas_base::{Epoch, Position, SessionId, TransferId, Velocity};
use atlas_wire::link::*;
use atlas_wire::tag::Tag;
use proptest::prelude::*;

use crate::golden;

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

proptest! {
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
