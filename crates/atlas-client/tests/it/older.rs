//! Servers that speak only RESP2.

use atlas_base::Secret;
use atlas_client::{Client, Config, Event};

use crate::fake::{Act, Fake};
use crate::{bulk, config, get};

fn older(greeting: &'static str) -> Fake {
    let mut fake = Fake::new(|_, words| match words[0].as_str() {
        "AUTH" | "SELECT" | "CLIENT" => Act::Say("+OK\r\n"),
        "SUBSCRIBE" => Act::Say(concat!(
            "*3\r\n$9\r\nsubscribe\r\n$1\r\na\r\n:1\r\n",
            "*3\r\n$7\r\nmessage\r\n$1\r\na\r\n$1\r\nm\r\n"
        )),
        _ => Act::Echo,
    });
    fake.greeting = greeting;
    fake
}

#[tokio::test]
async fn a_server_that_knows_no_greeting_is_spoken_to_as_before() {
    for greeting in [
        "-ERR unknown command 'HELLO', with args beginning with: '3' \r\n",
        "-NOPROTO unsupported protocol version\r\n",
    ] {
        let fake = older(greeting);
        let config = Config {
            user: Some("ann".into()),
            password: Some(Secret::new("secret".into())),
            name: Some("atlas".into()),
            database: 2,
            ..config()
        };
        let client = Client::new(config, fake.clone()).unwrap();
        assert_eq!(client.call(&get("k")).await.unwrap(), bulk("k"));
        let seen: Vec<String> = fake.seen().iter().map(|words| words.join(" ")).collect();
        assert_eq!(
            seen,
            [
                "AUTH ann secret",
                "CLIENT SETNAME atlas",
                "SELECT 2",
                "GET k"
            ]
        );
    }
}

#[tokio::test]
async fn any_other_refusal_of_the_greeting_is_final() {
    let fake = older("-ERR max number of clients reached\r\n");
    let client = Client::new(config(), fake.clone()).unwrap();
    let error = client.call(&get("k")).await.unwrap_err();
    assert!(error.refusal().is_some(), "{error:?}");
    assert_eq!(fake.connections().len(), 1);
}

#[tokio::test]
async fn messages_that_come_as_arrays_are_heard() {
    let fake = older("-NOPROTO unsupported protocol version\r\n");
    let client = Client::new(config(), fake).unwrap();
    let mut subscriber = client.subscriber();
    subscriber.subscribe("a");
    assert_eq!(
        subscriber.next().await.unwrap(),
        Event::Subscribed { gap: false }
    );
    let message = Event::Message {
        channel: b"a".to_vec(),
        pattern: None,
        payload: b"m".to_vec(),
    };
    assert_eq!(subscriber.next().await.unwrap(), message);
}
