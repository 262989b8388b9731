//! WebSocket libraries of others as game servers, unchanged. Each server tells a player who connects its own name, the
//! path, the header `x-player` and the subprotocol; sends back what it gets; closes on `close CODE REASON`; cuts the
//! connection on `vanish`; and prints how each connection ended.

use std::net::SocketAddr;
use std::path::PathBuf;

use atlas_testkit::{Client, Process, Received, eventually};

use crate::support::{deadline, edge, free_port, listening};
use crate::workshop::{has_node, has_python, node, python};

/// A server of one of the libraries.
struct Server {
    process: Process,
    address: SocketAddr,
}

#[derive(Clone, Copy)]
enum Library {
    Ws,
    Websockets,
}

impl Library {
    fn is_here(self) -> bool {
        match self {
            Self::Ws => has_node(),
            Self::Websockets => has_python(),
        }
    }

    async fn start(self, name: &str) -> Server {
        let (folder, program): (PathBuf, _) = match self {
            Self::Ws => (node(), "node server.mjs"),
            Self::Websockets => (python(), "venv/bin/python server.py"),
        };
        let port = free_port();
        let process = listening(&folder, &format!("{program} {name} {port}"), port).await;
        let address = SocketAddr::from(([127, 0, 0, 1], port));
        Server { process, address }
    }
}

fn world(servers: &[(&str, &Server)]) -> String {
    let table = |(name, server): &(&str, &Server)| {
        format!(
            "[[world.main.servers]]\nname = \"{name}\"\naddress = \"ws://{}\"\n",
            server.address
        )
    };
    servers.iter().map(table).collect()
}

/// Connects, and returns the player and the server's first words.
async fn join(address: SocketAddr, subprotocols: &str) -> (Client, String) {
    let mut builder = Client::to(address)
        .path("/room/7?seat=3")
        .header("x-player", "ann");
    if !subprotocols.is_empty() {
        builder = builder.subprotocols(subprotocols);
    }
    let mut player = builder.connect(deadline()).await.unwrap();
    let words = player.receive_text(deadline()).await.unwrap();
    (player, words)
}

/// Everything a player can see of a server, as lines to compare.
async fn visit(address: SocketAddr) -> Vec<String> {
    let mut seen = Vec::new();
    for subprotocols in ["", "game.v1", "game.v1, game.v2", "atlas.link.v1, game.v1"] {
        let (mut player, words) = join(address, subprotocols).await;
        seen.push(words);
        let chosen = player.response_header("sec-websocket-protocol");
        seen.push(format!("{subprotocols:?} gives {chosen:?}"));
        player.send_text("grüße 🦀").await.unwrap();
        seen.push(player.receive_text(deadline()).await.unwrap());
        player.close(1000, "", deadline()).await.unwrap();
    }
    let (mut player, _) = join(address, "").await;
    for size in [0, 1, 125, 126, 65_535, 65_536, 300_000] {
        let bytes: Vec<u8> = (0..size).map(|at| (at * 31 % 251) as u8).collect();
        player.send_binary(bytes.clone()).await.unwrap();
        assert_eq!(player.receive_binary(deadline()).await.unwrap(), bytes);
        player.send_text("x".repeat(size)).await.unwrap();
        seen.push(format!(
            "{} of {size}",
            player.receive_text(deadline()).await.unwrap().len()
        ));
    }
    for close in [
        "close 1000 done",
        "close 1001 away",
        "close 4001 kicked",
        "close 3000 3000",
    ] {
        let (mut player, _) = join(address, "").await;
        player.send_text(close).await.unwrap();
        seen.push(format!(
            "{:?}",
            player.receive_close(deadline()).await.unwrap()
        ));
    }
    seen
}

async fn behind_the_edge_is_as_direct(library: Library) {
    if !library.is_here() {
        return;
    }
    let server = library.start("one").await;
    let direct = visit(server.address).await;
    let node = edge(&world(&[("one", &server)])).await;
    let through = visit(node.listener("edge").unwrap()).await;
    // Nobody but an edge may ask for a link: its name is taken from what the player offers.
    let direct: Vec<_> = direct
        .into_iter()
        .map(|line| match line.as_str() {
            "\"atlas.link.v1, game.v1\" gives Some(\"atlas.link.v1\")" => {
                "\"atlas.link.v1, game.v1\" gives Some(\"game.v1\")".to_owned()
            }
            "one /room/7?seat=3 ann atlas.link.v1" => "one /room/7?seat=3 ann game.v1".to_owned(),
            _ => line,
        })
        .collect();
    assert_eq!(through, direct);

    // Closes from the player's side reach the server with code and reason.
    for (code, reason) in [(1000, "done"), (1001, "away"), (4002, "good night")] {
        let (player, _) = join(node.listener("edge").unwrap(), "").await;
        player.close(code, reason, deadline()).await.unwrap();
        eventually(deadline(), "the close at the server", || {
            server
                .process
                .stdout()
                .contains(&format!("closed {code} {reason}"))
        })
        .await
        .unwrap();
    }

    // A server that cuts the connection is no close: the player learns that it went wrong.
    let (mut player, _) = join(node.listener("edge").unwrap(), "").await;
    player.send_text("vanish").await.unwrap();
    let end = player.receive(deadline()).await.unwrap();
    assert!(
        matches!(
            &end,
            Received::Close(Some((1011 | 1012, _))) | Received::Lost(_)
        ),
        "{end:?}"
    );
}

#[tokio::test]
async fn nodes_ws_behind_the_edge_is_as_direct() {
    behind_the_edge_is_as_direct(Library::Ws).await;
}

#[tokio::test]
async fn pythons_websockets_behind_the_edge_is_as_direct() {
    behind_the_edge_is_as_direct(Library::Websockets).await;
}

#[tokio::test]
async fn players_are_spread_over_servers_of_both_libraries() {
    if !Library::Ws.is_here() || !Library::Websockets.is_here() {
        return;
    }
    let one = Library::Ws.start("one").await;
    let two = Library::Websockets.start("two").await;
    let mut three = Library::Ws.start("three").await;
    let node = edge(&world(&[("one", &one), ("two", &two), ("three", &three)])).await;
    let players = node.listener("edge").unwrap();
    let mut here = Vec::new();
    for _ in 0..12 {
        here.push(join(players, "game.v2").await);
    }
    let count = |name: &str| {
        here.iter()
            .filter(|(_, words)| words.starts_with(name))
            .count()
    };
    assert_eq!((count("one"), count("two"), count("three")), (4, 4, 4));
    // One is killed: nobody new meets it, and the others carry on.
    three.process.kill().unwrap();
    three.process.wait(deadline()).await.unwrap();
    for _ in 0..6 {
        let (player, words) = join(players, "game.v2").await;
        assert!(!words.starts_with("three"), "{words}");
        here.push((player, words));
    }
    for (player, words) in here
        .iter_mut()
        .filter(|(_, words)| !words.starts_with("three"))
    {
        player.send_text("still here").await.unwrap();
        assert_eq!(
            player.receive_text(deadline()).await.unwrap(),
            "still here",
            "{words}"
        );
    }
}
