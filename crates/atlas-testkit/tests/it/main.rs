//! The helpers against each other: clients and game servers on loopback.

use atlas_testkit::{
    Browser, Client, Deadline, GameServer, RawClient, RawFrame, Received, Scheme, Seen, Viewport,
    eventually, opcode,
};
use tokio_tungstenite::tungstenite::Message;

fn deadline() -> Deadline {
    Deadline::seconds(10)
}

#[tokio::test]
async fn an_echo_server_echoes_and_records() {
    let server = GameServer::echo().await.unwrap();
    let mut client = Client::to(server.address())
        .path("/ws?room=3")
        .header("X-Name", "one")
        .connect(deadline())
        .await
        .unwrap();
    client.send_text("hello").await.unwrap();
    client.send_binary([1, 2, 3]).await.unwrap();
    assert_eq!(client.receive_text(deadline()).await.unwrap(), "hello");
    assert_eq!(client.receive_binary(deadline()).await.unwrap(), [1, 2, 3]);
    assert_eq!(client.close(1000, "bye", deadline()).await.unwrap().0, 1000);
    eventually(deadline(), "the connection's end", || server.open() == 0)
        .await
        .unwrap();

    let seen = server.seen();
    assert!(
        matches!(&seen[0], Seen::Opened { connection: 0, path, .. } if path == "/ws?room=3"),
        "{seen:?}"
    );
    assert_eq!(server.request_header(0, "x-name").as_deref(), Some("one"));
    let got = |received| Seen::Got {
        connection: 0,
        received,
    };
    assert_eq!(
        seen[1..],
        [
            got(Received::Text("hello".into())),
            got(Received::Binary(vec![1, 2, 3])),
            got(Received::Close(Some((1000, "bye".into()))))
        ]
    );
}

#[tokio::test]
async fn a_server_greets_answers_closes_and_cuts() {
    let server = GameServer::builder()
        .greeting([Message::text("welcome")])
        .response_header("Atlas-Link", "v1")
        .answer(|connection, received| vec![Message::text(format!("{connection}: {received:?}"))])
        .start()
        .await
        .unwrap();
    let mut first = Client::to(server.address())
        .connect(deadline())
        .await
        .unwrap();
    assert_eq!(first.response_header("atlas-link"), Some("v1"));
    assert_eq!(first.receive_text(deadline()).await.unwrap(), "welcome");
    first.send_text("x").await.unwrap();
    assert_eq!(
        first.receive_text(deadline()).await.unwrap(),
        "0: Text(\"x\")"
    );
    server.close(0, 4000, "enough");
    assert_eq!(
        first.receive_close(deadline()).await.unwrap(),
        (4000, "enough".to_owned())
    );

    let mut second = Client::to(server.address())
        .connect(deadline())
        .await
        .unwrap();
    assert_eq!(second.receive_text(deadline()).await.unwrap(), "welcome");
    server.cut_all();
    assert!(matches!(
        second.receive(deadline()).await.unwrap(),
        Received::Lost(_)
    ));
}

#[tokio::test]
async fn a_server_that_does_not_read_holds_messages_back() {
    let server = GameServer::echo().await.unwrap();
    let mut client = Client::to(server.address())
        .connect(deadline())
        .await
        .unwrap();
    client.send_text("before").await.unwrap();
    assert_eq!(client.receive_text(deadline()).await.unwrap(), "before");
    server.read(false);
    // The switch reaches the connection's task before this message of its own outbox is sent.
    server.send(0, Message::text("paused"));
    assert_eq!(client.receive_text(deadline()).await.unwrap(), "paused");
    client.send_text("after").await.unwrap();
    assert_eq!(server.texts(), ["before"]);
    server.read(true);
    assert_eq!(client.receive_text(deadline()).await.unwrap(), "after");
}

#[tokio::test]
async fn an_upgrade_can_be_refused() {
    let server = GameServer::builder().refuse(503).start().await.unwrap();
    let error = Client::to(server.address())
        .connect(deadline())
        .await
        .unwrap_err();
    assert!(error.to_string().contains("503"), "{error}");
    assert_eq!(server.opened(), 0);
}

#[tokio::test]
async fn raw_frames_go_in_and_come_out() {
    let server = GameServer::echo().await.unwrap();
    let mut raw = RawClient::upgrade(server.address(), "/", deadline())
        .await
        .unwrap();
    raw.send_frame(&RawFrame::client(opcode::TEXT, "hi"))
        .await
        .unwrap();
    assert_eq!(raw.receive_frame(deadline()).await.unwrap().payload, b"hi");
    // An unmasked frame breaks the protocol: the server hangs up.
    raw.send_frame(&RawFrame::server(opcode::TEXT, "hi"))
        .await
        .unwrap();
    raw.receive_to_end(deadline()).await.unwrap();
    assert!(matches!(
        server.seen().last(),
        Some(Seen::Got {
            received: Received::Lost(_),
            ..
        })
    ));
}

#[tokio::test]
async fn a_browser_shows_a_page_takes_keys_and_keeps_errors() {
    let deadline = Deadline::seconds(60);
    let Some(browser) = Browser::start(deadline).await.unwrap() else {
        println!("skipped: no chromium or google-chrome in PATH");
        return;
    };
    let page = browser.page(Viewport::PHONE, deadline).await.unwrap();
    page.prefer(Scheme::Dark, true, deadline).await.unwrap();
    let html = "data:text/html,<meta name=viewport content='width=device-width'><title>t</title>\
        <p>hello</p><input><button onclick=\"throw new Error('pressed')\">b</button>";
    page.go(html, deadline).await.unwrap();
    assert_eq!(page.text("p", deadline).await.unwrap(), "hello");
    let seen = page
        .evaluate("[innerWidth, matchMedia('(prefers-color-scheme: dark) and (prefers-reduced-motion)').matches]", deadline)
        .await
        .unwrap();
    assert_eq!(seen, serde_json::json!([360, true]));

    page.press("Tab", deadline).await.unwrap();
    page.type_text("typed", deadline).await.unwrap();
    page.wait_for(
        "document.querySelector('input').value === 'typed'",
        deadline,
    )
    .await
    .unwrap();
    assert_eq!(page.errors(), Vec::<String>::new());
    page.click("button", deadline).await.unwrap();
    eventually(deadline, "the page's error", || page.errors().len() == 1)
        .await
        .unwrap();
    assert!(page.errors()[0].contains("pressed"), "{:?}", page.errors());

    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("page.png");
    page.screenshot(&file, deadline).await.unwrap();
    assert!(std::fs::read(&file).unwrap().starts_with(b"\x89PNG"));
    browser.close(deadline).await.unwrap();
}
