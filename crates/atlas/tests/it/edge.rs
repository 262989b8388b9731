//! `atlas edge` in front of game servers that know nothing of it, and in front of none.

use atlas_testkit::{
    Atlas, Client, Deadline, Exit, GameServer, Http, RawClient, Received, Seen, eventually,
};

use crate::support::{atlas, closed_port, deadline};

/// An edge in front of one server at that address.
async fn edge(address: &str) -> Atlas {
    let file = format!(
        "[admin]\nlisten = \"127.0.0.1:0\"\n[[world.main.servers]]\nname = \"one\"\naddress = \"{address}\"\nlink = \"plain\"\n[world.main.health]\nkind = \"tcp\"\n"
    );
    atlas(&["edge", "--listen", "127.0.0.1:0"])
        .file("atlas.toml", file)
        .start(deadline())
        .await
        .unwrap()
}

#[tokio::test]
async fn everything_of_a_plain_game_goes_through_unchanged() {
    let builder = GameServer::builder().response_header("Sec-WebSocket-Protocol", "chat.v2");
    let game = builder.start().await.unwrap();
    let node = edge(&game.url()).await;
    let mut client = Client::to(node.listener("edge").unwrap())
        .path("/rooms/7?token=a%20b&x=1")
        .subprotocols("chat.v1, chat.v2")
        .header("Cookie", "sid=1")
        .header("Atlas-Session", "forged")
        .connect(deadline())
        .await
        .unwrap();
    assert_eq!(
        client.response_header("sec-websocket-protocol"),
        Some("chat.v2")
    );

    let text = "grüße, {\"client\":\"move\"}".repeat(2000);
    let bytes: Vec<u8> = (0..70_000u32).map(|at| (at * 31 % 251) as u8).collect();
    client.send_text(&text).await.unwrap();
    client.send_binary(bytes.clone()).await.unwrap();
    client.send_text("").await.unwrap();
    assert_eq!(client.receive_text(deadline()).await.unwrap(), text);
    assert_eq!(client.receive_binary(deadline()).await.unwrap(), bytes);
    assert_eq!(client.receive_text(deadline()).await.unwrap(), "");

    let seen = game.seen();
    let Some(Seen::Opened { path, headers, .. }) = seen.first() else {
        panic!("{seen:?}")
    };
    assert_eq!(path, "/rooms/7?token=a%20b&x=1");
    let header = |wanted: &str| {
        headers
            .iter()
            .find(|(name, _)| name == wanted)
            .map(|(_, value)| value.as_str())
    };
    assert_eq!(header("cookie"), Some("sid=1"));
    assert_eq!(header("sec-websocket-protocol"), Some("chat.v1, chat.v2"));
    assert_eq!(
        header("atlas-session"),
        None,
        "a client cannot speak for the edge"
    );

    // The server's close reaches the client, code and reason.
    game.close(0, 4001, "the round is over");
    assert_eq!(
        client.receive_close(deadline()).await.unwrap(),
        (4001, "the round is over".to_owned())
    );

    // The client's close reaches the server.
    let client = Client::to(node.listener("edge").unwrap())
        .subprotocols("chat.v2")
        .connect(deadline())
        .await
        .unwrap();
    client.close(4002, "good night", deadline()).await.unwrap();
    let closed = Received::Close(Some((4002, "good night".to_owned())));
    eventually(deadline(), "the client's close at the server", || {
        game.seen()
            .iter()
            .any(|seen| matches!(seen, Seen::Got { received, .. } if *received == closed))
    })
    .await
    .unwrap();
}

#[tokio::test]
async fn a_server_that_is_down_at_the_start_is_told_and_players_get_503_until_it_is_there() {
    let port = closed_port();
    let mut node = edge(&format!("ws://127.0.0.1:{port}")).await;
    let players = node.listener("edge").unwrap();
    let refused = Client::to(players)
        .connect(deadline())
        .await
        .unwrap_err()
        .to_string();
    assert!(refused.contains("503"), "{refused}");
    eventually(deadline(), "a word about the server", || {
        let log = node.stderr();
        log.lines().any(|line| {
            line.contains("a game server is down: start it, or correct its address")
                && line.contains("\"server\":\"one\"")
                && line.contains(&format!("\"address\":\"ws://127.0.0.1:{port}"))
                && line.contains("\"why\":\"nothing listens there\"")
        })
    })
    .await
    .unwrap();

    let game = GameServer::builder()
        .listen(([127, 0, 0, 1], port).into())
        .start()
        .await
        .unwrap();
    let connected = atlas_testkit::eventually_async(deadline(), "the first player", async || {
        Client::to(players).connect(deadline()).await.ok()
    });
    let mut client = connected.await.unwrap();
    client.send_text("hello").await.unwrap();
    assert_eq!(client.receive_text(deadline()).await.unwrap(), "hello");
    assert_eq!(game.texts(), ["hello"]);

    // A drain closes with 1012 and exits with 0.
    node.terminate().unwrap();
    assert_eq!(client.receive_close(deadline()).await.unwrap().0, 1012);
    assert_eq!(node.wait(deadline()).await.unwrap(), Exit::Code(0));
}

#[tokio::test]
async fn a_drain_ends_at_its_deadline_and_a_second_signal_at_once() {
    let game = GameServer::echo().await.unwrap();
    // The first is patient enough for the deadline to be seen, the second for it not to be.
    for (timeout, signals, exit) in [("2s", 1, Exit::Code(0)), ("60s", 2, Exit::Code(1))] {
        let file = format!(
            "[node]\ndrain-timeout = \"{timeout}\"\n[admin]\nlisten = \"127.0.0.1:0\"\n\
             [[world.main.servers]]\nname = \"one\"\naddress = \"{}\"\n",
            game.url()
        );
        let mut node = atlas(&["edge", "--listen", "127.0.0.1:0"])
            .file("atlas.toml", file)
            .start(deadline())
            .await
            .unwrap();
        // It never answers the close.
        let player = RawClient::upgrade(node.listener("edge").unwrap(), "/", deadline())
            .await
            .unwrap();
        node.terminate().unwrap();
        eventually(deadline(), "the drain's begin", || {
            node.stderr().contains("\"draining\"")
        })
        .await
        .unwrap();
        let http = Http::new(node.listener("admin").unwrap());
        assert_eq!(
            http.get("/ready", deadline()).await.unwrap().status,
            503,
            "a draining node is not ready"
        );
        if signals == 2 {
            node.terminate().unwrap();
        }
        assert_eq!(
            node.wait(Deadline::seconds(30)).await.unwrap(),
            exit,
            "{}",
            node.stderr()
        );
        drop(player);
    }
}

#[tokio::test]
async fn the_role_command_listens_to_everybody_unless_told_otherwise() {
    // Port 9000 may be anybody's on this machine: what it would listen on is asked of the error or of the ready file.
    let taken = std::net::TcpListener::bind("0.0.0.0:9000");
    let node = atlas(&["edge", "--admin-listen", "127.0.0.1:0"])
        .start(deadline())
        .await;
    let text = match &node {
        Ok(node) => node.listener("edge").unwrap().to_string(),
        Err(error) => error.to_string(),
    };
    assert!(text.contains("0.0.0.0:9000"), "{text}");
    drop(taken);
}

#[tokio::test]
async fn the_ready_file_is_whole_and_private() {
    use std::os::unix::fs::PermissionsExt as _;
    let game = GameServer::echo().await.unwrap();
    let node = edge(&game.url()).await;
    let ready = node.ready();
    assert_eq!(ready.pid, node.pid());
    assert_eq!(ready.version, env!("CARGO_PKG_VERSION"));
    assert!(
        ready.listeners.keys().eq(["admin", "edge", "registration"]),
        "{ready:?}"
    );
    let console = ready.console.as_deref().unwrap();
    let token = std::fs::read_to_string(node.data_dir().join("admin.token")).unwrap();
    assert_eq!(
        console,
        format!(
            "http://{}/?token={}",
            node.listener("admin").unwrap(),
            token.trim()
        )
    );
    for private in [
        node.dir().join("ready.json"),
        node.data_dir().join("admin.token"),
    ] {
        assert_eq!(
            std::fs::metadata(&private).unwrap().permissions().mode() & 0o777,
            0o600,
            "{}",
            private.display()
        );
    }
}
