//! Game servers written with the TypeScript SDK.

use atlas_testkit::{Atlas, Exit, Process};
use serde_json::Value;

use crate::support::{atlas, deadline, edge, free_port, listening, metric, shell};
use crate::workshop::{has_node, root, sdk};

/// Two arenas with a border at x = 0 between them, and an edge in front.
struct World {
    node: Atlas,
    west: Process,
    east: Process,
}

impl World {
    async fn start() -> Self {
        let folder = sdk();
        let (west_port, east_port) = (free_port(), free_port());
        let arena = |name: &str, port: u16| {
            format!("node build/examples/arena.js --name {name} --port {port}")
        };
        let west = listening(&folder, &arena("west", west_port), west_port).await;
        let east = listening(&folder, &arena("east", east_port), east_port).await;
        let node = edge(&format!(
            r#"
            [world.main]
            balance = "spatial"
            [world.main.transfer]
            hysteresis = 5.0
            min-interval = "500ms"
            [[world.main.servers]]
            name = "west"
            address = "ws://127.0.0.1:{west_port}"
            region = {{ min = [-1000, -1000, -1000], max = [0, 1000, 1000] }}
            [[world.main.servers]]
            name = "east"
            address = "ws://127.0.0.1:{east_port}"
            region = {{ min = [0, -1000, -1000], max = [1000, 1000, 1000] }}
            "#
        ))
        .await;
        Self { node, west, east }
    }

    /// Plays with clients that check each answer, and returns the report.
    async fn play(&self, clients: &str, duration: &str, how: &str) -> Value {
        let url = format!("ws://{}", self.node.listener("edge").unwrap());
        load(&url, clients, duration, how).await
    }
}

async fn load(url: &str, clients: &str, duration: &str, how: &str) -> Value {
    let options = ["--clients", clients, "--duration", duration, "--move", how];
    let command = atlas(&["load", url, "--verify", "--json"]).args(options);
    let (exit, stdout, stderr) = command.output(deadline()).await.unwrap();
    assert!(matches!(exit, Exit::Code(0 | 1)), "{exit}: {stderr}");
    serde_json::from_str(&stdout).unwrap_or_else(|error| panic!("{error}: {stdout}{stderr}"))
}

/// Everything that must be zero when nothing went wrong.
fn assert_whole(report: &Value) {
    let faults = [
        "lost",
        "doubled",
        "reordered",
        "unexpected",
        "state_breaks",
        "server_gaps",
        "server_doubles",
        "closed",
        "dials_failed",
    ];
    for fault in faults {
        assert_eq!(report[fault], 0, "{fault}: {report:#}");
    }
    assert!(report["sent"].as_u64() > Some(0), "{report:#}");
    assert_eq!(report["sent"], report["answered"], "{report:#}");
}

#[test]
fn the_sdk_passes_its_own_tests() {
    if !has_node() {
        return;
    }
    let golden = root().join("docs/formats/golden");
    let command = format!(
        "ATLAS_GOLDEN='{}' node --test --test-timeout=60000 --test-force-exit build/test/*.test.js",
        golden.display()
    );
    crate::workshop::run(&sdk(), &command);
}

#[tokio::test]
async fn players_cross_between_typescript_servers_and_nothing_is_lost() {
    if !has_node() {
        return;
    }
    let world = World::start().await;
    let report = world.play("60", "8s", "cross").await;
    assert_whole(&report);
    let moves = metric(
        &world.node,
        "atlas_edge_transfers_total",
        "outcome=\"done\"",
    )
    .await;
    assert!(moves >= 60.0, "{moves} moves of 60 players in 8 s");
    let servers = world.node.admin().unwrap();
    for server in servers
        .get_json("/servers", deadline())
        .await
        .unwrap()
        .as_array()
        .unwrap()
    {
        assert_eq!(server["link"], "cooperative", "{server}");
    }
    for process in [&world.west, &world.east] {
        assert_eq!(process.stderr(), "");
    }
}

#[tokio::test]
async fn the_same_server_plays_without_an_edge() {
    if !has_node() {
        return;
    }
    let (folder, port) = (sdk(), free_port());
    let command = format!("node build/examples/arena.js --port {port}");
    let _server = listening(&folder, &command, port).await;
    assert_whole(&load(&format!("ws://127.0.0.1:{port}"), "20", "2s", "walk").await);
}

#[tokio::test]
async fn beyond_loopback_the_example_wants_a_token() {
    if !has_node() {
        return;
    }
    let command = "node build/examples/arena.js --host 0.0.0.0 --port 0";
    let mut server = shell(&sdk(), command, &[]);
    assert_eq!(server.wait(deadline()).await.unwrap(), Exit::Code(1));
    assert!(
        server.stderr().contains("link token"),
        "{}",
        server.stderr()
    );
}

#[tokio::test]
async fn players_of_a_killed_typescript_server_stay_connected() {
    if !has_node() {
        return;
    }
    let mut world = World::start().await;
    let playing = async { world.node.listener("edge").unwrap() }.await;
    let url = format!("ws://{playing}");
    let game = load(&url, "40", "8s", "still");
    let killing = async {
        let admin = world.node.admin().unwrap();
        let all = || async { admin.get_json("/servers", deadline()).await.unwrap() };
        let mut west = 0;
        while west < 5 {
            let servers = all().await;
            let players: Vec<u64> = (0..2)
                .filter_map(|at| servers[at]["sessions"].as_u64())
                .collect();
            west = if players.iter().sum::<u64>() == 40 {
                players[0]
            } else {
                0
            };
        }
        world.west.kill().unwrap();
    };
    let (report, ()) = tokio::join!(game, killing);
    assert_eq!(report["closed"], 0, "{report:#}");
    if report["answered"] != report["sent"] {
        let metrics = world
            .node
            .admin()
            .unwrap()
            .get("/metrics", deadline())
            .await;
        panic!(
            "{report:#}\n{}\n{}",
            metrics.unwrap().text(),
            world.node.stderr()
        );
    }
}
