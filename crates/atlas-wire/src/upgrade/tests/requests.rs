//! Requests to game servers: what goes over, what does not.

use super::*;

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
