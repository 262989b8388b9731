//! The commands that operate a running node, on a demo.

use atlas_testkit::{Atlas, Client, Exit, Received, eventually_async};
use serde_json::Value;

use crate::demo::demo;
use crate::support::{atlas, deadline, said, stdout};

/// A command against that node, by its address and token file.
async fn ask(node: &Atlas, args: &[&str]) -> (Exit, String, String) {
    let admin = format!("http://{}", node.listener("admin").unwrap());
    let token = node.data_dir().join("admin.token");
    let command = atlas(args)
        .args(["--admin", &admin])
        .arg("--token-file")
        .arg(token);
    command.output(deadline()).await.unwrap()
}

async fn json(node: &Atlas, args: &[&str]) -> Value {
    let args: Vec<&str> = args.iter().copied().chain(["--json"]).collect();
    let (_, stdout, stderr) = ask(node, &args).await;
    serde_json::from_str(&stdout).unwrap_or_else(|error| panic!("{error}: {stdout}{stderr}"))
}

#[tokio::test]
async fn servers_and_sessions_are_listed_and_one_is_moved() {
    let node = demo(6).await;
    let all = eventually_async(deadline(), "six sessions", async || {
        let all = json(&node, &["sessions"]).await;
        (all["total"] == 6).then_some(all)
    });
    let all = all.await.unwrap();
    assert_eq!(all["items"].as_array().map(Vec::len), Some(6));

    let (exit, table, _) = ask(&node, &["servers"]).await;
    assert_eq!(exit, Exit::Code(0));
    for words in [
        "SERVER",
        "northwest",
        "northeast",
        "southwest",
        "southeast",
        "healthy",
    ] {
        assert!(table.contains(words), "{words}: {table}");
    }
    let (_, table, _) = ask(&node, &["sessions", "--limit", "2"]).await;
    assert_eq!(
        table.lines().count(),
        4,
        "a heading, two sessions, how many there are: {table}"
    );
    assert!(table.contains("2 of 6"), "{table}");

    // The player walks on meanwhile: that it was there is in the answer and in the count of its moves.
    let session = &all["items"][0];
    let id = session["id"].as_str().unwrap();
    let moved = eventually_async(deadline(), "a move by hand", async || {
        let now = json(&node, &["sessions", "--search", id]).await;
        let from = now["items"][0]["server"].as_str()?.to_owned();
        let to = if from == "northwest" {
            "southeast"
        } else {
            "northwest"
        };
        let moved = json(&node, &["transfer", &id[..8], to]).await;
        (moved["outcome"] == "done").then_some((moved, to))
    });
    let (moved, to) = moved.await.unwrap();
    assert_eq!(
        (moved["to"].as_str(), moved["session"].as_str()),
        (Some(to), Some(id)),
        "{moved}"
    );
    assert_eq!(moved["reason"], "admin", "{moved}");
    let after = json(&node, &["sessions", "--search", id]).await;
    assert!(
        after["items"][0]["transfers"].as_u64() >= Some(1),
        "{after}"
    );

    let (exit, _, stderr) = ask(&node, &["transfer", &id[..8], "atlantis"]).await;
    assert_eq!(exit, Exit::Code(1));
    assert!(
        stderr.contains("atlantis") && stderr.contains("hint: `atlas servers`"),
        "{stderr}"
    );
    let (exit, _, stderr) = ask(&node, &["transfer", "nobody", "northwest"]).await;
    assert_eq!(exit, Exit::Code(1));
    assert!(stderr.contains("no session is called `nobody`"), "{stderr}");
}

/// All of the players, by their server.
async fn on(node: &Atlas, server: &str) -> u64 {
    let there = json(node, &["sessions", "--server", server]).await;
    there["total"].as_u64().unwrap()
}

#[tokio::test]
async fn a_server_is_drained_and_taken_back() {
    let node = demo(12).await;
    let full = eventually_async(deadline(), "somebody in the northwest", async || {
        (on(&node, "northwest").await > 0 && on(&node, "southeast").await > 0).then_some(())
    });
    full.await.unwrap();

    let drain = ["drain", "northwest", "--window", "200ms"];
    let (exit, text, stderr) = ask(&node, &drain).await;
    assert_eq!(exit, Exit::Code(0), "{text}{stderr}");
    assert!(
        text.starts_with("drained: main/northwest is empty")
            && text.contains("moved to other servers"),
        "{text}"
    );
    assert_eq!(on(&node, "northwest").await, 0);
    let (_, table, _) = ask(&node, &["servers"]).await;
    let line = table.lines().find(|line| line.contains("northwest"));
    assert!(line.is_some_and(|line| line.contains("drained")), "{table}");

    let cancelled = json(&node, &["drain", "main/northwest", "--cancel"]).await;
    assert_eq!(cancelled["state"], "cancelled", "{cancelled}");
    let back = eventually_async(deadline(), "players who come back", async || {
        (on(&node, "northwest").await > 0).then_some(())
    });
    back.await.unwrap();
    let begun = json(&node, &["drain", "northwest", "--no-wait"]).await;
    assert_eq!(begun["state"], "draining", "{begun}");

    let (exit, _, stderr) = ask(&node, &["drain", "atlantis"]).await;
    assert_eq!(exit, Exit::Code(1));
    assert!(
        stderr.contains("no server is called `atlantis`")
            && stderr.contains("hint: `atlas servers`"),
        "{stderr}"
    );
    let (exit, _, stderr) = ask(&node, &["drain", "southeast", "--cancel"]).await;
    assert_eq!(exit, Exit::Code(1));
    assert!(stderr.contains("answered 404"), "{stderr}");
}

#[tokio::test]
async fn a_player_is_kicked_with_a_code_and_a_reason() {
    let node = demo(1).await;
    let edge = node.listener("edge").unwrap();
    let player = Client::to(edge).path("/of-the-test");
    let mut player = player.connect(deadline()).await.unwrap();
    let id = eventually_async(deadline(), "the test's own session", async || {
        let all = json(&node, &["sessions"]).await;
        let mut all = all["items"].as_array()?.iter();
        let own = all.find(|session| session["path"] == "/of-the-test")?;
        Some(own["id"].as_str()?.to_owned())
    });
    let id = id.await.unwrap();
    let (exit, _, stderr) = ask(&node, &["kick", &id, "--code", "1006"]).await;
    assert_eq!(exit, Exit::Code(1));
    assert!(stderr.contains("1006 is no close code"), "{stderr}");

    let kick = ["kick", &id[..8], "--code", "4001", "--reason", "cheating"];
    let kicked = json(&node, &kick).await;
    assert_eq!(
        (&kicked["session"], &kicked["code"], &kicked["reason"]),
        (&id.into(), &4001.into(), &"cheating".into()),
    );
    let closed = eventually_async(deadline(), "the close", async || {
        match player.receive(deadline()).await.unwrap() {
            Received::Close(close) => close,
            _ => None,
        }
    });
    assert_eq!(closed.await.unwrap(), (4001, "cheating".to_owned()));

    let (exit, _, stderr) = ask(&node, &["kick", "nobody"]).await;
    assert_eq!(exit, Exit::Code(1));
    assert!(stderr.contains("no session is called `nobody`"), "{stderr}");
}

#[tokio::test]
async fn a_demo_has_nothing_to_reload() {
    let node = demo(1).await;
    let (exit, _, stderr) = ask(&node, &["reload"]).await;
    assert_eq!(exit, Exit::Code(1));
    assert!(stderr.contains("a demo has no configuration"), "{stderr}");
}

#[tokio::test]
async fn the_token_is_found_or_asked_for() {
    let node = demo(1).await;
    let admin = format!("http://{}", node.listener("admin").unwrap());
    // The console's link carries it.
    let link = node.ready().console.clone().unwrap();
    assert!(
        stdout(atlas(&["servers", "--admin", &link]))
            .await
            .contains("northwest")
    );
    // The configuration's data folder has it.
    let data_dir = node.data_dir().to_string_lossy().into_owned();
    let by_folder = atlas(&["servers", "--admin", &admin]).data_dir(&data_dir);
    assert!(stdout(by_folder).await.contains("northwest"));
    // Another folder has none, and says where it looked.
    let text = said(atlas(&["servers", "--admin", &admin])).await;
    assert!(
        text.starts_with("exit code 1") && text.contains("--token-file"),
        "{text}"
    );
    // Another node's token is not taken.
    let wrong = "0".repeat(64);
    let by_file =
        atlas(&["servers", "--admin", &admin, "--token-file", "{dir}/token"]).file("token", &wrong);
    let text = said(by_file).await;
    assert!(
        text.starts_with("exit code 1") && text.contains("another node's"),
        "{text}"
    );
}

#[tokio::test]
async fn the_tap_names_messages_under_a_token_of_its_own() {
    let node = demo(4).await;
    let admin = format!("http://{}", node.listener("admin").unwrap());
    let tap = |args: &[&str], token: &str| {
        let args: Vec<&str> = ["tap", "--admin", &admin]
            .iter()
            .chain(args)
            .copied()
            .collect();
        atlas(&args)
            .arg("--token-file")
            .arg(node.data_dir().join(token))
    };
    let lines = stdout(tap(
        &["--count", "5", "--direction", "in", "--json"],
        "tap.token",
    ))
    .await;
    let messages: Vec<Value> = lines
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(messages.len(), 5, "{lines}");
    for message in &messages {
        assert_eq!(
            (&message["direction"], &message["world"]),
            (&"in".into(), &"main".into())
        );
        assert!(
            message["bytes"].as_u64() > Some(0) && message["kind"].is_string(),
            "{message}"
        );
        let names: Vec<&str> = message
            .as_object()
            .unwrap()
            .keys()
            .map(String::as_str)
            .collect();
        assert_eq!(
            names,
            [
                "at_ms",
                "direction",
                "world",
                "server",
                "session",
                "player",
                "kind",
                "text",
                "bytes",
                "position"
            ],
            "nothing of what it says"
        );
    }
    let session = messages[0]["session"].as_str().unwrap();
    let one = stdout(tap(
        &["--count", "3", "--session", &session[..8]],
        "tap.token",
    ))
    .await;
    assert!(
        one.lines().count() == 3 && one.lines().all(|line| line.contains(&session[..8])),
        "{one}"
    );

    let text = said(tap(&[], "admin.token")).await;
    assert!(
        text.starts_with("exit code 1")
            && text.contains("right of its own")
            && text.contains("tap.token"),
        "{text}"
    );
    let text = said(tap(&["--session", "nobody"], "tap.token")).await;
    assert!(text.contains("the start of a session's id"), "{text}");
}
