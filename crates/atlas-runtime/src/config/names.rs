//! Words that people bring from elsewhere.

use super::{ForeignName, shape::Shape, tree::Path};

/// What a path leads to.
pub(super) struct Target<'s> {
    pub(super) path: Path,
    pub(super) shape: &'s Shape,
}

/// `ROLE.` in a key: the section in which the word was found.
const ROLE: &str = "ROLE.";

const fn name(name: &'static str, key: &'static str, note: &'static str) -> ForeignName {
    ForeignName { name, key, note }
}

const LISTEN: &str = "address and port are one text, like \"0.0.0.0:9000\"";

/// The one table. Words are written in lower case with `_`, save variables.
pub(super) const TABLE: &[ForeignName] = &[
    name("port", "ROLE.listen", LISTEN),
    name("host", "ROLE.listen", LISTEN),
    name("bind", "ROLE.listen", LISTEN),
    name("bind_address", "ROLE.listen", LISTEN),
    name("bind_port", "ROLE.listen", LISTEN),
    name("listen_address", "ROLE.listen", LISTEN),
    name("listen_addr", "ROLE.listen", LISTEN),
    name("listen_port", "ROLE.listen", LISTEN),
    name("websocket_port", "edge.listen", LISTEN),
    name("admin_port", "admin.listen", LISTEN),
    name(
        "metrics_port",
        "admin.listen",
        "metrics are served by the admin listener",
    ),
    name(
        "HORIZON_SERVER_PORT",
        "world.NAME.servers[].address",
        "the edge dials each server's address, or the server registers itself",
    ),
    name(
        "HORIZON_SERVER_HOST",
        "world.NAME.servers[].address",
        "the edge dials each server's address, or the server registers itself",
    ),
    name("node_id", "node.id", ""),
    name("data_directory", "node.data-dir", ""),
    name("data_path", "node.data-dir", ""),
    name(
        "shutdown_timeout",
        "node.drain-timeout",
        "a duration with a unit, like \"9s\"",
    ),
    name(
        "grace_period",
        "node.drain-timeout",
        "a duration with a unit, like \"9s\"",
    ),
    name("log_level", "log.level", ""),
    name("log_format", "log.format", ""),
    name("max_connections", "edge.max-connections", ""),
    name("max_clients", "edge.max-connections", ""),
    name("maxclients", "edge.max-connections", ""),
    name(
        "max_players",
        "world.NAME.servers[].capacity",
        "each server has its own",
    ),
    name(
        "idle_timeout",
        "edge.limits.ping-timeout",
        "a client that answers pings is not idle",
    ),
    name("max_message_size", "edge.limits.message-bytes-max", ""),
    name(
        "rate_limit",
        "edge.limits.messages-per-second",
        "counted for each client",
    ),
    name("allowed_origins", "edge.limits.origins", ""),
    name("cors_origins", "edge.limits.origins", ""),
    name(
        "heartbeat_interval",
        "edge.registration.heartbeat",
        "a duration with a unit, like \"10s\"",
    ),
    name("game_servers", "world.NAME.servers", ""),
    name("backend_servers", "world.NAME.servers", ""),
    name("load_balancing", "world.NAME.balance", ""),
    name("load_balancer", "world.NAME.balance", ""),
    name("algorithm", "world.NAME.balance", ""),
    name("strategy", "world.NAME.balance", ""),
    name(
        "default_capacity",
        "world.NAME.servers[].capacity",
        "each server has its own",
    ),
    name(
        "discovery_interval",
        "world.NAME.discovery",
        "the file is watched, so that there is no interval",
    ),
    name(
        "health_check_interval",
        "world.NAME.health.interval",
        "a duration with a unit, like \"2s\"",
    ),
    name(
        "health_check_timeout",
        "world.NAME.health.timeout",
        "a duration with a unit, like \"1s\"",
    ),
    name(
        "startup_timeout",
        "world.NAME.health.healthy-after",
        "a server is used once it has answered that many checks",
    ),
    name(
        "preload_distance",
        "world.NAME.transfer.preload-within",
        "a time before the border and not a distance, like \"3s\"",
    ),
    name(
        "transfer_distance",
        "world.NAME.transfer.hysteresis",
        "how far past the border, in world units",
    ),
    name(
        "key_rotation_interval",
        "",
        "keys of sealed connections change by themselves; there is nothing to set",
    ),
    name("aof_fsync", "store.fsync", "every, interval or none"),
    name("appendfsync", "store.fsync", "every, interval or none"),
    name(
        "appendonly",
        "",
        "the store always writes its log; there is nothing to set",
    ),
    name(
        "sync_interval",
        "store.fsync-interval",
        "with `store.fsync = \"interval\"`",
    ),
    name(
        "save",
        "store.snapshot-interval",
        "a duration with a unit, like \"5m\"",
    ),
    name(
        "requirepass",
        "store.password-file",
        "a file that holds the password",
    ),
    name("tls_port", "store.tls.listen", "an address and a port"),
    name(
        "tls_cert_file",
        "store.tls.certificate-file",
        "a file as PEM",
    ),
    name("tls_key_file", "store.tls.key-file", "a file as PEM"),
    name(
        "tls_ca_cert_file",
        "store.tls.client-ca-file",
        "a file as PEM",
    ),
    name(
        "tls_auth_clients",
        "store.tls.client-certificates",
        "`required` or `optional`; with an empty `client-ca-file` none is asked for",
    ),
    name(
        "poll_interval",
        "worker.poll-interval",
        "only the fallback: work is pushed",
    ),
];

/// The entry of a word, in whatever writing.
pub(super) fn find(word: &str) -> Option<&'static ForeignName> {
    let word = word.to_lowercase().replace('-', "_");
    TABLE
        .iter()
        .find(|foreign| foreign.name.to_lowercase() == word)
}

/// The entry of a variable of this very name.
pub(super) fn variable(name: &str) -> Option<&'static ForeignName> {
    let is_variable = |foreign: &&ForeignName| {
        foreign
            .name
            .bytes()
            .all(|byte| byte.is_ascii_uppercase() || byte == b'_')
    };
    TABLE
        .iter()
        .filter(is_variable)
        .find(|foreign| foreign.name == name)
}

/// What to write instead of a word found in `section` (a dotted path, perhaps empty).
pub(super) fn advice(foreign: &ForeignName, section: &str, root: &Shape) -> String {
    let mut text = String::new();
    if let Some(key) = here(foreign.key, section, root) {
        text = format!("its name here is `{key}`");
    }
    if !foreign.note.is_empty() {
        text += if text.is_empty() { "" } else { ": " };
        text += foreign.note;
    }
    text
}

/// The key with `ROLE` and `NAME` filled in from where the word was found, as far as that tells.
fn here(key: &str, section: &str, root: &Shape) -> Option<String> {
    if let Some(rest) = key.strip_prefix(ROLE) {
        let role = section.split('.').next().unwrap_or_default();
        let has = root
            .field(role)
            .and_then(|shape| shape.field(rest))
            .is_some();
        return Some(if has {
            format!("{role}.{rest}")
        } else {
            key.to_owned()
        });
    }
    let world = section
        .strip_prefix("world.")
        .and_then(|rest| rest.split(['.', '[']).next());
    (!key.is_empty())
        .then(|| world.map_or_else(|| key.to_owned(), |world| key.replace("NAME", world)))
}
