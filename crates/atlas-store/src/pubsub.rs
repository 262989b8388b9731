//! Who listens to which channels, and what is published to them.

use std::collections::{BTreeMap, BTreeSet};

use atlas_kv::{Class, Event, glob};

use crate::engine::Engine;

/// What one connection listens to.
#[derive(Debug, Default)]
pub(crate) struct Subscriptions {
    pub(crate) channels: BTreeSet<Box<[u8]>>,
    pub(crate) patterns: BTreeSet<Box<[u8]>>,
    /// What they take.
    pub(crate) bytes: usize,
}

/// What it takes to listen to a name: twice the name, and its places in two trees.
pub(crate) const fn cost(name: &[u8]) -> usize {
    2 * name.len() + 160
}

impl Subscriptions {
    pub(crate) fn count(&self) -> usize {
        self.channels.len() + self.patterns.len()
    }
}

/// Who listens to what: connections by channel and by pattern.
#[derive(Debug, Default)]
pub(crate) struct PubSub {
    pub(crate) channels: BTreeMap<Box<[u8]>, Vec<usize>>,
    pub(crate) patterns: BTreeMap<Box<[u8]>, Vec<usize>>,
}

impl PubSub {
    pub(crate) fn is_empty(&self) -> bool {
        self.channels.is_empty() && self.patterns.is_empty()
    }
}

/// The classes of Redis's letters; none if one is not known.
pub(crate) fn classes(letters: &str) -> Option<Class> {
    letters.chars().try_fold(Class::empty(), |all, letter| {
        let class = match letter {
            'K' => Class::KEYSPACE,
            'E' => Class::KEYEVENT,
            'g' => Class::GENERIC,
            '$' => Class::STRING,
            'l' => Class::LIST,
            's' => Class::SET,
            'h' => Class::HASH,
            'z' => Class::SORTED_SET,
            'x' => Class::EXPIRED,
            'e' => Class::EVICTED,
            't' => Class::STREAM,
            'm' => Class::MISSED,
            'd' => Class::MODULE,
            'n' => Class::NEW,
            'A' => Class::ALL,
            _ => return None,
        };
        Some(all | class)
    })
}

/// The letters of classes, as Redis prints them.
pub(crate) fn letters(classes: Class) -> String {
    let mut text = String::new();
    if classes.contains(Class::ALL) {
        text.push('A');
    }
    for (letter, class) in [
        ('g', Class::GENERIC),
        ('$', Class::STRING),
        ('l', Class::LIST),
        ('s', Class::SET),
        ('h', Class::HASH),
        ('z', Class::SORTED_SET),
        ('x', Class::EXPIRED),
        ('e', Class::EVICTED),
        ('t', Class::STREAM),
        ('d', Class::MODULE),
    ] {
        if !classes.contains(Class::ALL) && classes.contains(class) {
            text.push(letter);
        }
    }
    for (letter, class) in [
        ('K', Class::KEYSPACE),
        ('E', Class::KEYEVENT),
        ('m', Class::MISSED),
        ('n', Class::NEW),
    ] {
        if classes.contains(class) {
            text.push(letter);
        }
    }
    text
}

impl Engine {
    /// Sends a message to all who listen; how many heard it.
    pub(crate) fn publish(&mut self, channel: &[u8], message: &[u8]) -> i64 {
        let mut heard = 0;
        if let Some(listeners) = self.pubsub.channels.get(channel) {
            for key in listeners.clone() {
                self.push(key, &[b"message", channel, message]);
                heard += 1;
            }
        }
        let mut matching = Vec::new();
        for (pattern, listeners) in &self.pubsub.patterns {
            // One that takes too many steps hears nothing; the others do not pay for it.
            let mut steps = glob::Steps::few();
            if glob::matches(pattern, channel, &mut steps).unwrap_or(false) {
                matching.extend(listeners.iter().map(|key| (*key, pattern.clone())));
            }
        }
        for (key, pattern) in matching {
            self.push(key, &[b"pmessage", &pattern, channel, message]);
            heard += 1;
        }
        heard
    }

    /// Sends something to a client that it did not ask for.
    pub(crate) fn push(&mut self, key: usize, parts: &[&[u8]]) {
        let Some(connection) = self.connections.get_mut(key) else {
            return;
        };
        let mut encoder = connection.output.encoder();
        encoder.push(parts.len());
        for part in parts {
            encoder.bulk(part);
        }
        self.list(key);
    }

    /// Publishes the keyspace notifications of what was applied.
    pub(crate) fn notify(&mut self, events: &[Event]) {
        for event in events {
            if !self.live.notify.contains(event.class) {
                continue;
            }
            let name = event.name.as_bytes();
            if self.live.notify.contains(Class::KEYSPACE) {
                let mut channel = format!("__keyspace@{}__:", event.database).into_bytes();
                channel.extend_from_slice(&event.key);
                self.publish(&channel, name);
            }
            if self.live.notify.contains(Class::KEYEVENT) {
                let channel = format!("__keyevent@{}__:{}", event.database, event.name);
                self.publish(channel.as_bytes(), &event.key);
            }
        }
    }

    /// Lets a connection listen to nothing any more.
    pub(crate) fn unlisten(&mut self, key: usize) {
        let Some(subscriptions) = self
            .connections
            .get_mut(key)
            .and_then(|connection| connection.subscriptions.take())
        else {
            return;
        };
        for channel in &subscriptions.channels {
            leave(&mut self.pubsub.channels, channel, key);
        }
        for pattern in &subscriptions.patterns {
            leave(&mut self.pubsub.patterns, pattern, key);
        }
    }
}

/// Takes a connection out of those who listen to a name.
pub(crate) fn leave(names: &mut BTreeMap<Box<[u8]>, Vec<usize>>, name: &[u8], key: usize) {
    if let Some(listeners) = names.get_mut(name) {
        listeners.retain(|other| *other != key);
        if listeners.is_empty() {
            names.remove(name);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn letters_are_read_and_printed_as_redis_does() {
        for (given, printed) in [
            ("", ""),
            ("KEA", "AKE"),
            ("Kg$", "g$K"),
            ("g$lshzxetdE", "AE"),
            ("mnE", "Emn"),
        ] {
            assert_eq!(letters(classes(given).unwrap()), printed, "{given}");
        }
        assert_eq!(classes("KEq"), None);
    }
}
