//! A new configuration under living connections.

use atlas_edge::{Config, EdgeConfig, LimitsConfig, ServerConfig, WorldConfig};
use atlas_testkit::{Client, GameServer, eventually};

use crate::support::{edge, server, soon, world};

fn config(world: WorldConfig) -> Config {
    crate::support::config(EdgeConfig::default(), world)
}

async fn echoes(client: &mut Client, text: &str) {
    client.send_text(text).await.unwrap();
    assert_eq!(client.receive_text(soon()).await.unwrap(), text);
}

#[tokio::test]
async fn new_players_go_where_the_new_configuration_says_and_old_ones_stay() {
    let old = GameServer::echo().await.unwrap();
    let new = GameServer::echo().await.unwrap();
    let edge = edge(world([server("old", &old.url())]));
    let mut stays = Client::to(edge.address).connect(soon()).await.unwrap();
    echoes(&mut stays, "before").await;

    let report = edge
        .handle
        .reload(&config(world([server("new", &new.url())])))
        .await
        .unwrap();
    assert_eq!(
        (report.added, report.removed),
        (vec!["main/new".to_owned()], vec!["main/old".to_owned()])
    );
    let mut comes = Client::to(edge.address).connect(soon()).await.unwrap();
    echoes(&mut comes, "after").await;
    echoes(&mut stays, "still here").await;
    assert_eq!((old.opened(), new.opened()), (1, 1));
    let shown = edge.handle.servers();
    let state = |name: &str| {
        let server = shown.iter().find(|server| server.id == name).unwrap();
        (server.state.clone(), server.sessions)
    };
    assert_eq!(state("old"), ("draining".to_owned(), 1));
    assert_eq!(state("new"), ("active".to_owned(), 1));

    stays.close(1000, "", soon()).await.unwrap();
    eventually(soon(), "the old server to be forgotten", || {
        edge.handle
            .servers()
            .iter()
            .all(|server| server.id == "new")
    })
    .await
    .unwrap();
}

#[tokio::test]
async fn limits_and_capacities_apply_to_living_sessions() {
    let game = GameServer::echo().await.unwrap();
    let edge = edge(world([server("one", &game.url())]));
    let mut client = Client::to(edge.address).connect(soon()).await.unwrap();
    echoes(&mut client, &"x".repeat(2000)).await;
    let mut next = config(world([ServerConfig {
        capacity: 1,
        ..server("one", &game.url())
    }]));
    next.edge.limits = LimitsConfig {
        message_bytes_max: atlas_base::ByteSize(1000),
        ..LimitsConfig::default()
    };
    let report = edge.handle.reload(&next).await.unwrap();
    assert_eq!(report.changed, ["main/one"]);
    assert_eq!(report.applied, ["edge.limits.message-bytes-max"]);
    let full = Client::to(edge.address).connect(soon()).await.unwrap_err();
    assert!(full.to_string().contains("503"), "{full}");
    echoes(&mut client, "short").await;
    client.send_text("x".repeat(2000)).await.unwrap();
    assert_eq!(client.receive_close(soon()).await.unwrap().0, 1009);
}

#[tokio::test]
async fn a_wrong_configuration_changes_nothing_and_says_why() {
    let game = GameServer::echo().await.unwrap();
    let edge = edge(world([server("one", &game.url())]));
    let before = edge.handle.servers();
    for (wrong, why) in [
        (
            world([server("one", &game.url()), server("one", &game.url())]),
            "already another server's name",
        ),
        (world([server("one", "http://nowhere")]), "ws://HOST:PORT"),
        (
            world([
                server("one", &game.url()),
                server("two", "ws://host.invalid:1"),
            ]),
            "host.invalid",
        ),
    ] {
        let error = edge.handle.reload(&config(wrong)).await.unwrap_err();
        assert!(error.to_string().contains(why), "{error}");
        assert_eq!(edge.handle.servers(), before);
    }
    let mut client = Client::to(edge.address).connect(soon()).await.unwrap();
    echoes(&mut client, "as ever").await;
}

#[tokio::test]
async fn what_only_a_restart_can_change_is_named_each_time() {
    let game = GameServer::echo().await.unwrap();
    let edge = edge(world([server("one", &game.url())]));
    let mut next = config(world([server("one", &game.url())]));
    assert!(edge.handle.reload(&next).await.unwrap().is_empty());
    next.edge.max_connections = atlas_edge::Count::Number(7);
    for _ in 0..2 {
        let report = edge.handle.reload(&next).await.unwrap();
        assert_eq!(report.restart, ["edge.max-connections"]);
        assert!(report.applied.is_empty());
    }
}

#[tokio::test]
async fn a_hundred_reloads_close_nobody_and_leave_nothing_behind() {
    let games = [
        GameServer::echo().await.unwrap(),
        GameServer::echo().await.unwrap(),
    ];
    let of = |index: usize| {
        let mut world = world([server("one", &games[index].url())]);
        world.transfer.hysteresis = index as f64;
        config(world)
    };
    let edge = edge(of(0).worlds.remove("main").unwrap());
    let mut clients = Vec::new();
    for round in 0..100 {
        if round % 9 == 0 {
            clients.push(Client::to(edge.address).connect(soon()).await.unwrap());
        }
        edge.handle.reload(&of((round + 1) % 2)).await.unwrap();
        for client in &mut clients {
            echoes(client, "here").await;
        }
    }
    assert_eq!(
        edge.handle
            .servers()
            .iter()
            .map(|server| server.sessions)
            .sum::<u32>(),
        12
    );
    // The two addresses are the same two servers each time they come back.
    assert_eq!(edge.handle.servers().len(), 2);
}
