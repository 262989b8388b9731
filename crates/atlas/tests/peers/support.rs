//! The binary and the programs beside it.

use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;

use atlas_testkit::{Atlas, AtlasBuilder, Deadline, Process, eventually};

/// The built binary with these arguments, as far as it depends on nothing of this machine.
pub(crate) fn atlas(args: &[&str]) -> AtlasBuilder {
    Atlas::command(args.iter().copied())
        .binary(env!("CARGO_BIN_EXE_atlas"))
        .variable("RUST_LOG", "")
        .variable("NO_COLOR", "1")
}

/// An edge with this configuration, on ports of its own.
pub(crate) async fn edge(configuration: &str) -> Atlas {
    let args = [
        "edge",
        "--listen",
        "127.0.0.1:0",
        "--admin-listen",
        "127.0.0.1:0",
    ];
    let builder = atlas(&args).file("atlas.toml", configuration);
    builder.start(deadline()).await.unwrap()
}

/// Long enough for a debug build on a busy machine.
pub(crate) fn deadline() -> Deadline {
    Deadline::seconds(60)
}

/// A port of 127.0.0.1 that is free now.
pub(crate) fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().port()
}

/// Starts a shell command in a folder; it ends with the handle.
pub(crate) fn shell(folder: &Path, command: &str, variables: &[(&str, String)]) -> Process {
    let variables: Vec<_> = variables
        .iter()
        .map(|(name, value)| ((*name).to_owned(), Some(value.clone())))
        .collect();
    let script = format!("cd '{}' && {command}", folder.display());
    Process::start(
        Path::new("/bin/sh"),
        &["-c".into(), script.into()],
        &variables,
    )
    .unwrap()
}

/// Starts a program that listens on this port, and waits until it does.
pub(crate) async fn listening(folder: &Path, command: &str, port: u16) -> Process {
    let mut process = shell(folder, &format!("exec {command}"), &[]);
    let address = SocketAddr::from(([127, 0, 0, 1], port));
    let mut ended = None;
    eventually(deadline(), &format!("`{command}` to listen"), || {
        ended = process.exit();
        ended.is_some() || TcpStream::connect(address).is_ok()
    })
    .await
    .unwrap();
    assert!(ended.is_none(), "`{command}` ended: {}", process.stderr());
    process
}

/// The value of a metric, all its labels added up.
pub(crate) async fn metric(node: &Atlas, name: &str, label: &str) -> f64 {
    let page = node.admin().unwrap().get("/metrics", deadline()).await;
    let text = page.unwrap().text();
    let values = text
        .lines()
        .filter(|line| line.starts_with(name) && line.contains(label))
        .filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok());
    values.sum()
}
