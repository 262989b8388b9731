//! Clients that wait for keys are served first come, first served; a replay does not serve them again.

use atlas_store::{Fsync, StoreConfig};

use crate::support::{Running, blocked, shown};

fn everywhere(test: impl Fn(&Running)) {
    for fsync in [Fsync::Every, Fsync::None] {
        let folder = tempfile::tempdir().unwrap();
        let config = StoreConfig {
            fsync,
            ..StoreConfig::default()
        };
        test(&Running::with(folder.path(), config));
    }
}

#[test]
fn those_who_wait_are_served_in_their_order() {
    everywhere(|store| {
        let mut other = store.client();
        let mut waiting = Vec::new();
        for number in 0..3 {
            let mut client = store.client();
            client.send("bzpopmin none z 0");
            blocked(&mut other, number + 1);
            waiting.push(client);
        }
        assert_eq!(other.run("zadd z 1 a 2 b"), "2");
        assert_eq!(shown(&waiting[0].receive()), "[z a 1]");
        assert_eq!(shown(&waiting[1].receive()), "[z b 2]");
        blocked(&mut other, 1);
        assert_eq!(other.run("exists z"), "0");
        other.script("multi => OK\nzadd z 3 c => QUEUED\nzadd z 4 d => QUEUED\nexec => [1 1]");
        assert_eq!(shown(&waiting[2].receive()), "[z c 3]");
        assert_eq!(other.run("zrange z 0 -1"), "[d]");
    });
}

#[test]
fn a_wait_ends_with_its_time_and_by_hand() {
    everywhere(|store| {
        let (mut one, mut two) = (store.client(), store.client());
        assert_eq!(one.run("bzpopmin z 0.01"), "nil");
        let id = one.id();
        for (how, answer) in [
            ("", "nil"),
            (" error", "!UNBLOCKED client unblocked via CLIENT UNBLOCK"),
        ] {
            one.send("bzpopmin z 0\nping");
            blocked(&mut two, 1);
            assert_eq!(two.run(&format!("client unblock {id}{how}")), "1");
            assert_eq!(shown(&one.receive()), answer);
            assert_eq!(shown(&one.receive()), "PONG");
        }
        assert_eq!(two.run(&format!("client unblock {id}")), "0");
        // Whoever goes away while waiting takes nothing.
        let mut three = store.client();
        three.send("bzpopmin z 0");
        blocked(&mut two, 1);
        drop(three);
        blocked(&mut two, 0);
        assert_eq!(two.run("zadd z 1 a"), "1");
        assert_eq!(two.run("zcard z"), "1");
        // In a transaction nobody waits.
        two.script("multi => OK\nbzpopmin none 0 => QUEUED\nexec => [nil]");
        assert_eq!(two.run("bzpopmin z 0"), "[z a 1]");
        assert_eq!(
            two.run("bzpopmin z x"),
            "!ERR timeout is not a float or out of range"
        );
    });
}

#[test]
fn a_replay_ends_where_the_store_ended() {
    let folder = tempfile::tempdir().unwrap();
    let store = Running::start(folder.path());
    let mut other = store.client();
    let mut waiting = store.client();
    waiting.send("bzpopmin z 0\nbzpopmin z 0");
    blocked(&mut other, 1);
    other.script("zadd z 1 a => 1");
    assert_eq!(shown(&waiting.receive()), "[z a 1]");
    other.script("zadd z 2 b 3 c => 2");
    assert_eq!(shown(&waiting.receive()), "[z b 2]");
    assert_eq!(other.run("zrange z 0 -1"), "[c]");
    store.stop();
    let store = Running::start(folder.path());
    assert_eq!(store.client().run("zrange z 0 -1"), "[c]");
}

#[test]
fn one_that_moves_an_element_on_serves_the_next_at_once() {
    everywhere(|store| {
        let (mut one, mut two, mut three) = (store.client(), store.client(), store.client());
        one.send("blmove a b left right 0");
        blocked(&mut three, 1);
        two.send("brpoplpush b c 0");
        blocked(&mut three, 2);
        three.send("rpush a x\nlrange b 0 -1\nlrange c 0 -1");
        let answers: Vec<String> = (0..3).map(|_| shown(&three.receive())).collect();
        assert_eq!(answers, ["1", "[]", "[x]"]);
        assert_eq!(shown(&one.receive()), "x");
        assert_eq!(shown(&two.receive()), "x");
    });
}

#[test]
fn many_who_wait_are_served_by_one_command() {
    everywhere(|store| {
        let mut other = store.client();
        let mut waiting: Vec<_> = (0..20).map(|_| store.client()).collect();
        for (number, client) in waiting.iter_mut().enumerate() {
            client.send("blpop a 0");
            blocked(&mut other, number + 1);
        }
        other.script("rpush a 0 1 2 => 3\nrpush a 3 => 1");
        other.send("multi\nrpush a 4 5 6\nrpush a 7\nexec\nrpush a 8 9 10 11 12 13 14 15 16 17 18 19 20 21");
        for (number, client) in waiting.iter_mut().enumerate() {
            assert_eq!(shown(&client.receive()), format!("[a {number}]"));
        }
        blocked(&mut other, 0);
    });
}

/// A command that waits met keys that a record in flight was about to change, and was taken for one that waited already:
/// it skipped a key of another type instead of being refused.
#[test]
fn what_is_in_flight_is_there_before_a_client_waits() {
    everywhere(|store| {
        let (mut one, mut two) = (store.client(), store.client());
        one.run("set string x");
        for turn in 0..100 {
            one.send(&format!("rpush to {turn}\nlpush to {turn}"));
            two.send("blpop string to 0\nping");
            let refused = "!WRONGTYPE Operation against a key holding the wrong kind of value";
            assert_eq!(shown(&two.receive()), refused);
            assert_eq!(shown(&two.receive()), "PONG");
            one.receive();
            one.receive();
            assert_eq!(one.run("del to"), "1");
            // And one that finds nothing, after all, waits in its turn.
            one.send("rpush to x\nlpop to\nping");
            two.send("blpop none to 0\nping");
            for _ in 0..3 {
                one.receive();
            }
            one.run(&format!("rpush to {turn}"));
            let served = shown(&two.receive());
            assert!(
                served == "[to x]" || served == format!("[to {turn}]"),
                "{served}"
            );
            assert_eq!(shown(&two.receive()), "PONG");
            one.run("del to");
        }
    });
}

#[test]
fn all_who_wait_to_read_a_stream_are_answered() {
    everywhere(|store| {
        let mut other = store.client();
        other.script("xadd s 1 a 1 => 1-0");
        let mut waiting: Vec<_> = (0..3).map(|_| store.client()).collect();
        for (number, client) in waiting.iter_mut().enumerate() {
            client.send("xread block 0 streams t s $ $");
            blocked(&mut other, number + 1);
        }
        // Neither something else under the key, nor what is gone again by then.
        other.script(
            "multi => OK\nxadd s 2 a 2 => QUEUED\ndel s => QUEUED\nlpush s x => QUEUED\nexec => [2-0 1 1]\n\
             del s => 1\nset t x => OK\ndel t => 1",
        );
        blocked(&mut other, 3);
        assert_eq!(other.run("xadd s 3 a 3"), "3-0");
        for client in &mut waiting {
            assert_eq!(shown(&client.receive()), "[[s [[3-0 [a 3]]]]]");
        }
        blocked(&mut other, 0);
        // What is there is answered at once; a wait in vain is answered by nothing.
        other.script(
            "xread block 0 streams s 0 => [[s [[3-0 [a 3]]]]]\nxread block 10 streams s $ => nil\n\
             xread streams s 3 => nil",
        );
        // A client's own commands before come first.
        let mut one = store.client();
        one.send("xadd s 4 a 4\nxread block 0 streams s $\nping");
        blocked(&mut other, 1);
        other.script("xadd s 5 a 5 => 5-0");
        let answers: Vec<String> = (0..3).map(|_| shown(&one.receive())).collect();
        assert_eq!(answers, ["4-0", "[[s [[5-0 [a 5]]]]]", "PONG"]);
    });
}

#[test]
fn consumers_of_a_group_share_what_comes() {
    everywhere(|store| {
        let mut other = store.client();
        other.script("xgroup create s g $ mkstream => OK\nxgroup create s h $ => OK");
        let mut waiting = Vec::new();
        for (number, name) in ["g one", "g two", "h three"].iter().enumerate() {
            let mut client = store.client();
            client.send(&format!("xreadgroup group {name} block 0 streams s >"));
            blocked(&mut other, number + 1);
            waiting.push(client);
        }
        other.script("xadd s 1 a 1 => 1-0");
        assert_eq!(shown(&waiting[0].receive()), "[[s [[1-0 [a 1]]]]]");
        assert_eq!(shown(&waiting[2].receive()), "[[s [[1-0 [a 1]]]]]");
        blocked(&mut other, 1);
        other.script("xadd s 2 a 2 => 2-0");
        assert_eq!(shown(&waiting[1].receive()), "[[s [[2-0 [a 2]]]]]");
        other.script("xpending s g => [2 1-0 2-0 [[one 1] [two 1]]]");
        // Nobody waits who does not say so, or asks for what was delivered before.
        other.script(
            "xreadgroup group g one streams s > => nil\n\
             xreadgroup group g one block 0 streams s 0 => [[s [[1-0 [a 1]]]]]",
        );
        for line in ["xgroup destroy s gone", "del s"] {
            other.script("xgroup create s gone $ mkstream => OK");
            for client in &mut waiting[..2] {
                client.send("xreadgroup group gone one block 0 streams s >");
            }
            blocked(&mut other, 2);
            assert_eq!(other.run(line), "1");
            for client in &mut waiting[..2] {
                let answer = shown(&client.receive());
                assert!(answer.contains("no longer exists"), "{answer}");
            }
        }
    });
}

#[test]
fn a_replay_of_deliveries_ends_where_the_store_ended() {
    let folder = tempfile::tempdir().unwrap();
    let store = Running::start(folder.path());
    let mut other = store.client();
    other.script("xgroup create s g $ mkstream => OK");
    let mut waiting = store.client();
    waiting.send("xreadgroup group g one block 0 streams s >");
    blocked(&mut other, 1);
    other.run("xadd s * a 1");
    waiting.receive();
    let told = ["xinfo stream s full", "xinfo groups s"].map(|line| other.run(line));
    store.stop();
    let store = Running::start(folder.path());
    let mut other = store.client();
    let again = ["xinfo stream s full", "xinfo groups s"].map(|line| other.run(line));
    assert_eq!(told, again);
}
