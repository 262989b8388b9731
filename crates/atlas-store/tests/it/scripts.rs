//! Scripts and functions: what is logged of them, who may end them, what is there after a restart.

use atlas_base::TimeSpan;
use atlas_store::StoreConfig;

use crate::support::{Client, Running, blocked, eventually, shown};

/// Runs a script of these keys and arguments.
fn eval(client: &mut Client, script: &str, rest: &[&str]) -> String {
    call(client, "eval", script, rest)
}

fn call(client: &mut Client, command: &str, what: &str, rest: &[&str]) -> String {
    let mut words: Vec<&[u8]> = vec![command.as_bytes(), what.as_bytes()];
    words.extend(rest.iter().map(|word| word.as_bytes()));
    client.run_bytes(&words)
}

fn load(client: &mut Client, source: &str) -> String {
    client.run_bytes(&[b"function", b"load", b"replace", source.as_bytes()])
}

/// The index of the last record.
fn last_index(client: &mut Client) -> u64 {
    let text = client.run("info persistence");
    let line = text
        .lines()
        .find_map(|line| line.strip_prefix("log_last_index:"));
    line.unwrap().trim().parse().unwrap()
}

fn quick() -> StoreConfig {
    StoreConfig {
        busy_reply_threshold: TimeSpan::from_millis(20),
        ..StoreConfig::default()
    }
}

#[test]
fn what_writes_is_logged_and_what_reads_is_not() {
    let folder = tempfile::tempdir().unwrap();
    let store = Running::start(folder.path());
    let mut client = store.client();
    client.script("set a 1 => OK");
    let before = last_index(&mut client);
    assert_eq!(
        eval(
            &mut client,
            "return redis.call('get', KEYS[1])",
            &["1", "a"]
        ),
        "1"
    );
    // Nor is one that would change nothing.
    assert_eq!(
        eval(&mut client, "return redis.call('del', 'nothing')", &["0"]),
        "0"
    );
    assert_eq!(
        eval(&mut client, "return redis.call('incr')", &["0"]).get(..4),
        Some("!ERR")
    );
    assert_eq!(last_index(&mut client), before);
    let incr = "return {redis.call('incr', KEYS[1]), math.random(1000000), redis.call('time')[1]}";
    let answer = eval(&mut client, incr, &["1", "a"]);
    assert!(answer.starts_with("[2 "), "{answer}");
    assert_eq!(last_index(&mut client), before + 1);
    // What a record has run is known by its name from then on, after a restart too.
    let name = eval(&mut client, "return redis.sha1hex(ARGV[1])", &["0", incr]);
    assert!(call(&mut client, "evalsha", &name, &["1", "a"]).starts_with("[3 "));
    store.stop();
    let store = Running::start(folder.path());
    let mut client = store.client();
    client.script("get a => 3");
    assert!(call(&mut client, "evalsha", &name, &["1", "a"]).starts_with("[4 "));
    client.script(
        "script flush => OK
         script exists 0000000000000000000000000000000000000000 => [0]",
    );
    let gone = call(&mut client, "evalsha", &name, &["1", "a"]);
    assert_eq!(gone, "!NOSCRIPT No matching script. Please use EVAL.");
}

#[test]
fn libraries_are_there_after_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let library = "#!lua name=counting\nlocal seen = 0\nredis.register_function('count', \
                   function(keys) seen = seen + 1 return {seen, redis.call('incr', keys[1])} end)";
    let store = Running::start(folder.path());
    let mut client = store.client();
    assert_eq!(load(&mut client, library), "counting");
    // A function sees nothing of the calls before.
    assert_eq!(call(&mut client, "fcall", "count", &["1", "a"]), "[1 1]");
    assert_eq!(call(&mut client, "fcall", "COUNT", &["1", "a"]), "[1 2]");
    client.script("flushall => OK");
    let before = last_index(&mut client);
    let broken = "#!lua name=endless\nwhile true do end";
    assert!(load(&mut client, broken).contains("FUNCTION LOAD timeout"));
    assert_eq!(
        last_index(&mut client),
        before,
        "a library that cannot be is logged"
    );
    store.stop();
    // By the log, then by a snapshot.
    for round in 1..3 {
        let store = Running::start(folder.path());
        let mut client = store.client();
        let answer = call(&mut client, "fcall", "count", &["1", "a"]);
        assert_eq!(answer, format!("[1 {round}]"));
        client.script("save => OK");
        store.stop();
    }
}

#[test]
fn an_endless_script_is_killed_and_leaves_nothing_in_the_log() {
    let folder = tempfile::tempdir().unwrap();
    let store = Running::with(folder.path(), quick());
    let mut client = store.client();
    client.script("set a 1 => OK");
    let before = last_index(&mut client);
    let mut looping = store.client();
    let mut words = Vec::new();
    let script = "while true do pcall(redis.call, 'get', 'a') end";
    atlas_resp::command(&mut words, ["eval", script, "0"]);
    looping.send_bytes(&words);
    eventually("BUSY", || client.run("ping").starts_with("!BUSY"));
    client.script(
        "function kill => !BUSY Redis is busy running a script. You can only call SCRIPT KILL or SHUTDOWN NOSAVE.
         multi => OK
         incr a => !BUSY Redis is busy running a script. You can only call SCRIPT KILL or SHUTDOWN NOSAVE.",
    );
    // One who comes only now may kill it, too.
    assert_eq!(store.client().run("script kill"), "OK");
    let answer = shown(&looping.receive());
    assert!(answer.contains("killed by user"), "{answer}");
    client.script(
        "incr a => QUEUED
         exec => !EXECABORT Transaction discarded because of previous errors.
         script kill => !NOTBUSY No scripts in execution right now.",
    );
    assert_eq!(last_index(&mut client), before);
    assert_eq!(looping.run("ping"), "PONG");
}

#[test]
fn one_that_has_written_ends_when_its_fuel_does() {
    let folder = tempfile::tempdir().unwrap();
    let config = StoreConfig {
        script_fuel: 3_000_000,
        ..quick()
    };
    let endless = "redis.call('set', 'a', 'x') while true do redis.call('append', 'a', 'x') end";
    let store = Running::with(folder.path(), config.clone());
    let mut client = store.client();
    let answer = eval(&mut client, endless, &["0"]);
    assert!(answer.starts_with("!ERR The script used up"), "{answer}");
    let length = client.run("strlen a");
    assert!(length.parse::<u64>().unwrap() > 1000, "{length}");
    store.stop();
    // A replay ends at the same place, whatever the configuration says by then.
    let config = StoreConfig {
        script_fuel: 1_000_000,
        ..config
    };
    let store = Running::with(folder.path(), config);
    assert_eq!(store.client().run("strlen a"), length);
}

#[test]
fn others_hear_of_what_scripts_do() {
    let folder = tempfile::tempdir().unwrap();
    let store = Running::start(folder.path());
    let (mut client, mut other) = (store.client(), store.client());
    let mut listener = store.client();
    listener.script("subscribe news => [subscribe news 1]");
    // The key is not declared: a record of its own serves who waits for it.
    other.send("blpop list 0");
    blocked(&mut client, 1);
    let script = "redis.call('publish', 'news', 'hello') return redis.call('rpush', 'list', 1)";
    assert_eq!(eval(&mut client, script, &["0"]), "1");
    assert_eq!(shown(&other.receive()), "[list 1]");
    assert_eq!(shown(&listener.receive()), "[message news hello]");
    other.script("watch watched => OK\n multi => OK\n get watched => QUEUED");
    eval(&mut client, "redis.call('set', 'watched', 1)", &["0"]);
    other.script("exec => nil");
}

#[test]
fn scripts_of_one_client_keep_their_order() {
    let folder = tempfile::tempdir().unwrap();
    let store = Running::start(folder.path());
    let mut client = store.client();
    let mut words = Vec::new();
    let count = 200;
    for _ in 0..count {
        // The second only reads, and sees what the first did.
        atlas_resp::command(&mut words, ["eval", "return redis.call('incr', 'n')", "0"]);
        atlas_resp::command(
            &mut words,
            ["eval_ro", "return redis.call('get', 'n')", "0"],
        );
        let maybe = "if redis.call('get', 'n') == ARGV[1] then return 'even' end return redis.call('exists', 'n')";
        atlas_resp::command(&mut words, ["eval", maybe, "0", "2"]);
    }
    client.send_bytes(&words);
    for number in 1..=count {
        assert_eq!(shown(&client.receive()), number.to_string());
        assert_eq!(shown(&client.receive()), number.to_string());
        let expected = if number == 2 { "even" } else { "1" };
        assert_eq!(shown(&client.receive()), expected);
    }
}

#[test]
fn scripts_in_transactions() {
    let folder = tempfile::tempdir().unwrap();
    let store = Running::start(folder.path());
    let mut client = store.client();
    client.script("set a 1 => OK");
    let before = last_index(&mut client);
    client.script("multi => OK");
    assert_eq!(
        eval(&mut client, "return redis.call('get', 'a')", &["0"]),
        "QUEUED"
    );
    client.script("ping => QUEUED\n exec => [1 PONG]");
    assert_eq!(last_index(&mut client), before, "it only read");
    client.script("multi => OK\n incr a => QUEUED");
    assert_eq!(
        eval(&mut client, "return redis.call('incr', 'a')", &["0"]),
        "QUEUED"
    );
    client.script("get a => QUEUED\n exec => [2 3 3]");
    assert_eq!(last_index(&mut client), before + 1);
    client.script("multi => OK");
    assert_eq!(
        eval(&mut client, "return redis.call('incr', 'a')", &["0"]),
        "QUEUED"
    );
    client.script("exec => [4]");
    store.stop();
    let store = Running::start(folder.path());
    assert_eq!(store.client().run("get a"), "4");
}

#[test]
fn an_endless_script_does_not_keep_the_process() {
    let folder = tempfile::tempdir().unwrap();
    let store = Running::with(folder.path(), quick());
    let mut client = store.client();
    let mut looping = store.client();
    let mut words = Vec::new();
    let script = "redis.call('set', 'a', 1) while true do end";
    atlas_resp::command(&mut words, ["eval", script, "0"]);
    looping.send_bytes(&words);
    eventually("BUSY", || client.run("ping").starts_with("!BUSY"));
    assert!(client.run("script kill").starts_with("!UNKILLABLE"));
    client.send("shutdown nosave");
    store.ended();
}
