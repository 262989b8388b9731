//! The programs that tests run beside: installed as root on Debian, named elsewhere.

use std::process::Command;

use crate::process;

/// A program that some tests need, and how to get it.
struct Peer {
    /// Any of these on the path will do.
    programs: &'static [&'static str],
    /// A command that must succeed as well: what a program brings may be in parts.
    asks: &'static [&'static str],
    /// Debian's package.
    package: &'static str,
    /// What cannot be tested without it.
    serves: &'static str,
}

const PEERS: &[Peer] = &[
    Peer {
        programs: &["chromium", "chromium-browser", "google-chrome"],
        asks: &[],
        package: "chromium",
        serves: "the console in a browser and its picture",
    },
    Peer {
        programs: &["nginx"],
        asks: &[],
        package: "nginx-light",
        serves: "the edge benchmark's peer",
    },
    Peer {
        programs: &["haproxy"],
        asks: &[],
        package: "haproxy",
        serves: "the edge benchmark's peer",
    },
    Peer {
        programs: &["python3"],
        asks: &["python3", "-c", "import venv, ensurepip"],
        package: "python3-venv",
        serves: "Celery and rq beside the store, a game server in Python",
    },
    Peer {
        programs: &["redis-server"],
        asks: &[],
        package: "redis-server",
        serves: "what the store's protocol and client are compared with",
    },
];

/// Installs what is missing where that is possible; says what stays missing, and what that leaves untested.
pub(crate) fn prepare() {
    let missing: Vec<&Peer> = missing();
    if missing.is_empty() {
        return;
    }
    if may_install() {
        let packages: Vec<&str> = missing.iter().map(|peer| peer.package).collect();
        println!("installing {}", packages.join(" "));
        // Failing is no error here: the tests that need the program skip themselves and are counted.
        let _ = apt(&["update", "-qq"]);
        let mut arguments = vec!["install", "-qq", "-y", "--no-install-recommends"];
        arguments.extend(packages);
        if let Err(error) = apt(&arguments) {
            println!("could not install: {error}");
        }
    }
    for peer in self::missing() {
        println!(
            "missing: {} ({}); its tests are skipped",
            peer.programs[0], peer.serves
        );
    }
}

fn missing() -> Vec<&'static Peer> {
    PEERS.iter().filter(|peer| !peer.is_there()).collect()
}

impl Peer {
    fn is_there(&self) -> bool {
        let is_found = self
            .programs
            .iter()
            .any(|program| process::on_path(program));
        let [program, arguments @ ..] = self.asks else {
            return is_found;
        };
        is_found && process::text(Command::new(program).args(arguments)).is_ok()
    }
}

fn may_install() -> bool {
    let root = process::text(Command::new("id").arg("-u")).is_ok_and(|id| id.trim() == "0");
    root && process::on_path("apt-get")
}

fn apt(arguments: &[&str]) -> Result<(), crate::error::Error> {
    process::text(
        Command::new("apt-get")
            .args(arguments)
            .env("DEBIAN_FRONTEND", "noninteractive"),
    )
    .map(|_| ())
}
