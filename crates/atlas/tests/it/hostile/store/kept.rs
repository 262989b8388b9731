//! What a client may have kept for it: transactions without an end, watched keys, channels, waits, names.

use super::stage::{Peer, Stage};
use crate::hostile::memory::GROWTH_BYTES_MAX;

const KEYS: &str = "client-kept-bytes-max = \"16MiB\"\nfsync = \"none\"";
const REFUSED: &str = "ERR more would be kept for this client than client-kept-bytes-max allows";

/// Sends a command with ever other names, a thousand at a time, until a million were sent; how many were taken.
fn a_million(peer: &mut Peer, command: &str, answers: impl Fn(&mut Peer) -> bool) -> usize {
    for round in 0..1000 {
        let names: Vec<String> = (0..1000).map(|at| format!("name:{round}:{at}")).collect();
        let mut words = vec![command.as_bytes()];
        words.extend(names.iter().map(String::as_bytes));
        peer.send_command(&words);
        if !answers(peer) {
            return round * 1000;
        }
    }
    1_000_000
}

/// True if it is OK, false if it is refused for what it would keep.
fn is_taken(said: &str) -> bool {
    assert!(said == "OK" || said == REFUSED, "{said}");
    said == "OK"
}

#[tokio::test]
async fn a_transaction_without_an_end_is_refused_at_the_limit() {
    let stage = Stage::new(KEYS).await;
    for command in [&["set", "key", "value"][..], &["ping"]] {
        stage.bears(GROWTH_BYTES_MAX, || {
            let mut client = stage.client();
            assert_eq!(client.run(&["multi"]), "OK");
            let mut queued = 0;
            let refused = loop {
                let said = client.run(command);
                if said != "QUEUED" {
                    break said;
                }
                queued += 1;
                assert!(queued < 1_000_000);
            };
            assert_eq!(refused, REFUSED);
            assert!(queued > 10_000, "{queued}");
            let said = client.run(&["exec"]);
            assert!(said.starts_with("EXECABORT"), "{said}");
            assert_eq!(client.run(&["set", "key", "value"]), "OK");
        });
    }
}

#[tokio::test]
async fn watching_a_million_keys_is_refused_at_the_limit() {
    let stage = Stage::new(KEYS).await;
    stage.bears(GROWTH_BYTES_MAX, || {
        let mut client = stage.client();
        let taken = a_million(&mut client, "watch", |client| {
            let said = super::stage::text(&client.receive());
            is_taken(&said)
        });
        assert!((10_000..1_000_000).contains(&taken), "{taken}");
        // What looks at all of them is quick, too.
        assert_eq!(stage.client().run(&["flushall"]), "OK");
        assert_eq!(client.run(&["multi"]), "OK");
        assert_eq!(client.run(&["get", "key"]), "QUEUED");
        assert_eq!(client.run(&["exec"]), "[nil]");
        assert_eq!(client.run(&["watch", "key"]), "OK");
    });
}

#[tokio::test]
async fn listening_to_a_million_channels_is_refused_at_the_limit() {
    let stage = Stage::new(KEYS).await;
    for command in ["subscribe", "psubscribe"] {
        stage.bears(GROWTH_BYTES_MAX, || {
            let mut client = stage.client();
            let taken = a_million(&mut client, command, |client| {
                let said = super::stage::text(&client.receive());
                if said == REFUSED {
                    return false;
                }
                assert!(said.starts_with(&format!("[{command} ")), "{said}");
                (1..1000).for_each(|_| drop(client.receive()));
                true
            });
            assert!((10_000..1_000_000).contains(&taken), "{taken}");
            // None of the refused ones is listened to, the others are.
            let heard = stage
                .client()
                .run(&["publish", &format!("name:{}:0", taken / 1000), "x"]);
            assert_eq!(heard, "0");
            assert_eq!(stage.client().run(&["publish", "name:0:0", "x"]), "1");
        });
    }
}

#[tokio::test]
async fn waiting_for_two_hundred_thousand_keys_is_refused() {
    let stage = Stage::new(KEYS).await;
    let names: Vec<String> = (0..200_000).map(|at| at.to_string()).collect();
    let mut words = vec![&b"blpop"[..]];
    words.extend(names.iter().map(String::as_bytes));
    words.push(b"0");
    stage.bears(GROWTH_BYTES_MAX, || {
        assert_eq!(stage.client().run_bytes(&words), REFUSED);
    });
}

#[tokio::test]
async fn a_name_of_32_mib_is_refused() {
    let stage = Stage::new(KEYS).await;
    let name = "n".repeat(32 << 20);
    stage.bears(2 * GROWTH_BYTES_MAX, || {
        let mut client = stage.client();
        assert_eq!(client.run(&["client", "setname", &name]), REFUSED);
        assert_eq!(
            client.run(&["client", "setinfo", "lib-name", &name]),
            REFUSED
        );
        assert_eq!(client.run(&["client", "getname"]), "nil");
    });
}
