use std::net::IpAddr;

use atlas_base::SessionId;
use proptest::prelude::*;

use super::*;

const KEY: &str = "dGhlIHNhbXBsZSBub25jZQ==";
const DIAL_KEY: [u8; 16] = *b"the sample nonce";

/// A client's request with these further lines.
fn request(lines: &str) -> String {
    format!(
        "GET /ws?room=1 HTTP/1.1\r\nHost: game.example:9000\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {KEY}\r\n{}\r\n",
        lines.replace('\n', "\r\n")
    )
}

fn head(text: &str) -> Head {
    match Head::parse(text.as_bytes(), &Limits::default()) {
        Ok(ParsedHead::Complete(head, length)) => {
            assert_eq!(length, text.len());
            head
        }
        other => panic!("{text:?}: {other:?}"),
    }
}

fn refusal(text: &str) -> Option<Refusal> {
    match Head::parse(text.as_bytes(), &Limits::default()) {
        Err(refusal) => Some(refusal),
        Ok(ParsedHead::Complete(head, _)) => head.websocket().err(),
        Ok(ParsedHead::Incomplete) => None,
    }
}

fn server_request(head: &Head) -> ServerRequest<'_> {
    ServerRequest {
        target: head.target(),
        host: head.host(),
        key: &DIAL_KEY,
        head: Some(head),
        subprotocols: &[],
        deflate: false,
        forwarding: Some(Forwarding {
            peer: address("192.0.2.7"),
            client: address("192.0.2.7"),
            peer_trusted: false,
            secure: false,
        }),
        link: None,
        extra: &[],
    }
}

fn written(request: &ServerRequest<'_>) -> String {
    let mut bytes = Vec::new();
    request.write(&mut bytes).unwrap();
    String::from_utf8(bytes).unwrap()
}

/// The values of a header in a written head, in order.
fn values<'a>(text: &'a str, name: &str) -> Vec<&'a str> {
    text.split("\r\n")
        .filter_map(|line| line.split_once(": "))
        .filter(|(other, _)| other.eq_ignore_ascii_case(name))
        .map(|(_, value)| value)
        .collect()
}

fn address(text: &str) -> IpAddr {
    text.parse().unwrap()
}

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

#[test]
fn the_request_to_the_server_carries_the_clients_headers() {
    let head = head(&request(
        "Cookie: a=b\nCookie: c=d\nOrigin: https://o\nAuthorization: Basic x\nX-Game: 1\n",
    ));
    let text = written(&server_request(&head));
    assert!(
        text.starts_with("GET /ws?room=1 HTTP/1.1\r\nHost: game.example:9000\r\n"),
        "{text}"
    );
    assert!(text.ends_with("\r\n\r\n"));
    assert_eq!(values(&text, "cookie"), ["a=b", "c=d"]);
    assert_eq!(values(&text, "origin"), ["https://o"]);
    assert_eq!(values(&text, "authorization"), ["Basic x"]);
    assert_eq!(values(&text, "x-game"), ["1"]);
    // Ours, once each, whatever the client sent.
    for (name, value) in [
        ("host", "game.example:9000"),
        ("upgrade", "websocket"),
        ("connection", "Upgrade"),
        ("sec-websocket-version", "13"),
        ("sec-websocket-key", KEY),
    ] {
        assert_eq!(values(&text, name), [value], "{name}");
    }
    assert_eq!(values(&text, "sec-websocket-protocol"), Vec::<&str>::new());
}

#[test]
fn what_a_client_forges_does_not_reach_the_server() {
    let forged = "Connection: keep-alive, X-Secret, X-Forwarded-For, Host\nKeep-Alive: 1\nX-Secret: 1\nTE: trailers\n\
        Proxy-Authorization: Basic x\nTrailer: X\nHTTP2-Settings: x\nProxy-Connection: x\nContent-Length: 0\n\
        X-Forwarded-For: 6.6.6.6\nX_Forwarded_For: 6.6.6.6\nx-forwarded-host: evil\nX-Forwarded-Proto: https\n\
        X-Forwarded-Anything: evil\nForwarded: for=6.6.6.6\nX-Real-IP: 6.6.6.6\nAtlas-Session: evil\nATLAS-LINK: session\n\
        Atlas_Player: evil\nSec-WebSocket-Extensions: permessage-deflate\nSec-WebSocket-Accept: x\nX-Request-Id: evil\n";
    let head = head(&request(forged));
    let request = ServerRequest {
        extra: &[("X-Request-Id", "ours")],
        ..server_request(&head)
    };
    let text = written(&request);
    assert!(
        !text.contains("evil") && !text.contains("6.6.6.6"),
        "{text}"
    );
    for name in [
        "keep-alive",
        "x-secret",
        "te",
        "proxy-authorization",
        "trailer",
        "http2-settings",
        "proxy-connection",
        "content-length",
        "x_forwarded_for",
        "forwarded",
        "sec-websocket-extensions",
        "sec-websocket-accept",
        "atlas-link",
    ] {
        assert_eq!(values(&text, name), Vec::<&str>::new(), "{name}");
    }
    assert_eq!(values(&text, "x-forwarded-for"), ["192.0.2.7"]);
    assert_eq!(values(&text, "x-real-ip"), ["192.0.2.7"]);
    assert_eq!(values(&text, "x-forwarded-proto"), ["http"]);
    assert_eq!(values(&text, "x-forwarded-host"), ["game.example:9000"]);
    assert_eq!(values(&text, "x-request-id"), ["ours"]);
    assert_eq!(values(&text, "host").len(), 1);
}

#[test]
fn a_trusted_proxys_forwarding_headers_are_kept_and_appended_to() {
    let head = head(&request(
        "X-Forwarded-For: 203.0.113.9\nX-Forwarded-For: 10.0.0.2\nX-Forwarded-Proto: https\n\
         X-Forwarded-Host: public.example\nForwarded: for=203.0.113.9\nX-Real-IP: 203.0.113.9\n",
    ));
    let peer = address("::ffff:10.0.0.1");
    let client = client_address(head.fields(), peer, |address| {
        address.to_string().starts_with("10.")
    });
    assert_eq!(client, address("203.0.113.9"));
    let forwarding = Forwarding {
        peer,
        client,
        peer_trusted: true,
        secure: false,
    };
    let text = written(&ServerRequest {
        forwarding: Some(forwarding),
        ..server_request(&head)
    });
    assert_eq!(
        values(&text, "x-forwarded-for"),
        ["203.0.113.9, 10.0.0.2, 10.0.0.1"]
    );
    assert_eq!(values(&text, "x-forwarded-proto"), ["https"]);
    assert_eq!(values(&text, "x-forwarded-host"), ["public.example"]);
    assert_eq!(
        values(&text, "forwarded"),
        ["for=203.0.113.9, for=10.0.0.1"]
    );
    assert_eq!(values(&text, "x-real-ip"), ["203.0.113.9"]);
}

#[test]
fn the_client_is_the_last_address_that_no_trusted_proxy_has() {
    let trusted = |address: IpAddr| address.to_string().starts_with("10.");
    let cases = [
        ("198.51.100.1", "1.1.1.1", "198.51.100.1"),
        ("10.0.0.1", "1.1.1.1", "1.1.1.1"),
        ("10.0.0.1", "6.6.6.6, 1.1.1.1", "1.1.1.1"),
        ("10.0.0.1", "6.6.6.6, 1.1.1.1, 10.0.0.2", "1.1.1.1"),
        ("10.0.0.1", "10.0.0.3, 10.0.0.2", "10.0.0.3"),
        ("10.0.0.1", "1.1.1.1:4711", "1.1.1.1"),
        ("10.0.0.1", "[2001:db8::1]:4711", "2001:db8::1"),
        ("10.0.0.1", "\"[2001:db8::1]\"", "2001:db8::1"),
        ("10.0.0.1", "2001:db8::1", "2001:db8::1"),
        ("10.0.0.1", "6.6.6.6, nonsense", "10.0.0.1"),
        ("10.0.0.1", "6.6.6.6, , 10.0.0.2", "10.0.0.2"),
        ("::ffff:10.0.0.1", "::ffff:1.1.1.1", "1.1.1.1"),
    ];
    for (peer, list, client) in cases {
        let head = head(&request(&format!("X-Forwarded-For: {list}\n")));
        assert_eq!(
            client_address(head.fields(), address(peer), trusted),
            address(client),
            "{peer} {list}"
        );
    }
    let two = head(&request(
        "X-Forwarded-For: 6.6.6.6\nX-Forwarded-For: 1.1.1.1\n",
    ));
    assert_eq!(
        client_address(two.fields(), address("10.0.0.1"), trusted),
        address("1.1.1.1")
    );
}

#[test]
fn subprotocols_are_sorted_out() {
    /// Offered; handed on; chosen by the server; answered; with tagged messages?
    type Case<'a> = (
        &'a [&'a str],
        &'a [&'a str],
        Option<&'a str>,
        Option<&'a str>,
        bool,
    );
    let cases: &[Case<'_>] = &[
        (&[], &[], None, None, false),
        (
            &["chat", "log"],
            &["chat", "log"],
            Some("log"),
            Some("log"),
            false,
        ),
        (&["chat"], &["chat"], None, None, false),
        (&["atlas.v1"], &[], None, Some("atlas.v1"), true),
        (
            &["atlas.v1.chat"],
            &["chat"],
            Some("chat"),
            Some("atlas.v1.chat"),
            true,
        ),
        (&["atlas.v1.chat"], &["chat"], None, None, false),
        (
            &["atlas.v1.chat", "chat"],
            &["chat"],
            Some("chat"),
            Some("atlas.v1.chat"),
            true,
        ),
        (
            &["atlas.v1", "chat"],
            &["chat"],
            Some("chat"),
            Some("atlas.v1"),
            true,
        ),
        (
            &["atlas.v1.a", "b"],
            &["a", "b"],
            Some("b"),
            Some("b"),
            false,
        ),
        (
            &["atlas.link.v1", "ATLAS.LINK.v2", "atlas.v10"],
            &[],
            None,
            None,
            false,
        ),
        (
            &["atlas.v1.atlas.link.v1", "atlas.v1.atlas.v1"],
            &[],
            None,
            None,
            false,
        ),
        (&["atlas.v1."], &[], None, None, false),
    ];
    for (offered, to_server, chosen, token, atlas) in cases {
        let subprotocols = Subprotocols::new(offered.iter().copied());
        assert_eq!(subprotocols.of_game(), *to_server, "{offered:?}");
        assert_eq!(
            subprotocols.answer(*chosen),
            Answered {
                token: *token,
                atlas: *atlas
            },
            "{offered:?}"
        );
    }
    let cooperative: &[(&[&str], Option<&str>, bool)] = &[
        (&[], None, false),
        (&["chat", "log"], Some("chat"), false),
        (&["chat", "atlas.v1.chat"], Some("atlas.v1.chat"), true),
        (&["atlas.link.v1", "chat"], Some("chat"), false),
        (&["atlas.v1.atlas.link.v1"], None, false),
    ];
    for (offered, token, atlas) in cooperative {
        let answered = Subprotocols::new(offered.iter().copied()).answer_cooperative();
        assert_eq!(
            answered,
            Answered {
                token: *token,
                atlas: *atlas
            },
            "{offered:?}"
        );
    }
}

#[test]
fn a_cooperative_link_is_offered_first_and_without_extensions() {
    let head = head(&request(
        "Sec-WebSocket-Protocol: chat\nSec-WebSocket-Extensions: permessage-deflate\n",
    ));
    let link = LinkHeaders {
        kind: LinkKind::Session(SessionId::from_u128(1)),
        world: "main",
        player: Some("Zoë 100%\r\nX: y"),
        node: "n1",
    };
    let subprotocols = head.subprotocols().of_game();
    let request = ServerRequest {
        subprotocols: &subprotocols,
        deflate: true,
        link: Some(link),
        extra: &[("Authorization", "Bearer t")],
        ..server_request(&head)
    };
    let text = written(&request);
    assert_eq!(
        values(&text, "sec-websocket-protocol"),
        ["atlas.link.v1, chat"]
    );
    assert_eq!(
        values(&text, "sec-websocket-extensions"),
        Vec::<&str>::new()
    );
    assert_eq!(values(&text, "atlas-link"), ["session"]);
    assert_eq!(
        values(&text, "atlas-session"),
        ["00000000-0000-0000-0000-000000000001"]
    );
    assert_eq!(values(&text, "atlas-world"), ["main"]);
    assert_eq!(
        values(&text, "atlas-player"),
        ["Zo%C3%AB%20100%25%0D%0AX:%20y"]
    );
    assert_eq!(values(&text, "authorization"), ["Bearer t"]);
    let control = ServerRequest {
        head: None,
        forwarding: None,
        link: Some(LinkHeaders {
            kind: LinkKind::Control,
            player: None,
            ..link
        }),
        ..request
    };
    let text = written(&control);
    assert_eq!(values(&text, "atlas-link"), ["control"]);
    assert_eq!(values(&text, "atlas-session"), Vec::<&str>::new());
}

#[test]
fn a_value_that_would_end_its_line_is_not_written() {
    let head = head(&request(""));
    let good = server_request(&head);
    let cases = [
        ServerRequest {
            target: "/a\r\nX: y",
            ..good
        },
        ServerRequest {
            target: "http://a/",
            ..good
        },
        ServerRequest {
            host: "a\r\nX: y",
            ..good
        },
        ServerRequest { host: "", ..good },
        ServerRequest {
            extra: &[("X", "a\r\nY: b")],
            ..good
        },
        ServerRequest {
            extra: &[("X: a", "b")],
            ..good
        },
        ServerRequest {
            subprotocols: &["a\r\nb"],
            ..good
        },
    ];
    for request in cases {
        let mut bytes = b"before".to_vec();
        assert!(request.write(&mut bytes).is_err(), "{request:?}");
        assert_eq!(bytes, b"before");
    }
}

fn answer(lines: &str) -> String {
    format!(
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n{}\r\n",
        lines.replace('\n', "\r\n")
    )
}

#[test]
fn a_servers_answer_is_checked_against_the_request() {
    let head = head(&request(
        "Sec-WebSocket-Extensions: x-other, permessage-deflate; client_max_window_bits\n",
    ));
    let link = LinkHeaders {
        kind: LinkKind::Control,
        world: "main",
        player: None,
        node: "n1",
    };
    let plain = ServerRequest {
        subprotocols: &["chat"],
        ..server_request(&head)
    };
    let deflating = ServerRequest {
        deflate: true,
        ..plain
    };
    let linked = ServerRequest {
        link: Some(link),
        deflate: true,
        ..plain
    };
    assert_eq!(
        values(&written(&deflating), "sec-websocket-extensions"),
        ["permessage-deflate; client_max_window_bits"]
    );
    use LinkAnswer::*;
    let accepted = [
        (plain, "", Plain, None),
        (plain, "Sec-WebSocket-Protocol: chat\n", Plain, Some("chat")),
        (plain, "Sec-WebSocket-Extensions:\n", Plain, None),
        (
            deflating,
            "Sec-WebSocket-Extensions: permessage-deflate; server_no_context_takeover\n",
            Plain,
            None,
        ),
        (
            linked,
            "Sec-WebSocket-Protocol: atlas.link.v1\nAtlas-Link: v1\n",
            Cooperative,
            None,
        ),
        (
            linked,
            "Sec-WebSocket-Protocol: atlas.link.v1\n",
            Echoed,
            None,
        ),
        (
            linked,
            "Sec-WebSocket-Protocol: atlas.link.v1\nAtlas-Link: v2\n",
            Echoed,
            None,
        ),
        (
            linked,
            "Sec-WebSocket-Protocol: chat\nAtlas-Link: v1\n",
            Plain,
            Some("chat"),
        ),
        (linked, "", Plain, None),
    ];
    for (request, lines, link, subprotocol) in accepted {
        let text = answer(lines) + "frames";
        match ServerAnswer::parse(text.as_bytes(), &Limits::default(), &request) {
            Ok(ServerAnswer::Switched(switched, length)) => {
                assert_eq!(length, text.len() - "frames".len());
                assert_eq!(
                    (switched.link, switched.subprotocol()),
                    (link, subprotocol),
                    "{lines}"
                );
                assert_eq!(switched.deflate(), lines.contains("deflate"), "{lines}");
            }
            other => panic!("{lines}: {other:?}"),
        }
    }
    let refused = [
        (
            plain,
            answer("Sec-WebSocket-Protocol: other\n"),
            BadAnswer::Subprotocol,
        ),
        (
            plain,
            answer("Sec-WebSocket-Protocol: atlas.link.v1\n"),
            BadAnswer::Subprotocol,
        ),
        (
            plain,
            answer("Sec-WebSocket-Protocol: chat\nSec-WebSocket-Protocol: chat\n"),
            BadAnswer::Subprotocol,
        ),
        (
            plain,
            answer("Sec-WebSocket-Extensions: permessage-deflate\n"),
            BadAnswer::Extension,
        ),
        (
            linked,
            answer("Sec-WebSocket-Extensions: permessage-deflate\n"),
            BadAnswer::Extension,
        ),
        (
            deflating,
            answer("Sec-WebSocket-Extensions: x-other\n"),
            BadAnswer::Extension,
        ),
        (
            deflating,
            answer("Sec-WebSocket-Extensions: permessage-deflate, x-other\n"),
            BadAnswer::Extension,
        ),
        (
            plain,
            answer("").replace("s3pP", "S3pP"),
            BadAnswer::AcceptKey,
        ),
        (
            plain,
            answer("Sec-WebSocket-Accept: x\n"),
            BadAnswer::AcceptKey,
        ),
        (
            plain,
            answer("").replace("Upgrade: websocket\r\n", ""),
            BadAnswer::NotWebSocket,
        ),
        (
            plain,
            answer("").replace("Connection: Upgrade\r\n", ""),
            BadAnswer::NotWebSocket,
        ),
        (
            plain,
            answer("").replace("HTTP/1.1", "HTTP/1.0"),
            BadAnswer::Malformed("not http/1.1"),
        ),
        (
            plain,
            answer("").replace("\r\n", "\n"),
            BadAnswer::Malformed("a line must end with CR LF"),
        ),
    ];
    for (request, text, error) in refused {
        let parsed = ServerAnswer::parse(text.as_bytes(), &Limits::default(), &request);
        assert_eq!(parsed.err(), Some(error), "{text}");
    }
    for status in [200, 302, 400, 401, 403, 404, 426, 500, 503] {
        let text = format!("HTTP/1.1 {status} Whatever\r\nContent-Length: 0\r\n\r\n");
        match ServerAnswer::parse(text.as_bytes(), &Limits::default(), &plain) {
            Ok(ServerAnswer::Refused { status: seen }) => assert_eq!(seen, status),
            other => panic!("{status}: {other:?}"),
        }
    }
}

#[test]
fn the_answer_to_the_client_carries_the_servers_cookies() {
    let head = head(&request("Sec-WebSocket-Extensions: permessage-deflate\n"));
    let request = ServerRequest {
        deflate: true,
        ..server_request(&head)
    };
    let lines = "Set-Cookie: a=b\nSet-Cookie: c=d\nAtlas-Link: v1\nContent-Length: 0\nServer: game\n\
        Sec-WebSocket-Extensions: permessage-deflate\nKeep-Alive: x\n";
    let Ok(ServerAnswer::Switched(switched, _)) =
        ServerAnswer::parse(answer(lines).as_bytes(), &Limits::default(), &request)
    else {
        panic!("a good answer");
    };
    let mut bytes = Vec::new();
    accept(
        &mut bytes,
        &head.websocket().unwrap(),
        Some("chat"),
        Some(&switched),
    );
    let text = String::from_utf8(bytes).unwrap();
    assert!(
        text.starts_with("HTTP/1.1 101 ") && text.ends_with("\r\n\r\n"),
        "{text}"
    );
    for (name, expected) in [
        ("set-cookie", vec!["a=b", "c=d"]),
        ("server", vec!["game"]),
        ("sec-websocket-accept", vec!["s3pPLMBiTxaQ9kYGzzhZRbK+xOo="]),
        ("sec-websocket-protocol", vec!["chat"]),
        ("sec-websocket-extensions", vec!["permessage-deflate"]),
        ("upgrade", vec!["websocket"]),
        ("connection", vec!["Upgrade"]),
        ("atlas-link", vec![]),
        ("content-length", vec![]),
        ("keep-alive", vec![]),
    ] {
        assert_eq!(values(&text, name), expected, "{name}");
    }
}

/// Bytes that look like a head more often than noise does.
fn headlike() -> impl Strategy<Value = Vec<u8>> {
    let pieces = prop::sample::select(vec![
        "GET ",
        "/",
        "/ws",
        " HTTP/1.1",
        "\r\n",
        "\r",
        "\n",
        "Host: a",
        "Upgrade: websocket",
        "Connection: ",
        "Upgrade",
        "Sec-WebSocket-Key: ",
        KEY,
        "Sec-WebSocket-Protocol: ",
        "atlas.v1",
        ".",
        ",",
        " ",
        ":",
        "X-Forwarded-For: ",
        "\0",
        "\u{e9}",
        "HTTP/1.1 101 x",
    ]);
    prop::collection::vec(
        prop_oneof![
            pieces.prop_map(|piece| piece.as_bytes().to_vec()),
            any::<[u8; 1]>().prop_map(Vec::from)
        ],
        0..40,
    )
    .prop_map(|pieces| pieces.concat())
}

proptest! {
    #[test]
    fn no_bytes_make_a_head_panic(bytes in headlike()) {
        let limits = Limits { head_bytes_max: 200, headers_max: 5 };
        let sample = head(&request(""));
        let request = server_request(&sample);
        let _ = ServerAnswer::parse(&bytes, &limits, &request);
        match Head::parse(&bytes, &limits) {
            Ok(ParsedHead::Complete(head, length)) => {
                prop_assert!(length <= bytes.len());
                prop_assert!(head.fields().memory_bytes() <= length + 5 * 16);
                let _ = head.websocket();
                let _ = head.subprotocols().answer(Some("x"));
            }
            Ok(ParsedHead::Incomplete) => prop_assert!(bytes.len() < limits.head_bytes_max),
            Err(refusal) => {
                // What is refused stays refused, whatever follows.
                let longer = [&bytes[..], b"\r\n\r\n"].concat();
                prop_assert!(Head::parse(&longer, &limits).is_err(), "{refusal}");
            }
        }
    }

    #[test]
    fn what_goes_to_the_server_is_a_head_that_we_would_read_ourselves(
        values in prop::collection::vec("[ -~]{0,12}", 0..6), player in ".{0,12}",
    ) {
        let lines: String = values.iter().enumerate().map(|(index, value)| format!("X-{index}: {value}\n")).collect();
        let client = head(&request(&lines));
        let link = LinkHeaders {
            kind: LinkKind::Session(SessionId::from_u128(7)), world: "main", player: Some(&player), node: "n1",
        };
        let text = written(&ServerRequest { link: Some(link), ..server_request(&client) });
        let server = head(&text);
        prop_assert!(server.websocket().is_ok());
        for (index, value) in values.iter().enumerate() {
            let name = format!("x-{index}");
            prop_assert_eq!(server.fields().first(&name), Some(value.trim()));
        }
    }
}
