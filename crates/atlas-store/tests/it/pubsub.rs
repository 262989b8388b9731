//! Messages go to all who listen; keys tell what happens to them.

use crate::support::{Running, shown};

#[test]
fn messages_go_to_all_who_listen() {
    let folder = tempfile::tempdir().unwrap();
    let store = Running::start(folder.path());
    let (mut one, mut two, mut three) = (store.client(), store.client(), store.client());
    assert_eq!(one.run("subscribe a"), "[subscribe a 1]");
    assert_eq!(one.run("psubscribe a*"), "[psubscribe a* 2]");
    assert_eq!(
        one.run("get a"),
        "!ERR Can't execute 'get': only (P|S)SUBSCRIBE / (P|S)UNSUBSCRIBE / PING / QUIT / RESET are allowed in this context"
    );
    assert_eq!(one.run("ping"), "[pong ]");
    two.run("hello 3");
    assert_eq!(two.run("subscribe a"), ">[subscribe a 1]");
    assert_eq!(three.run("publish a hello"), "3");
    assert_eq!(shown(&one.receive()), "[message a hello]");
    assert_eq!(shown(&one.receive()), "[pmessage a* a hello]");
    assert_eq!(shown(&two.receive()), ">[message a hello]");
    // With RESP3 one may listen and ask.
    assert_eq!(two.run("get a"), "nil");
    three.script(
        "pubsub channels => [a]
         pubsub numsub a b => [a 2 b 0]
         pubsub numpat => 1
         publish b x => 0",
    );
    assert_eq!(one.run("unsubscribe"), "[unsubscribe a 1]");
    assert_eq!(one.run("punsubscribe"), "[punsubscribe a* 0]");
    assert_eq!(one.run("get a"), "nil");
    drop(two);
    crate::support::eventually("nobody listens", || three.run("publish a x") == "0");
}

#[test]
fn keys_tell_what_happens_to_them() {
    let folder = tempfile::tempdir().unwrap();
    let store = Running::start(folder.path());
    let (mut one, mut two) = (store.client(), store.client());
    two.script("config set notify-keyspace-events KEA => OK\nconfig get notify-keyspace-events => [notify-keyspace-events AKE]");
    one.run("psubscribe __key*__:*");
    two.script("set a 1 => OK\ndel a => 1\nset b 1 px 1 => OK");
    let expected = [
        "[pmessage __key*__:* __keyspace@0__:a set]",
        "[pmessage __key*__:* __keyevent@0__:set a]",
        "[pmessage __key*__:* __keyspace@0__:a del]",
        "[pmessage __key*__:* __keyevent@0__:del a]",
        "[pmessage __key*__:* __keyspace@0__:b set]",
        "[pmessage __key*__:* __keyevent@0__:set b]",
        "[pmessage __key*__:* __keyspace@0__:b expire]",
        "[pmessage __key*__:* __keyevent@0__:expire b]",
        "[pmessage __key*__:* __keyspace@0__:b expired]",
        "[pmessage __key*__:* __keyevent@0__:expired b]",
    ];
    for expected in expected {
        assert_eq!(shown(&one.receive()), expected);
    }
}

#[test]
fn keys_that_reads_behind_writes_or_in_transactions_do_not_find_are_told() {
    let folder = tempfile::tempdir().unwrap();
    let store = Running::start(folder.path());
    let (mut listener, mut client) = (store.client(), store.client());
    client.script("config set notify-keyspace-events Em => OK");
    listener.script("subscribe __keyevent@0__:keymiss => [subscribe __keyevent@0__:keymiss 1]");
    // The read comes while the write is on its way to the disk.
    client.send("set a 1\nget one\n");
    assert_eq!(shown(&client.receive()), "OK");
    assert_eq!(shown(&client.receive()), "nil");
    client.script("multi => OK\nget two => QUEUED\nset a 2 => QUEUED\nexec => [nil OK]");
    client.script("multi => OK\nget three => QUEUED\nexec => [nil]");
    for key in ["one", "two", "three"] {
        let expected = format!("[message __keyevent@0__:keymiss {key}]");
        assert_eq!(shown(&listener.receive()), expected);
    }
}
