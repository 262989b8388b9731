//! What is wrong with a rule, and how rules of a selector that a client sent in pieces are put together.

use crate::Arguments;

/// Why a rule is not one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RuleError {
    /// It is none of the forms that there are.
    #[error("Syntax error")]
    Syntax,
    /// No such command, subcommand or category.
    #[error("Unknown command or category name in ACL")]
    Unknown,
    /// A key pattern behind the one for all keys.
    #[error(
        "Adding a pattern after the * pattern (or the 'allkeys' flag) is not valid and does not have any effect. Try 'resetkeys' to start with an empty list of patterns"
    )]
    BehindAllKeys,
    /// A channel pattern behind the one for all channels.
    #[error(
        "Adding a pattern after the * pattern (or the 'allchannels' flag) is not valid and does not have any effect. Try 'resetchannels' to start with an empty list of channels"
    )]
    BehindAllChannels,
    /// A password is to be removed that is not there.
    #[error("The password you are trying to remove from the user does not exist")]
    NoPassword,
    /// What is no hash.
    #[error(
        "The password hash must be exactly 64 characters and contain only lowercase hexadecimal characters"
    )]
    NoHash,
    /// An argument of a subcommand.
    #[error("Allowing first-arg of a subcommand is not supported")]
    OfSubcommand,
    /// The user would have more rules than a user may.
    #[error("A user with so many rules is not supported")]
    TooMany,
}

/// Puts rules together that belong to one selector: `(+get`, `~a*)`.
///
/// # Errors
/// The rule that opens a parenthesis which no other closes.
pub fn joined<'a>(rules: &Arguments<'a>) -> Result<Vec<Vec<u8>>, &'a [u8]> {
    joined_of(rules.iter())
}

/// As [`joined`].
pub(super) fn joined_of<'a>(
    rules: impl Iterator<Item = &'a [u8]>,
) -> Result<Vec<Vec<u8>>, &'a [u8]> {
    let mut whole = Vec::new();
    let mut open: Option<(&[u8], Vec<u8>)> = None;
    for rule in rules {
        if let Some((_, pieces)) = &mut open {
            pieces.push(b' ');
            pieces.extend_from_slice(rule);
            if rule.ends_with(b")") {
                whole.extend(open.take().map(|(_, pieces)| pieces));
            }
        } else if rule.starts_with(b"(") && !rule.ends_with(b")") {
            open = Some((rule, rule.to_vec()));
        } else {
            whole.push(rule.to_vec());
        }
    }
    match open {
        Some((first, _)) => Err(first),
        None => Ok(whole),
    }
}

/// True for what would end a word where rules are written down: names, patterns and arguments have none of it.
pub(super) fn has_spaces(word: &[u8]) -> bool {
    word.iter()
        .any(|byte| matches!(byte, b' ' | b'\t'..=b'\r' | 0))
}
