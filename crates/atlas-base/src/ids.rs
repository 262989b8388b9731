//! Ids that cannot be mixed up: 128 bits, written as lower-case UUID text.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::Error;

macro_rules! id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        ///
        /// `Display`, `FromStr` and serde use UUID text with hyphens, written in lower case, read in either case.
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(u128);

        impl $name {
            /// The id with these 128 bits; the caller draws them.
            #[must_use]
            pub const fn from_u128(bits: u128) -> Self {
                Self(bits)
            }

            /// The 128 bits.
            #[must_use]
            pub const fn as_u128(self) -> u128 {
                self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                uuid::Uuid::from_u128(self.0).as_hyphenated().fmt(f)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}({self})", stringify!($name))
            }
        }

        impl FromStr for $name {
            type Err = Error;

            fn from_str(text: &str) -> Result<Self, Error> {
                parse(text).map(Self)
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                struct Text;
                impl de::Visitor<'_> for Text {
                    type Value = u128;
                    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                        f.write_str("an id as UUID text")
                    }
                    fn visit_str<E: de::Error>(self, text: &str) -> Result<u128, E> {
                        parse(text).map_err(E::custom)
                    }
                }
                deserializer.deserialize_str(Text).map(Self)
            }
        }
    };
}

id! {
    /// One player's presence at the edge, for as long as it lasts.
    SessionId
}
id! {
    /// One attempt to move a session's authority from one server to another.
    TransferId
}
id! {
    /// One registration of a game server, by which it says that it lives and that it leaves.
    RegistrationId
}

/// The bits of UUID text in its hyphenated form. The other forms that the library reads (braces, URN, no hyphens)
/// are refused, so that an id has one spelling on the wire.
fn parse(text: &str) -> Result<u128, Error> {
    let wrong = || Error::Id {
        text: shortened(text),
    };
    if text.len() != 36 {
        return Err(wrong());
    }
    uuid::Uuid::try_parse(text)
        .map(|id| id.as_u128())
        .map_err(|_| wrong())
}

/// At most 64 characters of `text`: an error message is no place for a megabyte from a stranger.
pub(crate) fn shortened(text: &str) -> String {
    text.chars().take(64).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_round_trips_in_lower_case() {
        for bits in [0, 1, u128::MAX, 0x67e5_5044_10b1_426f_9247_bb68_0e5f_e0c8] {
            let id = SessionId::from_u128(bits);
            let text = id.to_string();
            assert_eq!(text, text.to_lowercase());
            assert_eq!(text.parse(), Ok(id));
            assert_eq!(text.to_uppercase().parse(), Ok(id));
            let json = serde_json::to_string(&id).unwrap();
            assert_eq!(json, format!("\"{text}\""));
            assert_eq!(serde_json::from_str::<SessionId>(&json).unwrap(), id);
        }
        assert_eq!(
            TransferId::from_u128(0x67e5_5044_10b1_426f_9247_bb68_0e5f_e0c8).to_string(),
            "67e55044-10b1-426f-9247-bb680e5fe0c8"
        );
    }

    #[test]
    fn other_spellings_are_refused() {
        for text in [
            "",
            "67e5504410b1426f9247bb680e5fe0c8",
            "{67e55044-10b1-426f-9247-bb680e5fe0c8}",
            "urn:uuid:67e55044-10b1-426f-9247-bb680e5fe0c8",
            "67e55044-10b1-426f-9247-bb680e5fe0cg",
            "67e55044-10b1-426f-9247-bb680e5fe0c",
            "67e5504-410b1-426f-9247-bb680e5fe0c8",
        ] {
            assert!(text.parse::<SessionId>().is_err(), "{text}");
        }
        assert!(serde_json::from_str::<SessionId>("12").is_err());
    }
}
