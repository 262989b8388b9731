use super::*;

fn written(protocol: Protocol, write: impl Fn(&mut Encoder<'_>)) -> String {
    let mut out = Vec::new();
    write(&mut Encoder::new(&mut out, protocol));
    String::from_utf8(out).unwrap()
}

#[test]
fn every_shape_in_both_protocols() {
    type Write = fn(&mut Encoder<'_>);
    let rows: [(Write, &str, &str); 37] = [
        (|e| e.ok(), "+OK\r\n", "+OK\r\n"),
        (|e| e.simple("PONG"), "+PONG\r\n", "+PONG\r\n"),
        (|e| e.simple("a\r\n+b"), "+a  +b\r\n", "+a  +b\r\n"),
        (|e| e.simple(""), "+\r\n", "+\r\n"),
        (
            |e| e.error("ERR syntax error"),
            "-ERR syntax error\r\n",
            "-ERR syntax error\r\n",
        ),
        (|e| e.error("ERR a\nb"), "-ERR a b\r\n", "-ERR a b\r\n"),
        (
            |e| e.blob_error("ERR a\nb"),
            "-ERR a b\r\n",
            "!7\r\nERR a\nb\r\n",
        ),
        (|e| e.integer(0), ":0\r\n", ":0\r\n"),
        (
            |e| e.integer(i64::MIN),
            ":-9223372036854775808\r\n",
            ":-9223372036854775808\r\n",
        ),
        (
            |e| e.integer(i64::MAX),
            ":9223372036854775807\r\n",
            ":9223372036854775807\r\n",
        ),
        (|e| e.bulk("foo"), "$3\r\nfoo\r\n", "$3\r\nfoo\r\n"),
        (|e| e.bulk(""), "$0\r\n\r\n", "$0\r\n\r\n"),
        (|e| e.bulk("\r\n"), "$2\r\n\r\n\r\n", "$2\r\n\r\n\r\n"),
        (|e| e.bulk_integer(-12), "$3\r\n-12\r\n", "$3\r\n-12\r\n"),
        (|e| e.null(), "$-1\r\n", "_\r\n"),
        (|e| e.null_array(), "*-1\r\n", "_\r\n"),
        (|e| e.boolean(true), ":1\r\n", "#t\r\n"),
        (|e| e.boolean(false), ":0\r\n", "#f\r\n"),
        (|e| e.double(3.0), "$1\r\n3\r\n", ",3\r\n"),
        (|e| e.double(3.1), "$3\r\n3.1\r\n", ",3.1\r\n"),
        (
            |e| e.double(0.1 + 0.2),
            "$19\r\n0.30000000000000004\r\n",
            ",0.30000000000000004\r\n",
        ),
        (|e| e.double(f64::INFINITY), "$3\r\ninf\r\n", ",inf\r\n"),
        (
            |e| e.double(f64::NEG_INFINITY),
            "$4\r\n-inf\r\n",
            ",-inf\r\n",
        ),
        (|e| e.double(f64::NAN), "$3\r\nnan\r\n", ",nan\r\n"),
        (
            |e| e.double(-f64::MIN_POSITIVE),
            "$24\r\n-2.2250738585072014e-308\r\n",
            ",-2.2250738585072014e-308\r\n",
        ),
        (
            |e| e.big_number("-123456789012345678901234567890"),
            "$31\r\n-123456789012345678901234567890\r\n",
            "(-123456789012345678901234567890\r\n",
        ),
        (
            |e| e.verbatim(*b"txt", "hi"),
            "$2\r\nhi\r\n",
            "=6\r\ntxt:hi\r\n",
        ),
        (|e| e.array(0), "*0\r\n", "*0\r\n"),
        (|e| e.array(1_000_000), "*1000000\r\n", "*1000000\r\n"),
        (|e| e.map(0), "*0\r\n", "%0\r\n"),
        (|e| e.map(7), "*14\r\n", "%7\r\n"),
        (|e| e.set(2), "*2\r\n", "~2\r\n"),
        (|e| e.push(3), "*3\r\n", ">3\r\n"),
        (
            |e| assert_eq!(e.attribute(1), e.protocol() == Protocol::Resp3),
            "",
            "|1\r\n",
        ),
        (|e| e.array(10), "*10\r\n", "*10\r\n"),
        (
            |e| e.bulk("0123456789"),
            "$10\r\n0123456789\r\n",
            "$10\r\n0123456789\r\n",
        ),
        (|e| e.double(-0.0), "$2\r\n-0\r\n", ",-0\r\n"),
    ];
    for (index, (write, resp2, resp3)) in rows.into_iter().enumerate() {
        assert_eq!(written(Protocol::Resp2, write), resp2, "row {index}");
        assert_eq!(written(Protocol::Resp3, write), resp3, "row {index}");
    }
}

#[test]
fn a_request_is_an_array_of_bulks() {
    let mut out = Vec::new();
    command(&mut out, ["SET", "k", ""]);
    assert_eq!(out, b"*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$0\r\n\r\n");
}

#[test]
fn replies_go_behind_what_is_there() {
    let mut out = b"+A\r\n".to_vec();
    Encoder::new(&mut out, Protocol::Resp2).double(1.5);
    assert_eq!(out, b"+A\r\n$3\r\n1.5\r\n");
}
