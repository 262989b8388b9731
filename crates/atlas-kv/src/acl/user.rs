//! A user: whether and by which passwords one may be it, and its rights.

use sha2::{Digest as _, Sha256};

use super::rules::{RuleError, has_spaces};
use super::selector::Selector;
use crate::{ArgumentBuffer, Arguments};

/// Rules of one user, passwords and selectors included.
const RULES_MAX: usize = 4096;

/// The hash of a password: SHA-256, as everything that Redis writes users to has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Password([u8; 32]);

impl Password {
    /// The hash of a password.
    pub fn of(password: &[u8]) -> Self {
        Self(Sha256::digest(password).into())
    }

    /// Reads 64 hexadecimal digits, with letters in lower case.
    fn read(digits: &[u8]) -> Option<Self> {
        let mut hash = [0; 32];
        if digits.len() != 2 * hash.len() {
            return None;
        }
        let digit = |byte: u8| match byte {
            b'0'..=b'9' => Some(byte - b'0'),
            b'a'..=b'f' => Some(byte - b'a' + 10),
            _ => None,
        };
        for (byte, pair) in hash.iter_mut().zip(digits.chunks_exact(2)) {
            *byte = digit(pair[0])? << 4 | digit(pair[1])?;
        }
        Some(Self(hash))
    }

    /// Its 64 hexadecimal digits.
    pub fn digits(&self) -> String {
        let digits = b"0123456789abcdef";
        let of = |byte: &u8| {
            [
                digits[usize::from(byte >> 4)],
                digits[usize::from(byte & 15)],
            ]
        };
        self.0.iter().flat_map(of).map(char::from).collect()
    }

    /// Compares in a time that does not tell how much is equal.
    fn is(&self, other: &Self) -> bool {
        let pairs = self.0.iter().zip(&other.0);
        pairs.fold(0, |different, (one, other)| different | (one ^ other)) == 0
    }
}

/// A user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct User {
    name: Box<[u8]>,
    is_on: bool,
    is_nopass: bool,
    /// Whether `RESTORE` looks closer at what this user gives it, if anybody has said so; it always does.
    is_sanitized: Option<bool>,
    passwords: Vec<Password>,
    root: Selector,
    others: Vec<Selector>,
    is_unrestricted: bool,
}

impl User {
    /// The name of the user that every connection begins as.
    pub const DEFAULT: &[u8] = b"default";

    /// A user that may do nothing and that nobody can be.
    pub fn new(name: &[u8], is_all_channels: bool) -> Self {
        Self {
            name: name.into(),
            is_on: false,
            is_nopass: false,
            is_sanitized: None,
            passwords: Vec::new(),
            root: Selector::new(is_all_channels),
            others: Vec::new(),
            is_unrestricted: false,
        }
    }

    /// The user `default` as a store begins with it: it needs no password and may do everything.
    pub fn default_user() -> Self {
        let mut user = Self::new(Self::DEFAULT, false);
        for rule in ["+@all", "~*", "&*", "on", "nopass"] {
            // These are rules.
            let _ = user.set_one(rule.as_bytes(), false, false);
        }
        user.settled()
    }

    /// True for what can be a name.
    pub fn is_name(name: &[u8]) -> bool {
        !name.is_empty() && !has_spaces(name)
    }

    /// Its name.
    pub fn name(&self) -> &[u8] {
        &self.name
    }

    /// True if one may become it.
    pub fn is_on(&self) -> bool {
        self.is_on
    }

    /// True if it takes any password, and none.
    pub fn is_nopass(&self) -> bool {
        self.is_nopass
    }

    /// True if a connection is it without having said a password.
    pub fn is_open(&self) -> bool {
        self.is_on && self.is_nopass
    }

    /// True if it may do everything: then there is nothing to look up.
    #[inline]
    pub fn is_unrestricted(&self) -> bool {
        self.is_unrestricted
    }

    /// The hashes of its passwords.
    pub fn passwords(&self) -> &[Password] {
        &self.passwords
    }

    /// Its rights: first those of its own, then its selectors.
    pub fn selectors(&self) -> impl Iterator<Item = &Selector> {
        std::iter::once(&self.root).chain(&self.others)
    }

    /// True if one may become it with this password.
    pub fn accepts(&self, password: &[u8]) -> bool {
        if !self.is_on {
            return false;
        }
        if self.is_nopass {
            return true;
        }
        let given = Password::of(password);
        let held = self.passwords.iter();
        // Each is compared, so that the time does not tell which it was.
        held.fold(false, |is, one| is | one.is(&given))
    }

    /// The words about it: whether it is on, needs passwords, and what `RESTORE` does.
    pub fn flags(&self) -> Vec<&'static str> {
        let mut flags = vec![if self.is_on { "on" } else { "off" }];
        if self.is_nopass {
            flags.push("nopass");
        }
        match self.is_sanitized {
            Some(true) => flags.push("sanitize-payload"),
            Some(false) => flags.push("skip-sanitize-payload"),
            None => {}
        }
        flags
    }

    /// The same user after rules, of which those of a selector stand together ([`super::joined`]). `is_all_channels` is
    /// what a new selector may do with channels.
    ///
    /// # Errors
    /// The first rule that is none, and why.
    pub fn with<R: AsRef<[u8]>>(
        &self,
        rules: &[R],
        is_all_channels: bool,
    ) -> Result<Self, (Vec<u8>, RuleError)> {
        let mut user = self.clone();
        for rule in rules {
            let rule = rule.as_ref();
            user.set_one(rule, is_all_channels, false)
                .map_err(|error| (rule.to_vec(), error))?;
        }
        Ok(user.settled())
    }

    /// The same user with another password's hash, and no longer without one.
    pub fn with_password(&self, password: Password) -> Self {
        let mut user = self.clone();
        user.is_nopass = false;
        if !user.passwords.contains(&password) {
            user.passwords.push(password);
        }
        user
    }

    /// The same user without a password's hash. Without another one it needs none.
    pub fn without_password(&self, password: Password) -> Self {
        let mut user = self.clone();
        user.passwords.retain(|held| *held != password);
        user.is_nopass |= user.passwords.is_empty();
        user
    }

    /// A user from its [`Self::rules`].
    ///
    /// # Errors
    /// If they cannot be that, even by a later version.
    pub(crate) fn restored<'a>(
        name: &[u8],
        rules: impl IntoIterator<Item = &'a [u8]>,
    ) -> Result<Self, RuleError> {
        let mut user = Self::new(name, false);
        for rule in rules {
            user.set_one(rule, false, true)?;
        }
        Ok(user.settled())
    }

    fn settled(mut self) -> Self {
        let is_unrestricted = self.selectors().any(Selector::is_unrestricted);
        self.is_unrestricted = is_unrestricted;
        self
    }

    fn set_one(
        &mut self,
        rule: &[u8],
        is_all_channels: bool,
        was_taken: bool,
    ) -> Result<(), RuleError> {
        let is = |word: &str| rule.eq_ignore_ascii_case(word.as_bytes());
        if rule.is_empty() {
            return Ok(());
        }
        if is("on") || is("off") {
            self.is_on = is("on");
        } else if is("skip-sanitize-payload") || is("sanitize-payload") {
            self.is_sanitized = Some(is("sanitize-payload"));
        } else if is("nopass") || is("resetpass") {
            self.is_nopass = is("nopass");
            self.passwords.clear();
        } else if is("clearselectors") {
            self.others.clear();
        } else if is("reset") {
            let name = std::mem::take(&mut self.name);
            *self = Self::new(&name, is_all_channels);
            self.is_sanitized = Some(true);
        } else if matches!(rule[0], b'>' | b'#' | b'<' | b'!') {
            self.set_password(rule)?;
        } else if rule[0] == b'(' && rule.ends_with(b")") && rule.len() > 1 {
            let mut selector = Selector::new(is_all_channels);
            let inner = rule[1..rule.len() - 1].split(u8::is_ascii_whitespace);
            for rule in inner.filter(|rule| !rule.is_empty()) {
                selector.set(rule, was_taken)?;
            }
            self.others.push(selector);
        } else {
            self.root.set(rule, was_taken)?;
        }
        if self.count() > RULES_MAX {
            return Err(RuleError::TooMany);
        }
        Ok(())
    }

    fn set_password(&mut self, rule: &[u8]) -> Result<(), RuleError> {
        let password = match rule[0] {
            b'>' | b'<' => Password::of(&rule[1..]),
            _ => Password::read(&rule[1..]).ok_or(RuleError::NoHash)?,
        };
        let held = self.passwords.iter().position(|one| *one == password);
        if matches!(rule[0], b'>' | b'#') {
            if held.is_none() {
                self.passwords.push(password);
            }
            self.is_nopass = false;
        } else {
            self.passwords.remove(held.ok_or(RuleError::NoPassword)?);
        }
        Ok(())
    }

    fn count(&self) -> usize {
        let selectors = self.selectors().map(|selector| 1 + selector.count());
        self.passwords.len() + selectors.sum::<usize>()
    }

    /// What makes it of a user that may do nothing, rule by rule.
    pub fn rules(&self) -> Vec<Vec<u8>> {
        let words = self.flags().into_iter();
        let mut rules: Vec<Vec<u8>> = words.map(|word| word.as_bytes().to_vec()).collect();
        let passwords = self.passwords.iter();
        rules.extend(passwords.map(|held| format!("#{}", held.digits()).into_bytes()));
        rules.extend(self.root.rules());
        for selector in &self.others {
            let inner = selector.rules().join(&b' ');
            rules.push([b"(", &*inner, b")"].concat());
        }
        rules
    }

    /// A line of an ACL file: `user NAME RULES…`.
    pub fn line(&self) -> Vec<u8> {
        let mut line = [b"user ", &*self.name].concat();
        for rule in self.rules() {
            line.push(b' ');
            line.extend_from_slice(&rule);
        }
        line
    }

    /// The record that makes this user, whatever was there before.
    pub fn record(&self) -> ArgumentBuffer {
        let mut record = ArgumentBuffer::of([b"ACL", b"SETUSER".as_slice(), &self.name, b"reset"]);
        for rule in self.rules() {
            record.push(&rule);
        }
        record
    }

    /// The user that such a record makes.
    pub(super) fn of_record(arguments: &Arguments<'_>) -> Result<Self, RuleError> {
        // What stands behind `reset` is all there is: nothing of it depends on settings.
        let rules = arguments.skip(if arguments.is(3, "reset") { 4 } else { 3 });
        Self::restored(arguments.at(2), rules.iter())
    }
}
