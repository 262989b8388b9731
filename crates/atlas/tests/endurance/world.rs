//! An edge and four cooperative servers, each in a process of its own.

use std::collections::BTreeMap;
use std::net::{SocketAddr, TcpListener};
use std::time::Duration;

use atlas_demo::server::{Acted, Stats};
use atlas_testkit::{Atlas, AtlasBuilder, Deadline, Http, eventually_async};
use serde_json::Value;

/// The quarters of the world: name, and whether it lies in the east and in the south.
const QUARTERS: [(&str, bool, bool); 4] = [
    ("north-west", false, false),
    ("north-east", true, false),
    ("south-west", false, true),
    ("south-east", true, true),
];

pub(crate) fn atlas(args: &[&str]) -> AtlasBuilder {
    Atlas::command(args.iter().copied())
        .binary(env!("CARGO_BIN_EXE_atlas"))
        .variable("RUST_LOG", "")
        .variable("NO_COLOR", "1")
}

/// Long enough for a busy machine.
pub(crate) fn deadline() -> Deadline {
    Deadline::seconds(60)
}

pub(crate) struct World {
    pub(crate) edge: Atlas,
    pub(crate) servers: Vec<Server>,
}

/// A game server that can be started again under its old address.
pub(crate) struct Server {
    pub(crate) name: &'static str,
    address: SocketAddr,
    region: String,
    /// None while it is dead.
    pub(crate) process: Option<Atlas>,
    /// What its processes acted, as far as they could be asked.
    pub(crate) acted: Vec<Acted>,
    /// Messages acted on under an old epoch, over all its processes.
    pub(crate) acted_stale: u64,
}

impl World {
    /// Starts all of it; `keys` are further keys of the world's section.
    pub(crate) async fn start(keys: &str) -> Self {
        let mut servers = Vec::new();
        for (name, east, south) in QUARTERS {
            let half = |far| if far { (0, 1000) } else { (-1000, 0) };
            let ((min_x, max_x), (min_z, max_z)) = (half(east), half(south));
            let mut server = Server {
                name,
                address: free_address(),
                region: format!("{min_x},{min_z}:{max_x},{max_z}"),
                process: None,
                acted: Vec::new(),
                acted_stale: 0,
            };
            server.revive().await;
            servers.push(server);
        }
        let file = configuration(keys, &servers);
        let edge = atlas(&["edge", "--listen", "127.0.0.1:0"])
            .file("atlas.toml", file)
            .start(deadline())
            .await
            .unwrap();
        Self { edge, servers }
    }

    pub(crate) fn url(&self) -> String {
        format!("ws://{}/", self.edge.listener("edge").unwrap())
    }

    pub(crate) fn admin(&self) -> Http {
        self.edge.admin().unwrap()
    }

    /// All sessions.
    pub(crate) async fn sessions(&self) -> Vec<Value> {
        let admin = self.admin();
        let (mut sessions, mut after) = (Vec::new(), String::new());
        loop {
            let path = format!("/v1/sessions?limit=500{after}");
            let mut page = admin.get_json(&path, deadline()).await.unwrap();
            sessions.append(page["items"].as_array_mut().unwrap());
            match page["next"].as_str() {
                Some(next) => after = format!("&after={next}"),
                None => return sessions,
            }
        }
    }

    /// The metrics by their whole names.
    pub(crate) async fn metrics(&self) -> Metrics {
        let text = self.admin().get("/metrics", deadline()).await.unwrap();
        let line = |line: &str| {
            let (name, value) = line.rsplit_once(' ')?;
            Some((name.to_owned(), value.parse().ok()?))
        };
        Metrics(text.text().lines().filter_map(line).collect())
    }

    /// Waits until nobody is at any server, and every transfer has ended.
    pub(crate) async fn emptied(&self) {
        eventually_async(deadline(), "no session and no place taken", async || {
            let servers = self.admin().get_json("/v1/servers", deadline()).await;
            let servers = servers.ok()?;
            let places = servers["items"].as_array()?.iter();
            let free = places.map(|server| server["sessions"].as_u64());
            (free.sum::<Option<u64>>() == Some(0)).then_some(())
        })
        .await
        .unwrap();
        assert!(self.sessions().await.is_empty());
    }

    /// The edge's resident memory, in bytes.
    pub(crate) fn memory(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.edge.pid()));
        let status = status.unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let kilobytes = line.unwrap().trim().trim_end_matches(" kB");
        kilobytes.parse::<u64>().unwrap() << 10
    }
}

pub(crate) struct Metrics(BTreeMap<String, f64>);

impl Metrics {
    /// The sum over all lines of this name whose labels contain each of these words.
    pub(crate) fn sum(&self, name: &str, labels: &[&str]) -> u64 {
        let fits = |line: &str| {
            line.strip_prefix(name)
                .is_some_and(|rest| rest.is_empty() || rest.starts_with('{'))
                && labels.iter().all(|label| line.contains(label))
        };
        let lines = self.0.iter().filter(|(line, _)| fits(line));
        lines.map(|(_, value)| *value as u64).sum()
    }
}

/// The edge's configuration; `keys` are further keys of the world's section.
pub(crate) fn configuration(keys: &str, servers: &[Server]) -> String {
    let mut file = format!("[admin]\nlisten = \"127.0.0.1:0\"\n[world.main]\n{keys}\n");
    for server in servers {
        let corners = server.region.replace(':', ",");
        let corner: Vec<&str> = corners.split(',').collect();
        file += &format!(
            "[[world.main.servers]]\nname = \"{}\"\naddress = \"ws://{}\"\nlink = \"cooperative\"\n\
             region = {{ min = [{}, -1000, {}], max = [{}, 1000, {}] }}\n",
            server.name, server.address, corner[0], corner[1], corner[2], corner[3],
        );
    }
    file
}

impl Server {
    /// Starts it.
    pub(crate) async fn revive(&mut self) {
        let listen = self.address.to_string();
        let process = atlas(&["demo-server", "--record-acts", "--listen", &listen])
            .args(["--name", self.name])
            .arg(format!("--region={}", self.region))
            .start(deadline())
            .await
            .unwrap();
        self.process = Some(process);
    }

    /// SIGKILL, after it was asked what it did.
    pub(crate) async fn kill(&mut self) {
        self.audit().await;
        if let Some(mut process) = self.process.take() {
            process.kill().unwrap();
            process.wait(deadline()).await.unwrap();
        }
    }

    /// Asks it what it did so far.
    pub(crate) async fn audit(&mut self) {
        let Some(process) = &self.process else {
            return;
        };
        let http = Http::new(process.listener("server").unwrap());
        let acts = http.get_json("/acts", deadline()).await.unwrap();
        let stats = http.get_json("/stats", deadline()).await.unwrap();
        let acts: Vec<Acted> = serde_json::from_value(acts).unwrap();
        let stats: Stats = serde_json::from_value(stats).unwrap();
        self.acted.extend(acts);
        self.acted_stale += stats.acted_stale;
    }
}

fn free_address() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap()
}

/// Waits for a moment of the plan.
pub(crate) async fn until(at: std::time::Instant) {
    tokio::time::sleep_until(at.into()).await;
}

/// A random number generator that is enough to draw faults.
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    /// A number below `bound`.
    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) % bound
    }

    pub(crate) fn between(&mut self, least: u64, most: u64) -> Duration {
        Duration::from_millis(least + self.below(most - least))
    }
}
