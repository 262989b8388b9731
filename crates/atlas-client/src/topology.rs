//! Which server holds which slot, as far as it was learned.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use atlas_resp::reply::Value;

use crate::address::Address;
use crate::config::Config;
use crate::error::Error;
use crate::node::Node;
use crate::slot::SLOTS;

/// The servers that are known. One that stands alone never redirects, so that all slots stay unknown and everything goes
/// to it.
pub(crate) struct Topology {
    known: Mutex<Known>,
}

struct Known {
    nodes: HashMap<Address, Arc<Node>>,
    /// The address of each slot's server, if one was learned.
    slots: Vec<Option<Arc<Node>>>,
    /// Which of the configured servers is asked where nothing is known.
    seed: usize,
}

impl Topology {
    pub(crate) fn new() -> Self {
        Self {
            known: Mutex::new(Known {
                nodes: HashMap::new(),
                slots: Vec::new(),
                seed: 0,
            }),
        }
    }

    /// The server for a slot: the one that was learned, else a configured one.
    pub(crate) fn route(&self, slot: Option<u16>, config: &Config) -> Result<Arc<Node>, Error> {
        let mut known = self.known();
        let learned = slot.and_then(|slot| known.slots.get(usize::from(slot))?.clone());
        if let Some(node) = learned {
            return Ok(node);
        }
        let seed = known.seed % config.servers.len();
        known.node(&config.servers[seed], config)
    }

    /// The server at an address that a redirect named.
    pub(crate) fn node(&self, address: &Address, config: &Config) -> Result<Arc<Node>, Error> {
        self.known().node(address, config)
    }

    /// Learns one slot's server.
    pub(crate) fn learn(&self, slot: u16, node: &Arc<Node>) {
        let mut known = self.known();
        known.slots.resize(usize::from(SLOTS), None);
        if let Some(place) = known.slots.get_mut(usize::from(slot)) {
            *place = Some(Arc::clone(node));
        }
    }

    /// Forgets a server that cannot be reached: its slots are asked elsewhere, and the next configured server is asked
    /// first.
    pub(crate) fn forget(&self, node: &Arc<Node>, config: &Config) {
        let mut known = self.known();
        for place in &mut known.slots {
            if place.as_ref().is_some_and(|there| Arc::ptr_eq(there, node)) {
                *place = None;
            }
        }
        if config.servers.get(known.seed % config.servers.len()) == Some(&node.address) {
            known.seed = (known.seed + 1) % config.servers.len();
        }
    }

    /// Learns all slots from the answer of `CLUSTER SLOTS`, and drops servers that are in it no more.
    pub(crate) fn learn_all(&self, answer: &Value, asked: &Address, config: &Config) -> Option<()> {
        let Value::Array(ranges) = answer else {
            return None;
        };
        let mut learned = Vec::with_capacity(ranges.len());
        for range in ranges {
            let Value::Array(range) = range else {
                return None;
            };
            let [
                Value::Integer(first),
                Value::Integer(last),
                Value::Array(leader),
                ..,
            ] = range.as_slice()
            else {
                return None;
            };
            let [host, Value::Integer(port), ..] = leader.as_slice() else {
                return None;
            };
            let host = match host.as_bytes().map(String::from_utf8_lossy) {
                Some(host) if !host.is_empty() && host != "?" => host.into_owned(),
                _ => asked.host.clone(),
            };
            let (first, last) = (u16::try_from(*first).ok()?, u16::try_from(*last).ok()?);
            if first > last || last >= SLOTS {
                return None;
            }
            let address = Address::new(host, u16::try_from(*port).ok()?);
            learned.push((first, last, address));
        }
        let mut known = self.known();
        let kept: HashSet<&Address> = learned
            .iter()
            .map(|(_, _, address)| address)
            .chain(&config.servers)
            .collect();
        // Those that are gone make room for those that came.
        known.nodes.retain(|address, _| kept.contains(address));
        let mut slots = vec![None; usize::from(SLOTS)];
        for (first, last, address) in &learned {
            let node = known.node(address, config).ok()?;
            for slot in *first..=*last {
                slots[usize::from(slot)] = Some(Arc::clone(&node));
            }
        }
        known.slots = slots;
        Some(())
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Known {
    fn node(&mut self, address: &Address, config: &Config) -> Result<Arc<Node>, Error> {
        if let Some(node) = self.nodes.get(address) {
            return Ok(Arc::clone(node));
        }
        if self.nodes.len() >= config.nodes_max {
            return Err(Error::Config {
                what: format!(
                    "redirects named more than {} servers (nodes_max)",
                    config.nodes_max
                ),
            });
        }
        let node = Arc::new(Node::new(address.clone(), config));
        self.nodes.insert(address.clone(), Arc::clone(&node));
        Ok(node)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config() -> Config {
        Config {
            nodes_max: 3,
            ..Config::new([Address::new("a", 1), Address::new("b", 2)])
        }
    }

    fn range(first: i64, last: i64, host: &str, port: i64) -> Value {
        Value::Array(vec![
            Value::Integer(first),
            Value::Integer(last),
            Value::Array(vec![
                Value::Bulk(host.into()),
                Value::Integer(port),
                Value::Bulk(b"id".to_vec()),
            ]),
        ])
    }

    #[test]
    fn what_is_not_known_goes_to_a_configured_server() {
        let (topology, config) = (Topology::new(), config());
        let route = |slot| topology.route(slot, &config).unwrap();
        let first = route(None);
        assert_eq!(first.address, config.servers[0]);
        assert!(Arc::ptr_eq(&first, &route(Some(5))));
        topology.forget(&first, &config);
        assert_eq!(route(Some(5)).address, config.servers[1]);
        // The other one failed, and is not the one that is asked.
        topology.forget(&first, &config);
        assert_eq!(route(None).address, config.servers[1]);
    }

    #[test]
    fn slots_are_learned_one_by_one_and_all_at_once() {
        let (topology, config) = (Topology::new(), config());
        let at = |slot| {
            topology
                .route(Some(slot), &config)
                .unwrap()
                .address
                .to_string()
        };
        let third = topology.node(&Address::new("c", 3), &config).unwrap();
        topology.learn(7, &third);
        assert_eq!((at(7), at(8)), ("c:3".into(), "a:1".into()));

        let all = Value::Array(vec![range(0, 99, "", 9), range(100, 16_383, "b", 2)]);
        topology
            .learn_all(&all, &Address::new("x", 1), &config)
            .unwrap();
        assert_eq!(
            (at(0), at(99), at(100), at(16_383)),
            ("x:9".into(), "x:9".into(), "b:2".into(), "b:2".into())
        );
        // The third server is gone, so that there was room for another, and now there is none.
        assert!(
            topology.node(&Address::new("e", 5), &config).is_err(),
            "nodes_max"
        );
    }

    #[test]
    fn an_answer_that_is_no_map_changes_nothing() {
        let (topology, config) = (Topology::new(), config());
        for wrong in [
            Value::Null,
            Value::Array(vec![Value::Null]),
            Value::Array(vec![range(5, 4, "a", 1)]),
            Value::Array(vec![range(0, 16_384, "a", 1)]),
            Value::Array(vec![range(0, 1, "a", 70_000)]),
            Value::Array(vec![range(-1, 1, "a", 1)]),
        ] {
            assert_eq!(
                topology.learn_all(&wrong, &config.servers[0], &config),
                None
            );
            assert_eq!(
                topology.route(Some(0), &config).unwrap().address,
                config.servers[0]
            );
        }
    }
}
