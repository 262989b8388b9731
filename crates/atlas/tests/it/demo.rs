//! The demo from its first line to its last: players cross borders, servers die and come back, and nothing is lost.

use atlas_testkit::{Atlas, Exit, eventually_async, eventually_some};
use serde_json::Value;

use crate::support::{atlas, deadline};

/// A configuration with which nothing meets another process's ports.
pub(crate) const ANY_PORTS: &str =
    "[edge]\nlisten = \"127.0.0.1:0\"\n[admin]\nlisten = \"127.0.0.1:0\"\n";

/// A running demo with so many players.
pub(crate) async fn demo(players: u32) -> Atlas {
    let players = players.to_string();
    let command = atlas(&["up", "--demo", "--players", &players]).file("atlas.toml", ANY_PORTS);
    command.start(deadline()).await.unwrap()
}

async fn counted(node: &Atlas) -> Value {
    node.admin()
        .unwrap()
        .get_json("/v1/demo", deadline())
        .await
        .unwrap()
}

fn assert_nothing_lost(counted: &Value) {
    for fault in [
        "lost",
        "doubled",
        "reordered",
        "state_breaks",
        "server_gaps",
        "server_doubles",
        "closed",
    ] {
        assert_eq!(counted[fault], 0, "{fault}: {counted}");
    }
}

/// Process id of the server of that name, from the summary on stdout.
pub(crate) fn pid_of(summary: &str, name: &str) -> Option<i32> {
    let line = summary
        .lines()
        .find(|line| line.trim_start().starts_with(name))?;
    line.split_whitespace().last()?.parse().ok()
}

#[tokio::test]
async fn players_cross_borders_and_nothing_is_lost() {
    let mut node = demo(20).await;
    let crossed = eventually_async(deadline(), "twenty crossings", async || {
        let counted = counted(&node).await;
        (counted["server_changes"].as_u64() >= Some(20)).then_some(counted)
    });
    let now = crossed.await.unwrap();
    assert_eq!(now["connected"], 20, "{now}");
    assert_nothing_lost(&now);
    let metrics = node
        .admin()
        .unwrap()
        .get("/metrics", deadline())
        .await
        .unwrap()
        .text();
    assert!(
        metrics.contains(
            "atlas_edge_transfers_total{outcome=\"done\",reason=\"region\",world=\"main\"}"
        ),
        "{metrics}"
    );

    let summary = node.stdout();
    insta::with_settings!({
        filters => vec![
            (env!("CARGO_BIN_EXE_atlas"), "atlas"),
            (r"127\.0\.0\.1:\d+", "127.0.0.1:PORT"),
            (r"[^ \n]*/atlas-[A-Za-z0-9]{6}", "DIR"),
            (r"token=[0-9a-f]{64}", "token=TOKEN"),
            (r"(PORT|kill -9) +\d+", "$1 PID"),
            (r"(address|PORT) +(pid|PID)", "$1  $2"),
        ],
        omit_expression => true,
        prepend_module_to_snapshot => false,
    }, { insta::assert_snapshot!("demo_summary", summary) });
    assert!(
        summary.contains(node.ready().console.as_deref().unwrap()),
        "{summary}"
    );
    assert!(
        summary.contains(&format!("ws://{}", node.listener("edge").unwrap())),
        "{summary}"
    );

    node.terminate().unwrap();
    // The drain may take nine seconds; nobody has a reason to.
    assert_eq!(
        node.wait(atlas_testkit::Deadline::seconds(9))
            .await
            .unwrap(),
        Exit::Code(0),
        "{}",
        node.stderr()
    );
    let last = node.stdout().lines().last().unwrap_or_default().to_owned();
    assert!(
        last.starts_with("stopped: ") && last.contains(" 0 lost, 0 doubled, 0 reordered"),
        "{last}"
    );
    for name in ["northwest", "northeast", "southwest", "southeast"] {
        let pid =
            pid_of(&summary, name).unwrap_or_else(|| panic!("no process id of {name}: {summary}"));
        assert!(!is_alive(pid), "{name} outlived the demo");
    }
}

#[tokio::test]
async fn a_killed_server_comes_back_and_no_player_is_cut_off() {
    let node = demo(12).await;
    let all = eventually_async(deadline(), "every player", async || {
        (counted(&node).await["connected"] == 12).then_some(())
    });
    all.await.unwrap();
    let pid = pid_of(&node.stdout(), "southeast").unwrap();
    let killed = std::process::Command::new("kill")
        .args(["-9", &pid.to_string()])
        .status()
        .unwrap();
    assert!(killed.success());
    let back = eventually_some(deadline(), "southeast's new life", || {
        let text = node.stderr();
        let line = text
            .lines()
            .find(|line| line.starts_with("southeast is back (pid "))?
            .to_owned();
        line.trim_end_matches(')')
            .rsplit(' ')
            .next()?
            .parse::<i32>()
            .ok()
    });
    let reborn = back.await.unwrap();
    assert!(reborn != pid && is_alive(reborn));
    assert!(
        node.stderr()
            .contains(&format!("southeast (pid {pid}) died (signal: 9")),
        "{}",
        node.stderr()
    );
    let served = eventually_async(deadline(), "a player on southeast again", async || {
        let servers = node
            .admin()
            .unwrap()
            .get_json("/servers", deadline())
            .await
            .unwrap();
        let southeast = servers
            .as_array()?
            .iter()
            .find(|server| server["id"] == "southeast")?;
        (southeast["health"] == "healthy" && southeast["sessions"].as_u64() > Some(0)).then_some(())
    });
    served.await.unwrap();
    let now = counted(&node).await;
    assert_eq!(
        (&now["connected"], &now["closed"], &now["lost"]),
        (&12.into(), &0.into(), &0.into()),
        "{now}"
    );
}

#[tokio::test]
async fn a_killed_demo_leaves_no_server_behind() {
    let mut node = demo(1).await;
    let summary = eventually_some(deadline(), "the summary", || {
        let text = node.stdout();
        text.contains("Ctrl-C").then_some(text)
    });
    let summary = summary.await.unwrap();
    node.kill().unwrap();
    node.wait(deadline()).await.unwrap();
    for name in ["northwest", "northeast", "southwest", "southeast"] {
        let pid = pid_of(&summary, name).unwrap();
        atlas_testkit::eventually(deadline(), "the servers' end", || !is_alive(pid))
            .await
            .unwrap();
    }
}

#[tokio::test]
async fn load_crosses_borders_and_is_clean() {
    let node = demo(1).await;
    let url = format!("ws://{}", node.listener("edge").unwrap());
    let args = [
        "load",
        &url,
        "--clients",
        "50",
        "--duration",
        "5s",
        "--move",
        "cross",
        "--verify",
        "--json",
    ];
    let (exit, stdout, stderr) = atlas(&args).output(deadline()).await.unwrap();
    let report: Value =
        serde_json::from_str(&stdout).unwrap_or_else(|error| panic!("{error}: {stdout}{stderr}"));
    assert_eq!(exit, Exit::Code(0), "{report}");
    assert_nothing_lost(&report);
    assert_eq!(
        (&report["connected"], &report["unexpected"]),
        (&50.into(), &0.into()),
        "{report}"
    );
    assert!(report["server_changes"].as_u64() > Some(20), "{report}");
    assert!(report["answered"].as_u64() > Some(2000), "{report}");
}

#[tokio::test]
async fn busy_ports_are_moved_and_said() {
    let (edge, admin) = (
        std::net::TcpListener::bind("127.0.0.1:0").unwrap(),
        std::net::TcpListener::bind("127.0.0.1:0").unwrap(),
    );
    let taken = [edge.local_addr().unwrap(), admin.local_addr().unwrap()];
    let file = format!(
        "[edge]\nlisten = \"{}\"\n[admin]\nlisten = \"{}\"\n",
        taken[0], taken[1]
    );
    let node = atlas(&["up", "--demo", "--players", "1"])
        .file("atlas.toml", file)
        .start(deadline())
        .await
        .unwrap();
    for (name, taken, what) in [("edge", taken[0], "edge"), ("admin", taken[1], "console")] {
        assert_ne!(node.listener(name).unwrap(), taken);
        let said = format!("port {} is held by ", taken.port());
        let summary = eventually_some(deadline(), &said, || {
            node.stdout()
                .lines()
                .find(|line| line.contains(&said))
                .map(str::to_owned)
        });
        assert!(
            summary
                .await
                .unwrap()
                .ends_with(&format!("so the {what} took a free one"))
        );
    }
}

#[tokio::test]
async fn a_configuration_with_worlds_of_its_own_is_not_mixed_with_the_demo() {
    let file = "[[world.arena.servers]]\nname = \"a\"\naddress = \"ws://127.0.0.1:7001\"\n";
    let text = crate::support::said(atlas(&["up", "--demo"]).file("atlas.toml", file)).await;
    crate::support::assert_words!("demo_beside_worlds", text);
}

/// Whether a process runs; one that has ended and was not waited for does not.
fn is_alive(pid: i32) -> bool {
    std::fs::read_to_string(format!("/proc/{pid}/stat")).is_ok_and(|stat| {
        let after_name = stat.rsplit_once(')').map_or("", |(_, after)| after);
        !after_name.trim_start().starts_with('Z')
    })
}
