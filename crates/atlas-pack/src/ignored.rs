//! Which files of a pack's folder are not part of the pack: `.packwizignore`.

use ignore::gitignore::{Gitignore, GitignoreBuilder};

use crate::error::Error;

/// What is left out of every pack, before the author's own patterns; those can take it back in with `!`.
const ALWAYS: [&str; 8] = [
    ".git/**",
    ".gitattributes",
    ".gitignore",
    ".DS_Store",
    "/*.zip",
    "*.mrpack",
    "packwiz.exe",
    "packwiz",
];

/// The patterns of a pack's ignore file, in the syntax of `.gitignore`.
#[derive(Clone, Debug)]
pub struct Ignored(Gitignore);

impl Ignored {
    /// The patterns of every pack, and after them those of this `.packwizignore`; an empty text if there is none.
    ///
    /// A pattern that cannot be read matches nothing and is told; the others hold.
    #[must_use]
    pub fn new(text: &str) -> (Self, Vec<Error>) {
        let mut builder = GitignoreBuilder::new("");
        let mut wrong = Vec::new();
        let text = text.trim_start_matches('\u{feff}');
        let own = text.lines().enumerate();
        let lines = ALWAYS
            .iter()
            .map(|line| (0, *line))
            .chain(own.map(|(at, line)| (at + 1, line)));
        for (line, pattern) in lines {
            if let Err(error) = builder.add_line(None, &without_braces(pattern)) {
                wrong.push(Error::Pattern {
                    line,
                    message: format!("{pattern:?} is no pattern: {error}"),
                });
            }
        }
        let built = builder.build().unwrap_or_else(|error| {
            wrong.push(Error::Pattern {
                line: 1,
                message: format!("the patterns cannot be used: {error}"),
            });
            Gitignore::empty()
        });
        (Self(built), wrong)
    }

    /// True if this folder is left out with everything in it. What lies in an ignored folder is not looked at, so that
    /// no `!` takes it back in.
    #[must_use]
    pub fn folder(&self, path: &str) -> bool {
        self.0.matched(path, true).is_ignore()
    }

    /// True if this file is left out; its folders are not looked at.
    #[must_use]
    pub fn file(&self, path: &str) -> bool {
        self.0.matched(path, false).is_ignore()
    }

    /// True if this file or one of its folders is left out.
    #[must_use]
    pub fn path(&self, path: &str) -> bool {
        let mut folders = path.match_indices('/').map(|(at, _)| &path[..at]);
        folders.any(|folder| self.folder(folder)) || self.file(path)
    }
}

/// The library takes `{a,b}` for a choice; in ignore files braces are letters.
fn without_braces(pattern: &str) -> String {
    let mut escaped = false;
    let mut text = String::with_capacity(pattern.len());
    for character in pattern.chars() {
        if matches!(character, '{' | '}') && !escaped {
            text.push('\\');
        }
        escaped = character == '\\' && !escaped;
        text.push(character);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ignored(text: &str) -> Ignored {
        let (ignored, wrong) = Ignored::new(text);
        assert_eq!(wrong, []);
        ignored
    }

    #[test]
    fn what_no_pack_has_is_left_out() {
        let ignored = ignored("");
        for path in [
            ".git/config",
            ".gitattributes",
            "config/.gitignore",
            "x/.DS_Store",
            "export.zip",
            "a/b.mrpack",
            "packwiz.exe",
            "packwiz/x",
            "tools/packwiz",
        ] {
            assert!(ignored.path(path), "{path}");
        }
        for path in [
            "mods/a.jar",
            "resourcepacks/a.zip",
            "packwiz.toml",
            "config/x.toml",
        ] {
            assert!(!ignored.path(path), "{path}");
        }
    }

    #[test]
    fn the_authors_patterns_come_after() {
        let ignored = ignored(
            "\u{feff}# notes\r\n/README.md\r\n*.psd\ndocs/\n!keep.psd\n!docs/keep.txt\n!/server.zip\nconfig/**/tmp\n{a,b}\n",
        );
        for path in [
            "README.md",
            "art/logo.psd",
            "docs/keep.txt",
            "x/docs/a",
            "config/a/b/tmp",
            "config/tmp",
            "x/{a,b}",
        ] {
            assert!(ignored.path(path), "{path}");
        }
        for path in [
            "config/README.md",
            "art/keep.psd",
            "server.zip",
            "docs.txt",
            "a",
        ] {
            assert!(!ignored.path(path), "{path}");
        }
    }

    #[test]
    fn a_pattern_that_is_none_is_told_and_the_others_hold() {
        let (ignored, wrong) = Ignored::new("a.txt\nb[z-a]\nc.txt\n");
        assert_eq!(wrong.len(), 1);
        assert_eq!(wrong[0].place().unwrap().line, 2);
        assert!(ignored.path("a.txt") && ignored.path("c.txt") && !ignored.path("bz"));
    }
}
