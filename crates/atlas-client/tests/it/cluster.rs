//! A cluster of three real servers.

use std::time::Duration;

use atlas_client::{Address, Client, Command, Config, Tcp, Value, slot};
use atlas_testkit::redis::{Redis, free_port};
use atlas_testkit::{Deadline, eventually_async};

use crate::{bulk, get, ok, set};

struct Cluster {
    servers: Vec<Redis>,
    addresses: Vec<Address>,
    ids: Vec<String>,
}

/// Slots of each server: first and last.
const RANGES: [(u16, u16); 3] = [(0, 5460), (5461, 10_922), (10_923, 16_383)];

impl Cluster {
    async fn start() -> Option<Self> {
        let mut cluster = Self {
            servers: Vec::new(),
            addresses: Vec::new(),
            ids: Vec::new(),
        };
        for _ in RANGES {
            let (port, bus) = (free_port().to_string(), free_port().to_string());
            let arguments = [
                "--port",
                &port,
                "--bind",
                "127.0.0.1",
                "--cluster-enabled",
                "yes",
                "--cluster-port",
                &bus,
                "--cluster-node-timeout",
                "2000",
                "--cluster-require-full-coverage",
                "no",
            ];
            let server = Redis::start(&arguments)?;
            let address = Address::new("127.0.0.1", port.parse().unwrap());
            let one = only(&address);
            let id = one
                .call(&Command::new("CLUSTER").arg("MYID"))
                .await
                .unwrap();
            cluster
                .ids
                .push(String::from_utf8(id.as_bytes().unwrap().to_vec()).unwrap());
            let (first, last) = RANGES[cluster.servers.len()];
            let own = Command::new("CLUSTER")
                .arg("ADDSLOTSRANGE")
                .number(first.into())
                .number(last.into());
            assert_eq!(one.call(&own).await.unwrap(), ok());
            if let Some(met) = cluster.addresses.first() {
                // The first server's bus is where its configuration says.
                let bus = only(met)
                    .call(&Command::new("CONFIG").arg("GET").arg("cluster-port"))
                    .await
                    .unwrap();
                let Value::Map(pairs) = bus else {
                    panic!("{bus:?}")
                };
                let meet = Command::new("CLUSTER")
                    .arg("MEET")
                    .arg(&met.host)
                    .number(met.port.into());
                let meet = meet.arg(pairs[0].1.as_bytes().unwrap());
                assert_eq!(one.call(&meet).await.unwrap(), ok());
            }
            cluster.servers.push(server);
            cluster.addresses.push(address);
        }
        for address in &cluster.addresses {
            let one = only(address);
            eventually_async(
                Deadline::seconds(30),
                "a cluster that is whole",
                async || {
                    let info = one
                        .call(&Command::new("CLUSTER").arg("INFO"))
                        .await
                        .unwrap();
                    let info = String::from_utf8(info.as_bytes().unwrap().to_vec()).unwrap();
                    let whole =
                        info.contains("cluster_state:ok") && info.contains("cluster_known_nodes:3");
                    (whole && info.contains("cluster_slots_ok:16384")).then_some(())
                },
            )
            .await
            .unwrap();
        }
        Some(cluster)
    }

    fn client(&self) -> Client {
        Client::new(Config::new([self.addresses[0].clone()]), Tcp).unwrap()
    }
}

/// A client of one server alone: it follows no redirect, because its commands have no keys.
fn only(address: &Address) -> Client {
    let config = Config {
        redirects_max: 0,
        ..Config::new([address.clone()])
    };
    Client::new(config, Tcp).unwrap()
}

fn owner(key: &str) -> usize {
    let slot = slot(key.as_bytes());
    RANGES
        .iter()
        .position(|(first, last)| (*first..=*last).contains(&slot))
        .unwrap()
}

#[tokio::test]
async fn keys_find_their_servers_and_slots_may_move() {
    let Some(cluster) = Cluster::start().await else {
        return;
    };
    let client = cluster.client();

    // Keys of all servers, by one client that was told of one.
    for number in 0..300 {
        let key = format!("key:{number}");
        assert_eq!(client.call(&set(&key, &key)).await.unwrap(), ok());
        assert_eq!(client.call(&get(&key)).await.unwrap(), bulk(&key));
    }
    for address in &cluster.addresses {
        let Value::Integer(size) = only(address).call(&Command::new("DBSIZE")).await.unwrap()
        else {
            panic!()
        };
        assert!(size > 50, "{address} has {size} of 300 keys");
    }

    // A pipeline over all of them, a transaction in one slot.
    let commands: Vec<Command> = (0..50)
        .map(|number| get(&format!("key:{number}")))
        .collect();
    let answers = cluster.client().pipeline(&commands).await.unwrap();
    let expected: Vec<_> = (0..50)
        .map(|number| Ok(bulk(&format!("key:{number}"))))
        .collect();
    assert_eq!(answers, expected);
    let commands = [
        set("{tag}a", "1"),
        Command::new("INCR").key("{tag}a"),
        get("{tag}a"),
    ];
    let answers = cluster.client().transaction(&commands).await.unwrap();
    assert_eq!(answers, [Ok(ok()), Ok(Value::Integer(2)), Ok(bulk("2"))]);
    let error = client
        .transaction(&[set("{a}", "1"), set("{b}", "1")])
        .await
        .unwrap_err();
    assert!(error.refusal().is_some(), "{error:?}");

    own_connections(&cluster).await;
    moving(&cluster, &client).await;
}

/// Connections of one's own go where their key lies, without having been told before.
async fn own_connections(cluster: &Cluster) {
    for number in 0..6 {
        let key = format!("own:{number}");
        let client = cluster.client();
        let mut own = client.dedicated(Some(key.as_bytes())).await.unwrap();
        assert_eq!(own.address(), &cluster.addresses[owner(&key)]);
        own.call(&Command::new("WATCH").key(&key), None)
            .await
            .unwrap();
        let answers = own.transaction(&[set(&key, "v")], None).await.unwrap();
        assert_eq!(answers, [Ok(ok())]);
    }
}

/// One slot goes to another server, key by key, while the client asks.
async fn moving(cluster: &Cluster, client: &Client) {
    let (from, to) = (owner("{tag}"), (owner("{tag}") + 1) % 3);
    let (source, target) = (only(&cluster.addresses[from]), only(&cluster.addresses[to]));
    let moved = i64::from(slot(b"{tag}"));
    let setslot = |state: &str, id: &str| {
        Command::new("CLUSTER")
            .arg("SETSLOT")
            .number(moved)
            .arg(state)
            .arg(id)
    };
    client.call(&set("{tag}stays", "here")).await.unwrap();
    assert_eq!(
        target
            .call(&setslot("IMPORTING", &cluster.ids[from]))
            .await
            .unwrap(),
        ok()
    );
    assert_eq!(
        source
            .call(&setslot("MIGRATING", &cluster.ids[to]))
            .await
            .unwrap(),
        ok()
    );
    let migrate = |key: &str| {
        let target = &cluster.addresses[to];
        let command = Command::new("MIGRATE")
            .arg(&target.host)
            .number(target.port.into());
        command.arg(key).arg("0").arg("5000")
    };
    source.call(&migrate("{tag}a")).await.unwrap();

    // What has gone is asked for there, what has not is here, what is new is made there.
    assert_eq!(client.call(&get("{tag}a")).await.unwrap(), bulk("2"));
    assert_eq!(
        client
            .call(&Command::new("INCR").key("{tag}a"))
            .await
            .unwrap(),
        Value::Integer(3)
    );
    assert_eq!(client.call(&get("{tag}stays")).await.unwrap(), bulk("here"));
    assert_eq!(client.call(&set("{tag}new", "there")).await.unwrap(), ok());

    source.call(&migrate("{tag}stays")).await.unwrap();
    for one in [&target, &source] {
        assert_eq!(
            one.call(&setslot("NODE", &cluster.ids[to])).await.unwrap(),
            ok()
        );
    }
    for (key, value) in [
        ("{tag}a", "3"),
        ("{tag}stays", "here"),
        ("{tag}new", "there"),
    ] {
        assert_eq!(client.call(&get(key)).await.unwrap(), bulk(value));
    }
}

#[tokio::test]
async fn a_server_that_is_gone_harms_only_its_own_keys() {
    let Some(mut cluster) = Cluster::start().await else {
        return;
    };
    let config = Config {
        response_timeout: Duration::from_secs(2),
        ..Config::new(cluster.addresses.clone())
    };
    let client = Client::new(config, Tcp).unwrap();
    let keys: Vec<String> = (0..3)
        .map(|server| {
            (0..)
                .map(|number| format!("k{number}"))
                .find(|key| owner(key) == server)
                .unwrap()
        })
        .collect();
    for key in &keys {
        client.call(&set(key, "v")).await.unwrap();
    }
    cluster.servers[0].stop();
    for key in &keys[1..] {
        assert_eq!(client.call(&get(key)).await.unwrap(), bulk("v"));
    }
    assert!(client.call(&set(&keys[0], "w")).await.is_err());
    for key in &keys[1..] {
        assert_eq!(client.call(&get(key)).await.unwrap(), bulk("v"));
    }
}
