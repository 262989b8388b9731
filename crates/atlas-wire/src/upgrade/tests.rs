use std::net::IpAddr;

use atlas_base::SessionId;
use proptest::prelude::*;

use super::*;

mod answers;
mod heads;
mod requests;

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
