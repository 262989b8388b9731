//! Large states: they travel in parts, both ways, and arrive as they left.

use atlas_demo::server::Config;
use serde_json::{Value, json};

use crate::house::named;
use crate::stage::Step::*;
use crate::stage::{FIRST, SECOND, SESSION, Stage, control};

const STATE_BYTES: usize = 200_000;

fn large(name: &str) -> Config {
    Config {
        state_bytes: STATE_BYTES,
        ..named(name)
    }
}

/// Freezes the session and gives what came: parts, then `frozen`.
async fn freeze(stage: &mut Stage) -> Vec<Vec<u8>> {
    let freeze = json!({"type": "freeze", "session": SESSION, "epoch": 2, "transfer": FIRST});
    stage.ask("a", control(freeze)).await
}

fn adopt(state_id: &Value) -> Value {
    json!({
        "type": "adopt", "session": SESSION, "epoch": 2, "transfer": SECOND, "state_id": state_id,
        "lease_ms": 60_000, "orphan_window_ms": 60_000
    })
}

#[tokio::test]
async fn a_large_state_goes_from_server_to_server_in_parts() {
    let mut source = Stage::open(large("west")).await;
    assert_eq!(source.perform(Attach("a", 1)).await, "attached false");
    for n in 1..=3 {
        source.perform(Play("a", n)).await;
    }
    let answers = freeze(&mut source).await;
    let [parts @ .., frozen] = &answers[..] else {
        panic!("parts and an answer")
    };
    assert_eq!(parts.len(), STATE_BYTES.div_ceil(65_536));
    let bytes: usize = parts.iter().map(|part| part.len() - 25).sum();
    assert_eq!(bytes, STATE_BYTES);
    let frozen: Value = serde_json::from_slice(&frozen[1..]).unwrap();
    assert_eq!(frozen["type"], "frozen");
    assert_eq!(frozen.get("state"), None);

    let mut target = Stage::open(large("west")).await;
    for part in parts {
        assert!(target.ask("b", part.clone()).await.is_empty());
    }
    assert_eq!(
        target.order("b", adopt(&frozen["state_id"])).await,
        "adopted"
    );
    assert_eq!(target.perform(Commit("b", 2, SECOND)).await, "committed");
    assert_eq!(target.perform(Play("b", 4)).await, "out 4 gaps 0 doubles 0");
    assert_eq!(target.house.stats().await.states_damaged, 0);
}

#[tokio::test]
async fn a_damaged_state_is_refused_and_parts_that_lack_close_the_link() {
    let mut source = Stage::open(large("west")).await;
    assert_eq!(source.perform(Attach("a", 1)).await, "attached false");
    let mut answers = freeze(&mut source).await;
    let frozen: Value = serde_json::from_slice(&answers.pop().unwrap()[1..]).unwrap();
    let mut target = Stage::open(named("east")).await;
    for (place, part) in answers.iter().enumerate() {
        let mut part = part.clone();
        if place == 1 {
            part[25 + 77] ^= 1;
        }
        assert!(target.ask("b", part).await.is_empty());
    }
    let refused = target.order("b", adopt(&frozen["state_id"])).await;
    assert_eq!(refused, "refused the state cannot be read null");
    assert_eq!(target.house.stats().await.states_damaged, 1);
    let first = answers[0].clone();
    assert!(target.ask("b", first).await.is_empty());
    let link = target.link("b").await;
    link.send_binary(control(adopt(&frozen["state_id"])))
        .await
        .unwrap();
    assert!(
        target
            .perform(Closed("b"))
            .await
            .starts_with("1002 state parts")
    );
}
