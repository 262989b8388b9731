use proptest::prelude::*;

use super::*;
use crate::Protocol;

fn fed<'a>(
    pieces: impl IntoIterator<Item = &'a [u8]>,
    limits: Limits,
) -> (Vec<Value>, Option<Malformed>) {
    let (mut decoder, mut buffer, mut values) = (Decoder::new(limits), Vec::new(), Vec::new());
    for piece in pieces {
        buffer.extend_from_slice(piece);
        loop {
            match decoder.decode(&buffer) {
                Ok((used, value)) => {
                    buffer.drain(..used);
                    match value {
                        Some(value) => values.push(value),
                        None => break,
                    }
                }
                Err(malformed) => return (values, Some(malformed)),
            }
        }
    }
    (values, None)
}

fn decoded(input: &[u8]) -> (Vec<Value>, Option<Malformed>) {
    let whole = fed([input], Limits::default());
    let pieces = fed(input.chunks(1), Limits::default());
    assert_eq!(format!("{whole:?}"), format!("{pieces:?}"));
    whole
}

fn bulk(text: &str) -> Value {
    Value::Bulk(text.into())
}

#[test]
fn every_shape_of_a_reply_is_understood() {
    use Value::*;
    let rows: Vec<(&[u8], Value)> = vec![
        (b"+OK\r\n", Simple(b"OK".to_vec())),
        (b"+\r\n", Simple(vec![])),
        (b"-ERR no\r\n", Error(b"ERR no".to_vec())),
        (b"!6\r\nERR\r\nx\r\n", Error(b"ERR\r\nx".to_vec())),
        (b":0\r\n", Integer(0)),
        (b":+5\r\n", Integer(5)),
        (b":-9223372036854775808\r\n", Integer(i64::MIN)),
        (b"$0\r\n\r\n", bulk("")),
        (b"$4\r\na\r\nb\r\n", bulk("a\r\nb")),
        (b"$-1\r\n", Null),
        (b"*-1\r\n", Null),
        (b"_\r\n", Null),
        (b"#t\r\n", Boolean(true)),
        (b"#f\r\n", Boolean(false)),
        (b",1.5\r\n", Double(1.5)),
        (b",10\r\n", Double(10.0)),
        (b",-1.5e-7\r\n", Double(-1.5e-7)),
        (b",inf\r\n", Double(f64::INFINITY)),
        (b",-inf\r\n", Double(f64::NEG_INFINITY)),
        (b"(-123\r\n", BigNumber(b"-123".to_vec())),
        (
            b"(3492890328409238509324850943850943825024385\r\n",
            BigNumber(b"3492890328409238509324850943850943825024385".to_vec()),
        ),
        (
            b"=7\r\ntxt:a\r\n\r\n",
            Verbatim {
                format: *b"txt",
                text: b"a\r\n".to_vec(),
            },
        ),
        (
            b"=4\r\nmkd:\r\n",
            Verbatim {
                format: *b"mkd",
                text: vec![],
            },
        ),
        (b"*0\r\n", Array(vec![])),
        (
            b"*2\r\n:1\r\n*1\r\n$-1\r\n",
            Array(vec![Integer(1), Array(vec![Null])]),
        ),
        (
            b"*3\r\n*0\r\n*0\r\n~0\r\n",
            Array(vec![Array(vec![]), Array(vec![]), Set(vec![])]),
        ),
        (b"~2\r\n:1\r\n:2\r\n", Set(vec![Integer(1), Integer(2)])),
        (b"%0\r\n", Map(vec![])),
        (
            b"%2\r\n+a\r\n:1\r\n+b\r\n%1\r\n_\r\n_\r\n",
            Map(vec![
                (Simple(b"a".to_vec()), Integer(1)),
                (Simple(b"b".to_vec()), Map(vec![(Null, Null)])),
            ]),
        ),
        (
            b">3\r\n+message\r\n$1\r\nc\r\n$1\r\nm\r\n",
            Push(vec![Simple(b"message".to_vec()), bulk("c"), bulk("m")]),
        ),
        (
            b"|1\r\n+ttl\r\n:3\r\n$1\r\nx\r\n",
            Attributed {
                attributes: vec![(Simple(b"ttl".to_vec()), Integer(3))],
                value: Box::new(bulk("x")),
            },
        ),
        (
            b"*2\r\n|0\r\n:1\r\n:2\r\n",
            Array(vec![
                Attributed {
                    attributes: vec![],
                    value: Box::new(Integer(1)),
                },
                Integer(2),
            ]),
        ),
    ];
    for (input, expected) in rows {
        assert_eq!(
            decoded(input),
            (vec![expected.clone()], None),
            "{}",
            input.escape_ascii()
        );
        let twice = [input, input].concat();
        assert_eq!(decoded(&twice), (vec![expected.clone(), expected], None));
        for end in 0..input.len() {
            assert_eq!(
                decoded(&input[..end]),
                (vec![], None),
                "{}",
                input[..end].escape_ascii()
            );
        }
    }
    for input in [&b",nan\r\n"[..], b",-nan\r\n"] {
        let (values, malformed) = decoded(input);
        assert!(matches!(values[..], [Double(number)] if number.is_nan()));
        assert_eq!(malformed, None);
    }
}

#[test]
fn every_refusal_has_its_name() {
    let line = |expected| Malformed::Line { expected };
    let rows: Vec<(&[u8], Malformed)> = vec![
        (b"x", Malformed::Kind { got: b'x' }),
        (b"\r\n", Malformed::Kind { got: b'\r' }),
        (b";4\r\nabcd\r\n", Malformed::Kind { got: b';' }),
        (b":\r\n", line("integer")),
        (b":1.5\r\n", line("integer")),
        (b": 1\r\n", line("integer")),
        (b":9223372036854775808\r\n", line("integer")),
        (b"$x\r\n", line("length")),
        (b"$-2\r\n", line("length")),
        (b"!-1\r\n", line("length")),
        (b"%-1\r\n", line("length")),
        (b"*1x\r\n", line("length")),
        (b"*01\r\n", line("length")),
        (b"_x\r\n", line("null")),
        (b"#x\r\n", line("truth value")),
        (b"#\r\n", line("truth value")),
        (b",\r\n", line("double")),
        (b",infinity\r\n", line("double")),
        (b",1.5x\r\n", line("double")),
        (b",1e\r\n", line("double")),
        (b"(\r\n", line("big number")),
        (b"(-\r\n", line("big number")),
        (b"(1e9\r\n", line("big number")),
        (b"=3\r\ntxt\r\n", line("verbatim string")),
        (b"=5\r\ntext:\r\n", line("verbatim string")),
        (b"+a\rb\r\n", Malformed::LineEnd),
        (b"+a\nb\r\n", Malformed::LineEnd),
        (b"+a\n", Malformed::LineEnd),
        (b"$1\r\nabc\r\n", Malformed::LineEnd),
        (b"$?\r\n", Malformed::Streamed),
        (b"*?\r\n", Malformed::Streamed),
        (b"%?\r\n", Malformed::Streamed),
        (b"*2\r\n:1\r\n:x\r\n", line("integer")),
    ];
    for (input, expected) in rows {
        assert_eq!(
            decoded(input),
            (vec![], Some(expected)),
            "{}",
            input.escape_ascii()
        );
    }
}

#[test]
fn limits_hold_when_a_length_is_read() {
    let limits = Limits {
        line_bytes_max: 10,
        reply_bytes_max: 100,
        elements_max: 5,
        depth_max: 2,
    };
    let refused = |input: &[u8]| {
        let whole = fed([input], limits).1;
        assert_eq!(
            fed(input.chunks(1), limits).1,
            whole,
            "{}",
            input.escape_ascii()
        );
        whole
    };
    assert_eq!(refused(b"+123456789\r\n"), None);
    assert_eq!(
        refused(b"+1234567890\r\n"),
        Some(Malformed::LineLimit { line_bytes_max: 10 })
    );
    assert_eq!(refused(b"$93\r\n"), None);
    assert_eq!(
        refused(b"$96\r\n"),
        Some(Malformed::BytesLimit {
            reply_bytes_max: 100
        })
    );
    assert_eq!(
        refused(b"$9999999\r\n"),
        Some(Malformed::BytesLimit {
            reply_bytes_max: 100
        })
    );
    assert_eq!(
        refused(b"*2\r\n$40\r\n0123456789012345678901234567890123456789\r\n$50\r\n"),
        Some(Malformed::BytesLimit {
            reply_bytes_max: 100
        })
    );
    assert_eq!(refused(b"*5\r\n"), None);
    assert_eq!(
        refused(b"*6\r\n"),
        Some(Malformed::ElementsLimit { elements_max: 5 })
    );
    assert_eq!(
        refused(b"%3\r\n"),
        Some(Malformed::ElementsLimit { elements_max: 5 })
    );
    assert_eq!(
        refused(b"*3\r\n*3\r\n"),
        Some(Malformed::ElementsLimit { elements_max: 5 })
    );
    assert_eq!(refused(b"*1\r\n*1\r\n:1\r\n"), None);
    assert_eq!(refused(b"*1\r\n*1\r\n*0\r\n"), None);
    assert_eq!(
        refused(b"*1\r\n*1\r\n*1\r\n"),
        Some(Malformed::DepthLimit { depth_max: 2 })
    );
    // Limits are of one reply, not of the connection.
    assert_eq!(
        refused(&b"*5\r\n:1\r\n:1\r\n:1\r\n:1\r\n:1\r\n".repeat(9)),
        None
    );
}

fn values() -> impl Strategy<Value = Value> {
    let text = || prop::collection::vec(any::<u8>(), 0..12);
    let line = || {
        prop::collection::vec(
            any::<u8>().prop_filter("no line end", |byte| !b"\r\n".contains(byte)),
            0..12,
        )
    };
    let leaf = prop_oneof![
        Just(Value::Null),
        line().prop_map(Value::Simple),
        text().prop_map(Value::Error),
        any::<i64>().prop_map(Value::Integer),
        text().prop_map(Value::Bulk),
        any::<bool>().prop_map(Value::Boolean),
        any::<f64>()
            .prop_filter("nan is equal to nothing", |number| !number.is_nan())
            .prop_map(Value::Double),
        "-?[0-9]{1,40}".prop_map(|digits| Value::BigNumber(digits.into_bytes())),
        (any::<[u8; 3]>(), text()).prop_map(|(format, text)| Value::Verbatim { format, text }),
    ];
    leaf.prop_recursive(4, 40, 4, |inner| {
        let many = || prop::collection::vec(inner.clone(), 0..4);
        let pairs = || prop::collection::vec((inner.clone(), inner.clone()), 0..3);
        prop_oneof![
            many().prop_map(Value::Array),
            many().prop_map(Value::Set),
            many().prop_map(Value::Push),
            pairs().prop_map(Value::Map),
            (pairs(), inner.clone()).prop_map(|(attributes, value)| Value::Attributed {
                attributes,
                value: Box::new(value)
            }),
        ]
    })
}

/// What a reader of RESP2 sees of a value.
fn in_resp2(value: &Value) -> Value {
    let all = |values: &[Value]| Value::Array(values.iter().map(in_resp2).collect());
    match value {
        Value::Error(text) => Value::Error(
            text.iter()
                .map(|&byte| if b"\r\n".contains(&byte) { b' ' } else { byte })
                .collect(),
        ),
        Value::Boolean(truth) => Value::Integer(i64::from(*truth)),
        Value::Double(number) => {
            let mut text = Vec::new();
            crate::write_double(*number, &mut text);
            Value::Bulk(text)
        }
        Value::BigNumber(digits) => Value::Bulk(digits.clone()),
        Value::Verbatim { text, .. } => Value::Bulk(text.clone()),
        Value::Array(values) | Value::Set(values) | Value::Push(values) => all(values),
        Value::Map(pairs) => Value::Array(
            pairs
                .iter()
                .flat_map(|(key, value)| [in_resp2(key), in_resp2(value)])
                .collect(),
        ),
        Value::Attributed { value, .. } => in_resp2(value),
        other => other.clone(),
    }
}

proptest! {
    #[test]
    fn what_is_encoded_is_decoded(values in prop::collection::vec(values(), 1..4), size in 1..20_usize) {
        let bytes: Vec<u8> = values.iter().flat_map(|value| value.to_bytes(Protocol::Resp3)).collect();
        prop_assert_eq!(fed([&bytes[..]], Limits::default()), (values.clone(), None));
        prop_assert_eq!(fed(bytes.chunks(size), Limits::default()), (values, None));
    }

    #[test]
    fn resp2_keeps_what_it_can(value in values()) {
        let bytes = value.to_bytes(Protocol::Resp2);
        prop_assert_eq!(fed([&bytes[..]], Limits::default()), (vec![in_resp2(&value)], None));
    }

    #[test]
    fn any_cut_of_any_bytes_gives_the_same(values in prop::collection::vec(values(), 1..4), flips in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..3), size in 1..9_usize) {
        let mut bytes: Vec<u8> = values.iter().flat_map(|value| value.to_bytes(Protocol::Resp3)).collect();
        for (at, byte) in flips {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        let whole = fed([&bytes[..]], Limits::default());
        let pieces = fed(bytes.chunks(size), Limits::default());
        // Compared as text, because a flipped byte may make a double nan.
        prop_assert_eq!(format!("{whole:?}"), format!("{pieces:?}"));
    }
}
