//! A whole pack out of a tree: what it installs where, and everything that is wrong with it.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Read};

use crate::check;
use crate::document::{Document, Place};
use crate::error::Error;
use crate::finding::{Finding, Notes, Severity};
use crate::hash::{Hash, HashFormat, Hasher};
use crate::ignored::Ignored;
use crate::limits::Limits;
use crate::packwiz::{Index, IndexEntry, Metafile, Pack, Side, is_metafile_name};
use crate::path::PackPath;
use crate::tree::{Entry, Kind, Tree};

const PACK_FILE: &str = "pack.toml";
const IGNORE_FILE: &str = ".packwizignore";
/// How a file begins that Git LFS put in place of another one.
const LFS_POINTER: &[u8] = b"version https://git-lfs.github.com/spec/";

/// Where the bytes of an installed file come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// The pack's own tree.
    Tree(PackPath),
    /// Elsewhere; the metafile of this path says where.
    Remote {
        /// The metafile's path.
        path: PackPath,
        /// What it says.
        metafile: Box<Metafile>,
    },
}

/// A file that the pack installs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Item {
    /// Under which path.
    pub path: PackPath,
    /// Where its bytes come from.
    pub origin: Origin,
    /// What a player already has under this path stays.
    pub preserve: bool,
    /// Where the index names it.
    pub place: Place,
}

impl Item {
    /// On which side it is installed.
    #[must_use]
    pub fn side(&self) -> Side {
        match &self.origin {
            Origin::Tree(_) => Side::Both,
            Origin::Remote { metafile, .. } => metafile.side,
        }
    }
}

/// A pack as its source has it.
#[derive(Clone, Debug)]
pub struct Source {
    /// What `pack.toml` says, if it can be read.
    pub pack: Option<Pack>,
    /// The index's path, if there is one.
    pub index_path: Option<PackPath>,
    /// What it installs, in the index's order; what cannot be read is left out.
    pub items: Vec<Item>,
    /// How many files of the index are left out, each for a reason that is a finding.
    pub left_out: usize,
    /// What is wrong with it, by file and place.
    pub findings: Vec<Finding>,
}

impl Source {
    /// Reads a pack: every file that the index names, every hash that is given, and what lies beside. It goes on after a
    /// mistake.
    ///
    /// # Errors
    /// What kept the tree from being listed. A single file that cannot be read is a finding.
    pub fn read(tree: &dyn Tree, limits: &Limits) -> io::Result<Self> {
        let mut reading = Reading {
            tree,
            limits,
            findings: Vec::new(),
            index_file: String::new(),
        };
        let (ignored, has_ignore_file) = reading.ignored();
        let entries = tree.entries(&|folder| ignored.folder(folder), limits.files_max)?;
        let mut source = reading.pack(&entries, &ignored, has_ignore_file);
        check::whole(&mut source);
        source.findings.sort_by(|a, b| {
            (&a.file, a.place, a.severity, a.rule).cmp(&(&b.file, b.place, b.severity, b.rule))
        });
        source.findings.dedup();
        Ok(source)
    }

    /// How many findings there are of this severity.
    #[must_use]
    pub fn count(&self, severity: Severity) -> usize {
        let of = self.findings.iter();
        of.filter(|finding| finding.severity == severity).count()
    }
}

struct Reading<'a> {
    tree: &'a dyn Tree,
    limits: &'a Limits,
    findings: Vec<Finding>,
    index_file: String,
}

impl Reading<'_> {
    fn notes<'b>(&'b mut self, file: &'b str) -> Notes<'b> {
        Notes {
            file,
            findings: &mut self.findings,
        }
    }

    /// Of every file but the index.
    fn file_limits(&self) -> (u64, usize) {
        (self.limits.file_bytes_max, self.limits.file_values_max)
    }

    fn ignored(&mut self) -> (Ignored, bool) {
        let path = PackPath::from_checked(IGNORE_FILE);
        let limit = self.limits.file_bytes_max;
        let read = read_whole(self.tree, &path, limit);
        let has_file = read.is_ok();
        let text = match read {
            Ok(bytes) => String::from_utf8_lossy(&bytes).into_owned(),
            Err(Unread::Io(error)) if error.kind() == io::ErrorKind::NotFound => String::new(),
            Err(unread) => {
                unread.note(&mut self.notes(IGNORE_FILE), None);
                String::new()
            }
        };
        let (ignored, wrong) = Ignored::new(&text);
        for error in wrong {
            self.notes(IGNORE_FILE).refused(None, &error);
        }
        (ignored, has_file)
    }

    fn pack(mut self, entries: &[Entry], ignored: &Ignored, has_ignore_file: bool) -> Source {
        let pack_path = PackPath::from_checked(PACK_FILE);
        let (pack, index_path) = match self.document(&pack_path, self.file_limits(), None) {
            Some((document, _)) => {
                let (pack, findings) = Pack::read(&document, PACK_FILE);
                self.findings.extend(findings);
                let path = pack.as_ref().and_then(|pack| self.index_path(pack));
                (pack, path)
            }
            None => (None, None),
        };
        let index = pack
            .as_ref()
            .zip(index_path.as_ref())
            .and_then(|(pack, path)| self.index(pack, path));
        let mut items = Vec::new();
        let mut left_out = 0;
        if let Some((index, path)) = index.as_ref().zip(index_path.as_ref()) {
            self.index_file = path.to_string();
            let kinds: BTreeMap<&str, Kind> = entries
                .iter()
                .map(|entry| (&*entry.path, entry.kind))
                .collect();
            let hashes = pack.as_ref().is_some_and(|pack| !pack.no_internal_hashes);
            self.check_hashes_given(index, hashes);
            let mut named = BTreeSet::new();
            for entry in &index.files {
                let Some(file) = self.entry_path(entry, path) else {
                    left_out += 1;
                    continue;
                };
                match self.item(entry, &file, &kinds) {
                    Some(item) => items.push(item),
                    None => left_out += 1,
                }
                named.insert(file);
            }
            self.check_unnamed(entries, ignored, &named, path, has_ignore_file);
        }
        self.check_kinds(entries, ignored);
        Source {
            pack,
            index_path,
            items,
            left_out,
            findings: self.findings,
        }
    }

    fn index_path(&mut self, pack: &Pack) -> Option<PackPath> {
        match PackPath::resolve(None, &pack.index_file.value) {
            Ok(path) => Some(path),
            Err(error) => {
                self.notes(PACK_FILE)
                    .refused(Some(pack.index_file.place), &error);
                None
            }
        }
    }

    fn index(&mut self, pack: &Pack, path: &PackPath) -> Option<Index> {
        let limit = (self.limits.index_bytes_max, self.limits.index_values_max);
        let (document, bytes) =
            self.document(path, limit, Some((PACK_FILE, pack.index_file.place)))?;
        if let Some(expected) = &pack.index_hash
            && !pack.no_internal_hashes
        {
            let found = Hash::of(expected.value.format(), &bytes);
            if found != expected.value {
                let line_ends = line_ends(&expected.value, &bytes);
                let message = format!("{path} has another {} hash than this", found.format());
                self.notes(PACK_FILE)
                    .error("hash-mismatch", Some(expected.place), message)
                    .hint(line_ends.unwrap_or(
                        "if you changed the pack, run `packwiz refresh`; its hash is {found}",
                    ).replace("{found}", &found.to_string()));
            }
        }
        let (index, findings) = Index::read(&document, path.as_str());
        self.findings.extend(findings);
        index
    }

    /// A TOML file. That a file is missing is told where it is named.
    fn document(
        &mut self,
        path: &PackPath,
        (bytes_max, values_max): (u64, usize),
        named: Option<(&str, Place)>,
    ) -> Option<(Document, Vec<u8>)> {
        let bytes = match read_whole(self.tree, path, bytes_max) {
            Ok(bytes) => bytes,
            Err(unread) => {
                match named {
                    Some((file, place)) => {
                        unread.note(&mut self.notes(file), Some((path, place)));
                    }
                    None => unread.note(&mut self.notes(path.as_str()), None),
                }
                return None;
            }
        };
        match Document::read(&bytes, bytes_max, values_max) {
            Ok(document) => Some((document, bytes)),
            Err(error) => {
                let file = path.to_string();
                let is_pointer = bytes.starts_with(LFS_POINTER);
                let mut notes = self.notes(&file);
                if is_pointer {
                    lfs(&mut notes);
                } else {
                    notes.refused(None, &error);
                }
                None
            }
        }
    }

    fn entry_path(&mut self, entry: &IndexEntry, index: &PackPath) -> Option<PackPath> {
        let file = self.index_file.clone();
        match PackPath::resolve(index.folder().as_ref(), &entry.file.value) {
            Ok(path) => Some(path),
            Err(error) => {
                let mut notes = self.notes(&file);
                notes.refused(Some(entry.file.place), &error);
                None
            }
        }
    }

    fn item(
        &mut self,
        entry: &IndexEntry,
        file: &PackPath,
        kinds: &BTreeMap<&str, Kind>,
    ) -> Option<Item> {
        let index_file = self.index_file.clone();
        let place = entry.file.place;
        if let Some(Kind::Link | Kind::Other) = kinds.get(file.as_str()) {
            // Told once, for the entry of the tree.
            return None;
        }
        if !entry.metafile {
            self.hash_of_file(entry, file)?;
            if is_metafile_name(file.name()) {
                let message = format!(
                    "{file} is a metafile by its name, but the index does not say so: the text of the metafile would be installed"
                );
                self.notes(&index_file)
                    .warning("metafile-not-marked", Some(place), message)
                    .hint("add metafile = true");
            }
            let path = match &entry.alias {
                None => file.clone(),
                Some(alias) => match PackPath::resolve(file.folder().as_ref(), &alias.value) {
                    Ok(path) => path,
                    Err(error) => {
                        self.notes(&index_file).refused(Some(alias.place), &error);
                        return None;
                    }
                },
            };
            return Some(Item {
                path,
                origin: Origin::Tree(file.clone()),
                preserve: entry.preserve,
                place,
            });
        }
        if let Some(alias) = &entry.alias {
            self.notes(&index_file)
                .warning(
                    "alias",
                    Some(alias.place),
                    "a metafile has no alias; this one is not looked at",
                )
                .hint("write the path into the metafile's `filename`");
        }
        let limit = self.file_limits();
        let (document, bytes) = self.document(file, limit, Some((&index_file, place)))?;
        if let Some(expected) = &entry.hash {
            let found = Hash::of(expected.value.format(), &bytes);
            self.compare(entry, file, &found, Some(&bytes));
        }
        let (metafile, findings) = Metafile::read(&document, file.as_str());
        self.findings.extend(findings);
        let metafile = metafile?;
        let path = match PackPath::resolve(file.folder().as_ref(), &metafile.filename.value) {
            Ok(path) => path,
            Err(error) => {
                let place = Some(metafile.filename.place);
                self.notes(file.as_str()).refused(place, &error);
                return None;
            }
        };
        Some(Item {
            path,
            origin: Origin::Remote {
                path: file.clone(),
                metafile: Box::new(metafile),
            },
            preserve: entry.preserve,
            place,
        })
    }

    /// Reads a file of the tree in pieces and holds its hash against the index's. None if it cannot be read.
    fn hash_of_file(&mut self, entry: &IndexEntry, file: &PackPath) -> Option<()> {
        let format = entry
            .hash
            .as_ref()
            .map_or(HashFormat::Sha256, |hash| hash.value.format());
        let read = hash_in_pieces(self.tree, file, format, self.limits.file_bytes_max);
        match read {
            Ok(read) => {
                if read.begins_as_pointer {
                    let file = file.to_string();
                    lfs(&mut self.notes(&file));
                    return None;
                }
                if entry.hash.is_some() {
                    self.compare(entry, file, &read.hash, read.small.as_deref());
                }
                Some(())
            }
            Err(unread) => {
                let index_file = self.index_file.clone();
                let mut notes = self.notes(&index_file);
                unread.note(&mut notes, Some((file, entry.file.place)));
                None
            }
        }
    }

    fn compare(&mut self, entry: &IndexEntry, file: &PackPath, found: &Hash, bytes: Option<&[u8]>) {
        let Some(expected) = &entry.hash else { return };
        if expected.value == *found {
            return;
        }
        let hint = bytes
            .and_then(|bytes| line_ends(&expected.value, bytes))
            .map_or_else(
                || format!("if you changed the file, run `packwiz refresh`; its hash is {found}"),
                str::to_owned,
            );
        let message = format!("{file} has another {} hash than this", found.format());
        let index_file = self.index_file.clone();
        self.notes(&index_file)
            .error("hash-mismatch", Some(expected.place), message)
            .hint(hint);
    }

    fn check_hashes_given(&mut self, index: &Index, expected: bool) {
        let mut without = index.files.iter().filter(|entry| entry.hash.is_none());
        let Some(first) = without.next() else { return };
        if !expected {
            return;
        }
        let others = without.count();
        let and = match others {
            0 => String::new(),
            count => format!(", nor {count} others"),
        };
        let message = format!("{} has no hash{and}", first.file.value);
        let index_file = self.index_file.clone();
        self.notes(&index_file)
            .error("missing-hash", Some(first.place), message)
            .hint("run `packwiz refresh`; or, if the pack is to have none, set no-internal-hashes = true in [options] of pack.toml");
    }

    /// Files that lie in the pack's folder and that nobody gets.
    fn check_unnamed(
        &mut self,
        entries: &[Entry],
        ignored: &Ignored,
        named: &BTreeSet<PackPath>,
        index: &PackPath,
        has_ignore_file: bool,
    ) {
        for entry in entries.iter().filter(|entry| entry.kind == Kind::File) {
            let path = entry.path.as_str();
            let own = [PACK_FILE, IGNORE_FILE, "atlas.toml", "atlas.lock"].contains(&path);
            if own || path == index.as_str() || named.contains(path) || ignored.path(path) {
                continue;
            }
            let hint = if has_ignore_file {
                "run `packwiz refresh` to add it, or name it in .packwizignore"
            } else {
                "run `packwiz refresh` to add it, or name it in a file .packwizignore"
            };
            let path = path.to_owned();
            self.notes(&path)
                .warning("not-in-index", None, "is not in the index: nobody gets it")
                .hint(hint);
        }
    }

    /// What is no file, and file names that no pack can have.
    fn check_kinds(&mut self, entries: &[Entry], ignored: &Ignored) {
        for entry in entries.iter().filter(|entry| !ignored.path(&entry.path)) {
            let what = match entry.kind {
                Kind::File => continue,
                Kind::Link => "is a symbolic link, which packs cannot have",
                Kind::Other => "is neither a file nor a folder",
            };
            self.notes(&entry.path)
                .error("no-file", None, what)
                .hint("put the file itself there, or name it in .packwizignore");
        }
    }
}

fn lfs(notes: &mut Notes<'_>) {
    notes
        .error(
            "lfs-pointer",
            None,
            "is not the file itself but what Git LFS keeps in its place",
        )
        .hint("run `git lfs pull`");
}

/// If a hash is that of the same text with other line ends: what to do.
fn line_ends(expected: &Hash, bytes: &[u8]) -> Option<&'static str> {
    let windows = bytes.windows(2).any(|pair| pair == b"\r\n");
    let other = if windows {
        let mut kept = Vec::with_capacity(bytes.len());
        for (at, byte) in bytes.iter().enumerate() {
            if *byte != b'\r' || bytes.get(at + 1) != Some(&b'\n') {
                kept.push(*byte);
            }
        }
        kept
    } else {
        let mut grown = Vec::with_capacity(bytes.len() + bytes.len() / 16);
        for byte in bytes {
            if *byte == b'\n' {
                grown.push(b'\r');
            }
            grown.push(*byte);
        }
        grown
    };
    (Hash::of(expected.format(), &other) == *expected).then_some(
        "only the line ends differ: Git changed them; write `* -text` into .gitattributes and check the files out anew",
    )
}

/// Why a file could not be had.
enum Unread {
    Io(io::Error),
    TooLarge(Error),
}

impl Unread {
    /// Tells it of a file that another one names at a place, or of the file itself.
    fn note(self, notes: &mut Notes<'_>, named: Option<(&PackPath, Place)>) {
        let place = named.map(|(_, place)| place);
        let subject = named.map_or_else(String::new, |(path, _)| format!("{path} "));
        match self {
            Self::TooLarge(error) => {
                notes.error("too-large", place, format!("{subject}{error}"));
            }
            Self::Io(error) if error.kind() == io::ErrorKind::NotFound => {
                notes
                    .error("missing-file", place, format!("{subject}is missing"))
                    .hint(match named {
                        Some(_) => "put it back, or run `packwiz refresh` to take it out of the index",
                        None => "a pack has this file; name the folder that holds it, or make a pack with `packwiz init`",
                    });
            }
            Self::Io(error) if error.kind() == io::ErrorKind::InvalidInput => {
                notes.error(
                    "no-file",
                    place,
                    format!("{subject}is no file, or a link leads to it"),
                );
            }
            Self::Io(error) => {
                notes.error(
                    "unreadable",
                    place,
                    format!("{subject}cannot be read: {error}"),
                );
            }
        }
    }
}

fn read_whole(tree: &dyn Tree, path: &PackPath, bytes_max: u64) -> Result<Vec<u8>, Unread> {
    let mut bytes = Vec::new();
    let file = tree.open(path).map_err(Unread::Io)?;
    file.take(bytes_max.saturating_add(1))
        .read_to_end(&mut bytes)
        .map_err(Unread::Io)?;
    let length = bytes.len() as u64;
    if length > bytes_max {
        return Err(Unread::TooLarge(Error::TooLarge {
            bytes: length,
            bytes_max,
        }));
    }
    Ok(bytes)
}

/// What one reading of a file found out.
struct FileRead {
    hash: Hash,
    begins_as_pointer: bool,
    /// The whole file, if it is small.
    small: Option<Vec<u8>>,
}

fn hash_in_pieces(
    tree: &dyn Tree,
    path: &PackPath,
    format: HashFormat,
    small_max: u64,
) -> Result<FileRead, Unread> {
    let mut file = tree.open(path).map_err(Unread::Io)?;
    let mut hasher = Hasher::new(format);
    let mut small = Some(Vec::new());
    let mut piece = vec![0; 64 << 10];
    let mut begins_as_pointer = None;
    loop {
        let length = match file.read(&mut piece) {
            Ok(0) => break,
            Ok(length) => length,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(Unread::Io(error)),
        };
        let bytes = &piece[..length];
        begins_as_pointer.get_or_insert_with(|| bytes.starts_with(LFS_POINTER));
        hasher.update(bytes);
        if let Some(kept) = &mut small {
            kept.extend_from_slice(bytes);
            if kept.len() as u64 > small_max {
                small = None;
            }
        }
    }
    Ok(FileRead {
        hash: hasher.finish(),
        begins_as_pointer: begins_as_pointer.unwrap_or(false),
        small,
    })
}
