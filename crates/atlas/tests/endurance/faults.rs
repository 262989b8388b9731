//! Servers that are killed, stalled and drained, drawn from a seed.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};

use crate::world::{Random, Server, World, deadline, until};

/// How long a player may be without a word before a server stops acting, as the edge is configured.
pub(crate) const LEASE: Duration = Duration::from_secs(1);
/// How long a drain may take.
pub(crate) const DRAIN: Duration = Duration::from_secs(5);
/// How late its end may be told.
pub(crate) const DRAIN_LATE: Duration = Duration::from_secs(3);
/// So many servers may be away at once; somebody has to take the players.
const AWAY_MAX: usize = 2;

/// What was done to the servers.
#[derive(Debug, Default)]
pub(crate) struct Done {
    pub(crate) kills: u32,
    pub(crate) stalls: u32,
    /// The report of each drain, after its end.
    pub(crate) drains: Vec<Value>,
    /// What was done when, in microseconds of the system's clock, as the servers tell when they acted.
    pub(crate) log: Vec<(u64, String)>,
}

impl Done {
    fn note(&mut self, server: &Server, what: &str) {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
        let line = format!("{} {what}", server.name);
        self.log.push((since.as_micros() as u64, line));
    }
}

/// What is with a server.
#[derive(Clone, Copy)]
enum Trouble {
    None,
    Dead { until: Instant },
    Stalled { until: Instant },
    Draining { late: Instant },
    Drained { until: Instant },
}

/// Troubles the servers for so long, then heals all of them.
pub(crate) async fn trouble(world: &mut World, span: Duration, random: &mut Random) -> Done {
    let mut done = Done::default();
    let mut troubles = vec![Trouble::None; world.servers.len()];
    let end = Instant::now() + span;
    let mut next = Instant::now() + random.between(300, 900);
    loop {
        let now = Instant::now();
        for (index, trouble) in troubles.iter_mut().enumerate() {
            *trouble = go_on(world, index, *trouble, now >= end, random, &mut done).await;
        }
        let away = troubles
            .iter()
            .filter(|it| !matches!(it, Trouble::None))
            .count();
        if now >= end && away == 0 {
            return done;
        }
        if now >= next && now < end {
            next = now + random.between(300, 1200);
            let index = random.below(troubles.len() as u64) as usize;
            if away < AWAY_MAX && matches!(troubles[index], Trouble::None) {
                troubles[index] = begin(world, index, random, &mut done).await;
            }
        }
        until(now + Duration::from_millis(25)).await;
    }
}

async fn begin(world: &mut World, index: usize, random: &mut Random, done: &mut Done) -> Trouble {
    match random.below(3) {
        0 => {
            world.servers[index].kill().await;
            done.kills += 1;
            done.note(&world.servers[index], "was killed");
            Trouble::Dead {
                until: Instant::now() + random.between(200, 2500),
            }
        }
        1 => {
            process(&mut world.servers[index]).stall().unwrap();
            done.stalls += 1;
            done.note(&world.servers[index], "was stalled");
            // Longer than the lease: it goes on before, while and after the edge gives its players to others.
            let lease = LEASE.as_millis() as u64;
            Trouble::Stalled {
                until: Instant::now() + random.between(lease * 3 / 2, lease * 8),
            }
        }
        _ => {
            let order = json!({"deadline": format!("{}s", DRAIN.as_secs()), "window": "1s"});
            let path = drain_path(world, index);
            let reply = world.admin().post(&path, &order, deadline()).await.unwrap();
            reply.success().unwrap();
            done.note(&world.servers[index], "is drained");
            Trouble::Draining {
                late: Instant::now() + DRAIN + DRAIN_LATE,
            }
        }
    }
}

/// What becomes of a trouble; `heal` ends it as soon as it can be ended.
async fn go_on(
    world: &mut World,
    index: usize,
    trouble: Trouble,
    heal: bool,
    random: &mut Random,
    done: &mut Done,
) -> Trouble {
    let now = Instant::now();
    match trouble {
        Trouble::Dead { until } if heal || now >= until => {
            world.servers[index].revive().await;
            done.note(&world.servers[index], "is alive again");
            Trouble::None
        }
        Trouble::Stalled { until } if heal || now >= until => {
            done.note(&world.servers[index], "goes on");
            process(&mut world.servers[index]).go_on().unwrap();
            Trouble::None
        }
        Trouble::Draining { late } => {
            let path = drain_path(world, index);
            let report = world.admin().get_json(&path, deadline()).await.unwrap();
            if report["state"] == "drained" {
                done.drains.push(report);
                return Trouble::Drained {
                    until: now + random.between(100, 1000),
                };
            }
            assert!(now < late, "a drain has not ended: {report}");
            trouble
        }
        Trouble::Drained { until } if heal || now >= until => {
            let path = drain_path(world, index);
            let admin = world.admin();
            let reply = admin.request("DELETE", &path, None, deadline()).await;
            reply.unwrap().success().unwrap();
            done.note(&world.servers[index], "takes players again");
            Trouble::None
        }
        waits => waits,
    }
}

fn process(server: &mut Server) -> &mut atlas_testkit::Atlas {
    server
        .process
        .as_mut()
        .expect("only a living server is troubled")
}

fn drain_path(world: &World, index: usize) -> String {
    format!("/v1/servers/main/{}/drain", world.servers[index].name)
}
