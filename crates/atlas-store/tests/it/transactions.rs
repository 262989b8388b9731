//! `MULTI`, `EXEC`, `WATCH`.

use atlas_store::{Fsync, StoreConfig};

use crate::support::{Running, blocked, shown};

fn everywhere(test: impl Fn(&Running)) {
    for fsync in [Fsync::Every, Fsync::Interval] {
        let folder = tempfile::tempdir().unwrap();
        let config = StoreConfig {
            fsync,
            ..StoreConfig::default()
        };
        test(&Running::with(folder.path(), config));
    }
}

#[test]
fn a_transaction_runs_whole() {
    everywhere(|store| {
        store.client().script(
            "multi => OK
             set a 1 => QUEUED
             get a => QUEUED
             ping => QUEUED
             select 1 => QUEUED
             set a 2 => QUEUED
             hset a b c => QUEUED
             exec => [OK 1 PONG OK OK !WRONGTYPE Operation against a key holding the wrong kind of value]
             get a => 2
             select 0 => OK
             get a => 1
             multi => OK
             get a => QUEUED
             echo x => QUEUED
             exec => [1 x]
             multi => OK
             exec => []
             exec => !ERR EXEC without MULTI
             discard => !ERR DISCARD without MULTI
             multi => OK
             multi => !ERR MULTI calls can not be nested
             set a 3 => QUEUED
             discard => OK
             get a => 1
             multi => OK
             get => !ERR wrong number of arguments for 'get' command
             set a 3 => QUEUED
             exec => !EXECABORT Transaction discarded because of previous errors.
             get a => 1",
        );
    });
}

#[test]
fn a_watched_key_that_changes_stops_the_transaction() {
    everywhere(|store| {
        let (mut one, mut two) = (store.client(), store.client());
        one.script("watch a b => OK\nget a => nil\nmulti => OK\nset c 1 => QUEUED");
        two.script("set b 1 => OK");
        one.script("exec => nil\nget c => nil");
        // Once more, undisturbed; a key that nobody watches may change.
        one.script("watch a => OK\nmulti => OK\nset c 1 => QUEUED");
        two.script("set d 1 => OK");
        one.script("exec => [OK]");
        one.script("watch a => OK\nunwatch => OK\nmulti => OK\nget c => QUEUED");
        two.script("set a 1 => OK");
        one.script("exec => [1]");
        one.script("watch a => OK\nmulti => OK\nget c => QUEUED");
        two.script("flushall => OK");
        one.script("exec => nil");
        // Its own write before is one, too.
        one.script("watch a => OK\nset a 5 => OK\nmulti => OK\nget a => QUEUED\nexec => nil");
    });
}

#[test]
fn counters_under_watch_lose_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let store = Running::start(folder.path());
    let listen = store.listen;
    const EACH: i64 = 50;
    let clients: Vec<_> = (0..4)
        .map(|_| {
            std::thread::spawn(move || {
                let mut client = crate::support::Client::connect(listen);
                let mut done = 0;
                while done < EACH {
                    client.run("watch n");
                    let now: i64 = client.run("get n").parse().unwrap_or(0);
                    client.send(&format!("multi\nset n {}\nexec", now + 1));
                    let answers: Vec<String> = (0..3).map(|_| shown(&client.receive())).collect();
                    done += i64::from(answers[2] == "[OK]");
                }
            })
        })
        .collect();
    clients
        .into_iter()
        .for_each(|client| client.join().unwrap());
    assert_eq!(store.client().run("get n"), (4 * EACH).to_string());
}

#[test]
fn a_pause_of_writes_holds_back_only_transactions_that_write() {
    everywhere(|store| {
        let (mut one, mut two, mut three) = (store.client(), store.client(), store.client());
        one.script(
            "set a 1 => OK
             client pause 600000 write => OK
             multi => OK
             get a => QUEUED
             ping => QUEUED
             exec => [1 PONG]",
        );
        two.script("multi => OK\nset a 2 => QUEUED");
        three.script("multi => OK\npublish a 2 => QUEUED");
        two.send("exec\n");
        three.send("exec\n");
        blocked(&mut one, 2);
        one.script("get a => 1\nclient unpause => OK");
        assert_eq!(shown(&two.receive()), "[OK]");
        assert_eq!(shown(&three.receive()), "[0]");
        one.script("get a => 2");
    });
}
