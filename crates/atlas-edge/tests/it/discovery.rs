//! Servers from a watched file.

use std::path::Path;

use atlas_edge::{DiscoveryConfig, WorldConfig};
use atlas_testkit::{Client, GameServer, eventually};

use crate::support::{Running, edge, server, soon, world};

fn watched(file: &Path) -> WorldConfig {
    WorldConfig {
        discovery: DiscoveryConfig {
            file: file.to_owned(),
        },
        ..world([])
    }
}

/// Writes the file at once, as a careful tool would.
fn write(file: &Path, text: &str) {
    let fresh = file.with_extension("new");
    std::fs::write(&fresh, text).unwrap();
    std::fs::rename(&fresh, file).unwrap();
}

fn entry(name: &str, url: &str) -> String {
    format!("[[servers]]\nname = \"{name}\"\naddress = \"{url}\"\n")
}

fn names(edge: &Running) -> Vec<String> {
    let servers = edge.handle.servers().into_iter();
    servers.map(|server| server.id).collect()
}

async fn becomes(edge: &Running, expected: &[&str]) {
    eventually(soon(), &format!("servers {expected:?}"), || {
        names(edge) == expected
    })
    .await
    .unwrap();
}

/// The file was looked at and found wanting.
async fn failed(edge: &Running) {
    let metric = "atlas_edge_discovery_failures_total{world=\"main\"}";
    eventually(soon(), "a failure to be counted", || {
        edge.metric(metric) > 0
    })
    .await
    .unwrap();
}

#[tokio::test]
async fn the_file_is_followed_and_a_broken_one_changes_nothing() {
    let game = GameServer::echo().await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("servers.toml");
    let edge = edge(watched(&file));
    let nobody = Client::to(edge.address).connect(soon()).await.unwrap_err();
    assert!(nobody.to_string().contains("503"), "{nobody}");

    write(&file, &entry("a", &game.url()));
    becomes(&edge, &["a"]).await;
    let mut client = Client::to(edge.address).connect(soon()).await.unwrap();
    client.send_text("in").await.unwrap();
    assert_eq!(client.receive_text(soon()).await.unwrap(), "in");

    write(&file, "[[servers]]\nname = \"a\"\n");
    failed(&edge).await;
    assert_eq!(names(&edge), ["a"]);
    write(
        &file,
        &(entry("a", &game.url()) + &entry("b", "ws://127.0.0.1:1")),
    );
    becomes(&edge, &["a", "b"]).await;

    std::fs::remove_file(&file).unwrap();
    client.send_text("still in").await.unwrap();
    assert_eq!(client.receive_text(soon()).await.unwrap(), "still in");
    assert_eq!(names(&edge).len(), 2);
}

#[tokio::test]
async fn a_file_that_is_broken_at_the_start_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("servers.toml");
    write(&file, "[[servers]]\nname = 7\n");
    let error = crate::support::build(watched(&file)).err().unwrap();
    let text = error.to_string();
    assert!(
        text.contains("servers.toml") && text.contains("line 2"),
        "{text}"
    );
}

#[tokio::test]
async fn configured_and_found_servers_stand_side_by_side() {
    let game = GameServer::echo().await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("servers.toml");
    write(&file, &entry("found", &game.url()));
    let edge = edge(WorldConfig {
        servers: vec![server("fixed", &game.url())],
        ..watched(&file)
    });
    assert_eq!(names(&edge), ["fixed", "found"], "read at the start");
    // The same name twice in one world cannot be.
    write(
        &file,
        &(entry("fixed", "ws://127.0.0.1:1") + &entry("other", &game.url())),
    );
    failed(&edge).await;
    assert_eq!(names(&edge), ["fixed", "found"]);
}
