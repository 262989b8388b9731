//! Reloads without end under players who go on talking.

use std::time::{Duration, Instant};

use atlas_testkit::{Signal, eventually};

use crate::extent::Extent;
use crate::players::Players;
use crate::world::{World, configuration, until};

/// How much larger the edge may be at the end than it was after its first reloads.
const GROWTH_BYTES_MAX: u64 = 8 << 20;

#[tokio::test]
async fn reloads_close_nobody_and_cost_no_memory() {
    let extent = Extent::or(8, 100);
    // The long form is one every four seconds, for five minutes.
    let pause = if extent.seconds >= 60 {
        Duration::from_secs(4)
    } else {
        Duration::from_millis(800)
    };
    let mut world = World::start("balance = \"least-connections\"").await;
    let (clients, duration) = (
        extent.clients.to_string(),
        format!("{}s", extent.seconds + 2),
    );
    let mut players = Players::start(
        &world,
        &[
            "--clients",
            &clients,
            "--move",
            "walk",
            "--rate",
            "4",
            "--duration",
            &duration,
        ],
    );
    let begun = Instant::now();
    let (mut reloads, mut first) = (0_u32, None);
    let (mut memory, mut highest) = (0, 0);
    while begun.elapsed() < extent.span() {
        until(begun + pause * (reloads + 1)).await;
        // Something is another each time: rules, limits, weights, health.
        let turn = reloads % 2;
        let keys = format!(
            "balance = \"{}\"\nhealth = {{ interval = \"{}s\" }}\ntransfer = {{ hysteresis = {} }}",
            ["round-robin", "least-connections"][turn as usize],
            turn + 1,
            20 + turn,
        );
        let file = configuration(&keys, &world.servers);
        std::fs::write(world.edge.dir().join("atlas.toml"), file).unwrap();
        world.edge.signal(Signal::HUP).unwrap();
        reloads += 1;
        eventually(crate::world::deadline(), "the reload's word", || {
            let log = world.edge.stderr();
            log.matches("reloaded").count() >= reloads as usize
        })
        .await
        .unwrap();
        memory = world.memory();
        highest = highest.max(memory);
        // The first turns fill what is kept for reuse.
        if reloads == 4 || first.is_none() {
            first = Some(memory);
        }
        assert!(players.play(), "the players have left");
    }
    let report = players.report(&extent).await;
    world.emptied().await;
    let first = first.unwrap();
    println!(
        "{reloads} reloads under {} players in {} s: {} closed, {} messages, {} lost; memory {} KiB after the fourth, \
         {} KiB at the end, {} KiB at its highest",
        report.connected,
        extent.seconds,
        report.closed,
        report.sent,
        report.lost,
        first >> 10,
        memory >> 10,
        highest >> 10,
    );
    assert!(report.is_clean(), "{report:#?}");
    assert!(
        highest <= first + GROWTH_BYTES_MAX,
        "{highest} bytes, {first} after the fourth"
    );
}
