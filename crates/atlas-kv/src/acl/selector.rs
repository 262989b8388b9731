//! A selector: one set of rights. A user has one, and may have others beside it; what any one of them allows is allowed.

use super::rules::{RuleError, has_spaces};
use super::{Access, Category, full_name};
use crate::Command;
use crate::command;

/// Keys that may be named, and what may be done with them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyPattern {
    /// The pattern, as `KEYS` understands it.
    pub pattern: Box<[u8]>,
    /// What is allowed.
    pub access: Access,
}

/// One set of rights.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Selector {
    pub(super) is_all_keys: bool,
    pub(super) is_all_channels: bool,
    pub(super) keys: Vec<KeyPattern>,
    pub(super) channels: Vec<Box<[u8]>>,
    /// True if it began with all commands, so that those of later versions are allowed too.
    is_all_base: bool,
    /// What was added to and taken from that, in order, as it was written.
    commands: Vec<Box<[u8]>>,
    /// What follows from these for the commands that there are.
    pub(super) allowed: Allowed,
}

/// The commands that may be run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Allowed {
    /// A bit for each command and subcommand, by its number.
    bits: Box<[u64]>,
    /// Commands that may be run with this first argument, though not with others.
    arguments: Vec<(u16, Box<[u8]>)>,
}

impl Allowed {
    fn new(is_all: bool) -> Self {
        let count = command::count();
        let mut bits = vec![0; count.div_ceil(64)].into_boxed_slice();
        if is_all {
            // No bits past the last command, so that equal rights are equal bits.
            (0..count).for_each(|number| bits[number / 64] |= 1 << (number % 64));
        }
        Self {
            bits,
            arguments: Vec::new(),
        }
    }

    pub(super) fn has(&self, command: &Command) -> bool {
        let number = usize::from(command.number);
        self.bits[number / 64] >> (number % 64) & 1 == 1
    }

    /// The first arguments that a command is allowed with.
    pub(super) fn arguments_of(&self, command: &Command) -> impl Iterator<Item = &[u8]> {
        let number = command.number;
        let own = self.arguments.iter().filter(move |(one, _)| *one == number);
        own.map(|(_, argument)| &**argument)
    }

    fn is_all(&self) -> bool {
        *self == Self::new(true)
    }

    /// Allows or forbids a command with all its subcommands.
    fn set(&mut self, command: &Command, is_allowed: bool) {
        for one in std::iter::once(command).chain(command.subcommands) {
            let number = usize::from(one.number);
            let bit = 1_u64 << (number % 64);
            if is_allowed {
                self.bits[number / 64] |= bit;
            } else {
                self.bits[number / 64] &= !bit;
            }
        }
        self.arguments
            .retain(|(number, _)| *number != command.number);
    }

    /// Does what a rule about commands says; what is not known in this version is passed over.
    fn apply(&mut self, rule: &Rule<'_>) {
        match rule.what {
            What::Category(category) => {
                for (command, _) in category.commands() {
                    self.set(command, rule.is_allowed);
                }
            }
            What::Command(command) => self.set(command, rule.is_allowed),
            What::Argument(command, argument) => {
                let number = command.number;
                self.arguments.push((number, argument.into()));
            }
            What::Unknown => {}
        }
    }
}

/// A rule about commands, understood.
struct Rule<'a> {
    is_allowed: bool,
    what: What<'a>,
}

enum What<'a> {
    Category(Category),
    Command(&'static Command),
    Argument(&'static Command, &'a [u8]),
    /// Of a version that has more commands.
    Unknown,
}

/// The command or subcommand of a whole name.
fn named(name: &[u8]) -> Option<&'static Command> {
    let mut parts = name.splitn(2, |&byte| byte == b'|');
    let command = command::find(parts.next()?)?;
    let Some(sub) = parts.next() else {
        return Some(command);
    };
    let mut subs = command.subcommands.iter();
    subs.find(|other| sub.eq_ignore_ascii_case(other.name.as_bytes()))
}

impl<'a> Rule<'a> {
    /// Reads a rule that begins with `+` or `-`.
    fn read(rule: &'a [u8]) -> Result<Self, RuleError> {
        let (sign, name) = rule.split_first().ok_or(RuleError::Syntax)?;
        let is_allowed = *sign == b'+';
        let what = if let Some(category) = name.strip_prefix(b"@") {
            What::Category(Category::named(category).ok_or(RuleError::Unknown)?)
        } else if let Some(found) = named(name) {
            What::Command(found)
        } else {
            let bar = name.iter().rposition(|&byte| byte == b'|');
            let (Some(bar), true) = (bar, is_allowed) else {
                return Err(RuleError::Unknown);
            };
            let (name, argument) = (&name[..bar], &name[bar + 1..]);
            let container = named(name).ok_or(RuleError::Unknown)?;
            if full_name(container).contains('|') {
                return Err(RuleError::OfSubcommand);
            }
            if argument.is_empty() || has_spaces(argument) {
                return Err(RuleError::Syntax);
            }
            // In Redis these of `DEBUG` are arguments; here some are subcommands, and others are not known.
            if !container.subcommands.is_empty() && container.name != "debug" {
                return Err(RuleError::Unknown);
            }
            What::Argument(container, argument)
        };
        Ok(Self { is_allowed, what })
    }
}

impl Selector {
    /// A selector without rights, save that to all channels if it is given.
    pub(super) fn new(is_all_channels: bool) -> Self {
        Self {
            is_all_keys: false,
            is_all_channels,
            keys: Vec::new(),
            channels: Vec::new(),
            is_all_base: false,
            commands: Vec::new(),
            allowed: Allowed::new(false),
        }
    }

    /// True if it stands in the way of nothing.
    pub(super) fn is_unrestricted(&self) -> bool {
        self.is_all_keys && self.is_all_channels && self.allowed.is_all()
    }

    /// How many rules it has.
    pub(super) fn count(&self) -> usize {
        self.keys.len() + self.channels.len() + self.commands.len()
    }

    /// Does what a rule says. Names of commands that this version does not have are an error, unless the rule was taken
    /// once already, maybe by a later version.
    pub(super) fn set(&mut self, rule: &[u8], was_taken: bool) -> Result<(), RuleError> {
        let is = |word: &str| rule.eq_ignore_ascii_case(word.as_bytes());
        if is("allkeys") || is("~*") {
            self.is_all_keys = true;
            self.keys.clear();
        } else if is("resetkeys") {
            self.is_all_keys = false;
            self.keys.clear();
        } else if is("allchannels") || is("&*") {
            self.is_all_channels = true;
            self.channels.clear();
        } else if is("resetchannels") {
            self.is_all_channels = false;
            self.channels.clear();
        } else if is("allcommands") || is("+@all") {
            self.all_commands(true);
        } else if is("nocommands") || is("-@all") {
            self.all_commands(false);
        } else {
            match rule.first() {
                Some(b'~' | b'%') => self.add_keys(rule)?,
                Some(b'&') => self.add_channels(&rule[1..])?,
                Some(b'+' | b'-') => self.set_commands(rule, was_taken)?,
                _ => return Err(RuleError::Syntax),
            }
        }
        Ok(())
    }

    fn all_commands(&mut self, are: bool) {
        self.is_all_base = are;
        self.commands.clear();
        self.allowed = Allowed::new(are);
    }

    fn add_keys(&mut self, rule: &[u8]) -> Result<(), RuleError> {
        if self.is_all_keys {
            return Err(RuleError::BehindAllKeys);
        }
        let (access, pattern) = match rule.strip_prefix(b"~") {
            Some(pattern) => (Access::all(), pattern),
            None => {
                let tilde = rule.iter().position(|&byte| byte == b'~');
                let tilde = tilde.ok_or(RuleError::Syntax)?;
                let mut access = Access::empty();
                for letter in &rule[1..tilde] {
                    let one = match letter.to_ascii_uppercase() {
                        b'R' => Access::READ,
                        b'W' => Access::WRITE,
                        _ => return Err(RuleError::Syntax),
                    };
                    if access.contains(one) {
                        return Err(RuleError::Syntax);
                    }
                    access |= one;
                }
                if access.is_empty() {
                    return Err(RuleError::Syntax);
                }
                (access, &rule[tilde + 1..])
            }
        };
        if has_spaces(pattern) {
            return Err(RuleError::Syntax);
        }
        match self.keys.iter_mut().find(|one| *one.pattern == *pattern) {
            Some(held) => held.access |= access,
            None => self.keys.push(KeyPattern {
                pattern: pattern.into(),
                access,
            }),
        }
        Ok(())
    }

    fn add_channels(&mut self, pattern: &[u8]) -> Result<(), RuleError> {
        if self.is_all_channels {
            return Err(RuleError::BehindAllChannels);
        }
        if has_spaces(pattern) {
            return Err(RuleError::Syntax);
        }
        if !self.channels.iter().any(|held| **held == *pattern) {
            self.channels.push(pattern.into());
        }
        Ok(())
    }

    fn set_commands(&mut self, written: &[u8], was_taken: bool) -> Result<(), RuleError> {
        let rule = match Rule::read(written) {
            Err(RuleError::Unknown | RuleError::OfSubcommand) if was_taken => Rule {
                is_allowed: written.starts_with(b"+"),
                what: What::Unknown,
            },
            other => other?,
        };
        let mut written = written.to_vec();
        if let What::Argument(command, argument) = rule.what {
            let has = |held: &[u8]| held.eq_ignore_ascii_case(argument);
            let is_there = self.allowed.has(command) || self.allowed.arguments_of(command).any(has);
            if !is_there {
                self.allowed.apply(&rule);
                self.commands.push(written.into());
            }
            return Ok(());
        }
        written.make_ascii_lowercase();
        // Whatever was said before of the same command or category counts no more; what is left may say the same already.
        let name = &written[1..];
        self.commands.retain(|held| {
            let rest = held[1..].strip_prefix(name);
            !rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(b"|"))
        });
        self.allowed.apply(&rule);
        let left = Self::following(self.is_all_base, &self.commands);
        if left != self.allowed || !matches!(rule.what, What::Command(_)) {
            self.commands.push(written.into());
        }
        Ok(())
    }

    /// The commands that follow from rules.
    fn following(is_all_base: bool, rules: &[Box<[u8]>]) -> Allowed {
        let mut allowed = Allowed::new(is_all_base);
        for rule in rules {
            if let Ok(rule) = Rule::read(rule) {
                allowed.apply(&rule);
            }
        }
        allowed
    }

    /// Its rules about commands, as one line.
    pub fn command_rules(&self) -> Vec<u8> {
        let mut line: Vec<u8> = if self.is_all_base { b"+@all" } else { b"-@all" }.to_vec();
        for rule in &self.commands {
            line.push(b' ');
            line.extend_from_slice(rule);
        }
        line
    }

    /// Its rules about keys, one by one.
    pub fn key_rules(&self) -> Vec<Vec<u8>> {
        if self.is_all_keys {
            return vec![b"~*".to_vec()];
        }
        let one = |held: &KeyPattern| {
            let sign: &[u8] = match held.access {
                Access::READ => b"%R~",
                Access::WRITE => b"%W~",
                _ => b"~",
            };
            [sign, &held.pattern].concat()
        };
        self.keys.iter().map(one).collect()
    }

    /// Its rules about channels, one by one.
    pub fn channel_rules(&self) -> Vec<Vec<u8>> {
        if self.is_all_channels {
            return vec![b"&*".to_vec()];
        }
        let channels = self.channels.iter();
        channels.map(|held| [b"&", &**held].concat()).collect()
    }

    /// What makes it of one without any rights.
    pub(super) fn rules(&self) -> Vec<Vec<u8>> {
        let mut rules = self.key_rules();
        if !self.is_all_channels {
            rules.push(b"resetchannels".to_vec());
        }
        rules.extend(self.channel_rules());
        let commands = self.command_rules();
        rules.extend(commands.split(|&byte| byte == b' ').map(<[u8]>::to_vec));
        rules
    }
}
