//! One look at one server.

use std::io;
use std::sync::Arc;

use tokio::net::TcpStream;
use tokio::sync::oneshot;
use tokio::time::timeout;

use crate::config::HealthConfig;
use crate::servers::Server;

/// What a probe found.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Probed {
    /// It does what it should.
    Well,
    /// It does not.
    Ill {
        /// Nobody listens there: the process is gone.
        refused: bool,
        /// What was wrong.
        why: String,
    },
}

/// Looks at a server once, within the time that a check may take.
pub(crate) async fn run(config: HealthConfig, server: Arc<Server>) -> Probed {
    match timeout(*config.timeout, look(&config, &server)).await {
        Ok(Ok(())) => Probed::Well,
        Ok(Err(error)) => Probed::Ill {
            refused: error.kind() == io::ErrorKind::ConnectionRefused,
            why: error.to_string(),
        },
        Err(_) => Probed::Ill {
            refused: false,
            why: "no answer in time".to_owned(),
        },
    }
}

/// Waits for the answer to a ping on a server's control link, within the time that a check may take.
pub(crate) async fn answered(config: HealthConfig, answer: oneshot::Receiver<()>) -> Probed {
    let why = match timeout(*config.timeout, answer).await {
        Ok(Ok(())) => return Probed::Well,
        Ok(Err(_)) => "its control link was lost",
        Err(_) => "no answer on its control link in time",
    };
    Probed::Ill {
        refused: false,
        why: why.to_owned(),
    }
}

async fn look(_: &HealthConfig, server: &Server) -> io::Result<()> {
    TcpStream::connect(server.target).await.map(drop)
}
