//! JSON pointers (RFC 6901), taken apart once.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// The most steps of a pointer; it bounds how deep a message is entered.
const STEPS_MAX: usize = 8;

/// A JSON pointer such as `/position/x`; empty where a rule leaves something out.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Pointer {
    steps: Box<[Step]>,
}

/// One step: a key of an object, or, if it is a number, also an index of an array.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Step {
    pub(super) key: Box<str>,
    pub(super) index: Option<usize>,
}

/// A text that is no pointer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{text:?} is no JSON pointer: write \"/name\" or \"/outer/inner\" (at most {STEPS_MAX} names; \"~1\" for \"/\" and \"~0\" for \"~\" inside a name)"
)]
pub struct BadPointer {
    text: String,
}

impl Pointer {
    /// A pointer known to be good.
    pub(super) fn of(text: &str) -> Self {
        text.parse().unwrap_or_default()
    }

    /// Whether nothing is pointed to.
    pub fn is_empty(&self) -> bool {
        self.steps.is_empty()
    }

    pub(super) fn steps(&self) -> &[Step] {
        &self.steps
    }
}

impl FromStr for Pointer {
    type Err = BadPointer;

    fn from_str(text: &str) -> Result<Self, BadPointer> {
        let bad = || BadPointer {
            text: text.chars().take(64).collect(),
        };
        if text.is_empty() {
            return Ok(Self::default());
        }
        let path = text.strip_prefix('/').ok_or_else(bad)?;
        let steps: Option<Vec<Step>> = path.split('/').take(STEPS_MAX + 1).map(step).collect();
        match steps {
            Some(steps) if steps.len() <= STEPS_MAX => Ok(Self {
                steps: steps.into(),
            }),
            _ => Err(bad()),
        }
    }
}

/// Undoes the escapes of one step; none if there is another than `~0` and `~1`.
fn step(text: &str) -> Option<Step> {
    let mut key = String::with_capacity(text.len());
    let mut characters = text.chars();
    while let Some(character) = characters.next() {
        key.push(match character {
            '~' => match characters.next()? {
                '0' => '~',
                '1' => '/',
                _ => return None,
            },
            other => other,
        });
    }
    let plain_number = key == "0" || key.starts_with(|first: char| matches!(first, '1'..='9'));
    let index = key.parse().ok().filter(|_| plain_number);
    Some(Step {
        key: key.into(),
        index,
    })
}

impl fmt::Display for Pointer {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.steps.iter().try_for_each(|step| {
            write!(
                formatter,
                "/{}",
                step.key.replace('~', "~0").replace('/', "~1")
            )
        })
    }
}

impl fmt::Debug for Pointer {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Pointer({self})")
    }
}

impl Serialize for Pointer {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Pointer {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Cow::<'de, str>::deserialize(deserializer)?
            .parse()
            .map_err(de::Error::custom)
    }
}

impl JsonSchema for Pointer {
    fn schema_name() -> Cow<'static, str> {
        "Pointer".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "pattern": "^(/([^~/]|~[01])*)*$" })
    }
}
