use std::{collections::BTreeMap, net::SocketAddr};

use atlas_base::{ByteSize, TimeSpan};
use serde::Deserialize;

use super::*;
use crate::{AdminConfig, LogConfig, MetricsConfig, NodeConfig};

/// A configuration with everything that sections have.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
struct Whole {
    node: NodeConfig,
    log: LogConfig,
    admin: AdminConfig,
    metrics: MetricsConfig,
    edge: Option<Edge>,
    world: BTreeMap<String, World>,
}

/// Where players connect.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
struct Edge {
    /// Address and port.
    listen: SocketAddr,
    /// How many. `auto`: from the descriptor limit.
    max_connections: Count,
    /// Networks that are believed.
    trusted_proxies: Vec<String>,
    /// What one player may do. More than that is refused with a close code that says which limit it was, so that a game's developer can tell a flood from a slip of their own.
    limits: Limits,
}

impl Default for Edge {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 9000)),
            max_connections: Count::Auto(Auto::Auto),
            trusted_proxies: Vec::new(),
            limits: Limits::default(),
        }
    }
}

/// A number, or a word.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
enum Count {
    /// The word.
    Auto(Auto),
    /// The number.
    Number(u32),
}

/// One word.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
enum Auto {
    /// From the descriptor limit.
    Auto,
}

/// Limits of one player.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
struct Limits {
    /// Until it is a WebSocket.
    handshake_timeout: TimeSpan,
    /// Largest message.
    message_bytes_max: ByteSize,
    /// Memory for it.
    memory: ByteSize,
    /// Messages a second; 0 = none.
    messages_per_second: u16,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            handshake_timeout: TimeSpan::from_secs(5),
            message_bytes_max: ByteSize::mib(1),
            memory: ByteSize::kib(64),
            messages_per_second: 200,
        }
    }
}

/// One game.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
struct World {
    /// How a server is chosen.
    balance: Balance,
    /// Past the border.
    hysteresis: f64,
    /// Only with it is a shadow fed.
    mirror: Option<Mirror>,
    /// The game servers.
    servers: Vec<Server>,
    /// Free words.
    labels: BTreeMap<String, String>,
}

/// How a server is chosen.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
enum Balance {
    /// The fewest connections first.
    #[default]
    LeastConnections,
    /// In turn.
    RoundRobin,
}

/// A shadow.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct Mirror {
    /// The shadow server.
    server: String,
}

/// A game server.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct Server {
    /// Its name. Unique in its world.
    name: String,
    /// Where it listens.
    address: SocketAddr,
    /// How many players it takes.
    #[serde(default = "thousand")]
    capacity: u32,
    /// The corner of its region.
    #[serde(default)]
    min: Option<[f64; 3]>,
}

fn thousand() -> u32 {
    1000
}

fn sources(text: &str) -> Sources {
    Sources {
        file: Some("atlas.toml".into()),
        text: Some(text.to_owned()),
        ..Sources::default()
    }
}

fn with(
    text: &str,
    variables: &[(&str, &str)],
    flags: &[(&str, &str, &str)],
) -> Result<Loaded<Whole>, Error> {
    let variables = variables
        .iter()
        .map(|&(name, value)| (name.to_owned(), value.to_owned()))
        .collect();
    let flags = flags
        .iter()
        .map(|&(name, key, value)| Flag::new(name, key, value))
        .collect();
    load(Sources {
        variables,
        flags,
        ..sources(text)
    })
}

fn problems(text: &str) -> String {
    with(text, &[], &[])
        .map(|loaded| loaded.config)
        .unwrap_err()
        .to_string()
}

#[test]
fn nothing_given_is_the_default() {
    let loaded = load::<Whole>(Sources::default()).unwrap();
    assert_eq!(loaded.config, Whole::default());
    assert!(loaded.sections.is_empty());
    assert_eq!(loaded.place("edge.listen"), Place::Default);
}

#[test]
fn each_layer_overrides_those_below() {
    let text =
        "[log]\nlevel = 'warn'\n[edge]\nlisten = '127.0.0.1:1'\n[world.my_game]\nhysteresis = 5\n";
    let level = |variables: &[(&str, &str)], flags: &[(&str, &str, &str)]| {
        let loaded = with(text, variables, flags).unwrap();
        (
            loaded.config.log.level.clone(),
            loaded.place("log.level").to_string(),
        )
    };
    let expect = |level: &str, place: &str| (level.to_owned(), place.to_owned());
    assert_eq!(level(&[], &[]), expect("warn", "atlas.toml:2"));
    assert_eq!(
        level(&[("RUST_LOG", "debug")], &[]),
        expect("debug", "RUST_LOG")
    );
    let both = [("ATLAS_LOG__LEVEL", "trace"), ("RUST_LOG", "debug")];
    assert_eq!(level(&both, &[]), expect("trace", "ATLAS_LOG__LEVEL"));
    assert_eq!(
        level(&both, &[("--log", "log.level", "off")]),
        expect("off", "--log")
    );
}

#[test]
fn variables_reach_every_kind_of_key() {
    let text = "[world.my_game]\nhysteresis = 5\n";
    let variables = [
        ("PATH", "/bin"),
        ("ATLAS_HOME", "/somewhere"),
        ("ATLAS_CONFIG", "/else"),
        ("ATLAS_NODE__DATA_DIR", "/var/lib/7"),
        ("ATLAS_NODE__ID", "7"),
        ("ATLAS_METRICS__ALIASES", "true"),
        ("ATLAS_EDGE__MAX_CONNECTIONS", "12"),
        ("ATLAS_EDGE__TRUSTED_PROXIES", "10.0.0.0/8, ::1/128"),
        ("ATLAS_EDGE__LIMITS__MESSAGE_BYTES_MAX", "4096"),
        ("ATLAS_EDGE__LIMITS__HANDSHAKE_TIMEOUT", "250ms"),
        ("ATLAS_WORLD__MY_GAME__BALANCE", "round-robin"),
        ("ATLAS_WORLD__MY_GAME__MIRROR__SERVER", "shadow"),
        ("ATLAS_WORLD__NEW_ONE__HYSTERESIS", "2.5"),
        ("ATLAS_WORLD__NEW_ONE__LABELS", "{ version = 'b' }"),
        (
            "ATLAS_WORLD__NEW_ONE__SERVERS",
            "[{ name = 'west', address = '127.0.0.1:7' }]",
        ),
    ];
    let loaded = with(text, &variables, &[]).unwrap();
    let Whole {
        node,
        metrics,
        edge,
        world,
        ..
    } = loaded.config;
    let edge = edge.unwrap();
    assert_eq!(
        (node.id.as_deref(), node.data_dir),
        (Some("7"), Some("/var/lib/7".into()))
    );
    assert!(metrics.aliases);
    assert_eq!(edge.max_connections, Count::Number(12));
    assert_eq!(edge.trusted_proxies, ["10.0.0.0/8", "::1/128"]);
    assert_eq!(edge.limits.message_bytes_max, ByteSize(4096));
    assert_eq!(edge.limits.handshake_timeout, TimeSpan::from_millis(250));
    assert_eq!(
        (world["my_game"].balance, world["my_game"].hysteresis),
        (Balance::RoundRobin, 5.0)
    );
    assert_eq!(
        world["my_game"].mirror,
        Some(Mirror {
            server: "shadow".into()
        })
    );
    assert_eq!(
        (
            world["new-one"].hysteresis,
            world["new-one"].servers[0].capacity
        ),
        (2.5, 1000)
    );
    assert_eq!(world["new-one"].labels["version"], "b");
    assert_eq!(
        Vec::from_iter(loaded.sections),
        ["edge", "metrics", "node", "world"]
    );
}

#[test]
fn everything_wrong_is_told_at_once_with_its_place() {
    let text = r#"[nod]
id = "n1"
[edge]
listen = "nowhere"
max_connections = 5
port = 9000
trusted-proxies = "10.0.0.0/8"
maxconnections = 5
data-dir = "/x"
[edge.limits]
handshake-timeout = 5
memory = 100
message-bytes-max = 262144
messages-per-second = 70000
[log]
level = 3
format = "jsn"
[metrics]
aliases = "true"
[world.main]
balance = "least_connections"
hysteresis = "25"
discovery_interval = "5s"
mirror = "shadow"
labels = { version = 2 }
[[world.main.servers]]
name = "west"
address = "127.0.0.1:70000"
[[world.main.servers]]
name = "east"
adress = "127.0.0.1:7002"
capacity = 1.5
[[world.main.servers]]
name = "north"
address = "127.0.0.1"
min = [0, nan, 0]
"#;
    insta::assert_snapshot!(problems(text));
}

#[test]
fn single_slips() {
    let cases = [
        // units
        "[node]\ndrain-timeout = 9",
        "[node]\ndrain-timeout = \"9\"",
        "[node]\ndrain-timeout = \"9 parsecs\"",
        "[node]\ndrain-timeout = true",
        "[edge.limits]\nmemory = \"64\"",
        "[edge.limits]\nmemory = 64.5",
        "[edge.limits]\nmessage-bytes-max = -1",
        // kinds
        "node = 3",
        "[[node]]",
        "[admin.listen]\nport = 1",
        "[edge]\nlimits = \"none\"",
        "[edge]\nmax-connections = -1",
        "[edge]\nmax-connections = \"many\"",
        "[edge.limits]\nmessages-per-second = 99999999999999999999",
        "[admin]\nhosts = [1]",
        "[metrics]\naliases = 1",
        // names
        "[node]\nData_Dir = \"/x\"",
        "[node]\nport = 5",
        "[admin]\nbind = \"0.0.0.0\"",
        "[edge]\npreload-distance = 5.0",
        "[world.arena]\nHealth_Check_Interval = \"5s\"",
        "[world.arena]\nkey_rotation_interval = \"5s\"",
        "[store]\naof_fsync = \"always\"",
        "[edge]\nzzz = 1",
        "[edge]\nhysteresis = 1.0",
        "zzz = 1",
        "HORIZON_SERVER_PORT = 8080",
        // TOML
        "[node",
        "[node]\nid = \"a\"\nid = \"b\"",
        "[node]\nid = n1",
        "node:\n  id: n1",
    ];
    let told: Vec<String> = cases
        .iter()
        .map(|text| format!("{text}\n--> {}\n", problems(text)))
        .collect();
    insta::assert_snapshot!(told.join("\n"));
}

#[test]
fn variables_and_flags_are_told_by_their_names() {
    let variables = [
        ("ATLAS_EDGE__LISTEN", "9000"),
        ("ATLAS_EDGE__PORT", "9000"),
        ("ATLAS_EGDE__LISTEN", "127.0.0.1:9000"),
        ("ATLAS_NODE__DRAIN_TIMEOUT", "9"),
        ("ATLAS_WORLD__MAIN__BALANCE", "fair"),
        ("ATLAS_NODE__ID__X", "a"),
        ("ATLAS__", "a"),
        ("HORIZON_SERVER_PORT", "8080"),
    ];
    let flags = [
        ("--listen", "edge.listen", "nowhere"),
        ("--log", "log.level", "loud"),
        ("--drain", "node.drain-timeout", "9"),
    ];
    insta::assert_snapshot!(with("[log]\nfromat = 'json'", &variables, &flags).unwrap_err());
}

#[test]
fn files_that_cannot_be_read_are_named() {
    let folder = tempfile::tempdir().unwrap();
    let load = |name: &str| {
        let file = folder.path().join(name);
        let error = load::<Whole>(Sources {
            file: Some(file),
            ..Sources::default()
        })
        .unwrap_err();
        error
            .to_string()
            .replace(&folder.path().display().to_string(), "DIR")
    };
    std::fs::write(folder.path().join("atlas.yaml"), "node:\n").unwrap();
    std::fs::create_dir(folder.path().join("folder")).unwrap();
    insta::assert_snapshot!(
        [
            load("atlas.yaml"),
            load("ATLAS.YML"),
            load("none.toml"),
            load("folder")
        ]
        .join("\n")
    );
}

#[test]
fn the_file_is_looked_for_in_order() {
    let variables = |value: &str| vec![("ATLAS_CONFIG".to_owned(), value.to_owned())];
    assert_eq!(locate(Some("a".into()), &variables("b")), Some("a".into()));
    assert_eq!(locate(None, &variables("b")), Some("b".into()));
}

#[test]
fn a_service_names_the_place_of_what_it_finds() {
    let text = "[edge]\n[world.main]\n[[world.main.servers]]\nname = 'west'\naddress = '127.0.0.1:1'\n[[world.main.servers]]\nname = 'east'\naddress = '127.0.0.1:2'\nmin = [1,2,3]\n";
    let loaded = with(text, &[], &[]).unwrap();
    let cases = [
        ("world.main.servers[1].min", "atlas.toml:9"),
        ("world.main.servers.1.min", "atlas.toml:9"),
        ("world.main.servers[0].min", "atlas.toml:3"),
        ("world.main.balance", "atlas.toml:2"),
        ("edge.listen", "atlas.toml:1"),
    ];
    for (key, place) in cases {
        assert_eq!(loaded.place(key).to_string(), place, "{key}");
    }
    let problem = loaded.problem(KeyProblem {
        key: "world.main.servers[1].min".into(),
        what: "overlaps `west`; move one of them".into(),
    });
    let text = Error::Problems(vec![problem]).to_string();
    assert_eq!(
        text,
        "atlas.toml:9: world.main.servers[1].min: overlaps `west`; move one of them"
    );
}

#[test]
fn the_example_loads_unchanged_and_changes_nothing() {
    let text = example::<Whole>(&[]);
    insta::assert_snapshot!(text);
    let loaded = with(&text, &[], &[])
        .map_err(|error| error.to_string())
        .unwrap();
    let expected = Whole {
        edge: Some(Edge::default()),
        world: BTreeMap::from([("main".to_owned(), World::default())]),
        ..Whole::default()
    };
    assert_eq!(loaded.config, expected);
    let of_node = example::<Whole>(&["node"]);
    assert!(
        of_node.contains("[node]") && !of_node.contains("[edge]"),
        "{of_node}"
    );
}

/// What the example shows but leaves out is right as well once its `# ` is taken away.
#[test]
fn the_example_can_be_uncommented() {
    let text = example::<Whole>(&[]);
    let shown: Vec<&str> = text
        .lines()
        .map(|line| line.strip_prefix("# ").unwrap_or(line))
        .collect();
    let shown = shown
        .join("\n")
        .replace("Every value", "# Every value")
        .replace("address = \"\"", "address = \"127.0.0.1:1\"");
    let loaded = with(&shown, &[], &[])
        .map_err(|error| format!("{error}\n{shown}"))
        .unwrap();
    assert_eq!(loaded.config.world["main"].servers.len(), 1);
    assert_eq!(
        loaded.config.world["main"].mirror,
        Some(Mirror {
            server: String::new()
        })
    );
}

#[test]
fn the_reference_shows_each_key() {
    insta::assert_snapshot!(reference::<Whole>());
}

#[test]
fn the_schema_speaks_of_the_types() {
    let schema = schema::<Whole>();
    assert_eq!(
        schema["$defs"]["NodeConfig"]["properties"]["drain-timeout"]["default"],
        "9s"
    );
    assert!(
        schema["$defs"]["Server"]["properties"]["address"]["description"]
            .as_str()
            .unwrap()
            .contains("listens")
    );
}

#[test]
fn foreign_names_are_unique_and_refused_everywhere() {
    let mut seen = BTreeSet::new();
    for foreign in names() {
        assert!(
            seen.insert(foreign.name.to_lowercase()),
            "{} stands twice",
            foreign.name
        );
        assert!(
            !foreign.key.is_empty() || !foreign.note.is_empty(),
            "{} says nothing",
            foreign.name
        );
        for section in ["edge", "world.main"] {
            let told = problems(&format!("[{section}]\n{} = 1\n", foreign.name));
            let key = foreign.key.rsplit('.').next().unwrap_or_default();
            assert!(
                told.contains(key) && !told.contains("did you mean"),
                "{section}.{}: {told}",
                foreign.name
            );
        }
    }
    let promised = [
        "port",
        "max_connections",
        "aof_fsync",
        "discovery_interval",
        "health_check_interval",
        "key_rotation_interval",
        "preload_distance",
        "transfer_distance",
        "sync_interval",
        "startup_timeout",
        "default_capacity",
        "poll_interval",
        "HORIZON_SERVER_PORT",
    ];
    for word in promised {
        assert!(names().iter().any(|foreign| foreign.name == word), "{word}");
    }
}
