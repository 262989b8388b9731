//! The rules that fence at the server, over real WebSockets: what an edge is told, and what has an effect.

use std::collections::HashMap;

use atlas_demo::server::Config;
use atlas_testkit::{Client, Deadline, RawClient, RawFrame, Received, eventually_async, opcode};
use serde_json::{Value, json};

use crate::house::{House, named};
use crate::stage::Step::*;
use crate::stage::{FIRST, SECOND, SESSION, Stage, Step, control, game};

#[tokio::test]
async fn every_rule_by_script() {
    type Script = &'static [(Step, &'static str)];
    let scripts: &[(&str, Script)] = &[
        (
            "a player is attached, plays and is detached",
            &[
                (Attach("a", 1), "attached false"),
                (Play("a", 1), "out 1 gaps 0 doubles 0"),
                (Play("a", 3), "out 2 gaps 1 doubles 0"),
                (Play("a", 3), "out 3 gaps 1 doubles 1"),
                (Detach("a", 1), "-"),
                (Play("a", 4), "-"),
            ],
        ),
        (
            "a transfer out, and nothing of the game after frozen",
            &[
                (Attach("a", 1), "attached false"),
                (Play("a", 1), "out 1 gaps 0 doubles 0"),
                (Freeze("a", 2, FIRST), "frozen 1 1"),
                (Play("a", 2), "-"),
                (Detach("a", 2), "-"),
                (Play("a", 3), "-"),
            ],
        ),
        (
            "a transfer in, and nothing of the game before commit",
            &[
                (Adopt("a", 2, FIRST), "adopted"),
                (Play("a", 41), "-"),
                (Commit("a", 2, FIRST), "committed"),
                (Play("a", 41), "out 41 gaps 0 doubles 0"),
            ],
        ),
        (
            "an aborted freeze: the source acts on",
            &[
                (Attach("a", 1), "attached false"),
                (Freeze("a", 2, FIRST), "frozen 0 0"),
                (Abort("a", 2, SECOND), "-"),
                (Play("a", 1), "-"),
                (Abort("a", 2, FIRST), "-"),
                (Play("a", 1), "out 1 gaps 0 doubles 0"),
            ],
        ),
        (
            "an aborted adopt: the target forgets, but not the epoch",
            &[
                (Adopt("a", 2, FIRST), "adopted"),
                (Abort("a", 2, FIRST), "-"),
                (Commit("a", 2, FIRST), "refused not-adopted 2"),
                (Play("a", 41), "-"),
                (Adopt("b", 2, SECOND), "refused stale 2"),
                (Adopt("a", 3, SECOND), "adopted"),
            ],
        ),
        (
            "a higher attach closes the older link",
            &[
                (Attach("a", 1), "attached false"),
                (Play("a", 1), "out 1 gaps 0 doubles 0"),
                (Attach("b", 2), "attached true"),
                (Closed("a"), "1000 superseded by a newer epoch"),
                (Play("b", 2), "out 2 gaps 0 doubles 0"),
            ],
        ),
        (
            "a higher adopt does too, before it acts",
            &[
                (Attach("a", 1), "attached false"),
                (Adopt("b", 2, FIRST), "adopted"),
                (Closed("a"), "1000 superseded by a newer epoch"),
                (Play("b", 41), "-"),
                (Commit("b", 2, FIRST), "committed"),
                (Play("b", 41), "out 41 gaps 0 doubles 0"),
            ],
        ),
        (
            "lower epochs are stale, over all links, also after detach",
            &[
                (Attach("a", 5), "attached false"),
                (Attach("b", 4), "refused stale 5"),
                (Adopt("b", 5, FIRST), "refused stale 5"),
                (Play("b", 1), "-"),
                (Play("a", 1), "out 1 gaps 0 doubles 0"),
                (Detach("a", 5), "-"),
                (Attach("b", 5), "refused stale 5"),
                (Attach("b", 6), "attached false"),
            ],
        ),
        (
            "old control messages do nothing",
            &[
                (Attach("a", 5), "attached false"),
                (Freeze("a", 4, FIRST), "refused stale 5"),
                (Detach("a", 4), "-"),
                (Play("a", 1), "out 1 gaps 0 doubles 0"),
            ],
        ),
        (
            "a lost link neither thaws nor forgets",
            &[
                (Attach("a", 1), "attached false"),
                (Play("a", 1), "out 1 gaps 0 doubles 0"),
                (Freeze("a", 2, FIRST), "frozen 1 1"),
                (Cut("a"), "-"),
                (Abort("b", 2, FIRST), "-"),
                (Play("b", 2), "-"),
                (Attach("b", 1), "refused stale 2"),
                (Attach("b", 3), "attached true"),
                (Play("b", 2), "out 2 gaps 0 doubles 0"),
            ],
        ),
        (
            "the frozen source is a fallback on its own link",
            &[
                (Attach("a", 1), "attached false"),
                (Freeze("a", 2, FIRST), "frozen 0 0"),
                (Adopt("a", 3, SECOND), "adopted"),
                (Commit("a", 3, SECOND), "committed"),
                (Play("a", 41), "out 41 gaps 0 doubles 0"),
            ],
        ),
        (
            "doubled messages are answered the same and done once",
            &[
                (Adopt("a", 2, FIRST), "adopted"),
                (Adopt("a", 2, FIRST), "adopted"),
                (Commit("a", 2, FIRST), "committed"),
                (Play("a", 41), "out 41 gaps 0 doubles 0"),
                (Commit("a", 2, FIRST), "committed"),
                (Freeze("a", 3, SECOND), "frozen 1 1"),
                (Freeze("a", 3, SECOND), "frozen 1 1"),
            ],
        ),
    ];
    for (name, script) in scripts {
        let mut stage = Stage::open(named("west")).await;
        for (place, &(step, expected)) in script.iter().enumerate() {
            let got = stage.perform(step).await;
            assert_eq!(got, expected, "{name}: step {place}, {step:?}");
        }
        assert_eq!(stage.house.stats().await.acted_stale, 0, "{name}");
        drop(stage.links);
        stage.house.close().await;
    }
}

#[tokio::test]
async fn an_authority_stops_acting_when_its_lease_lapses_and_goes_on_when_it_hears() {
    let mut stage = Stage::open(named("west")).await;
    let attach = json!({
        "type": "attach", "session": SESSION, "epoch": 1, "player": "p", "reason": "new", "client": {"address": "127.0.0.1"},
        "lease_ms": 200, "orphan_window_ms": 60_000
    });
    assert_eq!(stage.order("a", attach).await, "attached false");
    assert_eq!(stage.house.stats().await.sessions, 1);
    let deadline = Deadline::seconds(10);
    let house = &stage.house;
    eventually_async(deadline, "the lease lapses", async || {
        (house.stats().await.acting == 0).then_some(())
    })
    .await
    .unwrap();
    assert_eq!(
        stage.house.stats().await.sessions,
        1,
        "it is still the authority"
    );
    let link = stage.link("a").await;
    link.send(tokio_tungstenite::tungstenite::Message::Ping(
        Vec::new().into(),
    ))
    .await
    .unwrap();
    let house = &stage.house;
    eventually_async(deadline, "it acts again", async || {
        (house.stats().await.leases_lapsed == 1).then_some(())
    })
    .await
    .unwrap();
    assert_eq!(stage.perform(Play("a", 1)).await, "out 1 gaps 0 doubles 0");
}

#[tokio::test]
async fn what_is_read_after_a_silence_has_no_effect_before_a_pong() {
    let house = House::open(named("west")).await;
    let deadline = Deadline::seconds(10);
    let mut edge = RawClient::connect(house.address, deadline).await.unwrap();
    let headers = "Sec-WebSocket-Protocol: atlas.link.v1\r\nAtlas-Link: session\r\n\r\n";
    let request = RawClient::upgrade_request(house.address, "/");
    let request = format!("{}\r\n{headers}", request.trim_end());
    edge.send(request.as_bytes()).await.unwrap();
    edge.receive_head(deadline).await.unwrap();
    let attach = json!({
        "type": "attach", "session": SESSION, "epoch": 1, "player": "p", "reason": "new", "client": {"address": "127.0.0.1"},
        "lease_ms": 100, "orphan_window_ms": 60_000
    });
    let frame = |tag: u8, text: String| {
        RawFrame::client(opcode::BINARY, [&[tag][..], text.as_bytes()].concat())
    };
    edge.send_frame(&frame(2, attach.to_string()))
        .await
        .unwrap();
    edge.receive_frame(deadline).await.unwrap();
    eventually_async(deadline, "the lease lapses", async || {
        (house.stats().await.acting == 0).then_some(())
    })
    .await
    .unwrap();

    // As if it had waited in the buffers of a process that was stopped.
    for n in 1..=3 {
        let say = json!({"client": "say", "n": n}).to_string();
        edge.send_frame(&frame(0, say)).await.unwrap();
    }
    let ping = edge.receive_frame(deadline).await.unwrap();
    assert_eq!(ping.opcode, opcode::PING, "{ping:?}");
    let stats = house.stats().await;
    assert_eq!((stats.messages, stats.leases_lapsed), (0, 1));
    let wrong = RawFrame::client(opcode::PONG, b"another".as_slice());
    edge.send_frame(&wrong).await.unwrap();
    edge.send_frame(&RawFrame::client(opcode::PONG, ping.payload))
        .await
        .unwrap();
    for n in 1..=3 {
        let answer = edge.receive_frame(deadline).await.unwrap();
        let answer: Value = serde_json::from_slice(&answer.payload[1..]).unwrap();
        assert_eq!((&answer["n"], &answer["out"]), (&json!(n), &json!(n)));
    }
    assert_eq!(house.stats().await.not_acting, 0, "nothing was lost by it");
}

#[tokio::test]
async fn epochs_are_forgotten_after_the_orphan_window() {
    let mut stage = Stage::open(named("west")).await;
    let attach = json!({
        "type": "attach", "session": SESSION, "epoch": 9, "player": "p", "reason": "new", "client": {"address": "127.0.0.1"},
        "lease_ms": 1000, "orphan_window_ms": 50
    });
    assert_eq!(stage.order("a", attach).await, "attached false");
    assert_eq!(stage.perform(Detach("a", 9)).await, "-");
    let house = &stage.house;
    let forgotten = async || (house.stats().await.remembered == 0).then_some(());
    eventually_async(Deadline::seconds(10), "the epoch is forgotten", forgotten)
        .await
        .unwrap();
    assert_eq!(stage.perform(Attach("b", 1)).await, "attached false");
}

#[tokio::test]
async fn checkpoints_say_what_they_contain() {
    let mut stage = Stage::open(Config {
        checkpoint_every: 3,
        ..named("west")
    })
    .await;
    let attach = json!({
        "type": "attach", "session": SESSION, "epoch": 1, "reason": "new", "client": {"address": "::1"},
        "lease_ms": 60_000, "orphan_window_ms": 60_000
    });
    assert_eq!(
        stage.ask("a", control(attach)).await.len(),
        2,
        "attached, and the first checkpoint"
    );
    // A join counts as received, and is not answered.
    let join = game(json!({"client": "join", "player_id": "p-1"}));
    assert!(stage.ask("a", join).await.is_empty());
    assert_eq!(stage.perform(Play("a", 1)).await, "out 1 gaps 0 doubles 0");
    let answers = stage.ask("a", game(json!({"client": "say", "n": 2}))).await;
    let [answer, checkpoint] = &answers[..] else {
        panic!("an answer and a checkpoint: {answers:?}")
    };
    assert_eq!(
        (answer[0], checkpoint[0]),
        (0, 2),
        "the answer is in the checkpoint, so it goes first"
    );
    let checkpoint: Value = serde_json::from_slice(&checkpoint[1..]).unwrap();
    assert_eq!(checkpoint["type"], "checkpoint");
    assert_eq!(
        (&checkpoint["session"], &checkpoint["epoch"]),
        (&json!(SESSION), &json!(1))
    );
    assert_eq!(
        (&checkpoint["received"], &checkpoint["sent"]),
        (&json!(3), &json!(2))
    );
    // A server that gets this state back goes on where it ended.
    let state = &checkpoint["state"];
    let attach = json!({
        "type": "attach", "session": SESSION, "epoch": 2, "player": "p-1", "reason": "failover", "client": {"address": "::1"}, "state": state,
        "lease_ms": 1000, "orphan_window_ms": 1000
    });
    assert_eq!(stage.order("b", attach).await, "attached true");
    assert_eq!(stage.perform(Play("b", 3)).await, "out 3 gaps 0 doubles 0");
    assert_eq!(stage.house.stats().await.checkpoints, 2);
}

#[tokio::test]
async fn a_control_link_answers_pings_and_reports_load() {
    let stage = Stage::open(Config {
        load_interval: std::time::Duration::from_millis(20),
        ..named("west")
    })
    .await;
    let deadline = Deadline::seconds(5);
    let mut link = Client::to(stage.house.address)
        .subprotocols("atlas.link.v1")
        .header("Atlas-Link", "control")
        .connect(deadline)
        .await
        .unwrap();
    for message in [
        json!({"type": "ping", "at": 77}),
        json!({"type": "drain", "deadline_ms": 5}),
        json!({"type": "dance"}),
    ] {
        link.send_binary(control(message)).await.unwrap();
    }
    let mut seen = HashMap::new();
    while !["pong", "load", "draining", "unsupported"]
        .iter()
        .all(|kind| seen.contains_key(*kind))
    {
        let bytes = link.receive_binary(deadline).await.unwrap();
        assert_eq!(bytes[0], 2);
        let message: Value = serde_json::from_slice(&bytes[1..]).unwrap();
        seen.insert(message["type"].as_str().unwrap().to_owned(), message);
    }
    assert_eq!(seen["pong"]["at"], 77);
    for field in ["sessions", "cpu", "memory", "tick_ms"] {
        assert!(
            seen["load"][field].is_number(),
            "{field} in {}",
            seen["load"]
        );
    }
    link.send_binary([0, b'x']).await.unwrap();
    assert_eq!(link.receive_close(deadline).await.unwrap().0, 1002);
}

#[tokio::test]
async fn what_breaks_the_protocol_closes_the_link_and_names_the_field() {
    let table: [(Vec<u8>, &str); 9] = [
        (vec![], "tag"),
        (vec![0x10, 1], "tag 16"),
        (vec![0x03], "tag 3"),
        (vec![0x04, 1], "part"),
        (b"\x02{".to_vec(), "control"),
        (control(json!({"session": SESSION, "epoch": 1})), "type"),
        (
            control(json!({"type": "freeze", "session": SESSION, "epoch": 1})),
            "transfer",
        ),
        (
            control(json!({"type": "attach", "session": "me", "epoch": 1})),
            "attach",
        ),
        (
            control(
                json!({"type": "adopt", "session": SESSION, "epoch": 1, "transfer": FIRST, "lease_ms": 1, "orphan_window_ms": 1}),
            ),
            "state",
        ),
    ];
    let mut stage = Stage::open(named("west")).await;
    for (message, named) in table {
        let link = stage.link("a").await;
        link.send_binary(message.clone()).await.unwrap();
        let (code, reason) = link.receive_close(Deadline::seconds(5)).await.unwrap();
        assert_eq!(code, 1002, "{message:?}");
        assert!(reason.contains(named), "{reason} does not name {named}");
        stage.links.clear();
    }
    let link = stage.link("a").await;
    link.send_text("hello").await.unwrap();
    assert_eq!(
        link.receive_close(Deadline::seconds(5)).await.unwrap().0,
        1002
    );
    stage.links.clear();
    // An unknown type is answered and the link goes on; so do unknown fields.
    let link = stage.link("a").await;
    link.send_binary(control(
        json!({"type": "dance", "session": SESSION, "epoch": 1}),
    ))
    .await
    .unwrap();
    let Received::Binary(answer) = link.receive(Deadline::seconds(5)).await.unwrap() else {
        panic!("no answer")
    };
    let answer: Value = serde_json::from_slice(&answer[1..]).unwrap();
    assert_eq!(answer["type"], "unsupported");
    assert!(answer.to_string().contains("dance"));
    assert_eq!(stage.perform(Attach("a", 1)).await, "attached false");
    assert_eq!(stage.house.stats().await.unsupported, 1);
}
