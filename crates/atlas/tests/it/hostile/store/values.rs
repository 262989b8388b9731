//! Commands whose numbers ask for too much, and patterns that would take for ever.

use super::stage::Stage;
use crate::hostile::memory::GROWTH_BYTES_MAX;

/// Commands, and the errors or answers of Redis; `?` where Redis answers otherwise, or for ever.
const NUMBERS: &str = "
    setrange string 536870912 x => ERR string exceeds maximum allowed size (proto-max-bulk-len)
    setrange string 9223372036854775807 x => ERR string exceeds maximum allowed size (proto-max-bulk-len)
    setrange string -1 x => ERR offset is out of range
    setbit string 4294967296 1 => ERR bit offset is not an integer or out of range
    setbit string 18446744073709551615 1 => ERR bit offset is not an integer or out of range
    setbit string -1 1 => ERR bit offset is not an integer or out of range
    getbit string 4294967296 => ERR bit offset is not an integer or out of range
    bitfield string set u8 4294967296 1 => ERR bit offset is not an integer or out of range
    bitfield string set u8 #9223372036854775807 1 => ERR bit offset is not an integer or out of range
    exists string => 0
    rpush list a b c => 3
    lrange list -9223372036854775808 -9223372036854775808 => []
    lrange list -9223372036854775808 9223372036854775807 => [a b c]
    lindex list -9223372036854775808 => nil
    lset list -9223372036854775808 x => ERR index out of range
    lrem list -9223372036854775808 x => 0
    ltrim list -9223372036854775808 9223372036854775807 => OK
    lpos list a rank -9223372036854775808 => ? ERR value is out of range, value must between -9223372036854775807 and 9223372036854775807
    lpop list -1 => ERR value is out of range, must be positive
    lpop none 9223372036854775807 => nil
    sadd set a => 1
    srandmember set -9223372036854775808 => ERR value is out of range, value must between -9223372036854775807 and 9223372036854775807
    srandmember set 9223372036854775807 => [a]
    srandmember set -4611686018427387904 => ? ERR value is out of range
    spop set -1 => ERR value is out of range, must be positive
    hset hash field 1 => 1
    hrandfield hash -9223372036854775808 => ERR value is out of range, value must between -9223372036854775807 and 9223372036854775807
    hrandfield hash -9223372036854775807 withvalues => ERR value is out of range
    hrandfield hash -4611686018427387903 => ? ERR value is out of range
    zadd zset 1 a => 1
    zrandmember zset -9223372036854775808 => ERR value is out of range, value must between -9223372036854775807 and 9223372036854775807
    zrandmember zset -9223372036854775807 withscores => ERR value is out of range
    zrandmember zset -4611686018427387903 => ? ERR value is out of range
    zrange zset -9223372036854775808 9223372036854775807 => [a]
    zrangebyscore zset -inf +inf limit 9223372036854775807 9223372036854775807 => []
    zadd zset nan b => ERR value is not a valid float
    zincrby zset nan a => ERR value is not a valid float
    zadd zset inf b => 1
    zincrby zset -inf b => ERR resulting score is not a number (NaN)
    zrangebyscore zset nan 1 => ERR min or max is not a float
    zunionstore to 1 zset weights nan => ERR weight value is not a float
    incrbyfloat float nan => ERR value is not a valid float
    incrbyfloat float inf => ERR increment would produce NaN or Infinity
    hincrbyfloat hash field nan => ERR value is not a valid float
    hincrbyfloat hash field 1e5000 => ERR value is not a valid float
    blpop none nan => ERR timeout is not a float or out of range
    set string x ex 9223372036854775807 => ERR invalid expire time in 'set' command
    expire list 9223372036854775807 => ERR invalid expire time in 'expire' command
    getrange list -9223372036854775808 9223372036854775807 => WRONGTYPE Operation against a key holding the wrong kind of value
    incrby number 9223372036854775807 => 9223372036854775807
    incrby number 1 => ERR increment or decrement would overflow
    decrby number -9223372036854775808 => ERR decrement would overflow
    zmpop 2147483648 zset min => ERR syntax error
    sintercard 9223372036854775807 set => ERR Number of keys can't be greater than number of args
    scan 18446744073709551616 => ERR invalid cursor
    sscan set 0 count 9223372036854775807 => [0 [a]]
";

#[tokio::test]
async fn numbers_that_ask_for_too_much_are_refused_as_redis_does() {
    let stage = Stage::new("").await;
    let redis = atlas_testkit::redis::Redis::start(&[]);
    let (mut sent, mut expected) = (Vec::new(), String::new());
    stage.bears(8 << 20, || {
        let mut client = stage.client();
        for line in NUMBERS
            .lines()
            .map(str::trim)
            .filter(|line| !line.is_empty())
        {
            let (command, said) = line.split_once(" => ").unwrap();
            let words: Vec<&str> = command.split(' ').collect();
            let answered = client.run(&words);
            match said.strip_prefix("? ") {
                Some(said) => assert_eq!(answered, said, "{command}"),
                None => {
                    assert_eq!(answered, said, "{command}");
                    atlas_resp::command(&mut sent, &words);
                    expected += &format!("{command} => {said}\n");
                }
            }
        }
    });
    if let Some(redis) = redis {
        let answer = redis.answer(&sent);
        let mut rest = &answer[..];
        let mut decoder = atlas_resp::reply::Decoder::new(atlas_resp::reply::Limits::default());
        for line in expected.lines() {
            let (consumed, value) = decoder.decode(rest).unwrap();
            rest = &rest[consumed..];
            let (command, said) = line.split_once(" => ").unwrap();
            let redis = super::stage::text(&value.unwrap());
            assert_eq!(said, redis, "{command}, and what redis-server says");
        }
    }
}

#[tokio::test]
async fn two_long_strings_are_not_compared_in_a_table_of_gigabytes() {
    let stage = Stage::new("").await;
    stage.bears(8 << 20, || {
        let mut client = stage.client();
        let text = "x".repeat(64 << 10);
        assert_eq!(client.run(&["mset", "a", &text, "b", &text]), "OK");
        let said = client.run(&["lcs", "a", "b"]);
        assert!(said.starts_with("ERR Insufficient memory"), "{said}");
    });
}

/// `a*a*…*b` of 64 KiB, and what it would be compared with for ever.
fn pattern_and_text() -> (String, String) {
    ("a*".repeat(32 << 10) + "b", "a".repeat(64 << 10))
}

#[tokio::test]
async fn a_pattern_of_64_kib_has_bounded_steps() {
    let (pattern, text) = pattern_and_text();
    let stage = Stage::new("").await;
    stage.bears(GROWTH_BYTES_MAX, || {
        let mut client = stage.client();
        for number in 0..20 {
            let key = format!("{text}{number}");
            assert_eq!(client.run(&["set", &key, "x"]), "OK");
            assert_eq!(client.run(&["sadd", "set", &key]), "1");
            assert_eq!(client.run(&["hset", "hash", &key, "x"]), "1");
            assert_eq!(client.run(&["zadd", "zset", "1", &key]), "1");
        }
        let refused = "ERR the pattern takes too many steps to compare";
        // One literal star after the other is no trouble; a long piece behind one is.
        let long = format!("*{}b", "a".repeat(32 << 10));
        for pattern in [&pattern, &long] {
            for command in [
                &["keys", pattern][..],
                &["scan", "0", "match", pattern, "count", "100"],
                &["sscan", "set", "0", "match", pattern, "count", "100"],
                &["hscan", "hash", "0", "match", pattern, "count", "100"],
                &["zscan", "zset", "0", "match", pattern, "count", "100"],
            ] {
                let said = client.run(command);
                let nothing = ["[]", "[0 []]"].contains(&said.as_str());
                assert!(said == refused || nothing, "{}: {said}", command[0]);
            }
        }
        assert_eq!(client.run(&["keys", &long]), refused);
        assert_eq!(client.run(&["config", "get", &long]), "[]");
        assert_eq!(
            client.run(&["command", "list", "filterby", "pattern", &long]),
            "[]"
        );
    });
}

#[tokio::test]
async fn patterns_of_64_kib_do_not_slow_what_is_published() {
    let stage = Stage::new("").await;
    stage.bears(GROWTH_BYTES_MAX, || {
        let (mut hostile, mut honest) = (stage.client(), stage.client());
        let channel = "a".repeat(64 << 10);
        for number in 0..50 {
            let pattern = format!("*{}{number}b", "a".repeat(32 << 10));
            let said = hostile.run(&["psubscribe", &pattern]);
            assert!(said.starts_with("[psubscribe"), "{}", said.len());
        }
        let said = honest.run(&["psubscribe", "*a"]);
        assert_eq!(said, "[psubscribe *a 1]");
        // The hostile ones hear nothing, and nobody else pays for them.
        let mut publisher = stage.client();
        assert_eq!(publisher.run(&["publish", &channel, "x"]), "1");
        assert_eq!(publisher.run(&["pubsub", "channels", &channel]), "[]");
        let heard = super::stage::text(&honest.receive());
        assert_eq!(heard, format!("[pmessage *a {channel} x]"));
    });
}
