//! Transfers that are asked for: how many at once, and those for balance.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use atlas_balance::Algorithm;
use atlas_base::TimeSpan;
use atlas_edge::{Count, EdgeConfig, LocationConfig, MovesBy, ServerConfig, WorldConfig};
use atlas_testkit::{Client, eventually};
use atlas_wire::link::{MoveReason, ToServer};

use crate::game::Game;
use crate::support::{Running, edge_with, soon, world};

#[tokio::test]
async fn more_transfers_than_may_be_at_once_wait_while_their_players_go_on() {
    let (west, east) = (Game::start("west").await, Game::start("east").await);
    let mut world = world([
        ServerConfig {
            weight: 1000,
            ..west.config()
        },
        east.config(),
    ]);
    world.transfer.concurrent_max = 1;
    world.transfer.freeze_timeout = TimeSpan::from_secs(60);
    let edge = edge_with(
        EdgeConfig {
            workers: Count::Number(2),
            ..EdgeConfig::default()
        },
        world,
    );
    west.hold_frozen();
    let (mut clients, mut moves) = (Vec::new(), Vec::new());
    for number in 0..3_usize {
        let mut client = Client::to(edge.address).connect(soon()).await.unwrap();
        client.send_text("hi").await.unwrap();
        assert_eq!(client.receive_text(soon()).await.unwrap(), "west:hi");
        clients.push(client);
        let (_, attach) = west.attaches().pop().unwrap();
        let handle = edge.handle.clone();
        moves.push(tokio::spawn(async move {
            handle.transfer(attach.session, "east").await.unwrap()
        }));
        if number == 0 {
            eventually(soon(), "the first is frozen", || west.held() == 1)
                .await
                .unwrap();
        }
    }
    for client in &mut clients[1..] {
        client.send_text("on").await.unwrap();
        assert_eq!(client.receive_text(soon()).await.unwrap(), "west:on");
    }
    let freezes = || {
        let orders = west.orders();
        orders
            .iter()
            .filter(|(_, order)| matches!(order, ToServer::Freeze(_)))
            .count()
    };
    assert_eq!(freezes(), 1, "nobody else is frozen, or told to leave");
    west.release();
    for moved in moves {
        assert_eq!(moved.await.unwrap().outcome, "done");
    }
    for client in &mut clients {
        client.send_text("there").await.unwrap();
        assert_eq!(client.receive_text(soon()).await.unwrap(), "east:there");
    }
}

/// Two servers of ten places each; whoever comes goes to the west while there is room.
async fn two_of_ten() -> (Game, Game, WorldConfig) {
    let (west, east) = (Game::start("west").await, Game::start("east").await);
    let mut world = world([
        ServerConfig {
            weight: 10_000,
            capacity: 10,
            ..west.config()
        },
        ServerConfig {
            capacity: 10,
            ..east.config()
        },
    ]);
    world.moves.per_second = 1000.0;
    world.transfer.min_interval = TimeSpan::from_millis(1);
    (west, east, world)
}

/// An edge of two workers.
fn edge(world: WorldConfig) -> Running {
    let edge = EdgeConfig {
        workers: Count::Number(2),
        ..EdgeConfig::default()
    };
    edge_with(edge, world)
}

fn balanced(edge: &Running) -> u64 {
    edge.metric(r#"atlas_edge_transfers_total{outcome="done",reason="balance",world="main"}"#)
}

fn sessions(edge: &Running) -> Vec<u32> {
    let servers = edge.handle.servers();
    servers.iter().map(|server| server.sessions).collect()
}

/// Lets the balancer look a few times more.
async fn looks(times: u32) {
    let since = Instant::now();
    eventually(soon(), "the balancer has looked", || {
        since.elapsed() > Duration::from_millis(1100) * times
    })
    .await
    .unwrap();
}

/// The server that answers a client.
async fn where_is(client: &mut Client) -> String {
    client.send_text("?").await.unwrap();
    let answer = client.receive_text(soon()).await.unwrap();
    answer.strip_suffix(":?").unwrap().to_owned()
}

#[tokio::test]
async fn a_server_past_the_high_water_mark_gives_players_away_down_to_the_low_one() {
    let (west, _east, world) = two_of_ten().await;
    let edge = edge(world);
    let mut clients = Vec::new();
    for _ in 0..9 {
        let mut client = Client::to(edge.address).connect(soon()).await.unwrap();
        assert_eq!(where_is(&mut client).await, "west");
        clients.push(client);
    }
    looks(2).await;
    assert_eq!(balanced(&edge), 0, "nine of ten are not past nine tenths");
    let mut client = Client::to(edge.address).connect(soon()).await.unwrap();
    assert_eq!(where_is(&mut client).await, "west");
    clients.push(client);
    eventually(soon(), "players are moved", || sessions(&edge) == [7, 3])
        .await
        .unwrap();
    looks(3).await;
    assert_eq!(sessions(&edge), [7, 3], "nobody else, and nobody back");
    assert_eq!(balanced(&edge), 3);
    let told = west.orders().into_iter().filter(|(_, order)| {
        matches!(order, ToServer::Leaving(leaving) if leaving.reason == MoveReason::Balance)
    });
    assert_eq!(told.count(), 3, "the source is told who is to leave");
    let mut there = BTreeMap::new();
    for client in &mut clients {
        *there.entry(where_is(client).await).or_insert(0) += 1;
    }
    assert_eq!(
        there,
        [("east".to_owned(), 3), ("west".to_owned(), 7)].into()
    );
}

#[tokio::test]
async fn a_party_travels_together_or_stays_together() {
    let (_west, _east, mut world) = two_of_ten().await;
    world.moves.party_query = "team".into();
    let edge = edge(world);
    let mut teams: BTreeMap<&str, Vec<Client>> = BTreeMap::new();
    for team in [
        "red", "blue", "red", "blue", "red", "blue", "green", "green", "red", "green",
    ] {
        let client = Client::to(edge.address)
            .path(format!("/?team={team}"))
            .connect(soon())
            .await
            .unwrap();
        teams.entry(team).or_default().push(client);
    }
    eventually(soon(), "players are moved", || {
        sessions(&edge)[0] <= 7 && balanced(&edge) > 0
    })
    .await
    .unwrap();
    looks(2).await;
    let mut moved = 0;
    for (team, clients) in &mut teams {
        let mut there = Vec::new();
        for client in clients {
            there.push(where_is(client).await);
        }
        there.dedup();
        assert_eq!(there.len(), 1, "{team} is at {there:?}");
        moved += usize::from(there[0] == "east");
    }
    assert_eq!(moved, 1, "a team of three was enough");
    assert_eq!(sessions(&edge), [7, 3]);
}

#[tokio::test]
async fn nobody_is_moved_where_places_decide_or_where_it_is_off() {
    let (west, east, mut off) = two_of_ten().await;
    off.moves.by = MovesBy::Off;
    let mut places = world([
        ServerConfig {
            capacity: 10,
            weight: 10_000,
            ..west.config_with_region(-1000.0, 0.0)
        },
        ServerConfig {
            capacity: 10,
            ..east.config_with_region(0.0, 1000.0)
        },
    ]);
    places.moves.per_second = 1000.0;
    let edges = [edge(off), edge(places)];
    let mut clients = Vec::new();
    for edge in &edges {
        for _ in 0..10 {
            let mut client = Client::to(edge.address).connect(soon()).await.unwrap();
            where_is(&mut client).await;
            clients.push(client);
        }
    }
    looks(2).await;
    for edge in &edges {
        assert_eq!((sessions(edge), balanced(edge)), (vec![10, 0], 0));
    }
}

#[tokio::test]
async fn players_go_to_a_server_that_is_nearer_by_a_margin_once_it_has_room() {
    let (oslo, rome) = (Game::start("oslo").await, Game::start("rome").await);
    let at = |game: &Game, lat, lon| ServerConfig {
        location: Some(LocationConfig { lat, lon }),
        capacity: 10,
        ..game.config()
    };
    let mut far = world([at(&oslo, 59.9, 10.7), at(&rome, 41.9, 12.5)]);
    far.balance = Algorithm::Geographic;
    far.geographic.header = "X-Where".into();
    far.transfer.min_interval = TimeSpan::from_millis(1);
    let edge_config = EdgeConfig {
        trusted_proxies: vec!["127.0.0.0/8".parse().unwrap()],
        ..EdgeConfig::default()
    };
    let edge = edge_with(edge_config, far);
    edge.handle.drain("main", "rome", None, None).unwrap();
    let mut clients = Vec::new();
    // Naples is much nearer to Rome; Nuremberg only somewhat, and Bergen not at all.
    for place in ["40.8,14.3", "49.5,11.5", "60.4,5.3"] {
        let mut client = Client::to(edge.address)
            .header("X-Where", place)
            .connect(soon())
            .await
            .unwrap();
        assert_eq!(where_is(&mut client).await, "oslo");
        clients.push(client);
    }
    edge.handle.cancel_drain("main", "rome").unwrap();
    eventually(soon(), "one goes south", || sessions(&edge) == [2, 1])
        .await
        .unwrap();
    looks(2).await;
    assert_eq!((sessions(&edge), balanced(&edge)), (vec![2, 1], 1));
    assert_eq!(where_is(&mut clients[0]).await, "rome");
}
