//! The messages of `atlas.v1`, each with its golden file.

use atlas_base::SessionId;
use atlas_wire::client::*;
use atlas_wire::link::MoveReason;

use crate::golden;

fn to_client() -> Vec<(&'static str, ToClient)> {
    let welcome = Welcome {
        session: SessionId::from_u128(0x67e5_5044_10b1_426f_9247_bb68_0e5f_e0c8),
        stream: StreamId(0x3f2e_9a10_55d4_4c1b_a0ce_6b1f_0d9e_8a77),
        key: String::new(),
        window_s: 0,
        ring_bytes: 0,
        resume: false,
    };
    vec![
        ("welcome", welcome.into()),
        ("ack", Ack { received: 32 }.into()),
        (
            "reset",
            Reset {
                reason: MoveReason::Failover,
                lost_input: 3,
                state_age_ms: 850,
            }
            .into(),
        ),
        (
            "drain",
            Drain {
                resume_after_ms: 1500,
            }
            .into(),
        ),
        ("unsupported", Unsupported::new("dance").into()),
    ]
}

fn from_client() -> Vec<(&'static str, FromClient)> {
    vec![
        ("ack", Ack { received: 64 }.into()),
        ("unsupported", Unsupported::new("dance").into()),
    ]
}

#[test]
fn the_golden_files_hold_each_message() {
    golden::check(
        "client.md",
        "client/to-client",
        &to_client(),
        ToClient::encode,
        ToClient::decode,
        ToClient::TYPES,
    );
    golden::check(
        "client.md",
        "client/from-client",
        &from_client(),
        FromClient::encode,
        FromClient::decode,
        FromClient::TYPES,
    );
}

#[test]
fn the_golden_bytes_of_tagged_messages() {
    let mut ack = Vec::new();
    FromClient::from(Ack { received: 64 }).encode(&mut ack);
    let rows = [b"\x00hi".to_vec(), vec![0x01, 0x01, 0x02, 0xff], ack];
    golden::check_hex("client.md", "client/tagged.hex", &rows);
}
