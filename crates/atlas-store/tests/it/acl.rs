//! Users and their rights, as clients meet them: at the door, in transactions, while they wait, after a restart.

use atlas_store::{Error, Fsync, StoreConfig};

use crate::support::{Client, Running, blocked, eventually, shown};

const MODES: [Fsync; 2] = [Fsync::Every, Fsync::None];

fn config(fsync: Fsync) -> StoreConfig {
    StoreConfig {
        fsync,
        ..StoreConfig::default()
    }
}

fn user(store: &Running, name: &str) -> Client {
    let mut client = store.client();
    assert_eq!(client.run(&format!("auth {name} secret")), "OK");
    client
}

#[test]
fn rights_are_looked_at_before_a_command_runs() {
    for fsync in MODES {
        let folder = tempfile::tempdir().unwrap();
        let store = Running::with(folder.path(), config(fsync));
        let mut admin = store.client();
        admin.script(
            "acl whoami => default
            acl setuser eve on >secret ~a* %R~shared &news +@read +@write +@connection +multi +exec +subscribe +publish -getdel => OK
            acl setuser nobody => OK
            acl users => [default eve nobody]
            set shared 1 => OK
            acl dryrun eve set shared 2 => This user has no permissions to access the 'shared' key
            acl dryrun eve getdel a => This user has no permissions to run the 'getdel' command
            acl dryrun eve publish other x => This user has no permissions to access the 'other' channel
            acl dryrun eve set a 1 => OK
            acl dryrun nothing get a => !ERR User 'nothing' not found
            acl dryrun eve nothing => !ERR Command 'nothing' not found
            acl dryrun eve get => !ERR wrong number of arguments for 'get' command",
        );
        let mut eve = user(&store, "eve");
        eve.script(
            "acl whoami => !NOPERM this user has no permissions to run the 'acl|whoami' command
            set a1 x => OK
            get a1 => x
            get shared => 1
            set shared 2 => !NOPERM this user has no permissions to access one of the keys used as arguments
            get other => !NOPERM this user has no permissions to access one of the keys used as arguments
            getdel a1 => !NOPERM this user has no permissions to run the 'getdel' command
            config set maxmemory 1 => !NOPERM this user has no permissions to run the 'config|set' command
            publish news x => 0
            publish other x => !NOPERM this user has no permissions to access one of the channels used as arguments
            multi => OK
            set a2 x => QUEUED
            get other => !NOPERM this user has no permissions to access one of the keys used as arguments
            exec => !EXECABORT Transaction discarded because of previous errors.
            get a2 => nil",
        );
        assert_eq!(
            store.client().run("auth nobody x"),
            "!WRONGPASS invalid username-password pair or user is disabled."
        );
        let list = admin.run("client list");
        assert!(list.contains("user=eve "), "{list}");
        admin.script(
            "client kill user nothing => !ERR No such user 'nothing'
            client kill user eve => 1",
        );
        assert_eq!(eve.try_receive(), None);
        let mut eve = user(&store, "eve");
        assert_eq!(eve.run("reset"), "RESET");
        assert_eq!(eve.run("acl whoami"), "default");
    }
}

#[test]
fn refusals_are_logged_on_this_node() {
    let folder = tempfile::tempdir().unwrap();
    let store = Running::start(folder.path());
    let mut admin = store.client();
    admin.run("acl setuser eve on >secret ~a +get +multi +exec +publish");
    let mut eve = user(&store, "eve");
    for line in ["set a 1", "set a 1", "get b", "publish c d", "multi"] {
        eve.run(line);
    }
    eve.run("get c");
    store.client().run("auth eve wrong");
    let entries = admin.run("acl log");
    let mut at = 0;
    for expected in [
        "count 1 reason auth context toplevel object auth username eve",
        "count 1 reason key context multi object c username eve",
        "count 1 reason channel context toplevel object c username eve",
        "count 1 reason key context toplevel object b username eve",
        "count 2 reason command context toplevel object set username eve",
    ] {
        let found = entries[at..].find(expected);
        at += found.unwrap_or_else(|| panic!("no {expected} in {entries}"));
    }
    assert!(entries.contains("client-info id="), "{entries}");
    admin.script(
        "config set acllog-max-len 2 => OK
        acl log reset x => !ERR unknown subcommand or wrong number of arguments for 'log'. Try ACL HELP.
        acl log x => !ERR value is not an integer or out of range
        acl log 0 => []
        acl log -5 => []",
    );
    assert_eq!(admin.run("acl log").matches("count").count(), 2);
    assert_eq!(admin.run("acl log 1").matches("count").count(), 1);
    assert_eq!(admin.run("acl log reset"), "OK");
    assert_eq!(admin.run("acl log"), "[]");
    // Passwords are in no list of slow commands.
    admin.run("config set slowlog-log-slower-than 0");
    admin.run("acl setuser eve >verysecret");
    store.client().run("auth eve verysecret");
    let slow = admin.run("slowlog get 10");
    assert!(slow.contains("SETUSER (redacted) (redacted)"), "{slow}");
    assert!(!slow.contains("verysecret"), "{slow}");
}

#[test]
fn users_are_there_after_a_restart_and_passwords_only_as_hashes() {
    for fsync in MODES {
        let folder = tempfile::tempdir().unwrap();
        let store = Running::with(folder.path(), config(fsync));
        let mut admin = store.client();
        admin.script(
            "acl setuser gone on nopass => OK
            acl setuser eve on >supersecret ~a* (+get ~b) => OK
            acl deluser gone nobody => 1
            bgsave => Background saving started
            acl setuser eve +set => OK
            multi => OK
            acl setuser ann on nopass allkeys +@all => QUEUED
            acl setuser ann -flushall => QUEUED
            set key value => QUEUED
            acl deluser nothing => QUEUED
            exec => [OK OK OK 0]",
        );
        let (list, digest) = (admin.run("acl list"), admin.run("debug digest"));
        assert!(
            list.contains("user ann on nopass ~* resetchannels +@all -flushall"),
            "{list}"
        );
        store.stop();
        let logged = std::fs::read_dir(folder.path()).unwrap();
        for file in logged {
            // What was being written when the store stopped is removed by the thread that wrote it.
            let Ok(bytes) = std::fs::read(file.unwrap().path()) else {
                continue;
            };
            assert!(!bytes.windows(11).any(|found| found == b"supersecret"));
        }
        let store = Running::with(folder.path(), config(fsync));
        let mut admin = store.client();
        assert_eq!(admin.run("acl list"), list, "{fsync:?}");
        assert_eq!(admin.run("debug digest"), digest, "{fsync:?}");
        let mut eve = store.client();
        assert_eq!(eve.run("auth eve supersecret"), "OK");
        assert_eq!(eve.run("set a 1"), "OK");
        assert_eq!(eve.run("get b"), "nil");
    }
}

/// What was done with rights stays done when they are gone: a replay does not ask.
#[test]
fn a_later_change_of_rights_changes_no_replay() {
    for fsync in MODES {
        let folder = tempfile::tempdir().unwrap();
        let store = Running::with(folder.path(), config(fsync));
        let mut admin = store.client();
        admin.run("acl setuser eve on >secret ~* +@all");
        let mut eve = user(&store, "eve");
        eve.script(
            "set mine 1 => OK
            rpush list a b c => 3
            multi => OK
            incr mine => QUEUED
            lpop list => QUEUED
            exec => [2 a]",
        );
        eve.send("blpop wanted 0");
        blocked(&mut admin, 1);
        assert_eq!(admin.run("rpush wanted x"), "1");
        assert_eq!(shown(&eve.receive()), "[wanted x]");
        admin.script(
            "acl setuser eve reset => OK
            acl deluser eve => 1",
        );
        let digest = admin.run("debug digest");
        store.stop();
        let store = Running::with(folder.path(), config(fsync));
        let mut admin = store.client();
        assert_eq!(admin.run("debug digest"), digest, "{fsync:?}");
        admin.script(
            "get mine => 2
            lrange list 0 -1 => [b c]
            exists wanted => 0
            acl users => [default]",
        );
    }
}

#[test]
fn a_change_of_rights_holds_at_once_for_connections_that_are_there() {
    for fsync in MODES {
        let folder = tempfile::tempdir().unwrap();
        let store = Running::with(folder.path(), config(fsync));
        let mut admin = store.client();
        admin.run("acl setuser eve on >secret ~* &* +@all");
        let mut eve = user(&store, "eve");
        // A transaction: what was queued is looked at again.
        eve.script(
            "multi => OK
            set a 1 => QUEUED
            incr b => QUEUED
            echo c => QUEUED
            get a => QUEUED",
        );
        admin.run("acl setuser eve -incr -echo");
        let answers = eve.run("exec");
        let refused = "!NOPERM ACLs rules changed between the moment the transaction was accumulated and the EXEC call. This command is no longer allowed for the following reason: lacking the permissions for the command";
        assert_eq!(answers, format!("[OK {refused} {refused} 1]"));
        assert_eq!(admin.run("exists b"), "0");
        assert!(admin.run("acl log 1").contains("context multi object echo"));
        // A wait.
        eve.send("blpop list 0");
        blocked(&mut admin, 1);
        admin.run("acl setuser eve resetkeys");
        assert_eq!(
            shown(&eve.receive()),
            "!NOPERM this user has no permissions to access one of the keys used as arguments"
        );
        assert_eq!(admin.run("rpush list x"), "1");
        assert_eq!(eve.run("ping"), "PONG");
        // A subscription: it is kept while its channel may be heard.
        let mut hearing = user(&store, "eve");
        hearing.run("subscribe a:1");
        admin.run("acl setuser eve resetchannels &a:* &b");
        assert_eq!(admin.run("publish a:1 x"), "1");
        assert_eq!(shown(&hearing.receive()), "[message a:1 x]");
        admin.run("acl setuser eve resetchannels &b");
        assert_eq!(hearing.try_receive(), None);
        // A connection that has done nothing yet is somebody's too.
        assert_eq!(eve.run("ping"), "PONG");
        admin.run("acl deluser eve");
        assert_eq!(eve.try_receive(), None);
        // Whoever removes itself is answered.
        admin.run("acl setuser self on >secret +@all");
        let mut own = user(&store, "self");
        assert_eq!(own.run("acl deluser self"), "1");
        assert_eq!(own.try_receive(), None);
    }
}

#[test]
fn what_is_pipelined_behind_a_change_sees_it() {
    let folder = tempfile::tempdir().unwrap();
    let store = Running::start(folder.path());
    let mut client = store.client();
    client.send(
        "set a 1\nacl setuser eve on >secret ~a +get\nauth eve secret\nget a\nset a 2\nget b\nauth default x\nacl setuser default -get\nget a",
    );
    let answers: Vec<String> = (0..9).map(|_| shown(&client.receive())).collect();
    let refused = |what: &str| format!("!NOPERM this user has no permissions to {what}");
    assert_eq!(
        answers,
        [
            "OK",
            "OK",
            "OK",
            "1",
            &refused("run the 'set' command"),
            &refused("access one of the keys used as arguments"),
            "OK",
            "OK",
            &refused("run the 'get' command"),
        ]
    );
    // Changes that many make at the same time all count.
    let mut admins: Vec<Client> = (0..8).map(|_| store.client()).collect();
    for (number, admin) in admins.iter_mut().enumerate() {
        admin.send(&format!(
            "acl setuser all ~{number}\nacl setuser all &{number}"
        ));
    }
    for admin in &mut admins {
        assert_eq!(shown(&admin.receive()), "OK");
        assert_eq!(shown(&admin.receive()), "OK");
    }
    let all = client.run("acl getuser all");
    for number in 0..8 {
        let has = |sign: &str| all.contains(&format!("{sign}{number}"));
        assert!(has("~") && has("&"), "{number}: {all}");
    }
}

#[test]
fn the_password_of_the_configuration_is_one_of_the_default_users() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("password");
    std::fs::write(&file, "first\n").unwrap();
    let config = StoreConfig {
        password_file: file,
        ..StoreConfig::default()
    };
    let store = Running::with(&folder.path().join("store"), config.clone());
    let mut client = store.client();
    client.script(
        "acl whoami => !NOAUTH Authentication required.
        auth first => OK
        acl whoami => default
        acl setuser default >second => OK",
    );
    assert_eq!(store.client().run("auth second"), "OK");
    assert_eq!(store.client().run("auth first"), "OK");
    // As in Redis it is the only one, once it was set by hand.
    client.run("config set requirepass third");
    eventually("the others are gone", || {
        let second = store.client().run("auth second");
        second.starts_with("!WRONGPASS")
    });
    assert!(store.client().run("auth first").starts_with("!WRONGPASS"));
    assert_eq!(store.client().run("auth third"), "OK");
    // What takes it away lets everybody in, until the next start.
    assert_eq!(client.run("acl setuser default nopass"), "OK");
    assert_eq!(store.client().run("get a"), "nil");
    assert_eq!(client.run("config get requirepass"), "[requirepass ]");
    store.stop();
    let store = Running::with(&folder.path().join("store"), config);
    assert!(store.client().run("get a").starts_with("!NOAUTH"));
    assert_eq!(store.client().run("auth first"), "OK");
    let mut client = store.client();
    assert!(client.run("auth second").starts_with("!WRONGPASS"));
    // One who is turned off cannot be again, and whoever connects is nobody.
    client.run("auth first");
    client.script(
        "acl setuser other on >secret +@all => OK
        acl setuser default off => OK",
    );
    assert!(store.client().run("auth first").starts_with("!WRONGPASS"));
    let mut other = user(&store, "other");
    assert_eq!(other.run("acl setuser default on"), "OK");
    assert_eq!(store.client().run("auth first"), "OK");
    assert_eq!(
        other.run("acl deluser default"),
        "!ERR The 'default' user cannot be removed"
    );
}

#[test]
fn users_come_from_a_file_and_go_into_it() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("users.acl");
    std::fs::write(
        &file,
        "user alice on nopass ~* +@all\n\nuser bob on (+get ~b)\n",
    )
    .unwrap();
    let config = StoreConfig {
        acl_file: file.clone(),
        ..StoreConfig::default()
    };
    let data = folder.path().join("store");
    let store = Running::with(&data, config.clone());
    let mut admin = store.client();
    admin.script(
        "acl users => [alice bob default]
        acl deluser bob => 1
        acl save => OK",
    );
    let written = std::fs::read_to_string(&file).unwrap();
    assert_eq!(
        written,
        "user alice on nopass ~* resetchannels +@all\nuser default on nopass ~* &* +@all\n"
    );
    let mode = std::os::unix::fs::PermissionsExt::mode(&file.metadata().unwrap().permissions());
    assert_eq!(mode & 0o777, 0o600);
    // A file with anything wrong in it changes nothing.
    std::fs::write(&file, "user alice on\nuser alice off\nuser carol +nothing").unwrap();
    let refused = admin.run("acl load");
    assert!(
        refused.contains("Duplicate user 'alice' found on line 2"),
        "{refused}"
    );
    assert!(refused.contains("'+nothing'"), "{refused}");
    assert_eq!(admin.run("acl users"), "[alice default]");
    let mut alice = user(&store, "alice");
    std::fs::write(&file, "user carol on nopass\n").unwrap();
    assert_eq!(admin.run("acl load"), "OK");
    assert_eq!(alice.try_receive(), None);
    assert_eq!(admin.run("acl users"), "[carol default]");
    // From then on the log says who there is.
    std::fs::write(&file, "user dave on nopass\n").unwrap();
    store.stop();
    let store = Running::with(&data, config.clone());
    assert_eq!(store.client().run("acl users"), "[carol default]");
    store.stop();
    std::fs::write(&file, "nonsense").unwrap();
    let Err(error) = Running::try_with(&folder.path().join("other"), config) else {
        panic!("a store started with users that cannot be");
    };
    assert!(matches!(error, Error::Users { .. }), "{error}");
    let store = Running::start(&folder.path().join("third"));
    let mut client = store.client();
    for line in ["acl load", "acl save"] {
        let refused = client.run(line);
        assert!(
            refused.contains("not configured to use an ACL file"),
            "{refused}"
        );
    }
}

#[test]
fn commands_about_users_are_answered_as_in_redis() {
    let folder = tempfile::tempdir().unwrap();
    let store = Running::start(folder.path());
    let mut client = store.client();
    client.script(
        "acl setuser a+b on => OK
        acl setuser x +nothing => !ERR Error in ACL SETUSER modifier '+nothing': Unknown command or category name in ACL
        acl setuser x (+get => !ERR Unmatched parenthesis in acl selector starting at '(+get'.
        acl getuser x => nil
        acl cat nothing => !ERR Unknown category 'nothing'
        acl genpass 0 => !ERR ACL GENPASS argument must be the number of bits for the output password, a positive number up to 4096
        acl genpass x => !ERR value is not an integer or out of range
        acl setuser y resetchannels &one %R~foo %W~bar ~baz +get (-@all +set ~z) => OK
        config set acl-pubsub-default allchannels => OK
        acl setuser z &one => !ERR Error in ACL SETUSER modifier '&one': Adding a pattern after the * pattern (or the 'allchannels' flag) is not valid and does not have any effect. Try 'resetchannels' to start with an empty list of channels
        config set acl-pubsub-default no => !ERR CONFIG SET failed (possibly related to argument 'acl-pubsub-default') - argument(s) must be one of the following: allchannels, resetchannels
        config set aclfile x => !ERR CONFIG SET failed (possibly related to argument 'aclfile') - can't set immutable config",
    );
    assert_eq!(
        client.run_bytes(&[b"acl", b"setuser", b"a b"]),
        "!ERR Usernames can't contain spaces or null characters"
    );
    client.run("hello 3");
    assert_eq!(
        client.run("acl getuser y"),
        "{flags:~[off] passwords:[] commands:-@all +get keys:%R~foo %W~bar ~baz channels:&one selectors:[{commands:-@all +set keys:~z channels:}]}"
    );
    assert_eq!(client.run("acl genpass").len(), 64);
    assert_eq!(client.run("acl genpass 5").len(), 2);
    assert_ne!(client.run("acl genpass"), client.run("acl genpass"));
    assert!(
        client
            .run("acl cat")
            .starts_with("[keyspace read write set sortedset")
    );
    let transactions = client.run("acl cat transaction");
    for name in ["multi", "exec", "watch"] {
        assert!(transactions.contains(name), "{transactions}");
    }
    assert!(!transactions.contains("get"), "{transactions}");
    let help = client.run("acl help");
    assert!(help.contains("SETUSER <username>"), "{help}");
    // A connection that is not let in is told nothing, and may say who it is.
    client.run("acl setuser default off");
    let mut stranger = store.client();
    assert!(stranger.run("acl whoami").starts_with("!NOAUTH"));
    let greeting = stranger.run("hello 3 auth a+b x");
    assert!(greeting.starts_with("!WRONGPASS"), "{greeting}");
    client.run("acl setuser a+b nopass");
    let greeting = stranger.run("hello 3 auth a+b x");
    assert!(greeting.contains("proto:3"), "{greeting}");
}
