//! What balance moves ask a worker: who stands at a server and could go, who has a much nearer server, that one goes.

use std::time::Duration;

use atlas_balance::hash_key;
use atlas_base::SessionId;
use atlas_wire::upgrade::Head;
use atlas_world::moves::{Player, nearer};
use atlas_world::{Reason, ServerId};

use super::Worker;
use super::asked::Reply;
use crate::config::MovesConfig;

/// How many sessions are looked at for a nearer server at a time.
const LOOKS_MAX: usize = 256;

/// A player at a server that gives some away.
pub(crate) struct Stander {
    /// How long the client has said nothing.
    pub(crate) idle: Duration,
    pub(crate) player: Player,
}

/// A player who has a much nearer server.
pub(crate) struct Far {
    pub(crate) session: SessionId,
    pub(crate) from: ServerId,
    pub(crate) to: ServerId,
}

impl Worker {
    /// Who is at a server and can be moved at all; whoever cannot is nobody's party either.
    pub(super) fn standers(&self, world: &str, server: ServerId) -> Vec<Stander> {
        self.movable
            .iter()
            .filter(|(_, session)| {
                session.about.server.id == server && *session.about.world.name == *world
            })
            .map(|(_, session)| Stander {
                idle: self.now.saturating_since(session.heard),
                player: Player {
                    session: session.about.id,
                    party: party(&session.about.world.config.moves, &session.head),
                    movable: session.machine.is_free(self.now) && session.entering.is_none(),
                },
            })
            .collect()
    }

    /// Some of those who have a much nearer server among `open`. Each call looks at the next few sessions. Players of a
    /// party stay with it.
    pub(super) fn far(&mut self, world: &str, open: &[ServerId]) -> Vec<Far> {
        let mut found = Vec::new();
        let (mut looked, mut last) = (0, None);
        for (key, session) in self.movable.iter().filter(|(key, _)| *key >= self.far_next) {
            if looked == LOOKS_MAX {
                break;
            }
            (looked, last) = (looked + 1, Some(key));
            let about = &session.about;
            let config = &about.world.config.moves;
            if *about.world.name != *world
                || !session.machine.is_free(self.now)
                || party(config, &session.head).is_some()
            {
                continue;
            }
            let client = about.world.globe.locate(&session.head, &session.forwarding);
            let (Some(client), Some(current)) = (client, about.server.location()) else {
                continue;
            };
            let side = about.world.split_of(&about.server);
            let others = about.world.present().filter_map(|server| {
                let place = server.location()?;
                let may = open.contains(&server.id) && about.world.split_of(server) == side;
                may.then(|| (server.id, client.distance_km(place)))
            });
            if let Some(to) = nearer(client.distance_km(current), others, config.nearer_by) {
                found.push(Far {
                    session: about.id,
                    from: about.server.id,
                    to,
                });
            }
        }
        self.far_next = match last {
            Some(key) if looked == LOOKS_MAX => key + 1,
            _ => 0,
        };
        found
    }

    /// Moves a session for balance.
    pub(super) fn move_for_balance(
        &mut self,
        session: SessionId,
        from: ServerId,
        to: ServerId,
        reply: Reply,
    ) {
        let found = self.keys.get(&session).copied().filter(|key| {
            self.movable
                .get(*key)
                .is_some_and(|found| found.about.server.id == from)
        });
        match found {
            Some(key) => self.transfer_begin(key, to, Reason::Balance, reply),
            None => {
                // Whoever asked may have gone.
                let _ = reply.send(Err(crate::Error::UnknownSession(session.to_string())));
            }
        }
    }
}

/// The party that a player belongs to, as a hash of its name.
fn party(config: &MovesConfig, head: &Head) -> Option<u64> {
    let by_header = || {
        (!config.party_header.is_empty())
            .then(|| head.fields().first(&config.party_header))
            .flatten()
    };
    let by_query = || {
        let named = |pair: &'_ str| {
            pair.split_once('=')
                .is_some_and(|(name, _)| name == config.party_query)
        };
        let pair = head.query()?.split('&').find(|pair| named(pair))?;
        pair.split_once('=').map(|(_, value)| value)
    };
    by_header()
        .or_else(by_query)
        .filter(|party| !party.is_empty())
        .map(|party| hash_key(party.as_bytes()))
}

#[cfg(test)]
mod tests {
    use atlas_wire::upgrade::{Limits, ParsedHead};

    use super::*;

    #[test]
    fn the_party_is_named_by_header_or_query() {
        let head = |target: &str, field: &str| {
            let text = format!("GET {target} HTTP/1.1\r\nHost: a\r\n{field}\r\n");
            match Head::parse(text.as_bytes(), &Limits::default()).unwrap() {
                ParsedHead::Complete(head, _) => head,
                ParsedHead::Incomplete => panic!("incomplete: {text}"),
            }
        };
        let config = MovesConfig {
            party_header: "X-Match".into(),
            party_query: "match".into(),
            ..MovesConfig::default()
        };
        let red = Some(hash_key(b"red"));
        for (target, field, expected) in [
            ("/", "", None),
            ("/", "x-match: red\r\n", red),
            ("/?a=b&match=red&match=blue", "", red),
            ("/?match=blue", "X-Match: red\r\n", red),
            ("/?match=", "", None),
            ("/?matches=red", "", None),
        ] {
            let head = head(target, field);
            assert_eq!(party(&config, &head), expected, "{target} {field}");
            assert_eq!(party(&MovesConfig::default(), &head), None);
        }
    }
}
