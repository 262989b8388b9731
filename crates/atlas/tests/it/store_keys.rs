//! Keys over the admin API: found, looked at, changed.

use std::collections::BTreeSet;

use atlas_testkit::{Atlas, Http};
use serde_json::{Value, json};

use crate::store::{Client, SmallDisk, fill_disk, store};
use crate::support::{atlas, deadline};

struct Node {
    _folder: tempfile::TempDir,
    _atlas: Atlas,
    admin: Http,
    client: Client,
}

impl Node {
    async fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let atlas = store(folder.path(), "none").await;
        Self {
            admin: atlas.admin().unwrap(),
            client: Client::connect(atlas.listener("store").unwrap()),
            _atlas: atlas,
            _folder: folder,
        }
    }

    async fn get(&self, path: &str) -> Value {
        self.admin.get_json(path, deadline()).await.unwrap()
    }

    /// Status and body of an answer.
    async fn ask(&self, method: &str, path: &str, body: Option<Value>) -> (u16, Value) {
        let reply = self
            .admin
            .request(method, path, body.as_ref(), deadline())
            .await
            .unwrap();
        (reply.status, reply.json().unwrap())
    }

    /// Changes something, which goes well; the key afterwards.
    async fn change(&self, method: &str, path: &str, body: Value) -> Value {
        let (status, answer) = self.ask(method, path, Some(body)).await;
        assert_eq!(status, 200, "{answer}");
        answer["key"].clone()
    }

    /// Changes something, which is refused.
    async fn refused(&self, method: &str, path: &str, body: Value) -> (u16, String) {
        let (status, answer) = self.ask(method, path, Some(body)).await;
        (
            status,
            answer["detail"].as_str().unwrap_or_default().to_owned(),
        )
    }

    /// All keys that a search finds, and how many pages it took.
    async fn all(&self, query: &str) -> (Vec<String>, usize) {
        let mut found = Vec::new();
        let (mut cursor, mut pages) = (String::new(), 0);
        loop {
            let page = self.get(&format!("/v1/store/keys?{query}{cursor}")).await;
            let items = page["items"].as_array().unwrap();
            found.extend(
                items
                    .iter()
                    .map(|item| item["key"]["data"].as_str().unwrap().to_owned()),
            );
            pages += 1;
            match page["next"].as_str() {
                Some(next) => cursor = format!("&cursor={next}"),
                None => return (found, pages),
            }
        }
    }
}

const ITEM: &str = "/v1/store/key/item";
const REMOVE: &str = "/v1/store/key/item/remove";

#[tokio::test]
async fn keys_are_found_page_by_page_each_once() {
    let mut node = Node::start().await;
    for number in 0..500 {
        assert_eq!(
            node.client.ask(&format!("set user:{number} {number}")),
            "+OK"
        );
    }
    node.client.ask("rpush queue a b c");
    node.client.ask("hset hash field value");
    node.client.ask("sadd set one two");
    node.client.ask("zadd board 1.5 ann");
    node.client.ask("set passing x px 100000");
    let (found, pages) = node.all("limit=50").await;
    assert_eq!(found.len(), 505);
    assert_eq!(
        found.iter().collect::<BTreeSet<_>>().len(),
        505,
        "nobody changes anything: none comes twice"
    );
    assert!((8..=20).contains(&pages), "{pages} pages of about fifty");
    let (found, _) = node.all("pattern=user:49*&limit=3").await;
    let found: BTreeSet<_> = found.into_iter().collect();
    let wanted: BTreeSet<_> = (490..500)
        .chain([49])
        .map(|number| format!("user:{number}"))
        .collect();
    assert_eq!(found, wanted);
    assert_eq!(node.all("type=zset").await.0, ["board"]);
    assert_eq!(node.all("pattern=nothing:*").await.0, Vec::<String>::new());
    // A whole name is looked up.
    assert_eq!(
        node.all("pattern=queue").await,
        (vec!["queue".to_owned()], 1)
    );
    assert_eq!(
        node.all("pattern=queue&type=hash").await.0,
        Vec::<String>::new()
    );
    let page = node.get("/v1/store/keys?pattern=passing").await;
    let item = &page["items"][0];
    assert!(
        (1..=100_000).contains(&item["ttl_ms"].as_i64().unwrap()),
        "{item}"
    );
    assert_eq!(
        (&item["type"], &item["size"], &item["encoding"]),
        (&json!("string"), &json!(1), &json!("embstr"))
    );
    assert!(item["memory_bytes"].as_u64() > Some(8), "{item}");
    assert_eq!(page["total"], 505);
    let page = node.get("/v1/store/keys?pattern=queue").await;
    assert_eq!(
        (&page["items"][0]["size"], &page["items"][0]["ttl_ms"]),
        (&json!(3), &Value::Null)
    );
    // Another database is another.
    assert_eq!(
        node.get("/v1/store/keys?database=1").await["items"],
        json!([])
    );
    let (status, _) = node.ask("GET", "/v1/store/keys?database=99", None).await;
    assert_eq!(status, 422);
    let (status, _) = node.ask("GET", "/v1/store/keys?nothing=1", None).await;
    assert_eq!(status, 400);
}

#[tokio::test]
async fn a_search_among_many_keys_goes_on_where_it_stopped() {
    let mut node = Node::start().await;
    let mut number = 0;
    while number < 60_000 {
        let pairs: Vec<String> = (number..number + 1000)
            .map(|n| format!("filler:{n} x"))
            .collect();
        assert_eq!(node.client.ask(&format!("mset {}", pairs.join(" "))), "+OK");
        number += 1000;
    }
    node.client.ask("set needle:1 x");
    let page = node.get("/v1/store/keys?limit=10").await;
    assert!(
        (10..=20).contains(&page["items"].as_array().unwrap().len()),
        "never all of them"
    );
    assert!(page["looked"].as_u64() < Some(1000), "{}", page["looked"]);
    let (found, pages) = node.all("pattern=needle:*").await;
    assert_eq!(found, ["needle:1"]);
    assert!(pages < 100, "{pages}");
}

#[tokio::test]
async fn values_are_told_by_type_and_page() {
    let mut node = Node::start().await;
    for number in 0..1000 {
        node.client.ask(&format!("rpush list e{number}"));
        node.client.ask(&format!("hset hash f{number} v{number}"));
        node.client.ask(&format!("sadd set m{number}"));
        node.client.ask(&format!("zadd board {number} m{number}"));
    }
    for (key, size) in [
        ("list", 1000),
        ("hash", 1000),
        ("set", 1000),
        ("board", 1000),
    ] {
        let mut seen = Vec::new();
        let mut cursor = String::new();
        loop {
            let page = node
                .get(&format!("/v1/store/key?key={key}&limit=300{cursor}"))
                .await;
            assert_eq!(page["key"]["size"], size, "{key}");
            seen.extend(page["items"].as_array().unwrap().clone());
            match page["next"].as_str() {
                Some(next) => cursor = format!("&cursor={next}"),
                None => break,
            }
        }
        assert_eq!(seen.len(), 1000, "{key}");
        let names: BTreeSet<String> = seen.iter().map(ToString::to_string).collect();
        assert_eq!(names.len(), 1000, "{key}: each once");
        match key {
            "list" => assert_eq!(
                (&seen[7]["index"], &seen[7]["value"]["data"]),
                (&json!(7), &json!("e7"))
            ),
            "board" => assert_eq!(
                (&seen[7]["name"]["data"], &seen[7]["score"]),
                (&json!("m7"), &json!("7"))
            ),
            "hash" => assert!(
                seen.iter()
                    .any(|item| item["name"]["data"] == "f7" && item["value"]["data"] == "v7")
            ),
            _ => assert!(
                seen.iter()
                    .any(|item| item["name"]["data"] == "m7" && item["value"].is_null())
            ),
        }
    }
    // A long string comes in pieces that end where characters do, and what is no text comes in base64.
    let text = "ä".repeat(60_000);
    for _ in 0..4 {
        node.client
            .ask(&format!("append long {}", "ä".repeat(15_000)));
    }
    let mut whole = String::new();
    let mut cursor = String::new();
    loop {
        let page = node.get(&format!("/v1/store/key?key=long{cursor}")).await;
        let value = &page["items"][0]["value"];
        assert_eq!(
            (&value["bytes"], &value["is_cut"]),
            (&json!(120_000), &json!(true))
        );
        whole += value["data"].as_str().unwrap();
        match page["next"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => break,
        }
    }
    assert_eq!(whole, text);
    node.client.ask("setrange binary 2 x");
    node.client.ask("setbit binary 0 1");
    let page = node.get("/v1/store/key?key=binary").await;
    assert_eq!(
        page["items"][0]["value"],
        json!({"data": {"base64": "gAB4"}, "bytes": 3, "is_cut": false})
    );
    // A value in a collection is cut, and says so.
    node.client
        .ask(&format!("rpush biglist {}", "x".repeat(50_000)));
    let page = node.get("/v1/store/key?key=biglist").await;
    let value = &page["items"][0]["value"];
    assert_eq!(
        (&value["bytes"], &value["is_cut"]),
        (&json!(50_000), &json!(true))
    );
    assert!(value["data"].as_str().unwrap().len() < 20_000);
    let (status, _) = node.ask("GET", "/v1/store/key?key=nothing", None).await;
    assert_eq!(status, 404);
    for query in ["", "?key=a&key64=YQ==", "?key64=*"] {
        assert_eq!(
            node.ask("GET", &format!("/v1/store/key{query}"), None)
                .await
                .0,
            422,
            "{query}"
        );
    }
}

#[tokio::test]
async fn keys_and_elements_are_changed_and_only_as_they_were_seen() {
    let mut node = Node::start().await;
    // Made, changed, and not over somebody's head.
    let made = json!({"key": "greeting", "type": "string", "value": "hello", "create": true});
    let key = node.change("PUT", ITEM, made.clone()).await;
    assert_eq!((&key["type"], &key["size"]), (&json!("string"), &json!(5)));
    assert_eq!(node.refused("PUT", ITEM, made).await.0, 409);
    assert_eq!(node.client.ask("pexpire greeting 100000"), ":1");
    let order = json!({"key": "greeting", "type": "string", "value": "good day", "was": "hello"});
    let key = node.change("PUT", ITEM, order.clone()).await;
    assert!(
        key["ttl_ms"].is_u64(),
        "an edit does not change when it expires: {key}"
    );
    let (status, words) = node.refused("PUT", ITEM, order).await;
    assert_eq!(status, 409);
    assert!(words.contains("changed since it was read"), "{words}");
    assert_eq!(node.client.ask("get greeting"), "good day");
    let (status, words) = node
        .refused(
            "PUT",
            ITEM,
            json!({"key": "greeting", "type": "hash", "name": "a", "value": "b"}),
        )
        .await;
    assert_eq!(status, 409);
    assert!(words.contains("now a string"), "{words}");
    let gone = json!({"key": "nothing", "type": "string", "value": "x"});
    assert_eq!(node.refused("PUT", ITEM, gone).await.0, 404);

    // Elements of each type.
    node.change(
        "PUT",
        ITEM,
        json!({"key": "h", "type": "hash", "name": "f", "value": "1", "create": true}),
    )
    .await;
    node.change(
        "PUT",
        ITEM,
        json!({"key": "h", "type": "hash", "name": "f", "value": "2", "was": "1"}),
    )
    .await;
    assert_eq!(node.client.ask("hget h f"), "2");
    assert_eq!(
        node.refused(
            "PUT",
            ITEM,
            json!({"key": "h", "type": "hash", "name": "f", "value": "3", "was": "1"})
        )
        .await
        .0,
        409
    );
    node.client.ask("rpush l a b a");
    node.change(
        "PUT",
        ITEM,
        json!({"key": "l", "type": "list", "index": 2, "value": "c", "was": "a"}),
    )
    .await;
    node.change(
        "PUT",
        ITEM,
        json!({"key": "l", "type": "list", "value": "d"}),
    )
    .await;
    assert_eq!(node.client.ask("lindex l 3"), "d");
    assert_eq!(
        node.refused(
            "PUT",
            ITEM,
            json!({"key": "l", "type": "list", "index": 0, "value": "x", "was": "b"})
        )
        .await
        .0,
        409
    );
    let (status, _) = node
        .refused(
            "PUT",
            ITEM,
            json!({"key": "l", "type": "list", "index": 99, "value": "x"}),
        )
        .await;
    assert_eq!(status, 422);
    // Of two equal elements the one goes that was meant.
    node.client.ask("rpush l a");
    let key = node
        .change(
            "POST",
            REMOVE,
            json!({"key": "l", "type": "list", "index": 4, "was": "a"}),
        )
        .await;
    assert_eq!(key["size"], 4);
    assert_eq!(node.client.ask("lindex l 0"), "a");
    assert_eq!(
        node.refused(
            "POST",
            REMOVE,
            json!({"key": "l", "type": "list", "index": 0})
        )
        .await
        .0,
        422
    );
    node.client.ask("sadd s one two");
    node.change(
        "PUT",
        ITEM,
        json!({"key": "s", "type": "set", "name": "three"}),
    )
    .await;
    node.change(
        "POST",
        REMOVE,
        json!({"key": "s", "type": "set", "name": "one"}),
    )
    .await;
    assert_eq!(
        node.refused(
            "POST",
            REMOVE,
            json!({"key": "s", "type": "set", "name": "one"})
        )
        .await
        .0,
        404
    );
    assert_eq!(node.client.ask("scard s"), ":2");
    node.change(
        "PUT",
        ITEM,
        json!({"key": "z", "type": "zset", "name": "ann", "score": "-inf", "create": true}),
    )
    .await;
    assert_eq!(
        node.get("/v1/store/key?key=z").await["items"][0]["score"],
        "-inf"
    );
    assert_eq!(
        node.refused(
            "PUT",
            ITEM,
            json!({"key": "z", "type": "zset", "name": "bob", "score": "much"})
        )
        .await
        .0,
        422
    );
    let last = node
        .change(
            "POST",
            REMOVE,
            json!({"key": "z", "type": "zset", "name": "ann"}),
        )
        .await;
    assert_eq!(last, Value::Null, "the last element takes its key along");

    // Names that are no text.
    let binary = json!({"key": {"base64": "/wA="}, "type": "string", "value": {"base64": "AP8="}, "create": true});
    node.change("PUT", ITEM, binary).await;
    let page = node.get("/v1/store/key?key64=%2FwA%3D").await;
    assert_eq!(page["items"][0]["value"]["data"], json!({"base64": "AP8="}));

    // Time to live, name, end.
    let ttl = "/v1/store/key/ttl";
    let key = node
        .change("PUT", ttl, json!({"key": "s", "ttl_ms": 60_000}))
        .await;
    assert!((1..=60_000).contains(&key["ttl_ms"].as_u64().unwrap()));
    assert_eq!(
        node.change("PUT", ttl, json!({"key": "s"})).await["ttl_ms"],
        Value::Null
    );
    assert_eq!(
        node.change("PUT", ttl, json!({"key": "s", "ttl_ms": null}))
            .await["ttl_ms"],
        Value::Null
    );
    assert_eq!(
        node.refused("PUT", ttl, json!({"key": "s", "ttl_ms": 0}))
            .await
            .0,
        422
    );
    assert_eq!(
        node.refused("PUT", ttl, json!({"key": "nothing", "ttl_ms": 5}))
            .await
            .0,
        404
    );
    let rename = "/v1/store/key/rename";
    assert_eq!(
        node.refused("POST", rename, json!({"key": "s", "to": "h"}))
            .await
            .0,
        409
    );
    let key = node
        .change("POST", rename, json!({"key": "s", "to": "<b>"}))
        .await;
    assert_eq!(key["key"]["data"], "<b>");
    let key = node
        .change(
            "POST",
            rename,
            json!({"key": "<b>", "to": "h", "replace": true}),
        )
        .await;
    assert_eq!(key["type"], "set");
    let (status, answer) = node.ask("DELETE", "/v1/store/key?key=h", None).await;
    assert_eq!((status, &answer["key"]), (200, &Value::Null));
    assert_eq!(node.ask("DELETE", "/v1/store/key?key=h", None).await.0, 404);
    assert_eq!(node.client.ask("exists h s"), ":0");
    // In another database.
    node.change(
        "PUT",
        ITEM,
        json!({"database": 2, "key": "k", "type": "string", "value": "v", "create": true}),
    )
    .await;
    assert_eq!(node.client.ask("exists k"), ":0");
    assert_eq!(node.client.ask("select 2"), "+OK");
    assert_eq!(node.client.ask("get k"), "v");

    // A password that is set while it runs.
    assert_eq!(node.client.ask("config set requirepass secret"), "+OK");
    assert_eq!(
        node.get("/v1/store/key?key=k&database=2").await["key"]["size"],
        1
    );
    node.change(
        "PUT",
        ITEM,
        json!({"database": 3, "key": "k", "type": "string", "value": "v", "create": true}),
    )
    .await;
}

#[tokio::test]
async fn without_the_token_no_key_is_told_or_changed() {
    let mut node = Node::start().await;
    node.client.ask("set secret word");
    let stranger = Http::new(node.admin.address());
    let order = json!({"key": "secret", "type": "string", "value": "x"});
    for (method, path, body) in [
        ("GET", "/v1/store/keys", None),
        ("GET", "/v1/store/key?key=secret", None),
        ("DELETE", "/v1/store/key?key=secret", None),
        ("PUT", ITEM, Some(&order)),
        ("POST", REMOVE, Some(&order)),
        ("PUT", "/v1/store/key/ttl", Some(&order)),
        ("POST", "/v1/store/key/rename", Some(&order)),
    ] {
        let answered = stranger
            .clone()
            .request(method, path, body, deadline())
            .await
            .unwrap();
        assert_eq!(answered.status, 401, "{method} {path}");
        let wrong = stranger.clone().with_token("0".repeat(64).as_str());
        let answered = wrong.request(method, path, body, deadline()).await.unwrap();
        assert_eq!(answered.status, 401, "{method} {path}");
        assert!(!answered.text().contains("word"));
    }
    assert_eq!(node.client.ask("get secret"), "word");
}

#[tokio::test]
async fn a_store_that_refuses_writes_says_why() {
    let Some(disk) = SmallDisk::mount("12m") else {
        println!("skipped: mounting a small disk needs root");
        return;
    };
    let file = "[store]\nlisten = \"127.0.0.1:0\"\nlog-segment-bytes = \"2MiB\"\nsnapshot-interval = \"0s\"\n[admin]\nlisten = \"127.0.0.1:0\"\n";
    let node = atlas(&["store"])
        .file("atlas.toml", file)
        .data_dir(disk.0.path());
    let node = node.start(deadline()).await.unwrap();
    let mut client = Client::connect(node.listener("store").unwrap());
    fill_disk(&mut client);
    let admin = node.admin().unwrap();
    let status = admin.get_json("/v1/store", deadline()).await.unwrap();
    let trouble = status["trouble"].as_str().unwrap();
    assert!(trouble.contains("the disk of the log is full"), "{trouble}");
    let order = json!({"key": "key:0", "type": "string", "value": "x"});
    let refused = admin
        .request("PUT", ITEM, Some(&order), deadline())
        .await
        .unwrap();
    assert_eq!(refused.status, 503);
    assert!(
        refused.text().contains("the disk of the log is full"),
        "{}",
        refused.text()
    );
    // Looking goes on.
    let page = admin
        .get_json("/v1/store/key?key=key:0", deadline())
        .await
        .unwrap();
    assert_eq!(page["key"]["size"], 10_000);
    disk.resize("64m");
}
