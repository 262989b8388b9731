//! A demo server that runs in the background until it is dropped.

use std::net::SocketAddr;

use atlas_demo::server::{Config, Server, Stats};
use atlas_testkit::{Deadline, Http};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

pub(crate) struct House {
    pub(crate) address: SocketAddr,
    stop: Option<oneshot::Sender<()>>,
    task: JoinHandle<()>,
}

impl House {
    pub(crate) async fn open(config: Config) -> Self {
        let server = Server::build(config).await.unwrap();
        let address = server.address();
        let (stop, stopped) = oneshot::channel();
        let task = tokio::spawn(server.run(async {
            let _ = stopped.await;
        }));
        Self {
            address,
            stop: Some(stop),
            task,
        }
    }

    pub(crate) fn url(&self) -> String {
        format!("ws://{}/ws?world=main", self.address)
    }

    pub(crate) async fn stats(&self) -> Stats {
        let json = Http::new(self.address)
            .get_json("/stats", Deadline::seconds(5))
            .await
            .unwrap();
        serde_json::from_value(json).unwrap()
    }

    /// Stops the server and waits for its end.
    pub(crate) async fn close(mut self) {
        drop(self.stop.take());
        Deadline::seconds(5)
            .limit("the server's end", self.task)
            .await
            .unwrap()
            .unwrap();
    }
}

/// A configuration with that name, which says nothing unasked.
pub(crate) fn named(name: &str) -> Config {
    Config {
        name: name.to_owned(),
        checkpoint_every: 0,
        ..Config::default()
    }
}
