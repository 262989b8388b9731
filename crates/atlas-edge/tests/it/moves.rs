//! Transfers that are asked for: how many at once.

use atlas_base::TimeSpan;
use atlas_edge::{Count, EdgeConfig, ServerConfig};
use atlas_testkit::{Client, eventually};
use atlas_wire::link::ToServer;

use crate::game::Game;
use crate::support::{edge_with, soon, world};

#[tokio::test]
async fn more_transfers_than_may_be_at_once_wait_while_their_players_go_on() {
    let (west, east) = (Game::start("west").await, Game::start("east").await);
    let mut world = world([
        ServerConfig {
            weight: 1000,
            ..west.config()
        },
        east.config(),
    ]);
    world.transfer.concurrent_max = 1;
    world.transfer.freeze_timeout = TimeSpan::from_secs(60);
    let edge = edge_with(
        EdgeConfig {
            workers: Count::Number(2),
            ..EdgeConfig::default()
        },
        world,
    );
    west.hold_frozen();
    let (mut clients, mut moves) = (Vec::new(), Vec::new());
    for number in 0..3_usize {
        let mut client = Client::to(edge.address).connect(soon()).await.unwrap();
        client.send_text("hi").await.unwrap();
        assert_eq!(client.receive_text(soon()).await.unwrap(), "west:hi");
        clients.push(client);
        let (_, attach) = west.attaches().pop().unwrap();
        let handle = edge.handle.clone();
        moves.push(tokio::spawn(async move {
            handle.transfer(attach.session, "east").await.unwrap()
        }));
        if number == 0 {
            eventually(soon(), "the first is frozen", || west.held() == 1)
                .await
                .unwrap();
        }
    }
    for client in &mut clients[1..] {
        client.send_text("on").await.unwrap();
        assert_eq!(client.receive_text(soon()).await.unwrap(), "west:on");
    }
    let freezes = || {
        let orders = west.orders();
        orders
            .iter()
            .filter(|(_, order)| matches!(order, ToServer::Freeze(_)))
            .count()
    };
    assert_eq!(freezes(), 1, "nobody else is frozen, or told to leave");
    west.release();
    for moved in moves {
        assert_eq!(moved.await.unwrap().outcome, "done");
    }
    for client in &mut clients {
        client.send_text("there").await.unwrap();
        assert_eq!(client.receive_text(soon()).await.unwrap(), "east:there");
    }
}
