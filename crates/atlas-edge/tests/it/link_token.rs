//! The token by which cooperative servers know the edge.

use std::path::Path;

use atlas_edge::{EdgeConfig, LinkMode, ServerConfig, WorldConfig};
use atlas_testkit::{Client, GameServer};

use crate::game::Game;
use crate::support::{Running, build, config, edge, server, soon, world};

fn guarded(file: &Path, server: ServerConfig) -> WorldConfig {
    WorldConfig {
        link_token_file: file.to_owned(),
        ..world([server])
    }
}

/// A player with credentials of their own.
async fn player(edge: &Running) -> Client {
    let client = Client::to(edge.address).header("authorization", "Bearer mine");
    client.connect(soon()).await.unwrap()
}

fn token(folder: &tempfile::TempDir, text: &str) -> std::path::PathBuf {
    let file = folder.path().join("token");
    std::fs::write(&file, text).unwrap();
    file
}

#[tokio::test]
async fn links_carry_the_token_and_a_reload_reads_it_again() {
    let folder = tempfile::tempdir().unwrap();
    let game = Game::start("west").await;
    let guarded = guarded(&token(&folder, "c0ffee\n"), game.config());
    let edge = edge(guarded.clone());
    game.linked().await;
    let _first = player(&edge).await;
    let shown = |link| game.server.request_header(link, "authorization");
    for link in 0..game.server.opened() {
        assert_eq!(shown(link).as_deref(), Some("Bearer c0ffee"), "{link}");
    }
    token(&folder, "decaf");
    let next = config(EdgeConfig::default(), guarded);
    edge.handle.reload(&next).await.unwrap();
    let _second = player(&edge).await;
    assert_eq!(
        shown(game.server.opened() - 1).as_deref(),
        Some("Bearer decaf")
    );
    // A file that holds none changes nothing.
    token(&folder, "");
    let error = edge.handle.reload(&next).await.unwrap_err();
    assert!(error.to_string().contains("holds no token"), "{error}");
    let _third = player(&edge).await;
    assert_eq!(
        shown(game.server.opened() - 1).as_deref(),
        Some("Bearer decaf")
    );
}

#[tokio::test]
async fn plain_servers_get_what_the_player_sent() {
    let folder = tempfile::tempdir().unwrap();
    for mode in [LinkMode::Auto, LinkMode::Plain] {
        let game = GameServer::echo().await.unwrap();
        let server = ServerConfig {
            link: mode,
            ..server("west", &game.url())
        };
        let edge = edge(guarded(&token(&folder, "c0ffee"), server));
        for _ in 0..2 {
            let mut client = player(&edge).await;
            client.send_text("hi").await.unwrap();
            assert_eq!(client.receive_text(soon()).await.unwrap(), "hi");
            let newest = game.opened() - 1;
            let shown = game.request_header(newest, "authorization");
            assert_eq!(shown.as_deref(), Some("Bearer mine"), "{mode:?}");
        }
    }
}

#[tokio::test]
async fn a_token_file_that_is_not_there_is_an_error_at_the_start() {
    let nowhere = Path::new("/nowhere/at/all");
    let world = guarded(nowhere, server("west", "ws://127.0.0.1:1"));
    let error = build(world).err().unwrap().to_string();
    assert!(error.contains("link token file /nowhere/at/all"), "{error}");
}
