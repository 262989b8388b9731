//! Requests beside a redis-server: it answers as it must if it understands the bytes as we do.

#![cfg_attr(fuzzing, no_main)]

use std::sync::OnceLock;

#[path = "../../../crates/atlas-resp/tests/it/oracle.rs"]
mod oracle;
#[allow(dead_code, reason = "tests need more of it")]
#[path = "../../../crates/atlas-testkit/src/redis.rs"]
mod redis;

use oracle::{Oracle, Verdict};

// The first byte chooses whether the client has logged in.
atlas_fuzz::target!(|data| {
    static SERVERS: OnceLock<[Option<Oracle>; 2]> = OnceLock::new();
    let servers = SERVERS.get_or_init(|| [Oracle::start(false), Oracle::start(true)]);
    let Some((&first, input)) = data.split_first() else {
        return;
    };
    // Longer ones reach redis-server in several reads, and then it judges lines otherwise.
    if input.len() > 8 * 1024 {
        return;
    }
    if let Some(oracle) = &servers[usize::from(first % 2)]
        && let Verdict::Different(how) = oracle.judge(input)
    {
        panic!("{how}");
    }
});
