//! Control messages: one JSON object with a `type`, behind the tag byte 0x02. What all protocols here share.

use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::frame::CloseCode;

/// The most bytes of a control message, its tag included: room for a state of 64 KiB in base64, and for the rest.
pub const CONTROL_BYTES_MAX: usize = 128 * 1024;
/// How much of a text that came from outside is repeated in an error.
const QUOTED_CHARACTERS_MAX: usize = 40;

/// Why a control message or a part of a state was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// A type that this side does not know (its first 40 characters): answered by `unsupported`, the connection stays.
    #[error("unknown control type {type:?}")]
    Unknown {
        /// The type.
        r#type: String,
    },
    /// A control message that is no JSON object with a `type`.
    #[error("control message: {what}")]
    NotAnObject {
        /// What is wrong.
        what: String,
    },
    /// A known message whose field is missing or wrong.
    #[error("{type}: {what}")]
    Malformed {
        /// The message's type.
        r#type: &'static str,
        /// The field's name and what is wrong with it.
        what: String,
    },
    /// A message longer than [`CONTROL_BYTES_MAX`].
    #[error("control message longer than {CONTROL_BYTES_MAX} bytes")]
    TooLong,
    /// A part of a state that does not fit those before it, or a state whose parts did not all come.
    #[error("state parts: {what}")]
    State {
        /// What is wrong.
        what: &'static str,
    },
    /// A state in parts that is longer than this side takes.
    #[error("state longer than {bytes_max} bytes")]
    StateTooLong {
        /// The limit.
        bytes_max: usize,
    },
}

impl Error {
    /// The code to close the connection with; the error's text is the reason. None where it is answered by
    /// `unsupported` instead.
    pub fn close_code(&self) -> Option<CloseCode> {
        match self {
            Self::Unknown { .. } => None,
            Self::TooLong | Self::StateTooLong { .. } => Some(CloseCode::TOO_BIG),
            Self::NotAnObject { .. } | Self::Malformed { .. } | Self::State { .. } => {
                Some(CloseCode::PROTOCOL_ERROR)
            }
        }
    }
}

/// A body whose fields have rules that their types do not say.
pub(crate) trait Check {
    /// The field that breaks its rule, and what is wrong.
    fn check(&self) -> Result<(), String> {
        Ok(())
    }
}

/// The first characters of a text from outside.
pub(crate) fn quoted(text: &str) -> String {
    text.chars().take(QUOTED_CHARACTERS_MAX).collect()
}

/// Reads the type of a control message, without its tag.
pub(crate) fn type_of(body: &[u8]) -> Result<String, Error> {
    #[derive(Deserialize)]
    struct Typed {
        r#type: String,
    }
    if body.len() >= CONTROL_BYTES_MAX {
        return Err(Error::TooLong);
    }
    // A JSON array would do for serde, too: its elements as the fields in order.
    if body.iter().find(|byte| !byte.is_ascii_whitespace()) != Some(&b'{') {
        return Err(Error::NotAnObject {
            what: "no json object".into(),
        });
    }
    let typed: Typed = serde_json::from_slice(body).map_err(|error| Error::NotAnObject {
        what: without_place(&error),
    })?;
    Ok(typed.r#type)
}

/// Reads the fields of a message of a known type.
pub(crate) fn fields<T: DeserializeOwned + Check>(
    r#type: &'static str,
    body: &[u8],
) -> Result<T, Error> {
    let malformed = |what: String| Error::Malformed { r#type, what };
    let mut reader = serde_json::Deserializer::from_slice(body);
    let read: T = serde_path_to_error::deserialize(&mut reader).map_err(|error| {
        let path = error.path().to_string();
        let what = without_place(error.inner());
        // The path of a missing field is its parent's; the text names the field itself.
        malformed(if matches!(path.as_str(), "." | "?") {
            what
        } else {
            format!("{path}: {what}")
        })
    })?;
    read.check().map_err(malformed)?;
    Ok(read)
}

/// What serde_json says, without line and column: a close reason has 123 bytes.
fn without_place(error: &serde_json::Error) -> String {
    let text = error.to_string();
    match text.rfind(" at line ") {
        Some(at) => text[..at].to_owned(),
        None => text,
    }
}

/// Declares one direction of a protocol: an enum of its messages, each with its type on the wire and a struct of its
/// fields, and how it is written and read.
macro_rules! messages {
    (
        $(#[$doc:meta])*
        pub enum $name:ident { $($(#[$about:meta])* $variant:ident = $type:literal,)* }
    ) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, serde::Serialize)]
        #[serde(tag = "type")]
        pub enum $name {
            $($(#[$about])* #[serde(rename = $type)] $variant($variant),)*
        }

        impl $name {
            /// The types that exist.
            pub const TYPES: &[&str] = &[$($type),*];

            /// The message's type as it stands on the wire.
            pub const fn type_name(&self) -> &'static str {
                match self {
                    $(Self::$variant(_) => $type,)*
                }
            }

            /// Appends the whole message: the tag 0x02 and the JSON object.
            pub fn encode(&self, target: &mut Vec<u8>) {
                target.push($crate::tag::Tag::Control.byte());
                serde_json::to_writer(target, self)
                    .expect("a vector takes all bytes, and all keys of these messages are text");
            }

            /// Reads a message without its tag. Fields that are not known are ignored; an unknown type is an error of
            /// its own, which is answered by `unsupported`.
            pub fn decode(body: &[u8]) -> Result<Self, $crate::message::Error> {
                match $crate::message::type_of(body)?.as_str() {
                    $($type => $crate::message::fields($type, body).map(Self::$variant),)*
                    other => Err($crate::message::Error::Unknown { r#type: $crate::message::quoted(other) }),
                }
            }
        }

        $(
            impl From<$variant> for $name {
                fn from(message: $variant) -> Self {
                    Self::$variant(message)
                }
            }
        )*
    };
}

pub(crate) use messages;

/// The answer to a control message whose type is not known. It is never answered itself.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, Deserialize)]
pub struct Unsupported {
    /// The type that is not known, its first 40 characters.
    pub unsupported: String,
}

impl Unsupported {
    /// The answer to a message of this type.
    pub fn new(r#type: &str) -> Self {
        Self {
            unsupported: quoted(r#type),
        }
    }
}

impl Check for Unsupported {}
