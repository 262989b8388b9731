//! The configuration from outside: its example works as it is, and its mistakes are told with place and remedy.

use atlas_testkit::{Client, Exit, GameServer, Http, Signal, eventually, eventually_async};

use crate::demo::ANY_PORTS;

use crate::support::{assert_words, atlas, closed_port, deadline, said, stdout};

#[tokio::test]
async fn the_example_is_good_and_runs_unchanged_but_for_addresses() {
    for (roles, checked, listeners) in [
        (&["config", "example"][..], "example_check_all", 4),
        (&["config", "example", "edge"], "example_check", 3),
    ] {
        let example = stdout(atlas(roles)).await;
        assert_words!(
            checked,
            said(atlas(&["config", "check"]).file("atlas.toml", &example)).await
        );

        let moved = example
            .replace("127.0.0.1:9000", "127.0.0.1:0")
            .replace("127.0.0.1:9001", "127.0.0.1:0")
            .replace("127.0.0.1:6379", "127.0.0.1:0")
            .replace("127.0.0.1:9090", "127.0.0.1:0");
        assert_eq!(moved.matches("127.0.0.1:0").count(), listeners, "{moved}");
        let mut node = atlas(&["edge"])
            .file("atlas.toml", moved)
            .start(deadline())
            .await
            .unwrap();
        let servers = node
            .admin()
            .unwrap()
            .get_json("/v1/servers", deadline())
            .await
            .unwrap();
        assert_eq!(
            servers["items"].as_array().map(Vec::len),
            Some(2),
            "{servers}"
        );
        node.terminate().unwrap();
        assert_eq!(node.wait(deadline()).await.unwrap(), Exit::Code(0));
    }
}

#[tokio::test]
async fn mistakes_are_told_with_place_and_remedy() {
    let cases = [
        (
            "wrong_key",
            "[edge]\nlisen = \"127.0.0.1:0\"\n\n[admn]\nlisten = \"127.0.0.1:0\"\n",
        ),
        (
            "wrong_unit",
            "[node]\ndrain-timeout = 9\n\n[world.main.transfer]\nlease = \"5 parsecs\"\n",
        ),
        (
            "wrong_type",
            "[edge]\nmax-connections = \"many\"\nlisten = \"localhost\"\n",
        ),
        (
            "foreign_name",
            "[edge]\nport = 9000\nmax_connections = 100\n",
        ),
        ("no_toml", "[edge\nlisten = 1\n"),
        (
            "region_overlap",
            "[[world.main.servers]]\nname = \"west\"\naddress = \"ws://127.0.0.1:7001\"\n\
             region = { min = [-1000, -1000, -1000], max = [10, 1000, 1000] }\n\n\
             [[world.main.servers]]\nname = \"east\"\naddress = \"ws://127.0.0.1:7002\"\n\
             region = { min = [0, -1000, -1000], max = [1000, 1000, 1000] }\n",
        ),
        (
            "region_small",
            "[[world.main.servers]]\nname = \"west\"\naddress = \"ws://127.0.0.1:7001\"\n\
             region = { min = [0, 0, 0], max = [10, 1000, 1000] }\n",
        ),
        (
            "bad_server",
            "[[world.main.servers]]\nname = \"west\"\naddress = \"127.0.0.1:7001\"\n\n\
             [[world.main.servers]]\nname = \"west\"\naddress = \"ws://127.0.0.1:7002\"\n",
        ),
    ];
    for (name, file) in cases {
        let check = said(atlas(&["config", "check"]).file("atlas.toml", file)).await;
        assert_words!(name, &check);
        let edge = said(atlas(&["edge"]).file("atlas.toml", file)).await;
        // Each run has a folder of its own.
        let told = |text: &str| {
            text.split("atlas.toml")
                .skip(1)
                .map(str::to_owned)
                .collect::<Vec<_>>()
        };
        let same =
            told(&check).len() == told(&edge).len() && told(&check).last() == told(&edge).last();
        assert!(
            same,
            "what is checked and what is run are told alike: {check}{edge}"
        );
    }
}

#[tokio::test]
async fn variables_and_flags_stand_above_the_file() {
    let file = format!(
        "[edge]\nlisten = \"127.0.0.1:{}\"\n[admin]\nlisten = \"127.0.0.1:0\"\n",
        closed_port()
    );
    let by_variable = atlas(&["edge"])
        .variable("ATLAS_EDGE__LISTEN", "127.0.0.2:0")
        .file("atlas.toml", &file);
    let node = by_variable.start(deadline()).await.unwrap();
    assert_eq!(node.listener("edge").unwrap().ip().to_string(), "127.0.0.2");
    drop(node);
    let by_flag = atlas(&["edge", "--listen", "127.0.0.3:0"])
        .variable("ATLAS_EDGE__LISTEN", "127.0.0.2:0")
        .file("atlas.toml", &file);
    let node = by_flag.start(deadline()).await.unwrap();
    assert_eq!(node.listener("edge").unwrap().ip().to_string(), "127.0.0.3");
    assert_words!(
        "wrong_variable",
        said(atlas(&["config", "check"]).variable("ATLAS_EDGE__LISEN", "127.0.0.1:0")).await
    );
}

#[tokio::test]
async fn a_new_configuration_takes_effect_or_changes_nothing() {
    let (first, second) = (
        GameServer::echo().await.unwrap(),
        GameServer::echo().await.unwrap(),
    );
    let file = |servers: &[&GameServer]| {
        let mut text = ANY_PORTS.to_owned();
        for (index, server) in servers.iter().enumerate() {
            text += &format!(
                "[[world.main.servers]]\nname = \"s{index}\"\naddress = \"{}\"\n",
                server.url()
            );
        }
        text
    };
    let mut node = atlas(&["edge"])
        .file("atlas.toml", file(&[&first]))
        .start(deadline())
        .await
        .unwrap();
    let mut player = Client::to(node.listener("edge").unwrap())
        .connect(deadline())
        .await
        .unwrap();
    let admin = node.admin().unwrap();
    let path = node.dir().join("atlas.toml");
    let servers = async |count: usize| {
        eventually_async(deadline(), &format!("{count} servers"), async || {
            let servers = admin.get_json("/servers", deadline()).await.unwrap();
            (servers.as_array().map(Vec::len) == Some(count)).then_some(())
        })
        .await
        .unwrap();
    };
    servers(1).await;

    std::fs::write(&path, "[edge]\nlisen = 1\n").unwrap();
    node.signal(Signal::HUP).unwrap();
    let refused = "the configuration was not reloaded; nothing has changed";
    eventually(deadline(), "the refusal of a wrong file", || {
        node.stderr().contains(refused)
    })
    .await
    .unwrap();
    assert!(
        node.stderr().contains("edge.lisen: no such key"),
        "{}",
        node.stderr()
    );
    servers(1).await;

    std::fs::write(&path, file(&[&first, &second])).unwrap();
    node.signal(Signal::HUP).unwrap();
    servers(2).await;
    player.send_text("still here").await.unwrap();
    assert_eq!(player.receive_text(deadline()).await.unwrap(), "still here");
}

#[tokio::test]
async fn a_reload_is_asked_for_by_a_command_and_says_what_changed() {
    let file = |level: &str, servers: &str| {
        format!(
            "[node]\nid = \"n1\"\n[log]\nlevel = \"{level}\"\n[edge]\nlisten = \"127.0.0.1:0\"\n[admin]\nlisten = \"127.0.0.1:0\"\n{servers}"
        )
    };
    let server = |name: &str| {
        format!("[[world.main.servers]]\nname = \"{name}\"\naddress = \"ws://127.0.0.1:9\"\n")
    };
    let node = atlas(&["edge"])
        .file("atlas.toml", file("info", &server("one")))
        .start(deadline())
        .await
        .unwrap();
    let path = node.dir().join("atlas.toml");
    let link = node.ready().console.clone().unwrap();
    let reload = async |more: &[&str]| {
        let args = ["reload", "--admin", &link];
        let args: Vec<&str> = args.iter().chain(more).copied().collect();
        said(atlas(&args)).await
    };
    assert_words!("reload_same", reload(&[]).await);

    let servers = server("one") + &server("two") + "[world.main.transfer]\nhysteresis = 30.0\n";
    let other = file("debug", &servers).replace("n1", "n2");
    std::fs::write(&path, other).unwrap();
    assert_words!("reload_changed", reload(&[]).await);
    // What waits for a restart waits on; the level came back.
    std::fs::write(&path, file("info", &servers).replace("n1", "n2")).unwrap();
    assert_words!("reload_json", reload(&["--json"]).await);
    let admin = node.admin().unwrap();
    let level = admin.get_json("/v1/log", deadline()).await.unwrap();
    assert_eq!(level["level"], "info");

    std::fs::write(
        &path,
        file("info", &servers) + "[edge.limits]\nmesages = 1\n",
    )
    .unwrap();
    assert_words!("reload_refused", reload(&[]).await);
    let servers = admin.get_json("/servers", deadline()).await.unwrap();
    assert_eq!(servers.as_array().map(Vec::len), Some(2));
}

#[tokio::test]
async fn yaml_is_translated_and_what_is_left_is_told() {
    let yaml = "edge:\n  listen: 127.0.0.1:9000\n  max_connections: 100\nnode:\n  id: ~\nworld:\n  main:\n    servers:\n      - name: west\n        address: ws://127.0.0.1:7001\n";
    let convert = atlas(&["config", "convert", "{dir}/old.yaml"]).file("old.yaml", yaml);
    assert_words!("convert", said(convert).await);
    let broken = atlas(&["config", "convert", "{dir}/old.yaml"]).file("old.yaml", "edge: [1, 2\n");
    let text = said(broken).await;
    assert!(
        text.starts_with("exit code 2") && text.contains("old.yaml"),
        "{text}"
    );
}

#[tokio::test]
async fn generated_pages_name_what_there_is() {
    for (page, words) in [
        ("commands", "## `atlas transfer`"),
        ("config", "`drain-timeout`"),
        ("metrics", "`atlas_edge_transfers_total`"),
        ("http", "`/v1/sessions/{id}/transfer`"),
        ("store-commands", "| `XADD` | built |"),
    ] {
        let text = stdout(atlas(&["reference", page])).await;
        assert!(
            text.starts_with("# ") && text.contains(words),
            "{page}: {text}"
        );
    }
    assert_eq!(
        stdout(atlas(&["config", "reference"])).await,
        stdout(atlas(&["reference", "config"])).await
    );
}

#[tokio::test]
async fn every_route_of_the_reference_exists() {
    let page = stdout(atlas(&["reference", "http"])).await;
    let up = ["up", "--demo", "--players", "1"];
    let node = atlas(&up)
        .file("atlas.toml", ANY_PORTS)
        .start(deadline())
        .await
        .unwrap();
    let edge = Http::new(node.listener("edge").unwrap());
    let admin = node.admin().unwrap();
    let mut asked = 0;
    let registration = Http::new(node.listener("registration").unwrap());
    let (of_admin, rest) = page.split_once("## The players' listener").unwrap();
    let (of_edge, of_servers) = rest.split_once("## The listener of game servers").unwrap();
    for (http, part) in [
        (&admin, of_admin),
        (&edge, of_edge),
        (&registration, of_servers),
    ] {
        for line in part.lines() {
            let cells: Vec<&str> = line.split('|').map(str::trim).collect();
            let [_, method, path, ..] = cells[..] else {
                continue;
            };
            let Some(path) = path
                .strip_prefix("`/")
                .and_then(|path| path.strip_suffix('`'))
            else {
                continue;
            };
            let path = format!(
                "/{}",
                path.replace("{id}", "00000000-0000-0000-0000-000000000000")
            );
            if path == "/v1/world" {
                http.events(&path, deadline()).await.unwrap();
                continue;
            }
            if path == "/v1/tap" {
                let token = std::fs::read_to_string(node.data_dir().join("tap.token")).unwrap();
                let tap = Http::new(http.address()).with_token(token.trim());
                tap.events(&path, deadline()).await.unwrap();
                continue;
            }
            let body = serde_json::json!({"server": "nowhere", "level": "info"});
            let body = (method != "GET").then_some(&body);
            let reply = http.request(method, &path, body, deadline()).await;
            let reply = reply.unwrap();
            // A route that is not there is told by its path; a session that is not there by its id.
            assert!(
                !reply.text().contains("there is nothing at") && reply.status != 405,
                "{method} {path}: {}",
                reply.text()
            );
            asked += 1;
        }
    }
    assert!(asked > 10, "{asked} routes were asked for");
}
