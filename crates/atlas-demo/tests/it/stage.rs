//! An edge's side of session links, driven step by step.

use std::collections::HashMap;

use atlas_demo::server::Config;
use atlas_testkit::{Client, Deadline};
use serde_json::{Value, json};

use crate::house::House;

pub(crate) const SESSION: &str = "6f9619ff-8b86-d011-b42d-00c04fc964ff";
pub(crate) const FIRST: &str = "00000000-0000-0000-0000-000000000001";
pub(crate) const SECOND: &str = "00000000-0000-0000-0000-000000000002";

/// One step of a script; the first text is a link's name, numbers are epochs.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Step {
    Attach(&'static str, u64),
    Adopt(&'static str, u64, &'static str),
    Commit(&'static str, u64, &'static str),
    Freeze(&'static str, u64, &'static str),
    Abort(&'static str, u64, &'static str),
    Detach(&'static str, u64),
    /// The numbered message `n`; answered at once or not at all.
    Play(&'static str, u64),
    /// Cuts the link without a close.
    Cut(&'static str),
    /// The server closes that link.
    Closed(&'static str),
}
use Step::*;

/// The state that adopts hand over: 40 answers so far, the last to message 40.
const STATE: &str = "eyJwbGF5ZXIiOiJwLTEiLCJsYXN0X24iOjQwLCJvdXQiOjQwfQ==";

pub(crate) struct Stage {
    pub(crate) house: House,
    pub(crate) links: HashMap<&'static str, Client>,
    pings: u64,
}

impl Stage {
    pub(crate) async fn open(config: Config) -> Self {
        Self {
            house: House::open(config).await,
            links: HashMap::new(),
            pings: 0,
        }
    }

    pub(crate) async fn link(&mut self, name: &'static str) -> &mut Client {
        if !self.links.contains_key(name) {
            let client = Client::to(self.house.address)
                .subprotocols("atlas.link.v1")
                .header("Atlas-Link", "session")
                .header("Atlas-Session", SESSION)
                .connect(Deadline::seconds(5))
                .await
                .unwrap();
            assert_eq!(
                client.response_header("sec-websocket-protocol"),
                Some("atlas.link.v1")
            );
            assert_eq!(client.response_header("atlas-link"), Some("v1"));
            self.links.insert(name, client);
        }
        self.links.get_mut(name).unwrap()
    }

    /// Sends a message and a ping behind it, and returns what came before the pong.
    pub(crate) async fn ask(&mut self, name: &'static str, message: Vec<u8>) -> Vec<Vec<u8>> {
        self.pings += 1;
        let at = self.pings;
        let link = self.link(name).await;
        link.send_binary(message).await.unwrap();
        link.send_binary(control(
            json!({"type": "ping", "session": SESSION, "epoch": 0, "at": at}),
        ))
        .await
        .unwrap();
        let mut answers = Vec::new();
        loop {
            let bytes = link.receive_binary(Deadline::seconds(5)).await.unwrap();
            match (bytes[0] == 2).then(|| serde_json::from_slice::<Value>(&bytes[1..]).unwrap()) {
                Some(pong) if pong["type"] == "pong" && pong["at"] == at => return answers,
                _ => answers.push(bytes),
            }
        }
    }

    pub(crate) async fn order(&mut self, name: &'static str, message: Value) -> String {
        let answers = self.ask(name, control(message)).await;
        let [answer] = &answers[..] else {
            assert!(answers.is_empty(), "at most one answer: {answers:?}");
            return "-".to_owned();
        };
        assert_eq!(answer[0], 2, "control is answered with control");
        let answer: Value = serde_json::from_slice(&answer[1..]).unwrap();
        assert_eq!(
            answer["session"], SESSION,
            "every control message carries its session: {answer}"
        );
        assert!(answer["epoch"].is_u64(), "and its epoch: {answer}");
        let word = answer["type"].as_str().unwrap();
        match word {
            "refused" => format!(
                "refused {} {}",
                answer["reason"].as_str().unwrap(),
                answer["newest"]
            ),
            "attached" => format!("attached {}", answer["has_state"]),
            "frozen" => format!("frozen {} {}", answer["received"], answer["sent"]),
            word => word.to_owned(),
        }
    }

    pub(crate) async fn perform(&mut self, step: Step) -> String {
        let message =
            |kind: &str, epoch: u64| json!({"type": kind, "session": SESSION, "epoch": epoch});
        let with = |mut message: Value, more: Value| {
            message
                .as_object_mut()
                .unwrap()
                .extend(more.as_object().unwrap().clone());
            message
        };
        let terms = json!({"player": "p-1", "lease_ms": 60_000, "orphan_window_ms": 60_000});
        match step {
            Attach(link, epoch) => {
                let client = json!({"client": {"address": "127.0.0.1"}, "reason": "new"});
                self.order(link, with(with(message("attach", epoch), terms), client))
                    .await
            }
            Adopt(link, epoch, transfer) => {
                let more = json!({"transfer": transfer, "state": STATE});
                self.order(link, with(with(message("adopt", epoch), terms), more))
                    .await
            }
            Commit(link, epoch, transfer) => {
                let more = json!({"transfer": transfer, "client": "present"});
                self.order(link, with(message("commit", epoch), more)).await
            }
            Freeze(link, epoch, transfer) => {
                self.order(
                    link,
                    with(message("freeze", epoch), json!({"transfer": transfer})),
                )
                .await
            }
            Abort(link, epoch, transfer) => {
                self.order(
                    link,
                    with(message("abort", epoch), json!({"transfer": transfer})),
                )
                .await
            }
            Detach(link, epoch) => {
                self.order(
                    link,
                    with(message("detach", epoch), json!({"reason": "closed"})),
                )
                .await
            }
            Play(link, n) => {
                let answers = self
                    .ask(
                        link,
                        game(json!({"client": "move", "n": n, "x": 1, "y": 0, "z": -2})),
                    )
                    .await;
                let [answer] = &answers[..] else {
                    assert!(answers.is_empty(), "at most one answer: {answers:?}");
                    return "-".to_owned();
                };
                assert_eq!(answer[0], 0, "text is answered with text");
                let answer: Value = serde_json::from_slice(&answer[1..]).unwrap();
                assert_eq!(
                    (&answer["server"], &answer["n"]),
                    (&json!("west"), &json!(n))
                );
                format!(
                    "out {} gaps {} doubles {}",
                    answer["out"], answer["gaps"], answer["doubles"]
                )
            }
            Cut(link) => {
                drop(self.links.remove(link).unwrap());
                "-".to_owned()
            }
            Closed(link) => {
                let mut link = self.links.remove(link).unwrap();
                let (code, reason) = link.receive_close(Deadline::seconds(5)).await.unwrap();
                format!("{code} {reason}")
            }
        }
    }
}

pub(crate) fn control(message: Value) -> Vec<u8> {
    [&[2][..], message.to_string().as_bytes()].concat()
}

pub(crate) fn game(message: Value) -> Vec<u8> {
    [&[0][..], message.to_string().as_bytes()].concat()
}
