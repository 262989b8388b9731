//! A command: its words, where it goes, and whether it may be done twice.

use std::fmt;
use std::ops::Range;

use crate::slot::slot;

/// A command as it will be sent.
#[derive(Clone)]
pub struct Command {
    /// All words, one behind the other.
    bytes: Vec<u8>,
    words: Vec<Range<usize>>,
    slot: Option<u16>,
    repeatable: bool,
}

impl Command {
    /// A command of one word: its name.
    pub fn new(name: &str) -> Self {
        Self {
            bytes: Vec::with_capacity(64),
            words: Vec::with_capacity(4),
            slot: None,
            repeatable: false,
        }
        .arg(name)
    }

    /// Adds a word that is a key. The first one says which server of a cluster the command goes to.
    #[must_use]
    pub fn key(mut self, key: impl AsRef<[u8]>) -> Self {
        let key = key.as_ref();
        self.slot = self.slot.or_else(|| Some(slot(key)));
        self.arg(key)
    }

    /// Adds a word.
    #[must_use]
    pub fn arg(mut self, word: impl AsRef<[u8]>) -> Self {
        let start = self.bytes.len();
        self.bytes.extend_from_slice(word.as_ref());
        self.words.push(start..self.bytes.len());
        self
    }

    /// Adds a number.
    #[must_use]
    pub fn number(self, number: i64) -> Self {
        self.arg(number.to_string())
    }

    /// Adds several words.
    #[must_use]
    pub fn args<A: AsRef<[u8]>>(self, words: impl IntoIterator<Item = A>) -> Self {
        words
            .into_iter()
            .fold(self, |command, word| command.arg(word))
    }

    /// Says that the command may be done twice: it reads, or doing it again changes nothing (`SET` without conditions,
    /// `DEL` whose count is not looked at). Only then is it sent again after a connection was lost under it.
    #[must_use]
    pub fn repeatable(mut self) -> Self {
        self.repeatable = true;
        self
    }

    /// Whether it may be done twice.
    pub fn is_repeatable(&self) -> bool {
        self.repeatable
    }

    pub(crate) fn slot(&self) -> Option<u16> {
        self.slot
    }

    pub(crate) fn encode(&self, out: &mut Vec<u8>) {
        let words = self.words.iter();
        atlas_resp::command(
            out,
            words.map(|word| self.bytes.get(word.clone()).unwrap_or_default()),
        );
    }
}

/// The name and how many words follow: what they are may be a secret.
impl fmt::Debug for Command {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = self
            .words
            .first()
            .and_then(|word| self.bytes.get(word.clone()));
        let name = String::from_utf8_lossy(name.unwrap_or_default());
        write!(f, "Command({name} and {} more)", self.words.len() - 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_sent_as_they_are_and_the_first_key_says_where() {
        let command = Command::new("EVAL")
            .arg("return 1")
            .number(-2)
            .key("{b}a")
            .key("c")
            .args(["", "\r\n"]);
        let mut out = Vec::new();
        command.encode(&mut out);
        let expected = "*7\r\n$4\r\nEVAL\r\n$8\r\nreturn 1\r\n$2\r\n-2\r\n$4\r\n{b}a\r\n$1\r\nc\r\n$0\r\n\r\n$2\r\n\r\n\r\n";
        assert_eq!(String::from_utf8(out).unwrap(), expected);
        assert_eq!(command.slot(), Some(slot(b"b")));
        assert_eq!(Command::new("PING").slot(), None);
        assert!(!command.is_repeatable() && command.repeatable().is_repeatable());
    }

    #[test]
    fn secrets_are_not_shown() {
        let shown = format!("{:?}", Command::new("AUTH").arg("hunter2"));
        assert_eq!(shown, "Command(AUTH and 1 more)");
    }
}
