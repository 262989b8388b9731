//! One real server.

use std::time::Duration;

use atlas_base::Secret;
use atlas_client::{Address, Client, Command, Config, Error, Tcp, Value};
use atlas_testkit::redis::{Redis, free_port};

use crate::{bulk, config, get, ok, redis, set, unix};

#[tokio::test]
async fn values_of_all_kinds_come_back() {
    let Some((_redis, client)) = redis(&[]) else {
        return;
    };
    let call = async |command: Command| client.call(&command).await;
    assert_eq!(call(set("k", "v")).await.unwrap(), ok());
    assert_eq!(call(get("k")).await.unwrap(), bulk("v"));
    assert_eq!(call(get("nothing")).await.unwrap(), Value::Null);
    let binary = b"\0\r\n\xff".repeat(100_000);
    call(Command::new("SET").key("b").arg(&binary))
        .await
        .unwrap();
    assert_eq!(call(get("b")).await.unwrap(), Value::Bulk(binary));
    assert_eq!(
        call(Command::new("INCRBY").key("n").number(-5))
            .await
            .unwrap(),
        Value::Integer(-5)
    );
    call(Command::new("HSET").key("h").args(["a", "1"]))
        .await
        .unwrap();
    assert_eq!(
        call(Command::new("HGETALL").key("h")).await.unwrap(),
        Value::Map(vec![(bulk("a"), bulk("1"))])
    );
    call(Command::new("ZADD").key("z").arg("1.5").arg("m"))
        .await
        .unwrap();
    assert_eq!(
        call(Command::new("ZSCORE").key("z").arg("m"))
            .await
            .unwrap(),
        Value::Double(1.5)
    );
    let error = call(Command::new("INCR").key("h")).await.unwrap_err();
    assert_eq!(error.refusal().unwrap().code(), "WRONGTYPE");
    assert!(!error.is_outcome_unknown());
}

#[tokio::test]
async fn a_thousand_callers_get_their_own_answers() {
    let Some((_redis, client)) = redis(&[]) else {
        return;
    };
    let calls: Vec<_> = (0..1000)
        .map(|number| {
            let client = client.clone();
            tokio::spawn(async move {
                for round in 0..20 {
                    let text = format!("{number}:{round}");
                    let answer = client.call(&Command::new("ECHO").arg(&text)).await.unwrap();
                    assert_eq!(answer, bulk(&text));
                }
            })
        })
        .collect();
    for call in calls {
        call.await.unwrap();
    }
    let clients = client
        .call(&Command::new("CLIENT").arg("LIST"))
        .await
        .unwrap();
    let clients = String::from_utf8(clients.as_bytes().unwrap().to_vec()).unwrap();
    assert_eq!(clients.lines().count(), 1, "{clients}");
}

#[tokio::test]
async fn a_pipeline_keeps_its_order_and_its_refusals_in_place() {
    let Some((_redis, client)) = redis(&[]) else {
        return;
    };
    let commands = [
        set("k", "1"),
        Command::new("INCR").key("k"),
        Command::new("LPUSH").key("k").arg("x"),
        get("k"),
    ];
    let answers = client.pipeline(&commands).await.unwrap();
    assert_eq!(answers[..2], [Ok(ok()), Ok(Value::Integer(2))]);
    assert_eq!(answers[2].as_ref().unwrap_err().code(), "WRONGTYPE");
    assert_eq!(answers[3], Ok(bulk("2")));
    assert_eq!(client.pipeline(&[]).await.unwrap(), []);
}

#[tokio::test]
async fn a_transaction_is_done_whole_or_not_at_all() {
    let Some((_redis, client)) = redis(&[]) else {
        return;
    };
    let commands = [
        set("k", "1"),
        Command::new("INCR").key("k"),
        Command::new("LPUSH").key("k").arg("x"),
    ];
    let answers = client.transaction(&commands).await.unwrap();
    assert_eq!(answers[..2], [Ok(ok()), Ok(Value::Integer(2))]);
    assert_eq!(answers[2].as_ref().unwrap_err().code(), "WRONGTYPE");
    // A command that does not exist: none is done, and it is told which was wrong.
    let error = client
        .transaction(&[set("k", "9"), Command::new("NOPE")])
        .await
        .unwrap_err();
    assert!(
        error.refusal().unwrap().text().contains("unknown command"),
        "{error:?}"
    );
    assert_eq!(client.call(&get("k")).await.unwrap(), bulk("2"));
}

#[tokio::test]
async fn a_watched_key_that_was_changed_aborts() {
    let Some((_redis, client)) = redis(&[]) else {
        return;
    };
    let mut own = client.dedicated(Some(b"k")).await.unwrap();
    let watch = Command::new("WATCH").key("k");
    own.call(&watch, None).await.unwrap();
    assert_eq!(
        own.transaction(&[set("k", "1")], None).await.unwrap(),
        [Ok(ok())]
    );
    own.call(&watch, None).await.unwrap();
    client.call(&set("k", "2")).await.unwrap();
    let error = own.transaction(&[set("k", "3")], None).await.unwrap_err();
    assert!(matches!(error, Error::Aborted), "{error:?}");
    assert_eq!(client.call(&get("k")).await.unwrap(), bulk("2"));
}

#[tokio::test]
async fn a_command_that_blocks_holds_nobody_up() {
    let Some((_redis, client)) = redis(&[]) else {
        return;
    };
    let mut own = client.dedicated(None).await.unwrap();
    let popped = tokio::spawn(async move {
        let pop = Command::new("BLPOP").key("list").arg("0");
        let value = own.call(&pop, None).await;
        (own, value)
    });
    client.call(&set("k", "v")).await.unwrap();
    client
        .call(&Command::new("RPUSH").key("list").arg("x"))
        .await
        .unwrap();
    let (mut own, value) = popped.await.unwrap();
    assert_eq!(value.unwrap(), Value::Array(vec![bulk("list"), bulk("x")]));

    // Given up, it is of no more use: the answer might still come.
    let pop = Command::new("BLPOP").key("list").arg("0");
    let late = own
        .call(&pop, Some(Duration::from_millis(20)))
        .await
        .unwrap_err();
    assert!(late.is_outcome_unknown());
    assert!(own.call(&get("k"), None).await.is_err());
    drop(own);
    // Its connection is closed: nobody takes what is pushed.
    atlas_testkit::eventually_async(
        atlas_testkit::Deadline::seconds(10),
        "one client left",
        async || {
            let clients = client
                .call(&Command::new("CLIENT").arg("LIST"))
                .await
                .unwrap();
            let text = clients.as_bytes().unwrap().to_vec();
            (String::from_utf8_lossy(&text).lines().count() == 1).then_some(())
        },
    )
    .await
    .unwrap();
}

#[tokio::test]
async fn dedicated_connections_are_bounded() {
    let Some(server) = Redis::start(&[]) else {
        return;
    };
    let config = Config {
        dedicated_max: 1,
        response_timeout: Duration::from_millis(50),
        ..config()
    };
    let client = Client::new(config, unix(server.socket())).unwrap();
    let first = client.dedicated(None).await.unwrap();
    let error = client.dedicated(None).await.err().unwrap();
    assert!(matches!(error, Error::Busy { .. }), "{error:?}");
    drop(first);
    assert!(client.dedicated(None).await.is_ok());
}

#[tokio::test]
async fn log_in_name_and_database_are_each_connection_s() {
    let Some(server) = Redis::start(&["--requirepass", "secret"]) else {
        return;
    };
    let with = |password: Option<&str>| {
        let config = Config {
            password: password.map(|text| Secret::new(text.to_owned())),
            database: 3,
            name: Some("atlas".into()),
            ..config()
        };
        Client::new(config, unix(server.socket())).unwrap()
    };
    let refused = |error: Error| error.refusal().unwrap().code().to_owned();
    assert_eq!(
        refused(with(None).call(&get("k")).await.unwrap_err()),
        "NOAUTH"
    );
    assert_eq!(
        refused(with(Some("wrong")).call(&get("k")).await.unwrap_err()),
        "WRONGPASS"
    );
    let client = with(Some("secret"));
    assert_eq!(client.call(&set("k", "v")).await.unwrap(), ok());
    let info = client
        .call(&Command::new("CLIENT").arg("INFO"))
        .await
        .unwrap();
    let info = String::from_utf8(info.as_bytes().unwrap().to_vec()).unwrap();
    assert!(
        info.contains(" name=atlas ") && info.contains(" db=3 "),
        "{info}"
    );
    assert!(!format!("{:?}", client.config()).contains("secret"));
}

#[tokio::test]
async fn commands_go_on_over_a_restart() {
    let Some((mut redis, client)) = redis(&["--appendonly", "yes", "--appendfsync", "always"])
    else {
        return;
    };
    client.call(&set("k", "v")).await.unwrap();
    redis.stop();
    let waiting = tokio::spawn({
        let client = client.clone();
        async move { client.call(&get("k")).await }
    });
    let redis = tokio::task::spawn_blocking(move || {
        redis.start_again();
        redis
    })
    .await
    .unwrap();
    assert_eq!(waiting.await.unwrap().unwrap(), bulk("v"));
    assert_eq!(
        client.call(&Command::new("INCR").key("n")).await.unwrap(),
        Value::Integer(1)
    );
    drop(redis);
}

#[tokio::test]
async fn a_server_that_is_not_there_is_an_error_in_time() {
    let config = Config {
        response_timeout: Duration::from_millis(300),
        ..Config::new([Address::new("127.0.0.1", free_port())])
    };
    let client = Client::new(config, Tcp).unwrap();
    let began = std::time::Instant::now();
    let error = client.call(&get("k")).await.unwrap_err();
    assert!(matches!(error, Error::Connect { .. }), "{error:?}");
    assert!(began.elapsed() < Duration::from_secs(2));
}

#[tokio::test]
async fn tcp_and_several_connections() {
    let port = free_port();
    let Some(_redis) = Redis::start(&["--port", &port.to_string(), "--bind", "127.0.0.1"]) else {
        return;
    };
    let config = Config {
        connections: 3,
        ..Config::from_url(&format!("redis://127.0.0.1:{port}/0")).unwrap()
    };
    let client = Client::new(config, Tcp).unwrap();
    for number in 0..9 {
        let text = number.to_string();
        assert_eq!(
            client.call(&Command::new("ECHO").arg(&text)).await.unwrap(),
            bulk(&text)
        );
    }
    let clients = client
        .call(&Command::new("CLIENT").arg("LIST"))
        .await
        .unwrap();
    let clients = String::from_utf8(clients.as_bytes().unwrap().to_vec()).unwrap();
    assert_eq!(clients.lines().count(), 3, "{clients}");
}
