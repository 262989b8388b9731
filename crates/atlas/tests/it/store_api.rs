//! The store's part of the admin API, over a store that clients use.

use atlas_testkit::{Http, eventually_async};
use serde_json::Value;

use crate::store::{Client, store};
use crate::support::{atlas, deadline};

async fn get(node: &Http, path: &str) -> Value {
    node.get_json(path, deadline()).await.unwrap()
}

#[tokio::test]
async fn the_store_tells_how_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let node = store(folder.path(), "every").await;
    let admin = node.admin().unwrap();
    let empty = get(&admin, "/v1/store").await;
    assert_eq!(empty["databases"], serde_json::json!([]));
    assert_eq!(
        (&empty["trouble"], &empty["snapshot"]["age_ms"]),
        (&Value::Null, &Value::Null)
    );
    assert_eq!(
        get(&admin, "/v1/node").await["roles"],
        serde_json::json!(["store"])
    );

    let mut client = Client::connect(node.listener("store").unwrap());
    assert_eq!(client.ask("client setname tester"), "+OK");
    for number in 0..20 {
        assert_eq!(
            client.ask(&format!("set key:{number} {number} ex 1000")),
            "+OK"
        );
    }
    assert_eq!(client.ask("select 3"), "+OK");
    assert_eq!(client.ask("rpush list a b c"), ":3");
    assert!(client.ask("incr list").starts_with("-WRONGTYPE"));
    assert_eq!(client.ask("get nothing"), "$-1");
    let now = get(&admin, "/v1/store").await;
    let databases = serde_json::json!([
        {"number": 0, "keys": 20, "expiring": 20},
        {"number": 3, "keys": 1, "expiring": 0},
    ]);
    assert_eq!(now["databases"], databases);
    let log = &now["log"];
    assert_eq!(log["fsync"], "every");
    assert!(log["last_index"].as_u64() >= Some(21), "{log}");
    assert_eq!(
        log["durable_index"], log["last_index"],
        "everything answered is durable"
    );
    assert_eq!(log["applied_index"], log["last_index"]);
    assert!(log["sync"]["p50_us"].as_u64() <= log["sync"]["p99_us"].as_u64());
    assert!(log["segments"].as_u64() >= Some(1));
    assert!(now["memory"]["used_bytes"].as_u64() > Some(0));

    let commands = get(&admin, "/v1/store/commands").await;
    let of = |name: &str| {
        let found = commands["items"].as_array().unwrap().iter();
        let found = found.filter(|one| one["name"] == name).collect::<Vec<_>>();
        assert_eq!(found.len(), 1, "{name} in {commands}");
        found[0].clone()
    };
    assert_eq!(
        (&of("set")["calls"], &of("set")["failed"]),
        (&20.into(), &0.into())
    );
    assert_eq!(of("client|setname")["calls"], 1);
    assert!(of("set")["us"].as_u64() > Some(0), "{commands}");
    let info = client.info("commandstats");
    assert!(info.contains("cmdstat_set:calls=20,usec="), "{info}");
    assert!(!client.info("default").contains("cmdstat_"));

    // A snapshot, and the slow log with everything in it.
    let begun = admin
        .post("/v1/store/snapshot", &Value::Null, deadline())
        .await
        .unwrap();
    assert_eq!(
        (begun.status, begun.json().unwrap()["begun"].clone()),
        (202, true.into())
    );
    eventually_async(deadline(), "the snapshot", async || {
        let now = get(&admin, "/v1/store").await;
        now["snapshot"]["age_ms"].is_u64().then_some(())
    })
    .await
    .unwrap();
    assert_eq!(client.ask("config set slowlog-log-slower-than 0"), "+OK");
    assert_eq!(client.ask("lrange list 0 0"), "*1");
    assert_eq!(client.receive().as_deref(), Some("$1"));
    assert_eq!(client.receive().as_deref(), Some("a"));
    let slow = get(&admin, "/v1/store/slowlog").await;
    let first = &slow["items"][0];
    assert_eq!(
        first["words"],
        serde_json::json!(["lrange", "list", "0", "0"])
    );
    assert_eq!(first["client"], "tester");
    // A write passes the door and lands later: it is one slow command.
    assert_eq!(client.ask("set once 1"), "+OK");
    let slow = get(&admin, "/v1/store/slowlog").await.to_string();
    assert_eq!(slow.matches(r#""set","once""#).count(), 1, "{slow}");
    assert_eq!(client.ask("config set slowlog-log-slower-than -1"), "+OK");
    let forgot = admin
        .request("DELETE", "/v1/store/slowlog", None, deadline())
        .await
        .unwrap();
    assert_eq!(forgot.json().unwrap()["items"], serde_json::json!([]));
    assert_eq!(client.ask("config resetstat"), "+OK");
    let commands = get(&admin, "/v1/store/commands").await;
    assert!(!commands.to_string().contains("lrange"), "{commands}");
}

#[tokio::test]
async fn clients_are_told_page_by_page() {
    let folder = tempfile::tempdir().unwrap();
    let node = store(folder.path(), "none").await;
    let admin = node.admin().unwrap();
    let address = node.listener("store").unwrap();
    let mut clients: Vec<Client> = (0..5).map(|_| Client::connect(address)).collect();
    for client in &mut clients {
        assert_eq!(client.ask("ping"), "+PONG");
    }
    assert!(clients[1].send("blpop queue 0"));
    assert_eq!(clients[2].ask("multi"), "+OK");
    let mut seen = Vec::new();
    let mut after = 0;
    loop {
        let page = get(&admin, &format!("/v1/store/clients?limit=2&after={after}")).await;
        assert_eq!(page["total"], 5);
        seen.extend(page["items"].as_array().unwrap().clone());
        match page["next"].as_u64() {
            Some(next) => after = next,
            None => break,
        }
    }
    let ids: Vec<u64> = seen
        .iter()
        .map(|client| client["id"].as_u64().unwrap())
        .collect();
    assert_eq!(ids, [1, 2, 3, 4, 5]);
    eventually_async(deadline(), "states", async || {
        let page = get(&admin, "/v1/store/clients").await;
        let states = [
            &page["items"][1]["state"],
            &page["items"][2]["state"],
            &page["items"][3]["state"],
        ];
        (states == ["waiting", "transaction", "idle"]).then_some(())
    })
    .await
    .unwrap();
}

#[tokio::test]
async fn without_the_token_nothing_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let node = store(folder.path(), "none").await;
    let anybody = Http::new(node.admin().unwrap().address());
    for (method, path) in [
        ("GET", "/v1/store"),
        ("GET", "/v1/store/commands"),
        ("GET", "/v1/store/clients"),
        ("GET", "/v1/store/slowlog"),
        ("DELETE", "/v1/store/slowlog"),
        ("POST", "/v1/store/snapshot"),
    ] {
        let answered = anybody
            .request(method, path, None, deadline())
            .await
            .unwrap();
        assert_eq!(answered.status, 401, "{method} {path}");
    }
    // A node without a store has none of it.
    let edge = atlas(&["edge"]).file("atlas.toml", crate::demo::ANY_PORTS);
    let edge = edge.start(deadline()).await.unwrap();
    let answered = edge
        .admin()
        .unwrap()
        .get("/v1/store", deadline())
        .await
        .unwrap();
    assert_eq!(answered.status, 404);
}
