//! The first line of a script or library: `#!lua flags=no-writes`, `#!lua name=mylib`.

use bitflags::bitflags;

use crate::Error;
use crate::command::shown;

bitflags! {
    /// What a script or function says of itself.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
    pub struct ScriptFlags: u32 {
        /// It never writes.
        const NO_WRITES = 1;
        /// It may run, and write, when memory is short.
        const ALLOW_OOM = 1 << 1;
        /// On a replica with old data, too.
        const ALLOW_STALE = 1 << 2;
        /// Not in a cluster.
        const NO_CLUSTER = 1 << 3;
        /// It touches keys of several slots.
        const ALLOW_CROSS_SLOT_KEYS = 1 << 4;
    }
}

/// The flags in Redis's order, with the names that people write.
const NAMES: [(&str, ScriptFlags); 5] = [
    ("no-writes", ScriptFlags::NO_WRITES),
    ("allow-oom", ScriptFlags::ALLOW_OOM),
    ("allow-stale", ScriptFlags::ALLOW_STALE),
    ("no-cluster", ScriptFlags::NO_CLUSTER),
    ("allow-cross-slot-keys", ScriptFlags::ALLOW_CROSS_SLOT_KEYS),
];

impl ScriptFlags {
    /// The flag of a name.
    pub fn named(name: &[u8]) -> Option<Self> {
        let mut all = NAMES.iter();
        all.find(|(known, _)| known.as_bytes() == name)
            .map(|(_, flag)| *flag)
    }

    /// The names of the flags that are set, in Redis's order.
    pub fn names(self) -> impl Iterator<Item = &'static str> {
        NAMES
            .iter()
            .filter(move |(_, flag)| self.contains(*flag))
            .map(|(name, _)| *name)
    }
}

/// A script's flags, none if it has no first line of that kind, and where the code begins: at the end of that line, so that
/// lines keep their numbers.
pub(super) fn of_script(source: &[u8]) -> Result<(Option<ScriptFlags>, usize), Error> {
    if !source.starts_with(b"#!") {
        return Ok((None, 0));
    }
    let Some(end) = source.iter().position(|&byte| byte == b'\n') else {
        return Err(Error::fixed("ERR Invalid script shebang"));
    };
    let parts = words(&source[..end]).filter(|parts| !parts.is_empty());
    let Some(parts) = parts else {
        return Err(Error::fixed("ERR Invalid engine in script shebang"));
    };
    if parts[0] != b"#!lua" {
        return Err(Error::line(format!(
            "ERR Unexpected engine in script shebang: {}",
            shown(&parts[0], 128)
        )));
    }
    let mut flags = ScriptFlags::empty();
    for part in &parts[1..] {
        let Some(named) = part.strip_prefix(b"flags=") else {
            return Err(Error::line(format!(
                "ERR Unknown lua shebang option: {}",
                shown(part, 128)
            )));
        };
        if named.is_empty() {
            continue;
        }
        for name in named.split(|&byte| byte == b',') {
            flags |= ScriptFlags::named(name).ok_or_else(|| {
                Error::line(format!(
                    "ERR Unexpected flag in script shebang: {}",
                    shown(name, 128)
                ))
            })?;
        }
    }
    Ok((Some(flags), end))
}

/// A library's name, and where the code begins.
pub(super) fn of_library(source: &[u8]) -> Result<(String, usize), Error> {
    if !source.starts_with(b"#!") {
        return Err(Error::fixed("ERR Missing library metadata"));
    }
    let invalid = || Error::fixed("ERR Invalid library metadata");
    let end = source.iter().position(|&byte| byte == b'\n');
    let end = end.ok_or_else(invalid)?;
    let parts = words(&source[..end]).filter(|parts| !parts.is_empty());
    let parts = parts.ok_or_else(invalid)?;
    let mut name: Option<&[u8]> = None;
    for part in &parts[1..] {
        if part.len() >= 5 && part[..5].eq_ignore_ascii_case(b"name=") {
            if name.is_some() {
                return Err(Error::fixed(
                    "ERR Invalid metadata value, name argument was given multiple times",
                ));
            }
            name = Some(&part[5..]);
        } else {
            return Err(Error::line(format!(
                "ERR Invalid metadata value given: {}",
                shown(part, 128)
            )));
        }
    }
    let Some(name) = name else {
        return Err(Error::fixed("ERR Library name was not given"));
    };
    let name = named(name).ok_or_else(|| Error::line(format!("ERR {NAME}")))?;
    let engine = &parts[0][2..];
    if !engine.eq_ignore_ascii_case(b"lua") {
        return Err(Error::line(format!(
            "ERR Engine '{}' not found",
            shown(engine, 128)
        )));
    }
    Ok((name, end))
}

/// What is wrong with a library's or a function's name.
pub(super) const NAME: &str = "Library names can only contain letters, numbers, or underscores(_) and must be at least one character long";

/// A name of letters, digits and underscores.
pub(super) fn named(name: &[u8]) -> Option<String> {
    let is_fine = |byte: &u8| byte.is_ascii_alphanumeric() || *byte == b'_';
    (!name.is_empty() && name.iter().all(is_fine))
        .then(|| String::from_utf8(name.to_vec()).ok())
        .flatten()
}

/// The words of a line, some of them in quotes; none if a quote is not closed, or something follows one at once.
fn words(line: &[u8]) -> Option<Vec<Vec<u8>>> {
    let mut words = Vec::new();
    let mut rest = line;
    loop {
        rest = rest.trim_ascii_start();
        if rest.is_empty() {
            return Some(words);
        }
        let mut word = Vec::new();
        loop {
            match rest {
                [] => break,
                [b'"', after @ ..] => rest = quoted(after, &mut word)?,
                [b'\'', after @ ..] => {
                    let end = after.iter().position(|&byte| byte == b'\'')?;
                    word.extend_from_slice(&after[..end]);
                    rest = ended(&after[end + 1..])?;
                }
                [byte, after @ ..] if byte.is_ascii_whitespace() || *byte == 0 => {
                    rest = after;
                    break;
                }
                [byte, after @ ..] => {
                    word.push(*byte);
                    rest = after;
                }
            }
        }
        words.push(word);
    }
}

/// What follows a closing quote: a space or nothing.
fn ended(rest: &[u8]) -> Option<&[u8]> {
    rest.first()
        .is_none_or(u8::is_ascii_whitespace)
        .then_some(rest)
}

fn quoted<'a>(line: &'a [u8], word: &mut Vec<u8>) -> Option<&'a [u8]> {
    let mut rest = line;
    loop {
        match rest {
            [] => return None,
            [b'"', after @ ..] => return ended(after),
            [b'\\', b'x', high, low, after @ ..]
                if high.is_ascii_hexdigit() && low.is_ascii_hexdigit() =>
            {
                let digit = |byte: u8| char::from(byte).to_digit(16).unwrap_or(0) as u8;
                word.push(digit(*high) << 4 | digit(*low));
                rest = after;
            }
            [b'\\', escaped, after @ ..] => {
                word.push(match escaped {
                    b'n' => b'\n',
                    b'r' => b'\r',
                    b't' => b'\t',
                    b'b' => 8,
                    b'a' => 7,
                    other => *other,
                });
                rest = after;
            }
            [byte, after @ ..] => {
                word.push(*byte);
                rest = after;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flags_of_scripts() {
        let of = |source: &str| of_script(source.as_bytes()).map_err(|error| error.to_string());
        assert_eq!(of("return 1"), Ok((None, 0)));
        assert_eq!(of("#!lua\nx"), Ok((Some(ScriptFlags::empty()), 5)));
        assert_eq!(of("#!lua flags=\nx").unwrap().0, Some(ScriptFlags::empty()));
        let both = ScriptFlags::NO_WRITES | ScriptFlags::ALLOW_OOM;
        assert_eq!(
            of("#!lua flags=no-writes,allow-oom\n").unwrap().0,
            Some(both)
        );
        for (source, error) in [
            ("#!lua", "ERR Invalid script shebang"),
            (
                "#!perl\n",
                "ERR Unexpected engine in script shebang: #!perl",
            ),
            ("#!lua x=1\n", "ERR Unknown lua shebang option: x=1"),
            (
                "#!lua flags=a\n",
                "ERR Unexpected flag in script shebang: a",
            ),
        ] {
            assert_eq!(of(source), Err(error.to_owned()));
        }
    }

    #[test]
    fn names_of_libraries() {
        let of = |source: &str| of_library(source.as_bytes()).map_err(|error| error.to_string());
        assert_eq!(of("#!lua name=a_1\n"), Ok(("a_1".to_owned(), 14)));
        assert_eq!(of("#!LUA name=\"foo\"\n").unwrap().0, "foo");
        for (source, error) in [
            ("return", "ERR Missing library metadata"),
            ("#!lua name=a", "ERR Invalid library metadata"),
            ("#! name=test\n", "ERR Engine '' not found"),
            ("#!lua\n", "ERR Library name was not given"),
            (
                "#!lua name=a b=c\n",
                "ERR Invalid metadata value given: b=c",
            ),
            (
                "#!lua name=a name=b\n",
                "ERR Invalid metadata value, name argument was given multiple times",
            ),
        ] {
            assert_eq!(of(source), Err(error.to_owned()), "{source}");
        }
        assert!(of("#!lua name=\"a b\"\n").is_err());
    }
}
