//! How these tests start the binary, and how they make what it said comparable.

use atlas_testkit::{Atlas, AtlasBuilder, Deadline, Exit};

/// The built binary with these arguments, as far as it depends on nothing of this machine.
pub(crate) fn atlas(args: &[&str]) -> AtlasBuilder {
    Atlas::command(args.iter().copied())
        .binary(env!("CARGO_BIN_EXE_atlas"))
        .variable("RUST_LOG", "")
        .variable("NO_COLOR", "1")
}

/// Long enough for a debug build on a busy machine.
pub(crate) fn deadline() -> Deadline {
    Deadline::seconds(60)
}

/// Runs a command to its end and sets what it said as one text.
pub(crate) async fn said(command: AtlasBuilder) -> String {
    let (exit, stdout, stderr) = command.output(deadline()).await.unwrap();
    let mut text = format!("{exit}\n");
    for (name, stream) in [("stdout", stdout), ("stderr", stderr)] {
        if !stream.is_empty() {
            text += &format!("--- {name} ---\n{stream}");
        }
    }
    text
}

/// Runs a command that is to succeed, and gives its stdout.
pub(crate) async fn stdout(command: AtlasBuilder) -> String {
    let (exit, stdout, stderr) = command.output(deadline()).await.unwrap();
    assert_eq!(exit, Exit::Code(0), "{stderr}");
    stdout
}

/// A port of 127.0.0.1 where nobody listens.
pub(crate) fn closed_port() -> u16 {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().port()
}

/// Compares a text with its snapshot, without what differs from run to run.
macro_rules! assert_words {
    ($name:expr, $text:expr) => {{
        let text = $text;
        insta::with_settings!({
            filters => vec![
                (env!("CARGO_BIN_EXE_atlas"), "atlas"),
                (r"held by .+? \(pid \d+\)", "held by OWNER (pid PID)"),
                (r"\(pid \d+\)", "(pid PID)"),
                (r"127\.0\.0\.1:[1-8]\d{3,4}", "127.0.0.1:PORT"),
                (r"[^ \n]*/atlas-[A-Za-z0-9]{6}", "DIR"),
                (r"token=[0-9a-f]{64}", "token=TOKEN"),
                (r"node \d+ of cluster [0-9a-f]{32}", "node NODE of cluster CLUSTER"),
                (r"process \d+", "process PID"),
                // How long a record is depends on the number of the node that made it.
                (r"offset 4\d{3}\b", "offset 4NNN"),
                (r"\b4,\d{3}\b", "4,NNN"),
                (r"\d{4}-\d\d-\d\dT[\d:.]+Z", "TIME"),
            ],
            omit_expression => true,
            prepend_module_to_snapshot => false,
        }, { insta::assert_snapshot!($name, text) });
    }};
}
pub(crate) use assert_words;
