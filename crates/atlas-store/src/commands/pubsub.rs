//! `SUBSCRIBE`, `PSUBSCRIBE`, their ends, `PUBLISH`, `PUBSUB`.

use atlas_kv::{Command, Reply as _, glob};

use crate::door::{KEPT, Request};
use crate::engine::Engine;
use crate::pubsub::{cost, leave};

impl Engine {
    pub(super) fn publish_command(&mut self, key: usize, request: Request<'_>) {
        let arguments = request.arguments();
        let heard = self.publish(arguments.at(1), arguments.at(2));
        self.with_output(key, |output| output.integer(heard));
    }

    pub(super) fn subscribe(&mut self, key: usize, request: Request<'_>, by_pattern: bool) {
        let names = request.arguments().iter().skip(1);
        if !self.may_keep(key, names.map(cost).sum()) {
            return self.answer_error(key, KEPT);
        }
        for name in request.arguments().iter().skip(1) {
            let Some(connection) = self.connections.get_mut(key) else {
                return;
            };
            let subscriptions = connection.subscriptions.get_or_insert_default();
            let (names, listeners, what) = if by_pattern {
                let names = &mut subscriptions.patterns;
                (names, &mut self.pubsub.patterns, "psubscribe")
            } else {
                let names = &mut subscriptions.channels;
                (names, &mut self.pubsub.channels, "subscribe")
            };
            if names.insert(name.into()) {
                subscriptions.bytes += cost(name);
                listeners.entry(name.into()).or_default().push(key);
            }
            let count = subscriptions.count() as i64;
            let output = &mut connection.output;
            output.push(3);
            output.bulk(what.as_bytes());
            output.bulk(name);
            output.integer(count);
        }
    }

    pub(super) fn unsubscribe(&mut self, key: usize, request: Request<'_>, by_pattern: bool) {
        let arguments = request.arguments();
        let Some(connection) = self.connections.get_mut(key) else {
            return;
        };
        let what = if by_pattern {
            "punsubscribe"
        } else {
            "unsubscribe"
        };
        let mut names: Vec<Box<[u8]>> = arguments.iter().skip(1).map(Box::from).collect();
        if names.is_empty()
            && let Some(subscriptions) = &connection.subscriptions
        {
            let all = if by_pattern {
                &subscriptions.patterns
            } else {
                &subscriptions.channels
            };
            names.extend(all.iter().cloned());
        }
        if names.is_empty() {
            let count = connection
                .subscriptions
                .as_ref()
                .map_or(0, |subscriptions| subscriptions.count());
            let output = &mut connection.output;
            output.push(3);
            output.bulk(what.as_bytes());
            output.null();
            output.integer(count as i64);
        }
        for name in names {
            let mut count = 0;
            if let Some(subscriptions) = &mut connection.subscriptions {
                let (own, listeners) = if by_pattern {
                    (&mut subscriptions.patterns, &mut self.pubsub.patterns)
                } else {
                    (&mut subscriptions.channels, &mut self.pubsub.channels)
                };
                if own.remove(&name) {
                    subscriptions.bytes -= cost(&name);
                    leave(listeners, &name, key);
                }
                count = subscriptions.count();
            }
            let output = &mut connection.output;
            output.push(3);
            output.bulk(what.as_bytes());
            output.bulk(&name);
            output.integer(count as i64);
        }
        if connection
            .subscriptions
            .as_ref()
            .is_some_and(|subscriptions| subscriptions.count() == 0)
        {
            connection.subscriptions = None;
        }
    }

    pub(super) fn pubsub_command(
        &mut self,
        key: usize,
        command: &'static Command,
        request: Request<'_>,
    ) {
        let arguments = request.arguments();
        match command.name {
            "channels" => {
                if arguments.len() > 3 {
                    let name = String::from_utf8_lossy(arguments.at(1)).into_owned();
                    let line = format!(
                        "ERR unknown subcommand or wrong number of arguments for '{name}'. Try PUBSUB HELP."
                    );
                    return self.answer_error(key, &line);
                }
                let mut steps = glob::Steps::new();
                let pattern = arguments.get(2);
                let names: Vec<Box<[u8]>> = self
                    .pubsub
                    .channels
                    .keys()
                    .filter(|name| {
                        pattern.is_none_or(|pattern| {
                            glob::matches(pattern, name, &mut steps).unwrap_or(false)
                        })
                    })
                    .cloned()
                    .collect();
                self.with_output(key, |output| {
                    output.array(names.len());
                    names.iter().for_each(|name| output.bulk(name));
                });
            }
            "numsub" => {
                let counts: Vec<(&[u8], usize)> = arguments
                    .iter()
                    .skip(2)
                    .map(|name| (name, self.pubsub.channels.get(name).map_or(0, Vec::len)))
                    .collect();
                self.with_output(key, |output| {
                    output.array(counts.len() * 2);
                    for (name, count) in counts {
                        output.bulk(name);
                        output.integer(count as i64);
                    }
                });
            }
            "numpat" => {
                let count = self.pubsub.patterns.len() as i64;
                self.with_output(key, |output| output.integer(count));
            }
            _ => self.help(
                key,
                "PUBSUB",
                &["CHANNELS [<pattern>]", "NUMPAT", "NUMSUB [<channel> ...]"],
            ),
        }
    }
}
