//! Clients' request heads: what is read, what is refused.

use super::*;

#[test]
fn a_request_is_read_at_its_last_byte_and_not_before() {
    let text = request("Origin: https://game.example\nCookie: a=b\n");
    for cut in 0..text.len() {
        let parsed = Head::parse(&text.as_bytes()[..cut], &Limits::default());
        assert!(
            matches!(parsed, Ok(ParsedHead::Incomplete)),
            "cut at {cut}: {parsed:?}"
        );
    }
    let head = head(&text);
    assert_eq!(head.method(), "GET");
    assert_eq!(head.target(), "/ws?room=1");
    assert_eq!((head.path(), head.query()), ("/ws", Some("room=1")));
    assert_eq!(head.host(), "game.example:9000");
    assert_eq!(head.origin(), Some("https://game.example"));
    assert_eq!(head.fields().first("COOKIE"), Some("a=b"));
    // The example of RFC 6455, section 1.3.
    assert_eq!(
        &head.websocket().unwrap().accept(),
        b"s3pPLMBiTxaQ9kYGzzhZRbK+xOo="
    );
}

#[test]
fn bytes_behind_the_head_are_left_for_the_caller_to_refuse() {
    let text = request("");
    let longer = format!("{text}GET /admin HTTP/1.1\r\n\r\n");
    match Head::parse(longer.as_bytes(), &Limits::default()) {
        Ok(ParsedHead::Complete(_, length)) => assert_eq!(length, text.len()),
        other => panic!("{other:?}"),
    }
}

#[test]
fn what_two_readers_could_read_differently_is_refused() {
    let get = "GET / HTTP/1.1\r\n";
    let cases: &[(String, u16)] = &[
        // Bodies.
        (request("Content-Length: 5\n"), 400),
        (request("Content-Length: +0\n"), 400),
        (request("Content-Length:\n"), 400),
        (request("Content-Length: 0\nContent-Length: 0\n"), 400),
        (request("Transfer-Encoding: chunked\n"), 400),
        (request("Transfer-Encoding: identity\n"), 400),
        (request("Expect: 100-continue\n"), 400),
        // Lines.
        (request("X: a\rb\n"), 400),
        (format!("{get}Host: a\nX: b\r\n\r\n"), 400),
        (format!("{get}Host: a\n\n"), 400),
        (format!("{get}Host: a\r\n X: folded\r\n\r\n"), 400),
        (format!("{get}Host: a\r\n\tX: folded\r\n\r\n"), 400),
        (format!("\r\n{get}Host: a\r\n\r\n"), 400),
        (format!("{get}Host : a\r\n\r\n"), 400),
        (format!("{get}: empty\r\nHost: a\r\n\r\n"), 400),
        (request("X: a\0b\n"), 400),
        (request("X\u{e9}: a\n"), 400),
        // Hosts.
        (format!("{get}\r\n"), 400),
        (format!("{get}Host:\r\n\r\n"), 400),
        (request("Host: other\n"), 400),
        (format!("{get}Host: a, b\r\n\r\n"), 400),
        (format!("{get}Host: user@a\r\n\r\n"), 400),
        (format!("{get}Host: a/b\r\n\r\n"), 400),
        // Targets.
        ("GET http://other/ HTTP/1.1\r\nHost: a\r\n\r\n".into(), 400),
        ("OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n".into(), 400),
        ("CONNECT a:80 HTTP/1.1\r\nHost: a\r\n\r\n".into(), 400),
        ("GET /a#b HTTP/1.1\r\nHost: a\r\n\r\n".into(), 400),
        ("GET /a b HTTP/1.1\r\nHost: a\r\n\r\n".into(), 505),
        ("GET /\u{e9} HTTP/1.1\r\nHost: a\r\n\r\n".into(), 400),
        ("GET  / HTTP/1.1\r\nHost: a\r\n\r\n".into(), 400),
        ("GET /\r\nHost: a\r\n\r\n".into(), 400),
        // Versions.
        ("GET / HTTP/1.0\r\nHost: a\r\n\r\n".into(), 505),
        ("GET / HTTP/2.0\r\nHost: a\r\n\r\n".into(), 505),
        ("\u{16}\u{3}\u{1}".into(), 400),
        // Lists.
        (request("Origin: a\nOrigin: b\n"), 400),
        (request(&format!("Connection: {}\n", "a,".repeat(17))), 400),
    ];
    for (text, status) in cases {
        assert_eq!(
            refusal(text).map(Refusal::status),
            Some(*status),
            "{text:?}"
        );
    }
}

#[test]
fn what_is_no_websocket_handshake_is_refused() {
    let without = |line: &str| {
        let text = request("");
        assert!(text.contains(line), "{line}");
        text.replace(line, "")
    };
    let instead = |line: &str, other: &str| request("").replace(line, other);
    let cases: &[(String, u16)] = &[
        (without("Upgrade: websocket\r\n"), 426),
        (instead("Upgrade: websocket", "Upgrade: h2c"), 426),
        (instead("GET", "POST"), 405),
        (instead("GET", "HEAD"), 405),
        (without("Connection: Upgrade\r\n"), 400),
        (
            instead("Connection: Upgrade", "Connection: keep-alive"),
            400,
        ),
        (without("Sec-WebSocket-Version: 13\r\n"), 426),
        (instead("Version: 13", "Version: 8"), 426),
        (instead("Version: 13", "Version: 13, 8"), 426),
        (request("Sec-WebSocket-Version: 13\n"), 426),
        (without(&format!("Sec-WebSocket-Key: {KEY}\r\n")), 400),
        (request(&format!("Sec-WebSocket-Key: {KEY}\n")), 400),
        (instead(KEY, "dGhlIHNhbXBsZSBub25jZQ"), 400),
        (instead(KEY, "dGhlIHNhbXBsZSBub25jZQA="), 400),
        (instead(KEY, "dGhlIHNhbXBsZSBub25jZSE="), 400),
        (instead(KEY, "dGhlIHNhbXBsZSBub25j!Q=="), 400),
        (request("Sec-WebSocket-Protocol: a b\n"), 400),
        (request("Sec-WebSocket-Protocol: \"a\"\n"), 400),
        (
            request(&format!("Sec-WebSocket-Protocol: {}\n", "a,".repeat(33))),
            400,
        ),
    ];
    for (text, status) in cases {
        assert_eq!(
            refusal(text).map(Refusal::status),
            Some(*status),
            "{text:?}"
        );
    }
    let allowed = [
        request(""),
        request("Content-Length: 0\n"),
        instead("Connection: Upgrade", "connection: keep-alive, upgrade"),
        instead("Upgrade: websocket", "UPGRADE: WebSocket"),
        instead(KEY, "dGhlIHNhbXBsZSBub25jZR=="),
        instead("/ws?room=1", "/?x={\"a\":[1|2]}&y=\\"),
        instead("game.example:9000", "[::1]:9000"),
    ];
    for text in &allowed {
        assert_eq!(refusal(text), None, "{text:?}");
        head(text);
    }
}

#[test]
fn a_head_past_its_limits_is_refused_with_431() {
    let limits = Limits {
        head_bytes_max: 256,
        headers_max: 8,
    };
    let refused = |bytes: &[u8]| Head::parse(bytes, &limits).err();
    let line_without_end = [b"GET /".as_slice(), &[b'a'; 300]].concat();
    assert_eq!(refused(&line_without_end[..255]), None);
    assert_eq!(
        refused(&line_without_end[..256]),
        Some(Refusal::HeadTooLong)
    );
    assert_eq!(refused(&line_without_end), Some(Refusal::HeadTooLong));
    let long = request(&format!("X: {}\n", "a".repeat(300)));
    assert_eq!(refused(long.as_bytes()), Some(Refusal::HeadTooLong));
    let many = format!("GET / HTTP/1.1\r\nHost: a\r\n{}\r\n", "X: a\r\n".repeat(8));
    assert_eq!(refused(many.as_bytes()), Some(Refusal::TooManyHeaders));
    let enough = format!("GET / HTTP/1.1\r\nHost: a\r\n{}\r\n", "X: a\r\n".repeat(7));
    assert_eq!(refused(enough.as_bytes()), None);
    // A limit above what we can hold does not panic.
    let limits = Limits {
        headers_max: usize::MAX,
        ..Limits::default()
    };
    let many = format!(
        "GET / HTTP/1.1\r\nHost: a\r\n{}\r\n",
        "X: a\r\n".repeat(HEADERS_MAX)
    );
    assert_eq!(
        Head::parse(many.as_bytes(), &limits).err(),
        Some(Refusal::TooManyHeaders)
    );
    assert_eq!(Refusal::HeadTooLong.status(), 431);
}

#[test]
fn a_refusal_is_a_whole_answer() {
    for refusal in [
        Refusal::Malformed("x"),
        Refusal::Method,
        Refusal::WebSocketVersion,
        Refusal::UpgradeRequired,
    ] {
        let mut bytes = Vec::new();
        refusal.write(&mut bytes);
        let text = String::from_utf8(bytes).unwrap();
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        assert!(
            head.starts_with(&format!("HTTP/1.1 {} ", refusal.status())),
            "{head}"
        );
        assert_eq!(values(head, "content-length"), [body.len().to_string()]);
        assert!(values(head, "connection")[0].starts_with("close"));
        assert_eq!(body, format!("{refusal}\n"));
    }
    let mut bytes = Vec::new();
    Refusal::WebSocketVersion.write(&mut bytes);
    assert_eq!(
        values(
            std::str::from_utf8(&bytes).unwrap(),
            "sec-websocket-version"
        ),
        ["13"]
    );
}
