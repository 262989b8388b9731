//! Clients that keep what they have read, and hear when it is no longer so.

use atlas_base::ByteSize;
use atlas_store::{Fsync, StoreConfig};

use crate::support::{Client, Running, blocked, eventually, shown};

fn tracking(store: &Running, options: &str) -> Client {
    let mut client = store.client();
    client.run("hello 3");
    assert_eq!(client.run(&format!("client tracking on {options}")), "OK");
    client
}

#[test]
fn what_was_read_and_has_changed_is_told_once() {
    for fsync in [Fsync::Every, Fsync::None] {
        let folder = tempfile::tempdir().unwrap();
        let config = StoreConfig {
            fsync,
            ..StoreConfig::default()
        };
        let store = Running::with(folder.path(), config);
        let (mut client, mut other) = (tracking(&store, ""), store.client());
        assert_eq!(client.run("mget a b"), "[nil nil]");
        assert_eq!(other.run("set a 1"), "OK");
        assert_eq!(shown(&client.receive()), ">[invalidate [a]]");
        // It is told once, and again only after it has read again.
        assert_eq!(other.run("set a 2"), "OK");
        assert_eq!(client.run("get b"), "nil");
        // Its own changes too, behind the answer; what is pipelined behind a write is read when that is done.
        client.send("get a\nset a 3\nget a\nset a 4");
        let answers: Vec<String> = (0..6).map(|_| shown(&client.receive())).collect();
        assert_eq!(
            answers,
            [
                "2",
                "OK",
                ">[invalidate [a]]",
                "3",
                "OK",
                ">[invalidate [a]]"
            ]
        );
        // Transactions: the answers first, then the news.
        client.send("multi\nget a\nincr a\nexec");
        let answers: Vec<String> = (0..5).map(|_| shown(&client.receive())).collect();
        assert_eq!(answers[3..], ["[4 5]", ">[invalidate [a]]"]);
        client.send("multi\nget a\nget b\nexec");
        (0..4).for_each(|_| drop(client.receive()));
        other.run("del a");
        assert_eq!(shown(&client.receive()), ">[invalidate [a]]");
        // What expires and what is flushed.
        other.run("set a 1 px 20");
        assert_eq!(client.run("get a"), "1");
        assert_eq!(shown(&client.receive()), ">[invalidate [a]]");
        assert_eq!(client.run("get b"), "nil");
        assert_eq!(other.run("flushall"), "OK");
        assert_eq!(shown(&client.receive()), ">[invalidate nil]");
        // A client that waits for something to read.
        client.send("xread block 0 streams s 0-0");
        blocked(&mut other, 1);
        other.run("xadd s 1-1 f v");
        assert!(shown(&client.receive()).starts_with("{s:"));
        other.run("xadd s 1-2 f v");
        assert_eq!(shown(&client.receive()), ">[invalidate [s]]");
        assert_eq!(client.run("client tracking off"), "OK");
        let info = other.run("info");
        for field in [
            "tracking_clients:0",
            "tracking_total_keys:0",
            "tracking_total_items:0",
        ] {
            assert!(info.contains(field), "{field} in {info}");
        }
    }
}

#[test]
fn prefixes_are_broadcast_and_news_go_where_they_are_sent() {
    let folder = tempfile::tempdir().unwrap();
    let store = Running::start(folder.path());
    let mut other = store.client();
    let mut client = tracking(&store, "bcast prefix a: prefix b: noloop");
    client.script(
        "set a:own 1 => OK
        client tracking on bcast prefix a:x => !ERR Prefix 'a:x' overlaps with an existing prefix 'a:'. Prefixes for a single client must not overlap.
        client tracking on bcast prefix x prefix xy => !ERR Prefix 'x' overlaps with another provided prefix 'xy'. Prefixes for a single client must not overlap.
        client tracking on => !ERR You can't switch BCAST mode on/off before disabling tracking for this client, and then re-enabling it with a different mode.
        client tracking on bcast optin => !ERR OPTIN and OPTOUT are not compatible with BCAST
        client tracking on prefix a => !ERR PREFIX option requires BCAST mode to be enabled
        client tracking on redirect 999 => !ERR The client ID you want redirect to does not exist
        client tracking maybe => !ERR syntax error
        client caching yes => !ERR CLIENT CACHING can be called only when the client is in tracking mode with OPTIN or OPTOUT mode enabled
        client trackinginfo => {flags:~[on bcast noloop] redirect:0 prefixes:[a: b:]}",
    );
    other.run("mset a:1 1 c:1 1 a:2 1");
    assert_eq!(shown(&client.receive()), ">[invalidate [a:1 a:2]]");
    other.run("set b:1 1");
    assert_eq!(shown(&client.receive()), ">[invalidate [b:1]]");
    // To another, which speaks RESP2 and listens.
    let mut listener = store.client();
    let id = listener.id();
    listener.run("subscribe __redis__:invalidate");
    let mut reader = store.client();
    assert_eq!(
        reader.run(&format!("client tracking on redirect {id} optin")),
        "OK"
    );
    assert_eq!(reader.run("client getredir"), id);
    reader.script(
        "get a:1 => 1
        client caching yes => OK
        get a:2 => 1
        client caching no => !ERR CLIENT CACHING NO is only valid when tracking is enabled in OPTOUT mode.
        client tracking on optout => !ERR You can't switch OPTIN/OPTOUT mode before disabling tracking for this client, and then re-enabling it with a different mode.",
    );
    other.run("mset a:1 2 a:2 2");
    assert_eq!(
        shown(&listener.receive()),
        "[message __redis__:invalidate [a:2]]"
    );
    assert!(other.run("client list").contains("flags=tB"));
    // Once that one has gone, whoever sent news there hears of it.
    reader.run("hello 3");
    reader.run("client caching yes");
    reader.run("get a:1");
    drop(listener);
    let lines = || other_lines(&store);
    eventually("it has gone", || !lines().contains(&format!("id={id} ")));
    other.run("set a:1 3");
    assert_eq!(
        shown(&reader.receive()),
        format!(">[tracking-redir-broken {id}]")
    );
    assert!(
        reader
            .run("client trackinginfo")
            .contains("broken_redirect")
    );
    assert_eq!(reader.run("reset"), "RESET");
    assert_eq!(reader.run("client getredir"), "-1");
}

fn other_lines(store: &Running) -> String {
    store.client().run("client list")
}

/// Hostile: a client that reads keys without end, long ones, takes no more than is allowed.
#[test]
fn what_is_kept_of_reads_is_bounded() {
    let folder = tempfile::tempdir().unwrap();
    let config = StoreConfig {
        tracking_keys_max: 100,
        tracking_bytes_max: ByteSize(64 << 10),
        client_kept_bytes_max: ByteSize(64 << 10),
        ..StoreConfig::default()
    };
    let store = Running::with(folder.path(), config);
    let (mut client, mut other) = (tracking(&store, ""), store.client());
    let mut told = 0;
    let read = |client: &mut Client, key: &str, told: &mut usize| {
        client.send(&format!("get {key}"));
        while shown(&client.receive()).starts_with('>') {
            *told += 1;
        }
    };
    for number in 0..300 {
        read(&mut client, &format!("key{number}"), &mut told);
    }
    let count = |client: &mut Client, field: &str| -> usize {
        let info = client.run("info stats");
        let line = info
            .lines()
            .find_map(|line| line.strip_prefix(field)?.strip_prefix(':'));
        line.unwrap().trim().parse().unwrap()
    };
    assert_eq!(count(&mut other, "tracking_total_keys"), 100);
    // By bytes: six keys of 10 KB are more than 64 KiB with what lies beside them.
    for number in 0..20 {
        let key = format!("{number}{}", "x".repeat(10_000));
        read(&mut client, &key, &mut told);
    }
    assert!(count(&mut other, "tracking_total_keys") < 100);
    // What fell out was told.
    client.send("client tracking off");
    while shown(&client.receive()) != "OK" {
        told += 1;
    }
    assert_eq!(count(&mut other, "tracking_total_keys"), 0);
    assert!(told >= 200, "{told}");
    let long = "p".repeat(40_000);
    let refused = client.run(&format!("client tracking on bcast prefix {long}"));
    assert!(refused.contains("client-kept-bytes-max"), "{refused}");
}
