//! `atlas demo-server`: the small game server of the demo and the tests.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use atlas_base::Secret;
use atlas_demo::server::{self, LinkMode, Region, Server};
use atlas_runtime::ready::{self, Ready};
use atlas_runtime::{Shutdown, signals};
use clap::{Args, ValueEnum};

use crate::cli::Serving;
use crate::context::Context;
use crate::error::Error;
use crate::terminal;
use crate::wiring;

/// Run the small game server of the demo
///
/// It answers each numbered message of a player once. It is a worked example of a cooperative server, and something to try the edge with. `GET /stats` tells what it saw.
#[derive(Args, Debug)]
#[command(
    after_help = "Examples:\n  atlas demo-server --listen 127.0.0.1:7001 --name west --region -1000,-1000:0,1000\n  atlas demo-server --listen 127.0.0.1:7002 --link plain"
)]
pub(crate) struct Options {
    /// Where it listens, as ADDRESS:PORT; port 0 finds a free one
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:0", value_parser = super::address)]
    listen: SocketAddr,

    /// The name that it puts into its answers
    #[arg(long, value_name = "NAME", default_value = "demo")]
    name: String,

    /// The part of the world it is meant for, as minx,minz:maxx,maxz; it counts positions outside of it
    #[arg(long, value_name = "REGION", allow_hyphen_values = true)]
    region: Option<Region>,

    /// Whether it knows Atlas
    #[arg(long, value_name = "LINK", value_enum, default_value_t = Link::Cooperative)]
    link: Link,

    /// The file with the token that every connection has to bring; needed beyond loopback
    #[arg(long, value_name = "FILE")]
    token_file: Option<PathBuf>,

    /// Send a checkpoint of a player's state after so many messages; 0 sends none
    #[arg(long, value_name = "N", default_value_t = 20)]
    checkpoint_every: u64,

    /// Pad players' states to so many bytes, to try the edge with large ones; over 64 KiB they travel in parts
    #[arg(long, value_name = "BYTES", default_value_t = 0, value_parser = clap::value_parser!(u32).range(..=16_777_216))]
    state_bytes: u32,

    /// Ask for so many seconds when the edge drains this server
    #[arg(long, value_name = "SECONDS", default_value_t = 0)]
    drain_wait: u32,

    /// Remember when it acted for whom under which epoch, for GET /acts
    #[arg(long)]
    record_acts: bool,

    /// Stop when the standard input closes: whoever started this has gone
    #[arg(long, hide = true)]
    until_stdin_closes: bool,

    #[command(flatten)]
    serving: Serving,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Link {
    /// It takes links of an edge, and players who come by themselves
    Cooperative,
    /// It takes players only
    Plain,
}

pub(crate) fn run(context: &Context, options: Options) -> Result<ExitCode, Error> {
    let _logs = wiring::logs_without_config(context)?;
    wiring::raise_descriptor_limit();
    let token = options.token_file.as_ref().map(|path| {
        let text = std::fs::read_to_string(path).map_err(|source| Error::Read {
            path: path.clone(),
            source,
        })?;
        Ok::<_, Error>(Secret::new(text.trim().to_owned()))
    });
    let config = server::Config {
        listen: options.listen,
        name: options.name.clone(),
        region: options.region,
        link: match options.link {
            Link::Cooperative => LinkMode::Cooperative,
            Link::Plain => LinkMode::Plain,
        },
        token: token.transpose()?,
        checkpoint_every: options.checkpoint_every,
        state_bytes: options.state_bytes as usize,
        drain_wait: Duration::from_secs(options.drain_wait.into()),
        record_acts: options.record_acts,
        ..server::Config::default()
    };
    super::block_on(Some(1), async {
        let shutdown = Shutdown::new();
        let _reload = signals::listen(&shutdown)?;
        let server = Server::build(config).await?;
        let address = server.address();
        if let Some(path) = &options.serving.ready_file {
            let mut ready = Ready::new(wiring::VERSION);
            ready
                .listeners
                .insert("server".to_owned(), address.to_string());
            ready::write(path, &ready)?;
        }
        let kind = match options.link {
            Link::Cooperative => "a cooperative",
            Link::Plain => "a plain",
        };
        terminal::print(&format!(
            "{}: {kind} game server at ws://{address}; Ctrl-C stops it\n",
            options.name
        ))?;
        let orphaned = async {
            if options.until_stdin_closes {
                wait_for_end_of_input().await;
            } else {
                std::future::pending().await
            }
        };
        server
            .run(async {
                tokio::select! {
                    () = shutdown.draining() => {}
                    () = orphaned => {}
                }
            })
            .await;
        Ok(ExitCode::SUCCESS)
    })
}

/// Reads the standard input to its end, on a thread that may block and that nobody waits for.
async fn wait_for_end_of_input() {
    let read = tokio::task::spawn_blocking(|| {
        std::io::copy(&mut std::io::stdin().lock(), &mut std::io::sink())
    });
    // An error is an end as well.
    let _ = read.await;
}
