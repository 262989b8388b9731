//! Which of Redis's commands are here, which come, and which do not.

use crate::command::{self, Command};

/// Where one of Redis's commands stands.
#[derive(Clone, Copy)]
pub enum Standing {
    /// It is here.
    Built(&'static Command),
    /// It comes with this part.
    Next(&'static str),
    /// It does not come, for this reason.
    Not(&'static str),
}

/// One of Redis's commands.
#[derive(Clone, Copy)]
pub struct Row {
    /// Its name in lower case; of a subcommand both parts, `client|kill`.
    pub name: &'static str,
    /// Where it stands.
    pub standing: Standing,
}

/// The commands of Redis 7.2 in the order of their names.
const NAMES: &str = "
    acl acl|cat acl|deluser acl|dryrun acl|genpass acl|getuser acl|help acl|list acl|load acl|log acl|save
    acl|setuser acl|users acl|whoami append asking auth bgrewriteaof bgsave bitcount bitfield bitfield_ro bitop
    bitpos blmove blmpop blpop brpop brpoplpush bzmpop bzpopmax bzpopmin client client|caching client|getname
    client|getredir client|help client|id client|info client|kill client|list client|no-evict client|no-touch
    client|pause client|reply client|setinfo client|setname client|tracking client|trackinginfo client|unblock
    client|unpause cluster cluster|addslots cluster|addslotsrange cluster|bumpepoch
    cluster|count-failure-reports cluster|countkeysinslot cluster|delslots cluster|delslotsrange
    cluster|failover cluster|flushslots cluster|forget cluster|getkeysinslot cluster|help cluster|info
    cluster|keyslot cluster|links cluster|meet cluster|myid cluster|myshardid cluster|nodes cluster|replicas
    cluster|replicate cluster|reset cluster|saveconfig cluster|set-config-epoch cluster|setslot cluster|shards
    cluster|slaves cluster|slots command command|count command|docs command|getkeys command|getkeysandflags
    command|help command|info command|list config config|get config|help config|resetstat config|rewrite
    config|set copy dbsize debug decr decrby del discard dump echo eval eval_ro evalsha evalsha_ro exec exists
    expire expireat expiretime failover fcall fcall_ro flushall flushdb function function|delete function|dump
    function|flush function|help function|kill function|list function|load function|restore function|stats
    geoadd geodist geohash geopos georadius georadius_ro georadiusbymember georadiusbymember_ro geosearch
    geosearchstore get getbit getdel getex getrange getset hdel hello hexists hget hgetall hincrby hincrbyfloat
    hkeys hlen hmget hmset hrandfield hscan hset hsetnx hstrlen hvals incr incrby incrbyfloat info keys lastsave
    latency latency|doctor latency|graph latency|help latency|histogram latency|history latency|latest
    latency|reset lcs lindex linsert llen lmove lmpop lolwut lpop lpos lpush lpushx lrange lrem lset ltrim
    memory memory|doctor memory|help memory|malloc-stats memory|purge memory|stats memory|usage mget migrate
    module module|help module|list module|load module|loadex module|unload monitor move mset msetnx multi object
    object|encoding object|freq object|help object|idletime object|refcount persist pexpire pexpireat
    pexpiretime pfadd pfcount pfdebug pfmerge pfselftest ping psetex psubscribe psync pttl publish pubsub
    pubsub|channels pubsub|help pubsub|numpat pubsub|numsub pubsub|shardchannels pubsub|shardnumsub punsubscribe
    quit randomkey readonly readwrite rename renamenx replconf replicaof reset restore restore-asking role rpop
    rpoplpush rpush rpushx sadd save scan scard script script|debug script|exists script|flush script|help
    script|kill script|load sdiff sdiffstore select set setbit setex setnx setrange shutdown sinter sintercard
    sinterstore sismember slaveof slowlog slowlog|get slowlog|help slowlog|len slowlog|reset smembers smismember
    smove sort sort_ro spop spublish srandmember srem sscan ssubscribe strlen subscribe substr sunion
    sunionstore sunsubscribe swapdb sync time touch ttl type unlink unsubscribe unwatch wait waitaof watch xack
    xadd xautoclaim xclaim xdel xgroup xgroup|create xgroup|createconsumer xgroup|delconsumer xgroup|destroy
    xgroup|help xgroup|setid xinfo xinfo|consumers xinfo|groups xinfo|help xinfo|stream xlen xpending xrange
    xread xreadgroup xrevrange xsetid xtrim zadd zcard zcount zdiff zdiffstore zincrby zinter zintercard
    zinterstore zlexcount zmpop zmscore zpopmax zpopmin zrandmember zrange zrangebylex zrangebyscore zrangestore
    zrank zrem zremrangebylex zremrangebyrank zremrangebyscore zrevrange zrevrangebylex zrevrangebyscore
    zrevrank zscan zscore zunion zunionstore
";

/// What comes, part by part: names of commands, with all their subcommands.
const NEXT: &[(&str, &str)] = &[
    (
        "a cluster of several groups",
        "asking cluster|addslots cluster|countkeysinslot cluster|getkeysinslot cluster|help cluster|info \
         cluster|keyslot cluster|links cluster|myid cluster|myshardid cluster|nodes cluster|replicas \
         cluster|shards cluster|slaves cluster|slots cluster readonly readwrite restore-asking",
    ),
    ("watching what clients send", "monitor"),
    (
        "geographic positions",
        "geoadd geodist geohash geopos georadius georadius_ro georadiusbymember georadiusbymember_ro \
         geosearch geosearchstore",
    ),
    (
        "channels of a shard",
        "pubsub|shardchannels pubsub|shardnumsub spublish ssubscribe sunsubscribe",
    ),
];

/// What does not come, and why.
const NOT: &[(&str, &str)] = &[
    (
        "a group replicates by Raft, not as a primary with replicas",
        "failover psync replconf replicaof slaveof sync",
    ),
    (
        "who serves which slots is decided by the groups, not told to each node",
        "cluster|addslotsrange cluster|bumpepoch cluster|count-failure-reports cluster|delslots \
         cluster|delslotsrange cluster|failover cluster|flushslots cluster|forget cluster|meet \
         cluster|replicate cluster|reset cluster|saveconfig cluster|set-config-epoch cluster|setslot",
    ),
    (
        "keys of a group move by its snapshot and log; `DUMP` and `RESTORE` take one elsewhere",
        "migrate",
    ),
    (
        "nothing is loaded into the process",
        "module|load module|loadex module|unload",
    ),
    ("decoration", "lolwut latency|graph"),
    (
        "the metrics page has the distribution of times, for every command",
        "latency|histogram",
    ),
    (
        "`MEMORY STATS` and the metrics page say it",
        "memory|malloc-stats",
    ),
    (
        "`COMMAND GETKEYS` and `COMMAND INFO` say it",
        "command|getkeysandflags",
    ),
];

/// Every command of Redis 7.2, by name. One that is neither built nor listed otherwise is left out.
pub fn rows() -> impl Iterator<Item = Row> {
    NAMES.split_ascii_whitespace().filter_map(|name| {
        let standing = built(name)
            .map(Standing::Built)
            .or_else(|| listed(NOT, name).map(Standing::Not))
            .or_else(|| listed(NEXT, name).map(Standing::Next))?;
        Some(Row { name, standing })
    })
}

/// True if Redis has a command of this name.
pub(crate) fn is_command(name: &[u8]) -> bool {
    let mut names = NAMES.split_ascii_whitespace();
    names.any(|known| name.eq_ignore_ascii_case(known.as_bytes()))
}

/// The command or subcommand of a whole name.
fn built(name: &str) -> Option<&'static Command> {
    let (container, sub) = match name.split_once('|') {
        Some((container, sub)) => (container, Some(sub)),
        None => (name, None),
    };
    let command = command::find(container.as_bytes())?;
    match sub {
        None => Some(command),
        Some(sub) => command.subcommands.iter().find(|other| other.name == sub),
    }
}

/// The part or reason that a name, or the name before its subcommand, is listed with.
fn listed(lists: &'static [(&'static str, &'static str)], name: &str) -> Option<&'static str> {
    let container = name.split('|').next();
    lists
        .iter()
        .find(|(_, names)| {
            names
                .split_ascii_whitespace()
                .any(|listed| listed == name || Some(listed) == container)
        })
        .map(|&(said, _)| said)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_command_stands_somewhere() {
        let shown: BTreeSet<&str> = rows().map(|row| row.name).collect();
        let missing: Vec<&str> = NAMES
            .split_ascii_whitespace()
            .filter(|name| !shown.contains(name))
            .collect();
        assert!(
            missing.is_empty(),
            "{missing:?} are neither built nor listed"
        );
    }

    #[test]
    fn nothing_is_listed_that_is_built_or_unknown() {
        let names: BTreeSet<&str> = NAMES.split_ascii_whitespace().collect();
        for (said, listed) in NEXT.iter().chain(NOT) {
            for name in listed.split_ascii_whitespace() {
                assert!(names.contains(name), "{name} is no command of Redis");
                // `cluster` comes, some of its subcommands do not.
                assert!(built(name).is_none(), "{name} is built, and listed: {said}");
            }
        }
    }

    #[test]
    fn every_command_built_is_one_of_redis() {
        let names: BTreeSet<&str> = NAMES.split_ascii_whitespace().collect();
        for command in command::all() {
            assert!(names.contains(command.name), "{}", command.name);
        }
    }

    #[test]
    fn every_command_and_subcommand_has_a_number_of_its_own() {
        let all = command::all().flat_map(|one| std::iter::once(one).chain(one.subcommands));
        let mut numbers: Vec<usize> = all.map(|one| usize::from(one.number)).collect();
        numbers.sort_unstable();
        assert_eq!(numbers, (0..command::count()).collect::<Vec<_>>());
        let get = command::find(b"get").unwrap();
        assert_eq!(get.number, command::find(b"GET").unwrap().number);
    }
}
