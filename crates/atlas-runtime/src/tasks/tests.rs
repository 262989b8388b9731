use std::{future::pending, io, time::Duration};

use super::*;

const LONG: Duration = Duration::from_secs(3600);

fn tasks() -> Tasks {
    Tasks::new(Shutdown::new())
}

#[tokio::test(start_paused = true)]
async fn a_drain_waits_for_services_and_drops_chores() {
    let tasks = tasks();
    let shutdown = tasks.shutdown().clone();
    tasks.spawn(Kind::SERVICE, "service", async move {
        shutdown.draining().await;
        tokio::time::sleep(Duration::from_secs(5)).await;
        Ok::<_, io::Error>(())
    });
    tasks.spawn(Kind::CHORE, "chore", pending::<Result<(), io::Error>>());
    assert_eq!(tasks.names(), ["service", "chore"]);
    let begun = tokio::time::Instant::now();
    tasks.drain(LONG).await.unwrap();
    assert_eq!(begun.elapsed(), Duration::from_secs(5));
    assert!(tasks.names().is_empty());
    assert!(tasks.failure().is_none());
}

#[tokio::test(start_paused = true)]
async fn a_drain_says_what_did_not_end() {
    let tasks = tasks();
    tasks.spawn(Kind::SERVICE, "stuck", pending::<Result<(), io::Error>>());
    let error = tasks.drain(Duration::from_secs(9)).await.unwrap_err();
    assert_eq!(error.to_string(), "not everything ended within 9s: stuck");
}

#[tokio::test(start_paused = true)]
async fn a_second_request_ends_the_drain_at_once() {
    let tasks = tasks();
    tasks.spawn(Kind::SERVICE, "stuck", pending::<Result<(), io::Error>>());
    let shutdown = tasks.shutdown().clone();
    let begun = tokio::time::Instant::now();
    tokio::spawn(async move {
        tokio::time::sleep(Duration::from_secs(2)).await;
        shutdown.request("test");
    });
    assert!(matches!(tasks.drain(LONG).await, Err(Error::Drain { .. })));
    assert_eq!(begun.elapsed(), Duration::from_secs(2));
}

#[tokio::test(start_paused = true)]
async fn failures_and_panics_stop_or_are_logged() {
    type Case = (Kind, fn() -> Result<(), io::Error>, Option<&'static str>);
    let cases: [Case; 4] = [
        (
            Kind::SERVICE,
            || Err(io::Error::other("no disk")),
            Some("no disk"),
        ),
        (
            Kind::SERVICE,
            || panic!("slipped"),
            Some("panicked: slipped"),
        ),
        (Kind::CHORE, || Err(io::Error::other("no disk")), None),
        (Kind::CHORE, || panic!("slipped"), None),
    ];
    for (kind, outcome, expected) in cases {
        for thread in [false, true] {
            let tasks = tasks();
            if thread {
                tasks.thread(kind, "task", outcome).unwrap();
            } else {
                tasks.spawn(kind, "task", async move { outcome() });
            }
            let mut running = tasks.0.running.subscribe();
            running.wait_for(|count| *count == 0).await.unwrap();
            // A thread that nobody waits for is not counted: its end shows in the names.
            while !tasks.names().is_empty() {
                tokio::task::yield_now().await;
            }
            let failure = tasks.failure();
            assert_eq!(tasks.shutdown().is_draining(), expected.is_some());
            match (failure, expected) {
                (None, None) => {}
                (Some(Error::Task { name, source }), Some(text)) => {
                    assert_eq!((name.as_str(), source.to_string().as_str()), ("task", text));
                }
                (failure, _) => panic!("{kind:?}: {failure:?}"),
            }
        }
    }
}
