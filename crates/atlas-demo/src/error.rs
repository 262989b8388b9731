use std::net::SocketAddr;

/// What can go wrong before a server, players or a load test run.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The address could not be bound.
    #[error("cannot listen on {listen}")]
    Bind {
        /// The address asked for.
        listen: SocketAddr,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// Anybody could speak for any player there.
    #[error(
        "the demo server listens without a token on {listen}, which is not a loopback address; listen on 127.0.0.1 or give it a token"
    )]
    Unguarded {
        /// The address asked for.
        listen: SocketAddr,
    },
    /// The text names no region.
    #[error("`{text}` is no region; write minx,minz:maxx,maxz, for example -1000,-1000:0,0")]
    Region {
        /// The text.
        text: String,
    },
    /// The URL cannot be dialled.
    #[error("cannot dial `{url}`: give a WebSocket URL such as ws://127.0.0.1:9000/")]
    Url {
        /// The URL.
        url: String,
        /// What is wrong with it.
        #[source]
        source: Box<tokio_tungstenite::tungstenite::Error>,
    },
    /// An option has a value that makes no sense.
    #[error("{option} is {value}; it must be {must}")]
    Option {
        /// The option's name.
        option: &'static str,
        /// The value given.
        value: String,
        /// What it has to be.
        must: &'static str,
    },
}
