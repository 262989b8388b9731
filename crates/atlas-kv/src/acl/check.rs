//! The decision: may this user run this command with these arguments?

use super::access::{self, Access, Channels};
use super::selector::Selector;
use super::user::User;
use crate::command::Flags;
use crate::{Arguments, Command, glob};

/// What stands in the way of a command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Denied {
    /// The command.
    Command,
    /// The key at this position of its arguments.
    Key(usize),
    /// The channel at this position.
    Channel(usize),
}

impl Denied {
    /// Why, in a word, as `ACL LOG` says it.
    pub fn reason(self) -> &'static str {
        match self {
            Self::Command => "command",
            Self::Key(_) => "key",
            Self::Channel(_) => "channel",
        }
    }

    /// The position, and how much it says: of several selectors' complaints the one that got furthest is told.
    fn rank(self) -> (u8, usize) {
        match self {
            Self::Command => (0, 0),
            Self::Key(at) => (1, at),
            Self::Channel(at) => (2, at),
        }
    }
}

/// The keys of a command, found when they are asked for first: each selector looks at the same.
struct Named<'a, 'b> {
    command: &'a Command,
    arguments: &'a Arguments<'b>,
    positions: Option<Vec<usize>>,
}

impl Named<'_, '_> {
    fn positions(&mut self) -> &[usize] {
        self.positions.get_or_insert_with(|| {
            let mut positions = Vec::new();
            // A channel of a shard stands where a key would, to tell the shard.
            if !self.command.flags.contains(Flags::PUBSUB) {
                self.command.keys.find(self.arguments, &mut positions);
            }
            positions
        })
    }
}

impl User {
    /// Decides whether this user may run a command.
    ///
    /// # Errors
    /// What stands in the way.
    pub fn check(&self, command: &Command, arguments: &Arguments<'_>) -> Result<(), Denied> {
        if self.is_unrestricted() {
            return Ok(());
        }
        let mut named = Named {
            command,
            arguments,
            positions: None,
        };
        let mut denied = Denied::Command;
        for selector in self.selectors() {
            match selector.check(&mut named) {
                Ok(()) => return Ok(()),
                Err(other) if other.rank() > denied.rank() => denied = other,
                Err(_) => {}
            }
        }
        Err(denied)
    }

    /// True if it may do this to a key, whatever the command.
    pub fn may_access(&self, key: &[u8], access: Access) -> bool {
        self.selectors()
            .any(|selector| selector.may_access(key, access))
    }

    /// True if it may hear what is published to a channel or, if that is what it is, to a pattern.
    pub fn may_hear(&self, channel: &[u8], is_pattern: bool) -> bool {
        self.selectors()
            .any(|selector| selector.may_hear(channel, is_pattern))
    }

    /// Why `SORT` refuses patterns of keys that nobody can check one by one: then all keys must be readable.
    pub fn sort_refusal(
        &self,
        command: &Command,
        arguments: &Arguments<'_>,
    ) -> Option<&'static str> {
        if self.is_unrestricted() || !matches!(command.name, "sort" | "sort_ro") {
            return None;
        }
        let reads_all = || {
            self.selectors().any(|selector| {
                let mut named = Named {
                    command,
                    arguments,
                    positions: None,
                };
                selector.reads_all() && selector.check(&mut named).is_ok()
            })
        };
        let mut at = 2;
        while at < arguments.len() {
            if arguments.is(at, "limit") {
                at += 2;
            } else if arguments.is(at, "store") {
                at += 1;
            } else if arguments.is(at, "by") {
                at += 1;
                // Without a star nothing is looked up.
                if arguments.at(at).contains(&b'*') && !reads_all() {
                    return Some(
                        "ERR BY option of SORT denied due to insufficient ACL permissions.",
                    );
                }
            } else if arguments.is(at, "get") {
                at += 1;
                if at < arguments.len() && !reads_all() {
                    return Some(
                        "ERR GET option of SORT denied due to insufficient ACL permissions.",
                    );
                }
            }
            at += 1;
        }
        None
    }
}

impl Selector {
    fn check(&self, named: &mut Named<'_, '_>) -> Result<(), Denied> {
        let (command, arguments) = (named.command, named.arguments);
        // Whoever has to say who it is may say so.
        if !command.flags.contains(Flags::NO_AUTH) && !self.allowed.has(command) {
            let given = arguments.get(1).unwrap_or_default();
            let is = |held: &[u8]| held.eq_ignore_ascii_case(given);
            if arguments.len() < 2 || !self.allowed.arguments_of(command).any(is) {
                return Err(Denied::Command);
            }
        }
        if !self.is_all_keys {
            let (first, others) = Access::of_keys(command, arguments);
            for (number, &at) in named.positions().iter().enumerate() {
                let access = if number == 0 { first } else { others };
                if !self.may_access(arguments.at(at), access) {
                    return Err(Denied::Key(at));
                }
            }
        }
        if !self.is_all_channels {
            let (channels, is_pattern) = match access::known(command).channels {
                Channels::None => (1..1, false),
                Channels::First => (1..2, false),
                Channels::All => (1..arguments.len(), false),
                Channels::Patterns => (1..arguments.len(), true),
            };
            for at in channels {
                if !self.may_hear(arguments.at(at), is_pattern) {
                    return Err(Denied::Channel(at));
                }
            }
        }
        Ok(())
    }

    fn may_access(&self, key: &[u8], access: Access) -> bool {
        self.is_all_keys
            || self
                .keys
                .iter()
                .filter(|held| held.access.contains(access))
                .any(|held| fits(&held.pattern, key))
    }

    /// A pattern is heard if it is the very one that is allowed.
    fn may_hear(&self, channel: &[u8], is_pattern: bool) -> bool {
        self.is_all_channels
            || self.channels.iter().any(|held| match is_pattern {
                true => **held == *channel,
                false => fits(held, channel),
            })
    }

    /// True if it may read any key.
    fn reads_all(&self) -> bool {
        self.is_all_keys
            || self
                .keys
                .iter()
                .any(|held| *held.pattern == *b"*" && held.access.contains(Access::READ))
    }

    /// True if it may hear all channels.
    pub fn hears_all(&self) -> bool {
        self.is_all_channels
    }
}

/// A pattern that takes too long to compare allows nothing.
fn fits(pattern: &[u8], text: &[u8]) -> bool {
    glob::matches(pattern, text, &mut glob::Steps::few()).unwrap_or(false)
}
