//! The decision table, and how rules, records and snapshots make users.

use super::*;

fn user(rules: &str) -> User {
    let rules: Vec<&[u8]> = rules.split(' ').map(str::as_bytes).collect();
    let buffer = ArgumentBuffer::of(&rules);
    let rules = joined(&buffer.arguments()).unwrap();
    User::new(b"somebody", false).with(&rules, false).unwrap()
}

fn refusal(rules: &str) -> String {
    let rules: Vec<&[u8]> = rules.split(' ').map(str::as_bytes).collect();
    let refused = User::new(b"somebody", false).with(&rules, false);
    refused.unwrap_err().1.to_string()
}

/// The decision about a line of words.
fn decide(user: &User, line: &str) -> Result<(), Denied> {
    let buffer = ArgumentBuffer::of(line.split_ascii_whitespace());
    let arguments = buffer.arguments();
    user.check(command::resolve(&arguments).unwrap(), &arguments)
}

/// A command with arguments that are all the same word, as few as it takes, and one at least where a key may stand; keys
/// that are counted are one.
fn line_of(command: &Command) -> ArgumentBuffer {
    let name = full_name(command);
    let mut line = ArgumentBuffer::of(name.split('|'));
    let least = usize::from(command.arity.unsigned_abs()).max(3);
    let count = match command.keys {
        command::Keys::Counted { count, .. } => usize::from(count),
        _ => 0,
    };
    while line.ranges().len() < least || line.ranges().len() <= count + 1 {
        let is_count = line.ranges().len() == count && count > 0;
        line.push(if is_count { b"1" } else { b"word" });
    }
    line
}

#[test]
fn every_command_is_allowed_alone_and_forbidden_alone() {
    for command in all() {
        let name = full_name(command);
        let line = line_of(command);
        let arguments = line.arguments();
        let only = user(&format!("allkeys allchannels -@all +{name}"));
        assert_eq!(only.check(command, &arguments), Ok(()), "+{name}");
        let all_but = user(&format!("allkeys allchannels +@all -{name}"));
        let is_free = command.flags.contains(Flags::NO_AUTH);
        let expected = if is_free {
            Ok(())
        } else {
            Err(Denied::Command)
        };
        assert_eq!(all_but.check(command, &arguments), expected, "-{name}");
        for other in ["get", "config|set"] {
            if other != name && !is_free && !other.starts_with(&format!("{name}|")) {
                let other = user(&format!("allkeys allchannels -@all +{other}"));
                let denied = other.check(command, &arguments);
                assert_eq!(denied, Err(Denied::Command), "{name}");
            }
        }
    }
}

#[test]
fn categories_allow_what_is_in_them() {
    for category in Category::all().names() {
        let one = user(&format!("allkeys allchannels -@all +@{category}"));
        let but = user(&format!("allkeys allchannels +@all -@{category}"));
        for command in all() {
            // Where a container is in a category its subcommands come and go with it.
            let name = full_name(command);
            let container = name.split('|').next().unwrap_or_default();
            let has = |command: &Command| Category::of(command).names().any(|it| it == category);
            let held = has(command) || command::find(container.as_bytes()).is_some_and(has);
            let arguments = line_of(command);
            let arguments = arguments.arguments();
            let is_free = command.flags.contains(Flags::NO_AUTH);
            let allowed = one.check(command, &arguments).is_ok();
            assert_eq!(allowed, held || is_free, "+@{category}: {name}");
            let allowed = but.check(command, &arguments).is_ok();
            assert_eq!(allowed, !held || is_free, "-@{category}: {name}");
        }
    }
}

#[test]
fn keys_are_read_and_written_as_redis_says() {
    let mut seen = 0;
    for command in all() {
        let name = full_name(command);
        let Some([.., access]) = row(name) else {
            continue;
        };
        let line = line_of(command);
        let arguments = line.arguments();
        let mut positions = Vec::new();
        if !command.flags.contains(Flags::PUBSUB) {
            command.keys.find(&arguments, &mut positions);
        }
        for (rules, held) in [("%R~*", "R"), ("%W~*", "W"), ("~*", "RW"), ("~other", "")] {
            let user = user(&format!("+@all allchannels {rules}"));
            let mut needs = access.split(' ').filter(|word| *word != "varies");
            let (first, others) = (needs.next().unwrap_or(""), needs.next().unwrap_or(""));
            // A `SET` without `GET` only writes; a `BITFIELD` of other words than `GET` is as if it wrote.
            let first = if name == "set" { "W" } else { first };
            let fits = |needs: &str| {
                !held.is_empty() && needs.chars().all(|it| it == '-' || held.contains(it))
            };
            let denied = positions
                .iter()
                .enumerate()
                .find(|(number, _)| !fits(if *number == 0 { first } else { others }));
            let expected = denied.map_or(Ok(()), |(_, at)| Err(Denied::Key(*at)));
            assert_eq!(user.check(command, &arguments), expected, "{name} {rules}");
            seen += usize::from(!positions.is_empty());
        }
    }
    assert!(seen > 500, "{seen} decisions about keys are hardly all");
}

#[test]
fn decisions_about_lines() {
    let of_keys = "+@all %R~read* %W~write* %RW~rw*";
    let table = [
        // Rights to read and to write a key do not come together from two selectors.
        (
            "(+@all %R~a*) (+@all %W~b*)",
            "copy a b",
            Err(Denied::Key(2)),
        ),
        ("(+@all %R~a*) (+@all %W~b*)", "get a", Ok(())),
        ("(+@all %R~a*) (+@all %W~b*)", "lpush b 1", Ok(())),
        (
            "(+@all %R~a*) (+@all %W~b*)",
            "lpush a 1",
            Err(Denied::Key(1)),
        ),
        // The selector that got furthest is told.
        (
            "+mget ~key (+mget ~key ~other)",
            "get key",
            Err(Denied::Command),
        ),
        (
            "+mget ~key (+mget ~key ~other)",
            "mget other some",
            Err(Denied::Key(2)),
        ),
        (
            "+mget ~key (+mget ~key ~other)",
            "mget key other some",
            Err(Denied::Key(3)),
        ),
        (of_keys, "set write bar", Ok(())),
        (of_keys, "set write get", Ok(())),
        (of_keys, "set write bar get", Err(Denied::Key(1))),
        (of_keys, "set write bar ex get", Err(Denied::Key(1))),
        (of_keys, "set rw bar get", Ok(())),
        (of_keys, "bitfield read get u4 0", Ok(())),
        (of_keys, "bitfield read overflow fail get u4 0", Ok(())),
        (
            of_keys,
            "bitfield read get u4 0 set u4 0 1",
            Err(Denied::Key(1)),
        ),
        (of_keys, "bitfield write set u4 0 1", Err(Denied::Key(1))),
        (of_keys, "bitfield rw incrby u4 0 1", Ok(())),
        (of_keys, "sort read store write", Ok(())),
        (of_keys, "sort read store read", Err(Denied::Key(3))),
        (of_keys, "hexists write foo", Ok(())),
        (of_keys, "hexists nothing foo", Err(Denied::Key(1))),
        (of_keys, "memory usage write", Ok(())),
        (of_keys, "zunionstore write 2 read read1", Ok(())),
        (
            of_keys,
            "zunionstore write 2 read write1",
            Err(Denied::Key(4)),
        ),
        // Arguments that a rule asks for.
        ("+select|0 ~*", "select 0", Ok(())),
        ("+select|0 ~*", "select 1", Err(Denied::Command)),
        ("+select|0 +select|5 ~*", "SELECT 5", Ok(())),
        ("+select|0 -select ~*", "select 0", Err(Denied::Command)),
        (
            "+select|0 -@connection ~*",
            "select 0",
            Err(Denied::Command),
        ),
        ("+@all -client +client|id", "client id", Ok(())),
        (
            "+@all -client +client|id",
            "client info",
            Err(Denied::Command),
        ),
        ("-@all +config -config|set", "config get x", Ok(())),
        (
            "-@all +config -config|set",
            "config set x y",
            Err(Denied::Command),
        ),
        // Channels.
        ("+@all &a &b:*", "publish a x", Ok(())),
        ("+@all &a &b:*", "publish b:1 x", Ok(())),
        ("+@all &a &b:*", "publish c x", Err(Denied::Channel(1))),
        ("+@all &a &b:*", "subscribe a b:2", Ok(())),
        ("+@all &a &b:*", "subscribe a c", Err(Denied::Channel(2))),
        ("+@all &a &b:*", "psubscribe b:*", Ok(())),
        ("+@all &a &b:*", "psubscribe b:1", Err(Denied::Channel(1))),
        ("+@all &a &b:*", "unsubscribe c", Ok(())),
        // Who may do nothing may still say who it is.
        ("-@all", "auth word", Ok(())),
        ("-@all", "ping", Err(Denied::Command)),
    ];
    for (rules, line, expected) in table {
        assert_eq!(decide(&user(rules), line), expected, "{rules}: {line}");
    }
}

#[test]
fn a_pattern_that_takes_too_long_allows_nothing() {
    let long = format!("~{}b", "a*".repeat(30_000));
    let user = user(&format!("+@all {long}"));
    let key = "a".repeat(60_000);
    assert_eq!(decide(&user, &format!("get {key}")), Err(Denied::Key(1)));
    let fits = self::user("+@all ~a*b*c").check(
        command::find(b"get").unwrap(),
        &ArgumentBuffer::of(["get", "a-b-c"]).arguments(),
    );
    assert_eq!(fits, Ok(()));
}

#[test]
fn sort_by_patterns_asks_for_all_keys() {
    let refused = |rules: &str, line: &str| {
        let buffer = ArgumentBuffer::of(line.split(' '));
        let arguments = buffer.arguments();
        let sort = command::resolve(&arguments).unwrap();
        user(rules).sort_refusal(sort, &arguments)
    };
    let by = Some("ERR BY option of SORT denied due to insufficient ACL permissions.");
    let get = Some("ERR GET option of SORT denied due to insufficient ACL permissions.");
    assert_eq!(refused("+sort ~list", "sort list by v*"), by);
    assert_eq!(refused("+sort ~list", "sort list by nosort"), None);
    assert_eq!(refused("+sort ~list", "sort list limit 0 1 get v*"), get);
    assert_eq!(refused("+sort ~list %W~*", "sort list get #"), get);
    assert_eq!(
        refused("+sort ~list (+sort ~list %R~*)", "sort list by v*"),
        None
    );
    assert_eq!(refused("allkeys +sort", "sort list by v* get v*"), None);
}

#[test]
fn rules_are_told_as_they_were_given() {
    let commands = |rules: &str| {
        let user = user(rules);
        let first = user.selectors().next().unwrap().command_rules();
        String::from_utf8(first).unwrap()
    };
    for (given, told) in [
        ("", "-@all"),
        ("allcommands", "+@all"),
        ("+@all -@hash -@slow +hget", "+@all -@hash -@slow +hget"),
        ("+memory|doctor", "-@all +memory|doctor"),
        ("+memory|doctor +memory", "-@all +memory"),
        ("+get +@all +client|id", "+@all"),
        ("+@all -memory|doctor -memory", "+@all -memory"),
        ("+@all -get +get", "+@all"),
        ("+@all +@read -@read", "+@all -@read"),
        (
            "+debug|segfault +debug|object",
            "-@all +debug|segfault +debug|object",
        ),
        ("+GET", "-@all +get"),
        ("+select|0", "-@all +select|0"),
        ("+select +select|0", "-@all +select"),
        (
            "-@all +@string -incr +debug|object",
            "-@all +@string -incr +debug|object",
        ),
    ] {
        assert_eq!(commands(given), told, "{given}");
    }
    let line = |rules: &str| String::from_utf8(user(rules).line()).unwrap();
    let hash = Password::of(b"secret").digits();
    for (given, told) in [
        ("", "off resetchannels -@all".to_owned()),
        (
            "on nopass &foo +@all",
            "on nopass resetchannels &foo +@all".to_owned(),
        ),
        (
            "%R~foo %W~foo %RW~bar",
            "off ~foo ~bar resetchannels -@all".to_owned(),
        ),
        ("on >secret ~* &*", format!("on #{hash} ~* &* -@all")),
        (
            "reset (~a +get )",
            "off sanitize-payload resetchannels -@all (~a resetchannels -@all +get)".to_owned(),
        ),
        (
            "(+get) clearselectors",
            "off resetchannels -@all".to_owned(),
        ),
    ] {
        assert_eq!(line(given), format!("user somebody {told}"), "{given}");
        // What is told makes the same user.
        let again = line(&told);
        assert_eq!(again, format!("user somebody {told}"));
    }
    assert_eq!(
        User::default_user().line(),
        b"user default on nopass ~* &* +@all"
    );
}

#[test]
fn rules_that_are_none_are_refused_as_in_redis() {
    for (rules, error) in [
        ("nonsense", "Syntax error"),
        (")", "Syntax error"),
        ("%X~a", "Syntax error"),
        ("%RR~a", "Syntax error"),
        ("%~a", "Syntax error"),
        ("(on)", "Syntax error"),
        ("+select|", "Syntax error"),
        ("+nothing", "Unknown command or category name in ACL"),
        ("+@nothing", "Unknown command or category name in ACL"),
        ("+config|nothing", "Unknown command or category name in ACL"),
        ("-config|nothing", "Unknown command or category name in ACL"),
        ("-select|0", "Unknown command or category name in ACL"),
        ("+get|a|b", "Unknown command or category name in ACL"),
        (
            "+config|get|x",
            "Allowing first-arg of a subcommand is not supported",
        ),
        (
            "<nothing",
            "The password you are trying to remove from the user does not exist",
        ),
    ] {
        assert_eq!(refusal(rules), error, "{rules}");
    }
    assert!(refusal("~* ~a").contains("'resetkeys'"));
    assert!(refusal("&* &a").contains("'resetchannels'"));
    assert!(refusal("#abc").contains("exactly 64 characters"));
    assert!(refusal(&format!("#{}", "A".repeat(64))).contains("lowercase"));
    let open = ArgumentBuffer::of(["+get", "(+set", "~a"]);
    assert_eq!(joined(&open.arguments()), Err(&b"(+set"[..]));
    let many: Vec<String> = (0..5000).map(|number| format!("~{number}")).collect();
    let refused = User::new(b"a", false).with(&many, false);
    assert_eq!(refused.unwrap_err().1, RuleError::TooMany);
}

#[test]
fn passwords_are_checked() {
    let both = user("on >one >two");
    assert!(both.accepts(b"one") && both.accepts(b"two") && !both.accepts(b"three"));
    assert!(!user("off >one").accepts(b"one"));
    assert!(user("on nopass").accepts(b"anything"));
    assert!(!user("on").accepts(b""));
    assert!(!user("on >one <one").accepts(b"one"));
    // The example of FIPS 180-4.
    let digits = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
    assert_eq!(Password::of(b"abc").digits(), digits);
    assert!(user(&format!("on #{digits}")).accepts(b"abc"));
    let overlaid = User::default_user().with_password(Password::of(b"abc"));
    assert!(!overlaid.accepts(b"") && overlaid.accepts(b"abc") && !overlaid.is_open());
    let without = overlaid.without_password(Password::of(b"abc"));
    assert_eq!(without, User::default_user());
}

struct Nobody(Collected);

impl Answers for Nobody {
    fn client(&mut self) -> &mut dyn Reply {
        &mut self.0
    }
    fn waiter(&mut self, _: u64) -> &mut dyn Reply {
        &mut self.0
    }
}

fn apply(keyspace: &mut Keyspace, arguments: &Arguments<'_>) -> (Answer, bool) {
    let moment = Moment {
        database: 0,
        now_ms: 1,
        seed: 0,
    };
    let (mut nobody, mut effects) = (Nobody(Collected::default()), Effects::default());
    keyspace.apply(moment, arguments, &[], &mut nobody, &mut effects);
    (nobody.0.into_answers().remove(0), effects.users)
}

#[test]
fn records_make_change_and_remove_users() {
    let mut keyspace = Keyspace::new(1, Settings::default());
    let first = keyspace.state_hash();
    let one = user("on >secret ~a* %R~b* &c +@read -get +select|0 (~x +get)");
    let set = one.record();
    assert_eq!(
        apply(&mut keyspace, &set.arguments()),
        (Answer::Simple("OK".into()), true)
    );
    assert_eq!(
        keyspace.users().get(b"somebody").map(|held| &**held),
        Some(&one)
    );
    assert_ne!(keyspace.state_hash(), first);
    // A record holds hashes only.
    assert!(!set.bytes().windows(6).any(|bytes| bytes == b"secret"));

    let mut other = Keyspace::new(1, Settings::default());
    let all = keyspace.users().record();
    assert!(apply(&mut other, &all.arguments()).1);
    assert_eq!(other.users(), keyspace.users());
    assert_eq!(other.state_hash(), keyspace.state_hash());

    let removal = Users::removal([&b"somebody"[..], b"nobody", b"default"].into_iter());
    assert_eq!(
        apply(&mut keyspace, &removal.arguments()),
        (Answer::Integer(1), true)
    );
    assert_eq!(keyspace.users(), &Users::default());
    let wrong = ArgumentBuffer::of(["ACL", "SETUSER", "a", "nonsense"]);
    assert!(matches!(
        apply(&mut keyspace, &wrong.arguments()),
        (Answer::Error(_), false)
    ));
    // Names of a later version are kept, and mean nothing here.
    let later = ArgumentBuffer::of(["ACL", "SETUSER", "a", "reset", "on", "+hologram", "-get|x"]);
    assert!(apply(&mut keyspace, &later.arguments()).1);
    let line = keyspace.users().get(b"a").unwrap().line();
    assert_eq!(line, b"user a on resetchannels -@all +hologram -get|x");
}

#[test]
fn snapshots_hold_users() {
    let written = |keyspace: &mut Keyspace| {
        assert!(keyspace.snapshot_begin());
        while !keyspace.snapshot_step(1 << 20) {}
        keyspace.snapshot_take()
    };
    let mut keyspace = Keyspace::new(1, Settings::default());
    let before = written(&mut keyspace);
    apply(
        &mut keyspace,
        &user("on nopass ~a +get (&b)").record().arguments(),
    );
    apply(
        &mut keyspace,
        &ArgumentBuffer::of(["set", "a", "b"]).arguments(),
    );
    let blocks = written(&mut keyspace);
    let load = |blocks: &[crate::Block]| {
        let mut loading = Loading::new();
        for block in blocks {
            loading.block(block.kind, &block.payload)?;
        }
        loading.finish()
    };
    let loaded = load(&blocks).unwrap();
    assert_eq!(loaded.users(), keyspace.users());
    assert_eq!(loaded.state_hash(), keyspace.state_hash());
    // One that was written before there were users has those that a store begins with.
    assert_eq!(before.len(), 1);
    assert_eq!(load(&before).unwrap().users(), &Users::default());
    let twice = [blocks[0].clone(), blocks[1].clone(), blocks[1].clone()];
    assert!(load(&twice).is_err());
    for length in 0..blocks[1].payload.len() {
        let cut = &blocks[1].payload[..length];
        let decoded = Users::decode(&mut Reader::new(blocks[1].kind, cut));
        assert!(decoded.is_err(), "{length}");
    }
}

#[test]
fn files_are_read_and_written() {
    let users = Users::of_file(
        b"user alice on (+get ~rw*)\r\n\n  user bob on (+set %W~w*) (+get %R~r*) \n",
        "users.acl",
        true,
    )
    .unwrap();
    let text = String::from_utf8(users.file()).unwrap();
    assert_eq!(
        text,
        "user alice on &* -@all (~rw* &* -@all +get)\n\
         user bob on &* -@all (%W~w* &* -@all +set) (%R~r* &* -@all +get)\n\
         user default on nopass ~* &* +@all\n"
    );
    assert_eq!(Users::of_file(text.as_bytes(), "again", false), Ok(users));
    for (text, complaint) in [
        (
            "alice on",
            "f:1 should start with user keyword followed by the username. ",
        ),
        (
            "user",
            "f:1 should start with user keyword followed by the username. ",
        ),
        (
            "\nuser a on\nuser a off",
            "WARNING: Duplicate user 'a' found on line 3. ",
        ),
        (
            "user a (+get",
            "f:1: Unmatched parenthesis in selector definition. ",
        ),
        (
            "user a +nothing",
            "f:1: Error in applying operation '+nothing': Unknown command or category name in ACL. ",
        ),
        ("user a secret", "f:1: Syntax error. "),
    ] {
        let wrong = Users::of_file(text.as_bytes(), "f", false).unwrap_err();
        assert!(wrong.starts_with(complaint), "{text}: {wrong}");
        assert!(wrong.ends_with("no change to the previously active ACL rules was performed"));
    }
}
