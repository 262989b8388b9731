//! The store under test: a process of its own, killed and started again between histories.

use std::net::SocketAddr;

use atlas_resp::reply::Value;
use atlas_testkit::{Atlas, Deadline, Signal};

use crate::peer::Peer;

pub(crate) struct Store {
    folder: tempfile::TempDir,
    node: Atlas,
    pub(crate) address: SocketAddr,
}

impl Store {
    pub(crate) async fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let node = start(&folder).await;
        let address = node.listener("store").unwrap();
        Self {
            folder,
            node,
            address,
        }
    }

    /// Kills it, as nothing is lost by that, and starts it with what it logged.
    pub(crate) async fn kill_and_start(&mut self) {
        self.node.signal(Signal::KILL).unwrap();
        self.node.wait(Deadline::seconds(60)).await.unwrap();
        self.node = start(&self.folder).await;
        self.address = self.node.listener("store").unwrap();
    }

    /// A number for all that it holds.
    pub(crate) fn digest(&self) -> Value {
        Peer::store(self.address).run(&["debug", "digest"])
    }
}

async fn start(folder: &tempfile::TempDir) -> Atlas {
    let file = "[admin]\nlisten = \"127.0.0.1:0\"\n[store]\nlisten = \"127.0.0.1:0\"\n";
    Atlas::command(["store"])
        .binary(env!("CARGO_BIN_EXE_atlas"))
        .file("atlas.toml", file)
        .data_dir(folder.path())
        .start(Deadline::seconds(60))
        .await
        .unwrap()
}
