//! The file of users, in Redis's form: a line `user NAME RULES…` each.

use std::fmt::Write as _;

use super::rules::{RuleError, joined_of};
use super::user::User;
use super::users::{USERS_MAX, Users};

impl Users {
    /// The users that a file has; `name` is the file's, for complaints. Without one called `default` that is as a store
    /// begins with it.
    ///
    /// # Errors
    /// All that is wrong with it, in one line.
    pub fn of_file(text: &[u8], name: &str, is_all_channels: bool) -> Result<Self, String> {
        let mut users = Self::default();
        let mut wrong = String::new();
        let mut seen = std::collections::BTreeSet::new();
        for (number, line) in text.split(|&byte| byte == b'\n').enumerate() {
            let number = number + 1;
            let words = line.split(u8::is_ascii_whitespace);
            let words: Vec<&[u8]> = words.filter(|word| !word.is_empty()).collect();
            let Some((first, rest)) = words.split_first() else {
                continue;
            };
            let Some((user, rules)) = rest.split_first().filter(|_| *first == b"user") else {
                let _ = write!(
                    wrong,
                    "{name}:{number} should start with user keyword followed by the username. "
                );
                continue;
            };
            let shown = user.escape_ascii();
            if !User::is_name(user) {
                let _ = write!(
                    wrong,
                    "'{name}:{number}: username '{shown}' contains invalid characters. "
                );
                continue;
            }
            if !seen.insert(*user) {
                let _ = write!(
                    wrong,
                    "WARNING: Duplicate user '{shown}' found on line {number}. "
                );
                continue;
            }
            match read(user, rules, is_all_channels) {
                Ok(user) => users.put(user),
                Err(what) => {
                    let _ = write!(wrong, "{name}:{number}: {what}. ");
                }
            }
        }
        if users.count() > USERS_MAX {
            let _ = write!(wrong, "{name}: More than {USERS_MAX} users. ");
        }
        if wrong.is_empty() {
            return Ok(users);
        }
        wrong.push_str(
            "WARNING: ACL errors detected, no change to the previously active ACL rules was performed",
        );
        Err(wrong)
    }

    /// The file of these users.
    pub fn file(&self) -> Vec<u8> {
        let mut text = Vec::new();
        for user in self.iter() {
            text.extend_from_slice(&user.line());
            text.push(b'\n');
        }
        text
    }
}

fn read(name: &[u8], rules: &[&[u8]], is_all_channels: bool) -> Result<User, String> {
    let rules = joined_of(rules.iter().copied())
        .map_err(|_| "Unmatched parenthesis in selector definition".to_owned())?;
    let user = User::new(name, is_all_channels);
    user.with(&rules, is_all_channels)
        .map_err(|(rule, error)| match error {
            // Anything else may be a part of a password.
            RuleError::Unknown => {
                let rule = rule.escape_ascii();
                format!("Error in applying operation '{rule}': {error}")
            }
            _ => error.to_string(),
        })
}
