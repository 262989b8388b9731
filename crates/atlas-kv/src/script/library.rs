//! Libraries of functions: state, as keys are.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use super::cache::Sha;
use super::shebang::{self, NAME, ScriptFlags};
use crate::Error;
use crate::codec::{LoadError, Reader, put_bytes, put_integer};
use crate::digest::Digest;

/// A function of a library.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Function {
    /// Its name, unique among all functions whatever the case of its letters.
    pub name: String,
    /// What it says of itself.
    pub description: Option<Vec<u8>>,
    /// What it may do.
    pub flags: ScriptFlags,
}

impl Function {
    /// A function that a library registers.
    ///
    /// # Errors
    /// What is wrong with its name.
    pub fn new(
        name: &[u8],
        description: Option<Vec<u8>>,
        flags: ScriptFlags,
    ) -> Result<Self, &'static str> {
        let name = shebang::named(name).ok_or(NAME)?;
        Ok(Self {
            name,
            description,
            flags,
        })
    }
}

/// A library.
#[derive(Debug)]
pub struct Library {
    /// Its name.
    pub name: String,
    /// The SHA-1 of its source: what is compiled of it is known by that.
    pub sha: Sha,
    /// All of its source.
    pub source: Box<[u8]>,
    /// Its functions in the order in which it registers them.
    pub functions: Vec<Function>,
    begin: usize,
}

impl Library {
    pub(crate) fn new(name: String, source: &[u8], begin: usize, functions: Vec<Function>) -> Self {
        Self {
            name,
            sha: Sha::of(source),
            source: source.into(),
            functions,
            begin,
        }
    }

    /// The code, without what the first line says of it.
    pub fn code(&self) -> &[u8] {
        self.source.get(self.begin..).unwrap_or_default()
    }
}

/// All libraries.
#[derive(Clone, Debug, Default)]
pub(crate) struct Libraries {
    by_name: BTreeMap<String, Arc<Library>>,
    /// The functions by their names in lower case.
    functions: HashMap<String, (Arc<Library>, usize)>,
}

impl Libraries {
    pub(crate) fn is_empty(&self) -> bool {
        self.by_name.is_empty()
    }

    /// How many libraries there are, and how many functions.
    pub(crate) fn counts(&self) -> (usize, usize) {
        (self.by_name.len(), self.functions.len())
    }

    /// The memory that they take, about.
    pub(crate) fn bytes(&self) -> usize {
        let of = |library: &Arc<Library>| library.source.len() + 128 * library.functions.len();
        self.by_name.values().map(of).sum()
    }

    pub(crate) fn get(&self, name: &[u8]) -> Option<&Arc<Library>> {
        self.by_name.get(std::str::from_utf8(name).ok()?)
    }

    pub(crate) fn all(&self) -> impl Iterator<Item = &Arc<Library>> {
        self.by_name.values()
    }

    /// The function of a name, whatever the case of its letters.
    pub(crate) fn function(&self, name: &[u8]) -> Option<(&Arc<Library>, usize)> {
        let name = std::str::from_utf8(name).ok()?;
        let found = match self.functions.get(name) {
            Some(found) => found,
            None => self.functions.get(&name.to_ascii_lowercase())?,
        };
        Some((&found.0, found.1))
    }

    /// Adds a library in the place of the one of its name.
    ///
    /// # Errors
    /// If there is one and it is not to be replaced, or if another has a function of the same name.
    pub(crate) fn add(&mut self, library: Arc<Library>, replaces: bool) -> Result<(), Error> {
        if !replaces && self.by_name.contains_key(&library.name) {
            return Err(Error::line(format!(
                "ERR Library '{}' already exists",
                library.name
            )));
        }
        self.check(&library)?;
        self.remove(&library.name);
        for (at, function) in library.functions.iter().enumerate() {
            let name = function.name.to_ascii_lowercase();
            self.functions.insert(name, (Arc::clone(&library), at));
        }
        self.by_name.insert(library.name.clone(), library);
        Ok(())
    }

    fn check(&self, library: &Library) -> Result<(), Error> {
        for function in &library.functions {
            let name = function.name.to_ascii_lowercase();
            let other = self.functions.get(&name);
            if other.is_some_and(|(other, _)| other.name != library.name) {
                return Err(Error::line(format!(
                    "ERR Function {} already exists",
                    function.name
                )));
            }
        }
        Ok(())
    }

    /// Takes the libraries of others in, all of them or none.
    ///
    /// # Errors
    /// As [`Self::add`].
    pub(crate) fn join(&mut self, others: &Self, replaces: bool) -> Result<(), Error> {
        let mut joined = self.clone();
        for library in others.all() {
            let was_there = joined.remove(&library.name);
            if was_there && !replaces {
                return Err(Error::line(format!(
                    "ERR Library {} already exists",
                    library.name
                )));
            }
        }
        for library in others.all() {
            joined.add(Arc::clone(library), false)?;
        }
        *self = joined;
        Ok(())
    }

    /// Removes a library; true if it was there.
    pub(crate) fn remove(&mut self, name: &str) -> bool {
        let Some(library) = self.by_name.remove(name) else {
            return false;
        };
        for function in &library.functions {
            self.functions.remove(&function.name.to_ascii_lowercase());
        }
        true
    }

    /// The payloads of the blocks of a snapshot that hold them, one for each.
    pub(crate) fn encode(&self) -> Vec<Vec<u8>> {
        let encode = |library: &Arc<Library>| {
            let mut out = Vec::new();
            put_bytes(&mut out, &library.source);
            put_integer(&mut out, library.functions.len() as u64);
            for function in &library.functions {
                put_bytes(&mut out, function.name.as_bytes());
                put_integer(&mut out, u64::from(function.description.is_some()));
                put_bytes(
                    &mut out,
                    function.description.as_deref().unwrap_or_default(),
                );
                put_integer(&mut out, u64::from(function.flags.bits()));
            }
            out
        };
        self.all().map(encode).collect()
    }

    /// Reads one of these blocks.
    pub(crate) fn decode(&mut self, reader: &mut Reader<'_>) -> Result<(), LoadError> {
        let source = reader.bytes("a library")?;
        let (name, begin) = shebang::of_library(source)
            .map_err(|_| reader.impossible("a library whose first line is wrong"))?;
        let mut functions = Vec::new();
        for _ in 0..reader.integer("the number of functions")? {
            let name = reader.bytes("a function's name")?;
            let has_description = reader.integer("whether a function is described")? == 1;
            let description = reader.bytes("a function's description")?.to_vec();
            let flags = u32::try_from(reader.integer("a function's flags")?)
                .ok()
                .and_then(ScriptFlags::from_bits)
                .ok_or_else(|| reader.impossible("a function's flags that are not known"))?;
            let function = Function::new(name, has_description.then_some(description), flags)
                .map_err(|_| reader.impossible("no possible name of a function"))?;
            functions.push(function);
        }
        let library = Library::new(name, source, begin, functions);
        self.add(Arc::new(library), false)
            .map_err(|_| reader.impossible("a library or function twice"))
    }

    /// Feeds them into a hash of the state; nothing if there are none.
    pub(crate) fn digest(&self, digest: &mut Digest) {
        for block in self.encode() {
            digest.bytes(&block);
        }
    }
}
