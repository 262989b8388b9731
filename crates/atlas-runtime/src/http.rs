//! HTTP listeners: the loop that takes connections, at most so many, each with a time for its request's head.

use std::{future::Future, io, net::SocketAddr, sync::Arc, time::Duration};

use axum::{Router, extract::ConnectInfo};
use hyper::server::conn::http1;
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    service::TowerToHyperService,
};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::{Semaphore, watch},
    task::JoinSet,
    time,
};

/// How long a connection may take to name what it wants, also between two requests.
const HEAD_TIMEOUT: Duration = Duration::from_secs(10);
/// How long requests under way may take once the listener is asked to end; streams are cut then.
const GRACE: Duration = Duration::from_secs(1);
/// The pause after the system refused a connection (no descriptors left), instead of asking at once again.
const PAUSE: Duration = Duration::from_millis(100);

/// Both ends of a connection. Handlers get it as `ConnectInfo<Peer>`.
#[derive(Debug, Clone, Copy)]
pub struct Peer {
    /// Whoever asks.
    pub remote: SocketAddr,
    /// The address of ours that was dialled, which is more than the listener knows when it listens on all of them.
    /// `None` if the connection broke before it could be asked for.
    pub local: Option<SocketAddr>,
}

/// Answers on a listener that does not block ([`net::bind`](crate::net::bind)) until `shutdown` is over, and a second
/// longer: requests under way may end, streams are cut. Connections past `connections_max` wait. `name` is the
/// listener's in the log.
///
/// # Errors
/// Those that the listener cannot get over.
pub async fn serve(
    name: &'static str,
    listener: std::net::TcpListener,
    router: Router,
    connections_max: usize,
    shutdown: impl Future<Output = ()>,
) -> io::Result<()> {
    let listener = TcpListener::from_std(listener)?;
    serve_on(name, listener, router, connections_max, shutdown).await
}

/// As [`serve`], on a listener of tokio's.
pub(crate) async fn serve_on(
    name: &'static str,
    listener: TcpListener,
    router: Router,
    connections_max: usize,
    shutdown: impl Future<Output = ()>,
) -> io::Result<()> {
    // Past the bound, connections wait in the system's queue.
    let places = Arc::new(Semaphore::new(connections_max));
    let ending = watch::Sender::new(false);
    let mut open = JoinSet::new();
    let take = async {
        loop {
            let place = Arc::clone(&places)
                .acquire_owned()
                .await
                .map_err(io::Error::other)?;
            match listener.accept().await {
                Ok((stream, remote)) => {
                    let peer = Peer {
                        remote,
                        local: stream.local_addr().ok(),
                    };
                    let connection =
                        connection(name, stream, peer, router.clone(), ending.subscribe());
                    open.spawn(async move {
                        connection.await;
                        drop(place);
                    });
                    // Those that have ended are not kept.
                    while open.try_join_next().is_some() {}
                }
                Err(error) if is_of_one_connection(&error) => {}
                Err(error) if is_of_the_system(&error) => {
                    tracing::warn!(listener = name, %error, "a listener cannot accept");
                    time::sleep(PAUSE).await;
                }
                Err(error) => return Err(error),
            }
        }
    };
    let ended = tokio::select! {
        ended = take => ended,
        () = shutdown => Ok(()),
    };
    drop(listener);
    ending.send_replace(true);
    // What is still open after the grace is dropped with the set.
    let _ = time::timeout(GRACE, async { while open.join_next().await.is_some() {} }).await;
    ended
}

async fn connection(
    name: &'static str,
    stream: TcpStream,
    peer: Peer,
    router: Router,
    mut ending: watch::Receiver<bool>,
) {
    let service = TowerToHyperService::new(router.layer(axum::Extension(ConnectInfo(peer))));
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIMEOUT)
        .serve_connection(TokioIo::new(stream), service)
        .with_upgrades();
    let mut connection = std::pin::pin!(connection);
    let ended = tokio::select! {
        ended = &mut connection => ended,
        () = begun(&mut ending) => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(listener = name, %error, remote = %peer.remote, "a connection ended");
    }
}

/// Waits for the end; a listener that is gone ends its connections as well.
async fn begun(ending: &mut watch::Receiver<bool>) {
    let _ = ending.wait_for(|ending| *ending).await;
}

fn is_of_one_connection(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
    matches!(
        error.kind(),
        ConnectionAborted | ConnectionRefused | ConnectionReset
    )
}

/// Out of descriptors or memory, which passes.
fn is_of_the_system(error: &io::Error) -> bool {
    use rustix::io::Errno;
    let errno = Errno::from_io_error(error);
    errno.is_some_and(|errno| {
        [
            Errno::MFILE,
            Errno::NFILE,
            Errno::NOBUFS,
            Errno::NOMEM,
            Errno::INTR,
        ]
        .contains(&errno)
    })
}
