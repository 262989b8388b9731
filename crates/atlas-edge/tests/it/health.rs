//! Health checks: what each kind notices.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use atlas_base::TimeSpan;
use atlas_edge::{HealthKind, WorldConfig};
use atlas_testkit::{GameServer, eventually};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

use crate::support::{Running, edge, server, soon, world};

/// Something that listens, and answers every request with this, or not at all.
struct Answers {
    url: String,
    speaks: Arc<AtomicBool>,
}

async fn answers(text: &'static str) -> Answers {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("ws://{}", listener.local_addr().unwrap());
    let speaks = Arc::new(AtomicBool::new(!text.is_empty()));
    let says = Arc::clone(&speaks);
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let says = Arc::clone(&says);
            tokio::spawn(async move {
                let mut request = [0; 4096];
                while stream.read(&mut request).await.is_ok_and(|read| read > 0) {
                    if says.load(Ordering::Relaxed) {
                        let _ = stream.write_all(text.as_bytes()).await;
                        return;
                    }
                }
            });
        }
    });
    Answers { url, speaks }
}

fn checked(kind: HealthKind, url: &str) -> WorldConfig {
    let mut world = world([server("one", url)]);
    world.health.kind = kind;
    world.health.path = "/well?deep=1".to_owned();
    world.health.interval = TimeSpan::from_millis(20);
    world.health.timeout = TimeSpan::from_millis(200);
    world
}

async fn becomes(edge: &Running, health: &str) {
    let now = || edge.handle.servers()[0].health.clone();
    eventually(soon(), health, || now() == health)
        .await
        .unwrap_or_else(|late| panic!("{late}: it is {}", now()));
}

#[tokio::test]
async fn each_kind_notices_what_it_says() {
    const WELL: &str = "HTTP/1.1 204 No Content\r\n\r\n";
    const ILL: &str = "HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n";
    const STRANGER: &str = "HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\n\r\n";
    for (kind, text, health) in [
        (HealthKind::Tcp, "", "healthy"),
        (HealthKind::Tcp, ILL, "healthy"),
        (HealthKind::Http, WELL, "healthy"),
        (HealthKind::Http, ILL, "down"),
        (HealthKind::Http, "", "down"),
        (HealthKind::Http, "SSH-2.0-OpenSSH_9\r\n", "down"),
        (HealthKind::Websocket, WELL, "down"),
        (HealthKind::Websocket, ILL, "down"),
        (HealthKind::Websocket, STRANGER, "healthy"),
        (HealthKind::Websocket, "", "down"),
    ] {
        let game = answers(text).await;
        let edge = edge(checked(kind, &game.url));
        if health == "down" {
            becomes(&edge, health).await;
        } else {
            // It was well from the start: so many checks have found nothing else.
            let looked =
                || edge.metric("atlas_edge_health_checks_total{outcome=\"well\",world=\"main\"}");
            eventually(soon(), "five checks", || looked() >= 5)
                .await
                .unwrap();
            becomes(&edge, health).await;
        }
    }
}

#[tokio::test]
async fn a_server_that_stops_answering_http_is_down_until_it_answers() {
    let game = answers("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").await;
    let edge = edge(checked(HealthKind::Http, &game.url));
    becomes(&edge, "healthy").await;
    game.speaks.store(false, Ordering::Relaxed);
    becomes(&edge, "down").await;
    game.speaks.store(true, Ordering::Relaxed);
    becomes(&edge, "healthy").await;
}

#[tokio::test]
async fn a_websocket_is_opened_pinged_and_closed() {
    let game = GameServer::echo().await.unwrap();
    let edge = edge(checked(HealthKind::Websocket, &game.url()));
    eventually(soon(), "three checks", || game.opened() >= 3)
        .await
        .unwrap();
    becomes(&edge, "healthy").await;
    assert!(game.texts().is_empty(), "a check says nothing");

    // A process that hangs still accepts connections.
    game.read(false);
    becomes(&edge, "down").await;
    game.read(true);
    becomes(&edge, "healthy").await;
    edge.stop().await;
    eventually(soon(), "the checks' connections to be closed", || {
        game.open() == 0
    })
    .await
    .unwrap();
}
