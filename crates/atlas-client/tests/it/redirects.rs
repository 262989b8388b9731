//! Redirects of a made-up cluster: followed, bounded, remembered.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use atlas_client::{Address, Client, Command, Config, Error};

use crate::fake::{Act, Fake};
use crate::{bulk, config, get};

fn ports(fake: &Fake) -> Vec<u16> {
    fake.connections()
        .iter()
        .map(|address| address.port)
        .collect()
}

#[tokio::test]
async fn a_moved_slot_is_followed_and_remembered() {
    let fake = Fake::new(|address, words| match (address.port, words[0].as_str()) {
        (1, _) => Act::Say("-MOVED 12182 :2\r\n"),
        (2, "CLUSTER") => Act::Say("-ERR no map\r\n"),
        _ => Act::Echo,
    });
    let client = Client::new(config(), fake.clone()).unwrap();
    // `foo` lies in slot 12182.
    assert_eq!(client.call(&get("foo")).await.unwrap(), bulk("foo"));
    assert_eq!(client.call(&get("foo")).await.unwrap(), bulk("foo"));
    let gets = fake.seen().iter().filter(|words| words[0] == "GET").count();
    assert_eq!(gets, 3, "the second one goes there at once");
    assert_eq!(ports(&fake), [1, 2]);
    assert_eq!(
        fake.connections()[1],
        Address::new("test", 2),
        "no host stands for the same"
    );
}

#[tokio::test]
async fn asked_for_once_is_followed_once() {
    let importing = Arc::new(AtomicBool::new(true));
    let fake = Fake::new({
        let importing = Arc::clone(&importing);
        move |address, words| match (address.port, words[0].as_str()) {
            (1, _) if importing.load(Ordering::Relaxed) => Act::Say("-ASK 12182 test:2\r\n"),
            (_, "ASKING") => Act::Say("+OK\r\n"),
            _ => Act::Echo,
        }
    });
    let client = Client::new(config(), fake.clone()).unwrap();
    let incr = Command::new("INCR").key("foo");
    assert_eq!(client.call(&incr).await.unwrap(), bulk("foo"));
    assert_eq!(
        fake.seen(),
        [vec!["INCR", "foo"], vec!["ASKING"], vec!["INCR", "foo"]]
    );
    importing.store(false, Ordering::Relaxed);
    assert_eq!(client.call(&incr).await.unwrap(), bulk("foo"));
    assert_eq!(
        fake.seen().len(),
        4,
        "the next one goes to the first server"
    );
}

#[tokio::test]
async fn redirects_without_end_are_an_error() {
    let fake = Fake::new(|address, _| match address.port {
        1 => Act::Say("-MOVED 12182 test:2\r\n"),
        _ => Act::Say("-MOVED 12182 test:1\r\n"),
    });
    let client = Client::new(config(), fake.clone()).unwrap();
    let error = client.call(&get("foo")).await.unwrap_err();
    assert!(
        matches!(error, Error::Redirects { redirects_max: 8 }),
        "{error:?}"
    );
}

#[tokio::test]
async fn redirects_to_ever_new_servers_are_bounded() {
    let fake = Fake::new(|address, words| match (address.port, words[0].as_str()) {
        (_, "CLUSTER") => Act::Say("*0\r\n"),
        (1, _) => Act::Say("-MOVED 12182 test:2\r\n"),
        (2, _) => Act::Say("-MOVED 12182 test:3\r\n"),
        _ => Act::Echo,
    });
    let config = Config {
        nodes_max: 2,
        ..config()
    };
    let client = Client::new(config, fake.clone()).unwrap();
    let error = client.call(&get("foo")).await.unwrap_err();
    assert!(matches!(error, Error::Config { .. }), "{error:?}");
}

#[tokio::test]
async fn a_redirect_that_says_nothing_is_a_refusal() {
    for answer in ["-MOVED\r\n", "-MOVED x y\r\n", "-ASK 1\r\n"] {
        let fake = Fake::new(move |_, _| Act::Say(answer));
        let client = Client::new(config(), fake.clone()).unwrap();
        let error = client.call(&get("foo")).await.unwrap_err();
        assert!(error.refusal().is_some(), "{error:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_server_that_is_gone_is_forgotten_and_its_slots_are_asked_for_elsewhere() {
    let moved = Arc::new(AtomicBool::new(false));
    let fake = Fake::new({
        let moved = Arc::clone(&moved);
        move |address, words| match (address.port, words[0].as_str()) {
            (_, "CLUSTER") => Act::Say("-ERR no map\r\n"),
            (1, _) if moved.load(Ordering::Relaxed) => Act::Say("-MOVED 12182 test:3\r\n"),
            (1, _) => Act::Say("-MOVED 12182 test:2\r\n"),
            (2, _) if moved.load(Ordering::Relaxed) => Act::Close,
            _ => Act::Echo,
        }
    });
    let client = Client::new(config(), fake.clone()).unwrap();
    assert_eq!(client.call(&get("foo")).await.unwrap(), bulk("foo"));
    moved.store(true, Ordering::Relaxed);
    // The connection breaks under it, and it may be asked again.
    assert_eq!(client.call(&get("foo")).await.unwrap(), bulk("foo"));
    assert_eq!(ports(&fake), [1, 2, 3]);
}
