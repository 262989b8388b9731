//! Connections that break, servers that hang, and what is and is not sent again.

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use atlas_client::{Client, Command, Config, Error, Value};
use atlas_testkit::{Deadline, eventually};
use tokio::time::Instant;

use crate::fake::{Act, Fake};
use crate::{bulk, config, get, ok};

fn client(fake: &Fake, config: Config) -> Client {
    Client::new(config, fake.clone()).unwrap()
}

/// Closes under the first command of a name, answers the others.
fn closes_once(name: &'static str) -> Fake {
    let times = AtomicU32::new(0);
    Fake::new(move |_, words| {
        if words[0] == name && times.fetch_add(1, Ordering::Relaxed) == 0 {
            Act::Close
        } else {
            Act::Echo
        }
    })
}

#[tokio::test]
async fn a_command_whose_connection_broke_under_it_is_not_sent_again() {
    let fake = closes_once("INCR");
    let client = client(&fake, config());
    let incr = Command::new("INCR").key("n");
    let error = client.call(&incr).await.unwrap_err();
    assert!(matches!(error, Error::OutcomeUnknown { .. }), "{error:?}");
    assert!(error.is_outcome_unknown());
    assert_eq!(fake.seen(), [["INCR", "n"]]);
    // The next one gets a new connection.
    assert_eq!(client.call(&incr).await.unwrap(), bulk("n"));
    assert_eq!(fake.connections().len(), 2);
}

#[tokio::test]
async fn a_command_that_may_be_done_twice_is_sent_again() {
    let fake = closes_once("GET");
    let client = client(&fake, config());
    assert_eq!(client.call(&get("k")).await.unwrap(), bulk("k"));
    assert_eq!(fake.seen(), [["GET", "k"], ["GET", "k"]]);
}

#[tokio::test]
async fn a_pipeline_is_sent_again_only_if_all_of_it_may_be() {
    let fake = closes_once("GET");
    let mixed = [get("k"), Command::new("INCR").key("k")];
    let error = client(&fake, config()).pipeline(&mixed).await.unwrap_err();
    assert!(error.is_outcome_unknown());

    let fake = closes_once("GET");
    let answers = client(&fake, config())
        .pipeline(&[get("a"), get("b")])
        .await
        .unwrap();
    assert_eq!(answers, [Ok(bulk("a")), Ok(bulk("b"))]);
}

/// A pipe of 64 bytes: the first command fills it, so that the system never sees a byte of the second.
#[tokio::test]
async fn what_was_not_handed_to_the_system_is_sent_again() {
    let times = AtomicU32::new(0);
    let mut fake = Fake::new(move |_, _| match times.fetch_add(1, Ordering::Relaxed) {
        0 => Act::Freeze,
        _ => Act::Echo,
    });
    fake.pipe_bytes = 64;
    let client = client(&fake, config());
    let frozen = tokio::spawn({
        let client = client.clone();
        async move { client.call(&Command::new("PING")).await }
    });
    eventually(Deadline::seconds(10), "the first command", || {
        fake.seen().len() == 1
    })
    .await
    .unwrap();
    let large = tokio::spawn({
        let client = client.clone();
        async move {
            client
                .call(&Command::new("SET").key("k").arg("x".repeat(1000)))
                .await
        }
    });
    tokio::task::yield_now().await;
    let behind = tokio::spawn({
        let client = client.clone();
        async move { client.call(&Command::new("INCR").key("n")).await }
    });
    // Both are taken from the queue as soon as their tasks have run; this runtime has one thread.
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
    fake.thaw.notify_one();
    assert!(frozen.await.unwrap().unwrap_err().is_outcome_unknown());
    let error = large.await.unwrap().unwrap_err();
    assert!(
        error.is_outcome_unknown(),
        "a part of it was sent: {error:?}"
    );
    assert_eq!(behind.await.unwrap().unwrap(), bulk("n"));
    let incremented = fake
        .seen()
        .iter()
        .filter(|words| words[0] == "INCR")
        .count();
    assert_eq!(incremented, 1);
}

#[tokio::test(start_paused = true)]
async fn a_server_that_hangs_is_given_up_and_asked_anew() {
    let times = AtomicU32::new(0);
    let fake = Fake::new(move |_, _| match times.fetch_add(1, Ordering::Relaxed) {
        0 => Act::Freeze,
        _ => Act::Echo,
    });
    let client = client(&fake, config());
    let began = Instant::now();
    let error = client.call(&get("a")).await.unwrap_err();
    assert!(error.is_outcome_unknown(), "{error:?}");
    assert_eq!(
        began.elapsed().as_secs(),
        config().response_timeout.as_secs()
    );
    assert_eq!(client.call(&get("b")).await.unwrap(), bulk("b"));
    assert_eq!(fake.connections().len(), 2);
}

#[tokio::test(start_paused = true)]
async fn commands_on_their_way_are_bounded_and_more_wait() {
    let fake = Fake::new(|_, _| Act::Ignore);
    let config = Config {
        in_flight_max: 2,
        ..config()
    };
    let client = client(&fake, config);
    let calls: Vec<_> = ["a", "b"]
        .map(|key| {
            let client = client.clone();
            tokio::spawn(async move { client.call(&Command::new("INCR").key(key)).await })
        })
        .into();
    tokio::time::sleep(Duration::from_secs(1)).await;
    // The others' time ends first, and with it their connection: no byte of this one was sent.
    let third = Command::new("INCR").key("c");
    let waited = tokio::time::timeout(Duration::from_secs(3), client.call(&third)).await;
    assert!(waited.is_err(), "there was no room for it");
    for call in calls {
        assert!(call.await.unwrap().unwrap_err().is_outcome_unknown());
    }
    assert_eq!(fake.seen(), [["INCR", "a"], ["INCR", "b"]]);
}

#[tokio::test(start_paused = true)]
async fn bytes_on_their_way_are_bounded_and_a_request_too() {
    let fake = Fake::new(|_, words| match words[1].as_str() {
        "big" => Act::Ignore,
        _ => Act::Echo,
    });
    let config = Config {
        request_bytes_max: 1000,
        ..config()
    };
    let client = client(&fake, config);
    let set = |key: &str, length| Command::new("SET").key(key).arg("x".repeat(length));
    let error = client.call(&set("k", 1000)).await.unwrap_err();
    assert!(
        matches!(
            error,
            Error::TooLarge {
                request_bytes_max: 1000,
                ..
            }
        ),
        "{error:?}"
    );
    let big = tokio::spawn({
        let (client, command) = (client.clone(), set("big", 900));
        async move { client.call(&command).await }
    });
    tokio::time::sleep(Duration::from_secs(1)).await;
    let second = set("k", 200);
    let waited = tokio::time::timeout(Duration::from_secs(1), client.call(&second)).await;
    assert!(waited.is_err(), "there was no room for it");
    assert_eq!(fake.seen().len(), 1);
    assert!(big.await.unwrap().unwrap_err().is_outcome_unknown());
    assert!(client.call(&set("k", 200)).await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn whoever_gives_up_takes_nobody_s_answer() {
    let fake = Fake::new(|_, words| match words[1].as_str() {
        "slow" => Act::Say(""),
        "slow-answer" => Act::Say("+slow\r\n+answer\r\n"),
        _ => Act::Echo,
    });
    let client = client(&fake, config());
    let (slow, other) = (get("slow"), get("slow-answer"));
    let given_up = tokio::time::timeout(Duration::from_millis(10), client.call(&slow)).await;
    assert!(given_up.is_err());
    // The first value belongs to the one that nobody waits for.
    assert_eq!(
        client.call(&other).await.unwrap(),
        Value::Simple(b"answer".to_vec())
    );
    assert_eq!(client.call(&get("k")).await.unwrap(), bulk("k"));
    assert_eq!(fake.connections().len(), 1);
}

#[tokio::test]
async fn an_answer_that_is_not_understood_ends_the_connection() {
    for (answer, malformed) in [("what?\r\n", true), ("+one\r\n+too many\r\n", false)] {
        let fake = Fake::new(move |_, words| match words[0].as_str() {
            "GET" => Act::Say(answer),
            _ => Act::Echo,
        });
        let client = client(&fake, config());
        let result = client.call(&get("k")).await;
        assert_eq!(
            matches!(result, Err(Error::Malformed { .. })),
            malformed,
            "{result:?}"
        );
        assert_eq!(
            client.call(&Command::new("ECHO").arg("x")).await.unwrap(),
            bulk("x")
        );
        assert_eq!(fake.connections().len(), 2, "{answer:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_server_that_loads_is_waited_for() {
    let times = AtomicU32::new(0);
    let fake = Fake::new(move |_, _| match times.fetch_add(1, Ordering::Relaxed) {
        0..3 => Act::Say("-LOADING Redis is loading the dataset in memory\r\n"),
        _ => Act::Say("+OK\r\n"),
    });
    let incr = Command::new("INCR").key("n");
    assert_eq!(client(&fake, config()).call(&incr).await.unwrap(), ok());
    assert_eq!(fake.seen().len(), 4);

    let fake = Fake::new(|_, _| Act::Say("-LOADING for ever\r\n"));
    let error = client(&fake, config()).call(&incr).await.unwrap_err();
    assert_eq!(error.refusal().unwrap().code(), "LOADING");
}

#[tokio::test(start_paused = true)]
async fn pauses_between_attempts_to_connect_grow_and_end_with_success() {
    let fake = Fake::new(|_, _| Act::Echo);
    let client = client(&fake, config());
    fake.refuse(5);
    assert_eq!(client.call(&get("k")).await.unwrap(), bulk("k"));
    assert_eq!(fake.connections().len(), 6);

    let fake = Fake::new(|_, _| Act::Echo);
    let client = self::client(&fake, config());
    fake.refuse(usize::from(u16::MAX));
    let began = Instant::now();
    // Many callers do not try more often than one.
    let calls: Vec<_> = (0..100)
        .map(|_| {
            let client = client.clone();
            tokio::spawn(async move { client.call(&get("k")).await })
        })
        .collect();
    for call in calls {
        let error = call.await.unwrap().unwrap_err();
        assert!(matches!(error, Error::Connect { .. }), "{error:?}");
    }
    assert!(began.elapsed() <= config().response_timeout);
    let attempts = fake.connections().len();
    assert!(
        (5..30).contains(&attempts),
        "{attempts} attempts in five seconds"
    );
}

#[tokio::test]
async fn connections_close_when_the_client_is_dropped() {
    let fake = Fake::new(|_, _| Act::Echo);
    let client = client(&fake, config());
    assert!(client.call(&get("k")).await.is_ok());
    let metrics = tokio::runtime::Handle::current().metrics();
    assert_eq!(metrics.num_alive_tasks(), 2);
    drop(client);
    // Ours ends, and the server sees the end of the stream.
    eventually(Deadline::seconds(10), "the end of both sides", || {
        metrics.num_alive_tasks() == 0
    })
    .await
    .unwrap();
}
