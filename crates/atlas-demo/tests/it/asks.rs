//! What the server says to its edge because a player asks, and what it does when it is drained.

use std::time::Duration;

use atlas_demo::server::Config;
use atlas_testkit::{Client, Deadline, eventually_async};
use serde_json::{Value, json};

use crate::house::{House, named};
use crate::stage::Step::*;
use crate::stage::{FIRST, SESSION, Stage, control, game};

fn read(message: &[u8]) -> Value {
    serde_json::from_slice(&message[1..]).unwrap()
}

#[tokio::test]
async fn a_player_asks_and_the_edge_is_told_behind_the_answer() {
    let mut stage = Stage::open(named("west")).await;
    assert_eq!(stage.perform(Attach("a", 4)).await, "attached false");
    let cases = [
        (
            json!({"for": "transfer", "server": "east", "reason": "portal"}),
            json!({"type": "transfer-request", "id": "r-1", "to": {"server": "east"}, "reason": "portal"}),
        ),
        (
            json!({"for": "transfer", "region": "castle"}),
            json!({"type": "transfer-request", "id": "r-2", "to": {"region": "castle"}, "reason": "the player asked"}),
        ),
        (
            json!({"for": "transfer", "x": 1, "y": 2, "z": 3}),
            json!({"type": "transfer-request", "id": "r-3", "to": {"position": {"x": 1.0, "y": 2.0, "z": 3.0}}, "reason": "the player asked"}),
        ),
        (
            json!({"for": "position", "x": 7, "y": 8, "z": 9}),
            json!({"type": "position", "position": {"x": 7.0, "y": 8.0, "z": 9.0}}),
        ),
        (
            json!({"for": "kick", "code": 4001, "reason": "cheating"}),
            json!({"type": "kick", "code": 4001, "reason": "cheating"}),
        ),
    ];
    for (n, (ask, told)) in (1_u64..).zip(cases) {
        let mut ask = ask;
        ask["client"] = json!("ask");
        ask["n"] = json!(n);
        let answers = stage.ask("a", game(ask.clone())).await;
        let [answer, message] = &answers[..] else {
            panic!("{ask}: an answer and a control message: {answers:?}")
        };
        assert_eq!((answer[0], message[0]), (0, 2), "{ask}");
        assert_eq!(read(answer)["n"], n);
        let message = read(message);
        assert_eq!(
            (&message["session"], &message["epoch"]),
            (&json!(SESSION), &json!(4))
        );
        for (field, value) in told.as_object().unwrap() {
            assert_eq!(&message[field], value, "{ask}: {field}");
        }
    }
    for outcome in ["done", "refused", "superseded"] {
        let result = json!({"type": "transfer-result", "session": SESSION, "epoch": 4, "id": "r-1", "outcome": outcome});
        assert!(stage.ask("a", control(result)).await.is_empty());
    }
    let stats = stage.house.stats().await;
    assert_eq!(
        (stats.requested, stats.positions_told, stats.kicked),
        (3, 1, 1)
    );
    assert_eq!((stats.requests_done, stats.requests_failed), (1, 2));
    // A frozen server says nothing.
    assert_eq!(stage.perform(Freeze("a", 5, FIRST)).await, "frozen 5 5");
    let ask = game(json!({"client": "ask", "n": 6, "for": "kick"}));
    assert!(stage.ask("a", ask).await.is_empty());
}

async fn control_link(house: &House) -> Client {
    Client::to(house.address)
        .subprotocols("atlas.link.v1")
        .header("Atlas-Link", "control")
        .connect(Deadline::seconds(5))
        .await
        .unwrap()
}

/// The next control message that is no `load`.
async fn next(link: &mut Client) -> Value {
    loop {
        let message = read(&link.receive_binary(Deadline::seconds(5)).await.unwrap());
        if message["type"] != "load" {
            return message;
        }
    }
}

#[tokio::test]
async fn messages_to_other_servers_leave_on_the_control_link() {
    let mut stage = Stage::open(named("west")).await;
    assert_eq!(stage.perform(Attach("a", 1)).await, "attached false");
    let send = |n: u64, to: Value| {
        let mut ask = json!({"client": "ask", "n": n, "for": "send", "body": format!("gift {n}")});
        ask.as_object_mut()
            .unwrap()
            .extend(to.as_object().unwrap().clone());
        game(ask)
    };
    stage.ask("a", send(1, json!({"server": "east"}))).await;
    assert_eq!(
        stage.house.stats().await.messages_undeliverable,
        1,
        "there is no control link yet"
    );
    let mut link = control_link(&stage.house).await;
    let house = &stage.house;
    eventually_async(Deadline::seconds(5), "the link is served", async || {
        (house.stats().await.controls == 1).then_some(())
    })
    .await
    .unwrap();
    for (n, to) in [
        (2, json!({"server": "east"})),
        (3, json!({"session": SESSION})),
        (4, json!({"region": "castle"})),
    ] {
        stage.ask("a", send(n, to.clone())).await;
        let message = next(&mut link).await;
        assert_eq!(message["type"], "send");
        assert_eq!(
            (&message["to"], &message["body"]),
            (&to, &json!(format!("gift {n}")))
        );
    }
    link.send_binary(control(
        json!({"type": "received", "from": {"server": "east"}, "to": {"server": "west"}, "body": "thanks"}),
    ))
    .await
    .unwrap();
    link.send_binary(control(
        json!({"type": "undeliverable", "id": "m-4", "reason": "no such region"}),
    ))
    .await
    .unwrap();
    link.send_binary(control(json!({"type": "ping", "at": 5})))
        .await
        .unwrap();
    assert_eq!(next(&mut link).await["at"], 5);
    let stats = stage.house.stats().await;
    assert_eq!(
        (
            stats.messages_sent,
            stats.messages_received,
            stats.messages_undeliverable
        ),
        (3, 1, 2)
    );
}

#[tokio::test]
async fn a_drained_server_may_ask_for_time() {
    let house = House::open(Config {
        drain_wait: Duration::from_millis(50),
        ..named("west")
    })
    .await;
    let mut link = control_link(&house).await;
    link.send_binary(control(json!({"type": "drain", "deadline_ms": 5000})))
        .await
        .unwrap();
    let wait = next(&mut link).await;
    assert_eq!((&wait["type"], &wait["ms"]), (&json!("wait"), &json!(50)));
    assert!(!wait["reason"].as_str().unwrap().is_empty());
    assert_eq!(next(&mut link).await["type"], "draining");
    assert_eq!(house.stats().await.drains, 1);
}

#[tokio::test]
async fn a_new_player_has_a_checkpoint_at_once_and_one_every_so_often() {
    let mut stage = Stage::open(Config {
        checkpoint_every: 2,
        ..named("west")
    })
    .await;
    let attach = json!({
        "type": "attach", "session": SESSION, "epoch": 1, "reason": "new", "client": {"address": "::1"},
        "lease_ms": 60_000, "orphan_window_ms": 60_000
    });
    let mut received = Vec::new();
    for message in [
        control(attach),
        game(json!({"client": "say", "n": 1})),
        game(json!({"client": "say", "n": 2})),
        game(json!({"client": "say", "n": 3})),
        game(json!({"client": "say", "n": 4})),
    ] {
        for answer in stage.ask("a", message).await {
            if answer[0] == 2 {
                let mut message = read(&answer);
                received.push(match message["type"].as_str().unwrap() {
                    "checkpoint" => message["received"].take(),
                    _ => message["type"].take(),
                });
            }
        }
    }
    assert_eq!(received, [json!("attached"), json!(0), json!(2), json!(4)]);
    assert_eq!(stage.house.stats().await.checkpoints, 3);
}
