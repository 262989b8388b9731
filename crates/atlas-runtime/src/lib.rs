//! A process's life: configuration, logs, metrics, the admin listener, tasks, signals, drain.
//!
//! Role: floor 0. The binary composes one configuration of its roles' sections, then builds and runs the roles with
//! what stands here. This crate knows no role, reads no environment variable and never prints or exits: variables,
//! flags and exit codes are the binary's.
//!
//! Entry points, in the order in which a process uses them:
//! [`config::load`] → [`logs::init`] → [`metrics::Registry`] → [`signals::listen`] → [`net::bind`] by each role →
//! [`admin::Admin`] → [`Tasks::spawn`] → [`ready::write`] → [`Tasks::drain`].
//!
//! Invariants: everything wrong with a configuration is found before anything listens, and told at once; the admin
//! listener's guard stands before every route; a drain ends at its deadline and says what did not.
//!
//! ```no_run
//! use std::sync::{Arc, atomic::{AtomicBool, Ordering}};
//! use atlas_runtime::{
//!     AdminConfig, Kind, LogConfig, MetricsConfig, NodeConfig, Shutdown, Tasks,
//!     admin::{Admin, Token}, config, logs, metrics::Registry, ready, signals,
//! };
//!
//! /// The whole file; a role is a section.
//! #[derive(Debug, Default, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
//! #[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
//! struct Config {
//!     node: NodeConfig,
//!     log: LogConfig,
//!     admin: AdminConfig,
//!     metrics: MetricsConfig,
//! }
//!
//! # async fn run() -> Result<(), atlas_runtime::Error> {
//! let variables: Vec<(String, String)> = std::env::vars().collect();
//! let file = config::locate(None, &variables);
//! let loaded = config::load::<Config>(config::Sources { file, variables: variables.clone(), ..Default::default() })?;
//! let config = loaded.config;
//!
//! let logs = logs::init(&config.log)?;
//! let registry = Registry::new(&config.metrics);
//! registry.process(env!("CARGO_PKG_VERSION"))?;
//! let shutdown = Shutdown::new();
//! let _reload = signals::listen(&shutdown)?;
//! let tasks = Tasks::new(shutdown.clone());
//!
//! let listens = Arc::new(AtomicBool::new(false));
//! let token = Token::keep(&Token::path(&config.node.data_dir(&variables)))?;
//! let ready_now = Arc::clone(&listens);
//! let admin = Admin::new(config.admin, registry, logs, token.clone())
//!     .readiness("edge", move || ready_now.load(Ordering::Relaxed))
//!     .bind()
//!     .await?;
//!
//! let mut ready = ready::Ready::new(env!("CARGO_PKG_VERSION"));
//! ready.listeners.insert("admin".into(), admin.address.to_string());
//! ready.console = Some(format!("http://{}/?token={}", admin.address, token.reveal()));
//! // The admin listener outlives the drain, so that one can watch it: it is told to end afterwards.
//! let drained = Shutdown::new();
//! let until = drained.clone();
//! let admin = tokio::spawn(admin.serve(async move { until.draining().await }));
//! ready::write("ready.json".as_ref(), &ready)?;
//!
//! let until = shutdown.clone();
//! tasks.spawn(Kind::SERVICE, "edge", async move { until.draining().await; Ok::<_, std::io::Error>(()) });
//! shutdown.draining().await;
//! tasks.drain(*config.node.drain_timeout).await?;
//! drained.drain("the rest has ended");
//! # let _ = admin.await;
//! tasks.failure().map_or(Ok(()), Err)
//! # }
//! ```

pub mod admin;
pub mod config;
mod error;
pub mod http;
pub mod logs;
pub mod metrics;
pub mod net;
mod private;
pub mod ready;
mod sections;
mod shutdown;
pub mod signals;
pub mod tasks;

pub use error::{BoxError, Error};
pub use logs::Logs;
pub use sections::{AdminConfig, LogConfig, LogFormat, MetricsConfig, NodeConfig};
pub use shutdown::{Phase, Shutdown};
pub use tasks::{Kind, OnCancel, OnError, Tasks};
