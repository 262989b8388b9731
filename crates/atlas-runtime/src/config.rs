//! Configuration: defaults < file < `ATLAS_SECTION__KEY` variables < flags, checked as a whole.
//!
//! The types are the single source: their doc comments are the reference, their `Default` the defaults, and their
//! JSON schema is what the checks, [`example`], [`reference()`] and [`schema`] are made of. A section is a struct with
//! `#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]` and `Serialize`, `Deserialize`, `JsonSchema`.

use std::{
    collections::BTreeSet,
    io,
    path::{Path, PathBuf},
};

use schemars::JsonSchema;
use serde::{Serialize, de::DeserializeOwned};

mod check;
mod layers;
mod names;
mod print;
mod problem;
mod shape;
mod tree;
mod typed;

#[cfg(test)]
mod tests;

use shape::Shape;
use tree::{Node, Path as KeyPath, Value};

pub use problem::{Error, KeyProblem, Place, Problem};

/// Where a configuration comes from. Each layer overrides those above it; all of them may be absent.
#[derive(Debug, Clone, Default)]
pub struct Sources {
    /// The file, TOML.
    pub file: Option<PathBuf>,
    /// The file's content, if it was read already; `file` is then only its name in messages.
    pub text: Option<String>,
    /// The process's variables, all of them: `ATLAS_SECTION__KEY` and `RUST_LOG` are looked at, the rest is not.
    pub variables: Vec<(String, String)>,
    /// Flags that stand for keys.
    pub flags: Vec<Flag>,
}

/// A flag of the command line that stands for a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Flag {
    /// The flag as it was written, for messages: `--listen`.
    pub name: String,
    /// The key: `edge.listen`.
    pub key: String,
    /// The value as text.
    pub value: String,
}

impl Flag {
    /// The flag `name` that sets `key` to `value`.
    #[must_use]
    pub fn new(name: impl Into<String>, key: impl Into<String>, value: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            key: key.into(),
            value: value.into(),
        }
    }
}

/// A configuration that was read and checked.
#[derive(Debug, Clone)]
pub struct Loaded<T> {
    /// The configuration.
    pub config: T,
    /// The sections that the file, a variable or a flag names (`edge`, `world`): the roles that a bare `atlas` runs.
    pub sections: BTreeSet<String>,
    /// The file that was read.
    pub file: Option<PathBuf>,
    given: Node,
}

/// Reads and checks a configuration.
///
/// # Errors
/// [`Error::Problems`] with everything that is wrong; another [`Error`] if the file cannot be read at all.
pub fn load<T>(sources: Sources) -> Result<Loaded<T>, Error>
where
    T: Default + Serialize + DeserializeOwned + JsonSchema,
{
    let shape = Shape::of::<T>();
    let mut problems = Vec::new();
    let mut given = match sources
        .text
        .map_or_else(|| read(sources.file.as_deref()), |text| Ok(Some(text)))?
    {
        Some(text) => {
            let name = sources.file.as_deref().map_or_else(
                || "configuration".to_owned(),
                |file| file.display().to_string(),
            );
            Node::read(&text, &name, &mut problems)
        }
        None => Node::empty(),
    };
    layers::variables(&mut given, &shape, &sources.variables, &mut problems);
    layers::flags(&mut given, &shape, &sources.flags, &mut problems);
    let mut found = Vec::new();
    check::node(&given, &KeyPath::default(), &shape, &shape, &mut found);
    // What stands on a line that is no TOML was guessed by the parser.
    let unread: Vec<Place> = problems
        .iter()
        .filter(|problem| problem.key.is_empty())
        .map(|problem| problem.place.clone())
        .collect();
    let (out, found): (Vec<_>, Vec<_>) = found.into_iter().unzip();
    problems.extend(
        found
            .into_iter()
            .filter(|problem| !unread.contains(&problem.place)),
    );
    let config = typed::read(given.clone(), out, &shape, &mut problems);
    match config {
        Some(config) if problems.is_empty() => {
            let sections = match &given.value {
                Value::Table(table) => table.keys().cloned().collect(),
                _ => BTreeSet::new(),
            };
            Ok(Loaded {
                config,
                sections,
                file: sources.file,
                given,
            })
        }
        _ => {
            problems.sort();
            problems.dedup();
            Err(Error::Problems(problems))
        }
    }
}

fn read(file: Option<&Path>) -> Result<Option<String>, Error> {
    let Some(file) = file else { return Ok(None) };
    let extension = file
        .extension()
        .map(|extension| extension.to_ascii_lowercase());
    if extension.is_some_and(|extension| extension == "yaml" || extension == "yml") {
        return Err(Error::Yaml {
            file: file.to_owned(),
        });
    }
    match std::fs::read_to_string(file) {
        Ok(text) => Ok(Some(text)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Err(Error::Missing {
            file: file.to_owned(),
        }),
        Err(source) => Err(Error::Read {
            file: file.to_owned(),
            source,
        }),
    }
}

impl<T> Loaded<T> {
    /// Where `key` (`world.main.servers[1].region`) was set; for a key that was not, where the table around it was.
    #[must_use]
    pub fn place(&self, key: &str) -> Place {
        self.given.nearest(&KeyPath::parse(key)).place.clone()
    }

    /// Whether the file, a variable or a flag sets `key` itself; the tables around it do not count.
    #[must_use]
    pub fn is_set(&self, key: &str) -> bool {
        let path = KeyPath::parse(key);
        let mut node = &self.given;
        path.0.iter().all(|step| {
            let child = node.child(step);
            node = child.unwrap_or(node);
            child.is_some()
        })
    }

    /// Something that a service finds wrong with the configuration's content, at its place.
    pub fn problem(&self, found: KeyProblem) -> Problem {
        Problem {
            place: self.place(&found.key),
            key: found.key,
            wrong: found.what,
            right: String::new(),
        }
    }
}

/// The configuration file to read: `explicit` (`--config`), else `ATLAS_CONFIG` of `variables`, else `./atlas.toml` or
/// `/etc/atlas/atlas.toml` if there is one.
#[must_use]
pub fn locate(explicit: Option<PathBuf>, variables: &[(String, String)]) -> Option<PathBuf> {
    let named = variables
        .iter()
        .find(|(name, value)| name == "ATLAS_CONFIG" && !value.is_empty());
    explicit
        .or_else(|| named.map(|(_, file)| PathBuf::from(file)))
        .or_else(|| {
            let usual = ["atlas.toml", "/etc/atlas/atlas.toml"];
            usual
                .iter()
                .map(Path::new)
                .find(|file| file.exists())
                .map(Path::to_owned)
        })
}

/// A word that people bring from elsewhere, and the key that does its work here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ForeignName {
    /// The word, in any writing of `_`, `-` and case.
    pub name: &'static str,
    /// The key here; `ROLE.listen` is the listen address of each role; empty if nothing is to be set.
    pub key: &'static str,
    /// What is different.
    pub note: &'static str,
}

/// The words that people bring from elsewhere; a configuration with one of them is refused with the key to use.
#[must_use]
pub fn names() -> &'static [ForeignName] {
    names::TABLE
}

/// A commented TOML file in which every value is the default, and which loads unchanged. `sections` chooses top-level
/// sections; none means all.
#[must_use]
pub fn example<T: JsonSchema>(sections: &[&str]) -> String {
    print::example(&Shape::of::<T>(), sections)
}

/// The reference in Markdown: each section with its keys, types, defaults and meaning.
#[must_use]
pub fn reference<T: JsonSchema>() -> String {
    print::reference(&Shape::of::<T>())
}

/// The configuration's JSON schema, for editors.
#[must_use]
pub fn schema<T: JsonSchema>() -> serde_json::Value {
    schemars::schema_for!(T).to_value()
}
