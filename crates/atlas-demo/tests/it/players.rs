use std::time::Duration;

use atlas_demo::players::{Config, Players, Snapshot, routes};
use atlas_demo::server::LinkMode;
use atlas_testkit::{Deadline, Http, eventually, eventually_async};
use tokio::sync::oneshot;

use crate::house::{House, named};

#[tokio::test]
async fn players_walk_and_their_check_agrees_with_the_server() {
    let house = House::open(atlas_demo::server::Config {
        link: LinkMode::Plain,
        ..named("west")
    })
    .await;
    let config = Config {
        url: house.url(),
        players: 12,
        rate_hz: 50.0,
        spread: Duration::from_millis(100),
        ..Config::default()
    };
    let players = Players::build(config).unwrap();
    let stats = players.stats();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let admin = Http::new(listener.local_addr().unwrap());
    let serving = tokio::spawn(
        axum::serve(listener, routes(Some(stats.clone())).into_router()).into_future(),
    );
    let (stop, stopped) = oneshot::channel::<()>();
    let walking = tokio::spawn(players.run(async {
        let _ = stopped.await;
    }));
    let deadline = Deadline::seconds(20);
    eventually(deadline, "600 answers", || stats.snapshot().answered >= 600)
        .await
        .unwrap();
    let shown: Snapshot =
        serde_json::from_value(admin.get_json("/v1/demo", deadline).await.unwrap()).unwrap();
    assert_eq!((shown.players, shown.connected), (12, 12));
    assert!(shown.answer_ms.p50 > 0.0 && shown.answer_ms.max >= shown.answer_ms.p99);
    drop(stop);
    deadline
        .limit("the players' end", walking)
        .await
        .unwrap()
        .unwrap();
    let last = stats.snapshot();
    let seen = house.stats().await;
    assert_eq!(
        (
            last.doubled,
            last.reordered,
            last.closed,
            last.dials_failed,
            last.server_changes
        ),
        (0, 0, 0, 0, 0)
    );
    assert_eq!(
        (last.state_breaks, last.server_gaps, last.server_doubles),
        (0, 0, 0)
    );
    assert_eq!(last.first_error, None);
    assert_eq!((seen.gaps, seen.doubles, seen.unread), (0, 0, 0));
    // What a player sent just before the end may be on its way; nothing else may differ.
    assert_eq!(last.sent, last.answered + last.lost);
    assert!(
        last.lost <= 12 && seen.answers >= last.answered && seen.answers <= last.sent,
        "{last:?} {seen:?}"
    );
    serving.abort();
    house.close().await;
}

#[tokio::test]
async fn players_come_back_after_their_server_did() {
    let deadline = Deadline::seconds(20);
    let house = House::open(named("west")).await;
    let address = house.address;
    let config = Config {
        url: house.url(),
        players: 3,
        rate_hz: 50.0,
        spread: Duration::ZERO,
        ..Config::default()
    };
    let players = Players::build(config).unwrap();
    let stats = players.stats();
    let (stop, stopped) = oneshot::channel::<()>();
    let walking = tokio::spawn(players.run(async {
        let _ = stopped.await;
    }));
    eventually(deadline, "all connected", || {
        stats.snapshot().connected == 3
    })
    .await
    .unwrap();
    house.close().await;
    eventually(deadline, "all gone", || stats.snapshot().connected == 0)
        .await
        .unwrap();
    assert_eq!(stats.snapshot().closed, 3);
    assert!(
        stats
            .snapshot()
            .first_error
            .is_some_and(|error| error.contains("1012"))
    );
    let config = atlas_demo::server::Config {
        listen: address,
        ..named("west")
    };
    let house = House::open(config).await;
    eventually_async(deadline, "all back", async || {
        (house.stats().await.answers > 30).then_some(())
    })
    .await
    .unwrap();
    eventually(deadline, "all connected again", || {
        stats.snapshot().connected == 3
    })
    .await
    .unwrap();
    drop(stop);
    deadline
        .limit("the players' end", walking)
        .await
        .unwrap()
        .unwrap();
    house.close().await;
}
