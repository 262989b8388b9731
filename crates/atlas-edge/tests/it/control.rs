//! Control links: when they are opened, health, load, and messages between servers.

use atlas_balance::Algorithm;
use atlas_base::TimeSpan;
use atlas_edge::{LinkMode, ServerConfig};
use atlas_testkit::{Client, GameServer, Received, eventually};
use atlas_wire::link::{Address, ControlToServer, Load};
use tokio_tungstenite::tungstenite::Message;

use crate::game::Game;
use crate::support::{edge, server, soon, world};

fn to_server(name: &str) -> Address {
    Address::Server(name.to_owned())
}

/// Everything the server said before this has been taken in once this returns.
async fn caught_up(game: &Game) {
    let mark = format!("mark {}", game.heard().len());
    game.send("mark", to_server(game.name), &mark);
    eventually(soon(), "the server's own message", || {
        game.received().contains(&mark)
    })
    .await
    .unwrap();
}

#[tokio::test]
async fn a_control_link_is_opened_once_a_server_has_shown_to_be_cooperative() {
    let game = Game::start("west").await;
    let plain = GameServer::echo().await.unwrap();
    let edge = edge(world([
        ServerConfig {
            link: LinkMode::Auto,
            weight: 1000,
            ..game.config()
        },
        server("old", &plain.url()),
    ]));
    let mut client = Client::to(edge.address).connect(soon()).await.unwrap();
    assert_eq!(
        game.server.request_header(0, "atlas-link").as_deref(),
        Some("session"),
        "nobody knew what it speaks before the first player came"
    );
    game.linked().await;
    let link = game.control_links()[0];
    let header = |name| game.server.request_header(link, name);
    for (name, value) in [
        ("sec-websocket-protocol", Some("atlas.link.v1")),
        ("atlas-world", Some("main")),
        ("atlas-node", Some("test")),
        ("atlas-session", None),
        ("x-forwarded-for", None),
    ] {
        assert_eq!(header(name).as_deref(), value, "{name}");
    }
    // Lost, it is opened again, and no player notices.
    game.server.close(link, 1012, "soon back");
    eventually(soon(), "another control link", || {
        game.control_links().len() == 2
    })
    .await
    .unwrap();
    client.send_text("hi").await.unwrap();
    assert_eq!(client.receive_text(soon()).await.unwrap(), "west:hi");
    assert_eq!(
        edge.metric("atlas_edge_control_links{server=\"west\",world=\"main\"}"),
        1
    );
    assert_eq!(plain.opened(), 0, "the other server was not asked");
}

#[tokio::test]
async fn messages_between_servers_arrive_once_and_in_order() {
    let (west, east) = (Game::start("west").await, Game::start("east").await);
    let edge = edge(world([
        west.config_with_region(-1000.0, 0.0),
        ServerConfig {
            weight: 1000,
            ..east.config_with_region(0.0, 1000.0)
        },
    ]));
    let _client = Client::to(edge.address).connect(soon()).await.unwrap();
    west.linked().await;
    east.linked().await;
    let session = (0..east.server.opened())
        .find_map(|link| east.server.request_header(link, "atlas-session"))
        .unwrap();
    let ways = [
        to_server("east"),
        Address::Region("east".to_owned()),
        Address::Session(session.parse().unwrap()),
    ];
    let bodies: Vec<String> = (0..90).map(|number| format!("gift {number}")).collect();
    for (number, body) in bodies.iter().enumerate() {
        west.send(&format!("m-{number}"), ways[number % 3].clone(), body);
    }
    eventually(soon(), "all messages", || east.received().len() >= 90)
        .await
        .unwrap();
    caught_up(&west).await;
    assert_eq!(east.received(), bodies);
    for (message, to) in east.heard().into_iter().zip(ways.iter().cycle()) {
        let ControlToServer::Received(received) = message else {
            panic!("{message:?}")
        };
        assert_eq!((&*received.from.server, &received.to), ("west", to));
    }
    assert_eq!(west.undeliverable(), []);
    assert_eq!(
        edge.metric("atlas_edge_server_messages_total{outcome=\"delivered\"}"),
        91
    );
}

#[tokio::test]
async fn what_reaches_nobody_comes_back_with_the_reason() {
    let west = Game::start("west").await;
    let old = GameServer::echo().await.unwrap();
    let _edge = edge(world([west.config(), server("old", &old.url())]));
    west.linked().await;
    let unknown = "67e55044-10b1-426f-9247-bb680e5fe0c8".parse().unwrap();
    let cases = [
        (to_server("north"), "no such server"),
        (to_server("old"), "the server has no control link"),
        (Address::Region("north".into()), "no such region"),
        (Address::Region("west".into()), "no such region"),
        (Address::Session(unknown), "no such session"),
    ];
    let mut expected = Vec::new();
    for (number, (to, reason)) in cases.into_iter().enumerate() {
        let id = format!("m-{number}");
        west.send(&id, to, "hello");
        expected.push((id, reason.to_owned()));
    }
    eventually(soon(), "all notices", || {
        west.undeliverable().len() >= expected.len()
    })
    .await
    .unwrap();
    assert_eq!(west.undeliverable(), expected);
}

#[tokio::test]
async fn a_message_to_a_player_on_the_way_waits_and_so_do_those_behind_it() {
    let (west, east) = (Game::start("west").await, Game::start("east").await);
    let mut world = world([
        ServerConfig {
            weight: 1000,
            ..west.config()
        },
        east.config(),
    ]);
    world.transfer.freeze_timeout = TimeSpan::from_secs(60);
    let edge = edge(world);
    let mut client = Client::to(edge.address).connect(soon()).await.unwrap();
    west.linked().await;
    east.linked().await;
    client.send_text("hi").await.unwrap();
    assert_eq!(client.receive_text(soon()).await.unwrap(), "west:hi");
    let session = (0..west.server.opened())
        .find_map(|link| west.server.request_header(link, "atlas-session"))
        .unwrap();
    let session = session.parse().unwrap();
    west.hold_frozen();
    let handle = edge.handle.clone();
    let moving = tokio::spawn(async move { handle.transfer(session, "east").await });
    eventually(soon(), "the transfer to freeze", || west.held() == 1)
        .await
        .unwrap();
    west.send("m-1", Address::Session(session), "first");
    west.send("m-2", to_server("east"), "second");
    // Others are not kept waiting.
    caught_up(&east).await;
    assert_eq!(
        east.received().len(),
        1,
        "only its own: {:?}",
        east.received()
    );
    west.release();
    assert_eq!(moving.await.unwrap().unwrap().outcome, "done");
    eventually(soon(), "both messages", || east.received().len() >= 3)
        .await
        .unwrap();
    assert_eq!(east.received()[1..], ["first", "second"]);
    assert_eq!(west.received(), Vec::<String>::new());
}

#[tokio::test]
async fn messages_that_wait_are_bounded_in_number_and_time() {
    let (west, east) = (Game::start("west").await, Game::start("east").await);
    let mut world = world([
        ServerConfig {
            weight: 1000,
            ..west.config()
        },
        east.config(),
    ]);
    world.transfer.freeze_timeout = TimeSpan::from_secs(60);
    world.messages.waiting_max = 4;
    world.messages.wait = TimeSpan::from_millis(300);
    let edge = edge(world);
    let mut client = Client::to(edge.address).connect(soon()).await.unwrap();
    west.linked().await;
    east.linked().await;
    client.send_text("hi").await.unwrap();
    assert_eq!(client.receive_text(soon()).await.unwrap(), "west:hi");
    let session = (0..west.server.opened())
        .find_map(|link| west.server.request_header(link, "atlas-session"))
        .unwrap();
    let session = session.parse().unwrap();
    west.hold_frozen();
    let handle = edge.handle.clone();
    let moving = tokio::spawn(async move { handle.transfer(session, "east").await });
    eventually(soon(), "the transfer to freeze", || west.held() == 1)
        .await
        .unwrap();
    for number in 0..10 {
        let to = match number {
            0 => Address::Session(session),
            _ => to_server("east"),
        };
        west.send(&format!("m-{number}"), to, "hello");
    }
    eventually(soon(), "an end of each message", || {
        west.undeliverable().len() + east.received().len() == 10
    })
    .await
    .unwrap();
    // Whether the first one was under way when the last ones came is a matter of luck.
    let delivered = east.received().len();
    assert!((3..=4).contains(&delivered), "{delivered} of 9");
    let mut notices = west.undeliverable();
    notices.sort();
    let too_many = (1 + delivered..10)
        .map(|number| (format!("m-{number}"), "too many messages wait".to_owned()));
    let too_late = (
        "m-0".to_owned(),
        "the session did not settle in time".to_owned(),
    );
    assert_eq!(
        notices,
        [too_late].into_iter().chain(too_many).collect::<Vec<_>>()
    );
    west.release();
    assert_eq!(moving.await.unwrap().unwrap().outcome, "done");
}

#[tokio::test]
async fn a_server_that_accepts_connections_and_answers_nothing_is_down_until_it_answers() {
    let game = Game::start("west").await;
    let mut world = world([game.config()]);
    world.health.interval = TimeSpan::from_millis(20);
    world.health.timeout = TimeSpan::from_millis(200);
    let edge = edge(world);
    game.linked().await;
    let health = || edge.handle.servers()[0].health.clone();
    caught_up(&game).await;
    assert_eq!(health(), "healthy");
    game.is_well(false);
    eventually(soon(), "the server to be down", || health() == "down")
        .await
        .unwrap();
    game.is_well(true);
    eventually(soon(), "the server to be healthy", || health() == "healthy")
        .await
        .unwrap();
    assert_eq!(game.control_links().len(), 1, "the link stayed");
}

#[tokio::test]
async fn what_servers_report_decides_where_the_least_load_is() {
    let (west, east) = (Game::start("west").await, Game::start("east").await);
    let mut world = world([west.config(), east.config()]);
    world.balance = Algorithm::LeastLoad;
    let edge = edge(world);
    west.linked().await;
    east.linked().await;
    let report = |game: &Game, cpu, tick_ms| {
        game.say(Load {
            sessions: 1,
            cpu: Some(cpu),
            memory: None,
            tick_ms: Some(tick_ms),
        });
    };
    // The first has an idle processor and slow ticks all the same.
    for (west_load, east_load, expected) in [
        ((0.1, 45.0), (0.5, 5.0), "east:hi"),
        ((0.1, 5.0), (0.5, 5.0), "west:hi"),
    ] {
        report(&west, west_load.0, west_load.1);
        report(&east, east_load.0, east_load.1);
        caught_up(&west).await;
        caught_up(&east).await;
        let mut client = Client::to(edge.address).connect(soon()).await.unwrap();
        client.send_text("hi").await.unwrap();
        assert_eq!(client.receive_text(soon()).await.unwrap(), expected);
        client.close(1000, "bye", soon()).await.unwrap();
    }
}

#[tokio::test]
async fn a_server_that_breaks_the_rules_of_its_control_link_is_told_which() {
    let cases: [(Message, u16, &str); 6] = [
        (Message::text("hello"), 1002, "binary"),
        (Message::binary(Vec::new()), 1002, "without a tag"),
        (Message::binary(vec![0x00, b'x']), 1002, "tag 0"),
        (Message::binary(b"\x02{".to_vec()), 1002, "control message"),
        (
            Message::binary(b"\x02{\"type\":\"load\",\"sessions\":-1}".to_vec()),
            1002,
            "load: sessions",
        ),
        (
            Message::binary([&[0x02][..], &vec![b' '; 140_000]].concat()),
            1009,
            "too long",
        ),
    ];
    let game = Game::start("west").await;
    let edge = edge(world([game.config()]));
    for (number, (message, code, reason)) in cases.into_iter().enumerate() {
        eventually(soon(), "a control link", || {
            game.control_links().len() > number
        })
        .await
        .unwrap();
        let link = game.control_links()[number];
        game.server.send(link, message);
        let close = || {
            game.server.seen().into_iter().find_map(|seen| match seen {
                atlas_testkit::Seen::Got {
                    connection,
                    received: Received::Close(close),
                } if connection == link => Some(close),
                _ => None,
            })
        };
        eventually(soon(), "the link's close", || close().is_some())
            .await
            .unwrap();
        let close = format!("{:?}", close().unwrap());
        assert!(
            close.contains(&code.to_string()) && close.contains(reason),
            "{close}: {code} {reason}"
        );
    }
    assert_eq!(
        edge.metric("atlas_edge_links_refused_total{server=\"west\"}"),
        6
    );
    // What is merely unknown is answered, and the link stays.
    eventually(soon(), "a control link", || game.control_links().len() > 6)
        .await
        .unwrap();
    let link = *game.control_links().last().unwrap();
    game.server
        .send(link, Message::binary(b"\x02{\"type\":\"dance\"}".to_vec()));
    eventually(soon(), "unsupported", || {
        game.heard()
            .iter()
            .any(|message| matches!(message, ControlToServer::Unsupported(_)))
    })
    .await
    .unwrap();
    caught_up(&game).await;
}
