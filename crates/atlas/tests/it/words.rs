//! What a person sees: help, errors with their remedies, and the exit code of each.

use atlas_testkit::Exit;

use crate::support::{assert_words, atlas, closed_port, deadline, said, stdout};

#[tokio::test]
async fn every_command_explains_itself() {
    let commands: [&[&str]; 28] = [
        &[],
        &["up"],
        &["edge"],
        &["store"],
        &["store", "backup"],
        &["store", "check"],
        &["store", "dump"],
        &["store", "restore"],
        &["store", "skip"],
        &["pack"],
        &["pack", "check"],
        &["pack", "list"],
        &["config"],
        &["config", "example"],
        &["config", "check"],
        &["config", "schema"],
        &["config", "names"],
        &["config", "convert"],
        &["servers"],
        &["sessions"],
        &["transfer"],
        &["drain"],
        &["kick"],
        &["reload"],
        &["tap"],
        &["load"],
        &["demo-server"],
        &["doctor"],
    ];
    for command in commands {
        let args: Vec<&str> = command.iter().copied().chain(["--help"]).collect();
        let help = stdout(atlas(&args)).await;
        assert!(
            help.contains("Example"),
            "{command:?} has no example:\n{help}"
        );
        let name = format!(
            "help{}",
            command
                .iter()
                .map(|word| format!("_{word}"))
                .collect::<String>()
        );
        insta::with_settings!({ omit_expression => true, prepend_module_to_snapshot => false }, {
            insta::assert_snapshot!(name, help);
        });
    }
}

#[tokio::test]
async fn without_a_command_and_a_file_it_says_what_it_could_do() {
    assert_words!("bare", said(atlas(&[])).await);
}

#[tokio::test]
async fn without_a_command_it_runs_what_the_file_has_sections_for() {
    let file = "[edge]\nlisten = \"127.0.0.1:0\"\n[admin]\nlisten = \"127.0.0.1:0\"\n";
    let mut node = atlas(&[])
        .file("atlas.toml", file)
        .start(deadline())
        .await
        .unwrap();
    let health = atlas_testkit::Http::new(node.listener("edge").unwrap());
    assert_eq!(health.get("/health", deadline()).await.unwrap().status, 200);
    node.terminate().unwrap();
    assert_eq!(node.wait(deadline()).await.unwrap(), Exit::Code(0));
}

#[tokio::test]
async fn a_file_without_a_role_runs_nothing() {
    assert_words!(
        "no_role",
        said(atlas(&[]).file("atlas.toml", "[log]\nlevel = \"info\"\n")).await
    );
}

#[tokio::test]
async fn slips_of_the_command_line_are_told() {
    assert_words!("unknown_command", said(atlas(&["edgy"])).await);
    assert_words!(
        "unknown_flag",
        said(atlas(&["edge", "--lisen", "127.0.0.1:1"])).await
    );
    assert_words!(
        "bad_address",
        said(atlas(&["edge", "--listen", "9000"])).await
    );
    assert_words!(
        "players_without_demo",
        said(atlas(&["up", "--players", "5"])).await
    );
    assert_words!(
        "drain_cancel_and_deadline",
        said(atlas(&["drain", "west", "--cancel", "--deadline", "5s"])).await
    );
    assert_words!(
        "bad_close_code",
        said(atlas(&["kick", "p-1", "--code", "seventy"])).await
    );
    assert_words!(
        "bad_log_level",
        said(atlas(&["edge", "--log", "loud"])).await
    );
}

#[tokio::test]
async fn a_busy_port_names_its_owner_and_the_key() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let edge = atlas(&[
        "edge",
        "--admin-listen",
        "127.0.0.1:0",
        "--listen",
        &address,
    ]);
    assert_words!("busy_port", said(edge).await);
    let admin = atlas(&[
        "edge",
        "--listen",
        "127.0.0.1:0",
        "--admin-listen",
        &address,
    ]);
    assert_words!("busy_admin_port", said(admin).await);
}

#[tokio::test]
async fn files_that_cannot_be_read_are_named() {
    assert_words!(
        "missing_file",
        said(atlas(&["edge", "--config", "{dir}/nothing.toml"])).await
    );
    // A folder: a file of mode 000 is readable to root, who may be running this test.
    assert_words!(
        "unreadable_file",
        said(atlas(&["edge", "--config", "{dir}"])).await
    );
    let yaml = atlas(&["edge", "--config", "{dir}/atlas.yaml"])
        .file("atlas.yaml", "edge:\n  listen: 127.0.0.1:0\n");
    assert_words!("yaml", said(yaml).await);
}

#[tokio::test]
async fn a_data_folder_that_cannot_be_made_is_named() {
    let up = atlas(&["up", "--data-dir", "{dir}/file/data"]).file("file", "");
    assert_words!("bad_data_dir", said(up).await);
}

#[tokio::test]
async fn a_node_that_is_not_there_is_told_with_what_was_tried() {
    let url = format!("http://127.0.0.1:{}", closed_port());
    for command in [
        &["servers"][..],
        &["sessions"],
        &["transfer", "p-1", "west"],
        &["drain", "west"],
        &["kick", "p-1"],
        &["reload"],
        &["tap"],
    ] {
        let args: Vec<&str> = command.iter().copied().chain(["--admin", &url]).collect();
        assert_words!(
            format!("unreachable_{}", command[0]),
            said(atlas(&args)).await
        );
    }
    let listen = format!("[admin]\nlisten = \"127.0.0.1:{}\"\n", closed_port());
    assert_words!(
        "unreachable_by_config",
        said(atlas(&["servers"]).file("atlas.toml", listen)).await
    );
    assert_words!(
        "bad_admin_url",
        said(atlas(&["servers", "--admin", "https://127.0.0.1:9090"])).await
    );
    let load = [
        "load",
        &url.replace("http", "ws"),
        "--clients",
        "2",
        "--duration",
        "100ms",
    ];
    let (exit, stdout, _) = atlas(&load).output(deadline()).await.unwrap();
    assert_eq!(exit, Exit::Code(3), "{stdout}");
    assert!(stdout.contains("no client could connect"), "{stdout}");
}

#[tokio::test]
async fn completions_are_there_for_every_shell() {
    for (shell, mark) in [
        ("bash", "complete -F"),
        ("zsh", "#compdef atlas"),
        ("fish", "complete -c atlas"),
    ] {
        let script = stdout(atlas(&["completions", shell])).await;
        assert!(
            script.contains(mark) && script.contains("demo-server"),
            "{shell}: {script}"
        );
    }
}

#[tokio::test]
async fn a_reader_that_goes_away_is_no_error() {
    // `head` closes the pipe after the first line of many.
    let line = format!("{} config schema | head -n 1", env!("CARGO_BIN_EXE_atlas"));
    let output = std::process::Command::new("/bin/sh")
        .args(["-c", &line])
        .output()
        .unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stderr), "");
    assert_eq!(String::from_utf8_lossy(&output.stdout), "{\n");
}

#[tokio::test]
async fn doctor_says_what_is_wrong_and_what_to_do() {
    let file = format!(
        "[edge]\nlisten = \"127.0.0.1:{0}\"\nmax-connections = 4000000\n[admin]\nlisten = \"127.0.0.1:{1}\"\n\
         [[world.main.servers]]\nname = \"west\"\naddress = \"ws://127.0.0.1:{2}\"\n",
        closed_port(),
        closed_port(),
        closed_port(),
    );
    let (exit, stdout, stderr) = atlas(&["doctor"])
        .file("atlas.toml", file)
        .output(deadline())
        .await
        .unwrap();
    assert_eq!((exit, stderr.as_str()), (Exit::Code(1), ""), "{stdout}");
    for words in [
        "good   configuration",
        "good   data folder",
        "wrong  open files",
        "wrong  server main/west",
        "2 things are to be mended",
    ] {
        assert!(stdout.contains(words), "{words}: {stdout}");
    }
    let broken = atlas(&["doctor", "--json"]).file("atlas.toml", "[edge]\nlisen = 1\n");
    let (exit, stdout, _) = broken.output(deadline()).await.unwrap();
    assert_eq!(exit, Exit::Code(1));
    let report: serde_json::Value = serde_json::from_str(&stdout).unwrap();
    assert_eq!(report["findings"][0]["verdict"], "wrong", "{report}");
}
