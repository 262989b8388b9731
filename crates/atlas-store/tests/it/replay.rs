//! What was logged gives the same state again: transactions, clients that were served, keys that expired or were evicted.
//! Random histories are killed and started again by the oracle of `atlas`; here are the records that time and memory make.

use atlas_store::{Fsync, StoreConfig};

use crate::support::{Client, Running, blocked, eventually};

fn count(client: &mut Client, field: &str) -> u64 {
    let text = client.run("info stats");
    let value = text
        .lines()
        .find_map(|line| line.strip_prefix(field)?.strip_prefix(':'));
    value.unwrap().trim().parse().unwrap()
}

#[test]
fn what_time_and_memory_took_is_gone_after_a_restart_too() {
    for fsync in [Fsync::Every, Fsync::None] {
        let folder = tempfile::tempdir().unwrap();
        let config = StoreConfig {
            fsync,
            ..StoreConfig::default()
        };
        let store = Running::with(folder.path(), config.clone());
        let (mut client, mut waiting) = (store.client(), store.client());
        client.run("config set maxmemory-policy volatile-lru");
        waiting.send("blmove from to left right 0");
        blocked(&mut client, 1);
        for number in 0..100 {
            client.run(&format!("set short{number} {number} px 20"));
            client.run(&format!("set long{number} {number} ex 100000"));
            client.run(&format!("sadd set {number}"));
        }
        eventually("keys expire", || count(&mut client, "expired_keys") == 100);
        client.script(
            "multi => OK
            spop set 5 => QUEUED
            rpush from a b => QUEUED
            expire long0 0 => QUEUED
            select 1 => QUEUED
            set other 1 => QUEUED",
        );
        client.run("exec");
        waiting.receive();
        client.run("config set maxmemory 1");
        eventually("keys are evicted", || {
            count(&mut client, "evicted_keys") > 10
        });
        client.run("config set maxmemory 0");
        assert_eq!(client.run("select 0"), "OK");
        assert_eq!(client.run("scard set"), "95");
        let (before, keys) = (client.run("debug digest"), client.run("dbsize"));
        store.stop();
        let store = Running::with(folder.path(), config);
        let mut client = store.client();
        assert_eq!(client.run("dbsize"), keys, "{fsync:?}");
        assert_eq!(client.run("debug digest"), before, "{fsync:?}");
    }
}
