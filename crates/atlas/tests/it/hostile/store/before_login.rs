//! What comes from strangers: lengths that lie, lines without an end, answers that are never read, browsers.

use super::stage::{Peer, Stage};
use crate::hostile::memory::GROWTH_BYTES_MAX;
use crate::support::deadline;

/// Headers that claim what is not allowed, and how they are answered before and after the login.
const BOMBS: &[(&str, &str, &str)] = &[
    (
        "*2147483647\r\n",
        "unauthenticated multibulk length",
        "invalid multibulk length",
    ),
    (
        "*1000000000\r\n",
        "unauthenticated multibulk length",
        "invalid multibulk length",
    ),
    ("*11\r\n", "unauthenticated multibulk length", ""),
    (
        "*1e9\r\n",
        "invalid multibulk length",
        "invalid multibulk length",
    ),
    (
        "*1\r\n$536870913\r\n",
        "invalid bulk length",
        "invalid bulk length",
    ),
    ("*1\r\n$16385\r\n", "unauthenticated bulk length", ""),
    (
        "*1\r\n$-5\r\n",
        "invalid bulk length",
        "invalid bulk length",
    ),
    (
        "*1\r\n$9223372036854775808\r\n",
        "invalid bulk length",
        "invalid bulk length",
    ),
];

#[tokio::test]
async fn a_length_that_is_too_large_is_a_protocol_error_at_its_header() {
    let stage = Stage::new("").await;
    stage.bears(GROWTH_BYTES_MAX, || {
        for &(bytes, before, after) in BOMBS {
            let (mut stranger, mut client) = (stage.stranger(), stage.client());
            stranger.send(bytes.as_bytes());
            assert_eq!(
                stranger.rest(),
                format!("-ERR Protocol error: {before}\r\n")
            );
            if !after.is_empty() {
                client.send(bytes.as_bytes());
                assert_eq!(client.rest(), format!("-ERR Protocol error: {after}\r\n"));
            }
        }
    });
}

#[tokio::test]
async fn a_command_that_is_claimed_and_never_sent_costs_nothing() {
    let stage = Stage::new("").await;
    stage.bears(GROWTH_BYTES_MAX, || {
        let mut clients: Vec<Peer> = (0..200).map(|_| stage.client()).collect();
        for client in &mut clients {
            client.send(b"*1048576\r\n$536870912\r\nx");
        }
        // All of it has been seen when this is answered.
        assert_eq!(stage.client().run(&["ping"]), "PONG");
    });
}

#[tokio::test]
async fn a_line_of_64_mib_without_an_end_is_closed_at_the_limit() {
    let stage = Stage::new("").await;
    stage.bears(GROWTH_BYTES_MAX, || {
        let line = vec![b'x'; 64 << 20];
        for mut peer in [stage.stranger(), stage.client()] {
            peer.send(&line);
            let said = peer.rest();
            let expected = "-ERR Protocol error: too big inline request\r\n";
            // The answer may be lost with what was not taken.
            assert!(said.is_empty() || said == expected, "{said}");
        }
    });
}

#[tokio::test]
async fn arrays_in_arrays_are_a_protocol_error() {
    let stage = Stage::new("").await;
    stage.bears(GROWTH_BYTES_MAX, || {
        for mut peer in [stage.stranger(), stage.client()] {
            peer.send("*1\r\n".repeat(10_000).as_bytes());
            let said = peer.rest();
            let expected = "-ERR Protocol error: expected '$', got '*'\r\n";
            assert!(said.is_empty() || said == expected, "{said}");
        }
    });
}

#[tokio::test]
async fn a_stranger_who_reads_no_answers_is_closed() {
    let stage = Stage::new("").await;
    let flood = "get key\r\n".repeat(4 << 20);
    stage.bears(8 << 20, || {
        let mut stranger = stage.stranger();
        stranger.flood(flood.as_bytes());
        let said = stranger.rest();
        assert!(said.starts_with("-NOAUTH Authentication required.\r\n"));
    });
    assert!(stage.info("client_output_buffer_limit_disconnections") > 0);
}

#[tokio::test]
async fn a_client_who_reads_no_answers_is_not_read_either_and_closed_past_the_limit() {
    let stage = Stage::new("client-output-bytes-max = \"16MiB\"").await;
    stage.bears(GROWTH_BYTES_MAX, || {
        let mut small = stage.client();
        let value = "x".repeat(8 << 20);
        assert_eq!(small.run(&["set", "large", &value]), "OK");
        let mut hostile = stage.client();
        hostile.flood("get large\r\n".repeat(1000).as_bytes());
        // It is held back, and still served once it reads.
        drop(hostile);
        // Three of them in one answer are more than may wait.
        let mut hostile = stage.client();
        hostile.flood(b"mget large large large\r\n");
        let limit = deadline();
        while stage.info("client_output_buffer_limit_disconnections") == 0 {
            assert!(!limit.passed(), "it is not closed");
        }
    });
}

#[tokio::test]
async fn a_browser_is_closed_without_an_answer() {
    let stage = Stage::new("").await;
    stage.bears(GROWTH_BYTES_MAX, || {
        for head in [
            "POST / HTTP/1.1\r\nHost: store\r\n\r\nset key value\r\n",
            "post / HTTP/1.1\r\n",
        ] {
            for mut peer in [stage.stranger(), stage.client()] {
                peer.send(head.as_bytes());
                assert_eq!(peer.rest(), "", "{head}");
            }
        }
        for mut peer in [stage.stranger(), stage.client()] {
            peer.send(b"GET / HTTP/1.1\r\nHost: store\r\nset key value\r\n\r\n");
            let said = peer.rest();
            // Its first line is a command with too many arguments; its second closes.
            assert_eq!(said.lines().count(), 1, "{said}");
        }
        assert_eq!(stage.client().run(&["exists", "key"]), "0");
    });
}

#[tokio::test]
async fn a_thousand_strangers_stay_under_256_mib_in_all() {
    let stage = Stage::new("").await;
    // As much as a stranger may send without ending a command, and answers that nobody reads behind another.
    let half = format!(
        "*10\r\n{}$16384\r\n",
        format!("$16000\r\n{}\r\n", "x".repeat(16_000)).repeat(3)
    );
    let rest = format!("{half}{}", "x".repeat(15_000));
    let questions = "get key\r\n".repeat(1000);
    stage.bears(GROWTH_BYTES_MAX * 4, || {
        let mut strangers: Vec<Peer> = (0..1000).map(|_| stage.stranger()).collect();
        for (number, stranger) in strangers.iter_mut().enumerate() {
            if number % 2 == 0 {
                stranger.send(rest.as_bytes());
            } else {
                stranger.send(questions.as_bytes());
            }
        }
        assert_eq!(stage.client().run(&["ping"]), "PONG");
    });
    let all = stage.memory_max();
    assert!(all < 256 << 20, "{all} bytes");
}
