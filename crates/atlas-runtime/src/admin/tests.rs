use std::{collections::HashMap, time::Duration};

use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, Uri};
use axum::response::sse::{Event, Sse};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    sync::oneshot,
    task::JoinHandle,
    time,
};

use super::{guard::Verdict, *};
use crate::http::Peer;
use crate::{MetricsConfig, logs};

const DEADLINE: Duration = Duration::from_secs(10);

/// A running admin listener.
struct Node {
    address: SocketAddr,
    token: String,
    logs: Logs,
    stop: Option<oneshot::Sender<()>>,
    ended: JoinHandle<Result<(), Error>>,
}

struct Answer {
    status: u16,
    headers: HashMap<String, String>,
    body: String,
}

impl Node {
    async fn start(listen: &str, hosts: &[&str], checks: &[(&str, bool)]) -> Self {
        let registry = metrics::Registry::new(&MetricsConfig::default());
        registry
            .gauge("atlas_edge_connections", "Clients connected.")
            .unwrap()
            .set(7);
        let token = Token::draw().unwrap();
        let (logs, _subscriber) = logs::detached();
        // The handle works only while its subscriber lives.
        std::mem::forget(_subscriber);
        let config = AdminConfig {
            listen: listen.parse().unwrap(),
            hosts: hosts.iter().map(|&h| h.into()).collect(),
            connections_max: 4,
        };
        let events = || async {
            Sse::new(futures_util::stream::pending::<
                Result<Event, std::convert::Infallible>,
            >())
        };
        let routes = Router::new()
            .route("/servers", get(|| async { Json(serde_json::json!([])) }))
            .route("/v1/world", get(events))
            .route("/", get(|| async { "the console" }));
        let mut admin = Admin::new(config, registry, logs.clone(), token.clone()).mount(routes);
        for &(name, holds) in checks {
            admin = admin.readiness(name, move || holds);
        }
        let listening = admin.bind().await.unwrap();
        let address = listening.address;
        let (stop, stopped) = oneshot::channel();
        let ended = tokio::spawn(listening.serve(async { stopped.await.unwrap_or_default() }));
        Self {
            address,
            token: token.reveal().into(),
            logs,
            stop: Some(stop),
            ended,
        }
    }

    async fn ask(&self, request: &str, headers: &[(&str, &str)]) -> Answer {
        self.ask_with(request, headers, "").await
    }

    /// Sends `METHOD PATH` with the given headers; `HOST` in a value stands for the node's address, `TOKEN` for its
    /// token. `Host` is added unless a header of that name is given.
    async fn ask_with(&self, request: &str, headers: &[(&str, &str)], body: &str) -> Answer {
        let filled = |text: &str| {
            text.replace("HOST", &self.address.to_string())
                .replace("TOKEN", &self.token)
        };
        let mut head = format!("{} HTTP/1.1\r\nconnection: close\r\n", filled(request));
        if !headers.iter().any(|(name, _)| *name == "host") {
            head += &format!("host: {}\r\n", self.address);
        }
        for (name, value) in headers {
            head += &format!("{name}: {}\r\n", filled(value));
        }
        head += &format!("content-length: {}\r\n\r\n{body}", body.len());
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        stream.write_all(head.as_bytes()).await.unwrap();
        let mut bytes = Vec::new();
        let read = async {
            // A stream never ends: its head is enough.
            while !(bytes
                .windows(17)
                .any(|window| window == b"text/event-stream")
                && bytes.ends_with(b"\r\n\r\n"))
            {
                if stream.read_buf(&mut bytes).await.unwrap() == 0 {
                    break;
                }
            }
        };
        time::timeout(DEADLINE, read)
            .await
            .expect("an answer in time");
        let text = String::from_utf8(bytes).unwrap();
        let (head, body) = text
            .split_once("\r\n\r\n")
            .unwrap_or_else(|| panic!("no head in {text:?}"));
        let mut lines = head.lines();
        let status = lines
            .next()
            .unwrap()
            .split(' ')
            .nth(1)
            .unwrap()
            .parse()
            .unwrap();
        let headers = lines
            .map(|line| line.split_once(": ").unwrap())
            .map(|(n, v)| (n.into(), v.into()))
            .collect();
        Answer {
            status,
            headers,
            body: body.into(),
        }
    }
}

#[tokio::test]
async fn the_guard_through_real_http() {
    let node = Node::start("127.0.0.1:0", &["atlas.example", "proxy.example:443"], &[]).await;
    let port = node.address.port();
    let localhost = format!("localhost:{port}");
    let cookie = format!("other=1; atlas_admin_{port}=TOKEN");
    let wrong_port_cookie = format!("atlas_admin_{}=TOKEN", port ^ 1);
    let bearer = ("authorization", "Bearer TOKEN");
    type Case<'a> = (&'a str, &'a [(&'a str, &'a str)], u16);
    let cases: &[Case] = &[
        // free paths
        ("GET /health", &[], 200),
        ("HEAD /health", &[], 200),
        ("GET /ready", &[], 200),
        ("GET /metrics", &[], 200),
        ("GET /servers", &[], 200),
        ("POST /health", &[], 401),
        ("GET /healthy", &[], 401),
        ("GET /health/", &[], 401),
        // token
        ("GET /v1/log", &[], 401),
        ("GET /nothing", &[], 401),
        ("GET /", &[], 401),
        ("GET /v1/world", &[], 401),
        ("GET /v1/log?token=TOKEN", &[], 401),
        ("GET /v1/log", &[bearer], 200),
        ("GET /v1/log", &[("authorization", "bearer TOKEN")], 200),
        ("GET /v1/log", &[("authorization", "Bearer TOKENx")], 401),
        ("GET /v1/log", &[("authorization", "Bearer ")], 401),
        ("GET /v1/log", &[("authorization", "Basic TOKEN")], 401),
        ("GET /v1/log", &[("cookie", &cookie)], 200),
        ("GET /v1/log", &[("cookie", &wrong_port_cookie)], 401),
        ("GET /", &[("cookie", &cookie)], 200),
        ("GET /nothing", &[bearer], 404),
        ("DELETE /v1/log", &[bearer], 405),
        // host
        ("GET /health", &[("host", &localhost)], 200),
        ("GET /health", &[("host", "atlas.example")], 200),
        ("GET /health", &[("host", "ATLAS.example:8443")], 200),
        ("GET /health", &[("host", "proxy.example:443")], 200),
        ("GET /health", &[("host", "proxy.example:444")], 421),
        ("GET /health", &[("host", "localhost")], 421),
        ("GET /health", &[("host", "127.0.0.1")], 421),
        ("GET /health", &[("host", "evil.example")], 421),
        ("GET /metrics", &[("host", "evil.example")], 421),
        ("GET /v1/log", &[bearer, ("host", "evil.example")], 421),
        (
            "GET /v1/log",
            &[bearer, ("host", "HOST"), ("host", "evil.example")],
            400,
        ),
        ("GET http://evil.example/v1/log", &[bearer], 421),
        ("GET http://HOST/v1/log", &[bearer], 200),
        // origin
        ("GET /v1/log", &[bearer, ("origin", "http://HOST")], 200),
        (
            "GET /v1/log",
            &[bearer, ("origin", "http://evil.example")],
            403,
        ),
        ("GET /v1/log", &[bearer, ("origin", "null")], 403),
        ("GET /health", &[("origin", "http://evil.example")], 403),
        (
            "GET /v1/world",
            &[("cookie", &cookie), ("origin", "http://evil.example")],
            403,
        ),
        (
            "GET /v1/world",
            &[("cookie", &cookie), ("sec-fetch-site", "cross-site")],
            403,
        ),
        (
            "GET /v1/world",
            &[("cookie", &cookie), ("sec-fetch-site", "same-site")],
            403,
        ),
        (
            "GET /v1/world",
            &[("cookie", &cookie), ("sec-fetch-site", "same-origin")],
            200,
        ),
        (
            "GET /",
            &[("cookie", &cookie), ("sec-fetch-site", "none")],
            200,
        ),
        // the link that a person opens
        ("GET /?token=TOKEN", &[], 303),
        ("GET /?token=wrong", &[], 401),
        ("GET /?token=old", &[("cookie", &cookie)], 303),
        ("POST /?token=TOKEN", &[], 401),
        (
            "GET /?token=TOKEN",
            &[("origin", "http://evil.example")],
            403,
        ),
    ];
    for (request, headers, status) in cases {
        let answer = node.ask(request, headers).await;
        assert_eq!(
            answer.status, *status,
            "{request} {headers:?}: {}",
            answer.body
        );
        let json = answer
            .headers
            .get("content-type")
            .is_some_and(|kind| kind == "application/problem+json");
        assert_eq!(
            json,
            *status >= 400,
            "{request}: errors, and only they, are problems"
        );
        for name in [
            "x-content-type-options",
            "x-frame-options",
            "referrer-policy",
            "cache-control",
        ] {
            assert!(answer.headers.contains_key(name), "{request}: {name}");
        }
    }
}

#[tokio::test]
async fn answers_have_their_shapes() {
    let node = Node::start("127.0.0.1:0", &[], &[("edge", true), ("node", false)]).await;
    assert_eq!(
        node.ask("GET /health", &[]).await.body,
        r#"{"status":"ok"}"#
    );
    let ready = node.ask("GET /ready", &[]).await;
    assert_eq!(
        (ready.status, ready.body.as_str()),
        (503, r#"{"ready":false,"parts":{"edge":true,"node":false}}"#)
    );
    let metrics = node.ask("GET /metrics", &[]).await;
    assert!(metrics.headers["content-type"].starts_with("text/plain; version=0.0.4"));
    assert!(
        metrics.body.contains("atlas_edge_connections 7\n"),
        "{}",
        metrics.body
    );
    let signed_in = node.ask("GET /?token=TOKEN", &[]).await;
    assert_eq!(signed_in.headers["location"], "/");
    let cookie = format!(
        "atlas_admin_{}={}; Path=/; HttpOnly; SameSite=Strict",
        node.address.port(),
        node.token
    );
    assert_eq!(signed_in.headers["set-cookie"], cookie);
    let refused = node.ask("GET /v1/log", &[]).await;
    assert_eq!(
        refused.headers["www-authenticate"],
        "Bearer realm=\"atlas admin\""
    );
    let problem: serde_json::Value = serde_json::from_str(&refused.body).unwrap();
    assert_eq!(
        (&problem["type"], &problem["status"]),
        (&"about:blank".into(), &401.into())
    );
    assert_eq!(problem["title"], "Unauthorized");
    assert!(!refused.body.contains(&node.token));
}

#[tokio::test]
async fn the_log_level_is_read_and_changed() {
    let node = Node::start("127.0.0.1:0", &[], &[]).await;
    let headers = [
        ("authorization", "Bearer TOKEN"),
        ("content-type", "application/json"),
    ];
    assert_eq!(
        node.ask("GET /v1/log", &headers).await.body,
        r#"{"level":"info"}"#
    );
    let changed = node
        .ask_with(
            "PUT /v1/log",
            &headers,
            r#"{"level":"atlas_edge=debug,info"}"#,
        )
        .await;
    assert_eq!(
        (changed.status, changed.body.as_str()),
        (200, r#"{"level":"atlas_edge=debug,info"}"#)
    );
    assert_eq!(node.logs.level(), "atlas_edge=debug,info");
    for (body, status) in [
        (r#"{"level":"loud"}"#, 400),
        ("{", 400),
        (r#"{"lvl":"info"}"#, 422),
    ] {
        let refused = node.ask_with("PUT /v1/log", &headers, body).await;
        assert_eq!(refused.status, status, "{body}");
        assert_eq!(
            refused.headers["content-type"], "application/problem+json",
            "{body}"
        );
    }
    assert_eq!(
        node.ask_with("PUT /v1/log", &headers[..1], r#"{"level":"info"}"#)
            .await
            .status,
        415
    );
    assert_eq!(node.logs.level(), "atlas_edge=debug,info");
}

#[tokio::test]
async fn ends_within_a_second_although_a_stream_is_open() {
    let mut node = Node::start("127.0.0.1:0", &[], &[]).await;
    let mut stream = TcpStream::connect(node.address).await.unwrap();
    let head = format!(
        "GET /v1/world HTTP/1.1\r\nhost: {}\r\nauthorization: Bearer {}\r\n\r\n",
        node.address, node.token
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut byte = [0];
    time::timeout(DEADLINE, stream.read_exact(&mut byte))
        .await
        .unwrap()
        .unwrap();
    node.stop.take().unwrap().send(()).unwrap();
    time::timeout(DEADLINE, node.ended)
        .await
        .expect("ends in time")
        .unwrap()
        .unwrap();
}

#[tokio::test]
async fn connections_are_bounded_and_a_place_is_given_back() {
    let node = Node::start("127.0.0.1:0", &[], &[]).await;
    let head = format!("GET /health HTTP/1.1\r\nhost: {}\r\n\r\n", node.address);
    let answered = async |stream: &mut TcpStream| {
        stream.write_all(head.as_bytes()).await.unwrap();
        let mut bytes = Vec::new();
        while !bytes.ends_with(b"}") {
            time::timeout(DEADLINE, stream.read_buf(&mut bytes))
                .await
                .unwrap()
                .unwrap();
        }
    };
    let mut held = Vec::new();
    for _ in 0..4 {
        let mut stream = TcpStream::connect(node.address).await.unwrap();
        answered(&mut stream).await;
        held.push(stream);
    }
    let mut fifth = TcpStream::connect(node.address).await.unwrap();
    fifth.write_all(head.as_bytes()).await.unwrap();
    // The others go on meanwhile; without a bound the fifth's answer would come before a hundred of theirs.
    for round in 0..100 {
        answered(&mut held[round % 4]).await;
    }
    let early = fifth.try_read(&mut [0; 16]);
    assert_eq!(
        early.unwrap_err().kind(),
        std::io::ErrorKind::WouldBlock,
        "four are served at once"
    );
    held.pop();
    let mut byte = [0];
    time::timeout(DEADLINE, fifth.read_exact(&mut byte))
        .await
        .unwrap()
        .unwrap();
}

#[test]
fn a_right_of_its_own_wants_its_own_token_and_gives_nothing_else() {
    let (admin, tap) = (Token::draw().unwrap(), Token::draw().unwrap());
    let right = guard::Right {
        path: "/v1/tap",
        token: tap.clone(),
        file: "tap.token",
    };
    let guard = Guard::new(Vec::new(), admin.clone(), vec![right]);
    let peer = Peer {
        remote: "127.0.0.1:5000".parse().unwrap(),
        local: Some("127.0.0.1:9090".parse().unwrap()),
    };
    let ask = |path: &str, header: HeaderName, value: String| {
        let mut headers = HeaderMap::new();
        headers.insert(header::HOST, "127.0.0.1:9090".parse().unwrap());
        headers.insert(header, value.parse().unwrap());
        guard.decide(peer, &Method::GET, &path.parse::<Uri>().unwrap(), &headers)
    };
    let bearer = |token: &Token| format!("Bearer {}", token.reveal());
    let passes = |verdict: Verdict| verdict == Verdict::Pass;
    assert!(passes(ask(
        "/v1/tap?every=2",
        header::AUTHORIZATION,
        bearer(&tap)
    )));
    assert!(passes(ask(
        "/v1/servers",
        header::AUTHORIZATION,
        bearer(&admin)
    )));
    assert!(!passes(ask(
        "/v1/servers",
        header::AUTHORIZATION,
        bearer(&tap)
    )));
    let Verdict::Refuse(problem) = ask("/v1/tap", header::AUTHORIZATION, bearer(&admin)) else {
        panic!("the admin token opened the tap")
    };
    assert_eq!(problem.status, 401);
    assert!(problem.detail.contains("tap.token"), "{}", problem.detail);
    // Nor does the cookie of a browser that is signed in, nor another site.
    let cookie = format!("atlas_admin_9090={}", admin.reveal());
    assert!(!passes(ask("/v1/tap", header::COOKIE, cookie)));
    let mut headers = HeaderMap::new();
    headers.insert(header::HOST, "127.0.0.1:9090".parse().unwrap());
    headers.insert(header::AUTHORIZATION, bearer(&tap).parse().unwrap());
    headers.insert(header::ORIGIN, "http://evil.example".parse().unwrap());
    let foreign = guard.decide(peer, &Method::GET, &Uri::from_static("/v1/tap"), &headers);
    assert!(!passes(foreign));
}

#[test]
fn other_machines_need_the_token_for_all_but_health() {
    let token = Token::draw().unwrap();
    let guard = Guard::new(Vec::new(), token.clone(), Vec::new());
    let peer = |remote: &str, local: &str| Peer {
        remote: remote.parse().unwrap(),
        local: Some(local.parse().unwrap()),
    };
    let near = peer("127.0.0.1:5000", "127.0.0.1:9090");
    let mapped = peer("[::ffff:127.0.0.1]:5000", "[::ffff:127.0.0.1]:9090");
    let far = peer("192.0.2.7:5000", "192.0.2.1:9090");
    let six = peer("[2001:db8::7]:5000", "[2001:db8::1]:80");
    let cases = [
        (near, "127.0.0.1:9090", "/metrics", true),
        (near, "localhost:9090", "/servers", true),
        (near, "192.0.2.1:9090", "/servers", false),
        (mapped, "127.0.0.1:9090", "/metrics", true),
        (far, "192.0.2.1:9090", "/health", true),
        (far, "192.0.2.1:9090", "/ready", true),
        (far, "192.0.2.1:9090", "/metrics", false),
        (far, "192.0.2.1:9090", "/servers", false),
        (far, "localhost:9090", "/health", false),
        (far, "127.0.0.1:9090", "/health", false),
        (six, "[2001:db8::1]", "/health", true),
        (six, "[2001:db8::1]:80", "/health", true),
        (six, "[2001:db8::2]:80", "/health", false),
        (
            Peer {
                remote: near.remote,
                local: None,
            },
            "127.0.0.1:9090",
            "/health",
            false,
        ),
    ];
    for (peer, host, path, passes) in cases {
        let mut headers = HeaderMap::new();
        headers.insert(header::HOST, host.parse().unwrap());
        let verdict = guard.decide(peer, &Method::GET, &path.parse::<Uri>().unwrap(), &headers);
        assert_eq!(
            verdict == Verdict::Pass,
            passes,
            "{peer:?} {host} {path}: {verdict:?}"
        );
        if matches!(path, "/metrics" | "/servers")
            && host.starts_with("192.0.2.1")
            && peer.remote == far.remote
        {
            let bearer: HeaderValue = format!("Bearer {}", token.reveal()).parse().unwrap();
            headers.insert(HeaderName::from_static("authorization"), bearer);
            assert_eq!(
                guard.decide(peer, &Method::GET, &path.parse::<Uri>().unwrap(), &headers),
                Verdict::Pass
            );
        }
    }
}

#[test]
fn the_token_file_is_private_and_outlives_a_restart() {
    use std::{fs, os::unix::fs::PermissionsExt};
    let folder = tempfile::tempdir().unwrap();
    let path = Token::path(&folder.path().join("made"));
    assert!(
        Token::read(&path)
            .unwrap_err()
            .to_string()
            .contains("admin.token")
    );
    let first = Token::keep(&path).unwrap();
    let mode = || fs::metadata(&path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(), 0o600);
    assert_eq!(first.reveal().len(), 64);
    assert!(Token::keep(&path).unwrap().matches(first.reveal()), "kept");
    assert!(Token::read(&path).unwrap().matches(first.reveal()));
    fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
    let second = Token::keep(&path).unwrap();
    assert!(!second.matches(first.reveal()), "others could have read it");
    assert_eq!(mode(), 0o600);
    fs::write(&path, "short").unwrap();
    assert!(Token::read(&path).is_err());
    assert!(!Token::keep(&path).unwrap().matches(second.reveal()));
    assert!(!format!("{second:?}").contains(second.reveal()));
    for other in [
        "",
        "0",
        &second.reveal()[1..],
        &format!("{}0", second.reveal()),
    ] {
        assert!(!second.matches(other), "{other}");
    }
}
