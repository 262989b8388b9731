//! The guides, followed word by word.

use std::fs;

use atlas_testkit::Client;

use crate::guide::{Block, Reader, blocks};
use crate::support::{deadline, metric};
use crate::workshop::{check_out_sdk, has, has_node, has_python, run};

fn has_curl() -> bool {
    has(&["curl"])
}

/// The one block whose text contains this.
fn find<'a>(blocks: &'a [Block], text: &str) -> &'a Block {
    let mut found = blocks.iter().filter(|block| block.text.contains(text));
    let block = found
        .next()
        .unwrap_or_else(|| panic!("no block with `{text}`"));
    assert!(found.next().is_none(), "two blocks with `{text}`");
    block
}

#[tokio::test]
async fn make_your_server_cooperative() {
    if !has_node() || !has_curl() {
        return;
    }
    let place = tempfile::tempdir().unwrap();
    let (game, checkout) = (place.path().join("game"), place.path().join("atlas"));
    fs::create_dir(&game).unwrap();
    check_out_sdk(&checkout);
    let all = blocks("make-your-server-cooperative.md");
    let (steps, fragments): (Vec<_>, Vec<_>) = all.iter().cloned().partition(|block| {
        // What the page shows after the walk are pieces of a class.
        block.language != "ts" || block.text.starts_with("import")
    });

    let mut reader = Reader::new(&game, &checkout);
    let mut said = Vec::new();
    for step in &steps {
        said.push((step.text.clone(), reader.follow(step).await));
    }
    let printed = |command: &str| {
        let mut found = said.iter().filter(|(text, _)| text.contains(command));
        found.next_back().unwrap().1.clone()
    };
    let walked = printed("node walk.js");
    let (counted, rest) = walked.trim().split_once(" wrong, ").unwrap();
    assert_eq!(counted, "500 steps, 500 answers, 0", "{walked}");
    let (crossings, rest) = rest.split_once(' ').unwrap();
    assert!(
        (3..=5).contains(&crossings.parse::<u32>().unwrap()),
        "{walked}"
    );
    assert_eq!(rest, "crossings, closed with 1000");
    let seen = printed("/metrics");
    assert_eq!(
        seen.matches("\"link\":\"cooperative\"").count(),
        2,
        "{seen}"
    );
    assert!(seen.contains("atlas_edge_transfers_total{"), "{seen}");

    // Many at once, and the edge agrees with what the players saw.
    let before = metric(
        reader.node.as_ref().unwrap(),
        "atlas_edge_transfers_total",
        "done",
    )
    .await;
    assert_eq!(before.to_string(), crossings);
    let edge = reader.node.as_ref().unwrap().listener("edge").unwrap();
    let many =
        "for player in 1 2 3 4 5 6 7 8; do node walk.js ws://EDGE player-$player & done; wait";
    let many = Block::command(&many.replace("EDGE", &edge.to_string()));
    let walked = reader.follow(&many).await;
    assert_eq!(
        walked.matches("500 steps, 500 answers, 0 wrong").count(),
        8,
        "{walked}"
    );

    // The pieces fit into a class as they stand.
    assert!(fragments.len() >= 2);
    let mut pieces = fs::read_to_string(game.join("mine.ts")).unwrap();
    pieces.truncate(pieces.find("class Mine").unwrap());
    for (number, fragment) in fragments.iter().enumerate() {
        let place = if fragment.text.contains("constructor") {
            ""
        } else {
            "declare place: string;"
        };
        pieces += &format!(
            "abstract class Piece{number} extends GameServer<Miner> {{\n{place}\n{}}}\n",
            fragment.text
        );
    }
    fs::write(game.join("pieces.ts"), pieces).unwrap();
    run(
        &game,
        "npx tsc --target es2022 --module node16 --strict --noEmit pieces.ts",
    );
}

#[tokio::test]
async fn put_a_server_behind_the_edge() {
    if !has_node() || !has_python() || !has_curl() {
        return;
    }
    let place = tempfile::tempdir().unwrap();
    let mut reader = Reader::new(place.path(), place.path());
    let all = blocks("put-a-server-behind-the-edge.md");
    let (last, steps) = all.split_last().unwrap();
    let mut said = String::new();
    for step in steps {
        said += &reader.follow(step).await;
    }
    assert!(
        said.contains("got hello\nclosed with 4001: bye yourself\n"),
        "{said}"
    );
    assert!(said.contains("\"link\":\"plain\""), "{said}");
    // The word after the page's walk: the second server is another library's, and gets its share.
    let edge = reader.node.as_ref().unwrap().listener("edge").unwrap();
    let mut players = Vec::new();
    for number in 0..4 {
        let mut player = Client::to(edge)
            .path("/room/7")
            .connect(deadline())
            .await
            .unwrap();
        player.send_text(format!("{number}")).await.unwrap();
        assert_eq!(
            player.receive_text(deadline()).await.unwrap(),
            number.to_string()
        );
        players.push(player);
    }
    let admin = reader.node.as_ref().unwrap().admin().unwrap();
    let servers = admin.get_json("/servers", deadline()).await.unwrap();
    for server in servers.as_array().unwrap() {
        assert_eq!(
            (&server["link"], &server["sessions"]),
            (&"plain".into(), &2.into()),
            "{servers}"
        );
    }
    drop(players);

    // The other configuration of the page is right as well.
    assert!(last.text.contains("[world.main.dialect]"));
    fs::write(reader.folder.join("atlas.toml"), &last.text).unwrap();
    reader.follow(find(steps, "atlas config check")).await;
}
