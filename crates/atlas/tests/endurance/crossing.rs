//! Players who cross borders all the time lose nothing and notice nothing.

use crate::extent::Extent;
use crate::players::Players;
use crate::world::World;

#[tokio::test]
async fn players_who_cross_borders_lose_nothing() {
    let extent = Extent::or(6, 60);
    let world = World::start("").await;
    let (clients, duration) = (extent.clients.to_string(), format!("{}s", extent.seconds));
    let seed = extent.seed.to_string();
    let players = Players::start(
        &world,
        &[
            "--clients",
            &clients,
            "--move",
            "cross",
            "--rate",
            "20",
            "--duration",
            &duration,
            "--seed",
            &seed,
        ],
    );
    let report = players.report(&extent).await;
    world.emptied().await;
    let metrics = world.metrics().await;
    let transfers = |outcome: &str| {
        metrics.sum(
            "atlas_edge_transfers_total",
            &[&format!("outcome=\"{outcome}\"")],
        )
    };
    let done = transfers("done");
    println!(
        "{} clients for {} s: {} messages, {done} transfers ({} aborted, {} failed), {} lost, {} doubled, {} reordered, \
         {} closed; first answer after a switch p50 {:.2} ms, p99 {:.2} ms, longest {:.2} ms; answers p99 {:.2} ms",
        report.connected,
        extent.seconds,
        report.sent,
        transfers("aborted"),
        transfers("failed"),
        report.lost,
        report.doubled,
        report.reordered,
        report.closed,
        report.switch_answer_ms.p50,
        report.switch_answer_ms.p99,
        report.switch_answer_ms.max,
        report.answer_ms.p99,
    );
    assert!(report.is_clean(), "{report:#?}");
    assert_eq!((report.accounts.missing, report.accounts.unsettled), (0, 0));
    // A border about every two and a half seconds; a good part of that must be seen.
    let least = u64::from(extent.clients) * extent.seconds / 15;
    assert!(done >= least, "{done} transfers, {least} expected");
    if extent.long {
        assert!(
            report.switch_answer_ms.p99 <= 20.0,
            "{:?}",
            report.switch_answer_ms
        );
    }
}
