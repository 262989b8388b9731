//! The JSON of the registration API: the `Api…` types of the crate `Horizon-Network-Common` 0.2, field for field.

use std::collections::BTreeMap;

use atlas_base::RegistrationId;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// A cell of the grid that Horizon counts regions by.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
pub(super) struct Cell {
    pub(super) x: i64,
    pub(super) y: i64,
    pub(super) z: i64,
}

impl Cell {
    /// Whether the two share a face.
    pub(super) fn is_beside(self, other: Self) -> bool {
        let apart = [(self.x, other.x), (self.y, other.y), (self.z, other.z)]
            .map(|(one, other)| u128::from(one.abs_diff(other)));
        apart.iter().sum::<u128>() == 1
    }
}

/// A place in world units.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Serialize)]
pub(super) struct Centre {
    pub(super) x: f64,
    pub(super) y: f64,
    pub(super) z: f64,
}

/// A server says who it is. Horizon sends all of it; name and address are what it takes.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct Registration {
    pub(super) name: String,
    /// `HOST:PORT`, or `ws://HOST:PORT/PATH`.
    pub(super) address: String,
    #[serde(default)]
    pub(super) region_coord: Cell,
    #[serde(default)]
    pub(super) center: Centre,
    /// Half the side of the region's cube; 0: no region.
    #[serde(default)]
    pub(super) bounds: f64,
    #[serde(default)]
    pub(super) capacity: u32,
    #[serde(default)]
    pub(super) version: String,
    #[serde(default)]
    pub(super) metadata: BTreeMap<String, Value>,
}

/// The answer to a registration.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Registered {
    pub(super) success: bool,
    /// Empty if it was refused.
    pub(super) server_id: String,
    pub(super) message: String,
    pub(super) heartbeat_interval_secs: u32,
    pub(super) adjacent_servers: Vec<Adjacent>,
}

/// A registered server in the cell beside.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(super) struct Adjacent {
    pub(super) server_id: RegistrationId,
    pub(super) address: String,
    pub(super) region_coord: Cell,
}

/// A server says that it lives.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct Heartbeat {
    pub(super) server_id: String,
    pub(super) current_connections: u32,
    /// 0 = idle to 1 = full.
    pub(super) load: f32,
    pub(super) accepting_connections: bool,
    #[serde(default)]
    pub(super) avg_tick_ms: f64,
    #[serde(default)]
    pub(super) memory_bytes: u64,
}

/// The answer to a heartbeat, and to a farewell.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Heard {
    pub(super) success: bool,
    pub(super) message: String,
    pub(super) commands: Vec<Command>,
}

/// What a server is asked to do.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "type")]
pub(super) enum Command {
    /// It is being emptied, and may stop then.
    PrepareShutdown { deadline_secs: u32 },
    /// What it was told when it registered has changed.
    ConfigUpdate { config: Terms },
    /// The edge's checks find it ill.
    HealthCheck,
}

/// What a registered server is told.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(super) struct Terms {
    pub(super) adjacent_servers: Vec<Adjacent>,
    pub(super) heartbeat_interval_secs: u32,
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The messages as the types of `Horizon-Network-Common` 0.2.0 write them; that crate itself depends on `chrono`,
    /// which may not be built into this workspace.
    fn golden(name: &str) -> String {
        let folder = concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/../../docs/formats/golden/registration"
        );
        std::fs::read_to_string(format!("{folder}/{name}.json")).unwrap()
    }

    fn id(text: &str) -> RegistrationId {
        text.parse().unwrap()
    }

    #[test]
    fn what_horizon_sends_is_read() {
        let said: Registration = serde_json::from_str(&golden("register")).unwrap();
        assert_eq!(
            (said.name.as_str(), said.address.as_str()),
            ("horizon-1-0--1", "127.0.0.1:8081")
        );
        assert_eq!(said.region_coord, Cell { x: 1, y: 0, z: -1 });
        let centre = Centre {
            x: 500.0,
            y: 0.0,
            z: -500.0,
        };
        assert_eq!((said.center, said.bounds), (centre, 500.0));
        assert_eq!((said.capacity, said.version.as_str()), (100, "0.38.0"));
        assert_eq!(said.metadata["world"], "main");

        let beat: Heartbeat = serde_json::from_str(&golden("heartbeat")).unwrap();
        assert_eq!(beat.server_id, "67e55044-10b1-426f-9247-bb680e5fe0c8");
        assert_eq!((beat.current_connections, beat.load), (12, 0.12));
        assert!(beat.accepting_connections);
        assert_eq!((beat.avg_tick_ms, beat.memory_bytes), (16.5, 268_435_456));

        let least: Registration =
            serde_json::from_str(r#"{"name":"lobby","address":"127.0.0.1:1","later":1}"#).unwrap();
        assert_eq!((least.bounds, least.capacity), (0.0, 0));
    }

    #[test]
    fn answers_are_what_horizon_reads() {
        let registered = Registered {
            success: true,
            server_id: "67e55044-10b1-426f-9247-bb680e5fe0c8".to_owned(),
            message: "registered in world main".to_owned(),
            heartbeat_interval_secs: 10,
            adjacent_servers: vec![Adjacent {
                server_id: id("0b5f6f3c-2f6e-4b57-8a3e-1d2c3b4a5968"),
                address: "127.0.0.1:8080".to_owned(),
                region_coord: Cell { x: 0, y: 0, z: -1 },
            }],
        };
        let text = serde_json::to_string(&registered).unwrap();
        assert_eq!(text, golden("registered").trim_end());

        let heard = Heard {
            success: true,
            message: "heard".to_owned(),
            commands: vec![
                Command::PrepareShutdown { deadline_secs: 60 },
                Command::ConfigUpdate {
                    config: Terms {
                        adjacent_servers: Vec::new(),
                        heartbeat_interval_secs: 20,
                    },
                },
                Command::HealthCheck,
            ],
        };
        let text = serde_json::to_string(&heard).unwrap();
        assert_eq!(text, golden("heard").trim_end());
    }

    #[test]
    fn the_page_shows_these_messages() {
        let page = concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/../../docs/formats/registration.md"
        );
        let page = std::fs::read_to_string(page).unwrap();
        for name in ["register", "registered", "heartbeat", "heard"] {
            assert!(page.contains(golden(name).trim_end()), "{name}");
        }
    }

    #[test]
    fn cells_beside_each_other_share_a_face() {
        let at = |x, y, z| Cell { x, y, z };
        let here = at(0, 0, 0);
        for beside in [at(1, 0, 0), at(0, -1, 0), at(0, 0, 1)] {
            assert!(here.is_beside(beside) && beside.is_beside(here));
        }
        for apart in [
            here,
            at(1, 1, 0),
            at(2, 0, 0),
            at(i64::MAX, i64::MIN, i64::MAX),
        ] {
            assert!(!here.is_beside(apart));
        }
        assert!(!at(i64::MIN, 0, 0).is_beside(at(i64::MAX, 0, 0)));
    }
}
