//! From the request to the session: what goes on to the server, what does not, who is refused.

use atlas_edge::{EdgeConfig, LimitsConfig, LinkMode, ServerConfig};
use atlas_testkit::{Client, GameServer, RawClient, eventually};

use crate::support::{edge, edge_with, server, soon, world};

#[tokio::test]
async fn path_query_headers_and_subprotocol_go_to_the_server() {
    let game = GameServer::builder()
        .response_header("Sec-WebSocket-Protocol", "game.v2")
        .start()
        .await
        .unwrap();
    let address = game.address();
    // Without a path of its own the server gets the client's.
    let edge = edge(world([server("one", &format!("ws://{address}"))]));
    let client = Client::to(edge.address)
        .path("/arena/7?token=a%20b")
        .header("Cookie", "id=1")
        .header("X-Forwarded-For", "203.0.113.9")
        .header("Atlas-Session", "forged")
        .subprotocols("game.v1, game.v2")
        .connect(soon())
        .await
        .unwrap();
    assert_eq!(
        client.response_header("sec-websocket-protocol"),
        Some("game.v2")
    );
    eventually(soon(), "the server's client", || game.opened() == 1)
        .await
        .unwrap();
    assert_eq!(game.request_header(0, "cookie").as_deref(), Some("id=1"));
    assert_eq!(
        game.request_header(0, "x-forwarded-for").as_deref(),
        Some("127.0.0.1")
    );
    assert_ne!(
        game.request_header(0, "atlas-session").as_deref(),
        Some("forged")
    );
    let path = game.seen().into_iter().find_map(|seen| match seen {
        atlas_testkit::Seen::Opened { path, .. } => Some(path),
        atlas_testkit::Seen::Got { .. } => None,
    });
    assert_eq!(path.as_deref(), Some("/arena/7?token=a%20b"));
}

#[tokio::test]
async fn a_server_that_echoes_the_links_token_is_taken_for_plain() {
    // Some libraries choose the first token that is offered, whatever it means.
    let game = GameServer::builder()
        .response_header("Sec-WebSocket-Protocol", "atlas.link.v1")
        .start()
        .await
        .unwrap();
    let edge = edge(world([server("one", &game.url())]));
    let refused = Client::to(edge.address).connect(soon()).await;
    eventually(soon(), "a second dial without the token", || {
        game.opened() == 2
    })
    .await
    .unwrap();
    assert!(game.request_header(1, "sec-websocket-protocol").is_none());
    // This server goes on answering a token that nobody offered, which no client may accept.
    assert!(refused.is_err());
}

#[tokio::test]
async fn dead_servers_are_passed_over_and_without_any_the_answer_is_503() {
    let game = GameServer::echo().await.unwrap();
    let dead = |name| ServerConfig {
        link: LinkMode::Plain,
        ..server(name, "ws://127.0.0.1:1")
    };
    let edge_one = edge(world([dead("a"), dead("b"), server("c", &game.url())]));
    for _ in 0..4 {
        let mut client = Client::to(edge_one.address).connect(soon()).await.unwrap();
        client.send_text("hello").await.unwrap();
        assert_eq!(client.receive_text(soon()).await.unwrap(), "hello");
    }
    let edge_two = edge(world([dead("a")]));
    let mut client = RawClient::connect(edge_two.address, soon()).await.unwrap();
    client
        .send(RawClient::upgrade_request(edge_two.address, "/").as_bytes())
        .await
        .unwrap();
    let answer = String::from_utf8(client.receive_to_end(soon()).await.unwrap()).unwrap();
    assert!(answer.starts_with("HTTP/1.1 503 "), "{answer}");
}

#[tokio::test]
async fn a_dead_server_is_found_by_its_health_check() {
    let mut world = world([server("a", "ws://127.0.0.1:1")]);
    world.health.interval = atlas_base::TimeSpan::from_millis(20);
    let edge = edge(world);
    eventually(soon(), "the server to be down", || {
        edge.handle.servers()[0].state == "down"
    })
    .await
    .unwrap();
}

#[tokio::test]
async fn the_servers_refusal_is_the_clients_answer() {
    let game = GameServer::builder().refuse(403).start().await.unwrap();
    let edge = edge(world([server("one", &game.url())]));
    let mut client = RawClient::connect(edge.address, soon()).await.unwrap();
    client
        .send(RawClient::upgrade_request(edge.address, "/").as_bytes())
        .await
        .unwrap();
    let answer = String::from_utf8(client.receive_to_end(soon()).await.unwrap()).unwrap();
    assert!(answer.starts_with("HTTP/1.1 403 "), "{answer}");
}

#[tokio::test]
async fn health_is_answered_on_the_players_port() {
    let edge = edge(world([server("one", "ws://127.0.0.1:1")]));
    let mut client = RawClient::connect(edge.address, soon()).await.unwrap();
    client
        .send(b"GET /health HTTP/1.1\r\nHost: edge\r\n\r\n")
        .await
        .unwrap();
    let answer = String::from_utf8(client.receive_to_end(soon()).await.unwrap()).unwrap();
    assert!(
        answer.starts_with("HTTP/1.1 200 OK") && answer.ends_with("\r\n\r\nOK"),
        "{answer}"
    );
}

#[tokio::test]
async fn only_known_origins_may_connect() {
    let game = GameServer::echo().await.unwrap();
    let limits = LimitsConfig {
        origins: vec!["https://game.example".to_owned()],
        ..LimitsConfig::default()
    };
    let edge = edge_with(
        EdgeConfig {
            limits,
            ..EdgeConfig::default()
        },
        world([server("one", &game.url())]),
    );
    assert!(
        Client::to(edge.address)
            .header("Origin", "https://game.example")
            .connect(soon())
            .await
            .is_ok()
    );
    assert!(
        Client::to(edge.address).connect(soon()).await.is_ok(),
        "not a browser"
    );
    let refused = Client::to(edge.address)
        .header("Origin", "https://evil.example")
        .connect(soon())
        .await;
    assert!(refused.unwrap_err().to_string().contains("403"));
    eventually(soon(), "two players", || game.opened() == 2)
        .await
        .unwrap();
}
