//! Where new players go, over real sockets; the choice itself is tested where it is made.

use atlas_edge::{EdgeConfig, LocationConfig, SplitConfig};
use atlas_testkit::{Client, GameServer};

use crate::support::{edge_with, server, soon, world};

/// The names of the servers that a player with this place ends at, one of two: frankfurt, virginia.
async fn where_to(place: &str, trusted: bool) -> &'static str {
    let games = [
        GameServer::echo().await.unwrap(),
        GameServer::echo().await.unwrap(),
    ];
    let places = [(50.1, 8.7), (38.9, -77.0)];
    let servers = games.iter().zip(places).map(|(game, (lat, lon))| {
        let mut server = server(&format!("at-{lat}"), &game.url());
        server.location = Some(LocationConfig { lat, lon });
        // Whoever is not placed by location goes to the second.
        server.weight = if lat < 40.0 { 1000 } else { 1 };
        server
    });
    let mut world = world(servers);
    world.balance = atlas_balance::Algorithm::Geographic;
    world.geographic.header = "X-Place".to_owned();
    let mut config = EdgeConfig::default();
    if trusted {
        config.trusted_proxies = vec!["127.0.0.0/8".parse().unwrap()];
    }
    let edge = edge_with(config, world);
    // One is there already, so that the weights count.
    let _first = Client::to(edge.address).connect(soon()).await.unwrap();
    let before = games.each_ref().map(GameServer::opened);
    let _client = Client::to(edge.address)
        .header("X-Place", place)
        .connect(soon())
        .await
        .unwrap();
    let after = games.each_ref().map(GameServer::opened);
    if after[0] > before[0] {
        "frankfurt"
    } else {
        "virginia"
    }
}

#[tokio::test]
async fn a_proxy_says_where_a_client_is_and_a_client_cannot() {
    assert_eq!(where_to("48.9,2.3", true).await, "frankfurt");
    assert_eq!(where_to("25.8,-80.2", true).await, "virginia");
    assert_eq!(where_to("48.9,2.3", false).await, "virginia");
}

#[tokio::test]
async fn one_client_is_always_on_the_same_side_of_a_split() {
    let games = [
        GameServer::echo().await.unwrap(),
        GameServer::echo().await.unwrap(),
    ];
    let servers = games.iter().zip(["a", "b"]).map(|(game, version)| {
        let mut server = server(version, &game.url());
        server
            .labels
            .insert("version".to_owned(), version.to_owned());
        server
    });
    let mut world = world(servers);
    world.splits = vec![SplitConfig {
        labels: [("version".to_owned(), "b".to_owned())].into(),
        share: 0.5,
    }];
    let edge = edge_with(EdgeConfig::default(), world);
    let mut clients = Vec::new();
    for _ in 0..6 {
        clients.push(Client::to(edge.address).connect(soon()).await.unwrap());
    }
    // All come from one address; least-connections alone would have shared them out.
    let mut opened = games.each_ref().map(GameServer::opened);
    opened.sort_unstable();
    assert_eq!(opened, [0, 6]);
}
