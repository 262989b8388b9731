//! Paths that are safe to write on every system.

use std::borrow::Borrow;
use std::fmt;

use crate::error::Error;

/// Bytes of one name: what file systems take.
const NAME_BYTES_MAX: usize = 255;
/// Bytes of a whole path: short enough to stand below a folder on every system.
const PATH_BYTES_MAX: usize = 1024;

/// A file's path inside a pack or an instance: relative, parts divided by `/`, and each part a name that Linux, macOS
/// and Windows all write as it is. It never leaves the folder that it is joined to.
///
/// Ordered by bytes, as indexes are.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PackPath(Box<str>);

impl PackPath {
    /// Takes a path as an archive or a manifest has it: nothing is mended, what is not plain is refused.
    ///
    /// # Errors
    /// [`Error::Path`] says what is wrong: an absolute path, `.` and `..`, backslashes, control characters, names that
    /// Windows keeps for devices or cannot write, names that belong to Git or to Atlas.
    pub fn parse(text: &str) -> Result<Self, Error> {
        let refused = |wrong| {
            Err(Error::Path {
                path: shortened(text),
                wrong,
            })
        };
        if let Some(wrong) = whole_wrong(text) {
            return refused(wrong);
        }
        for (at, name) in text.split('/').enumerate() {
            let wrong = match name {
                "" => Some("has an empty part"),
                "." | ".." => Some("has the part `.` or `..`"),
                _ => name_wrong(name, at == 0),
            };
            if let Some(wrong) = wrong {
                return refused(wrong);
            }
        }
        Ok(Self(text.into()))
    }

    /// Takes a path as an author writes it, as seen from a folder of the pack (`None`: its root): empty parts and `.`
    /// fall away and `..` goes up, as far as the root.
    ///
    /// # Errors
    /// [`Error::Path`] as [`PackPath::parse`], and if it would leave the pack.
    pub fn resolve(folder: Option<&Self>, text: &str) -> Result<Self, Error> {
        let refused = |wrong| Error::Path {
            path: shortened(text),
            wrong,
        };
        if let Some(wrong) = whole_wrong(text) {
            return Err(refused(wrong));
        }
        let mut parts: Vec<&str> = folder.map_or_else(Vec::new, |folder| folder.parts().collect());
        for name in text.split('/') {
            match name {
                "" | "." => {}
                ".." => {
                    parts.pop().ok_or_else(|| refused("leaves the pack"))?;
                }
                _ => parts.push(name),
            }
        }
        let last = text.rsplit('/').next();
        if parts.is_empty() || matches!(last, Some("" | "." | "..")) {
            return Err(refused("names no file"));
        }
        for (at, name) in parts.iter().enumerate() {
            if let Some(wrong) = name_wrong(name, at == 0) {
                return Err(refused(wrong));
            }
        }
        let path = parts.join("/");
        if path.len() > PATH_BYTES_MAX {
            return Err(refused("is longer than 1024 bytes"));
        }
        Ok(Self(path.into()))
    }

    /// A path made of parts of paths that were taken.
    pub(crate) fn from_checked(text: &str) -> Self {
        Self(text.into())
    }

    /// The path as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Its parts, from the outermost folder to the name.
    pub fn parts(&self) -> impl DoubleEndedIterator<Item = &str> {
        self.0.split('/')
    }

    /// The folder that it is in; none for what lies at the root.
    #[must_use]
    pub fn folder(&self) -> Option<Self> {
        let (folder, _) = self.0.rsplit_once('/')?;
        Some(Self(folder.into()))
    }

    /// Its last part.
    #[must_use]
    pub fn name(&self) -> &str {
        self.0.rsplit_once('/').map_or(&*self.0, |(_, name)| name)
    }
}

impl fmt::Display for PackPath {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(&self.0)
    }
}

impl fmt::Debug for PackPath {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, formatter)
    }
}

impl Borrow<str> for PackPath {
    fn borrow(&self) -> &str {
        &self.0
    }
}

fn shortened(text: &str) -> String {
    let mut short: String = text.chars().take(200).collect();
    if short.len() < text.len() {
        short.push('…');
    }
    short
}

fn whole_wrong(text: &str) -> Option<&'static str> {
    let mut letters = text.bytes();
    let drive =
        letters.next().is_some_and(|it| it.is_ascii_alphabetic()) && letters.next() == Some(b':');
    match text {
        "" => Some("is empty"),
        _ if text.len() > PATH_BYTES_MAX => Some("is longer than 1024 bytes"),
        _ if text.starts_with(['/', '\\']) => {
            Some("is absolute; write it as seen from the pack's folder")
        }
        _ if drive => Some("begins with a drive; write it as seen from the pack's folder"),
        _ if text.contains('\\') => Some("has a backslash; write / between folders"),
        _ => None,
    }
}

/// What is wrong with one name, at the root or below.
fn name_wrong(name: &str, at_root: bool) -> Option<&'static str> {
    if name.len() > NAME_BYTES_MAX {
        return Some("has a name of more than 255 bytes");
    }
    if name.contains('\0') {
        return Some("has a NUL character");
    }
    if name.chars().any(char::is_control) {
        return Some("has a control character");
    }
    if name.chars().any(steers) {
        return Some("has an invisible character that turns or hides text");
    }
    if name.contains(['"', '*', ':', '<', '>', '?', '|', '\\', '/']) {
        return Some("has one of the characters \" * : < > ? | which Windows does not allow");
    }
    if name.ends_with(['.', ' ']) {
        return Some("has a name that ends with a dot or a space, which Windows drops");
    }
    if is_device(name) {
        return Some("has a name that Windows keeps for a device");
    }
    if is_git(name) {
        return Some("has the name .git, which is Git's own");
    }
    if at_root && name.eq_ignore_ascii_case(".atlas") {
        return Some("lies in .atlas, where an instance keeps its own state");
    }
    None
}

/// Characters that make a name look like another one: text direction, and what has no width.
fn steers(character: char) -> bool {
    matches!(
        character,
        '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{2064}' | '\u{2066}'..='\u{206f}' | '\u{feff}'
    )
}

/// `CON`, `com1.txt`, `LPT²`: devices in every folder, whatever their ending.
fn is_device(name: &str) -> bool {
    let stem = name.split('.').next().unwrap_or(name).trim_end_matches(' ');
    let stem = stem.to_ascii_uppercase();
    if ["CON", "PRN", "AUX", "NUL", "CONIN$", "CONOUT$", "CLOCK$"].contains(&stem.as_str()) {
        return true;
    }
    let port = stem.strip_prefix("COM").or(stem.strip_prefix("LPT"));
    port.is_some_and(|port| {
        let mut digits = port.chars();
        let digit = digits.next();
        digits.next().is_none()
            && digit.is_some_and(|it| it.is_ascii_digit() || matches!(it, '¹' | '²' | '³'))
    })
}

/// `.git` in every spelling that some system opens as it.
fn is_git(name: &str) -> bool {
    name.eq_ignore_ascii_case(".git") || name.eq_ignore_ascii_case("git~1")
}

#[cfg(test)]
mod tests;
