//! Subprotocols, servers' answers, answers to clients.

use super::*;

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
