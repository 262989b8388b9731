//! Players who cross borders while servers are killed, stalled and drained, and some of them stop reading.

use std::time::Duration;

use atlas_testkit::eventually_async;
use serde_json::Value;

use crate::extent::Extent;
use crate::faults::{DRAIN, DRAIN_LATE, LEASE, trouble};
use crate::ledger::Ledger;
use crate::players::Players;
use crate::world::{Random, World, deadline};

/// How long players go on after the last fault, so that every transfer ends and every last message is answered.
const CALM: Duration = Duration::from_secs(6);

#[tokio::test]
async fn what_is_lost_is_named_and_who_is_closed_is_counted() {
    let extent = Extent::or(10, 40);
    println!(
        "replay: cargo xtask chaos --seed {} --seconds {} --clients {}",
        extent.seed, extent.seconds, extent.clients
    );
    let keys = format!(
        "transfer = {{ lease = \"{}s\", min-interval = \"1s\" }}\n\
         health = {{ interval = \"500ms\" }}\nslow-client = {{ patience = \"2s\" }}",
        LEASE.as_secs()
    );
    let mut world = World::start(&keys).await;
    let stop_reading = (extent.clients / 20).max(2).to_string();
    let (clients, seed) = (extent.clients.to_string(), extent.seed.to_string());
    // The last drain may take a while; then the calm.
    let margin = DRAIN + DRAIN_LATE + CALM;
    let duration = format!("{}s", (extent.span() + margin).as_secs());
    let mut players = Players::start(
        &world,
        &[
            "--clients",
            &clients,
            "--move",
            "cross",
            "--rate",
            "10",
            "--speak",
            "both",
            "--stop-reading",
            &stop_reading,
            "--stop-for",
            "9s",
            "--duration",
            &duration,
            "--spread",
            "1s",
            "--seed",
            &seed,
        ],
    );
    eventually_async(deadline(), "all players", async || {
        (world.sessions().await.len() >= extent.clients as usize).then_some(())
    })
    .await
    .unwrap();
    let mut random = Random::new(extent.seed);
    let done = trouble(&mut world, extent.span(), &mut random).await;

    // Whatever is still under way comes to its end while the players play on.
    crate::world::until(std::time::Instant::now() + CALM / 2).await;
    let sessions = eventually_async(deadline(), "every transfer to end", async || {
        let sessions = world.sessions().await;
        let rests =
            |session: &Value| matches!(session["phase"].as_str(), Some("settled" | "preloading"));
        sessions.iter().all(rests).then_some(sessions)
    })
    .await
    .unwrap();
    assert!(players.play(), "the players left too early to be compared");
    let report = players.report(&extent).await;
    world.emptied().await;
    for server in &mut world.servers {
        server.audit().await;
    }
    let metrics = world.metrics().await;
    let acted: Vec<_> = world
        .servers
        .iter()
        .flat_map(|server| server.acted.clone())
        .collect();
    let ledger = Ledger {
        report: &report,
        sessions: &sessions,
        metrics: &metrics,
        done: &done,
        acted: &acted,
    };
    let (accounts, failovers) = (&report.accounts, ledger.transfers("failover", "done"));
    println!(
        "{} players ({} of atlas.v1) for {:.0} s: {} kills, {} stalls, {} drains",
        report.connected,
        accounts.atlas_clients,
        report.sending_s,
        done.kills,
        done.stalls,
        done.drains.len()
    );
    println!(
        "{} messages, {} transfers done, {failovers} of them failovers; {} epochs acted under",
        report.sent,
        metrics.sum("atlas_edge_transfers_total", &["outcome=\"done\""]),
        acted.len()
    );
    println!(
        "lost input: {} by the edge's count, {} missing in the states of those who stayed, {} named in {} resets; \
         {} unanswered; {} answered once more after a failover",
        metrics.sum("atlas_edge_input_lost_total", &[]),
        accounts.missing,
        accounts.lost_named,
        accounts.resets,
        report.lost,
        report.doubled,
    );
    println!("closed: {:?}", report.closed_by_reason);
    let stale: u64 = world.servers.iter().map(|server| server.acted_stale).sum();
    let faults = ledger.faults();
    if !faults.is_empty() {
        for (at, line) in &done.log {
            println!("{at} {line}");
        }
        println!("{}", world.edge.stderr());
    }
    assert!(
        faults.is_empty() && stale == 0,
        "{stale} stale acts; {}\n{:#?}",
        faults.join("\n"),
        accounts.told
    );
    assert!(
        done.kills + done.stalls > 0 || extent.seconds < 10,
        "nothing was tried"
    );
}
