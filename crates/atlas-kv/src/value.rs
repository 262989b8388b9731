//! What a key holds.

use crate::codec::{LoadError, Reader};
use crate::digest::Digest;
use crate::number;
use crate::slice::{ObjectId, Slice};

/// Strings up to this many bytes are called `embstr` by `OBJECT ENCODING`, as in Redis.
const EMBEDDED_BYTES_MAX: usize = 44;

/// A value of many elements. One file a type implements it; the line in `collections!` below makes it known.
///
/// Elements lie in pages (see [`crate::slice`]); every change goes through a page. Small collections are written into the
/// snapshot with their entry, large ones page by page under their object's name.
pub(crate) trait Collection: Sized {
    /// The type's mark in snapshots, part of the object's name.
    const TAG: u8;

    /// The number of elements; an empty collection is removed with its key.
    fn len(&self) -> usize;
    /// What `OBJECT ENCODING` calls it.
    fn encoding(&self) -> &'static str;
    /// About how many bytes it takes, itself included.
    fn memory_bytes(&self) -> usize;
    /// True if it is written with its entry. Such a collection must be one of few and short elements: a page of entries
    /// takes 64 of them along.
    fn is_small(&self) -> bool;
    /// Appends all of it, and marks its pages as written.
    fn encode_small(&mut self, out: &mut Vec<u8>, epoch: u32);
    /// Reads what [`Self::encode_small`] wrote.
    fn decode_small(reader: &mut Reader<'_>, object: ObjectId) -> Result<Self, LoadError>;
    /// Its name inside snapshots.
    fn object(&self) -> ObjectId;
    /// Appends what is known about the collection as a whole and lies in no page.
    fn encode_head(&self, out: &mut Vec<u8>);
    /// A collection without elements yet, from what [`Self::encode_head`] wrote; nothing is derived yet.
    fn decode_head(&mut self, reader: &mut Reader<'_>) -> Result<(), LoadError>;
    /// A collection of which nothing has been read yet.
    fn unloaded(object: ObjectId) -> Self;
    /// Writes pages that the snapshot still needs, from `page` on, until about `budget_bytes` wait; where to go on.
    fn emit(&mut self, slice: &mut Slice, page: usize, budget_bytes: usize) -> Option<usize>;
    /// True if the snapshot in the making still needs a page.
    fn has_unwritten(&self, slice: &Slice) -> bool;
    /// Reads one page.
    fn load_page(&mut self, reader: &mut Reader<'_>) -> Result<(), LoadError>;
    /// Derives what pages do not hold, once all are read; false if one is missing.
    fn finish_loading(&mut self) -> bool;
    /// Feeds what the collection holds, in its order.
    fn digest(&self, digest: &mut Digest);
    /// An equal collection with a name of its own (`COPY`).
    fn duplicate(&self, slice: &mut Slice) -> Self;
}

/// A value that lies under no key: on its way from one to another, or about to be set.
#[derive(Debug)]
pub(crate) enum Value {
    /// A string of bytes.
    String(Vec<u8>),
    /// A string that is the decimal form of this integer.
    Integer(i64),
    /// A collection.
    Object(Box<Object>),
}

/// A value under its key.
#[derive(Clone, Copy, Debug)]
pub(crate) enum ValueRef<'a> {
    /// A string of bytes.
    String(&'a [u8]),
    /// A string that is the decimal form of this integer.
    Integer(i64),
    /// A collection.
    Object(&'a Object),
}

/// Makes [`Object`] from a line for each collection: variant, type, name for `TYPE`.
macro_rules! collections {
    ($($(#[$doc:meta])* $variant:ident($type:ty) = $name:literal;)*) => {
        /// A value of many elements.
        #[derive(Debug)]
        pub(crate) enum Object {
            $($(#[$doc])* $variant($type),)*
        }

        impl Object {
            pub(crate) fn type_name(&self) -> &'static str {
                match *self { $(Self::$variant(_) => $name,)* }
            }
            pub(crate) fn len(&self) -> usize {
                match *self { $(Self::$variant(ref held) => held.len(),)* }
            }
            fn encoding(&self) -> &'static str {
                match *self { $(Self::$variant(ref held) => held.encoding(),)* }
            }
            pub(crate) fn memory_bytes(&self) -> usize {
                match *self { $(Self::$variant(ref held) => held.memory_bytes(),)* }
            }
            pub(crate) fn is_small(&self) -> bool {
                match *self { $(Self::$variant(ref held) => held.is_small(),)* }
            }
            pub(crate) fn encode_small(&mut self, out: &mut Vec<u8>, epoch: u32) {
                match *self { $(Self::$variant(ref mut held) => held.encode_small(out, epoch),)* }
            }
            pub(crate) fn decode_small(reader: &mut Reader<'_>, object: ObjectId) -> Result<Self, LoadError> {
                match object.tag() {
                    $(<$type>::TAG => Ok(Self::$variant(<$type>::decode_small(reader, object)?)),)*
                    _ => Err(reader.impossible("a value of no known type")),
                }
            }
            pub(crate) fn object(&self) -> ObjectId {
                match *self { $(Self::$variant(ref held) => held.object(),)* }
            }
            pub(crate) fn encode_head(&self, out: &mut Vec<u8>) {
                match *self { $(Self::$variant(ref held) => held.encode_head(out),)* }
            }
            pub(crate) fn decode_head(&mut self, reader: &mut Reader<'_>) -> Result<(), LoadError> {
                match *self { $(Self::$variant(ref mut held) => held.decode_head(reader),)* }
            }
            pub(crate) fn unloaded(object: ObjectId, reader: &Reader<'_>) -> Result<Self, LoadError> {
                match object.tag() {
                    $(<$type>::TAG => Ok(Self::$variant(<$type>::unloaded(object))),)*
                    _ => Err(reader.impossible("a value of no known type")),
                }
            }
            pub(crate) fn emit(&mut self, slice: &mut Slice, page: usize, budget_bytes: usize) -> Option<usize> {
                match *self { $(Self::$variant(ref mut held) => held.emit(slice, page, budget_bytes),)* }
            }
            pub(crate) fn has_unwritten(&self, slice: &Slice) -> bool {
                match *self { $(Self::$variant(ref held) => held.has_unwritten(slice),)* }
            }
            pub(crate) fn load_page(&mut self, reader: &mut Reader<'_>) -> Result<(), LoadError> {
                match *self { $(Self::$variant(ref mut held) => held.load_page(reader),)* }
            }
            pub(crate) fn finish_loading(&mut self) -> bool {
                match *self { $(Self::$variant(ref mut held) => held.finish_loading(),)* }
            }
            fn digest(&self, digest: &mut Digest) {
                match *self { $(Self::$variant(ref held) => held.digest(digest),)* }
            }
            fn duplicate(&self, slice: &mut Slice) -> Self {
                match *self { $(Self::$variant(ref held) => Self::$variant(held.duplicate(slice)),)* }
            }
        }
    };
}

collections! {
    /// Bytes that are too many to lie beside their key. Under a [`ValueRef`] it is a string like others.
    LongString(crate::string::LongString) = "string";
    /// Fields and their values.
    Hash(crate::hash::Hash) = "hash";
    /// Elements in order.
    List(crate::list::List) = "list";
    /// Members.
    Set(crate::set::Set) = "set";
    /// Members in the order of their scores.
    SortedSet(crate::sorted_set::SortedSet) = "zset";
    /// Entries in the order of their ids.
    Stream(crate::stream::Stream) = "stream";
}

impl Value {
    /// A string, as an integer where its bytes are that integer's decimal form.
    pub(crate) fn string(bytes: &[u8]) -> Self {
        match number::integer(bytes) {
            Some(integer) => Self::Integer(integer),
            None => Self::String(bytes.to_vec()),
        }
    }
}

impl ValueRef<'_> {
    /// What `TYPE` calls it.
    pub(crate) fn type_name(self) -> &'static str {
        match self {
            Self::String(_) | Self::Integer(_) => "string",
            Self::Object(object) => object.type_name(),
        }
    }

    /// What `OBJECT ENCODING` calls it.
    pub(crate) fn encoding(self) -> &'static str {
        match self {
            Self::Integer(_) => "int",
            Self::String(bytes) if bytes.len() <= EMBEDDED_BYTES_MAX => "embstr",
            Self::String(_) => "raw",
            Self::Object(object) => object.encoding(),
        }
    }

    /// An equal value under no key.
    pub(crate) fn duplicate(self, slice: &mut Slice) -> Value {
        match self {
            Self::String(bytes) => Value::String(bytes.to_vec()),
            Self::Integer(integer) => Value::Integer(integer),
            Self::Object(object) => Value::Object(Box::new(object.duplicate(slice))),
        }
    }

    pub(crate) fn digest(self, digest: &mut Digest) {
        match self {
            Self::String(bytes) => digest.bytes(bytes),
            // Whether a number is kept as text or as an integer is not part of the state.
            Self::Integer(integer) => digest.bytes(number::Decimal::new(integer).as_bytes()),
            Self::Object(object) => {
                digest.bytes(object.type_name().as_bytes());
                object.digest(digest);
            }
        }
    }
}
