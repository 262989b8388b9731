//! Commands about the connection: greeting, password, names, databases.

use atlas_store::{Error, StoreConfig};

use crate::support::{Running, shown};

#[test]
fn a_client_greets_and_chooses_its_protocol() {
    let folder = tempfile::tempdir().unwrap();
    let store = Running::start(folder.path());
    let mut client = store.client();
    client.script(
        "ping => PONG
         ping hello => hello
         echo hello => hello
         select 16 => !ERR DB index is out of range
         select 2147483648 => !ERR value is out of range, value must between -2147483648 and 2147483647
         select x => !ERR value is not an integer or out of range
         client setname me => OK
         client getname => me
         hello 4 => !NOPROTO unsupported protocol version
         client setname a!b => OK
         auth secret => !ERR AUTH <password> called without any password configured for the default user. Are you sure your configuration is correct?
         get => !ERR wrong number of arguments for 'get' command
         client nothing => !ERR unknown subcommand 'nothing'. Try CLIENT HELP.",
    );
    let greeting = client.run("hello 3 setname you");
    assert!(
        greeting.starts_with("{server:redis version:7"),
        "{greeting}"
    );
    assert!(greeting.contains("proto:3"), "{greeting}");
    assert_eq!(client.run("client getname"), "you");
    assert_eq!(client.run("hgetall nothing"), "{}");
    assert_eq!(client.run("reset"), "RESET");
    assert_eq!(client.run("hgetall nothing"), "[]");
    assert_eq!(client.run("quit"), "OK");
    assert_eq!(client.try_receive(), None);
}

#[test]
fn without_the_password_nothing_but_greeting_is_answered() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("password");
    std::fs::write(&file, "secret\n").unwrap();
    let config = StoreConfig {
        password_file: file,
        ..StoreConfig::default()
    };
    let store = Running::with(&folder.path().join("store"), config);
    let mut client = store.client();
    client.script(
        "get a => !NOAUTH Authentication required.
         nothing => !NOAUTH Authentication required.
         auth wrong => !WRONGPASS invalid username-password pair or user is disabled.
         auth secret2 => !WRONGPASS invalid username-password pair or user is disabled.
         get a => !NOAUTH Authentication required.
         auth default secret => OK
         get a => nil",
    );
    let mut other = store.client();
    assert!(other.run("hello 3 auth default secret").contains("proto:3"));
    assert_eq!(other.run("set a 1"), "OK");
    // A stranger may send little.
    let mut stranger = store.client();
    stranger.send_bytes(b"*11\r\n");
    assert_eq!(
        shown(&stranger.receive()),
        "!ERR Protocol error: unauthenticated multibulk length"
    );
    assert_eq!(stranger.try_receive(), None);
}

#[test]
fn a_password_file_that_cannot_be_used_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let config = StoreConfig {
        password_file: folder.path().join("nothing"),
        ..StoreConfig::default()
    };
    let error = Running::try_with(&folder.path().join("store"), config).err();
    assert!(matches!(error, Some(Error::Password { .. })), "{error:?}");
}

#[test]
fn clients_are_listed_and_killed() {
    let folder = tempfile::tempdir().unwrap();
    let store = Running::start(folder.path());
    let (mut one, mut two) = (store.client(), store.client());
    assert_eq!(two.run("client setname two"), "OK");
    let id = two.id();
    let list = one.run("client list");
    assert!(
        list.contains("name=two") && list.lines().count() == 2,
        "{list}"
    );
    assert_eq!(one.run(&format!("client kill id {id}")), "1");
    assert_eq!(two.try_receive(), None);
    assert_eq!(one.run("client list").lines().count(), 1);
    one.send("client reply skip\nping\necho x");
    assert_eq!(shown(&one.receive()), "x");
}

#[test]
fn too_many_clients_are_turned_away() {
    let folder = tempfile::tempdir().unwrap();
    let config = StoreConfig {
        clients_max: 1,
        ..StoreConfig::default()
    };
    let store = Running::with(folder.path(), config);
    let mut one = store.client();
    assert_eq!(one.run("ping"), "PONG");
    let mut two = store.client();
    assert_eq!(shown(&two.receive()), "!ERR max number of clients reached");
    assert_eq!(two.try_receive(), None);
    assert_eq!(one.run("ping"), "PONG");
}

#[test]
fn a_client_that_does_not_read_is_cut_off_and_others_go_on() {
    let folder = tempfile::tempdir().unwrap();
    let config = StoreConfig {
        client_output_bytes_max: atlas_base::ByteSize::mib(4),
        ..StoreConfig::default()
    };
    let store = Running::with(folder.path(), config);
    let mut client = store.client();
    let large = vec![b'x'; 8 << 20];
    assert_eq!(client.run_bytes(&[b"set", b"large", &large]), "OK");
    let mut slow = store.client();
    let lines = "get large\n".repeat(8);
    slow.send(&lines);
    let cut = "client_output_buffer_limit_disconnections:1";
    crate::support::eventually(cut, || client.run("info stats").contains(cut));
    assert_eq!(client.run("ping"), "PONG");
}

#[test]
fn settings_are_told_and_changed() {
    let folder = tempfile::tempdir().unwrap();
    let store = Running::start(folder.path());
    let mut client = store.client();
    client.script(
        "config get maxmemory => [maxmemory 0]
         config set maxmemory 100mb maxmemory-policy allkeys-lru => OK
         config get maxmemory* => [maxmemory 104857600 maxmemory-policy allkeys-lru maxmemory-samples 5]
         config set maxmemory x => !ERR CONFIG SET failed (possibly related to argument 'maxmemory') - argument must be a memory value
         config set nothing 1 => !ERR Unknown option or number of arguments for CONFIG SET - 'nothing'
         config get appendfsync => [appendfsync always]
         config resetstat => OK",
    );
    let count: usize = client.run("command count").parse().unwrap();
    assert!(count > 60, "{count}");
    assert_eq!(client.run("command getkeys set a 1"), "[a]");
    assert!(
        client
            .run("command info get")
            .starts_with("[[get 2 [readonly fast] 1 1 1")
    );
}

#[test]
fn shutdown_ends_the_process() {
    let folder = tempfile::tempdir().unwrap();
    let store = Running::start(folder.path());
    let mut client = store.client();
    assert_eq!(client.run("set a 1"), "OK");
    client.send("shutdown");
    assert_eq!(client.try_receive(), None);
    store.ended();
}

#[test]
fn delays_are_kept_from_a_threshold() {
    let folder = tempfile::tempdir().unwrap();
    let store = Running::start(folder.path());
    let mut client = store.client();
    client.script(
        "debug sleep 0.02 => OK
         latency latest => []
         config set latency-monitor-threshold 10 => OK
         debug sleep 0.02 => OK
         latency history nothing => []",
    );
    let latest = client.run("latency latest");
    assert!(latest.contains("[command "), "{latest}");
    let history = client.run("latency history command");
    assert!(history.starts_with("[["), "{history}");
    assert!(client.run("latency doctor").contains("command: 1 times"));
    client.script("latency reset command => 1\nlatency history command => []");
    client.script("latency reset nothing => 0");
}
