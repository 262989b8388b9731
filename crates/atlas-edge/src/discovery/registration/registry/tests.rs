use atlas_runtime::MetricsConfig;
use atlas_runtime::metrics::Registry;
use serde_json::json;

use super::*;
use crate::config::{Config, EdgeConfig, Listen, WorldConfig};
use crate::discovery::registration::messages::Registration;
use crate::discovery::registration::offer::{self, Caller};
use crate::service::Edge;

/// An edge that does not serve, and its registrations.
struct Stage {
    shared: Arc<Shared>,
    _edge: Edge,
}

impl Stage {
    fn new(servers_max: u32) -> Self {
        let mut edge = EdgeConfig {
            listen: "127.0.0.1:0".parse().unwrap(),
            ..EdgeConfig::default()
        };
        edge.registration.listen = Listen::Off;
        edge.registration.servers_max = servers_max;
        let config = Config {
            edge,
            worlds: [("main".to_owned(), WorldConfig::default())].into(),
        };
        let registry = Registry::new(&MetricsConfig::default());
        let edge = Edge::build(&config, "test", &registry).unwrap();
        Self {
            shared: edge.handle().shared,
            _edge: edge,
        }
    }

    fn handle(&self) -> Handle {
        Handle {
            shared: Arc::clone(&self.shared),
        }
    }

    /// Registers a server at a cell of the grid.
    async fn register(&self, name: &str, port: u16, cell: i64) -> Result<Registered, Refusal> {
        let said: Registration = serde_json::from_value(json!({
            "name": name,
            "address": format!("127.0.0.1:{port}"),
            "region_coord": {"x": cell, "y": 0, "z": 0},
            "center": {"x": cell as f64 * 1000.0, "y": 0.0, "z": 0.0},
            "bounds": 500.0,
        }))
        .unwrap();
        let caller = Caller {
            address: [127, 0, 0, 1].into(),
            is_local: true,
            host: String::new(),
            world: None,
        };
        let view = self.shared.view.load_full();
        register(&self.shared, offer::read(&view, said, &caller).await?)
    }

    fn beat(&self, id: &str, accepting: bool, load: f32) -> Result<Vec<Command>, Refusal> {
        let heartbeat = Heartbeat {
            server_id: id.to_owned(),
            current_connections: 0,
            load,
            accepting_connections: accepting,
            avg_tick_ms: 0.0,
            memory_bytes: 0,
        };
        beat(&self.shared, id.parse().unwrap(), &heartbeat).map(|heard| heard.commands)
    }

    /// Looks as if so much time had passed since.
    fn later(&self, seconds: f64) {
        sweep(
            &self.shared,
            self.shared.now() + Duration::from_secs_f64(seconds),
        );
    }

    fn server(&self, name: &str) -> Option<Arc<Server>> {
        let view = self.shared.view.load_full();
        view.world("main").unwrap().server_named(name).cloned()
    }
}

#[test]
fn a_heartbeat_is_missed_once_it_is_half_an_interval_late() {
    let heartbeat = Duration::from_secs(10);
    for (silence, expected) in [
        (0, 0),
        (10, 0),
        (14, 0),
        (15, 1),
        (34, 2),
        (35, 3),
        (64, 5),
        (65, 6),
    ] {
        assert_eq!(
            missed(Duration::from_secs(silence), heartbeat),
            expected,
            "{silence}"
        );
    }
    // Horizon speaks every 30 seconds whatever it is told, and must not be suspected for that.
    assert!(missed(Duration::from_secs(31), heartbeat) < SUSPECT_AFTER);
}

#[tokio::test]
async fn silence_makes_suspect_then_gone_and_a_word_makes_good() {
    let stage = Stage::new(10);
    let one = stage.register("one", 7001, 0).await.unwrap();
    assert_eq!(
        (one.success, one.heartbeat_interval_secs),
        (true, 10),
        "{one:?}"
    );
    let health = || stage.server("one").map(|server| server.health());
    stage.later(30.0);
    assert_eq!(health(), Some(HealthState::Healthy));
    stage.later(36.0);
    assert_eq!(health(), Some(HealthState::Suspect));
    stage.beat(&one.server_id, true, 0.5).unwrap();
    assert_eq!(health(), Some(HealthState::Healthy));
    stage.later(36.0);
    stage.later(66.0);
    assert_eq!(health(), None);
    let refusal = stage.beat(&one.server_id, true, 0.5).unwrap_err();
    assert_eq!(refusal.status, StatusCode::NOT_FOUND);
    let metrics = &stage.shared.metrics.registration;
    assert_eq!(
        metrics.heartbeats_missed.with_label_values(&["main"]).get(),
        3 + 6
    );
    let ended = |reason| metrics.ended.with_label_values(&["main", reason]).get();
    assert_eq!((ended("silent"), metrics.servers.get()), (1, 0));
}

#[tokio::test]
async fn who_lives_keeps_name_and_region_and_who_does_not_yields() {
    let stage = Stage::new(10);
    let one = stage.register("one", 7001, 0).await.unwrap();
    for (name, port, cell, why) in [
        ("one", 7002, 5, "the name of two servers"),
        ("two", 7002, 0, "overlaps the region of server `one`"),
    ] {
        let refusal = stage.register(name, port, cell).await.unwrap_err();
        assert_eq!(refusal.status, StatusCode::CONFLICT);
        assert!(refusal.message.contains(why), "{refusal:?}");
    }
    // The same name and address is the same server, started again.
    let before = stage.server("one").unwrap();
    stage.beat(&one.server_id, false, 0.9).unwrap();
    assert!(!before.may_enter());
    let again = stage.register("one", 7001, 0).await.unwrap();
    let after = stage.server("one").unwrap();
    assert_eq!(after.id, before.id);
    assert!(after.may_enter() && after.load().is_none());
    assert!(
        stage.beat(&one.server_id, true, 0.0).is_err(),
        "the old id is gone"
    );
    stage.beat(&again.server_id, true, 0.0).unwrap();

    // Silent for long enough: not gone yet, but in nobody's way.
    {
        let (known, view) = (
            stage.shared.registrations.known(),
            stage.shared.view.load_full(),
        );
        let it = known.values().next().unwrap();
        let lives_after = |seconds| {
            let now = it.heard + Duration::from_secs(seconds);
            is_live(it, &view, now, Duration::from_secs(10))
        };
        assert!(lives_after(30) && !lives_after(36));
    }
    // So is one whose checks fail.
    after.set_health(HealthState::Down, 3.0, Moment::ZERO);
    stage.register("two", 7002, 0).await.unwrap();
    assert!(stage.server("one").is_none() && stage.server("two").is_some());
    // And one that was emptied to be stopped.
    stage.handle().drain("main", "two", None, None).unwrap();
    stage.register("three", 7003, 0).await.unwrap();
    assert!(stage.server("two").is_none());
}

#[tokio::test]
async fn no_more_servers_than_may_be() {
    let stage = Stage::new(2);
    stage.register("one", 7001, 0).await.unwrap();
    stage.register("two", 7002, 1).await.unwrap();
    let refusal = stage.register("three", 7003, 2).await.unwrap_err();
    assert_eq!(refusal.status, StatusCode::SERVICE_UNAVAILABLE);
    assert!(refusal.message.contains("servers-max"), "{refusal:?}");
    // Who registers again takes no place more.
    stage.register("two", 7002, 1).await.unwrap();
}

#[tokio::test]
async fn heartbeats_bring_commands() {
    let stage = Stage::new(10);
    let one = stage.register("one", 7001, 0).await.unwrap();
    let id = &one.server_id;
    assert!(one.adjacent_servers.is_empty());
    assert_eq!(stage.beat(id, true, 0.25).unwrap(), []);
    let server = stage.server("one").unwrap();
    assert_eq!(server.load(), Some(0.25));

    // A neighbour appears: told once.
    let two = stage.register("two", 7002, 1).await.unwrap();
    stage.register("far", 7003, 3).await.unwrap();
    assert_eq!(two.adjacent_servers[0].server_id.to_string(), *id);
    assert_eq!(two.adjacent_servers[0].address, "127.0.0.1:7001");
    let commands = stage.beat(id, true, 0.25).unwrap();
    let [Command::ConfigUpdate { config }] = &commands[..] else {
        panic!("{commands:?}");
    };
    assert_eq!(config.adjacent_servers.len(), 1);
    assert_eq!(
        config.adjacent_servers[0].server_id.to_string(),
        two.server_id
    );
    assert_eq!(stage.beat(id, true, 0.25).unwrap(), []);

    // A drain: said each time, with what is left.
    let deadline = Some(Duration::from_secs(60));
    stage.handle().drain("main", "one", deadline, None).unwrap();
    for _ in 0..2 {
        let commands = stage.beat(id, true, 0.25).unwrap();
        let [Command::PrepareShutdown { deadline_secs }] = commands[..] else {
            panic!("{commands:?}");
        };
        assert!((55..=60).contains(&deadline_secs), "{deadline_secs}");
    }
    stage.handle().cancel_drain("main", "one").unwrap();

    server.set_health(HealthState::Suspect, 1.0, Moment::ZERO);
    assert_eq!(
        stage.beat(id, false, f32::INFINITY).unwrap(),
        [Command::HealthCheck]
    );
    assert!(server.load().is_none() && !server.may_enter());
}

#[tokio::test]
async fn a_server_that_was_emptied_and_comes_back_is_open() {
    let stage = Stage::new(10);
    let one = stage.register("one", 7001, 0).await.unwrap();
    let id: RegistrationId = one.server_id.parse().unwrap();
    stage.handle().drain("main", "one", None, None).unwrap();
    leave(&stage.shared, id).unwrap();
    assert!(stage.server("one").is_none());
    assert_eq!(
        leave(&stage.shared, id).unwrap_err().status,
        StatusCode::NOT_FOUND
    );
    stage.register("one", 7001, 0).await.unwrap();
    assert!(stage.server("one").unwrap().may_enter());

    // While players are still there, a person's drain goes on.
    let server = stage.server("one").unwrap();
    assert!(server.reserve());
    stage.handle().drain("main", "one", None, None).unwrap();
    stage.register("one", 7001, 0).await.unwrap();
    assert!(!stage.server("one").unwrap().may_enter());
    server.release();
}
