//! What a person writes about the store: `[store]`.
//!
//! Every field's doc comment is its entry in the reference; defaults stand in the `Default` implementation and nowhere
//! else.

use std::net::SocketAddr;
use std::path::PathBuf;

use atlas_base::{ByteSize, TimeSpan};
use atlas_kv::Policy;
use atlas_runtime::config::KeyProblem;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The store: keys in memory, a log on disk, the protocol of Redis.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct StoreConfig {
    /// The folder of log and snapshots. Empty: `store` in `node.data-dir`.
    pub data_dir: PathBuf,
    /// Address and port on which clients of Redis connect.
    pub listen: SocketAddr,
    /// A file with the password that clients give by `AUTH` or `HELLO`: its first line. Empty: none is asked for.
    pub password_file: PathBuf,
    /// A file of users in Redis's form (`user NAME RULES…`), which `ACL SAVE` writes and `ACL LOAD` reads. Users and their
    /// rights are kept in the log like keys; the file is read at the start only while nobody has changed them yet. Empty:
    /// there is none.
    pub acl_file: PathBuf,
    /// Which channels new users may hear and publish to, unless a rule says otherwise.
    pub acl_pubsub_default: AclPubsubDefault,
    /// How many refusals for want of rights `ACL LOG` keeps.
    pub acl_log_entries_max: u32,
    /// When what was written is made durable. `every`: before it is answered, so that no power cut loses it.
    /// `interval`: each `fsync-interval`; a power cut may lose so much. `none`: when the system chooses. In every mode
    /// the system has the bytes before the answer, so that a killed process loses nothing.
    pub fsync: Fsync,
    /// How often `fsync = "interval"` makes what was written durable.
    pub fsync_interval: TimeSpan,
    /// How often a snapshot is written, which lets go of the log before it; also after as many bytes of log as the last
    /// snapshot has. 0s: only then, and by `BGSAVE`.
    pub snapshot_interval: TimeSpan,
    /// How much memory may be used; past it keys are evicted, or commands that need memory are refused. 0: no limit.
    pub maxmemory: ByteSize,
    /// Which keys make room when `maxmemory` is reached.
    pub maxmemory_policy: EvictionPolicy,
    /// How many numbered databases there are.
    pub databases: u32,
    /// How many clients may be connected at once.
    pub clients_max: u32,
    /// A client that is silent for so long is disconnected. 0s: never.
    pub idle_timeout: TimeSpan,
    /// Answers that may wait for a client that does not read them; beyond it the client is disconnected. It is no longer
    /// read once a quarter of it waits.
    pub client_output_bytes_max: ByteSize,
    /// Bytes that are kept for one client between its commands: those of a transaction, the keys that it watches or waits
    /// for, the channels and patterns that it listens to, its names. A command that would need more is refused.
    pub client_kept_bytes_max: ByteSize,
    /// Keys of which it is kept which clients have read them, for `CLIENT TRACKING`; beyond it clients are told of some as if
    /// they had changed. 0: as many as `tracking-bytes-max` takes.
    pub tracking_keys_max: u32,
    /// Bytes that this takes, about.
    pub tracking_bytes_max: ByteSize,
    /// Bytes of one command as it is sent; beyond it the client is disconnected.
    pub client_query_bytes_max: ByteSize,
    /// Bytes of one argument, and of a string.
    pub argument_bytes_max: ByteSize,
    /// Arguments of one command.
    pub arguments_max: u32,
    /// Bytes of commands that may wait for the disk; beyond it clients are not read until it has caught up.
    pub in_flight_bytes_max: ByteSize,
    /// How long a file of the log is. One is written ahead, so that a full disk shows before it is too late.
    pub log_segment_bytes: ByteSize,
    /// Bytes of log, in whole files, that stay though a snapshot has what is in them: for backups, which have no gap between
    /// them if less than this is written meanwhile.
    pub log_keep_bytes: ByteSize,
    /// Which keyspace notifications are published, in Redis's letters; empty: none.
    pub notify_keyspace_events: String,
    /// Commands that take longer are kept for `SLOWLOG`. 0s: all of them.
    pub slowlog_longer_than: TimeSpan,
    /// How many commands `SLOWLOG` keeps.
    pub slowlog_entries_max: u32,
    /// A script that runs for longer lets other clients be answered with `BUSY`, and may be killed if it has not written.
    /// 0s: never.
    pub busy_reply_threshold: TimeSpan,
    /// How much a script that writes may do in all, counted in instructions of Lua's machine, some 100 to 200 million a
    /// second: beyond that it ends with an error, and what it has written stays. Before it writes, `SCRIPT KILL` ends it.
    pub script_fuel: u64,
    /// Clients that speak TLS.
    pub tls: TlsConfig,
}

/// Clients that speak TLS: versions 1.2 and 1.3, on a port of their own.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct TlsConfig {
    /// Address and port on which they connect, if there is a certificate.
    pub listen: SocketAddr,
    /// A file with the store's certificate, and behind it those that it is signed with, as PEM. Empty: no TLS. It is read
    /// again on a reload.
    pub certificate_file: PathBuf,
    /// A file with the certificate's private key, as PEM.
    pub key_file: PathBuf,
    /// A file with the certificates that clients' certificates have to be signed with, as PEM. Empty: clients are not
    /// asked for one.
    pub client_ca_file: PathBuf,
    /// Whether clients must have a certificate, if `client-ca-file` names who signs them.
    pub client_certificates: ClientCertificates,
    /// Who has not finished the handshake after so long is disconnected.
    pub handshake_timeout: TimeSpan,
}

impl Default for TlsConfig {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 6380)),
            certificate_file: PathBuf::new(),
            key_file: PathBuf::new(),
            client_ca_file: PathBuf::new(),
            client_certificates: ClientCertificates::Required,
            handshake_timeout: TimeSpan::from_secs(10),
        }
    }
}

impl TlsConfig {
    /// True if there is to be TLS.
    pub fn is_on(&self) -> bool {
        !self.certificate_file.as_os_str().is_empty()
    }
}

/// Whether clients must have a certificate.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum ClientCertificates {
    /// Who has none is refused.
    #[default]
    Required,
    /// Who has one is checked, who has none is let in.
    Optional,
}

impl Default for StoreConfig {
    fn default() -> Self {
        Self {
            data_dir: PathBuf::new(),
            listen: SocketAddr::from(([127, 0, 0, 1], 6379)),
            password_file: PathBuf::new(),
            acl_file: PathBuf::new(),
            acl_pubsub_default: AclPubsubDefault::Resetchannels,
            acl_log_entries_max: 128,
            fsync: Fsync::Every,
            fsync_interval: TimeSpan::from_secs(1),
            snapshot_interval: TimeSpan::from_secs(300),
            maxmemory: ByteSize(0),
            maxmemory_policy: EvictionPolicy::Noeviction,
            databases: 16,
            clients_max: 10_000,
            idle_timeout: TimeSpan::from_secs(0),
            client_output_bytes_max: ByteSize::mib(256),
            client_kept_bytes_max: ByteSize::mib(256),
            tracking_keys_max: 1_000_000,
            tracking_bytes_max: ByteSize::mib(128),
            client_query_bytes_max: ByteSize::gib(1),
            argument_bytes_max: ByteSize::mib(512),
            arguments_max: 1 << 20,
            in_flight_bytes_max: ByteSize::mib(64),
            log_segment_bytes: ByteSize::mib(64),
            log_keep_bytes: ByteSize(0),
            notify_keyspace_events: String::new(),
            slowlog_longer_than: TimeSpan::from_millis(10),
            slowlog_entries_max: 128,
            busy_reply_threshold: TimeSpan::from_secs(5),
            script_fuel: 10_000_000_000,
            tls: TlsConfig::default(),
        }
    }
}

/// Which channels new users may hear and publish to.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum AclPubsubDefault {
    /// None.
    #[default]
    Resetchannels,
    /// All.
    Allchannels,
}

/// When what was written is made durable.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Fsync {
    /// Before it is answered.
    #[default]
    Every,
    /// Each `fsync-interval`.
    Interval,
    /// When the system chooses.
    None,
}

impl Fsync {
    /// Its name, as it is written.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Every => "every",
            Self::Interval => "interval",
            Self::None => "none",
        }
    }

    /// What Redis calls it in `appendfsync`.
    pub(crate) const fn redis_name(self) -> &'static str {
        match self {
            Self::Every => "always",
            Self::Interval => "everysec",
            Self::None => "no",
        }
    }
}

/// Which keys make room when memory is short.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum EvictionPolicy {
    /// None: commands that need memory are refused.
    #[default]
    Noeviction,
    /// Those that were not used for the longest time.
    AllkeysLru,
    /// Those of them that expire.
    VolatileLru,
    /// Those that are used least often.
    AllkeysLfu,
    /// Those of them that expire.
    VolatileLfu,
    /// Any.
    AllkeysRandom,
    /// Any that expires.
    VolatileRandom,
    /// Those that expire soonest.
    VolatileTtl,
}

impl EvictionPolicy {
    /// Every policy.
    pub(crate) const ALL: [Self; 8] = [
        Self::Noeviction,
        Self::AllkeysLru,
        Self::VolatileLru,
        Self::AllkeysLfu,
        Self::VolatileLfu,
        Self::AllkeysRandom,
        Self::VolatileRandom,
        Self::VolatileTtl,
    ];

    /// Its name, which is Redis's.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Noeviction => "noeviction",
            Self::AllkeysLru => "allkeys-lru",
            Self::VolatileLru => "volatile-lru",
            Self::AllkeysLfu => "allkeys-lfu",
            Self::VolatileLfu => "volatile-lfu",
            Self::AllkeysRandom => "allkeys-random",
            Self::VolatileRandom => "volatile-random",
            Self::VolatileTtl => "volatile-ttl",
        }
    }

    /// The policy as the keyspace knows it.
    pub(crate) const fn of_keys(self) -> Policy {
        match self {
            Self::Noeviction => Policy::NoEviction,
            Self::AllkeysLru => Policy::AllKeysLru,
            Self::VolatileLru => Policy::VolatileLru,
            Self::AllkeysLfu => Policy::AllKeysLfu,
            Self::VolatileLfu => Policy::VolatileLfu,
            Self::AllkeysRandom => Policy::AllKeysRandom,
            Self::VolatileRandom => Policy::VolatileRandom,
            Self::VolatileTtl => Policy::VolatileTtl,
        }
    }
}

impl StoreConfig {
    /// Everything that is wrong with it, each with its key.
    pub fn problems(&self) -> Vec<KeyProblem> {
        let mut problems = Vec::new();
        let mut complain = |key: &str, what: &str| {
            problems.push(KeyProblem {
                key: format!("store.{key}"),
                what: what.to_owned(),
            });
        };
        if !(1..=1 << 16).contains(&self.databases) {
            complain(
                "databases",
                "is not possible; write a number from 1 to 65536",
            );
        }
        if self.clients_max == 0 {
            complain(
                "clients-max",
                "is 0, so nobody could connect; write a number above 0",
            );
        }
        if self.fsync_interval.is_zero() {
            complain(
                "fsync-interval",
                "is 0; write how long a power cut may reach back, such as \"1s\", or `fsync = \"every\"`",
            );
        }
        if self.log_segment_bytes.0 < 1 << 20 || self.log_segment_bytes.0 > 1 << 30 {
            complain("log-segment-bytes", "is not possible; write 1MiB to 1GiB");
        }
        if self.argument_bytes_max.0 > 512 << 20 || self.argument_bytes_max.0 < 1 << 10 {
            complain(
                "argument-bytes-max",
                "is not possible; write 1KiB to 512MiB",
            );
        }
        if self.client_query_bytes_max.0 > 2 << 30
            || self.client_query_bytes_max.0 < self.argument_bytes_max.0
        {
            complain(
                "client-query-bytes-max",
                "is not possible; write at least as much as `argument-bytes-max`, and at most 2GiB",
            );
        }
        if self.arguments_max < 16 {
            complain(
                "arguments-max",
                "is too small for commands; write at least 16",
            );
        }
        if self.client_output_bytes_max.0 < 1 << 20 {
            complain(
                "client-output-bytes-max",
                "is too small for answers; write at least 1MiB",
            );
        }
        if self.client_kept_bytes_max.0 < 1 << 16 {
            complain(
                "client-kept-bytes-max",
                "is too small for transactions; write at least 64KiB",
            );
        }
        if self.in_flight_bytes_max.0 < 1 << 20 {
            complain("in-flight-bytes-max", "is too small; write at least 1MiB");
        }
        if self.tls.is_on() && self.tls.key_file.as_os_str().is_empty() {
            complain(
                "tls.key-file",
                "is empty; name the file with the private key of `certificate-file`",
            );
        }
        if self.tls.is_on() && self.tls.listen == self.listen && self.listen.port() != 0 {
            complain(
                "tls.listen",
                "is that of `store.listen`; write another port",
            );
        }
        if self.tls.handshake_timeout.is_zero() {
            complain(
                "tls.handshake-timeout",
                "is 0, so nobody could connect; write how long a handshake may take, such as \"10s\"",
            );
        }
        if (1..1 << 20).contains(&self.maxmemory.0) {
            complain(
                "maxmemory",
                "is less than a store without keys takes; write at least 1MiB, or 0 for no limit",
            );
        }
        if crate::pubsub::classes(&self.notify_keyspace_events).is_none() {
            complain(
                "notify-keyspace-events",
                "has a letter that is none of Redis's; use those of `KEg$lshzxetdmnA`",
            );
        }
        problems
    }
}
