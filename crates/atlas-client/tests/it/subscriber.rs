//! Messages.

use std::time::Duration;

use atlas_client::{Client, Command, Config, Event};
use atlas_testkit::Deadline;

use crate::fake::{Act, Fake};
use crate::{config, redis};

fn message(channel: &str, pattern: Option<&str>, payload: &str) -> Event {
    Event::Message {
        channel: channel.into(),
        pattern: pattern.map(Into::into),
        payload: payload.into(),
    }
}

async fn publish(client: &Client, channel: &str, payload: &str) {
    let publish = Command::new("PUBLISH").arg(channel).arg(payload);
    client.call(&publish).await.unwrap();
}

#[tokio::test]
async fn messages_of_channels_and_patterns_are_heard() {
    let Some((_redis, client)) = redis(&[]) else {
        return;
    };
    let mut subscriber = client.subscriber();
    subscriber.subscribe("a");
    subscriber.subscribe_pattern("b*");
    let deadline = Deadline::seconds(10);
    let mut next = async || {
        deadline
            .limit("an event", subscriber.next())
            .await
            .unwrap()
            .unwrap()
    };
    assert_eq!(next().await, Event::Subscribed { gap: false });
    publish(&client, "a", "1").await;
    publish(&client, "x", "2").await;
    publish(&client, "bb", "3").await;
    assert_eq!(next().await, message("a", None, "1"));
    assert_eq!(next().await, message("bb", Some("b*"), "3"));

    // Added and given up while it listens.
    subscriber.subscribe("c");
    subscriber.unsubscribe(b"a");
    let mut next = async || {
        deadline
            .limit("an event", subscriber.next())
            .await
            .unwrap()
            .unwrap()
    };
    assert_eq!(next().await, Event::Subscribed { gap: false });
    publish(&client, "a", "4").await;
    publish(&client, "c", "5").await;
    let heard = next().await;
    // `UNSUBSCRIBE` comes behind `SUBSCRIBE`; the message may have been quicker.
    if heard != message("c", None, "5") {
        assert_eq!(heard, message("a", None, "4"));
        assert_eq!(next().await, message("c", None, "5"));
    }
}

#[tokio::test]
async fn a_restart_is_told_as_a_gap() {
    let Some((mut redis, client)) = redis(&[]) else {
        return;
    };
    let mut subscriber = client.subscriber();
    subscriber.subscribe("a");
    subscriber.subscribe_pattern("b*");
    let deadline = Deadline::seconds(20);
    let mut next = async || {
        deadline
            .limit("an event", subscriber.next())
            .await
            .unwrap()
            .unwrap()
    };
    assert_eq!(next().await, Event::Subscribed { gap: false });
    redis.stop();
    redis.start_again();
    assert_eq!(next().await, Event::Subscribed { gap: true });
    publish(&client, "a", "1").await;
    publish(&client, "b", "2").await;
    assert_eq!(next().await, message("a", None, "1"));
    assert_eq!(next().await, message("b", Some("b*"), "2"));
}

/// A call of `next` that is dropped, wherever it was, loses nothing.
#[tokio::test]
async fn next_may_be_dropped_at_any_time() {
    let Some((_redis, client)) = redis(&[]) else {
        return;
    };
    let mut subscriber = client.subscriber();
    subscriber.subscribe("a");
    let deadline = Deadline::seconds(20);
    let first = deadline
        .limit("an event", subscriber.next())
        .await
        .unwrap()
        .unwrap();
    assert_eq!(first, Event::Subscribed { gap: false });
    let publisher = tokio::spawn(async move {
        for number in 0..200 {
            publish(&client, "a", &number.to_string()).await;
        }
    });
    let mut heard = Vec::new();
    let mut dropped = 0;
    let hearing = async {
        while heard.len() < 200 {
            tokio::select! {
                biased;
                event = subscriber.next() => heard.push(event.unwrap()),
                () = tokio::task::yield_now() => dropped += 1,
            }
        }
    };
    deadline.limit("all messages", hearing).await.unwrap();
    publisher.await.unwrap();
    let expected: Vec<Event> = (0..200)
        .map(|number| message("a", None, &number.to_string()))
        .collect();
    assert_eq!(heard, expected);
    assert!(dropped > 0);
}

#[tokio::test(start_paused = true)]
async fn a_server_that_is_gone_without_a_word_is_noticed() {
    let fake = Fake::new(|_, words| match words[0].as_str() {
        "SUBSCRIBE" => Act::Say(">3\r\n$9\r\nsubscribe\r\n$1\r\na\r\n:1\r\n"),
        _ => Act::Ignore,
    });
    let config = Config {
        ping_interval: Duration::from_secs(7),
        ..config()
    };
    let client = Client::new(config, fake.clone()).unwrap();
    let mut subscriber = client.subscriber();
    subscriber.subscribe("a");
    assert_eq!(
        subscriber.next().await.unwrap(),
        Event::Subscribed { gap: false }
    );
    let began = tokio::time::Instant::now();
    assert_eq!(
        subscriber.next().await.unwrap(),
        Event::Subscribed { gap: true }
    );
    assert_eq!(began.elapsed().as_secs(), 14);
    assert_eq!(
        fake.seen(),
        [vec!["SUBSCRIBE", "a"], vec!["PING"], vec!["SUBSCRIBE", "a"]]
    );
}

#[tokio::test(start_paused = true)]
async fn a_server_that_answers_is_left_alone() {
    let fake = Fake::new(|_, words| match words[0].as_str() {
        "SUBSCRIBE" => Act::Say(">3\r\n$9\r\nsubscribe\r\n$1\r\na\r\n:1\r\n"),
        _ => Act::Say("+PONG\r\n"),
    });
    let client = Client::new(config(), fake.clone()).unwrap();
    let mut subscriber = client.subscriber();
    subscriber.subscribe("a");
    assert_eq!(
        subscriber.next().await.unwrap(),
        Event::Subscribed { gap: false }
    );
    let waited = tokio::time::timeout(Duration::from_secs(95), subscriber.next()).await;
    assert!(waited.is_err());
    assert_eq!(fake.connections().len(), 1);
    assert_eq!(fake.seen().len(), 1 + 9, "a question every ten seconds");
}
