//! One player twice, and what players leave behind.

use atlas_base::TimeSpan;
use atlas_edge::{Count, DuplicatePlayer, EdgeConfig, ServerConfig, WorldConfig};
use atlas_testkit::{Client, GameServer, Received, Seen, eventually};
use atlas_wire::link::{Attach, AttachReason, Carried};

use crate::game::Game;
use crate::support::{Running, edge_with, server, soon, world};

fn hello(player: &str) -> String {
    format!(r#"{{"client":"join","player_id":"{player}"}}"#)
}

/// An edge of three workers, so that sessions of one player mostly belong to different ones.
fn edge(world: WorldConfig) -> Running {
    let edge = EdgeConfig {
        workers: Count::Number(3),
        ..EdgeConfig::default()
    };
    edge_with(edge, world)
}

/// A client that said who it is and heard what the server made of it.
async fn player(edge: &Running, player: &str) -> Client {
    let mut client = Client::to(edge.address).connect(soon()).await.unwrap();
    client.send_text(hello(player)).await.unwrap();
    let answer = client.receive_text(soon()).await.unwrap();
    assert!(answer.ends_with(&hello(player)), "{answer}");
    client
}

async fn still_here(client: &mut Client) {
    client.send_text("still here").await.unwrap();
    let answer = client.receive_text(soon()).await.unwrap();
    assert!(answer.ends_with("still here"), "{answer}");
}

async fn nobody_is_left(edge: &Running) {
    eventually(soon(), "all places given back", || {
        edge.handle
            .servers()
            .iter()
            .all(|server| server.sessions == 0)
    })
    .await
    .unwrap();
}

fn duplicates(edge: &Running, outcome: &str) -> u64 {
    edge.metric(&format!(
        r#"atlas_edge_duplicate_players_total{{outcome="{outcome}",world="main"}}"#
    ))
}

/// A server that knows nothing of Atlas, and what tells plain sessions that can be moved from those that cannot.
async fn plain_worlds() -> [(GameServer, WorldConfig); 2] {
    let pinned = GameServer::builder().start().await.unwrap();
    let movable = GameServer::builder().start().await.unwrap();
    let pinned_world = world([server("west", &pinned.url())]);
    // A second server and a join rule: sessions can be moved.
    let movable_world = world([
        server("west", &movable.url()),
        ServerConfig {
            weight: 0,
            ..server("east", "ws://127.0.0.1:1")
        },
    ]);
    [(pinned, pinned_world), (movable, movable_world)]
}

#[tokio::test]
async fn a_player_who_comes_again_takes_the_place_of_the_older_session() {
    let west = Game::start("west").await;
    let edge = edge(world([west.config()]));
    let mut older = player(&edge, "ann").await;
    let mut other = player(&edge, "bob").await;
    for round in 1..=4 {
        let newer = player(&edge, "ann").await;
        assert_eq!(
            older.receive_close(soon()).await.unwrap(),
            (4409, "the player came again".to_owned())
        );
        assert_eq!(duplicates(&edge, "replaced"), round);
        older = newer;
    }
    still_here(&mut older).await;
    still_here(&mut other).await;
    // Those who name no player are nobody twice.
    let mut nameless = Vec::new();
    for _ in 0..2 {
        let mut client = Client::to(edge.address).connect(soon()).await.unwrap();
        still_here(&mut client).await;
        nameless.push(client);
    }
    for client in &mut nameless {
        still_here(client).await;
    }
    drop((older, other, nameless));
    nobody_is_left(&edge).await;
    // The name is free again.
    player(&edge, "ann").await;
    assert_eq!(duplicates(&edge, "replaced"), 4);
}

#[tokio::test]
async fn the_older_session_leaves_its_server_before_the_newer_one_says_who_it_is() {
    let west = Game::start("west").await;
    let edge = edge(world([west.config()]));
    let _older = player(&edge, "ann").await;
    let mut newer = Client::to(edge.address).connect(soon()).await.unwrap();
    // More of it may come in one read with the message that names the player, and none of it is lost.
    newer.send_text(hello("ann")).await.unwrap();
    newer.send_text("first").await.unwrap();
    newer.send_text("second").await.unwrap();
    for expected in [hello("ann").as_str(), "first", "second"] {
        let answer = newer.receive_text(soon()).await.unwrap();
        assert_eq!(answer, format!("west:{expected}"));
    }
    let seen = west.server.seen();
    let said = |connection: usize, what: &str| {
        seen.iter().position(|seen| match seen {
            Seen::Got {
                connection: at,
                received: Received::Binary(bytes),
            } => *at == connection && String::from_utf8_lossy(bytes).contains(what),
            _ => false,
        })
    };
    let sessions: Vec<usize> = (0..west.server.opened())
        .filter(|link| west.server.request_header(*link, "atlas-session").is_some())
        .collect();
    let gone = said(sessions[0], r#""type":"detach""#).expect("the older session is detached");
    let named = said(sessions[1], "join").expect("the newer one is heard");
    assert!(gone < named, "{gone} {named}");
}

#[tokio::test]
async fn plain_players_take_the_place_of_their_older_sessions_too() {
    for (_server, world) in plain_worlds().await {
        let edge = edge(world);
        let mut older = player(&edge, "ann").await;
        let mut newer = player(&edge, "ann").await;
        assert_eq!(older.receive_close(soon()).await.unwrap().0, 4409);
        still_here(&mut newer).await;
        drop((older, newer));
        nobody_is_left(&edge).await;
    }
}

#[tokio::test]
async fn a_player_who_is_here_already_is_refused_where_the_world_says_so() {
    let west = Game::start("west").await;
    let mut worlds: Vec<WorldConfig> = vec![world([west.config()])];
    let plain = plain_worlds().await;
    worlds.extend(plain.iter().map(|(_, world)| world.clone()));
    for mut world in worlds {
        world.duplicate_player = DuplicatePlayer::Refuse;
        let edge = edge(world);
        let mut first = player(&edge, "ann").await;
        for round in 1..=2 {
            let mut second = Client::to(edge.address).connect(soon()).await.unwrap();
            second.send_text(hello("ann")).await.unwrap();
            assert_eq!(
                second.receive_close(soon()).await.unwrap(),
                (1008, "the player is here already".to_owned())
            );
            assert_eq!(duplicates(&edge, "refused"), round);
        }
        still_here(&mut first).await;
        drop(first);
        nobody_is_left(&edge).await;
        still_here(&mut player(&edge, "ann").await).await;
    }
    let refused = west.server.seen().into_iter().filter(|seen| {
        matches!(seen, Seen::Got { received: Received::Binary(bytes), .. } if bytes.ends_with(hello("ann").as_bytes()))
    });
    assert_eq!(refused.count(), 2, "who is refused is not heard");
}

#[tokio::test]
async fn a_player_may_be_here_twice_where_the_world_allows_it() {
    let west = Game::start("west").await;
    let mut world = world([west.config()]);
    world.duplicate_player = DuplicatePlayer::Allow;
    let edge = edge(world);
    let mut first = player(&edge, "ann").await;
    let mut second = player(&edge, "ann").await;
    still_here(&mut first).await;
    still_here(&mut second).await;
    assert_eq!(duplicates(&edge, "replaced"), 0);
}

#[tokio::test]
async fn an_older_session_that_is_being_moved_is_waited_for() {
    let (west, east) = (Game::start("west").await, Game::start("east").await);
    let edge = edge(world([
        ServerConfig {
            weight: 1000,
            ..west.config()
        },
        east.config(),
    ]));
    let mut older = player(&edge, "ann").await;
    let session = west.server.request_header(
        (0..west.server.opened())
            .find(|link| west.server.request_header(*link, "atlas-session").is_some())
            .unwrap(),
        "atlas-session",
    );
    let session = session.unwrap().parse().unwrap();
    west.hold_frozen();
    let handle = edge.handle.clone();
    let moved = tokio::spawn(async move { handle.transfer(session, "east").await });
    eventually(soon(), "the transfer has begun", || west.held() == 1)
        .await
        .unwrap();
    let mut newer = Client::to(edge.address).connect(soon()).await.unwrap();
    newer.send_text(hello("ann")).await.unwrap();
    assert_eq!(older.receive_close(soon()).await.unwrap().0, 4409);
    assert_eq!(moved.await.unwrap().unwrap().outcome, "aborted");
    let answer = newer.receive_text(soon()).await.unwrap();
    assert!(answer.ends_with(&hello("ann")), "{answer}");
    drop((newer, older));
    nobody_is_left(&edge).await;
}

fn states(edge: &Running, outcome: &str) -> u64 {
    edge.metric(&format!(
        r#"atlas_edge_kept_states_total{{outcome="{outcome}",world="main"}}"#
    ))
}

/// The state that an `attach` brought.
fn state(attach: &Attach) -> Option<&str> {
    match &attach.carried {
        Carried::Inline(state) => Some(std::str::from_utf8(state).unwrap()),
        _ => None,
    }
}

/// Gives a checkpoint of the player who came last, and sees that it is taken note of: what follows on the link is later.
async fn saved(game: &Game, client: &mut Client, saved: &str) {
    game.checkpoint(saved, 1);
    still_here(client).await;
}

#[tokio::test]
async fn a_player_who_comes_back_goes_on_with_what_was_left_behind() {
    let west = Game::start("west").await;
    let edge = edge(world([west.config()]));
    let mut ann = player(&edge, "ann").await;
    saved(&west, &mut ann, "treasure").await;
    drop(ann);
    nobody_is_left(&edge).await;
    assert_eq!(states(&edge, "kept"), 1);

    let mut bob = player(&edge, "bob").await;
    let mut ann = Client::to(edge.address).connect(soon()).await.unwrap();
    // The first of these names nobody and goes to the server as it comes.
    for text in ["who am i", hello("ann").as_str(), "onwards"] {
        ann.send_text(text).await.unwrap();
    }
    for text in ["who am i", hello("ann").as_str(), "onwards"] {
        let answer = ann.receive_text(soon()).await.unwrap();
        assert_eq!(answer, format!("west:{text}"));
    }
    let attaches = west.attaches();
    let (link, last) = attaches.last().unwrap();
    assert_eq!(state(last), Some("treasure"));
    assert_eq!(
        (last.reason, last.player.as_deref()),
        (AttachReason::New, Some("ann"))
    );
    let (first_link, first) = &attaches[attaches.len() - 2];
    assert_eq!((first_link, &first.session), (link, &last.session));
    assert!(first.epoch < last.epoch && state(first).is_none());
    assert_eq!(states(&edge, "given"), 1);
    still_here(&mut bob).await;
    assert_eq!(
        attaches
            .iter()
            .filter(|(_, attach)| state(attach).is_some())
            .count(),
        1,
        "nobody else got it"
    );

    // Without a newer checkpoint it is the newest state there is, also the next time.
    drop(ann);
    eventually(soon(), "the state is kept again", || {
        states(&edge, "kept") == 2
    })
    .await
    .unwrap();
    player(&edge, "ann").await;
    assert_eq!(state(&west.attaches().last().unwrap().1), Some("treasure"));
}

#[tokio::test]
async fn the_session_that_takes_the_place_of_another_goes_on_with_its_newest_state() {
    let west = Game::start("west").await;
    let edge = edge(world([west.config()]));
    let mut older = player(&edge, "ann").await;
    for round in 0..6 {
        let treasure = format!("treasure {round}");
        saved(&west, &mut older, &treasure).await;
        let newer = player(&edge, "ann").await;
        assert_eq!(older.receive_close(soon()).await.unwrap().0, 4409);
        assert_eq!(
            state(&west.attaches().last().unwrap().1),
            Some(treasure.as_str())
        );
        older = newer;
    }
    assert_eq!((states(&edge, "kept"), states(&edge, "given")), (6, 6));
}

#[tokio::test]
async fn nothing_is_kept_where_the_world_says_so_and_not_for_ever_elsewhere() {
    let west = Game::start("west").await;
    for (keep, kept) in [(0, 0), (1, 1)] {
        let mut world = world([west.config()]);
        world.keep_state = TimeSpan::from_millis(keep);
        let edge = edge(world);
        let mut ann = player(&edge, "ann").await;
        saved(&west, &mut ann, "treasure").await;
        drop(ann);
        nobody_is_left(&edge).await;
        // The place is given back a moment before the state is kept.
        eventually(soon(), "the state is kept or not", || {
            states(&edge, "kept") == kept
        })
        .await
        .unwrap();
        let left = std::time::Instant::now();
        eventually(soon(), "the time is over", || {
            left.elapsed().as_millis() > 2
        })
        .await
        .unwrap();
        player(&edge, "ann").await;
        assert_eq!(states(&edge, "given"), 0);
        assert_eq!(state(&west.attaches().last().unwrap().1), None);
    }
}
