use proptest::prelude::*;

use super::*;

fn header(opcode: Opcode, length: u64, mask: Option<[u8; 4]>) -> Header {
    Header {
        fin: true,
        opcode,
        mask,
        length,
        reserved: 0,
    }
}

#[test]
fn headers_that_rfc_6455_allows_are_read() {
    let key = [1, 2, 3, 4];
    let cases: &[(&[u8], Side, Header, usize)] = &[
        (
            &[0x81, 0x05],
            Side::Server,
            header(Opcode::Text, 5, None),
            2,
        ),
        (
            &[0x82, 0x7d],
            Side::Server,
            header(Opcode::Binary, 125, None),
            2,
        ),
        (
            &[0x82, 0x7e, 0x00, 0x7e],
            Side::Server,
            header(Opcode::Binary, 126, None),
            4,
        ),
        (
            &[0x82, 0x7e, 0xff, 0xff],
            Side::Server,
            header(Opcode::Binary, 65_535, None),
            4,
        ),
        (
            &[0x82, 0x7f, 0, 0, 0, 0, 0, 1, 0, 0],
            Side::Server,
            header(Opcode::Binary, 65_536, None),
            10,
        ),
        (
            &[0x82, 0x7f, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff],
            Side::Server,
            header(Opcode::Binary, (1 << 63) - 1, None),
            10,
        ),
        (
            &[0x81, 0x80, 1, 2, 3, 4],
            Side::Client,
            header(Opcode::Text, 0, Some(key)),
            6,
        ),
        (
            &[0x89, 0xfd, 1, 2, 3, 4],
            Side::Client,
            header(Opcode::Ping, 125, Some(key)),
            6,
        ),
        (
            &[0x8a, 0x00],
            Side::Server,
            header(Opcode::Pong, 0, None),
            2,
        ),
        (
            &[0x88, 0x02],
            Side::Server,
            header(Opcode::Close, 2, None),
            2,
        ),
        (
            &[0x00, 0x01],
            Side::Server,
            Header {
                fin: false,
                ..header(Opcode::Continuation, 1, None)
            },
            2,
        ),
    ];
    for (bytes, side, expected, length) in cases {
        assert_eq!(
            Header::parse(bytes, *side),
            Ok(Parsed::Complete(*expected, *length)),
            "{bytes:02x?}"
        );
        for cut in 0..bytes.len() {
            assert_eq!(
                Header::parse(&bytes[..cut], *side),
                Ok(Parsed::Incomplete),
                "{bytes:02x?} cut at {cut}"
            );
        }
    }
}

#[test]
fn headers_that_rfc_6455_forbids_are_refused_at_the_first_wrong_byte() {
    use Violation::*;
    let cases: &[(&[u8], Side, Violation)] = &[
        (&[0xc1], Side::Server, ReservedBits),
        (&[0xa1], Side::Server, ReservedBits),
        (&[0x91], Side::Server, ReservedBits),
        (&[0x83], Side::Server, UnknownOpcode(3)),
        (&[0x87], Side::Server, UnknownOpcode(7)),
        (&[0x8b], Side::Server, UnknownOpcode(11)),
        (&[0x8f], Side::Server, UnknownOpcode(15)),
        (&[0x09], Side::Server, ControlFragmented),
        (&[0x08], Side::Server, ControlFragmented),
        (&[0x89, 0x7e], Side::Server, ControlTooLong),
        (&[0x88, 0xff], Side::Client, ControlTooLong),
        (&[0x81, 0x05], Side::Client, MaskMissing),
        (&[0x81, 0x85], Side::Server, MaskUnexpected),
        (&[0x82, 0x7e, 0x00, 0x7d], Side::Server, LengthNotMinimal),
        (
            &[0x82, 0x7f, 0, 0, 0, 0, 0, 0, 0xff, 0xff],
            Side::Server,
            LengthNotMinimal,
        ),
        (&[0x82, 0x7f, 0x80], Side::Server, LengthTopBit),
        (
            &[0x82, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff],
            Side::Client,
            LengthTopBit,
        ),
    ];
    for (bytes, side, violation) in cases {
        assert_eq!(Header::parse(bytes, *side), Err(*violation), "{bytes:02x?}");
        assert_eq!(violation.close_code(), CloseCode::PROTOCOL_ERROR);
    }
}

#[test]
fn reserved_bits_pass_only_where_an_extension_uses_them() {
    let deflated = [0xc1, 0x00];
    assert!(Header::parse_extended(&deflated, Side::Server, RESERVED_1).is_ok());
    for bytes in [[0xe1, 0x00], [0xc0, 0x00], [0xc9, 0x00]] {
        // Another bit, a continuation, a control frame: RFC 7692 leaves RSV1 to the first frame of a message.
        assert_eq!(
            Header::parse_extended(&bytes, Side::Server, RESERVED_1),
            Err(Violation::ReservedBits),
            "{bytes:02x?}"
        );
    }
}

#[test]
fn a_message_above_the_limit_is_too_big() {
    let cases = [
        (Opcode::Binary, 10, 0, 10, true),
        (Opcode::Binary, 11, 0, 10, false),
        (Opcode::Continuation, 4, 7, 10, false),
        (Opcode::Continuation, 3, 7, 10, true),
        (Opcode::Continuation, 0, 11, 10, true),
        (Opcode::Binary, (1 << 63) - 1, u64::MAX, u64::MAX, false),
        (Opcode::Ping, 125, 0, 10, true),
    ];
    for (opcode, length, before, limit, fits) in cases {
        let verdict = header(opcode, length, None).within(before, limit);
        assert_eq!(
            verdict.is_ok(),
            fits,
            "{opcode:?} {length} {before} {limit}"
        );
        if let Err(violation) = verdict {
            assert_eq!(violation.close_code(), CloseCode::TOO_BIG);
        }
    }
}

#[test]
fn fragments_come_in_order() {
    let frame = |fin, opcode| Header {
        fin,
        ..header(opcode, 1, None)
    };
    use Opcode::*;
    let mut sequence = Sequence::default();
    let story = [
        (frame(true, Text), Ok(Step::Whole), None),
        (
            frame(true, Continuation),
            Err(Violation::ContinuationWithoutStart),
            None,
        ),
        (frame(false, Text), Ok(Step::First), Some(Text)),
        (frame(true, Ping), Ok(Step::Control), Some(Text)),
        (
            frame(true, Binary),
            Err(Violation::MessageUnfinished),
            Some(Text),
        ),
        (frame(false, Continuation), Ok(Step::Middle), Some(Text)),
        (frame(true, Continuation), Ok(Step::Last), None),
        (frame(false, Binary), Ok(Step::First), Some(Binary)),
        (frame(true, Close), Ok(Step::Control), None),
        (frame(true, Continuation), Ok(Step::AfterClose), None),
        (frame(true, Ping), Ok(Step::AfterClose), None),
    ];
    for (index, (header, step, message)) in story.into_iter().enumerate() {
        assert_eq!(sequence.check(&header), step, "step {index}");
        assert_eq!(sequence.message(), message, "step {index}");
    }
    assert!(sequence.is_closed());
    assert_eq!(size_of::<Sequence>(), 1);
}

#[test]
fn close_payloads_are_checked_as_rfc_6455_says() {
    for code in (0..=u16::MAX).map(CloseCode) {
        let payload = code.0.to_be_bytes();
        let allowed = matches!(code.0, 1000..=1003 | 1007..=1014 | 3000..=4999);
        assert_eq!(parse_close(&payload).is_ok(), allowed, "{code}");
        assert_eq!(
            close_payload(code, "").len(),
            if allowed { 2 } else { 0 },
            "{code}"
        );
    }
    assert_eq!(
        parse_close(&[]),
        Ok(Close {
            code: CloseCode::NONE,
            reason: ""
        })
    );
    assert_eq!(parse_close(&[3]), Err(Violation::ClosePayloadShort));
    let bad_text = parse_close(&[0x03, 0xe8, 0xff]).unwrap_err();
    assert_eq!(bad_text.close_code(), CloseCode::INVALID_PAYLOAD);
}

#[test]
fn a_long_close_reason_is_cut_between_characters() {
    let payload = close_payload(CloseCode::POLICY, &"é".repeat(100));
    assert_eq!(payload.len(), 2 + 122);
    assert_eq!(parse_close(&payload).unwrap().reason, "é".repeat(61));
}

/// An independent masking: one byte at a time.
fn masked_slowly(payload: &[u8], key: [u8; 4], offset: u64) -> Vec<u8> {
    payload
        .iter()
        .enumerate()
        .map(|(index, byte)| byte ^ key[((index as u64 + offset) % 4) as usize])
        .collect()
}

fn opcodes() -> impl Strategy<Value = Opcode> {
    prop::sample::select(vec![
        Opcode::Continuation,
        Opcode::Text,
        Opcode::Binary,
        Opcode::Close,
        Opcode::Ping,
        Opcode::Pong,
    ])
}

fn lengths() -> impl Strategy<Value = u64> {
    prop_oneof![0_u64..200, 65_000_u64..66_000, 0_u64..1 << 63]
}

proptest! {
    #[test]
    fn a_header_survives_writing_and_reading(
        opcode in opcodes(), fin: bool, length in lengths(), mask: Option<[u8; 4]>, bit in 0_u8..2,
    ) {
        let control = opcode.is_control();
        let header = Header {
            fin: fin || control,
            opcode,
            mask,
            length: if control { length % 126 } else { length },
            reserved: if matches!(opcode, Opcode::Text | Opcode::Binary) { bit * RESERVED_1 } else { 0 },
        };
        let mut bytes = [0; HEADER_BYTES_MAX];
        let written = header.write(&mut bytes);
        prop_assert_eq!(written, header.written_length());
        let side = if mask.is_some() { Side::Client } else { Side::Server };
        let parsed = Header::parse_extended(&bytes[..written], side, RESERVED_1);
        prop_assert_eq!(parsed, Ok(Parsed::Complete(header, written)));
    }

    #[test]
    fn arbitrary_bytes_are_a_header_an_error_or_a_beginning(bytes in prop::collection::vec(any::<u8>(), 0..16), client: bool) {
        let side = if client { Side::Client } else { Side::Server };
        match Header::parse(&bytes, side) {
            Ok(Parsed::Complete(header, length)) => {
                // Only one way to write each header: reading it and writing it gives the same bytes.
                let mut again = [0; HEADER_BYTES_MAX];
                prop_assert_eq!(header.write(&mut again), length);
                prop_assert_eq!(&again[..length], &bytes[..length]);
                prop_assert!(header.length < 1 << 63);
            }
            Ok(Parsed::Incomplete) => prop_assert!(bytes.len() < HEADER_BYTES_MAX),
            Err(violation) => {
                // What is refused stays refused, whatever follows.
                let longer = [&bytes[..], &[0; 14]].concat();
                prop_assert_eq!(Header::parse(&longer, side), Err(violation));
            }
        }
    }

    #[test]
    fn masking_equals_the_slow_way(mut payload in prop::collection::vec(any::<u8>(), 0..100), key: [u8; 4], offset: u64) {
        let expected = masked_slowly(&payload, key, offset % 4);
        let mut short = [0; 33];
        let prefix = copy_masked(&payload, key, offset, &mut short).to_vec();
        prop_assert_eq!(&prefix[..], &expected[..expected.len().min(33)]);
        apply_mask(&mut payload, key, offset);
        prop_assert_eq!(payload, expected);
    }

    #[test]
    fn a_tag_goes_in_front_of_masked_bytes_as_they_are(
        payload in prop::collection::vec(any::<u8>(), 0..40), mask: Option<[u8; 4]>, tag: u8,
    ) {
        let header = Header { fin: true, opcode: Opcode::Text, mask, length: payload.len() as u64, reserved: 0 };
        let on_wire = masked_slowly(&payload, mask.unwrap_or_default(), 0);
        let (longer, first) = tagged(header, tag);
        prop_assert_eq!(longer.opcode, Opcode::Binary);
        let mut relayed = vec![first];
        relayed.extend_from_slice(&on_wire);
        prop_assert_eq!(longer.length, relayed.len() as u64);
        let seen = masked_slowly(&relayed, longer.mask.unwrap_or_default(), 0);
        prop_assert_eq!(seen[0], tag);
        prop_assert_eq!(&seen[1..], &payload[..]);
        let (back, seen_tag) = untagged(longer, first).unwrap();
        prop_assert_eq!(seen_tag, tag);
        prop_assert_eq!(Header { opcode: Opcode::Text, ..back }, header);
    }

    #[test]
    fn control_frames_are_whole_frames(payload in prop::collection::vec(any::<u8>(), 0..200), mask: Option<[u8; 4]>) {
        let frame = control_frame(Opcode::Pong, &payload, mask);
        let side = if mask.is_some() { Side::Client } else { Side::Server };
        let Ok(Parsed::Complete(header, length)) = Header::parse(&frame, side) else {
            return Err(TestCaseError::fail("not a frame"));
        };
        prop_assert_eq!(frame.len() as u64, length as u64 + header.length);
        let body = masked_slowly(&frame[length..], mask.unwrap_or_default(), 0);
        prop_assert_eq!(&body[..], &payload[..payload.len().min(125)]);
    }
}

#[test]
fn an_empty_frame_has_no_tag() {
    assert_eq!(untagged(header(Opcode::Binary, 0, None), 0), None);
}
