//! The load client against servers that are well, and against forged ones: it must find what they do.

use std::sync::Mutex;
use std::time::Duration;

use atlas_demo::Movement;
use atlas_demo::load::{Options, Report, run};
use atlas_testkit::{Deadline, GameServer, GameServerBuilder, Received, eventually_async};
use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;

use crate::house::{House, named};

async fn load(url: String, verify: bool) -> Report {
    let options = Options {
        url,
        clients: 8,
        rate_hz: 50.0,
        message_bytes: 100,
        movement: Movement::Cross,
        verify,
        duration: Duration::from_millis(600),
        spread: Some(Duration::from_millis(100)),
        settle_timeout: Duration::from_millis(500),
        ..Options::default()
    };
    let mut shown = 0;
    let report = run(options, |_| shown += 1, std::future::pending())
        .await
        .unwrap();
    assert!(shown >= 1, "progress is told");
    report
}

#[tokio::test]
async fn a_sound_server_gives_a_clean_report() {
    let house = House::open(named("west")).await;
    let report = load(house.url(), true).await;
    assert!(report.is_clean(), "{report:#?}");
    assert!(report.sent >= 8 * 20, "{}", report.sent);
    assert_eq!(
        (
            report.sent,
            report.connected,
            report.reconnects,
            report.server_changes
        ),
        (report.answered, 8, 0, 0)
    );
    assert_eq!(
        (report.answer_ms.count, report.switch_gap_ms.count),
        (report.sent, 0)
    );
    assert!(report.answer_ms.p50 > 0.0 && report.answer_ms.p50 <= report.answer_ms.p99);
    assert!(
        report.answer_ms.p99 <= report.answer_ms.p999
            && report.answer_ms.p999 <= report.answer_ms.max
    );
    assert_eq!(house.stats().await.answers, report.sent);
    let text = serde_json::to_string(&report).unwrap();
    assert_eq!(serde_json::from_str::<Report>(&text).unwrap(), report);
    house.close().await;
}

#[tokio::test]
async fn an_echo_server_will_do() {
    let echo = GameServer::echo().await.unwrap();
    for verify in [false, true] {
        let report = load(echo.url(), verify).await;
        assert!(
            report.is_clean() && report.answered > 100,
            "verify {verify}: {report:#?}"
        );
    }
}

/// A player's book at a forged server.
#[derive(Default)]
struct Book {
    out: u64,
    held: Option<Message>,
}

/// A server that answers as the demo's does, but for what `forge` makes of an answer.
fn forged(
    forge: impl Fn(u64, &mut Value, &mut Option<Message>) -> Vec<Message> + Send + Sync + 'static,
) -> GameServerBuilder {
    let books: Mutex<std::collections::HashMap<usize, Book>> = Mutex::default();
    GameServer::builder().answer(move |connection, received| {
        let Received::Text(text) = received else {
            return Vec::new();
        };
        let message: Value = serde_json::from_str(text).unwrap();
        let Some(n) = message["n"].as_u64() else {
            return Vec::new();
        };
        let mut books = books.lock().unwrap();
        let book = books.entry(connection).or_default();
        book.out += 1;
        let mut answer =
            json!({"server": "west", "n": n, "out": book.out, "gaps": 0, "doubles": 0});
        forge(n, &mut answer, &mut book.held)
    })
}

fn text(answer: &Value) -> Message {
    Message::text(answer.to_string())
}

#[tokio::test]
async fn every_fault_of_a_server_is_found() {
    // Each forged server spoils one message of each of the 8 clients; per row what must be counted.
    type Counted = fn(&Report) -> u64;
    type Row = (&'static str, GameServerBuilder, Vec<(Counted, u64)>);
    let table: Vec<Row> = vec![
        (
            "doubles the 5th answer",
            forged(|n, answer, _| {
                if n == 5 {
                    vec![text(answer), text(answer)]
                } else {
                    vec![text(answer)]
                }
            }),
            vec![(|report| report.doubled, 8), (|report| report.lost, 0)],
        ),
        (
            "drops the 5th",
            forged(|n, answer, _| if n == 5 { vec![] } else { vec![text(answer)] }),
            vec![
                (|report| report.lost, 8),
                (|report| report.doubled, 0),
                (|report| report.state_breaks, 8),
            ],
        ),
        (
            "swaps the 5th and the 6th",
            forged(|n, answer, held| match n {
                5 => {
                    *held = Some(text(answer));
                    vec![]
                }
                6 => std::iter::once(text(answer)).chain(held.take()).collect(),
                _ => vec![text(answer)],
            }),
            vec![
                (|report| report.reordered, 8),
                (|report| report.lost, 0),
                (|report| report.doubled, 0),
            ],
        ),
        (
            "answers what was never asked",
            forged(|n, answer, _| {
                if n == 5 {
                    answer["n"] = json!(9_999_999);
                }
                vec![text(answer)]
            }),
            vec![(|report| report.unexpected, 8), (|report| report.lost, 8)],
        ),
        (
            "loses the state at the 5th",
            forged(|n, answer, _| {
                if n >= 5 {
                    answer["out"] = json!(n - 4);
                }
                vec![text(answer)]
            }),
            vec![(|report| report.state_breaks, 8), (|report| report.lost, 0)],
        ),
        (
            "says that it missed two",
            forged(|n, answer, _| {
                if n >= 5 {
                    answer["gaps"] = json!(2);
                }
                vec![text(answer)]
            }),
            vec![(|report| report.server_gaps, 16), (|report| report.lost, 0)],
        ),
        (
            "closes after the 5th",
            forged(|n, answer, _| {
                let close = Message::Close(Some(CloseFrame {
                    code: 1012.into(),
                    reason: "enough".into(),
                }));
                if n == 5 {
                    vec![text(answer), close]
                } else {
                    vec![text(answer)]
                }
            }),
            vec![
                (|report| report.closed, 8),
                (
                    |report| report.closed_by_code.get(&1012).copied().unwrap_or(0),
                    8,
                ),
                (|report| report.reconnects, 0),
            ],
        ),
        (
            "refuses every upgrade",
            GameServer::builder().refuse(503),
            vec![
                (|report| report.dials_failed, 8),
                (|report| report.connected, 0),
                (|report| report.sent, 0),
            ],
        ),
    ];
    let rows = table.into_iter().map(async |(name, server, expected)| {
        let server = server.start().await.unwrap();
        (name, load(server.url(), true).await, expected)
    });
    for (name, report, expected) in futures_util::future::join_all(rows).await {
        assert!(!report.is_clean(), "{name}: {report:#?}");
        for (place, (counted, value)) in expected.into_iter().enumerate() {
            assert_eq!(
                counted(&report),
                value,
                "{name}: count {place} of {report:#?}"
            );
        }
    }
}

#[tokio::test]
async fn a_change_of_servers_is_seen_and_timed() {
    let server = forged(|n, answer, _| {
        if n >= 5 {
            answer["server"] = json!("east");
        }
        vec![text(answer)]
    });
    let server = server.start().await.unwrap();
    let report = load(server.url(), true).await;
    assert!(report.is_clean(), "{report:#?}");
    assert_eq!(
        (
            report.server_changes,
            report.switch_gap_ms.count,
            report.switch_answer_ms.count
        ),
        (8, 8, 8)
    );
    assert!(
        report.switch_gap_ms.p50 > report.switch_answer_ms.p50,
        "the gap has the client's interval in it"
    );
}

#[tokio::test]
async fn a_server_that_reads_nothing_cannot_hold_the_run_up() {
    let server = GameServer::echo().await.unwrap();
    server.read(false);
    let options = Options {
        url: server.url(),
        clients: 2,
        rate_hz: 1000.0,
        message_bytes: 100_000,
        verify: true,
        duration: Duration::from_millis(500),
        spread: Some(Duration::ZERO),
        settle_timeout: Duration::from_millis(200),
        ..Options::default()
    };
    let run = run(options, |_| {}, std::future::pending());
    let report = Deadline::seconds(10)
        .limit("the run's end", run)
        .await
        .unwrap()
        .unwrap();
    assert!(report.sent > 0 && report.answered == 0, "{report:#?}");
    assert_eq!(report.lost, report.sent);
    assert!(
        report.sent < 2 * 500,
        "a full socket holds the client up: {}",
        report.sent
    );
}

#[tokio::test]
async fn a_run_that_is_stopped_settles_and_reports() {
    let house = House::open(named("west")).await;
    let options = Options {
        url: house.url(),
        clients: 4,
        rate_hz: 100.0,
        verify: true,
        duration: Duration::from_secs(3600),
        spread: Some(Duration::ZERO),
        ..Options::default()
    };
    let stop = async {
        let enough = async || (house.stats().await.answers > 100).then_some(());
        eventually_async(Deadline::seconds(10), "a hundred answers", enough)
            .await
            .unwrap();
    };
    let report = run(options, |_| {}, stop).await.unwrap();
    assert!(
        report.is_clean() && report.sent > 100 && report.total_s < 20.0,
        "{report:#?}"
    );
    house.close().await;
}

#[tokio::test]
async fn what_makes_no_sense_is_refused() {
    let table = [
        (
            Options {
                clients: 0,
                ..Options::default()
            },
            "clients is 0",
        ),
        (
            Options {
                rate_hz: 0.0,
                ..Options::default()
            },
            "rate is 0",
        ),
        (
            Options {
                rate_hz: f64::NAN,
                ..Options::default()
            },
            "rate is NaN",
        ),
        (
            Options {
                message_bytes: 1 << 21,
                ..Options::default()
            },
            "size is 2097152",
        ),
        (
            Options {
                url: "http://127.0.0.1:1/".to_owned(),
                ..Options::default()
            },
            "cannot dial",
        ),
        (
            Options {
                url: "wss://127.0.0.1:1/".to_owned(),
                ..Options::default()
            },
            "cannot dial",
        ),
        (
            Options {
                url: "127.0.0.1:1".to_owned(),
                ..Options::default()
            },
            "cannot dial",
        ),
    ];
    for (options, expected) in table {
        let error = run(options, |_| {}, std::future::pending())
            .await
            .unwrap_err()
            .to_string();
        assert!(error.contains(expected), "{error} does not say {expected}");
    }
}
