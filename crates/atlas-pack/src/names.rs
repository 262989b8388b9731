//! Paths that some system takes for one.

use std::collections::BTreeMap;

use unicode_normalization::UnicodeNormalization;

use crate::path::PackPath;

/// Why two paths cannot both be written everywhere.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Clash {
    /// The same path once more.
    Same,
    /// Another file whose path differs only in upper and lower case or in the form of its Unicode letters: Windows and
    /// macOS keep one of them.
    Alike(PackPath),
    /// One is a file, the other a folder that has something in it.
    FileAndFolder(PackPath),
    /// Two folders that differ only so: one folder on Windows and macOS, two on Linux. Nothing is lost.
    Folders(PackPath, PackPath),
}

/// The paths of a pack, so that each new one can be held against all others. Its memory grows with what is new in each
/// path, not with the path.
#[derive(Clone, Debug, Default)]
pub struct Names {
    places: Vec<Place>,
    /// By folder and folded name.
    known: BTreeMap<(Option<usize>, Box<str>), usize>,
}

#[derive(Clone, Debug)]
struct Place {
    folder: Option<usize>,
    /// As it was written first.
    name: Box<str>,
    is_folder: bool,
}

impl Names {
    /// Takes a file's path in.
    ///
    /// # Errors
    /// What it clashes with. After [`Clash::Folders`] it is in all the same, after the others it is not.
    pub fn insert(&mut self, path: &PackPath) -> Result<(), Clash> {
        let mut folder = None;
        let mut alike = None;
        let mut names = path.parts().peekable();
        let mut end = 0;
        while let Some(name) = names.next() {
            end += name.len() + usize::from(end > 0);
            let is_folder = names.peek().is_some();
            let key = (folder, folded(name));
            let Some(&known) = self.known.get(&key) else {
                let new = self.places.len();
                self.places.push(Place {
                    folder,
                    name: name.into(),
                    is_folder,
                });
                self.known.insert(key, new);
                folder = Some(new);
                continue;
            };
            let place = &self.places[known];
            if !(is_folder && place.is_folder) {
                let other = self.path(known);
                return Err(match () {
                    () if is_folder || place.is_folder => Clash::FileAndFolder(other),
                    () if other == *path => Clash::Same,
                    () => Clash::Alike(other),
                });
            }
            if *place.name != *name {
                let this = PackPath::from_checked(&path.as_str()[..end]);
                alike = Some(Clash::Folders(this, self.path(known)));
            }
            folder = Some(known);
        }
        alike.map_or(Ok(()), Err)
    }

    /// A place's path as its parts were written first.
    fn path(&self, place: usize) -> PackPath {
        let mut names = Vec::new();
        let mut next = Some(place);
        while let Some(at) = next {
            names.push(&*self.places[at].name);
            next = self.places[at].folder;
        }
        names.reverse();
        PackPath::from_checked(&names.join("/"))
    }
}

/// The form in which paths are compared: letters taken apart as macOS does, without upper and lower case as Windows
/// compares them, letter by letter.
fn folded(path: &str) -> Box<str> {
    if path.is_ascii() {
        return path.to_ascii_lowercase().into();
    }
    let single = |character: char, mut forms: Box<dyn Iterator<Item = char>>| {
        let form = forms.next();
        match (form, forms.next()) {
            (Some(form), None) => form,
            _ => character,
        }
    };
    let folded = path.nfd().map(|character| {
        let upper = single(character, Box::new(character.to_uppercase()));
        single(upper, Box::new(upper.to_lowercase()))
    });
    let text: String = folded.nfd().collect();
    text.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(text: &str) -> PackPath {
        PackPath::parse(text).unwrap()
    }

    fn clash(first: &str, second: &str) -> Result<(), Clash> {
        let mut names = Names::default();
        names.insert(&path("config/other.toml")).unwrap();
        names.insert(&path(first)).unwrap();
        names.insert(&path(second))
    }

    #[test]
    fn paths_that_one_system_takes_for_one_clash() {
        assert_eq!(clash("a", "a"), Err(Clash::Same));
        for (first, second) in [
            ("a", "A"),
            ("mods/Sodium.jar", "mods/sodium.jar"),
            ("é", "e\u{301}"),
            ("É", "e\u{301}"),
            ("Ω", "\u{2126}"),
            ("K", "\u{212a}"),
            ("ſ", "S"),
            ("ДА", "да"),
        ] {
            assert_eq!(
                clash(first, second),
                Err(Clash::Alike(path(first))),
                "{first} {second}"
            );
        }
        assert_eq!(clash("straße", "strasse"), Ok(()));
        assert_eq!(clash("a", "b"), Ok(()));
    }

    #[test]
    fn a_file_is_no_folder() {
        let expected = |text| Err(Clash::FileAndFolder(path(text)));
        assert_eq!(clash("a", "a/b"), expected("a"));
        assert_eq!(clash("A", "a/b/c"), expected("A"));
        assert_eq!(clash("a/b/c", "a"), expected("a"));
        assert_eq!(clash("a/b/c", "A/B"), expected("a/b"));
        assert_eq!(clash("ab", "a/b"), Ok(()));
        assert_eq!(clash("a.b", "a/b"), Ok(()));
    }

    #[test]
    fn folders_that_are_one_elsewhere_are_told() {
        assert_eq!(
            clash("Mods/a", "mods/b"),
            Err(Clash::Folders(path("mods"), path("Mods")))
        );
        let mut names = Names::default();
        names.insert(&path("A/b/c")).unwrap();
        assert!(names.insert(&path("a/B/d")).is_err());
        assert_eq!(
            names.insert(&path("a/b/D")),
            Err(Clash::Alike(path("A/b/d"))),
            "a path that was told is in all the same"
        );
    }
}
