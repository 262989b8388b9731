use atlas_demo::server::{Config, LinkMode, Server};
use atlas_testkit::{Client, Deadline, Http, RawClient, eventually_async};
use serde_json::json;

use crate::house::{House, named};

#[tokio::test]
async fn an_unguarded_listener_is_loopback_only() {
    let listen = "0.0.0.0:0".parse().unwrap();
    let error = Server::build(Config {
        listen,
        ..named("open")
    })
    .await
    .unwrap_err()
    .to_string();
    assert!(
        error.contains("0.0.0.0:0") && error.contains("token"),
        "{error}"
    );
    let taken = House::open(named("first")).await;
    let error = Server::build(Config {
        listen: taken.address,
        ..named("second")
    })
    .await
    .unwrap_err();
    assert_eq!(
        error.to_string(),
        format!("cannot listen on {}", taken.address)
    );
    assert!(std::error::Error::source(&error).is_some());
}

#[tokio::test]
async fn a_token_is_asked_of_every_dial() {
    let house = House::open(Config {
        token: Some("let me in".to_owned().into()),
        ..named("west")
    })
    .await;
    let deadline = Deadline::seconds(5);
    for given in [
        None,
        Some("Bearer let me"),
        Some("Bearer let me ix"),
        Some("let me in"),
    ] {
        let mut dial = Client::to(house.address).subprotocols("atlas.link.v1");
        if let Some(given) = given {
            dial = dial.header("Authorization", given);
        }
        let error = dial.connect(deadline).await.unwrap_err().to_string();
        assert!(!error.is_empty(), "{given:?} was let in");
    }
    let good = Client::to(house.address).header("Authorization", "Bearer let me in");
    assert!(good.connect(deadline).await.is_ok());
}

#[tokio::test]
async fn a_plain_server_knows_nothing_of_links() {
    let house = House::open(Config {
        link: LinkMode::Plain,
        ..named("west")
    })
    .await;
    let deadline = Deadline::seconds(5);
    let mut client = Client::to(house.address)
        .subprotocols("atlas.link.v1")
        .connect(deadline)
        .await;
    // Some clients refuse a 101 without their subprotocol; ours sees the header's absence either way.
    if let Ok(client) = &mut client {
        assert_eq!(client.response_header("atlas-link"), None);
        assert_eq!(client.response_header("sec-websocket-protocol"), None);
    }
    let mut player = Client::to(house.address).connect(deadline).await.unwrap();
    player
        .send_json(&json!({"client": "join", "player_id": "p-1"}))
        .await
        .unwrap();
    player.send_text("no json").await.unwrap();
    player
        .send_binary(br#"{"client":"move","n":7,"x":1,"y":2,"z":3}"#.to_vec())
        .await
        .unwrap();
    let answer = player.receive_json(deadline).await.unwrap();
    assert_eq!(
        answer,
        json!({"server": "west", "n": 7, "out": 1, "gaps": 0, "doubles": 0, "taken": 2})
    );
    assert_eq!(house.stats().await.unread, 1);
}

#[tokio::test]
async fn messages_and_heads_are_bounded() {
    let house = House::open(Config {
        message_bytes_max: 1000,
        ..named("west")
    })
    .await;
    let deadline = Deadline::seconds(5);
    let mut player = Client::to(house.address).connect(deadline).await.unwrap();
    player.send_text("x".repeat(1001)).await.unwrap();
    assert_eq!(player.receive_close(deadline).await.unwrap().0, 1009);
    let mut raw = RawClient::connect(house.address, deadline).await.unwrap();
    raw.send(format!("GET / HTTP/1.1\r\nHost: a\r\nLong: {}", "x".repeat(20_000)).as_bytes())
        .await
        .unwrap();
    let head = raw.receive_head(deadline).await.unwrap();
    assert!(head.starts_with("HTTP/1.1 431 "), "{head}");
    let reply = Http::new(house.address)
        .get("/elsewhere", deadline)
        .await
        .unwrap();
    assert_eq!(reply.status, 426);
}

#[tokio::test]
async fn connections_beyond_the_bound_wait_their_turn() {
    let house = House::open(Config {
        connections_max: 2,
        ..named("west")
    })
    .await;
    let deadline = Deadline::seconds(10);
    let first = Client::to(house.address).connect(deadline).await.unwrap();
    let second = Client::to(house.address).connect(deadline).await.unwrap();
    let mut third = RawClient::connect(house.address, deadline).await.unwrap();
    third
        .send(RawClient::upgrade_request(house.address, "/").as_bytes())
        .await
        .unwrap();
    let soon = Deadline::after(std::time::Duration::from_millis(200));
    assert!(
        third.receive_head(soon).await.is_err(),
        "there is no place for a third"
    );
    drop(first);
    assert!(
        third
            .receive_head(deadline)
            .await
            .unwrap()
            .starts_with("HTTP/1.1 101 ")
    );
    drop(second);
}

#[tokio::test]
async fn a_stop_closes_every_connection_with_1012() {
    let house = House::open(named("west")).await;
    let deadline = Deadline::seconds(5);
    let mut player = Client::to(house.address).connect(deadline).await.unwrap();
    let mut link = Client::to(house.address)
        .subprotocols("atlas.link.v1")
        .connect(deadline)
        .await
        .unwrap();
    let open = async || (house.stats().await.connections == 2).then_some(());
    eventually_async(deadline, "both are served", open)
        .await
        .unwrap();
    let closing = tokio::spawn(house.close());
    for client in [&mut player, &mut link] {
        assert_eq!(
            client.receive_close(deadline).await.unwrap(),
            (1012, "the server stops".to_owned())
        );
    }
    closing.await.unwrap();
}
