//! The engine with a keyspace: what scripts may do, what they answer, what is left of them.

use atlas_kv::script::{Terms, Tried};
use atlas_kv::{
    Answer, ArgumentBuffer, Collected, Effects, Interest, Keyspace, Moment, Reply, Settings,
    command,
};
use atlas_script::Engine;

/// A state that runs scripts, and its time.
pub(crate) struct Stage {
    pub(crate) keyspace: Keyspace,
    pub(crate) now_ms: i64,
    pub(crate) seed: u64,
    pub(crate) terms: Terms,
    pub(crate) effects: Effects,
}

struct One(Collected);

impl atlas_kv::Answers for One {
    fn client(&mut self) -> &mut dyn Reply {
        &mut self.0
    }
    fn waiter(&mut self, _: u64) -> &mut dyn Reply {
        &mut self.0
    }
}

impl Stage {
    pub(crate) fn new() -> Self {
        Self::with(Keyspace::new(4, Settings::default()))
    }

    pub(crate) fn with(mut keyspace: Keyspace) -> Self {
        keyspace.set_engine(Box::new(Engine::default()));
        Self {
            keyspace,
            now_ms: 1_700_000_000_123,
            seed: 1,
            terms: Terms::default(),
            effects: Effects::new(Interest::KEYS),
        }
    }

    fn moment(&self) -> Moment {
        Moment {
            database: 0,
            now_ms: self.now_ms,
            seed: self.seed,
        }
    }

    /// Tries a command that runs a script; its answer if it did not write.
    pub(crate) fn attempt(&mut self, words: &[&str]) -> Option<Answer> {
        let buffer = ArgumentBuffer::of(words);
        let arguments = buffer.arguments();
        let command = command::resolve(&arguments).unwrap();
        let mut reply = Collected::default();
        let before = self.keyspace.state_hash();
        let (moment, effects) = (self.moment(), &mut self.effects);
        let tried = self.keyspace.try_script(
            command,
            moment,
            &arguments,
            &self.terms,
            &mut reply,
            effects,
        );
        assert_eq!(
            self.keyspace.state_hash(),
            before,
            "{words:?} was only tried"
        );
        match tried {
            Tried::Answered => reply.into_answers().pop(),
            _ => None,
        }
    }

    /// Applies a command.
    pub(crate) fn apply(&mut self, words: &[&str]) -> Answer {
        let buffer = ArgumentBuffer::of(words);
        self.seed += 1;
        let mut reply = One(Collected::default());
        self.effects.clear();
        let occasion = atlas_kv::script::Occasion {
            moment: self.moment(),
            terms: &self.terms,
        };
        let arguments = buffer.arguments();
        self.keyspace
            .apply_on(occasion, &arguments, &[], &mut reply, &mut self.effects);
        reply.0.into_answers().pop().unwrap()
    }

    fn eval(&mut self, script: &str) -> Answer {
        self.apply(&["eval", script, "0"])
    }

    /// The error that a script ends with.
    fn error(&mut self, script: &str) -> String {
        match self.eval(script) {
            Answer::Error(line) => line,
            other => panic!("{script}: {other:?}"),
        }
    }
}

fn bulks(elements: &[&str]) -> Answer {
    Answer::bulks(elements)
}

#[test]
fn answers_become_values_and_values_answers() {
    let mut stage = Stage::new();
    stage.apply(&["hset", "h", "f", "v"]);
    stage.apply(&["zadd", "z", "1.5", "m"]);
    let ok = Answer::Simple("OK".into());
    let cases = [
        ("return 1.9", Answer::Integer(1)),
        ("return -1.9", Answer::Integer(-1)),
        ("return true", Answer::Integer(1)),
        ("return false", Answer::Null),
        ("return nil", Answer::Null),
        (
            "return {1,'a',nil,2}",
            Answer::Array(vec![Answer::Integer(1), Answer::bulk("a")]),
        ),
        ("return {ok='fine'}", Answer::Simple("fine".into())),
        ("return {err='MINE no'}", Answer::Error("MINE no".into())),
        ("return redis.call('set', 'n', 2^53)", ok),
        (
            "return redis.call('get', 'n')",
            Answer::bulk("9007199254740992"),
        ),
        ("return redis.call('get', 'nothing')", Answer::Null),
        (
            "return type(redis.call('get', 'nothing'))",
            Answer::bulk("boolean"),
        ),
        ("return redis.call('hgetall', 'h')", bulks(&["f", "v"])),
        ("return redis.call('zscore', 'z', 'm')", Answer::bulk("1.5")),
        (
            "redis.setresp(3) return redis.call('hgetall', 'h').map.f",
            Answer::bulk("v"),
        ),
        (
            "redis.setresp(3) return redis.call('zscore', 'z', 'm').double == 1.5",
            Answer::Boolean(true),
        ),
        (
            "redis.setresp(3) return type(redis.call('get', 'nothing'))",
            Answer::bulk("nil"),
        ),
        (
            "return redis.call('set', 'd', 0.1)",
            Answer::Simple("OK".into()),
        ),
        (
            "return redis.call('get', 'd')",
            Answer::bulk("0.10000000000000001"),
        ),
        (
            "return redis.pcall('incr', 'h').err",
            Answer::bulk("WRONGTYPE Operation against a key holding the wrong kind of value"),
        ),
        ("return redis.status_reply('X').ok", Answer::bulk("X")),
        (
            "return redis.error_reply('MY code').err",
            Answer::bulk("MY code"),
        ),
        (
            "return redis.call('select', 3)",
            Answer::Simple("OK".into()),
        ),
        ("return redis.call('exists', 'h')", Answer::Integer(1)),
        (
            "return redis.call('time')",
            bulks(&["1700000000", "123000"]),
        ),
        ("return redis.call('publish', 'c', 'm')", Answer::Integer(0)),
        ("return {double=1.5}", Answer::Double(1.5)),
        (
            "return {big_number='12\\r\\n3'}",
            Answer::BigNumber(b"12  3".to_vec()),
        ),
    ];
    for (script, expected) in cases {
        assert_eq!(stage.eval(script), expected, "{script}");
    }
    let keys = stage.apply(&[
        "eval",
        "return {KEYS[1], ARGV[1], #KEYS, #ARGV}",
        "1",
        "a",
        "b",
        "c",
    ]);
    let expected = vec![
        Answer::bulk("a"),
        Answer::bulk("b"),
        Answer::Integer(1),
        Answer::Integer(2),
    ];
    assert_eq!(keys, Answer::Array(expected));
}

#[test]
fn errors_say_what_and_where() {
    let mut stage = Stage::new();
    let cases = [
        (
            "return nosuch",
            "ERR user_script:1: Script attempted to access nonexistent global variable 'nosuch' script: ",
        ),
        ("\nerror('mine')", "ERR user_script:2: mine script: "),
        (
            "redis.call('nosuch')",
            "ERR Unknown Redis command called from script script: ",
        ),
        (
            "redis.call('get')",
            "ERR Wrong number of args calling Redis command from script script: ",
        ),
        (
            "redis.call()",
            "ERR Please specify at least one argument for this redis lib call script: ",
        ),
        (
            "redis.call('ping', {})",
            "ERR Lua redis lib command arguments must be strings or integers script: ",
        ),
        (
            "redis.call('blpop', 'a', 0)",
            "ERR This Redis command is not allowed from script script: ",
        ),
        (
            "redis.call('config', 'get', 'a')",
            "ERR This Redis command is not allowed from script script: ",
        ),
        (
            "redis.call('xread', 'block', 0, 'streams', 'a', '0')",
            "ERR xread command is not allowed with BLOCK option from scripts script: ",
        ),
        (
            "redis.call('select', 99)",
            "ERR DB index is out of range script: ",
        ),
        ("redis.sha1hex()", "ERR wrong number of arguments script: "),
    ];
    for (script, expected) in cases {
        let line = stage.error(script);
        assert!(line.starts_with(expected), "{script}: {line}");
        assert!(line.contains(", on @user_script:"), "{line}");
    }
    let line = stage.error("return (");
    assert!(
        line.starts_with("ERR Error compiling script (new function): user_script:1:"),
        "{line}"
    );
    let line = stage.apply(&["eval_ro", "redis.call('set', 'a', 1)", "0"]);
    assert!(format!("{line:?}").contains("Write commands are not allowed from read-only scripts."));
    stage.terms.is_out_of_memory = true;
    let line = stage.error("redis.call('set', 'a', 1)");
    assert!(
        line.starts_with("OOM command not allowed when used memory > 'maxmemory'."),
        "{line}"
    );
}

#[test]
fn trying_changes_nothing_and_tells_who_writes() {
    let mut stage = Stage::new();
    stage.apply(&["set", "a", "1"]);
    assert_eq!(
        stage.attempt(&["eval", "return redis.call('get', 'a')", "0"]),
        Some(Answer::bulk("1"))
    );
    let setnx = "return redis.call('setnx', 'a', 2)";
    assert_eq!(
        stage.attempt(&["eval", setnx, "0"]),
        Some(Answer::Integer(0))
    );
    assert_eq!(
        stage.attempt(&["eval", "return redis.call('incr', 'a')", "0"]),
        None
    );
    // It cannot catch that it is stopped, nor be told apart by what it does meanwhile.
    let stubborn = "while true do pcall(redis.call, 'incr', 'a') end";
    assert_eq!(stage.attempt(&["eval", stubborn, "0"]), None);
    // The next one is none the worse.
    assert_eq!(
        stage.eval("return redis.call('incr', 'a')"),
        Answer::Integer(2)
    );
}

#[test]
fn a_record_names_only_what_every_node_knows() {
    let mut stage = Stage::new();
    let script = "return redis.call('get', 'a')";
    stage.attempt(&["eval", script, "0"]);
    let sha = atlas_kv::script::Sha::of(script.as_bytes());
    assert!(stage.attempt(&["evalsha", sha.as_str(), "0"]).is_some());
    // This node knows it, others do not.
    let unknown = Answer::Error("NOSCRIPT No matching script. Please use EVAL.".into());
    assert_eq!(stage.apply(&["evalsha", sha.as_str(), "0"]), unknown);
    stage.eval(script);
    assert_eq!(stage.apply(&["evalsha", sha.as_str(), "0"]), Answer::Null);
    stage.apply(&["script", "flush"]);
    assert_eq!(stage.apply(&["evalsha", sha.as_str(), "0"]), unknown);
}

#[test]
fn fuel_ends_a_script_at_the_same_place() {
    let mut lengths = Vec::new();
    for round in 0..3 {
        let mut stage = Stage::new();
        // What was run before makes no difference.
        for _ in 0..round {
            stage.eval("local t = {} for i = 1, 12345 do t[i] = i end return #t");
        }
        stage.terms.fuel = 100_000;
        let line = stage.error("while true do redis.call('append', 'a', 'x') end");
        assert!(
            line.starts_with("ERR The script used up the work"),
            "{line}"
        );
        lengths.push(stage.apply(&["strlen", "a"]));
    }
    assert_ne!(lengths[0], Answer::Integer(0));
    assert!(
        lengths.iter().all(|length| *length == lengths[0]),
        "{lengths:?}"
    );
}
