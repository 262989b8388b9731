//! An edge of its own process, its servers, an honest player, and the bounds that every row has to keep.

use std::future::Future;
use std::net::SocketAddr;
use std::time::Duration;

use atlas_testkit::{
    Atlas, Client, Deadline, GameServer, Http, RawClient, eventually_async, opcode,
};
use serde_json::Value;

pub(crate) use super::memory::GROWTH_BYTES_MAX;
use super::memory::Watch;
use crate::support::{atlas, deadline};

/// How soon an answer has to come, to the hostile one as to the honest.
pub(crate) fn promptly() -> Deadline {
    Deadline::seconds(1)
}

/// An edge with two worlds: `main`, which is attacked, and `honest` under the path `/honest`.
pub(crate) struct Stage {
    node: Atlas,
    pub(crate) players: SocketAddr,
    /// The server of the honest world.
    _echo: GameServer,
}

impl Stage {
    /// An edge with these keys of `[edge.limits]` and of its world in front of one server with these keys. Its health is
    /// checked without a word, so that the server sees nobody but players.
    pub(crate) async fn new(limits: &str, server: &str, world: &str) -> Self {
        let echo = GameServer::echo().await.unwrap();
        let file = format!(
            "[admin]\nlisten = \"127.0.0.1:0\"\n[edge.limits]\n{limits}\n\
             [world.main]\npaths = [\"/\"]\nhealth = {{ kind = \"tcp\" }}\n{world}\n\
             [[world.main.servers]]\nname = \"one\"\n{server}\n\
             [world.honest]\npaths = [\"/honest\"]\n\
             [[world.honest.servers]]\nname = \"echo\"\naddress = \"{}\"\nlink = \"plain\"\n",
            echo.url()
        );
        let node = atlas(&["edge", "--listen", "127.0.0.1:0"])
            .file("atlas.toml", file)
            .start(deadline())
            .await
            .unwrap();
        let players = node.listener("edge").unwrap();
        Self {
            node,
            players,
            _echo: echo,
        }
    }

    /// In front of a server that knows nothing of Atlas.
    pub(crate) async fn plain(limits: &str, game: &GameServer) -> Self {
        let server = format!("address = \"{}\"\nlink = \"plain\"", game.url());
        Self::new(limits, &server, "").await
    }

    /// In front of the demo's server, which is cooperative.
    pub(crate) async fn cooperative(limits: &str) -> (Self, Atlas) {
        let server = atlas(&["demo-server", "--listen", "127.0.0.1:0"])
            .start(deadline())
            .await
            .unwrap();
        let address = server.listener("server").unwrap();
        let keys = format!("address = \"ws://{address}\"\nlink = \"cooperative\"");
        (Self::new(limits, &keys, "").await, server)
    }

    /// A hostile player who is joined to the attacked server.
    pub(crate) async fn player(&self) -> RawClient {
        RawClient::upgrade(self.players, "/", deadline())
            .await
            .unwrap()
    }

    /// Does something hostile. Meanwhile the honest player's messages must come back within a second, each, and the
    /// process's memory may grow by `growth_bytes_max` at its highest.
    pub(crate) async fn bears<T>(
        &self,
        growth_bytes_max: u64,
        attack: impl Future<Output = T>,
    ) -> T {
        let mut honest = Client::to(self.players)
            .path("/honest")
            .connect(deadline())
            .await
            .unwrap();
        speak(&mut honest, "here").await;
        let memory = Watch::begin(self.node.pid());
        let outcome = tokio::select! {
            outcome = attack => outcome,
            () = play(&mut honest) => unreachable!("the honest player plays for ever"),
        };
        // Once more, after it.
        speak(&mut honest, "still here").await;
        memory.end(growth_bytes_max);
        outcome
    }

    /// One metric's whole line, labels included; 0 if it is not there.
    pub(crate) async fn metric(&self, name: &str) -> u64 {
        let http = Http::new(self.node.listener("admin").unwrap());
        let text = http.get("/metrics", deadline()).await.unwrap().text();
        let value = text
            .lines()
            .find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        value.map_or(0, |value| value.parse().unwrap())
    }

    /// The sum of the metrics whose lines begin so.
    async fn metrics(&self, start: &str) -> u64 {
        let http = Http::new(self.node.listener("admin").unwrap());
        let text = http.get("/metrics", deadline()).await.unwrap().text();
        let lines = text.lines().filter(|line| line.starts_with(start));
        lines
            .map(|line| line.rsplit(' ').next().unwrap().parse::<u64>().unwrap())
            .sum()
    }

    /// Waits until the edge has counted so many closes with this code, and demands that it counts no more.
    pub(crate) async fn closed_with(&self, code: u16, count: u64) {
        let start = format!("atlas_edge_clients_closed_total{{code=\"{code}\",");
        eventually_async(deadline(), "the closes to be counted", async || {
            (self.metrics(&start).await >= count).then_some(())
        })
        .await
        .unwrap();
        assert_eq!(self.metrics(&start).await, count);
    }

    /// What the edge has logged so far.
    pub(crate) fn log(&self) -> String {
        self.node.stderr()
    }

    /// How many sessions the attacked server has.
    pub(crate) async fn sessions(&self) -> u64 {
        let servers = self.node.admin().unwrap();
        let servers = servers.get_json("/v1/servers", deadline()).await.unwrap();
        let of_main = |server: &&Value| server["world"] == "main";
        let list = servers["items"].as_array().unwrap().iter();
        list.filter(of_main)
            .map(|server| server["sessions"].as_u64().unwrap())
            .sum()
    }

    /// Waits until nobody is at the attacked server any more.
    pub(crate) async fn emptied(&self) {
        eventually_async(deadline(), "every place to be free", async || {
            (self.sessions().await == 0).then_some(())
        })
        .await
        .unwrap();
    }
}

async fn play(honest: &mut Client) {
    let mut rate = tokio::time::interval(Duration::from_millis(20));
    for index in 0_u64.. {
        rate.tick().await;
        speak(honest, &format!("turn {index}")).await;
    }
}

async fn speak(honest: &mut Client, text: &str) {
    honest.send_text(text).await.unwrap();
    let limit = promptly();
    // A turn that was cut off by the end of the attack may still be answered first.
    while honest.receive_text(limit).await.unwrap() != text {}
}

/// The code of the close frame that comes after whatever else, within a second.
pub(crate) async fn close_code(client: &mut RawClient) -> u16 {
    let limit = promptly();
    loop {
        let frame = client.receive_frame(limit).await.unwrap();
        if frame.opcode == opcode::CLOSE {
            return frame.close_code().map_or(1005, |(code, _)| code);
        }
    }
}
